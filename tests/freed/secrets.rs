//! The secrets of a test, what is derived from them, and the search for them in what was freed.

use std::fmt::Write;
use std::future::Future;

use hmac::{Hmac, KeyInit, Mac};
use pkcs8::der::asn1::{OctetStringRef, UintRef};
use pkcs8::der::{Decode, Reader, SliceReader};
use sha2::{Sha256, Sha384, Sha512};
use waxseal::{AlgorithmSuite, Header};

use crate::allocator::{FreedBlock, Watch};

/// Named secrets. A copy of 31 bytes in a row is found wherever it begins; of a whole secret, 16 bytes suffice.
#[derive(Default, Clone)]
pub(crate) struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= PIECE_LEN, "{name} is too short to be searched for");
        assert!(secret.iter().any(|byte| *byte != 0), "{name} is nothing but zeros");
        self.0.push((name.to_owned(), secret.to_vec()));
        overwrite_stack();
    }

    /// Also in reverse, which is how numbers of many bits lie in memory, and as text.
    pub(crate) fn add_with_forms(&mut self, name: &str, secret: &[u8]) {
        let reversed: Vec<_> = secret.iter().rev().copied().collect();
        self.add(&format!("{name}, reversed"), &reversed);
        self.add_as_written(name, secret);
    }

    /// As it is, hexadecimal, and base64.
    pub(crate) fn add_as_written(&mut self, name: &str, secret: &[u8]) {
        self.add(name, secret);
        self.add(&format!("{name}, hexadecimal"), hex(secret).as_bytes());
        // Where three bytes begin in a longer text is not known.
        for shift in 0..3 {
            let (name, bytes) = (format!("{name}, base64"), &secret[shift..]);
            self.add(&name, base64(&bytes[..bytes.len() / 3 * 3]).as_bytes());
        }
    }

    /// The numbers of an RSA private key that are secret, from its PKCS #8 text.
    pub(crate) fn add_rsa_key(&mut self, pem: &str) {
        self.add_rsa_numbers(pem, !RUST_CRYPTO);
    }

    /// The same, where the crate `rsa` calculates: it clears its keys, but leaves numbers behind that it had on the way.
    #[cfg(feature = "s3-format")]
    pub(crate) fn add_rsa_key_as_written(&mut self, pem: &str) {
        self.add_rsa_numbers(pem, false);
    }

    fn add_rsa_numbers(&mut self, pem: &str, reversed: bool) {
        let inner = private_key(pem);
        let mut reader = SliceReader::new(&inner).unwrap();
        let numbers = reader.sequence(|key| {
            u8::decode(key)?;
            (0..8).map(|_| UintRef::decode(key)).collect::<pkcs8::der::Result<Vec<_>>>()
        });
        let names = ["d", "p", "q", "d mod (p-1)", "d mod (q-1)", "q^-1 mod p"];
        for (name, number) in names.iter().zip(&numbers.unwrap()[2..]) {
            if reversed {
                self.add_with_forms(name, number.as_bytes());
            } else {
                self.add_as_written(name, number.as_bytes());
            }
        }
    }

    /// The number of an elliptic-curve private key, from its PKCS #8 text.
    pub(crate) fn add_ec_key(&mut self, name: &str, pem: &str) {
        self.add_with_forms(name, &ec_scalar(pem));
    }

    /// What a data key becomes for this message, as the specification derives it.
    pub(crate) fn add_derived(&mut self, data_key: &[u8], header: &Header) {
        let suite = header.suite();
        let id = suite.id().to_be_bytes();
        let message_id = header.message_id();
        self.add("data key", data_key);
        match suite.id() {
            0x0014 | 0x0046 | 0x0078 => {}
            0x0114 | 0x0146 | 0x0178 | 0x0214 => {
                let prk = hmac_sha256(&[0; 32], &[data_key]);
                self.add("extracted key", &prk);
                let key = hmac_sha256(&prk, &[&id, message_id, &[1]]);
                self.add("content key", &key[..suite.data_key_len()]);
            }
            0x0346 | 0x0378 => {
                let prk = hmac_sha384(&[0; 48], &[data_key]);
                self.add("extracted key", &prk);
                let key = hmac_sha384(&prk, &[&id, message_id, &[1]]);
                self.add("content key", &key[..suite.data_key_len()]);
            }
            0x0478 | 0x0578 => {
                let prk = hmac_sha512(message_id, &[data_key]);
                self.add("extracted key", &prk);
                let key = hmac_sha512(&prk, &[&id, b"DERIVEKEY", &[1]]);
                self.add("content key", &key[..suite.data_key_len()]);
            }
            other => panic!("a suite without a derivation here: {other:#06x}"),
        }
    }

    /// The freed blocks that hold a secret, with what is where in them.
    pub(crate) fn find_in<'a>(&self, freed: &'a [FreedBlock]) -> Vec<(&'a FreedBlock, String)> {
        let mut pieces = Vec::new();
        let mut begins = vec![false; 1 << 16];
        for (name, secret) in &self.0 {
            let last = secret.len() - PIECE_LEN;
            for at in (0..last).step_by(PIECE_LEN).chain([last]) {
                let piece = &secret[at..][..PIECE_LEN];
                begins[begin(piece)] = true;
                pieces.push((piece, name, at));
            }
        }
        let mut found = Vec::new();
        for block in freed {
            let bytes = &block.bytes;
            let hits: Vec<_> = places(bytes, &begins)
                .into_iter()
                .flat_map(|at| {
                    let window = &bytes[at..][..PIECE_LEN];
                    let equal = pieces.iter().filter(move |(piece, ..)| *piece == window);
                    equal.map(move |(_, name, of)| format!("{name} from {of} at {at}"))
                })
                .take(4)
                .collect();
            if !hits.is_empty() {
                found.push((block, format!("{} bytes: {}", bytes.len(), hits.join("; "))));
            }
        }
        found
    }

    /// # Panics
    /// If a freed block holds one of them.
    #[track_caller]
    pub(crate) fn assert_not_in(&self, freed: &[FreedBlock]) {
        assert!(!self.0.is_empty(), "there is nothing to search for");
        assert!(!freed.is_empty(), "there is nothing to search in");
        self.assert_only_in(freed, |_| false);
    }

    /// # Panics
    /// If a freed block holds one of them that is not `known` to do so.
    #[track_caller]
    pub(crate) fn assert_only_in(&self, freed: &[FreedBlock], known: impl Fn(&FreedBlock) -> bool) {
        let mut found = self.find_in(freed);
        found.retain(|(block, _)| !known(block));
        let tell = |(block, what): &(&FreedBlock, String)| {
            let trace = block.trace.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{what}\n{trace}")
        };
        let told: Vec<_> = found.iter().map(tell).collect();
        assert!(found.is_empty(), "{} of {}:\n{}", found.len(), freed.len(), told.join("\n"));
    }
}

