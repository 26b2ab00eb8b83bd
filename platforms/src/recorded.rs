//! [`Access`] over a recording: what the machine held when somebody asked. Tests only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::{Access, AccessError, Channel, Drive, DriveName, HttpAnswer, HttpRequest, Machine};

/// A recording, and what was asked of it so far.
pub(crate) struct RecordedAccess {
    machine: Machine,
    recording: Recording,
    asked: RefCell<Vec<String>>,
    channel: RefCell<RecordedChannel>,
}

/// A key/value channel: of whichever kind is asked for.
#[derive(Default)]
struct RecordedChannel {
    is_there: bool,
    values: BTreeMap<String, Vec<u8>>,
    /// The host does not let the guest write.
    is_read_only: bool,
}

/// The file format of `fixtures/platforms/<id>/*.json`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Recording {
    architecture: String,
    config_file: String,
    #[serde(default)]
    fw_cfg: BTreeMap<String, Answer>,
    #[serde(default)]
    block: BTreeMap<String, Answer>,
    #[serde(default)]
    file: BTreeMap<String, Answer>,
    #[serde(default)]
    http: BTreeMap<String, (u16, String)>,
    /// By label, the files by path; `None` for a drive that cannot be read.
    #[serde(default)]
    drives: BTreeMap<String, Option<BTreeMap<String, String>>>,
}

/// What one question brings; a question that was not recorded finds nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum Answer {
    /// Text, followed by so many NUL bytes that the length is a multiple of `padTo`.
    #[serde(rename_all = "camelCase")]
    Padded { text: String, pad_to: usize },
    /// Text.
    Text(String),
    /// A device that answers with this error.
    Failure(String),
}

impl Answer {
    fn give(&self, what: &str) -> Result<Vec<u8>, AccessError> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Padded { text, pad_to } => {
                let mut bytes = text.clone().into_bytes();
                bytes.resize(bytes.len().next_multiple_of(*pad_to), 0);
                Ok(bytes)
            }
            Self::Failure(why) => Err(AccessError::Failed {
                what: what.to_owned(),
                why: why.clone(),
            }),
        }
    }
}

impl RecordedAccess {
    /// Reads a recording.
    pub(crate) fn load(text: &str) -> Self {
        let recording: Recording = serde_json::from_str(text).expect("the fixture is a recording");
        let machine = Machine {
            architecture: recording.architecture.clone(),
            config_file: recording.config_file.clone().into(),
        };
        Self {
            machine,
            recording,
            asked: RefCell::default(),
            channel: RefCell::default(),
        }
    }

    /// A metadata service: what it answers at each address, status and body.
    pub(crate) fn of_http(answers: &[(&str, u16, &str)]) -> Self {
        let answers = answers.iter();
        Self::of(Recording {
            http: answers
                .map(|(url, status, body)| ((*url).to_owned(), (*status, (*body).to_owned())))
                .collect(),
            ..Recording::default()
        })
    }

    /// Drives with these files: label, path, content.
    pub(crate) fn of_drives(files: &[(&str, &str, &str)]) -> Self {
        let mut recording = Recording::default();
        for (label, path, content) in files {
            let drive = recording
                .drives
                .entry((*label).to_owned())
                .or_insert_with(|| Some(BTreeMap::new()));
            drive
                .get_or_insert_default()
                .insert((*path).to_owned(), (*content).to_owned());
        }
        Self::of(recording)
    }

    /// A drive that is there and cannot be mounted.
    pub(crate) fn of_broken_drive(label: &str) -> Self {
        Self::of(Recording {
            drives: [(label.to_owned(), None)].into(),
            ..Recording::default()
        })
    }

    fn of(recording: Recording) -> Self {
        Self {
            machine: Machine {
                architecture: "x86_64".to_owned(),
                config_file: "config.ign".into(),
            },
            recording,
            asked: RefCell::default(),
            channel: RefCell::default(),
        }
    }

