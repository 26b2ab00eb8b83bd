//! Fetching documents ahead changes nothing but the time: compared with fetching one after the other, on trees of
//! documents that nobody would write.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use kindling_config_spec::check;
use kindling_config_spec::order::OrderedMap;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;
use crate::fetch::{Pace, SimulatedClock, Transport, TransportSettings};
use crate::host::http::{Answer, Connection, Request};
use crate::host::transfer::TransferError;

/// What a document says beside its references.
#[derive(Clone, Debug)]
struct Page {
    /// Others it refers to, by number.
    merge: Vec<Index>,
    replace: Option<Index>,
    /// The proxy it sets, by number.
    proxy: Option<u8>,
    /// Through which proxy alone it can be had.
    behind: Option<u8>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Valid,
    Empty,
    Broken,
    Absent,
    /// More than is fetched ahead.
    Large,
}

/// Servers in memory: every document has an address, and what it answers depends on the proxy.
struct FakeServers(Vec<Page>);

impl Transport for FakeServers {
    fn open(&self, request: &Request, connection: &Connection) -> Result<Answer, TransferError> {
        let number: usize = request.url.path().trim_start_matches('/').parse().unwrap();
        let page = &self.0[number];
        let through = connection
            .proxy
            .choose(&request.url)
            .map(|proxy| proxy.host_str().unwrap().to_owned());
        let wanted = page.behind.map(proxy_host);
        let is_shown = wanted.is_none() || wanted == through;
        let body = match page.kind {
            _ if !is_shown => None,
            Kind::Absent => None,
            Kind::Empty => Some(String::new()),
            Kind::Broken => Some("{".to_owned()),
            Kind::Valid | Kind::Large => Some(document(&self.0, number)),
        };
        Ok(Answer {
            status: if body.is_some() { 200 } else { 404 },
            headers: Vec::new(),
            length: None,
            is_redirected: false,
            body: Box::new(Cursor::new(body.unwrap_or_default())),
        })
    }
}

fn proxy_host(number: u8) -> String {
    format!("p{number}")
}

fn reference(pages: &[Page], index: &Index) -> Value {
    json!({ "source": format!("http://h/{}", index.index(pages.len())) })
}

fn document(pages: &[Page], number: usize) -> String {
    let page = &pages[number];
    let mut config = json!({});
    let mut merge: Vec<Value> = Vec::new();
    for index in &page.merge {
        // A list with the same entry twice is refused before anything is fetched.
        let one = reference(pages, index);
        if !merge.contains(&one) {
            merge.push(one);
        }
    }
    if !merge.is_empty() {
        config["merge"] = json!(merge);
    }
    if let Some(index) = &page.replace {
        config["replace"] = reference(pages, index);
    }
    let mut ignition = json!({"version": "3.4.0", "config": config});
    if let Some(proxy) = page.proxy {
        ignition["proxy"] = json!({"httpProxy": format!("http://{}/", proxy_host(proxy))});
    }
    let filler = match page.kind {
        Kind::Large => "x".repeat(300 << 10),
        _ => format!("of {number}"),
    };
    json!({
        "ignition": ignition,
        "kernelArguments": {"shouldExist": [format!("n{number}")]},
        "systemd": {"units": [{"name": "last.service", "contents": format!("[Unit]\nDescription={filler}\n")}]},
    })
    .to_string()
}

fn outcome(pages: &[Page], is_ahead: bool) -> (Result<Rendered, String>, TransportSettings) {
    let text = document(pages, 0);
    let checked = check(&text).unwrap();
    let mut fetcher = Fetcher::new(
        Arc::new(FakeServers(pages.to_vec())),
        TransportSettings::first(Duration::ZERO, false),
        Pace::new(Arc::new(SimulatedClock::default()), 1),
    );
    let result = render_with(
        First::given(checked, "first", Source::alone(&text)),
        &mut fetcher,
        is_ahead,
        &|_| {},
    );
    // The whole chain: which document, why.
    let told = result.map_err(|error| {
        let mut told = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            told += &format!(": {next}");
            cause = next.source();
        }
        told
    });
    (told, fetcher.settings().clone())
}

fn page() -> impl Strategy<Value = Page> {
    let kind = prop_oneof![
        16 => Just(Kind::Valid),
        1 => Just(Kind::Empty),
        1 => Just(Kind::Broken),
        1 => Just(Kind::Absent),
        2 => Just(Kind::Large),
    ];
    (
        proptest::collection::vec(any::<Index>(), 0..5),
        proptest::option::weighted(0.1, any::<Index>()),
        proptest::option::weighted(0.4, 0_u8..2),
        proptest::option::weighted(0.2, 0_u8..2),
        kind,
    )
        .prop_map(|(merge, replace, proxy, behind, kind)| Page {
            merge,
            replace,
            proxy,
            behind,
            kind,
        })
}

/// Documents that mostly refer to later ones, so that trees end; a few circles stay in.
fn pages() -> impl Strategy<Value = Vec<Page>> {
    (proptest::collection::vec(page(), 2..12), any::<bool>()).prop_map(|(mut pages, is_tree)| {
        pages[0].kind = Kind::Valid;
        pages[0].replace = None;
        let count = pages.len();
        if is_tree {
            for (number, page) in pages.iter_mut().enumerate() {
                let later = |index: &Index| index.index(count) > number;
                page.merge.retain(later);
                page.replace = page.replace.filter(later);
            }
        }
        pages
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 400 } else { 2_000 }))]

    #[test]
    fn documents_fetched_ahead_render_to_the_same(pages in pages()) {
        let (in_turn, settings) = outcome(&pages, false);
        let (ahead, settings_ahead) = outcome(&pages, true);
        prop_assert_eq!(ahead, in_turn);
        prop_assert_eq!(settings_ahead, settings);
    }
}

/// The comparison above is worth something only if trees render, fail and change their settings often enough.
#[test]
fn the_trees_are_of_every_kind() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen: OrderedMap<&str, u32> = OrderedMap::new();
    for _ in 0..300 {
        let pages = pages().new_tree(&mut runner).unwrap().current();
        let (result, settings) = outcome(&pages, true);
        let kind = match &result {
            Ok(rendered) if rendered.origins().len() > 3 => "renders",
            Ok(_) => "renders, small",
            Err(why) if why.contains("404") => "absent",
            Err(_) => "fails otherwise",
        };
        *seen.entry(kind).or_default() += 1;
        let first = TransportSettings::first(Duration::ZERO, false);
        if settings.connection.proxy != first.connection.proxy {
            *seen.entry("proxy").or_default() += 1;
        }
    }
    for kind in ["renders", "absent", "fails otherwise", "proxy"] {
        assert!(
            seen.get(kind).is_some_and(|count| *count >= 10),
            "{kind}: {seen:?}"
        );
    }
}
