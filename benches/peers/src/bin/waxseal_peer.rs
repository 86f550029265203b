//! waxseal: `waxseal_peer THREADS` between the caller's buffers, `waxseal_peer at-once` to a new `Vec`.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use peers::{Cell, KEY, KEY_NAME, KEY_NAMESPACE, Peer, Result, plaintext, serve, time};
use waxseal::{
    AesKey, AlgorithmSuite, DecryptReader, EncryptReader, Encryptor, Locked, Policy, RawAesKeyring,
};

fn main() -> Result<()> {
    let way = std::env::args().nth(1).ok_or("say how many threads, or at-once")?;
    let threads = if way == "at-once" { None } else { Some(way.parse()?) };
    let keyring = RawAesKeyring::new(KEY_NAMESPACE, KEY_NAME, AesKey::from(KEY))?;
    serve(&mut Waxseal { keyring, threads, cell: None, input: Vec::new(), output: Vec::new() })
}

struct Waxseal {
    keyring: RawAesKeyring,
    /// At once, if there is no number.
    threads: Option<NonZeroUsize>,
    cell: Option<Cell>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Peer for Waxseal {
    fn prepare(&mut self, cell: Cell) -> Result<()> {
        self.cell = Some(cell);
        self.input = plaintext(cell.len);
        // Room for the frames with 36 bytes around each, the header and the footer.
        let room = cell.len + (cell.len / cell.frame_len + 1) * 36 + 4096;
        self.output = vec![0; room];
        if cell.decrypts {
            let mut message = vec![0; room];
            let len = encrypt(self.encryptor(cell)?, &self.input, &mut message)?;
            message.truncate(len);
            self.input = message;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Duration> {
        let cell = self.cell.ok_or("nothing is prepared")?;
        let at_once = self.threads.is_none();
        let (took, len) = time(|| match (at_once, cell.decrypts) {
            (true, _) => Ok(self.at_once(cell)?.len()),
            (false, true) => self.decrypt(),
            (false, false) => encrypt(self.encryptor(cell)?, &self.input, &mut self.output),
        })?;
        if cell.decrypts && len != cell.len {
            return Err("the plaintext has another length".into());
        }
        Ok(took)
    }

    fn copy(&mut self, cell: Cell, input: &Path, output: &Path) -> Result<()> {
        if self.threads.is_none() {
            self.input = fs::read(input)?;
            return Ok(fs::write(output, self.at_once(cell)?)?);
        }
        let (input, mut output) = (File::open(input)?, File::create(output)?);
        if cell.decrypts {
            let unlock = DecryptReader::open(input)?.unlock(&self.keyring);
            io::copy(&mut unlock.threads(self.threads()).now()?, &mut output)?;
        } else {
            io::copy(&mut EncryptReader::new(self.encryptor(cell)?, input), &mut output)?;
        }
        Ok(())
    }
}

impl Waxseal {
    fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or(NonZeroUsize::MIN)
    }

    fn encryptor(&self, cell: Cell) -> Result<Encryptor> {
        let builder = waxseal::encryptor(&self.keyring)
            .suite(suite(cell))
            .frame_len(cell.frame_len.try_into()?)?;
        Ok(builder.threads(self.threads()).now()?)
    }

    /// Gives the length of the plaintext.
    fn decrypt(&mut self) -> Result<usize> {
        let (locked, header_len) = Locked::read(&self.input, Policy::default())?;
        let mut decryptor = locked.unlock(&self.keyring).threads(self.threads()).now()?;
        let (mut read, mut written) = (header_len, 0);
        loop {
            let progress = decryptor.update(&self.input[read..], &mut self.output[written..])?;
            read += progress.read;
            written += progress.written;
            if read == self.input.len() && progress.written == 0 {
                break;
            }
        }
        decryptor.finish()?;
        Ok(written)
    }

    fn at_once(&self, cell: Cell) -> Result<Vec<u8>> {
        if cell.decrypts {
            return Ok(waxseal::decrypt(&self.input, &self.keyring).now()?.into_plaintext());
        }
        let encrypt = waxseal::encrypt(&self.input, &self.keyring).suite(suite(cell));
        Ok(encrypt.frame_len(cell.frame_len.try_into()?)?.now()?.into_bytes())
    }
}

/// Gives the length of the message.
fn encrypt(mut encryptor: Encryptor, plaintext: &[u8], message: &mut [u8]) -> Result<usize> {
    let (mut read, mut written) = (0, 0);
    while read < plaintext.len() {
        let progress = encryptor.update(&plaintext[read..], &mut message[written..])?;
        read += progress.read;
        written += progress.written;
    }
    while !encryptor.is_finished() {
        written += encryptor.finish(&mut message[written..])?;
    }
    Ok(written)
}

fn suite(cell: Cell) -> AlgorithmSuite {
    if cell.signed {
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384
    } else {
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKey
    }
}
