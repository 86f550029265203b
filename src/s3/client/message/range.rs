//! Gets a range of an object that is a message: authentic, from the frames that it touches.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

use super::Client;
use crate::context::EncryptionContext;
use crate::decrypt::OpenFrames;
use crate::error::{Error, InvalidMessage, Malformed, PolicyError, S3Failure};
use crate::frames::FrameOpener;
use crate::message::{ContentType, FrameKind, to_u64};
use crate::s3::client::call::Call;
use crate::s3::client::get::{is_status, parse_content_range};
use crate::s3::content::{ByteRange, ByteSpan};
use crate::secret::wipe;
use crate::unlock::{HeaderReader, Locked};

impl Client {
    /// A range of a message.
    ///
    /// The first request brings the header and tells how long the object is. From that length follows which frames
    /// there are, and the final frame proves it: its number and its length are authentic, so that an object that
    /// was cut is noticed whatever range is asked for. All requests are for the one version that was there first.
    pub(in crate::s3::client) async fn get_message_range(
        &self,
        call: Call<'_>,
        input: GetObjectInputBuilder,
        context: &EncryptionContext,
        wanted: ByteRange,
    ) -> Result<GetObjectOutput, Error> {
        let keys = self.message_keys()?;
        let (mut output, stored) = self.first_bytes(call, input).await?;
        let locked = stored.header().await?;
        if locked.suite().signs() {
            return Err(PolicyError::RangeOfSignedMessage.into());
        }
        let decryptor = locked.unlock(keys).require(context).await?;
        let header = decryptor.header().parsed();
        let ContentType::Framed { frame_len } = header.content_type() else {
            return Err(PolicyError::RangeOfUnframedMessage.into());
        };
        let layout = Frames::new(header.len(), frame_len, stored.len)?;
        let OpenFrames { opener, .. } = decryptor.into_frames()?;

        let last = layout.last();
        stored.check_len(&layout, last, last)?;
        let mut end = Vec::new();
        stored.frames(&opener, &layout, (last, last), &mut end).await?;
        let len = layout.plaintext_len();
        let result = match wanted.within(len) {
            Ok(span) => stored.range(&opener, &layout, span, &end).await.map(|bytes| (span, bytes)),
            Err(error) => Err(error),
        };
        wipe(&mut end);
        let (span, plaintext) = result?;
        output.content_range = Some(span.content_range(len));
        output.content_length = i64::try_from(plaintext.len()).ok();
        output.body = ByteStream::from(plaintext);
        Ok(output)
    }

    /// Asks for the beginning of an object.
    async fn first_bytes<'a>(
        &'a self,
        call: Call<'a>,
        input: GetObjectInputBuilder,
    ) -> Result<(GetObjectOutput, Stored<'a>), Error> {
        let wrong = |what: &str| call.failed(S3Failure::WrongAnswer(what.to_owned()));
        let first = input.clone().range(format!("bytes=0-{}", FIRST_LEN.saturating_sub(1)));
        let mut output = match first.send_with(&self.sdk).await {
            Ok(output) => output,
            Err(error) => {
                let error = call.sdk_error(error);
                // There is no byte in it, and so no header.
                return Err(if is_status(&error, 416) {
                    truncated("the header", 0)
                } else {
                    error
                });
            }
        };
        let len = match output.content_range.as_deref().map(parse_content_range) {
            Some(Some((0, len))) => len,
            Some(_) => return Err(wrong("it is another range than the one that was asked for")),
            // A server may answer with everything.
            None => output
                .content_length
                .and_then(|len| u64::try_from(len).ok())
                .ok_or_else(|| wrong("it does not say how long it is"))?,
        };
        let e_tag = output.e_tag.clone().ok_or_else(|| wrong("it has no ETag"))?;
        let version = input
            .set_range(None)
            .set_if_modified_since(None)
            .set_if_unmodified_since(None)
            .set_if_none_match(None)
            .if_match(e_tag);
        let wanted = usize::try_from(len.min(FIRST_LEN)).unwrap_or(usize::MAX);
        let mut body = std::mem::take(&mut output.body);
        let mut head = Vec::new();
        while head.len() < wanted {
            match body.next().await {
                Some(Ok(chunk)) => head.extend_from_slice(&chunk),
                // Whoever reads on asks again for what is missing, and hears if that fails, too.
                None | Some(Err(_)) => break,
            }
        }
        head.truncate(wanted);
        Ok((output, Stored { client: self, call, version, len, head: head.into() }))
    }
}

/// An object that is read piece by piece.
struct Stored<'a> {
    client: &'a Client,
    call: Call<'a>,
    /// Asks for the version that was there at the beginning.
    version: GetObjectInputBuilder,
    /// Length of all that is stored, in bytes.
    len: u64,
    /// Its first bytes.
    head: Bytes,
}

