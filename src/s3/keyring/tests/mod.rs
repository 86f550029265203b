#[cfg(feature = "testing")]
mod kms;

use super::*;
use crate::context::EncryptionContext;
use crate::crypto::RsaPadding;
use crate::error::{ApiMisuse, KeyringError, PolicyError};
use crate::keyring::{AesKey, RsaPrivateKey, now};
use crate::policy::CommitmentPolicy;
use crate::s3::description::MaterialDescription;
use crate::s3::metadata::{ContentMetadata, MetadataLocation};
use crate::s3::policy::Policy;
use crate::s3::suite::ContentSuite;

const V3: ContentSuite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
const V2: ContentSuite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
const CBC: ContentSuite = ContentSuite::Aes256CbcIv16NoKdf;

fn everything() -> Policy {
    Policy::default()
        .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
        .legacy_wrapping_algorithms(true)
        .legacy_unauthenticated_modes(true)
}

fn metadata(suite: ContentSuite, wrapped: WrappedDataKey) -> ContentMetadata {
    ContentMetadata::new(suite, wrapped, vec![0; suite.iv_len()], None, MetadataLocation::Object)
}

fn unwrapped(
    keyring: &dyn S3Keyring,
    suite: ContentSuite,
    wrapped: &WrappedDataKey,
) -> Result<DataKey, Error> {
    let (metadata, context) = (metadata(suite, wrapped.clone()), EncryptionContext::new());
    now(unwrap_data_key(keyring, &everything(), &metadata, &context))
}

fn wrapped(keyring: &dyn S3Keyring, suite: ContentSuite) -> (WrappedDataKey, DataKey) {
    let context = EncryptionContext::new();
    let (key, made) = now(wrap_data_key(keyring, suite, &context, None)).unwrap();
    (key, made.unwrap())
}

