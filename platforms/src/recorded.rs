//! [`Access`] over a recording: what the machine held when somebody asked. Tests only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::{Access, AccessError, Channel, Drive, DriveName, HttpAnswer, HttpRequest, Machine, Recipient};

/// What an envelope holds.
type Enclosed = Result<Option<String>, AccessError>;

/// A recording, and what was asked of it so far.
pub(crate) struct RecordedAccess {
    machine: Machine,
    recording: Recording,
    /// What time every answer over HTTP has.
    time: Option<u64>,
    asked: RefCell<Vec<String>>,
    channel: RefCell<RecordedChannel>,
    /// The envelope that can be opened, and what comes of it.
    envelope: Option<(Vec<u8>, Enclosed)>,
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
    /// The machine has no firmware entries at all.
    #[serde(default)]
    has_no_fw_cfg: bool,
    /// The kernel cannot show firmware entries.
    #[serde(default)]
    has_no_fw_cfg_module: bool,
    #[serde(default)]
    block: BTreeMap<String, Answer>,
    #[serde(default)]
    file: BTreeMap<String, Answer>,
    #[serde(default)]
    http: BTreeMap<String, (u16, String)>,
    /// Whether addresses that were not recorded are answered with 404, as a service does; else there is no network.
    #[serde(default)]
    is_service: bool,
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
            command_line: String::new(),
            is_online: true,
        };
        Self {
            machine,
            recording,
            time: None,
            asked: RefCell::default(),
            channel: RefCell::default(),
            envelope: None,
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

    /// As [`Self::of_http`], by a service that has nothing else (404).
    pub(crate) fn of_service(answers: &[(&str, u16, &str)]) -> Self {
        let mut recorded = Self::of_http(answers);
        recorded.recording.is_service = true;
        recorded
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

    /// The same machine with one more drive: its label or its type, and path and content of its files.
    pub(crate) fn with_drive(mut self, name: &str, files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), (*content).to_owned()));
        self.recording
            .drives
            .insert(name.to_owned(), Some(files.collect()));
        self
    }

    /// The same machine with a drive that cannot be mounted.
    pub(crate) fn with_broken_drive(mut self, name: &str) -> Self {
        self.recording.drives.insert(name.to_owned(), None);
        self
    }

    /// The same service with one more answer.
    pub(crate) fn with_answer(mut self, url: &str, status: u16, body: &str) -> Self {
        let answer = (status, body.to_owned());
        self.recording.http.insert(url.to_owned(), answer);
        self.machine.is_online = true;
        self
    }

    /// The same machine with one more file.
    pub(crate) fn with_file(mut self, path: &str, text: &str) -> Self {
        self.recording
            .file
            .insert(path.to_owned(), Answer::Text(text.to_owned()));
        self
    }

    /// The same machine with these kernel arguments.
    pub(crate) fn with_command_line(mut self, line: &str) -> Self {
        line.clone_into(&mut self.machine.command_line);
        self
    }

    /// The same machine, whose services have this time.
    pub(crate) fn at_time(self, time: u64) -> Self {
        Self {
            time: Some(time),
            ..self
        }
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
                command_line: String::new(),
                is_online: !recording.http.is_empty(),
            },
            recording,
            time: None,
            asked: RefCell::default(),
            channel: RefCell::default(),
            envelope: None,
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

    /// The same machine, which can open this envelope.
    pub(crate) fn with_envelope(mut self, envelope: &[u8], inside: Enclosed) -> Self {
        self.envelope = Some((envelope.to_owned(), inside));
        self
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

    /// How often a drive was awaited for a second.
    pub(crate) fn seconds_waited(&self) -> usize {
        let asked = self.asked.borrow();
        asked.iter().filter(|asked| asked.ends_with("for 1 s")).count()
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
        let again = match request.retry_also.as_slice() {
            [] => String::new(),
            statuses => format!(", again at {statuses:?}"),
        };
        let port = if request.is_from_privileged_port {
            ", from a privileged port"
        } else {
            ""
        };
        let body = match String::from_utf8_lossy(&request.body) {
            body if body.is_empty() => String::new(),
            body => format!(", with {body}"),
        };
        self.note(format!(
            "{:?} {}{headers}{again}{port}{body}",
            request.method, request.url
        ));
        let absent = (404, String::new());
        let recorded = self.recording.http.get(&request.url);
        let (status, body) = recorded
            .or(self.recording.is_service.then_some(&absent))
            .ok_or(AccessError::NeedsNetwork)?;
        Ok(HttpAnswer {
            status: *status,
            headers: Vec::new(),
            time: self.time,
            body: body.clone().into_bytes(),
        })
    }

    fn drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        self.note(format!("drive {:?} for {} s", drive.name, drive.wait.as_secs()));
        let drives = &self.recording.drives;
        let (what, found) = match drive.name {
            DriveName::Label(label) => (label.to_owned(), drives.get(label)),
            // A disc without the first file is somebody else's.
            DriveName::FileSystem(types) => {
                let mut of_type = types.iter().filter_map(|kind| drives.get(*kind));
                let is_it = |drive: &&Option<BTreeMap<String, String>>| {
                    drive.as_ref().is_none_or(|files| files.contains_key(paths[0]))
                };
                (types.join(" or "), of_type.find(is_it))
            }
        };
        match found {
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
        if self.recording.has_no_fw_cfg {
            return Err(AccessError::Absent {
                what: "the firmware interface of QEMU".to_owned(),
                waited: Duration::ZERO,
            });
        }
        if self.recording.has_no_fw_cfg_module {
            return Err(AccessError::NoModule {
                what: "the firmware interface of QEMU".to_owned(),
                module: "qemu_fw_cfg",
                why: "not found".to_owned(),
            });
        }
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

    fn recipient(&self) -> Result<Recipient, AccessError> {
        self.note("a recipient".to_owned());
        Ok(Recipient {
            certificate: "recorded".to_owned(),
            secret: b"recorded".to_vec(),
        })
    }

    fn enclosed_key(&self, recipient: &Recipient, envelope: &[u8]) -> Result<Option<String>, AccessError> {
        self.note("open an envelope".to_owned());
        assert_eq!(recipient.secret, b"recorded");
        let (known, inside) = self.envelope.as_ref().expect("a test that knows of envelopes");
        assert_eq!(envelope, known);
        inside.clone()
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

    fn list(&self, directory: &Path) -> Result<Vec<String>, AccessError> {
        self.note(format!("list {}", directory.display()));
        let files = self.recording.file.keys().map(Path::new);
        Ok(files
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
            .collect())
    }
}
