//! What raw and AWS KMS ECDH keyrings write and how they wrap; either opens what the other wrote.
//!
//! ```text
//! provider information = version = 1 (1) | length (4) | recipient's public key | length (4) | sender's
//! ciphertext           = salt (32) | commitment (32) | encrypted data key | tag (16)
//! ```
//!
//! Public keys are compressed SEC 1 points.
//!
//! Spec: raw-ecdh-keyring, "Structure"; key-agreement-schemas, "Key Derivation".

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, EcdhCurve, GcmKey, Hash, IV_LEN, TAG_LEN, kbkdf, random};
use crate::error::{Error, UnwrapFailure};
use crate::message::{EncryptedDataKey, to_usize};
use crate::secret::{DataKey, Secret};

/// The provider id of what raw ECDH keyrings write.
pub(crate) const RAW_PROVIDER_ID: &[u8] = b"raw-ecdh";
/// The provider id of what AWS KMS ECDH keyrings write.
pub(crate) const KMS_PROVIDER_ID: &[u8] = b"aws-kms-ecdh";

/// Who wrapped a data key, and for whom: their public keys, compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parties<'a> {
    pub(crate) recipient: &'a [u8],
    pub(crate) sender: &'a [u8],
}

impl<'a> Parties<'a> {
    /// The parties of an encrypted data key; `None` if no ECDH keyring wrote it. That the keys are
    /// points on a curve is not checked.
    pub(crate) fn of(edk: &'a EncryptedDataKey) -> Option<Self> {
        let is_ecdh = [RAW_PROVIDER_ID, KMS_PROVIDER_ID].contains(&edk.provider_id());
        is_ecdh.then(|| Self::read(edk.provider_info())).flatten()
    }

    fn read(info: &'a [u8]) -> Option<Self> {
        let (recipient, rest) = split_prefixed(info.strip_prefix(&[VERSION])?)?;
        let (sender, rest) = split_prefixed(rest)?;
        rest.is_empty().then_some(Self { recipient, sender })
    }

    /// The provider information.
    fn encode(&self) -> Result<Vec<u8>, CryptoError> {
        let Self { recipient, sender } = self;
        Ok([&[VERSION][..], &len_of(recipient)?, recipient, &len_of(sender)?, sender].concat())
    }

    /// What the wrapping key is derived from besides the secret, and what the wrapped key is bound to.
    fn fixed_info(&self, curve: EcdhCurve, context: &[u8]) -> Vec<u8> {
        let Self { recipient, sender } = self;
        let curve: &[u8] = match curve {
            EcdhCurve::P256 => b"p256",
            EcdhCurve::P384 => b"p384",
            EcdhCurve::P521 => b"p521",
        };
        // The pages write the first word in capitals as well; every official client uses these.
        let start: [&[u8]; 3] = [b"ecdh-key-derivation\0", curve, b"\0HMAC_SHA384\0"];
        [&start.concat(), *sender, recipient, &[0, VERSION, 0], context].concat()
    }
}

/// Wraps a data key with what the parties' secret gives, for a keyring of this provider id. `context` is
/// encoded.
pub(crate) fn wrap(
    provider_id: &'static [u8],
    secret: &[u8],
    curve: EcdhCurve,
    parties: &Parties<'_>,
    context: &[u8],
    data_key: &DataKey,
) -> Result<EncryptedDataKey, Error> {
    let fixed_info = parties.fixed_info(curve, context);
    let mut salt = [0; SALT_LEN];
    random(&mut salt).map_err(|_| Error::Backend("get randomness"))?;
    let failed = |_| Error::Backend("wrap the data key");
    let keys = Keys::derive(secret, &fixed_info, &salt).map_err(failed)?;
    let mut encrypted = vec![0; data_key.len().saturating_add(TAG_LEN)];
    // The wrapping key is used once, for its salt is fresh; so the IV need not be.
    let key = keys.wrapping_key().map_err(failed)?;
    key.seal(&[0; IV_LEN], &fixed_info, data_key.expose(), &mut encrypted).map_err(failed)?;
    let info = parties.encode().map_err(failed)?;
    let ciphertext = [&salt, keys.commitment(), &encrypted].concat();
    Ok(EncryptedDataKey::new(provider_id, info, ciphertext))
}

/// Opens a ciphertext that [`wrap`] made for these parties.
pub(crate) fn unwrap(
    secret: &[u8],
    curve: EcdhCurve,
    parties: &Parties<'_>,
    context: &[u8],
    ciphertext: &[u8],
) -> Result<DataKey, UnwrapFailure> {
    let Ciphertext { salt, commitment, encrypted, tag } = Ciphertext::read(ciphertext)
        .ok_or(UnwrapFailure::Malformed("it is shorter than salt, commitment and tag"))?;
    let fixed_info = parties.fixed_info(curve, context);
    let failed = |_| Error::Backend("derive the wrapping key");
    let keys = Keys::derive(secret, &fixed_info, salt).map_err(failed)?;
    if !bool::from(keys.commitment().ct_eq(commitment)) {
        return Err(UnwrapFailure::Unauthentic);
    }
    let key = keys.wrapping_key().map_err(failed)?;
    let data_key = Secret::fill(encrypted.len(), |out| {
        key.open(&[0; IV_LEN], &fixed_info, encrypted, tag, out)
    })
    .map_err(|_| UnwrapFailure::Unauthentic)?;
    DataKey::try_from(data_key.expose())
        .map_err(|_| UnwrapFailure::Malformed("its content is not as long as a data key"))
}

