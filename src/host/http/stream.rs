//! One HTTP/1.1 exchange over a byte stream that somebody else has opened: a socket of the hypervisor, or of a daemon on
//! this machine. No redirects, no second request, no TLS; whatever the other side sends, memory and time are bounded.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Method;

/// The largest body that is read, in bytes.
pub const BODY_LIMIT: u64 = 64 << 20;
/// The largest head, and the largest trailer, in bytes.
const HEAD_LIMIT: u64 = 64 << 10;
/// The longest line in front of a chunk, in bytes.
const CHUNK_LINE_LIMIT: u64 = 1 << 10;
/// The most headers of an answer.
const MAX_HEADERS: usize = 100;
/// The most answers before the answer (100 Continue and its kin).
const MAX_INTERIM: usize = 8;

/// What to ask.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// How.
    pub method: Method,
    /// Path and query, as they stand in the first line.
    pub target: &'a str,
    /// Headers; `Host` is one of them. `Connection` and `Content-Length` are added.
    pub headers: &'a [(String, String)],
    /// What to send; empty for most.
    pub body: &'a [u8],
}

/// What came back.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
}

/// An exchange that brought no complete answer.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Reading or writing failed, or the time ran out.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The question cannot be written.
    #[error("the request has a line break where none may be")]
    Question,
    /// The other side hung up without a word.
    #[error("the connection was closed without an answer")]
    Silent,
    /// The other side hung up too early.
    #[error("the connection was closed before the end of the answer")]
    Cut,
    /// The answer is not HTTP.
    #[error("the answer is not HTTP: {0}")]
    NotHttp(&'static str),
    /// The answer is larger than anything that is meant.
    #[error("the answer is larger than {BODY_LIMIT} bytes")]
    TooLarge,
}

/// Sends `question` on `stream` and reads the answer to its end. The stream is of no use afterwards.
///
/// # Errors
/// See [`StreamError`].
pub fn exchange(stream: &mut (impl Read + Write), question: &Question<'_>) -> Result<Reply, StreamError> {
    let sent = stream
        .write_all(&written(question)?)
        .and_then(|()| stream.flush());
    let from = &mut BufReader::new(stream);
    // Who refuses a request may answer before he has read it to its end: then the answer is what counts.
    match (answer(from, question.method), sent) {
        (Err(StreamError::Silent), Err(error)) => Err(error.into()),
        (found, _) => found,
    }
}

/// The request as bytes.
fn written(question: &Question<'_>) -> Result<Vec<u8>, StreamError> {
    let method = match question.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Patch => "PATCH",
    };
    let mut lines = vec![format!("{method} {} HTTP/1.1", question.target)];
    lines.extend(
        question
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    if !question.body.is_empty() || matches!(question.method, Method::Put | Method::Post | Method::Patch) {
        lines.push(format!("Content-Length: {}", question.body.len()));
    }
    lines.push("Connection: close".to_owned());
    let has_break = |line: &String| line.contains(['\r', '\n', '\0']);
    if lines.iter().any(has_break) || question.target.contains(' ') {
        return Err(StreamError::Question);
    }
    let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
    bytes.extend_from_slice(question.body);
    Ok(bytes)
}

/// Reads answers up to the one that counts.
fn answer(from: &mut impl BufRead, method: Method) -> Result<Reply, StreamError> {
    for _ in 0..=MAX_INTERIM {
        let mut reply = head(from)?;
        match reply.status {
            101 | 204 | 304 => return Ok(reply),
            100..=199 => continue,
            _ if method == Method::Head => return Ok(reply),
            _ => reply.body = body(from, &reply.headers)?,
        }
        return Ok(reply);
    }
    Err(StreamError::NotHttp("it does not begin"))
}

/// The first line and the headers.
fn head(from: &mut impl BufRead) -> Result<Reply, StreamError> {
    let bytes = lines(from)?.ok_or(StreamError::Silent)?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let is_whole = parsed.parse(&bytes).is_ok_and(|status| status.is_complete());
    let (true, Some(status)) = (is_whole, parsed.code) else {
        return Err(StreamError::NotHttp("its head cannot be read"));
    };
    let headers = parsed.headers.iter().map(|header| {
        let value = String::from_utf8_lossy(header.value).into_owned();
        (header.name.to_ascii_lowercase(), value)
    });
    Ok(Reply {
        status,
        headers: headers.collect(),
        body: Vec::new(),
    })
}

