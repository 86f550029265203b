//! Faults to come.

use super::calls::Operation;
use super::fields::Answer;
use super::refusal::Refusal;

/// Something that goes wrong with a call to a [`FakeKms`](super::FakeKms): with the next one, unless
/// told otherwise.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use waxseal::testing::{FakeKms, Fault, KeySpec, Operation};
///
/// let kms = FakeKms::new();
/// let key = kms.create_key("eu-west-1", KeySpec::Symmetric)?;
/// kms.inject(Fault::throttled().on(Operation::DescribeKey).times(2));
/// kms.client("eu-west-1").describe_key().key_id(key).send().await?;
/// assert_eq!(kms.count(Operation::DescribeKey), 3); // the SDK tried again, twice
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    effect: Effect,
    operation: Option<Operation>,
    key: Option<String>,
    region: Option<String>,
    /// `None` is without end.
    left: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) enum Effect {
    Refused(Refusal),
    ConnectionReset,
    TimedOut,
    Stalled,
    Changed(Change),
}

/// What becomes of a good answer.
#[derive(Debug, Clone)]
pub(super) enum Change {
    KeyId(String),
    PlaintextLen(usize),
    FlippedPlaintext,
    Without(String),
    Truncated,
}

impl Change {
    pub(super) fn apply(&self, answer: &mut Answer) {
        match self {
            Self::KeyId(arn) => answer.change_text("KeyId", arn),
            Self::PlaintextLen(len) => {
                for field in SECRETS {
                    answer.change_bytes(field, |bytes| bytes.resize(*len, 0));
                }
            }
            Self::FlippedPlaintext => {
                for field in SECRETS {
                    answer.change_bytes(field, |bytes| {
                        bytes.iter_mut().take(1).for_each(|b| *b ^= 1)
                    });
                }
            }
            Self::Without(field) => answer.remove(field),
            Self::Truncated => {}
        }
    }
}

/// What a caller uses of an answer.
const SECRETS: [&str; 2] = ["Plaintext", "SharedSecret"];

impl Fault {
    fn new(effect: Effect) -> Self {
        Self { effect, operation: None, key: None, region: None, left: Some(1) }
    }

    /// The connection breaks before the answer.
    pub fn connection_reset() -> Self {
        Self::new(Effect::ConnectionReset)
    }

    /// `KMSInternalException`, which the SDK tries again.
    pub fn internal() -> Self {
        Self::new(Effect::Refused(Refusal::without_text("KMSInternalException")))
    }

    /// `KeyUnavailableException`, which the SDK tries again.
    pub fn key_unavailable() -> Self {
        Self::new(Effect::Refused(Refusal::without_text("KeyUnavailableException")))
    }

    /// Any error code with any text.
    pub fn refused(code: &str, message: &str) -> Self {
        Self::new(Effect::Refused(Refusal::new(code, message)))
    }

    /// The answer never comes. A read timeout of the client ends the call, as do its other timeouts.
    pub fn stalled() -> Self {
        Self::new(Effect::Stalled)
    }

    /// `ThrottlingException`, which the SDK tries again.
    pub fn throttled() -> Self {
        Self::new(Effect::Refused(Refusal::throttled()))
    }

    /// The connection times out, at once.
    pub fn timed_out() -> Self {
        Self::new(Effect::TimedOut)
    }

    /// Half of the answer comes, and then the end.
    pub fn truncated() -> Self {
        Self::new(Effect::Changed(Change::Truncated))
    }

    /// A good answer, but it names this key.
    pub fn wrong_key_id(arn: impl Into<String>) -> Self {
        Self::new(Effect::Changed(Change::KeyId(arn.into())))
    }

    /// A good answer, but its plaintext or shared secret is cut to this length, or filled up with zeros.
    pub fn plaintext_len(len: usize) -> Self {
        Self::new(Effect::Changed(Change::PlaintextLen(len)))
    }

    /// A good answer, but one bit of its plaintext or shared secret differs.
    pub fn flipped_plaintext() -> Self {
        Self::new(Effect::Changed(Change::FlippedPlaintext))
    }

    /// A good answer without this field, such as `CiphertextBlob`.
    pub fn without(field: impl Into<String>) -> Self {
        Self::new(Effect::Changed(Change::Without(field.into())))
    }

    /// Only in this operation.
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only with the key of this ARN.
    pub fn key(self, arn: impl Into<String>) -> Self {
        Self { key: Some(arn.into()), ..self }
    }

    /// Only in this region.
    pub fn region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Not once but so many times.
    pub fn times(self, calls: u32) -> Self {
        Self { left: Some(calls), ..self }
    }

    /// Until the faults are cleared.
    pub fn always(self) -> Self {
        Self { left: None, ..self }
    }

    /// What happens to a call, if this fault is for it. Counts it then.
    pub(super) fn strike(
        &mut self,
        operation: Operation,
        key: Option<&str>,
        region: &str,
    ) -> Option<Effect> {
        let Self { effect, operation: only, key: only_key, region: only_region, left } = self;
        let applies = only.is_none_or(|only| only == operation)
            && only_key.as_deref().is_none_or(|only| key == Some(only))
            && only_region.as_deref().is_none_or(|only| region == only);
        if !applies || *left == Some(0) {
            return None;
        }
        if let Some(left) = left {
            *left = left.saturating_sub(1);
        }
        Some(effect.clone())
    }
}
