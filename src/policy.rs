//! Everything that means "valid, but not allowed": commitment, limits, streaming of signed messages.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, PolicyError};
use crate::suite::AlgorithmSuite;

/// What is allowed. The default is the strictest that official clients have: committing suites only.
///
/// ```
/// use waxseal::{CommitmentPolicy, Policy};
///
/// let policy = Policy::default()
///     .commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
///     .max_encrypted_data_keys(3);
/// # let _ = policy;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub(crate) commitment: CommitmentPolicy,
    pub(crate) max_encrypted_data_keys: u16,
    pub(crate) max_frame_len: u64,
    pub(crate) max_header_len: usize,
    pub(crate) signed_streaming: SignedStreaming,
}

impl Policy {
    /// Which suites may be used. Default: [`CommitmentPolicy::RequireEncryptRequireDecrypt`].
    #[must_use]
    pub fn commitment(mut self, policy: CommitmentPolicy) -> Self {
        self.commitment = policy;
        self
    }

    /// How many encrypted data keys a message may have, both ways. Default: 100, since each may cost
    /// a call to a service. 65,535 is as many as the format holds, so it is no limit.
    #[must_use]
    pub fn max_encrypted_data_keys(mut self, limit: u16) -> Self {
        self.max_encrypted_data_keys = limit;
        self
    }

    /// How long a frame (or an unframed body) may be on decrypt, in bytes. A decryptor holds up to some
    /// three times that in memory, as far as bytes have arrived. Default: 2^32 - 1, the longest frame of
    /// the format; unframed bodies may have up to 2^36 - 32. The header is authenticated before
    /// the first frame is held, so a lower limit guards against those who can encrypt to you.
    #[must_use]
    pub fn max_frame_len(mut self, limit: u64) -> Self {
        self.max_frame_len = limit;
        self
    }

    /// How long a header may be, both ways, in bytes. On decrypt it is held in memory, as far as its
    /// bytes have arrived, before anything is authenticated. Default: 1 MiB.
    #[must_use]
    pub fn max_header_len(mut self, limit: usize) -> Self {
        self.max_header_len = limit;
        self
    }

    /// Whether signed messages may be decrypted as a stream. Default: [`SignedStreaming::Allow`].
    #[must_use]
    pub fn signed_streaming(mut self, rule: SignedStreaming) -> Self {
        self.signed_streaming = rule;
        self
    }

    /// Which suites may be used; for materials managers that choose one.
    pub fn commitment_policy(&self) -> CommitmentPolicy {
        self.commitment
    }

    pub(crate) fn check_encrypt(&self, suite: AlgorithmSuite) -> Result<(), Error> {
        self.check(self.commitment.allows_encrypt(suite), "encrypt", suite)
    }

    pub(crate) fn check_decrypt(&self, suite: AlgorithmSuite) -> Result<(), Error> {
        self.check(self.commitment.allows_decrypt(suite), "decrypt", suite)
    }

    pub(crate) fn check_key_count(&self, found: usize) -> Result<(), Error> {
        let limit = self.max_encrypted_data_keys;
        if found > usize::from(limit) {
            return Err(PolicyError::TooManyEncryptedDataKeys { found, limit }.into());
        }
        Ok(())
    }

    pub(crate) fn check_header_len(&self, found: usize) -> Result<(), Error> {
        let limit = self.max_header_len;
        if found > limit {
            return Err(PolicyError::HeaderLen { limit }.into());
        }
        Ok(())
    }

    pub(crate) fn check_frame_len(&self, found: u64) -> Result<(), Error> {
        let limit = self.max_frame_len;
        if found > limit {
            return Err(PolicyError::FrameLen { found, limit }.into());
        }
        Ok(())
    }

    fn check(
        &self,
        allowed: bool,
        action: &'static str,
        suite: AlgorithmSuite,
    ) -> Result<(), Error> {
        if allowed {
            return Ok(());
        }
        let policy = self.commitment.name();
        let suite = suite.name();
        Err(PolicyError::Commitment { policy, action, suite }.into())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            commitment: CommitmentPolicy::default(),
            max_encrypted_data_keys: 100,
            max_frame_len: u32::MAX.into(),
            max_header_len: 1 << 20,
            signed_streaming: SignedStreaming::default(),
        }
    }
}

/// Which suites may be used, by whether a message commits to its key.
///
/// Without commitment, one message can be made that opens to different plaintexts under different
/// keys. The two laxer values are for moving from old messages to new ones.
///
/// ```
/// use waxseal::{AlgorithmSuite, CommitmentPolicy};
///
/// let policy: CommitmentPolicy = "forbid-encrypt-allow-decrypt".parse()?;
/// assert!(policy.allows_encrypt(AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256));
/// assert!(!CommitmentPolicy::default().allows_encrypt(AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256));
/// # Ok::<(), waxseal::UnknownCommitmentPolicy>(())
/// ```
///
/// Spec: commitment-policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommitmentPolicy {
    /// Writes only messages without commitment, reads all.
    ForbidEncryptAllowDecrypt,
    /// Writes only messages with commitment, reads all.
    RequireEncryptAllowDecrypt,
    /// Writes and reads only messages with commitment.
    #[default]
    RequireEncryptRequireDecrypt,
}

