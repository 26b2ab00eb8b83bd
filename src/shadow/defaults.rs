//! The settings for new accounts: login.defs(5), and useradd's own.

use kindling_config_spec::order::{Gather, OrderedMap};

/// What the two files set. Of a name that stands in a file twice the later line counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    login: OrderedMap<String, String>,
    useradd: OrderedMap<String, String>,
}

impl Defaults {
    /// Reads `/etc/login.defs` and `/etc/default/useradd`; a file that is not there is empty.
    #[must_use]
    pub fn parse(login: &str, useradd: &str) -> Self {
        let blank = [' ', '\t'];
        let login = login.lines().filter_map(|line| {
            let line = line.trim_start_matches(blank).trim_end();
            let (name, value) = line.split_once(blank).filter(|_| !line.starts_with('#'))?;
            let value = value.trim_start_matches([' ', '\t', '"']);
            let value = value.split('"').next().unwrap_or_default();
            Some((name.to_owned(), value.to_owned()))
        });
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            login: login.into_map(),
            useradd: useradd
                .lines()
                .filter_map(|line| line.split_once('=').map(pair))
                .into_map(),
        }
    }

    /// A setting of login.defs.
    #[must_use]
    pub fn login(&self, name: &str) -> Option<&str> {
        self.login.get(name).map(String::as_str)
    }

    /// A setting of useradd.
    pub(super) fn useradd(&self, name: &str) -> Option<&str> {
        self.useradd.get(name).map(String::as_str)
    }

    /// A setting of login.defs that is `yes`.
    pub(super) fn says_yes(&self, name: &str) -> bool {
        self.login(name)
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }

    /// A number of login.defs: decimal, octal behind `0`, hexadecimal behind `0x`. What is none counts as not set.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        let value = self.login(name)?;
        let (minus, digits) = match value.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, value),
        };
        let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
            Some(rest) => (rest, 16),
            None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
            None => (digits, 10),
        };
        let number = i64::from_str_radix(digits, radix).ok()?;
        Some(if minus { -number } else { number })
    }

    /// A number of login.defs that is an id or a count.
    pub(super) fn unsigned(&self, name: &str, default: u64) -> u64 {
        let number = self.number(name).and_then(|number| u64::try_from(number).ok());
        number.unwrap_or(default)
    }

    /// Where homes are made.
    #[must_use]
    pub fn home_base(&self) -> &str {
        self.useradd("HOME").unwrap_or("/home")
    }

    /// What a new home is filled with.
    #[must_use]
    pub fn skeleton(&self) -> &str {
        self.useradd("SKEL")
            .filter(|path| !path.is_empty())
            .unwrap_or("/etc/skel")
    }

    /// Permission bits of a new home.
    #[must_use]
    pub fn home_mode(&self) -> u32 {
        let umask = self.number("UMASK").unwrap_or(0o22);
        let mode = self.number("HOME_MODE").unwrap_or(0o777 & !umask);
        u32::try_from(mode & 0o7777).unwrap_or_default()
    }

    /// Where a new user gets a mailbox; `None` where new users get none.
    #[must_use]
    pub fn new_mailbox(&self) -> Option<&str> {
        let wanted = self.useradd("CREATE_MAIL_SPOOL");
        wanted.filter(|value| value.eq_ignore_ascii_case("yes"))?;
        self.mail_dir()
    }

    /// Where mailboxes are; `None` where each is in its user's home.
    #[must_use]
    pub fn mail_dir(&self) -> Option<&str> {
        match (self.login("MAIL_DIR"), self.login("MAIL_FILE")) {
            (None, Some(_)) => None,
            (dir, _) => Some(dir.unwrap_or("/var/mail")),
        }
    }
}
