//! One backend against the other: the same verdict, and the same bytes.
//!
//! PKCS #1 v1.5 differs where padding is wrong, by design (see SECURITY.md): what opens with one opens with
//! the other, and what does not gives nothing that was sealed.

use std::sync::OnceLock;

use base64ct::{Base64, Encoding};

use super::choices::Choices;
use crate::crypto::each::{aws_lc, rust_crypto};
use crate::crypto::{CryptoError, Curve, EcdhCurve, Hash, IV_LEN, RsaPadding, TAG_LEN};

/// The same answer from each backend.
macro_rules! both {
    ($backend:ident => $answer:expr) => {{
        let a = {
            use aws_lc as $backend;
            $answer
        };
        let b = {
            use rust_crypto as $backend;
            $answer
        };
        assert_eq!(a, b);
        a
    }};
}

/// The same, where the answer is of no more use.
macro_rules! same {
    ($backend:ident => $answer:expr) => {
        let _ = both!($backend => $answer);
    };
}

/// Everything that a backend does, with arbitrary inputs and with edits of good ones.
pub fn backends(data: &[u8]) {
    let mut choices = Choices::new(data);
    match choices.below(16) {
        0 | 1 => gcm(choices),
        2 => key_derivation(choices),
        3 => hashes(choices),
        4 | 5 => signatures(choices),
        6 => signing_keys(choices),
        7 | 8 => ecdh_points(choices),
        9 => ecdh_public_keys(choices),
        10 => ecdh_private_keys(choices),
        11 => rsa_public_keys(choices),
        12 => rsa_private_keys(choices),
        13 => rsa_ciphertexts(choices),
        #[cfg(feature = "s3-format")]
        14 | 15 => block_modes(choices),
        _ => {}
    }
}

fn gcm(mut choices: Choices<'_>) {
    let key_len = [16, 24, 32, 0][choices.below(4)];
    let key = choices.bytes(key_len);
    let iv: [u8; IV_LEN] = std::array::from_fn(|_| choices.byte());
    let aad_len = choices.size();
    let aad = choices.bytes(aad_len);
    let (edits, plaintext) = (choices.bytes(12), choices.rest());
    let seal = both!(backend => backend::GcmKey::new(key).and_then(|key| {
        let mut out = vec![0; plaintext.len() + TAG_LEN];
        key.seal(&iv, aad, plaintext, &mut out).map(|()| out)
    }));
    let Ok(mut sealed) = seal else { return };
    let whole = sealed.clone();
    Choices::new(edits).edit(&mut sealed, 2);
    let Some((ciphertext, tag)) = sealed.split_last_chunk::<TAG_LEN>() else { return };
    for len in [ciphertext.len(), ciphertext.len() + 1] {
        let opened = both!(backend => backend::GcmKey::new(key).map(|key| {
            let mut out = vec![0xa5; len];
            (key.open(&iv, aad, ciphertext, tag, &mut out), out)
        }));
        let (result, out) = opened.expect("it sealed");
        assert_eq!(result.is_ok(), sealed == whole && len == plaintext.len());
        match result {
            Ok(()) => assert_eq!(out, plaintext),
            Err(CryptoError) => assert!(out.iter().all(|byte| *byte == 0)),
        }
    }
}

fn key_derivation(mut choices: Choices<'_>) {
    let hash = HASHES[choices.below(3)];
    let out_len = choices.size() * (choices.below(9) + 1);
    let (salt_len, info_len) = (choices.size(), choices.size());
    let (salt, info) = (choices.bytes(salt_len), choices.bytes(info_len));
    let input_key = choices.rest();
    let (first, second) = info.split_at(info.len() / 2);
    same!(backend => {
        let mut out = vec![0; out_len];
        let result = backend::Prk::extract(hash, salt, input_key).expand(&[first, second], &mut out);
        (result, result.is_ok().then_some(out))
    });
    // No key and no output are asked for nowhere.
    if !input_key.is_empty() && out_len != 0 {
        same!(backend => {
            let mut out = vec![0; out_len];
            let result = backend::kbkdf(hash, input_key, info, &mut out);
            (result, result.is_ok().then_some(out))
        });
    }
}

