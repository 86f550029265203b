//! The decryption engine: bytes in, bytes out, no input or output of its own.
//!
//! A chain of states, each of which consumes the one before:
//!
//! ```text
//! HeaderReader -> Locked -> Decryptor -> Verified
//! ```
//!
//! A [`Decryptor`] exists only if the key commitment and the header tag were checked, a [`Verified`]
//! only if the whole message was.

use std::future::IntoFuture;

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;

use crate::context::{EncryptionContext, PUBLIC_KEY, is_reserved};
use crate::crypto::{TAG_LEN, VerifyingKey};
use crate::derive::{DerivedKeys, derive_keys};
use crate::encrypt::Progress;
use crate::error::{
    ApiMisuse, Attempt, Error, InvalidMessage, KeyringError, Malformed, PolicyError, Stage,
    UnwrapFailure,
};
use crate::frames::{FrameOpener, content_len, unframed_piece_len};
use crate::keyring::{LocalKeyring, now};
use crate::materials::{
    BoxFuture, DecryptionMaterials, DecryptionRequest, MaterialsManager, UnwrappedDataKey,
};
use crate::message::body::{FramePrefix, UNFRAMED_PREFIX_LEN, UnframedPrefix};
use crate::message::footer::read_footer;
use crate::message::header::{HeaderParser, ReadHeader};
use crate::message::{ContentType, EncryptedDataKey, FrameKind, Header, to_u64};
use crate::output::{Output, Ready};
use crate::policy::{Policy, SignedStreaming};
use crate::suite::AlgorithmSuite;
use crate::transcript::Transcript;

/// Reads a header from pieces of any size.
///
/// ```
/// use waxseal::{AesKey, HeaderReader, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
///
/// let mut reader = HeaderReader::new(Policy::default());
/// let mut header_len = 0;
/// for byte in message.iter() {
///     header_len += reader.push(&[*byte])?;
///     if reader.is_complete() {
///         break;
///     }
/// }
/// assert_eq!(header_len as u64, message.header().len());
/// let decryptor = reader.finish()?.unlock(&keyring).now()?;
/// # let _ = decryptor;
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: decrypt, "Parse the header".
#[derive(Debug)]
pub struct HeaderReader {
    parser: HeaderParser,
    policy: Policy,
}

impl HeaderReader {
    /// Starts at the first byte of a message.
    pub fn new(policy: Policy) -> Self {
        Self { parser: HeaderParser::new(&policy), policy }
    }

    /// Takes what belongs to the header; gives the number of bytes taken.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] as soon as the bytes cannot become a header; [`Error::Policy`] if it
    /// has more encrypted data keys or bytes than allowed.
    pub fn push(&mut self, input: &[u8]) -> Result<usize, Error> {
        self.parser.push(input)
    }

    /// Whether the header is whole.
    pub fn is_complete(&self) -> bool {
        self.parser.is_done()
    }

    /// The header, to be unlocked.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if it is not whole.
    pub fn finish(self) -> Result<Locked, Error> {
        Ok(Locked { read: self.parser.finish()?, policy: self.policy })
    }
}

/// A header that was read but not authenticated: it shows only what keyrings need.
///
/// ```
/// use waxseal::{AesKey, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).now()?;
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// assert_eq!(locked.encrypted_data_keys()[0].key_name(), b"key-2026");
/// let decryptor = locked.unlock(&keyring).now()?;
/// # let _ = (decryptor, header_len);
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is decrypted before it is unlocked"]
pub struct Locked {
    read: ReadHeader,
    policy: Policy,
}

impl Locked {
    /// Reads the header at the start of a message; gives its length in bytes, too.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if there is no whole header; [`Error::Policy`] if it has more encrypted
    /// data keys or bytes than allowed.
    pub fn read(message: &[u8], policy: Policy) -> Result<(Self, usize), Error> {
        let mut reader = HeaderReader::new(policy);
        let len = reader.push(message)?;
        Ok((reader.finish()?, len))
    }

