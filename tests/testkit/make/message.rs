//! Writes messages as the specification has them, and shares nothing with the crate under test.
//!
//! Every field can be anything. Tags, commitment and signature are made over what is written, so that they are
//! right even where the structure is not.

use std::ops::Range;

use base64ct::{Base64, Encoding};

use super::crypto::{self, Curve, Kdf};

/// The eleven suites (algorithm-suites, "Supported Algorithm Suites").
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suite {
    pub(crate) id: u16,
    pub(crate) name: &'static str,
    pub(crate) key_len: usize,
    pub(crate) kdf: Kdf,
    pub(crate) curve: Option<Curve>,
}

impl Suite {
    pub(crate) fn of(id: u16) -> Self {
        SUITES.into_iter().find(|suite| suite.id == id).unwrap()
    }

    pub(crate) fn version(self) -> u8 {
        if self.kdf == Kdf::Commit { 2 } else { 1 }
    }
}

/// A message before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) suite: Suite,
    pub(crate) data_key: Vec<u8>,
    pub(crate) version: u8,
    /// Only version 1 has it.
    pub(crate) message_type: u8,
    pub(crate) suite_id: u16,
    pub(crate) message_id: Vec<u8>,
    /// As it stands behind its length.
    pub(crate) context: Vec<u8>,
    pub(crate) edk_count: Option<u16>,
    pub(crate) edks: Vec<Edk>,
    pub(crate) content_type: u8,
    /// Only version 1 has it, and the next.
    pub(crate) reserved: [u8; 4],
    pub(crate) iv_len: u8,
    pub(crate) frame_len: u32,
    /// Only version 2 has it; the right one if it is not set.
    pub(crate) commitment: Option<Vec<u8>>,
    /// What the header's tag is made with, if not with the content key.
    pub(crate) header_key: Option<Vec<u8>>,
    /// What the header's tag covers, if not the header.
    pub(crate) header_aad: Option<Vec<u8>>,
    /// Only version 1 writes it.
    pub(crate) header_iv: [u8; 12],
    pub(crate) body: Vec<Piece>,
    /// The private key is this byte again and again.
    pub(crate) secret: u8,
}

/// An encrypted data key.
#[derive(Debug, Clone)]
pub(crate) struct Edk {
    pub(crate) provider: Vec<u8>,
    pub(crate) info: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

impl Edk {
    /// As raw AES keyrings write them, under the context as it is sorted.
    pub(crate) fn wrap(key: &[u8], data_key: &[u8], context: &[u8]) -> Self {
        Self {
            provider: b"testkit".to_vec(),
            info: [&b"key"[..], &[0, 0, 0, 128, 0, 0, 0, 12], &WRAPPING_IV].concat(),
            ciphertext: crypto::seal(key, &WRAPPING_IV, context, data_key),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    Last,
    Block,
}

/// A frame, or the block of a message without frames.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) number: u32,
    pub(crate) iv: [u8; 12],
    /// Regular frames do not state it.
    pub(crate) stated_len: u64,
    pub(crate) content: Vec<u8>,
    /// What it is sealed with, if not with what is right for what is written.
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) used_iv: Option<[u8; 12]>,
    pub(crate) aad: Aad,
}

/// Deviations of what a piece is authenticated with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aad {
    pub(crate) message_id: Option<Vec<u8>>,
    pub(crate) text: Option<&'static str>,
    pub(crate) number: Option<u32>,
    pub(crate) len: Option<u64>,
}

