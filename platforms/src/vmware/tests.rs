use super::*;
use crate::recorded::RecordedAccess;

const CONFIG: &[u8] = br#"{"ignition":{"version":"3.0.0"}}"#;
const BASE64: &str = "eyJpZ25pdGlvbiI6eyJ2ZXJzaW9uIjoiMy4wLjAifX0=";
const GZIP_BASE64: &str = "H4sIAAAAAAACA6tWykzPyyzJzM9TsqpWKkstKgYzlYz1DPQMlGprAXruRuAgAAAA";

fn environment(properties: &str) -> String {
    let namespace = "http://schemas.dmtf.org/ovf/environment/1";
    format!(
        "<Environment xmlns=\"{namespace}\" xmlns:oe=\"{namespace}\"><PropertySection>{properties}\
         <Property oe:key=\"keep\" oe:value=\"1\"/></PropertySection></Environment>"
    )
}

fn whole_environment() -> String {
    environment(&format!(
        "<Property oe:key=\"{OVF_DATA}\" oe:value=\"{BASE64}\"/><Property oe:key=\"{OVF_ENCODING}\" oe:value=\"base64\"/>"
    ))
}

fn asked(variables: &[(&str, &[u8])]) -> Result<Option<UserData>, PlatformError> {
    VmWare.user_data(&RecordedAccess::of_channel(variables))
}

fn gzip() -> Vec<u8> {
    let text = from_base64(ID, GZIP_BASE64.as_bytes()).unwrap().unwrap();
    text.into_bytes()
}

#[test]
fn every_encoding_has_its_names() {
    let whole = UserData::new(CONFIG.to_vec());
    let packed = UserData::new(gzip());
    let lines = format!("{}\n{}\n", &BASE64[..20], &BASE64[20..]);
    for (data, encodings, config) in [
        (CONFIG, &[""][..], &whole),
        (BASE64.as_bytes(), &["b64", "base64"], &whole),
        (lines.as_bytes(), &["base64"], &whole),
        (&gzip(), &["gz", "gzip"], &packed),
        (
            GZIP_BASE64.as_bytes(),
            &["gz+b64", "gz+base64", "gzip+b64", "gzip+base64"],
            &packed,
        ),
    ] {
        for encoding in encodings {
            let found = asked(&[(DATA, data), (ENCODING, encoding.as_bytes())]);
            assert_eq!(found.as_ref(), Ok(config), "{encoding}");
        }
    }
    assert_eq!(asked(&[(DATA, CONFIG)]), Ok(whole));
}

#[test]
fn nothing_is_no_config() {
    assert_eq!(asked(&[]), Ok(None));
    assert_eq!(asked(&[(DATA, b""), (ENCODING, b"base64")]), Ok(None));
    assert_eq!(asked(&[(DATA, b"\n"), (ENCODING, b"base64")]), Ok(None));
    assert_eq!(asked(&[(OVF, b"")]), Ok(None));
    assert_eq!(asked(&[(OVF, environment("").as_bytes())]), Ok(None));
}

#[test]
fn what_is_not_as_its_encoding_says_is_refused() {
    let cut = &BASE64[..BASE64.len() - 3];
    for (data, encoding) in [
        (BASE64, "rot13"),
        (BASE64, "Base64"),
        ("{}", "base64"),
        (cut, "base64"),
        ("{}", "gzip"),
        (BASE64, "gzip+base64"),
    ] {
        let error = asked(&[(DATA, data.as_bytes()), (ENCODING, encoding.as_bytes())]).unwrap_err();
        let PlatformError::Malformed { why, .. } = error else {
            panic!("{error:?}")
        };
        assert!(!why.contains("rot13") && !why.contains(BASE64), "{why}");
    }
}

#[test]
fn the_environment_is_asked_where_the_variables_say_nothing() {
    let document = whole_environment();
    let whole = Ok(UserData::new(CONFIG.to_vec()));
    assert_eq!(asked(&[(OVF, document.as_bytes())]), whole);
    assert_eq!(asked(&[(DATA, b""), (OVF, document.as_bytes())]), whole);
}

