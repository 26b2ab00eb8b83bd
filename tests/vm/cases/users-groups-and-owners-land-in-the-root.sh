# Accounts by the system's own programs, and files that belong to them, in a root that is not `/`.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "passwd": {
    "groups": [{"name": "crew", "gid": 2100}],
    "users": [{"name": "pilot", "uid": 2101, "groups": ["crew"], "sshAuthorizedKeys": ["ssh-ed25519 AAAAexample pilot"]}]
  },
  "storage": {
    "directories": [{"path": "/srv/crew", "mode": 488, "user": {"name": "pilot"}, "group": {"name": "crew"}}],
    "files": [{"path": "/srv/crew/log", "mode": 416, "user": {"id": 2101}, "contents": {"source": "data:,first"},
               "append": [{"source": "data:,%20second"}]}],
    "links": [{"path": "/srv/log", "target": "/srv/crew/log"}]
  }
}
END
boot
equals "account" "$(chroot "$ROOT" id pilot)" "uid=2101(pilot) gid=2101(pilot) groups=2101(pilot),2100(crew)"
equals "directory" "$(chroot "$ROOT" stat -c '%A %U %G' /srv/crew)" "drwxr-x--- pilot crew"
equals "file" "$(cat "$ROOT/srv/crew/log")" "first second"
equals "link" "$(readlink "$ROOT/srv/log")" "/srv/crew/log"
grep -q AAAAexample "$ROOT/home/pilot/.ssh/authorized_keys.d/ignition"
# This guest itself has no such account.
fails id pilot
