//! `aws`: EC2. The second version of the metadata service wants a token; where there is only the first, none is sent.

use crate::metadata::{Attributes, keys};
use crate::service::{Absent, IMDS, Row, config, get, refused, request, rows, text, token};
use crate::{
    Access, Attribute, Fact, HttpMethod, Metadata, Offers, Platform, PlatformError, PlatformId, Reach,
    UserData, host_name,
};

const ID: PlatformId = PlatformId::new("aws");

/// An instance of EC2.
pub struct Aws;

impl Platform for Aws {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn also_at(&self) -> &'static [(&'static str, &'static str)] {
        &[(IMDS, "http://[fd00:ec2::254]")]
    }

    fn place(&self) -> &'static str {
        "`http://169.254.169.254/2019-10-01/user-data`, with a token where the service gives one (404); a refused token is a failure. 404 is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let session = session(via)?;
        let header = session
            .as_deref()
            .map(|token| ("X-aws-ec2-metadata-token", token));
        let url = format!("{IMDS}/2019-10-01/user-data");
        config(via, ID, &get(&url, header.as_slice()), Absent::NoConfig)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// The version of the service that the agent's names are from.
const VERSION: &str = "2021-01-03";

const ROWS: &[Row] = &[
    ("meta-data/instance-id", "INSTANCE_ID", Some(Fact::InstanceId)),
    (
        "meta-data/instance-type",
        "INSTANCE_TYPE",
        Some(Fact::InstanceType),
    ),
    ("meta-data/local-ipv4", "IPV4_LOCAL", Some(Fact::Ipv4)),
    ("meta-data/public-ipv4", "IPV4_PUBLIC", Some(Fact::PublicIpv4)),
    ("meta-data/ipv6", "IPV6", Some(Fact::Ipv6)),
    (
        "meta-data/placement/availability-zone",
        "AVAILABILITY_ZONE",
        Some(Fact::Zone),
    ),
    (
        "meta-data/placement/availability-zone-id",
        "AVAILABILITY_ZONE_ID",
        None,
    ),
    ("meta-data/hostname", "HOSTNAME", Some(Fact::Hostname)),
    ("meta-data/public-hostname", "PUBLIC_HOSTNAME", None),
];

impl Metadata for Aws {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let service = Service::open(via)?;
        let mut attributes = Attributes::of("AWS_");
        let base = format!("{IMDS}/{VERSION}/");
        rows(via, ID, (&base, &service.headers()), &mut attributes, ROWS)?;
        attributes.add("REGION", Fact::Region, service.region()?.as_deref());
        Ok(attributes.done())
    }

    /// The service may name several, one behind the other.
    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = Service::open(via)?.text("meta-data/hostname")?;
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let service = Service::open(via)?;
        let listed = service.text("meta-data/public-keys")?.unwrap_or_default();
        let mut found = Vec::new();
        for line in listed.lines() {
            let Some((number, _)) = line.split_once('=') else {
                continue;
            };
            found.extend(service.text(&format!("meta-data/public-keys/{number}/openssh-key"))?);
        }
        keys(ID, found.iter().flat_map(|text| text.lines()))
    }
}

/// The service with its token.
struct Service<'a> {
    via: &'a dyn Access,
    token: Option<String>,
}

impl<'a> Service<'a> {
    /// A service that refuses the token may still answer without: metadata is no reason to lose a machine.
    fn open(via: &'a dyn Access) -> Result<Self, PlatformError> {
        let token = match session(via) {
            Err(error) if error.needs_network() => return Err(error),
            other => other.ok().flatten(),
        };
        Ok(Self { via, token })
    }

    fn headers(&self) -> Vec<(&str, &str)> {
        let token = self.token.as_deref();
        token
            .map(|token| ("X-aws-ec2-metadata-token", token))
            .into_iter()
            .collect()
    }

    fn text(&self, path: &str) -> Result<Option<String>, PlatformError> {
        let url = format!("{IMDS}/{VERSION}/{path}");
        text(self.via, ID, &get(&url, &self.headers()))
    }

    fn region(&self) -> Result<Option<String>, PlatformError> {
        #[derive(serde::Deserialize)]
        struct Document {
            region: Option<String>,
        }
        let text = self.text("dynamic/instance-identity/document")?;
        let document = text.as_deref().map(serde_json::from_str::<Document>);
        Ok(document.and_then(Result::ok).and_then(|document| document.region))
    }
}

