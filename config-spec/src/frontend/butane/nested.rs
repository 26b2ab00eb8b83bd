//! Configs that stand in a config as a text, to be merged or to replace it.

use super::remark::{Remark, Tell};
use super::variant::Variant;
use super::ways::each;
use crate::diagnostic::{Diagnostic, Severity};
use crate::frontend::tree::Node;
use crate::rules::catalog as rule;
use crate::version::Version;
use crate::{check, document};

/// Tells what is wrong with configs in `inline`. They are looked at where they are of the version that comes of this one;
/// of another version they are taken as they are, as a machine takes them.
pub(super) fn check_inline(source: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    for way in ["ignition.config.merge.*", "ignition.config.replace"] {
        each(source, way, &mut |reference| {
            // Compressed ones are bytes by now.
            let is_packed = reference.word("compression").is_some_and(|name| !name.is_empty());
            if let Some(inline) = reference.get("inline").filter(|_| !is_packed)
                && let Some(text) = inline.as_text()
            {
                match look(text, variant.spec) {
                    Look::Same => same(text, inline, tell),
                    Look::Other => tell(
                        Remark::new(
                            rule::BUTANE_CHILD_VERSION,
                            reference.from,
                            format!(
                                "this config is not of version {}, and is not looked at",
                                variant.spec
                            ),
                            "write it for the version that this config becomes, to have it checked",
                        )
                        .below("version"),
                    ),
                    Look::None(message) => tell(Remark::new(
                        rule::BUTANE_CHILD_INVALID,
                        inline.from,
                        message,
                        "write it in JSON, with its ignition.version",
                    )),
                }
            }
        });
    }
}

/// What a text is at first sight.
enum Look {
    /// A config of the version that was asked for.
    Same,
    /// One of another version.
    Other,
    /// None that can be used.
    None(&'static str),
}

fn look(text: &str, wanted: Version) -> Look {
    if document::syntax(text).is_err() {
        return Look::None("this config is not JSON");
    }
    let at = crate::diagnostic::Pointer::root().key("ignition").key("version");
    let found = document::find(text, &at).and_then(|found| text.get(found.value));
    let version = found
        .filter(|literal| literal.starts_with('"'))
        .map(document::decode);
    match version.as_deref().map(Version::parse) {
        Some(Ok(version)) if version == wanted => Look::Same,
        Some(Ok(_) | Err(crate::version::VersionError::Unknown)) => Look::Other,
        Some(Err(crate::version::VersionError::Malformed)) | None => {
            Look::None("this config has no ignition.version that is one")
        }
    }
}

fn same(text: &str, inline: &Node<'_>, tell: &mut Tell<'_>) {
    let findings = match check(text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(rejected) => rejected.diagnostics().into_owned(),
    };
    for Diagnostic {
        severity,
        at,
        message,
        ..
    } in findings
    {
        let rule = if severity == Severity::Error {
            rule::BUTANE_CHILD_INVALID
        } else {
            rule::BUTANE_CHILD_SUSPECT
        };
        let message = format!("in this config, at {}: {message}", at.dollar());
        tell(Remark::new(
            rule,
            inline.from,
            message,
            "correct the config that this text is",
        ));
    }
}
