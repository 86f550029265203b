//! What keyrings with raw keys have in common.

use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error, UnwrapFailure};
use crate::events;
use crate::s3::description::MaterialDescription;
use crate::s3::keyring::{
    Fit, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey, WrappingAlgorithm,
};
use crate::secret::DataKey;

/// A raw key's description, and what it takes to tell of its use.
#[derive(Debug, Default)]
pub(super) struct Described(pub(super) MaterialDescription);

impl Described {
    pub(super) fn fit(&self, known: &[WrappingAlgorithm], wrapped: &WrappedDataKey) -> Fit {
        if !known.contains(&wrapped.algorithm()) {
            Fit::No
        } else if !self.0.is_empty() && self.0 == *wrapped.description() {
            Fit::Described
        } else {
            Fit::Maybe
        }
    }

    /// Wraps, and tells of it.
    pub(super) fn wrap(
        &self,
        request: &WrapRequest<'_>,
        algorithm: WrappingAlgorithm,
        wrap: impl FnOnce(&DataKey) -> Result<Vec<u8>, Error>,
    ) -> Result<Wrapped, Error> {
        refuse_context(request.context())?;
        let timer = events::start();
        let result = request.wrap_with(|data_key| {
            let wrapped = WrappedDataKey::new(algorithm, wrap(data_key)?);
            Ok(wrapped.with_description(self.0.clone()))
        });
        let (provider, key) = (algorithm.name().as_bytes(), self.0.excerpt());
        if request.data_key().is_none() {
            events::generated(&timer, provider, key.as_bytes(), &result);
        } else {
            events::wrapped(&timer, provider, key.as_bytes(), &result);
        }
        result
    }

    /// Unwraps, and tells of it.
    pub(super) fn unwrap(
        &self,
        request: &UnwrapRequest<'_>,
        unwrap: impl FnOnce(&WrappedDataKey) -> Result<DataKey, UnwrapFailure>,
    ) -> Result<DataKey, UnwrapFailure> {
        let timer = events::start();
        let result = unwrap(request.wrapped());
        let provider = request.wrapped().algorithm().name().as_bytes();
        events::unwrapped(&timer, provider, self.0.excerpt().as_bytes(), 1, &result);
        result
    }

    /// How errors name a keyring of this kind.
    pub(super) fn describe(&self, kind: &str) -> String {
        if self.0.is_empty() {
            return kind.to_owned();
        }
        format!("{kind} with the key {}", self.0.excerpt())
    }
}

/// A raw key does not authenticate an encryption context, and none is stored.
fn refuse_context(context: &EncryptionContext) -> Result<(), Error> {
    if context.is_empty() {
        return Ok(());
    }
    let why = "raw keys do not authenticate one; what names the key goes into its description";
    Err(ApiMisuse::Setting { what: "encryption context", why }.into())
}

/// What a keyring says of an algorithm that it does not know.
pub(super) fn not_known(wrapped: &WrappedDataKey) -> UnwrapFailure {
    UnwrapFailure::Unable(format!("it cannot unwrap with {}", wrapped.algorithm()))
}
