//! Commitments, tags and keys that are wrong in their first or in their last byte.

use std::hint::black_box;

use waxseal::{
    AesKey, AlgorithmSuite, DataKey, EcPrivateKey, EcdhCurve, EncryptedDataKey, EncryptionContext,
    FrameKind, LocalKeyring, Locked, Policy, RawAesKeyring, RawEcdhKeyring, UnwrapRequest,
};

use crate::welch::{Subject, time};
use crate::wrong_first_or_last;

pub(crate) fn subjects() -> Vec<Subject<'static>> {
    #[cfg_attr(not(feature = "s3-format"), expect(unused_mut, reason = "more of objects"))]
    let mut subjects = vec![
        data_keys(),
        commitment(),
        header_tag(),
        frame_tag(),
        wrapped_key_tag(),
        ecdh_commitment(),
    ];
    #[cfg(feature = "s3-format")]
    subjects.extend(s3::subjects());
    subjects
}

fn data_keys() -> Subject<'static> {
    let key = DataKey::try_from(&[7; 32][..]).unwrap();
    Subject {
        name: "DataKey ==, first or last byte (100 times)",
        classes: wrong_first_or_last(key.expose(), 0..32),
        measurements: 400_000,
        time: Box::new(move |input| {
            let other = DataKey::try_from(input).unwrap();
            time(|| (0..100).filter(|_| black_box(&key) == black_box(&other)).count())
        }),
    }
}

/// All that unlocking does, up to the comparison of the commitments.
fn commitment() -> Subject<'static> {
    let (keyring, message, header_len) = message();
    let end = header_len - 16;
    unlock("commitment of a message, first or last byte", keyring, &message, end - 32..end)
}

/// Up to the tag of the header.
fn header_tag() -> Subject<'static> {
    let (keyring, message, header_len) = message();
    let tag = header_len - 16..header_len;
    unlock("tag of a header, first or last byte", keyring, &message, tag)
}

fn unlock(
    name: &'static str,
    keyring: RawAesKeyring,
    message: &[u8],
    wrong: std::ops::Range<usize>,
) -> Subject<'static> {
    Subject {
        name,
        classes: wrong_first_or_last(message, wrong),
        measurements: 200_000,
        time: Box::new(move |input| {
            let (locked, _) = Locked::read(input, Policy::default()).unwrap();
            time(|| locked.unlock(&keyring).now().unwrap_err())
        }),
    }
}

fn frame_tag() -> Subject<'static> {
    let (keyring, message, header_len) = message();
    let (locked, _) = Locked::read(&message, Policy::default()).unwrap();
    let opener = locked.unlock(&keyring).now().unwrap().into_frames().unwrap().opener;
    let frame = &message[header_len..];
    let mut plaintext = [0; PLAINTEXT.len()];
    opener.open(1, FrameKind::Final, frame, &mut plaintext).unwrap();
    assert_eq!(&plaintext, PLAINTEXT);
    Subject {
        name: "tag of a frame, first or last byte",
        classes: wrong_first_or_last(frame, frame.len() - 16..frame.len()),
        measurements: 400_000,
        time: Box::new(move |input| {
            let mut out = [0; PLAINTEXT.len()];
            time(|| opener.open(1, FrameKind::Final, input, &mut out).unwrap_err())
        }),
    }
}

fn wrapped_key_tag() -> Subject<'static> {
    let (keyring, message, _) = message();
    let (locked, _) = Locked::read(&message, Policy::default()).unwrap();
    let edk = &locked.encrypted_data_keys()[0];
    let len = edk.ciphertext().len();
    let name = "tag of a data key wrapped with AES, first or last byte";
    unwrap(name, keyring, edk, len - 16..len, 400_000)
}

/// The commitment that an ECDH keyring writes before a wrapped data key, after 32 bytes of salt.
fn ecdh_commitment() -> Subject<'static> {
    let own = EcPrivateKey::generate(EcdhCurve::P256).unwrap();
    let peer = EcPrivateKey::generate(EcdhCurve::P256).unwrap().public_key().unwrap();
    let keyring = RawEcdhKeyring::raw_private_key_to_static_public_key(own, peer).unwrap();
    let message = waxseal::encrypt(PLAINTEXT, &keyring).suite(SUITE).now().unwrap().into_bytes();
    let (locked, _) = Locked::read(&message, Policy::default()).unwrap();
    let edk = &locked.encrypted_data_keys()[0];
    unwrap("commitment of an ECDH keyring, first or last byte", keyring, edk, 32..64, 40_000)
}

