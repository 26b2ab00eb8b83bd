//! Seconds since 1970 as dates, in the forms that records, headers and signatures have.

use kindling_config_spec::calendar::{Date, days_since_1970};

/// The last second of the year 9999: later ones have no date of four digits.
const LAST: u64 = 253_402_300_799;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `2031-04-05T06:07:08Z`, as RFC 3339. Seconds that no calendar has are printed as seconds.
#[must_use]
pub fn utc(seconds: u64) -> String {
    format(seconds, "-", ":")
}

/// `20310405T060708Z`, the basic form of ISO 8601, as signatures carry it.
#[must_use]
pub fn compact(seconds: u64) -> String {
    format(seconds, "", "")
}

/// A moment, by the clock of the machine and since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970, as far as the clock is right.
    pub seconds: u64,
    /// Milliseconds of the second.
    pub millisecond: u32,
    /// Milliseconds since the kernel started.
    pub since_boot: u64,
}

impl Moment {
    /// RFC 3339 in UTC, with milliseconds.
    #[must_use]
    pub fn stamp(&self) -> String {
        let text = utc(self.seconds);
        text.strip_suffix('Z')
            .map_or_else(|| text.clone(), |text| format!("{text}.{:03}Z", self.millisecond))
    }
}

fn format(seconds: u64, of_date: &str, of_time: &str) -> String {
    if seconds > LAST {
        return format!("{seconds} s after 1970");
    }
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let Date { year, month, day } = Date::of_days(i64::try_from(days).unwrap_or(0));
    format!(
        "{year:04}{of_date}{month:02}{of_date}{day:02}T{:02}{of_time}{:02}{of_time}{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The time of an HTTP header such as `Date`, in the form that servers send (RFC 9110 §5.6.7) and in the two obsolete ones
/// that are read all the same: `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` and
/// `Sun Nov  6 08:49:37 1994`. `None` for anything else, and for times before 1970.
#[must_use]
pub fn http_date(text: &str) -> Option<u64> {
    // The day of the week tells nothing.
    let mut words = text
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .skip(1);
    let mut next = || words.next();
    let (first, second, third, fourth) = (next()?, next()?, next()?, next()?);
    let (day, month, year, time) = match next() {
        Some("GMT") => (first, second, third, fourth),
        None => (second, first, fourth, third),
        Some(_) => return None,
    };
    let number = |digits: &str| digits.parse::<i64>().ok();
    let month = MONTHS.iter().position(|name| *name == month)?;
    let (day, mut year) = (number(day)?, number(year)?);
    if year < 100 {
        // Of two digits; none of these is more than fifty years ahead.
        year += if year < 70 { 2000 } else { 1900 };
    }
    let mut time = time.split(':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let fits = (1..=31).contains(&day) && (1970..=9999).contains(&year);
    let fits = fits && (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    if !fits || next().is_some() {
        return None;
    }
    let days = days_since_1970(year, i64::try_from(month).ok()? + 1, day);
    u64::try_from(days * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615 s after 1970"),
        ] {
            assert_eq!(utc(seconds), text);
        }
        assert_eq!(compact(1_369_353_600), "20130524T000000Z");
    }

    #[test]
    fn dates_of_headers_are_read() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for obsolete in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(http_date(obsolete), Some(784_111_777), "{obsolete}");
        }
        for year in ["69", "2069"] {
            let told = http_date(&format!("Wednesday, 06-Nov-{year} 08:49:37 GMT"));
            assert_eq!(told, Some(3_150_953_377), "{year}");
        }
        for broken in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nix 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 06 Nov 1994 08:49:37 GMT again",
            "Sun Nov  6 1994 08:49:37",
            "Sunday, 06-Nov-94 08:49:37",
            "Sun, 06 Nov 1960 08:49:37 GMT",
        ] {
            assert_eq!(http_date(broken), None, "{broken}");
        }
    }
}