impl Piece {
    pub(crate) fn new(kind: Kind, number: u32, content: &[u8]) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        Self {
            kind,
            number,
            // A block has a random IV.
            iv: if kind == Kind::Block { [0xb1; 12] } else { [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] },
            stated_len: u64::try_from(content.len()).unwrap(),
            content: content.to_vec(),
            key: None,
            used_iv: None,
            aad: Aad::default(),
        }
    }

    fn write(&self, index: usize, key: &[u8], message_id: &[u8], out: &mut Writer) {
        let part = match self.kind {
            Kind::Block => "block".to_owned(),
            Kind::Regular | Kind::Last => format!("frame {}", index + 1),
        };
        let mut put = |field: &str, bytes: &[u8]| out.put(&part, field, bytes);
        if self.kind == Kind::Last {
            put("marker", &[0xff; 4]);
        }
        if self.kind != Kind::Block {
            put("number", &self.number.to_be_bytes());
        }
        put("iv", &self.iv);
        match self.kind {
            Kind::Regular => {}
            Kind::Last => put("length", &u32::try_from(self.stated_len).unwrap().to_be_bytes()),
            Kind::Block => put("length", &self.stated_len.to_be_bytes()),
        }
        let text = self.aad.text.unwrap_or(match self.kind {
            Kind::Regular => "AWSKMSEncryptionClient Frame",
            Kind::Last => "AWSKMSEncryptionClient Final Frame",
            Kind::Block => "AWSKMSEncryptionClient Single Block",
        });
        let len = self.aad.len.unwrap_or_else(|| u64::try_from(self.content.len()).unwrap());
        let aad = [
            self.aad.message_id.as_deref().unwrap_or(message_id),
            text.as_bytes(),
            &self.aad.number.unwrap_or(self.number).to_be_bytes(),
            &len.to_be_bytes(),
        ];
        let (key, iv) = (self.key.as_deref().unwrap_or(key), self.used_iv.unwrap_or(self.iv));
        let sealed = crypto::seal(key, &iv, &aad.concat(), &self.content);
        let (content, tag) = sealed.split_at(self.content.len());
        put("content", content);
        put("tag", tag);
    }
}

impl Message {
    /// Three frames of 16, 16 and 8 bytes.
    pub(crate) fn framed(suite: u16) -> Self {
        let plaintext = plaintext();
        let mut message = Self::empty(suite);
        message.body = vec![
            Piece::new(Kind::Regular, 1, &plaintext[..16]),
            Piece::new(Kind::Regular, 2, &plaintext[16..32]),
            Piece::new(Kind::Last, 3, &plaintext[32..]),
        ];
        message
    }

    /// The same without frames.
    pub(crate) fn unframed(suite: u16) -> Self {
        let mut message = Self::empty(suite);
        message.content_type = 1;
        message.frame_len = 0;
        message.body = vec![Piece::new(Kind::Block, 1, &plaintext())];
        message
    }

    fn empty(suite: u16) -> Self {
        let suite = Suite::of(suite);
        let mut message = Self {
            suite,
            data_key: DATA_KEY[..suite.key_len].to_vec(),
            version: suite.version(),
            message_type: 0x80,
            suite_id: suite.id,
            message_id: vec![0x1d; if suite.version() == 1 { 16 } else { 32 }],
            context: Vec::new(),
            edk_count: None,
            edks: Vec::new(),
            content_type: 2,
            reserved: [0; 4],
            iv_len: 12,
            frame_len: 16,
            commitment: None,
            header_key: None,
            header_aad: None,
            header_iv: [0; 12],
            body: Vec::new(),
            secret: 7,
        };
        message.set_context(&[("purpose", "testkit"), ("tenant", "42")]);
        message
    }

    /// These pairs, and the public key if the suite signs, in the order that is given.
    pub(crate) fn set_context(&mut self, pairs: &[(&str, &str)]) {
        let public_key = self.public_key().map(|point| Base64::encode_string(&point));
        self.set_pairs(public_key.as_deref(), pairs);
    }

    /// This as public key, or none.
    pub(crate) fn set_public_key(&mut self, public_key: Option<&str>) {
        self.set_pairs(public_key, &[("purpose", "testkit"), ("tenant", "42")]);
    }

