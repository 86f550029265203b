//! Reading at any place gives what reading from start to end gives, or nothing.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, CommitmentPolicy, DecryptAt, Error, FrameKind, Locked,
    Malformed, Policy, PolicyError, RangeOpener, RawAesKeyring, ReadAt, SignedStreaming, Stage,
};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

fn policy(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    })
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

/// How a plaintext ends that is a multiple of the frame length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Full,
    Empty,
}

fn seal(suite: AlgorithmSuite, frame_len: u32, plaintext: &[u8], end: End) -> Vec<u8> {
    let keyring = keyring();
    let encryptor = waxseal::encryptor(&keyring).suite(suite).policy(policy(suite));
    let mut parts = encryptor.frame_len(frame_len).unwrap().now().unwrap().into_frames().unwrap();
    let mut message = parts.header;
    let len = usize::try_from(frame_len).unwrap();
    let mut frames: Vec<_> = plaintext.chunks(len).collect();
    if frames.is_empty() || (end == End::Empty && plaintext.len().is_multiple_of(len)) {
        frames.push(b"");
    }
    let count = frames.len();
    for (number, frame) in (1..).zip(frames) {
        let last = usize::try_from(number).unwrap() == count;
        let kind = if last { FrameKind::Final } else { FrameKind::Regular };
        let start = message.len();
        message.resize(start + parts.sealer.sealed_len(kind, frame.len()), 0);
        parts.sealer.seal(number, kind, frame, &mut message[start..]).unwrap();
        parts.footer.update(&message[start..]);
    }
    message.extend(parts.footer.finish().unwrap());
    message
}

fn header_len(message: &[u8]) -> usize {
    usize::try_from(waxseal::inspect(message).unwrap().parsed().len()).unwrap()
}

/// The signature is given up where there is one.
fn open<R: ReadAt>(inner: R, suite: AlgorithmSuite) -> Result<DecryptAt<R>, Error> {
    let locked = DecryptAt::open_with(inner, policy(suite))?;
    let locked = if suite.signs() { locked.without_verifying_signature() } else { locked };
    locked.unlock(&keyring()).now()
}

fn opener(message: &[u8]) -> Result<RangeOpener, Error> {
    let (locked, _) = Locked::read(message, Policy::default())?;
    let last =
        locked.unlock(&keyring()).now()?.into_ranges(u64::try_from(message.len()).unwrap())?;
    let ciphertext = last.ciphertext();
    last.open(part(message, ciphertext))
}

