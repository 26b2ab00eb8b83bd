# Runs containerd and the kubelet on this host, in mount, process and cgroup namespaces of their own, until it is killed:
# what they write lies in memory and below $2, and no setting of the host's kernel changes.
# $1: the built programs.
# $2: a folder: in `root` what a join left below `/etc/kubernetes` and `/var/lib/kubelet`, as kubeadm lays it out.
# $3: the node's name.
# $4: a free port of loopback for the kubelet, $5: one for its health.
set -eu
bin=$1 folder=$2 node=$3 port=$4 health=$5
export PATH="$bin:/usr/sbin:/usr/bin:/sbin:/bin" LD_LIBRARY_PATH="$bin"

mount --make-rprivate /
mkdir -p "$folder/root/etc/kubernetes" "$folder/root/var/lib/kubelet" "$folder/etc" "$folder/containerd" "$folder/cni"
# What programs want to know of a machine; nothing else of the host's own settings is seen.
for file in os-release machine-id hosts resolv.conf nsswitch.conf passwd group; do
    [ ! -e "/etc/$file" ] || cp -L "/etc/$file" "$folder/etc/"
done
mkdir -p "$folder/etc/kubernetes"
mount --bind "$folder/etc" /etc
mount --bind "$folder/root/etc/kubernetes" /etc/kubernetes
# The working folder may lie below one of these, so they hide nothing before it has a place of its own.
mkdir "$folder/lib" "$folder/lib/kubelet"
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/root/var/lib/kubelet" /var/lib/kubelet
for place in /run /var/log /opt /usr/libexec; do
    [ ! -d "$place" ] || mount -t tmpfs kindling "$place"
done

# The kubelet would set these, for the whole host: it finds them set.
mkdir "$folder/sys"
while read -r name value; do
    echo "$value" >"$folder/sys/$name"
    mount --bind "$folder/sys/$name" "/proc/sys/$(echo "$name" | tr . /)"
done <<EOF
vm.overcommit_memory 1
vm.panic_on_oom 0
kernel.panic 10
kernel.panic_on_oops 1
kernel.keys.root_maxkeys 1000000
kernel.keys.root_maxbytes 25000000
EOF

# A network that would do, so that the node can be ready; no pod ever asks for it.
cat >"$folder/cni/10-none.conflist" <<EOF
{ "cniVersion": "0.4.0", "name": "none", "plugins": [ { "type": "loopback" } ] }
EOF
cat >"$folder/containerd.toml" <<EOF
version = 2
root = "$folder/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = "$folder/cni"
EOF
if [ ! -e /var/lib/kubelet/config.yaml ]; then
    cat >/var/lib/kubelet/config.yaml <<EOF
kind: KubeletConfiguration
apiVersion: kubelet.config.k8s.io/v1beta1
rotateCertificates: true
authentication:
  anonymous: { enabled: false }
  x509: { clientCAFile: /etc/kubernetes/pki/ca.crt }
EOF
fi

mkdir /run/containerd
containerd --config "$folder/containerd.toml" >"$folder/containerd.log" 2>&1 &
# The kubelet gives up where nobody listens; containerd tells only systemd when it does.
until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done

# First what a node of this kind is started with, then what spares the host: these stand above the file.
exec kubelet --config=/var/lib/kubelet/config.yaml --hostname-override="$node" \
    --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \
    --container-runtime=remote --container-runtime-endpoint=unix:///run/containerd/containerd.sock \
    --address=127.0.0.1 --port="$port" --healthz-bind-address=127.0.0.1 --healthz-port="$health" \
    --cgroups-per-qos=false --enforce-node-allocatable= --make-iptables-util-chains=false \
    --protect-kernel-defaults=true --fail-swap-on=false
