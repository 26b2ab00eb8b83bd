//! The page and the picture of a simulation.

use std::fmt::Write;

use crate::Outcome;

type Pair = (u32, Outcome, Outcome);

/// A row of the table.
pub(crate) fn row(capacity: u32, name: &str, outcome: &Outcome) -> String {
    let second = |percent| outcome.percentile(percent).as_secs_f64();
    let requests: u32 = outcome.load.iter().sum();
    format!(
        "| {capacity} | {name} | {:.1} s | {:.1} s | {:.1} s | {requests} | {} | {} |",
        second(50),
        second(99),
        second(100),
        outcome.refused,
        outcome.load.iter().max().unwrap()
    )
}

pub(crate) fn page(pairs: &[Pair]) -> String {
    let mut page = String::from(
        "# A herd of machines\n\n\
         Ten thousand machines power on within one second and ask one config server, which serves so many requests a\n\
         second, keeps a hundred waiting, and refuses the rest with status 503. The pauses are the engine's own code on a\n\
         simulated clock (`cargo nextest run --test herd`); the reference waits 200 ms, doubled up to 5 s, all machines\n\
         alike. The server is a model: no connections, no TLS, no network that loses anything.\n\n\
         | Requests/s | Pauses | Half have it | 99 % | All | Requests | Refused | Most in a second |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (capacity, ours, reference) in pairs {
        for (name, outcome) in [("ours", ours), ("reference", reference)] {
            page += &row(*capacity, name, outcome);
            page.push('\n');
        }
    }
    page += "\n![Requests in each second, and machines that have their config](herd.svg)\n";
    page
}

/// Three rows of two charts: requests that arrive in each second, and how many machines have their config.
pub(crate) fn svg(pairs: &[Pair]) -> String {
    const WIDTH: f64 = 360.0;
    const HEIGHT: f64 = 120.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 860 {}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        pairs.len() * 180 + 20
    );
    for (index, (capacity, ours, reference)) in pairs.iter().enumerate() {
        let top = index as f64 * 180.0 + 40.0;
        let seconds = reference.load.len().max(ours.load.len()).max(1) as f64;
        let most = ours
            .load
            .iter()
            .chain(&reference.load)
            .max()
            .copied()
            .unwrap_or(1);
        let charts = [
            ("requests in each second", 50.0, f64::from(most)),
            ("machines served", 470.0, 10_000.0),
        ];
        for (title, left, highest) in charts {
            let _ = writeln!(
                svg,
                "<text x=\"{left}\" y=\"{}\">{capacity} requests/s: {title}, up to {highest:.0}; {seconds:.0} s</text>\n\
                 <rect x=\"{left}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>",
                top - 8.0
            );
        }
        for (outcome, colour) in [(reference, "#c33"), (ours, "#36c")] {
            let of_load = outcome
                .load
                .iter()
                .enumerate()
                .map(|(second, count)| (second as f64 / seconds, f64::from(*count) / f64::from(most)));
            line(&mut svg, 50.0, top, colour, of_load);
            let served = (0..=100).map(|percent| {
                let at = if percent == 0 {
                    0.0
                } else {
                    outcome.percentile(percent).as_secs_f64()
                };
                (at / seconds, percent as f64 / 100.0)
            });
            line(&mut svg, 470.0, top, colour, served);
        }
    }
    svg += "<text x=\"50\" y=\"16\" fill=\"#36c\">ours</text><text x=\"90\" y=\"16\" fill=\"#c33\">reference</text>\n</svg>\n";
    return svg;

    fn line(svg: &mut String, left: f64, top: f64, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
        let _ = write!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"");
        for (x, y) in points {
            let _ = write!(svg, "{:.1},{:.1} ", left + x * WIDTH, top + (1.0 - y) * HEIGHT);
        }
        svg.push_str("\"/>\n");
    }
}
