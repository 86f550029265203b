//! Streams: engines, readers, writers, random access; finished, dropped half way, and failed.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Mutex;

use waxseal::{
    AlgorithmSuite, DecryptAt, DecryptReader, EncryptReader, EncryptWriter, Encryptor,
    EncryptorBuilder, FrameKind, Header, Locked, Policy, encryptor,
};

use crate::allocator::FreedBlock;
use crate::keyrings::{SIGNED, Telling, UNSIGNED, data_key_of};
use crate::secrets::{Plaintext, Secrets, freed_by, random};

/// A wrapping key, a plaintext, a message of it, and messages that are begun.
pub(crate) struct Scene {
    pub(crate) keyring: Telling,
    pub(crate) plaintext: Plaintext,
    pub(crate) message: Vec<u8>,
    pub(crate) secrets: Secrets,
    /// What the keys of those messages are derived from.
    begun: Mutex<Vec<Header>>,
}

impl Scene {
    pub(crate) fn new(suite: AlgorithmSuite, len: usize) -> Self {
        let key = random(32);
        let (keyring, plaintext) = (Telling::new(&key), Plaintext::new(len));
        let mut secrets = Secrets::new();
        let message = waxseal::encrypt(&plaintext.bytes, &keyring).suite(suite).now().unwrap();
        secrets.add_with_forms("wrapping key", &key);
        plaintext.add_to(&mut secrets);
        secrets.add_derived(&data_key_of(&keyring, message.header()), message.header());
        Self { keyring, plaintext, message: message.into_bytes(), secrets, begun: Mutex::default() }
    }

    /// The last byte is another one.
    pub(crate) fn changed(&self) -> Vec<u8> {
        let mut changed = self.message.clone();
        *changed.last_mut().unwrap() ^= 1;
        changed
    }

    /// Nothing that was freed holds a key or plaintext, nor a key of a message that was begun.
    #[track_caller]
    pub(crate) fn assert_not_in(&self, freed: &[FreedBlock]) {
        let mut secrets = self.secrets.clone();
        self.keyring.add_to(&mut secrets);
        for header in &*self.begun.lock().unwrap() {
            secrets.add_derived(&data_key_of(&self.keyring, header), header);
        }
        secrets.assert_not_in(freed);
    }

    pub(crate) fn start(&self, suite: AlgorithmSuite, threads: usize) -> Encryptor {
        let threads = NonZeroUsize::new(threads).unwrap();
        self.begin(encryptor(&self.keyring).suite(suite).threads(threads))
    }

    fn begin(&self, builder: EncryptorBuilder<'_, Telling>) -> Encryptor {
        let encryptor = builder.now().unwrap();
        self.begun.lock().unwrap().push(encryptor.header().clone());
        encryptor
    }

    fn unlock<'a>(&self, message: &'a [u8], threads: usize) -> DecryptReader<&'a [u8]> {
        let threads = NonZeroUsize::new(threads).unwrap();
        DecryptReader::open(message).unwrap().unlock(&self.keyring).threads(threads).now().unwrap()
    }
}

/// Passes so many bytes, then fails.
#[derive(Debug)]
pub(crate) struct Failing<T> {
    pub(crate) inner: T,
    pub(crate) left: usize,
}

impl<T> Failing<T> {
    fn take(&mut self, len: usize) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("it is broken"));
        }
        let len = len.min(self.left);
        self.left -= len;
        Ok(len)
    }
}

impl<T: Read> Read for Failing<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.take(out.len())?;
        self.inner.read(&mut out[..len])
    }
}

impl<T: Write> Write for Failing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.take(bytes.len())?;
        self.inner.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Lengths around those of frames and buffers.
const PIECES: [usize; 5] = [1, 100, 4_096, 5_000, 70_000];
const LEN: usize = 100_000;

