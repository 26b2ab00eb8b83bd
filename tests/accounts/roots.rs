//! Roots of several kinds of targets.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

/// What makes a root of a plain one, with its name.
pub(crate) type Root = (&'static str, fn(&Path));

pub(crate) const ALL: [Root; 5] = [
    ("plain", plain),
    ("debian", debian),
    ("bare", bare),
    ("crowded", crowded),
    ("odd", odd),
];

fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
}

/// What every machine of these tests has.
pub(crate) fn plain(_root: &Path) {}

/// A distribution's root: everything is there, and people have lived in it.
pub(crate) fn debian(root: &Path) {
    let passwd = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
                  mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\n\
                  nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nsshd:x:998:998::/run/sshd:/usr/sbin/nologin\n\
                  core:x:1000:1000:Core,,,:/home/core:/bin/bash\nguest:x:1001:100::/home/guest:/bin/sh\n";
    put(root, "etc/passwd", passwd, 0o644);
    let group = "root:x:0:\ndaemon:x:1:\nadm:x:4:core,guest\nmail:x:8:\nshadow:x:42:\nusers:x:100:\nsudo:x:27:core\n\
                 nogroup:x:65534:\nsshd:x:998:\ncore:x:1000:\nteam:x:1002:core,guest,\n";
    put(root, "etc/group", group, 0o644);
    let shadow = "root:*:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\nmail:*:19000:0:99999:7:::\n_apt:!:19000::::::\n\
                  nobody:*:19000:0:99999:7:::\nsshd:!:19000::::::\ncore:$y$j9T$hash:19000:0:99999:7:::\n\
                  guest:!:19000:0:99999:7:30:20000:\n";
    put(root, "etc/shadow", shadow, 0o640);
    chown(root.join("etc/shadow"), None, Some(42)).unwrap();
    let gshadow = "root:*::\ndaemon:*::\nadm:*:core:core,guest\nmail:*::\nshadow:*::\nusers:*::\nsudo:*::core\nnogroup:*::\n\
                   sshd:!::\ncore:!::\nteam:!:guest:core,guest\n";
    put(root, "etc/gshadow", gshadow, 0o640);
    put(
        root,
        "etc/subuid",
        "guest:231072:65536\ncore:100000:65536\n",
        0o644,
    );
    put(
        root,
        "etc/subgid",
        "core:100000:65536\nguest:165536:65536\n",
        0o644,
    );
    let login = "# A comment\nMAIL_DIR\t/var/mail\nUMASK\t\t022\nHOME_MODE 0700\nPASS_MAX_DAYS 99999\nPASS_MIN_DAYS 0\n\
                 PASS_WARN_AGE 7\nUID_MIN  1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nSUB_UID_MIN 100000\n\
                 SUB_UID_MAX 600100000\nSUB_UID_COUNT 65536\nUSERGROUPS_ENAB yes\nENCRYPT_METHOD YESCRYPT\n";
    put(root, "etc/login.defs", login, 0o644);
    put(
        root,
        "etc/default/useradd",
        "# A comment\nSHELL=/bin/sh\nGROUP=100\nINACTIVE=14\nCREATE_MAIL_SPOOL=yes\n",
        0o644,
    );
    put(root, "etc/skel/.bashrc", "# for new users\n", 0o644);
    // No directory: without /proc below the root, shadow 4.13 makes it, cannot set its mode, and stops copying in silence.
    put(root, "etc/skel/run", "#!/bin/sh\n", 0o755);
    symlink("/etc/skel/run", root.join("etc/skel/absolute")).unwrap();
    symlink("run", root.join("etc/skel/relative")).unwrap();
    for (home, uid, gid) in [("core", 1000, 1000), ("guest", 1001, 100)] {
        let home = root.join("home").join(home);
        put(&home, "deep/file", "mine\n", 0o600);
        put(&home, "foreign", "somebody's\n", 0o644);
        symlink("deep", home.join("link")).unwrap();
        for path in ["", "deep", "deep/file"] {
            chown(home.join(path), Some(uid), Some(gid)).unwrap();
        }
        std::os::unix::fs::lchown(home.join("link"), Some(uid), Some(gid)).unwrap();
    }
    put(root, "var/mail/core", "From\n", 0o660);
    chown(root.join("var/mail/core"), Some(1000), Some(8)).unwrap();
}