    /// The encrypted data keys: whatever the message says.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        self.read.header.encrypted_data_keys()
    }

    /// The suite: whatever the message says.
    pub fn suite(&self) -> AlgorithmSuite {
        self.read.header.suite()
    }

    /// Gets the data key and checks commitment and header with it.
    pub fn unlock<M: MaterialsManager + ?Sized>(self, keys: &M) -> Unlock<'_, M> {
        Unlock::new(self, keys, JustDecrypt)
    }

    pub(crate) fn into_header(self) -> Header {
        self.read.header
    }

    async fn unlock_with<M: MaterialsManager + ?Sized>(
        self,
        keys: &M,
        required: Required,
    ) -> Result<Decryptor, Error> {
        let Self { read, policy } = self;
        let header = &read.header;
        policy.check_decrypt(header.suite)?;
        if let ContentType::Framed { frame_len } = header.content_type {
            policy.check_frame_len(frame_len.into())?;
        }
        if header.suite.signs() && policy.signed_streaming == SignedStreaming::Refuse {
            return Err(PolicyError::SignedStreaming.into());
        }
        required.check(&header.context)?;
        let verifying_key = read_verifying_key(header)?;
        let request = DecryptionRequest {
            suite: header.suite,
            context: &header.context,
            reproduced_context: &required.pairs,
            encrypted_data_keys: &header.encrypted_data_keys,
            policy: &policy,
        };
        let (_, unstored) = required.pairs.partition(|key| header.context.get(key).is_some());
        let result = match keys.decryption_materials(request).await {
            Ok(materials) => authenticate(read, policy, materials, verifying_key, &required.pairs),
            Err(error) => Err(error),
        };
        result.map_err(|error| {
            // Most likely it is these pairs that are wrong; what failed stays behind as the source.
            if unstored.is_empty() || !is_mismatch(&error) {
                return error;
            }
            let keys = unstored.iter().map(|(key, _)| key.to_owned()).collect();
            PolicyError::ContextNotAuthenticated { keys, source: Box::new(error) }.into()
        })
    }
}

/// Whether this is what another encryption context than the message's leads to.
fn is_mismatch(error: &Error) -> bool {
    match error {
        Error::Unauthentic(Stage::Header) => true,
        Error::Keyring(KeyringError::NoDataKey { attempts, .. }) => {
            let mismatch =
                |attempt: &Attempt| matches!(attempt.failure, UnwrapFailure::Unauthentic);
            !attempts.is_empty() && attempts.iter().all(mismatch)
        }
        _ => false,
    }
}

/// The key that the header says signed the message. It is authenticated with the header.
fn read_verifying_key(header: &Header) -> Result<Option<VerifyingKey>, Error> {
    let invalid = |reason| Error::from(InvalidMessage::new(reason, header.context_offset()));
    match (header.suite.signature(), header.context.get(PUBLIC_KEY)) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(invalid(Malformed::PublicKeyUnexpected)),
        (Some(_), None) => Err(invalid(Malformed::PublicKeyMissing)),
        (Some(curve), Some(text)) => Base64::decode_vec(text)
            .ok()
            .and_then(|point| VerifyingKey::new(curve, &point).ok())
            .map(Some)
            .ok_or_else(|| invalid(Malformed::PublicKeyInvalid)),
    }
}

