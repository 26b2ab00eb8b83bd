//! Objects of Amazon S3: which address an `s3://` or `arn:` source means, without a request.
//!
//! Facts: the vendor's guides "Access point ARN formats", "Dual-stack endpoints" and "FIPS endpoints"; regions and
//! partitions as the reference takes them.

pub(super) mod sign;

use url::Url;

/// The region a bucket is looked for from where nothing says better.
const FIRST_REGION: &str = "us-east-1";

/// An object, and where it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    container: Container,
    key: String,
    version: Option<String>,
}

/// What holds an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Container {
    /// A bucket; its region is to be found out. `partition` is known of an ARN.
    Bucket {
        name: String,
        partition: Option<Partition>,
    },
    /// An access point, whose address says everything.
    AccessPoint {
        name: String,
        account: String,
        region: String,
        partition: Partition,
    },
}

/// A part of the vendor's world with names and addresses of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Partition {
    Commercial,
    China,
    Government,
}

impl Partition {
    fn of_arn(name: &str) -> Option<Self> {
        match name {
            "aws" => Some(Self::Commercial),
            "aws-cn" => Some(Self::China),
            "aws-us-gov" => Some(Self::Government),
            _ => None,
        }
    }

    fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::China
        } else if region.starts_with("us-gov-") {
            Self::Government
        } else {
            Self::Commercial
        }
    }

    fn first_region(self) -> &'static str {
        match self {
            Self::Commercial => FIRST_REGION,
            Self::China => "cn-north-1",
            Self::Government => "us-gov-west-1",
        }
    }

    fn domain(self) -> &'static str {
        match self {
            Self::Commercial | Self::Government => "amazonaws.com",
            Self::China => "amazonaws.com.cn",
        }
    }
}

/// How the vendor's servers are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Validated cryptography on the server's side, where the region has it: what a machine in FIPS mode asks for.
    pub(super) fips: bool,
    /// Another server that speaks this protocol, instead of the vendor's; for tests.
    pub(super) server: Option<String>,
}

impl Object {
    /// Understands `source`, an address with scheme `s3` or `arn`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let source = source.split('#').next().unwrap_or_default();
        let (place, query) = source.split_once('?').unwrap_or((source, ""));
        let version = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == "versionId")
            .map(|(_, value)| decoded(value))
            .transpose()?;
        let (scheme, rest) = place.split_once(':').unwrap_or_default();
        let (container, key) = if scheme.eq_ignore_ascii_case("s3") {
            bucket(rest)?
        } else {
            arn(rest)?
        };
        if key.is_empty() {
            return Err("it names no object".to_owned());
        }
        Ok(Self {
            container,
            key,
            version,
        })
    }

    /// The region, where the address says it.
    pub(super) fn region(&self) -> Option<&str> {
        match &self.container {
            Container::Bucket { .. } => None,
            Container::AccessPoint { region, .. } => Some(region),
        }
    }

    /// The bucket whose region is to be found out, and the region to ask first. `here` is the region of this machine,
    /// where it is known.
    pub(super) fn to_locate(&self, here: Option<&str>) -> Option<(String, String)> {
        let Container::Bucket { name, partition } = &self.container else {
            return None;
        };
        let first = match partition {
            Some(partition) => partition.first_region(),
            None => here.unwrap_or(FIRST_REGION),
        };
        Some((name.clone(), first.to_owned()))
    }

    /// Where the object is, in `region`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn address(&self, region: &str, style: &Style) -> Result<Url, String> {
        let key = encoded(&self.key, true);
        let mut text = match &self.container {
            Container::Bucket { name, .. } => bucket_address(name, region, &key, style),
            Container::AccessPoint {
                name,
                account,
                partition,
                ..
            } => {
                let service = if style.has_fips(region) {
                    "s3-accesspoint-fips"
                } else {
                    "s3-accesspoint"
                };
                let domain = partition.domain();
                match &style.server {
                    Some(server) => format!("{server}/{name}-{account}/{key}"),
                    None => format!("https://{name}-{account}.{service}.dualstack.{region}.{domain}/{key}"),
                }
            }
        };
        if let Some(version) = &self.version {
            text.push_str("?versionId=");
            text.push_str(&encoded(version, false));
        }
        let url = Url::parse(&text).map_err(|error| error.to_string())?;
        // An address has no way to say "." and ".." as names of their own.
        if url.as_str() == text {
            Ok(url)
        } else {
            Err("its key has a part \".\" or \"..\", which no address can carry".to_owned())
        }
    }
}