struct Ciphertext<'a> {
    salt: &'a [u8; SALT_LEN],
    commitment: &'a [u8; COMMITMENT_LEN],
    encrypted: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Ciphertext<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (salt, rest) = bytes.split_first_chunk()?;
        let (commitment, rest) = rest.split_first_chunk()?;
        let (encrypted, tag) = rest.split_last_chunk()?;
        Some(Self { salt, commitment, encrypted, tag })
    }
}

/// Commitment and wrapping key.
struct Keys(Zeroizing<[u8; COMMITMENT_LEN + WRAPPING_KEY_LEN]>);

impl Keys {
    fn derive(secret: &[u8], fixed_info: &[u8], salt: &[u8]) -> Result<Self, CryptoError> {
        let mut keys = Self(Zeroizing::new([0; COMMITMENT_LEN + WRAPPING_KEY_LEN]));
        kbkdf(Hash::Sha384, secret, fixed_info, salt, &mut keys.0[..])?;
        Ok(keys)
    }

    fn commitment(&self) -> &[u8] {
        self.0.split_at(COMMITMENT_LEN).0
    }

    fn wrapping_key(&self) -> Result<GcmKey, CryptoError> {
        GcmKey::new(self.0.split_at(COMMITMENT_LEN).1)
    }
}

/// Splits off what a length of 32 bits stands before.
fn split_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(to_usize(u32::from_be_bytes(*len)))
}

fn len_of(public_key: &[u8]) -> Result<[u8; 4], CryptoError> {
    u32::try_from(public_key.len()).map(u32::to_be_bytes).map_err(|_| CryptoError)
}

const VERSION: u8 = 1;
const SALT_LEN: usize = 32;
const COMMITMENT_LEN: usize = 32;
const WRAPPING_KEY_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::EncryptionContext;

    const PARTIES: Parties<'_> = Parties { recipient: &[2, 7], sender: &[3, 8, 9] };

    #[test]
    fn ecdh_provider_information_is_read_whole_or_not_at_all() {
        let info =
            [&[1, 0, 0, 0, 2][..], PARTIES.recipient, &[0, 0, 0, 3], PARTIES.sender].concat();
        assert_eq!(PARTIES.encode().unwrap(), info);
        assert_eq!(Parties::read(&info), Some(PARTIES));
        for len in 0..info.len() {
            assert_eq!(Parties::read(&info[..len]), None, "{len}");
        }
        assert_eq!(Parties::read(&[&info[..], &[0]].concat()), None);
        for version in [0, 2, 0xff] {
            assert_eq!(Parties::read(&[&[version], &info[1..]].concat()), None);
        }
        // A length beyond any machine's memory, and one that reaches into the second key.
        for (at, byte) in [(1, 0xff), (4, 3)] {
            let mut changed = info.clone();
            changed[at] = byte;
            assert_eq!(Parties::read(&changed), None);
        }
    }

    #[test]
    fn ecdh_keys_of_other_providers_are_not_read() {
        let info = PARTIES.encode().unwrap();
        for (id, is_own) in [
            ("raw-ecdh", true),
            ("aws-kms-ecdh", true),
            ("aws-kms", false),
            ("raw-ecdh ", false),
            ("", false),
        ] {
            let edk = EncryptedDataKey::new(id, &*info, []);
            assert_eq!(Parties::of(&edk).is_some(), is_own, "{id}");
        }
    }

    #[test]
    fn fixed_info_is_as_official_clients_write_it() {
        let context = EncryptionContext::from([("k", "v")]).encode().unwrap();
        let info = PARTIES.fixed_info(EcdhCurve::P384, &context);
        let expected =
            b"ecdh-key-derivation\0p384\0HMAC_SHA384\0\x03\x08\x09\x02\x07\0\x01\0\0\x01\0\x01k\0\x01v";
        assert_eq!(info, expected);
    }

    #[test]
    fn every_part_of_an_ecdh_ciphertext_counts() {
        let secret = [5; 32];
        let [context, other] =
            ["v", "w"].map(|v| EncryptionContext::from([("k", v)]).encode().unwrap());
        let key = DataKey::try_from(&[9; 24][..]).unwrap();
        let edk =
            wrap(RAW_PROVIDER_ID, &secret, EcdhCurve::P256, &PARTIES, &context, &key).unwrap();
        assert_eq!(edk.ciphertext().len(), 32 + 32 + 24 + 16);
        let open = |secret: &[u8], curve, parties: &Parties<'_>, context: &[u8], bytes: &[u8]| {
            unwrap(secret, curve, parties, context, bytes)
        };
        let bytes = edk.ciphertext();
        assert_eq!(open(&secret, EcdhCurve::P256, &PARTIES, &context, bytes).unwrap(), key);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let opened = open(&secret, EcdhCurve::P256, &PARTIES, &context, &changed);
            assert!(matches!(opened, Err(UnwrapFailure::Unauthentic)), "{at}");
            let opened = open(&secret, EcdhCurve::P256, &PARTIES, &context, &bytes[..at]);
            assert!(opened.is_err(), "{at}");
        }
        let swapped = Parties { recipient: PARTIES.sender, sender: PARTIES.recipient };
        for opened in [
            open(&[6; 32], EcdhCurve::P256, &PARTIES, &context, bytes),
            open(&secret, EcdhCurve::P384, &PARTIES, &context, bytes),
            open(&secret, EcdhCurve::P256, &swapped, &context, bytes),
            open(&secret, EcdhCurve::P256, &PARTIES, &other, bytes),
        ] {
            assert!(matches!(opened, Err(UnwrapFailure::Unauthentic)));
        }
    }
}
