//! What happens at the highest sequence number, 2^32 - 1, which no test can reach frame by frame.

use std::num::NonZeroUsize;

use crate::decrypt::Decryptor;
use crate::encrypt::{Encryptor, encryptor};
use crate::error::{ApiMisuse, Error, Malformed};
use crate::keyring::{AesKey, RawAesKeyring};
use crate::policy::Policy;
use crate::suite::AlgorithmSuite;
use crate::unlock::Locked;

const FRAME_LEN: usize = 4;
/// Three frames, the last of which is the last that there can be.
const FIRST: u32 = u32::MAX - 2;
const PLAINTEXT: &[u8] = b"three frames";

#[test]
fn the_last_number_is_that_of_a_final_frame() {
    for threads in [1, 3] {
        for step in [1, 5, PLAINTEXT.len()] {
            let mut encryptor = start(FIRST, threads);
            let (header, body) = seal(&mut encryptor, PLAINTEXT, step).unwrap();
            assert_eq!(body.len(), PLAINTEXT.len() + 2 * 32 + 40);
            assert_eq!(body[body.len() - 44..][..8], [0xff; 8], "marker and number");
            let (released, result) = open(&header, &body, threads, step);
            assert_eq!(released, PLAINTEXT);
            result.unwrap();
        }
    }
}

#[test]
fn no_frame_comes_after_the_last_number() {
    let longer = [PLAINTEXT, b"!"].concat();
    for threads in [1, 3] {
        for step in [1, 5, longer.len()] {
            let mut encryptor = start(FIRST, threads);
            let error = seal(&mut encryptor, &longer, step).unwrap_err();
            assert!(
                matches!(error, Error::ApiMisuse(ApiMisuse::TooManyFrames { frame_len: 4, .. })),
                "{error:?}"
            );
            assert!(!encryptor.is_finished());
            let again = encryptor.finish(&mut [0; 100]).unwrap_err();
            assert!(matches!(again, Error::ApiMisuse(ApiMisuse::Poisoned)), "{again:?}");
        }
        // In one call with the end, too.
        let mut encryptor = start(FIRST, threads);
        let mut out = [0; 2000];
        let header_len = encryptor.update(b"", &mut out).unwrap().written;
        let error = encryptor.finish_with(&longer, &mut out[header_len..]).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::TooManyFrames { .. })), "{error:?}");
    }
}

/// A regular frame with the last number would begin as a final one does, and is read as one.
#[test]
fn a_regular_frame_with_the_last_number_is_none() {
    for threads in [1, 3] {
        let (header, body) = seal(&mut start(FIRST, threads), PLAINTEXT, 100).unwrap();
        let regular = &body[..2 * 36];
        let mut forged = regular.to_vec();
        forged.extend_from_slice(&[0xff; 4]);
        forged.extend_from_slice(&body[36 + 4..2 * 36]);
        let (released, result) = open(&header, &forged, threads, 1000);
        assert_eq!(released, PLAINTEXT[..2 * FRAME_LEN]);
        let error = result.unwrap_err();
        let Error::InvalidMessage(invalid) = &error else { panic!("{error:?}") };
        let reason = invalid.reason();
        assert!(matches!(reason, Malformed::Sequence { expected: u32::MAX, .. }), "{reason:?}");
    }
}

fn start(sequence_number: u32, threads: usize) -> Encryptor {
    let frame_len = u32::try_from(FRAME_LEN).unwrap();
    let keyring = keyring();
    let encryptor = encryptor(&keyring)
        .suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .frame_len(frame_len)
        .unwrap()
        .threads(NonZeroUsize::new(threads).unwrap());
    let mut encryptor = encryptor.now().unwrap();
    encryptor.skip_to(sequence_number);
    encryptor
}

/// Header and body.
fn seal(
    encryptor: &mut Encryptor,
    plaintext: &[u8],
    step: usize,
) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let (mut message, mut out) = (Vec::new(), [0; 200]);
    for mut rest in plaintext.chunks(step) {
        while !rest.is_empty() {
            let progress = encryptor.update(rest, &mut out)?;
            message.extend_from_slice(&out[..progress.written]);
            rest = &rest[progress.read..];
        }
    }
    while !encryptor.is_finished() {
        let written = encryptor.finish(&mut out)?;
        message.extend_from_slice(&out[..written]);
    }
    let header_len = usize::try_from(encryptor.header().len()).unwrap();
    let body = message.split_off(header_len);
    Ok((message, body))
}

fn open(header: &[u8], body: &[u8], threads: usize, step: usize) -> (Vec<u8>, Result<(), Error>) {
    let (locked, _) = Locked::read(header, Policy::default()).unwrap();
    let keyring = keyring();
    let unlock = locked.unlock(&keyring).threads(NonZeroUsize::new(threads).unwrap());
    let mut decryptor: Decryptor = unlock.now().unwrap();
    decryptor.skip_to(FIRST);
    let (mut released, mut out) = (Vec::new(), [0; 200]);
    for mut rest in body.chunks(step) {
        while !rest.is_empty() {
            match decryptor.update(rest, &mut out) {
                Ok(progress) => {
                    released.extend_from_slice(&out[..progress.written]);
                    rest = &rest[progress.read..];
                }
                Err(error) => return (released, Err(error)),
            }
        }
    }
    (released, decryptor.finish().map(|_| ()))
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("n", "k", AesKey::from([1; 32])).unwrap()
}