    fn set_pairs(&mut self, public_key: Option<&str>, pairs: &[(&str, &str)]) {
        let mut all: Vec<_> = pairs.to_vec();
        all.splice(0..0, public_key.map(|text| ("aws-crypto-public-key", text)));
        self.context = encode(&all);
        all.sort_unstable();
        self.edks = vec![Edk::wrap(&KEY, &self.data_key, &encode(&all))];
    }

    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        self.suite.curve.map(|curve| curve.public_key(self.secret, true))
    }

    pub(crate) fn content_key(&self) -> Vec<u8> {
        let Suite { id, kdf, key_len, .. } = self.suite;
        let id = id.to_be_bytes();
        let info = match kdf {
            Kdf::Commit => [&id, &b"DERIVEKEY"[..]].concat(),
            _ => [&id, &self.message_id[..]].concat(),
        };
        kdf.derive(&self.message_id, &self.data_key, &info, key_len)
    }

    pub(crate) fn seal(&self) -> Sealed {
        let mut out = Writer::default();
        let mut header = |field: &str, bytes: &[u8]| out.put("header", field, bytes);
        header("version", &[self.version]);
        if self.version == 1 {
            header("type", &[self.message_type]);
        }
        header("suite", &self.suite_id.to_be_bytes());
        header("message id", &self.message_id);
        header("context length", &len16(&self.context));
        header("context", &self.context);
        let count = self.edk_count.unwrap_or_else(|| u16::try_from(self.edks.len()).unwrap());
        header("key count", &count.to_be_bytes());
        for (index, edk) in self.edks.iter().enumerate() {
            let Edk { provider, info, ciphertext } = edk;
            for (field, bytes) in
                [("provider", provider), ("info", info), ("ciphertext", ciphertext)]
            {
                let field = format!("key {} {field}", index + 1);
                header(&format!("{field} length"), &len16(bytes));
                header(&field, bytes);
            }
        }
        header("content type", &[self.content_type]);
        if self.version == 1 {
            header("reserved", &self.reserved);
            header("iv length", &[self.iv_len]);
        }
        header("frame length", &self.frame_len.to_be_bytes());
        if self.version == 2 {
            let derive = || Kdf::Commit.derive(&self.message_id, &self.data_key, b"COMMITKEY", 32);
            header("commitment", &self.commitment.clone().unwrap_or_else(derive));
        }
        let content_key = self.content_key();
        let key = self.header_key.as_ref().unwrap_or(&content_key);
        let aad = self.header_aad.as_ref().unwrap_or(&out.bytes);
        let tag = crypto::seal(key, &self.header_iv, aad, b"");
        if self.version == 1 {
            out.put("header", "iv", &self.header_iv);
        }
        out.put("header", "tag", &tag);
        for (index, piece) in self.body.iter().enumerate() {
            piece.write(index, &content_key, &self.message_id, &mut out);
        }
        let signed_len = out.bytes.len();
        if let Some(curve) = self.suite.curve {
            let [r, s] = curve.sign(self.secret, &curve.digest(&out.bytes));
            let signature = super::der::signature(&r, &s);
            out.put("footer", "length", &len16(&signature));
            out.put("footer", "signature", &signature);
        }
        Sealed {
            suite: self.suite,
            bytes: out.bytes,
            fields: out.fields,
            signed_len,
            contents: self.body.iter().map(|piece| piece.content.clone()).collect(),
        }
    }
}

/// A message that is written, and where everything is in it.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    pub(crate) suite: Suite,
    pub(crate) bytes: Vec<u8>,
    /// Part, field and place.
    pub(crate) fields: Vec<(String, String, Range<usize>)>,
    /// How many bytes the signature covers.
    pub(crate) signed_len: usize,
    /// What each piece holds.
    pub(crate) contents: Vec<Vec<u8>>,
}

impl Sealed {
    pub(crate) fn place(&self, part: &str, field: &str) -> Range<usize> {
        let found = self.fields.iter().find(|(p, f, _)| p == part && f == field);
        found.unwrap_or_else(|| panic!("no {part} {field}")).2.clone()
    }

    /// Where a part is, which may be empty.
    pub(crate) fn part(&self, part: &str) -> Range<usize> {
        let mut places = self.fields.iter().filter(|(p, ..)| p == part).map(|(.., place)| place);
        let Some(first) = places.next() else {
            return self.bytes.len()..self.bytes.len();
        };
        first.start..places.next_back().unwrap_or(first).end
    }

    pub(crate) fn part_bytes(&self, part: &str) -> &[u8] {
        &self.bytes[self.part(part)]
    }

    pub(crate) fn get(&self, part: &str, field: &str) -> &[u8] {
        &self.bytes[self.place(part, field)]
    }

