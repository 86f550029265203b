//! Calls to AWS KMS: what is sent, what must come back, and what went wrong.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::config::{Builder, FrameworkMetadata};
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{EncryptionAlgorithmSpec, KeyAgreementAlgorithmSpec, KeyUsageType};
use zeroize::Zeroizing;

use super::arn::{KeyId, KmsArn};
use crate::context::EncryptionContext;
use crate::crypto::{CryptoError, EcdhPublicKey};
use crate::error::{Excerpt, FailedCall, KmsError, KmsFailure};
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;

/// A client, and the grant tokens that go with each call.
#[derive(Clone)]
pub(super) struct Kms {
    client: Client,
    pub(super) grant_tokens: Vec<String>,
}

impl Kms {
    pub(super) fn new(client: Client) -> Self {
        Self { client, grant_tokens: Vec::new() }
    }

    pub(super) fn with_tokens(client: &Client, tokens: &[&str]) -> Self {
        let grant_tokens = tokens.iter().copied().map(str::to_owned).collect();
        Self { client: client.clone(), grant_tokens }
    }

    pub(super) fn region(&self) -> Option<&str> {
        self.client.config().region().map(AsRef::as_ref)
    }

    /// A fresh data key of `len` bytes, and its wrapped form.
    pub(super) async fn generate_data_key(
        &self,
        id: &KeyId,
        len: usize,
        context: &EncryptionContext,
    ) -> Result<(DataKey, EncryptedDataKey), KmsError> {
        let call = self.call("GenerateDataKey", id.to_string());
        let number_of_bytes = i32::try_from(len)
            .map_err(|_| call.failed(KmsFailure::Other("the data key is too long".into())))?;
        let request = self
            .client
            .generate_data_key()
            .key_id(&call.key)
            .number_of_bytes(number_of_bytes)
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        let plaintext = secret(answer.plaintext);
        let arn = call.key_arn(id, answer.key_id)?;
        if plaintext.len() != len {
            let found = plaintext.len();
            return Err(call.wrong(format!("the data key has {found} bytes, not {len}")));
        }
        let data_key = DataKey::try_from(&plaintext[..])
            .map_err(|_| call.wrong("the data key has an impossible length"))?;
        Ok((data_key, call.encrypted_data_key(&arn, answer.ciphertext_blob)?))
    }

    /// Wraps a data key.
    pub(super) async fn encrypt(
        &self,
        id: &KeyId,
        data_key: &DataKey,
        context: &EncryptionContext,
    ) -> Result<EncryptedDataKey, KmsError> {
        let call = self.call("Encrypt", id.to_string());
        let request = self
            .client
            .encrypt()
            .key_id(&call.key)
            // The SDK wants a copy, which it does not zero: SECURITY.md.
            .plaintext(Blob::new(data_key.expose()))
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        let arn = call.key_arn(id, answer.key_id)?;
        call.encrypted_data_key(&arn, answer.ciphertext_blob)
    }

    /// Opens what a symmetric key wrapped under this context; without one, what an RSA key wrapped so.
    pub(super) async fn decrypt(
        &self,
        key: &KmsArn,
        ciphertext: &[u8],
        how: Decrypt<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let call = self.call("Decrypt", key.to_string());
        let request =
            self.client.decrypt().key_id(&call.key).ciphertext_blob(Blob::new(ciphertext));
        let request = match how {
            Decrypt::Symmetric(context) => request.set_encryption_context(pairs(context)),
            Decrypt::Rsa(algorithm) => request.encryption_algorithm(algorithm),
        };
        let request = request.set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        let plaintext = secret(answer.plaintext);
        call.check_key(answer.key_id)?;
        Ok(plaintext)
    }

    /// Opens what this key wrapped under this context, or without an id whatever symmetric key did. Gives the ARN
    /// of that key, too.
    #[cfg(feature = "s3-format")]
    pub(super) async fn decrypt_object_key(
        &self,
        id: Option<&KeyId>,
        ciphertext: &[u8],
        context: &EncryptionContext,
    ) -> Result<(KmsArn, Zeroizing<Vec<u8>>), KmsError> {
        let key = id.map(KeyId::to_string);
        let call = self.call("Decrypt", key.clone().unwrap_or_else(|| UNNAMED.to_owned()));
        let request = self
            .client
            .decrypt()
            .set_key_id(key)
            .ciphertext_blob(Blob::new(ciphertext))
            .set_encryption_context(pairs(context))
            .set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        let plaintext = secret(answer.plaintext);
        let arn = match id {
            Some(id) => call.key_arn(id, answer.key_id)?,
            None => call.any_key_arn(answer.key_id)?,
        };
        Ok((arn, plaintext))
    }

