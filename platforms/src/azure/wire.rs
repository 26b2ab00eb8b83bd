//! The wire server of Azure: what this machine shall be, which addresses it has, and whom it tells that it has booted.
//!
//! Its address is an option of the lease. As a rule only the superuser may ask it.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::lease;
use crate::service::{get, refused, request, text};
use crate::xml::{Element, elements, escaped};
use crate::{Access, AccessError, HttpMethod, HttpRequest, PlatformError, PlatformId};

/// Where it is when no lease says.
const ANYWHERE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The version of the protocol.
const VERSION: &str = "2012-11-30";

/// The name is the established agent's: what the server does by it is not written down anywhere.
const HEADERS: [(&str, &str); 2] = [
    ("x-ms-agent-name", "com.coreos.afterburn"),
    ("x-ms-version", VERSION),
];

/// What the server shall close an envelope with: what the established agent asks for.
const CIPHER: &str = "DES_EDE3_CBC";

/// How often a report is made that the server has no place for.
const TRIES: usize = 3;

/// The longest document, in bytes; those of the server have a few thousand.
const LIMIT: usize = 1 << 20;

/// The server, which speaks our version.
pub(crate) struct Wire<'a> {
    via: &'a dyn Access,
    id: PlatformId,
    server: Ipv4Addr,
}

/// What this machine shall be.
struct Goal {
    incarnation: String,
    container: String,
    instance: String,
    shared_config: Option<String>,
    /// Empty where the server says so.
    certificates: Option<String>,
}

/// Addresses of this machine.
#[derive(Default)]
pub(crate) struct Addresses {
    /// Inside.
    pub(crate) dynamic: Option<IpAddr>,
    /// Of the load balancer before it.
    pub(crate) virtual_: Option<IpAddr>,
}

