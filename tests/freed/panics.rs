//! A panic in the middle: in a keyring, in a source or sink, in the caller.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use waxseal::{
    Attempt, DecryptAt, DecryptReader, EncryptReader, EncryptWriter, EncryptionMaterials, Error,
    LocalKeyring, LocalMultiKeyring, Locked, Policy, RawAesKeyring, ReadAt, UnwrapRequest,
    UnwrappedDataKey,
};

use crate::keyrings::{SIGNED, Telling, UNSIGNED, aes};
use crate::secrets::{Secrets, freed_by, random};
use crate::streams::Scene;

/// Runs what panics.
fn panics(act: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(act)).unwrap_err();
}

/// Does its part, then panics; the data key is told through a lock.
#[derive(Debug)]
struct Panicking(RawAesKeyring, Mutex<Vec<Vec<u8>>>);

impl LocalKeyring for Panicking {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        self.0.wrap_now(materials)?;
        self.1.lock().unwrap().push(materials.data_key().unwrap().expose().to_vec());
        panic!("the keyring is broken");
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let _unwrapped = self.0.unwrap_now(request)?;
        panic!("the keyring is broken");
    }
}

#[test]
fn in_a_keyring() {
    let key = random(32);
    let mut scene = Scene::new(UNSIGNED, 1_000);
    let (telling, panicking) = (Telling::new(&key), Panicking(aes(&key), Mutex::default()));
    let mut message = None;
    let freed = freed_by(|| {
        message = Some(waxseal::encrypt(&scene.plaintext.bytes, &telling).now().unwrap());
        let message = message.as_ref().unwrap();
        panics(|| drop(waxseal::encrypt(&scene.plaintext.bytes, &panicking).now()));
        panics(|| drop(waxseal::decrypt(message, &panicking).now()));
        // After another one has made the data key.
        let second = Panicking(aes(&key), Mutex::default());
        let multi = LocalMultiKeyring::generator(telling.clone()).child(second);
        panics(|| drop(waxseal::encrypt(&scene.plaintext.bytes, &multi).now()));
        std::mem::forget(multi);
    });
    let message = message.unwrap();
    scene.secrets.add_with_forms("wrapping key", &key);
    let data_key = crate::keyrings::data_key_of(&aes(&key), message.header());
    scene.secrets.add_derived(&data_key, message.header());
    panicking.1.lock().unwrap().iter().for_each(|key| scene.secrets.add("data key", key));
    telling.add_to(&mut scene.secrets);
    scene.assert_not_in(&freed);
}

/// Passes so many bytes, then panics.
struct Bomb<T> {
    inner: T,
    left: usize,
}

impl<T> Bomb<T> {
    fn take(&mut self, len: usize) -> usize {
        assert!(self.left > 0, "the other side is broken");
        let len = len.min(self.left);
        self.left -= len;
        len
    }
}

impl<T: Read> Read for Bomb<T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.take(out.len());
        self.inner.read(&mut out[..len])
    }
}

impl<T: Write> Write for Bomb<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.take(bytes.len());
        self.inner.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn in_a_source_or_a_sink() {
    for (suite, threads, len) in
        [(UNSIGNED, 1, 200_000), (SIGNED, 1, 200_000), (UNSIGNED, 3, 5 << 20)]
    {
        let scene = Scene::new(suite, len);
        let Scene { keyring, plaintext, message, .. } = &scene;
        let threads = std::num::NonZeroUsize::new(threads).unwrap();
        let start = || scene.start(suite, threads.get());
        let freed = freed_by(|| {
            let left = len / 2;
            panics(|| {
                let sink = Bomb { inner: io::sink(), left };
                let mut writer = EncryptWriter::new(start(), sink);
                writer.write_all(&plaintext.bytes).unwrap();
                writer.finish().unwrap();
            });
            panics(|| {
                let source = Bomb { inner: &plaintext.bytes[..], left };
                io::copy(&mut EncryptReader::new(start(), source), &mut io::sink()).unwrap();
            });
            panics(|| {
                let source = Bomb { inner: &message[..], left };
                let reader = DecryptReader::open(source).unwrap().unlock(keyring);
                let mut reader = reader.threads(threads).now().unwrap();
                // The caller's own.
                let mut out = zeroize::Zeroizing::new(vec![0; 1_000]);
                while reader.read(&mut out).unwrap() > 0 {}
            });
        });
        scene.assert_not_in(&freed);
    }
}

