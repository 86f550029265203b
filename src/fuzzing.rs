//! Bodies of the fuzz targets, which are one line each in `fuzz/`.
//!
//! Everything here is a function of its input: data key and message id are fixed, so that a fuzzer can
//! learn what it changes. Choices are taken from the end of the input, so that whole messages are good
//! seeds.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::context::EncryptionContext;
use crate::crypto::{IV_LEN, TAG_LEN};
use crate::decrypt::Decryptor;
use crate::derive::{DerivedKeys, derive_keys};
use crate::encrypt::{Encryptor, encryptor};
use crate::error::{Attempt, Error, PolicyError, Stage};
use crate::frames::FrameSealer;
use crate::io::at::DecryptAt;
use crate::keyring::LocalKeyring;
use crate::materials::{EncryptionMaterials, UnwrapRequest, UnwrappedDataKey};
use crate::message::body::{FramePrefix, UnframedPrefix};
use crate::message::footer::{encode_footer, read_footer};
use crate::message::header::{HeaderAuth, HeaderParser, ReadHeader};
use crate::message::{ContentType, EncryptedDataKey, FrameKind, FrameLayout, Header, to_u64};
use crate::policy::{CommitmentPolicy, Policy};
use crate::secret::DataKey;
use crate::suite::AlgorithmSuite;
use crate::unlock::{HeaderReader, Locked};

/// A header in one piece and in pieces; what was parsed survives the way through bytes.
pub fn header(data: &[u8]) {
    let (choice, data) = split_choice(data);
    let mut policy = Policy::default();
    if choice & 0x80 != 0 {
        policy = policy.max_encrypted_data_keys(2).max_header_len(300);
    }
    let whole = read_header(data, &policy, usize::MAX);
    for step in [1, usize::from(choice & 0x7f) + 1] {
        match (&whole, read_header(data, &policy, step)) {
            (Ok((a, a_len)), Ok((b, b_len))) => {
                assert_eq!(*a_len, b_len);
                assert_eq!((&a.header, &a.auth, &a.bytes), (&b.header, &b.auth, &b.bytes));
                assert_eq!(a.body_len, b.body_len);
            }
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("one piece: {a:?}, pieces of {step}: {b:?}"),
        }
    }
    let Ok((read, len)) = whole else {
        return;
    };
    assert_eq!(read.bytes, data[..len]);
    assert_eq!(read.header.len, to_u64(len));
    // Pairs may come unsorted, and are written sorted: the bytes may differ, the header may not.
    let mut again = read.header.encode_body().expect("what was read fits its widths");
    assert!(again.len() <= read.body_len);
    read.auth.encode(read.header.suite.message_version(), &mut again);
    let (reread, reread_len) = read_header(&again, &policy, usize::MAX).expect("it was written");
    assert_eq!(reread_len, again.len());
    assert_eq!(Header { len: 0, ..reread.header }, Header { len: 0, ..read.header });
    assert_eq!(reread.auth, read.auth);
}

/// What follows a good header: arbitrary bytes, and edits of the frames that belong there.
pub fn body(data: &[u8]) {
    let (choice, data) = split_choice(data);
    for at in [0, u64::MAX] {
        for frame_len in [1, 16, u32::MAX] {
            check_prefix(data, 1, frame_len, at);
        }
        if let Ok(Ok(prefix)) = UnframedPrefix::read(data, at) {
            assert!(prefix.content_len <= (1 << 36) - 32);
        }
    }
    let frames = FixedMessage::new(SUITES[usize::from(choice) % SUITES.len()], b"");
    let arbitrary = [frames.header(), data].concat();
    let (released, result) = stream(&arbitrary, usize::from(choice) + 1, 7);
    if arbitrary != frames.bytes {
        // Nobody forges a tag, not even with a corpus.
        assert_eq!(released, b"");
        assert!(result.is_err());
    }
    let sealed = FixedMessage::new(frames.suite, PLAINTEXT);
    let edited = sealed.edited(data);
    sealed.check(&edited, usize::from(choice) + 1);
}