/// Spec: decrypt, "Get the decryption materials" and "Verify the header".
fn authenticate(
    read: ReadHeader,
    policy: Policy,
    materials: DecryptionMaterials,
    verifying_key: Option<VerifyingKey>,
    required: &EncryptionContext,
) -> Result<Decryptor, Error> {
    let ReadHeader { header, auth, bytes, body_len } = read;
    let unstored = materials.check(&policy, &header, required)?;
    let UnwrappedDataKey { key, index } = materials.unwrapped;
    let DerivedKeys { content, commitment } = derive_keys(header.suite, &key, &header.message_id)?;
    let committed = match (&header.commitment, &commitment) {
        (None, None) => true,
        (Some(stated), Some(derived)) => stated.ct_eq(derived).into(),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if !committed {
        return Err(Error::Unauthentic(Stage::Commitment));
    }
    let body = bytes.get(..body_len).unwrap_or_default();
    content
        .open(&auth.iv, &[body, &unstored.encode()?].concat(), &[], &auth.tag, &mut [])
        .map_err(|_| Error::Unauthentic(Stage::Header))?;
    let mut transcript = Transcript::new(header.suite, verifying_key);
    transcript.update(&bytes);
    let (frame_len, state) = match header.content_type {
        ContentType::Framed { frame_len } => (frame_len, State::Frame { sequence_number: 1 }),
        ContentType::Unframed => (0, State::Unframed),
    };
    let opener = FrameOpener::new(content, header.message_id.clone(), frame_len);
    let offset = header.len;
    // Exactly what the tag covers, whatever a materials manager says.
    let mut context = header.context.clone();
    context.extend(unstored.iter());
    let header = AuthenticHeader { header, context, opened_by: index };
    Ok(Decryptor {
        header,
        opener,
        transcript,
        policy,
        state,
        held: Vec::new(),
        offset,
        ready: Ready::default(),
        withheld: false,
        failure: None,
    })
}

/// What the caller wants to see in the encryption context.
#[derive(Debug, Default)]
pub(crate) struct Required {
    pairs: EncryptionContext,
    keys: Vec<String>,
    /// A key that was required with two values.
    twice: Option<String>,
}

impl Required {
    /// Adds to what was required before: nothing that was required is ever dropped.
    pub(crate) fn add_pairs(&mut self, pairs: EncryptionContext) {
        for (key, value) in pairs.iter() {
            if self.pairs.insert(key, value).is_some_and(|before| before != value) {
                self.twice = Some(key.to_owned());
            }
        }
    }

    pub(crate) fn add_keys<K: Into<String>>(&mut self, keys: impl IntoIterator<Item = K>) {
        self.keys.extend(keys.into_iter().map(Into::into));
    }

    fn check(&self, context: &EncryptionContext) -> Result<(), Error> {
        let Self { pairs, keys, twice } = self;
        if let Some(key) = twice {
            return Err(ApiMisuse::RequiredTwice { key: key.clone() }.into());
        }
        for (key, value) in pairs.iter() {
            match context.get(key) {
                Some(found) if found != value => {
                    return Err(PolicyError::ContextMismatch { key: key.to_owned() }.into());
                }
                // Reserved pairs are always stored, if they are there.
                None if is_reserved(key) => {
                    return Err(PolicyError::ContextMissing { key: key.to_owned() }.into());
                }
                _ => {}
            }
        }
        for key in keys {
            if context.get(key).is_none() && pairs.get(key).is_none() {
                return Err(PolicyError::ContextMissing { key: key.clone() }.into());
            }
        }
        Ok(())
    }
}

/// What [`Locked::unlock`] gives: say what the context must hold, then `.now()` or `.await`.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct Unlock<'k, M: ?Sized, T = JustDecrypt> {
    locked: Locked,
    keys: &'k M,
    required: Required,
    then: T,
}

impl<'k, M: MaterialsManager + ?Sized, T: FromDecryptor> Unlock<'k, M, T> {
    pub(crate) fn new(locked: Locked, keys: &'k M, then: T) -> Self {
        Self { locked, keys, required: Required::default(), then }
    }

    /// Pairs that must have been authenticated with the message, stored in its header or not. They add
    /// to those required before.
    pub fn require(mut self, pairs: impl Into<EncryptionContext>) -> Self {
        self.required.add_pairs(pairs.into());
        self
    }

    /// Keys that the context must have: in the header with any value, or among the pairs required.
    /// They add to those required before.
    pub fn require_keys<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.required.add_keys(keys);
        self
    }

    pub(crate) fn required(mut self, required: Required) -> Self {
        self.required = required;
        self
    }

    /// Gets the data key without waiting.
    ///
    /// # Errors
    /// [`Error::Keyring`] if no keyring opens the message; [`Error::Policy`] if it is not allowed;
    /// [`Error::Unauthentic`] if commitment or header do not verify.
    pub fn now(self) -> Result<T::Output, Error>
    where
        M: LocalKeyring,
    {
        now(self.run())
    }

    async fn run(self) -> Result<T::Output, Error> {
        let Self { locked, keys, required, then } = self;
        Ok(then.from_decryptor(locked.unlock_with(keys, required).await?))
    }
}

