//! Calls in flight, on runtimes of one thread and of several, and calls that nobody waits for any more.

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use waxseal::kms::{KmsKeyring, RegionalKmsClients};
use waxseal::testing::{FakeKms, Fault, KeySpec, Operation, Outcome};
use waxseal::{CachingManager, MaterialsCache};

use super::{IRELAND, VIRGINIA, encrypt, one_key, opens};

async fn many_at_once() {
    let (kms, _, keyring) = one_key();
    let keyring = Arc::new(keyring);
    let held = kms.hold();
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let keyring = Arc::clone(&keyring);
            tokio::spawn(async move { encrypt(&*keyring).await })
        })
        .collect();
    held.until(32).await;
    drop(held);
    for task in tasks {
        opens(&*keyring, &task.await.unwrap()).await;
    }
    assert_eq!(kms.calls().len(), 64);
}

#[tokio::test]
async fn nothing_blocks_on_one_thread() {
    many_at_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_blocks_on_several_threads() {
    many_at_once().await;
}

#[tokio::test]
async fn a_call_can_be_dropped() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let held = kms.hold();
    {
        let mut decrypt = waxseal::decrypt(&message, &keyring).into_future();
        tokio::select! {
            biased;
            _ = &mut decrypt => panic!("it is held"),
            () = held.until(1) => {}
        }
    }
    assert_eq!(kms.calls().last().unwrap().outcome, Outcome::Abandoned);
    {
        let mut encrypt = waxseal::encrypt(b"x", &keyring).into_future();
        tokio::select! {
            biased;
            _ = &mut encrypt => panic!("it is held"),
            () = held.until(1) => {}
        }
    }
    drop(held);
    opens(&keyring, &message).await;
}

/// A slow region costs as much as the caller allows, and another can be asked instead.
#[tokio::test]
async fn the_callers_deadline_holds() {
    let kms = FakeKms::new();
    let arns = [IRELAND, VIRGINIA].map(|r| kms.create_key(r, KeySpec::Symmetric).unwrap());
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let both = KmsKeyring::multi(&clients).generator(&arns[0]).child(&arns[1]).build().unwrap();
    let message = encrypt(&both).await;
    let held = kms.hold();
    let first = KmsKeyring::new(kms.client(IRELAND), &arns[0]).unwrap();
    let late = tokio::time::timeout(
        Duration::from_millis(1),
        waxseal::decrypt(&message, &first).into_future(),
    );
    assert!(late.await.is_err());
    drop(held);
    let second = KmsKeyring::new(kms.client(VIRGINIA), &arns[1]).unwrap();
    opens(&second, &message).await;
}

/// Each call of a keyring of several keys may be the one that its caller gives up.
#[tokio::test]
async fn every_call_of_several_can_be_dropped() {
    let kms = FakeKms::new();
    let arns = [IRELAND, VIRGINIA].map(|r| kms.create_key(r, KeySpec::Symmetric).unwrap());
    let clients = RegionalKmsClients::like(kms.client(IRELAND));
    let both = KmsKeyring::multi(&clients).generator(&arns[0]).child(&arns[1]).build().unwrap();
    let message = encrypt(&both).await;
    for (operation, region) in [
        (Operation::GenerateDataKey, IRELAND),
        (Operation::Encrypt, VIRGINIA),
        (Operation::Decrypt, IRELAND),
        (Operation::Decrypt, VIRGINIA),
    ] {
        kms.inject(Fault::stalled().on(operation).region(region));
        // So that the second region is asked to decrypt.
        kms.inject(Fault::refused("AccessDeniedException", "no").on(Operation::Decrypt));
        let mut cx = Context::from_waker(Waker::noop());
        {
            let mut encrypt = waxseal::encrypt(b"x", &both).into_future();
            let mut decrypt = waxseal::decrypt(&message, &both).into_future();
            if operation == Operation::Decrypt {
                assert!(decrypt.as_mut().poll(&mut cx).is_pending());
            } else {
                assert!(encrypt.as_mut().poll(&mut cx).is_pending());
            }
        }
        let call = kms.calls().pop().unwrap();
        assert_eq!((call.operation, &*call.region), (operation, region));
        assert_eq!(call.outcome, Outcome::Abandoned);
        kms.clear_faults();
        opens(&both, &message).await;
        opens(&both, &encrypt(&both).await).await;
    }
}

/// A flight of the cache is a call of AWS KMS: it is there as long as anybody waits for it, and no longer.
#[tokio::test]
async fn a_cached_call_is_dropped_with_the_last_who_waits() {
    let (kms, _, keyring) = one_key();
    let message = encrypt(&keyring).await;
    let cache = MaterialsCache::new(10).unwrap();
    let manager = CachingManager::new(keyring, &cache, Duration::from_secs(60)).unwrap();
    kms.clear_calls();
    let held = kms.hold();
    let mut first = waxseal::decrypt(&message, &manager).into_future();
    let mut second = waxseal::decrypt(&message, &manager).into_future();
    tokio::select! {
        biased;
        _ = &mut first => panic!("it is held"),
        _ = &mut second => panic!("it is held"),
        () = held.until(1) => {}
    }
    assert_eq!((cache.stats().calls, cache.stats().waits), (1, 1));
    drop(first);
    assert_eq!(kms.calls().len(), 1);
    assert_ne!(kms.calls()[0].outcome, Outcome::Abandoned);
    drop(second);
    assert_eq!(kms.calls()[0].outcome, Outcome::Abandoned);
    assert!(cache.is_empty());
    // The next begins anew, and goes on when it is left alone with the call.
    let mut first = waxseal::decrypt(&message, &manager).into_future();
    let mut second = waxseal::decrypt(&message, &manager).into_future();
    tokio::select! {
        biased;
        _ = &mut first => panic!("it is held"),
        _ = &mut second => panic!("it is held"),
        () = held.until(1) => {}
    }
    drop(first);
    drop(held);
    assert_eq!(second.await.unwrap().plaintext(), super::PLAINTEXT);
    assert_eq!((cache.stats().calls, cache.len()), (2, 1));
    assert_eq!(kms.calls().len(), 2);
}
