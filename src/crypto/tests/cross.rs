//! Both backends, byte for byte.

use super::ecdh::{EcdhBackend, OPENSSL};
use super::rsa::{PADDINGS, SIZES};
use super::{AwsLc, Backend, Curve, Hash, RsaPadding, RustCrypto, TAG_LEN, der};

#[test]
fn gcm_ciphertexts_are_equal() {
    let (plaintext, aad) = ([0x5a; 600], [0xa5; 40]);
    for key_len in [16, 24, 32] {
        let key = vec![7; key_len];
        let (a, b) = (AwsLc::gcm_key(&key).unwrap(), RustCrypto::gcm_key(&key).unwrap());
        for len in (0..=66).chain([127, 128, 129, 255, 256, 257, 600]) {
            let iv = [u8::try_from(len % 251).unwrap(); 12];
            let aad = &aad[..len % aad.len()];
            let (mut x, mut y) = (vec![0; len + TAG_LEN], vec![0; len + TAG_LEN]);
            AwsLc::seal(&a, &iv, aad, &plaintext[..len], &mut x).unwrap();
            RustCrypto::seal(&b, &iv, aad, &plaintext[..len], &mut y).unwrap();
            assert_eq!(x, y, "{key_len} {len}");
        }
    }
}

#[test]
fn hkdf_outputs_are_equal() {
    for hash in HASHES {
        for (salt, input_key, info) in
            [(0, 0, 0), (0, 32, 1), (32, 32, 66), (64, 16, 81), (200, 48, 500), (1, 300, 80)]
        {
            for len in [0, 1, 32, 48, 64, 65, 1000] {
                let (salt, input_key) = (vec![1; salt], vec![2; input_key]);
                let info: [&[u8]; 2] = [&vec![3; info], b"end"];
                let (mut x, mut y) = (vec![0; len], vec![0; len]);
                AwsLc::hkdf(hash, &salt, &input_key, &info, &mut x).unwrap();
                RustCrypto::hkdf(hash, &salt, &input_key, &info, &mut y).unwrap();
                assert_eq!(x, y);
            }
        }
    }
}

#[test]
fn kbkdf_outputs_are_equal() {
    for hash in HASHES {
        for (key, label, context) in [(1, 0, 0), (32, 100, 32), (66, 65, 1), (200, 500, 129)] {
            for len in [1, 31, 32, 33, 48, 64, 97, 1000] {
                let [key, label, context] = [key, label, context].map(|len| vec![7; len]);
                let (mut x, mut y) = (vec![0; len], vec![0; len]);
                AwsLc::kbkdf(hash, &key, &label, &context, &mut x).unwrap();
                RustCrypto::kbkdf(hash, &key, &label, &context, &mut y).unwrap();
                assert_eq!(x, y);
            }
        }
    }
}

#[test]
fn both_agree_on_the_same_secret() {
    fn check<A: EcdhBackend, B: EcdhBackend>() {
        for (curve, ..) in OPENSSL {
            for _ in 0..5 {
                let (a, b) = (A::generate(curve).unwrap(), B::generate(curve).unwrap());
                let a_public = A::spki_of(&A::public_half(&a).unwrap()).unwrap();
                let b_public = B::compressed(&B::public_half(&b).unwrap()).to_vec();
                let by_a = A::agree(&a, &A::point(curve, &b_public).unwrap()).unwrap();
                let by_b = B::agree(&b, &B::public(&a_public).unwrap()).unwrap();
                assert_eq!(by_a, by_b);
                // What one writes, the other writes.
                let copy = B::private(&A::private_der(&a).unwrap()).unwrap();
                assert_eq!(B::private_der(&copy).unwrap(), A::private_der(&a).unwrap());
                assert_eq!(B::spki_of(&B::public_half(&copy).unwrap()).unwrap(), a_public);
            }
        }
    }
    check::<AwsLc, RustCrypto>();
    check::<RustCrypto, AwsLc>();
}

/// The same answer to a key with any one byte of its encoding changed.
#[test]
fn changed_ecdh_keys_get_the_same_answer() {
    for (_, private, public) in OPENSSL {
        for (at, spki) in changes(der(public)) {
            let (a, b) = (AwsLc::public(&spki), RustCrypto::public(&spki));
            assert_eq!(a.is_ok(), b.is_ok(), "{at}");
        }
        for (at, pkcs8) in changes(der(private)) {
            let (a, b) = (AwsLc::private(&pkcs8), RustCrypto::private(&pkcs8));
            assert_eq!(a.is_ok(), b.is_ok(), "{at}");
        }
    }
}

#[test]
fn digests_are_equal() {
    let data = [0x5a; 300];
    for hash in HASHES {
        for len in 0..=data.len() {
            let (x, y) =
                (AwsLc::digest(hash, &data[..len]), RustCrypto::digest(hash, &data[..len]));
            assert_eq!(x.as_ref(), y.as_ref());
        }
    }
}

