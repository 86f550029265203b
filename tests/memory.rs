//! Streams of any length, and lengths of any size that a message claims, cost bounded memory.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use peak_alloc::PeakAlloc;
use waxseal::{
    AesKey, AlgorithmSuite, DecryptReader, EncryptReader, Encryptor, Error, HeaderReader,
    Malformed, Policy, PolicyError, RawAesKeyring, encryptor,
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
