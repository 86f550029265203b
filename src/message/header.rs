//! The message header.
//!
//! ```text
//! version 1: 01 | 80 | suite (2) | message id (16) | context | encrypted data keys
//!            | content type (1) | 00000000 | IV length (1) | frame length (4) || IV (12) | tag (16)
//! version 2: 02 | suite (2) | message id (32) | context | encrypted data keys
//!            | content type (1) | frame length (4) | commit key (32)         || tag (16)
//!
//! context:             length (2) | pairs
//! encrypted data keys: count (2) | { provider id, provider info, ciphertext: length (2) | bytes } each
//! ```
//!
//! Integers are big-endian. What stands before `||` is the header body, which the tag covers.

use std::fmt;

use crate::context::EncryptionContext;
use crate::error::{Error, Excerpt, InvalidMessage, Malformed, PolicyError};
use crate::message::to_u64;
use crate::policy::Policy;
use crate::suite::{AlgorithmSuite, COMMIT_KEY_LEN, IV_LEN, MessageVersion, TAG_LEN};

/// A parsed header.
///
/// ```
/// # use waxseal::{AesKey, RawAesKeyring};
/// # let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
/// assert_eq!(message.header().context().get("tenant"), Some("42"));
/// assert_eq!(message.header().encrypted_data_keys().len(), 1);
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: message-header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub(crate) suite: AlgorithmSuite,
    pub(crate) message_id: Vec<u8>,
    pub(crate) context: EncryptionContext,
    pub(crate) encrypted_data_keys: Vec<EncryptedDataKey>,
    pub(crate) content_type: ContentType,
    pub(crate) commitment: Option<[u8; COMMIT_KEY_LEN]>,
    /// Length with authentication, in bytes.
    pub(crate) len: u64,
}

impl Header {
    /// The algorithm suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.suite
    }

    /// The format version.
    pub fn version(&self) -> MessageVersion {
        self.suite.message_version()
    }

    /// The message id: 16 bytes in version 1, 32 in version 2.
    pub fn message_id(&self) -> &[u8] {
        &self.message_id
    }

    /// The encryption context as it is stored, with `aws-crypto-public-key` if the suite signs.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// The encrypted data keys, in order.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        &self.encrypted_data_keys
    }

    /// Whether content is in frames, and how long they are.
    pub fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// Length of the header with its authentication, in bytes: the body starts here.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Where the encryption context starts, in bytes.
    pub(crate) fn context_offset(&self) -> u64 {
        let before_id = match self.version() {
            MessageVersion::V1 => 4, // version, type, suite
            MessageVersion::V2 => 3, // version, suite
        };
        to_u64(self.message_id.len()).saturating_add(before_id)
    }

    /// The header body. `Err` only if a field does not fit its width.
    pub(crate) fn encode_body(&self) -> Result<Vec<u8>, Error> {
        let Self {
            suite,
            message_id,
            context,
            encrypted_data_keys,
            content_type,
            commitment,
            len: _,
        } = self;
        let version = suite.message_version();
        let mut out = Vec::with_capacity(USUAL_LEN);
        out.push(version.to_byte());
        if version == MessageVersion::V1 {
            out.push(TYPE_CUSTOMER_AUTHENTICATED);
        }
        out.extend_from_slice(&suite.id().to_be_bytes());
        out.extend_from_slice(message_id);
        let context = context.encode()?;
        put_prefixed(&mut out, &context)?;
        let count = u16::try_from(encrypted_data_keys.len()).map_err(|_| too_long())?;
        out.extend_from_slice(&count.to_be_bytes());
        for edk in encrypted_data_keys {
            let EncryptedDataKey { provider_id, provider_info, ciphertext } = edk;
            put_prefixed(&mut out, provider_id)?;
            put_prefixed(&mut out, provider_info)?;
            put_prefixed(&mut out, ciphertext)?;
        }
        let (content_byte, frame_len) = match content_type {
            ContentType::Unframed => (CONTENT_UNFRAMED, 0),
            ContentType::Framed { frame_len } => (CONTENT_FRAMED, *frame_len),
        };
        out.push(content_byte);
        if version == MessageVersion::V1 {
            out.extend_from_slice(&[0; RESERVED_LEN]);
            out.push(IV_LEN_BYTE);
        }
        out.extend_from_slice(&frame_len.to_be_bytes());
        if let Some(commitment) = commitment {
            out.extend_from_slice(commitment);
        }
        Ok(out)
    }
}

