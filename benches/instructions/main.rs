//! One workload, so many times: what `benches/instructions.sh` counts the instructions of.
//!
//! ```text
//! instructions WORKLOAD TIMES
//! ```
//!
//! Without arguments each workload runs once, to see that all of them work.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

use std::hint::black_box;

use waxseal::{AesKey, AlgorithmSuite, Decryptor, Locked, Policy, RawAesKeyring};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;

/// A name, and what runs it: it makes what it needs, and then does only what it is called so many times.
type Workload = (&'static str, fn(u32));

const WORKLOADS: [Workload; 10] = [
    ("encrypt-1KiB", |times| encrypt(UNSIGNED, 1 << 10, times)),
    ("decrypt-1KiB", |times| decrypt(UNSIGNED, 1 << 10, times)),
    ("encrypt-1KiB-to-buffer", |times| encrypt_to_buffer(UNSIGNED, 1 << 10, times)),
    ("decrypt-1KiB-to-buffer", |times| decrypt_to_buffer(UNSIGNED, 1 << 10, times)),
    ("encrypt-1KiB-signed", |times| encrypt(SIGNED, 1 << 10, times)),
    ("decrypt-1KiB-signed", |times| decrypt(SIGNED, 1 << 10, times)),
    ("stream-encrypt-1MiB", |times| stream_encrypt(1 << 20, times)),
    ("stream-decrypt-1MiB", |times| stream_decrypt(1 << 20, times)),
    ("read-header", read_header),
    ("unlock", unlock),
];

fn main() {
    // Cargo adds `--bench` or `--test`.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    match &arguments[..] {
        [] => {
            for (name, run) in WORKLOADS {
                println!("{name}");
                run(1);
            }
        }
        [name, times] => {
            let (_, run) = WORKLOADS.iter().find(|(known, _)| known == name).unwrap();
            run(times.parse().unwrap());
        }
        _ => panic!("give a workload and a number, or nothing"),
    }
}

fn encrypt(suite: AlgorithmSuite, len: usize, times: u32) {
    let (keyring, plaintext) = (keyring(), vec![7; len]);
    for _ in 0..times {
        black_box(waxseal::encrypt(&plaintext, &keyring).suite(suite).now().unwrap());
    }
}

fn encrypt_to_buffer(suite: AlgorithmSuite, len: usize, times: u32) {
    let (keyring, plaintext) = (keyring(), vec![7; len]);
    let mut buffer = vec![0; len + 1024];
    for _ in 0..times {
        let encrypt = waxseal::encrypt(&plaintext, &keyring).suite(suite);
        let _ = black_box(encrypt.into_buffer(&mut buffer).now().unwrap());
    }
}

fn decrypt(suite: AlgorithmSuite, len: usize, times: u32) {
    let (keyring, message) = message(suite, len);
    for _ in 0..times {
        black_box(waxseal::decrypt(&message, &keyring).now().unwrap());
    }
}

fn decrypt_to_buffer(suite: AlgorithmSuite, len: usize, times: u32) {
    let (keyring, message) = message(suite, len);
    let mut buffer = vec![0; len];
    for _ in 0..times {
        let decrypt = waxseal::decrypt(&message, &keyring);
        let _ = black_box(decrypt.into_buffer(&mut buffer).now().unwrap());
    }
}

fn stream_encrypt(len: usize, times: u32) {
    let (keyring, plaintext) = (keyring(), vec![7; len]);
    let mut message = vec![0; len + len / 64 + 1024];
    for _ in 0..times {
        let mut encryptor = waxseal::encryptor(&keyring).suite(UNSIGNED).now().unwrap();
        let progress = encryptor.update(&plaintext, &mut message).unwrap();
        black_box(encryptor.finish(&mut message[progress.written..]).unwrap());
    }
}

fn stream_decrypt(len: usize, times: u32) {
    let (keyring, message) = message(UNSIGNED, len);
    let mut plaintext = vec![0; len];
    for _ in 0..times {
        let (mut decryptor, header_len) = start(&message, &keyring);
        let progress = decryptor.update(&message[header_len..], &mut plaintext).unwrap();
        assert_eq!(progress.written, len);
        let _ = black_box(decryptor.finish().unwrap());
    }
}

fn read_header(times: u32) {
    let (_, message) = message(UNSIGNED, 0);
    for _ in 0..times {
        let _ = black_box(Locked::read(&message, Policy::default()).unwrap());
    }
}

fn unlock(times: u32) {
    let (keyring, message) = message(UNSIGNED, 0);
    for _ in 0..times {
        black_box(start(&message, &keyring));
    }
}

fn start(message: &[u8], keyring: &RawAesKeyring) -> (Decryptor, usize) {
    let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
    (locked.unlock(keyring).now().unwrap(), header_len)
}

fn message(suite: AlgorithmSuite, len: usize) -> (RawAesKeyring, Vec<u8>) {
    let keyring = keyring();
    let message = waxseal::encrypt(&vec![7; len], &keyring)
        .suite(suite)
        .context([("tenant", "42"), ("purpose", "benchmark")])
        .now()
        .unwrap();
    (keyring, message.into_bytes())
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("bench", "key", AesKey::from([5; 32])).unwrap()
}
