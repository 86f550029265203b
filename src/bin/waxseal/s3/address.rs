//! `s3://BUCKET/KEY`.

use crate::failure::{Failure, told};

/// Where an object is, or objects are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) bucket: String,
    /// All that follows the slash behind the bucket; slashes in it are as any other character.
    pub(super) key: String,
}

impl Address {
    /// An object.
    pub(super) fn object(text: &str) -> Result<Self, Failure> {
        let address = Self::bucket_or_more(text)?;
        if address.key.is_empty() {
            return Err(Failure::usage(
                format!("`{text}` names a bucket, but no object"),
                "add the key of the object: s3://BUCKET/KEY",
            ));
        }
        Ok(address)
    }

    /// A bucket, or the objects in it whose keys begin so.
    pub(super) fn bucket_or_more(text: &str) -> Result<Self, Failure> {
        let Some(rest) = text.strip_prefix("s3://") else {
            return Err(Failure::usage(
                format!("{} is no address in S3", told(text)),
                "write s3://BUCKET/KEY, with two slashes behind the colon",
            ));
        };
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(Failure::usage(
                format!("`{text}` names no bucket"),
                "write s3://BUCKET/KEY",
            ));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// What the keys of objects begin with; `None` is all of the bucket.
    pub(super) fn prefix(&self) -> Option<String> {
        (!self.key.is_empty()).then(|| self.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_everything_behind_the_bucket() {
        for (text, bucket, key) in [
            ("s3://b/k", "b", "k"),
            ("s3://b/a/b//c/", "b", "a/b//c/"),
            ("s3://b//k", "b", "/k"),
            ("s3://b/a?b#c%2F", "b", "a?b#c%2F"),
        ] {
            let address = Address::object(text).unwrap();
            assert_eq!((address.bucket.as_str(), address.key.as_str()), (bucket, key), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "b/k", "s3:/b/k", "s3:b/k", "S3://b/k", "s3:///k", "s3://", "https://b/k"]
        {
            assert!(Address::bucket_or_more(text).is_err(), "{text}");
            assert!(Address::object(text).is_err(), "{text}");
        }
        for text in ["s3://b", "s3://b/"] {
            assert!(Address::object(text).is_err(), "{text}");
            assert_eq!(Address::bucket_or_more(text).unwrap().prefix(), None, "{text}");
        }
    }
}
