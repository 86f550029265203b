//! Several threads make no difference: what is written, what is read, and what is refused is that of one.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::cell::Cell;
use std::io::{Read, Write};
use std::num::NonZeroUsize;

use waxseal::{
    AesKey, AlgorithmSuite, DecryptReader, EncryptReader, EncryptWriter, Encryptor, Error,
    FrameLayout, Locked, Policy, RawAesKeyring, encryptor,
};

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[derive(Debug, Clone, Copy)]
struct Case {
    suite: AlgorithmSuite,
    frame_len: u32,
    threads: usize,
}

impl Case {
    fn encryptor(self) -> Encryptor {
        let keyring = keyring();
        let start = encryptor(&keyring).suite(self.suite).threads(threads(self.threads));
        start.frame_len(self.frame_len).unwrap().now().unwrap()
    }
}

fn plaintext(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn encrypt_at_once(case: Case, plaintext: &[u8]) -> Vec<u8> {
    let keyring = keyring();
    let start = waxseal::encrypt(plaintext, &keyring).suite(case.suite);
    let start = start.frame_len(case.frame_len).unwrap().threads(threads(case.threads));
    start.now().unwrap().into_bytes()
}

/// In one call, with what may be the last frame held back.
fn encrypt_by_update(case: Case, plaintext: &[u8]) -> Vec<u8> {
    let mut encryptor = case.encryptor();
    let mut message = vec![0; plaintext.len() * 2 + 10_000];
    let progress = encryptor.update(plaintext, &mut message).unwrap();
    assert_eq!(progress.read, plaintext.len());
    let written = encryptor.finish(&mut message[progress.written..]).unwrap();
    assert!(encryptor.is_finished());
    message.truncate(progress.written + written);
    message
}

fn encrypt_by_writer(case: Case, plaintext: &[u8]) -> Vec<u8> {
    let mut writer = EncryptWriter::new(case.encryptor(), Vec::new());
    for piece in plaintext.chunks(99_999) {
        writer.write_all(piece).unwrap();
    }
    writer.finish().unwrap()
}

fn encrypt_by_reader(case: Case, plaintext: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    EncryptReader::new(case.encryptor(), plaintext).read_to_end(&mut message).unwrap();
    message
}

/// What came out, and what was said about the end.
type Outcome = (Vec<u8>, Result<(), String>);

fn decrypt_at_once(message: &[u8], count: usize) -> Outcome {
    match waxseal::decrypt(message, &keyring()).threads(threads(count)).now() {
        Ok(opened) => (opened.into_plaintext(), Ok(())),
        Err(error) => (Vec::new(), Err(format!("{error:?}"))),
    }
}

fn decrypt_by_update(message: &[u8], count: usize) -> Outcome {
    let mut released = Vec::new();
    let result = (|| {
        let (locked, header_len) = Locked::read(message, Policy::default())?;
        let mut decryptor = locked.unlock(&keyring()).threads(threads(count)).now()?;
        let mut rest = &message[header_len..];
        let mut out = vec![0; 2_500_000];
        loop {
            let result = decryptor.update(rest, &mut out);
            let written = result.as_ref().map_or(0, |progress| progress.written);
            released.extend_from_slice(&out[..written]);
            // Whatever threads did behind a frame that failed is gone.
            assert!(out[written..].iter().all(|byte| *byte == 0));
            let progress = result?;
            out.fill(0);
            rest = &rest[progress.read..];
            if progress.written == 0 && rest.is_empty() {
                return decryptor.finish().map(drop);
            }
        }
    })();
    (released, result.map_err(|error: Error| format!("{error:?}")))
}

fn decrypt_by_reader(message: &[u8], count: usize) -> Outcome {
    let mut released = Vec::new();
    let result = (|| {
        let locked = DecryptReader::open(message)?;
        let mut reader = locked.unlock(&keyring()).threads(threads(count)).now()?;
        reader.read_to_end(&mut released).map(drop).map_err(Error::from_io)
    })();
    (released, result.map_err(|error| format!("{error:?}")))
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::io::{
        AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf,
    };
    use tokio::runtime::{Builder, Runtime};

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    pub(crate) fn encrypt_by_writer(case: Case, plaintext: &[u8]) -> Vec<u8> {
        runtime().block_on(async {
            let mut writer = waxseal::tokio::EncryptWriter::new(case.encryptor(), Vec::new());
            for piece in plaintext.chunks(99_999) {
                writer.write_all(piece).await.unwrap();
            }
            writer.shutdown().await.unwrap();
            writer.into_inner()
        })
    }

    pub(crate) fn encrypt_by_reader(case: Case, plaintext: &[u8]) -> Vec<u8> {
        runtime().block_on(async {
            let mut message = Vec::new();
            let mut reader = waxseal::tokio::EncryptReader::new(case.encryptor(), plaintext);
            reader.read_to_end(&mut message).await.unwrap();
            message
        })
    }

    pub(crate) fn decrypt_by_reader(message: &[u8], count: usize) -> Outcome {
        let mut released = Vec::new();
        let result = runtime().block_on(async {
            let locked = waxseal::tokio::DecryptReader::open(message).await?;
            let mut reader = locked.unlock(&keyring()).threads(threads(count)).await?;
            reader.read_to_end(&mut released).await.map(drop).map_err(Error::from_io)
        });
        (released, result.map_err(|error| format!("{error:?}")))
    }

    /// The source is always ready, and the only thread for long work is taken: whoever is told to wait waits for that
    /// thread, and the runtime is free.
    #[test]
    fn long_work_does_not_keep_the_runtime() {
        let plaintext = plaintext(3 << 20);
        let message = encrypt_at_once(UNSIGNED, &plaintext);
        let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (free, taken) = std::sync::mpsc::channel::<()>();
            let taken = tokio::task::spawn_blocking(move || taken.recv().is_ok());
            let mut context = Context::from_waker(Waker::noop());

            let locked = waxseal::tokio::DecryptReader::open(&message[..]).await.unwrap();
            let mut reader = pin!(locked.unlock(&keyring()).threads(threads(2)).await.unwrap());
            let mut out = vec![0; 1 << 20];
            let mut out = ReadBuf::new(&mut out);
            assert!(reader.as_mut().poll_read(&mut context, &mut out).is_pending());
            assert!(out.filled().is_empty());

            let writer = waxseal::tokio::EncryptWriter::new(UNSIGNED.encryptor(), Vec::new());
            let mut writer = pin!(writer);
            let mut rest = &plaintext[..];
            while let Poll::Ready(taken) = writer.as_mut().poll_write(&mut context, rest) {
                rest = &rest[taken.unwrap()..];
                assert!(!rest.is_empty(), "it was never told to wait");
            }

            free.send(()).unwrap();
            assert!(taken.await.unwrap());
            let mut found = Vec::new();
            reader.read_to_end(&mut found).await.unwrap();
            assert!(found == plaintext);
            // The writer is dropped, perhaps while it is away.
        });
    }

    /// Also where what the source had just filled the room that it was given.
    #[test]
    fn what_is_there_comes_out_before_a_source_that_has_no_more() {
        const FRAME: usize = 4064;
        let case = Case { frame_len: 4064, threads: 2, ..UNSIGNED };
        let plaintext = plaintext(70 * FRAME);
        let message = encrypt_at_once(case, &plaintext);
        let header_len =
            usize::try_from(waxseal::inspect(&message).unwrap().parsed().len()).unwrap();
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for frames in [1, 15, 16, 17, 32, 48, 64] {
                let (mut near, far) = tokio::io::duplex(1 << 20);
                near.write_all(&message[..header_len + frames * 4096]).await.unwrap();
                let locked = waxseal::tokio::DecryptReader::open(far).await.unwrap();
                let mut reader = locked.unlock(&keyring()).threads(threads(2)).await.unwrap();
                let mut found = vec![0; frames * FRAME];
                let read = reader.read_exact(&mut found);
                let read = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
                read.unwrap_or_else(|_| panic!("it waits, with {frames} frames there")).unwrap();
                assert!(found == plaintext[..frames * FRAME]);
            }
            for len in
                [1, 2, 17, 33].map(|frames| frames * FRAME + 1).into_iter().chain(WHOLE_ROOMS)
            {
                let (mut near, far) = tokio::io::duplex(1 << 20);
                near.write_all(&plaintext[..len]).await.unwrap();
                let mut reader = waxseal::tokio::EncryptReader::new(case.encryptor(), far);
                let header_len = usize::try_from(reader.header().len()).unwrap();
                let mut sealed = vec![0; header_len + (len - 1) / FRAME * 4096];
                let read = reader.read_exact(&mut sealed);
                let read = tokio::time::timeout(std::time::Duration::from_secs(20), read).await;
                read.unwrap_or_else(|_| panic!("it waits, with {len} bytes there")).unwrap();
            }
        });
    }

    /// A write that nobody waits for any more is finished by the next one.
    #[test]
    fn cancelled_writes_lose_and_repeat_nothing() {
        let plaintext = plaintext(5 << 20);
        let message = runtime().block_on(async {
            let mut writer = waxseal::tokio::EncryptWriter::new(UNSIGNED.encryptor(), Vec::new());
            let mut rest = &plaintext[..];
            while !rest.is_empty() {
                let piece = &rest[..rest.len().min(700_000)];
                tokio::select! {
                    biased;
                    taken = writer.write(piece) => rest = &rest[taken.unwrap()..],
                    () = tokio::task::yield_now() => {}
                }
            }
            writer.shutdown().await.unwrap();
            writer.into_inner()
        });
        assert!(decrypt_by_reader(&message, 2) == (plaintext, Ok(())));
    }
}