fn hashes(mut choices: Choices<'_>) {
    let (hash, step) = (HASHES[choices.below(3)], choices.size() + 1);
    same!(backend => {
        let mut hasher = backend::Hasher::new(hash);
        choices.rest().chunks(step).for_each(|piece| hasher.update(piece));
        hasher.finish().as_ref().to_vec()
    });
}

/// Edits of good signatures and public keys, and arbitrary ones.
fn signatures(mut choices: Choices<'_>) {
    let signed = &signed()[choices.below(2)];
    let (mut point, mut signature) = (signed.point.clone(), signed.signature.clone());
    match choices.below(4) {
        0 => choices.edit(&mut point, 2),
        1 => signature = der_signature(&mut choices),
        2 => signature = choices.bytes(140).to_vec(),
        _ => choices.edit(&mut signature, 3),
    }
    let message = if choices.flag() { MESSAGE } else { choices.rest() };
    let curve = if choices.below(8) == 0 { Curve::P256 } else { signed.curve };
    let verified = both!(backend => backend::VerifyingKey::new(curve, &point).map(|key| {
        let mut hasher = backend::Hasher::new(curve.hash());
        hasher.update(message);
        key.verify(&hasher.finish(), &signature)
    }));
    if verified == Ok(Ok(())) {
        assert!(message == MESSAGE && curve == signed.curve);
        // An ECDSA signature has a second form, and a public key another encoding of the same point.
        assert!(point[0] != 4 || point.len() == signed.point.len() * 2 - 1);
    }
}

/// Two integers of any length, in DER that may be slightly wrong.
fn der_signature(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..2 {
        let integer = match choices.below(6) {
            0 => vec![0],
            1 => vec![1],
            2 => [&[0][..], &ORDER_256].concat(),
            3 => [&[0][..], &ORDER_384].concat(),
            _ => {
                let len = choices.below(52);
                choices.bytes(len).to_vec()
            }
        };
        body.push(2);
        body.push(u8::try_from(integer.len()).unwrap_or(u8::MAX));
        body.extend(integer);
    }
    let len = u8::try_from(body.len()).unwrap_or(u8::MAX);
    match choices.below(8) {
        0 => [&[0x30, 0x81, len][..], &body].concat(),
        1 => [&[0x30, len][..], &body, &[0]].concat(),
        2 => [&[0x30, 0x80][..], &body, &[0, 0]].concat(),
        _ => [&[0x30, len][..], &body].concat(),
    }
}

/// Points for verification: near good ones, in any form and of any length, whole keys, and arbitrary ones.
fn signing_keys(mut choices: Choices<'_>) {
    let curve = [Curve::P256, Curve::P384][choices.below(2)];
    let mut point = if choices.below(8) == 0 {
        der(EC_PUBLIC[choices.below(EC_PUBLIC.len())])
    } else {
        POINTS[choices.below(POINTS.len())].to_vec()
    };
    match choices.below(4) {
        0 => point[0] = choices.byte() % 8,
        1 => point.truncate(choices.below(2)),
        2 => choices.edit(&mut point, 2),
        _ => point = choices.rest().to_vec(),
    }
    let read = both!(backend => backend::VerifyingKey::new(curve, &point).map(drop));
    assert!(read.is_err() || matches!(point[0], 2..=4));
}

fn ecdh_points(mut choices: Choices<'_>) {
    let curve = CURVES[choices.below(3)];
    let mut point = POINTS[choices.below(POINTS.len())].to_vec();
    match choices.below(4) {
        0 => point[0] = choices.byte() % 8,
        1 => choices.edit(&mut point, 2),
        // Half of all numbers are the first coordinate of a point.
        2 => {
            point = [&[2], choices.bytes(curve.field_len())].concat();
            if let (EcdhCurve::P521, Some(high)) = (curve, point.get_mut(1)) {
                *high &= 1;
            }
        }
        _ => {}
    }
    // On the same curve, or on another one.
    let own = EC_PRIVATE[choices.below(3)];
    same!(backend => backend::EcdhPublicKey::from_sec1(curve, &point).map(|peer| {
        let own = backend::EcdhPrivateKey::from_pkcs8_der(&der(own)).expect("it is good");
        let secret = own.agree(&peer).map(|secret| secret.to_vec());
        assert_eq!(secret.is_ok(), own.curve() == curve);
        (peer.compressed().to_vec(), peer.to_spki_der(), secret)
    }));
}

