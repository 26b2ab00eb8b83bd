//! The document of cloud-init's that MAAS gives a machine: of its YAML, the one mapping that matters.

/// What the machine has to know of its server.
pub(super) struct Preseed {
    /// Where the metadata are, without the version.
    pub(super) metadata: String,
    /// How to sign; `None` for a machine that the server does not know yet.
    pub(super) keys: Option<Keys>,
}

/// The keys of OAuth 1.
pub(super) struct Keys {
    consumer: String,
    token: String,
    secret: String,
}

impl Keys {
    /// The header `Authorization`: a signature in plain text (RFC 5849, 3.4.4), whose consumer has no secret.
    pub(super) fn header(&self, time: u64, nonce: u64) -> String {
        let (consumer, token) = (escaped(&self.consumer), escaped(&self.token));
        let signature = escaped(&format!("&{}", escaped(&self.secret)));
        format!(
            "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", oauth_nonce=\"{nonce}\", \
             oauth_timestamp=\"{time}\", oauth_consumer_key=\"{consumer}\", oauth_token=\"{token}\", \
             oauth_signature=\"{signature}\""
        )
    }
}

/// As RFC 5849, 3.6 has it: all but letters, digits, `-`, `.`, `_` and `~`.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(escape).collect()
}

/// Reads the mapping `MAAS` below `datasource`, on lines of its own or within braces.
///
/// # Errors
/// In words, when it is not there or has half of the keys.
pub(super) fn parse(document: &str) -> Result<Preseed, &'static str> {
    let section = section_of(document);
    let value = |name: &str| {
        section
            .iter()
            .filter_map(|entry| entry.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map(|(_, value)| unquoted(value).to_owned())
            .filter(|value| !value.is_empty())
    };
    let metadata = value("metadata_url").ok_or("it has no metadata_url in datasource: MAAS:")?;
    let keys = match (value("consumer_key"), value("token_key"), value("token_secret")) {
        (Some(consumer), Some(token), Some(secret)) => Some(Keys {
            consumer,
            token,
            secret,
        }),
        (None, None, None) => None,
        _ => return Err("it has only some of consumer_key, token_key and token_secret"),
    };
    Ok(Preseed { metadata, keys })
}

/// The entries below `datasource:`, up to the next key of the document, and there behind `MAAS:`.
fn section_of(document: &str) -> Vec<&str> {
    let is_inside = |line: &&str| line.trim().is_empty() || line.starts_with([' ', '\t', '#', '}']);
    let mut lines = document
        .lines()
        .skip_while(|line| !line.starts_with("datasource:"));
    let first = lines.next();
    let inside = first
        .into_iter()
        .chain(lines.take_while(is_inside))
        .filter(|line| !line.trim_start().starts_with('#'));
    let entries = inside.flat_map(|line| line.split(['{', '}', ','])).map(str::trim);
    entries.skip_while(|entry| *entry != "MAAS:").skip(1).collect()
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    ['\'', '"']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://10.245.0.22:5240/MAAS/metadata/";

    #[test]
    fn both_styles_of_a_mapping_are_read() {
        for document in [
            "#cloud-config\ndatasource:\n MAAS: {consumer_key: c1,\n  metadata_url: 'http://10.245.0.22:5240/MAAS/metadata/',\n  token_key: t1,\n  token_secret: s1}\n",
            "#cloud-config\nreporting:\n  maas: {consumer_key: no, token_key: no, token_secret: no}\ndatasource:\n  MAAS:\n    timeout : 50\n    # keys\n    metadata_url: http://10.245.0.22:5240/MAAS/metadata/\n    consumer_key: c1\n    token_key: \"t1\"\n    token_secret: s1\noutput: {all: x}\n",
            "datasource: {MAAS: {metadata_url: \"http://10.245.0.22:5240/MAAS/metadata/\", consumer_key: c1, token_key: t1, token_secret: s1}}\nreporting:\n  maas: {consumer_key: no}\n",
        ] {
            let preseed = parse(document).unwrap_or_else(|why| panic!("{why}: {document}"));
            assert_eq!(preseed.metadata, URL);
            let keys = preseed.keys.unwrap();
            assert_eq!(
                (keys.consumer.as_str(), keys.token.as_str(), keys.secret.as_str()),
                ("c1", "t1", "s1")
            );
        }
    }

    #[test]
    fn keys_are_there_together_or_not_at_all() {
        let with = |keys: &str| {
            parse(&format!("datasource:\n  MAAS:\n    metadata_url: {URL}\n{keys}"))
                .map(|preseed| preseed.keys.is_some())
        };
        assert_eq!(with(""), Ok(false));
        assert_eq!(with("output: {token_key: t}\n"), Ok(false));
        assert!(with("    token_key: t1\n").is_err());
        for none in [
            "",
            "#cloud-config\n",
            "datasource:\n  Ec2: {metadata_url: x}\n",
            "metadata_url: x\n",
        ] {
            assert!(parse(none).is_err(), "{none}");
        }
    }

    #[test]
    fn values_are_escaped_for_the_header() {
        let keys = Keys {
            consumer: "a b".to_owned(),
            token: "\"".to_owned(),
            secret: "x&y".to_owned(),
        };
        let header = keys.header(1, 2);
        assert!(
            header.contains("oauth_consumer_key=\"a%20b\", oauth_token=\"%22\""),
            "{header}"
        );
        assert!(header.ends_with("oauth_signature=\"%26x%2526y\""), "{header}");
    }
}
