//! The PEM reader, over whichever backend the crate uses. The keys are OpenSSL's.

use super::ecdh::OPENSSL;
use super::rsa::SIZES;
use super::{RsaPadding, der};
use crate::crypto::{
    PemError, ecdh_private_key_from_pem, ecdh_private_key_to_pem, ecdh_public_key_from_pem,
    ecdh_public_key_to_pem, rsa_private_key_from_pem, rsa_private_key_to_pem,
    rsa_public_key_from_pem, rsa_public_key_to_pem,
};

#[test]
fn accepted_private_keys() {
    for pem in [PKCS8, PKCS1] {
        for pem in variations(pem) {
            let key =
                rsa_private_key_from_pem(&pem).unwrap_or_else(|error| panic!("{error}: {pem}"));
            assert_eq!(*key.to_pkcs8_der().unwrap(), der(PKCS8));
        }
    }
}

#[test]
fn accepted_public_keys() {
    for pem in [SPKI, PKCS1_PUBLIC] {
        for pem in variations(pem) {
            let key =
                rsa_public_key_from_pem(&pem).unwrap_or_else(|error| panic!("{error}: {pem}"));
            assert_eq!(key.to_spki_der().unwrap(), der(SPKI));
        }
    }
}

#[test]
fn written_as_openssl_writes() {
    let private = rsa_private_key_from_pem(PKCS1).unwrap();
    assert_eq!(*rsa_private_key_to_pem(&private).unwrap(), PKCS8);
    let public = rsa_public_key_from_pem(PKCS1_PUBLIC).unwrap();
    assert_eq!(rsa_public_key_to_pem(&public).unwrap(), SPKI);
    let ciphertext = public.encrypt(RsaPadding::OaepSha256, b"data key").unwrap();
    let plaintext = private.decrypt(RsaPadding::OaepSha256, &ciphertext).unwrap();
    assert_eq!(plaintext.as_slice(), b"data key");
}

#[test]
fn refused_private_keys() {
    for (pem, expected) in [
        (include_str!("data/rsa2048.encrypted.pem"), PemError::Encrypted),
        (include_str!("data/rsa2048.legacy-encrypted.pem"), PemError::Encrypted),
        (SPKI, PemError::Public),
        (PKCS1_PUBLIC, PemError::Public),
        (CERTIFICATE, PemError::Certificate),
        (include_str!("data/p256.pkcs8.pem"), PemError::EllipticCurve),
        (SEC1_P256, PemError::EllipticCurve),
        (include_str!("data/ed25519.pkcs8.pem"), algorithm("1.3.101.112")),
        (include_str!("data/rsapss2048.pkcs8.pem"), algorithm("1.2.840.113549.1.1.10")),
    ] {
        assert_eq!(rsa_private_key_from_pem(pem).unwrap_err(), expected);
    }
}

#[test]
fn refused_public_keys() {
    for (pem, expected) in [
        (PKCS8, PemError::Private),
        (PKCS1, PemError::Private),
        (include_str!("data/rsa2048.encrypted.pem"), PemError::Private),
        (include_str!("data/rsa2048.legacy-encrypted.pem"), PemError::Private),
        (CERTIFICATE, PemError::Certificate),
        (include_str!("data/p256.spki.pem"), PemError::EllipticCurve),
        (SEC1_P256, PemError::EllipticCurve),
        (include_str!("data/rsapss2048.spki.pem"), algorithm("1.2.840.113549.1.1.10")),
    ] {
        assert_eq!(rsa_public_key_from_pem(pem).unwrap_err(), expected);
    }
}