#[test]
fn in_a_source_for_random_access() {
    struct Source<'a>(&'a [u8], Mutex<usize>);
    impl ReadAt for Source<'_> {
        fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
            let mut left = self.1.lock().unwrap();
            assert!(*left > 0, "the source is broken");
            *left -= 1;
            self.0.read_at(out, offset)
        }

        fn len(&self) -> io::Result<u64> {
            ReadAt::len(&self.0)
        }
    }
    let scene = Scene::new(UNSIGNED, 50_000);
    let freed = freed_by(|| {
        for calls in 0..30 {
            let mut out = zeroize::Zeroizing::new(vec![0; 5_000]);
            let source = Source(&scene.message, Mutex::new(calls));
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let at = DecryptAt::open(source).unwrap().unlock(&scene.keyring).now().unwrap();
                let at = at.cache_len(20_000);
                let mut reader = at.reader();
                while reader.read(&mut out).unwrap() > 0 {}
            }));
        }
    });
    scene.secrets.assert_not_in(&freed);
}

#[test]
fn in_the_caller() {
    let scene = Scene::new(SIGNED, 20_000);
    let Scene { keyring, plaintext, message, .. } = &scene;
    let freed = freed_by(|| {
        panics(|| {
            let mut encryptor = scene.start(SIGNED, 1);
            let _ = encryptor.update(&plaintext.bytes, &mut [0; 10_000]).unwrap();
            panic!("the caller is broken");
        });
        panics(|| {
            let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
            let mut decryptor = locked.unlock(keyring).now().unwrap();
            // The final frame waits in it for the signature.
            let body = &message[header_len..message.len() - 20];
            // The caller's own, and not on the stack, where a copy would stay.
            let mut out = zeroize::Zeroizing::new(vec![0; 17_000]);
            let _ = decryptor.update(body, &mut out).unwrap();
            panic!("the caller is broken");
        });
        panics(|| {
            let _writer = {
                let mut writer = EncryptWriter::new(scene.start(SIGNED, 1), io::sink());
                writer.write_all(&plaintext.bytes).unwrap();
                writer
            };
            panic!("the caller is broken");
        });
        panics(|| {
            let mut reader =
                DecryptReader::open(&message[..]).unwrap().unlock(keyring).now().unwrap();
            reader.read_exact(&mut zeroize::Zeroizing::new(vec![0; 5_000])).unwrap();
            panic!("the caller is broken");
        });
    });
    scene.assert_not_in(&freed);
}

/// It begins to encrypt or decrypt a value, whose own code panics.
#[test]
fn in_a_value() {
    struct Value<'a>(&'a str);
    impl serde::Serialize for Value<'_> {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            use serde::ser::SerializeSeq;
            let mut list = serializer.serialize_seq(Some(2))?;
            list.serialize_element(self.0)?;
            // The first time it is only measured.
            static CALLS: Mutex<usize> = Mutex::new(0);
            *CALLS.lock().unwrap() += 1;
            let calls = *CALLS.lock().unwrap();
            assert!(calls < 2, "the value is broken");
            list.serialize_element("x")?;
            list.end()
        }
    }
    #[derive(Debug)]
    struct Read;
    impl<'de> serde::Deserialize<'de> for Read {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("the value is broken");
        }
    }
    let keyring = Telling::new(random(32));
    let text: String = random(64).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let freed = freed_by(|| {
        panics(|| drop(waxseal::encrypt_value(&Value(&text), &keyring).now()));
        let message = waxseal::encrypt_value(&text, &keyring).now().unwrap();
        panics(|| drop(waxseal::decrypt_value::<Read, _, _>(&message, &keyring).now()));
    });
    let mut secrets = Secrets::new();
    secrets.add("text", text.as_bytes());
    keyring.add_to(&mut secrets);
    secrets.assert_not_in(&freed);
}
