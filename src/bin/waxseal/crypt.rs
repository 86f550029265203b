//! `encrypt` and `decrypt`.

use std::fs::File;
use std::io::{self, Read, Seek as _, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use waxseal::{DecryptReader, EncryptReader, Error, Policy};
use zeroize::Zeroizing;

use crate::args::{Decrypt, Encrypt, Limits};
use crate::context;
use crate::failure::Failure;
use crate::input::Input;
use crate::key::{self, Keys, Use};
use crate::output::{Output, Target};
use crate::pump::{self, Side};
use crate::range;
use crate::tree;

pub(crate) fn encrypt(args: &Encrypt) -> Result<(), Failure> {
    let Encrypt {
        keys,
        context,
        context_file,
        suite,
        frame_length,
        caching,
        limits,
        files,
        suffix,
    } = args;
    let context = context::to_store(context, context_file.as_deref())?;
    let policy = policy(limits);
    let keys = key::load(keys, Use::Encrypt, caching.as_deref())?;
    let read = read_files(&keys, context_file);
    tree::each_file(files, suffix.as_deref(), ".encrypted", |mut input, target, threads| {
        target.check_apart(&input, &read)?;
        target.check_new()?;
        target.check_binary()?;
        let mut encryptor = waxseal::encryptor(&keys.manager)
            .context(&context)
            .policy(policy.clone())
            .threads(threads);
        if let Some(suite) = *suite {
            encryptor = encryptor.suite(suite);
        }
        if let Some(frame_len) = *frame_length {
            encryptor = encryptor.frame_len(frame_len)?;
        }
        // Only what has a known length can share a data key whose bytes are counted.
        if let (Some(_), Some(len)) = (caching, input.file_len()) {
            encryptor = encryptor.plaintext_bound(len);
        }
        let encryptor = keys.waiter.wait(encryptor)?;
        let mut output = target.create()?;
        input.show_progress();
        let name = input.name().to_owned();
        pump(EncryptReader::new(encryptor, input), &name, &mut output, threads)?;
        output.commit()
    })
}

pub(crate) fn decrypt(args: &Decrypt) -> Result<(), Failure> {
    let Decrypt {
        keys,
        context,
        context_file,
        max_frame_length,
        buffer,
        caching,
        limits,
        files,
        suffix,
        ..
    } = args;
    let range = range::check(args)?;
    let (context, names) = context::to_require(context, context_file.as_deref())?;
    let mut policy = policy(limits);
    if let Some(limit) = *max_frame_length {
        policy = policy.max_frame_len(limit);
    }
    let keys = key::load(keys, Use::Decrypt, caching.as_deref())?;
    let read = read_files(&keys, context_file);
    if let Some(range) = range {
        return range::decrypt(args, range, &policy, &(context, names), &keys, &read);
    }
    tree::each_file(files, suffix.as_deref(), ".decrypted", |mut input, target, threads| {
        target.check_apart(&input, &read)?;
        target.check_new()?;
        input.show_progress();
        let name = input.name().to_owned();
        let unlock = open(input, policy.clone(), &name)?
            .unlock(&keys.manager)
            .threads(threads)
            .require(&context)
            .require_keys(names.iter().cloned());
        let reader = keys.waiter.wait(unlock)?;
        if *buffer && matches!(target, Target::Stdout) {
            let verified = Spool::read(reader, &name, threads)?;
            let mut output = target.create()?;
            verified.write_to(&mut output)?;
            return output.commit();
        }
        let mut output = target.create()?;
        pump(reader, &name, &mut output, threads)?;
        output.commit()
    })
}

fn open(input: Input, policy: Policy, name: &str) -> Result<waxseal::LockedReader<Input>, Failure> {
    DecryptReader::open_with(input, policy).map_err(|error| Failure::reading(name, error))
}

fn policy(limits: &Limits) -> Policy {
    let Limits { commitment_policy, max_encrypted_data_keys } = limits;
    let policy = Policy::default().commitment(*commitment_policy);
    match *max_encrypted_data_keys {
        None => policy,
        Some(limit) => policy.max_encrypted_data_keys(limit),
    }
}

/// All files that must not become the output.
fn read_files(keys: &Keys, context_file: &Option<PathBuf>) -> Vec<PathBuf> {
    keys.files.iter().chain(context_file).cloned().collect()
}

/// A verified plaintext on its way to standard output: short ones in memory, others in a temporary file
/// that has no name.
enum Spool {
    /// It never grows, which would leave copies behind.
    Memory(Zeroizing<Vec<u8>>),
    File(File),
}

impl Spool {
    fn read(
        reader: impl Read + Send + 'static,
        name: &str,
        threads: NonZeroUsize,
    ) -> Result<Self, Failure> {
        let mut spool = Self::Memory(Zeroizing::new(Vec::with_capacity(MAX_IN_MEMORY)));
        match pump::copy(reader, &mut spool, threads) {
            Ok(()) => Ok(spool),
            Err(Side::Read(error)) => Err(Failure::reading(name, Error::from_io(error))),
            Err(Side::Write(error)) => Err(Self::failed(&error)),
        }
    }

    fn write_to(self, output: &mut Output) -> Result<(), Failure> {
        let (name, one) = ("the temporary file", NonZeroUsize::MIN);
        match self {
            Self::Memory(bytes) => pump(io::Cursor::new(bytes), name, output, one),
            Self::File(mut file) => {
                file.rewind().map_err(|error| Self::failed(&error))?;
                pump(file, name, output, one)
            }
        }
    }

    fn failed(error: &io::Error) -> Failure {
        Failure::io("cannot use a temporary file", error)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Self::Memory(short) = self {
            if bytes.len() <= MAX_IN_MEMORY.saturating_sub(short.len()) {
                short.extend_from_slice(bytes);
                return Ok(bytes.len());
            }
            let mut file = tempfile::tempfile()?;
            file.write_all(short)?;
            *self = Self::File(file);
        }
        match self {
            Self::File(file) => file.write(bytes),
            Self::Memory(_) => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves everything through to the output.
fn pump(
    reader: impl Read + Send + 'static,
    name: &str,
    output: &mut Output,
    threads: NonZeroUsize,
) -> Result<(), Failure> {
    let copied = pump::copy(reader, &mut *output, threads);
    copied.map_err(|side| failed(side, name, output))
}

/// Says which side of a copy failed.
pub(crate) fn failed(side: Side, name: &str, output: &Output) -> Failure {
    match side {
        Side::Read(error) => Failure::reading(name, Error::from_io(error)),
        Side::Write(error) => output.failed(&error),
    }
}

const MAX_IN_MEMORY: usize = 1 << 20;
