//! What this crate costs beside the primitives that it cannot do without.
//!
//! First criterion's own measurements, then a table of ratios to bare primitives, which is what the
//! targets are about: both sides of a ratio are measured in turns, so that a busy machine slows both.
//! `cargo bench --bench frames -- ratios` gives only the table.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, SHA384};
use aws_lc_rs::encoding::{AsBigEndian, EcPublicKeyCompressedBin};
use aws_lc_rs::hkdf::{HKDF_SHA512, KeyType, Prk};
use aws_lc_rs::hmac::{self, HMAC_SHA512};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use criterion::{BenchmarkId, Criterion, Throughput};
use waxseal::{AesKey, AlgorithmSuite, Locked, Policy, RawAesKeyring, encryptor};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
const FRAME_LENS: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
const MESSAGE_LENS: [usize; 3] = [1 << 10, 64 << 10, 16 << 20];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |what: &str| arguments.iter().any(|argument| argument == what);
    let smoke = given("--test") || !given("--bench");
    let filtered = arguments.iter().any(|argument| !argument.starts_with('-'));

    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .configure_from_args();
    streams(&mut criterion);
    one_kibibyte(&mut criterion);
    bare(&mut criterion);
    criterion.final_summary();

    if !filtered || given("ratios") {
        ratios(smoke);
    }
}

fn streams(criterion: &mut Criterion) {
    let keyring = keyring();
    for (name, suite) in [("0478", UNSIGNED), ("0578", SIGNED)] {
        let mut group = criterion.benchmark_group(format!("stream/{name}"));
        for len in MESSAGE_LENS {
            let plaintext = vec![7; len];
            // A frame that is not filled is as short as the message.
            for frame_len in FRAME_LENS.into_iter().filter(|frame_len| *frame_len <= len.max(4096))
            {
                let mut message = vec![0; message_buffer_len(len, frame_len)];
                let mut opened = vec![0; len];
                let what = format!("{}KiB/frames of {}KiB", len >> 10, frame_len >> 10);
                group.throughput(Throughput::Bytes(u64::try_from(len).unwrap()));
                group.bench_function(BenchmarkId::new("encrypt", &what), |bencher| {
                    bencher.iter(|| encrypt(&keyring, suite, frame_len, &plaintext, &mut message));
                });
                let len = encrypt(&keyring, suite, frame_len, &plaintext, &mut message);
                group.bench_function(BenchmarkId::new("decrypt", &what), |bencher| {
                    bencher.iter(|| decrypt(&keyring, &message[..len], &mut opened));
                });
            }
        }
    }
}

fn one_kibibyte(criterion: &mut Criterion) {
    let (keyring, plaintext) = (keyring(), [7; 1 << 10]);
    for (name, suite) in [("0478", UNSIGNED), ("0578", SIGNED)] {
        let mut group = criterion.benchmark_group(format!("at once/{name}"));
        group.bench_function("encrypt/1KiB", |bencher| {
            bencher.iter(|| waxseal::encrypt(&plaintext, &keyring).suite(suite).now().unwrap());
        });
        let message = waxseal::encrypt(&plaintext, &keyring).suite(suite).now().unwrap();
        group.bench_function("decrypt/1KiB", |bencher| {
            bencher.iter(|| waxseal::decrypt(&message, &keyring).now().unwrap());
        });
    }
}

fn bare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bare");
    let plaintext = vec![7; 16 << 20];
    let key = gcm_key(&[5; 32]);
    group.throughput(Throughput::Bytes(u64::try_from(plaintext.len()).unwrap()));
    for frame_len in FRAME_LENS {
        let mut message = vec![0; message_buffer_len(plaintext.len(), frame_len)];
        let mut opened = vec![0; plaintext.len()];
        group.bench_function(format!("seal/frames of {}KiB", frame_len >> 10), |bencher| {
            bencher.iter(|| seal_frames(&key, frame_len, &plaintext, &mut message));
        });
        seal_frames(&key, frame_len, &plaintext, &mut message);
        group.bench_function(format!("open/frames of {}KiB", frame_len >> 10), |bencher| {
            bencher.iter(|| open_frames(&key, frame_len, &message, &mut opened));
        });
    }
    group.bench_function("sha384", |bencher| {
        bencher.iter(|| digest::digest(&SHA384, &plaintext));
    });
}