fn part(message: &[u8], range: Range<u64>) -> &[u8] {
    &message[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

fn span(range: &Range<usize>) -> Range<u64> {
    u64::try_from(range.start).unwrap()..u64::try_from(range.end).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_range_is_that_part_of_the_plaintext(
        suite in prop::sample::select(AlgorithmSuite::ALL.to_vec()),
        frame_len in 1..40_u32,
        frames in 0..6_usize,
        more in 0..40_usize,
        empty in any::<bool>(),
        cache_len in prop::sample::select(vec![0, 1, 30, 400, 1 << 20]),
        reads in prop::collection::vec((any::<u64>(), any::<u64>()), 1..12),
    ) {
        let plaintext = bytes(frames * usize::try_from(frame_len).unwrap() + more % 7);
        let end = if empty { End::Empty } else { End::Full };
        let message = seal(suite, frame_len, &plaintext, end);
        let opened = waxseal::decrypt(&message, &keyring()).policy(policy(suite)).now().unwrap();
        prop_assert_eq!(opened.plaintext(), &plaintext[..]);

        let at = open(&message, suite).unwrap().cache_len(cache_len);
        let len = u64::try_from(plaintext.len()).unwrap();
        prop_assert_eq!(at.len(), len);
        prop_assert_eq!(at.is_empty(), plaintext.is_empty());
        prop_assert_eq!(at.read_range(0..len).unwrap(), &plaintext[..]);
        for (a, b) in reads {
            let (a, b) = (a % (len + 1), b % (len + 1));
            let (start, end) = (a.min(b), a.max(b));
            let expected = part(&plaintext, start..end);
            prop_assert_eq!(at.read_range(start..end).unwrap(), expected);
            let mut buffer = vec![1; expected.len() + 3];
            let read = at.read_at(&mut buffer, start).unwrap();
            prop_assert_eq!(read, buffer.len().min(plaintext.len() - usize::try_from(start).unwrap()));
            prop_assert_eq!(&buffer[..read], part(&plaintext, start..start + u64::try_from(read).unwrap()));
            let mut reader = at.reader();
            reader.seek(SeekFrom::Start(start)).unwrap();
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            prop_assert_eq!(rest, part(&plaintext, start..len));
        }
    }
}

/// Every range of small plaintexts, by the core alone.
#[test]
fn every_range_of_a_small_message_opens() {
    for (frame_len, len, end) in [
        (1, 0, End::Full),
        (4, 3, End::Full),
        (4, 8, End::Full),
        (4, 8, End::Empty),
        (3, 10, End::Full),
    ] {
        let plaintext = bytes(len);
        let message = seal(UNSIGNED, frame_len, &plaintext, end);
        let opener = opener(&message).unwrap();
        for start in 0..=len {
            for end in start..=len {
                let plan = opener.plan(span(&(start..end))).unwrap();
                assert_eq!(plan.plaintext(), span(&(start..end)));
                let mut out = vec![1; end - start];
                opener.open(&plan, part(&message, plan.ciphertext()), &mut out).unwrap();
                assert_eq!(out, plaintext[start..end]);
                if start == end {
                    assert!(plan.ciphertext().is_empty() && plan.frames().is_empty());
                }
            }
        }
        for beyond in [0..len + 1, len..len + 1, len + 1..len + 1] {
            let Err(Error::ApiMisuse(ApiMisuse::Range { len: found, .. })) =
                opener.plan(span(&beyond))
            else {
                panic!("{beyond:?} of {len}")
            };
            assert_eq!(found, u64::try_from(len).unwrap());
        }
        #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
        let reversed = opener.plan(1..0);
        assert!(matches!(reversed, Err(Error::ApiMisuse(ApiMisuse::Range { .. }))));
        assert!(opener.plan(0..u64::MAX).is_err());
    }
}

#[test]
fn buffers_of_other_lengths_and_plans_of_other_messages_are_refused() {
    let message = seal(UNSIGNED, 4, &bytes(20), End::Full);
    let opened = opener(&message).unwrap();
    let plan = opened.plan(2..10).unwrap();
    let sealed = part(&message, plan.ciphertext());
    let mut out = [9; 8];
    for (sealed, len) in [(&sealed[1..], 8), (&[][..], 8), (sealed, 7), (sealed, 0)] {
        let failed = opened.open(&plan, sealed, &mut out[..len]);
        assert!(matches!(failed, Err(Error::ApiMisuse(ApiMisuse::BufferLen { .. }))), "{failed:?}");
    }
    let other = opener(&seal(UNSIGNED, 5, &bytes(20), End::Full)).unwrap();
    let failed = other.open(&plan, sealed, &mut out);
    assert!(matches!(failed, Err(Error::ApiMisuse(ApiMisuse::Order(_)))), "{failed:?}");
    assert_eq!(out, [0; 8]);
    // The ciphertext of another message with the same geometry.
    let same = seal(UNSIGNED, 4, &bytes(20), End::Full);
    let failed = opened.open(&plan, part(&same, plan.ciphertext()), &mut out);
    assert!(matches!(failed, Err(Error::Unauthentic(Stage::Frame(1)))), "{failed:?}");
}

#[test]
fn a_decryptor_that_was_used_has_no_ranges() {
    let message = seal(UNSIGNED, 4, &bytes(20), End::Full);
    let (locked, header_len) = Locked::read(&message, Policy::default()).unwrap();
    let mut decryptor = locked.unlock(&keyring()).now().unwrap();
    let _ = decryptor.update(&message[header_len..], &mut [0; 100]).unwrap();
    let refused = decryptor.into_ranges(u64::try_from(message.len()).unwrap());
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Order(_)))), "{refused:?}");
}

