//! The primitives that nobody can do without, of aws-lc-rs: the limits.
//!
//! `bare primitives`: AES-256-GCM over the same frames, with as many bytes to authenticate beside them, and
//! for signed suites SHA-384 over the message. `bare memcpy`: a copy of the message.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA384, digest};
use peers::{Cell, KEY, Peer, Result, plaintext, serve, time};

/// Message id, what the content is, sequence number, length.
const AAD_LEN: usize = 72;
const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;

fn main() -> Result<()> {
    let copies = std::env::args().nth(1).as_deref() == Some("memcpy");
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY)?);
    serve(&mut Bare { copies, key, cell: None, input: Vec::new(), output: Vec::new() })
}

struct Bare {
    copies: bool,
    key: LessSafeKey,
    cell: Option<Cell>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Peer for Bare {
    fn prepare(&mut self, cell: Cell) -> Result<()> {
        self.cell = Some(cell);
        self.input = plaintext(cell.len);
        self.output = vec![0; sealed_len(cell)];
        if cell.decrypts {
            self.seal(cell)?;
            self.input = std::mem::replace(&mut self.output, vec![0; cell.len]);
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Duration> {
        let cell = self.cell.ok_or("nothing is prepared")?;
        let (took, ()) = time(|| {
            if self.copies {
                self.output[..cell.len].copy_from_slice(&self.input[..cell.len]);
            } else if cell.signed {
                black_box(digest(&SHA384, &self.input));
            } else if cell.decrypts {
                self.open(cell)?;
            } else {
                self.seal(cell)?;
            }
            black_box(&mut self.output);
            Ok(())
        })?;
        Ok(took)
    }

    fn copy(&mut self, _: Cell, _: &Path, _: &Path) -> Result<()> {
        Err("primitives make no message".into())
    }
}

impl Bare {
    fn seal(&mut self, cell: Cell) -> Result<()> {
        let sealed = self.output.chunks_mut(cell.frame_len + TAG_LEN);
        for (number, (plaintext, sealed)) in
            self.input.chunks(cell.frame_len).zip(sealed).enumerate()
        {
            let (nonce, aad) = nonce_and_aad(number)?;
            let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
            self.key.seal_out_of_place_scatter(
                nonce,
                Aad::from(aad),
                plaintext,
                ciphertext,
                &[],
                tag,
            )?;
        }
        Ok(())
    }

    fn open(&mut self, cell: Cell) -> Result<()> {
        let opened = self.output.chunks_mut(cell.frame_len);
        for (number, (sealed, plaintext)) in
            self.input.chunks(cell.frame_len + TAG_LEN).zip(opened).enumerate()
        {
            let (nonce, aad) = nonce_and_aad(number)?;
            let (ciphertext, tag) = sealed.split_at(plaintext.len());
            self.key.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plaintext)?;
        }
        Ok(())
    }
}

fn nonce_and_aad(number: usize) -> Result<(Nonce, [u8; AAD_LEN])> {
    let number = u32::try_from(number)?.to_be_bytes();
    let (mut nonce, mut aad) = ([0; IV_LEN], [9; AAD_LEN]);
    nonce[IV_LEN - 4..].copy_from_slice(&number);
    aad[..4].copy_from_slice(&number);
    Ok((Nonce::assume_unique_for_key(nonce), aad))
}

fn sealed_len(cell: Cell) -> usize {
    cell.len + cell.len.div_ceil(cell.frame_len) * TAG_LEN
}
