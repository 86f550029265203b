//! What this crate costs beside the primitives that it cannot do without.
//!
//! First criterion's own measurements, then a table of ratios to bare primitives, which is what the
//! targets are about. The primitives are those of the backend that the crate has:
//!
//! ```text
//! cargo bench --bench frames -- ratios           only the table
//! cargo bench --bench frames -- ratios --full    with messages of 1 GiB
//! cargo bench --bench frames -- random           only its last part
//! cargo bench --bench frames --no-default-features --features rustcrypto -- ratios
//! ```
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
mod aws_lc;
mod primitives;
mod ratios;
#[cfg(not(any(feature = "aws-lc-rs", feature = "fips")))]
mod rust_crypto;

use std::num::NonZeroUsize;
use std::time::Duration;

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
use aws_lc as bare;
use criterion::{BenchmarkId, Criterion, Throughput};
use primitives::Primitives;
use ratios::Extent;
#[cfg(not(any(feature = "aws-lc-rs", feature = "fips")))]
use rust_crypto as bare;
use waxseal::{AesKey, AlgorithmSuite, Locked, Policy, RawAesKeyring, encryptor};

/// Names, and suites of which only the second signs.
const SUITES: [(&str, AlgorithmSuite); 2] = [
    ("0478", AlgorithmSuite::Aes256GcmHkdfSha512CommitKey),
    ("0578", AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384),
];
const FRAME_LENS: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
const MESSAGE_LENS: [usize; 3] = [1 << 10, 64 << 10, 16 << 20];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |what: &str| arguments.iter().any(|argument| argument == what);
    let extent = if given("--test") || !given("--bench") {
        Extent::Smoke
    } else if given("--full") {
        Extent::Full
    } else {
        Extent::Usual
    };
    if given("random") {
        return ratios::random_reads(extent);
    }
    let filtered = arguments.iter().any(|argument| !argument.starts_with('-'));
    if !given("ratios") {
        let mut criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(400))
            .configure_from_args();
        streams(&mut criterion);
        one_kibibyte(&mut criterion);
        bare_primitives(&mut criterion);
        criterion.final_summary();
    }
    if !filtered || given("ratios") {
        ratios::print(extent);
    }
}

fn streams(criterion: &mut Criterion) {
    let keyring = keyring();
    for (name, suite) in SUITES {
        let mut group = criterion.benchmark_group(format!("stream/{name}"));
        for len in MESSAGE_LENS {
            let plaintext = vec![7; len];
            for frame_len in frame_lens(len) {
                let setup = Setup { suite, frame_len, threads: 1 };
                let mut message = vec![0; message_buffer_len(len, frame_len)];
                let mut opened = vec![0; len];
                let what = format!("{}/frames of {}", size(len), size(frame_len));
                group.throughput(Throughput::Bytes(u64::try_from(len).unwrap()));
                group.bench_function(BenchmarkId::new("encrypt", &what), |bencher| {
                    bencher.iter(|| encrypt(&keyring, setup, &plaintext, &mut message));
                });
                let len = encrypt(&keyring, setup, &plaintext, &mut message);
                group.bench_function(BenchmarkId::new("decrypt", &what), |bencher| {
                    bencher.iter(|| decrypt(&keyring, 1, &message[..len], &mut opened));
                });
            }
        }
    }
}

fn one_kibibyte(criterion: &mut Criterion) {
    let (keyring, plaintext) = (keyring(), [7; 1 << 10]);
    for (name, suite) in SUITES {
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

fn bare_primitives(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bare");
    let mut plaintext = vec![7; 16 << 20];
    group.throughput(Throughput::Bytes(u64::try_from(plaintext.len()).unwrap()));
    for frame_len in FRAME_LENS {
        let mut bare = Primitives::new(300, frame_len, false, &plaintext);
        group.bench_function(format!("seal/frames of {}", size(frame_len)), |bencher| {
            bencher.iter(|| bare.encrypt(&plaintext));
        });
        group.bench_function(format!("open/frames of {}", size(frame_len)), |bencher| {
            bencher.iter(|| bare.decrypt(&mut plaintext));
        });
    }
    group.bench_function("sha384", |bencher| bencher.iter(|| bare::sha384(&plaintext)));
}

/// How a stream is encrypted.
#[derive(Clone, Copy)]
struct Setup {
    suite: AlgorithmSuite,
    frame_len: usize,
    threads: usize,
}

/// A whole message through the engine; gives its length.
fn encrypt(keyring: &RawAesKeyring, setup: Setup, plaintext: &[u8], message: &mut [u8]) -> usize {
    let Setup { suite, frame_len, threads } = setup;
    let frame_len = u32::try_from(frame_len).unwrap();
    let builder = encryptor(keyring).suite(suite).frame_len(frame_len).unwrap();
    let mut encryptor = builder.threads(NonZeroUsize::new(threads).unwrap()).now().unwrap();
    let progress = encryptor.update(plaintext, message).unwrap();
    assert_eq!(progress.read, plaintext.len());
    let written = encryptor.finish(&mut message[progress.written..]).unwrap();
    assert!(encryptor.is_finished());
    progress.written + written
}

fn decrypt(keyring: &RawAesKeyring, threads: usize, message: &[u8], plaintext: &mut [u8]) -> usize {
    let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    let mut decryptor = locked.unlock(keyring).threads(threads).now().unwrap();
    let progress = decryptor.update(&message[header_len..], plaintext).unwrap();
    assert_eq!(progress.written, plaintext.len());
    decryptor.finish().unwrap();
    progress.written
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("bench", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

/// Those that a message of so many bytes fills: in others its only frame is as short as itself.
fn frame_lens(len: usize) -> impl Iterator<Item = usize> {
    FRAME_LENS.into_iter().filter(move |frame_len| *frame_len <= len.max(FRAME_LENS[0]))
}

fn message_buffer_len(len: usize, frame_len: usize) -> usize {
    1024 + len + (len / frame_len + 1) * 40
}

fn nonce(n: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&n.to_be_bytes());
    nonce
}

fn size(len: usize) -> String {
    match len {
        len if len >= 1 << 30 => format!("{} GiB", len >> 30),
        len if len >= 1 << 20 => format!("{} MiB", len >> 20),
        len => format!("{} KiB", len >> 10),
    }
}