#[test]
fn a_flipped_bit_fails_what_touches_it_and_nothing_else() {
    for (suite, end) in [(UNSIGNED, End::Full), (UNSIGNED, End::Empty), (SIGNED, End::Full)] {
        let plaintext = bytes(30);
        let message = seal(suite, 10, &plaintext, end);
        let header = header_len(&message);
        let count = if end == End::Empty { 4 } else { 3 };
        let final_start = header + (count - 1) * 42;
        let final_end = final_start + if end == End::Empty { 40 } else { 50 };
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            let opened = open(&changed, suite);
            // Of the footer, only the two bytes of its length are looked at.
            let is_proof = at < header || (final_start..final_end + 2).contains(&at);
            assert_eq!(opened.is_err(), is_proof, "{suite} {at}");
            let Ok(opened) = opened else { continue };
            for frame in 0..3 {
                let range = frame * 10..frame * 10 + 10;
                let touched = at < final_start && (at - header) / 42 == frame;
                let got = opened.read_range(span(&range));
                assert_eq!(got.is_err(), touched, "{at} {frame}");
                if let Ok(got) = got {
                    assert_eq!(got, plaintext[range]);
                }
            }
            if at < final_start {
                let number = u32::try_from((at - header) / 42 + 1).unwrap();
                let mut out = [9; 30];
                let error = opened.read_at(&mut out, 0).unwrap_err();
                let named = match &error {
                    Error::Unauthentic(Stage::Frame(found)) => *found == number,
                    Error::InvalidMessage(invalid) => {
                        invalid.offset()
                            == u64::try_from(header).unwrap() + u64::from(number - 1) * 42
                    }
                    _ => false,
                };
                assert!(named, "{at}: {error:?}");
                assert_eq!(out, [0; 30]);
            }
        }
    }
}

#[test]
fn a_message_that_was_cut_or_extended_does_not_open() {
    for (suite, end) in [(UNSIGNED, End::Full), (UNSIGNED, End::Empty), (SIGNED, End::Full)] {
        let message = seal(suite, 8, &bytes(24), end);
        for len in 0..message.len() {
            let failed = open(&message[..len], suite);
            assert!(matches!(failed, Err(Error::InvalidMessage(_))), "{suite} {len}: {failed:?}");
        }
        for more in 1..200 {
            for byte in [0, 0xff] {
                let extended = [&message[..], &vec![byte; more]].concat();
                let failed = open(&extended, suite);
                assert!(
                    matches!(failed, Err(Error::InvalidMessage(_))),
                    "{suite} {more}: {failed:?}"
                );
            }
        }
    }
}

#[test]
fn frames_that_were_moved_dropped_or_repeated_do_not_open() {
    let message = seal(UNSIGNED, 10, &bytes(35), End::Full);
    let header = header_len(&message);
    let frame = |number: usize| &message[header + (number - 1) * 42..][..42];
    let last = &message[header + 3 * 42..];
    let put = |frames: &[&[u8]]| [&message[..header], &frames.concat()].concat();
    // Another length: the final frame is not where it should be, or has another number.
    for frames in [
        vec![frame(1), frame(2), last],
        vec![frame(2), frame(3), last],
        vec![frame(1), frame(2), frame(3), frame(3), last],
        vec![frame(1), frame(2), frame(3), last, last],
        vec![frame(1), frame(2), frame(3)],
        vec![last],
    ] {
        assert!(matches!(open(put(&frames), UNSIGNED), Err(Error::InvalidMessage(_))));
    }
    // The same length: the end is right, and frames that were moved are not.
    let swapped = open(put(&[frame(2), frame(1), frame(3), last]), UNSIGNED).unwrap();
    for range in [0..10, 5..6, 15..16] {
        assert!(matches!(swapped.read_range(range), Err(Error::InvalidMessage(_))));
    }
    assert_eq!(swapped.read_range(20..35).unwrap(), bytes(35)[20..]);
}

