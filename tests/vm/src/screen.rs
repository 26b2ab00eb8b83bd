//! A guest's screen: photographed over QEMU's monitor, as somebody in front of the machine would.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Shades of grey, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels of a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 0 is black.
    pub pixels: Vec<u8>,
}

/// QEMU's monitor of a running guest (QMP).
pub struct Monitor {
    stream: BufReader<UnixStream>,
    folder: PathBuf,
}

impl Monitor {
    /// Connects to the monitor at `socket`; pictures pass through the folder it is in.
    ///
    /// # Errors
    /// When nobody listens there, or says what no monitor says.
    pub fn connect(socket: &Path) -> io::Result<Self> {
        let mut monitor = Self {
            stream: BufReader::new(UnixStream::connect(socket)?),
            folder: socket.parent().unwrap_or(Path::new(".")).to_path_buf(),
        };
        monitor.answer()?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// What the screen shows. The guest stands still meanwhile.
    ///
    /// # Errors
    /// When the monitor refuses, or its picture cannot be read.
    pub fn photograph(&mut self) -> io::Result<Picture> {
        let path = self.folder.join("screen.ppm");
        self.ask("stop", &json!({}))?;
        self.ask("screendump", &json!({ "filename": path }))?;
        self.ask("cont", &json!({}))?;
        parse(&fs::read(path)?).ok_or_else(|| io::Error::other("QEMU's picture is not a PPM"))
    }

    fn ask(&mut self, command: &str, arguments: &Value) -> io::Result<()> {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream.get_mut(), "{line}")?;
        loop {
            let answer = self.answer()?;
            match (answer.get("return"), answer.get("error")) {
                (Some(_), _) => return Ok(()),
                (_, Some(error)) => return Err(io::Error::other(format!("{command}: {error}"))),
                // An event.
                (None, None) => {}
            }
        }
    }

    fn answer(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

/// A picture in binary PPM: `P6`, width, height, 255 and three bytes a pixel.
fn parse(bytes: &[u8]) -> Option<Picture> {
    let mut words = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
    let mut number = |expected: Option<&[u8]>| {
        let word = words.next()?;
        match expected {
            Some(expected) => (word == expected).then_some(0),
            None => std::str::from_utf8(word).ok()?.parse().ok(),
        }
    };
    number(Some(b"P6"))?;
    let (width, height) = (number(None)?, number(None)?);
    let colours = words.next()?.strip_prefix(b"255\n")?;
    let grey = |pixel: &[u8]| pixel.iter().copied().max().unwrap_or(0);
    let pixels: Vec<u8> = colours.chunks_exact(3).map(grey).collect();
    (pixels.len() == width * height).then_some(Picture {
        width,
        height,
        pixels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read() {
        let picture = parse(b"P6\n2 1\n255\n\x00\x00\x00\xaa\x0a\x20").unwrap();
        assert_eq!((picture.width, picture.height), (2, 1));
        assert_eq!(picture.pixels, [0, 0xaa]);
        assert_eq!(parse(b"P6\n2 2\n255\n\x00\x00\x00\xaa\x0a\x20"), None);
        assert_eq!(parse(b"P5\n2 1\n255\n\x00\x00"), None);
    }
}
