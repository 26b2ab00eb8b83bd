//! Password hashes: forms of crypt(5), with libxcrypt 4.5 as the newest source.

use super::{Setting, lint, users};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::types::Config;

/// What a password field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A hash that takes long to guess, or no password at all.
    Sound,
    /// A hash that a desktop machine guesses, with the method's name.
    Weak(&'static str),
    /// Anybody may log in.
    Open,
    /// A hash by a known method, cut off or mistyped.
    Broken,
    /// Text that is no hash. Most likely it is the password itself.
    Plain,
}

/// Whether these are digits of the alphabet that crypt(5) writes base64 with, `length` of them.
fn digits(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/');
    text.len() == length && text.bytes().all(is_digit)
}

fn form(hash: &str) -> Form {
    if hash.is_empty() {
        return Form::Open;
    }
    // No method makes these, so that they lock the account; what follows is kept for unlocking.
    if hash.starts_with(['!', '*']) {
        return Form::Sound;
    }
    if let Some(rest) = hash.strip_prefix('$') {
        return modular(rest);
    }
    match hash.strip_prefix('_') {
        Some(rest) if digits(rest, 19) => Form::Weak("DES"),
        _ if digits(hash, 13) => Form::Weak("DES"),
        _ => Form::Plain,
    }
}

/// The form of `method$…$digest`.
fn modular(rest: &str) -> Form {
    let Some((method, fields)) = rest.split_once('$') else {
        return Form::Plain;
    };
    let fields: Vec<&str> = fields.split('$').collect();
    let last = fields.last().copied().unwrap_or_default();
    // How many fields there are, and how long the digest is.
    let fits = |count: &[usize], length| count.contains(&fields.len()) && digits(last, length);
    let (is_whole, sound) = match method {
        // Sometimes with `rounds=N`.
        "5" => (fits(&[2, 3], 43), Form::Sound),
        "6" => (fits(&[2, 3], 86), Form::Sound),
        "y" | "gy" | "sm3y" => (fits(&[3], 43), Form::Sound),
        "sm3" => (fits(&[2, 3], 43), Form::Sound),
        "7" => (fits(&[2], 43), Form::Sound),
        // The salt has 22 digits and the digest 31, without a mark between them.
        "2" | "2a" | "2b" | "2x" | "2y" => (fits(&[2], 53), Form::Sound),
        "1" => (fits(&[2], 22), Form::Weak("MD5")),
        "3" => (fits(&[2], 32), Form::Weak("NT")),
        "sha1" => (fits(&[3], 28), Form::Weak("SHA-1")),
        method if method == "md5" || method.starts_with("md5,") => (fits(&[2, 3], 22), Form::Weak("MD5")),
        _ => return Form::Plain,
    };
    if is_whole { sound } else { Form::Broken }
}

fn hashes(config: &Config) -> impl Iterator<Item = (Pointer, &str)> {
    let groups = config.passwd.groups.iter().enumerate();
    let groups = groups.filter(|(_, group)| group.should_exist != Some(false));
    let groups = groups.map(|(index, group)| {
        let at = Pointer::root().key("passwd").key("groups").index(index);
        (at, &group.password_hash)
    });
    users(config)
        .map(|(at, user)| (at, &user.password_hash))
        .chain(groups)
        .filter_map(|(at, hash)| Some((at.key("passwordHash"), hash.as_deref()?)))
}

pub(super) fn hashes_are_hashes(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    const MAKE: &str = "make one with mkpasswd --method=yescrypt, or openssl passwd -6";
    for (at, hash) in hashes(config) {
        let (rule, message, help) = match form(hash) {
            Form::Sound => continue,
            Form::Weak(method) => (
                lint::PASSWORD_WEAK,
                format!("the password is hashed with {method}, which is quickly guessed"),
                MAKE.to_owned(),
            ),
            Form::Open => (
                lint::PASSWORD_WEAK,
                "an empty hash lets anybody log in without a password".to_owned(),
                "write \"*\" for an account without a password, or remove the member".to_owned(),
            ),
            Form::Broken => (
                lint::PASSWORD_INVALID,
                "the hash is not as its method makes them: it may be cut off, or a template or shell took its \
                 dollar signs"
                    .to_owned(),
                MAKE.to_owned(),
            ),
            Form::Plain => (
                lint::PASSWORD_INVALID,
                "this is no hash that crypt(3) knows, so no password will fit".to_owned(),
                format!("{MAKE}; if it is the password itself, choose another, since it is now known"),
            ),
        };
        findings.report(rule.rule, at, message).help(help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::{expect, said};

    #[test]
    fn forms_of_hashes() {
        let long =
            |start: &str, length: usize| format!("{start}{}", "a/.Z0".repeat(20).get(..length).unwrap());
        for (hash, expected) in [
            (long("$y$j9T$salt$", 43), Form::Sound),
            (long("$gy$j9T$salt$", 43), Form::Sound),
            (long("$7$CU..../....salt$", 43), Form::Sound),
            (long("$2b$12$", 53), Form::Sound),
            (long("$6$salt$", 86), Form::Sound),
            (long("$6$rounds=656000$salt$", 86), Form::Sound),
            (long("$6$$", 86), Form::Sound),
            (long("$5$salt$", 43), Form::Sound),
            (long("$sm3$salt$", 43), Form::Sound),
            (long("$1$salt$", 22), Form::Weak("MD5")),
            (long("$md5,rounds=5000$salt$$", 22), Form::Weak("MD5")),
            (long("$md5$salt$", 22), Form::Weak("MD5")),
            (long("$sha1$40000$salt$", 28), Form::Weak("SHA-1")),
            (long("$3$$", 32), Form::Weak("NT")),
            (long("", 13), Form::Weak("DES")),
            (long("_", 19), Form::Weak("DES")),
            ("*".to_owned(), Form::Sound),
            ("!".to_owned(), Form::Sound),
            ("!!".to_owned(), Form::Sound),
            ("*LK*".to_owned(), Form::Sound),
            (long("!$6$salt$", 86), Form::Sound),
            (String::new(), Form::Open),
            (long("$6$salt$", 85), Form::Broken),
            (long("$6$", 86), Form::Broken),
            (long("$6$salt$", 43), Form::Broken),
            (long("$2b$12$", 31), Form::Broken),
            ("secret".to_owned(), Form::Plain),
            ("$ecret".to_owned(), Form::Plain),
            (long("$argon2id$v=19$m=65536$", 43), Form::Plain),
            ("longer secret".to_owned(), Form::Plain),
        ] {
            assert_eq!(form(&hash), expected, "{hash}");
        }
    }

    #[test]
    fn hashes_are_told_where_they_stand_and_never_quoted() {
        let members = r#""passwd":{"users":[{"name":"a","passwordHash":"hunter2"},{"name":"b","passwordHash":""},
            {"name":"c","shouldExist":false,"passwordHash":"x"},{"name":"d","passwordHash":"*"}],
            "groups":[{"name":"e","passwordHash":"$6$cut"}]}"#;
        let expected = [
            "$.passwd.groups.0.passwordHash password-hash-invalid",
            "$.passwd.users.0.passwordHash password-hash-invalid",
            "warning $.passwd.users.1.passwordHash password-hash-weak",
        ];
        expect(&Setting::default(), &[(members, &expected)]);
        for (message, help) in said(members, &Setting::default()) {
            assert!(
                !message.contains("hunter") && !help.contains("hunter"),
                "{message} {help}"
            );
            assert!(
                !message.contains("cut$") && !help.contains("$6"),
                "{message} {help}"
            );
        }
    }
}