/// How content is laid out.
///
/// Spec: message-header, "Content Type" and "Frame Length".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentType {
    /// One block; only read, never written.
    Unframed,
    /// Frames of this many bytes of content, the last of which may hold fewer.
    Framed {
        /// Bytes of content in a regular frame.
        frame_len: u32,
    },
}

/// A data key wrapped by one wrapping key.
///
/// ```
/// use waxseal::EncryptedDataKey;
///
/// let edk = EncryptedDataKey::new("my-app", "key-2026", [1, 2, 3]);
/// assert_eq!(edk.to_string(), "my-app/key-2026");
/// ```
///
/// Spec: structures, "Encrypted Data Key".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncryptedDataKey {
    provider_id: Vec<u8>,
    provider_info: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl EncryptedDataKey {
    /// Puts one together. Each part may have up to 65,535 bytes.
    pub fn new(
        provider_id: impl Into<Vec<u8>>,
        provider_info: impl Into<Vec<u8>>,
        ciphertext: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            provider_id: provider_id.into(),
            provider_info: provider_info.into(),
            ciphertext: ciphertext.into(),
        }
    }

    /// Key provider id: a namespace, or `aws-kms`.
    pub fn provider_id(&self) -> &[u8] {
        &self.provider_id
    }

    /// Key provider information: a key's name or ARN, for raw AES followed by the IV.
    pub fn provider_info(&self) -> &[u8] {
        &self.provider_info
    }

    /// The wrapped data key.
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    /// The provider information without what a raw AES keyring puts behind the name of its key.
    pub fn key_name(&self) -> &[u8] {
        split_raw_aes_info(&self.provider_info).map_or(&*self.provider_info, |(name, _)| name)
    }
}

/// Provider id and key name, escaped: they are whatever the message says.
impl fmt::Display for EncryptedDataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Excerpt(&self.provider_id), Excerpt(self.key_name()))
    }
}

/// Name and IV in the provider information of a raw AES keyring.
///
/// ```text
/// key name | tag length in bits = 128 (4) | IV length in bytes = 12 (4) | IV (12)
/// ```
///
/// Spec: raw-aes-keyring, "Key Provider Information".
pub(crate) fn split_raw_aes_info(info: &[u8]) -> Option<(&[u8], &[u8; IV_LEN])> {
    let (rest, iv) = info.split_last_chunk::<IV_LEN>()?;
    let name = rest.strip_suffix(RAW_AES_LENGTHS)?;
    Some((name, iv))
}

pub(crate) fn join_raw_aes_info(name: &[u8], iv: &[u8; IV_LEN]) -> Vec<u8> {
    [name, RAW_AES_LENGTHS, iv].concat()
}

/// The header's authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderAuth {
    pub(crate) iv: [u8; IV_LEN],
    pub(crate) tag: [u8; TAG_LEN],
}

impl HeaderAuth {
    pub(crate) fn encode(&self, version: MessageVersion, out: &mut Vec<u8>) {
        let Self { iv, tag } = self;
        if version == MessageVersion::V1 {
            out.extend_from_slice(iv);
        }
        out.extend_from_slice(tag);
    }
}

/// A header with the bytes it came in, not yet authenticated.
#[derive(Debug)]
pub(crate) struct ReadHeader {
    pub(crate) header: Header,
    pub(crate) auth: HeaderAuth,
    /// Header body and authentication as they came.
    pub(crate) bytes: Vec<u8>,
    pub(crate) body_len: usize,
}

