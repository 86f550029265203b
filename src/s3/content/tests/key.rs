use super::{CBC_IV, IV, KEY, MESSAGE_ID, data_key, derived, iv};
use crate::error::{ApiMisuse, Error, Stage};
use crate::s3::content::ContentKey;
use crate::s3::suite::ContentSuite;
use crate::secret::DataKey;

#[test]
fn the_commitment_is_what_hkdf_gives() {
    let suite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
    let (_, commitment) = ContentKey::for_encryption(suite, &data_key(), MESSAGE_ID).unwrap();
    assert_eq!(commitment.unwrap().as_slice(), &derived(&KEY, MESSAGE_ID, b"COMMITKEY")[..28]);
}

#[test]
fn only_the_suite_that_commits_has_a_commitment() {
    let suite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
    assert!(ContentKey::for_encryption(suite, &data_key(), IV).unwrap().1.is_none());
}

#[test]
fn every_bit_of_the_commitment_is_compared() {
    let suite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
    let (_, commitment) = ContentKey::for_encryption(suite, &data_key(), MESSAGE_ID).unwrap();
    let commitment = commitment.unwrap();
    for bit in 0..28 * 8 {
        let mut commitment = commitment;
        commitment[bit / 8] ^= 1 << (bit % 8);
        let key = ContentKey::for_decryption(suite, &data_key(), MESSAGE_ID, Some(&commitment));
        assert!(matches!(key, Err(Error::Unauthentic(Stage::Commitment))), "{bit}");
    }
    let other = DataKey::try_from([7; 32].as_slice()).unwrap();
    let key = ContentKey::for_decryption(suite, &other, MESSAGE_ID, Some(&commitment));
    assert!(matches!(key, Err(Error::Unauthentic(Stage::Commitment))));
    let key = ContentKey::for_decryption(suite, &data_key(), &[7; 28], Some(&commitment));
    assert!(matches!(key, Err(Error::Unauthentic(Stage::Commitment))));
}

#[test]
fn wrong_lengths_are_refused() {
    for suite in ContentSuite::ALL {
        let right = if suite.commits() { 28 } else { 0 };
        for len in (0..=64).filter(|&len| len != right) {
            let commitment = vec![1; len];
            let key = ContentKey::for_decryption(suite, &data_key(), iv(suite), Some(&commitment));
            assert!(is_wrong_len(key.err()), "{suite} commitment {len}");
        }
        let commitment = suite.commits().then_some(&[1; 28][..]);
        for len in (0..=64).filter(|&len| len != iv(suite).len()) {
            let iv = vec![1; len];
            let key = ContentKey::for_decryption(suite, &data_key(), &iv, commitment);
            assert!(is_wrong_len(key.err()), "{suite} IV {len}");
            let key = ContentKey::for_encryption(suite, &data_key(), &iv);
            assert!(is_wrong_len(key.err()), "{suite} IV {len}");
        }
        for len in [16, 24] {
            let data_key = DataKey::try_from(&KEY[..len]).unwrap();
            let key = ContentKey::for_decryption(suite, &data_key, iv(suite), commitment);
            assert!(is_wrong_len(key.err()), "{suite} key {len}");
            let key = ContentKey::for_encryption(suite, &data_key, iv(suite));
            assert!(is_wrong_len(key.err()), "{suite} key {len}");
        }
    }
    let suite = ContentSuite::Aes256GcmHkdfSha512CommitKey;
    let key = ContentKey::for_decryption(suite, &data_key(), MESSAGE_ID, None);
    assert!(is_wrong_len(key.err()));
}

#[test]
fn nothing_is_encrypted_with_cbc_or_with_zeros() {
    let cbc = ContentSuite::Aes256CbcIv16NoKdf;
    let error = ContentKey::for_encryption(cbc, &data_key(), CBC_IV).unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Setting { what: "suite", .. })), "{error}");
    for suite in super::GCM_SUITES {
        let zeros = vec![0; iv(suite).len()];
        let error = ContentKey::for_encryption(suite, &data_key(), &zeros).unwrap_err();
        let Error::ApiMisuse(ApiMisuse::Setting { why, .. }) = error else { panic!("{error}") };
        assert_eq!(why, "it is all zeros");
    }
    // Whoever wrote an object so long ago, may have drawn zeros.
    let suite = ContentSuite::Aes256GcmIv12Tag16NoKdf;
    ContentKey::for_decryption(suite, &data_key(), &[0; 12], None).unwrap();
}

#[test]
fn debug_shows_nothing_of_the_key() {
    let key = super::to_encrypt(ContentSuite::Aes256GcmIv12Tag16NoKdf);
    assert_eq!(format!("{key:?}"), "ContentKey { cipher: \"GCM\", .. }");
}

fn is_wrong_len(error: Option<Error>) -> bool {
    matches!(error, Some(Error::ApiMisuse(ApiMisuse::BufferLen { .. })))
}