impl Stored<'_> {
    /// Reads the header, with more requests if it is longer than what is there.
    async fn header(&self) -> Result<Locked, Error> {
        let mut reader = HeaderReader::new(self.client.messages.policy.clone());
        reader.push(&self.head)?;
        let mut at = to_u64(self.head.len());
        // As many bytes again as there were: the policy ends it, if the header does not.
        while !reader.is_complete() && at < self.len {
            let end = at.saturating_mul(2).max(FIRST_LEN).min(self.len);
            reader.push(&self.bytes(at, end).await?)?;
            at = end;
        }
        reader.finish()
    }

    /// The plaintext of a range. `end` is that of the final frame, which was opened already.
    async fn range(
        &self,
        opener: &FrameOpener,
        layout: &Frames,
        span: ByteSpan,
        end: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let first = layout.frame_of(span.start);
        let last = layout.frame_of(span.end.saturating_sub(1));
        self.check_len(layout, first, last)?;
        let before = layout.plaintext_start(first);
        let after = layout.plaintext_start(last).saturating_add(layout.content_len(last));
        // All at once, so that growing leaves no copy behind.
        let mut plaintext = Vec::with_capacity(to_size(after.saturating_sub(before)));
        let regular = last.min(layout.regular);
        self.frames(opener, layout, (first, regular), &mut plaintext).await?;
        if last > regular {
            plaintext.extend_from_slice(end);
        }
        let start = span.start.saturating_sub(before);
        Ok(ByteSpan { start, end: span.end.saturating_sub(before) }.slice(plaintext))
    }

    /// Appends the plaintext of these frames, got with several requests at once if they are many.
    async fn frames(
        &self,
        opener: &FrameOpener,
        layout: &Frames,
        (first, last): (u32, u32),
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let at_once = PIECE_LEN.checked_div(layout.sealed_regular_len()).unwrap_or_default();
        let step = u32::try_from(at_once).unwrap_or(u32::MAX).max(1);
        let starts = (first..=last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let pieces = starts.map(|from| async move {
            let to = from.saturating_add(step.saturating_sub(1)).min(last);
            let bytes = self.bytes(layout.start(from), layout.end(to)).await?;
            Ok::<_, Error>((from, to, bytes))
        });
        let mut pieces = stream::iter(pieces).buffered(PARALLELISM);
        while let Some(piece) = pieces.next().await {
            let opened =
                piece.and_then(|(from, to, bytes)| open(opener, layout, (from, to), &bytes, out));
            if let Err(error) = opened {
                wipe(out);
                return Err(error);
            }
        }
        Ok(())
    }

    fn check_len(&self, layout: &Frames, first: u32, last: u32) -> Result<(), Error> {
        let limit = self.client.buffer_limit;
        if layout.end(last).saturating_sub(layout.start(first)) > limit {
            return Err(PolicyError::BufferLimit { limit }.into());
        }
        Ok(())
    }

    /// These bytes, from what is there already or with a request.
    async fn bytes(&self, start: u64, end: u64) -> Result<Bytes, Error> {
        let here = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        if let Some(bytes) = here.and_then(|(start, end)| self.head.get(start..end)) {
            return Ok(self.head.slice_ref(bytes));
        }
        self.client.piece(self.call, self.version.clone(), start, end, self.len).await
    }
}

/// Opens frames that stand one after the other, and appends their plaintext.
fn open(
    opener: &FrameOpener,
    layout: &Frames,
    (first, last): (u32, u32),
    sealed: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let mut rest = sealed;
    for number in first..=last {
        let len = to_size(layout.end(number).saturating_sub(layout.start(number)));
        let cut = || truncated("a frame", layout.end(number));
        let (frame, after) = rest.split_at_checked(len).ok_or_else(cut)?;
        rest = after;
        let start = out.len();
        out.resize(start.saturating_add(to_size(layout.content_len(number))), 0);
        let room = out.get_mut(start..).unwrap_or_default();
        opener.open(number, layout.kind(number), frame, room).map_err(|error| match error {
            // Its offset is that in the message.
            Error::InvalidMessage(fault) => {
                let offset = layout.start(number).saturating_add(fault.offset());
                InvalidMessage::new(fault.reason().clone(), offset).into()
            }
            error => error,
        })?;
    }
    Ok(())
}

/// Which frames a message of known length has. There is one answer, whether the last full frame is the final one, or
/// an empty one follows it: the lengths differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frames {
    body_start: u64,
    frame_len: u64,
    /// How many regular frames there are.
    regular: u32,
    /// Bytes of content in the final frame.
    last_len: u64,
}