fn attempts(error: Error) -> Vec<(String, UnwrapFailure)> {
    match error {
        Error::Keyring(KeyringError::Object { attempts, .. }) => {
            attempts.into_iter().map(|attempt| (attempt.keyring, attempt.failure)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn failure(result: Result<DataKey, Error>) -> UnwrapFailure {
    let mut attempts = attempts(result.unwrap_err());
    assert_eq!(attempts.len(), 1);
    attempts.remove(0).1
}

fn aes() -> AesKeyring {
    AesKeyring::new(AesKey::generate_256().unwrap()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// From objects that Ruby wrote, and one that Python's `cryptography` made from the specification.
const AES_128: &str = "01ab3a35e92c645e441f9f67493bd142";
const OF_OTHERS: [(ContentSuite, WrappingAlgorithm, &str, &str); 3] = [
    (
        CBC,
        WrappingAlgorithm::AesEcb,
        "QXKuQZGxqe4JiLU85Q/2opztPIRwQyFNSNiSntppxOWVLTUdd+L4Xc0FnynBVJ+p",
        "7c93db9b39cbf3aa5babaaa83342617dc431c5065d535ec130d8c3f47ec17633",
    ),
    (
        V2,
        WrappingAlgorithm::AesGcm,
        "kVE2hT0wb4UlIljT0NBnWTCul9sIyqkYRx2KhwtKdW+6VJakl9dcO/gExL1biOKB5vvZ6HN19WKS1BDR",
        "1f91c33c9e445b7998c962ebc2b730f660af8da4f742073296aaaa14d6909a06",
    ),
    (
        V3,
        WrappingAlgorithm::AesGcm,
        "iAYCvK2z4XfFZIe/kT2yMRC2NlkpWuip4Ik+k9agRQ9zcOuw3KCq74QcnsTl5tAklBV/23D2i0ORVHjy",
        "21289ecd669d23b6027fb2493dd3ca88329a27ef0857df1cc1dd863d8285a2d6",
    ),
];

fn of_others(index: usize) -> (ContentSuite, WrappedDataKey, Vec<u8>) {
    use base64ct::{Base64, Encoding};
    let (suite, algorithm, ciphertext, data_key) = OF_OTHERS[index];
    let ciphertext = Base64::decode_vec(ciphertext).unwrap();
    (suite, WrappedDataKey::new(algorithm, ciphertext), hex(data_key))
}

fn aes_128() -> AesKeyring {
    AesKeyring::new(AesKey::try_from(&hex(AES_128)[..]).unwrap()).unwrap()
}

#[test]
fn what_others_wrapped_with_aes_is_unwrapped() {
    for index in 0..OF_OTHERS.len() {
        let (suite, wrapped, data_key) = of_others(index);
        assert_eq!(unwrapped(&aes_128(), suite, &wrapped).unwrap().expose(), data_key, "{index}");
    }
}

/// RFC 3394, 4.6.
#[test]
fn aes_wrap_is_that_of_the_rfc() {
    let key: Vec<u8> = (0..32).collect();
    let keyring = AesKeyring::new(AesKey::try_from(&key[..]).unwrap()).unwrap();
    let ciphertext =
        hex("28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21");
    let wrapped = WrappedDataKey::new(WrappingAlgorithm::AesWrap, ciphertext.clone());
    let data_key = hex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f");
    assert_eq!(unwrapped(&keyring, V2, &wrapped).unwrap().expose(), data_key);
    for len in [0, 8, 39] {
        let wrapped = WrappedDataKey::new(WrappingAlgorithm::AesWrap, &ciphertext[..len]);
        assert!(matches!(failure(unwrapped(&keyring, V2, &wrapped)), UnwrapFailure::Unauthentic));
    }
}

#[test]
fn a_key_wrapped_for_one_suite_is_not_unwrapped_for_another() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    let rsa = RsaKeyring::key_pair(public, private).unwrap();
    let keyrings: [&dyn S3Keyring; 2] = [&aes(), &rsa];
    for keyring in keyrings {
        for suite in [V2, V3] {
            let (key, made) = wrapped(keyring, suite);
            assert_eq!(unwrapped(keyring, suite, &key).unwrap(), made);
            for other in ContentSuite::ALL.into_iter().filter(|other| *other != suite) {
                let failure = failure(unwrapped(keyring, other, &key));
                assert!(matches!(failure, UnwrapFailure::Unauthentic), "{failure}");
            }
        }
    }
}

#[test]
fn every_changed_bit_of_a_key_wrapped_with_aes_gcm_is_noticed() {
    let keyring = aes();
    let (key, _) = wrapped(&keyring, V3);
    for at in 0..key.ciphertext().len() {
        let mut changed = key.ciphertext().to_vec();
        changed[at] ^= 1;
        let changed = WrappedDataKey::new(WrappingAlgorithm::AesGcm, changed);
        assert!(matches!(failure(unwrapped(&keyring, V3, &changed)), UnwrapFailure::Unauthentic));
    }
    for len in 0..key.ciphertext().len() {
        let cut = WrappedDataKey::new(WrappingAlgorithm::AesGcm, &key.ciphertext()[..len]);
        assert!(unwrapped(&keyring, V3, &cut).is_err());
    }
}

#[test]
fn a_data_key_that_is_there_is_wrapped_again() {
    let data_key = DataKey::try_from(&[7; 32][..]).unwrap();
    let context = EncryptionContext::new();
    let keyring = aes().description([("year", "2026")]);
    let (key, made) = now(wrap_data_key(&keyring, V3, &context, Some(&data_key))).unwrap();
    assert!(made.is_none());
    assert_eq!(key.description().get("year"), Some("2026"));
    assert_eq!(unwrapped(&keyring, V3, &key).unwrap(), data_key);
}

#[test]
fn nothing_is_wrapped_for_cbc() {
    let context = EncryptionContext::new();
    let result = now(wrap_data_key(&aes(), CBC, &context, None));
    assert!(matches!(result, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))));
}

#[test]
fn raw_keys_refuse_an_encryption_context_both_ways() {
    let (keyring, context) = (aes(), EncryptionContext::from([("a", "b")]));
    let result = now(wrap_data_key(&keyring, V3, &context, None));
    assert!(matches!(result, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))));
    let metadata = metadata(V3, wrapped(&keyring, V3).0);
    let result = now(unwrap_data_key(&keyring, &everything(), &metadata, &context));
    assert!(
        matches!(result, Err(Error::Policy(PolicyError::ContextMissing { key })) if key == "a")
    );
}

#[test]
fn a_wrong_key_in_ecb_mode_gives_another_data_key_and_no_error() {
    let (suite, wrapped, data_key) = of_others(0);
    let wrong = aes();
    let one = unwrapped(&wrong, suite, &wrapped).unwrap();
    assert_ne!(one.expose(), data_key);
    assert_eq!(unwrapped(&wrong, suite, &wrapped).unwrap(), one);
    // Padding, a length that is no multiple of a block, and nothing at all.
    for len in [0, 1, 16, 32, 47] {
        let cut = WrappedDataKey::new(WrappingAlgorithm::AesEcb, &wrapped.ciphertext()[..len]);
        assert_eq!(unwrapped(&aes_128(), suite, &cut).unwrap().len(), 32, "{len}");
    }
}

#[test]
fn pkcs1_unwraps_32_bytes_and_gives_another_data_key_for_everything_else() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    let keyring = RsaKeyring::private(private).unwrap();
    let encrypt = |content: &[u8]| {
        let ciphertext = public.0.encrypt(RsaPadding::Pkcs1, content).unwrap();
        WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, ciphertext)
    };
    assert_eq!(unwrapped(&keyring, CBC, &encrypt(&[7; 32])).unwrap().expose(), [7; 32]);
    let oaep = public.0.encrypt(RsaPadding::OaepSha1, &[7; 32]).unwrap();
    let bad_padding = WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, oaep);
    let short = WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, [1; 12]);
    for wrong in [encrypt(&[7; 16]), encrypt(&[7; 33]), encrypt(&[]), bad_padding, short] {
        let one = unwrapped(&keyring, CBC, &wrong).unwrap();
        assert_eq!(one.len(), 32);
        assert_ne!(one.expose(), [7; 32]);
    }
}

