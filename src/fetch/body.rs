//! The body of a remote resource, over as many connections as it takes.
//!
//! A transfer that breaks off is resumed where it broke, if the server can (RFC 9110 §14) and says that it still has the
//! same bytes; what unpacks and hashes never notices. Otherwise the whole is asked for again, and
//! [`super::resource::Delivery`] skips what it has.

use std::io::{self, Read};
use std::time::Duration;

use url::Url;

use super::FetchError;
use super::fetcher::Fetcher;
use super::resource::{Remote, Wanted};
use super::retry::Trials;
use crate::calendar::http_date;
use crate::host::http::{Answer, Request};
use crate::host::transfer::TransferError;

/// Why a body ended before its end.
pub(super) enum Ended {
    /// It has to be read from the start once more.
    Restart,
    /// For good.
    Failed(FetchError),
}

/// A body that is being read.
pub(super) struct Body<'a> {
    fetcher: &'a Fetcher,
    wanted: &'a Wanted,
    remote: &'a Remote,
    trials: Trials<'a>,
    answer: Option<Answer>,
    /// How many bytes have been read since the start.
    position: u64,
    /// How many bytes of it had been read when most had.
    furthest: u64,
    /// The server's copy that is being read.
    copy: Copy,
    ended: Option<Ended>,
}

impl<'a> Body<'a> {
    /// Nothing asked for yet.
    pub(super) fn new(
        fetcher: &'a Fetcher,
        wanted: &'a Wanted,
        remote: &'a Remote,
        trials: Trials<'a>,
    ) -> Self {
        Self {
            fetcher,
            wanted,
            remote,
            trials,
            answer: None,
            position: 0,
            furthest: 0,
            copy: Copy::default(),
            ended: None,
        }
    }

    /// Opens the body at its start, with as many attempts as are left.
    pub(super) fn open(&mut self) -> Result<(), FetchError> {
        self.ended = None;
        self.position = 0;
        // The answer to a request for the rest that turned out to be the whole.
        if self.answer.is_some() {
            return Ok(());
        }
        loop {
            match self.ask(None)? {
                Ok(answer) => {
                    self.copy = Copy::of(&answer);
                    self.answer = Some(answer);
                    return Ok(());
                }
                Err(cause) => self.trials.pause(cause)?,
            }
        }
    }

    /// How often it has been asked for.
    pub(super) fn attempts(&self) -> u64 {
        self.trials.attempts()
    }

    /// How many of its bytes have come, each counted once.
    pub(super) fn received(&self) -> u64 {
        self.furthest
    }

