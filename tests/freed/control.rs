//! The search finds what is there.

use std::hint::black_box;

use crate::secrets::{Plaintext, Secrets, base64, freed_by, freed_by_async, hex, random};

fn found(secret: &[u8], act: impl FnOnce()) -> usize {
    let mut secrets = Secrets::new();
    secrets.add_with_forms("key", secret);
    secrets.find_in(&freed_by(act)).len()
}

#[test]
fn a_freed_copy_is_found() {
    let key = random(32);
    assert_eq!(found(&key, || drop(black_box(key.to_vec()))), 1);
    assert_eq!(
        found(&key, || drop(black_box(Box::new((7_u8, <[u8; 32]>::try_from(&key[..]).unwrap()))))),
        1
    );
    // These also leave the parts behind that they were made of.
    assert!(found(&key, || drop(black_box(hex(&key)))) > 0);
    assert!(found(&key, || drop(black_box(base64(&[&[1, 2], &key[..]].concat())))) > 1);
    let reversed = || key.iter().rev().copied().collect::<Vec<_>>();
    assert_eq!(found(&key, || drop(black_box(reversed()))), 1);
}

#[test]
fn half_a_key_is_found() {
    let key = random(32);
    assert_eq!(found(&key, || drop(black_box(key[..16].to_vec()))), 1);
    assert_eq!(found(&key, || drop(black_box(key[16..].to_vec()))), 1);
    let key = random(24);
    assert_eq!(found(&key, || drop(black_box(key[8..].to_vec()))), 1);
}

#[test]
fn what_a_growing_buffer_leaves_behind_is_found() {
    let key = random(32);
    let mut kept = Vec::with_capacity(32);
    let grow = || {
        kept.extend_from_slice(&key);
        kept.push(0);
    };
    assert_eq!(found(&key, grow), 1);
}

#[test]
fn what_a_shrinking_buffer_cuts_off_is_found() {
    let key = random(32);
    let mut kept = vec![0; 100];
    let shrink = || {
        kept[60..92].copy_from_slice(&key);
        kept.truncate(10);
        kept.shrink_to_fit();
    };
    assert_eq!(found(&key, shrink), 1);
}

#[test]
fn what_was_cleared_but_not_zeroed_is_found() {
    let key = random(32);
    let clear = || {
        let mut copy = key.to_vec();
        copy.clear();
        drop(black_box(copy));
    };
    assert_eq!(found(&key, clear), 1);
}

#[test]
fn a_piece_of_plaintext_is_found_wherever_it_was_cut() {
    let plaintext = Plaintext::new(1000);
    let mut secrets = Secrets::new();
    plaintext.add_to(&mut secrets);
    for start in 500..516 {
        let freed = freed_by(|| drop(black_box(plaintext.bytes[start..][..31].to_vec())));
        assert_eq!(secrets.find_in(&freed).len(), 1, "{start}");
    }
}

#[test]
fn a_copy_that_another_thread_freed_is_found() {
    let key = random(32);
    let drop_copy = || drop(black_box(key.clone()));
    assert!(found(&key, || std::thread::scope(|scope| scope.spawn(drop_copy).join().unwrap())) > 0);
    let mut secrets = Secrets::new();
    secrets.add("key", &key);
    let freed = freed_by_async(async {
        tokio::task::spawn_blocking(move || drop(black_box(key))).await.unwrap();
    });
    assert!(!secrets.find_in(&freed).is_empty());
}

#[test]
fn what_is_zeroed_or_still_there_is_not_found() {
    let key = random(32);
    let mut kept = Vec::new();
    assert_eq!(found(&key, || kept.push(key.to_vec())), 0);
    assert_eq!(found(&key, || drop(zeroize::Zeroizing::new(key.to_vec()))), 0);
}
