//! Every way to decrypt that the library has, behind one signature.

use std::io::Read;
use std::num::NonZeroUsize;

use waxseal::{
    ApiMisuse, DecryptAt, DecryptReader, EncryptionContext, Error, LocalKeyring, Locked, Policy,
};

/// One way to decrypt: what came out, and whether it ended well.
pub(crate) type Way =
    fn(&[u8], &dyn LocalKeyring, &Policy, &EncryptionContext) -> (Vec<u8>, Result<(), Error>);

/// Those that give out nothing before everything was verified.
pub(crate) const AT_ONCE: &[(&str, Way)] = &[
    ("one-shot", |m, k, p, c| one_shot(m, k, p, c, ONE)),
    ("one-shot, threads", |m, k, p, c| one_shot(m, k, p, c, THREE)),
    ("into a buffer", |m, k, p, c| into_buffer(m, k, p, c, ONE)),
    ("into a buffer, threads", |m, k, p, c| into_buffer(m, k, p, c, THREE)),
];

/// Those that give out each frame once it is verified.
pub(crate) const STREAMS: &[(&str, Way)] = &[
    ("pieces of 1", |m, k, p, c| push(m, k, p, c, (1, 1), ONE)),
    ("pieces of 1 into 5", |m, k, p, c| push(m, k, p, c, (1, 5), ONE)),
    ("pieces of 37", |m, k, p, c| push(m, k, p, c, (37, 37), ONE)),
    ("whole", |m, k, p, c| push(m, k, p, c, (usize::MAX, 1000), ONE)),
    ("whole, threads", |m, k, p, c| push(m, k, p, c, (usize::MAX, 1000), THREE)),
    ("reader", |m, k, p, c| reader(m, k, p, c, ONE)),
    ("reader, threads", |m, k, p, c| reader(m, k, p, c, THREE)),
    #[cfg(feature = "tokio")]
    ("tokio reader", |m, k, p, c| tokio_reader(m, k, p, c, ONE)),
    #[cfg(feature = "tokio")]
    ("tokio reader, threads", |m, k, p, c| tokio_reader(m, k, p, c, THREE)),
];

fn one_shot(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
    threads: NonZeroUsize,
) -> (Vec<u8>, Result<(), Error>) {
    let decrypt = waxseal::decrypt(message, keyring).policy(policy.clone()).require(context);
    match decrypt.threads(threads).now() {
        Ok(opened) => (opened.into_plaintext(), Ok(())),
        Err(error) => (Vec::new(), Err(error)),
    }
}

/// With no byte more room than what is asked for.
fn into_buffer(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
    threads: NonZeroUsize,
) -> (Vec<u8>, Result<(), Error>) {
    let decrypt = || {
        let decrypt = waxseal::decrypt(message, keyring).policy(policy.clone()).require(context);
        decrypt.threads(threads)
    };
    let mut buffer = Vec::new();
    let mut result = decrypt().into_buffer(&mut buffer).now();
    if let Err(Error::ApiMisuse(ApiMisuse::BufferTooShort { needed, .. })) = result {
        buffer = vec![0; usize::try_from(needed).expect("it is no longer than the message")];
        result = decrypt().into_buffer(&mut buffer).now();
    }
    match result {
        Ok(opened) => {
            assert_eq!(opened.written(), buffer.len(), "it asked for more than it needs");
            (buffer, Ok(()))
        }
        Err(error) => {
            assert!(buffer.iter().all(|byte| *byte == 0), "plaintext was left: {error}");
            (Vec::new(), Err(error))
        }
    }
}

/// Pieces of input of the first length go in one at a time, and pieces of output of the second come out.
fn push(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
    (step, room): (usize, usize),
    threads: NonZeroUsize,
) -> (Vec<u8>, Result<(), Error>) {
    let mut released = Vec::new();
    let result = (|| {
        let mut reader = waxseal::HeaderReader::new(policy.clone());
        let mut rest = message;
        while !reader.is_complete() && !rest.is_empty() {
            let piece = &rest[..step.min(rest.len())];
            let taken = reader.push(piece)?;
            rest = &rest[taken..];
        }
        let locked: Locked = reader.finish()?;
        let mut decryptor = locked.unlock(keyring).require(context).threads(threads).now()?;
        let mut out = vec![0; room];
        loop {
            out.fill(0);
            let piece = &rest[..step.min(rest.len())];
            let result = decryptor.update(piece, &mut out);
            let written = result.as_ref().map_or(0, |progress| progress.written);
            assert!(out[written..].iter().all(|byte| *byte == 0), "plaintext beyond `written`");
            released.extend_from_slice(&out[..written]);
            match result {
                Ok(progress) => rest = &rest[progress.read..],
                Err(error) => {
                    assert!(decryptor.update(rest, &mut out).is_err(), "{error} was forgotten");
                    assert!(decryptor.finish().is_err(), "{error} was forgotten");
                    return Err(error);
                }
            }
            if rest.is_empty() && written == 0 {
                break;
            }
        }
        decryptor.finish().map(drop)
    })();
    (released, result)
}

fn reader(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
    threads: NonZeroUsize,
) -> (Vec<u8>, Result<(), Error>) {
    let mut released = Vec::new();
    let result = (|| {
        let locked = DecryptReader::open_with(message, policy.clone())?;
        let mut reader = locked.unlock(keyring).require(context).threads(threads).now()?;
        reader.read_to_end(&mut released).map(drop).map_err(Error::from_io)
    })();
    (released, result)
}

#[cfg(feature = "tokio")]
fn tokio_reader(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
    threads: NonZeroUsize,
) -> (Vec<u8>, Result<(), Error>) {
    use tokio::io::AsyncReadExt;

    let mut released = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let result = runtime.block_on(async {
        let locked = waxseal::tokio::DecryptReader::open_with(message, policy.clone()).await?;
        let mut reader = locked.unlock(keyring).require(context).threads(threads).await?;
        reader.read_to_end(&mut released).await.map(drop).map_err(Error::from_io)
    });
    (released, result)
}

/// All of it, from places in an order that no stream has. Where the message signs, that is given up.
pub(crate) fn at_random(
    message: &[u8],
    keyring: &dyn LocalKeyring,
    policy: &Policy,
    context: &EncryptionContext,
) -> (Vec<u8>, Result<(), Error>) {
    let mut released = Vec::new();
    let result = (|| {
        let locked = DecryptAt::open_with(message, policy.clone())?.without_verifying_signature();
        let plaintext = locked.unlock(keyring).require(context).now()?;
        let len = usize::try_from(plaintext.len()).expect("the messages are short");
        let mut whole = vec![0; len];
        let starts: Vec<usize> = (0..len).step_by(37).collect();
        for start in starts.iter().rev().copied() {
            let end = (start + 37).min(len);
            let offset = u64::try_from(start).expect("it is short");
            plaintext.read_exact_at(&mut whole[start..end], offset)?;
        }
        released = whole;
        Ok(())
    })();
    (released, result)
}

const ONE: NonZeroUsize = NonZeroUsize::MIN;
const THREE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(2);
