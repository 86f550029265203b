//! What names an AWS KMS key.

use std::fmt;
use std::str::FromStr;

use crate::error::{ApiMisuse, Error, Excerpt};

/// The ARN of an AWS KMS key or alias.
///
/// ```
/// use waxseal::kms::KmsArn;
///
/// let arn: KmsArn = "arn:aws:kms:eu-west-1:111122223333:key/mrk-0123".parse()?;
/// assert_eq!(arn.region(), "eu-west-1");
/// assert!(arn.is_multi_region());
/// let replica: KmsArn = "arn:aws:kms:us-east-1:111122223333:key/mrk-0123".parse()?;
/// assert!(arn.matches(&replica));
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: aws-kms-key-arn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KmsArn {
    partition: String,
    region: String,
    account: String,
    is_alias: bool,
    id: String,
}

impl KmsArn {
    /// Such as `aws` or `aws-cn`.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Such as `eu-west-1`.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The account id.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The key id, or the name of the alias.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is an alias and not a key. An alias can be used to encrypt only: a message names
    /// the key.
    pub fn is_alias(&self) -> bool {
        self.is_alias
    }

    /// Whether this is a multi-Region key.
    pub fn is_multi_region(&self) -> bool {
        !self.is_alias && self.id.starts_with(MULTI_REGION)
    }

    /// Whether both are the same key, or replicas of one multi-Region key.
    ///
    /// Spec: aws-kms-mrk-match-for-decrypt.
    pub fn matches(&self, other: &Self) -> bool {
        // Equal but for the region, so that the other one is a multi-Region key, too.
        let is_replica = self.is_multi_region() && *self == other.in_region(&self.region);
        self == other || is_replica
    }

    /// The same in another region.
    pub(crate) fn in_region(&self, region: &str) -> Self {
        Self { region: region.to_owned(), ..self.clone() }
    }

    /// Reads the key that a message names.
    pub(super) fn of_key(text: &[u8]) -> Result<Self, &'static str> {
        let text = str::from_utf8(text).map_err(|_| "its provider information is not UTF-8")?;
        let arn =
            parse(text).map_err(|_| "its provider information is no ARN of an AWS KMS key")?;
        if arn.is_alias {
            Err("its provider information is an alias and not a key")
        } else {
            Ok(arn)
        }
    }
}

impl FromStr for KmsArn {
    type Err = Error;

    /// # Errors
    /// [`Error::ApiMisuse`] with what is wrong with it.
    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text).map_err(|why| {
            let text = Excerpt(text.as_bytes());
            ApiMisuse::Kms(format!("`{text}` is no ARN of an AWS KMS key: {why}")).into()
        })
    }
}

impl fmt::Display for KmsArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, is_alias, id } = self;
        let kind = if *is_alias { "alias" } else { "key" };
        write!(f, "arn:{partition}:kms:{region}:{account}:{kind}/{id}")
    }
}

fn parse(text: &str) -> Result<KmsArn, &'static str> {
    let mut parts = text.split(':');
    let mut part = || parts.next();
    let (Some(arn), Some(partition), Some(service), Some(region), Some(account), Some(resource)) =
        (part(), part(), part(), part(), part(), part())
    else {
        return Err("it must have six parts, with `:` between them");
    };
    if part().is_some() {
        return Err("it must have no more than six parts, with `:` between them");
    }
    if arn != "arn" {
        return Err("it must start with `arn:`");
    }
    if service != "kms" {
        return Err("its service must be `kms`");
    }
    if [partition, region, account].contains(&"") {
        return Err("partition, region and account must not be empty");
    }
    let is_alias = match resource.split_once('/') {
        Some(("key", id)) if !id.is_empty() => false,
        Some(("alias", id)) if !id.is_empty() => true,
        _ => return Err("it must end in `key/ID` or `alias/NAME`"),
    };
    let (_, id) = resource.split_once('/').unwrap_or_default();
    let [partition, region, account, id] = [partition, region, account, id].map(str::to_owned);
    Ok(KmsArn { partition, region, account, is_alias, id })
}

/// What a keyring is given to name its key.
///
/// Spec: aws-kms-key-arn, "A valid AWS KMS identifier".
#[derive(Debug, Clone)]
pub(super) enum KeyId {
    Arn(KmsArn),
    /// An alias, or a key id alone. AWS KMS answers with the ARN, which is what a message names: so this
    /// never matches a message.
    Short(String),
}

