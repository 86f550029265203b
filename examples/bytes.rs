//! Bytes and typed values in memory.

use serde::{Deserialize, Serialize};
use waxseal::{AesKey, Error, RawAesKeyring};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct DbPassword {
    user: String,
    password: String,
}

fn main() -> Result<(), Error> {
    let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;

    let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
    let opened = waxseal::decrypt(&message, &keyring).require([("tenant", "42")]).now()?;
    assert_eq!(opened.plaintext(), b"hello");
    println!("opened by {}", opened.header().opened_by());

    // Another tenant's message is refused, though the key would open it.
    let refused = waxseal::decrypt(&message, &keyring).require([("tenant", "43")]).now();
    println!("refused: {}", refused.expect_err("it was of another tenant"));

    let secret = DbPassword { user: "app".into(), password: "hunter2".into() };
    let message = waxseal::encrypt_value(&secret, &keyring).now()?;
    let opened: DbPassword = waxseal::decrypt_value(&message, &keyring).now()?;
    assert_eq!(opened, secret);
    Ok(())
}
