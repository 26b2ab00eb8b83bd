//! What platforms write down in JSON or YAML, read one key at a time.
//!
//! A key that is not there, or has no value, is nothing said. A value of another kind than it should have is a broken
//! document: the failure names the key, and quotes nothing.

use core::net::IpAddr;

use serde_json::{Map, Value};

use crate::network::{Network, hardware_address, interface_name};
use crate::{Access, HttpRequest, PlatformError, PlatformId, service, yaml};

/// A document, and who gave it.
pub(crate) struct Document {
    id: PlatformId,
    what: String,
    value: Value,
}

impl Document {
    /// JSON.
    ///
    /// # Errors
    /// [`PlatformError::Malformed`] when it is something else.
    pub(crate) fn json(id: PlatformId, what: &str, bytes: &[u8]) -> Result<Self, PlatformError> {
        let text = text(id, what, bytes)?;
        let value = serde_json::from_str(text)
            .map_err(|error| broken(id, format!("{what} is not JSON, in line {}", error.line())))?;
        Ok(Self::new(id, what, value))
    }

    /// YAML, or JSON, which some tools write with more freedom than YAML has.
    ///
    /// # Errors
    /// [`PlatformError::Malformed`] when it is something else.
    pub(crate) fn yaml(id: PlatformId, what: &str, bytes: &[u8]) -> Result<Self, PlatformError> {
        let text = text(id, what, bytes)?;
        if let Ok(value @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
            return Ok(Self::new(id, what, value));
        }
        let value = yaml::parse_words(text).map_err(|error| broken(id, format!("{what}: {error}")))?;
        Ok(Self::new(id, what, value))
    }

    fn new(id: PlatformId, what: &str, value: Value) -> Self {
        Self {
            id,
            what: what.to_owned(),
            value,
        }
    }

    /// The whole of it.
    pub(crate) fn root(&self) -> Node<'_> {
        Node {
            document: self,
            key: "",
            value: &self.value,
        }
    }
}

/// How a document is read: [`Document::json`] or [`Document::yaml`].
pub(crate) type Read = fn(PlatformId, &str, &[u8]) -> Result<Document, PlatformError>;

/// The document behind `request`; `None` as [`service::text`].
///
/// # Errors
/// As [`service::text`] and `read`.
pub(crate) fn behind(
    via: &dyn Access,
    id: PlatformId,
    (request, what): (&HttpRequest, &str),
    read: Read,
) -> Result<Option<Document>, PlatformError> {
    let text = service::text(via, id, request)?;
    text.map(|text| read(id, what, text.as_bytes())).transpose()
}

/// As [`behind`], for a document that every machine has.
///
/// # Errors
/// Also [`PlatformError::Malformed`] when it is not there.
pub(crate) fn required(
    via: &dyn Access,
    id: PlatformId,
    asked: (&HttpRequest, &str),
    read: Read,
) -> Result<Document, PlatformError> {
    behind(via, id, asked, read)?.ok_or_else(|| broken(id, format!("{} is not there", asked.1)))
}

fn text<'a>(id: PlatformId, what: &str, bytes: &'a [u8]) -> Result<&'a str, PlatformError> {
    std::str::from_utf8(bytes).map_err(|_| broken(id, format!("{what} is not text")))
}

fn broken(id: PlatformId, why: String) -> PlatformError {
    PlatformError::Malformed { id, why }
}

