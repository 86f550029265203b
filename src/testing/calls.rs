//! What was called, and how it ended.

use std::collections::BTreeMap;
use std::fmt;

/// An operation of AWS KMS.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use waxseal::testing::{FakeKms, Operation};
///
/// let kms = FakeKms::new();
/// let _ = kms.client("eu-west-1").list_keys().send().await;
/// assert_eq!(kms.count(Operation::Other), 1);
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `Decrypt`
    Decrypt,
    /// `DeriveSharedSecret`
    DeriveSharedSecret,
    /// `DescribeKey`
    DescribeKey,
    /// `Encrypt`
    Encrypt,
    /// `GenerateDataKey`
    GenerateDataKey,
    /// `GenerateDataKeyWithoutPlaintext`
    GenerateDataKeyWithoutPlaintext,
    /// `GetPublicKey`
    GetPublicKey,
    /// `ReEncrypt`
    ReEncrypt,
    /// Any other; refused with `UnknownOperationException`.
    Other,
}

impl Operation {
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "Decrypt" => Self::Decrypt,
            "DeriveSharedSecret" => Self::DeriveSharedSecret,
            "DescribeKey" => Self::DescribeKey,
            "Encrypt" => Self::Encrypt,
            "GenerateDataKey" => Self::GenerateDataKey,
            "GenerateDataKeyWithoutPlaintext" => Self::GenerateDataKeyWithoutPlaintext,
            "GetPublicKey" => Self::GetPublicKey,
            "ReEncrypt" => Self::ReEncrypt,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One HTTP request that arrived; each try of a call that the SDK tries again is one.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use waxseal::testing::{FakeKms, KeySpec, Operation, Outcome};
///
/// let kms = FakeKms::new();
/// let key = kms.create_key("eu-west-1", KeySpec::Symmetric)?;
/// kms.client("eu-west-1").describe_key().key_id(&key).send().await?;
///
/// let [call] = &kms.calls()[..] else { panic!("one call was made") };
/// assert_eq!(call.operation, Operation::DescribeKey);
/// assert_eq!(call.key.as_ref(), Some(&key));
/// assert_eq!(call.outcome, Outcome::Answered);
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked for.
    pub operation: Operation,
    /// The region that the request is signed for.
    pub region: String,
    /// `KeyId` as the request has it, or `DestinationKeyId`.
    pub key_id: Option<String>,
    /// The ARN of the key that this names, or that the ciphertext is of, if there is such a key.
    pub key: Option<String>,
    /// `EncryptionContext`, or `DestinationEncryptionContext`.
    pub encryption_context: BTreeMap<String, String>,
    /// `GrantTokens`.
    pub grant_tokens: Vec<String>,
    /// The header `x-amz-user-agent`, or `user-agent` if there is none.
    pub user_agent: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a [`Call`] ended.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use waxseal::testing::{FakeKms, Outcome};
///
/// let kms = FakeKms::new();
/// let _ = kms.client("eu-west-1").describe_key().key_id("alias/none").send().await;
/// assert_eq!(kms.calls()[0].outcome, Outcome::Refused("NotFoundException".to_owned()));
/// # }
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It has not ended: it is held, or stalled.
    Waiting,
    /// It was answered.
    Answered,
    /// It was refused with this error code.
    Refused(String),
    /// The connection failed or timed out.
    NoAnswer,
    /// The caller dropped it, or timed out, before it had ended.
    Abandoned,
}
