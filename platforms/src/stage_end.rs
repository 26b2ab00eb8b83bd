//! How a stage of the first boot ended, for platforms that want to know.

/// How a stage of the first boot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageEnd<'a> {
    /// Its name: `fetch`, `files`, …
    pub stage: &'a str,
    /// The failure record as people read it; `None` for a stage that succeeded. It holds no secret.
    pub failure: Option<&'a str>,
}

impl<'a> StageEnd<'a> {
    /// The record, cut at a line's end so that it has at most `limit` bytes.
    #[must_use]
    pub fn failure_within(&self, limit: usize) -> Option<&'a str> {
        let record = self.failure?;
        if record.len() <= limit {
            return Some(record);
        }
        let fits = (0..=limit).rev().find(|at| record.is_char_boundary(*at));
        let start = &record[..fits.unwrap_or(0)];
        Some(start.rsplit_once('\n').map_or(start, |(whole, _)| whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cut_where_a_line_ends() {
        let within = |limit| {
            let end = StageEnd {
                stage: "disks",
                failure: Some("first\nsecond\nthird: ü"),
            };
            end.failure_within(limit)
        };
        for (limit, expected) in [
            (100, "first\nsecond\nthird: ü"),
            (22, "first\nsecond\nthird: ü"),
            (21, "first\nsecond"),
            (12, "first"),
            (5, "first"),
            (3, "fir"),
            (0, ""),
        ] {
            assert_eq!(within(limit), Some(expected), "{limit}");
        }
    }
}
