//! A record on a screen of characters: the text at the left, and at the right a code that a telephone reads, for nobody
//! can copy text from a screen that is looked at over a video of it.
//!
//! A cell of a screen shows two modules of the code, one above the other, by the upper half block in two colours. That
//! character is in every font of a Linux console, and a module is about as wide as it is high.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc, QrSegment, Version};

use super::Failure;

/// Bytes that versions 1 to 10 hold at error correction L (ISO/IEC 18004, table 7). Larger ones are hard to read from a
/// screen.
const CAPACITIES: [usize; 10] = [17, 32, 53, 78, 106, 134, 154, 192, 230, 271];
/// A smaller one holds no code, stage and boot.
const SMALLEST: usize = 3;
/// Light modules around the code. Four are the rule; two are enough for every reader tried, and cost less of a small screen.
const QUIET: usize = 2;
/// Columns between the text and the code.
const GAP: usize = 2;
/// With fewer columns a record reads badly.
const TEXT_COLUMNS: usize = 40;
/// Rows for what comes below: an empty one and a prompt.
const ROWS_KEPT: usize = 3;
/// The column in which the text of a record begins.
const INDENT: usize = 9;
/// Digits of the boot id that tell it from others, where there is no room for all.
const SHORT_ID: usize = 8;

/// How many characters a screen has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: usize,
    /// Characters of a line.
    pub columns: usize,
}

/// A text without what could steer a terminal: parts of a record came from a program or a server.
#[must_use]
pub fn plain(text: &str) -> String {
    let plain = |letter: char| {
        if letter.is_control() && letter != '\n' {
            ' '
        } else {
            letter
        }
    };
    text.chars().map(plain).collect()
}

/// The record with its code beside it, line by line; `None` where the screen is too small for both.
#[must_use]
pub fn with_code(failure: &Failure, boot_id: &str, size: Size) -> Option<String> {
    let record = plain(&failure.to_string());
    let rows = size.rows.checked_sub(ROWS_KEPT)?;
    let version = (SMALLEST..=CAPACITIES.len()).rev().find(|version| {
        let side = 17 + 4 * version + 2 * QUIET;
        let text = text_columns(size, side).map(|columns| wrapped(&record, columns).len());
        side.div_ceil(2) <= rows && text.is_some_and(|text| text <= rows)
    })?;
    let capacity = CAPACITIES.get(version - 1)?;
    let code = encode(&ticket(failure, boot_id, *capacity), version)?;
    let drawn = drawn(&code);
    let side = usize::try_from(code.size()).ok()? + 2 * QUIET;
    let columns = text_columns(size, side)?;
    let text = wrapped(&record, columns);
    let mut screen = String::new();
    for row in 0..text.len().max(drawn.len()) {
        let text = text.get(row).map_or("", String::as_str);
        // Writing to a string does not fail.
        let _ = match drawn.get(row) {
            Some(code) => writeln!(screen, "{text:<0$}{code}", columns + GAP),
            None => writeln!(screen, "{text}"),
        };
    }
    Some(screen.trim_end_matches('\n').to_owned())
}

/// Columns that a code of so many leaves for the text. The last column stays empty: a console wraps behind it.
fn text_columns(size: Size, side: usize) -> Option<usize> {
    let left = size.columns.checked_sub(1 + GAP + side)?;
    (left >= TEXT_COLUMNS).then_some(left)
}

/// The smallest code that holds `text`, up to a version.
fn encode(text: &str, version: usize) -> Option<QrCode> {
    let largest = Version::new(u8::try_from(version).ok()?);
    let segments = [QrSegment::make_bytes(text.as_bytes())];
    QrCode::encode_segments_advanced(&segments, QrCodeEcc::Low, Version::MIN, largest, None, true).ok()
}

/// What goes into a ticket: code and stage, the boot, what failed and what next, as far as there is room.
#[must_use]
pub fn ticket(failure: &Failure, boot_id: &str, capacity: usize) -> String {
    let mut id: String = boot_id.chars().filter(char::is_ascii_hexdigit).collect();
    let head = |id: &str| format!("kindling {} {}\nboot {id}", failure.code, failure.stage);
    if head(&id).len() * 2 > capacity {
        id.truncate(SHORT_ID);
    }
    let mut text = head(&id);
    for part in [&failure.what, &failure.next] {
        text.push('\n');
        text.push_str(plain(part).trim_end());
    }
    text.truncate(text.floor_char_boundary(capacity));
    text
}

/// The lines of a code, light on both sides.
fn drawn(code: &QrCode) -> Vec<String> {
    let side = code.size();
    let quiet = i32::try_from(QUIET).unwrap_or(0);
    let places = || -quiet..side + quiet;
    places()
        .step_by(2)
        .map(|y| {
            let mut line = String::new();
            let mut last = None;
            for x in places() {
                // Outside of the code all is light; below the last row, nothing.
                let upper = colour(code.get_module(x, y));
                let lower = if y + 1 < side + quiet {
                    colour(code.get_module(x, y + 1))
                } else {
                    BLACK
                };
                if last != Some((upper, lower)) {
                    let _ = write!(line, "\x1b[3{upper};4{lower}m");
                    last = Some((upper, lower));
                }
                line.push('\u{2580}');
            }
            line.push_str("\x1b[0m");
            line
        })
        .collect()
}

/// Colours of the ANSI palette.
const BLACK: u8 = 0;
const WHITE: u8 = 7;

fn colour(is_dark: bool) -> u8 {
    if is_dark { BLACK } else { WHITE }
}

