//! The tags of an XML document, and where they stand in it: as much of XML 1.0 as platforms write. Documents with
//! a document type are refused, so that no entity but the five of the language needs to be known.

use std::ops::Range;

/// The longest name of an element or attribute, in bytes: every element holds the names of all around it.
const LONGEST_NAME: usize = 256;

/// The most attributes of a tag; each is compared with those before it.
const MAX_ATTRIBUTES: usize = 256;

/// A document that is not well-formed, without quoting it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub(crate) struct Broken {
    pub(crate) what: &'static str,
    pub(crate) at: usize,
}

/// How a tag ends an element, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `<a>`
    Open,
    /// `</a>`
    Close,
    /// `<a/>`
    Empty,
}

/// Names with their prefixes; values without their escapes.
type Attributes<'a> = Vec<(&'a str, String)>;

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    pub(crate) kind: Kind,
    /// With its prefix.
    pub(crate) name: &'a str,
    pub(crate) attributes: Attributes<'a>,
    /// In bytes of the document.
    pub(crate) span: Range<usize>,
}

/// The tags of a document, in order; nothing follows an error.
pub(crate) struct Tags<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tags<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn broken(&self, what: &'static str) -> Broken {
        Broken { what, at: self.at }
    }

    /// Goes behind `word` if it is next.
    fn take(&mut self, word: &str) -> bool {
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// Goes behind the next `word`, and returns what stands before it.
    fn until(&mut self, word: &str, what: &'static str) -> Result<&'a str, Broken> {
        let (before, _) = self.rest().split_once(word).ok_or_else(|| self.broken(what))?;
        self.at += before.len() + word.len();
        Ok(before)
    }

    fn blanks(&mut self) -> bool {
        let rest = self.rest();
        let length = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
        self.at += length;
        length > 0
    }

    fn name(&mut self) -> Result<&'a str, Broken> {
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || "<>/=\"'&".contains(c);
        let name = rest.split(ends).next().unwrap_or_default();
        if name.is_empty() {
            return Err(self.broken("a name is missing"));
        }
        if name.len() > LONGEST_NAME {
            return Err(self.broken("a name is too long"));
        }
        self.at += name.len();
        Ok(name)
    }

    /// Goes behind what is no tag of an element: comments, character data, instructions. Whether there was one.
    fn skip(&mut self) -> Result<bool, Broken> {
        for (begin, end, what) in [
            ("<!--", "-->", "a comment without an end"),
            ("<![CDATA[", "]]>", "character data without an end"),
            ("<?", "?>", "an instruction without an end"),
        ] {
            if self.take(begin) {
                return self.until(end, what).map(|_| true);
            }
        }
        if self.rest().starts_with("<!") {
            return Err(self.broken("a document type"));
        }
        Ok(false)
    }

    fn tag(&mut self) -> Result<Option<Tag<'a>>, Broken> {
        loop {
            let Some(next) = self.rest().find('<') else {
                return Ok(None);
            };
            self.at += next;
            if self.skip()? {
                continue;
            }
            let from = self.at;
            self.at += 1;
            let is_close = self.take("/");
            let name = self.name()?;
            let (kind, attributes) = if is_close {
                self.blanks();
                if !self.take(">") {
                    return Err(self.broken("an end tag without an end"));
                }
                (Kind::Close, Vec::new())
            } else {
                self.attributes()?
            };
            return Ok(Some(Tag {
                kind,
                name,
                attributes,
                span: from..self.at,
            }));
        }
    }

    /// The attributes, and how the tag ends behind them.
    fn attributes(&mut self) -> Result<(Kind, Attributes<'a>), Broken> {
        let mut found = Attributes::new();
        loop {
            let apart = self.blanks();
            if self.take("/>") {
                return Ok((Kind::Empty, found));
            }
            if self.take(">") {
                return Ok((Kind::Open, found));
            }
            if found.len() == MAX_ATTRIBUTES {
                return Err(self.broken("too many attributes"));
            }
            if !apart {
                return Err(self.broken("a tag without an end"));
            }
            let name = self.name()?;
            if found.iter().any(|(known, _)| *known == name) {
                return Err(self.broken("an attribute that is there twice"));
            }
            self.blanks();
            let is_given = self.take("=");
            self.blanks();
            let quote = ["\"", "'"].into_iter().find(|quote| self.take(quote));
            let (true, Some(quote)) = (is_given, quote) else {
                return Err(self.broken("an attribute without a value"));
            };
            let value = self.until(quote, "a value without an end")?;
            let value = unescaped(value)
                .ok_or_else(|| self.broken("a value with a character that is not escaped"))?;
            found.push((name, value));
        }
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        let tag = self.tag();
        if tag.is_err() {
            self.at = self.text.len();
        }
        tag.transpose()
    }
}

/// How deep elements may stand in each other.
const DEPTH: usize = 64;

/// An element, without the namespaces of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Element {
    /// The names from the root to it: `Versions/Supported/Version`.
    pub(crate) path: String,
    /// The text before its first child, without the spaces around it.
    pub(crate) text: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// What an attribute says.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// The elements of a document, in the order in which they begin.
