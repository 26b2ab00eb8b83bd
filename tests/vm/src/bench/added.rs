//! What each engine's module adds to an initramfs, packed as distributions pack theirs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;

use crate::scenario::{Built, RunFolder, ScenarioError};
use crate::{initramfs, reference, run, workspace};

/// How an initramfs is packed; a program that is not installed is left out.
const PACKERS: [(&str, &str); 3] = [("gzip", "-9"), ("zstd", "-19"), ("xz", "-6")];

/// Prints the sizes of what both modules add. Programs that both call count for neither.
///
/// # Errors
/// [`ScenarioError`] when a file of a module cannot be read or a packer fails.
pub(super) fn run(built: &Built, out: &mut dyn Write) -> Result<(), ScenarioError> {
    let folder = RunFolder::new("bench-added")?;
    let ours = initramfs::added(&workspace::dracut_module(), &built.engine)?;
    let [own, whole] =
        reference::added(built.base_root()).map_err(|source| file(built.base_root(), source))?;
    let archives = [("ours", ours), ("reference", own), ("with sgdisk", whole)];
    let mut rows = vec![(
        "not packed",
        archives.each_ref().map(|(_, bytes)| bytes.len() as u64),
    )];
    for (packer, level) in PACKERS {
        if run::find(packer).is_none() {
            continue;
        }
        let mut sizes = [0; 3];
        for (size, (name, bytes)) in sizes.iter_mut().zip(&archives) {
            *size = packed(packer, level, bytes, &folder.path().join(name))?;
        }
        rows.push((packer, sizes));
    }
    // Nobody may be listening any more.
    drop(out.write_all(render(&rows).as_bytes()));
    Ok(())
}

fn packed(packer: &str, level: &str, bytes: &[u8], at: &Path) -> Result<u64, ScenarioError> {
    fs::write(at, bytes).map_err(|source| file(at, source))?;
    let tool = |source| {
        ScenarioError::Tool(run::RunError::Start {
            program: packer.to_owned(),
            source,
        })
    };
    let out = std::process::Command::new(run::get(packer).map_err(ScenarioError::Tool)?)
        .args([level, "-c"])
        .stdin(File::open(at).map_err(|source| file(at, source))?)
        .stderr(Stdio::inherit())
        .output()
        .map_err(tool)?;
    if !out.status.success() {
        return Err(tool(io::Error::other(out.status.to_string())));
    }
    Ok(out.stdout.len() as u64)
}

fn file(path: &Path, source: io::Error) -> ScenarioError {
    ScenarioError::File {
        path: path.to_path_buf(),
        source,
    }
}

fn render(rows: &[(&str, [u64; 3])]) -> String {
    let mut text = format!(
        "\n{:<28}{:>12}{:>12}{:>8}{:>14}{:>8}\n",
        "added to the initramfs, bytes", "ours", "reference", "ratio", "with sgdisk", "ratio"
    );
    for (packer, [ours, own, whole]) in rows {
        let ratio = |of: u64| {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let ratio = *ours as f64 / of as f64;
            format!("{ratio:.3}")
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  {packer:<27}{ours:>12}{own:>12}{:>8}{whole:>14}{:>8}",
            ratio(*own),
            ratio(*whole)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown_with_both_ratios() {
        let text = render(&[("xz", [400, 1_000, 1_600])]);
        let words: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(words, ["xz", "400", "1000", "0.400", "1600", "0.250"]);
    }
}
