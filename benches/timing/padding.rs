//! Padded blocks of every kind, right and wrong, encrypted with a public key as they are.
//!
//! Nobody who encrypts honestly needs this, so no library does it. It is slow, and for attacks in tests and
//! benches only.

use sha2::{Digest, Sha256};

/// The number in an RSA public key of 2,048 bits, whose exponent is 65,537.
pub(crate) struct TextbookRsa {
    modulus: [u32; LIMBS],
}

impl TextbookRsa {
    /// Takes an SPKI in PEM.
    pub(crate) fn new(pem: &str) -> Self {
        use base64ct::{Base64, Encoding};
        let text: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
        let der = Base64::decode_vec(&text).unwrap();
        let (rest, exponent) = der.split_at(der.len() - EXPONENT.len());
        assert_eq!(exponent, EXPONENT);
        let modulus = rest.last_chunk::<MODULUS_LEN>().unwrap();
        assert!(rest.len() > MODULUS_LEN && modulus[0] >= 0x80, "2,048 bits");
        Self { modulus: limbs(modulus) }
    }

    /// The ciphertext that decrypts to this block. The block is below the modulus, for what these tests put first.
    pub(crate) fn encrypt(&self, block: &[u8; MODULUS_LEN]) -> [u8; MODULUS_LEN] {
        let message = limbs(block);
        let mut power = message;
        for _ in 0..16 {
            power = self.product(&power, &power);
        }
        bytes(&self.product(&power, &message))
    }

    /// By doubling and adding, from the highest bit of `b`.
    fn product(&self, a: &[u32; LIMBS], b: &[u32; LIMBS]) -> [u32; LIMBS] {
        let mut product = [0; LIMBS];
        for limb in b {
            for bit in (0..32).rev() {
                product = self.sum(&product, &product);
                if limb >> bit & 1 == 1 {
                    product = self.sum(&product, a);
                }
            }
        }
        product
    }

    /// Of two numbers below the modulus, or a little above.
    fn sum(&self, a: &[u32; LIMBS], b: &[u32; LIMBS]) -> [u32; LIMBS] {
        let (mut sum, mut carry) = ([0; LIMBS], false);
        for ((sum, a), b) in sum.iter_mut().zip(a).zip(b).rev() {
            let (partial, first) = a.overflowing_add(*b);
            let (whole, second) = partial.overflowing_add(u32::from(carry));
            (*sum, carry) = (whole, first | second);
        }
        if !carry && sum < self.modulus {
            return sum;
        }
        let mut borrow = false;
        for (sum, modulus) in sum.iter_mut().zip(&self.modulus).rev() {
            let (partial, first) = sum.overflowing_sub(*modulus);
            let (whole, second) = partial.overflowing_sub(u32::from(borrow));
            (*sum, borrow) = (whole, first | second);
        }
        sum
    }
}

/// What is wrong with a block, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pkcs1 {
    Valid,
    /// The first byte is 1 instead of 0.
    FirstByte,
    /// The second byte is 1 instead of 2, as in a signature.
    SecondByte,
    /// A zero within the eight bytes of padding that there must be.
    ShortPadding,
    /// No zero before the content: there is none.
    NoSeparator,
    /// Content of another length than the data key's.
    ContentLen(usize),
}

/// A block of PKCS #1 v1.5; `fill` makes the padding, `content` the data key.
pub(crate) fn pkcs1(kind: Pkcs1, fill: &[u8; MODULUS_LEN], content: &[u8]) -> [u8; MODULUS_LEN] {
    let content = match kind {
        Pkcs1::ContentLen(len) => &[0x5a; MODULUS_LEN][..len],
        _ => content,
    };
    let mut block = fill.map(|byte| byte.max(1));
    let separator = MODULUS_LEN - content.len() - 1;
    block[..2].copy_from_slice(&[0, 2]);
    block[separator] = 0;
    block[separator + 1..].copy_from_slice(content);
    match kind {
        Pkcs1::Valid | Pkcs1::ContentLen(_) => {}
        Pkcs1::FirstByte => block[0] = 1,
        Pkcs1::SecondByte => block[1] = 1,
        Pkcs1::ShortPadding => block[5] = 0,
        Pkcs1::NoSeparator => block[2..].iter_mut().for_each(|byte| *byte = (*byte).max(1)),
    }
    block
}

/// What is wrong with a block, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oaep {
    Valid,
    /// The first byte is 1 instead of 0: what Manger's attack asks for.
    LeadingByte,
    /// The hash of the label is another one.
    LabelHash,
    /// Something stands between the hash and the separator.
    Padding,
    /// No separator, and no content.
    NoSeparator,
    /// Content of another length than the data key's.
    ContentLen(usize),
}

/// A block of OAEP with SHA-256; `seed` is its own randomness, `content` the data key.
pub(crate) fn oaep_sha256(kind: Oaep, seed: &[u8; 32], content: &[u8]) -> [u8; MODULUS_LEN] {
    let content = match kind {
        Oaep::ContentLen(len) => &[0x5a; MODULUS_LEN][..len],
        _ => content,
    };
    let mut data = [0; MODULUS_LEN - 33];
    data[..32].copy_from_slice(&Sha256::digest(b""));
    let separator = data.len() - content.len() - 1;
    data[separator] = 1;
    data[separator + 1..].copy_from_slice(content);
    match kind {
        Oaep::Valid | Oaep::LeadingByte | Oaep::ContentLen(_) => {}
        Oaep::LabelHash => data[0] ^= 1,
        Oaep::Padding => data[40] = 2,
        Oaep::NoSeparator => data[32..].fill(0),
    }
    mask(seed, &mut data);
    let mut masked_seed = *seed;
    mask(&data, &mut masked_seed);
    let mut block = [0; MODULUS_LEN];
    block[0] = u8::from(kind == Oaep::LeadingByte);
    block[1..33].copy_from_slice(&masked_seed);
    block[33..].copy_from_slice(&data);
    block
}

/// MGF1 with SHA-256.
fn mask(seed: &[u8], out: &mut [u8]) {
    for (count, part) in (0_u32..).zip(out.chunks_mut(32)) {
        let digest = Sha256::new().chain_update(seed).chain_update(count.to_be_bytes()).finalize();
        for (byte, mask) in part.iter_mut().zip(digest) {
            *byte ^= mask;
        }
    }
}

fn limbs(bytes: &[u8; MODULUS_LEN]) -> [u32; LIMBS] {
    let mut limbs = [0; LIMBS];
    for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
        *limb = u32::from_be_bytes(*bytes);
    }
    limbs
}

fn bytes(limbs: &[u32; LIMBS]) -> [u8; MODULUS_LEN] {
    let mut bytes = [0; MODULUS_LEN];
    for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(limbs) {
        *bytes = limb.to_be_bytes();
    }
    bytes
}

/// Length of modulus, block and ciphertext in bytes.
pub(crate) const MODULUS_LEN: usize = 256;
/// Digits of 32 bits, the highest first.
const LIMBS: usize = MODULUS_LEN / 4;
/// As the key has it at its end.
const EXPONENT: [u8; 5] = [2, 3, 1, 0, 1];
