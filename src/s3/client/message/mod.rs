//! Messages of the AWS Encryption SDK as the bodies of objects.

mod download;
mod get;
mod open;
mod put;
mod range;
mod seal;

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use download::{release, verify_and_write};
use seal::MessageSealer;

use super::Client;
use crate::context::EncryptionContext;
use crate::encrypt::{Encryptor, encryptor};
use crate::error::{ApiMisuse, Error};
use crate::materials::MaterialsManager;
use crate::policy::Policy;
use crate::s3::metadata::{FORMAT_KEY, check_metadata_len, is_encryption_key};
use crate::suite::AlgorithmSuite;

/// How a client writes and reads messages.
#[derive(Debug, Clone)]
pub(super) struct Messages {
    keys: Option<Arc<dyn MaterialsManager>>,
    policy: Policy,
    suite: AlgorithmSuite,
    frame_len: u32,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            keys: None,
            policy: Policy::default(),
            suite: AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
            frame_len: DEFAULT_FRAME_LEN,
        }
    }
}

impl Client {
    /// What wraps and unwraps the data keys of objects in [`Format::EsdkMessage`](crate::s3::Format::EsdkMessage):
    /// any keyring of messages, or a manager in front of one.
    ///
    /// ```
    /// use waxseal::{AesKey, RawAesKeyring};
    ///
    /// fn for_messages(s3: waxseal::s3::Client) -> Result<waxseal::s3::Client, waxseal::Error> {
    ///     let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    ///     Ok(s3.materials(keyring))
    /// }
    /// ```
    #[must_use]
    pub fn materials(mut self, keys: impl MaterialsManager + 'static) -> Self {
        self.messages.keys = Some(Arc::new(keys));
        self
    }

    /// What is allowed with messages. Default: [`waxseal::Policy::default`](crate::Policy::default).
    #[must_use]
    pub fn message_policy(mut self, policy: Policy) -> Self {
        self.messages.policy = policy;
        self
    }

    /// The suite of messages that are written. Default:
    /// [`Aes256GcmHkdfSha512CommitKey`](AlgorithmSuite::Aes256GcmHkdfSha512CommitKey).
    ///
    /// Of a message that is signed no range can be read: only its end says who wrote it.
    #[must_use]
    pub fn message_suite(mut self, suite: AlgorithmSuite) -> Self {
        self.messages.suite = suite;
        self
    }

    /// Bytes of content in a frame of the messages that are written, 1 to 2^32 - 1. Default: 64 KiB.
    ///
    /// A range is read in whole frames; each frame costs 32 bytes.
    #[must_use]
    pub fn frame_len(mut self, bytes: u32) -> Self {
        self.messages.frame_len = bytes;
        self
    }

    /// Begins a message of at most so many bytes, if that is known.
    async fn encryptor(
        &self,
        context: &EncryptionContext,
        plaintext_len: Option<u64>,
    ) -> Result<Encryptor, Error> {
        let Messages { keys: _, policy, suite, frame_len } = &self.messages;
        let start = encryptor(self.message_keys()?).context(context.clone()).policy(policy.clone());
        let start = start.suite(*suite).frame_len(*frame_len)?;
        match plaintext_len {
            Some(len) => start.plaintext_bound(len).await,
            None => start.await,
        }
    }

    pub(super) fn message_keys(&self) -> Result<&dyn MaterialsManager, Error> {
        let what = "setting `materials`";
        let why = "messages of the AWS Encryption SDK need it, to wrap and unwrap their data keys";
        self.messages.keys.as_deref().ok_or_else(|| ApiMisuse::Setting { what, why }.into())
    }
}

/// Metadata of the user's own, with the mark of a message. Nothing that opens it depends on the mark.
pub(super) fn marked(
    own: Option<HashMap<String, String>>,
) -> Result<HashMap<String, String>, Error> {
    let mut metadata = own.unwrap_or_default();
    if let Some(key) = metadata.keys().find(|key| is_encryption_key(key)) {
        let key = key.clone();
        return Err(ApiMisuse::ReservedObjectKey { what: "metadata", key }.into());
    }
    metadata.insert(FORMAT_KEY.to_owned(), ESDK_MESSAGE.to_owned());
    check_metadata_len(metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
    Ok(metadata)
}

/// Whether metadata has the mark of a message.
pub(super) fn is_marked(stored: Option<&HashMap<String, String>>) -> bool {
    let mut pairs = stored.into_iter().flatten();
    pairs.any(|(key, value)| key.eq_ignore_ascii_case(FORMAT_KEY) && value == ESDK_MESSAGE)
}

/// The most bytes of plaintext that a message of this length can have: whatever the header is, it is not shorter
/// than the shortest.
pub(super) fn longest_plaintext(stored_len: u64) -> u64 {
    stored_len.saturating_sub(MIN_OVERHEAD)
}

/// What the mark says.
const ESDK_MESSAGE: &str = "esdk-message";
/// Little enough to be read for a range of a few bytes, much enough that tags do not count.
const DEFAULT_FRAME_LEN: u32 = 64 << 10;
/// A header of version 1 with one empty encrypted data key, and what an unframed body has besides its content.
const MIN_OVERHEAD: u64 = 68 + 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_cannot_be_set_by_users() {
        for key in ["waxseal-format", "Waxseal-Format", "x-amz-key-v2"] {
            let own = HashMap::from([(key.to_owned(), "value".to_owned())]);
            let error = marked(Some(own)).unwrap_err();
            assert!(matches!(error, Error::ApiMisuse(ApiMisuse::ReservedObjectKey { .. })));
        }
        let own = HashMap::from([("own".to_owned(), "value".to_owned())]);
        let all = marked(Some(own)).unwrap();
        assert_eq!(all.len(), 2);
        assert!(is_marked(Some(&all)));
        assert!(!is_marked(None));
    }

    #[test]
    fn metadata_that_s3_would_not_store_is_refused_with_the_mark_in_it() {
        let own = |len| Some(HashMap::from([("k".to_owned(), "v".repeat(len))]));
        let room = 2048 - "waxseal-format".len() - "esdk-message".len() - 1;
        assert!(marked(own(room)).is_ok());
        assert!(marked(own(room + 1)).is_err());
    }
}
