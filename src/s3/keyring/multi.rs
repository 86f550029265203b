//! Several keyrings for objects as one.

use crate::error::{Attempt, Error, UnwrapFailure};
use crate::materials::BoxFuture;
use crate::s3::keyring::raw::not_known;
use crate::s3::keyring::{Fit, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey};
use crate::secret::DataKey;

/// Several keyrings as one: the first wraps, any of them unwraps. It is how keys are rotated.
///
/// An object names its key with a material description, or not at all. A keyring whose description is that of
/// the object is tried before all others and alone; else each that knows the wrapping algorithm, in order.
/// Algorithms that do not notice a wrong key (AES in ECB mode, RSA with PKCS #1 v1.5) get only the first of
/// them: describe the keys where there are several.
///
/// ```
/// use waxseal::AesKey;
/// use waxseal::s3::{AesKeyring, MultiKeyring};
///
/// let keyring = |year: &str| -> Result<AesKeyring, waxseal::Error> {
///     Ok(AesKeyring::new(AesKey::generate_256()?)?.description([("year", year)]))
/// };
/// let keyring = MultiKeyring::new(keyring("2026")?).also(keyring("2025")?);
/// # let _ = keyring;
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
pub struct MultiKeyring {
    primary: Box<dyn S3Keyring>,
    others: Vec<Box<dyn S3Keyring>>,
}

impl MultiKeyring {
    /// Starts with the keyring that wraps.
    pub fn new(primary: impl S3Keyring + 'static) -> Self {
        Self { primary: Box::new(primary), others: Vec::new() }
    }

    /// Adds one that only unwraps.
    #[must_use]
    pub fn also(mut self, keyring: impl S3Keyring + 'static) -> Self {
        self.others.push(Box::new(keyring));
        self
    }

    fn all(&self) -> impl Iterator<Item = &dyn S3Keyring> {
        std::iter::once(&self.primary).chain(&self.others).map(|keyring| &**keyring)
    }

    /// Those to try, in order.
    fn fitting(&self, wrapped: &WrappedDataKey) -> Vec<&dyn S3Keyring> {
        let best = self.fit(wrapped);
        let fitting = self.all().filter(|keyring| best != Fit::No && keyring.fit(wrapped) == best);
        let most = if wrapped.algorithm().authenticates() { usize::MAX } else { 1 };
        fitting.take(most).collect()
    }

    async fn unwrap_with_any(&self, request: &UnwrapRequest<'_>) -> Result<DataKey, UnwrapFailure> {
        let mut attempts = Vec::new();
        for keyring in self.fitting(request.wrapped()) {
            match keyring.unwrap(request).await {
                Ok(data_key) => return Ok(data_key),
                Err(UnwrapFailure::Several(inner)) => attempts.extend(inner),
                Err(failure) => attempts.push(Attempt::new(keyring.describe(), 0, failure)),
            }
        }
        if attempts.is_empty() {
            return Err(not_known(request.wrapped()));
        }
        Err(UnwrapFailure::Several(attempts))
    }
}

impl S3Keyring for MultiKeyring {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        self.primary.wrap(request)
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        self.all().map(|keyring| keyring.fit(wrapped)).max().unwrap_or(Fit::No)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        Box::pin(self.unwrap_with_any(request))
    }

    fn describe(&self) -> String {
        let all: Vec<String> = self.all().map(S3Keyring::describe).collect();
        format!("S3 multi-keyring of {}", all.join(", "))
    }

    fn wraps(&self) -> bool {
        self.primary.wraps()
    }

    fn members(&self) -> Vec<&dyn S3Keyring> {
        self.all().collect()
    }
}