    /// A channel to the hypervisor, and what it holds.
    pub(crate) fn of_channel(values: &[(&str, &[u8])]) -> Self {
        let access = Self::of(Recording::default());
        access.channel.replace(RecordedChannel {
            is_there: true,
            values: values
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.to_vec()))
                .collect(),
            is_read_only: false,
        });
        access
    }

    /// The same machine with another instruction set.
    pub(crate) fn on(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.machine.architecture);
        self
    }

    /// The same machine, whose host lets nobody write.
    pub(crate) fn read_only(self) -> Self {
        self.channel.borrow_mut().is_read_only = true;
        self
    }

    /// What the channel holds now.
    pub(crate) fn held(&self) -> Vec<(String, String)> {
        let channel = self.channel.borrow();
        let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
        channel
            .values
            .iter()
            .map(|(key, value)| (key.clone(), text(value)))
            .collect()
    }

    /// The questions so far, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn note(&self, question: String) {
        self.asked.borrow_mut().push(question);
    }
}

impl Access for RecordedAccess {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        let headers: String = request
            .headers
            .iter()
            .map(|(name, value)| format!(" {}: {value}", name.to_ascii_lowercase()))
            .collect();
        self.note(format!("{:?} {}{headers}", request.method, request.url));
        let (status, body) = self
            .recording
            .http
            .get(&request.url)
            .ok_or(AccessError::NeedsNetwork)?;
        Ok(HttpAnswer {
            status: *status,
            headers: Vec::new(),
            body: body.clone().into_bytes(),
        })
    }

    fn drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        self.note(format!("drive {:?} for {} s", drive.name, drive.wait.as_secs()));
        let label = match drive.name {
            DriveName::Label(label) | DriveName::FileSystem(label) => label,
        };
        let what = label.to_owned();
        match self.recording.drives.get(label) {
            None => Err(AccessError::Absent {
                what,
                waited: drive.wait,
            }),
            Some(None) => Err(AccessError::Failed {
                what,
                why: "wrong fs type".to_owned(),
            }),
            Some(Some(files)) => Ok(paths
                .iter()
                .map(|path| files.get(*path).map(|text| text.clone().into_bytes()))
                .collect()),
        }
    }

    fn block(&self, id: &str, wait: Duration) -> Result<Vec<u8>, AccessError> {
        self.note(format!("block {id}"));
        match self.recording.block.get(id) {
            Some(answer) => answer.give(id),
            None => Err(AccessError::Absent {
                what: id.to_owned(),
                waited: wait,
            }),
        }
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.note(format!("fw_cfg {name}"));
        self.recording
            .fw_cfg
            .get(name)
            .map(|answer| answer.give(name))
            .transpose()
    }

    fn get(&self, channel: Channel, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.note(format!("get {channel:?} {key}"));
        let recorded = self.channel.borrow();
        if !recorded.is_there {
            return Err(AccessError::Absent {
                what: format!("{channel:?}"),
                waited: Duration::ZERO,
            });
        }
        Ok(recorded.values.get(key).cloned())
    }

    fn set(&self, channel: Channel, key: &str, value: Option<&[u8]>) -> Result<(), AccessError> {
        self.note(format!("set {channel:?} {key}"));
        let mut recorded = self.channel.borrow_mut();
        if recorded.is_read_only {
            return Err(AccessError::Unchanged {
                what: key.to_owned(),
                why: "permission denied".to_owned(),
            });
        }
        match value {
            Some(value) => recorded.values.insert(key.to_owned(), value.to_vec()),
            None => recorded.values.remove(key),
        };
        Ok(())
    }

    fn warn(&self, what: &str) {
        self.note(format!("warning: {what}"));
    }

    fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, AccessError> {
        let path = path.display().to_string();
        self.note(format!("file {path}"));
        self.recording
            .file
            .get(&path)
            .map(|answer| answer.give(&path))
            .transpose()
    }
}
