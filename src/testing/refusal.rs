//! Errors as AWS KMS words them.

use serde_json::{Map, Value};

/// An error answer: its code, its text if it has one, and its HTTP status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: String,
    message: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: Some(message.into()) }
    }

    /// AWS KMS gives no reason for some refusals, and clients must live with that.
    pub(super) fn without_text(code: &str) -> Self {
        Self { code: code.to_owned(), message: None }
    }

    pub(super) fn access_denied(user: &str, action: &str, arn: &str) -> Self {
        let message = format!(
            "User: {user} is not authorized to perform: {action} on resource: {arn} \
             because no identity-based policy allows the {action} action"
        );
        Self::new("AccessDeniedException", message)
    }

    /// The ciphertext is of a key that is elsewhere, or gone.
    pub(super) fn ciphertext_of_another() -> Self {
        Self::new(
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, \
             does not exist in this region, or you are not allowed to access.",
        )
    }

    pub(super) fn disabled(arn: &str) -> Self {
        Self::new("DisabledException", format!("{arn} is disabled."))
    }

    pub(super) fn dry_run() -> Self {
        Self::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )
    }

    pub(super) fn incorrect_key() -> Self {
        Self::new(
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        )
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new("KMSInternalException", message)
    }

    pub(super) fn invalid_ciphertext() -> Self {
        Self::without_text("InvalidCiphertextException")
    }

    pub(super) fn invalid_key_usage(message: impl Into<String>) -> Self {
        Self::new("InvalidKeyUsageException", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new("NotFoundException", message)
    }

    pub(super) fn pending_deletion(arn: &str) -> Self {
        Self::new("KMSInvalidStateException", format!("{arn} is pending deletion."))
    }

    pub(super) fn serialization() -> Self {
        Self::without_text("SerializationException")
    }

    pub(super) fn throttled() -> Self {
        Self::new(
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        )
    }

    pub(super) fn unsigned() -> Self {
        Self::new("MissingAuthenticationTokenException", "Missing Authentication Token")
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A field of the request breaks one rule of its shape.
    pub(super) fn constraint(field: &str, rule: impl AsRef<str>) -> Self {
        // Shapes have capitals in the protocol, and none in these texts.
        let mut member = field.to_owned();
        if let Some(first) = member.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        let rule = rule.as_ref();
        Self::validation(format!(
            "1 validation error detected: Value at '{member}' failed to satisfy constraint: {rule}"
        ))
    }

    pub(super) fn missing(field: &str) -> Self {
        Self::constraint(field, "Member must not be null")
    }

    pub(super) fn status(&self) -> u16 {
        match self.code.as_str() {
            "DependencyTimeoutException" | "KMSInternalException" | "KeyUnavailableException" => {
                500
            }
            "DryRunOperationException" => 412,
            _ => 400,
        }
    }

    pub(super) fn body(&self) -> Value {
        let Self { code, message } = self;
        let mut body = Map::new();
        body.insert("__type".to_owned(), code.as_str().into());
        if let Some(message) = message {
            body.insert("message".to_owned(), message.as_str().into());
        }
        body.into()
    }
}