impl Style {
    fn has_fips(&self, region: &str) -> bool {
        self.fips && ["us-", "ca-"].iter().any(|start| region.starts_with(start))
    }

    /// Where the region of `bucket` is asked for.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn locating(&self, bucket: &str, first: &str) -> Result<Url, String> {
        let text = match &self.server {
            Some(server) => format!("{server}/{bucket}"),
            None => format!(
                "https://s3.dualstack.{first}.{}/{bucket}",
                Partition::of_region(first).domain()
            ),
        };
        Url::parse(&text).map_err(|error| error.to_string())
    }
}

/// `//bucket/key`, with escapes.
fn bucket(rest: &str) -> Result<(Container, String), String> {
    let (name, key) = rest
        .strip_prefix("//")
        .and_then(|rest| rest.split_once('/'))
        .ok_or("it is not s3://BUCKET/KEY")?;
    let container = Container::Bucket {
        name: checked_bucket(name)?,
        partition: None,
    };
    Ok((container, decoded(key.trim_start_matches('/'))?))
}

/// `PARTITION:s3:::BUCKET/KEY` or `PARTITION:s3:REGION:ACCOUNT:accesspoint/NAME/object/KEY`, taken as it is written.
fn arn(rest: &str) -> Result<(Container, String), String> {
    let mut fields = rest.splitn(5, ':');
    let mut field = || fields.next().ok_or("it has too few fields");
    let (partition, service) = (field()?, field()?);
    let (region, account, resource) = (field()?, field()?, field()?);
    let partition = Partition::of_arn(partition).ok_or("its partition is not aws, aws-cn or aws-us-gov")?;
    if service != "s3" {
        return Err("its service is not s3".to_owned());
    }
    let Some(point) = resource.strip_prefix("accesspoint/") else {
        if !region.is_empty() || !account.is_empty() {
            return Err("a bucket has neither region nor account".to_owned());
        }
        let (name, key) = resource.split_once('/').ok_or("it names no object")?;
        let container = Container::Bucket {
            name: checked_bucket(name)?,
            partition: Some(partition),
        };
        return Ok((container, key.to_owned()));
    };
    let (name, key) = point
        .split_once("/object/")
        .ok_or("it is not accesspoint/NAME/object/KEY")?;
    let is_label = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if ![name, region, account].into_iter().all(is_label) {
        return Err("its access point has no name, region or account".to_owned());
    }
    let container = Container::AccessPoint {
        name: name.to_owned(),
        account: account.to_owned(),
        region: region.to_owned(),
        partition,
    };
    Ok((container, key.to_owned()))
}

/// Only what may stand in the name of a bucket: it becomes a part of a host name.
fn checked_bucket(name: &str) -> Result<String, String> {
    let fits = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if name.is_empty() || !fits {
        return Err(
            "its bucket's name has other characters than letters, digits, \"-\", \".\" and \"_\"".to_owned(),
        );
    }
    Ok(name.to_owned())
}

/// A bucket whose name can stand in a host name is asked under a name of its own, any other one below the region's:
/// a certificate covers a single label.
fn bucket_address(name: &str, region: &str, key: &str, style: &Style) -> String {
    let service = if style.has_fips(region) { "s3-fips" } else { "s3" };
    let domain = Partition::of_region(region).domain();
    let is_label = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    match &style.server {
        Some(server) => format!("{server}/{name}/{key}"),
        None if is_label => format!("https://{name}.{service}.dualstack.{region}.{domain}/{key}"),
        None => format!("https://{service}.dualstack.{region}.{domain}/{name}/{key}"),
    }
}