/// One line each: ours, bare, and how they compare.
fn ratios(smoke: bool) {
    let len = if smoke { 2 << 20 } else { 16 << 20 };
    let (stream_rounds, small_rounds) = if smoke { (1, 1) } else { (41, 101) };
    let keyring = keyring();
    let key = gcm_key(&[5; 32]);
    let plaintext = vec![7; len];
    println!("\n{:<44} {:>11} {:>11} {:>8} {:>8}", "", "ours", "bare", "median", "best");

    // Streams: speed as a part of the bare speed.
    for frame_len in FRAME_LENS {
        let mut message = vec![0; message_buffer_len(len, frame_len)];
        let mut sealed = message.clone();
        let (mut opened, mut out) = (vec![0; len], vec![0; len]);
        seal_frames(&key, frame_len, &plaintext, &mut sealed);
        let times = in_turns(
            stream_rounds,
            || encrypt(&keyring, UNSIGNED, frame_len, &plaintext, &mut message),
            || seal_frames(&key, frame_len, &plaintext, &mut sealed),
        );
        print_speed(&format!("unsigned, {} KiB frames, encrypt", frame_len >> 10), len, times);
        let message_len = encrypt(&keyring, UNSIGNED, frame_len, &plaintext, &mut message);
        let times = in_turns(
            stream_rounds,
            || decrypt(&keyring, &message[..message_len], &mut opened),
            || open_frames(&key, frame_len, &sealed, &mut out),
        );
        print_speed(&format!("unsigned, {} KiB frames, decrypt", frame_len >> 10), len, times);
    }
    for frame_len in FRAME_LENS {
        let mut message = vec![0; message_buffer_len(len, frame_len)];
        let mut opened = vec![0; len];
        let rounds = stream_rounds.min(7);
        let hash = |message: &[u8]| digest::digest(&SHA384, message).as_ref().len();
        let hashed = message.clone();
        let times = in_turns(
            rounds,
            || encrypt(&keyring, SIGNED, frame_len, &plaintext, &mut message),
            || hash(&hashed),
        );
        print_speed(
            &format!("signed, {} KiB frames, encrypt; SHA-384", frame_len >> 10),
            len,
            times,
        );
        let message_len = encrypt(&keyring, SIGNED, frame_len, &plaintext, &mut message);
        let times = in_turns(
            rounds,
            || decrypt(&keyring, &message[..message_len], &mut opened),
            || hash(&hashed),
        );
        print_speed(
            &format!("signed, {} KiB frames, decrypt; SHA-384", frame_len >> 10),
            len,
            times,
        );
    }

    // Small messages: time as a multiple of the sum of the primitives.
    let small = [7; 1 << 10];
    for (name, suite) in [("unsigned", UNSIGNED), ("signed", SIGNED)] {
        let signed = suite.signs();
        let batch = if smoke {
            1
        } else if signed {
            10
        } else {
            200
        };
        let message = waxseal::encrypt(&small, &keyring).suite(suite).now().unwrap();
        let header_len = usize::try_from(message.header().len()).unwrap();
        let mut parts = Primitives::new(header_len, message.len(), &small);
        let times = in_turns(
            small_rounds,
            || repeat(batch, || waxseal::encrypt(&small, &keyring).suite(suite).now().unwrap()),
            || repeat(batch, || parts.encrypt(&small, signed)),
        );
        print_time(&format!("{name}, 1 KiB at once, encrypt"), batch, times);
        let times = in_turns(
            small_rounds,
            || repeat(batch, || waxseal::decrypt(&message, &keyring).now().unwrap()),
            || repeat(batch, || parts.decrypt(signed)),
        );
        print_time(&format!("{name}, 1 KiB at once, decrypt"), batch, times);
        let mut buffer = vec![0; 8192];
        let times = in_turns(
            small_rounds,
            || repeat(batch, || encrypt(&keyring, suite, 4096, &small, &mut buffer)),
            || repeat(batch, || parts.encrypt(&small, signed)),
        );
        print_time(&format!("{name}, 1 KiB to a buffer, encrypt"), batch, times);
        let mut buffer = vec![0; 1 << 10];
        let times = in_turns(
            small_rounds,
            || repeat(batch, || decrypt(&keyring, &message, &mut buffer)),
            || repeat(batch, || parts.decrypt(signed)),
        );
        print_time(&format!("{name}, 1 KiB to a buffer, decrypt"), batch, times);
    }
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("bench", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

/// A whole message through the engine; gives its length.
fn encrypt(
    keyring: &RawAesKeyring,
    suite: AlgorithmSuite,
    frame_len: usize,
    plaintext: &[u8],
    message: &mut [u8],
) -> usize {
    let frame_len = u32::try_from(frame_len).unwrap();
    let builder = encryptor(keyring).suite(suite).frame_len(frame_len).unwrap();
    let mut encryptor = builder.now().unwrap();
    let progress = encryptor.update(plaintext, message).unwrap();
    assert_eq!(progress.read, plaintext.len());
    let written = encryptor.finish(&mut message[progress.written..]).unwrap();
    assert!(encryptor.is_finished());
    progress.written + written
}

fn decrypt(keyring: &RawAesKeyring, message: &[u8], plaintext: &mut [u8]) -> usize {
    let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
    let mut decryptor = locked.unlock(keyring).now().unwrap();
    let progress = decryptor.update(&message[header_len..], plaintext).unwrap();
    assert_eq!(progress.written, plaintext.len());
    decryptor.finish().unwrap();
    progress.written
}

fn message_buffer_len(len: usize, frame_len: usize) -> usize {
    1024 + len + (len / frame_len + 1) * 40
}

/// What cannot be avoided for a body: every frame sealed to where it belongs.
fn seal_frames(key: &LessSafeKey, frame_len: usize, plaintext: &[u8], message: &mut [u8]) -> usize {
    let (mut at, aad) = (0, [9; AAD_LEN]);
    for (n, frame) in (1_u32..).zip(plaintext.chunks(frame_len)) {
        let (ciphertext, tag) = message[at + 16..at + 32 + frame.len()].split_at_mut(frame.len());
        let aad = Aad::from(&aad[..]);
        key.seal_out_of_place_scatter(nonce(n), aad, frame, ciphertext, &[], tag).unwrap();
        at += 32 + frame.len();
    }
    at
}

fn open_frames(key: &LessSafeKey, frame_len: usize, message: &[u8], plaintext: &mut [u8]) -> usize {
    let (mut at, aad) = (0, [9; AAD_LEN]);
    for (n, out) in (1_u32..).zip(plaintext.chunks_mut(frame_len)) {
        let (ciphertext, tag) = message[at + 16..at + 32 + out.len()].split_at(out.len());
        let aad = Aad::from(&aad[..]);
        key.open_separate_gather(nonce(n), aad, ciphertext, tag, out).unwrap();
        at += 32 + out.len();
    }
    at
}

fn gcm_key(bytes: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).unwrap())
}

