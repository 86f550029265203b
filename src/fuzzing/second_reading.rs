//! The format of messages, read a second time: plain, slow, and from the pages `data-format/` of the
//! specification alone. It shares no code and no type with `message`, so that a mistake there is not here.
//!
//! Where this crate reads more than the pages allow, so does this: pairs of the encryption context in any
//! order, a count of 0 pairs, and key provider ids that are not UTF-8 (see ARCHITECTURE.md).

use std::collections::BTreeMap;
use std::ops::Range;

/// What comes of reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading<T> {
    /// It is whole, and this long.
    Whole(T, usize),
    /// It can still become one.
    Incomplete,
    /// No bytes behind it make one of it.
    Malformed,
}

/// Spec: message-header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecondHeader {
    pub(super) version: u8,
    pub(super) suite: u16,
    pub(super) message_id: Vec<u8>,
    pub(super) context: BTreeMap<String, String>,
    /// Provider id, provider information, ciphertext.
    pub(super) encrypted_data_keys: Vec<[Vec<u8>; 3]>,
    /// `None` if the content is not framed.
    pub(super) frame_len: Option<u32>,
    pub(super) commitment: Option<Vec<u8>>,
    pub(super) body_len: usize,
    pub(super) iv: Option<Vec<u8>>,
    pub(super) tag: Vec<u8>,
}

/// Spec: message-body, "Framed Data".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecondFrame {
    pub(super) is_final: bool,
    pub(super) sequence_number: u32,
    pub(super) iv: Vec<u8>,
    /// Where the encrypted content is, counted from the first frame.
    pub(super) content: Range<usize>,
    pub(super) end: usize,
}

pub(super) fn read_header(bytes: &[u8]) -> Reading<SecondHeader> {
    let mut cursor = Cursor { bytes, at: 0 };
    match header(&mut cursor) {
        Ok(header) => Reading::Whole(header, cursor.at),
        Err(Stop::End) => Reading::Incomplete,
        Err(Stop::Wrong) => Reading::Malformed,
    }
}

/// All frames up to the final one.
pub(super) fn read_frames(bytes: &[u8], frame_len: u32) -> Reading<Vec<SecondFrame>> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut frames = Vec::new();
    loop {
        let expected = u32::try_from(frames.len() + 1).expect("they are few");
        match frame(&mut cursor, frame_len, expected) {
            Ok(frame) => frames.push(frame),
            Err(Stop::End) => return Reading::Incomplete,
            Err(Stop::Wrong) => return Reading::Malformed,
        }
        if frames.last().is_some_and(|frame| frame.is_final) {
            return Reading::Whole(frames, cursor.at);
        }
    }
}

/// IV and content length of a body that is not framed.
pub(super) fn read_unframed_prefix(bytes: &[u8]) -> Reading<(Vec<u8>, u64)> {
    let mut cursor = Cursor { bytes, at: 0 };
    let (Ok(iv), Ok(len)) = (cursor.take(12), cursor.take(8)) else { return Reading::Incomplete };
    let len = len.iter().fold(0_u64, |len, byte| (len << 8) | u64::from(*byte));
    if len > 68_719_476_704 {
        return Reading::Malformed;
    }
    Reading::Whole((iv.to_vec(), len), cursor.at)
}

/// The signature in a footer.
pub(super) fn read_footer(bytes: &[u8]) -> Reading<Vec<u8>> {
    let mut cursor = Cursor { bytes, at: 0 };
    match cursor.prefixed() {
        Ok(signature) => Reading::Whole(signature.to_vec(), cursor.at),
        Err(_) => Reading::Incomplete,
    }
}