/// An image with nothing but names.
pub(crate) fn bare(root: &Path) {
    for name in ["etc/shadow", "etc/gshadow", "etc/login.defs", "etc/skel/.profile"] {
        fs::remove_file(root.join(name)).unwrap();
    }
    fs::remove_dir(root.join("etc/skel")).unwrap();
    let passwd =
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
    put(root, "etc/passwd", passwd, 0o644);
    put(
        root,
        "etc/group",
        "root:x:0:\nnonroot:x:65532:\ntty:x:5:\n",
        0o644,
    );
}

/// Ranges that are used up from one side, or nearly.
pub(crate) fn crowded(root: &Path) {
    let passwd = "root:x:0:0::/root:/bin/sh\ntop:x:1009:1009::/home/top:\nfirst:x:1000:1000::/home/first:/bin/sh\n\
                  low:x:200:200::/:/bin/sh\nhigh:x:209:209::/:/bin/sh\n";
    put(root, "etc/passwd", passwd, 0o600);
    put(
        root,
        "etc/group",
        "root:x:0:\ntop:x:1009:\nfirst:x:1000:\nlow:x:200:\nsecond:x:1002:\n",
        0o664,
    );
    put(root, "etc/shadow", "root:*:1::::::\n", 0o600);
    put(root, "etc/gshadow", "root:::\n", 0);
    let login = "UID_MIN 1000\nUID_MAX 1009\nGID_MIN 1000\nGID_MAX 1009\nSYS_UID_MIN 200\nSYS_UID_MAX 209\nSYS_GID_MIN 200\n\
                 SYS_GID_MAX 209\nUSERGROUPS_ENAB yes\nSUB_UID_MIN 1000\nSUB_UID_MAX 1999\nSUB_UID_COUNT 100\n\
                 SUB_GID_MIN 5000\nSUB_GID_COUNT 0\nMAIL_FILE mail\n";
    put(root, "etc/login.defs", login, 0o644);
    put(
        root,
        "etc/default/useradd",
        "CREATE_MAIL_SPOOL=yes\nSHELL=\nHOME=/srv/people\nSKEL=/srv/skel\nEXPIRE=30000\n",
        0o644,
    );
    put(root, "srv/skel/.hello", "hello\n", 0o640);
    put(
        root,
        "etc/subuid",
        "first:1000:100\ntop:1150:50\n1000:1250:10\n",
        0o644,
    );
    put(root, "etc/subgid", "", 0o644);
}

/// Lines that are no accounts, names of NIS, bytes that are no text, no line end behind the last line.
pub(crate) fn odd(root: &Path) {
    let passwd = b"root:x:0:0:root:/root:/bin/sh\n# nobody reads this\nbroken:x:12\nj\xf6rg:x:1500:1500:J\xf6rg:/home/j:/bin/sh\n\
                  open:$1$hash:1600:1600::/home/open:/bin/sh\n\n+::::::";
    fs::write(root.join("etc/passwd"), passwd).unwrap();
    put(
        root,
        "etc/group",
        "root:x:0:\nopen:!:1600:\nbroken:x\nj:x:1500:root,j\u{f6}rg\n+:::",
        0o644,
    );
    put(
        root,
        "etc/shadow",
        "root:*:19000:0:99999:7:::\nbroken\nopen:!:18000::::::\n+:",
        0o640,
    );
    put(root, "etc/gshadow", "root:*::\nopen:::\n-x:", 0o640);
    put(
        root,
        "etc/login.defs",
        "UID_MIN \"1000\"\nUID_MAX 0xea60\nUMASK 077\nUSERGROUPS_ENAB no\nGID_MIN=7\n",
        0o644,
    );
    put(root, "etc/default/useradd", "GROUP=root\n", 0o644);
    put(
        root,
        "etc/subuid",
        "# none\nopen:4294000000:65536\nroot:100000:1000\n",
        0o644,
    );
}