type Encrypt = fn(Case, &[u8]) -> Vec<u8>;
type Decrypt = fn(&[u8], usize) -> Outcome;

const ENCRYPT: &[(&str, Encrypt)] = &[
    ("at once", encrypt_at_once),
    ("update", encrypt_by_update),
    ("writer", encrypt_by_writer),
    ("reader", encrypt_by_reader),
    #[cfg(feature = "tokio")]
    ("tokio writer", with_tokio::encrypt_by_writer),
    #[cfg(feature = "tokio")]
    ("tokio reader", with_tokio::encrypt_by_reader),
];

const DECRYPT: &[(&str, Decrypt)] = &[
    ("at once", decrypt_at_once),
    ("update", decrypt_by_update),
    ("reader", decrypt_by_reader),
    #[cfg(feature = "tokio")]
    ("tokio reader", with_tokio::decrypt_by_reader),
];

const UNSIGNED: Case =
    Case { suite: AlgorithmSuite::Aes256GcmHkdfSha512CommitKey, frame_len: 4096, threads: 2 };
const SIGNED: Case =
    Case { suite: AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384, ..UNSIGNED };

/// Both kinds; one where cryptography is slow, as in the unoptimised builds of the pure-Rust backend.
fn cases() -> impl Iterator<Item = Case> {
    let fast = cfg!(any(feature = "aws-lc-rs", feature = "fips"));
    [UNSIGNED, SIGNED].into_iter().filter(move |case| fast || !case.suite.signs())
}

