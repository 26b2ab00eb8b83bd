//! The AWS stand-in: the metadata service of an instance, and the object store that holds its worker config.
//!
//! The instance's user data is a small config of its own, which merges an object of a bucket. To read that, the machine
//! has to learn from the metadata service which region it is in and what its role may show ([`metadata`]), from the store
//! in which region the bucket is, and then to sign its request ([`store`], judged by [`signature`]). Both doubles refuse
//! whoever does less.
//!
//! They listen on the host's loopback; guests reach them by [`METADATA_ADDRESS`] and [`STORE_ADDRESS`], the latter by the
//! names in [`Aws::hosts`].

mod metadata;
mod signature;
mod store;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use self::metadata::Metadata;
use self::signature::Account;
use self::store::Store;
use crate::server::Seen;

/// Where instances find their metadata service.
pub const METADATA_ADDRESS: &str = "169.254.169.254:80";
/// Where guests find the store.
pub const STORE_ADDRESS: &str = "10.0.2.100:443";

/// The region of the instance.
pub const HERE: &str = "eu-north-1";
/// The region of the bucket: another one, so that it has to be looked up.
pub const BUCKET_REGION: &str = "ap-south-1";
/// The bucket.
pub const BUCKET: &str = "kindling-nodes";
/// The key of the worker config. The blank has to be escaped in the request, and so in what is signed.
pub const KEY: &str = "pools/worker pool.ign";

/// What the instance's role may show. They are nobody's: the store knows no others.
const ACCOUNT: Account<'static> = Account {
    access_key: "ASIAKINDLINGTESTONLY",
    secret_key: "test-only/nobodys+secret-key/0123456789ab",
    session_token: "test-only-session-token//0123456789abcdef+0123456789abcdef==",
};

/// A running stand-in; it ends with this value.
pub struct Aws {
    metadata: Metadata,
    store: Store,
}

/// A stand-in that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// A served file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store's certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// Certificate and key do not serve TLS.
    #[error("cannot serve TLS")]
    Tls(#[from] rustls::Error),
    /// No port could be had.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
}

impl Aws {
    /// Starts it, with `worker` as the object and `authority` as a further CA that the instance is told to trust: the one
    /// of the cluster, which the worker config refers to.
    ///
    /// # Errors
    /// [`AwsError`].
    pub fn start(worker: &Path, authority: &Path) -> Result<Self, AwsError> {
        let store = Store::start(read(worker)?)?;
        let authorities = [store.authority_pem().as_bytes(), &read(authority)?].map(|pem| {
            let inline = STANDARD.encode(pem);
            json!({ "source": format!("data:application/x-pem-file;base64,{inline}") })
        });
        let object = format!("s3://{BUCKET}/{}", KEY.replace(' ', "%20"));
        let user_data = json!({
            "ignition": {
                "version": "3.4.0",
                "config": { "merge": [{ "source": object }] },
                "security": { "tls": { "certificateAuthorities": authorities } },
            },
        });
        let metadata = Metadata::start(user_data.to_string()).map_err(AwsError::Listen)?;
        Ok(Self { metadata, store })
    }

    /// The port of the metadata service on 127.0.0.1.
    #[must_use]
    pub fn metadata_port(&self) -> u16 {
        self.metadata.port()
    }

    /// The port of the store on 127.0.0.1.
    #[must_use]
    pub fn store_port(&self) -> u16 {
        self.store.port()
    }

    /// What `/etc/hosts` must say, for nobody else resolves these names.
    #[must_use]
    pub fn hosts() -> String {
        let (address, _) = STORE_ADDRESS.split_once(':').unwrap_or((STORE_ADDRESS, ""));
        format!("{address} {}\n", store::hosts().join(" "))
    }

    /// Every request to the metadata service so far, in order.
    #[must_use]
    pub fn asked_of_metadata(&self) -> Vec<Seen> {
        self.metadata.seen()
    }

    /// Every request to the store so far, in order. A status of 200 is only for those whose signature is right.
    #[must_use]
    pub fn asked_of_store(&self) -> Vec<Seen> {
        self.store.seen()
    }

    /// What nobody but the machine may see: the role's secrets, and the tokens that the metadata service gave.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let of_role = [ACCOUNT.secret_key, ACCOUNT.session_token].map(str::to_owned);
        of_role.into_iter().chain(self.metadata.tokens()).collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, AwsError> {
    fs::read(path).map_err(|source| AwsError::Read {
        path: path.to_path_buf(),
        source,
    })
}
