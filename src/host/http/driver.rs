//! The event loop of a client, on a thread of its own.

use std::thread;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// The thread that drives connections while callers wait for them.
pub(super) struct Driver {
    handle: Handle,
    _stop: oneshot::Sender<()>,
}

impl Driver {
    /// Starts the thread. It ends when the client is dropped.
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(8)
            .build()
            .expect("an event loop needs one file descriptor and one thread");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::spawn(move || {
            // An error means that the sender is gone, which is the signal to end.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        });
        Self { handle, _stop: stop }
    }

    /// What runs futures on it.
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
