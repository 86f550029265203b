//! Caches: what they let go of when an entry is too old, too much used, pushed out or cleared, and when they end.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waxseal::{
    Attempt, CachingManager, EncryptionMaterials, Error, LocalKeyring, ManualClock, MaterialsCache,
    RawAesKeyring, UnwrapRequest, UnwrappedDataKey,
};

use crate::keyrings::{UNSIGNED, aes};
use crate::secrets::{Plaintext, Secrets, freed_by_async, random};

/// Tells each data key that it makes.
#[derive(Debug, Clone)]
struct Telling(Arc<RawAesKeyring>, Arc<Mutex<Vec<Vec<u8>>>>);

impl LocalKeyring for Telling {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.0.wrap_now(materials)?;
        self.1.lock().unwrap().push(materials.data_key().unwrap().expose().to_vec());
        Ok(())
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        self.0.unwrap_now(request)
    }
}

#[test]
fn every_end_of_an_entry() {
    let key = random(32);
    let plaintext = Plaintext::new(5_000);
    // All made before, so that nothing of it is freed meanwhile.
    let telling = Telling(Arc::new(aes(&key)), Arc::new(Mutex::new(Vec::with_capacity(100))));
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
    let told = telling.1.lock().unwrap();
    assert!(told.len() >= 5, "{}", told.len());
    told.iter().for_each(|key| secrets.add_with_forms("data key", key));
    for message in &messages {
        let header = message.header();
        secrets.add_derived(&crate::keyrings::data_key_of(&*telling.0, header), header);
    }
    secrets.assert_not_in(&freed);
}
