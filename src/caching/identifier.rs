//! What makes two requests the same.

use std::sync::Arc;

use crate::context::EncryptionContext;
use crate::crypto::{Hash, Hasher};
use crate::materials::{DecryptionRequest, EncryptionRequest};
use crate::message::to_u64;
use crate::policy::Policy;

/// The name of a cache entry: SHA-384 over everything that materials may depend on.
///
/// The inputs and their order are those of the specification, and after them what it leaves out: the policy
/// that chooses the suite, required context keys, and the pairs that the caller gave to decrypt. The
/// encrypted data keys stay in the order of the message, since materials say which of them was opened. Each
/// field has its length in front, as a partition id may hold any character.
///
/// Spec: caching-cmm, "Appendix A: Cache Entry Identifier Formulas".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identifier(Arc<[u8]>);

impl Identifier {
    pub(super) fn of_encryption(partition: &str, request: &EncryptionRequest) -> Self {
        // Those who are cached are not told the length: their materials serve other lengths, too.
        let EncryptionRequest {
            context,
            required_context_keys,
            suite,
            policy,
            max_plaintext_len: _,
        } = request;
        let mut fields = Fields::new(ENCRYPT, partition);
        match suite {
            None => fields.add(&[0]),
            Some(suite) => {
                fields.add(&[1]);
                fields.add(&suite.id().to_be_bytes());
            }
        }
        fields.add_pairs(context);
        fields.add_policy(policy);
        fields.add_count(required_context_keys.len());
        for key in required_context_keys {
            fields.add(key.as_bytes());
        }
        fields.finish()
    }

    pub(super) fn of_decryption(partition: &str, request: &DecryptionRequest<'_>) -> Self {
        let DecryptionRequest { suite, context, reproduced_context, encrypted_data_keys, policy } =
            request;
        let mut fields = Fields::new(DECRYPT, partition);
        fields.add(&suite.id().to_be_bytes());
        fields.add_count(encrypted_data_keys.len());
        for edk in *encrypted_data_keys {
            fields.add(edk.provider_id());
            fields.add(edk.provider_info());
            fields.add(edk.ciphertext());
        }
        fields.add_pairs(context);
        fields.add_policy(policy);
        fields.add_pairs(reproduced_context);
        fields.finish()
    }
}

struct Fields(Hasher);

impl Fields {
    fn new(scope: u8, partition: &str) -> Self {
        let mut fields = Self(Hasher::new(Hash::Sha384));
        fields.add(&[RESOURCE]);
        fields.add(&[scope]);
        fields.add(partition.as_bytes());
        fields
    }

    fn add(&mut self, field: &[u8]) {
        self.add_count(field.len());
        self.0.update(field);
    }

    fn add_count(&mut self, count: usize) {
        self.0.update(&to_u64(count).to_be_bytes());
    }

    fn add_pairs(&mut self, context: &EncryptionContext) {
        self.add_count(context.len());
        for (key, value) in context.iter() {
            self.add(key.as_bytes());
            self.add(value.as_bytes());
        }
    }

    /// All that a materials manager learns of it.
    fn add_policy(&mut self, policy: &Policy) {
        self.add(policy.commitment_policy().name().as_bytes());
    }

    fn finish(self) -> Identifier {
        Identifier(self.0.finish().as_ref().into())
    }
}