fn ecdh_public_keys(mut choices: Choices<'_>) {
    let mut spki = der(EC_PUBLIC[choices.below(EC_PUBLIC.len())]);
    edit_or_replace(&mut choices, &mut spki);
    same!(backend => backend::EcdhPublicKey::from_spki_der(&spki)
        .map(|key| (key.curve(), key.compressed().to_vec(), key.to_spki_der())));
}

fn ecdh_private_keys(mut choices: Choices<'_>) {
    let mut pkcs8 = der(EC_PRIVATE[choices.below(EC_PRIVATE.len())]);
    edit_or_replace(&mut choices, &mut pkcs8);
    same!(backend => backend::EcdhPrivateKey::from_pkcs8_der(&pkcs8).map(|key| {
        let public = key.public_key().and_then(|public| public.to_spki_der());
        (key.curve(), key.to_pkcs8_der().map(|der| der.to_vec()), public)
    }));
}

fn rsa_public_keys(mut choices: Choices<'_>) {
    let mut spki = der(RSA_PUBLIC[choices.below(RSA_PUBLIC.len())]);
    edit_or_replace(&mut choices, &mut spki);
    same!(backend => backend::RsaPublicKey::from_spki_der(&spki)
        .map(|key| (key.modulus_len(), key.to_spki_der())));
}

fn rsa_private_keys(mut choices: Choices<'_>) {
    let mut pkcs8 = der(RSA_PRIVATE);
    edit_or_replace(&mut choices, &mut pkcs8);
    same!(backend => backend::RsaPrivateKey::from_pkcs8_der(&pkcs8).map(|key| {
        let public = key.public_key().and_then(|public| public.to_spki_der());
        (key.modulus_len(), key.to_pkcs8_der().map(|der| der.to_vec()), public)
    }));
}

/// Edits of good ciphertexts, and arbitrary ones.
fn rsa_ciphertexts(mut choices: Choices<'_>) {
    let keys = rsa();
    let padding = PADDINGS[choices.below(PADDINGS.len())];
    let data_key = choices.bytes(32);
    let mut ciphertext = if choices.flag() {
        let sealed = match choices.flag() {
            true => keys.aws_lc_public.encrypt(padding, data_key),
            false => keys.rust_crypto_public.encrypt(padding, data_key),
        };
        sealed.expect("it is short")
    } else {
        let mut ciphertext = vec![0; 256];
        let bytes = choices.bytes(256);
        ciphertext[256 - bytes.len()..].copy_from_slice(bytes);
        ciphertext
    };
    let whole = ciphertext.clone();
    choices.edit(&mut ciphertext, 1);
    let other = PADDINGS[choices.below(PADDINGS.len())];
    let a = keys.aws_lc.decrypt(other, &ciphertext);
    let b = keys.rust_crypto.decrypt(other, &ciphertext);
    match (&a, &b) {
        (Err(_), Ok(found)) if other == RsaPadding::Pkcs1 => {
            assert!(data_key.is_empty() || found[..] != *data_key);
        }
        _ => assert_eq!(a, b),
    }
    if let (Ok(opened), true) = (&a, ciphertext != whole) {
        assert!(data_key.is_empty() || opened[..] != *data_key);
    }
}

#[cfg(feature = "s3-format")]
fn block_modes(mut choices: Choices<'_>) {
    use crate::crypto::BLOCK_LEN;

    let key = choices.bytes(32);
    let iv: [u8; BLOCK_LEN] = std::array::from_fn(|_| choices.byte());
    let whole_blocks = choices.flag();
    let rest = choices.rest();
    let whole = rest.len() - rest.len() % BLOCK_LEN;
    let data = if whole_blocks { &rest[..whole] } else { rest };
    same!(backend => backend::CtrKey::new(key).map(|key| {
        let mut data = data.to_vec();
        (key.apply(iv, &mut data), data)
    }));
    same!(backend => backend::CbcKey::new(key).map(|key| {
        let mut data = data.to_vec();
        let result = key.open_blocks(&iv, &mut data);
        (result, result.is_ok().then_some(data))
    }));
    same!(backend => backend::CbcKey::new(key).map(|key| {
        let mut data = data.to_vec();
        let len = key.open_last(&iv, &mut data);
        (len, len.ok().map(|len| data[..len].to_vec()))
    }));
}

