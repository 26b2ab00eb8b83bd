//! A boot as text and as a page.

use std::fmt::Write;

use kindling::host::runs::Run;
use kindling::plan::Stage;
use kindling::report::progress::StageRecord;
use kindling::report::text::{Look, show};
use kindling::report::{Boot, html};

use crate::{assert_fixture, boot_in, failed, fixture, text_of};

const NARROW: Look = Look {
    width: 80,
    all: false,
};

fn receipt() -> Boot {
    Boot {
        machine: Some("worker-1".to_owned()),
        ..boot_in(text_of("reports/receipt.json").as_bytes())
    }
}

#[test]
fn a_receipt_reads_as_an_operator_needs_it() {
    assert_fixture("reports/receipt.txt", &show(&receipt(), NARROW));
    let all = Look {
        width: 120,
        all: true,
    };
    assert_fixture("reports/receipt.all.txt", &show(&receipt(), all));
}

#[test]
fn a_failed_boot_shows_how_far_it_came() {
    assert_fixture("reports/failed.txt", &show(&failed(), NARROW));
}

#[test]
fn a_receipt_of_an_older_kindling_is_read() {
    let boot = boot_in(text_of("reports/receipt-2.json").as_bytes());
    let text = show(&boot, NARROW);
    // Without beginnings each stage and step stands behind the one before it.
    assert_fixture("reports/receipt-2.txt", &text);
    assert!(text.contains("mkfs.xfs"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80, 200] {
        let look = Look { width, all: false };
        let text = show(&receipt(), look);
        let rows = text.lines().filter(|line| line.contains('|'));
        for row in rows {
            assert!(row.chars().count() <= width.max(40), "{width}: {row}");
        }
    }
}

#[test]
fn what_is_short_is_summed_and_all_of_it_listed_on_demand() {
    let mut stage = StageRecord::seen(Stage::Disks, "ok");
    stage.milliseconds = 500;
    stage.ran.programs = (0..212)
        .map(|number| Run {
            what: format!("probe-{number}"),
            ..Run::default()
        })
        .collect();
    stage.ran.more = 7;
    let boot = Boot::of_stages(vec![stage], None);
    let text = show(&boot, NARROW);
    assert!(text.contains("  and 212 more below 1 ms\n"), "{text}");
    assert!(
        text.contains("and 7 more downloads and programs, of which nothing was kept"),
        "{text}"
    );
    let all = Look { width: 80, all: true };
    assert!(show(&boot, all).contains("probe-211"));
    assert!(html::page(&boot, true).contains("probe-211"));
}

/// Names of a config that an attacker wrote, in each place that a report shows.
#[test]
fn no_name_gets_out_of_its_place() {
    const HOSTILE: &str = "</script></style><img src=x onerror=alert(1)>\"'&\u{1b}[2J\r\n";
    let mut value: serde_json::Value = serde_json::from_str(&text_of("reports/receipt.json")).unwrap();
    put_everywhere(&mut value, HOSTILE);
    let mut boot = boot_in(value.to_string().as_bytes());
    boot.machine = Some(HOSTILE.to_owned());
    boot.failure = failed().failure.map(|mut failure| {
        HOSTILE.clone_into(&mut failure.what);
        failure.why = vec![HOSTILE.to_owned()];
        failure
    });
    boot.before.clone_from(&boot.failure);
    let page = html::page(&boot, true);
    assert!(page.contains("onerror"), "nothing hostile got there");
    assert!(
        !page.contains("<img") && !page.contains("</script") && !page.contains('\u{1b}'),
        "{page}"
    );
    assert_eq!(page.matches("</style>").count(), 1);
    assert_well_formed(&page);
    let text = show(&boot, NARROW);
    assert!(!text.contains(['\u{1b}', '\r']), "{text}");
}

/// Makes texts that no reader needs to understand hostile.
fn put_everywhere(value: &mut serde_json::Value, hostile: &str) {
    use serde_json::Value::{Array, Object, String};
    match value {
        Array(items) => items.iter_mut().for_each(|item| put_everywhere(item, hostile)),
        Object(members) => {
            for (name, member) in members {
                let is_free = ["what", "source", "path", "bootId", "date", "kindling", "from"];
                match member {
                    String(text) if is_free.contains(&name.as_str()) => {
                        let _ = write!(text, "{hostile}");
                    }
                    other => put_everywhere(other, hostile),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn the_page_is_whole_and_needs_nothing_else() {
    for boot in [receipt(), failed()] {
        for all in [false, true] {
            let page = html::page(&boot, all);
            assert_well_formed(&page);
            for outside in [
                "http-equiv",
                "src=",
                "href=",
                "url(",
                "@import",
                "<script",
                "<link",
            ] {
                assert!(!page.contains(outside), "{outside}");
            }
            assert!(page.contains("prefers-color-scheme:dark"));
        }
    }
    // What failed is told in words, not by a colour alone.
    let page = html::page(&failed(), false);
    assert!(page.contains("<b>FAILED</b> "));
    assert!(page.contains("<title>worker-1: FAILED in stage disks [program-failed]</title>"));
    assert!(fixture("reports").exists());
}

/// Every element is closed in its order, every attribute is quoted, and no `&` stands for itself: the page is XML.
fn assert_well_formed(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>\n").unwrap();
    let mut open = Vec::new();
    let mut rest = body;
    while let Some(at) = rest.find('<') {
        let (text, tag) = rest.split_at(at);
        for entity in text.split('&').skip(1) {
            let name = entity.split(';').next().unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{entity}");
        }
        let end = tag.find('>').unwrap();
        let (tag, behind) = (&tag[1..end], &tag[end + 1..]);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{}", &rest[..rest.len().min(300)]);
        } else {
            let name = tag.split([' ', '/']).next().unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");

            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = behind;
    }
    assert_eq!(open, Vec::<&str>::new());
}