#[test]
fn accepted_ecdh_keys() {
    for (curve, pkcs8, spki) in OPENSSL {
        for pem in variations(pkcs8) {
            let key =
                ecdh_private_key_from_pem(&pem).unwrap_or_else(|error| panic!("{error}: {pem}"));
            assert_eq!(key.curve(), curve);
            assert_eq!(*ecdh_private_key_to_pem(&key).unwrap(), pkcs8);
        }
        for pem in variations(spki) {
            let key =
                ecdh_public_key_from_pem(&pem).unwrap_or_else(|error| panic!("{error}: {pem}"));
            assert_eq!(key.curve(), curve);
            assert_eq!(ecdh_public_key_to_pem(&key).unwrap(), spki);
        }
    }
    // With and without the curve as a block of its own.
    for sec1 in [SEC1_P256, include_str!("data/p384.sec1.pem"), include_str!("data/p521.sec1.pem")]
    {
        let bare = &sec1[sec1.find("-----BEGIN EC PRIVATE").unwrap()..];
        let (key, same) =
            (ecdh_private_key_from_pem(sec1).unwrap(), ecdh_private_key_from_pem(bare).unwrap());
        assert_eq!(key.to_pkcs8_der().unwrap(), same.to_pkcs8_der().unwrap());
        assert!(sec1.len() > bare.len());
    }
    let p384 = ecdh_private_key_from_pem(include_str!("data/p384.sec1.pem")).unwrap();
    assert_eq!(*ecdh_private_key_to_pem(&p384).unwrap(), OPENSSL[1].1);
}

#[test]
fn refused_ecdh_keys() {
    let secp256k1 = || PemError::Curve { oid: "1.3.132.0.10".parse().unwrap() };
    let not_ecdh = |oid: &str| PemError::NotEcdh { oid: oid.parse().unwrap() };
    let [(_, private, public), ..] = OPENSSL;
    for (pem, expected) in [
        (public, PemError::Public),
        (CERTIFICATE, PemError::Certificate),
        (include_str!("data/rsa2048.encrypted.pem"), PemError::Encrypted),
        (PKCS8, PemError::Rsa),
        (PKCS1, PemError::Rsa),
        (include_str!("data/ed25519.pkcs8.pem"), not_ecdh("1.3.101.112")),
        (include_str!("data/secp256k1.pkcs8.pem"), secp256k1()),
        (include_str!("data/p256.explicit.pkcs8.pem"), PemError::UnnamedCurve),
        (&private.replace("PRIVATE", "EC PRIVATE"), PemError::Malformed),
        (&private[..private.len() / 2], PemError::NotPem),
        (&SEC1_P256[..SEC1_P256.find("-----BEGIN EC PRIVATE").unwrap()], PemError::NotPem),
        ("", PemError::NotPem),
    ] {
        assert_eq!(ecdh_private_key_from_pem(pem).unwrap_err(), expected);
    }
    for (pem, expected) in [
        (private, PemError::Private),
        (SEC1_P256, PemError::Private),
        (CERTIFICATE, PemError::Certificate),
        (SPKI, PemError::Rsa),
        (PKCS1_PUBLIC, PemError::Rsa),
        (include_str!("data/secp256k1.spki.pem"), secp256k1()),
        (include_str!("data/p256.explicit.spki.pem"), PemError::UnnamedCurve),
    ] {
        assert_eq!(ecdh_public_key_from_pem(pem).unwrap_err(), expected);
    }
}

#[test]
fn refused_sizes() {
    for (bits, private, public) in SIZES {
        let private = rsa_private_key_from_pem(private).map(|_| ());
        let public = rsa_public_key_from_pem(public).map(|_| ());
        if (2048..=8192).contains(&bits) {
            assert_eq!((private, public), (Ok(()), Ok(())));
        } else {
            let expected = Err(PemError::Size { bits: u32::try_from(bits).unwrap() });
            assert_eq!((private, public), (expected.clone(), expected));
        }
    }
}