fn unwrap(
    name: &'static str,
    keyring: impl LocalKeyring + 'static,
    edk: &EncryptedDataKey,
    wrong: std::ops::Range<usize>,
    measurements: usize,
) -> Subject<'static> {
    let (provider_id, provider_info) = (edk.provider_id().to_vec(), edk.provider_info().to_vec());
    let context = EncryptionContext::new();
    Subject {
        name,
        classes: wrong_first_or_last(edk.ciphertext(), wrong),
        measurements,
        time: Box::new(move |input| {
            let edks = [EncryptedDataKey::new(&*provider_id, &*provider_info, input)];
            let request = UnwrapRequest::new(SUITE, &context, &edks);
            time(|| keyring.unwrap_now(&request).unwrap_err())
        }),
    }
}

/// An unsigned message of one frame, with its keyring and the length of its header.
fn message() -> (RawAesKeyring, Vec<u8>, usize) {
    let keyring = RawAesKeyring::new("bench", "key", AesKey::from([5; 32])).unwrap();
    let message = waxseal::encrypt(PLAINTEXT, &keyring).suite(SUITE).now().unwrap().into_bytes();
    let (_, header_len) = Locked::read(&message, Policy::default()).unwrap();
    (keyring, message, header_len)
}

#[cfg(feature = "s3-format")]
mod s3 {
    use base64ct::{Base64, Encoding};
    use waxseal::s3::{AesKeyring, ContentMetadata, Metadata, open, prepare};

    use super::*;
    use crate::unwrapping::ready;

    pub(super) fn subjects() -> [Subject<'static>; 2] {
        [commitment(), body_tag()]
    }

    fn commitment() -> Subject<'static> {
        let (keyring, pairs, _) = object();
        let value = &pairs.iter().find(|(key, _)| key == COMMITMENT).unwrap().1;
        let commitment = Base64::decode_vec(value).unwrap();
        Subject {
            name: "commitment of an object, first or last byte",
            classes: wrong_first_or_last(&commitment, 0..commitment.len()),
            measurements: 200_000,
            time: Box::new(move |input| {
                let mut pairs = pairs.clone();
                let commitment = pairs.iter_mut().find(|(key, _)| key == COMMITMENT).unwrap();
                commitment.1 = Base64::encode_string(input);
                let metadata = read(&pairs);
                time(|| ready(open(&metadata, &keyring)).unwrap_err())
            }),
        }
    }

    fn body_tag() -> Subject<'static> {
        let (keyring, pairs, body) = object();
        let metadata = read(&pairs);
        Subject {
            name: "tag of an object, first or last byte",
            classes: wrong_first_or_last(&body, body.len() - 16..body.len()),
            measurements: 200_000,
            time: Box::new(move |input| {
                let mut opener = ready(open(&metadata, &keyring)).unwrap().buffered(1 << 20);
                opener.update(input).unwrap();
                time(|| opener.finish().unwrap_err())
            }),
        }
    }

    fn object() -> (AesKeyring, Vec<(String, String)>, Vec<u8>) {
        let keyring = AesKeyring::new(AesKey::from([5; 32])).unwrap();
        let prepared = ready(prepare(&keyring)).unwrap();
        let pairs = prepared.metadata().object();
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let mut body = Vec::new();
        let mut sealer = prepared.into_sealer();
        sealer.update(PLAINTEXT, &mut body).unwrap();
        sealer.finish(&mut body).unwrap();
        (keyring, pairs, body)
    }

    fn read(pairs: &[(String, String)]) -> ContentMetadata {
        let pairs = pairs.iter().map(|(key, value)| (key, value));
        let Metadata::Complete(metadata) = Metadata::read(pairs).unwrap() else {
            panic!("nothing is in an instruction file");
        };
        metadata
    }

    const COMMITMENT: &str = "x-amz-d";
}

const PLAINTEXT: &[u8; 64] = &[7; 64];
const SUITE: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