#[test]
fn signed_messages_are_refused_unless_the_signature_is_given_up() {
    for suite in AlgorithmSuite::ALL.into_iter().filter(|suite| suite.signs()) {
        let message = seal(suite, 10, &bytes(35), End::Full);
        let locked = || DecryptAt::open_with(&message, policy(suite)).unwrap();
        let refused = locked().unlock(&keyring()).now();
        assert!(matches!(refused, Err(Error::Policy(PolicyError::RangeOfSignedMessage))));
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("`without_verifying_signature`"), "{text}");
        let opened = locked().without_verifying_signature().unlock(&keyring()).now().unwrap();
        assert_eq!(opened.read_range(8..33).unwrap(), bytes(35)[8..33]);

        let strict = policy(suite).signed_streaming(SignedStreaming::Refuse);
        let locked = DecryptAt::open_with(&message, strict).unwrap().without_verifying_signature();
        let refused = locked.unlock(&keyring()).now();
        assert!(matches!(refused, Err(Error::Policy(PolicyError::SignedStreaming))));
    }
}

/// Signatures have any length up to a bound; each must be found, whatever stands before it.
#[test]
fn a_footer_of_any_length_is_found() {
    let message = seal(SIGNED, 3, &bytes(20), End::Full);
    let body_end = header_len(&message) + 6 * 35 + 42;
    for len in 0..=104_u8 {
        let footer = [&[0, len][..], &vec![len; len.into()]].concat();
        let opened = open([&message[..body_end], &footer].concat(), SIGNED).unwrap();
        assert_eq!(opened.read_range(0..20).unwrap(), bytes(20));
    }
    // No signature of any suite is that long.
    for len in [105_u16, 1000, u16::MAX] {
        let footer = [&len.to_be_bytes()[..], &vec![1; len.into()]].concat();
        assert!(open([&message[..body_end], &footer].concat(), SIGNED).is_err(), "{len}");
    }
    assert!(open(&message[..body_end], SIGNED).is_err());
}

#[test]
fn messages_without_frames_are_refused() {
    let message = std::fs::read("tests/vectors/messages/unframed-0478-500-py.bin").unwrap();
    let keys = std::fs::read("tests/vectors/keys.json").unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&keys).unwrap();
    let hex = keys["keys"]["aes-256-a"]["material_hex"].as_str().unwrap();
    let key: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let key = AesKey::try_from(&key[..]).unwrap();
    let keyring = RawAesKeyring::new("waxseal.tests", "name of aes-256-a", key).unwrap();
    let locked = DecryptAt::open(message).unwrap().without_verifying_signature();
    let refused = locked.unlock(&keyring).now();
    assert!(matches!(refused, Err(Error::Policy(PolicyError::RangeOfUnframedMessage))));
}

/// What a header claims is not what there is.
#[test]
fn frames_of_4_gib_that_are_not_there_are_refused_or_short() {
    let short = seal(UNSIGNED, u32::MAX, b"hello", End::Full);
    assert_eq!(open(&short, UNSIGNED).unwrap().read_range(1..5).unwrap(), b"ello");
    let cut = open(&short[..short.len() - 1], UNSIGNED);
    assert!(matches!(cut, Err(Error::InvalidMessage(_))));
}

/// A source that does what a test wants, and counts.
struct Source<F> {
    message: Vec<u8>,
    reads: AtomicUsize,
    fault: F,
}

impl<F: Fn(usize, &mut [u8]) -> Option<io::Result<usize>>> ReadAt for Source<F> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let nth = self.reads.fetch_add(1, Ordering::SeqCst);
        match (self.fault)(nth, buffer) {
            Some(Ok(len)) => {
                let len = len.min(buffer.len());
                self.message.read_at(&mut buffer[..len], offset)
            }
            Some(error) => error,
            None => self.message.read_at(buffer, offset),
        }
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&self.message)
    }
}