    /// The public half of a key pair, in DER (`SubjectPublicKeyInfo`), if it is for this use.
    pub(super) async fn public_key(
        &self,
        id: &KeyId,
        usage: &KeyUsageType,
    ) -> Result<Vec<u8>, KmsError> {
        let call = self.call("GetPublicKey", id.to_string());
        let request =
            self.client.get_public_key().key_id(&call.key).set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        call.key_arn(id, answer.key_id)?;
        if answer.key_usage.as_ref() != Some(usage) {
            return Err(call.failed(KmsFailure::KeyUsage));
        }
        Ok(answer.public_key.map(Blob::into_inner).unwrap_or_default())
    }

    /// What a key pair and another party's public key agree on.
    pub(super) async fn derive_shared_secret(
        &self,
        id: &KeyId,
        peer: &EcdhPublicKey,
    ) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        let call = self.call("DeriveSharedSecret", id.to_string());
        let der = peer.to_spki_der().map_err(|CryptoError| {
            call.failed(KmsFailure::Other("the public key cannot be encoded".into()))
        })?;
        let request = self
            .client
            .derive_shared_secret()
            .key_id(&call.key)
            .key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh)
            .public_key(Blob::new(der))
            .set_grant_tokens(self.tokens());
        let answer = request.customize().config_override(named()).send().await;
        let answer = answer.map_err(|error| call.sdk_error(error))?;
        let shared = secret(answer.shared_secret);
        call.key_arn(id, answer.key_id)?;
        let (found, expected) = (shared.len(), peer.curve().field_len());
        if found != expected {
            return Err(call.wrong(format!("the secret has {found} bytes, not {expected}")));
        }
        Ok(shared)
    }

    fn tokens(&self) -> Option<Vec<String>> {
        (!self.grant_tokens.is_empty()).then(|| self.grant_tokens.clone())
    }

    fn call(&self, operation: &'static str, key: String) -> Call<'_> {
        Call { operation, key, region: self.region() }
    }
}

/// The client's own form holds a whole configuration.
impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kms").field("region", &self.region()).finish_non_exhaustive()
    }
}

/// What wrapped it.
pub(super) enum Decrypt<'a> {
    Symmetric(&'a EncryptionContext),
    Rsa(EncryptionAlgorithmSpec),
}

/// What an error about a call has to tell.
struct Call<'a> {
    operation: &'static str,
    key: String,
    region: Option<&'a str>,
}

