//! Secrets in JSON. Documents are shown because they are wrong, so this reads tokens, not grammar, and takes any text.

use std::borrow::Cow;
use std::ops::Range;

use super::{Frame, named};
use crate::document::{MAX_DEPTH, decode};

/// The ranges of literals that must not be shown, as far as somebody looks.
struct Found<'a> {
    ranges: Vec<Range<usize>>,
    /// Where somebody starts to look, ascending.
    windows: &'a [usize],
    /// How many secrets a look can meet.
    width: usize,
    /// How many of those are still to be met by the last look that started.
    left: usize,
}

impl Found<'_> {
    fn push(&mut self, range: Range<usize>) {
        let started = self.windows.partition_point(|start| *start < range.end);
        if started > 0 {
            self.windows = self.windows.get(started..).unwrap_or_default();
            self.left = self.width;
        }
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.ranges.push(range);
        }
    }
}

/// The ranges of literals in `text` that must not be shown, ascending, quotes left out: for each of the ascending
/// `windows` the first `width` that end behind it. A hostile text has far too many to keep them all.
pub(super) fn secrets(text: &str, windows: &[usize], width: usize) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Found {
        ranges: Vec::new(),
        windows,
        width: width + 1,
        left: 0,
    };
    let mut open = Open::default();
    let mut key = String::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let frame = open.frame();
        let start = at;
        at += 1;
        match byte {
            b'{' => {
                open.push(frame.below(&key));
                key.clear();
            }
            b'[' => {
                open.push(frame.list(&key));
                key.clear();
            }
            b'}' | b']' => {
                open.close();
                key.clear();
            }
            b',' => key.clear(),
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'"' => {
                at = string_end(bytes, at);
                let literal = text.get(start..at).unwrap_or_default();
                if is_key(bytes, at) {
                    key = named(&decode(literal));
                } else if frame.hides(&key) || frame.carries_secret(&key, &text_of(literal)) {
                    let closed = literal.len() > 1 && literal.ends_with('"');
                    found.push(start + 1..if closed { at - 1 } else { at });
                }
            }
            _ => {
                let rest = bytes.get(at..).unwrap_or_default();
                let end = rest.iter().position(|byte| b",:{}[]\" \t\r\n".contains(byte));
                at = end.map_or(bytes.len(), |end| at + end);
                if frame.hides(&key) {
                    found.push(start..at);
                }
            }
        }
    }
    found.ranges
}

/// What is open. A hostile text opens as much as it has bytes: what is deeper than any document is all alike.
#[derive(Default)]
struct Open {
    frames: Vec<Frame>,
    deeper: usize,
}

impl Open {
    fn frame(&self) -> Frame {
        self.frames.last().copied().unwrap_or_default()
    }

    fn push(&mut self, frame: Frame) {
        if self.frames.len() > MAX_DEPTH {
            self.deeper += 1;
        } else {
            self.frames.push(frame);
        }
    }

    fn close(&mut self) {
        match self.deeper.checked_sub(1) {
            Some(left) => self.deeper = left,
            None => drop(self.frames.pop()),
        }
    }
}

