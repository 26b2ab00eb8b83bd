//! What a guest says about itself at the end, and which stages its engine went through.

use serde::Deserialize;

/// What stands at the start of each line of the report that is not a command's output.
const MARK: &str = "kindling-report: ";

/// One section: the output of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Name.
    pub name: String,
    /// Output.
    pub lines: Vec<String>,
    /// The command's exit status.
    pub status: Option<i32>,
}

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    sections: Vec<Section>,
}

/// One row of the engine's own record of its stages, `/run/kindling/stages.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Stage {
    /// Name as in `--stage`.
    pub stage: String,
    /// How long it took.
    pub milliseconds: u64,
    /// Steps that changed something.
    pub changed: u64,
    /// Steps that found things as wanted.
    pub already_so: u64,
    /// `ok` or what went wrong.
    pub outcome: String,
    /// What it read the config from, in the order of reading.
    #[serde(default)]
    pub documents: Vec<Document>,
}

/// One document that a config was made of.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Document {
    /// The platform's id, or the path of what another document refers to.
    pub source: String,
}

impl Report {
    /// The section `name`, if the guest printed it to its end.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The lines of a section; none where it is missing.
    #[must_use]
    pub fn lines(&self, name: &str) -> &[String] {
        self.section(name).map_or(&[], |section| &section.lines)
    }

    /// The rows of the engine's record.
    ///
    /// # Errors
    /// When the section is missing or is not that JSON.
    pub fn stages(&self) -> serde_json::Result<Vec<Stage>> {
        serde_json::from_str(&self.lines("stages").join("\n"))
    }
}

/// Reads a report out of console lines as they come.
#[derive(Default)]
pub struct Reader {
    report: Report,
    open: Option<Section>,
}

impl Reader {
    /// Takes one line; returns the report when this line ends it.
    pub fn take(&mut self, line: &str) -> Option<Report> {
        let Some(word) = line.strip_prefix(MARK) else {
            if let Some(section) = &mut self.open {
                section.lines.push(line.to_owned());
            }
            return None;
        };
        let mut words = word.split(' ');
        match words.next() {
            Some("begin") => {
                self.open = Some(Section {
                    name: words.next().unwrap_or_default().to_owned(),
                    ..Section::default()
                });
            }
            Some("end") => {
                if let Some(mut section) = self.open.take() {
                    section.status = words.nth(1).and_then(|status| status.parse().ok());
                    self.report.sections.push(section);
                }
            }
            Some("done") => return Some(std::mem::take(&mut self.report)),
            _ => {}
        }
        None
    }

    /// Whether the last line belongs to a report.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.open.is_some()
    }
}

/// The stages as a table, one line each, widths fitted.
#[must_use]
pub fn table(stages: &[Stage]) -> String {
    let mut text = format!(
        "{:<14}{:>9}{:>9}{:>12}  outcome\n",
        "stage", "time", "changed", "already so"
    );
    for row in stages {
        let time = format!("{} ms", row.milliseconds);
        text += &format!(
            "{:<14}{time:>9}{:>9}{:>12}  {}\n",
            row.stage, row.changed, row.already_so, row.outcome
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_between_its_marks() {
        let mut reader = Reader::default();
        let lines = [
            "[    3.1] noise",
            "kindling-report: start",
            "kindling-report: begin active",
            "active",
            "inactive",
            "kindling-report: end active 3",
            "kindling-report: begin stages",
            r#"[{"stage":"disks","milliseconds":12,"changed":4,"already_so":0,"outcome":"ok"}]"#,
            "kindling-report: end stages 0",
        ];
        for line in lines {
            assert_eq!(reader.take(line), None, "{line}");
        }
        let report = reader.take("kindling-report: done").unwrap();
        assert_eq!(report.lines("active"), ["active", "inactive"]);
        assert_eq!(report.section("active").unwrap().status, Some(3));
        assert_eq!(report.stages().unwrap()[0].changed, 4);
        assert!(report.lines("absent").is_empty());
    }
}