/// What a test calculated on the stack is not to be taken for what the library left there.
#[inline(never)]
fn overwrite_stack() {
    std::hint::black_box(&mut [0_u8; 512 << 10]);
}

/// What is freed while `act` runs.
pub(crate) fn freed_by(act: impl FnOnce()) -> Vec<FreedBlock> {
    let watch = Watch::start();
    act();
    watch.stop()
}

/// What is freed while the future runs, on this thread and on those of a runtime.
pub(crate) fn freed_by_async(act: impl Future<Output = ()>) -> Vec<FreedBlock> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    freed_by(|| runtime.block_on(act))
}

/// Bytes that nothing else holds by chance. They lie on the heap: what passes through the stack may stay there, and
/// come from there into the unused part of somebody's block.
pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    for chunk in bytes.chunks_mut(32) {
        let key = waxseal::AesKey::generate_256().unwrap();
        chunk.copy_from_slice(&key.expose()[..chunk.len()]);
    }
    bytes
}

/// A plaintext in which one block of 16 bytes is repeated, so that 31 bytes of it hold the block.
pub(crate) struct Plaintext {
    pub(crate) bytes: Vec<u8>,
    block: Vec<u8>,
}

impl Plaintext {
    pub(crate) fn new(len: usize) -> Self {
        let block = random(PIECE_LEN);
        Self { bytes: block.iter().copied().cycle().take(len).collect(), block }
    }