/// The ends of blocks and frames, and what is beside them.
#[test]
fn every_length_around_a_block_comes_back() {
    for case in cases() {
        for frame_len in [4096, 1 << 20, 700_001] {
            let frame = usize::try_from(frame_len).unwrap();
            let block = 2 * (1_usize << 20).div_euclid(frame).max(1) * frame;
            for len in [block - 1, block, block + 1, 2 * block + 1, 2 * block + 2] {
                let case = Case { frame_len, ..case };
                let plaintext = plaintext(len);
                let ways = DECRYPT.iter().skip(1).cycle();
                for ((to, encrypt), (from, decrypt)) in ENCRYPT.iter().zip(ways) {
                    let message = encrypt(case, &plaintext);
                    let layout = FrameLayout::new(
                        waxseal::inspect(&message).unwrap().parsed().len(),
                        frame_len,
                    );
                    let body_end = layout.unwrap().message_len(u64::try_from(len).unwrap());
                    let footer = message.len() - usize::try_from(body_end.unwrap()).unwrap();
                    assert!((footer > 0) == case.suite.signs(), "{to}");
                    let (found, result) = decrypt(&message, 2);
                    assert_eq!(result, Ok(()), "{case:?}, {len}: {to}, then {from}");
                    assert!(found == plaintext, "{case:?}, {len}: {to}, then {from}");
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_reads_what_any_wrote() {
    let plaintext = plaintext(3_500_003);
    for case in cases() {
        for to in [1, 3, 9] {
            let message = encrypt_at_once(Case { threads: to, ..case }, &plaintext);
            for from in [1, 2, 5] {
                for (name, decrypt) in DECRYPT {
                    let (found, result) = decrypt(&message, from);
                    assert_eq!(result, Ok(()), "{to}, {from}: {name}");
                    assert!(found == plaintext, "{to}, {from}: {name}");
                }
            }
        }
    }
}

/// The same error, and the same plaintext before it.
#[test]
fn spoiled_messages_fail_as_on_one_thread() {
    for case in cases() {
        for frame_len in [4096_usize, 100_000] {
            let case = Case { frame_len: u32::try_from(frame_len).unwrap(), ..case };
            let plaintext = plaintext(2_202_000);
            let message = encrypt_at_once(case, &plaintext);
            let start =
                usize::try_from(waxseal::inspect(&message).unwrap().parsed().len()).unwrap();
            let frame = |number: usize| start + (number - 1) * (frame_len + 32);
            let count = plaintext.len().div_ceil(frame_len);
            let mut spoiled = Vec::new();
            for number in [1, count / 2, count - 1, count] {
                for offset in [0, 4, 20, 1000] {
                    let mut bytes = message.clone();
                    bytes[frame(number) + offset] ^= 1;
                    spoiled.push((format!("frame {number} changed at {offset}"), bytes));
                }
                spoiled.push((format!("cut in {number}"), message[..frame(number) + 30].to_vec()));
                spoiled.push((format!("cut before {number}"), message[..frame(number)].to_vec()));
            }
            for (a, b) in [(1, 2), (2, count - 1), (count / 2, count / 2 + 1)] {
                let mut bytes = message.clone();
                let (a, b) = (frame(a), frame(b));
                bytes[b..b + frame_len + 32].copy_from_slice(&message[a..a + frame_len + 32]);
                spoiled.push((format!("{a} repeated at {b}"), bytes.clone()));
                bytes[a..a + frame_len + 32].copy_from_slice(&message[b..b + frame_len + 32]);
                spoiled.push((format!("{a} and {b} swapped"), bytes));
            }
            spoiled.push(("bytes behind".into(), [&message[..], b"more"].concat()));
            for (what, bytes) in &spoiled {
                for (name, decrypt) in DECRYPT {
                    let (released, error) = decrypt(bytes, 1);
                    assert!(error.is_err(), "{what}: {name}");
                    assert!(plaintext.starts_with(&released), "{what}: {name}");
                    for count in [2, 5] {
                        let (found, result) = decrypt(bytes, count);
                        assert_eq!(result, error, "{what}: {name}, {count} threads");
                        assert!(found == released, "{what}: {name}, {count} threads");
                    }
                }
            }
        }
    }
}

/// A writer passes on what is sealed when it is flushed, all but a frame that may be the final one.
#[test]
fn a_flushed_writer_holds_back_no_more_than_a_frame() {
    let mut writer = EncryptWriter::new(UNSIGNED.encryptor(), Vec::new());
    writer.write_all(&plaintext(10 * 4096)).unwrap();
    writer.flush().unwrap();
    let header_len = usize::try_from(writer.header().len()).unwrap();
    assert_eq!(writer.get_ref().len(), header_len + 9 * (4096 + 32));
    writer.write_all(b"x").unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.get_ref().len(), header_len + 10 * (4096 + 32));
    let message = writer.finish().unwrap();
    assert!(decrypt_by_reader(&message, 2).1.is_ok());
}

/// Plaintexts, in bytes, that just fill the room that a reader gives its source, as it grows.
const WHOLE_ROOMS: [usize; 3] = [1 << 16, 1 << 17, 1 << 18];

/// Also where what the source had just filled the room that it was given.
#[test]
fn what_is_there_comes_out_before_a_source_that_would_block() {
    what_is_there_comes_out_before(std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_there_comes_out_before_the_failure_of_a_source() {
    what_is_there_comes_out_before(std::io::ErrorKind::ConnectionReset);
}

fn what_is_there_comes_out_before(kind: std::io::ErrorKind) {
    /// Has so much now, and nothing more for a while, or for ever.
    struct Burst<'a>(&'a [u8], std::io::ErrorKind);

    impl Read for Burst<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(out) {
                Ok(0) => Err(self.1.into()),
                result => result,
            }
        }
    }

    let until_it_stops = |reader: &mut dyn Read| {
        let mut all = Vec::new();
        let error = reader.read_to_end(&mut all).unwrap_err();
        assert_eq!(error.kind(), kind);
        // That is not the end.
        assert!(reader.read(&mut [0]).is_err());
        all
    };

    // Sealed, a frame has 4,096 bytes, of which sixteen are a block.
    const FRAME: usize = 4064;
    for threads in [1, 2] {
        let case = Case { frame_len: 4064, threads, ..UNSIGNED };
        let plaintext = plaintext(70 * FRAME);
        let message = encrypt_at_once(case, &plaintext);
        let header_len =
            usize::try_from(waxseal::inspect(&message).unwrap().parsed().len()).unwrap();
        let frames = [1, 2, 15, 16, 17, 31, 32, 33, 48, 64];
        for len in frames.map(|frames| frames * FRAME + 1).into_iter().chain(WHOLE_ROOMS) {
            let mut reader = EncryptReader::new(case.encryptor(), Burst(&plaintext[..len], kind));
            let header_len = usize::try_from(reader.header().len()).unwrap();
            let sealed = until_it_stops(&mut reader).len() - header_len;
            assert_eq!(sealed, (len - 1) / FRAME * 4096, "{len} bytes, {threads} threads");
        }
        for frames in frames {
            let keyring = keyring();
            let source = Burst(&message[..header_len + frames * 4096], kind);
            let unlock = DecryptReader::open(source).unwrap().unlock(&keyring);
            let threads = NonZeroUsize::new(threads).unwrap();
            let found = until_it_stops(&mut unlock.threads(threads).now().unwrap());
            assert!(
                found == plaintext[..frames * FRAME],
                "{} of {frames} frames",
                found.len() / FRAME
            );
        }
    }
}

/// Also of a frame that came in two parts, and has more plaintext than the second part has room for.
#[test]
fn what_came_in_parts_comes_out_before_a_source_that_would_block() {
    /// Would block after each of these.
    struct Parts<'a>(std::vec::IntoIter<&'a [u8]>, &'a [u8]);

    impl Read for Parts<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            match self.1.read(out) {
                Ok(0) => {
                    self.1 = self.0.next().unwrap_or_default();
                    Err(std::io::ErrorKind::WouldBlock.into())
                }
                result => result,
            }
        }
    }

    for (base, threads) in [(UNSIGNED, 1), (UNSIGNED, 2), (SIGNED, 1), (SIGNED, 2)] {
        for (frame_len, held, frames) in [(100_000, 50_000, 1), (4096, 4000, 17)] {
            let case = Case { frame_len, threads, ..base };
            let frame_len = usize::try_from(frame_len).unwrap();
            let plaintext = plaintext(40 * frame_len);
            let message = encrypt_at_once(case, &plaintext);
            let header = waxseal::inspect(&message).unwrap().parsed().len();
            let header = usize::try_from(header).unwrap();
            let end_of = |frames: usize| header + frames * (frame_len + 32);
            let (held, whole) = (header + held, end_of(frames));
            let parts = vec![&message[held..whole], &message[whole..end_of(30)]];
            let keyring = keyring();
            let source = Parts(parts.into_iter(), &message[..held]);
            let unlock = DecryptReader::open(source).unwrap().unlock(&keyring);
            let mut reader = unlock.threads(NonZeroUsize::new(threads).unwrap()).now().unwrap();
            let mut found = Vec::new();
            for frames in [0, frames, 30] {
                let error = reader.read_to_end(&mut found).unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                assert!(found == plaintext[..frames * frame_len], "{} of {frames}", found.len());
            }
        }
    }
}

/// What a source has is passed on before it is asked for more.
#[test]
fn nobody_waits_for_a_block_to_fill() {
    /// Gives so much at a time, and counts how often it was asked.
    struct Slow<'a> {
        rest: &'a [u8],
        len: usize,
        asked: &'a Cell<usize>,
    }

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.asked.set(self.asked.get() + 1);
            let len = self.len.min(out.len());
            self.rest.take(u64::try_from(len).unwrap()).read(&mut out[..len]).inspect(|len| {
                self.rest = &self.rest[*len..];
            })
        }
    }

    let plaintext = plaintext(100 * 4096);
    let asked = Cell::new(0);
    let source = Slow { rest: &plaintext, len: 3 * 4096, asked: &asked };
    let mut reader = EncryptReader::new(UNSIGNED.encryptor(), source);
    let mut out = vec![0; 1 << 20];
    // Of three frames, the third may be the final one.
    for asked_before in 0..10 {
        assert_eq!(asked.get(), asked_before);
        let found = reader.read(&mut out).unwrap();
        assert!(found >= 2 * (4096 + 32), "{found}");
    }

    let message = encrypt_at_once(UNSIGNED, &plaintext);
    asked.set(0);
    let source = Slow { rest: &message, len: 3 * 4128, asked: &asked };
    let locked = DecryptReader::open(source).unwrap();
    let mut reader = locked.unlock(&keyring()).threads(threads(2)).now().unwrap();
    for read_before in 0..10 {
        // Once for the header, and what came behind it.
        assert!(asked.get() <= 1 + read_before);
        assert!(reader.read(&mut out).unwrap() >= 2 * 4096);
    }
}