impl<'k, M, T> IntoFuture for Unlock<'k, M, T>
where
    M: MaterialsManager + ?Sized,
    T: FromDecryptor + Send + 'k,
{
    type Output = Result<T::Output, Error>;
    type IntoFuture = BoxFuture<'k, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// What becomes of the decryptor when a header is unlocked.
#[doc(hidden)]
pub trait FromDecryptor {
    type Output;
    #[expect(clippy::wrong_self_convention, reason = "it consumes the place where it goes")]
    fn from_decryptor(self, decryptor: Decryptor) -> Self::Output;
}

/// The decryptor stays as it is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JustDecrypt;

impl FromDecryptor for JustDecrypt {
    type Output = Decryptor;

    fn from_decryptor(self, decryptor: Decryptor) -> Decryptor {
        decryptor
    }
}

/// A header whose commitment and tag were verified.
///
/// If the suite signs, that whoever signed wrote it is known only at the end of the message.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"hello", &keyring).context([("tenant", "42")]).now()?;
/// let opened = waxseal::decrypt(&message, &keyring).now()?;
/// assert_eq!(opened.header().context().get("tenant"), Some("42"));
/// assert_eq!(opened.header().opened_by().key_name(), b"key-2026");
/// # Ok::<(), waxseal::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthenticHeader {
    header: Header,
    context: EncryptionContext,
    opened_by: usize,
}

impl AuthenticHeader {
    /// All pairs that were authenticated: those in the header, and those that the caller gave.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// The suite.
    pub fn suite(&self) -> AlgorithmSuite {
        self.header.suite
    }

    /// The encrypted data key that was opened.
    pub fn opened_by(&self) -> &EncryptedDataKey {
        // Checked when the materials came.
        &self.header.encrypted_data_keys[self.opened_by]
    }

    /// The header as it was read.
    pub fn parsed(&self) -> &Header {
        &self.header
    }
}

/// Decrypts one message piece by piece, between any two buffers.
///
/// Memory follows the bytes that arrive: at most some three frames, for one that comes in pieces and goes
/// out in pieces; none if whole frames fit both buffers.
///
/// [`update`](Self::update) with what follows the header, then [`finish`](Self::finish). What was given
/// out before is whole authentic frames in order, but only `finish` tells that nothing is missing.
/// [`DecryptReader`](crate::DecryptReader) does all of it for `std::io`.
///
/// ```
/// use waxseal::{AesKey, Locked, Policy, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let message = waxseal::encrypt(b"any length", &keyring).now()?;
///
/// let (locked, header_len) = Locked::read(&message, Policy::default())?;
/// let mut decryptor = locked.unlock(&keyring).now()?;
/// let (mut input, mut plaintext, mut buffer) = (&message[header_len..], Vec::new(), [0; 100]);
/// loop {
///     let progress = decryptor.update(input, &mut buffer)?;
///     input = &input[progress.read..];
///     plaintext.extend_from_slice(&buffer[..progress.written]);
///     if progress.written == 0 && input.is_empty() {
///         break;
///     }
/// }
/// let verified = decryptor.finish()?;
/// assert_eq!(plaintext, b"any length");
/// # let _ = verified;
/// # Ok::<(), waxseal::Error>(())
/// ```
///
/// Spec: decrypt, "Decrypt the message body" and "Verify the signature"; streaming.
#[derive(Debug)]
pub struct Decryptor {
    header: AuthenticHeader,
    opener: FrameOpener,
    transcript: Transcript<VerifyingKey>,
    policy: Policy,
    state: State,
    /// Bytes of a piece that is not whole yet.
    held: Vec<u8>,
    /// Offset in the message of the piece that comes next.
    offset: u64,
    ready: Ready,
    /// Whether `ready` waits for the signature.
    withheld: bool,
    /// To be reported after what came before it was taken.
    failure: Option<Error>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Frame { sequence_number: u32 },
    Unframed,
    Footer,
    Done,
    Failed,
}

/// A piece of the message that is opened or verified as a whole.
#[derive(Debug, Clone, Copy)]
enum Piece {
    Frame(FramePrefix),
    Unframed(UnframedPrefix),
    Footer,
}

/// The parts of a [`Decryptor`] for those who order frames themselves.
///
/// Whoever uses them must keep the rules that the decryptor keeps: a message is whole only if its final
/// frame opened and the footer was verified, and nothing of the final frame of a signed message may be
/// used before that.
#[derive(Debug)]
#[must_use = "a message is whole only if its final frame opened and its footer was verified"]
#[non_exhaustive]
pub struct OpenFrames {
    /// The header.
    pub header: AuthenticHeader,
    /// Opens frames.
    pub opener: FrameOpener,
    /// Verifies the footer.
    pub footer: FooterVerifier,
}

