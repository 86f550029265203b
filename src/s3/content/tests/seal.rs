use proptest::prelude::*;

use super::{GCM_SUITES, body, pattern, to_decrypt, to_encrypt};
use crate::error::{ApiMisuse, Error, ObjectError};
use crate::s3::content::{PartSealer, SealedPart, Sealer};
use crate::s3::suite::{ContentSuite, MAX_GCM_CONTENT_LEN};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_split_of_the_plaintext_gives_the_same_body(
        suite in prop::sample::select(GCM_SUITES.to_vec()),
        len in 0..500_usize,
        sizes in prop::collection::vec(0..70_usize, 0..20),
    ) {
        let plaintext = pattern(len);
        let mut sealer = Sealer::new(to_encrypt(suite));
        let mut out = b"before".to_vec();
        let mut rest = plaintext.as_slice();
        for size in sizes {
            let (now, later) = rest.split_at(size.min(rest.len()));
            sealer.update(now, &mut out).unwrap();
            rest = later;
        }
        sealer.update(rest, &mut out).unwrap();
        sealer.finish(&mut out).unwrap();
        prop_assert_eq!(out, [b"before", body(suite, &plaintext).as_slice()].concat());
    }

    #[test]
    fn parts_in_any_order_are_the_bytes_of_the_sealer(
        suite in prop::sample::select(GCM_SUITES.to_vec()),
        blocks in prop::collection::vec(0..9_usize, 0..7),
        tail in 0..16_usize,
        order in prop::collection::vec(any::<u8>(), 8),
    ) {
        let mut lens: Vec<_> = blocks.iter().map(|blocks| blocks * 16).collect();
        lens.push(tail);
        let plaintext = pattern(lens.iter().sum());
        let sealer = PartSealer::new(to_encrypt(suite));
        let mut rest = plaintext.as_slice();
        let mut work: Vec<_> = lens
            .iter()
            .enumerate()
            .map(|(index, &len)| {
                let (part, later) = rest.split_at(len);
                rest = later;
                (index, sealer.next_part(len).unwrap(), part.to_vec())
            })
            .collect();
        work.sort_by_key(|(index, ..)| order[*index]);
        let mut out = vec![0; plaintext.len()];
        let mut sealed = Vec::new();
        for (_, ticket, mut part) in work {
            let from = usize::try_from(ticket.offset()).unwrap();
            sealed.push(ticket.seal(&mut part).unwrap());
            out[from..from + part.len()].copy_from_slice(&part);
        }
        out.extend(sealer.finish(sealed).unwrap());
        prop_assert_eq!(out, body(suite, &plaintext));
    }
}

#[test]
fn a_part_sealed_alone_is_the_same_bytes() {
    for suite in GCM_SUITES {
        let plaintext = pattern(200_000);
        let expected = body(suite, &plaintext);
        let sealer = PartSealer::new(to_encrypt(suite));
        let (_, ticket) = (sealer.next_part(65_536 + 16), sealer.next_part(70_000));
        let mut part = plaintext[65_552..135_552].to_vec();
        let _hash = ticket.unwrap().seal(&mut part).unwrap();
        assert_eq!(part, expected[65_552..135_552]);
    }
}

#[test]
fn parts_on_several_threads_are_one_body() {
    let suite = ContentSuite::default();
    let mut plaintext = pattern(1_000_000);
    let expected = body(suite, &plaintext);
    let sealer = PartSealer::new(to_encrypt(suite));
    let sealed: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = plaintext
            .chunks_mut(160_000)
            .map(|part| {
                let ticket = sealer.next_part(part.len()).unwrap();
                scope.spawn(move || ticket.seal(part).unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let tag = sealer.finish(sealed).unwrap();
    assert_eq!([plaintext, tag.to_vec()].concat(), expected);
}

#[test]
fn an_empty_body_is_a_tag() {
    for suite in GCM_SUITES {
        let mut out = Vec::new();
        Sealer::new(to_encrypt(suite)).finish(&mut out).unwrap();
        assert_eq!(out, body(suite, b""));
        let tag = PartSealer::new(to_encrypt(suite)).finish(Vec::new()).unwrap();
        assert_eq!(tag.as_slice(), out);
    }
}

#[test]
fn what_is_not_whole_is_held_back() {
    let mut sealer = Sealer::new(to_encrypt(ContentSuite::default()));
    let mut out = Vec::new();
    for (len, expected) in [(15, 0), (0, 0), (1, 16), (16, 32), (17, 48), (31, 80)] {
        sealer.update(&pattern(len), &mut out).unwrap();
        assert_eq!(out.len(), expected, "{len}");
    }
}

#[test]
fn a_ticket_seals_only_the_length_that_was_claimed() {
    let sealer = PartSealer::new(to_encrypt(ContentSuite::default()));
    for (claimed, given) in [(16, 15), (16, 17), (16, 0), (0, 1)] {
        let ticket = sealer.next_part(claimed).unwrap();
        let error = ticket.seal(&mut vec![0; given]).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::BufferLen { .. })), "{error}");
    }
}