/// The token; `None` from a service that has none (404).
fn session(via: &dyn Access) -> Result<Option<String>, PlatformError> {
    let url = format!("{IMDS}/latest/api/token");
    let headers = [("X-aws-ec2-metadata-token-ttl-seconds", "21600")];
    let asked = request(HttpMethod::Put, &url, &headers);
    let answer = via
        .http(&asked)
        .map_err(|source| PlatformError::Access { id: ID, source })?;
    match answer.status {
        200 => token(ID, &answer).map(Some),
        404 => Ok(None),
        _ => Err(refused(ID, &asked, &answer)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const TOKEN: &str = "http://169.254.169.254/latest/api/token";
    const CONFIG: &str = "http://169.254.169.254/2019-10-01/user-data";

    #[test]
    fn a_token_opens_the_config() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "aws-tok"), (CONFIG, 200, "config")]);
        assert_eq!(Aws.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked(),
            [
                "Put http://169.254.169.254/latest/api/token x-aws-ec2-metadata-token-ttl-seconds: 21600",
                "Get http://169.254.169.254/2019-10-01/user-data x-aws-ec2-metadata-token: aws-tok",
            ]
        );
    }

    #[test]
    fn the_first_version_of_the_service_is_asked_without() {
        let via = RecordedAccess::of_http(&[(TOKEN, 404, ""), (CONFIG, 200, "config")]);
        assert_eq!(Aws.user_data(&via), Ok(UserData::new(b"config".to_vec())));
        assert_eq!(
            via.asked().last().map(String::as_str),
            Some("Get http://169.254.169.254/2019-10-01/user-data")
        );
    }

    /// One answer for each path of the service's metadata.
    fn instance() -> Vec<(String, u16, &'static str)> {
        let at = |path: &str| format!("{IMDS}/{VERSION}/{path}");
        vec![
            (TOKEN.to_owned(), 200, "aws-tok"),
            (at("meta-data/instance-id"), 200, "i-0abc"),
            (at("meta-data/instance-type"), 200, "m5.large"),
            (at("meta-data/placement/availability-zone"), 200, "eu-west-1a\n"),
            (
                at("dynamic/instance-identity/document"),
                200,
                r#"{"region":"eu-west-1"}"#,
            ),
            (at("meta-data/public-keys"), 200, "0=ops\n1=more\nrubbish"),
            (
                at("meta-data/public-keys/0/openssh-key"),
                200,
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERER demo@example\n",
            ),
            (at("meta-data/public-keys/1/openssh-key"), 200, "<html>"),
        ]
    }

    fn recorded(answers: &[(String, u16, &'static str)]) -> RecordedAccess {
        let borrowed: Vec<(&str, u16, &str)> = answers
            .iter()
            .map(|(url, status, body)| (url.as_str(), *status, *body))
            .collect();
        RecordedAccess::of_service(&borrowed)
    }

    #[test]
    fn attributes_are_what_the_service_has() {
        let via = recorded(&instance());
        let found: Vec<String> = Aws
            .attributes(&via)
            .unwrap()
            .iter()
            .map(|made| format!("{}={}", made.name, made.value))
            .collect();
        assert_eq!(
            found,
            [
                "AWS_INSTANCE_ID=i-0abc",
                "AWS_INSTANCE_TYPE=m5.large",
                "AWS_AVAILABILITY_ZONE=eu-west-1a",
                "AWS_REGION=eu-west-1",
            ]
        );
        let with_token = |line: &String| line.ends_with("x-aws-ec2-metadata-token: aws-tok");
        assert!(via.asked().iter().skip(1).all(with_token), "{:?}", via.asked());
    }

    #[test]
    fn keys_are_listed_and_then_read() {
        let keys = Aws.ssh_keys(&recorded(&instance())).unwrap();
        assert_eq!(
            keys,
            ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERER demo@example"]
        );
    }

    #[test]
    fn the_first_of_several_names_is_the_hosts() {
        let mut answers = instance();
        let names = "ip-10-0-0-7.eu-west-1.compute.internal. other.internal";
        answers.push((format!("{IMDS}/{VERSION}/meta-data/hostname"), 200, names));
        let via = recorded(&answers);
        let name = Aws.hostname(&via).unwrap();
        assert_eq!(name.as_deref(), Some("ip-10-0-0-7.eu-west-1.compute.internal"));
        crate::metadata::tests::keeps_its_offers(&Aws, &via);
        assert_eq!(Aws.hostname(&recorded(&instance())), Ok(None));
    }

    #[test]
    fn metadata_is_asked_for_without_a_token_where_that_is_refused() {
        let mut answers = instance();
        answers[0].1 = 403;
        let via = recorded(&answers);
        assert_eq!(Aws.attributes(&via).unwrap().len(), 4);
        assert!(via.asked().iter().skip(1).all(|line| !line.contains("token")));
    }

    #[test]
    fn no_user_data_is_no_config_and_a_refused_token_a_failure() {
        let via = RecordedAccess::of_http(&[(TOKEN, 200, "aws-tok"), (CONFIG, 404, "")]);
        assert_eq!(Aws.user_data(&via), Ok(None));
        let via = RecordedAccess::of_http(&[(TOKEN, 403, "")]);
        assert!(matches!(Aws.user_data(&via), Err(PlatformError::Access { .. })));
        assert_eq!(via.asked().len(), 1);
    }
}