fn nonce(n: u32) -> Nonce {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Everything that a small message cannot do without, and nothing else.
struct Primitives {
    wrapping_key: LessSafeKey,
    header: Vec<u8>,
    message: Vec<u8>,
    sealed_key: [u8; 48],
    header_tag: [u8; 16],
    sealed: Vec<u8>,
    out: Vec<u8>,
    public_key: Vec<u8>,
    signature: Vec<u8>,
}

impl Primitives {
    fn new(header_len: usize, message_len: usize, plaintext: &[u8]) -> Self {
        let mut parts = Self {
            wrapping_key: gcm_key(&[5; 32]),
            header: vec![1; header_len],
            message: vec![1; message_len],
            sealed_key: [0; 48],
            header_tag: [0; 16],
            sealed: vec![0; plaintext.len() + 16],
            out: vec![0; plaintext.len()],
            public_key: Vec::new(),
            signature: Vec::new(),
        };
        parts.encrypt_with(plaintext, true, [8; 32], [4; 32]);
        parts
    }

    fn encrypt(&mut self, plaintext: &[u8], signed: bool) -> usize {
        let (mut data_key, mut message_id, mut iv) = ([0; 32], [0; 32], [0; 12]);
        for bytes in [&mut data_key[..], &mut message_id, &mut iv] {
            getrandom::fill(bytes).unwrap();
        }
        black_box(iv);
        black_box((data_key, message_id));
        // Fixed keys, so that what was sealed last opens.
        self.encrypt_with(plaintext, signed, [8; 32], [4; 32]);
        self.sealed.len()
    }

    fn encrypt_with(
        &mut self,
        plaintext: &[u8],
        signed: bool,
        data_key: [u8; 32],
        message_id: [u8; 32],
    ) {
        let key_pair =
            signed.then(|| EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).unwrap());
        if let Some(key_pair) = &key_pair {
            let point: EcPublicKeyCompressedBin<'_> = key_pair.public_key().as_be_bytes().unwrap();
            self.public_key = point.as_ref().to_vec();
        }
        let (ciphertext, tag) = self.sealed_key.split_at_mut(32);
        let seal =
            |key: &LessSafeKey, n, aad: &[u8], plaintext: &[u8], out: &mut [u8], tag: &mut [u8]| {
                let aad = Aad::from(aad);
                key.seal_out_of_place_scatter(nonce(n), aad, plaintext, out, &[], tag).unwrap();
            };
        seal(&self.wrapping_key, 1, &[], &data_key, ciphertext, tag);
        let key = derive(&data_key, &message_id);
        seal(&key, 0, &self.header, &[], &mut [], &mut self.header_tag);
        let (ciphertext, tag) = self.sealed.split_at_mut(plaintext.len());
        seal(&key, 1, &[9; AAD_LEN], plaintext, ciphertext, tag);
        if let Some(key_pair) = &key_pair {
            let digest = digest::digest(&SHA384, &self.message);
            self.signature = key_pair.sign_digest(&digest).unwrap().as_ref().to_vec();
        }
    }

    fn decrypt(&mut self, signed: bool) -> usize {
        let verifying_key = signed
            .then(|| ParsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, &self.public_key).unwrap());
        let open = |key: &LessSafeKey, n, aad: &[u8], sealed: &[u8], out: &mut [u8]| {
            let (ciphertext, tag) = sealed.split_at(out.len());
            key.open_separate_gather(nonce(n), Aad::from(aad), ciphertext, tag, out).unwrap();
        };
        let mut data_key = [0; 32];
        open(&self.wrapping_key, 1, &[], &self.sealed_key, &mut data_key);
        let key = derive(&data_key, &[4; 32]);
        open(&key, 0, &self.header, &self.header_tag, &mut []);
        open(&key, 1, &[9; AAD_LEN], &self.sealed, &mut self.out);
        if let Some(verifying_key) = verifying_key {
            let digest = digest::digest(&SHA384, &self.message);
            verifying_key.verify_digest_sig(&digest, &self.signature).unwrap();
        }
        self.out.len()
    }
}