/// The lines of a record in so many columns; what does not fit goes on below the text of its line.
fn wrapped(record: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in record.lines() {
        let mut rest: Vec<char> = line.chars().collect();
        let mut indent = 0;
        while indent + rest.len() > columns {
            let room = columns - indent;
            let blank = rest.iter().take(room + 1).rposition(|letter| *letter == ' ');
            // A word that alone is half a line is cut: an address may have no blank at all.
            let end = blank.filter(|at| *at > room / 2).unwrap_or(room);
            let after = rest.split_off(end);
            lines.push(row(indent, &rest));
            rest = after.into_iter().skip_while(|letter| *letter == ' ').collect();
            indent = INDENT;
        }
        lines.push(row(indent, &rest));
    }
    lines
}

fn row(indent: usize, letters: &[char]) -> String {
    let letters: String = letters.iter().collect();
    format!("{:indent$}{letters}", "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    const BOOT: &str = "8c2f1e3a-77b0-4b6e-9d8e-0123456789ab";

    fn failure() -> Failure {
        Failure {
            code: "filesystem-differs".into(),
            stage: Stage::Disks,
            what: "/dev/disk/by-partlabel/data: it holds xfs with the label \"größe\"".into(),
            place: Some("merged config, /storage/filesystems/0".into()),
            why: vec!["nothing was changed".into()],
            next: "set wipeFilesystem to true if the data may go".into(),
        }
    }

    /// A screen as a terminal draws it: the letters, and for each cell whether its upper and lower half are light.
    fn shown(text: &str, size: Size) -> (Vec<String>, Vec<Vec<[bool; 2]>>) {
        let mut letters = Vec::new();
        let mut cells = Vec::new();
        for line in text.lines() {
            let (mut plain, mut row) = (String::new(), Vec::new());
            let (mut front, mut back) = (false, false);
            let mut rest = line.chars();
            while let Some(letter) = rest.next() {
                match letter {
                    '\x1b' => {
                        let sequence: String = rest.by_ref().take_while(|letter| *letter != 'm').collect();
                        for word in sequence.trim_start_matches('[').split(';') {
                            match word {
                                "0" => back = false,
                                "30" => front = false,
                                "37" => front = true,
                                "40" => back = false,
                                "47" => back = true,
                                other => panic!("{other}"),
                            }
                        }
                    }
                    '\u{2580}' => row.push([front, back]),
                    letter => {
                        plain.push(letter);
                        row.push([false, false]);
                    }
                }
            }
            assert!(row.len() < size.columns, "{} columns", row.len());
            row.resize(size.columns, [false, false]);
            letters.push(plain.trim_end().to_owned());
            cells.push(row);
        }
        assert!(cells.len() + ROWS_KEPT <= size.rows, "{} rows", cells.len());
        (letters, cells)
    }

    fn read(cells: &[Vec<[bool; 2]>]) -> String {
        // A reader wants some pixels for a module.
        const PIXELS: usize = 4;
        let columns = cells.first().unwrap().len();
        let at = |x: usize, y: usize| cells[y / PIXELS / 2][x / PIXELS][y / PIXELS % 2];
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(
            columns * PIXELS,
            cells.len() * 2 * PIXELS,
            |x, y| if at(x, y) { 170 } else { 0 },
        );
        let found = image.detect_grids();
        assert_eq!(found.len(), 1);
        found[0].decode().unwrap().1
    }

    #[test]
    fn an_independent_reader_reads_what_was_drawn() {
        for (rows, columns, version) in [(25, 80, 4), (37, 100, 9), (48, 128, 10), (67, 240, 10)] {
            let size = Size { rows, columns };
            let text = with_code(&failure(), BOOT, size).unwrap();
            let (letters, cells) = shown(&text, size);
            assert_eq!(
                read(&cells),
                ticket(&failure(), BOOT, CAPACITIES[version - 1]),
                "{size:?}"
            );
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&letters.join("\n")), words(&failure().to_string()));
        }
    }

    #[test]
    fn a_ticket_holds_what_there_is_room_for() {
        assert_eq!(
            ticket(&failure(), BOOT, 78),
            "kindling filesystem-differs disks\nboot 8c2f1e3a\n/dev/disk/by-partlabel/data: i"
        );
        let whole = ticket(&failure(), BOOT, 271);
        assert!(whole.starts_with(
            "kindling filesystem-differs disks\nboot 8c2f1e3a77b04b6e9d8e0123456789ab\n/dev/disk"
        ));
        assert!(whole.ends_with("\nset wipeFilesystem to true if the data may go"));
        for capacity in CAPACITIES {
            assert!(ticket(&failure(), BOOT, capacity).len() <= capacity);
        }
    }

    #[test]
    fn a_screen_too_small_for_both_has_no_code() {
        for (rows, columns) in [(25, 60), (18, 80), (0, 0), (255, 12)] {
            assert_eq!(with_code(&failure(), BOOT, Size { rows, columns }), None);
        }
        let mut long = failure();
        long.why = vec!["a reason of several words which takes a line ".repeat(40)];
        let small = Size {
            rows: 25,
            columns: 80,
        };
        assert_eq!(with_code(&long, BOOT, small), None);
    }

    #[test]
    fn what_does_not_fit_a_line_goes_on_below_its_text() {
        assert_eq!(
            wrapped(
                "  what:  one two three four\n  why:   aaaaaaaaaaaaaaaaaaaaaaa\n",
                20
            ),
            [
                "  what:  one two",
                "         three four",
                "  why:   aaaaaaaaaaa",
                "         aaaaaaaaaaa",
                "         a",
            ]
        );
    }
}
