//! The cluster behind the server: who approves, who signs, and what happens between two requests.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use rustls::server::danger::ClientCertVerifier;

use crate::authority::{Authority, Subject};
use crate::http::lock;
use crate::scenario::{Approval, Fault, Issued, Machines, On, Scenario, Signing, With};
use crate::shelf::Shelf;
use crate::store::{Filed, Store};

/// How far back a pending request counts for the machine approver.
const COUNTED: Duration = Duration::from_secs(3600);
/// How many more requests than machines may be pending before it approves none.
const SPARE: usize = 100;
/// From this age on a machine gets no approval.
const OLD_MACHINE: Duration = Duration::from_secs(2 * 3600);

/// A cluster.
pub(crate) struct Cluster {
    pub(crate) scenario: Scenario,
    /// Where it says it is.
    pub(crate) url: String,
    pub(crate) authority: Authority,
    /// One that nobody trusts.
    pub(crate) other: Authority,
    pub(crate) clients: Arc<dyn ClientCertVerifier>,
    pub(crate) memory: Mutex<Memory>,
}

/// What changes.
pub(crate) struct Memory {
    pub(crate) store: Store,
    pub(crate) shelf: Shelf,
    pub(crate) tokens: Vec<String>,
    pub(crate) findings: Vec<String>,
    /// Why the machine approver did not approve, as its log has it.
    pub(crate) refusals: Vec<String>,
    /// Watches so far.
    pub(crate) watches: usize,
    /// Times that discovery was asked.
    pub(crate) discoveries: usize,
    /// Each fault with how often it was played.
    faults: Vec<(Fault, usize)>,
}

impl Memory {
    /// The fault to play now, if any.
    pub(crate) fn fault(&mut self, on: On) -> Option<With> {
        let (fault, played) = self.faults.iter_mut().find(|(fault, played)| {
            (fault.on == On::Any || fault.on == on) && fault.times.is_none_or(|times| *played < times)
        })?;
        *played += 1;
        Some(fault.with.clone())
    }

    pub(crate) fn add_fault(&mut self, fault: Fault) {
        self.faults.insert(0, (fault, 0));
    }
}

impl Cluster {
    pub(crate) fn new(scenario: Scenario, url: String, authority: Authority, other: Authority) -> Arc<Self> {
        let memory = Memory {
            store: Store::new(),
            shelf: Shelf::new(&scenario.nodes),
            tokens: scenario.tokens.clone(),
            findings: Vec::new(),
            refusals: Vec::new(),
            watches: 0,
            discoveries: 0,
            faults: scenario.faults.iter().map(|fault| (fault.clone(), 0)).collect(),
        };
        Arc::new(Self {
            clients: authority.clients(),
            memory: Mutex::new(memory),
            scenario,
            url,
            authority,
            other,
        })
    }

    /// A request has come: whoever approves has heard of it.
    pub(crate) fn filed(self: &Arc<Self>, memory: &mut Memory, name: &str) {
        match &self.scenario.approval {
            Approval::ByHand => {}
            Approval::AtOnce => self.built_in(memory, name),
            Approval::After(wait) => {
                self.later(memory, name, *wait, Self::built_in);
            }
            Approval::Denied { reason, message } => {
                memory.store.condition(name, "Denied", reason, message);
            }
            Approval::Machines(machines) => {
                self.later(memory, name, machines.every, Self::look);
            }
        }
    }

    /// What the approver of the controller manager does: it leaves alone what it does not recognise.
    fn built_in(self: &Arc<Self>, memory: &mut Memory, name: &str) {
        let is_recognised = memory.store.get(name).is_some_and(|filed| {
            filed.is_pending()
                && filed.wanted.flaws.is_empty()
                && (filed.user.is_bootstrapper() || filed.user.name == filed.wanted.common_name)
        });
        if is_recognised {
            let message = "Auto approving kubelet client certificate after SubjectAccessReview.";
            self.approve(memory, name, "AutoApproved", message);
        }
    }

