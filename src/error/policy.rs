//! Messages that are valid, but not allowed.

use super::Error;
use super::excerpt::{Excerpt, Names};

/// Valid, but not allowed; each names the setting that would allow it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// An object has a longer body than may be held until all of it is authenticated, or a range that nothing
    /// authenticates is longer than that.
    #[cfg(feature = "s3-format")]
    #[error("the object, or the range, is longer than `buffer_limit` = {limit} bytes")]
    BufferLimit {
        /// The limit in bytes of ciphertext, with its tag.
        limit: u64,
    },
    /// The commitment policy forbids this suite.
    #[error("commitment policy {policy} does not allow to {action} with suite {suite}")]
    Commitment {
        /// The policy in force.
        policy: &'static str,
        /// "encrypt" or "decrypt".
        action: &'static str,
        /// The suite's name.
        suite: &'static str,
    },
    /// The header's value for a required context key is another one.
    #[error("the encryption context has another value for `{}` than the one required", Excerpt(.key.as_bytes()))]
    ContextMismatch {
        /// The key.
        key: String,
    },
    /// A required context key is not in the header.
    #[error("the encryption context has no `{}`, which is required", Excerpt(.key.as_bytes()))]
    ContextMissing {
        /// The key.
        key: String,
    },
    /// Required pairs are not in the header, and with them the message does not verify: most likely it
    /// was not made with them.
    #[error(
        "the message does not verify with {}, which the header does not have but which is required",
        Names(keys)
    )]
    ContextNotAuthenticated {
        /// The keys of all such pairs.
        keys: Vec<String>,
        /// What failed when it was taken as authenticated but not stored.
        source: Box<Error>,
    },
    /// A materials manager requires a context key, and the caller gave no value for it: in the context to
    /// encrypt, among the pairs that are required to decrypt.
    #[error("no value was given for `{}`, which the materials manager requires", Excerpt(.key.as_bytes()))]
    ContextNotGiven {
        /// The key.
        key: String,
    },
    /// An object was encrypted with a pair in its encryption context that the caller did not give.
    #[cfg(feature = "s3-format")]
    #[error("the object has `{}` in its encryption context, so it has to be given", Excerpt(.key.as_bytes()))]
    ContextUnexpected {
        /// The key.
        key: String,
    },
    /// A frame, or the unframed body, is longer than the limit.
    #[error("frames of {found} bytes are longer than `max_frame_len` = {limit}")]
    FrameLen {
        /// Stated length in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The header is longer than the limit.
    #[error("the header is longer than `max_header_len` = {limit} bytes")]
    HeaderLen {
        /// The limit in bytes.
        limit: usize,
    },
    /// The content of an object is encrypted in a way that does not authenticate it.
    #[cfg(feature = "s3-format")]
    #[error(
        "the content is encrypted with {suite}, which does not authenticate it; \
         `legacy_unauthenticated_modes` would allow that"
    )]
    LegacyContent {
        /// The suite.
        suite: &'static str,
    },
    /// The data key of an object is wrapped in a way that is only kept for old objects.
    #[cfg(feature = "s3-format")]
    #[error(
        "the data key is wrapped with {algorithm}, which is only for old objects; \
         `legacy_wrapping_algorithms` would allow that"
    )]
    LegacyWrapping {
        /// The wrapping algorithm.
        algorithm: &'static str,
    },
    /// A range was asked for of content that can only be read whole.
    #[cfg(feature = "s3-format")]
    #[error(
        "the content is encrypted with {suite}, of which no range is read; ask for the whole object"
    )]
    RangeOfLegacyContent {
        /// The suite.
        suite: &'static str,
    },
    /// The client's own keyring opens what was wrapped for another.
    #[cfg(feature = "s3")]
    #[error("`enforce_rotation` refuses: {keyring} still opens what is wrapped anew")]
    Rotation {
        /// The keyring's description.
        keyring: String,
    },
    /// A range was asked for of a message that is signed.
    #[error(
        "the message is signed, and only all of it tells who wrote it, so that no range is read; read all of it, write \
         it with a suite that does not sign, or, with `DecryptAt`, give the signature up (`without_verifying_signature`)"
    )]
    RangeOfSignedMessage,
    /// A range was asked for of a message that has no frames.
    #[error("the message has no frames, so that no range is read; read all of it")]
    RangeOfUnframedMessage,
    /// The message is signed, and signed messages may not be streamed.
    #[error(
        "the message is signed, and `signed_streaming` refuses to release what is not verified to the end"
    )]
    SignedStreaming,
    /// There are more encrypted data keys than the limit.
    #[error("{found} encrypted data keys are more than `max_encrypted_data_keys` = {limit}")]
    TooManyEncryptedDataKeys {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: u16,
    },
}