#[test]
fn pkcs1_gives_the_same_other_key_each_time() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    let keyring = RsaKeyring::private(private).unwrap();
    let ciphertext = public.0.encrypt(RsaPadding::Pkcs1, &[7; 16]).unwrap();
    let wrapped = WrappedDataKey::new(WrappingAlgorithm::RsaPkcs1, ciphertext);
    let [one, two] = [0; 2].map(|_| unwrapped(&keyring, CBC, &wrapped).unwrap());
    assert_eq!(one, two);
}

#[test]
fn oaep_of_sha_256_is_unwrapped_with_its_own_mgf1() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    let keyring = RsaKeyring::private(private).unwrap();
    let encrypt = |content: &[u8]| {
        let ciphertext = public.0.encrypt(RsaPadding::OaepSha256, content).unwrap();
        WrappedDataKey::new(WrappingAlgorithm::RsaOaepSha256, ciphertext)
    };
    assert_eq!(unwrapped(&keyring, V2, &encrypt(&[7; 32])).unwrap().expose(), [7; 32]);
    assert!(matches!(
        failure(unwrapped(&keyring, V2, &encrypt(&[7; 16]))),
        UnwrapFailure::Unauthentic
    ));
}

#[test]
fn rsa_checks_length_and_cipher_of_what_it_opens() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let public = private.public_key().unwrap();
    let keyring = RsaKeyring::private(private).unwrap();
    let unwrap = |content: &[&[u8]]| {
        let ciphertext = public.0.encrypt(RsaPadding::OaepSha1, &content.concat()).unwrap();
        unwrapped(&keyring, V3, &WrappedDataKey::new(WrappingAlgorithm::RsaOaepSha1, ciphertext))
    };
    let key = [7; 32];
    assert_eq!(unwrap(&[&[32], &key, b"115"]).unwrap().expose(), key);
    for content in [
        &[&[32][..], &key, b"116"][..],
        &[&[32], &key, b"1155"],
        &[&[32], &key, b"11"],
        &[&[32], &key],
        &[&[31], &key, b"115"],
        &[&[16], &key[..16], b"115"],
        &[&key],
        &[],
    ] {
        assert!(matches!(failure(unwrap(content)), UnwrapFailure::Unauthentic));
    }
}

#[test]
fn one_half_of_a_key_pair_does_one_half_of_the_work() {
    let private = RsaPrivateKey::generate(2048).unwrap();
    let writer = RsaKeyring::public(private.public_key().unwrap()).unwrap();
    let reader = RsaKeyring::private(private).unwrap();
    let (key, made) = wrapped(&writer, V3);
    assert_eq!(unwrapped(&reader, V3, &key).unwrap(), made);
    assert!(matches!(failure(unwrapped(&writer, V3, &key)), UnwrapFailure::NoPrivateKey));
    let context = EncryptionContext::new();
    let result = now(wrap_data_key(&reader, V3, &context, None));
    assert!(matches!(result, Err(Error::Keyring(KeyringError::Wrap { .. }))));
    let [one, other] = [0; 2].map(|_| RsaPrivateKey::generate(2048).unwrap());
    assert!(RsaKeyring::key_pair(one.public_key().unwrap(), other).is_err());
}

