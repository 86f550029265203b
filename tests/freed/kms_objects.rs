//! Objects of Amazon S3 under AWS KMS, without a client of Amazon S3.

use std::future::IntoFuture;
use std::sync::{Arc, Mutex};

use waxseal::kms::{KmsDiscoveryKeyring, KmsKeyring};
use waxseal::s3::{S3Keyring, open, prepare};
use waxseal::testing::{FakeKms, Fault, KeySpec};

use crate::allocator::Watch;
use crate::kms::{IRELAND, is_of_others, poll};
use crate::objects::{TellingOfObjects, add_object_keys};
use crate::secrets::{Plaintext, Secrets};

#[test]
fn of_objects() {
    let kms = FakeKms::new();
    let arn = kms.create_key(IRELAND, KeySpec::Symmetric).unwrap();
    let plaintext = Plaintext::new(5_000);
    let told = Arc::new(Mutex::new(Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stored = None;
    let watch = Watch::start_tracing();
    runtime.block_on(async {
        let keyring = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
        let keyring = TellingOfObjects(keyring, Arc::clone(&told));
        let discovery = KmsDiscoveryKeyring::new(kms.client(IRELAND));
        let prepared = prepare(&keyring).context([("a", "b")]).await.unwrap();
        let metadata = prepared.content_metadata().clone();
        let (mut sealer, mut body) = (prepared.into_sealer(), Vec::new());
        sealer.update(&plaintext.bytes, &mut body).unwrap();
        sealer.finish(&mut body).unwrap();
        let unwrap = |keyring| open(&metadata, keyring).context([("a", "b")]);
        let both: [&dyn S3Keyring; 2] = [&keyring, &discovery];
        for keyring in both {
            let mut opener = unwrap(keyring).await.unwrap().buffered(1 << 20);
            opener.update(&body).unwrap();
            std::mem::forget(opener.finish().unwrap());
        }
        let faults: [fn() -> Fault; 8] = [
            || Fault::refused("AccessDeniedException", "no"),
            Fault::truncated,
            Fault::flipped_plaintext,
            || Fault::plaintext_len(31),
            || Fault::without("Plaintext"),
            || Fault::without("KeyId"),
            || Fault::without("CiphertextBlob"),
            || Fault::wrong_key_id("arn:aws:kms:eu-west-1:111122223333:key/other"),
        ];
        for fault in faults {
            kms.inject(fault());
            drop(prepare(&keyring).await);
            kms.clear_faults();
            for keyring in both {
                kms.inject(fault());
                drop(unwrap(keyring).await);
                kms.clear_faults();
            }
        }
        for polls in 0..3 {
            let held = kms.hold();
            poll(prepare(&keyring).into_future(), polls);
            poll(unwrap(&keyring).into_future(), polls);
            poll(unwrap(&discovery).into_future(), polls);
            drop(held);
        }
        stored = Some(metadata);
    });
    let freed = watch.stop();
    let mut secrets = Secrets::new();
    plaintext.add_to(&mut secrets);
    let told = told.lock().unwrap();
    assert!(!told.is_empty());
    told.iter().for_each(|key| secrets.add_with_forms("data key", key));
    let keyring = KmsKeyring::new(kms.client(IRELAND), &arn).unwrap();
    let context = [("a", "b")].into();
    runtime.block_on(add_object_keys(&mut secrets, &keyring, &stored.unwrap(), &context));
    secrets.assert_only_in(&freed, is_of_others);
}
