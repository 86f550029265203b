//! Encrypts standard input under a key of AWS KMS, with context pairs that the message does not store: whoever
//! decrypts must know them, and a message that is opened with others is refused.
//!
//! ```sh
//! required_context ARN purpose=report --not-stored tenant=42 < report > report.sealed
//! waxseal decrypt -k kms:key=ARN -c tenant=42 -i report.sealed
//! ```
//!
//! Without arguments it does both with an AES key of its own.

use std::error::Error;
use std::io::{self, Read as _, Write as _};

use waxseal::kms::{KmsArn, KmsClientSupplier as _, KmsKeyring, RegionalKmsClients};
use waxseal::{AesKey, EncryptionContext, RawAesKeyring, RequiredContextManager};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let Some((key, pairs)) = arguments.split_first() else { return demonstrate() };
    let mut parts = pairs.split(|argument| argument == "--not-stored");
    let stored = parse(parts.next().unwrap_or_default())?;
    let not_stored = parse(parts.next().unwrap_or_default())?;

    let arn: KmsArn = key.parse()?;
    let client = RegionalKmsClients::from_environment().await.client(arn.region())?;
    let names = not_stored.iter().map(|(name, _)| *name);
    let manager = RequiredContextManager::new(KmsKeyring::new(client, key)?, names)?;

    let mut plaintext = Vec::new();
    io::stdin().read_to_end(&mut plaintext)?;
    let context: EncryptionContext = stored.into_iter().chain(not_stored).collect();
    let message = waxseal::encrypt(&plaintext, &manager).context(context).await?;
    io::stdout().write_all(&message)?;
    Ok(())
}

fn parse(pairs: &[String]) -> Result<Vec<(&str, &str)>, String> {
    let other = |pair| format!("{pair:?} is not NAME=VALUE");
    pairs.iter().map(|pair| pair.split_once('=').ok_or_else(|| other(pair))).collect()
}

fn demonstrate() -> Result<(), Box<dyn Error>> {
    let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    let manager = RequiredContextManager::new(keyring, ["tenant"])?;
    let context = [("purpose", "report"), ("tenant", "42")];
    let message = waxseal::encrypt(b"hello", &manager).context(context).now()?;
    assert_eq!(message.header().context().get("tenant"), None);

    let opened = waxseal::decrypt(&message, &manager).require([("tenant", "42")]).now()?;
    assert_eq!(opened.plaintext(), b"hello");
    for wrong in [[("tenant", "43")], [("purpose", "report")]] {
        match waxseal::decrypt(&message, &manager).require(wrong).now() {
            Ok(_) => return Err("wrong context opens the message".into()),
            Err(refusal) => println!("with {wrong:?}: {refusal}"),
        }
    }
    Ok(())
}