#[test]
fn no_part_follows_one_that_is_not_whole() {
    let sealer = PartSealer::new(to_encrypt(ContentSuite::default()));
    let _first = sealer.next_part(32).unwrap();
    let _last = sealer.next_part(17).unwrap();
    assert!(is_order(sealer.next_part(16).unwrap_err()));
    assert!(is_order(sealer.next_part(0).unwrap_err()));
}

#[test]
fn there_is_no_tag_without_every_part() {
    let sealed = |sealer: &PartSealer, count: usize| -> Vec<SealedPart> {
        (0..count).map(|_| sealer.next_part(16).unwrap().seal(&mut [0; 16]).unwrap()).collect()
    };
    let new = || PartSealer::new(to_encrypt(ContentSuite::default()));
    for missing in 0..3 {
        let sealer = new();
        let mut parts = sealed(&sealer, 3);
        drop(parts.remove(missing));
        assert!(is_order(sealer.finish(parts).unwrap_err()), "{missing}");
    }
    let sealer = new();
    let parts = sealed(&sealer, 2);
    let ticket = sealer.next_part(16).unwrap();
    assert!(is_order(sealer.finish(parts).unwrap_err()), "a ticket that nobody used");
    drop(ticket);
    let (sealer, other) = (new(), new());
    let mut parts = sealed(&sealer, 2);
    parts[1] = sealed(&other, 2).remove(1);
    assert!(is_order(sealer.finish(parts).unwrap_err()), "a part of another body");
}

#[test]
fn a_body_is_not_longer_than_the_cipher_allows() {
    let sealer = PartSealer::new(to_encrypt(ContentSuite::default()));
    let most = usize::try_from(MAX_GCM_CONTENT_LEN).unwrap();
    assert!(is_too_long(sealer.next_part(most + 1).unwrap_err()));
    let _all = sealer.next_part(most - 16).unwrap();
    assert!(is_too_long(sealer.next_part(17).unwrap_err()));
    // The last bytes can still be sealed.
    let _last = sealer.next_part(16).unwrap().seal(&mut [0; 16]).unwrap();
    assert!(is_too_long(sealer.next_part(1).unwrap_err()));
    assert!(is_too_long(sealer.next_part(usize::MAX).unwrap_err()));
}

#[test]
fn a_key_for_cbc_seals_nothing() {
    let cbc = ContentSuite::Aes256CbcIv16NoKdf;
    let mut out = Vec::new();
    let mut sealer = Sealer::new(to_decrypt(cbc));
    assert!(is_poisoned(sealer.update(b"secret", &mut out).unwrap_err()));
    assert!(is_poisoned(sealer.finish(&mut out).unwrap_err()));
    let sealer = PartSealer::new(to_decrypt(cbc));
    assert!(is_poisoned(sealer.next_part(6).unwrap_err()));
    assert!(is_poisoned(sealer.finish(Vec::new()).unwrap_err()));
    assert_eq!(out, b"");
}

#[test]
fn debug_shows_no_plaintext() {
    let mut sealer = Sealer::new(to_encrypt(ContentSuite::default()));
    sealer.update(b"a secret of some length", &mut Vec::new()).unwrap();
    assert_eq!(format!("{sealer:?}"), "Sealer { sealed: 16, failed: false, .. }");
    let sealer = PartSealer::new(to_encrypt(ContentSuite::default()));
    let ticket = sealer.next_part(16).unwrap();
    assert_eq!(format!("{ticket:?}"), "PartTicket { offset: 0, len: 16, .. }");
    let part = ticket.seal(&mut [0; 16]).unwrap();
    assert_eq!(format!("{part:?}"), "SealedPart { offset: 0, len: 16, .. }");
}

fn is_order(error: Error) -> bool {
    matches!(error, Error::ApiMisuse(ApiMisuse::Order(_)))
}

fn is_poisoned(error: Error) -> bool {
    matches!(error, Error::ApiMisuse(ApiMisuse::Poisoned))
}

fn is_too_long(error: Error) -> bool {
    matches!(error, Error::Object(ObjectError::ContentTooLong { limit: MAX_GCM_CONTENT_LEN }))
}
