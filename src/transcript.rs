//! Everything that a signature covers flows through here, so that no code path can forget it.

use std::fmt;
use std::sync::Arc;

use crate::crypto::{Hasher, SigningKey, VerifyingKey};
use crate::error::{Error, Stage};
use crate::message::footer::encode_footer;
use crate::suite::AlgorithmSuite;

/// Hashes header and body in order; a suite that does not sign hashes nothing.
///
/// Spec: message-footer, "Signature".
pub(crate) struct Transcript<K> {
    state: Option<(Hasher, K)>,
}

impl<K> Transcript<K> {
    /// The key is there exactly if the suite signs, which materials were checked for.
    pub(crate) fn new(suite: AlgorithmSuite, key: Option<K>) -> Self {
        let state = suite.signature().zip(key).map(|(curve, key)| (Hasher::new(curve.hash()), key));
        Self { state }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some((hasher, _)) = &mut self.state {
            hasher.update(bytes);
        }
    }

    pub(crate) fn signs(&self) -> bool {
        self.state.is_some()
    }
}

impl Transcript<Arc<SigningKey>> {
    /// The footer; no byte if the suite does not sign.
    pub(crate) fn sign(self) -> Result<Vec<u8>, Error> {
        match self.state {
            None => Ok(Vec::new()),
            Some((hasher, key)) => {
                let signature =
                    key.sign(&hasher.finish()).map_err(|_| Error::Backend("sign the message"))?;
                encode_footer(&signature)
            }
        }
    }
}

impl Transcript<VerifyingKey> {
    /// Whether the signature is that of the bytes so far.
    pub(crate) fn verify(self, signature: &[u8]) -> Result<(), Error> {
        match self.state {
            None => Ok(()),
            Some((hasher, key)) => key
                .verify(&hasher.finish(), signature)
                .map_err(|_| Error::Unauthentic(Stage::Signature)),
        }
    }
}

impl<K> fmt::Debug for Transcript<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("signs", &self.signs()).finish()
    }
}
