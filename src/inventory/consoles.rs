//! The consoles of the kernel: all that somebody may be looking at.

/// Major number of virtual terminals and of serial lines (Documentation/admin-guide/devices.txt).
const TTY_MAJOR: u32 = 4;
/// Virtual terminals have the minor numbers below this one.
const SERIAL_MINOR: u32 = 64;

/// One console that takes what the kernel says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The kernel's name of it. As a rule its device has the same.
    pub name: String,
    /// Major and minor number of its device.
    pub number: (u32, u32),
}

impl Listed {
    /// The number of the virtual terminal that it is, if it is one.
    #[must_use]
    pub fn terminal(&self) -> Option<u32> {
        let (major, minor) = self.number;
        (major == TTY_MAJOR && minor < SERIAL_MINOR).then_some(minor)
    }
}

/// Reads `/proc/consoles` (proc(5); fs/proc/consoles.c): name, what it can do, flags in brackets, device. Those that are
/// not enabled are left out, and those without a device, such as the network's; each device comes once.
#[must_use]
pub fn parse(text: &str) -> Vec<Listed> {
    let mut consoles: Vec<Listed> = Vec::new();
    for console in text.lines().filter_map(parse_line) {
        if consoles.iter().all(|known| known.number != console.number) {
            consoles.push(console);
        }
    }
    consoles
}

/// The kinds of console that the kernel arguments ask for (`console=`, Documentation/admin-guide/kernel-parameters.txt) and of
/// which none is listed. A kind is a name without its number: of two serial lines the kernel takes one.
#[must_use]
pub fn awaited<'a>(command_line: &'a str, listed: &[Listed]) -> Vec<&'a str> {
    let asked = command_line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("console="))
        .map(|value| kind(value.split_once(',').map_or(value, |(name, _)| name)));
    // None at all; and a serial line by its address or its device, which will have another name.
    asked
        .filter(|asked| !matches!(*asked, "" | "null" | "ttynull" | "uart"))
        .filter(|asked| listed.iter().all(|there| kind(&there.name) != *asked))
        .collect()
}

fn kind(name: &str) -> &str {
    let kind = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    if kind.starts_with("uart") || kind.contains(':') {
        "uart"
    } else {
        kind
    }
}

fn parse_line(line: &str) -> Option<Listed> {
    // A flag that is not set is a blank.
    let (before, rest) = line.split_once('(')?;
    let (flags, device) = rest.split_once(')')?;
    let (major, minor) = device.trim().split_once(':')?;
    let number = (major.trim().parse().ok()?, minor.parse().ok()?);
    let name = before.split_whitespace().next()?.to_owned();
    flags.contains('E').then_some(Listed { name, number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_enabled_console_with_a_device_is_listed_once() {
        let text = "tty0                 -WU (EC  p  )    4:1\n\
                    ttyS1                -W- (E   p a)    4:65\n\
                    tty1                 -WU (E   p  )    4:1\n\
                    ttyS0                -W- (    p a)    4:64\n\
                    netcon0              -W- (E   p a)\n\
                    hvc0                 -W- (E   p  )  229:0\n\
                    ttyprintk-1          -W- (broken\n";
        let listed: Vec<_> = parse(text)
            .into_iter()
            .map(|console| (console.terminal(), console.name, console.number))
            .collect();
        assert_eq!(
            listed,
            [
                (Some(1), "tty0".to_owned(), (4, 1)),
                (None, "ttyS1".to_owned(), (4, 65)),
                (None, "hvc0".to_owned(), (229, 0)),
            ]
        );
        assert_eq!(parse(""), []);
    }

    #[test]
    fn a_console_is_awaited_that_was_asked_for_and_of_whose_kind_none_is_there() {
        let listed = parse("tty0 -WU (EC p) 4:1\nttyS1 -W- (E p a) 4:65\n");
        for (line, awaited) in [
            ("quiet console=tty0 console=ttyS1,115200n8", &[][..]),
            ("console=ttyS0 console=ttyS1", &[]),
            ("console=tty", &[]),
            ("console=hvc0 console=tty0", &["hvc"]),
            ("console=hvc1 console=ttyAMA0,38400 nohvc", &["hvc", "ttyAMA"]),
            (
                "console= console=null console=ttynull console=uart8250,io,0x3f8",
                &[],
            ),
            ("console=DEVNAME:0.0 console=00:03:0.0,115200", &[]),
            ("earlycon=hvc0 root=console=hvc0", &[]),
        ] {
            assert_eq!(super::awaited(line, &listed), awaited, "{line}");
        }
    }
}
