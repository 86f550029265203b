//! Streams of any length, and lengths of any size that a message claims, cost bounded memory.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use waxseal::{
    AesKey, AlgorithmSuite, DecryptAt, DecryptReader, EncryptReader, Encryptor, Error, FrameKind,
    FrameSealer, HeaderReader, Malformed, Policy, PolicyError, RawAesKeyring, ReadAt, SealFrames,
    encryptor,
};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The heap is counted for the whole process, so each test holds this from its first line to its last.
static TURN: Mutex<()> = Mutex::new(());

struct Heap {
    used: usize,
    _turn: MutexGuard<'static, ()>,
}

impl Heap {
    fn turn() -> Self {
        Self { used: 0, _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    fn start(&mut self) {
        HEAP.reset_peak_usage();
        self.used = HEAP.current_usage();
    }

    /// The most that was there at a time since the start, in bytes beyond what was there then.
    fn peak(&self) -> usize {
        HEAP.peak_usage().saturating_sub(self.used)
    }
}

/// A plaintext of any length, whose every byte tells its place.
struct Pattern {
    at: u64,
    len: u64,
}

impl Pattern {
    fn fill(at: u64, out: &mut [u8]) {
        let shift = usize::try_from(at % PERIOD_LEN).unwrap();
        let first = &PERIOD[shift..];
        let len = first.len().min(out.len());
        out[..len].copy_from_slice(&first[..len]);
        for chunk in out[len..].chunks_mut(PERIOD.len()) {
            chunk.copy_from_slice(&PERIOD[..chunk.len()]);
        }
    }
}

impl Read for Pattern {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len - self.at).unwrap();
        let out_len = left.min(out.len());
        let out = &mut out[..out_len];
        Self::fill(self.at, out);
        self.at += u64::try_from(out.len()).unwrap();
        Ok(out.len())
    }
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

fn start(suite: AlgorithmSuite, frame_len: u32) -> Encryptor {
    encryptor(&keyring()).suite(suite).frame_len(frame_len).unwrap().now().unwrap()
}

/// Encrypts and decrypts without ever having the whole, and compares every byte.
fn pipe(suite: AlgorithmSuite, frame_len: u32, len: u64) -> usize {
    pipe_on(NonZeroUsize::MIN, suite, frame_len, len)
}

fn pipe_on(threads: NonZeroUsize, suite: AlgorithmSuite, frame_len: u32, len: u64) -> usize {
    let mut heap = Heap::turn();
    heap.start();
    let keyring = keyring();
    let encryptor = encryptor(&keyring).suite(suite).frame_len(frame_len).unwrap().threads(threads);
    let message = EncryptReader::new(encryptor.now().unwrap(), Pattern { at: 0, len });
    let locked = DecryptReader::open(message).unwrap();
    let mut plaintext = locked.unlock(&keyring).threads(threads).now().unwrap();
    let (mut buffer, mut expected) = (vec![0; 128 * 1024], vec![0; 128 * 1024]);
    let mut at = 0;
    loop {
        let read = plaintext.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        Pattern::fill(at, &mut expected[..read]);
        assert!(buffer[..read] == expected[..read], "wrong plaintext after byte {at}");
        at += u64::try_from(read).unwrap();
    }
    assert_eq!(at, len);
    let peak = heap.peak();
    println!("{suite}, frames of {frame_len}, {len} bytes: {} KiB of heap", peak >> 10);
    peak
}

#[test]
fn a_long_stream_passes_through_in_bounded_memory() {
    let peak = pipe(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, 4096, LONG);
    assert!(peak < 16 * MIB, "{peak}");
    assert!(peak < 2 * MIB, "it grew: {peak}");
}

#[test]
fn a_signed_stream_does_as_well() {
    let peak = pipe(AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384, 64 * 1024, LONG / 4);
    assert!(peak < 16 * MIB, "{peak}");
    assert!(peak < 4 * MIB, "it grew: {peak}");
}

/// Frames of a mebibyte need a few of them, not more with the length.
#[test]
fn long_frames_need_a_few_frames_of_memory() {
    let peak = pipe(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, 1 << 20, LONG / 8);
    assert!(peak < 16 * MIB, "{peak}");
}

/// A block of 1 MiB for each thread on either side, and that twice, for both directions.
#[test]
fn several_threads_need_their_blocks() {
    for (count, frame_len) in [(2, 4096), (4, 64 * 1024), (3, 1 << 20)] {
        let threads = NonZeroUsize::new(count).unwrap();
        let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
        let peak = pipe_on(threads, suite, frame_len, LONG / 8);
        let blocks = 2 * count * 2 * (MIB + 2 * 1024 * 40);
        assert!(peak < blocks + 8 * MIB, "{count}: {peak}");
    }
}

/// Each byte of content has 32 beside it, and blocks are no longer for that.
#[test]
fn short_frames_make_no_long_blocks() {
    let threads = NonZeroUsize::new(4).unwrap();
    let peak = pipe_on(threads, AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, 1, 300_000);
    assert!(peak < 2 * 4 * 2 * MIB, "{peak}");
}

/// Short streams do not make long blocks, whatever the number of threads and what a header says.
#[test]
fn blocks_are_as_long_as_what_comes() {
    let threads = NonZeroUsize::new(64).unwrap();
    let peak = pipe_on(threads, AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, 4 << 20, 1000);
    assert!(peak < MIB, "{peak}");
}

/// A frame of 4 GiB that never comes.
#[test]
fn a_claimed_frame_length_allocates_nothing() {
    let mut heap = Heap::turn();
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let whole = {
        let encryptor = start(suite, u32::MAX);
        let mut message = Vec::new();
        EncryptReader::new(encryptor, &b"hello"[..]).read_to_end(&mut message).unwrap();
        message
    };
    let parts = start(suite, u32::MAX).into_frames().unwrap();
    // The prefix of a regular frame, and ten bytes of the 4 GiB that it announces.
    let endless = [&parts.header[..], &[0, 0, 0, 1], &[0; 12], &[7; 10]].concat();

    heap.start();
    assert_eq!(waxseal::decrypt(&whole, &keyring()).now().unwrap().plaintext(), b"hello");
    let error = waxseal::decrypt(&endless, &keyring()).now().unwrap_err();
    assert!(is_truncation(&error), "{error:?}");
    let peak = heap.peak();
    assert!(peak < 64 * 1024, "{peak}");

    heap.start();
    let mut plaintext = Vec::new();
    let mut reader = DecryptReader::open(&whole[..]).unwrap().unlock(&keyring()).now().unwrap();
    reader.read_to_end(&mut plaintext).unwrap();
    assert_eq!(plaintext, b"hello");
    let mut reader = DecryptReader::open(&endless[..]).unwrap().unlock(&keyring()).now().unwrap();
    let error = Error::from_io(reader.read_to_end(&mut plaintext).unwrap_err());
    assert!(is_truncation(&error), "{error:?}");
    let peak = heap.peak();
    assert!(peak < 8 * MIB, "{peak}");
}

/// A message that is made where it is read: the same frame sealed again each time, as it was the first time.
struct Made {
    header: Vec<u8>,
    sealer: FrameSealer,
    len: u64,
    frame_len: u64,
    /// The frame that was made last, with its number.
    last: Mutex<(u64, Vec<u8>)>,
}

impl Made {
    fn new(frame_len: u32, frames: u64) -> Self {
        let parts = start(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, frame_len).into_frames();
        let SealFrames { header, sealer, .. } = parts.unwrap();
        let frame_len = u64::from(frame_len);
        let header_len = u64::try_from(header.len()).unwrap();
        let len = header_len + frames * (frame_len + 32) + 8;
        Self { header, sealer, len, frame_len, last: Mutex::new((u64::MAX, Vec::new())) }
    }
}

impl ReadAt for Made {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let header_len = u64::try_from(self.header.len()).unwrap();
        let Some(at) = offset.checked_sub(header_len) else {
            return self.header.read_at(buffer, offset);
        };
        let sealed_len = self.frame_len + 32;
        let count = (self.len - header_len - 8) / sealed_len;
        let index = (at / sealed_len).min(count - 1);
        let mut last = self.last.lock().unwrap();
        if last.0 != index {
            let kind = if index + 1 == count { FrameKind::Final } else { FrameKind::Regular };
            let mut plaintext = vec![0; usize::try_from(self.frame_len).unwrap()];
            Pattern::fill(index * self.frame_len, &mut plaintext);
            let mut sealed = vec![0; self.sealer.sealed_len(kind, plaintext.len())];
            let number = u32::try_from(index + 1).unwrap();
            self.sealer.seal(number, kind, &plaintext, &mut sealed).unwrap();
            *last = (index, sealed);
        }
        last.1.read_at(buffer, at - index * sealed_len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }
}

#[test]
fn reads_at_random_places_of_a_long_message_hold_little() {
    let mut heap = Heap::turn();
    for (frame_len, frames) in [(4096, 65_536_u64), (1 << 16, 4096)] {
        let made = Made::new(frame_len, frames);
        heap.start();
        let opened = DecryptAt::open(&made).unwrap().unlock(&keyring()).now().unwrap();
        let len = opened.len();
        assert_eq!(len, 256 << 20);
        let (mut out, mut expected) = (vec![0; 300_000], vec![0; 300_000]);
        let mut state = 1_u64;
        for read in 0..400_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
            let at = (state >> 20) % (len - 300_000);
            let size = if read.is_multiple_of(40) { 300_000 } else { 1024 };
            opened.read_exact_at(&mut out[..size], at).unwrap();
            Pattern::fill(at, &mut expected[..size]);
            assert!(out[..size] == expected[..size], "wrong plaintext after byte {at}");
        }
        let peak = heap.peak();
        println!("frames of {frame_len}, at random: {} KiB of heap", peak >> 10);
        assert!(peak < 4 * MIB, "{peak}");
    }
}

