//! Attributes as lines of a file that systemd reads (systemd.exec(5), `EnvironmentFile=`), and shells as well.

use std::fmt::Write;

use kindling_platforms::{Attribute, PlatformId};

/// `AFTERBURN_NAME=value` for each, as existing units expect.
#[must_use]
pub fn agent_lines(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        line(&mut text, "AFTERBURN_", &attribute.name, &attribute.value);
    }
    text
}

/// `KINDLING_PLATFORM`, and `KINDLING_FACT=value` for each fact: the same names everywhere.
#[must_use]
pub fn own_lines(platform: PlatformId, attributes: &[Attribute]) -> String {
    let mut text = String::new();
    line(&mut text, "KINDLING_", "PLATFORM", platform.as_str());
    for attribute in attributes {
        if let Some((fact, value)) = attribute.as_fact() {
            let name = fact.name().replace('-', "_").to_ascii_uppercase();
            line(&mut text, "KINDLING_", &name, value);
        }
    }
    text
}

fn line(text: &mut String, prefix: &str, name: &str, value: &str) {
    let _ = writeln!(text, "{prefix}{name}={}", quoted(value));
}

/// As it is where every reader takes it for itself, else in double quotes.
fn quoted(value: &str) -> String {
    let is_plain = |at: char| at.is_ascii_alphanumeric() || "._-:/@,+=[]".contains(at);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for at in value.chars() {
        if "\\\"$`".contains(at) {
            text.push('\\');
        }
        text.push(at);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kindling_platforms::{Fact, get};

    fn attributes() -> Vec<Attribute> {
        [
            ("AWS_INSTANCE_ID", Some(Fact::InstanceId), "i-0abc"),
            ("AWS_IPV4_PUBLIC", Some(Fact::PublicIpv4), "198.51.100.7"),
            ("AWS_TAG", None, "two words, \"$HOME\" \\"),
        ]
        .into_iter()
        .filter_map(|(name, fact, value)| Attribute::new(name, fact, value))
        .collect()
    }

    #[test]
    fn the_agents_names_have_its_prefix() {
        assert_eq!(
            agent_lines(&attributes()),
            "AFTERBURN_AWS_INSTANCE_ID=i-0abc\nAFTERBURN_AWS_IPV4_PUBLIC=198.51.100.7\n\
             AFTERBURN_AWS_TAG=\"two words, \\\"\\$HOME\\\" \\\\\"\n"
        );
    }

    #[test]
    fn facts_are_called_the_same_everywhere() {
        let id = get("aws").unwrap().id();
        assert_eq!(
            own_lines(id, &attributes()),
            "KINDLING_PLATFORM=aws\nKINDLING_INSTANCE_ID=i-0abc\nKINDLING_PUBLIC_IPV4=198.51.100.7\n"
        );
    }

    /// A shell takes each line for one assignment of just that value.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a real shell reads the lines")]
    fn a_shell_reads_the_value_back() {
        let value = "a b 'c' \"d\" $(touch /nowhere) `e` \\ # ;";
        let attribute = Attribute::new("X", None, value).unwrap();
        let script = format!("{}printf %s \"$AFTERBURN_X\"", agent_lines(&[attribute]));
        let output = std::process::Command::new("sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