impl Frames {
    fn new(body_start: u64, frame_len: u32, stored_len: u64) -> Result<Self, Error> {
        let frame_len = u64::from(frame_len);
        let cut = || truncated("a frame", stored_len);
        let content = stored_len
            .checked_sub(body_start)
            .and_then(|len| len.checked_sub(to_u64(FrameKind::Final.overhead())))
            .ok_or_else(cut)?;
        let sealed_len = frame_len.saturating_add(to_u64(FrameKind::Regular.overhead()));
        let (regular, last_len) = (content / sealed_len, content % sealed_len);
        // The final frame needs a number, too.
        let regular = u32::try_from(regular).ok().filter(|count| *count < u32::MAX);
        match regular {
            Some(regular) if last_len <= frame_len => {
                Ok(Self { body_start, frame_len, regular, last_len })
            }
            _ => Err(cut()),
        }
    }

    fn sealed_regular_len(&self) -> u64 {
        self.frame_len.saturating_add(to_u64(FrameKind::Regular.overhead()))
    }

    /// Number of the final frame.
    fn last(&self) -> u32 {
        self.regular.saturating_add(1)
    }

    fn kind(&self, number: u32) -> FrameKind {
        if number > self.regular { FrameKind::Final } else { FrameKind::Regular }
    }

    fn content_len(&self, number: u32) -> u64 {
        match self.kind(number) {
            FrameKind::Final => self.last_len,
            FrameKind::Regular => self.frame_len,
        }
    }

    /// Where a frame begins in what is stored.
    fn start(&self, number: u32) -> u64 {
        let before = u64::from(number.saturating_sub(1));
        self.body_start.saturating_add(before.saturating_mul(self.sealed_regular_len()))
    }

    fn end(&self, number: u32) -> u64 {
        let overhead = to_u64(self.kind(number).overhead());
        self.start(number).saturating_add(self.content_len(number)).saturating_add(overhead)
    }

    /// Where the content of a frame begins in the plaintext.
    fn plaintext_start(&self, number: u32) -> u64 {
        u64::from(number.saturating_sub(1)).saturating_mul(self.frame_len)
    }

    fn plaintext_len(&self) -> u64 {
        self.plaintext_start(self.last()).saturating_add(self.last_len)
    }

    /// The frame that holds a byte of the plaintext; for those beyond, the final one.
    fn frame_of(&self, plaintext_offset: u64) -> u32 {
        let before = plaintext_offset.checked_div(self.frame_len).unwrap_or_default();
        u32::try_from(before).unwrap_or(u32::MAX).min(self.regular).saturating_add(1)
    }
}

fn truncated(field: &'static str, offset: u64) -> Error {
    InvalidMessage::new(Malformed::Truncated { field }, offset).into()
}

fn to_size(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// What the first request asks for: most headers, and all of short objects.
const FIRST_LEN: u64 = 16 << 10;
/// Bytes of whole frames that one request asks for, unless one frame is longer.
const PIECE_LEN: u64 = 8 << 20;
/// How many requests are under way at once.
const PARALLELISM: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::FrameLayout;

    #[test]
    fn frames_are_those_that_the_layout_has() {
        for (frame_len, len) in
            (1..=9).flat_map(|frame_len| (0..=40).map(move |len| (frame_len, len)))
        {
            let layout = FrameLayout::new(100, frame_len).unwrap();
            let frames = Frames::new(100, frame_len, layout.message_len(len).unwrap()).unwrap();
            assert_eq!(frames.plaintext_len(), len);
            assert_eq!(frames.last(), layout.frame_count(len).unwrap());
            for number in 1..=frames.last() {
                let span = layout.frame(number, len).unwrap();
                assert_eq!(frames.kind(number), span.kind);
                assert_eq!(frames.start(number)..frames.end(number), span.ciphertext);
                let start = frames.plaintext_start(number);
                assert_eq!(start..start + frames.content_len(number), span.plaintext);
            }
            for at in 0..len {
                assert_eq!(frames.frame_of(at), layout.frame_of(at).unwrap());
            }
        }
    }

    #[test]
    fn an_empty_final_frame_after_full_ones_is_told_from_a_full_one() {
        let full = Frames::new(100, 8, 100 + 40 + 48).unwrap();
        assert_eq!((full.last(), full.content_len(2), full.plaintext_len()), (2, 8, 16));
        let empty = Frames::new(100, 8, 100 + 40 + 40 + 40).unwrap();
        assert_eq!((empty.last(), empty.content_len(3), empty.plaintext_len()), (3, 0, 16));
        assert_eq!(empty.frame_of(15), 2);
    }

    #[test]
    fn lengths_that_no_message_has_are_refused() {
        for stored in [0, 99, 100, 139, 100 + 40 + 9, 100 + 40 + 39] {
            assert!(Frames::new(100, 8, stored).is_err(), "{stored}");
        }
        assert!(Frames::new(0, 1, u64::MAX).is_err());
    }
}