impl Call<'_> {
    fn failed(&self, failure: KmsFailure) -> KmsError {
        let Self { operation, key, region: _ } = self;
        let key = key.clone();
        FailedCall { operation, key, failure, said: None, request_id: None, source: None }.into()
    }

    fn wrong(&self, what: impl Into<String>) -> KmsError {
        self.failed(KmsFailure::WrongAnswer(what.into()))
    }

    /// The key that an answer names must be the one that was asked for.
    fn check_key(&self, answered: Option<String>) -> Result<(), KmsError> {
        match answered {
            Some(key) if key == self.key => Ok(()),
            Some(key) => {
                Err(self.wrong(format!("it is about the key `{}`", Excerpt(key.as_bytes()))))
            }
            None => Err(self.wrong("it names no key")),
        }
    }

    /// The ARN of the key that wrapped a data key.
    fn key_arn(&self, id: &KeyId, answered: Option<String>) -> Result<KmsArn, KmsError> {
        if id.key_arn().is_some() {
            // A message that named another key could not be opened with this keyring.
            self.check_key(answered.clone())?;
        }
        self.any_key_arn(answered)
    }

    fn any_key_arn(&self, answered: Option<String>) -> Result<KmsArn, KmsError> {
        let text = answered.ok_or_else(|| self.wrong("it names no key"))?;
        KmsArn::of_key(text.as_bytes())
            .map_err(|_| self.wrong(format!("`{}` is no key ARN", Excerpt(text.as_bytes()))))
    }

    fn encrypted_data_key(
        &self,
        arn: &KmsArn,
        ciphertext: Option<Blob>,
    ) -> Result<EncryptedDataKey, KmsError> {
        let ciphertext = ciphertext.map(Blob::into_inner).unwrap_or_default();
        if ciphertext.is_empty() {
            return Err(self.wrong("there is no wrapped data key"));
        }
        Ok(EncryptedDataKey::new(PROVIDER_ID, arn.to_string(), ciphertext))
    }

    fn sdk_error<E>(&self, error: SdkError<E, HttpResponse>) -> KmsError
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let request_id = error.request_id().map(str::to_owned);
        let said = error.message().filter(|text| !text.is_empty()).map(str::to_owned);
        let failure = match &error {
            SdkError::ServiceError(service) => {
                self.service_failure(service.err(), service.raw().status().as_u16())
            }
            SdkError::TimeoutError(_) => KmsFailure::TimedOut,
            SdkError::ResponseError(_) => KmsFailure::WrongAnswer("it cannot be read".into()),
            error if chain(error).any(|e| e.is::<CredentialsError>()) => KmsFailure::Credentials,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => KmsFailure::TimedOut,
            SdkError::DispatchFailure(failure) if !failure.is_user() => {
                KmsFailure::Unreachable(deepest(&error))
            }
            error => KmsFailure::Other(deepest(error)),
        };
        let Self { operation, key, region: _ } = self;
        let key = key.clone();
        // Never the answer itself: one that the SDK could not read may hold a plaintext data key.
        let source: Option<Box<dyn StdError + Send + Sync>> = match error {
            SdkError::ServiceError(service) if service.raw().status().is_success() => None,
            SdkError::ServiceError(service) => Some(service.into_err().into()),
            SdkError::ResponseError(_) => None,
            error => Some(error.into()),
        };
        FailedCall { operation, key, failure, said, request_id, source }.into()
    }

    /// Sorts out what the service says. Its codes are those of the API reference.
    fn service_failure(&self, error: &impl ProvideErrorMetadata, status: u16) -> KmsFailure {
        let message = error.message().unwrap_or_default();
        let code = error.code().unwrap_or_default();
        match code {
            "AccessDeniedException" | "AccessDenied" => {
                KmsFailure::AccessDenied { action: format!("kms:{}", self.operation) }
            }
            "ExpiredTokenException"
            | "IncompleteSignature"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "UnrecognizedClientException" => KmsFailure::Credentials,
            "DisabledException" => KmsFailure::Disabled,
            "IncorrectKeyException" => KmsFailure::IncorrectKey,
            "InvalidCiphertextException" => KmsFailure::ContextMismatch,
            "InvalidGrantTokenException" | "InvalidGrantIdException" => KmsFailure::GrantToken,
            "InvalidKeyUsageException" | "UnsupportedOperationException" => KmsFailure::KeyUsage,
            "KMSInvalidStateException" if message.contains("pending deletion") => {
                KmsFailure::PendingDeletion
            }
            "KMSInvalidStateException" => KmsFailure::InvalidState,
            "NotFoundException" | "InvalidArnException" => {
                self.wrong_region().unwrap_or(KmsFailure::NotFound)
            }
            "LimitExceededException"
            | "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "TooManyRequestsException" => KmsFailure::Throttled,
            "DependencyTimeoutException"
            | "InternalFailure"
            | "KMSInternalException"
            | "KeyUnavailableException"
            | "ServiceUnavailable" => KmsFailure::Unavailable,
            "" if status >= 500 => KmsFailure::Unavailable,
            "" if status < 300 => KmsFailure::WrongAnswer("it cannot be read".into()),
            "" => KmsFailure::Other(format!("HTTP status {status}")),
            code => KmsFailure::Other(code.to_owned()),
        }
    }

    fn wrong_region(&self) -> Option<KmsFailure> {
        let arn: KmsArn = self.key.parse().ok()?;
        let client = self.region.filter(|client| *client != arn.region())?;
        let [key, client] = [arn.region(), client].map(str::to_owned);
        Some(KmsFailure::WrongRegion { key, client })
    }
}

/// An error and everything behind it.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// What is behind it all.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().unwrap_or(error).to_string()
}

fn pairs(context: &EncryptionContext) -> Option<HashMap<String, String>> {
    let pairs = context.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    (!context.is_empty()).then(|| pairs.collect())
}

/// What the SDK keeps in memory while it reads an answer is its own; what it hands over is zeroed.
fn secret(plaintext: Option<Blob>) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(plaintext.map(Blob::into_inner).unwrap_or_default())
}

/// Puts this crate into the user agent, which CloudTrail records; everything else stays the client's.
fn named() -> Builder {
    let crate_name = FrameworkMetadata::new(
        env!("CARGO_PKG_NAME"),
        Some(Cow::Borrowed(env!("CARGO_PKG_VERSION"))),
    );
    match crate_name {
        Ok(name) => Builder::default().framework_metadata(name),
        // Only a name with odd characters is refused.
        Err(_) => Builder::default(),
    }
}

/// How errors name the key of a call that names none.
#[cfg(feature = "s3-format")]
const UNNAMED: &str = "the one that wrapped it";
pub(super) const PROVIDER_ID: &str = "aws-kms";
