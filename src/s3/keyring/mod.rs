//! Keys that wrap the data key of an object.

mod aes;
mod algorithm;
#[cfg(feature = "kms")]
mod kms;
mod multi;
mod raw;
mod rejection;
mod request;
mod rsa;
#[cfg(test)]
mod tests;
mod unwrap;

use std::fmt;
use std::sync::Arc;

pub use aes::AesKeyring;
pub use algorithm::WrappingAlgorithm;
pub use multi::MultiKeyring;
pub use request::{UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey};
pub use rsa::RsaKeyring;
pub use unwrap::unwrap_data_key;
pub(crate) use unwrap::wrap_data_key;

use crate::error::{Error, UnwrapFailure};
use crate::materials::BoxFuture;
use crate::secret::DataKey;

/// Wraps and unwraps the data keys of objects; may call a service. Dyn-safe.
///
/// An object has one wrapped data key, and nothing beside it names the key that wrapped it, except for what the
/// user put into a [`MaterialDescription`](crate::s3::MaterialDescription). Before a keyring is asked to unwrap,
/// the policy was obeyed, and where AWS KMS wrapped, the caller's encryption context was compared with the
/// stored one.
///
/// A custom keyring has to bind the content cipher ([`ContentSuite`](crate::s3::ContentSuite)) into what it
/// wraps, or let one of this crate do it, as here, where every use of a key is written down:
///
/// ```
/// use waxseal::s3::{AesKeyring, Fit, S3Keyring, UnwrapRequest, WrapRequest, Wrapped, WrappedDataKey};
/// use waxseal::{AesKey, BoxFuture, DataKey, Error, UnwrapFailure};
///
/// #[derive(Debug)]
/// struct Recorded<K>(K);
///
/// impl<K: S3Keyring> S3Keyring for Recorded<K> {
///     fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
///         eprintln!("{} wraps a data key for {}", self.describe(), request.suite());
///         self.0.wrap(request)
///     }
///
///     fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
///         self.0.fit(wrapped)
///     }
///
///     fn unwrap<'a>(
///         &'a self,
///         request: &'a UnwrapRequest<'a>,
///     ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
///         eprintln!("{} unwraps with {}", self.describe(), request.wrapped().algorithm());
///         self.0.unwrap(request)
///     }
///
///     fn describe(&self) -> String {
///         format!("recorded {}", self.0.describe())
///     }
/// }
///
/// let keyring = Recorded(AesKeyring::new(AesKey::generate_256()?)?);
/// assert_eq!(keyring.describe(), "recorded S3 AES keyring");
/// # Ok::<(), Error>(())
/// ```
///
/// Spec: s3-encryption/materials/s3-keyring.
pub trait S3Keyring: fmt::Debug + Send + Sync {
    /// Wraps the data key that the request has, or makes one of 32 bytes and wraps that.
    /// [`WrapRequest::wrap_with`] makes one.
    ///
    /// # Errors
    /// [`Error::Keyring`] if it cannot, [`Error::ApiMisuse`] if the request asks for what this keyring does not
    /// do.
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>>;

    /// Whether this is the keyring for a data key that was wrapped like this.
    fn fit(&self, wrapped: &WrappedDataKey) -> Fit;

    /// Unwraps a data key of 32 bytes.
    ///
    /// # Errors
    /// Why it could not. A failure of padding, or of the length of what comes out, must be no failure here
    /// where the algorithm does not authenticate (AES in ECB mode, RSA with PKCS #1 v1.5), as it would tell
    /// an attacker something: it must give some other key, always the same for the same bytes, so that it is
    /// the content that fails.
    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>>;

    /// The keyring's kind and the name of its key, for messages and reports.
    fn describe(&self) -> String;

    /// Whether it can wrap at all. By default it can.
    fn wraps(&self) -> bool {
        true
    }

    /// The keyrings that it consists of, so that a report can say which of them it was. None by default.
    fn members(&self) -> Vec<&dyn S3Keyring> {
        Vec::new()
    }
}

/// How well a keyring fits a wrapped data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Fit {
    /// It does not know the wrapping algorithm.
    No,
    /// It knows the algorithm; whether the key is its own, only trying tells.
    Maybe,
    /// The material description is its own.
    Described,
}

impl<K: S3Keyring + ?Sized> S3Keyring for Arc<K> {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        (**self).wrap(request)
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        (**self).fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        (**self).unwrap(request)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn wraps(&self) -> bool {
        (**self).wraps()
    }

    fn members(&self) -> Vec<&dyn S3Keyring> {
        (**self).members()
    }
}

impl<K: S3Keyring + ?Sized> S3Keyring for &K {
    fn wrap<'a>(&'a self, request: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        (**self).wrap(request)
    }

    fn fit(&self, wrapped: &WrappedDataKey) -> Fit {
        (**self).fit(wrapped)
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        (**self).unwrap(request)
    }

    fn describe(&self) -> String {
        (**self).describe()
    }

    fn wraps(&self) -> bool {
        (**self).wraps()
    }

    fn members(&self) -> Vec<&dyn S3Keyring> {
        (**self).members()
    }
}