    /// What the machine approver does. What it does not approve it looks at again.
    fn look(self: &Arc<Self>, memory: &mut Memory, name: &str) {
        let Approval::Machines(machines) = &self.scenario.approval else {
            return;
        };
        let Some(filed) = memory.store.get(name).filter(|filed| filed.is_pending()) else {
            return;
        };
        match refusal(machines, memory, filed) {
            None => self.approve(
                memory,
                name,
                "NodeCSRApprove",
                "This CSR was approved by the Node CSR Approver (cluster-machine-approver)",
            ),
            Some(why) => {
                memory.refusals.push(format!("{name}: {why}"));
                self.later(memory, name, machines.every, Self::look);
            }
        }
    }

    /// Says yes, whoever does.
    pub(crate) fn approve(self: &Arc<Self>, memory: &mut Memory, name: &str, reason: &str, message: &str) {
        memory.store.condition(name, "Approved", reason, message);
        match &self.scenario.signing {
            Signing::Never => {}
            Signing::AtOnce(_) | Signing::Fails { .. } => self.sign(memory, name),
            Signing::After(wait, _) => self.later(memory, name, *wait, Self::sign),
        }
    }

    fn sign(self: &Arc<Self>, memory: &mut Memory, name: &str) {
        let Some(filed) = memory.store.get(name) else {
            return;
        };
        if filed.is_issued() || filed.is("Denied") || filed.is("Failed") {
            return;
        }
        let wanted = &filed.wanted;
        let issued = match &self.scenario.signing {
            Signing::Never => return,
            Signing::Fails { reason, message } => {
                memory.store.condition(name, "Failed", reason, message);
                return;
            }
            Signing::AtOnce(issued) | Signing::After(_, issued) => issued,
        };
        if !wanted.flaws.is_empty() {
            let why = wanted.flaws.join("; ");
            memory
                .store
                .condition(name, "Failed", "SignerValidationFailure", &why);
            return;
        }
        let longest = self.scenario.signing_duration;
        let duration = wanted.duration.map_or(longest, |wish| wish.min(longest));
        let subject = Subject {
            key: &wanted.public_key,
            common_name: &wanted.common_name,
            organizations: &wanted.organizations,
        };
        let signer = match issued {
            Issued::OtherAuthority => &self.other,
            _ => &self.authority,
        };
        let pem = signer.issue(&subject, duration, issued);
        memory.store.issue(name, pem);
    }

    /// Does `what` after `wait`, if the request is still the same one then.
    fn later(
        self: &Arc<Self>,
        memory: &Memory,
        name: &str,
        wait: Duration,
        what: fn(&Arc<Self>, &mut Memory, &str),
    ) {
        let Some(uid) = memory.store.get(name).map(|filed| filed.uid.clone()) else {
            return;
        };
        let (cluster, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            let mut memory = lock(&cluster.memory);
            if memory.store.get(&name).is_some_and(|filed| filed.uid == uid) {
                what(&cluster, &mut memory, &name);
            }
        });
    }
}

/// Why the machine approver does not approve, if it does not.
fn refusal(machines: &Machines, memory: &Memory, filed: &Filed) -> Option<String> {
    let pending = memory.store.pending_since(SystemTime::now() - COUNTED);
    let nodes = memory.shelf.names("Node");
    let most = machines.names.len().max(nodes.len()) + SPARE;
    if pending > most {
        return Some(format!("{pending} requests are pending, more than {most}"));
    }
    if let Some(flaw) = filed.wanted.flaws.first() {
        return Some(flaw.clone());
    }
    let node = filed.wanted.node();
    let plain = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    if nodes.iter().any(|there| there == node) {
        return Some(format!("node {node} already exists"));
    }
    if !machines.names.iter().any(|machine| plain(machine) == plain(node)) {
        return Some(format!("failed to find machine for node {node}"));
    }
    (machines.age >= OLD_MACHINE).then(|| "CSR creation time is outside of the machine's range".to_owned())
}