#[test]
fn refused_texts() {
    let relabelled = |label: &str| PKCS8.replace("PRIVATE KEY", label);
    for (pem, expected) in [
        (String::new(), PemError::NotPem),
        ("no key here\n".to_owned(), PemError::NotPem),
        // The base64 alone, and the DER in disguise.
        (PKCS8.lines().nth(1).unwrap().to_owned(), PemError::NotPem),
        (PKCS8.replace("-----END", "----END"), PemError::NotPem),
        (PKCS8.replace("END PRIVATE", "END RSA PRIVATE"), PemError::NotPem),
        (PKCS8[..PKCS8.len() / 2].to_owned(), PemError::NotPem),
        (PKCS8.replacen("MII", "M!I", 1), PemError::NotPem),
        (relabelled("OPENSSH PRIVATE KEY"), label("OPENSSH PRIVATE KEY")),
        (relabelled(""), label("")),
        (relabelled("RSA PRIVATE KEY"), PemError::Malformed),
        (PKCS1.replace("RSA PRIVATE KEY", "PRIVATE KEY"), PemError::Malformed),
        (
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned(),
            PemError::Malformed,
        ),
        // A whole line of base64 is missing.
        (
            PKCS8
                .lines()
                .enumerate()
                .filter(|(n, _)| *n != 5)
                .map(|(_, l)| format!("{l}\n"))
                .collect(),
            PemError::Malformed,
        ),
    ] {
        assert_eq!(rsa_private_key_from_pem(&pem).unwrap_err(), expected, "{pem}");
    }
    assert_eq!(rsa_public_key_from_pem("").unwrap_err(), PemError::NotPem);
    let request = SPKI.replace("PUBLIC KEY", "CERTIFICATE REQUEST");
    assert_eq!(rsa_public_key_from_pem(&request).unwrap_err(), label("CERTIFICATE REQUEST"));
}

/// A changed character leaves the key unreadable or leaves it the same.
#[test]
fn changed_texts() {
    for (pem, character) in [(PKCS8, "="), (PKCS8, "\n"), (PKCS1, "-"), (PKCS1, " "), (SPKI, "é")]
    {
        for at in 0..pem.len() {
            let changed = format!("{}{character}{}", &pem[..at], &pem[at + 1..]);
            if let Ok(key) = rsa_private_key_from_pem(&changed) {
                assert_eq!(*key.to_pkcs8_der().unwrap(), der(PKCS8), "{changed}");
            }
            if let Ok(key) = rsa_public_key_from_pem(&changed) {
                assert_eq!(key.to_spki_der().unwrap(), der(SPKI), "{changed}");
            }
            let _ = rsa_private_key_from_pem(&changed[..at]);
        }
    }
}

#[test]
fn reasons_are_sentences() {
    assert_eq!(
        PemError::Size { bits: 1024 }.to_string(),
        "the RSA modulus has 1024 bits, and only 2048 to 8192 bits are supported"
    );
    assert_eq!(label("DSA KEY").to_string(), "the PEM label \"DSA KEY\" is not supported");
    assert_eq!(
        algorithm("1.3.101.112").to_string(),
        "the key is not an RSA encryption key (algorithm 1.3.101.112)"
    );
}

/// Ways in which the same key is written in the wild.
fn variations(pem: &str) -> Vec<String> {
    vec![
        pem.to_owned(),
        pem.trim_end().to_owned(),
        format!("{pem}\n\n  \n"),
        pem.replace('\n', "\r\n"),
        pem.replace('\n', " \t\n"),
        format!("Bag Attributes\n    friendlyName: kettle\nKey Attributes: <No Attributes>\n{pem}"),
        format!("\n\n# wrapping key\r\n{pem}"),
        format!("{pem}text after the key\n{CERTIFICATE}"),
        wrapped_at(pem, 76),
        wrapped_at(pem, 100_000),
    ]
}

fn wrapped_at(pem: &str, width: usize) -> String {
    let lines: Vec<_> = pem.lines().collect();
    let [begin, body @ .., end] = lines.as_slice() else { unreachable!() };
    let body: Vec<_> = body.concat().into_bytes();
    let body: Vec<_> = body.chunks(width).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("{begin}\n{}\n{end}\n", body.join("\n"))
}

fn algorithm(oid: &str) -> PemError {
    PemError::Algorithm { oid: oid.parse().unwrap() }
}

fn label(label: &str) -> PemError {
    PemError::Label { label: label.to_owned() }
}

const SEC1_P256: &str = include_str!("data/p256.sec1.pem");
const PKCS8: &str = include_str!("data/rsa2048.pkcs8.pem");
const PKCS1: &str = include_str!("data/rsa2048.pkcs1.pem");
const SPKI: &str = include_str!("data/rsa2048.spki.pem");
const PKCS1_PUBLIC: &str = include_str!("data/rsa2048.pkcs1pub.pem");
const CERTIFICATE: &str = include_str!("data/rsa2048.cert.pem");