#[test]
fn short_and_interrupted_reads_change_nothing() {
    let plaintext = bytes(1000);
    let message = seal(UNSIGNED, 64, &plaintext, End::Full);
    let fault = |nth: usize, _: &mut [u8]| match nth % 3 {
        0 => Some(Err(io::ErrorKind::Interrupted.into())),
        _ => Some(Ok(7)),
    };
    let source = Source { message, reads: AtomicUsize::new(0), fault };
    let opened = open(source, UNSIGNED).unwrap();
    assert_eq!(opened.read_range(100..900).unwrap(), plaintext[100..900]);
}

#[test]
fn a_source_that_fails_is_named_and_may_be_asked_again() {
    let plaintext = bytes(1000);
    let message = seal(UNSIGNED, 64, &plaintext, End::Full);
    let broken = Arc::new(AtomicUsize::new(0));
    let fault = {
        let broken = Arc::clone(&broken);
        move |_, buffer: &mut [u8]| {
            (broken.load(Ordering::SeqCst) == 1).then(|| {
                buffer.fill(1);
                Err(io::Error::other("the disk is gone"))
            })
        }
    };
    let opened = open(Source { message, reads: AtomicUsize::new(0), fault }, UNSIGNED).unwrap();
    assert_eq!(opened.read_range(0..10).unwrap(), plaintext[..10]);
    broken.store(1, Ordering::SeqCst);
    let mut out = [9; 300];
    let error = opened.read_at(&mut out, 5).unwrap_err();
    assert!(
        matches!(&error, Error::Io(failure) if failure.get_ref().to_string() == "the disk is gone")
    );
    assert_eq!(out, [0; 300]);
    broken.store(0, Ordering::SeqCst);
    assert_eq!(opened.read_range(5..305).unwrap(), plaintext[5..305]);
}

/// Bytes that somebody changes meanwhile.
#[derive(Clone)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl ReadAt for Shared {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.lock().unwrap().read_at(buffer, offset)
    }

    fn len(&self) -> io::Result<u64> {
        ReadAt::len(&*self.0.lock().unwrap())
    }
}

#[test]
fn a_message_that_shrinks_or_is_replaced_meanwhile_gives_no_other_bytes() {
    let plaintext = bytes(1000);
    let message = seal(UNSIGNED, 64, &plaintext, End::Full);
    let shared = Shared(Arc::new(Mutex::new(message.clone())));
    let opened = open(shared.clone(), UNSIGNED).unwrap().cache_len(0);
    shared.0.lock().unwrap().truncate(message.len() / 2);
    assert_eq!(opened.read_range(0..100).unwrap(), plaintext[..100]);
    let error = opened.read_range(0..1000).unwrap_err();
    assert!(
        matches!(&error, Error::InvalidMessage(invalid) if invalid.is_truncation()),
        "{error:?}"
    );
    // The same plaintext in another message.
    *shared.0.lock().unwrap() = seal(UNSIGNED, 64, &plaintext, End::Full);
    let error = opened.read_range(0..10).unwrap_err();
    assert!(matches!(error, Error::Unauthentic(Stage::Frame(1))), "{error:?}");
    *shared.0.lock().unwrap() = message;
    assert_eq!(opened.read_range(0..1000).unwrap(), plaintext);
}

#[test]
fn a_source_that_claims_any_length_is_read_as_far_as_it_goes() {
    struct Claims(Vec<u8>, u64);
    impl ReadAt for Claims {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(buffer, offset)
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.1)
        }
    }
    let message = seal(UNSIGNED, u32::MAX, b"hello", End::Full);
    for claim in [0, 1, 1 << 31, u64::MAX] {
        let failed = open(Claims(message.clone(), claim), UNSIGNED);
        assert!(matches!(failed, Err(Error::InvalidMessage(_))), "{claim}: {failed:?}");
    }

    impl std::fmt::Debug for Claims {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Claims")
        }
    }
}

