//! Messages that are the same each time, and what is done to them.

use std::ops::Range;
use std::sync::OnceLock;

use super::stream::stream;
use crate::context::EncryptionContext;
use crate::crypto::{IV_LEN, TAG_LEN};
use crate::derive::{DerivedKeys, derive_keys};
use crate::encrypt::{Encryptor, encryptor};
use crate::error::{Attempt, Error};
use crate::frames::FrameSealer;
use crate::keyring::LocalKeyring;
use crate::materials::{EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::header::HeaderAuth;
use crate::message::{ContentType, EncryptedDataKey, FrameKind, FrameLayout, Header, to_u64};
use crate::policy::{CommitmentPolicy, Policy};
use crate::secret::DataKey;
use crate::suite::AlgorithmSuite;

/// A keyring whose data key is fixed: every message under it opens, if its header is authentic.
#[derive(Debug)]
pub(super) struct FixedKey;

impl FixedKey {
    pub(super) fn data_key(suite: AlgorithmSuite) -> DataKey {
        DataKey::try_from(&[7; 32][..suite.data_key_len()]).expect("suites want AES keys")
    }
}

impl LocalKeyring for FixedKey {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        materials.set_data_key(Self::data_key(materials.suite()))?;
        materials.push_encrypted_data_key(EncryptedDataKey::new("fuzzing", "key", b""))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        Ok(UnwrappedDataKey::new(Self::data_key(request.suite()), 0))
    }
}

/// A message that is the same each time.
pub(super) struct FixedMessage {
    pub(super) suite: AlgorithmSuite,
    pub(super) bytes: Vec<u8>,
    /// Where the parts are: the header, then each frame.
    pub(super) parts: Vec<Range<usize>>,
}

impl FixedMessage {
    pub(super) fn new(suite: AlgorithmSuite, plaintext: &[u8]) -> Self {
        Self::with_id(suite, plaintext, 9)
    }

    /// Another message under the same data key: only its id tells it apart.
    pub(super) fn other() -> Self {
        Self::with_id(SUITES[0], &PLAINTEXT[1..], 8)
    }

    fn with_id(suite: AlgorithmSuite, plaintext: &[u8], id: u8) -> Self {
        let message_id = vec![id; suite.message_version().message_id_len()];
        let data_key = FixedKey::data_key(suite);
        let DerivedKeys { content, commitment } =
            derive_keys(suite, &data_key, &message_id).expect("all lengths fit");
        let header = Header {
            suite,
            message_id,
            context: EncryptionContext::from([("a", "b")]),
            encrypted_data_keys: vec![EncryptedDataKey::new("fuzzing", "key", b"")],
            content_type: ContentType::Framed { frame_len: FRAME_LEN },
            commitment,
            len: 0,
        };
        let mut bytes = header.encode_body().expect("all widths fit");
        let (iv, mut tag) = ([0; IV_LEN], [0; TAG_LEN]);
        content.seal(&iv, &bytes, &[], &mut tag).expect("all lengths fit");
        HeaderAuth { iv, tag }.encode(suite.message_version(), &mut bytes);
        let mut parts = vec![0..bytes.len()];
        let layout = FrameLayout::new(to_u64(bytes.len()), FRAME_LEN).expect("it is not 0");
        let sealer = FrameSealer::new(content, &header.message_id, FRAME_LEN);
        let len = to_u64(plaintext.len());
        for n in 1..=layout.frame_count(len).expect("they are few") {
            let span = layout.frame(n, len).expect("there is such a frame");
            let index = |offset: u64| usize::try_from(offset).expect("it is short");
            let place = index(span.ciphertext.start)..index(span.ciphertext.end);
            bytes.resize(place.end, 0);
            let content = &plaintext[index(span.plaintext.start)..index(span.plaintext.end)];
            sealer.seal(n, span.kind, content, &mut bytes[place.clone()]).expect("it fits");
            parts.push(place);
        }
        Self { suite, bytes, parts }
    }

    pub(super) fn header(&self) -> &[u8] {
        &self.bytes[self.parts[0].clone()]
    }