/// A footer, alone and behind a signed message.
pub fn footer(data: &[u8]) {
    match read_footer(data) {
        Ok(signature) => {
            let encoded = encode_footer(signature).expect("it has 16 bits of length");
            assert_eq!(encoded, data[..encoded.len()]);
        }
        Err(needed) => assert!(needed > data.len()),
    }
    let suite = AlgorithmSuite::Aes128GcmIv12Tag16HkdfSha256EcdsaP256;
    let policy = policy_for(suite);
    let encryptor = encryptor(&FixedKey).suite(suite).policy(policy.clone());
    let parts = encryptor.now().and_then(Encryptor::into_frames).expect("all is fixed");
    let mut message = parts.header;
    let start = message.len();
    message.resize(start + parts.sealer.sealed_len(FrameKind::Final, PLAINTEXT.len()), 0);
    parts
        .sealer
        .seal(1, FrameKind::Final, PLAINTEXT, &mut message[start..])
        .expect("the buffer has the right length");
    message.extend_from_slice(data);
    // The signing key is fresh, so no input can be its signature.
    let (released, result) = stream(&message, 5, 7);
    assert_eq!(released, b"");
    assert!(matches!(result, Err(Error::Unauthentic(_) | Error::InvalidMessage(_))), "{result:?}");
    let whole = crate::decrypt(&message, &FixedKey).policy(policy).now();
    assert!(matches!(whole, Err(Error::Unauthentic(_) | Error::InvalidMessage(_))));
}

/// Whole messages: arbitrary bytes, and edits of good ones. All ways to decrypt agree.
pub fn decrypt(data: &[u8]) {
    let (choice, data) = split_choice(data);
    let choice = usize::from(choice);
    agree(data, choice + 1);
    let sealed = FixedMessage::new(SUITES[choice % SUITES.len()], PLAINTEXT);
    let edited = sealed.edited(data);
    agree(&edited, choice + 1);
    sealed.check(&edited, choice + 1);
}

/// Edits of good messages on several threads and on one: the same comes out, and the same is said.
///
/// Jobs are a few frames here, so that short messages have several.
pub fn parallel(data: &[u8]) {
    let [frames, step, script @ ..] = data else {
        return;
    };
    let plaintext = PLAINTEXT.repeat(usize::from(*frames) % 8 + 1);
    let sealed = FixedMessage::new(SUITES[usize::from(*step) % SUITES.len()], &plaintext);
    let edited = sealed.edited(script);
    let step = if *step == 0 { usize::MAX } else { usize::from(*step) * 4 };
    for room in [200, 10_000] {
        let (released, result) = stream(&edited, step, room);
        let threads = NonZeroUsize::new(3).expect("it is not 0");
        let (found, on_threads) = stream_on(threads, &edited, step, room);
        assert_eq!(found, released);
        assert_eq!(
            on_threads.map_err(|error| error.to_string()),
            result.map_err(|error| error.to_string())
        );
        if edited == sealed.bytes {
            assert_eq!(found, plaintext);
        }
        let encryptor = encryptor(&FixedKey).suite(sealed.suite).policy(policy_for(sealed.suite));
        let encryptor = encryptor.frame_len(FRAME_LEN).expect("it is not 0").threads(threads);
        let mut encryptor = encryptor.now().expect("all is allowed");
        let mut message = vec![0; plaintext.len() * 4 + 1000];
        let progress = encryptor.update(&plaintext, &mut message).expect("it is open");
        let end = encryptor.finish(&mut message[progress.written..]).expect("there is room");
        assert!(encryptor.is_finished());
        let (found, whole) = stream(&message[..progress.written + end], step, room);
        assert!(whole.is_ok() && found == plaintext);
    }
}

/// Ranges of arbitrary bytes, and of edits of good messages: whatever comes out is what the stream has at that place,
/// and what opens at all places, the stream opens.
pub fn range(data: &[u8]) {
    let (choice, data) = split_choice(data);
    let choice = usize::from(choice);
    check_ranges(data, None, choice);
    let sealed = FixedMessage::new(SUITES[choice % SUITES.len()], PLAINTEXT);
    check_ranges(&sealed.edited(data), Some(PLAINTEXT), choice);
}

