//! The OVF environment: what a deployment tool told the machine, as one XML document (DSP0243, 9.2).
//!
//! Reading is as lenient about namespaces as the reference; only what is exactly a property of the standard is ever
//! removed, and all else stays byte for byte.

use std::ops::Range;

use crate::xml::{Broken, Kind, Tag, Tags};

/// The namespace of the standard's elements and attributes.
const NAMESPACE: &str = "http://schemas.dmtf.org/ovf/environment/1";

/// Where the properties of this machine stand; those of other machines stand below `Entity`.
const PATH: [&str; 3] = ["Environment", "PropertySection", "Property"];

/// How deep elements may be; an environment has four levels.
const DEPTH: usize = 64;

/// One property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    pub(super) key: String,
    pub(super) value: String,
    /// The element, in bytes of the document.
    span: Range<usize>,
    /// Its elements and its key are in the namespace of the standard.
    is_exact: bool,
}

/// An element that is not closed yet.
struct Element<'a> {
    name: &'a str,
    /// It has the place, the name and the namespace of [`PATH`].
    is_exact: bool,
    /// It has the place and the name.
    is_near: bool,
    /// Where it begins, and which property it is.
    from: usize,
    property: Option<(String, String, bool)>,
    /// How many names were bound before it.
    bound: usize,
}

/// The properties of this machine, in the order of the document.
///
/// # Errors
/// When it is not well-formed.
pub(super) fn properties(document: &str) -> Result<Vec<Property>, Broken> {
    let mut reader = Reader::default();
    for tag in Tags::new(document) {
        reader.read(tag?)?;
    }
    if reader.open.is_empty() && reader.has_root {
        Ok(reader.found)
    } else {
        Err(Broken {
            what: "an element without an end",
            at: document.len(),
        })
    }
}

/// The document without these properties; `None` where it has none of them.
///
/// # Errors
/// As [`properties`].
pub(super) fn without(document: &str, keys: &[&str]) -> Result<Option<String>, Broken> {
    let mut kept = String::with_capacity(document.len());
    let mut from = 0;
    for property in properties(document)? {
        if property.is_exact && keys.contains(&property.key.as_str()) {
            kept.push_str(document.get(from..property.span.start).unwrap_or_default());
            from = property.span.end;
        }
    }
    kept.push_str(document.get(from..).unwrap_or_default());
    Ok((from > 0).then_some(kept))
}

/// A walk through a document.
#[derive(Default)]
struct Reader<'a> {
    open: Vec<Element<'a>>,
    /// Prefixes and what they are bound to, the innermost last.
    bound: Vec<(&'a str, String)>,
    has_root: bool,
    found: Vec<Property>,
}

impl<'a> Reader<'a> {
    fn read(&mut self, tag: Tag<'a>) -> Result<(), Broken> {
        let (kind, span) = (tag.kind, tag.span.clone());
        if kind != Kind::Close {
            self.begin(tag)?;
            if kind == Kind::Open {
                return Ok(());
            }
            return self.end(span.end, None);
        }
        self.end(span.end, Some(&tag))
    }

    fn begin(&mut self, tag: Tag<'a>) -> Result<(), Broken> {
        let at = tag.span.start;
        let broken = |what| Broken { what, at };
        if self.open.is_empty() && self.has_root {
            return Err(broken("a second root element"));
        }
        if self.open.len() == DEPTH {
            return Err(broken("too many elements inside each other"));
        }
        self.has_root = true;
        let bound = self.bound.len();
        for (name, value) in &tag.attributes {
            let prefix = name
                .strip_prefix("xmlns:")
                .or_else(|| (*name == "xmlns").then_some(""));
            if let Some(prefix) = prefix {
                self.bound.push((prefix, value.clone()));
            }
        }
        let depth = self.open.len();
        let (uri, local) = self
            .resolve(tag.name, true)
            .ok_or_else(|| broken("a prefix that is bound to nothing"))?;
        let has_place =
            PATH.get(depth) == Some(&local) && depth == self.path_length(|element| element.is_near);
        let is_exact = has_place && uri == NAMESPACE && depth == self.path_length(|element| element.is_exact);
        let property = (has_place && depth == 2).then(|| self.property(&tag, is_exact));
        self.open.push(Element {
            name: tag.name,
            is_exact,
            is_near: has_place,
            from: at,
            property: property.flatten(),
            bound,
        });
        Ok(())
    }