#[test]
fn engines_that_encrypt() {
    for suite in [UNSIGNED, SIGNED] {
        let scene = Scene::new(suite, LEN);
        for piece in PIECES.into_iter().filter(|piece| *piece >= 100) {
            let freed = freed_by(|| {
                let mut out = vec![0; 5_000];
                let mut whole = scene.start(suite, 1);
                let mut rest = &scene.plaintext.bytes[..];
                while !rest.is_empty() {
                    let now = &rest[..piece.min(rest.len())];
                    let progress = whole.update(now, &mut out).unwrap();
                    rest = &rest[progress.read..];
                }
                while !whole.is_finished() {
                    let _ = whole.finish(&mut out).unwrap();
                }
                whole.update(b"more", &mut out).unwrap_err();
                // Dropped with part of a frame in it, and after more than was allowed.
                let mut half = scene.start(suite, 1);
                let _ = half.update(&scene.plaintext.bytes[..piece], &mut out).unwrap();
                let bounded = encryptor(&scene.keyring).suite(suite).plaintext_bound(150);
                let mut bounded = scene.begin(bounded);
                let _ = bounded.update(&scene.plaintext.bytes[..100], &mut out).unwrap();
                bounded.update(&scene.plaintext.bytes[..piece], &mut out).unwrap_err();
            });
            scene.assert_not_in(&freed);
        }
    }
}

#[test]
fn engines_that_decrypt() {
    for suite in [UNSIGNED, SIGNED] {
        let scene = Scene::new(suite, LEN);
        let changed = scene.changed();
        for room in PIECES {
            let piece = room.max(100);
            let freed = freed_by(|| {
                // The caller's.
                let mut out = vec![0; room].into_boxed_slice();
                for message in [&scene.message, &changed, &scene.message[..50_000].to_vec()] {
                    let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
                    let mut decryptor = locked.unlock(&scene.keyring).now().unwrap();
                    let mut rest = &message[header_len..];
                    let mut calls = 0;
                    loop {
                        let now = &rest[..piece.min(rest.len())];
                        let Ok(progress) = decryptor.update(now, &mut out) else { break };
                        rest = &rest[progress.read..];
                        calls += 1;
                        if progress.read + progress.written == 0 || calls == 2_000 {
                            break;
                        }
                    }
                    drop(decryptor.finish());
                }
                out.fill(0);
            });
            scene.assert_not_in(&freed);
        }
    }
}

#[test]
fn frames_one_by_one() {
    let scene = Scene::new(SIGNED, LEN);
    let freed = freed_by(|| {
        let parts = scene.start(SIGNED, 1).into_frames().unwrap();
        let mut frame = vec![0; 4_096 + 100];
        let plaintext = &scene.plaintext.bytes[..4_096];
        let sealed_len = parts.sealer.sealed_len(FrameKind::Regular, plaintext.len());
        let seal = |number, plaintext: &[u8], out: &mut [u8]| {
            parts.sealer.seal(number, FrameKind::Regular, plaintext, out)
        };
        seal(1, plaintext, &mut frame[..sealed_len]).unwrap();
        seal(1, &plaintext[..5], &mut frame[..sealed_len]).unwrap_err();

        let (locked, header_len) = Locked::read(&scene.message, Policy::default()).unwrap();
        let frames = locked.unlock(&scene.keyring).now().unwrap().into_frames().unwrap();
        let mut out = vec![0; 4_096].into_boxed_slice();
        let mut first = scene.message[header_len..][..sealed_len].to_vec();
        frames.opener.open(1, FrameKind::Regular, &first, &mut out).unwrap();
        out.fill(0);
        first[100] ^= 1;
        frames.opener.open(1, FrameKind::Regular, &first, &mut out).unwrap_err();
    });
    scene.assert_not_in(&freed);
}