/// Reads a header from bytes that come in pieces of any size, in time linear in their number.
///
/// It takes no byte beyond the header, and allocates no more than a small multiple of what came.
#[derive(Debug)]
pub(crate) struct HeaderParser {
    max_len: usize,
    max_encrypted_data_keys: u16,
    bytes: Vec<u8>,
    /// Everything before this offset is parsed.
    at: usize,
    part: Part,
    suite: Option<AlgorithmSuite>,
    message_id: Vec<u8>,
    context: EncryptionContext,
    encrypted_data_keys: Vec<EncryptedDataKey>,
    content_type: ContentType,
    commitment: Option<[u8; COMMIT_KEY_LEN]>,
    body_len: usize,
    auth: Option<HeaderAuth>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Version,
    Suite(MessageVersion),
    MessageId,
    ContextLen,
    Context(u16),
    KeyCount,
    Key { left: u16 },
    ContentType,
    Auth,
    Done,
}

impl HeaderParser {
    pub(crate) fn new(policy: &Policy) -> Self {
        Self {
            max_len: policy.max_header_len,
            max_encrypted_data_keys: policy.max_encrypted_data_keys,
            bytes: Vec::new(),
            at: 0,
            part: Part::Version,
            suite: None,
            message_id: Vec::new(),
            context: EncryptionContext::new(),
            encrypted_data_keys: Vec::new(),
            content_type: ContentType::Unframed,
            commitment: None,
            body_len: 0,
            auth: None,
        }
    }

    /// Takes what belongs to the header; gives the number of bytes taken.
    pub(crate) fn push(&mut self, input: &[u8]) -> Result<usize, Error> {
        let mut rest = input;
        if self.bytes.is_empty() {
            self.bytes.reserve(input.len().min(USUAL_LEN));
        }
        while self.part != Part::Done {
            let have = self.pending().len();
            let need = self.needed();
            if self.at.saturating_add(need) > self.max_len {
                let limit = self.max_len;
                return Err(PolicyError::HeaderLen { limit }.into());
            }
            if have < need {
                let take = rest.len().min(need.saturating_sub(have));
                let (taken, left) = rest.split_at_checked(take).unwrap_or((rest, &[]));
                self.bytes.extend_from_slice(taken);
                rest = left;
                if self.pending().len() < need {
                    break;
                }
            } else {
                self.step()?;
            }
        }
        Ok(input.len().saturating_sub(rest.len()))
    }

    pub(crate) fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    /// The header, or the error that the bytes ended too early.
    pub(crate) fn finish(self) -> Result<ReadHeader, Error> {
        let offset = to_u64(self.bytes.len());
        let field = self.field();
        let (Part::Done, Some(suite), Some(auth)) = (self.part, self.suite, self.auth) else {
            return Err(InvalidMessage::new(Malformed::Truncated { field }, offset).into());
        };
        Ok(ReadHeader {
            header: Header {
                suite,
                message_id: self.message_id,
                context: self.context,
                encrypted_data_keys: self.encrypted_data_keys,
                content_type: self.content_type,
                commitment: self.commitment,
                len: offset,
            },
            auth,
            bytes: self.bytes,
            body_len: self.body_len,
        })
    }