fn header(cursor: &mut Cursor<'_>) -> Result<SecondHeader, Stop> {
    let version = cursor.number_1()?;
    if version != 1 && version != 2 {
        return Err(Stop::Wrong);
    }
    if version == 1 && cursor.number_1()? != 0x80 {
        return Err(Stop::Wrong);
    }
    let suite = cursor.number_2()?;
    let suites: &[u16] = if version == 1 { &SUITES_1 } else { &SUITES_2 };
    if !suites.contains(&suite) {
        return Err(Stop::Wrong);
    }
    let message_id = cursor.take(if version == 1 { 16 } else { 32 })?.to_vec();
    let context = context(cursor.prefixed()?)?;
    let count = cursor.number_2()?;
    if count == 0 {
        return Err(Stop::Wrong);
    }
    let mut encrypted_data_keys = Vec::new();
    for _ in 0..count {
        let provider_id = cursor.prefixed()?.to_vec();
        let provider_info = cursor.prefixed()?.to_vec();
        encrypted_data_keys.push([provider_id, provider_info, cursor.prefixed()?.to_vec()]);
    }
    let content_type = cursor.number_1()?;
    if content_type != 1 && content_type != 2 {
        return Err(Stop::Wrong);
    }
    if version == 1 && (cursor.take(4)? != [0, 0, 0, 0] || cursor.number_1()? != 12) {
        return Err(Stop::Wrong);
    }
    let frame_len = cursor.number_4()?;
    if (content_type == 1) != (frame_len == 0) {
        return Err(Stop::Wrong);
    }
    let commitment = if version == 2 { Some(cursor.take(32)?.to_vec()) } else { None };
    let body_len = cursor.at;
    let iv = if version == 1 { Some(cursor.take(12)?.to_vec()) } else { None };
    Ok(SecondHeader {
        version,
        suite,
        message_id,
        context,
        encrypted_data_keys,
        frame_len: (content_type == 2).then_some(frame_len),
        commitment,
        body_len,
        iv,
        tag: cursor.take(16)?.to_vec(),
    })
}

fn context(bytes: &[u8]) -> Result<BTreeMap<String, String>, Stop> {
    let mut pairs = BTreeMap::new();
    if bytes.is_empty() {
        return Ok(pairs);
    }
    // Its length is stated, so what does not fit in there never will.
    let mut cursor = Cursor { bytes, at: 0 };
    let wrong = |_| Stop::Wrong;
    for _ in 0..cursor.number_2().map_err(wrong)? {
        let key = String::from_utf8(cursor.prefixed().map_err(wrong)?.to_vec());
        let value = String::from_utf8(cursor.prefixed().map_err(wrong)?.to_vec());
        let (Ok(key), Ok(value)) = (key, value) else { return Err(Stop::Wrong) };
        if pairs.insert(key, value).is_some() {
            return Err(Stop::Wrong);
        }
    }
    if cursor.at == bytes.len() { Ok(pairs) } else { Err(Stop::Wrong) }
}

fn frame(cursor: &mut Cursor<'_>, frame_len: u32, expected: u32) -> Result<SecondFrame, Stop> {
    let first = cursor.number_4()?;
    let is_final = first == 0xffff_ffff;
    let sequence_number = if is_final { cursor.number_4()? } else { first };
    if sequence_number != expected {
        return Err(Stop::Wrong);
    }
    let iv = cursor.take(12)?.to_vec();
    let len = if is_final { cursor.number_4()? } else { frame_len };
    if len > frame_len {
        return Err(Stop::Wrong);
    }
    let len = usize::try_from(len).map_err(|_| Stop::End)?;
    let start = cursor.at;
    cursor.take(len)?;
    let content = start..cursor.at;
    cursor.take(16)?;
    Ok(SecondFrame { is_final, sequence_number, iv, content, end: cursor.at })
}

/// Why reading stops.
enum Stop {
    End,
    Wrong,
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Stop> {
        if self.bytes.len() - self.at < len {
            return Err(Stop::End);
        }
        let bytes = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(bytes)
    }

    fn prefixed(&mut self) -> Result<&'a [u8], Stop> {
        let len = self.number_2()?;
        self.take(usize::from(len))
    }

    fn number_1(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?[0])
    }

    fn number_2(&mut self) -> Result<u16, Stop> {
        let bytes = self.take(2)?;
        Ok(u16::from(bytes[0]) << 8 | u16::from(bytes[1]))
    }

    fn number_4(&mut self) -> Result<u32, Stop> {
        let high = u32::from(self.number_2()?);
        Ok(high << 16 | u32::from(self.number_2()?))
    }
}

/// Spec: algorithm-suites, "Supported Algorithm Suites", by the message format version of each.
const SUITES_1: [u16; 9] = [0x0014, 0x0046, 0x0078, 0x0114, 0x0146, 0x0178, 0x0214, 0x0346, 0x0378];
const SUITES_2: [u16; 2] = [0x0478, 0x0578];