/// A message that is said to be as long as its frames are, and is not.
#[test]
fn reading_at_random_allocates_nothing_for_a_claim() {
    struct Claims(Vec<u8>, u64);

    impl ReadAt for Claims {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.0.read_at(buffer, offset)
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.1)
        }
    }

    let mut heap = Heap::turn();
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let header = start(suite, u32::MAX).into_frames().unwrap().header;
    let header_len = u64::try_from(header.len()).unwrap();
    for claim in [header_len + 40, 1 << 20, 1 << 31, u64::from(u32::MAX), 1 << 40] {
        heap.start();
        let locked = DecryptAt::open(Claims(header.clone(), claim)).unwrap();
        let Err(error) = locked.unlock(&keyring()).now() else { panic!("{claim} opened") };
        assert!(matches!(error, Error::InvalidMessage(_)), "{claim}: {error:?}");
        let peak = heap.peak();
        assert!(peak < 2 * MIB, "{claim}: {peak}");
    }
}

#[test]
fn a_claimed_unframed_length_allocates_nothing() {
    let mut heap = Heap::turn();
    let header = unframed_header();
    for (claim, allowed) in [(1_u64 << 20, true), (u32::MAX.into(), true), ((1 << 36) - 32, false)]
    {
        let message = [&header[..], &[0; 12], &claim.to_be_bytes(), &[7; 10]].concat();
        heap.start();
        let error = waxseal::decrypt(&message, &vector_keyring()).now().unwrap_err();
        let limit =
            matches!(&error, Error::Policy(PolicyError::FrameLen { found, .. }) if *found == claim);
        assert!(if allowed { is_truncation(&error) } else { limit }, "{claim}: {error:?}");
        let reader = DecryptReader::open(&message[..]).unwrap();
        let mut reader = reader.unlock(&vector_keyring()).now().unwrap();
        let error = Error::from_io(reader.read(&mut [0; 100]).unwrap_err());
        let limit =
            matches!(&error, Error::Policy(PolicyError::FrameLen { found, .. }) if *found == claim);
        assert!(if allowed { is_truncation(&error) } else { limit }, "{claim}: {error:?}");
        let peak = heap.peak();
        assert!(peak < MIB, "{peak}");
    }
    let message = [&header[..], &[0; 12], &((1_u64 << 36) - 31).to_be_bytes(), &[7; 10]].concat();
    let error = waxseal::decrypt(&message, &vector_keyring()).now().unwrap_err();
    let Error::InvalidMessage(invalid) = error else {
        panic!("{error:?}");
    };
    assert!(matches!(invalid.reason(), Malformed::UnframedLen { .. }));
}