///
/// # Errors
/// When it is not well-formed, or deeper than any that is meant.
pub(crate) fn elements(document: &str) -> Result<Vec<Element>, Broken> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for tag in Tags::new(document) {
        let Tag {
            kind,
            name,
            attributes,
            span,
        } = tag?;
        let broken = |what| Broken { what, at: span.start };
        if kind == Kind::Close {
            if open.pop() != Some(name) {
                return Err(broken("the end of another element"));
            }
            continue;
        }
        if open.len() == DEPTH {
            return Err(broken("too many elements in each other"));
        }
        open.push(name);
        let behind = document.get(span.end..).unwrap_or_default();
        let text = match kind {
            Kind::Open => behind.split('<').next().unwrap_or_default(),
            _ => "",
        };
        let text = unescaped(text).ok_or_else(|| broken("a text with a character that is not escaped"))?;
        let names: Vec<&str> = open.iter().map(|name| local(name)).collect();
        found.push(Element {
            path: names.join("/"),
            text: text.trim().to_owned(),
            attributes: attributes
                .into_iter()
                .map(|(name, value)| (local(name).to_owned(), value))
                .collect(),
        });
        if kind == Kind::Empty {
            open.pop();
        }
    }
    if open.is_empty() && !found.is_empty() {
        return Ok(found);
    }
    Err(Broken {
        what: "an element without an end",
        at: document.len(),
    })
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Text as it is written in a document.
pub(crate) fn escaped(text: &str) -> String {
    // Other control characters stand in no document (XML 1.0, 2.2).
    let allowed = |at: char| !at.is_control() || "\n\r\t".contains(at);
    text.replace(|at| !allowed(at), "\u{fffd}")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The value that is meant; `None` where it is not one.
fn unescaped(value: &str) -> Option<String> {
    if value.contains('<') {
        return None;
    }
    let mut parts = value.split('&');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';')?;
        text.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = name.strip_prefix('#')?;
                let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
                char::from_u32(u32::from_str_radix(digits, radix).ok()?)?
            }
        });
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, &'static str> {
        let mark = |kind| match kind {
            Kind::Open => "",
            Kind::Close => "/",
            Kind::Empty => "-",
        };
        Tags::new(text)
            .map(|tag| {
                tag.map(|tag| format!("{}{}", mark(tag.kind), tag.name))
                    .map_err(|broken| broken.what)
            })
            .collect()
    }

    #[test]
    fn tags_are_found_between_what_is_none() {
        let text =
            "\u{feff}<?xml version='1.0'?><!-- <no> --><a:b>text<![CDATA[<no>]]><c \n/><d></d ></a:b>\n";
        let found = names(text).unwrap();
        assert_eq!(found, ["a:b", "-c", "d", "/d", "/a:b"]);
    }

    #[test]
    fn a_tag_has_its_place_and_its_values() {
        let text = "é<p  k = 'a>b\"' v=\"&lt;&#65;&#x42;&amp;lt;\n\" />";
        let tag = Tags::new(text).next().unwrap().unwrap();
        assert_eq!(&text[tag.span.clone()], &text["é".len()..]);
        assert_eq!(
            tag.attributes,
            [("k", "a>b\"".to_owned()), ("v", "<AB&lt;\n".to_owned())]
        );
    }

    #[test]
    fn every_cut_inside_a_tag_is_broken() {
        let text = "<a b='c' d=\"&amp;\"/>";
        for end in 1..text.len() {
            assert!(names(&text[..end]).is_err(), "{}", &text[..end]);
        }
        for text in [
            "<a b=c>",
            "<a b>",
            "<a b='c'd='e'>",
            "<a b='1' b='2'>",
            "<a b='&nbsp;'>",
            "<a b='&'>",
            "<a b='&#xD800;'>",
            "<a b='<'>",
            "<>",
            "< a>",
            "</a b>",
            "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
            "<!--",
            "<![CDATA[ ]]",
            "<?xml",
        ] {
            assert!(names(text).is_err(), "{text}");
        }
        let many: String = (0..257).map(|number| format!(" a{number}=''")).collect();
        assert_eq!(names(&format!("<a{many}/>")), Err("too many attributes"));
    }

    #[test]
    fn elements_have_paths_texts_and_attributes() {
        let text = "<?xml version=\"1.0\"?>\n<x:A xmlns:x='urn:x'>\n  <B k='1' x:l='a&amp;b'/><!-- no -->\n  <C> c &lt; d \
                    <D>e</D></C>\n</x:A>";
        let found = elements(text).unwrap();
        let shown: Vec<(&str, &str)> = found
            .iter()
            .map(|element| (element.path.as_str(), element.text.as_str()))
            .collect();
        assert_eq!(shown, [("A", ""), ("A/B", ""), ("A/C", "c < d"), ("A/C/D", "e")]);
        assert_eq!(found[1].attribute("k"), Some("1"));
        assert_eq!(found[1].attribute("l"), Some("a&b"));
        assert_eq!(found[1].attribute("m"), None);
        assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
    }

    #[test]
    fn what_is_not_well_formed_has_no_elements() {
        let deep = "<a>".repeat(DEPTH + 1);
        for (text, what) in [
            ("", "an element without an end"),
            ("<a>", "an element without an end"),
            ("<a><b></a></b>", "the end of another element"),
            ("</a>", "the end of another element"),
            ("<a>&planted;</a>", "a text with a character that is not escaped"),
            ("<!DOCTYPE a><a/>", "a document type"),
            (&deep, "too many elements in each other"),
        ] {
            assert_eq!(elements(text).unwrap_err().what, what, "{text}");
        }
    }
}
