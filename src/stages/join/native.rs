//! Mode `native`: this program asks for the node's certificate.

use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::line::{Line, VERSION};
use super::{Options, Progress, World};
use crate::calendar::utc;
use crate::host::http::{ClientIdentity, Method};
use crate::host::machine::{self, Machine};
use crate::node::answer::{self, Event, Meaning, Registered, Standing};
use crate::node::cause::Cause;
use crate::node::certificate::{self, Certificate, Fault};
use crate::node::handed::Join;
use crate::node::object::{self, COLLECTION, Wanted, text_at};
use crate::node::request::{self, Key};
use crate::node::status::Step;
use crate::node::{kubeconfig, pem};
use crate::report::Failure;

/// So many requests are filed in one run: an approver counts them, and stops at too many (cluster.md 2.6).
const REQUESTS: u32 = 4;
/// How long one watch lasts at most; then the object itself is looked at, since something between may swallow events.
const WATCH: Duration = Duration::from_secs(30);
/// After one that ended sooner there is a pause.
const SHORT: Duration = Duration::from_secs(1);
/// How long the API server may take to know a certificate that its cluster issued.
const CONFIRM: Duration = Duration::from_secs(60);

/// The join of one machine.
struct Native<'a> {
    handed: &'a Join,
    node: &'a str,
    line: Line<'a>,
    files: Files<'a>,
    progress: &'a Progress<'a>,
    world: &'a World<'a>,
    platform: &'a str,
}

/// A request that is stored on the API server.
struct Filed {
    name: String,
    uid: String,
    version: String,
    standing: Standing,
    /// Whether an earlier run filed it.
    is_adopted: bool,
}

/// Gets what is missing and puts it in place.
///
/// # Errors
/// See [`Cause`].
pub(super) fn run(
    handed: &Join,
    node: &str,
    options: &Options,
    world: &World<'_>,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let native = Native {
        handed,
        node,
        line: Line::open(
            handed,
            world,
            progress,
            Duration::from_secs(handed.approval_timeout_seconds),
        )?,
        files: Files::open(&options.root, handed.layout.paths(), world.did)?,
        progress,
        world,
        platform: &options.platform,
    };
    let kubeconfig = native.kubeconfig();
    if native.has_all(&kubeconfig) {
        tracing::info!("this machine has its certificate already");
    } else {
        if handed.token.is_none() {
            let why = "there is no bootstrap token in it".to_owned();
            return Err(Cause::Handed.record("nobody can ask for a certificate", vec![why]));
        }
        let (pair, until) = native.certificate()?;
        native.confirm(&pair)?;
        progress.did(Step::Verified, &format!("valid until {until}"));
        native.files.install(&pair, &kubeconfig, native.line.now())?;
    }
    native.files.drop_key()?;
    progress.did(Step::Installed, &native.files.current().to_string_lossy());
    Ok(())
}

