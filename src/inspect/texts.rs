//! The few files whose content matters.

use kindling_config_spec::facts::{Account, Facts, Kind, OsRelease};
use kindling_config_spec::order::Gather;
use kindling_config_spec::order::{self, OrderedMap, OrderedSet};

/// Databases of users, the one that counts first. Systems that keep `/usr` apart have the distribution's own accounts
/// in `/usr/lib` (nss-altfiles).
const PASSWD: [&str; 2] = ["/etc/passwd", "/usr/lib/passwd"];

/// Databases of groups, likewise.
const GROUP: [&str; 2] = ["/etc/group", "/usr/lib/group"];

/// Where os-release(5) is, the one that counts first.
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

const FSTAB: [&str; 1] = ["/etc/fstab"];

/// What systems have whose `/usr` is a read-only mount of a deployment (ostree, composefs).
const READ_ONLY_USR: [&str; 4] = [
    "/usr/lib/ostree",
    "/usr/lib/ostree-boot",
    "/ostree",
    "/sysroot/ostree",
];

/// The paths of the texts to read, without links.
pub(super) fn wanted(facts: &Facts) -> Vec<String> {
    let names = [&PASSWD[..], &GROUP, &OS_RELEASE, &FSTAB];
    let mut wanted: Vec<String> = names
        .into_iter()
        .flatten()
        .filter_map(|path| facts.resolve(path))
        .filter(|node| matches!(node.kind, Kind::File | Kind::Program))
        .map(|node| node.path)
        .collect();
    order::sort(&mut wanted);
    wanted.dedup();
    wanted
}

/// Takes what matters from the texts, given with their paths.
pub(super) fn take(facts: &mut Facts, texts: &[(String, String)]) {
    let found = |names: &[&str]| -> Vec<&str> {
        let real = names.iter().filter_map(|name| facts.resolve(name));
        real.filter_map(|node| texts.iter().find(|(path, _)| *path == node.path))
            .map(|(_, text)| text.as_str())
            .collect()
    };
    let mut accounts = OrderedMap::new();
    found(&PASSWD)
        .iter()
        .for_each(|text| add_users(&mut accounts, text));
    let mut numbers = OrderedMap::new();
    found(&GROUP)
        .iter()
        .for_each(|text| add_groups(&mut numbers, text));
    let os_release = found(&OS_RELEASE).first().map(|text| os_release(text));
    let mut read_only: OrderedSet<String> = found(&FSTAB).into_iter().flat_map(read_only_mounts).into_set();
    if READ_ONLY_USR.iter().any(|marker| facts.resolve(marker).is_some()) {
        read_only.insert("/usr".to_owned());
    }
    facts.users = accounts;
    facts.groups = numbers;
    facts.os_release = os_release.unwrap_or_default();
    facts.read_only = read_only;
}

/// Adds the users of passwd(5). Of twins the first counts, in one database and over all, for a name is looked up from
/// the start. A line that names none, or has no numbers, is skipped, as by the C library.
fn add_users(users: &mut OrderedMap<String, Account>, text: &str) {
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        let mut numbers = fields.skip(1).map(str::parse);
        if let (Some(Ok(uid)), Some(Ok(gid))) = (numbers.next(), numbers.next())
            && is_name(name)
        {
            users.entry(name.to_owned()).or_insert(Account { uid, gid });
        }
    }
}

/// Adds the groups of group(5), likewise.
fn add_groups(groups: &mut OrderedMap<String, u32>, text: &str) {
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        if let Some(Ok(gid)) = fields.nth(1).map(str::parse)
            && is_name(name)
        {
            groups.entry(name.to_owned()).or_insert(gid);
        }
    }
}

/// Not the marks of NIS, which mean other databases.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['+', '-', '#'])
}