impl KeyId {
    pub(super) fn new(text: &str) -> Result<Self, Error> {
        if text.starts_with("arn:") {
            return Ok(Self::Arn(text.parse()?));
        }
        let plain = |id: &str| {
            !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c))
        };
        let is_id = plain(text) && !text.contains('/');
        if is_id || text.strip_prefix("alias/").is_some_and(plain) {
            return Ok(Self::Short(text.to_owned()));
        }
        Err(ApiMisuse::Kms(format!(
            "`{}` names no AWS KMS key: give a key ARN, or to encrypt only, a key id or `alias/NAME`",
            Excerpt(text.as_bytes())
        ))
        .into())
    }

    /// The ARN, if this is that of a key.
    pub(super) fn key_arn(&self) -> Option<&KmsArn> {
        match self {
            Self::Arn(arn) if !arn.is_alias() => Some(arn),
            Self::Arn(_) | Self::Short(_) => None,
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(arn) => arn.fmt(f),
            Self::Short(text) => f.write_str(text),
        }
    }
}

/// How the id of a multi-Region key starts.
const MULTI_REGION: &str = "mrk-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_read_and_written() {
        for text in [
            "arn:aws:kms:us-west-2:658956600833:key/b3537ef1-d8dc-4780-9f5a-55776cbb2f7f",
            "arn:aws-cn:kms:cn-north-1:658956600833:alias/a/b",
            "arn:aws:kms:us-west-2:658956600833:key/mrk-80bd8ecdcd4342aebd84b7dc9da498a7",
        ] {
            assert_eq!(text.parse::<KmsArn>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_arn_is_refused() {
        for text in [
            "",
            "arn",
            "arn:aws:kms:us-west-2:658956600833",
            "arn:aws:kms:us-west-2:658956600833:key",
            "arn:aws:kms:us-west-2:658956600833:key/",
            "arn:aws:kms:us-west-2:658956600833:alias/",
            "arn:aws:kms:us-west-2:658956600833:key:1",
            "arn:aws:kms:us-west-2:658956600833:key/1:2",
            "arn:aws:kms:us-west-2:658956600833:mrk/1",
            "arn:aws:kms:us-west-2::key/1",
            "arn:aws:kms::658956600833:key/1",
            "arn::kms:us-west-2:658956600833:key/1",
            "arn:aws:s3:us-west-2:658956600833:key/1",
            "ARN:aws:kms:us-west-2:658956600833:key/1",
            ":aws:kms:us-west-2:658956600833:key/1",
        ] {
            assert!(text.parse::<KmsArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_keys_are_multi_region() {
        let arn = |resource: &str| {
            format!("arn:aws:kms:us-west-2:658956600833:{resource}").parse::<KmsArn>().unwrap()
        };
        assert!(arn("key/mrk-1").is_multi_region());
        assert!(!arn("key/1").is_multi_region());
        assert!(!arn("key/MRK-1").is_multi_region());
        assert!(!arn("alias/mrk-1").is_multi_region());
    }

    #[test]
    fn only_replicas_match_across_regions() {
        let arn = |text: &str| text.parse::<KmsArn>().unwrap();
        let mrk = arn("arn:aws:kms:us-west-2:1:key/mrk-1");
        assert!(mrk.matches(&mrk));
        assert!(mrk.matches(&arn("arn:aws:kms:eu-west-1:1:key/mrk-1")));
        for other in [
            "arn:aws:kms:eu-west-1:1:key/mrk-2",
            "arn:aws:kms:eu-west-1:2:key/mrk-1",
            "arn:aws-cn:kms:eu-west-1:1:key/mrk-1",
            "arn:aws:kms:eu-west-1:1:alias/mrk-1",
        ] {
            assert!(!mrk.matches(&arn(other)), "{other}");
            assert!(!arn(other).matches(&mrk), "{other}");
        }
        let single = arn("arn:aws:kms:us-west-2:1:key/1");
        assert!(single.matches(&single));
        assert!(!single.matches(&arn("arn:aws:kms:eu-west-1:1:key/1")));
    }

    #[test]
    fn identifiers_of_each_form_are_taken() {
        for text in ["alias/test-key", "1234abcd-12ab", "mrk-4321", "arn:aws:kms:r:1:alias/a"] {
            let id = KeyId::new(text).unwrap();
            assert_eq!(id.to_string(), text);
            assert!(id.key_arn().is_none());
        }
        assert!(KeyId::new("arn:aws:kms:r:1:key/a").unwrap().key_arn().is_some());
        for text in ["", "key/1", "alias/", "a b", "arn:aws", "alias/a:b"] {
            assert!(KeyId::new(text).is_err(), "{text}");
        }
    }
}