/// What was given to an encryptor before it was given to a reader or writer is not lost, be it a part of a frame, or a
/// whole one that may be the final one.
#[test]
fn what_an_encryptor_already_has_comes_first() {
    for count in [1, 2] {
        for (before, after) in [(3, 0), (3, 5), (3, 5 << 20), (4096, 0), (4096, 5), (8192, 5 << 20)]
        {
            let case = Case { threads: count, ..SIGNED };
            let plaintext = plaintext(before + after);
            let start = || {
                let (mut encryptor, mut out) = (case.encryptor(), vec![0; 10_000]);
                let progress = encryptor.update(&plaintext[..before], &mut out).unwrap();
                assert_eq!(progress.read, before);
                out.truncate(progress.written);
                (encryptor, out)
            };
            let (encryptor, message) = start();
            let mut writer = EncryptWriter::new(encryptor, message);
            writer.write_all(&plaintext[before..]).unwrap();
            let written = writer.finish().unwrap();
            let (encryptor, mut read) = start();
            EncryptReader::new(encryptor, &plaintext[before..]).read_to_end(&mut read).unwrap();
            for message in [written, read] {
                let (found, result) = decrypt_by_reader(&message, 2);
                assert_eq!(result, Ok(()), "{count} threads, {before} and {after}");
                assert!(found == plaintext, "{count} threads, {before} and {after}");
            }
        }
    }
}