impl CommitmentPolicy {
    /// All three.
    pub const ALL: [Self; 3] = [
        Self::ForbidEncryptAllowDecrypt,
        Self::RequireEncryptAllowDecrypt,
        Self::RequireEncryptRequireDecrypt,
    ];

    /// The specification's name, in the form of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ForbidEncryptAllowDecrypt => "forbid-encrypt-allow-decrypt",
            Self::RequireEncryptAllowDecrypt => "require-encrypt-allow-decrypt",
            Self::RequireEncryptRequireDecrypt => "require-encrypt-require-decrypt",
        }
    }

    /// Whether messages with this suite may be written.
    pub fn allows_encrypt(self, suite: AlgorithmSuite) -> bool {
        match self {
            Self::ForbidEncryptAllowDecrypt => !suite.commits(),
            Self::RequireEncryptAllowDecrypt | Self::RequireEncryptRequireDecrypt => {
                suite.commits()
            }
        }
    }

    /// Whether messages with this suite may be read.
    pub fn allows_decrypt(self, suite: AlgorithmSuite) -> bool {
        match self {
            Self::ForbidEncryptAllowDecrypt | Self::RequireEncryptAllowDecrypt => true,
            Self::RequireEncryptRequireDecrypt => suite.commits(),
        }
    }

    /// The suite that is used where none is asked for.
    ///
    /// Where commitment is forbidden this is 0x0378, as in every official client; the specification's
    /// page names the weaker 0x0078, which none of them uses.
    pub fn default_suite(self) -> AlgorithmSuite {
        match self {
            Self::ForbidEncryptAllowDecrypt => {
                AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha384EcdsaP384
            }
            Self::RequireEncryptAllowDecrypt | Self::RequireEncryptRequireDecrypt => {
                AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384
            }
        }
    }
}

impl fmt::Display for CommitmentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CommitmentPolicy {
    type Err = UnknownCommitmentPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownCommitmentPolicy> {
        Self::ALL.into_iter().find(|policy| policy.name() == text).ok_or(UnknownCommitmentPolicy)
    }
}

/// A text that names no commitment policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a commitment policy")]
#[expect(clippy::exhaustive_structs, reason = "there is nothing more to say")]
pub struct UnknownCommitmentPolicy;

/// Whether signed messages may be decrypted as a stream.
///
/// A stream releases frames that are authentic under the data key before the signature over the whole
/// message can be checked; only the final frame waits for it.
///
/// ```
/// use waxseal::{Policy, SignedStreaming};
///
/// let policy = Policy::default().signed_streaming(SignedStreaming::Refuse);
/// # let _ = policy;
/// ```
///
/// Spec: decrypt, "Security Considerations".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignedStreaming {
    /// They may; whoever reads them must undo its work when the end reports a failure.
    #[default]
    Allow,
    /// They may not; decrypt them in one piece.
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_allows_what_its_name_says() {
        for suite in AlgorithmSuite::ALL {
            let commits = suite.id() >= 0x0400;
            let [forbid, allow, require] = CommitmentPolicy::ALL;
            assert_eq!(forbid.allows_encrypt(suite), !commits);
            assert_eq!(allow.allows_encrypt(suite), commits);
            assert_eq!(require.allows_encrypt(suite), commits);
            assert!(forbid.allows_decrypt(suite) && allow.allows_decrypt(suite));
            assert_eq!(require.allows_decrypt(suite), commits);
        }
    }

    #[test]
    fn what_is_as_much_as_the_limit_is_allowed_and_no_more() {
        let limited = Policy::default().max_encrypted_data_keys(2).max_header_len(300);
        let limited = limited.max_frame_len(4096);
        for (found, allowed) in [(0, true), (1, true), (2, true), (3, false), (65_535, false)] {
            assert_eq!(limited.check_key_count(found).is_ok(), allowed, "{found} keys");
        }
        for (found, allowed) in [(299, true), (300, true), (301, false)] {
            assert_eq!(limited.check_header_len(found).is_ok(), allowed, "{found} bytes");
        }
        for (found, allowed) in [(4095, true), (4096, true), (4097, false)] {
            assert_eq!(limited.check_frame_len(found).is_ok(), allowed, "{found} bytes");
        }
    }

    #[test]
    fn each_policy_can_write_its_default_suite() {
        for policy in CommitmentPolicy::ALL {
            assert!(policy.allows_encrypt(policy.default_suite()));
            assert_eq!(policy.name().parse(), Ok(policy));
        }
    }
}