/// A caching manager, of all that may share a cache.
const RESOURCE: u8 = 1;
const ENCRYPT: u8 = 1;
const DECRYPT: u8 = 2;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;
    use crate::message::EncryptedDataKey;
    use crate::policy::CommitmentPolicy;
    use crate::suite::AlgorithmSuite;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().copied().collect()
    }

    fn encryption() -> EncryptionRequest {
        EncryptionRequest {
            context: context(&[("k", "v")]),
            required_context_keys: BTreeSet::new(),
            suite: None,
            policy: Policy::default(),
            max_plaintext_len: None,
        }
    }

    #[test]
    fn every_input_of_encryption_counts() {
        let lax = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
        let base = encryption();
        let requests = [
            base.clone(),
            EncryptionRequest { context: context(&[]), ..base.clone() },
            EncryptionRequest { context: context(&[("k", "w")]), ..base.clone() },
            EncryptionRequest { context: context(&[("kv", "")]), ..base.clone() },
            EncryptionRequest { context: context(&[("k", "v"), ("l", "")]), ..base.clone() },
            EncryptionRequest {
                required_context_keys: BTreeSet::from(["k".to_owned()]),
                ..base.clone()
            },
            EncryptionRequest {
                required_context_keys: BTreeSet::from(["l".to_owned()]),
                ..base.clone()
            },
            EncryptionRequest { policy: lax, ..base.clone() },
            EncryptionRequest {
                suite: Some(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey),
                ..base.clone()
            },
            EncryptionRequest {
                suite: Some(AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384),
                ..base.clone()
            },
        ];
        let ids: HashSet<_> =
            requests.iter().map(|request| Identifier::of_encryption("p", request)).collect();
        assert_eq!(ids.len(), requests.len());
        let again = Identifier::of_encryption("p", &encryption());
        assert!(ids.contains(&again));
        let known = EncryptionRequest { max_plaintext_len: Some(1), ..base };
        assert_eq!(Identifier::of_encryption("p", &known), again);
    }

    /// With nothing but a NUL between fields, as in the specification, the second of these would be the
    /// first.
    #[test]
    fn a_partition_cannot_reach_into_the_next_field() {
        let suite = Some(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
        let with = EncryptionRequest { suite, ..encryption() };
        let partitions = ["", "p", "q", "p\0", "p\0\0\0", "p\0\u{1}\0\u{4}x"];
        let ids: HashSet<_> = partitions
            .iter()
            .flat_map(|p| [encryption(), with.clone()].map(|r| Identifier::of_encryption(p, &r)))
            .collect();
        assert_eq!(ids.len(), 2 * partitions.len());
    }

    #[test]
    fn every_input_of_decryption_counts() {
        let lax = Policy::default().commitment(CommitmentPolicy::RequireEncryptAllowDecrypt);
        let (strict, none, some) = (Policy::default(), context(&[]), context(&[("k", "v")]));
        let edk = |name: &str| EncryptedDataKey::new("p", name, b"wrapped");
        let (one, two) = ([edk("a")], [edk("a"), edk("b")]);
        let reversed = [edk("b"), edk("a")];
        let moved = [EncryptedDataKey::new("pa", "", b"wrapped")];
        // All that differs where AWS KMS wrapped two data keys with one key.
        let rewrapped = [EncryptedDataKey::new("p", "a", b"wrapped again")];
        let base = DecryptionRequest {
            suite: AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
            context: &none,
            reproduced_context: &none,
            encrypted_data_keys: &one,
            policy: &strict,
        };
        let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
        let requests = [
            base.clone(),
            DecryptionRequest { suite, ..base.clone() },
            DecryptionRequest { context: &some, ..base.clone() },
            DecryptionRequest { reproduced_context: &some, ..base.clone() },
            DecryptionRequest { context: &some, reproduced_context: &some, ..base.clone() },
            DecryptionRequest { encrypted_data_keys: &[], ..base.clone() },
            DecryptionRequest { encrypted_data_keys: &two, ..base.clone() },
            DecryptionRequest { encrypted_data_keys: &reversed, ..base.clone() },
            DecryptionRequest { encrypted_data_keys: &moved, ..base.clone() },
            DecryptionRequest { encrypted_data_keys: &rewrapped, ..base.clone() },
            DecryptionRequest { policy: &lax, ..base },
        ];
        let ids: HashSet<_> = requests
            .iter()
            .flat_map(|request| ["p", "q"].map(|p| Identifier::of_decryption(p, request)))
            .collect();
        assert_eq!(ids.len(), 2 * requests.len());
    }
}