/// Headers of a hundred bytes that announce far more.
#[test]
fn claims_in_a_header_allocate_nothing() {
    let mut heap = Heap::turn();
    let start = [&[2, 4, 0x78][..], &[9; 32], &[0, 0]].concat();
    let key_of_64_kib = [&start[..], &[0, 1, 0xff, 0xff], &[b'x'; 60]].concat();
    let many_keys = [&start[..], &[0xff, 0xff], &[0; 60]].concat();
    let long_context = [&[2, 4, 0x78][..], &[9; 32], &[0xff, 0xff], &[0xff; 60]].concat();
    for message in [&key_of_64_kib, &many_keys, &long_context] {
        heap.start();
        for policy in [Policy::default(), Policy::default().max_encrypted_data_keys(u16::MAX)] {
            let error = waxseal::decrypt(message, &keyring()).policy(policy).now().unwrap_err();
            let refused = matches!(
                error,
                Error::Policy(PolicyError::TooManyEncryptedDataKeys { found: 65_535, limit: 100 })
            );
            assert!(refused || is_truncation(&error), "{error:?}");
        }
        let error = waxseal::inspect(message).unwrap_err();
        assert!(is_truncation(&error), "{error:?}");
        let peak = heap.peak();
        assert!(peak < 16 * 1024, "{peak}");
    }
}

