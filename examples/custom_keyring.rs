//! A keyring of your own: here, a table of one-time keys that are kept elsewhere.

use std::collections::HashMap;
use std::sync::Mutex;

use waxseal::{
    Attempt, DataKey, EncryptedDataKey, EncryptionMaterials, Error, LocalKeyring, UnwrapFailure,
    UnwrapRequest, UnwrappedDataKey, check_keyring,
};

/// Keeps data keys in a vault and puts only a ticket into the message.
#[derive(Debug, Default)]
struct Vault {
    tickets: Mutex<HashMap<Vec<u8>, Entry>>,
}

#[derive(Debug)]
struct Entry {
    key: DataKey,
    context: Vec<u8>,
}

impl LocalKeyring for Vault {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let context = materials.context().encode()?;
        let key = DataKey::try_from(materials.data_key_or_generate()?.expose())?;
        let mut tickets = self.tickets.lock().expect("nobody panics with the lock");
        // No ticket is another one with a flipped bit: `check_keyring` would find that.
        let ticket = format!("ticket {};", tickets.len()).into_bytes();
        tickets.insert(ticket.clone(), Entry { key, context });
        materials.push_encrypted_data_key(EncryptedDataKey::new("vault", "main", ticket))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let wanted = request.context().encode().unwrap_or_default();
        let tickets = self.tickets.lock().expect("nobody panics with the lock");
        let is_own = |edk: &EncryptedDataKey| edk.provider_id() == b"vault";
        request.first_opened("vault", is_own, |edk| match tickets.get(edk.ciphertext()) {
            Some(entry) if entry.context == wanted => Ok(DataKey::try_from(entry.key.expose())?),
            _ => Err(UnwrapFailure::Unauthentic),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let vault = Vault::default();
    check_keyring(&vault, true).await?;
    let message = waxseal::encrypt(b"hello", &vault).now()?;
    assert_eq!(waxseal::decrypt(&message, &vault).now()?.plaintext(), b"hello");
    println!("the vault does what every keyring must do");
    Ok(())
}