    /// Why the last read failed, when it did.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        self.ended.take()
    }

    /// Waits after a pass that has to be repeated, because of `cause`.
    pub(super) fn pause(&mut self, cause: TransferError) -> Result<(), FetchError> {
        self.answer = None;
        self.trials.pause(cause)
    }

    /// One request: the answer, or why it failed and may succeed later.
    fn ask(&mut self, from: Option<&str>) -> Result<Result<Answer, TransferError>, FetchError> {
        let left = self.trials.begin()?;
        let mut prepared = self.fetcher.prepare(self.wanted, self.remote, left)?;
        loop {
            let request = Request {
                headers: prepared.headers,
                part: from.map(|validator| (self.position, validator.to_owned())),
                finish_within: self.trials.left(),
                ..Request::get(prepared.url.clone())
            };
            let judged = |source: TransferError| {
                if source.is_transient() {
                    Ok(Err(source))
                } else {
                    Err(FetchError::Transfer {
                        url: self.wanted.shown.clone(),
                        source,
                    })
                }
            };
            let answer = match self.fetcher.send(request) {
                Ok(answer) => answer,
                Err(source) => return judged(source),
            };
            if matches!(answer.status, 401 | 403) && prepared.or_plain {
                prepared.headers = self.wanted.headers.clone();
                prepared.or_plain = false;
                continue;
            }
            return match answer.status {
                200 | 204 => Ok(Ok(answer)),
                // The server's copy is shorter now, or it takes no part of it: the whole, then.
                206 | 416 if from.is_some() => Ok(Ok(answer)),
                _ => judged(refused(&answer)),
            };
        }
    }

    /// Goes on after a break, because of `cause`.
    fn resume(&mut self, cause: TransferError) -> Result<(), Ended> {
        self.answer = None;
        self.trials.pause(cause).map_err(Ended::Failed)?;
        let Some(validator) = self.copy.validator.clone().filter(|_| self.position > 0) else {
            return Err(Ended::Restart);
        };
        loop {
            match self.ask(Some(&validator)).map_err(Ended::Failed)? {
                Ok(answer) if answer.status == 206 && self.copy.goes_on(&answer, self.position) => {
                    tracing::info!("GET {}: resumed after {} bytes", self.wanted.shown, self.position);
                    self.answer = Some(answer);
                    return Ok(());
                }
                Ok(answer) if answer.status == 200 => {
                    // Another copy, or a server that knows no parts.
                    self.copy = Copy::of(&answer);
                    self.answer = Some(answer);
                    return Err(Ended::Restart);
                }
                Ok(_) => return Err(Ended::Restart),
                Err(cause) => self.trials.pause(cause).map_err(Ended::Failed)?,
            }
        }
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(answer) = &mut self.answer else {
                return Ok(0);
            };
            let error = match answer.body.read(into) {
                // A server may send less than the rest.
                Ok(0)
                    if !into.is_empty() && self.copy.length.is_some_and(|length| self.position < length) =>
                {
                    io::ErrorKind::UnexpectedEof.into()
                }
                Ok(count) => {
                    self.position = self
                        .position
                        .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    if self.position > self.furthest {
                        self.furthest = self.position;
                        self.trials.progressed();
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            let cause = TransferError::of_body(&error)
                .cloned()
                .unwrap_or(TransferError::BodyCut {
                    after: self.position,
                    why: error.to_string(),
                });
            let ended = if cause.is_transient() {
                self.resume(cause)
            } else {
                Err(Ended::Failed(FetchError::Transfer {
                    url: self.wanted.shown.clone(),
                    source: cause,
                }))
            };
            if let Err(ended) = ended {
                self.ended = Some(ended);
                return Err(io::Error::other("the body has ended"));
            }
        }
    }
}

/// What `answer`, which is not the content, says.
pub(super) fn refused(answer: &Answer) -> TransferError {
    let asked = answer
        .header("retry-after")
        .and_then(|value| wait_of(value, answer));
    match asked {
        Some(wait) if TransferError::Status(answer.status).is_transient() => TransferError::Busy {
            status: answer.status,
            wait,
        },
        _ => TransferError::Status(answer.status),
    }
}

/// The value of `Retry-After` (RFC 9110 §10.2.3): seconds, or a date by the server's own clock.
fn wait_of(value: &str, answer: &Answer) -> Option<Duration> {
    let seconds = match value.trim().parse() {
        Ok(seconds) => seconds,
        Err(_) => http_date(value)?.saturating_sub(http_date(answer.header("date")?)?),
    };
    Some(Duration::from_secs(seconds))
}

/// How much later than its last change an answer must be, in seconds, for that date to name one copy (RFC 9110 §8.8.2.2
/// asks for one second; clocks of two servers behind one name differ by more).
const DATE_IS_STRONG: u64 = 60;

/// One copy of a resource, as the server describes it.
#[derive(Debug, Default)]
struct Copy {
    /// What can be given back in `If-Range`: a strong entity tag, or a strong date where there is no tag
    /// (RFC 9110 §13.1.5).
    validator: Option<String>,
    tag: Option<String>,
    date: Option<String>,
    /// The length of the whole in bytes.
    length: Option<u64>,
}

impl Copy {
    fn of(answer: &Answer) -> Self {
        let owned = |name: &str| answer.header(name).map(str::to_owned);
        let (tag, date) = (owned("etag"), owned("last-modified"));
        let validator = match &tag {
            Some(tag) => Some(tag.clone()).filter(|tag| tag.starts_with('"')),
            None => date.clone().filter(|date| is_strong(date, answer)),
        };
        Self {
            validator,
            tag,
            date,
            length: answer.length,
        }
    }

    /// Whether a part is of this copy, and begins at `position`. Not every server that knows parts knows `If-Range`.
    fn goes_on(&self, part: &Answer, position: u64) -> bool {
        let same = |ours: &Option<String>, name: &str| {
            part.header(name)
                .is_none_or(|theirs| ours.as_deref().is_none_or(|ours| ours == theirs))
        };
        let range = part
            .header("content-range")
            .and_then(|value| value.strip_prefix("bytes "))
            .and_then(|value| value.split_once('/'));
        let Some((range, total)) = range else { return false };
        let start = range.split('-').next().unwrap_or_default();
        let is_whole = match (total.parse::<u64>(), self.length) {
            (Ok(total), Some(length)) => total == length,
            (Err(_), _) => total == "*",
            (Ok(_), None) => true,
        };
        start.parse() == Ok(position)
            && is_whole
            && same(&self.tag, "etag")
            && same(&self.date, "last-modified")
    }
}

fn is_strong(date: &str, answer: &Answer) -> bool {
    let changed = http_date(date);
    let sent = answer.header("date").and_then(http_date);
    sent.zip(changed)
        .is_some_and(|(sent, changed)| sent >= changed.saturating_add(DATE_IS_STRONG))
}

/// Where a request goes and what it carries; see [`super::stores::Prepared`].
pub(super) fn plain(url: &Url, headers: &[(String, String)]) -> super::stores::Prepared {
    super::stores::Prepared {
        url: url.clone(),
        headers: headers.to_vec(),
        or_plain: false,
    }
}