/// `text` with all escaped but what the signature leaves alone, "/" where it parts a path.
pub(super) fn encoded(text: &str, is_path: bool) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let stays = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if stays || (is_path && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `text` without its escapes.
fn decoded(text: &str) -> Result<String, String> {
    let bytes = kindling_config_spec::url_syntax::unescaped(text).ok_or("it has a broken escape")?;
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(source: &str, region: &str) -> String {
        let object = Object::parse(source).unwrap();
        object.address(region, &Style::default()).unwrap().to_string()
    }

    #[test]
    fn every_form_of_source_has_its_address() {
        for (source, region, expected) in [
            (
                "s3://bucket/dir/key",
                "eu-west-1",
                "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/dir/key",
            ),
            (
                "S3://bucket//a%20b%2B+c?x=y&versionId=a/b",
                "us-east-1",
                "https://bucket.s3.dualstack.us-east-1.amazonaws.com/a%20b%2B%2Bc?versionId=a%2Fb",
            ),
            (
                "s3://with.dots/key",
                "cn-north-1",
                "https://s3.dualstack.cn-north-1.amazonaws.com.cn/with.dots/key",
            ),
            (
                "arn:aws:s3:::bucket/a%20b",
                "eu-west-1",
                "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/a%2520b",
            ),
            (
                "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/point/object/dir/key",
                "cn-north-1",
                "https://point-123456789012.s3-accesspoint.dualstack.cn-north-1.amazonaws.com.cn/dir/key",
            ),
        ] {
            assert_eq!(address(source, region), expected, "{source}");
        }
    }

    #[test]
    fn fips_is_asked_for_where_it_exists() {
        let fips = Style {
            fips: true,
            server: None,
        };
        let at = |source: &str, region: &str| {
            let object = Object::parse(source).unwrap();
            object
                .address(region, &fips)
                .unwrap()
                .host_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(
            at("s3://b/k", "us-gov-west-1"),
            "b.s3-fips.dualstack.us-gov-west-1.amazonaws.com"
        );
        assert_eq!(
            at("s3://b/k", "eu-west-1"),
            "b.s3.dualstack.eu-west-1.amazonaws.com"
        );
        assert_eq!(
            at("arn:aws:s3:us-east-1:1:accesspoint/p/object/k", "us-east-1"),
            "p-1.s3-accesspoint-fips.dualstack.us-east-1.amazonaws.com"
        );
    }

    #[test]
    fn the_region_to_ask_first_follows_the_partition_then_the_machine() {
        let first = |source: &str, here| Object::parse(source).unwrap().to_locate(here);
        let bucket = |region: &str| Some(("b".to_owned(), region.to_owned()));
        assert_eq!(first("s3://b/k", None), bucket("us-east-1"));
        assert_eq!(first("s3://b/k", Some("eu-north-1")), bucket("eu-north-1"));
        assert_eq!(
            first("arn:aws-us-gov:s3:::b/k", Some("eu-north-1")),
            bucket("us-gov-west-1")
        );
        let point = "arn:aws:s3:us-east-1:1:accesspoint/p/object/k";
        assert_eq!(first(point, Some("eu-north-1")), None);
        assert_eq!(Object::parse(point).unwrap().region(), Some("us-east-1"));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for source in [
            "s3://bucket",
            "s3://bucket/",
            "s3:bucket/key",
            "s3://bad bucket/key",
            "s3://user@bucket/key",
            "s3://bucket/%zz",
            "arn:aws:s3:::bucket",
            "arn:aws:ec2:::bucket/key",
            "arn:moon:s3:::bucket/key",
            "arn:aws:s3:eu-west-1::bucket/key",
            "arn:aws:s3:eu-west-1:1:accesspoint/p",
            "arn:aws:s3:eu-west-1:1:accesspoint/p.q/object/k",
            "arn:aws:s3",
        ] {
            assert!(Object::parse(source).is_err(), "{source}");
        }
        let dots = Object::parse("s3://bucket/a/%2e%2e/b").unwrap();
        assert!(dots.address("us-east-1", &Style::default()).is_err());
    }
}