/// A value in a document.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    document: &'a Document,
    /// The last key on the way to it.
    key: &'a str,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// A failure of `key`, which is none of what it should be: `is not an address`.
    pub(crate) fn wrong(&self, key: &str, why: &str) -> PlatformError {
        let what = &self.document.what;
        let subject = if key.is_empty() {
            what.clone()
        } else {
            format!("{what}: {key}")
        };
        broken(self.document.id, format!("{subject} {why}"))
    }

    fn map(&self) -> Result<&'a Map<String, Value>, PlatformError> {
        match self.value {
            Value::Object(map) => Ok(map),
            _ => Err(self.wrong(self.key, "is not a mapping")),
        }
    }

    /// What stands below `key`.
    ///
    /// # Errors
    /// [`PlatformError::Malformed`] when this is no mapping; as all that follow.
    pub(crate) fn get(&self, key: &'a str) -> Result<Option<Self>, PlatformError> {
        let value = self.map()?.get(key).filter(|value| !value.is_null());
        Ok(value.map(|value| Self {
            document: self.document,
            key,
            value,
        }))
    }

    /// The pairs of this mapping, by their keys, which is how it holds them.
    pub(crate) fn pairs(&self) -> Result<Vec<(&'a str, Self)>, PlatformError> {
        let mut pairs: Vec<(&'a str, Self)> = Vec::new();
        for (key, value) in self.map()? {
            pairs.push((
                key,
                Self {
                    document: self.document,
                    key,
                    value,
                },
            ));
        }
        Ok(pairs)
    }

    /// The parts of this list.
    pub(crate) fn parts(&self) -> Result<Vec<Self>, PlatformError> {
        let Value::Array(list) = self.value else {
            return Err(self.wrong(self.key, "is not a list"));
        };
        Ok(list.iter().map(|value| Self { value, ..*self }).collect())
    }

    /// The list below `key`; none where there is nothing.
    pub(crate) fn list(&self, key: &'a str) -> Result<Vec<Self>, PlatformError> {
        self.get(key)?.map_or(Ok(Vec::new()), |found| found.parts())
    }

    /// This scalar as text.
    pub(crate) fn scalar(&self) -> Result<String, PlatformError> {
        match self.value {
            Value::String(text) => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(is) => Ok(is.to_string()),
            _ => Err(self.wrong(self.key, "is not one value")),
        }
    }

    /// The scalar below `key` as text; `None` where it is empty.
    pub(crate) fn text(&self, key: &'a str) -> Result<Option<String>, PlatformError> {
        let text = self.get(key)?.map(|found| found.scalar()).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The scalars of the list below `key`, or the one scalar there.
    pub(crate) fn texts(&self, key: &'a str) -> Result<Vec<String>, PlatformError> {
        match self.get(key)? {
            None => Ok(Vec::new()),
            Some(found) if found.value.is_array() => {
                let parts = found.parts()?;
                parts.iter().map(Node::scalar).collect()
            }
            Some(found) => Ok(vec![found.scalar()?]),
        }
    }

    /// The scalars of the mapping below `key`, by their keys; or of a list, as [`Self::texts`].
    pub(crate) fn values(&self, key: &'a str) -> Result<Vec<String>, PlatformError> {
        match self.get(key)? {
            Some(found) if found.value.is_object() => {
                let pairs = found.pairs()?;
                pairs.iter().map(|(_, value)| value.scalar()).collect()
            }
            _ => self.texts(key),
        }
    }

    /// The first of `keys` that has a scalar, as text.
    pub(crate) fn first(&self, keys: &[&'a str]) -> Result<Option<String>, PlatformError> {
        for key in keys {
            let found = self.text(key)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether `key` is true.
    pub(crate) fn is(&self, key: &'a str) -> Result<bool, PlatformError> {
        match self.get(key)?.map(|found| found.value) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(_) => Err(self.wrong(key, "is neither true nor false")),
        }
    }

    /// The address below `key`.
    pub(crate) fn address(&self, key: &'a str) -> Result<Option<IpAddr>, PlatformError> {
        let text = self.text(key)?;
        text.map(|text| text.parse().map_err(|_| self.wrong(key, "is not an address")))
            .transpose()
    }

    /// The addresses below `key`: a list, or one.
    pub(crate) fn addresses(&self, key: &'a str) -> Result<Vec<IpAddr>, PlatformError> {
        let parsed = |text: &String| text.parse().map_err(|_| self.wrong(key, "is not an address"));
        self.texts(key)?.iter().map(parsed).collect()
    }

    /// The address below `key`, in the network that it names itself or that `mask` gives, a mask or a length; else alone.
    pub(crate) fn network(&self, key: &'a str, mask: &'a str) -> Result<Option<Network>, PlatformError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let mask = self.text(mask)?;
        self.parsed_network(key, &text, mask.as_deref()).map(Some)
    }

    /// As [`Self::network`], from text.
    pub(crate) fn parsed_network(
        &self,
        key: &str,
        text: &str,
        mask: Option<&str>,
    ) -> Result<Network, PlatformError> {
        let whole = if text.contains(':') { "128" } else { "32" };
        Network::parse(text, Some(mask.unwrap_or(whole)))
            .ok_or_else(|| self.wrong(key, "is not an address in a network"))
    }

    /// The hardware address below `key`.
    pub(crate) fn mac(&self, key: &'a str) -> Result<Option<String>, PlatformError> {
        let text = self.text(key)?;
        text.map(|text| hardware_address(&text).ok_or_else(|| self.wrong(key, "is not a hardware address")))
            .transpose()
    }

    /// The name of an interface below `key`.
    pub(crate) fn interface(&self, key: &'a str) -> Result<Option<String>, PlatformError> {
        let text = self.text(key)?;
        text.map(|text| {
            interface_name(&text).ok_or_else(|| self.wrong(key, "is not the name of an interface"))
        })
        .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::is_malformed;

    const ID: PlatformId = PlatformId::new("metal");

    fn of(text: &str) -> Document {
        Document::yaml(ID, "the document", text.as_bytes()).unwrap()
    }

    #[test]
    fn values_are_read_by_their_keys() {
        let document = of(
            "a: ' n1 '\nid: 007\nno: ~\nempty: ''\nlist: [x, 2]\none: x\nmap: {b: 2, a: 1}\nis: true\n\
             ip: 10.0.0.1\nprefix: 24\nmac: 02-00-00-00-00-0A\nname: eth0\n",
        );
        let root = document.root();
        let text = |key| root.text(key).unwrap();
        assert_eq!(text("a").as_deref(), Some("n1"));
        assert_eq!(text("id").as_deref(), Some("007"));
        assert_eq!((text("no"), text("empty"), text("other")), (None, None, None));
        assert_eq!(root.texts("list").unwrap(), ["x", "2"]);
        assert_eq!(root.texts("one").unwrap(), ["x"]);
        assert_eq!(root.values("map").unwrap(), ["1", "2"]);
        assert!(root.is("is").unwrap() && !root.is("other").unwrap());
        let network = |mask| root.network("ip", mask).unwrap().unwrap().to_string();
        assert_eq!(network("prefix"), "10.0.0.1/24");
        assert_eq!(network("other"), "10.0.0.1/32");
        assert_eq!(root.mac("mac").unwrap().as_deref(), Some("02:00:00:00:00:0a"));
        assert_eq!(root.interface("name").unwrap().as_deref(), Some("eth0"));
    }

    #[test]
    fn what_is_of_another_kind_is_named() {
        let document = of("a: [planted]\nb: planted\nc: {planted: 1}\nd: 'planted x'\n");
        let root = document.root();
        is_malformed(root.text("a"), "the document: a is not one value");
        is_malformed(root.list("b").map(|_| ()), "the document: b is not a list");
        is_malformed(root.list("c").map(|_| ()), "c is not a list");
        assert_eq!(root.values("b").unwrap(), ["planted"]);
        is_malformed(
            root.get("b").and_then(|b| b.unwrap().text("x")),
            "b is not a mapping",
        );
        is_malformed(root.is("b"), "b is neither true nor false");
        is_malformed(root.address("b"), "b is not an address");
        is_malformed(root.addresses("a"), "a is not an address");
        is_malformed(root.network("b", "x"), "b is not an address in a network");
        is_malformed(root.mac("b"), "b is not a hardware address");
        is_malformed(root.interface("d"), "d is not the name of an interface");
        is_malformed(of("[planted]").root().text("a"), "the document is not a mapping");
        for text in ["planted: [", "planted: *x", "{\"planted\": "] {
            is_malformed(
                Document::yaml(ID, "it", text.as_bytes()).map(|_| ()),
                "it: it is not YAML",
            );
        }
        is_malformed(Document::yaml(ID, "it", b"\xff").map(|_| ()), "it is not text");
        is_malformed(
            Document::json(ID, "it", b"{\n\"planted\"").map(|_| ()),
            "it is not JSON, in line 2",
        );
    }
}