/// Where the string that starts before `at` ends: behind its quote, or at the end of a line that breaks it.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\n' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether a colon follows.
fn is_key(bytes: &[u8], at: usize) -> bool {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// The text that a literal stands for, as far as the document has it.
fn text_of(literal: &str) -> Cow<'_, str> {
    let inner = literal.trim_matches('"');
    if inner.contains('\\') {
        decode(&format!("\"{inner}\"")).into_owned().into()
    } else {
        inner.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(text: &str) -> Vec<&str> {
        secrets(text, &[0], 100)
            .into_iter()
            .map(|range| text.get(range).unwrap_or("?"))
            .collect()
    }

    #[test]
    fn secrets_are_recognised() {
        for (text, expected) in [
            (r#"{"name":"ada","passwordHash":"$6$x"}"#, vec!["$6$x"]),
            (r#"{"PASSWORDHASH" : 12,"uid":7}"#, vec!["12"]),
            (
                r#"{"keyFile":{"source":"http://h/k","verification":{"hash":"h"}},"name":"n"}"#,
                vec!["http://h/k", "h"],
            ),
            (
                r#"{"httpHeaders":[{"name":"A","value":"s"}],"value":"t"}"#,
                vec!["s"],
            ),
            (
                r#"{"sinks":[{"headers":[{"name":"A","value":"s"}],"url":"https://h/?key=1"}]}"#,
                vec!["s", "https://h/?key=1"],
            ),
            (
                r#"{"clientKey":{"source":"https://h/k"},"clientCertificate":{"source":"https://h/c"}}"#,
                vec!["https://h/k"],
            ),
            (
                r#"{"bootstrap":{"token":"a.b","tokenSource":{"source":"http://h/t"}}}"#,
                vec!["a.b", "http://h/t"],
            ),
            (
                r#"{"kubelet":{"config":{"maxPods":9,"staticPodURLHeader":{"A":["s"]}}}}"#,
                vec!["s"],
            ),
            (r#"{"sshAuthorizedKeys":["k"],"shell":"s"}"#, vec!["k"]),
            (
                r#"{"variant":"fcos","ssh_authorized_keys":["k"],"inline":"i"}"#,
                vec!["k", "i"],
            ),
            (r#"{"source":"data:,x"}"#, vec!["data:,x"]),
            (r#"{"source":"\u0064ata:,x"}"#, vec![r"\u0064ata:,x"]),
            (r#"{"source":"https://u:p@h/"}"#, vec!["https://u:p@h/"]),
            (r#"{"source":"https://h/?sig=1"}"#, vec!["https://h/?sig=1"]),
            (r#"{"source":"https://h/a"}"#, vec![]),
            (r#"{"source":"data;x"}"#, vec!["data;x"]),
            (r#"{"uid":"$6$s$h","name":"$HOME"}"#, vec!["$6$s$h"]),
            (
                r#"{"ignition":{"config":{"replace":{"source":"https://h/a"}}}}"#,
                vec![],
            ),
            (r#"{"contents":{"source":"https://h/a"}}"#, vec![]),
            (r#"{"contents":"[Service]"}"#, vec!["[Service]"]),
            (
                r#"{"contents":["a",["b",1],{"source":"https://h/a"},"c"],"mode":1}"#,
                vec!["a", "b", "1", "c"],
            ),
            (
                r#"{"source":["a",{"name":"n"},"https://h/a","data:,x"],"name":["n"]}"#,
                vec!["a", "n", "data:,x"],
            ),
            (
                r#"{"httpHeaders":{"Authorization":"a","name":"n"},"headers":["A: b",["A","c"],{"A":"d"}],"x":"y"}"#,
                vec!["a", "A: b", "A", "c", "d"],
            ),
            (
                r#"{"hash":["a","sha256-0"],"httpProxy":"a@h:3128","source":{"x":"a"}}"#,
                vec!["a", "a@h:3128", "a"],
            ),
            (
                r#"{"httpProxy":"http://u:p@h:3128","httpsProxy":"u:p@h","noProxy":["h"]}"#,
                vec!["http://u:p@h:3128", "u:p@h"],
            ),
            (
                r#"{"httpProxy":"http:\/\/u:p\u0040h","url":"http:\/\/h"}"#,
                vec![r"http:\/\/u:p\u0040h"],
            ),
            (
                r#"{"verification":{"hash":"planted-0"},"b":{"hash":"sha512-0"},"c":{"hash":"Sha256-0"}}"#,
                vec!["planted-0"],
            ),
            (r#"{"name":"a@b:c.service","path":"/a:b"}"#, vec![]),
            (
                r#"{"path":"/a:b@c","home_dir":"/h:i@j","device":"\/dev/d:1@2","target":"/t:u@v/w","shell":"/s:h@x"}"#,
                vec![],
            ),
            (
                r#"{"path":"a:b@c","target":"//u:p@h","device":"/x/https://u:p@h","name":"/u:p@h","url":"/u:p@h"}"#,
                vec!["a:b@c", "//u:p@h", "/x/https://u:p@h", "/u:p@h", "/u:p@h"],
            ),
            (
                r#"{"httpProxy":"/u:p@h","source":"/u:p@h","hash":"/u:p@h","token":{"path":"/u:p@h"},"headers":[{"path":"/u:p@h"}]}"#,
                vec!["/u:p@h"; 5],
            ),
            ("{\"passwordHash\":\"cut\n", vec!["cut"]),
            ("{\"passwordHash\":\"cut\\", vec!["cut\\"]),
        ] {
            assert_eq!(hidden(text), expected, "{text}");
        }
    }

    #[test]
    fn only_what_somebody_looks_at_is_kept() {
        let text = r#"["data:0","data:1","data:2","data:3","data:4","data:5","data:6"]"#;
        let kept = |windows: &[usize]| -> Vec<usize> {
            let ranges = secrets(text, windows, 1);
            ranges.into_iter().map(|range| range.start / 9).collect()
        };
        assert!(kept(&[]).is_empty());
        assert_eq!(kept(&[0]), [0, 1]);
        assert_eq!(kept(&[0, 1]), [0, 1]);
        assert_eq!(kept(&[0, 10]), [0, 1, 2]);
        assert_eq!(kept(&[0, 40, 41]), [0, 1, 4, 5]);
    }

    #[test]
    fn any_text_is_survived() {
        for text in [
            "",
            "\"",
            "\\",
            "]]]]",
            "[[[[{{",
            "a: b\n- c",
            "\"\\\"",
            "{\"é\":é}",
            "\"é",
        ] {
            let _ = secrets(text, &[0], 100);
        }
    }
}
