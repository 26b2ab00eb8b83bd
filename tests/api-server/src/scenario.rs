//! What the double plays: plain values, whose default is a cluster in which everything works at once.

use std::time::{Duration, SystemTime};

/// The token that a default scenario knows.
pub const TOKEN: &str = "abcdef.0123456789abcdef";

/// One cluster, with everything that is wrong with it. `Scenario::default()` approves and signs at once.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// How it is reached.
    pub listener: Listener,
    /// Which release it claims to be, and behaves as.
    pub release: Release,
    /// The bootstrap tokens it knows, `id.secret`; any other is answered with 401.
    pub tokens: Vec<String>,
    /// Whether bootstrap tokens may file requests: RBAC's binding of `system:node-bootstrapper`.
    pub is_bootstrapper_bound: bool,
    /// Who approves, and how.
    pub approval: Approval,
    /// Who signs, and how.
    pub signing: Signing,
    /// The longest lifetime the signer gives: `--cluster-signing-duration`.
    pub signing_duration: Duration,
    /// How watches go wrong.
    pub watch: Watch,
    /// What discovery finds.
    pub cluster_info: ClusterInfo,
    /// Nodes that are there from the start.
    pub nodes: Vec<Node>,
    /// Answers given in the place of real ones, the first that fits.
    pub faults: Vec<Fault>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            listener: Listener::default(),
            release: Release::New,
            tokens: vec![TOKEN.to_owned()],
            is_bootstrapper_bound: true,
            approval: Approval::AtOnce,
            signing: Signing::AtOnce(Issued::Right),
            signing_duration: Duration::from_secs(8760 * 3600),
            watch: Watch::default(),
            cluster_info: ClusterInfo::Right,
            nodes: Vec::new(),
            faults: Vec::new(),
        }
    }
}

/// How the server is reached.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    /// Names and addresses its certificate is for, besides `127.0.0.1` and `localhost`.
    pub hosts: Vec<String>,
    /// What discovery says its address is; by default `https://127.0.0.1:PORT`.
    pub url: Option<String>,
    /// Its certificate's start; by default an hour ago.
    pub not_before: Option<SystemTime>,
    /// Its certificate's end; by default in a year.
    pub not_after: Option<SystemTime>,
    /// Its certificate comes from an authority that nobody was told of.
    pub is_of_other_authority: bool,
    /// The TLS versions it speaks.
    pub protocol: Protocol,
    /// Connections are taken and never answered, as behind a path that swallows large packets.
    pub is_silent: bool,
    /// Every body leaves in two halves with this pause between them.
    pub slow_body: Option<Duration>,
}

/// TLS versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// 1.2 and 1.3.
    #[default]
    Any,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// A Kubernetes release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// 1.34: takes both sets of usages, keeps `expirationSeconds`, lets a node read its own Node alone.
    New,
    /// 1.20.2: approves only the three usages with `key encipherment`, drops `expirationSeconds`, has no SelfSubjectReview, and
    /// lets any node read any Node.
    Old,
}

/// Who approves a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// The built-in approver, at once. It leaves alone what it does not recognise.
    AtOnce,
    /// The built-in approver, so long after the request came.
    After(Duration),
    /// Nobody, until the test calls `approve`, `deny` or `fail`.
    ByHand,
    /// Somebody denies it at once.
    Denied {
        /// A word for programs.
        reason: String,
        /// A sentence for people.
        message: String,
    },
    /// An approver that knows machines, as OpenShift's.
    Machines(Machines),
}

/// What the machine approver goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machines {
    /// The internal DNS name of every Machine. Compared without regard to case and to a last dot.
    pub names: Vec<String>,
    /// How long ago they were made; from 2 hours on none is approved.
    pub age: Duration,
    /// How long a request waits to be looked at, and to be looked at again.
    pub every: Duration,
}

/// Who signs what was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// At once.
    AtOnce(Issued),
    /// So long after the approval.
    After(Duration, Issued),
    /// No signer runs: approved for ever.
    Never,
    /// The signer refuses: condition `Failed`.
    Fails {
        /// A word for programs.
        reason: String,
        /// A sentence for people.
        message: String,
    },
}

/// What the signer makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issued {
    /// What was asked for.
    Right,
    /// A certificate for a key nobody has.
    WrongKey,
    /// A certificate for this common name.
    WrongSubject(String),
    /// A certificate for servers.
    WithoutClientAuth,
    /// A certificate that starts so far in the future.
    NotYetValid(Duration),
    /// A certificate that ended an hour ago.
    Expired,
    /// A certificate that started so long ago.
    BackDated(Duration),
    /// Leaf and authority in one answer.
    Chain,
    /// The leaf with text before and behind its block.
    WithText,
    /// A certificate of another authority, which this server does not trust.
    OtherAuthority,
    /// A PEM block that is no certificate.
    Nonsense,
}

/// How watches go wrong: each number is how many of the first ones do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Ended at once, without an event and without an error.
    pub closed_first: usize,
    /// Broken off in the middle of a line.
    pub cut_first: usize,
    /// Answered with HTTP 410.
    pub gone_first: usize,
    /// Ended by an ERROR event with code 410.
    pub expired_first: usize,
    /// BOOKMARK events before and behind each event, to whom asks for them.
    pub has_bookmarks: bool,
    /// No event ever comes; the connection stays.
    pub is_deaf: bool,
}

/// What `cluster-info` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterInfo {
    /// A kubeconfig, signed with every token.
    #[default]
    Right,
    /// Not there.
    Absent,
    /// Signed with no token we know.
    Unsigned,
    /// Signed with another secret.
    BadSignature,
    /// From the second time on, another authority, rightly signed.
    OtherAuthoritySecond,
    /// Another authority from the start, rightly signed.
    OtherAuthority,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Whether its condition `Ready` is true.
    pub is_ready: bool,
}

/// An answer given in the place of the real one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which requests.
    pub on: On,
    /// How many of them; `None` is all.
    pub times: Option<usize>,
    /// The answer.
    pub with: With,
}

impl Fault {
    /// For the first `times` requests.
    #[must_use]
    pub fn first(times: usize, on: On, with: With) -> Self {
        Self {
            on,
            times: Some(times),
            with,
        }
    }

    /// For every request.
    #[must_use]
    pub fn always(on: On, with: With) -> Self {
        Self {
            on,
            times: None,
            with,
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Anything.
    Any,
    /// `GET /version`.
    Version,
    /// The reviews of oneself.
    Review,
    /// A request for a certificate is filed.
    Create,
    /// One is read.
    Get,
    /// They are listed.
    List,
    /// They are watched.
    Watch,
    /// `cluster-info` is read.
    ClusterInfo,
    /// Anything about Nodes.
    Nodes,
    /// Health.
    Health,
    /// The other things a kubelet asks for.
    Other,
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum With {
    /// 401.
    Unauthorized,
    /// 403 that names the user.
    Forbidden,
    /// 404 without an object's name, as for an API group that is not served.
    NotServed,
    /// 409 AlreadyExists.
    AlreadyExists,
    /// 422 with one cause.
    Invalid {
        /// The field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// 429 with `Retry-After`, in seconds.
    TooManyRequests(u32),
    /// 500, 503 or 504 with a Status.
    Failure(u16),
    /// 502 in HTML, as a load balancer's.
    Html,
    /// A status with nothing behind it.
    Empty(u16),
    /// The connection breaks in the middle of the body.
    Cut,
}
