//! The names under which things are stored with an object, and the format versions that have them.
//!
//! Amazon S3 puts `x-amz-meta-` before each of them on the wire; none of that is here.

/// The wrapped data key of format version 1.
pub(super) const KEY_V1: &str = "x-amz-key";
/// The wrapped data key of format version 2.
pub(super) const KEY_V2: &str = "x-amz-key-v2";
/// The IV.
pub(super) const IV: &str = "x-amz-iv";
/// Material description, or encryption context of AWS KMS.
pub(super) const DESCRIPTION: &str = "x-amz-matdesc";
/// The wrapping algorithm.
pub(super) const WRAPPING: &str = "x-amz-wrap-alg";
/// The content cipher.
pub(super) const CIPHER: &str = "x-amz-cek-alg";
/// Length of the tag in bits.
pub(super) const TAG_LEN: &str = "x-amz-tag-len";
/// The content cipher of format version 3.
pub(super) const CIPHER_V3: &str = "x-amz-c";
/// The wrapped data key of format version 3.
pub(super) const KEY_V3: &str = "x-amz-3";
/// The commitment.
pub(super) const COMMITMENT: &str = "x-amz-d";
/// The message id.
pub(super) const MESSAGE_ID: &str = "x-amz-i";
/// The wrapping algorithm of format version 3.
pub(super) const WRAPPING_V3: &str = "x-amz-w";
/// The material description of format version 3.
pub(super) const DESCRIPTION_V3: &str = "x-amz-m";
/// The encryption context of format version 3.
pub(super) const CONTEXT_V3: &str = "x-amz-t";
/// Length of the plaintext in bytes. Nothing authenticates it.
pub(super) const UNENCRYPTED_LEN: &str = "x-amz-unencrypted-content-length";
/// A digest of the plaintext in old instruction files, which is not read. It is none of the keys of the format: an object
/// may have it as metadata of its user's own.
pub(super) const UNENCRYPTED_MD5: &str = "x-amz-unencrypted-content-md5";
/// Marks an instruction file, in its own metadata.
pub(crate) const INSTRUCTION_FILE: &str = "x-amz-crypto-instr-file";
/// Which format the body has, where it is another one. A mark for people: nothing depends on it.
pub(crate) const FORMAT: &str = "waxseal-format";

/// What versions 1 and 2 share, and version 3 does not have.
pub(super) const SHARED_V1_V2: [&str; 5] = [IV, DESCRIPTION, WRAPPING, CIPHER, TAG_LEN];

/// What only version 3 has.
pub(super) const ONLY_V3: [&str; 7] =
    [CIPHER_V3, KEY_V3, COMMITMENT, MESSAGE_ID, WRAPPING_V3, DESCRIPTION_V3, CONTEXT_V3];

/// What says how the content is encrypted in version 3, and never stands in an instruction file.
pub(super) const CONTENT_V3: [&str; 3] = [CIPHER_V3, COMMITMENT, MESSAGE_ID];

/// What says how the data key is wrapped in version 3, and may stand in an instruction file.
pub(super) const WRAPPED_V3: [&str; 4] = [KEY_V3, WRAPPING_V3, DESCRIPTION_V3, CONTEXT_V3];

/// All of them.
pub(super) const ALL: [&str; 17] = [
    KEY_V1,
    KEY_V2,
    IV,
    DESCRIPTION,
    WRAPPING,
    CIPHER,
    TAG_LEN,
    CIPHER_V3,
    KEY_V3,
    COMMITMENT,
    MESSAGE_ID,
    WRAPPING_V3,
    DESCRIPTION_V3,
    CONTEXT_V3,
    UNENCRYPTED_LEN,
    INSTRUCTION_FILE,
    FORMAT,
];

/// The name as it stands in [`ALL`], whatever its case.
pub(super) fn known(name: &str) -> Option<&'static str> {
    ALL.into_iter().find(|key| key.eq_ignore_ascii_case(name))
}