    /// Applies what the fuzzer says: three bytes for each edit.
    pub(super) fn edited(&self, script: &[u8]) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let other = Self::other();
        for edit in script.chunks_exact(3).take(16) {
            let [what, at, value] = [edit[0], edit[1], edit[2]];
            let (wide, len) = (usize::from(at) | usize::from(what >> 4) << 8, bytes.len().max(1));
            let (at, part) = (wide % len, self.parts[wide % self.parts.len()].clone());
            match what % 8 {
                0 => bytes.truncate(at),
                1 => bytes.push(value),
                2 => drop((at < bytes.len()).then(|| bytes.remove(at))),
                3 => bytes.insert(at.min(bytes.len()), value),
                // A part of this or of another message, put or repeated where another is.
                4 | 5 => {
                    let from = if what % 8 == 4 { self } else { &other };
                    let with = from.parts[usize::from(value) % from.parts.len()].clone();
                    let end = part.end.min(bytes.len());
                    let start = part.start.min(end);
                    bytes.splice(start..end, from.bytes[with].iter().copied());
                }
                _ => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= value;
                    }
                }
            }
        }
        bytes
    }

    /// Whatever was done to it: only the whole opens, only whole frames in order come out.
    pub(super) fn check(&self, edited: &[u8], step: usize) {
        // Enough edits make one message out of another, part by part.
        let whole = edited == self.bytes || edited == Self::other().bytes;
        for (step, room) in [(step, 1), (1, 64), (usize::MAX, 1000)] {
            let (released, result) = stream(edited, step, room);
            assert_eq!(result.is_ok(), whole, "{result:?}");
            let known = PLAINTEXT.starts_with(&released) || PLAINTEXT[1..].starts_with(&released);
            assert!(known, "{released:?}");
            let frames = released.len() % usize::try_from(FRAME_LEN).expect("it is short") == 0;
            assert!(frames || PLAINTEXT.ends_with(&released), "{released:?}");
        }
    }
}

/// Header and only frame of a message that wants a signature, which nobody can make any more.
pub(super) fn signed_frames() -> &'static (AlgorithmSuite, Vec<u8>) {
    static FRAMES: OnceLock<(AlgorithmSuite, Vec<u8>)> = OnceLock::new();
    FRAMES.get_or_init(|| {
        let suite = AlgorithmSuite::Aes128GcmIv12Tag16HkdfSha256EcdsaP256;
        let encryptor = encryptor(&FixedKey).suite(suite).policy(policy_for(suite));
        let parts = encryptor.now().and_then(Encryptor::into_frames).expect("all is fixed");
        let mut frames = parts.header;
        let start = frames.len();
        frames.resize(start + parts.sealer.sealed_len(FrameKind::Final, PLAINTEXT.len()), 0);
        let sealed = parts.sealer.seal(1, FrameKind::Final, PLAINTEXT, &mut frames[start..]);
        sealed.expect("the buffer has the right length");
        (suite, frames)
    })
}

/// A signed message: the same for as long as this process lives, since signing keys are fresh.
pub(super) fn signed() -> &'static [u8] {
    static MESSAGE: OnceLock<Vec<u8>> = OnceLock::new();
    MESSAGE.get_or_init(|| {
        let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
        let encrypt = crate::encrypt(PLAINTEXT, &FixedKey).suite(suite).policy(policy_for(suite));
        let encrypt = encrypt.frame_len(FRAME_LEN).expect("it is not 0");
        encrypt.now().expect("all is allowed").to_vec()
    })
}

pub(super) fn lax() -> Policy {
    Policy::default().commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
}

pub(super) fn policy_for(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    })
}

pub(super) const SUITES: [AlgorithmSuite; 3] = [
    AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
    AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256,
    AlgorithmSuite::Aes128GcmIv12Tag16NoKdf,
];
pub(super) const FRAME_LEN: u32 = 16;
pub(super) const PLAINTEXT: &[u8] = b"three frames of sixteen bytes, and then a few more of them";