impl<'a> Wire<'a> {
    /// # Errors
    /// [`PlatformError::Access`] before the network is up, and when the server cannot be reached;
    /// [`PlatformError::Malformed`] when it does not speak our version.
    pub(crate) fn open(via: &'a dyn Access, id: PlatformId) -> Result<Self, PlatformError> {
        let failed = |source| PlatformError::Access { id, source };
        if !via.machine().is_online {
            return Err(failed(AccessError::NeedsNetwork));
        }
        let server = lease::option_245(via).map_err(failed)?.unwrap_or(ANYWHERE);
        let wire = Self { via, id, server };
        let versions = wire.read(&wire.url("/?comp=versions"), "the versions of the wire server")?;
        let is_ours =
            |element: &Element| element.path.ends_with("Supported/Version") && element.text == VERSION;
        if !versions.iter().any(is_ours) {
            return Err(wire.malformed(format!("its wire server does not speak version {VERSION}")));
        }
        Ok(wire)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    fn malformed(&self, why: String) -> PlatformError {
        PlatformError::Malformed { id: self.id, why }
    }

    fn read(&self, url: &str, what: &str) -> Result<Vec<Element>, PlatformError> {
        self.read_as(&get(url, &HEADERS), what)
    }

    fn read_as(&self, request: &HttpRequest, what: &str) -> Result<Vec<Element>, PlatformError> {
        let found = text(self.via, self.id, request)?;
        let document = found.ok_or_else(|| self.malformed(format!("{what} is not there")))?;
        if document.len() > LIMIT {
            return Err(self.malformed(format!("{what} is longer than {LIMIT} bytes")));
        }
        elements(&document).map_err(|error| self.malformed(format!("{what} has {error}")))
    }

    fn goal(&self) -> Result<Goal, PlatformError> {
        let what = "the goal state";
        let found = self.read(&self.url("/machine/?comp=goalstate"), what)?;
        let said = |path: &str| {
            let of_path = |element: &&Element| element.path == format!("GoalState/{path}");
            found.iter().find(of_path).map(|element| element.text.clone())
        };
        let first = |path: &str| said(path).filter(|text| !text.is_empty());
        let needed = |path: &str| first(path).ok_or_else(|| self.malformed(format!("{what} has no {path}")));
        Ok(Goal {
            incarnation: needed("Incarnation")?,
            container: needed("Container/ContainerId")?,
            instance: needed("Container/RoleInstanceList/RoleInstance/InstanceId")?,
            shared_config: first("Container/RoleInstanceList/RoleInstance/Configuration/SharedConfig"),
            certificates: said("Container/RoleInstanceList/RoleInstance/Configuration/Certificates"),
        })
    }

    /// # Errors
    /// As [`Self::open`]; [`PlatformError::Malformed`] for a document that is not as it should be.
    pub(crate) fn addresses(&self) -> Result<Addresses, PlatformError> {
        let mut addresses = Addresses::default();
        let Some(url) = self.goal()?.shared_config else {
            return Ok(addresses);
        };
        let found = self.read(&url, "the shared config")?;
        let attribute = |element: &Element, name: &str| element.attribute(name).map(str::to_owned);
        let wanted = found
            .iter()
            .find(|element| element.path == "SharedConfig/Incarnation")
            .and_then(|element| attribute(element, "instance"));
        // What stands below an instance follows it.
        let mut is_ours = false;
        for element in &found {
            match element.path.as_str() {
                "SharedConfig/Instances/Instance" => {
                    is_ours = wanted.is_some() && attribute(element, "id") == wanted;
                    let address = element.attribute("address").and_then(|text| text.parse().ok());
                    addresses.dynamic = addresses.dynamic.or(address.filter(|_| is_ours));
                }
                "SharedConfig/Instances/Instance/InputEndpoints/Endpoint" if is_ours => {
                    let end = element.attribute("loadBalancedPublicAddress").unwrap_or_default();
                    let address = end.parse().map(|end: SocketAddr| end.ip()).ok();
                    addresses.virtual_ = address.or(addresses.virtual_);
                }
                _ => {}
            }
        }
        Ok(addresses)
    }

    /// Where the certificates of this machine are to be asked for; `None` where it has none.
    ///
    /// # Errors
    /// As [`Self::addresses`]; [`PlatformError::Malformed`] also where the server names no address for them.
    pub(crate) fn certificates(&self) -> Result<Option<String>, PlatformError> {
        match self.goal()?.certificates {
            Some(url) if url.is_empty() => {
                Err(self.malformed("the goal state has an empty address of certificates".to_owned()))
            }
            found => Ok(found),
        }
    }

    /// The certificates behind `url`, in an envelope that the server closes for `recipient`: a certificate in DER, as base64 in
    /// one line.
    ///
    /// # Errors
    /// As [`Self::addresses`].
    pub(crate) fn envelope(&self, url: &str, recipient: &str) -> Result<Vec<u8>, PlatformError> {
        let what = "the file of certificates";
        let mut headers = HEADERS.to_vec();
        headers.extend([
            ("x-ms-cipher-name", CIPHER),
            ("x-ms-guest-agent-public-x509-cert", recipient),
        ]);
        let found = self.read_as(&get(url, &headers), what)?;
        let data = found
            .iter()
            .find(|element| element.path == "CertificateFile/Data");
        let data = data.ok_or_else(|| self.malformed(format!("{what} has no Data")))?;
        let base64: String = data.text.split_ascii_whitespace().collect();
        let envelope = STANDARD.decode(base64).unwrap_or_default();
        if envelope.is_empty() {
            return Err(self.malformed(format!("{what} has Data that is empty or not base64")));
        }
        Ok(envelope)
    }

    /// Tells the server that this machine is ready.
    ///
    /// # Errors
    /// As [`Self::addresses`].
    pub(crate) fn ready(&self) -> Result<(), PlatformError> {
        self.report("<State>Ready</State>")
    }

    /// Tells the server that this machine will not get ready, and why.
    ///
    /// # Errors
    /// As [`Self::addresses`].
    pub(crate) fn failed(&self, why: &str) -> Result<(), PlatformError> {
        self.report(&format!(
            "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus><Description>{}</Description></Details>",
            escaped(why)
        ))
    }

    fn report(&self, state: &str) -> Result<(), PlatformError> {
        let failed = |source| PlatformError::Access { id: self.id, source };
        let mut tries = 0;
        loop {
            let request = self.health_request(state)?;
            let answer = self.via.http(&request).map_err(failed)?;
            tries += 1;
            match answer.status {
                200..=299 => return Ok(()),
                // What this machine shall be has changed since it was read.
                404 | 410 if tries < TRIES => {}
                _ => return Err(refused(self.id, &request, &answer)),
            }
        }
    }

    fn health_request(&self, state: &str) -> Result<HttpRequest, PlatformError> {
        let goal = self.goal()?;
        let mut headers = HEADERS.to_vec();
        headers.push(("Content-Type", "text/xml; charset=utf-8"));
        Ok(HttpRequest {
            body: health(&goal, state).into_bytes(),
            ..request(HttpMethod::Post, &self.url("/machine/?comp=health"), &headers)
        })
    }
}

fn health(goal: &Goal, state: &str) -> String {
    let [incarnation, container, instance] =
        [&goal.incarnation, &goal.container, &goal.instance].map(|text| escaped(text));
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Health><GoalStateIncarnation>{incarnation}</GoalStateIncarnation>\
         <Container><ContainerId>{container}</ContainerId><RoleInstanceList><Role><InstanceId>{instance}</InstanceId>\
         <Health>{state}</Health></Role></RoleInstanceList></Container></Health>\n"
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::metadata::tests::is_malformed;
    use crate::recorded::RecordedAccess;

    const VERSIONS: &str = "<Versions><Preferred><Version>2015-04-05</Version></Preferred><Supported>\
        <Version>2015-04-05</Version><Version>2012-11-30</Version></Supported></Versions>";
    const GOAL: &str = "<GoalState xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><Incarnation>3</Incarnation>\
        <Container><ContainerId>c-1</ContainerId><RoleInstanceList><RoleInstance><InstanceId>r&amp;1</InstanceId>\
        <Configuration><SharedConfig>http://168.63.129.16/sc?a=1&amp;b=2</SharedConfig>%</Configuration></RoleInstance>\
        <RoleInstance><InstanceId>r-2</InstanceId></RoleInstance></RoleInstanceList></Container></GoalState>";
    const SHARED: &str = "<SharedConfig><Incarnation number=\"1\" instance=\"r&amp;1\"/><Instances>\
        <Instance id=\"other\" address=\"10.0.0.9\"><InputEndpoints><Endpoint loadBalancedPublicAddress=\"203.0.113.9:22\"/>\
        </InputEndpoints></Instance><Instance id=\"r&amp;1\" address=\"10.0.0.4\"><InputEndpoints>\
        <Endpoint loadBalancedPublicAddress=\"203.0.113.4:22\"/><Endpoint loadBalancedPublicAddress=\"203.0.113.5:22\"/>\
        <Endpoint loadBalancedPublicAddress=\"\"/><Endpoint/></InputEndpoints></Instance></Instances></SharedConfig>";

    const VERSIONS_URL: &str = "http://168.63.129.16/?comp=versions";
    const GOAL_URL: &str = "http://168.63.129.16/machine/?comp=goalstate";
    const HEALTH_URL: &str = "http://168.63.129.16/machine/?comp=health";

    const ID: PlatformId = PlatformId::new("azure");

    /// The server of a machine that is well.
    pub(crate) fn server() -> RecordedAccess {
        server_with("")
    }

    /// The same, with more in the machine's configuration.
    pub(crate) fn server_with(configuration: &str) -> RecordedAccess {
        RecordedAccess::of_service(&[
            (VERSIONS_URL, 200, VERSIONS),
            (GOAL_URL, 200, &GOAL.replace('%', configuration)),
            ("http://168.63.129.16/sc?a=1&b=2", 200, SHARED),
            (HEALTH_URL, 200, ""),
        ])
    }

    #[test]
    fn addresses_are_those_of_this_instance() {
        let via = server();
        let addresses = Wire::open(&via, ID).unwrap().addresses().unwrap();
        assert_eq!(addresses.dynamic, Some(IpAddr::from([10, 0, 0, 4])));
        assert_eq!(addresses.virtual_, Some(IpAddr::from([203, 0, 113, 5])));
        let with_headers = " x-ms-agent-name: com.coreos.afterburn x-ms-version: 2012-11-30";
        let asked = via.asked();
        let mut requests = asked.iter().filter(|line| line.starts_with("Get"));
        assert!(requests.all(|line| line.ends_with(with_headers)), "{asked:?}");
    }

    #[test]
    fn the_server_is_told_what_it_asked_for() {
        let via = server();
        assert_eq!(Wire::open(&via, ID).unwrap().ready(), Ok(()));
        let last = via.asked().pop().unwrap();
        assert_eq!(
            last,
            format!(
                "Post {HEALTH_URL} x-ms-agent-name: com.coreos.afterburn x-ms-version: 2012-11-30 content-type: text/xml; \
                 charset=utf-8, with <?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Health><GoalStateIncarnation>3\
                 </GoalStateIncarnation><Container><ContainerId>c-1</ContainerId><RoleInstanceList><Role><InstanceId>\
                 r&amp;1</InstanceId><Health><State>Ready</State></Health></Role></RoleInstanceList></Container></Health>\n"
            )
        );
        for (status, times) in [(410, 3), (404, 3), (403, 1)] {
            let via = server().with_answer(HEALTH_URL, status, "");
            let told = Wire::open(&via, ID).unwrap().ready();
            assert!(matches!(told, Err(PlatformError::Access { .. })));
            let reports = via.asked().iter().filter(|line| line.starts_with("Post")).count();
            assert_eq!(reports, times, "{status}");
        }
    }

    #[test]
    fn a_lease_may_name_another_server() {
        let via = RecordedAccess::of_service(&[("http://10.0.0.9/?comp=versions", 200, VERSIONS)])
            .with_file("/run/systemd/netif/leases/2", "OPTION_245=0a000009\n");
        assert!(Wire::open(&via, ID).is_ok());
    }

    #[test]
    fn what_is_broken_is_named() {
        let open = |via: &RecordedAccess| Wire::open(via, ID).map(|_| ());
        is_malformed(
            open(&server().with_answer(VERSIONS_URL, 404, "")),
            "versions of the wire server is not there",
        );
        is_malformed(
            open(&server().with_answer(VERSIONS_URL, 200, "<planted>")),
            "an element without an end",
        );
        let others = "<Versions><Supported><Version>planted</Version></Supported></Versions>";
        is_malformed(
            open(&server().with_answer(VERSIONS_URL, 200, others)),
            "does not speak version 2012-11-30",
        );
        let via = server().with_answer(
            GOAL_URL,
            200,
            "<GoalState><Incarnation>3</Incarnation></GoalState>",
        );
        let wire = Wire::open(&via, ID).unwrap();
        is_malformed(wire.ready(), "the goal state has no Container/ContainerId");
        let long = " ".repeat(LIMIT) + "<planted/>";
        let via = server().with_answer(GOAL_URL, 200, &format!("<a>{long}</a>"));
        is_malformed(Wire::open(&via, ID).unwrap().ready(), "longer than");
        let offline = RecordedAccess::of_drives(&[]);
        assert!(open(&offline).unwrap_err().needs_network());
    }
}
