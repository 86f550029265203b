//! What is allowed with objects: commitment, and what is only kept for old ones.

use crate::error::{ApiMisuse, Error, PolicyError};
use crate::policy::CommitmentPolicy;
use crate::s3::metadata::ContentMetadata;
use crate::s3::suite::ContentSuite;

/// What is allowed with objects. The default is the strictest that official clients have: committing suites
/// only, and nothing legacy.
///
/// ```
/// use waxseal::CommitmentPolicy;
/// use waxseal::s3::Policy;
///
/// let for_old_objects = Policy::default()
///     .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
///     .legacy_wrapping_algorithms(true);
/// assert_ne!(for_old_objects, Policy::default());
/// ```
///
/// Spec: s3-encryption/client, s3-encryption/key-commitment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    commitment: CommitmentPolicy,
    legacy_wrapping_algorithms: bool,
    legacy_unauthenticated_modes: bool,
    suite: Option<ContentSuite>,
}

impl Policy {
    /// Which suites may be used. Default: [`CommitmentPolicy::RequireEncryptRequireDecrypt`].
    #[must_use]
    pub fn commitment(mut self, policy: CommitmentPolicy) -> Self {
        self.commitment = policy;
        self
    }

    /// Whether data keys may be unwrapped with algorithms that are only kept for old objects
    /// ([`WrappingAlgorithm::is_legacy`](crate::s3::WrappingAlgorithm::is_legacy)). Default: no.
    #[must_use]
    pub fn legacy_wrapping_algorithms(mut self, allowed: bool) -> Self {
        self.legacy_wrapping_algorithms = allowed;
        self
    }

    /// Whether content may be decrypted that nothing authenticates: AES-CBC. Default: no.
    #[must_use]
    pub fn legacy_unauthenticated_modes(mut self, allowed: bool) -> Self {
        self.legacy_unauthenticated_modes = allowed;
        self
    }

    /// The suite to encrypt with. Default: the one that goes with the commitment policy.
    #[must_use]
    pub fn suite(mut self, suite: ContentSuite) -> Self {
        self.suite = Some(suite);
        self
    }

    /// The suite to encrypt with.
    ///
    /// # Errors
    /// [`PolicyError::Commitment`] if the commitment policy forbids the one that was set,
    /// [`ApiMisuse::Setting`] if it is only read.
    pub fn encryption_suite(&self) -> Result<ContentSuite, Error> {
        let written = ContentSuite::of_policy(self.commitment);
        let suite = self.suite.unwrap_or(written);
        if !suite.authenticates() {
            let why = "AES-CBC does not authenticate, and is only read";
            return Err(ApiMisuse::Setting { what: "suite", why }.into());
        }
        if suite.commits() != written.commits() {
            return Err(self.forbidden("encrypt", suite).into());
        }
        Ok(suite)
    }

    /// Checks what can be checked before the data key is unwrapped.
    ///
    /// Spec: s3-encryption/decryption.
    pub(crate) fn check_decrypt(&self, metadata: &ContentMetadata) -> Result<(), PolicyError> {
        let Self { commitment, legacy_wrapping_algorithms, legacy_unauthenticated_modes, suite: _ } =
            self;
        let (suite, algorithm) = (metadata.suite(), metadata.wrapping_algorithm());
        if !suite.authenticates() && !legacy_unauthenticated_modes {
            return Err(PolicyError::LegacyContent { suite: suite.name() });
        }
        let allowed = match commitment {
            CommitmentPolicy::ForbidEncryptAllowDecrypt
            | CommitmentPolicy::RequireEncryptAllowDecrypt => true,
            CommitmentPolicy::RequireEncryptRequireDecrypt => suite.commits(),
        };
        if !allowed {
            return Err(self.forbidden("decrypt", suite));
        }
        if algorithm.is_legacy() && !legacy_wrapping_algorithms {
            return Err(PolicyError::LegacyWrapping { algorithm: algorithm.name() });
        }
        Ok(())
    }

    fn forbidden(&self, action: &'static str, suite: ContentSuite) -> PolicyError {
        PolicyError::Commitment { policy: self.commitment.name(), action, suite: suite.name() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::keyring::{WrappedDataKey, WrappingAlgorithm};
    use crate::s3::metadata::MetadataLocation;

    fn metadata(suite: ContentSuite, algorithm: WrappingAlgorithm) -> ContentMetadata {
        let wrapped = WrappedDataKey::new(algorithm, [1]);
        ContentMetadata::new(suite, wrapped, Vec::new(), None, MetadataLocation::Object)
    }

    #[test]
    fn the_default_reads_only_what_commits() {
        let policy = Policy::default();
        let [cbc, gcm, committing] = ContentSuite::ALL;
        let check = |suite| policy.check_decrypt(&metadata(suite, WrappingAlgorithm::AesGcm));
        assert!(matches!(check(cbc), Err(PolicyError::LegacyContent { .. })));
        assert!(matches!(check(gcm), Err(PolicyError::Commitment { action: "decrypt", .. })));
        assert!(check(committing).is_ok());
    }

    #[test]
    fn what_is_wrong_with_the_content_comes_before_what_is_wrong_with_the_key() {
        let all_wrong = metadata(ContentSuite::Aes256CbcIv16NoKdf, WrappingAlgorithm::RsaPkcs1);
        let mut policy = Policy::default();
        assert!(matches!(policy.check_decrypt(&all_wrong), Err(PolicyError::LegacyContent { .. })));
        policy = policy.legacy_unauthenticated_modes(true);
        assert!(matches!(policy.check_decrypt(&all_wrong), Err(PolicyError::Commitment { .. })));
        policy = policy.commitment(CommitmentPolicy::RequireEncryptAllowDecrypt);
        assert!(matches!(
            policy.check_decrypt(&all_wrong),
            Err(PolicyError::LegacyWrapping { .. })
        ));
        policy = policy.legacy_wrapping_algorithms(true);
        assert!(policy.check_decrypt(&all_wrong).is_ok());
    }

    #[test]
    fn each_switch_allows_only_its_own() {
        let policy = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
        let cbc = metadata(ContentSuite::Aes256CbcIv16NoKdf, WrappingAlgorithm::AesGcm);
        let kms = metadata(ContentSuite::Aes256GcmIv12Tag16NoKdf, WrappingAlgorithm::Kms);
        let wrapping = policy.clone().legacy_wrapping_algorithms(true);
        assert!(wrapping.check_decrypt(&cbc).is_err() && wrapping.check_decrypt(&kms).is_ok());
        let modes = policy.legacy_unauthenticated_modes(true);
        assert!(modes.check_decrypt(&cbc).is_ok() && modes.check_decrypt(&kms).is_err());
    }

    #[test]
    fn the_suite_has_to_go_with_the_commitment_policy() {
        let [cbc, gcm, committing] = ContentSuite::ALL;
        for commitment in CommitmentPolicy::ALL {
            let policy = Policy::default().commitment(commitment);
            let forbids = commitment == CommitmentPolicy::ForbidEncryptAllowDecrypt;
            let expected = if forbids { gcm } else { committing };
            assert_eq!(policy.encryption_suite().unwrap(), expected);
            assert_eq!(policy.clone().suite(gcm).encryption_suite().is_ok(), forbids);
            assert_eq!(policy.clone().suite(committing).encryption_suite().is_ok(), !forbids);
            assert!(policy.suite(cbc).encryption_suite().is_err());
        }
    }
}