    fn pending(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// How many bytes after `at` the next step needs, as far as can be told from those that came.
    fn needed(&self) -> usize {
        match self.part {
            // A Base64 text is told from an unknown version by its second letter.
            Part::Version if self.pending().first() == Some(&BASE64_FIRST) => 2,
            Part::Version => 1,
            Part::Suite(MessageVersion::V1) => 3,
            Part::Suite(MessageVersion::V2) => 2,
            Part::MessageId => self.version().message_id_len(),
            Part::ContextLen | Part::KeyCount => 2,
            Part::Context(len) => len.into(),
            Part::Key { .. } => key_len(self.pending()),
            Part::ContentType => match self.version() {
                MessageVersion::V1 => 1 + RESERVED_LEN + 1 + 4,
                MessageVersion::V2 => 1 + 4 + COMMIT_KEY_LEN,
            },
            Part::Auth => match self.version() {
                MessageVersion::V1 => IV_LEN + TAG_LEN,
                MessageVersion::V2 => TAG_LEN,
            },
            Part::Done => 0,
        }
    }

    /// Parses the next part, whose bytes are there.
    fn step(&mut self) -> Result<(), Error> {
        let mut reader =
            Fields { rest: self.bytes.get(self.at..).unwrap_or_default(), at: self.at };
        let next = match self.part {
            Part::Version => {
                let [version] = reader.array()?;
                match version {
                    1 => Part::Suite(MessageVersion::V1),
                    2 => Part::Suite(MessageVersion::V2),
                    BASE64_FIRST
                        if reader.rest.first().is_some_and(|b| BASE64_SECOND.contains(b)) =>
                    {
                        return Err(invalid(Malformed::Base64, 0));
                    }
                    found => return Err(invalid(Malformed::UnknownVersion { found }, 0)),
                }
            }
            Part::Suite(version) => {
                if version == MessageVersion::V1 {
                    let at = reader.at;
                    let [found] = reader.array()?;
                    if found != TYPE_CUSTOMER_AUTHENTICATED {
                        return Err(invalid(Malformed::UnknownType { found }, at));
                    }
                }
                let at = reader.at;
                let found = u16::from_be_bytes(reader.array()?);
                let suite = AlgorithmSuite::from_id(found)
                    .ok_or_else(|| invalid(Malformed::UnknownSuite { found }, at))?;
                if suite.message_version() != version {
                    let version = version.to_byte();
                    let reason = Malformed::SuiteVersion { suite: found, version };
                    return Err(invalid(reason, at));
                }
                self.suite = Some(suite);
                Part::MessageId
            }
            Part::MessageId => {
                self.message_id = reader.bytes(self.version().message_id_len())?.to_vec();
                Part::ContextLen
            }
            Part::ContextLen => Part::Context(u16::from_be_bytes(reader.array()?)),
            Part::Context(len) => {
                let at = reader.at;
                self.context = EncryptionContext::read(reader.bytes(len.into())?)
                    .map_err(|reason| invalid(reason, at))?;
                Part::KeyCount
            }
            Part::KeyCount => {
                let at = reader.at;
                let left = u16::from_be_bytes(reader.array()?);
                if left == 0 {
                    return Err(invalid(Malformed::NoEncryptedDataKeys, at));
                }
                if left > self.max_encrypted_data_keys {
                    let limit = self.max_encrypted_data_keys;
                    let found = left.into();
                    return Err(PolicyError::TooManyEncryptedDataKeys { found, limit }.into());
                }
                Part::Key { left }
            }
            Part::Key { left } => {
                let edk = EncryptedDataKey::new(
                    reader.prefixed()?,
                    reader.prefixed()?,
                    reader.prefixed()?,
                );
                self.encrypted_data_keys.push(edk);
                match left.saturating_sub(1) {
                    0 => Part::ContentType,
                    left => Part::Key { left },
                }
            }
            Part::ContentType => {
                self.content_type = reader.content_type(self.version())?;
                if self.version() == MessageVersion::V2 {
                    self.commitment = Some(reader.array()?);
                }
                self.body_len = reader.at;
                Part::Auth
            }
            Part::Auth => {
                let iv = match self.version() {
                    MessageVersion::V1 => reader.array()?,
                    MessageVersion::V2 => [0; IV_LEN],
                };
                let tag = reader.array()?;
                self.auth = Some(HeaderAuth { iv, tag });
                Part::Done
            }
            Part::Done => Part::Done,
        };
        self.at = reader.at;
        self.part = next;
        Ok(())
    }

    fn version(&self) -> MessageVersion {
        self.suite.map_or(MessageVersion::V1, AlgorithmSuite::message_version)
    }

    fn field(&self) -> &'static str {
        match self.part {
            Part::Version => "the version",
            Part::Suite(_) => "the algorithm suite",
            Part::MessageId => "the message id",
            Part::ContextLen | Part::Context(_) => "the encryption context",
            Part::KeyCount | Part::Key { .. } => "the encrypted data keys",
            Part::ContentType => "the content type",
            Part::Auth => "the header authentication",
            Part::Done => "the header",
        }
    }
}