/// A source without end gives no header, and is not read without end.
#[test]
fn an_endless_header_stops_at_its_limit() {
    let mut heap = Heap::turn();
    #[derive(Debug)]
    struct Endless<'a>(&'a [u8]);

    impl Read for Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                out.fill(0);
                return Ok(out.len());
            }
            self.0.read(out)
        }
    }

    // 65,535 encrypted data keys, all of them empty, would be 384 KiB; a low limit stops that.
    let start = [&[2, 4, 0x78][..], &[9; 32], &[0, 0], &[0xff, 0xff]].concat();
    let policy = Policy::default().max_encrypted_data_keys(u16::MAX).max_header_len(50_000);
    heap.start();
    let error = DecryptReader::open_with(Endless(&start), policy.clone()).unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::HeaderLen { limit: 50_000 })), "{error:?}");
    let mut reader = HeaderReader::new(policy);
    let mut len = reader.push(&start).unwrap();
    let error = loop {
        match reader.push(&[0; 1000]) {
            Ok(taken) => len += taken,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Policy(PolicyError::HeaderLen { .. })), "{error:?}");
    assert!(len <= 50_000, "{len}");
    let peak = heap.peak();
    // Every empty key is three slices of bytes: two words each, and the vector doubles.
    assert!(peak < 4 * MIB, "{peak}");
}

fn is_truncation(error: &Error) -> bool {
    matches!(error, Error::InvalidMessage(invalid) if invalid.is_truncation())
}

/// The header of an official client's unframed message; this crate writes none.
fn unframed_header() -> Vec<u8> {
    let mut message = std::fs::read("tests/vectors/messages/unframed-0478-500-py.bin").unwrap();
    let len = waxseal::inspect(&message).unwrap().parsed().len();
    message.truncate(usize::try_from(len).unwrap());
    message
}

fn vector_keyring() -> RawAesKeyring {
    let keys = std::fs::read("tests/vectors/keys.json").unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&keys).unwrap();
    let hex = keys["keys"]["aes-256-a"]["material_hex"].as_str().unwrap();
    let bytes: Vec<u8> =
        (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let key = AesKey::try_from(&bytes[..]).unwrap();
    RawAesKeyring::new("waxseal.tests", "name of aes-256-a", key).unwrap()
}

/// A gibibyte, but less with the backend that is slow where nothing is optimised.
const LONG: u64 =
    if cfg!(any(feature = "aws-lc-rs", feature = "fips")) { 1 << 30 } else { 1 << 25 };
const MIB: usize = 1 << 20;
const PERIOD_LEN: u64 = 65_521;
/// Prime, so that it never falls together with a frame.
static PERIOD: [u8; 65_521] = {
    let mut period = [0; 65_521];
    let (mut at, mut state) = (0, 1_u32);
    while at < period.len() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        period[at] = state.to_be_bytes()[0];
        at += 1;
    }
    period
};
