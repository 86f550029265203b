//! From the data key of an object to what encrypts its content.

use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::crypto::{CbcKey, GcmStream, Hash, Prk};
use crate::error::{ApiMisuse, Error, Stage};
use crate::message::to_u64;
use crate::s3::suite::{COMMITMENT_LEN, ContentSuite, DATA_KEY_LEN};
use crate::secret::{DataKey, Secret};

/// What a data key becomes for one object.
pub(crate) struct ContentKey(pub(super) ContentCipher);

/// Key and IV together: both belong to one object. On the heap, so that moving them leaves no copy behind.
pub(super) enum ContentCipher {
    Cbc(Box<CbcKey>, [u8; 16]),
    Gcm(Arc<GcmStream>),
}

impl ContentKey {
    /// For an object that is written, with the commitment that goes into its metadata. `iv` is the message id
    /// for the suite that commits.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] for CBC, for an IV of zeros, which nobody has drawn, and for a wrong length.
    ///
    /// Spec: s3-encryption/encryption, "Cipher Initialization".
    pub(crate) fn for_encryption(
        suite: ContentSuite,
        data_key: &DataKey,
        iv: &[u8],
    ) -> Result<(Self, Option<[u8; COMMITMENT_LEN]>), Error> {
        check_lens(suite, data_key, iv)?;
        if iv.iter().all(|&byte| byte == 0) {
            return Err(unusable("IV or message id", "it is all zeros"));
        }
        match suite {
            ContentSuite::Aes256CbcIv16NoKdf => {
                Err(unusable("suite", "nothing is encrypted with CBC any more"))
            }
            ContentSuite::Aes256GcmIv12Tag16NoKdf => {
                Ok((Self::gcm(data_key.expose(), iv, &[])?, None))
            }
            ContentSuite::Aes256GcmHkdfSha512CommitKey => {
                let derivation = Derivation::new(suite, data_key, iv);
                let commitment = derivation.commitment()?;
                Ok((derivation.content_key()?, Some(commitment)))
            }
        }
    }

    /// For an object that is read. The commitment is that of the metadata, for the suite that has one; it is
    /// compared before the content key is derived.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the data key is not the one that the object commits to;
    /// [`Error::ApiMisuse`] for a wrong length, also of the commitment.
    ///
    /// Spec: s3-encryption/decryption, "Decrypting With Commitment".
    pub(crate) fn for_decryption(
        suite: ContentSuite,
        data_key: &DataKey,
        iv: &[u8],
        commitment: Option<&[u8]>,
    ) -> Result<Self, Error> {
        check_lens(suite, data_key, iv)?;
        let expected_len = if suite.commits() { COMMITMENT_LEN } else { 0 };
        check_len("the commitment", expected_len, commitment.unwrap_or_default().len())?;
        match suite {
            ContentSuite::Aes256CbcIv16NoKdf => {
                let key = CbcKey::new(data_key.expose()).map_err(|_| unprepared())?;
                let iv = iv.try_into().map_err(|_| unprepared())?;
                Ok(Self(ContentCipher::Cbc(Box::new(key), iv)))
            }
            ContentSuite::Aes256GcmIv12Tag16NoKdf => Self::gcm(data_key.expose(), iv, &[]),
            ContentSuite::Aes256GcmHkdfSha512CommitKey => {
                let derivation = Derivation::new(suite, data_key, iv);
                let derived = derivation.commitment()?;
                if !bool::from(derived.as_slice().ct_eq(commitment.unwrap_or_default())) {
                    return Err(Error::Unauthentic(Stage::Commitment));
                }
                derivation.content_key()
            }
        }
    }

    /// The cipher, where the suite authenticates.
    pub(super) fn into_gcm(self) -> Option<Arc<GcmStream>> {
        match self.0 {
            ContentCipher::Cbc(..) => None,
            ContentCipher::Gcm(gcm) => Some(gcm),
        }
    }

    fn gcm(key: &[u8], iv: &[u8], aad: &[u8]) -> Result<Self, Error> {
        let iv = iv.try_into().map_err(|_| unprepared())?;
        let gcm = GcmStream::new(key, iv, aad).map_err(|_| unprepared())?;
        Ok(Self(ContentCipher::Gcm(Arc::new(gcm))))
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cipher = match &self.0 {
            ContentCipher::Cbc(..) => "CBC",
            ContentCipher::Gcm(_) => "GCM",
        };
        f.debug_struct("ContentKey").field("cipher", &cipher).finish_non_exhaustive()
    }
}

/// What HKDF extracted from data key and message id.
///
/// Spec: s3-encryption/key-derivation, "HKDF Operation".
struct Derivation {
    prk: Prk,
    suite_id: [u8; 2],
}

impl Derivation {
    fn new(suite: ContentSuite, data_key: &DataKey, message_id: &[u8]) -> Self {
        let prk = Prk::extract(Hash::Sha512, message_id, data_key.expose());
        Self { prk, suite_id: suite.id().to_be_bytes() }
    }

    fn commitment(&self) -> Result<[u8; COMMITMENT_LEN], Error> {
        let mut commitment = [0; COMMITMENT_LEN];
        let info: [&[u8]; 2] = [&self.suite_id, b"COMMITKEY"];
        self.prk.expand(&info, &mut commitment).map_err(|_| unprepared())?;
        Ok(commitment)
    }

    fn content_key(&self) -> Result<ContentKey, Error> {
        let info: [&[u8]; 2] = [&self.suite_id, b"DERIVEKEY"];
        let key = Secret::fill(DATA_KEY_LEN, |out| self.prk.expand(&info, out))
            .map_err(|_| unprepared())?;
        ContentKey::gcm(key.expose(), &DERIVED_KEY_IV, &self.suite_id)
    }
}

fn check_lens(suite: ContentSuite, data_key: &DataKey, iv: &[u8]) -> Result<(), Error> {
    check_len("the data key", DATA_KEY_LEN, data_key.len())?;
    check_len("the IV or message id", suite.iv_len(), iv.len())
}

fn check_len(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (to_u64(expected), to_u64(found));
    Err(ApiMisuse::BufferLen { what, expected, found }.into())
}

fn unusable(what: &'static str, why: &'static str) -> Error {
    ApiMisuse::Setting { what, why }.into()
}

fn unprepared() -> Error {
    Error::Backend("prepare the content key")
}

/// With a key that is derived for one object, the IV may be the same for all.
const DERIVED_KEY_IV: [u8; 12] = [1; 12];