#[test]
fn readers_and_writers() {
    for (suite, threads, len) in
        [(UNSIGNED, 1, LEN), (SIGNED, 1, LEN), (UNSIGNED, 3, 5 << 20), (SIGNED, 3, 5 << 20)]
    {
        let scene = Scene::new(suite, len);
        let freed = freed_by(|| {
            let plaintext = &scene.plaintext.bytes[..];
            let mut writer = EncryptWriter::new(scene.start(suite, threads), io::sink());
            plaintext.chunks(1_000).for_each(|chunk| writer.write_all(chunk).unwrap());
            writer.finish().unwrap();
            // Dropped without an end, and in front of something that fails.
            let mut writer = EncryptWriter::new(scene.start(suite, threads), io::sink());
            writer.write_all(&plaintext[..len / 2]).unwrap();
            drop(writer);
            let sink = Failing { inner: io::sink(), left: len / 2 };
            let mut writer = EncryptWriter::new(scene.start(suite, threads), sink);
            let _ = writer.write_all(plaintext).and_then(|()| writer.flush());
            writer.finish().unwrap_err();

            let mut reader = EncryptReader::new(scene.start(suite, threads), plaintext);
            io::copy(&mut reader, &mut io::sink()).unwrap();
            let mut reader = EncryptReader::new(scene.start(suite, threads), plaintext);
            reader.read_exact(&mut vec![0; len / 2]).unwrap();
            let _ = reader.into_inner();
            let source = Failing { inner: plaintext, left: len / 2 };
            let mut reader = EncryptReader::new(scene.start(suite, threads), source);
            io::copy(&mut reader, &mut io::sink()).unwrap_err();
        });
        scene.assert_not_in(&freed);

        let changed = scene.changed();
        let freed = freed_by(|| {
            let mut out = vec![0; 1_000].into_boxed_slice();
            let mut drain = |reader: &mut dyn Read| loop {
                match reader.read(&mut out) {
                    Ok(0) => break Ok(()),
                    Ok(_) => {}
                    Err(error) => break Err(error),
                }
            };
            drain(&mut scene.unlock(&scene.message, threads)).unwrap();
            drain(&mut scene.unlock(&changed, threads)).unwrap_err();
            drain(&mut scene.unlock(&scene.message[..len / 2], threads)).unwrap_err();
            drain(&mut scene.unlock(&scene.message, threads).take(u64::try_from(len / 2).unwrap()))
                .unwrap();
            drop(scene.unlock(&scene.message, threads));
            drop(DecryptReader::open(&scene.message[..]).unwrap());
            let source = Failing { inner: &scene.message[..], left: len / 2 };
            let reader = DecryptReader::open(source).unwrap().unlock(&scene.keyring);
            drain(&mut reader.threads(NonZeroUsize::new(threads).unwrap()).now().unwrap())
                .unwrap_err();
            out.fill(0);
        });
        scene.assert_not_in(&freed);
    }
}

#[test]
fn random_access() {
    let scene = Scene::new(UNSIGNED, LEN);
    let freed = freed_by(|| {
        for (message, cache_len) in
            [(&scene.message, 0), (&scene.message, 10_000), (&scene.message, 1 << 20)]
        {
            let source = DecryptAt::open(&message[..]).unwrap().unlock(&scene.keyring);
            let at = source.now().unwrap().cache_len(cache_len);
            let mut out = vec![0; 6_000].into_boxed_slice();
            for offset in [0, 4_000, 50_000, 94_000, 99_999, 0] {
                at.read_at(&mut out, offset).unwrap();
            }
            at.read_exact_at(&mut out, 99_000).unwrap_err();
            std::mem::forget(at.read_range(10..90_000).unwrap());
            let mut reader = at.reader();
            while reader.read(&mut out).unwrap() > 0 {}
            out.fill(0);
        }
        // A frame in the middle does not open; the final one does.
        let mut changed = scene.message.clone();
        changed[50_000] ^= 1;
        let at = DecryptAt::open(&changed[..]).unwrap().unlock(&scene.keyring).now().unwrap();
        let at = at.cache_len(1 << 20);
        at.read_range(0..90_000).unwrap_err();
        let mut out = vec![0; 90_000].into_boxed_slice();
        at.read_exact_at(&mut out, 0).unwrap_err();
        assert!(out.iter().all(|byte| *byte == 0));
        let changed = scene.changed();
        let at = DecryptAt::open(&changed[..]).unwrap().unlock(&scene.keyring);
        at.now().unwrap_err();
    });
    scene.assert_not_in(&freed);
}