/// A cursor over bytes that are known to be there; it fails instead of panicking all the same.
struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| invalid(Malformed::Truncated { field: "the header" }, self.at))?;
        self.rest = rest;
        self.at = self.at.saturating_add(len);
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn prefixed(&mut self) -> Result<&'a [u8], Error> {
        let len = u16::from_be_bytes(self.array()?);
        self.bytes(len.into())
    }

    fn content_type(&mut self, version: MessageVersion) -> Result<ContentType, Error> {
        let at = self.at;
        let [content_byte] = self.array()?;
        if version == MessageVersion::V1 {
            let reserved_at = self.at;
            if self.array()? != [0; RESERVED_LEN] {
                return Err(invalid(Malformed::Reserved, reserved_at));
            }
            let iv_len_at = self.at;
            let [found] = self.array()?;
            if found != IV_LEN_BYTE {
                return Err(invalid(Malformed::IvLen { found }, iv_len_at));
            }
        }
        let frame_len_at = self.at;
        let frame_len = u32::from_be_bytes(self.array()?);
        match (content_byte, frame_len) {
            (CONTENT_UNFRAMED, 0) => Ok(ContentType::Unframed),
            (CONTENT_FRAMED, 1..) => Ok(ContentType::Framed { frame_len }),
            (CONTENT_UNFRAMED | CONTENT_FRAMED, found) => {
                Err(invalid(Malformed::FrameLen { found }, frame_len_at))
            }
            (found, _) => Err(invalid(Malformed::UnknownContentType { found }, at)),
        }
    }
}

/// Length in bytes of the encrypted data key at the start, as far as its prefixes have come.
fn key_len(bytes: &[u8]) -> usize {
    let mut len = 0_usize;
    for _ in 0..3 {
        let prefix_end = len.saturating_add(2);
        let Some(prefix) = bytes.get(len..prefix_end).and_then(|b| b.first_chunk()) else {
            return prefix_end;
        };
        len = prefix_end.saturating_add(u16::from_be_bytes(*prefix).into());
    }
    len
}

fn invalid(reason: Malformed, at: usize) -> Error {
    InvalidMessage::new(reason, to_u64(at)).into()
}

fn too_long() -> Error {
    crate::error::ApiMisuse::Materials("an encrypted data key does not fit the 16-bit lengths")
        .into()
}

fn put_prefixed(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    let len = u16::try_from(bytes.len()).map_err(|_| too_long())?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// Most headers are not longer, and so are put together without growing.
const USUAL_LEN: usize = 512;
const TYPE_CUSTOMER_AUTHENTICATED: u8 = 0x80;
const CONTENT_UNFRAMED: u8 = 1;
const CONTENT_FRAMED: u8 = 2;
const RESERVED_LEN: usize = 4;
const IV_LEN_BYTE: u8 = 12;
/// Base64 of `01 80` is `AY`, of `02 04` and `02 05` it is `Ag`.
const BASE64_FIRST: u8 = b'A';
const BASE64_SECOND: &[u8] = b"Yg";
/// Tag length in bits and IV length in bytes, as raw AES keyrings write them.
const RAW_AES_LENGTHS: &[u8] = &[0, 0, 0, 128, 0, 0, 0, 12];
