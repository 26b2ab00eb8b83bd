//! Lines for the log: `error!`, `warn!`, `info!` and `debug!`.
//!
//! They are called by the names of the crate `tracing`, whose place they take (`extern crate self as tracing`). That one has
//! fields, spans and filters, which nobody here asks for, and pays for them with some 300 bytes at each call.

use std::fmt::Arguments;
use std::sync::OnceLock;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The work cannot go on.
    Error,
    /// It can, but somebody should know.
    Warn,
    /// What happens.
    Info,
    /// What only a search for a fault needs.
    Debug,
}

/// Where lines go.
pub trait Sink: Send + Sync {
    /// Takes a line, or several. `target` is who asked for it, where that matters.
    fn line(&self, level: Level, target: Option<&str>, text: Arguments<'_>);
}

static SINK: OnceLock<Box<dyn Sink>> = OnceLock::new();

/// Sends the lines of the rest of this process to `sink`. A second call (tests) changes nothing.
pub fn install(sink: Box<dyn Sink>) {
    drop(SINK.set(sink));
}

/// Where lines go, if anywhere.
#[must_use]
pub fn sink() -> Option<&'static dyn Sink> {
    SINK.get().map(Box::as_ref)
}

/// What the line says is worked out for a sink only.
macro_rules! line {
    ($level:ident, $target:expr, $($text:tt)+) => {
        if let Some(sink) = $crate::log::sink() {
            sink.line($crate::log::Level::$level, $target, format_args!($($text)+));
        }
    };
}

macro_rules! error {
    ($($text:tt)+) => { $crate::log::line!(Error, None, $($text)+) };
}

macro_rules! warning {
    ($($text:tt)+) => { $crate::log::line!(Warn, None, $($text)+) };
}

macro_rules! info {
    (target: $target:expr, $($text:tt)+) => { $crate::log::line!(Info, Some($target), $($text)+) };
    ($($text:tt)+) => { $crate::log::line!(Info, None, $($text)+) };
}

macro_rules! debug {
    ($($text:tt)+) => { $crate::log::line!(Debug, None, $($text)+) };
}

pub(crate) use {debug, error, info, line, warning};

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    struct Kept;

    impl Sink for Kept {
        fn line(&self, level: Level, target: Option<&str>, text: Arguments<'_>) {
            SEEN.lock().unwrap().push(format!("{level:?} {target:?} {text}"));
        }
    }

    #[test]
    fn lines_go_to_the_first_sink_and_cost_nothing_before() {
        let (one, two) = (1, "two");
        let mut is_worked_out = false;
        let mut work = || is_worked_out = true;
        tracing::info!("{:?} is lost", work());
        assert!(!is_worked_out);
        install(Box::new(Kept));
        install(Box::new(Kept));
        tracing::error!("{one} and {}", two);
        tracing::warn!("{{}}");
        tracing::info!(target: "there", "{one:?}");
        tracing::debug!("plain");
        let seen = SEEN.lock().unwrap();
        let expected = [
            "Error None 1 and two",
            "Warn None {}",
            "Info Some(\"there\") 1",
            "Debug None plain",
        ];
        for line in expected {
            assert!(seen.iter().any(|other| other == line), "{line}: {seen:?}");
        }
        assert_eq!(seen.iter().filter(|line| line.ends_with("1 and two")).count(), 1);
    }
}
