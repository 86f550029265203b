//! From the data key to the key that encrypts content, and to the commitment.

use crate::crypto::{GcmKey, Hash, Prk};
use crate::error::Error;
use crate::secret::{DataKey, Secret};
use crate::suite::{AlgorithmSuite, COMMIT_KEY_LEN, Derivation};

/// What a data key becomes for one message.
#[derive(Debug)]
pub(crate) struct DerivedKeys {
    /// Encrypts header tag and content.
    pub(crate) content: GcmKey,
    /// Goes into the header; only committing suites have one.
    pub(crate) commitment: Option<[u8; COMMIT_KEY_LEN]>,
}

/// Spec: transitive-requirements, "HKDF Encryption Key" and "HKDF Commit Key".
pub(crate) fn derive_keys(
    suite: AlgorithmSuite,
    data_key: &DataKey,
    message_id: &[u8],
) -> Result<DerivedKeys, Error> {
    let id = suite.id().to_be_bytes();
    let failed = |_| Error::Backend("derive the content key");
    let expand = |prk: &Prk, info: &[&[u8]]| {
        let key = Secret::fill(suite.data_key_len(), |out| prk.expand(info, out))?;
        GcmKey::new(key.expose())
    };
    let (content, commitment) = match suite.derivation() {
        Derivation::Identity => (GcmKey::new(data_key.expose()), None),
        // An empty salt stands for the zeros of the hash's length that the format asks for.
        Derivation::Hkdf(hash) => {
            (expand(&Prk::extract(hash, &[], data_key.expose()), &[&id, message_id]), None)
        }
        Derivation::Commit => {
            let prk = Prk::extract(Hash::Sha512, message_id, data_key.expose());
            let mut commitment = [0; COMMIT_KEY_LEN];
            prk.expand(&[b"COMMITKEY"], &mut commitment).map_err(failed)?;
            (expand(&prk, &[&id, b"DERIVEKEY"]), Some(commitment))
        }
    };
    Ok(DerivedKeys { content: content.map_err(failed)?, commitment })
}
