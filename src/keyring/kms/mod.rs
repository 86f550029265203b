//! AWS KMS keyrings.

mod arn;
mod client;
mod discovery;
mod ecdh;
mod multi;
#[cfg(feature = "s3-format")]
mod object;
mod rsa;
mod strict;

pub use arn::KmsArn;
pub use discovery::{DiscoveryFilter, KmsDiscoveryKeyring};
pub use ecdh::KmsEcdhKeyring;
pub use multi::{
    KmsClientSupplier, KmsDiscoveryMultiKeyringBuilder, KmsMultiKeyringBuilder, RegionalKmsClients,
    no_client,
};
pub use rsa::KmsRsaKeyring;
pub use strict::KmsKeyring;
use zeroize::Zeroizing;

use crate::error::{Attempt, Error, KeyringError, KmsError, UnwrapFailure};
use crate::events;
use crate::materials::{UnwrapRequest, UnwrappedDataKey};
use crate::message::EncryptedDataKey;
use crate::secret::DataKey;

/// Place, encrypted data key and key ARN of those that a keyring takes for its own.
type Own<'a> = Vec<(usize, &'a EncryptedDataKey, KmsArn)>;

/// Picks the encrypted data keys of a provider whose key `matches`. One that names no key is an error for
/// all, before any call is made.
fn each_own<'a>(
    request: &UnwrapRequest<'a>,
    keyring: &str,
    provider_id: &str,
    matches: impl Fn(&KmsArn) -> bool,
) -> Result<Own<'a>, Vec<Attempt>> {
    let mut own = Vec::new();
    for (index, edk) in request.encrypted_data_keys().iter().enumerate() {
        if edk.provider_id() == provider_id.as_bytes() {
            match KmsArn::of_key(edk.provider_info()) {
                Ok(key) if matches(&key) => own.push((index, edk, key)),
                Ok(_) => {}
                Err(what) => {
                    return Err(vec![Attempt::new(keyring, index, UnwrapFailure::Malformed(what))]);
                }
            }
        }
    }
    Ok(own)
}

/// What AWS KMS opened, as a data key.
fn data_key(opened: Result<Zeroizing<Vec<u8>>, KmsError>) -> Result<DataKey, UnwrapFailure> {
    DataKey::try_from(&opened?[..])
        .map_err(|_| UnwrapFailure::Malformed("its content is not as long as a data key"))
}

/// Tells of an attempt, and whether it gave a data key that fits.
fn settle(
    request: &UnwrapRequest<'_>,
    timer: events::Timer,
    (index, edk, key): (usize, &EncryptedDataKey, &KmsArn),
    attempts: &[Attempt],
    opened: Result<DataKey, UnwrapFailure>,
) -> Result<UnwrappedDataKey, UnwrapFailure> {
    let opened = opened.and_then(|data_key| request.unwrapped(data_key, index));
    let attempt = attempts.len().saturating_add(1);
    events::unwrapped(&timer, edk.provider_id(), key.to_string().as_bytes(), attempt, &opened);
    opened
}

fn wrap_failed(keyring: &str, error: KmsError) -> Error {
    KeyringError::Kms { keyring: keyring.to_owned(), failure: error }.into()
}
