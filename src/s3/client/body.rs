//! Bodies of requests and answers that are encrypted or decrypted on the way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use zeroize::Zeroizing;

use super::call::InBody;
use crate::error::{ApiMisuse, Error};
use crate::message::to_u64;
use crate::s3::content::{Sealer, UnauthenticatedOpener};

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Encrypts a body from start to end.
pub(super) trait Seal: Send + Sync + Unpin + 'static {
    fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error>;
    fn finish(self, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// Decrypts a body from start to end.
pub(super) trait Open: Send + Sync + Unpin + 'static {
    fn update(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error>;
    fn finish(self, out: &mut Vec<u8>) -> Result<(), Error>;
}

/// The ciphertext of a body that is read once.
struct SealBody<S> {
    plaintext: SdkBody,
    sealer: Option<S>,
    /// Length of the plaintext in bytes, as it was stated before it was read.
    stated_len: u64,
    read: u64,
    /// Bytes of ciphertext that are still to come.
    left: u64,
}

impl<S: Seal> SealBody<S> {
    fn step(&mut self, chunk: Option<Bytes>) -> Result<Bytes, Error> {
        let mut out = Vec::new();
        match chunk {
            Some(chunk) => {
                self.read = self.read.saturating_add(to_u64(chunk.len()));
                self.check_len(false)?;
                let sealer = self.sealer.as_mut().ok_or(ApiMisuse::Poisoned)?;
                out.reserve_exact(chunk.len());
                sealer.update(&chunk, &mut out)?;
            }
            None => {
                self.check_len(true)?;
                if let Some(sealer) = self.sealer.take() {
                    sealer.finish(&mut out)?;
                }
            }
        }
        self.left = self.left.saturating_sub(to_u64(out.len()));
        Ok(out.into())
    }

    fn check_len(&self, at_end: bool) -> Result<(), Error> {
        let Self { stated_len, read, .. } = *self;
        if read > stated_len || (at_end && read < stated_len) {
            let what = "the body";
            return Err(ApiMisuse::BufferLen { what, expected: stated_len, found: read }.into());
        }
        Ok(())
    }
}

impl<S: Seal> Body for SealBody<S> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if this.sealer.is_none() {
                return Poll::Ready(None);
            }
            let chunk = match ready!(Pin::new(&mut this.plaintext).poll_frame(cx)) {
                // Trailers of the plaintext mean nothing to the ciphertext.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Some(data),
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    this.sealer = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => None,
            };
            match this.step(chunk) {
                // Fewer bytes than a block of the cipher may give nothing yet.
                Ok(out) if out.is_empty() => {}
                Ok(out) => return Poll::Ready(Some(Ok(Frame::data(out)))),
                Err(error) => {
                    this.sealer = None;
                    return Poll::Ready(Some(Err(InBody::new(error).into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.sealer.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.sealer {
            Some(_) => SizeHint::with_exact(self.left),
            None => SizeHint::with_exact(0),
        }
    }
}

/// The ciphertext of a body, as a body that can be sent once: what a stream gives a second time need not be what
/// it gave the first time, and the same key would encrypt both.
///
/// `stated_len` and `sealed_len` are bytes of plaintext and of ciphertext.
pub(super) fn sealed_stream(
    sealer: impl Seal,
    plaintext: ByteStream,
    stated_len: u64,
    sealed_len: u64,
) -> ByteStream {
    let plaintext = plaintext.into_inner();
    let body = SealBody { plaintext, sealer: Some(sealer), stated_len, read: 0, left: sealed_len };
    ByteStream::new(SdkBody::from_body_1_x(body))
}

/// Plaintext that is given away before it is authentic; the end is an error if it is not.
struct OpenBody<O> {
    ciphertext: SdkBody,
    opener: Option<O>,
    /// Plaintext that was there before the rest is read.
    first: Zeroizing<Vec<u8>>,
}

impl<O: Open> Body for OpenBody<O> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            let first = std::mem::take(&mut *this.first);
            return Poll::Ready(Some(Ok(Frame::data(first.into()))));
        }
        loop {
            let Some(opener) = this.opener.as_mut() else { return Poll::Ready(None) };
            // What comes before an error is not given away, and must not stay behind either.
            let mut out = Zeroizing::new(Vec::new());
            let done = match ready!(Pin::new(&mut this.ciphertext).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => opener.update(&data, &mut out),
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    this.opener = None;
                    return Poll::Ready(Some(Err(error)));
                }
                None => match this.opener.take() {
                    Some(opener) => opener.finish(&mut out),
                    None => Ok(()),
                },
            };
            match done {
                Ok(()) if out.is_empty() => {}
                Ok(()) => {
                    let out = std::mem::take(&mut *out);
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
                Err(error) => {
                    this.opener = None;
                    return Poll::Ready(Some(Err(InBody::new(error).into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Only after the end was authenticated: whoever stops earlier must not take it for a clean end.
        self.first.is_empty() && self.opener.is_none()
    }
}

/// The plaintext of an answer as it comes, behind what came of it already.
pub(super) fn opened_stream(
    opener: impl Open,
    first: Zeroizing<Vec<u8>>,
    ciphertext: ByteStream,
) -> ByteStream {
    let body = OpenBody { ciphertext: ciphertext.into_inner(), opener: Some(opener), first };
    ByteStream::new(SdkBody::from_body_1_x(body))
}

impl Seal for Sealer {
    fn update(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        Self::update(self, plaintext, out)
    }

    fn finish(self, out: &mut Vec<u8>) -> Result<(), Error> {
        Self::finish(self, out)
    }
}

impl Open for UnauthenticatedOpener {
    fn update(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        Self::update(self, ciphertext, out)
    }

    fn finish(self, out: &mut Vec<u8>) -> Result<(), Error> {
        Self::finish(self, out)
    }
}
