//! Data keys that RSA unwraps or does not, by what is wrong with their padding.
//!
//! Whether a data key of the right length came out is told by what follows, and not compared here: where it
//! does, or where the padding is right and the length is not, an attacker must not be able to tell why it fails.

use waxseal::{
    AlgorithmSuite, EncryptedDataKey, EncryptionContext, LocalKeyring, RawRsaKeyring, RsaPadding,
    RsaPrivateKey, UnwrapRequest,
};

use crate::padding::{MODULUS_LEN, Oaep, Pkcs1, TextbookRsa, oaep_sha256, pkcs1};
use crate::welch::{Random, Subject, time};

pub(crate) fn subjects() -> Vec<Subject<'static>> {
    // A valid block whose content is a byte too long takes the way of all that fail, but for its padding.
    let pkcs1_right = Pkcs1::ContentLen(33);
    let oaep_right = Oaep::ContentLen(33);
    #[cfg_attr(not(feature = "s3-format"), expect(unused_mut, reason = "more of objects"))]
    let mut subjects = vec![
        with_pkcs1("PKCS #1: padding right, or first byte", [pkcs1_right, Pkcs1::FirstByte]),
        with_pkcs1("PKCS #1: padding right, or second byte", [pkcs1_right, Pkcs1::SecondByte]),
        with_pkcs1("PKCS #1: padding right, or zero in it", [pkcs1_right, Pkcs1::ShortPadding]),
        with_pkcs1("PKCS #1: padding right, or no separator", [pkcs1_right, Pkcs1::NoSeparator]),
        with_pkcs1("PKCS #1: content of 33 or 200 bytes", [pkcs1_right, Pkcs1::ContentLen(200)]),
        with_oaep("OAEP: padding right, or first byte", [oaep_right, Oaep::LeadingByte]),
        with_oaep("OAEP: first byte, or hash of the label", [Oaep::LeadingByte, Oaep::LabelHash]),
        with_oaep("OAEP: hash of the label, or padding", [Oaep::LabelHash, Oaep::Padding]),
        with_oaep("OAEP: hash of the label, or no separator", [Oaep::LabelHash, Oaep::NoSeparator]),
    ];
    #[cfg(feature = "s3-format")]
    subjects.extend([
        s3::with_pkcs1("S3, PKCS #1: valid, or first byte", [Pkcs1::Valid, Pkcs1::FirstByte]),
        s3::with_pkcs1("S3, PKCS #1: valid, or no separator", [Pkcs1::Valid, Pkcs1::NoSeparator]),
    ]);
    subjects
}

fn with_pkcs1(name: &'static str, kinds: [Pkcs1; 2]) -> Subject<'static> {
    let (private, public) = keys();
    let valid = public.encrypt(&pkcs1(Pkcs1::Valid, &[9; MODULUS_LEN], &[7; 32]));
    subject(name, private, RsaPadding::Pkcs1, &valid, pkcs1_classes(&public, kinds))
}

fn pkcs1_classes(public: &TextbookRsa, kinds: [Pkcs1; 2]) -> [Vec<Vec<u8>>; 2] {
    let mut random = Random::default();
    kinds.map(|kind| {
        let mut block = || pkcs1(kind, &random.bytes(), &random.bytes::<32>());
        (0..INPUTS).map(|_| public.encrypt(&block()).to_vec()).collect()
    })
}

fn with_oaep(name: &'static str, kinds: [Oaep; 2]) -> Subject<'static> {
    let (private, public) = keys();
    let mut random = Random::default();
    let classes = kinds.map(|kind| {
        let mut block = || oaep_sha256(kind, &random.bytes(), &random.bytes::<32>());
        (0..INPUTS).map(|_| public.encrypt(&block()).to_vec()).collect()
    });
    let valid = public.encrypt(&oaep_sha256(Oaep::Valid, &random.bytes(), &[7; 32]));
    subject(name, private, RsaPadding::OaepSha256, &valid, classes)
}

fn subject(
    name: &'static str,
    private: RsaPrivateKey,
    padding: RsaPadding,
    valid: &[u8],
    classes: [Vec<Vec<u8>>; 2],
) -> Subject<'static> {
    let keyring = RawRsaKeyring::private("bench", "key", padding, private).unwrap();
    let context = EncryptionContext::new();
    let unwrap = move |wrapped: &[u8]| {
        let edks = [EncryptedDataKey::new("bench", "key", wrapped)];
        let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
        let request = UnwrapRequest::new(suite, &context, &edks);
        let mut unwraps = false;
        let duration = time(|| {
            let unwrapped = keyring.unwrap_now(&request);
            unwraps = unwrapped.is_ok();
            unwrapped
        });
        (duration, unwraps)
    };
    // The blocks are made well, or all of them would fail for one reason.
    assert!(unwrap(valid).1);
    Subject {
        name,
        classes,
        measurements: MEASUREMENTS,
        time: Box::new(move |input| unwrap(input).0),
    }
}

/// A private key, and the number of its public one.
fn keys() -> (RsaPrivateKey, TextbookRsa) {
    let private = RsaPrivateKey::from_pem(PRIVATE_KEY).unwrap();
    let public = private.public_key().unwrap().to_pem().unwrap();
    (private, TextbookRsa::new(&public))
}

#[cfg(feature = "s3-format")]
pub(crate) use s3::ready;

#[cfg(feature = "s3-format")]
mod s3 {
    use std::future::IntoFuture;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use waxseal::s3::{
        ContentSuite, RsaKeyring, S3Keyring, UnwrapRequest, WrappedDataKey, WrappingAlgorithm,
    };

    use super::*;

    /// Here a wrong padding gives another data key, so that valid and invalid take one way.
    pub(super) fn with_pkcs1(name: &'static str, kinds: [Pkcs1; 2]) -> Subject<'static> {
        let (private, public) = keys();
        let classes = pkcs1_classes(&public, kinds);
        let keyring = RsaKeyring::private(private).unwrap();
        let context = EncryptionContext::new();
        Subject {
            name,
            classes,
            measurements: MEASUREMENTS,
            time: Box::new(move |input| {
                let wrapped = WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, input);
                let suite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
                let request = UnwrapRequest::new(suite, &wrapped, &context);
                time(|| ready(keyring.unwrap(&request)).unwrap())
            }),
        }
    }

    /// Keyrings with keys of their own never wait.
    pub(crate) fn ready<F: IntoFuture>(future: F) -> F::Output {
        match pin!(future.into_future()).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("a local keyring waits"),
        }
    }
}

const PRIVATE_KEY: &str = include_str!("../../src/crypto/tests/data/rsa2048.pkcs8.pem");
/// Different inputs of each class.
const INPUTS: usize = 256;
const MEASUREMENTS: usize = 20_000;