#[test]
fn one_verifies_what_the_other_signs() {
    fn check<A: Backend, B: Backend>() {
        for curve in [Curve::P256, Curve::P384] {
            let key = A::generate_signing_key(curve).unwrap();
            let point = A::signing_public_key(&key).unwrap();
            let verifying_key = B::verifying_key(curve, &point).unwrap();
            for message in 0..50_u8 {
                let signature = A::sign(&key, &A::digest(curve.hash(), &[message])).unwrap();
                let digest = B::digest(curve.hash(), &[message]);
                B::verify(&verifying_key, &digest, &signature).unwrap();
            }
        }
    }
    check::<AwsLc, RustCrypto>();
    check::<RustCrypto, AwsLc>();
}

#[test]
fn one_decrypts_what_the_other_encrypts() {
    fn check<A: Backend, B: Backend>() {
        for bits in [2048, 3072] {
            let private = A::generate_rsa(bits).unwrap();
            let spki = A::spki(&A::rsa_public_half(&private).unwrap()).unwrap();
            let public = B::rsa_public_key(&spki).unwrap();
            for (padding, overhead) in PADDINGS {
                for len in [0, 32, B::public_modulus_len(&public) - overhead] {
                    let plaintext = vec![0; len];
                    let ciphertext = B::encrypt(&public, padding, &plaintext).unwrap();
                    assert_eq!(*A::decrypt(&private, padding, &ciphertext).unwrap(), plaintext);
                }
            }
        }
    }
    check::<AwsLc, RustCrypto>();
    check::<RustCrypto, AwsLc>();
}

#[test]
fn rsa_encodings_are_equal() {
    fn check<A: Backend, B: Backend>(key: &A::RsaPrivateKey) {
        let pkcs8 = A::pkcs8(key).unwrap();
        let spki = A::spki(&A::rsa_public_half(key).unwrap()).unwrap();
        let other = B::rsa_private_key(&pkcs8).unwrap();
        assert_eq!(B::pkcs8(&other).unwrap(), pkcs8);
        assert_eq!(B::spki(&B::rsa_public_half(&other).unwrap()).unwrap(), spki);
        assert_eq!(B::spki(&B::rsa_public_key(&spki).unwrap()).unwrap(), spki);
    }
    for bits in [2048, 3072, 4096] {
        check::<AwsLc, RustCrypto>(&AwsLc::generate_rsa(bits).unwrap());
        check::<RustCrypto, AwsLc>(&RustCrypto::generate_rsa(bits).unwrap());
    }
}

/// The same answer to a key with any one byte of its encoding changed.
#[test]
fn changed_rsa_keys_get_the_same_answer() {
    let (_, private, public) = SIZES[2];
    for (at, spki) in changes(der(public)) {
        let (a, b) = (AwsLc::rsa_public_key(&spki), RustCrypto::rsa_public_key(&spki));
        assert_eq!(a.is_ok(), b.is_ok(), "{at}");
    }
    for (at, pkcs8) in changes(der(private)) {
        let (a, b) = (AwsLc::rsa_private_key(&pkcs8), RustCrypto::rsa_private_key(&pkcs8));
        assert_eq!(a.is_ok(), b.is_ok(), "{at}");
    }
}

/// Wrong PKCS #1 v1.5 padding is where the backends differ by design.
#[test]
fn wrong_pkcs1_padding_reveals_nothing() {
    let (_, pkcs8, spki) = SIZES[2];
    let public = AwsLc::rsa_public_key(&der(spki)).unwrap();
    let ciphertext = AwsLc::encrypt(&public, RsaPadding::OaepSha256, b"data key").unwrap();
    let key = AwsLc::rsa_private_key(&der(pkcs8)).unwrap();
    assert!(AwsLc::decrypt(&key, RsaPadding::Pkcs1, &ciphertext).is_err());
    let key = RustCrypto::rsa_private_key(&der(pkcs8)).unwrap();
    let once = RustCrypto::decrypt(&key, RsaPadding::Pkcs1, &ciphertext).unwrap();
    assert_eq!(once, RustCrypto::decrypt(&key, RsaPadding::Pkcs1, &ciphertext).unwrap());
}

/// Every one-byte change of some kinds, with where it is.
fn changes(der: Vec<u8>) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..der.len()).flat_map(move |at| {
        let der = der.clone();
        [0x01, 0x80, 0xff].map(move |mask| {
            let mut der = der.clone();
            der[at] ^= mask;
            (at, der)
        })
    })
}

const HASHES: [Hash; 3] = [Hash::Sha256, Hash::Sha384, Hash::Sha512];
