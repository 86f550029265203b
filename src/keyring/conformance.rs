//! What every keyring must do, as a check that the author of a custom one can run.

use crate::context::EncryptionContext;
use crate::keyring::Keyring;
use crate::materials::{EncryptionMaterials, EncryptionRequest, UnwrapRequest};
use crate::message::EncryptedDataKey;
use crate::policy::{CommitmentPolicy, Policy};
use crate::secret::DataKey;
use crate::suite::AlgorithmSuite;

/// Runs a keyring through what every keyring must do. Call it from a test.
///
/// The keyring must be able to encrypt and to decrypt what it encrypted. With `binds_context` it is
/// also checked that it refuses a data key under another encryption context than the one that wrapped
/// it, as it should (RSA keyrings cannot).
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring, check_keyring};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// check_keyring(&keyring, true).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// What the keyring does wrong, in one sentence.
///
/// Spec: keyring-interface.
pub async fn check_keyring<K: Keyring + ?Sized>(
    keyring: &K,
    binds_context: bool,
) -> Result<(), KeyringFault> {
    for suite in AlgorithmSuite::ALL {
        check_suite(keyring, binds_context, suite)
            .await
            .map_err(|what| KeyringFault { suite, what })?;
    }
    Ok(())
}

/// What a keyring does wrong.
#[derive(Debug, thiserror::Error)]
#[error("with suite {suite}: {what}")]
pub struct KeyringFault {
    suite: AlgorithmSuite,
    what: String,
}

async fn check_suite<K: Keyring + ?Sized>(
    keyring: &K,
    binds_context: bool,
    suite: AlgorithmSuite,
) -> Result<(), String> {
    let mut materials = new_materials(suite)?;
    let wrapped = keyring.wrap(&mut materials).await;
    wrapped.map_err(|error| format!("it cannot wrap: {error}"))?;
    let context = materials.context().clone();
    let own = materials.encrypted_data_keys().to_vec();
    let key = materials.data_key().ok_or("it makes no data key")?;
    ensure(!own.is_empty(), "it adds no encrypted data key")?;
    ensure(key.len() == suite.data_key_len(), "it makes a data key of the wrong length")?;

    let unwrap = async |context: &EncryptionContext, edks: &[EncryptedDataKey]| {
        keyring.unwrap(&UnwrapRequest::new(suite, context, edks)).await
    };
    let opened = unwrap(&context, &own)
        .await
        .map_err(|attempts| format!("it does not open what it wrapped: {attempts:?}"))?;
    ensure(opened.key() == key, "it opens what it wrapped to another key")?;

    let foreign = EncryptedDataKey::new("waxseal-conformance", "nobody's", [0; 48]);
    match unwrap(&context, std::slice::from_ref(&foreign)).await {
        Ok(_) => return Err("it opens what is not its own".into()),
        Err(attempts) => ensure(attempts.is_empty(), "it tries what is not its own")?,
    }
    let first = own.first().ok_or("it adds no encrypted data key")?;
    let opened = unwrap(&context, &[foreign, first.clone()]).await;
    let opened = opened.map_err(|_| "it does not look past what is not its own")?;
    ensure(opened.key() == key && opened.index() == 1, "it gives the wrong index")?;

    check_existing_key(keyring, suite).await?;

    let mut ciphertext = first.ciphertext().to_vec();
    let last = ciphertext.last_mut().ok_or("its encrypted data key is empty")?;
    *last ^= 1;
    let damaged = EncryptedDataKey::new(first.provider_id(), first.provider_info(), ciphertext);
    match unwrap(&context, std::slice::from_ref(&damaged)).await {
        Ok(opened) => ensure(opened.key() != key, "it opens what was changed")?,
        Err(attempts) => ensure(!attempts.is_empty(), "it hides a failed attempt")?,
    }
    let opened = unwrap(&context, &[damaged, first.clone()]).await;
    let opened = opened.map_err(|_| "it gives up after the first that does not open")?;
    ensure(opened.key() == key, "it opens what was changed")?;

    if binds_context {
        let mut other = context;
        other.insert("waxseal-conformance", "changed");
        ensure(
            unwrap(&other, &own).await.is_err(),
            "it opens a data key under another encryption context",
        )?;
    }
    Ok(())
}

/// As the child of a multi-keyring it must wrap the data key that is there. It may refuse to, as a
/// multi-keyring with a generator does.
async fn check_existing_key<K: Keyring + ?Sized>(
    keyring: &K,
    suite: AlgorithmSuite,
) -> Result<(), String> {
    let key =
        || DataKey::try_from(&vec![0x5a; suite.data_key_len()][..]).map_err(|e| e.to_string());
    let mut materials = new_materials(suite)?;
    materials.set_data_key(key()?).map_err(|error| error.to_string())?;
    if keyring.wrap(&mut materials).await.is_err() {
        return Ok(());
    }
    ensure(materials.data_key() == Some(&key()?), "it replaces the data key that is there")?;
    let own = materials.encrypted_data_keys();
    let request = UnwrapRequest::new(suite, materials.context(), own);
    let opened = keyring.unwrap(&request).await;
    let opened = opened.map_err(|_| "it does not open the data key that it was given")?;
    ensure(*opened.key() == key()?, "it wraps another data key than the one that is there")
}

fn new_materials(suite: AlgorithmSuite) -> Result<EncryptionMaterials, String> {
    let commitment = if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    };
    EncryptionMaterials::new(EncryptionRequest {
        context: EncryptionContext::from([("waxseal-conformance", "1")]),
        required_context_keys: Default::default(),
        suite: Some(suite),
        policy: Policy::default().commitment(commitment),
        max_plaintext_len: None,
    })
    .map_err(|error| error.to_string())
}

fn ensure(holds: bool, fault: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault.to_owned()) }
}
