//! What a cache saves: small messages per second with and without it, and calls made.
//!
//! Against `FakeKms`, which answers at once: a real AWS KMS takes milliseconds, so that the cache saves
//! more there. All of it is measured in one run.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use waxseal::kms::KmsKeyring;
use waxseal::testing::{FakeKms, KeySpec};
use waxseal::{
    AesKey, AlgorithmSuite, CachingManager, MaterialsCache, MaterialsManager, RawAesKeyring,
};

const SUITES: [(&str, AlgorithmSuite); 2] = [
    ("unsigned", AlgorithmSuite::Aes256GcmHkdfSha512CommitKey),
    ("signed", AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384),
];

fn main() {
    let smoke = std::env::args().any(|argument| argument == "--test");
    let messages = if smoke { 10 } else { 2000 };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    println!("{messages} messages of 1 KiB, encrypted and decrypted, on one thread");
    println!(
        "{:<10} {:<24} {:>12} {:>12} {:>8}",
        "suite", "keys", "messages/s", "of uncached", "calls"
    );
    for (name, suite) in SUITES {
        let kms = FakeKms::new();
        let arn = kms.create_key("eu-west-1", KeySpec::Symmetric).unwrap();
        let keyring = KmsKeyring::new(kms.client("eu-west-1"), &arn).unwrap();
        let cache = MaterialsCache::new(100).unwrap();
        let age = Duration::from_secs(3600);
        let cached = CachingManager::new(keyring.clone(), &cache, age).unwrap();
        let raw = RawAesKeyring::new("bench", "raw", AesKey::from([7; 32])).unwrap();
        let mut uncached = None;
        let managers: [(&str, &dyn MaterialsManager); 3] =
            [("FakeKms", &keyring), ("FakeKms, cached", &cached), ("raw AES", &raw)];
        for (keys, manager) in managers {
            // Once before, so that what happens once is not measured.
            runtime.block_on(run(manager, suite, 2));
            kms.clear_calls();
            let start = now();
            runtime.block_on(run(manager, suite, messages));
            let rate = f64::from(messages) / start.elapsed().as_secs_f64();
            let first = *uncached.get_or_insert(rate);
            let calls = kms.calls().len();
            println!("{name:<10} {keys:<24} {rate:>12.0} {:>11.2}x {calls:>8}", rate / first);
        }
    }
}

async fn run(manager: &dyn MaterialsManager, suite: AlgorithmSuite, messages: u32) {
    let plaintext = [7; 1024];
    for _ in 0..messages {
        let message = waxseal::encrypt(&plaintext, manager).suite(suite).await.unwrap();
        let opened = waxseal::decrypt(&message, manager).await.unwrap();
        assert_eq!(opened.plaintext(), plaintext);
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