fn os_release(text: &str) -> OsRelease {
    let value = |name: &str| {
        let assigned = |line: &str| -> Option<String> {
            let value = line.trim().strip_prefix(name)?.strip_prefix('=')?;
            Some(unquoted(value))
        };
        // As in a shell, the last assignment counts.
        let value = text.lines().rev().find_map(assigned);
        value.filter(|value| !value.is_empty())
    };
    OsRelease {
        id: value("ID"),
        version_id: value("VERSION_ID"),
    }
}

/// A value of os-release(5) without its quotes. Escapes do not occur in the two values that are read.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(value).to_owned()
}

/// The mount points of fstab(5) with the option `ro`.
fn read_only_mounts(text: &str) -> Vec<String> {
    let mount = |line: &str| {
        let mut fields = line.split_whitespace();
        let point = fields.nth(1)?;
        let options = fields.nth(1)?;
        // Of `rw` and `ro`, the last one counts.
        let last = options
            .split(',')
            .rfind(|option| matches!(*option, "ro" | "rw" | "defaults"))?;
        let point = unescaped(point);
        let point = if point == "/" {
            "/"
        } else {
            point.trim_end_matches('/')
        };
        (last == "ro" && point.starts_with('/')).then(|| point.to_owned())
    };
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(mount)
        .collect()
}

/// White space in fstab(5) is a backslash and three octal digits.
fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut rest = field;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let digits = escape
            .get(..3)
            .filter(|digits| digits.bytes().all(|d| matches!(d, b'0'..=b'7')));
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if byte.is_ascii() => {
                text.push(char::from(byte));
                rest = escape.get(3..).unwrap_or_default();
            }
            _ => {
                text.push('\\');
                rest = escape;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_twins_is_the_user() {
        let text = "a:x:1:2:::\na:x:3:4:::\n+@nis:x:5:6\n:x:1:1\nb:x:-1:2\nc:x:1\nd:x:4294967295:0\n";
        let account = |uid, gid| Account { uid, gid };
        let mut users = OrderedMap::new();
        add_users(&mut users, text);
        assert_eq!(
            users,
            OrderedMap::from([("a".into(), account(1, 2)), ("d".into(), account(u32::MAX, 0))])
        );
        let mut groups = OrderedMap::new();
        add_groups(&mut groups, "a:x:1:b,c\na:x:2:\n#b:x:3:\nc:x:\n");
        add_groups(&mut groups, "a:x:4:\nd:x:5:\n");
        assert_eq!(groups, OrderedMap::from([("a".into(), 1), ("d".into(), 5)]));
    }

    #[test]
    fn os_release_is_read_as_a_shell_reads_it() {
        for (text, id, version_id) in [
            ("ID=debian\nVERSION_ID=\"12\"\n", Some("debian"), Some("12")),
            ("ID='x y'\nMY_ID=z\n#ID=a\n", Some("x y"), None),
            ("ID=a\n  ID=b  \nVERSION_ID=\n", Some("b"), None),
            ("", None, None),
            ("ID=\"\n", Some("\""), None),
        ] {
            let expected = OsRelease {
                id: id.map(str::to_owned),
                version_id: version_id.map(str::to_owned),
            };
            assert_eq!(os_release(text), expected, "{text:?}");
        }
    }

    #[test]
    fn read_only_mounts_are_those_that_say_so() {
        for (line, expected) in [
            ("/dev/a /usr ext4 ro 0 0", vec!["/usr"]),
            ("/dev/a\t/usr/  ext4\tnoatime,ro", vec!["/usr"]),
            ("/dev/a / ext4 ro", vec!["/"]),
            (r"/dev/a /a\040b\134 ext4 ro", vec![r"/a b\"]),
            (r"/dev/a /a\9 ext4 ro", vec![r"/a\9"]),
            ("/dev/a /usr ext4 ro,rw", vec![]),
            ("/dev/a /usr ext4 errors=remount-ro", vec![]),
            ("/dev/a none swap ro", vec![]),
            ("# /dev/a /usr ext4 ro", vec![]),
            ("/dev/a /usr ext4", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(read_only_mounts(line), expected, "{line}");
        }
    }
}