/// Lines up to an empty one, which is among them; `None` where the stream has ended already.
fn lines(from: &mut impl BufRead) -> Result<Option<Vec<u8>>, StreamError> {
    let mut bytes = Vec::new();
    loop {
        let before = bytes.len();
        let left = HEAD_LIMIT.saturating_sub(count(&bytes));
        let length = from.by_ref().take(left).read_until(b'\n', &mut bytes)?;
        match bytes.get(before..) {
            _ if left == 0 => return Err(StreamError::NotHttp("its head has no end")),
            _ if length == 0 && before == 0 => return Ok(None),
            Some(b"\n" | b"\r\n") => return Ok(Some(bytes)),
            Some(line) if line.ends_with(b"\n") || count(&bytes) == HEAD_LIMIT => {}
            _ => return Err(StreamError::Cut),
        }
    }
}

/// The body, by whichever means its end is told.
fn body(from: &mut impl BufRead, headers: &[(String, String)]) -> Result<Vec<u8>, StreamError> {
    let mut codings = values(headers, "transfer-encoding").filter(|coding| !coding.is_empty());
    match (codings.next(), codings.next()) {
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => return chunks(from),
        (Some(_), _) => return Err(StreamError::NotHttp("its transfer encoding is unknown")),
        (None, _) => {}
    }
    let mut bytes = Vec::new();
    let mut lengths = values(headers, "content-length");
    let Some(length) = lengths.next() else {
        from.take(BODY_LIMIT + 1).read_to_end(&mut bytes)?;
        return if count(&bytes) > BODY_LIMIT {
            Err(StreamError::TooLarge)
        } else {
            Ok(bytes)
        };
    };
    let is_number = !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || lengths.any(|other| other != length) {
        return Err(StreamError::NotHttp("its length is no number"));
    }
    part(from, length.parse().unwrap_or(u64::MAX), &mut bytes)?;
    Ok(bytes)
}

/// The values of a header, those of its list one by one.
fn values<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a str> {
    let named = headers.iter().filter(move |(known, _)| known == name);
    named.flat_map(|(_, value)| value.split(',')).map(str::trim)
}

/// Appends exactly `length` bytes.
fn part(from: &mut impl BufRead, length: u64, bytes: &mut Vec<u8>) -> Result<(), StreamError> {
    if length > BODY_LIMIT.saturating_sub(count(bytes)) {
        return Err(StreamError::TooLarge);
    }
    let read = from.by_ref().take(length).read_to_end(bytes)?;
    if u64::try_from(read).is_ok_and(|read| read == length) {
        Ok(())
    } else {
        Err(StreamError::Cut)
    }
}

/// A body in chunks, without its trailer (RFC 9112, 7.1).
fn chunks(from: &mut impl BufRead) -> Result<Vec<u8>, StreamError> {
    const BROKEN: StreamError = StreamError::NotHttp("its chunks cannot be read");
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        from.by_ref()
            .take(CHUNK_LINE_LIMIT)
            .read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            let is_long = count(&line) == CHUNK_LINE_LIMIT;
            return Err(if is_long { BROKEN } else { StreamError::Cut });
        }
        let text = String::from_utf8_lossy(&line);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let (true, length) = (is_number, u64::from_str_radix(digits, 16).unwrap_or(u64::MAX)) else {
            return Err(BROKEN);
        };
        if length == 0 {
            return lines(from)?.map(|_| bytes).ok_or(StreamError::Cut);
        }
        part(from, length, &mut bytes)?;
        let mut end = Vec::new();
        from.by_ref().take(2).read_until(b'\n', &mut end)?;
        match end.as_slice() {
            b"\n" | b"\r\n" => {}
            b"" | b"\r" => return Err(StreamError::Cut),
            _ => return Err(BROKEN),
        }
    }
}

fn count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A socket that is given up at a certain time, whatever the other side does.
pub struct Until {
    socket: File,
    within: Duration,
    end: Instant,
}

impl Until {
    /// Everything on `socket` must be over `within` from now.
    ///
    /// # Errors
    /// When the kernel does not let it be read without blocking.
    pub fn new(socket: OwnedFd, within: Duration) -> io::Result<Self> {
        let flags = OFlag::from_bits_truncate(fcntl(&socket, FcntlArg::F_GETFL)?);
        fcntl(&socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok(Self {
            socket: socket.into(),
            within,
            end: Instant::now() + within,
        })
    }

    /// Waits until the socket may be read or written.
    fn wait(&self, flags: PollFlags) -> io::Result<()> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("no answer within {} s", self.within.as_secs_f64());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            let step = PollTimeout::try_from(left.min(Duration::from_secs(60)) + Duration::from_millis(1));
            let step = step.unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.socket.as_fd(), flags)], step) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn persist(
        &mut self,
        flags: PollFlags,
        mut work: impl FnMut(&mut File) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            self.wait(flags)?;
            match work(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }
}

impl Read for Until {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.persist(PollFlags::POLLIN, |socket| socket.read(into))
    }
}

impl Write for Until {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.persist(PollFlags::POLLOUT, |socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
