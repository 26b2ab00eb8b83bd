//! `vmware`: guest variables, or the OVF environment that a deployment tool wrote, which is one of them.

mod metadata;
mod ovf;

use crate::service::from_base64;
use crate::{
    Access, AccessError, Channel, Deletion, Metadata, Platform, PlatformError, PlatformId, Reach, UserData,
};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("vmware");

/// The variables of a config.
const DATA: &str = "ignition.config.data";
const ENCODING: &str = "ignition.config.data.encoding";

/// The same as properties of the OVF environment.
const OVF_DATA: &str = "guestinfo.ignition.config.data";
const OVF_ENCODING: &str = "guestinfo.ignition.config.data.encoding";

/// The variable that holds the OVF environment.
const OVF: &str = "ovfenv";

/// What is put in the place of a config, since variables can be neither removed nor emptied: `{}` and a line break.
const NOTHING: (&[u8], &[u8]) = (b"e30K", b"base64");

/// A virtual machine of VMware.
pub struct VmWare;

impl Platform for VmWare {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "Guest variable `guestinfo.ignition.config.data` with `guestinfo.ignition.config.data.encoding`, or both as properties of the OVF environment, never one from each; x86_64 only. Nothing or an empty text is no config; another hypervisor is a failure. Overwritten after the first boot. Tried with a double of the port only."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        match pair(via)? {
            Some(pair) => decoded(pair),
            None => Ok(None),
        }
    }

    fn delete_user_data(&self, via: &dyn Access) -> Result<Deletion, PlatformError> {
        if variable(via, DATA)?.is_some() {
            for (key, value) in [(DATA, NOTHING.0), (ENCODING, NOTHING.1)] {
                if variable(via, key)?.as_deref() != Some(value) {
                    write(via, key, value)?;
                }
            }
        }
        if let Some(document) = variable(via, OVF)? {
            delete_properties(via, &document)?;
        }
        Ok(Deletion::Deleted)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// Takes the config's properties out of an OVF environment. One that cannot be read was passed over when the config was read:
/// where it holds none of them it is passed over again.
fn delete_properties(via: &dyn Access, document: &[u8]) -> Result<(), PlatformError> {
    let holds = |word: &str| document.windows(word.len()).any(|part| part == word.as_bytes());
    let rest = std::str::from_utf8(document)
        .map_err(|_| "its OVF environment is not text".to_owned())
        .and_then(|text| {
            let rest = ovf::without(text, &[OVF_DATA, OVF_ENCODING]);
            rest.map_err(|error| format!("its OVF environment has {error}"))
        });
    let rest = match rest {
        Ok(rest) => rest,
        Err(why) if holds(OVF_DATA) => return Err(PlatformError::Malformed { id: ID, why }),
        Err(why) => {
            via.warn(&format!("nothing is deleted from what cannot be read: {why}"));
            return Ok(());
        }
    };
    if let Some(rest) = &rest {
        write(via, OVF, rest.as_bytes())?;
    }
    let left = rest.as_deref().map_or(document, str::as_bytes);
    if let Ok(Some(_)) = parse_environment(left) {
        via.warn("a config stays in the OVF environment: its property is in a namespace of its own");
    }
    Ok(())
}

/// A config and how it is packed.
struct Pair {
    data: Vec<u8>,
    encoding: Vec<u8>,
}

/// A variable with a value.
fn variable(via: &dyn Access, key: &str) -> Result<Option<Vec<u8>>, PlatformError> {
    // The port exists on this processor only, and touching it anywhere else would end the process.
    if via.machine().architecture != "x86_64" {
        return Err(PlatformError::NotHere { id: ID });
    }
    match via.get(Channel::Guestinfo, key) {
        Ok(value) => Ok(value.filter(|value| !value.is_empty())),
        Err(AccessError::Absent { .. }) => Err(PlatformError::NotHere { id: ID }),
        Err(source) => Err(PlatformError::Access { id: ID, source }),
    }
}

fn write(via: &dyn Access, key: &str, value: &[u8]) -> Result<(), PlatformError> {
    via.set(Channel::Guestinfo, key, Some(value))
        .map_err(|source| PlatformError::Kept { id: ID, source })
}

/// Both from the variables, or both from the OVF environment: the encoding of one says nothing about the other.
fn pair(via: &dyn Access) -> Result<Option<Pair>, PlatformError> {
    if let Some(data) = variable(via, DATA)? {
        let encoding = variable(via, ENCODING)?.unwrap_or_default();
        return Ok(Some(Pair { data, encoding }));
    }
    let Some(document) = variable(via, OVF)? else {
        return Ok(None);
    };
    match parse_environment(&document) {
        Ok(pair) => Ok(pair),
        // Tools of all kinds write it, also for machines that get no config by it.
        Err(why) => {
            via.warn(&format!(
                "the OVF environment cannot be read and is passed over: {why}"
            ));
            Ok(None)
        }
    }
}

/// The pair of properties; the last of a key that is there twice counts.
fn parse_environment(document: &[u8]) -> Result<Option<Pair>, String> {
    let text = std::str::from_utf8(document).map_err(|_| "it is not text".to_owned())?;
    let properties = ovf::properties(text).map_err(|broken| format!("it has {broken}"))?;
    let value = |key: &str| {
        let last = properties.iter().rfind(|property| property.key == key);
        last.map(|property| property.value.clone().into_bytes())
    };
    Ok(value(OVF_DATA).map(|data| Pair {
        data,
        encoding: value(OVF_ENCODING).unwrap_or_default(),
    }))
}

/// The config out of its base64. What is gzip is left to whoever unpacks every config.
fn decoded(pair: Pair) -> Result<Option<UserData>, PlatformError> {
    let malformed = |why: &str| PlatformError::Malformed {
        id: ID,
        why: why.to_owned(),
    };
    let (is_base64, is_gzip) = match pair.encoding.as_slice() {
        b"" => (false, false),
        b"b64" | b"base64" => (true, false),
        b"gz" | b"gzip" => (false, true),
        b"gz+b64" | b"gz+base64" | b"gzip+b64" | b"gzip+base64" => (true, true),
        _ => {
            return Err(malformed(
                "the encoding is none of base64, b64, gzip, gz, gzip+base64, gzip+b64, gz+base64, gz+b64",
            ));
        }
    };
    let config = if is_base64 {
        from_base64(ID, &pair.data)?
    } else {
        UserData::new(pair.data)
    };
    let Some(bytes) = config.map(UserData::into_bytes) else {
        return Ok(None);
    };
    if is_gzip && !bytes.starts_with(b"\x1f\x8b\x08") {
        return Err(malformed("it is not gzip, as the encoding says"));
    }
    Ok(UserData::new(bytes))
}

#[cfg(test)]
mod tests;
