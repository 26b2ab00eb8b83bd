//! One database: lines, of which only those that are changed are written anew.

use kindling_config_spec::order;

use super::refusal::Why;

/// A database. The order is that in which a new account is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Database {
    /// Users.
    Passwd,
    /// Their passwords.
    Shadow,
    /// Groups.
    Group,
    /// Their passwords and administrators.
    Gshadow,
    /// Ranges of user ids that belong to users.
    Subuid,
    /// Ranges of group ids that belong to users.
    Subgid,
}

impl Database {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Passwd,
        Self::Shadow,
        Self::Group,
        Self::Gshadow,
        Self::Subuid,
        Self::Subgid,
    ];

    /// The name of its file in `/etc`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Shadow => "shadow",
            Self::Group => "group",
            Self::Gshadow => "gshadow",
            Self::Subuid => "subuid",
            Self::Subgid => "subgid",
        }
    }

    /// Which numbers of fields an entry can have, and which fields are numbers. Anything else is no entry.
    fn shape(self) -> (std::ops::RangeInclusive<usize>, &'static [usize]) {
        match self {
            Self::Passwd => (7..=7, &[2, 3]),
            Self::Shadow => (2..=9, &[]),
            Self::Group => (3..=4, &[2]),
            Self::Gshadow => (2..=4, &[]),
            Self::Subuid | Self::Subgid => (3..=3, &[1, 2]),
        }
    }
}

/// A database's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    which: Database,
    lines: Vec<Vec<u8>>,
    changed: bool,
}

fn fields(line: &[u8]) -> Vec<&[u8]> {
    line.split(|byte| *byte == b':').collect()
}

/// A decimal number as the databases have it.
pub(super) fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

impl Table {
    /// Takes a file's content apart.
    #[must_use]
    pub fn parse(which: Database, text: &[u8]) -> Self {
        let mut lines: Vec<Vec<u8>> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        Self {
            which,
            lines,
            changed: false,
        }
    }

    /// The content to write; `None` where nothing was changed.
    #[must_use]
    pub fn rewritten(&self) -> Option<Vec<u8>> {
        self.changed.then(|| {
            let lines = self.lines.iter();
            lines.flat_map(|line| line.iter().chain(b"\n")).copied().collect()
        })
    }

