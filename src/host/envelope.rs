//! Keys that come in an envelope: the system's `openssl` makes the key and the certificate that it is closed for, and opens
//! it (`docs/decisions/0034-envelopes-by-openssl.md`).
//!
//! Private keys are in pipes and in files of memory only; no file has a name.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_config_spec::certificate::{expect, public_key};
use kindling_platforms::{AccessError, EnvelopeFault, Recipient};

use super::process::{ProcessError, Processes};
use crate::invocation::{Invocation, Key, Program};
use crate::node::pem;
use crate::report::chain;

/// How long one call may take. A key takes a machine without a fast random source the longest.
const LIMIT: Duration = Duration::from_secs(60);

/// What the certificate says, whatever the distribution has as its usual: the name and the extensions are the established
/// agent's.
const REQUEST: &str = "[req]
prompt=no
distinguished_name=name
x509_extensions=extensions
[name]
CN=LinuxTransport
[extensions]
basicConstraints=critical,CA:TRUE
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid:always
";

/// What the block of a private key is called (PKCS #8, RFC 5958).
const PRIVATE_KEY: &str = "PRIVATE KEY";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// `rsaEncryption`, 1.2.840.113549.1.1.1 (RFC 8017), with its tag and length.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

/// Makes a key of 2048 bits and a certificate of it for a year.
///
/// # Errors
/// [`AccessError::Envelope`]: `NoProgram`, `NoRecipient`.
pub fn recipient(processes: &dyn Processes) -> Result<Recipient, AccessError> {
    let fault = EnvelopeFault::NoRecipient;
    let mut call = openssl(&[
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "365",
    ])
    .args(["-config", "-", "-keyout", "-"]);
    call.stdin = Some(REQUEST.into());
    let secret = processes
        .run(&call)
        .map_err(|error| failed(fault, &error))?
        .stdout;
    let certificates = pem::read(pem::CERTIFICATE, &String::from_utf8_lossy(&secret));
    let certificate = certificates.as_deref().and_then(<[_]>::first);
    let certificate = certificate.ok_or_else(|| broken(fault, "openssl printed no certificate"))?;
    Ok(Recipient {
        certificate: STANDARD.encode(certificate),
        secret,
    })
}

/// See [`kindling_platforms::Access::enclosed_key`].
///
/// # Errors
/// [`AccessError::Envelope`]: `NoProgram`, `Closed`, `Contents`, `Key`.
pub fn enclosed_key(
    processes: &dyn Processes,
    recipient: &Recipient,
    envelope: &[u8],
) -> Result<Option<String>, AccessError> {
    // With the certificate: whoever holds another one is told so, and not given what its key makes of the envelope.
    let mut call = openssl(&["cms", "-decrypt", "-binary", "-inform", "DER", "-recip"]).key();
    call = call.arg("-inkey").key();
    call.stdin = Some(envelope.to_owned());
    call.key = Some(Key::new(recipient.secret.clone()));
    let opened = processes.run(&call);
    let opened = opened.map_err(|error| failed(EnvelopeFault::Closed, &error))?;
    let contents = contents(processes, &Key::new(opened.stdout));
    extra_key(&contents.map_err(|error| failed(EnvelopeFault::Contents, &error))?)
}

/// Certificates and private keys of a store without a password, as blocks of PEM.
fn contents(processes: &dyn Processes, store: &Key) -> Result<Vec<u8>, ProcessError> {
    let call = openssl(&["pkcs12", "-nodes", "-passin", "pass:", "-in"]).key();
    let read = |call: Invocation| Ok(processes.run(&call.with_key(Some(store)))?.stdout);
    match read(call.clone()) {
        // Certificates behind RC2, as older systems write them. OpenSSL 3 has to be asked for that; those before it do not
        // know the option, so that what counts is what was said without.
        Err(error @ ProcessError::Exited { .. }) => {
            read(call.arg("-legacy")).map_err(|_: ProcessError| error)
        }
        read => read,
    }
}

fn openssl(words: &[&str]) -> Invocation {
    Invocation::new(Program::Openssl).args(words).within(LIMIT)
}

fn failed(fault: EnvelopeFault, error: &ProcessError) -> AccessError {
    let is_missing = matches!(error, ProcessError::NotInstalled { .. });
    let fault = if is_missing {
        EnvelopeFault::NoProgram
    } else {
        fault
    };
    let why = chain(error).join(": ");
    AccessError::Envelope { fault, why }
}

fn broken(fault: EnvelopeFault, why: &str) -> AccessError {
    let why = why.to_owned();
    AccessError::Envelope { fault, why }
}

/// The line of the first certificate whose private key is not there as well: what belongs to a private key is the machine's
/// own, and lets nobody in.
fn extra_key(blocks: &[u8]) -> Result<Option<String>, AccessError> {
    let text = String::from_utf8_lossy(blocks);
    let unreadable = || {
        broken(
            EnvelopeFault::Contents,
            "a certificate or key in it is not as it should be",
        )
    };
    let own = pem::read(PRIVATE_KEY, &text).ok_or_else(unreadable)?;
    for certificate in pem::read(pem::CERTIFICATE, &text).ok_or_else(unreadable)? {
        let (algorithm, key) = parts(&certificate).ok_or_else(unreadable)?;
        // A private key holds its public one: of RSA both numbers in a row (RFC 8017, A.1), of a curve the point.
        let public = expect(key, SEQUENCE).map_or(key, |(numbers, _)| numbers);
        if own.iter().any(|own| holds(own, public)) {
            continue;
        }
        let line = Some(public).filter(|_| algorithm.starts_with(RSA)).and_then(line);
        return match line {
            Some(line) => Ok(Some(line)),
            None => Err(broken(EnvelopeFault::Key, "it is no key of RSA")),
        };
    }
    Ok(None)
}

/// The algorithm of a certificate's public key, and the key (RFC 5280, 4.1).
fn parts(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (key, _) = expect(public_key(certificate)?, SEQUENCE)?;
    let (algorithm, rest) = expect(key, SEQUENCE)?;
    let (bits, _) = expect(rest, BIT_STRING)?;
    // The number of bits that the last byte is short of.
    Some((algorithm, bits.strip_prefix(&[0])?))
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// Modulus and exponent as a line of authorized keys (RFC 4253, 6.6): DER and SSH write a number in the same way.
fn line(numbers: &[u8]) -> Option<String> {
    let (modulus, rest) = expect(numbers, INTEGER)?;
    let (exponent, _) = expect(rest, INTEGER)?;
    let mut blob = Vec::new();
    for part in [b"ssh-rsa", exponent, modulus] {
        blob.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
        blob.extend(part);
    }
    Some(format!("ssh-rsa {}", STANDARD.encode(blob)))
}

#[cfg(test)]
mod tests;