impl Native<'_> {
    fn kubeconfig(&self) -> String {
        let server = self.handed.server.as_deref().unwrap_or_default();
        let pair = self.files.current();
        kubeconfig::of_node(server, &self.handed.authorities, &pair.to_string_lossy())
    }

    /// Whether an earlier run, or the kubelet since, left nothing to do.
    fn has_all(&self, kubeconfig: &str) -> bool {
        let is_good = |found: &Certificate| found.fault(&found.public, self.node, self.now()).is_none();
        self.files.has_kubeconfig(kubeconfig) && self.files.pair().is_some_and(|(found, _)| is_good(&found))
    }

    fn now(&self) -> i64 {
        i64::try_from(self.line.now()).unwrap_or(i64::MAX)
    }

    /// The pair, as the kubelet keeps it, and until when it is valid.
    fn certificate(&self) -> Result<(String, String), Failure> {
        let usages = request::usages(self.minor()?);
        let mut pauses = self.line.pauses();
        for _ in 0..REQUESTS {
            let key = self.files.key()?;
            let filed = self.file(&key, usages)?;
            let issued = match &filed {
                Some(filed) => self.wait(filed)?,
                None => None,
            };
            let is_adopted = filed.is_some_and(|filed| filed.is_adopted);
            match issued.map(|pem| self.judge(&pem, &key)) {
                Some(Ok(pair)) => return Ok(pair),
                // This machine was off for as long as the certificate was good: another key, another request.
                Some(Err(failure)) if is_adopted && failure.code == Cause::Expired.code() => {
                    self.files.drop_key()?;
                }
                Some(Err(failure)) => return Err(failure),
                None => {}
            }
            self.progress.back_to(Step::Named);
            // One more try is a single question, also where the time is over.
            self.line.pause(&mut pauses);
        }
        let what = "the request was deleted, or another one stands under its name".to_owned();
        Err(Cause::Deleted.record(what, vec![self.progress.request()]))
    }

    /// The server's minor version, where it tells it. This is asked first: it proves address, trust, clock and token.
    fn minor(&self) -> Result<Option<u32>, Failure> {
        match self.line.ask(Method::Get, VERSION, "")?.meaning {
            Meaning::Done(version) => Ok(answer::minor(&version)),
            _ => Ok(None),
        }
    }

    /// Files the request for `key`, or finds the one that an earlier run filed. `None` where another one stands under its name,
    /// or it went away meanwhile.
    fn file(&self, key: &Key, usages: &[&str]) -> Result<Option<Filed>, Failure> {
        let public = key.public();
        let name = request::object_name(&public, self.node, usages);
        let pem = key.request(self.node).ok_or_else(super::files::no_random)?;
        let machine = Machine::read();
        let known = |text: String| (!text.is_empty()).then_some(text);
        let runs_in = if machine::is_initramfs() {
            "initramfs"
        } else {
            "system"
        };
        let about = [
            ("boot-id", known(machine.boot_id)),
            (
                "engine",
                Some(concat!("kindling ", env!("CARGO_PKG_VERSION")).to_owned()),
            ),
            ("mac", machine::first_mac()),
            ("machine-uuid", known(machine.id)),
            ("platform", known(self.platform.to_owned())),
            ("runs-in", Some(runs_in.to_owned())),
        ];
        let body = object::text(&Wanted {
            name: &name,
            request: &pem,
            usages,
            lifetime: self.handed.lifetime_seconds,
            about: &about,
        });
        self.progress.set("request", &name);
        let path = format!("{COLLECTION}?fieldManager=kindling");
        let answered = self.line.ask(Method::Post, &path, &body)?;
        (self.world.did)("requested");
        let cannot = |cause: Cause, what: &str| {
            Err(cause.record(format!("the API server {what}"), vec![answered.words.clone()]))
        };
        let (object, is_adopted) = match answered.meaning {
            Meaning::Done(object) => (object, false),
            Meaning::Exists => match self.stored(&name)? {
                Some(object) if object::is_ours(&object, &public, self.node) => (object, true),
                Some(_) => {
                    // Another key has another name.
                    self.files.drop_key()?;
                    return Ok(None);
                }
                None => return Ok(None),
            },
            Meaning::Absent => return cannot(Cause::NotServed, "has no certificate requests"),
            _ => return cannot(Cause::Refused, "does not take the certificate request"),
        };
        let uid = text_at(&object, "/metadata/uid").to_owned();
        if uid.is_empty() {
            return Err(Cause::NotServed.record(
                "what answers is no API server",
                vec!["an object has no uid".to_owned()],
            ));
        }
        let seen = text_at(&object, "/spec/username");
        self.progress.set("uid", &answer::plain(&uid));
        self.progress.set("seenAs", &answer::plain(seen));
        self.progress.did(Step::Requested, &self.progress.request());
        Ok(Some(Filed {
            standing: answer::standing(&uid, &object),
            version: text_at(&object, "/metadata/resourceVersion").to_owned(),
            name,
            uid,
            is_adopted,
        }))
    }

    fn stored(&self, name: &str) -> Result<Option<Value>, Failure> {
        let answered = self.line.ask(Method::Get, &format!("{COLLECTION}/{name}"), "")?;
        match answered.meaning {
            Meaning::Done(object) => Ok(Some(object)),
            Meaning::Absent | Meaning::Gone => Ok(None),
            _ => Err(Cause::Refused.record("the API server does not show the request", vec![answered.words])),
        }
    }

    /// Waits for the certificate: by watch, and by looking where that brings nothing. `None` where the request is gone.
    fn wait(&self, filed: &Filed) -> Result<Option<String>, Failure> {
        let Filed { name, uid, .. } = filed;
        let mut pauses = self.line.pauses();
        let (mut standing, mut version) = (filed.standing.clone(), filed.version.clone());
        loop {
            let what = match standing {
                Standing::Gone => return Ok(None),
                Standing::Denied(words) => {
                    return Err(Cause::Denied.record(
                        format!("request {name} was denied"),
                        vec![self.line.without_token(&words)],
                    ));
                }
                Standing::Failed(words) => {
                    let why = vec![self.line.without_token(&words)];
                    return Err(Cause::Failed.record(format!("the signer refused request {name}"), why));
                }
                Standing::Issued(pem) => {
                    self.progress.did(Step::Approved, name);
                    self.progress.did(Step::Issued, name);
                    return Ok(Some(pem));
                }
                Standing::Approved => {
                    self.progress.did(Step::Approved, name);
                    "the signer to issue the certificate of"
                }
                Standing::Pending => "somebody to approve",
            };
            if self.line.left().is_zero() {
                return Err(self.unanswered(filed, standing == Standing::Approved));
            }
            self.progress.waits(&format!("waiting for {what} {name}"));
            let began = self.world.pace.now();
            let seen = self.watch(filed, &standing, &version);
            let is_short = || self.world.pace.now().saturating_sub(began) < SHORT;
            if let Some((now, of)) = seen {
                if now == standing && is_short() {
                    self.line.pause(&mut pauses);
                }
                (standing, version) = (now, of);
                continue;
            }
            let Some(object) = self.stored(name)? else {
                return Ok(None);
            };
            let of = text_at(&object, "/metadata/resourceVersion");
            // A version that the server has forgotten: without one it begins with what is there.
            if of == version {
                version.clear();
            } else {
                of.clone_into(&mut version);
            }
            let now = answer::standing(uid, &object);
            if now == standing && is_short() {
                self.line.pause(&mut pauses);
            }
            standing = now;
        }
    }

    /// Watches the request for a while: where it stands now, and the version of that; `None` where nothing came.
    fn watch(&self, filed: &Filed, current: &Standing, version: &str) -> Option<(Standing, String)> {
        let Filed { name, uid, .. } = filed;
        let within = (self.line.left() / 2).clamp(Duration::from_secs(1), WATCH);
        let path = format!(
            "{COLLECTION}?fieldSelector=metadata.name%3D{name}&watch=true&resourceVersion={version}\
             &allowWatchBookmarks=true&timeoutSeconds={}",
            within.as_secs()
        );
        let mut seen = None;
        let watched = self
            .line
            .watch(&path, within, &mut |line| match answer::event(uid, line) {
                Event::Standing(standing, version) => {
                    let is_news = standing != *current;
                    seen = Some((standing, version));
                    is_news
                }
                Event::Bookmark => false,
                Event::Broken => true,
            });
        if let Err(error) = watched {
            tracing::info!("the watch for {name} ended: {error}");
        }
        seen
    }

    /// The record of a request that nobody has answered in time.
    fn unanswered(&self, filed: &Filed, is_approved: bool) -> Failure {
        let (cause, what) = if is_approved {
            (Cause::Unsigned, "was approved, and no certificate was issued")
        } else {
            (Cause::Pending, "was not approved")
        };
        let seconds = self.handed.approval_timeout_seconds;
        cause.record(
            format!("request {} {what} within {seconds} s", filed.name),
            vec![self.progress.request()],
        )
    }

    /// The certificate with its issuers and the key, where it is the one that was asked for, and until when it is valid.
    fn judge(&self, issued: &str, key: &Key) -> Result<(String, String), Failure> {
        let unfit = |why: &str| {
            Cause::Unfit.record(
                "the issued certificate is not the one that was asked for",
                vec![why.to_owned()],
            )
        };
        let chain = pem::read(pem::CERTIFICATE, issued).unwrap_or_default();
        let Some(leaf) = chain.first().and_then(|der| certificate::parse(der)) else {
            return Err(unfit("it cannot be read"));
        };
        let date = |seconds: i64| utc(u64::try_from(seconds).unwrap_or_default());
        match leaf.fault(&key.public(), self.node, self.now()) {
            None => {}
            Some(Fault::Key) => return Err(unfit("it is of another key")),
            Some(Fault::Subject) => return Err(unfit("it is of another subject")),
            Some(Fault::Usage) => return Err(unfit("clients may not show it")),
            Some(Fault::Early(from)) => {
                let why = vec![format!("valid from {}", date(from)), self.line.clocks()];
                return Err(Cause::Clock.record("the issued certificate is not valid yet", why));
            }
            // Another certificate would be as old: the key stays, and its request.
            Some(Fault::Late(until))
                if self
                    .line
                    .date()
                    .is_some_and(|date| i64::try_from(date).is_ok_and(|date| date < until)) =>
            {
                let why = vec![format!("valid until {}", date(until)), self.line.clocks()];
                return Err(Cause::Clock.record(
                    "the issued certificate has expired by this machine's clock alone",
                    why,
                ));
            }
            Some(Fault::Late(until)) => {
                let why = vec![format!("valid until {}", date(until)), self.line.clocks()];
                return Err(Cause::Expired.record("the issued certificate has expired", why));
            }
        }
        let mut pair: String = chain
            .iter()
            .map(|der| pem::write(pem::CERTIFICATE, der))
            .collect();
        pair.push_str(&key.pem());
        Ok((pair, date(leaf.validity.not_after)))
    }

    /// Shows the certificate to the API server, and looks who has the node's name.
    fn confirm(&self, pair: &str) -> Result<(), Failure> {
        let identity = ClientIdentity::parse(pair.as_bytes(), pair.as_bytes()).map_err(|error| {
            Cause::Unfit.record("the issued certificate cannot be used", vec![error.to_string()])
        })?;
        let line =
            Line::open(self.handed, self.world, self.progress, CONFIRM)?.with_identity(identity, CONFIRM);
        let answered = line.ask(Method::Get, &format!("/api/v1/nodes/{}", self.node), "")?;
        let Meaning::Done(found) = answered.meaning else {
            return Ok(());
        };
        match answer::registered(&found, &self.files.ids()) {
            Registered::Other { is_ready: true } => {
                let what = format!("another machine is Node {}, and it is Ready", self.node);
                let id = answer::plain(text_at(&found, "/status/nodeInfo/systemUUID"));
                let why = (!id.is_empty()).then(|| format!("its firmware has the UUID {id}"));
                Err(Cause::NodeExists.record(what, why.into_iter().collect()))
            }
            Registered::Other { is_ready: false } => {
                tracing::warn!(
                    "Node {} of another machine, which is not Ready, becomes this one",
                    self.node
                );
                Ok(())
            }
            Registered::Ours { .. } => Ok(()),
        }
    }
}