/// Verifies the footer of a message whose frames were opened apart.
#[derive(Debug)]
#[must_use = "without `finish` a signature is not verified"]
pub struct FooterVerifier(Transcript<VerifyingKey>);

impl FooterVerifier {
    /// Takes the frames, whole, in order. The header is already in.
    pub fn update(&mut self, frames: &[u8]) {
        self.0.update(frames);
    }

    /// Whether the suite signs. If not, the frames need not be given.
    pub fn signs(&self) -> bool {
        self.0.signs()
    }

    /// Checks everything after the final frame: the footer, or that there is nothing.
    ///
    /// # Errors
    /// [`Error::Unauthentic`] if the signature is not that of header and frames;
    /// [`Error::InvalidMessage`] if the footer is cut or followed by other bytes (with offsets from the
    /// start of the footer).
    pub fn finish(self, footer: &[u8]) -> Result<(), Error> {
        if !self.0.signs() {
            return if footer.is_empty() { Ok(()) } else { Err(trailing(0)) };
        }
        let signature = read_footer(footer).map_err(|_| {
            let reason = Malformed::Truncated { field: "the footer" };
            InvalidMessage::new(reason, to_u64(footer.len()))
        })?;
        let len = signature.len().saturating_add(2);
        if footer.len() > len {
            return Err(trailing(to_u64(len)));
        }
        self.0.verify(signature)
    }
}

/// Proof that a message was verified to its end.
#[derive(Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The header.
    pub header: AuthenticHeader,
}