#[test]
fn parts_of_a_frame_are_read_once() {
    let plaintext = bytes(1000);
    let message = seal(UNSIGNED, 100, &plaintext, End::Full);
    for (cache_len, reads) in [(usize::MAX, 1), (1 << 20, 1), (100, 1), (1, 1), (0, 20)] {
        let source = Source {
            message: message.clone(),
            reads: AtomicUsize::new(0),
            fault: |_, _: &mut _| None,
        };
        let opened = open(&source, UNSIGNED).unwrap().cache_len(cache_len);
        let before = source.reads.load(Ordering::SeqCst);
        for start in (200..300).step_by(5) {
            assert_eq!(
                opened.read_range(start..start + 5).unwrap(),
                part(&plaintext, start..start + 5)
            );
        }
        assert_eq!(source.reads.load(Ordering::SeqCst) - before, reads, "{cache_len}");
        // The final frame is there from the beginning, and many frames come at once.
        let before = source.reads.load(Ordering::SeqCst);
        assert_eq!(opened.read_range(950..1000).unwrap(), plaintext[950..]);
        assert_eq!(source.reads.load(Ordering::SeqCst), before);
        assert_eq!(opened.read_range(310..1000).unwrap(), plaintext[310..]);
        assert_eq!(source.reads.load(Ordering::SeqCst), before + 1);
    }
}

#[test]
fn as_many_frames_are_kept_as_there_is_room_for() {
    let plaintext = bytes(1000);
    let message = seal(UNSIGNED, 100, &plaintext, End::Full);
    for (cache_len, reads) in [(usize::MAX, 2), (1 << 20, 2), (100, 10)] {
        let source = Source {
            message: message.clone(),
            reads: AtomicUsize::new(0),
            fault: |_, _: &mut _| None,
        };
        let opened = open(&source, UNSIGNED).unwrap().cache_len(cache_len);
        let before = source.reads.load(Ordering::SeqCst);
        for start in [210, 310].into_iter().cycle().take(10) {
            let range = start..start + 5;
            assert_eq!(opened.read_range(range.clone()).unwrap(), part(&plaintext, range));
        }
        assert_eq!(source.reads.load(Ordering::SeqCst) - before, reads, "{cache_len}");
    }
}

#[test]
fn what_is_printed_tells_which_bytes_it_is_about() {
    let message = seal(UNSIGNED, 100, &bytes(950), End::Full);
    let (locked, _) = Locked::read(&message, Policy::default()).unwrap();
    let message_len = u64::try_from(message.len()).unwrap();
    let last = locked.unlock(&keyring()).now().unwrap().into_ranges(message_len).unwrap();
    let start = last.ciphertext().start;
    let printed = format!("{last:?}");
    assert!(printed.starts_with("FinalFrame {"), "{printed}");
    assert!(printed.contains(&format!("ciphertext: {start}..{}", message.len())), "{printed}");
    let opener = last.open(&message[usize::try_from(start).unwrap()..]).unwrap();
    let printed = format!("{opener:?}");
    assert!(printed.starts_with("RangeOpener {"), "{printed}");
    assert!(printed.contains("plaintext_len: 950"), "{printed}");
}

#[test]
fn many_threads_share_one() {
    let plaintext = bytes(20_000);
    let message = seal(UNSIGNED, 64, &plaintext, End::Full);
    for cache_len in [0, 500, 1 << 20] {
        let opened = open(&message, UNSIGNED).unwrap().cache_len(cache_len);
        std::thread::scope(|threads| {
            for seed in 0..8_u64 {
                let (opened, plaintext) = (&opened, &plaintext);
                threads.spawn(move || {
                    let mut state = seed;
                    for _ in 0..300 {
                        state =
                            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
                        let start = (state >> 33) % 20_000;
                        let len = (state >> 20) % 300;
                        let end = (start + len).min(20_000);
                        assert_eq!(
                            opened.read_range(start..end).unwrap(),
                            part(plaintext, start..end)
                        );
                    }
                });
            }
        });
    }
}