#[test]
fn a_writer_that_failed_takes_nothing_more() {
    let keyring = keyring();
    for count in [1, 2] {
        let start = encryptor(&keyring).threads(threads(count)).plaintext_bound(10_000);
        let mut writer = EncryptWriter::new(start.now().unwrap(), Vec::new());
        let failed = writer.write_all(&plaintext(20_000)).and_then(|()| writer.flush());
        assert!(matches!(
            Error::from_io(failed.unwrap_err()),
            Error::ApiMisuse(waxseal::ApiMisuse::PlaintextBound { bound: 10_000 })
        ));
        assert!(writer.write(b"more").is_err());
        assert!(writer.flush().is_err());
        assert!(writer.finish().is_err());
    }
}

#[test]
fn a_reader_that_failed_asks_for_nothing_more() {
    struct Counted<'a>(&'a [u8], &'a Cell<usize>);

    impl Read for Counted<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.1.set(self.1.get() + 1);
            self.0.read(out)
        }
    }

    for count in [1, 2] {
        let (mut message, asked) = (encrypt_at_once(UNSIGNED, &plaintext(8 << 20)), Cell::new(0));
        message[400_000] ^= 1;
        let locked = DecryptReader::open(Counted(&message, &asked)).unwrap();
        let mut reader = locked.unlock(&keyring()).threads(threads(count)).now().unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
        let before = asked.get();
        assert!(reader.read(&mut [0]).is_err());
        assert_eq!(asked.get(), before, "{count} threads");
    }
}

