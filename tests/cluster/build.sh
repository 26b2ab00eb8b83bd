#!/bin/sh
# Builds a real control plane and a real kubelet from the distribution's source package `kubernetes`, with the
# distribution's Go, and unpacks the packages that they run with. Nothing is installed and the host's own apt
# configuration and lists are not touched: everything is below the folder given.
#
# $1: that folder. Afterwards `$1/current/bin` holds kube-apiserver, kube-controller-manager, kubelet, kubectl, etcd,
# containerd with its helpers, and runc. A second run does nothing until this script changes or the folder goes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
script=$(sha256sum "$here/build.sh" | cut -c1-16)
programs='kube-apiserver kube-controller-manager kubelet kubectl'
packages='golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev etcd-server containerd runc libseccomp2'

if [ "$(cat "$out/current/built-by" 2>/dev/null)" = "$script" ]; then
    exit 0
fi

# One build at a time; the lock goes with the process.
exec 9>"$out/lock"
flock 9

say() { printf 'cluster: %s\n' "$*"; }
began=$(date +%s)

# The distribution's archives as this host reaches them, with their sources, in an apt configuration of our own.
configure_apt() {
    mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
    . /etc/os-release
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    unset APT_CONFIG
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
        sort -u |
        while read -r uri release component; do
            case $release in
            "$VERSION_CODENAME" | "$VERSION_CODENAME-updates" | "$VERSION_CODENAME-security")
                echo "deb [signed-by=$key] $uri $release $component"
                echo "deb-src [signed-by=$key] $uri $release $component"
                ;;
            esac
        done >"$out/apt/sources.list"
    cat >"$out/apt/apt.conf" <<EOF
Dir::Etc::SourceList "$out/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$out/apt/lists";
Dir::Cache "$out/apt/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
Acquire::Retries "3";
EOF
    export APT_CONFIG="$out/apt/apt.conf"
}

configure_apt
say 'asking the archives'
apt-get update -q >"$out/apt/update.log" 2>&1 || { cat "$out/apt/update.log" >&2; exit 1; }
version=$(apt-cache showsrc --only-source kubernetes | sed -n 's/^Version: //p' | head -n1)
[ -n "$version" ] || { say 'the archives have no source package kubernetes' >&2; exit 1; }
# `1.20.5+really1.20.2-1.1`: what comes after "really" is what is inside.
upstream=$(echo "$version" | sed 's/.*+really//; s/-.*//')
work=$out/$(echo "$version" | tr '+~' '__')
mkdir -p "$work/packages" "$work/bin"

say "fetching kubernetes $version and what builds it"
(
    cd "$work/packages"
    apt-get source -q --download-only --only-source "kubernetes=$version" >fetch.log 2>&1 &&
        # shellcheck disable=SC2086
        apt-get download -q $packages >>fetch.log 2>&1
) || { cat "$work/packages/fetch.log" >&2; exit 1; }
if [ ! -e "$work/tools/complete" ]; then
    rm -rf "$work/tools" && mkdir "$work/tools"
    for package in $packages; do
        dpkg-deb --extract "$work/packages/${package}"_*.deb "$work/tools"
    done
    touch "$work/tools/complete"
fi

# The old layout: sources below a GOPATH, dependencies vendored.
go=$work/tools/usr/lib/go-1.19
source=$work/gopath/src/k8s.io/kubernetes
export GOROOT="$go" GOPATH="$work/gopath" GOCACHE="$work/gocache" GOTMPDIR="$work" PATH="$go/bin:$PATH"
export GO111MODULE=off GOFLAGS=-trimpath GOTOOLCHAIN=local CGO_ENABLED=0
if [ ! -e "$source/complete" ]; then
    rm -rf "$source" && mkdir -p "$work/gopath/src/k8s.io"
    # apt has compared the files with the signed index.
    dpkg-source --no-check -x "$work"/packages/kubernetes_*.dsc "$source" >"$work/unpack.log" 2>&1
    # The vendored release reads the run-time's memory as it was before Go 1.18, and crashes.
    rm -rf "$source/vendor/github.com/modern-go/reflect2"
    cp -r "$work/tools/usr/share/gocode/src/github.com/modern-go/reflect2" "$source/vendor/github.com/modern-go/"
    touch "$source/complete"
fi
cd "$source"

# The one generated file that the sources do not bring: the schema of every type the API server has.
schema=pkg/generated/openapi/zz_generated.openapi
if [ ! -e "$schema.go" ]; then
    say 'generating the schema of the API'
    go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
    folders=$(grep -Rl --include='*.go' '^// *+k8s:openapi-gen=' pkg cmd plugin vendor/k8s.io/*/ |
        grep -v '^vendor/k8s.io/\(code-generator\|sample-apiserver\)/' |
        xargs -n1 dirname | LC_ALL=C sort -u | sed 's|^|k8s.io/kubernetes/|' | paste -sd,)
    "$work/openapi-gen" -i "$folders" -p "k8s.io/kubernetes/${schema%/*}" -O "${schema##*/}.new" \
        -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/violations"
    # As many as the release knows of: the right folders were read.
    cmp "$work/violations" api/api-rules/violation_exceptions.list
    mv "$schema.new.go" "$schema.go"
fi

say "building $programs"
# Without what the big clouds once had in the trunk: more than half of the code.
tags=providerless
versions=
for package in vendor/k8s.io/component-base vendor/k8s.io/client-go/pkg; do
    for pair in "gitVersion=v$upstream" gitMajor=1 "gitMinor=$(echo "$upstream" | cut -d. -f2)" gitTreeState=archive; do
        versions="$versions -X k8s.io/kubernetes/$package/version.$pair"
    done
done
for program in $programs; do
    packages_to_build="${packages_to_build-} ./cmd/$program"
done
# shellcheck disable=SC2086
go build -tags "$tags" -ldflags "-s -w$versions" -o "$work/bin/" $packages_to_build

for program in etcd containerd containerd-shim containerd-shim-runc-v1 containerd-shim-runc-v2 ctr; do
    [ ! -e "$work/tools/usr/bin/$program" ] || cp "$work/tools/usr/bin/$program" "$work/bin/"
done
cp "$work/tools/usr/sbin/runc" "$work/bin/"
cp "$work"/tools/usr/lib/*/libseccomp.so.2* "$work/bin/"

"$work/bin/kube-apiserver" --version | grep -qx "Kubernetes v$upstream"
# What only the build needs is about two gigabytes.
chmod -R u+w "$work/gopath" "$work/gocache"
cd "$out"
rm -rf "$work/gopath" "$work/gocache" "$work/tools" "$work/packages" "$work/openapi-gen" "$work"/go-build*
echo "$script" >"$work/built-by"
ln -sfn "${work##*/}" "$out/current"
say "Kubernetes $upstream, built in $(($(date +%s) - began)) s"
