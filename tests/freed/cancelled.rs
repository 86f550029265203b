//! Futures that are dropped after each number of polls.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use waxseal::{
    Attempt, BoxFuture, CachingManager, EncryptionMaterials, Error, Keyring, LocalKeyring,
    MaterialsCache, MultiKeyring, UnwrapRequest, UnwrappedDataKey,
};

use crate::keyrings::{Telling, UNSIGNED, data_key_of};
use crate::secrets::{Plaintext, Secrets, freed_by, random};

/// Is not ready at first, before its work nor after it.
#[derive(Debug)]
struct Slow(Telling);

impl Keyring for Slow {
    fn wrap<'a>(
        &'a self,
        materials: &'a mut EncryptionMaterials,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let result = self.0.wrap_now(materials);
            tokio::task::yield_now().await;
            result
        })
    }

    fn unwrap<'a>(
        &'a self,
        request: &'a UnwrapRequest<'a>,
    ) -> BoxFuture<'a, Result<UnwrappedDataKey, Vec<Attempt>>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let result = self.0.unwrap_now(request);
            tokio::task::yield_now().await;
            result
        })
    }
}

/// Polls at most so often, then drops. Whether it was ready by then.
fn polled<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).find_map(|_| match future.as_mut().poll(&mut cx) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Runs with each number of polls until it is ready; says how many that were.
fn cancel_everywhere<F: Future>(start: impl Fn() -> F) -> usize {
    (0..1_000)
        .find(|polls| match polled(start(), *polls) {
            // What comes out is the caller's.
            Some(output) => {
                std::mem::forget(output);
                true
            }
            None => false,
        })
        .expect("it is ready some time")
}

#[test]
fn keyrings_that_wait() {
    let key = random(32);
    let plaintext = Plaintext::new(10_000);
    let telling = Telling::new(&key);
    let message = waxseal::encrypt(&plaintext.bytes, &telling).suite(UNSIGNED).now().unwrap();
    let freed = freed_by(|| {
        let slow = Slow(telling.clone());
        let several = MultiKeyring::generator(Slow(telling.clone())).child(Slow(telling.clone()));
        let polls = cancel_everywhere(|| waxseal::encrypt(&plaintext.bytes, &slow).into_future());
        assert_eq!(polls, 3);
        cancel_everywhere(|| waxseal::encrypt(&plaintext.bytes, &several).into_future());
        cancel_everywhere(|| waxseal::encryptor(&slow).into_future());
        let polls = cancel_everywhere(|| waxseal::decrypt(&message, &slow).into_future());
        assert_eq!(polls, 3);
        cancel_everywhere(|| waxseal::decrypt(&message, &several).into_future());
        let mut out = vec![0; 10_000];
        for polls in 0..4 {
            let decrypt = waxseal::decrypt(&message, &slow).into_buffer(&mut out).into_future();
            let _ = polled(decrypt, polls);
            // The caller's.
            out.fill(0);
        }
        cancel_everywhere(|| {
            let cache = MaterialsCache::new(2).unwrap();
            let manager = CachingManager::new(
                Slow(telling.clone()),
                &cache,
                std::time::Duration::from_secs(60),
            );
            let (manager, message, plaintext) = (manager.unwrap(), &message, &plaintext.bytes);
            async move {
                std::mem::forget(waxseal::encrypt(plaintext, &manager).await.unwrap());
                std::mem::forget(waxseal::decrypt(message, &manager).await.unwrap());
            }
        });
    });
    let mut secrets = Secrets::new();
    secrets.add_with_forms("wrapping key", &key);
    plaintext.add_to(&mut secrets);
    telling.add_to(&mut secrets);
    secrets.add_derived(&data_key_of(&telling, message.header()), message.header());
    secrets.assert_not_in(&freed);
}

#[cfg(feature = "tokio")]
mod tokio_streams {
    use std::num::NonZeroUsize;
    use std::pin::Pin;

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
    use waxseal::tokio::{DecryptReader, EncryptReader, EncryptWriter};

    use super::*;
    use crate::keyrings::SIGNED;
    use crate::secrets::freed_by_async;
    use crate::streams::Scene;

    /// Passes at most so many bytes in a call, and is not ready every other time.
    struct Slow<T> {
        inner: T,
        most: usize,
        waits: bool,
    }

    impl<T> Slow<T> {
        fn new(inner: T, most: usize) -> Self {
            Self { inner, most, waits: false }
        }

        fn turn(&mut self, cx: &Context<'_>) -> Poll<()> {
            self.waits = !self.waits;
            if self.waits {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        }
    }

    impl AsyncRead for Slow<&[u8]> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            std::task::ready!(self.turn(cx));
            let len = self.most.min(out.remaining()).min(self.inner.len());
            let (now, rest) = self.inner.split_at(len);
            out.put_slice(now);
            self.inner = rest;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Slow<tokio::io::Sink> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            std::task::ready!(self.turn(cx));
            Poll::Ready(Ok(bytes.len().min(self.most)))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Some polls of a long future, each of which ends it once.
    const POLLS: [usize; 9] = [0, 1, 2, 3, 5, 10, 20, 50, 1_000_000];

    #[test]
    fn readers_and_writers_of_tokio() {
        for (suite, threads, len, most) in [
            (UNSIGNED, 1, 100_000, 10_000),
            (SIGNED, 1, 100_000, 3_000),
            (UNSIGNED, 3, 5 << 20, 700_000),
        ] {
            let scene = Scene::new(suite, len);
            let Scene { keyring, plaintext, message, .. } = &scene;
            let changed = scene.changed();
            let threads = NonZeroUsize::new(threads).unwrap();
            let start = || scene.start(suite, threads.get());
            let freed = freed_by_async(async {
                for polls in POLLS {
                    let _ = polled(
                        async {
                            let sink = Slow::new(tokio::io::sink(), most);
                            let mut writer = EncryptWriter::new(start(), sink);
                            writer.write_all(&plaintext.bytes).await.unwrap();
                            writer.shutdown().await.unwrap();
                        },
                        polls,
                    );
                    let _ = polled(
                        async {
                            let source = Slow::new(&plaintext.bytes[..], most);
                            let mut reader = EncryptReader::new(start(), source);
                            let mut out = vec![0; 50_000];
                            while reader.read(&mut out).await.unwrap() > 0 {}
                        },
                        polls,
                    );
                    for message in [message, &changed] {
                        // The caller's own.
                        let mut out = zeroize::Zeroizing::new(vec![0; 50_000]);
                        let _ = polled(
                            async {
                                let source = Slow::new(&message[..], most);
                                let locked = DecryptReader::open(source).await.unwrap();
                                let unlock = locked.unlock(keyring).threads(threads);
                                let mut reader = unlock.await.unwrap();
                                while reader.read(&mut out).await.unwrap_or(0) > 0 {}
                            },
                            polls,
                        );
                    }
                }
            });
            scene.assert_not_in(&freed);
        }
    }
}
