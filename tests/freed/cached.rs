//! Caches: what they let go of when an entry is too old, too much used, pushed out or cleared, and when they end.

use std::future::IntoFuture;
use std::time::Duration;

use waxseal::{CachingManager, ManualClock, MaterialsCache};

use crate::keyrings::{Telling, UNSIGNED, data_key_of};
use crate::secrets::{Plaintext, Secrets, freed_by_async, random};

#[test]
fn every_end_of_an_entry() {
    let key = random(32);
    let plaintext = Plaintext::new(5_000);
    // All made before, so that nothing of it is freed meanwhile.
    let telling = Telling::new(&key);
    let mut messages = Vec::with_capacity(100);
    let freed = freed_by_async(async {
        let clock = ManualClock::default();
        let cache = MaterialsCache::with_clock(2, clock.clone()).unwrap();
        let manager = CachingManager::new(telling.clone(), &cache, Duration::from_secs(60));
        let manager = manager.unwrap().max_messages(2).unwrap();
        for tenant in ["1", "2", "3", "1", "1", "1", "2"] {
            let encrypt = waxseal::encrypt(&plaintext.bytes, &manager).context([("t", tenant)]);
            let message = encrypt.suite(UNSIGNED).await.unwrap();
            std::mem::forget(waxseal::decrypt(&message, &manager).await.unwrap());
            let mut changed = message.to_vec();
            *changed.last_mut().unwrap() ^= 1;
            waxseal::decrypt(&changed, &manager).await.unwrap_err();
            messages.push(message);
        }
        clock.advance(Duration::from_secs(61));
        cache.remove_expired();
        assert!(cache.is_empty());
        let encrypt = || waxseal::encrypt(&plaintext.bytes, &manager).suite(UNSIGNED);
        messages.push(encrypt().await.unwrap());
        // Both are cached under one entry; one of them is dropped before it runs.
        let (one, two) = (encrypt().into_future(), encrypt().into_future());
        drop(two);
        messages.push(one.await.unwrap());
        cache.clear();
        messages.push(encrypt().await.unwrap());
        drop((manager, cache));
    });
    let mut secrets = Secrets::new();
    secrets.add_with_forms("wrapping key", &key);
    plaintext.add_to(&mut secrets);
    assert!(telling.told() >= 5, "{}", telling.told());
    telling.add_to(&mut secrets);
    for message in &messages {
        let header = message.header();
        secrets.add_derived(&data_key_of(&telling, header), header);
    }
    secrets.assert_not_in(&freed);
}
