//! Keys in AWS KMS: unchanged on AWS and on `FakeKms`.
//!
//! `cargo run --example kms --features testing` needs no network and no account. With the ARN of a key,
//! `cargo run --example kms --features testing -- arn:aws:kms:...` uses that key, with credentials from the
//! environment.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_sdk_kms::Client;
use waxseal::kms::{DiscoveryFilter, KmsArn, KmsDiscoveryKeyring, KmsKeyring};
use waxseal::testing::{FakeKms, KeySpec};
use waxseal::{CachingManager, MaterialsCache};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(arn) => {
            let region = Region::new(arn.parse::<KmsArn>()?.region().to_owned());
            let config =
                aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
            run(Client::new(&config), &arn).await
        }
        None => {
            let kms = FakeKms::new();
            let arn = kms.create_key("eu-west-1", KeySpec::Symmetric)?;
            run(kms.client("eu-west-1"), &arn).await?;
            println!("AWS KMS was called {} times", kms.calls().len());
            Ok(())
        }
    }
}

/// What a program does with its key, wherever AWS KMS is.
async fn run(client: Client, arn: &str) -> Result<(), Box<dyn std::error::Error>> {
    let keyring = KmsKeyring::new(client.clone(), arn)?;
    let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).await?;
    println!("{arn} wrapped the key of a message of {} bytes", message.len());

    // Whoever may use the key can decrypt, without being told which key it is.
    let account = arn.parse::<KmsArn>()?.account().to_owned();
    let discovery =
        KmsDiscoveryKeyring::new(client).filter(DiscoveryFilter::new("aws", [account])?);
    let opened = waxseal::decrypt(&message, &discovery).require([("tenant", "42")]).await?;
    assert_eq!(opened.plaintext(), b"hello");

    // One call for many messages: for five minutes, or a thousand messages, whatever comes first.
    let cache = MaterialsCache::new(100)?;
    let cached =
        CachingManager::new(keyring, &cache, Duration::from_secs(300))?.max_messages(1000)?;
    for number in 0..100 {
        waxseal::encrypt(&format!("message {number}"), &cached).context([("tenant", "42")]).await?;
    }
    let stats = cache.stats();
    println!("100 messages took {} call: {} were hits", stats.calls, stats.hits);
    Ok(())
}
