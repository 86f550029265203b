//! Bodies against an independent computation: `aes-gcm`, and HKDF written out with `hmac`.

mod key;
mod open;
mod range;
mod seal;
mod vectors;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha512;

use super::ContentKey;
use crate::s3::suite::ContentSuite;
use crate::secret::DataKey;

/// A body as the specification has it, without any code of this crate.
fn body(suite: ContentSuite, plaintext: &[u8]) -> Vec<u8> {
    match suite {
        ContentSuite::Aes256GcmIv12Tag16NoKdf => seal(&KEY, IV, b"", plaintext),
        ContentSuite::Aes256GcmHkdfSha512CommitKey => {
            let key = derived(&KEY, MESSAGE_ID, b"DERIVEKEY");
            seal(&key[..32], &[1; 12], b"\x00\x73", plaintext)
        }
        ContentSuite::Aes256CbcIv16NoKdf => unreachable!("nothing is encrypted with CBC"),
    }
}

fn seal(key: &[u8], iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let iv = Nonce::try_from(iv).unwrap();
    let cipher = Aes256Gcm::new_from_slice(key).unwrap();
    cipher.encrypt(&iv, Payload { msg: plaintext, aad }).unwrap()
}

/// The first block of RFC 5869's output, with the salt as key of the extraction.
fn derived(data_key: &[u8], message_id: &[u8], label: &[u8]) -> Vec<u8> {
    let prk = hmac_sha512(message_id, &[data_key]);
    hmac_sha512(&prk, &[b"\x00\x73", label, &[1]])
}

fn hmac_sha512(key: &[u8], data: &[&[u8]]) -> Vec<u8> {
    let mut mac = <Hmac<Sha512> as KeyInit>::new_from_slice(key).unwrap();
    for data in data {
        mac.update(data);
    }
    mac.finalize().into_bytes().to_vec()
}

fn data_key() -> DataKey {
    DataKey::try_from(KEY.as_slice()).unwrap()
}

fn iv(suite: ContentSuite) -> &'static [u8] {
    match suite {
        ContentSuite::Aes256CbcIv16NoKdf => CBC_IV,
        ContentSuite::Aes256GcmIv12Tag16NoKdf => IV,
        ContentSuite::Aes256GcmHkdfSha512CommitKey => MESSAGE_ID,
    }
}

fn to_encrypt(suite: ContentSuite) -> ContentKey {
    ContentKey::for_encryption(suite, &data_key(), iv(suite)).unwrap().0
}

fn to_decrypt(suite: ContentSuite) -> ContentKey {
    let commitment =
        suite.commits().then(|| derived(&KEY, MESSAGE_ID, b"COMMITKEY")[..28].to_vec());
    ContentKey::for_decryption(suite, &data_key(), iv(suite), commitment.as_deref()).unwrap()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250_u8).cycle().take(len).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const GCM_SUITES: [ContentSuite; 2] =
    [ContentSuite::Aes256GcmIv12Tag16NoKdf, ContentSuite::Aes256GcmHkdfSha512CommitKey];
const KEY: [u8; 32] = *b"a key of thirty-two bytes in all";
const IV: &[u8] = b"twelve bytes";
const CBC_IV: &[u8] = b"sixteen bytes...";
const MESSAGE_ID: &[u8] = b"a message id of 28 bytes....";
