//! The crate age: another format, with chunks of 64 KiB and no signature.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::iter;
use std::path::Path;
use std::time::Duration;

use age::x25519::Identity;
use age::{Decryptor, Encryptor};
use peers::{Cell, Peer, Result, plaintext, serve, time};

/// 32 times 0x42: anyone's key.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn main() -> Result<()> {
    let identity = IDENTITY.parse()?;
    serve(&mut Age { identity, cell: None, input: Vec::new(), output: Vec::new() })
}

struct Age {
    identity: Identity,
    cell: Option<Cell>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Peer for Age {
    fn prepare(&mut self, cell: Cell) -> Result<()> {
        self.cell = Some(cell);
        self.input = plaintext(cell.len);
        self.output = Vec::with_capacity(cell.len + cell.len / 1000 + 4096);
        if cell.decrypts {
            encrypt(&self.identity, &self.input[..], &mut self.output)?;
            self.input = std::mem::take(&mut self.output);
            self.output = vec![0; cell.len];
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Duration> {
        let cell = self.cell.ok_or("nothing is prepared")?;
        let (took, ()) = time(|| {
            if cell.decrypts {
                let mut reader = decrypt(&self.identity, &self.input[..])?;
                reader.read_exact(&mut self.output)?;
                if reader.read(&mut [0])? != 0 {
                    return Err("the plaintext is too long".into());
                }
            } else {
                self.output.clear();
                encrypt(&self.identity, &self.input[..], &mut self.output)?;
            }
            black_box(&mut self.output);
            Ok(())
        })?;
        Ok(took)
    }

    fn copy(&mut self, cell: Cell, input: &Path, output: &Path) -> Result<()> {
        let (input, mut output) = (File::open(input)?, File::create(output)?);
        if cell.decrypts {
            io::copy(&mut decrypt(&self.identity, input)?, &mut output)?;
        } else {
            encrypt(&self.identity, input, output)?;
        }
        Ok(())
    }
}

fn encrypt(identity: &Identity, mut input: impl Read, output: impl Write) -> Result<()> {
    let recipient = identity.to_public();
    let encryptor = Encryptor::with_recipients(iter::once(&recipient as &dyn age::Recipient))?;
    let mut writer = encryptor.wrap_output(output)?;
    io::copy(&mut input, &mut writer)?;
    writer.finish()?;
    Ok(())
}

fn decrypt<R: Read>(identity: &Identity, input: R) -> Result<impl Read> {
    Ok(Decryptor::new(input)?.decrypt(iter::once(identity as &dyn age::Identity))?)
}
