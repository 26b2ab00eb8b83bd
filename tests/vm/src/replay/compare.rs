//! Whether a machine that was interrupted ended as one that was not.

/// What the label of a disk starts with in the lines of a guest.
const DISK: &str = "label-id: ";

/// What differs between the machine that was left alone and one that was interrupted; nothing where both are the same.
///
/// Where the table had reached the disk before the interruption, every line must be the same, with every identifier. A
/// table made anew has a GUID of its own, and what is derived from that differs with it: then every identifier that
/// the config leaves open must be another one, and everything else the same. `given` are the identifiers that the config
/// gives.
#[must_use]
pub fn difference(expected: &[String], found: &[String], given: &[&str]) -> Option<String> {
    let label = |lines: &[String]| {
        lines
            .iter()
            .find_map(|line| line.strip_prefix(DISK).map(str::to_owned))
    };
    let (Some(own), Some(other)) = (label(expected), label(found)) else {
        return Some(format!("no table is on the disk; got {found:?}"));
    };
    if expected.len() != found.len() {
        return Some(lines(expected, found));
    }
    let is_same_table = own == other;
    for (expected, found) in expected.iter().zip(found) {
        if is_same_table {
            if expected != found {
                return Some(format!("expected '{expected}', got '{found}'"));
            }
            continue;
        }
        let (want, got) = (pieces(expected), pieces(found));
        let differs = want.len() != got.len()
            || want.iter().zip(&got).any(|(want, got)| {
                let is_open =
                    is_identifier(want) && !given.iter().any(|given| want.eq_ignore_ascii_case(given));
                if is_open {
                    !is_identifier(got) || want.len() != got.len() || want == got
                } else {
                    want != got
                }
            });
        if differs {
            return Some(format!(
                "expected '{expected}' with the identifiers of another table, got '{found}'"
            ));
        }
    }
    None
}

fn lines(expected: &[String], found: &[String]) -> String {
    format!(
        "expected\n    {}\n  got\n    {}",
        expected.join("\n    "),
        found.join("\n    ")
    )
}

/// The words of a line.
fn pieces(line: &str) -> Vec<&str> {
    line.split([' ', ',', '='])
        .filter(|piece| !piece.is_empty())
        .collect()
}

/// Whether a word is a UUID, the id of a FAT volume, or the UUID of an array, as blkid, sfdisk and mdadm print them, or
/// what marks a volume as unfinished.
fn is_identifier(word: &str) -> bool {
    if let Some(mark) = word.strip_prefix("kindling:") {
        return mark.len() == 32 && mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let groups: Vec<usize> = word.split(['-', ':']).map(str::len).collect();
    let is_hex = word
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit() || byte == b'-' || byte == b':');
    is_hex && [&[8, 4, 4, 4, 12][..], &[4, 4], &[8, 8, 8, 8]].contains(&groups.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "label: gpt
label-id: 11111111-1111-4111-8111-111111111111
1: start=2048, size=655360, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=22222222-2222-4222-8222-222222222222, name=\"data\"
2: start=657408, size=65536, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=33333333-3333-4333-8333-333333333333, name=\"kept\"
data in LABEL=data UUID=44444444-4444-4444-8444-444444444444 TYPE=xfs
exchange in LABEL=EXCHANGE UUID=5555-5555 TYPE=vfat
pair in SUBSYSTEM=kindling:77777777777777777777777777777777 TYPE=crypto_LUKS
MD_UUID=66666666:66666666:66666666:66666666";
    /// What the config gives: the type of every partition, and the GUID of the second.
    const GIVEN: [&str; 2] = [
        "0fc63daf-8483-4772-8e79-3d69d8477de4",
        "33333333-3333-4333-8333-333333333333",
    ];

    fn changed(changes: &[(&str, &str)]) -> Option<String> {
        let mut text = OWN.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replacen(from, to, 1);
        }
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        difference(&lines(OWN), &lines(&text), &GIVEN)
    }

    #[test]
    fn the_same_table_must_be_the_same_to_the_last_identifier() {
        assert_eq!(changed(&[]), None);
        for (from, to) in [
            ("1: start", "3: start"),
            ("start=2048", "start=4096"),
            ("size=655360", "size=655361"),
            ("22222222-", "2222222a-"),
            ("33333333-", "3333333a-"),
            ("44444444-", "4444444a-"),
            ("5555-5555", "5555-5556"),
            ("66666666:", "6666666a:"),
            ("kindling:7", "kindling:a"),
            ("name=\"data\"", "name=\"data\", attrs=\"GUID:48\""),
            ("LABEL=data ", ""),
            ("TYPE=xfs", "TYPE=ext4"),
            ("type=0FC63DAF", "type=0657FD6D"),
            ("label: gpt", "label: dos"),
        ] {
            assert!(changed(&[(from, to)]).is_some(), "{to}");
        }
        assert!(changed(&[("MD_UUID", "data is not clean\nMD_UUID")]).is_some());
        assert!(changed(&[("label-id: 1", "1")]).unwrap().contains("no table"));
    }

    #[test]
    fn a_table_made_anew_has_identifiers_of_its_own_and_nothing_else() {
        let anew = [
            ("11111111-", "a1111111-"),
            ("22222222-", "a2222222-"),
            ("44444444-", "a4444444-"),
            ("5555-5555", "A555-5555"),
            ("66666666:", "a6666666:"),
            ("kindling:7", "kindling:a"),
        ];
        assert_eq!(changed(&anew), None);
        // One identifier is still that of the first table.
        for kept in 1..anew.len() {
            let mut others = anew.to_vec();
            others.remove(kept);
            assert!(changed(&others).is_some(), "{:?}", anew[kept]);
        }
        for other in [
            ("33333333-", "a3333333-"),
            ("start=2048", "start=4096"),
            ("type=0FC63DAF", "type=A657FD6D"),
            ("LABEL=data", "LABEL=atad"),
            ("UUID=A555-5555", "UUID=a5555555"),
            ("UUID=A555-5555", ""),
            ("SUBSYSTEM=kindling:a7777777777777777777777777777777 ", ""),
        ] {
            let mut others = anew.to_vec();
            others.push(other);
            assert!(changed(&others).is_some(), "{other:?}");
        }
    }
}
