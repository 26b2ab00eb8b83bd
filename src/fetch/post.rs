//! One message to somebody who need not be there.
//!
//! Unlike a fetch it is no news when it fails: nothing of it goes to the console, where the record of a failed boot stands
//! last, and it is soon given up.

use std::io::{self, Read};
use std::time::Duration;

use kindling_platforms::HttpRequest;
use url::Url;

use super::Fetcher;
use super::body::refused;
use super::retry::Load;
use crate::host::http::Request;
use crate::host::transfer::TransferError;

/// How often it is tried.
const ATTEMPTS: u32 = 3;

/// For one attempt: below the time after which the console hears of a wait.
const ATTEMPT: Duration = Duration::from_secs(4);

/// So many bytes of the answer are read, so that the connection can be used again.
const ANSWER: u64 = 64 << 10;

impl Fetcher {
    /// Sends `request`, again where that can help, and gives the status of the answer; what it says does not matter. Takes
    /// the fetcher's time for a resource at most.
    ///
    /// # Errors
    /// Why no answer came that is one, of the last attempt.
    pub fn post(&self, request: &HttpRequest) -> Result<u16, TransferError> {
        let url = Url::parse(&request.url).map_err(|error| TransferError::Address {
            why: error.to_string(),
        })?;
        let began = self.pace.now();
        let mut backoff = self.pace.backoff();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let spent = self.pace.now().saturating_sub(began);
            let total = self.settings.total_timeout.unwrap_or(Duration::MAX);
            let left = total.saturating_sub(spent);
            let error = match self.post_once(request, &url, left.min(ATTEMPT)) {
                Ok(status) => return Ok(status),
                Err(error) => error,
            };
            let pause = backoff.pause(Load::of(&error));
            if attempts == ATTEMPTS || !error.is_transient() || left <= pause {
                return Err(error);
            }
            self.pace.sleep(pause);
        }
    }

    fn post_once(&self, request: &HttpRequest, url: &Url, within: Duration) -> Result<u16, TransferError> {
        let answer = self.send(Request {
            method: request.method.into(),
            url: url.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            part: None,
            given_up: None,
            finish_within: Some(within),
            is_from_privileged_port: false,
        })?;
        let cause = refused(&answer);
        if cause.is_transient() {
            return Err(cause);
        }
        let status = answer.status;
        // It has been taken, whatever becomes of the rest.
        drop(io::copy(&mut answer.body.take(ANSWER), &mut io::sink()));
        Ok(status)
    }
}