#[test]
fn reads_beyond_the_end_give_nothing_or_are_refused() {
    let opened = open(seal(UNSIGNED, 4, &bytes(10), End::Full), UNSIGNED).unwrap();
    let mut out = [9; 4];
    assert_eq!(opened.read_at(&mut out, 10).unwrap(), 0);
    assert_eq!(opened.read_at(&mut out, u64::MAX).unwrap(), 0);
    assert_eq!(opened.read_at(&mut [], 3).unwrap(), 0);
    assert_eq!(opened.read_at(&mut out, 8).unwrap(), 2);
    assert_eq!(out, [8, 9, 9, 9]);
    for offset in [7, 10, u64::MAX] {
        let refused = opened.read_exact_at(&mut out, offset);
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Range { len: 10, .. }))));
    }
    opened.read_exact_at(&mut out, 6).unwrap();
    assert_eq!(out, [6, 7, 8, 9]);
    assert!(opened.read_range(9..11).is_err());
    assert_eq!(opened.read_range(10..10).unwrap(), b"");
}

#[test]
fn a_reader_seeks_as_a_file_does() {
    let opened = open(seal(UNSIGNED, 4, &bytes(10), End::Full), UNSIGNED).unwrap();
    let mut reader = opened.reader();
    let mut two = [0; 2];
    assert_eq!(reader.seek(SeekFrom::End(-3)).unwrap(), 7);
    reader.read_exact(&mut two).unwrap();
    assert_eq!(two, [7, 8]);
    assert_eq!(reader.seek(SeekFrom::Current(-9)).unwrap(), 0);
    assert!(reader.seek(SeekFrom::Current(-1)).is_err());
    assert!(reader.seek(SeekFrom::End(-11)).is_err());
    assert_eq!(reader.stream_position().unwrap(), 0);
    assert_eq!(reader.seek(SeekFrom::End(5)).unwrap(), 15);
    assert_eq!(reader.read(&mut two).unwrap(), 0);
    assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(reader.read(&mut two).unwrap(), 0);
    assert!(reader.seek(SeekFrom::Current(1)).is_err());
}

#[test]
fn a_file_is_read_at_any_place() {
    let mut file = tempfile::tempfile().unwrap();
    let plaintext = bytes(5000);
    io::Write::write_all(&mut file, &seal(UNSIGNED, 512, &plaintext, End::Full)).unwrap();
    let opened = open(file, UNSIGNED).unwrap();
    assert_eq!(opened.read_range(1000..3000).unwrap(), plaintext[1000..3000]);
    let file = opened.into_inner();
    file.set_len(4000).unwrap();
    assert!(matches!(open(Box::new(file), UNSIGNED), Err(Error::InvalidMessage(_))));
}

#[test]
fn where_the_final_frame_should_be_is_told() {
    let message = seal(UNSIGNED, 10, &bytes(35), End::Full);
    let error = open(&message[..message.len() - 3], UNSIGNED).unwrap_err();
    let Error::InvalidMessage(invalid) = error else { panic!("{error:?}") };
    let message_len = u64::try_from(message.len() - 3).unwrap();
    assert_eq!(*invalid.reason(), Malformed::NoFinalFrame { message_len });
    let start = u64::try_from(header_len(&message) + 3 * 42).unwrap();
    assert_eq!(invalid.offset(), start);
}

#[test]
fn no_plaintext_is_shown() {
    let message = seal(UNSIGNED, 10, b"SECRETSECRETSECRET", End::Full);
    let opened = open(&message[..], UNSIGNED).unwrap();
    opened.read_range(0..3).unwrap();
    // The ciphertext behind it is shown as numbers, as any bytes are; keys and plaintext are not.
    for text in [format!("{:?}", opener(&message).unwrap()), format!("{opened:?}")] {
        assert!(!text.contains("SECRET") && !text.contains("83, 69, 67, 82"), "{text}");
    }
}