impl Decryptor {
    /// Takes as much of `input` and fills as much of `output` as it can.
    ///
    /// If it did not take all, it needs room: call again with the rest and more output. An error that
    /// comes after frames that are authentic is reported by the next call, so that none of them is lost.
    /// `output` holds nothing but plaintext that was authenticated, even after an error.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], [`Error::Unauthentic`], [`Error::Policy`]. After an error no call
    /// succeeds.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Error> {
        if self.state == State::Failed {
            return Err(self.failure.take().unwrap_or_else(|| ApiMisuse::Poisoned.into()));
        }
        let mut rest = input;
        let mut output = Output::new(output);
        let result = self.advance(&mut rest, &mut output);
        let read = input.len().saturating_sub(rest.len());
        let progress = Progress { read, written: output.written() };
        match result {
            Ok(()) => Ok(progress),
            Err(error) => {
                self.state = State::Failed;
                self.held = Vec::new();
                self.ready.wipe();
                if progress.written == 0 {
                    return Err(error);
                }
                self.failure = Some(error);
                Ok(progress)
            }
        }
    }

    /// Ends the message: tells whether it was whole and authentic.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] if it ends too early; [`Error::ApiMisuse`] if plaintext waits to be
    /// taken with [`update`](Self::update), or after an error.
    pub fn finish(mut self) -> Result<Verified, Error> {
        self.check_end()?;
        Ok(Verified { header: self.header })
    }

    /// The header.
    pub fn header(&self) -> &AuthenticHeader {
        &self.header
    }

    /// Takes the parts out, for those who order frames themselves.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it was used already, or if the content is not framed, which
    /// [`Header::content_type`] tells beforehand.
    pub fn into_frames(self) -> Result<OpenFrames, Error> {
        let untouched = self.offset == self.header.header.len && self.held.is_empty();
        if !untouched || self.state != (State::Frame { sequence_number: 1 }) {
            let what = "the decryptor was used already, or the content is not framed";
            return Err(ApiMisuse::Order(what).into());
        }
        Ok(OpenFrames {
            header: self.header,
            opener: self.opener,
            footer: FooterVerifier(self.transcript),
        })
    }

    /// What [`finish`](Self::finish) checks.
    pub(crate) fn check_end(&mut self) -> Result<(), Error> {
        let field = match self.state {
            State::Failed => {
                return Err(self.failure.take().unwrap_or_else(|| ApiMisuse::Poisoned.into()));
            }
            State::Done if self.ready.is_empty() => return Ok(()),
            State::Done => {
                let what = "plaintext waits to be taken before the message can be finished";
                return Err(ApiMisuse::Order(what).into());
            }
            State::Frame { .. } => "a frame",
            State::Unframed => "the body",
            State::Footer => "the footer",
        };
        self.state = State::Failed;
        self.ready.wipe();
        let offset = self.offset.saturating_add(to_u64(self.held.len()));
        Err(InvalidMessage::new(Malformed::Truncated { field }, offset).into())
    }

    fn advance(&mut self, rest: &mut &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        loop {
            if !self.withheld {
                self.ready.drain(output);
                if !self.ready.is_empty() {
                    return Ok(());
                }
            }
            if self.state == State::Done {
                return if rest.is_empty() { Ok(()) } else { Err(trailing(self.offset)) };
            }
            let bytes = if self.held.is_empty() { *rest } else { &self.held };
            let (piece, len) = match self.next_piece(bytes)? {
                Ok((piece, len)) if len <= bytes.len() => (piece, len),
                Ok((_, needed)) | Err(needed) => {
                    let missing = needed.saturating_sub(self.held.len());
                    let (taken, after) = rest.split_at(missing.min(rest.len()));
                    if taken.is_empty() {
                        return Ok(());
                    }
                    self.held.extend_from_slice(taken);
                    *rest = after;
                    continue;
                }
            };
            if self.held.is_empty() {
                let (bytes, after) = rest.split_at(len);
                self.open(piece, bytes, output)?;
                *rest = after;
            } else {
                let mut bytes = std::mem::take(&mut self.held);
                self.open(piece, &bytes, output)?;
                bytes.clear();
                self.held = bytes;
            }
            self.offset = self.offset.saturating_add(to_u64(len));
        }
    }

    /// The piece that starts here and its length; `Ok(Err(n))` asks for at least `n` bytes.
    fn next_piece(&self, bytes: &[u8]) -> Result<Result<(Piece, usize), usize>, Error> {
        let at = self.offset;
        Ok(match self.state {
            State::Frame { sequence_number } => {
                FramePrefix::read(bytes, sequence_number, self.opener.frame_len(), at)?
                    .map(|prefix| (Piece::Frame(prefix), prefix.frame_len()))
            }
            State::Unframed => match UnframedPrefix::read(bytes, at)? {
                Ok(prefix) => {
                    self.policy.check_frame_len(prefix.content_len)?;
                    let len = unframed_piece_len(&prefix, UNFRAMED_PREFIX_LEN);
                    Ok((Piece::Unframed(prefix), len.unwrap_or(usize::MAX)))
                }
                Err(needed) => Err(needed),
            },
            State::Footer => read_footer(bytes)
                .map(|signature| (Piece::Footer, signature.len().saturating_add(2))),
            State::Done | State::Failed => Err(usize::MAX),
        })
    }

    /// Opens a whole piece, straight into `output` if it may and fits.
    fn open(&mut self, piece: Piece, bytes: &[u8], output: &mut Output<'_>) -> Result<(), Error> {
        let (content_len, last) = match piece {
            Piece::Frame(prefix) => (content_len(&prefix), prefix.kind == FrameKind::Final),
            Piece::Unframed(_) => (bytes.len().saturating_sub(UNFRAMED_PREFIX_LEN + TAG_LEN), true),
            Piece::Footer => {
                let signature = read_footer(bytes).unwrap_or_default();
                let spent = Transcript::new(self.header.suite(), None);
                std::mem::replace(&mut self.transcript, spent).verify(signature)?;
                self.withheld = false;
                self.state = State::Done;
                return Ok(());
            }
        };
        let Self { opener, transcript, ready, .. } = self;
        transcript.update(bytes);
        let open = |plaintext: &mut [u8]| match piece {
            Piece::Frame(prefix) => opener.open_frame(&prefix, bytes, plaintext),
            Piece::Unframed(prefix) => {
                let sealed = bytes.get(UNFRAMED_PREFIX_LEN..).unwrap_or_default();
                opener.open_unframed(&prefix, sealed, plaintext)
            }
            Piece::Footer => Ok(()),
        };
        self.withheld = last && transcript.signs();
        let direct = if self.withheld { None } else { output.fill(content_len, open) };
        match direct {
            Some(result) => result?,
            None => open(ready.prepare(content_len))?,
        }
        self.state = match self.state {
            State::Frame { sequence_number } if !last => {
                State::Frame { sequence_number: sequence_number.saturating_add(1) }
            }
            _ if self.withheld => State::Footer,
            _ => State::Done,
        };
        Ok(())
    }
}

fn trailing(offset: u64) -> Error {
    InvalidMessage::new(Malformed::TrailingBytes, offset).into()
}