    pub(crate) fn add_to(&self, secrets: &mut Secrets) {
        secrets.add("plaintext", &self.block);
    }
}

/// The number of an elliptic-curve private key.
pub(crate) fn ec_scalar(pem: &str) -> Vec<u8> {
    let inner = private_key(pem);
    let mut reader = SliceReader::new(&inner).unwrap();
    let scalar = reader.sequence(|key| {
        u8::decode(key)?;
        let scalar = <&OctetStringRef>::decode(key)?.as_bytes().to_vec();
        let rest = key.remaining_len();
        key.read_slice(rest)?;
        pkcs8::der::Result::Ok(scalar)
    });
    scalar.unwrap()
}

/// HMAC in counter mode, with a counter of 32 bits before the rest, as the ECDH keyrings derive their keys.
pub(crate) fn ecdh_wrapping_key(shared: &[u8], salt: &[u8], fixed_info: &[u8]) -> Vec<u8> {
    let bits = 512_u32.to_be_bytes();
    let blocks = [1_u32, 2].map(|counter| {
        hmac_sha384(shared, &[&counter.to_be_bytes(), fixed_info, &[0], salt, &bits])
    });
    blocks.concat()[32..64].to_vec()
}

fn private_key(pem: &str) -> Vec<u8> {
    let (label, der) = pkcs8::der::pem::decode_vec(pem.as_bytes()).unwrap();
    assert_eq!(label, "PRIVATE KEY");
    pkcs8::PrivateKeyInfoRef::from_der(&der).unwrap().private_key.as_bytes().to_vec()
}

/// Where pieces may begin. This looks at every byte that was freed, so it is written to be fast without optimization.
fn places(bytes: &[u8], begins: &[bool]) -> Vec<usize> {
    let mut places = Vec::new();
    let (mut at, end) = (1, bytes.len().saturating_sub(PIECE_LEN - 2));
    let mut two = bytes.first().map_or(0, |first| usize::from(*first));
    while at < end {
        two = (two << 8 | usize::from(bytes[at])) & 0xffff;
        if begins[two] {
            places.push(at - 1);
        }
        at += 1;
    }
    places
}

fn begin(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    Base64::encode_string(bytes)
}

/// An HMAC over parts that are concatenated.
macro_rules! hmac {
    ($($name:ident: $hash:ident, $len:literal;)*) => {$(
        pub(crate) fn $name(key: &[u8], parts: &[&[u8]]) -> [u8; $len] {
            let mut mac = Hmac::<$hash>::new_from_slice(key).unwrap();
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        }
    )*};
}

hmac! {
    hmac_sha256: Sha256, 32;
    hmac_sha384: Sha384, 48;
    hmac_sha512: Sha512, 64;
}

#[test]
fn keys_are_derived_as_the_message_says() {
    let key = crate::keyrings::aes(random(32));
    let message = waxseal::encrypt(b"x", &key).suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
    let message = message.now().unwrap();
    let data_key = crate::keyrings::data_key_of(&key, message.header());
    let prk = hmac_sha512(message.header().message_id(), &[&data_key]);
    let commitment = &hmac_sha512(&prk, &[b"COMMITKEY", &[1]])[..32];
    assert!(message.windows(32).any(|window| window == commitment));
}

const PIECE_LEN: usize = 16;
const RUST_CRYPTO: bool = cfg!(not(any(feature = "aws-lc-rs", feature = "fips")));
