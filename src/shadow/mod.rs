//! The account databases as text: `passwd`, `shadow`, `group`, `gshadow`, `subuid`, `subgid`, and what the programs
//! of shadow(8) do with them. Knows neither files nor a clock: text in, text out.
//!
//! An [`Edit`] is what one call of such a program is asked for. It becomes the call ([`Edit::call`]) where the program is
//! there, and the same result by itself ([`Edit::apply`]) where it is not. What is not changed stays byte for byte.

mod defaults;
mod edit;
mod ids;
mod refusal;
mod table;
#[cfg(test)]
mod tests;
mod users;
mod work;

pub use defaults::Defaults;
pub use edit::{Action, Edit, Effect, LINE_LIMIT, NAME_LIMIT, Names, Owner};
pub use refusal::{Refusal, Why};
pub use table::{Database, Table};

/// The databases of one target, and its settings for new accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Databases {
    tables: [Option<Table>; 6],
    /// `/etc/login.defs` and `/etc/default/useradd`.
    pub defaults: Defaults,
}

impl Databases {
    /// None yet.
    #[must_use]
    pub fn new(defaults: Defaults) -> Self {
        Self {
            defaults,
            ..Self::default()
        }
    }

    /// Takes one in, as its file has it; `None` where there is no file.
    pub fn put(&mut self, which: Database, text: Option<&[u8]>) {
        if let Some(table) = self.tables.get_mut(which as usize) {
            *table = text.map(|text| Table::parse(which, text));
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, which: Database) -> Option<&Table> {
        self.tables.get(which as usize)?.as_ref()
    }

    fn get_mut(&mut self, which: Database) -> Option<&mut Table> {
        self.tables.get_mut(which as usize)?.as_mut()
    }

    /// One that is made where it is not there.
    fn made(&mut self, which: Database) -> &mut Table {
        let [passwd, shadow, group, gshadow, subuid, subgid] = &mut self.tables;
        let table = match which {
            Database::Passwd => passwd,
            Database::Shadow => shadow,
            Database::Group => group,
            Database::Gshadow => gshadow,
            Database::Subuid => subuid,
            Database::Subgid => subgid,
        };
        table.get_or_insert_with(|| Table::parse(which, b""))
    }
}