#[test]
fn data_and_encoding_come_from_one_source() {
    let document = whole_environment();
    // The reference would take the document's encoding for the variable's data, and the reverse.
    let direct = asked(&[(DATA, CONFIG), (OVF, document.as_bytes())]);
    assert_eq!(direct, Ok(UserData::new(CONFIG.to_vec())));
    let document = environment(&format!(
        "<Property oe:key=\"{OVF_DATA}\" oe:value='{}'/>",
        String::from_utf8_lossy(CONFIG)
    ));
    let indirect = asked(&[(ENCODING, b"gzip+base64"), (OVF, document.as_bytes())]);
    assert_eq!(indirect, Ok(UserData::new(CONFIG.to_vec())));
}

#[test]
fn a_broken_environment_is_passed_over_with_a_warning() {
    let whole = whole_environment();
    for document in [&whole.as_bytes()[..whole.len() - 20], b"<\xff", b"none"] {
        let via = RecordedAccess::of_channel(&[(OVF, document)]);
        assert_eq!(VmWare.user_data(&via), Ok(None));
        let warning = via.asked().pop().unwrap();
        assert!(
            warning.starts_with("warning: the OVF environment cannot be read and is passed over: it "),
            "{warning}"
        );
        assert!(!warning.contains(BASE64), "{warning}");
        // What may hold a config is not left behind in silence; what does not is nobody's business.
        let deleted = VmWare.delete_user_data(&via);
        match document.starts_with(b"<Env") {
            true => assert!(
                matches!(deleted, Err(PlatformError::Malformed { .. })),
                "{deleted:?}"
            ),
            false => assert_eq!(deleted, Ok(Deletion::Deleted)),
        }
    }
}

#[test]
fn variables_are_overwritten_once() {
    let via = RecordedAccess::of_channel(&[(DATA, GZIP_BASE64.as_bytes()), (ENCODING, b"gzip+base64")]);
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let held = [pair(DATA, "e30K"), pair(ENCODING, "base64")];
    assert_eq!(via.held(), held);
    assert_eq!(VmWare.user_data(&via), Ok(UserData::new(b"{}\n".to_vec())));
    let before = writes(&via);
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    assert_eq!((via.held(), writes(&via)), (held.to_vec(), before));
    let plain = RecordedAccess::of_channel(&[(DATA, CONFIG)]);
    assert_eq!(VmWare.delete_user_data(&plain), Ok(Deletion::Deleted));
    assert_eq!(plain.held(), held);
}

fn writes(via: &RecordedAccess) -> usize {
    let asked = via.asked();
    asked
        .iter()
        .filter(|question| question.starts_with("set"))
        .count()
}

#[test]
fn the_environment_loses_the_config_and_nothing_else_once() {
    let document = whole_environment();
    let via = RecordedAccess::of_channel(&[(OVF, document.as_bytes())]);
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    assert_eq!(via.held(), [(OVF.to_owned(), environment(""))]);
    assert!(!via.asked().iter().any(|asked| asked.starts_with("warning")));
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    assert_eq!(writes(&via), 1);
    assert_eq!(VmWare.user_data(&via), Ok(None));
}

#[test]
fn a_property_of_a_stranger_stays_and_is_told() {
    let document = environment(&format!("<Property key=\"{OVF_DATA}\" value=\"{BASE64}\"/>"));
    let via = RecordedAccess::of_channel(&[(OVF, document.as_bytes())]);
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    assert_eq!(via.held(), [(OVF.to_owned(), document)]);
    let told = via.asked().pop().unwrap();
    assert!(
        told.starts_with("warning: a config stays in the OVF environment"),
        "{told}"
    );
    assert!(!told.contains(BASE64));
}

#[test]
fn a_machine_without_a_config_is_not_written_to() {
    let via = RecordedAccess::of_channel(&[(ENCODING, b"base64")]);
    assert_eq!(VmWare.delete_user_data(&via), Ok(Deletion::Deleted));
    assert_eq!(writes(&via), 0);
    let refused = RecordedAccess::of_channel(&[(DATA, CONFIG)]).read_only();
    let error = VmWare.delete_user_data(&refused).unwrap_err();
    assert!(matches!(error, PlatformError::Kept { .. }), "{error:?}");
}

#[test]
fn other_machines_are_not_here() {
    let elsewhere = Err(PlatformError::NotHere { id: ID });
    let via = RecordedAccess::of_channel(&[(DATA, CONFIG)]).on("aarch64");
    assert_eq!(VmWare.user_data(&via), elsewhere);
    assert_eq!(via.asked(), Vec::<String>::new());
    assert_eq!(VmWare.user_data(&RecordedAccess::of_http(&[])), elsewhere);
}
