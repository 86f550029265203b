//! Calls in flight, on runtimes of one thread and of several, and calls that nobody waits for any more.

use std::sync::Arc;
use std::time::Duration;

use waxseal::kms::{KmsKeyring, RegionalKmsClients};
use waxseal::testing::{FakeKms, KeySpec, Outcome};

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