    /// The same with another field; what covers it stays.
    pub(crate) fn with(&self, part: &str, field: &str, bytes: &[u8]) -> Vec<u8> {
        let place = self.place(part, field);
        [&self.bytes[..place.start], bytes, &self.bytes[place.end..]].concat()
    }

    /// The same with one bit of the byte at this place in the field changed.
    pub(crate) fn flipped(&self, part: &str, field: &str, at: usize) -> Vec<u8> {
        let mut bytes = self.get(part, field).to_vec();
        bytes[at] ^= 1;
        self.with(part, field, &bytes)
    }

    /// The same with another signature.
    pub(crate) fn signed(&self, signature: &[u8]) -> Vec<u8> {
        [&self.bytes[..self.signed_len], &len16(signature), signature].concat()
    }

    /// These parts of it, one behind the other.
    pub(crate) fn parts(&self, parts: &[&str]) -> Vec<u8> {
        parts.iter().flat_map(|part| self.part_bytes(part).to_vec()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn header_len(&self) -> usize {
        self.part("header").end
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.suite.curve.is_some()
    }

    pub(crate) fn plaintext(&self) -> Vec<u8> {
        self.contents.concat()
    }

    /// What a stream releases while the signature is not verified: all but the last piece if the suite signs.
    pub(crate) fn released_before_signature(&self) -> Vec<u8> {
        let kept = usize::from(self.is_signed());
        self.contents[..self.contents.len() - kept].concat()
    }
}

#[derive(Debug, Default)]
struct Writer {
    bytes: Vec<u8>,
    fields: Vec<(String, String, Range<usize>)>,
}

impl Writer {
    fn put(&mut self, part: &str, field: &str, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.fields.push((part.to_owned(), field.to_owned(), start..self.bytes.len()));
    }
}

/// A context: a count and the pairs, or nothing.
pub(crate) fn encode<T: AsRef<[u8]>>(pairs: &[(T, T)]) -> Vec<u8> {
    if pairs.is_empty() {
        return Vec::new();
    }
    let mut out = u16::try_from(pairs.len()).unwrap().to_be_bytes().to_vec();
    for text in pairs.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]) {
        out.extend_from_slice(&len16(text));
        out.extend_from_slice(text);
    }
    out
}

pub(crate) fn len16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

/// 40 bytes, of which no two are the same.
pub(crate) fn plaintext() -> Vec<u8> {
    (b'A'..).take(40).collect()
}

/// The wrapping key of all messages.
pub(crate) const KEY: [u8; 32] = *b"a key that everybody may know...";
const DATA_KEY: [u8; 32] = *b"a data key that all may know too";
/// The same for all of them: nothing here is secret.
const WRAPPING_IV: [u8; 12] = *b"fixed for us";
pub(crate) const SUITES: [Suite; 11] = [
    suite(0x0014, "ALG_AES_128_GCM_IV12_TAG16_NO_KDF", 16, Kdf::None, None),
    suite(0x0046, "ALG_AES_192_GCM_IV12_TAG16_NO_KDF", 24, Kdf::None, None),
    suite(0x0078, "ALG_AES_256_GCM_IV12_TAG16_NO_KDF", 32, Kdf::None, None),
    suite(0x0114, "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256", 16, Kdf::Sha256, None),
    suite(0x0146, "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA256", 24, Kdf::Sha256, None),
    suite(0x0178, "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256", 32, Kdf::Sha256, None),
    suite(
        0x0214,
        "ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256",
        16,
        Kdf::Sha256,
        Some(Curve::P256),
    ),
    suite(
        0x0346,
        "ALG_AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
        24,
        Kdf::Sha384,
        Some(Curve::P384),
    ),
    suite(
        0x0378,
        "ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384",
        32,
        Kdf::Sha384,
        Some(Curve::P384),
    ),
    suite(0x0478, "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY", 32, Kdf::Commit, None),
    suite(
        0x0578,
        "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384",
        32,
        Kdf::Commit,
        Some(Curve::P384),
    ),
];

const fn suite(
    id: u16,
    name: &'static str,
    key_len: usize,
    kdf: Kdf,
    curve: Option<Curve>,
) -> Suite {
    Suite { id, name, key_len, kdf, curve }
}