    /// The rows that are entries, with their fields.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
        self.entries_from("")
    }

    /// Those of the account `name`.
    fn entries_of(&self, name: &str) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
        let entries = self.entries_from(name);
        entries.filter(move |(_, fields)| fields.first() == Some(&name.as_bytes()))
    }

    /// Those whose lines start so. Only they are taken apart: a config may have thousands of accounts.
    fn entries_from(&self, start: &str) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
        let (count, numbers) = self.which.shape();
        let rows = self.lines.iter().enumerate();
        let rows = rows.filter(move |(_, line)| line.starts_with(start.as_bytes()));
        let rows = rows.filter(|(_, line)| !line.starts_with(b"+") && !line.starts_with(b"-"));
        let split = rows.map(|(row, line)| (row, fields(line)));
        split.filter(move |(_, fields)| {
            let is_number = |at: &usize| {
                fields
                    .get(*at)
                    .is_some_and(|field| number::<u64>(field).is_some())
            };
            count.contains(&fields.len()) && numbers.iter().all(is_number)
        })
    }

    /// The row of an account.
    pub(super) fn row(&self, name: &str) -> Result<Option<usize>, Why> {
        let mut rows = self.entries_of(name);
        let row = rows.next().map(|(row, _)| row);
        if rows.next().is_some() {
            return Err(Why::Twice {
                name: name.to_owned(),
                database: self.which,
            });
        }
        Ok(row)
    }

    /// Whether it has an account of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.entries_of(name).next().is_some()
    }

    /// The account with that number.
    #[must_use]
    pub fn owner(&self, id: u32) -> Option<String> {
        self.entries().find_map(|(_, fields)| {
            let is_it = number::<u32>(fields.get(2)?) == Some(id);
            is_it.then(|| String::from_utf8_lossy(fields.first().copied().unwrap_or_default()).into_owned())
        })
    }

    /// The number of an account.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<u32> {
        let (_, fields) = self.entries_of(name).next()?;
        number(fields.get(2)?)
    }

    /// The numbers of all accounts.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.entries().filter_map(|(_, fields)| number(fields.get(2)?))
    }

    /// One field of a row.
    pub(super) fn field(&self, row: usize, at: usize) -> &[u8] {
        let line = self.lines.get(row).map(Vec::as_slice).unwrap_or_default();
        fields(line).get(at).copied().unwrap_or_default()
    }

    /// One field of a row as text.
    pub(super) fn text(&self, row: usize, at: usize) -> String {
        String::from_utf8_lossy(self.field(row, at)).into_owned()
    }

    /// One field of a row as a number.
    pub(super) fn id(&self, row: usize, at: usize) -> u32 {
        number(self.field(row, at)).unwrap_or_default()
    }

    /// Changes one field.
    pub(super) fn set(&mut self, row: usize, at: usize, value: &[u8]) {
        let Some(line) = self.lines.get_mut(row) else {
            return;
        };
        let mut fields = fields(line);
        while fields.len() <= at {
            fields.push(b"");
        }
        if let Some(field) = fields.get_mut(at) {
            *field = value;
        }
        *line = fields.join(&b':');
        self.changed = true;
    }

    /// Writes the file anew although nothing in it changes: the programs do, and keep a copy of what it was.
    pub(super) fn touch(&mut self) {
        self.changed = true;
    }

    /// Adds a line, or puts it in the place of the account's own. New ones stand before those of NIS.
    pub(super) fn put(&mut self, name: &str, line: String) -> Result<(), Why> {
        match self.row(name)? {
            Some(row) => {
                if let Some(old) = self.lines.get_mut(row) {
                    *old = line.into_bytes();
                }
            }
            None => {
                let is_nis = |line: &Vec<u8>| line.starts_with(b"+") || line.starts_with(b"-");
                let at = self.lines.iter().position(is_nis).unwrap_or(self.lines.len());
                self.lines.insert(at, line.into_bytes());
            }
        }
        self.changed = true;
        Ok(())
    }

    /// Adds a line behind all others.
    pub(super) fn append(&mut self, line: String) {
        self.lines.push(line.into_bytes());
        self.changed = true;
    }

    /// Removes an account's line, if it has one.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), Why> {
        if let Some(row) = self.row(name)? {
            self.lines.remove(row);
            self.changed = true;
        }
        Ok(())
    }

    /// Removes every line of an owner.
    pub(super) fn remove_all(&mut self, owner: &str) {
        let rows: Vec<usize> = self.entries_of(owner).map(|(row, _)| row).collect();
        for row in rows.into_iter().rev() {
            self.lines.remove(row);
            self.changed = true;
        }
    }

    /// Whether the list in a field names somebody.
    pub(super) fn lists(&self, row: usize, at: usize, name: &str) -> bool {
        let mut members = self.field(row, at).split(|byte| *byte == b',');
        members.any(|member| member == name.as_bytes())
    }

    /// Adds somebody to the list in a field, or takes them out. A list that is as asked for is not touched.
    pub(super) fn set_member(&mut self, row: usize, at: usize, name: &str, wanted: bool) {
        if self.lists(row, at, name) == wanted {
            return;
        }
        let list = self.field(row, at).to_vec();
        let members = list.split(|byte| *byte == b',');
        let mut members: Vec<&[u8]> = members
            .filter(|member| !member.is_empty() && *member != name.as_bytes())
            .collect();
        if wanted {
            members.push(name.as_bytes());
        }
        self.set(row, at, &members.join(&b','));
    }

    /// Writes the list in a field as the programs write it: without empty names.
    pub(super) fn tidy_list(&mut self, row: usize, at: usize) {
        let list = self.field(row, at).to_vec();
        let members: Vec<&[u8]> = list
            .split(|byte| *byte == b',')
            .filter(|name| !name.is_empty())
            .collect();
        self.set(row, at, &members.join(&b','));
    }

    /// The ranges of a database of ranges, each with its first and its last number.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries().filter_map(|(_, fields)| {
            let (start, count): (u64, u64) = (number(fields.get(1)?)?, number(fields.get(2)?)?);
            Some((start, start.saturating_add(count).saturating_sub(1)))
        })
    }

    /// Puts the lines of a database of ranges in the order of the ranges, and those that are none behind them.
    pub(super) fn sort_ranges(&mut self) {
        if self.lines.len() < 2 {
            return;
        }
        let key = |line: &Vec<u8>| {
            let entry = Self {
                which: self.which,
                lines: vec![line.clone()],
                changed: false,
            };
            let range = entry.entries().find_map(|(_, fields)| {
                Some((
                    number::<u64>(fields.get(1)?)?,
                    number::<u64>(fields.get(2)?)?,
                    fields.first()?.to_vec(),
                ))
            });
            (range.is_none(), range)
        };
        order::by_key(&mut self.lines, key);
        self.changed = true;
    }
}