fn edit_or_replace(choices: &mut Choices<'_>, der: &mut Vec<u8>) {
    if choices.below(4) == 0 {
        *der = choices.rest().to_vec();
    } else {
        choices.edit(der, 3);
    }
}

/// A good signature by a key of each curve.
struct Signed {
    curve: Curve,
    point: Vec<u8>,
    signature: Vec<u8>,
}

macro_rules! signed_by {
    ($backend:ident, $curve:expr) => {{
        let key = $backend::SigningKey::generate($curve).expect("there is randomness");
        let mut hasher = $backend::Hasher::new($curve.hash());
        hasher.update(MESSAGE);
        let signature = key.sign(&hasher.finish()).expect("the hash is the curve's");
        Signed { curve: $curve, point: key.public_key().expect("it has one"), signature }
    }};
}

/// The same for as long as this process lives: signing keys are only ever fresh.
fn signed() -> &'static [Signed; 2] {
    static SIGNED: OnceLock<[Signed; 2]> = OnceLock::new();
    SIGNED.get_or_init(|| [signed_by!(aws_lc, Curve::P256), signed_by!(rust_crypto, Curve::P384)])
}

struct Rsa {
    aws_lc_public: aws_lc::RsaPublicKey,
    rust_crypto_public: rust_crypto::RsaPublicKey,
    aws_lc: aws_lc::RsaPrivateKey,
    rust_crypto: rust_crypto::RsaPrivateKey,
}

fn rsa() -> &'static Rsa {
    static RSA: OnceLock<Rsa> = OnceLock::new();
    RSA.get_or_init(|| {
        let pkcs8 = der(RSA_PRIVATE);
        let aws_lc = aws_lc::RsaPrivateKey::from_pkcs8_der(&pkcs8).expect("it is good");
        let rust_crypto = rust_crypto::RsaPrivateKey::from_pkcs8_der(&pkcs8).expect("it is good");
        let aws_lc_public = aws_lc.public_key().expect("it has one");
        let rust_crypto_public = rust_crypto.public_key().expect("it has one");
        Rsa { aws_lc_public, rust_crypto_public, aws_lc, rust_crypto }
    })
}

/// What is in a PEM text.
fn der(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    Base64::decode_vec(&base64).expect("it is PEM")
}

const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
const CURVES: [EcdhCurve; 3] = [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521];
const PADDINGS: [RsaPadding; 5] = [
    RsaPadding::Pkcs1,
    RsaPadding::OaepSha1,
    RsaPadding::OaepSha256,
    RsaPadding::OaepSha384,
    RsaPadding::OaepSha512,
];
const MESSAGE: &[u8] = b"what was signed";
const EC_PRIVATE: [&str; 3] = [
    include_str!("../crypto/tests/data/p256.pkcs8.pem"),
    include_str!("../crypto/tests/data/p384.pkcs8.pem"),
    include_str!("../crypto/tests/data/p521.pkcs8.pem"),
];
const EC_PUBLIC: [&str; 5] = [
    include_str!("../crypto/tests/data/p256.spki.pem"),
    include_str!("../crypto/tests/data/p384.spki.pem"),
    include_str!("../crypto/tests/data/p521.spki.pem"),
    include_str!("../crypto/tests/data/p256.compressed.spki.pem"),
    include_str!("../crypto/tests/data/p256.explicit.spki.pem"),
];
/// Compressed and uncompressed.
const POINTS: [&[u8]; 4] = [
    include_bytes!("../crypto/tests/data/p256.compressed.bin"),
    include_bytes!("../crypto/tests/data/p256.uncompressed.bin"),
    include_bytes!("../crypto/tests/data/p384.compressed.bin"),
    include_bytes!("../crypto/tests/data/p384.uncompressed.bin"),
];
const RSA_PRIVATE: &str = include_str!("../crypto/tests/data/rsa2048.pkcs8.pem");
const RSA_PUBLIC: [&str; 3] = [
    include_str!("../crypto/tests/data/rsa2048.spki.pem"),
    include_str!("../crypto/tests/data/rsa2047.spki.pem"),
    include_str!("../crypto/tests/data/rsapss2048.spki.pem"),
];
/// How many points the curves have (SEC 2, 2.4.2 and 2.5.1).
const ORDER_256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const ORDER_384: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
