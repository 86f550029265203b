//! Everything that a message cannot do without, and nothing else.

use std::hint::black_box;

use crate::bare::{Gcm, Signer, derive, sha384, verify};

/// One message's worth of primitives over buffers that are there already.
pub(crate) struct Primitives {
    frame_len: usize,
    signed: bool,
    wrapping_key: Gcm,
    header: Vec<u8>,
    header_tag: [u8; 16],
    sealed_key: [u8; 48],
    sealed: Vec<u8>,
    public_key: Vec<u8>,
    signature: Vec<u8>,
}

impl Primitives {
    pub(crate) fn new(header_len: usize, frame_len: usize, signed: bool, plaintext: &[u8]) -> Self {
        let mut primitives = Self {
            frame_len,
            signed,
            wrapping_key: Gcm::new(&[5; 32]),
            header: vec![1; header_len],
            header_tag: [0; 16],
            sealed_key: [0; 48],
            sealed: vec![0; plaintext.len() + plaintext.len().div_ceil(frame_len).max(1) * 32],
            public_key: Vec::new(),
            signature: Vec::new(),
        };
        primitives.encrypt(plaintext);
        primitives
    }

    pub(crate) fn encrypt(&mut self, plaintext: &[u8]) -> usize {
        let (mut data_key, mut message_id, mut iv) = ([0; 32], [0; 32], [0; 12]);
        for bytes in [&mut data_key[..], &mut message_id, &mut iv] {
            getrandom::fill(bytes).unwrap();
        }
        black_box((data_key, message_id, iv));
        let signer = self.signed.then(Signer::generate);
        if let Some(signer) = &signer {
            self.public_key = signer.public_key();
        }
        // Fixed keys, so that what was sealed last opens.
        self.wrapping_key.seal(1, &[], &DATA_KEY, &mut self.sealed_key);
        let key = derive(&DATA_KEY, &MESSAGE_ID);
        key.seal(0, &self.header, &[], &mut self.header_tag);
        let mut rest = &mut self.sealed[..];
        for (n, frame) in (1..).zip(plaintext.chunks(self.frame_len)) {
            let (sealed, after) = rest.split_at_mut(32 + frame.len());
            // Sixteen bytes stand for sequence number and IV.
            key.seal(n, &AAD, frame, &mut sealed[16..]);
            rest = after;
        }
        if let Some(signer) = &signer {
            self.signature = signer.sign(&self.sealed);
        }
        self.sealed.len()
    }

    pub(crate) fn decrypt(&self, plaintext: &mut [u8]) -> usize {
        let mut data_key = [0; 32];
        self.wrapping_key.open(1, &[], &self.sealed_key, &mut data_key);
        let key = derive(&data_key, &MESSAGE_ID);
        key.open(0, &self.header, &self.header_tag, &mut []);
        let mut rest = &self.sealed[..];
        for (n, frame) in (1..).zip(plaintext.chunks_mut(self.frame_len)) {
            let (sealed, after) = rest.split_at(32 + frame.len());
            key.open(n, &AAD, &sealed[16..], frame);
            rest = after;
        }
        if self.signed {
            verify(&self.public_key, &self.sealed, &self.signature);
        }
        plaintext.len()
    }

    /// What a signed message cannot be faster than on any number of threads.
    pub(crate) fn hash(&self) -> usize {
        sha384(&self.sealed)
    }
}

const DATA_KEY: [u8; 32] = [8; 32];
const MESSAGE_ID: [u8; 32] = [4; 32];
/// As long as message id, content string, sequence number and length.
const AAD: [u8; 72] = [9; 72];
