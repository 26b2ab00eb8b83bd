//! MachineConfigs of OpenShift, byte for byte as the reference writes them.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use kindling_config_spec::butane::butane;
use kindling_config_spec::butane::files::{Entry, LocalFiles};
use kindling_config_spec::data_url;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/butane")
}

/// The files beside the fixtures.
struct Beside;

impl LocalFiles for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        fs::read(fixtures().join("files").join(path)).map_err(|error| error.to_string())
    }

    fn walk(&self, path: &str) -> Result<Vec<Entry>, String> {
        Err(format!("{path} is not walked here"))
    }
}

/// The text with the bytes of what is compressed in place of its URL: those depend on who compressed them.
fn opened(yaml: &str) -> String {
    let open = |line: &str| {
        let url = line.trim_start().strip_prefix("source: ")?;
        let bytes = data_url::decode(url).ok()?;
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).ok()?;
        Some(text)
    };
    let lines = yaml
        .split('\n')
        .map(|line| open(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn machine_configs_are_those_of_the_reference() {
    let (mut all, mut same) = (0, 0);
    for entry in fs::read_dir(fixtures()).expect("the fixtures are there") {
        let path = entry.expect("a directory can be read").path();
        let name = path.to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".mc.yaml") else {
            continue;
        };
        let expected = fs::read_to_string(&path).expect("fixtures are texts");
        let text = fs::read_to_string(format!("{name}.bu")).expect("each has a source");
        let output = butane(&text, &Beside, false);
        let made = output
            .wrapped
            .unwrap_or_else(|| panic!("{name}: {:?}", output.findings));
        assert_eq!(opened(&made), opened(&expected), "{name}");
        all += 1;
        same += usize::from(made == expected);
        assert_eq!(butane(&text, &Beside, true).wrapped, None, "raw is not wrapped");
    }
    // One of them has compressed contents.
    assert_eq!((all, same), (6, 5));
}