    /// How far the open elements are on the path.
    fn path_length(&self, is_on_it: impl Fn(&Element<'_>) -> bool) -> usize {
        self.open.iter().take_while(|element| is_on_it(element)).count()
    }

    /// Key, value, and whether the key is the standard's.
    fn property(&self, tag: &Tag<'a>, is_exact: bool) -> Option<(String, String, bool)> {
        let attribute = |wanted: &str| {
            let named = tag.attributes.iter().filter_map(|(name, value)| {
                let (uri, local) = self.resolve(name, false)?;
                (local == wanted).then_some((uri == NAMESPACE, value))
            });
            // Where a stranger's attribute has the same name, the standard's counts.
            named.max_by_key(|(is_standard, _)| *is_standard)
        };
        let (is_standard, key) = attribute("key")?;
        let value = attribute("value").map_or_else(String::new, |(_, value)| value.clone());
        Some((key.clone(), value, is_exact && is_standard))
    }

    fn end(&mut self, to: usize, close: Option<&Tag<'_>>) -> Result<(), Broken> {
        let broken = Broken {
            what: "an end tag of another element",
            at: to,
        };
        let Some(element) = self.open.pop() else {
            return Err(broken);
        };
        if close.is_some_and(|tag| tag.name != element.name) {
            return Err(broken);
        }
        self.bound.truncate(element.bound);
        if let Some((key, value, is_exact)) = element.property {
            self.found.push(Property {
                key,
                value,
                span: element.from..to,
                is_exact,
            });
        }
        Ok(())
    }

    /// Namespace and local name; `None` for a prefix that is bound to nothing. An attribute without a prefix is in no
    /// namespace, an element without one in the default.
    fn resolve(&self, name: &'a str, is_element: bool) -> Option<(&str, &'a str)> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let bound = self.bound.iter().rev().find(|(known, _)| *known == prefix);
        match (prefix, bound) {
            ("", _) if !is_element => Some(("", local)),
            (_, Some((_, uri))) => Some((uri.as_str(), local)),
            ("" | "xml" | "xmlns", None) => Some(("", local)),
            (_, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OE: &str = "http://schemas.dmtf.org/ovf/environment/1";

    fn environment(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Environment\n     xmlns=\"{OE}\"\n     xmlns:oe=\"{OE}\" \
             xmlns:other=\"urn:other\"\n     oe:id=\"\">\n   <PlatformSection>\n      <Kind>VMware ESXi</Kind>\n   \
             </PlatformSection>\n   <PropertySection>\n{inside}\n   </PropertySection>\n   <Entity oe:id='2'>\
             <PropertySection><Property oe:key='a' oe:value='of another machine'/></PropertySection></Entity>\n\
             </Environment>\n"
        )
    }

    fn keys(document: &str) -> Vec<(String, String)> {
        let found = properties(document).unwrap();
        found
            .into_iter()
            .map(|property| (property.key, property.value))
            .collect()
    }

    #[test]
    fn properties_of_this_machine_are_read() {
        let document = environment(
            "<Property oe:key=\"a\" oe:value='{\"x\":\"&lt;\"}'/><!-- <Property oe:key='b'/> -->\
             <Property oe:key='c' oe:value=''> text </Property><Property oe:value='no key'/>\
             <Group><Property oe:key='d' oe:value='too deep'/></Group>",
        );
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(keys(&document), [pair("a", "{\"x\":\"<\"}"), pair("c", "")]);
    }

    #[test]
    fn what_is_removed_goes_and_all_else_stays_byte_for_byte() {
        let (a, c) = (
            "<Property oe:key='a' oe:value='1'/>",
            "<Property  oe:value = '&#10;' oe:key='c' ><!-- --></Property >",
        );
        let inside = |a: &str, c: &str| {
            environment(&format!(
                "  {a}\r\n\t<Property oe:key='keep' oe:value='é'/>{c} <?p?>"
            ))
        };
        let document = inside(a, c);
        assert_eq!(without(&document, &["a", "c"]), Ok(Some(inside("", ""))));
        assert_eq!(without(&document, &["c"]), Ok(Some(inside(a, ""))));
        assert_eq!(without(&inside("", ""), &["a", "c"]), Ok(None));
    }

    #[test]
    fn what_is_in_another_namespace_is_read_and_survives() {
        for (inside, is_read) in [
            ("<other:Property oe:key='a' oe:value='1'/>", true),
            ("<Property other:key='a' oe:value='1'/>", true),
            ("<Property key='a' value='1'/>", true),
            ("<Property xmlns='urn:other' oe:key='a' oe:value='1'/>", true),
            ("<Property xmlns:oe='urn:other' oe:key='a' oe:value='1'/>", true),
            ("<property oe:key='a' oe:value='1'/>", false),
        ] {
            let document = environment(inside);
            assert_eq!(without(&document, &["a"]), Ok(None), "{inside}");
            assert_eq!(keys(&document).len(), usize::from(is_read), "{inside}");
        }
        let strange = "<Environment xmlns='urn:other'><o:PropertySection xmlns:o='urn:o'><p:Property xmlns:p='urn:p' \
                       p:key='a' p:value='1'/></o:PropertySection></Environment>";
        assert_eq!(keys(strange).len(), 1);
        assert_eq!(without(strange, &["a"]), Ok(None));
    }

    #[test]
    fn prefixes_may_be_any_and_are_undone_where_their_element_ends() {
        let document = format!(
            "<x:Environment xmlns:x='{OE}'><x:PropertySection><x:Property x:key='a' x:value='1' other:key='b' \
             xmlns:other='urn:other'/></x:PropertySection></x:Environment>"
        );
        assert_eq!(keys(&document), [("a".to_owned(), "1".to_owned())]);
        assert!(without(&document, &["a"]).unwrap().is_some());
        let unbound = document.replace("<x:PropertySection>", "<x:PropertySection><y xmlns:z='u'/><z:q/>");
        assert!(properties(&unbound).is_err());
    }

    /// Whatever one byte more or less makes of a document: what is left after a removal is a document without the property.
    #[test]
    fn a_removal_leaves_a_document_whatever_was_given() {
        let whole = environment("<Property oe:key='a' oe:value='1'> <x/> </Property><Property oe:key='b'/>");
        let changed = |at: usize, with: &str, length: usize| {
            let (before, after) = (whole.get(..at)?, whole.get(at + length..)?);
            Some([before, with, after].concat())
        };
        let mut removed = 0;
        for at in 0..whole.len() {
            for with in [
                "", "<", ">", "/", "'", "\"", "&", "=", " ", ":", "é", "<!--", "<a>", "</a>",
            ] {
                for document in [changed(at, with, 0), changed(at, with, 1)].into_iter().flatten() {
                    if let Ok(Some(rest)) = without(&document, &["a"]) {
                        removed += 1;
                        assert_eq!(without(&rest, &["a"]), Ok(None), "{document}");
                    }
                }
            }
        }
        assert!(removed > 1_000, "{removed}");
    }

    #[test]
    fn a_document_that_is_not_whole_is_refused() {
        let whole = environment("<Property oe:key='a' oe:value='1'/>");
        let whole = whole.trim_end();
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(properties(&whole[..end]).is_err(), "{end}");
        }
        for text in [
            "",
            "text",
            "<a></b>",
            "<a/><b/>",
            "</a>",
            "<a><b></a></b>",
            "<!DOCTYPE a><a/>",
            &("<a>".repeat(65) + &"</a>".repeat(65)),
        ] {
            assert!(properties(text).is_err(), "{text}");
        }
    }
}