/// Content key and commitment.
fn derive(data_key: &[u8; 32], message_id: &[u8; 32]) -> LessSafeKey {
    struct Bytes32;

    impl KeyType for Bytes32 {
        fn len(&self) -> usize {
            32
        }
    }

    // `Salt::extract` would put off its work and do it again for each output.
    let extracted = hmac::sign(&hmac::Key::new(HMAC_SHA512, message_id), data_key);
    let extracted = Prk::new_less_safe(HKDF_SHA512, extracted.as_ref());
    let expand = |info: &[&[u8]]| {
        let mut out = [0; 32];
        extracted.expand(info, Bytes32).unwrap().fill(&mut out).unwrap();
        out
    };
    black_box(expand(&[b"COMMITKEY"]));
    gcm_key(&expand(&[&[4, 0x78], b"DERIVEKEY"]))
}

fn repeat<T>(times: u32, mut work: impl FnMut() -> T) -> usize {
    for _ in 0..times {
        black_box(work());
    }
    0
}

/// Times of both, taken in turns after one round for nothing.
fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> usize,
    mut bare: impl FnMut() -> usize,
) -> (Vec<Duration>, Vec<Duration>) {
    black_box((ours(), bare()));
    (0..rounds).map(|_| (time(&mut ours), time(&mut bare))).unzip()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about nothing but the clock")]
fn time(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median_and_best(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    [times[times.len() / 2].as_secs_f64(), times[0].as_secs_f64()]
}

/// Ratios of speeds: 1.00 is as fast as bare.
fn print_speed(what: &str, len: usize, (ours, bare): (Vec<Duration>, Vec<Duration>)) {
    let (ours, bare) = (median_and_best(ours), median_and_best(bare));
    let len = f64::from(u32::try_from(len).unwrap());
    println!(
        "{what:<44} {:>6.2} GB/s {:>6.2} GB/s {:>8.3} {:>8.3}",
        len / ours[0] / 1e9,
        len / bare[0] / 1e9,
        bare[0] / ours[0],
        bare[1] / ours[1],
    );
}

/// Ratios of times: 1.00 is as fast as bare, 2.00 takes twice as long.
fn print_time(what: &str, batch: u32, (ours, bare): (Vec<Duration>, Vec<Duration>)) {
    let (ours, bare) = (median_and_best(ours), median_and_best(bare));
    println!(
        "{what:<44} {:>8.2} us {:>8.2} us {:>8.3} {:>8.3}",
        ours[0] * 1e6 / f64::from(batch),
        bare[0] * 1e6 / f64::from(batch),
        ours[0] / bare[0],
        ours[1] / bare[1],
    );
}

/// Message id, the longer of the two content strings, sequence number and length, or about that.
const AAD_LEN: usize = 72;
