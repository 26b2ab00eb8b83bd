//! When the time for response headers starts to run: once the connection stands, not before.
//!
//! The client makes the connection inside the future of a request. A layer around its connector notes in the task of
//! that request when connecting begins and ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower_layer::Layer;
use tower_service::Service;
use tracing::info;

use crate::host::console::WAITING;
use crate::host::transfer::TELL_EVERY;

tokio::task_local! {
    static CURRENT: Arc<Progress>;
}

/// How far one request is.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Phase>);

#[derive(Clone, Copy, Debug)]
enum Phase {
    Connecting,
    /// Connected, or using a connection that stood already.
    Asking(Instant),
}

impl Progress {
    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn get(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The limit that struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Headers,
    Total,
    /// Nobody wants the answer any more.
    GivenUp,
}

/// Awaits `answer` of `host` for at most `headers` after the connection stands, and not beyond `end`; says now and then
/// what is awaited.
pub(super) async fn headers_of<F: Future>(
    answer: F,
    host: &str,
    headers: Option<Duration>,
    end: Option<Instant>,
    given_up: Option<&AtomicBool>,
) -> Result<F::Output, Late> {
    let started = Instant::now();
    let mut tell = started + TELL_EVERY;
    let progress = Arc::new(Progress(Mutex::new(Phase::Asking(Instant::now()))));
    let mut answer = std::pin::pin!(CURRENT.scope(Arc::clone(&progress), answer));
    loop {
        let from = match progress.get() {
            Phase::Connecting => Instant::now(),
            Phase::Asking(since) => since,
        };
        // A limit beyond what the clock can express is no limit.
        let limit = headers.and_then(|limit| from.checked_add(limit));
        let next = [limit, end].into_iter().flatten().fold(tell, Instant::min);
        if let Ok(output) = tokio::time::timeout_at(next.into(), &mut answer).await {
            return Ok(output);
        }
        let now = Instant::now();
        if end.is_some_and(|end| end <= now) {
            return Err(Late::Total);
        }
        if let (Phase::Asking(since), Some(limit)) = (progress.get(), headers)
            && since.checked_add(limit).is_some_and(|limit| limit <= now)
        {
            return Err(Late::Headers);
        }
        if tell <= now {
            if given_up.is_some_and(|flag| flag.load(Ordering::Relaxed)) {
                return Err(Late::GivenUp);
            }
            tell = now + TELL_EVERY;
            let awaited = match progress.get() {
                Phase::Connecting => "a connection with",
                Phase::Asking(_) => "an answer of",
            };
            info!(target: WAITING, "waiting for {awaited} {host} for {} s", (now - started).as_secs());
        }
    }
}

/// The layer that notes connecting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noting;

impl<S> Layer<S> for Noting {
    type Service = Noted<S>;

    fn layer(&self, inner: S) -> Noted<S> {
        Noted(inner)
    }
}

/// A connector that notes when it starts and ends.
#[derive(Clone, Debug)]
pub(super) struct Noted<S>(S);

impl<S, R> Service<R> for Noted<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let progress = CURRENT.try_with(Arc::clone).ok();
        if let Some(progress) = &progress {
            progress.set(Phase::Connecting);
        }
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connection = connecting.await;
            if let Some(progress) = progress {
                progress.set(Phase::Asking(Instant::now()));
            }
            connection
        })
    }
}