/// More than there are jobs for, and more than there are cores.
#[test]
fn more_threads_than_frames_do_no_harm() {
    let case = Case { frame_len: 1 << 20, threads: 100, ..SIGNED };
    let plaintext = plaintext(6 << 20);
    for (name, encrypt) in ENCRYPT {
        let message = encrypt(case, &plaintext);
        for (_, decrypt) in DECRYPT {
            assert!(decrypt(&message, 100) == (plaintext.clone(), Ok(())), "{name}");
        }
    }
}

/// That threads were asked for reaches the engine, which a reader asks how much to give it at once.
#[test]
fn readers_take_blocks_where_there_are_threads() {
    struct Asked<'a>(&'a [u8], &'a Cell<usize>);
    impl Read for Asked<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            self.1.set(self.1.get().max(out.len()));
            self.0.read(out)
        }
    }
    let plaintext = plaintext(8 << 20);
    for count in [1, 3] {
        let asked = [Cell::new(0), Cell::new(0)];
        let encryptor = Case { threads: count, ..SIGNED }.encryptor();
        let mut message = Vec::new();
        let mut reader = EncryptReader::new(encryptor, Asked(&plaintext, &asked[0]));
        reader.read_to_end(&mut message).unwrap();
        let locked = DecryptReader::open(Asked(&message, &asked[1])).unwrap();
        let mut reader = locked.unlock(&keyring()).threads(threads(count)).now().unwrap();
        let mut decrypted = Vec::new();
        reader.read_to_end(&mut decrypted).unwrap();
        assert!(decrypted == plaintext);
        for asked in asked {
            assert_eq!(asked.get() >= 1 << 20, count > 1, "{count} threads: {asked:?}");
        }
    }
}