/// Any suite, lengths and pieces: what goes in comes out.
pub fn roundtrip(data: &[u8]) {
    let [suite, frame_len, more, step, room, plaintext @ ..] = data else {
        return;
    };
    let suite = AlgorithmSuite::ALL[usize::from(*suite) % AlgorithmSuite::ALL.len()];
    let frame_len = u32::from(*frame_len) * (u32::from(*more) + 1) + 1;
    let (step, room) = (usize::from(*step) + 1, usize::from(*room) + 1);
    let policy = policy_for(suite);
    let context = EncryptionContext::from([("k", String::from_utf8_lossy(plaintext))]);
    let mut encryptor = encryptor(&FixedKey)
        .suite(suite)
        .policy(policy.clone())
        .frame_len(frame_len)
        .expect("it is not 0")
        .context(context.clone())
        .now()
        .expect("all is allowed");
    let (mut message, mut buffer) = (Vec::new(), vec![0; room]);
    for piece in plaintext.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let progress = encryptor.update(rest, &mut buffer).expect("it is open");
            assert!(progress.read == rest.len() || progress.written == room);
            rest = &rest[progress.read..];
            message.extend_from_slice(&buffer[..progress.written]);
        }
    }
    while !encryptor.is_finished() {
        let written = encryptor.finish(&mut buffer).expect("it is open");
        message.extend_from_slice(&buffer[..written]);
    }
    let layout = FrameLayout::new(encryptor.header().len(), frame_len).expect("it is not 0");
    let unsigned_len = layout.message_len(to_u64(plaintext.len())).expect("it is short");
    assert_eq!(unsigned_len == to_u64(message.len()), !suite.signs());
    assert_eq!(layout.plaintext_len(unsigned_len), Some(to_u64(plaintext.len())));
    let (released, result) = stream(&message, step, room);
    assert_eq!(released, plaintext);
    result.expect("it is whole");
    let opened = crate::decrypt(&message, &FixedKey).policy(policy).require(context).now();
    assert_eq!(opened.expect("it is whole").plaintext(), plaintext);
}

/// A keyring whose data key is fixed: every message under it opens, if its header is authentic.
#[derive(Debug)]
struct FixedKey;