#[test]
fn a_keyring_that_does_not_fit_is_named_with_what_was_asked_for() {
    let described = MaterialDescription::from_iter([("year", "2024\u{1b}")]);
    let wrapped =
        WrappedDataKey::new(WrappingAlgorithm::RsaOaepSha1, [1]).with_description(described);
    let error = unwrapped(&aes(), V3, &wrapped).unwrap_err().to_string();
    assert_eq!(
        error,
        "no keyring opens the object: S3 AES keyring: it cannot unwrap with RSA-OAEP-SHA1; \
         its data key is wrapped with RSA-OAEP-SHA1 by a key described as `year`=`2024\\u{1b}`"
    );
}

#[test]
fn the_policy_comes_before_any_key() {
    let (suite, wrapped, _) = of_others(0);
    let (metadata, context) = (metadata(suite, wrapped), EncryptionContext::new());
    let result = now(unwrap_data_key(&Panicking, &Policy::default(), &metadata, &context));
    assert!(matches!(result, Err(Error::Policy(PolicyError::LegacyContent { .. }))));
}

/// Must not be asked.
#[derive(Debug)]
struct Panicking;

impl S3Keyring for Panicking {
    fn wrap<'a>(&'a self, _: &'a WrapRequest<'a>) -> BoxFuture<'a, Result<Wrapped, Error>> {
        panic!("asked to wrap")
    }

    fn fit(&self, _: &WrappedDataKey) -> Fit {
        Fit::Maybe
    }

    fn unwrap<'a>(
        &'a self,
        _: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<DataKey, UnwrapFailure>> {
        panic!("asked to unwrap")
    }

    fn describe(&self) -> String {
        "a keyring that panics".to_owned()
    }
}

#[test]
fn of_several_the_described_one_is_tried_alone() {
    let own = || AesKeyring::new(AesKey::from([1; 32])).unwrap().description([("key", "own")]);
    let (key, made) = wrapped(&own(), V3);
    let multi = MultiKeyring::new(Panicking).also(own());
    assert_eq!(unwrapped(&multi, V3, &key).unwrap(), made);
    // The one that is described so has another key, and no other is asked.
    let namesake = aes().description([("key", "own")]);
    let multi = MultiKeyring::new(Panicking).also(namesake);
    let attempts = attempts(unwrapped(&multi, V3, &key).unwrap_err());
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].0, "S3 AES keyring with the key `key`=`own`");
}

#[test]
fn of_several_all_that_may_fit_are_tried_in_order() {
    let own = || AesKeyring::new(AesKey::from([1; 32])).unwrap();
    let (key, made) = wrapped(&own(), V3);
    let multi = MultiKeyring::new(aes().description([("n", "1")])).also(aes()).also(own());
    assert_eq!(unwrapped(&multi, V3, &key).unwrap(), made);
    let nested = MultiKeyring::new(aes().description([("n", "1")])).also(
        MultiKeyring::new(aes().description([("n", "2")])).also(aes().description([("n", "3")])),
    );
    let attempts = attempts(unwrapped(&nested, V3, &key).unwrap_err());
    let tried: Vec<_> = attempts.iter().map(|(keyring, _)| keyring.rsplit('`').nth(1)).collect();
    assert_eq!(tried, [Some("1"), Some("2"), Some("3")]);
}

#[test]
fn of_several_only_the_first_is_tried_where_a_wrong_key_goes_unnoticed() {
    let (suite, wrapped, data_key) = of_others(0);
    let first = MultiKeyring::new(aes_128()).also(Panicking);
    assert_eq!(unwrapped(&first, suite, &wrapped).unwrap().expose(), data_key);
    let second = MultiKeyring::new(aes()).also(aes_128());
    assert_ne!(unwrapped(&second, suite, &wrapped).unwrap().expose(), data_key);
    let described = wrapped.with_description(MaterialDescription::from_iter([("key", "old")]));
    let second = MultiKeyring::new(aes()).also(aes_128().description([("key", "old")]));
    assert_eq!(unwrapped(&second, suite, &described).unwrap().expose(), data_key);
}

#[test]
fn of_several_the_first_wraps() {
    let own = || AesKeyring::new(AesKey::from([1; 32])).unwrap();
    let (key, made) = wrapped(&MultiKeyring::new(own()).also(Panicking), V3);
    assert_eq!(unwrapped(&own(), V3, &key).unwrap(), made);
}
