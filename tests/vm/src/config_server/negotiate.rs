//! Which version of the config language a client gets.

/// The version that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// The dialect before version 3.
    TwoTwo,
    /// `3.MINOR.0`.
    Three(u64),
}

/// The newest minor version of 3 that the server knows.
const NEWEST: u64 = 5;

/// What the header `Accept` asks for; `None` is a version that is none of this server's.
#[must_use]
pub fn negotiate(accept: Option<&str>) -> Option<Served> {
    let mut offers: Vec<Offer> = accept
        .unwrap_or_default()
        .split(',')
        .filter_map(Offer::parse)
        .collect();
    // The order of equal ones stays.
    offers.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    let Some(version) = offers.into_iter().find_map(|offer| offer.version) else {
        return Some(Served::TwoTwo);
    };
    match version {
        (2, minor) if minor >= 2 => Some(Served::TwoTwo),
        (3, minor) => Some(Served::Three(minor.min(NEWEST))),
        _ => None,
    }
}

/// One element of the header.
struct Offer {
    quality: f64,
    /// Major and minor of a version of the config language; `None` where it is for something else, or names none.
    version: Option<(u64, u64)>,
}

impl Offer {
    fn parse(element: &str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let (_, subtype) = parts.next()?.split_once('/')?;
        let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
        let value = |name: &str| {
            let found = parameters.iter().find(|(key, _)| key.trim() == name);
            found.map(|(_, value)| value.trim().trim_matches('"'))
        };
        let quality = value("q").and_then(|q| q.parse().ok()).unwrap_or(1.0);
        let is_config = subtype == "vnd.coreos.ignition+json";
        let version = value("version").filter(|_| is_config).and_then(version);
        Some(Self { quality, version })
    }
}

/// Major and minor of a semantic version.
fn version(text: &str) -> Option<(u64, u64)> {
    let numbers = text.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    match (numbers.next()?, numbers.next()?, numbers.next()?, numbers.next()) {
        (Some(major), Some(minor), Some(_), None) => Some((major, minor)),
        _ => None,
    }
}