impl FixedKey {
    fn data_key(suite: AlgorithmSuite) -> DataKey {
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
struct FixedMessage {
    suite: AlgorithmSuite,
    bytes: Vec<u8>,
    /// Where the parts are: the header, then each frame.
    parts: Vec<Range<usize>>,
}

impl FixedMessage {
    fn new(suite: AlgorithmSuite, plaintext: &[u8]) -> Self {
        Self::with_id(suite, plaintext, 9)
    }

    /// Another message under the same data key: only its id tells it apart.
    fn other() -> Self {
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

    fn header(&self) -> &[u8] {
        &self.bytes[self.parts[0].clone()]
    }

    /// Applies what the fuzzer says: three bytes for each edit.
    fn edited(&self, script: &[u8]) -> Vec<u8> {
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
    fn check(&self, edited: &[u8], step: usize) {
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

/// If the edited bytes of a message are still good in some place, `plaintext` is what may come out there; another message
/// of the same key has the same but its first byte.
fn check_ranges(message: &[u8], plaintext: Option<&[u8]>, choice: usize) {
    let whole = crate::decrypt(message, &FixedKey).policy(lax()).now();
    let opened = DecryptAt::open_with(message, lax())
        .and_then(|locked| locked.without_verifying_signature().unlock(&FixedKey).now());
    let at = match opened {
        Ok(at) => at.cache_len(choice),
        Err(error) => {
            let unframed = matches!(error, Error::Policy(PolicyError::RangeOfUnframedMessage));
            let told = !matches!(error, Error::ApiMisuse(_) | Error::Backend(_));
            assert!(told && (unframed || whole.is_err()), "{error:?} {whole:?}");
            return;
        }
    };
    let len = usize::try_from(at.len()).expect("it is not longer than its message");
    assert!(len <= message.len());
    let mut all_open = true;
    for (start, step) in [(0, len), (len / 2, choice + 1), (0, choice % 21 + 1)] {
        for start in (start..len).step_by(step.max(1)) {
            let end = start.saturating_add(step).min(len);
            let mut out = vec![1; end - start];
            match at.read_exact_at(&mut out, to_u64(start)) {
                Ok(()) => {
                    if let Ok(opened) = &whole {
                        assert_eq!(out, opened.plaintext()[start..end]);
                    }
                    if let Some(plaintext) = plaintext {
                        let is_part = |of: &[u8]| of.get(start..end) == Some(&out);
                        assert!(is_part(plaintext) || is_part(&plaintext[1..]));
                    }
                }
                Err(error) => {
                    let told = matches!(error, Error::InvalidMessage(_) | Error::Unauthentic(_));
                    assert!(told && whole.is_err(), "{error:?}");
                    assert!(out.iter().all(|byte| *byte == 0));
                    all_open = false;
                }
            }
        }
    }
    if all_open {
        let unsigned = !matches!(whole, Err(Error::Unauthentic(Stage::Signature)));
        assert_eq!(whole.is_ok(), unsigned, "{whole:?}");
        assert!(whole.is_ok() || at.header().suite().signs());
    }
}

fn read_header(data: &[u8], policy: &Policy, step: usize) -> Result<(ReadHeader, usize), Error> {
    let mut parser = HeaderParser::new(policy);
    let mut taken = 0;
    for piece in data.chunks(step) {
        taken += parser.push(piece)?;
        if parser.is_done() {
            break;
        }
    }
    Ok((parser.finish()?, taken))
}

fn check_prefix(data: &[u8], expected: u32, frame_len: u32, at: u64) {
    match FramePrefix::read(data, expected, frame_len, at) {
        Ok(Ok(prefix)) => {
            assert!(prefix.content_len <= frame_len && prefix.sequence_number == expected);
            let mut again = vec![0; prefix.kind.prefix_len()];
            prefix.encode(&mut again);
            assert_eq!(again, data[..again.len()]);
        }
        Ok(Err(needed)) => assert!(needed > data.len()),
        Err(error) => assert!(matches!(error, Error::InvalidMessage(_))),
    }
}

/// All ways to decrypt say the same about these bytes.
fn agree(message: &[u8], step: usize) {
    let whole = crate::decrypt(message, &FixedKey).policy(lax()).now();
    for (step, room) in [(step, 64), (1, 1), (usize::MAX, 4096)] {
        let (released, result) = stream(message, step, room);
        match (&whole, result) {
            (Ok(opened), Ok(())) => assert_eq!(opened.plaintext(), released),
            (Err(a), Err(b)) => {
                assert_eq!(a.to_string(), b.to_string());
                assert!(!matches!(a, Error::ApiMisuse(_) | Error::Backend(_)), "{a:?}");
            }
            (a, b) => panic!("at once: {a:?}, pieces of {step}: {b:?}"),
        }
    }
}

/// Decrypts in pieces of `step` bytes to a buffer of `room`; gives all that came out.
fn stream(message: &[u8], step: usize, room: usize) -> (Vec<u8>, Result<(), Error>) {
    stream_on(NonZeroUsize::MIN, message, step, room)
}

fn stream_on(
    threads: NonZeroUsize,
    message: &[u8],
    step: usize,
    room: usize,
) -> (Vec<u8>, Result<(), Error>) {
    let mut released = Vec::new();
    let result = try_stream(threads, message, step, room, &mut released);
    (released, result)
}

fn try_stream(
    threads: NonZeroUsize,
    message: &[u8],
    step: usize,
    room: usize,
    released: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut reader = HeaderReader::new(lax());
    let mut start = 0;
    while !reader.is_complete() && start < message.len() {
        let end = start.saturating_add(step).min(message.len());
        start += reader.push(&message[start..end])?;
    }
    let locked: Locked = reader.finish()?;
    let mut decryptor: Decryptor = locked.unlock(&FixedKey).threads(threads).now()?;
    let mut buffer = vec![0; room];
    loop {
        let end = start.saturating_add(step).min(message.len());
        buffer.fill(0);
        let result = decryptor.update(&message[start..end], &mut buffer);
        let written = result.as_ref().map_or(0, |progress| progress.written);
        released.extend_from_slice(&buffer[..written]);
        assert!(buffer[written..].iter().all(|byte| *byte == 0));
        let progress = match result {
            Ok(progress) => progress,
            Err(error) => {
                assert!(decryptor.update(&[], &mut buffer).is_err());
                assert!(decryptor.finish().is_err());
                return Err(error);
            }
        };
        start += progress.read;
        if progress.written == 0 && start == message.len() {
            return decryptor.finish().map(|_| ());
        }
    }
}

fn lax() -> Policy {
    Policy::default().commitment(CommitmentPolicy::RequireEncryptAllowDecrypt)
}

fn policy_for(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    })
}

fn split_choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_last().map_or((0, data), |(choice, rest)| (*choice, rest))
}

const SUITES: [AlgorithmSuite; 3] = [
    AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
    AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256,
    AlgorithmSuite::Aes128GcmIv12Tag16NoKdf,
];
const FRAME_LEN: u32 = 16;
const PLAINTEXT: &[u8] = b"three frames of sixteen bytes, and then a few more of them";
