//! Readers and writers between bad ones: interrupted, failing, ending anywhere.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::io::{self, ErrorKind, Read, Write};

use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, DecryptReader, Decryptor, EncryptReader, EncryptWriter,
    Encryptor, Error, FrameKind, Locked, Malformed, Policy, PolicyError, RawAesKeyring,
    SignedStreaming, encryptor,
};

/// What a [`Bad`] reader or writer does in a call.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Fail(ErrorKind),
    /// At most so many bytes.
    Pass(usize),
}

/// Goes through its turns again and again.
#[derive(Debug)]
struct Bad<'a, T> {
    inner: T,
    turns: &'a [Turn],
    calls: usize,
}

impl<'a, T> Bad<'a, T> {
    fn new(inner: T, turns: &'a [Turn]) -> Self {
        Self { inner, turns, calls: 0 }
    }

    fn turn(&mut self, len: usize) -> io::Result<usize> {
        let turn = self.turns[self.calls % self.turns.len()];
        self.calls += 1;
        match turn {
            Turn::Fail(kind) => Err(io::Error::new(kind, Mark)),
            Turn::Pass(most) => Ok(most.min(len)),
        }
    }
}

impl<T: Read> Read for Bad<'_, T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.turn(out.len())?;
        self.inner.read(&mut out[..len])
    }
}

impl<T: Write> Write for Bad<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.turn(bytes.len())?;
        self.inner.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// An error of the other side's own, to be found again.
#[derive(Debug, thiserror::Error)]
#[error("marked")]
struct Mark;

const ONE: Turn = Turn::Pass(1);
const ALL: Turn = Turn::Pass(usize::MAX);
const INTERRUPTED: Turn = Turn::Fail(ErrorKind::Interrupted);
const WOULD_BLOCK: Turn = Turn::Fail(ErrorKind::WouldBlock);
const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

fn start(suite: AlgorithmSuite, frame_len: u32) -> Encryptor {
    encryptor(&keyring())
        .suite(suite)
        .frame_len(frame_len)
        .unwrap()
        .context([("tenant", "42")])
        .now()
        .unwrap()
}

fn message(suite: AlgorithmSuite, frame_len: u32, plaintext: &[u8]) -> Vec<u8> {
    let keyring = keyring();
    let encrypt = waxseal::encrypt(plaintext, &keyring).suite(suite).context([("tenant", "42")]);
    encrypt.frame_len(frame_len).unwrap().now().unwrap().into_bytes()
}

fn pattern(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn open(message: &[u8]) -> Result<Vec<u8>, Error> {
    Ok(waxseal::decrypt(message, &keyring()).now()?.into_plaintext())
}

fn unlock<R: Read>(source: R) -> DecryptReader<R> {
    let Ok(locked) = DecryptReader::open(source) else {
        panic!("there is no header");
    };
    locked.unlock(&keyring()).now().unwrap()
}

fn decryptor(message: &[u8]) -> (Decryptor, &[u8]) {
    let (locked, header_len) = Locked::read(message, Policy::default()).unwrap();
    (locked.unlock(&keyring()).now().unwrap(), &message[header_len..])
}

/// Reads until the end or an error that is not of the source.
fn read_through(mut reader: impl Read, room: usize) -> (Vec<u8>, Result<(), Error>) {
    let (mut all, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return (all, Ok(())),
            Ok(len) => all.extend_from_slice(&buffer[..len]),
            Err(error) if error.get_ref().is_some_and(|source| source.is::<Mark>()) => {}
            Err(error) => return (all, Err(Error::from_io(error))),
        }
    }
}

fn is_truncation(error: &Error) -> bool {
    matches!(error, Error::InvalidMessage(invalid) if invalid.is_truncation())
}

fn is_trailing(error: &Error) -> bool {
    matches!(error, Error::InvalidMessage(invalid) if invalid.reason() == &Malformed::TrailingBytes)
}

fn misuse(error: &Error) -> &ApiMisuse {
    match error {
        Error::ApiMisuse(misuse) => misuse,
        error => panic!("{error:?}"),
    }
}

const PATTERNS: &[&[Turn]] = &[
    &[ONE],
    &[INTERRUPTED, ONE],
    &[INTERRUPTED, ALL],
    &[ALL, WOULD_BLOCK],
    &[ONE, WOULD_BLOCK, Turn::Pass(3), Turn::Fail(ErrorKind::TimedOut)],
    &[WOULD_BLOCK, WOULD_BLOCK, Turn::Pass(1000)],
];

#[test]
fn readers_go_on_after_errors_of_their_source() {
    let plaintext = pattern(1000);
    for suite in [UNSIGNED, SIGNED] {
        for (turns, room) in PATTERNS.iter().flat_map(|turns| [(turns, 1), (turns, 3000)]) {
            let source = Bad::new(&plaintext[..], turns);
            let (sealed, result) = read_through(EncryptReader::new(start(suite, 64), source), room);
            result.unwrap();
            assert_eq!(open(&sealed).unwrap(), plaintext);

            // The header comes whole or not at all, so only interruptions are survived there.
            let header_len = usize::try_from(waxseal::inspect(&sealed).unwrap().parsed().len());
            let (header, body) = sealed.split_at(header_len.unwrap());
            let source = header.chain(Bad::new(body, turns));
            let (found, result) = read_through(unlock(source), room);
            result.unwrap();
            assert_eq!(found, plaintext);
        }
    }
}

#[test]
fn a_header_survives_interruptions_and_reports_other_errors() {
    let sealed = message(SIGNED, 64, b"hello");
    for turns in [&[ONE][..], &[INTERRUPTED, ONE], &[INTERRUPTED, ALL]] {
        let (found, result) = read_through(unlock(Bad::new(&sealed[..], turns)), 100);
        result.unwrap();
        assert_eq!(found, b"hello");
    }
    for calls in [1, 10, 100] {
        let mut turns = vec![ONE; calls];
        turns.push(Turn::Fail(ErrorKind::ConnectionReset));
        let error = DecryptReader::open(Bad::new(&sealed[..], &turns)).unwrap_err();
        let Error::Io(failure) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(failure.get_ref().kind(), ErrorKind::ConnectionReset);
        assert!(failure.get_ref().get_ref().is_some_and(|source| source.is::<Mark>()));
        assert_eq!(io::Error::from(error).kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_error_of_a_source_passes_unchanged() {
    let sealed = message(UNSIGNED, 64, &pattern(1000));
    let broken = [Turn::Fail(ErrorKind::BrokenPipe)];
    // One call for the header and what follows it in the buffer, then the error.
    let turns = [Turn::Pass(500), broken[0]];
    let mut reader = unlock(Bad::new(&sealed[..], &turns));
    let mut all = Vec::new();
    let error = reader.read_to_end(&mut all).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    assert!(error.get_ref().is_some_and(|source| source.is::<Mark>()));
    assert!(matches!(Error::from_io(error), Error::Io(_)));
    assert!(pattern(1000).starts_with(&all) && !all.is_empty());

    let mut reader = EncryptReader::new(start(UNSIGNED, 64), Bad::new(io::repeat(7), &broken));
    let mut buffer = [0; 4096];
    let header_len = reader.read(&mut buffer).unwrap();
    assert_eq!(u64::try_from(header_len).unwrap(), reader.header().len());
    let error = reader.read(&mut buffer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);

    let mut writer = EncryptWriter::new(start(UNSIGNED, 64), Bad::new(Vec::new(), &broken));
    assert_eq!(writer.write(b"hello").unwrap(), 5);
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::BrokenPipe);
    let Error::Io(failure) = writer.finish().unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(failure.get_ref().kind(), ErrorKind::BrokenPipe);
}

/// What was sealed before a failed write is kept, so that the message goes on where it stopped.
#[test]
fn a_writer_goes_on_after_errors() {
    let plaintext = pattern(1000);
    for suite in [UNSIGNED, SIGNED] {
        for turns in PATTERNS {
            for step in [1, 63, 64, 65, 1000] {
                // `finish` takes the writer, so what it writes to must work by then.
                let sink = Bad::new(Vec::new(), turns);
                let mut writer = EncryptWriter::new(start(suite, 64), Healing { sink, heals: 300 });
                let mut rest = &plaintext[..];
                while !rest.is_empty() {
                    match writer.write(&rest[..step.min(rest.len())]) {
                        Ok(taken) => rest = &rest[taken..],
                        Err(error) => assert!(error.get_ref().is_some_and(|e| e.is::<Mark>())),
                    }
                }
                while writer.flush().is_err() {}
                assert_eq!(writer.header().suite(), suite);
                let finished = loop_until_healed(writer);
                assert_eq!(open(&finished).unwrap(), plaintext, "{turns:?} {step}");
            }
        }
    }
}

/// Bad for so many calls, then good.
#[derive(Debug)]
struct Healing<'a> {
    sink: Bad<'a, Vec<u8>>,
    heals: usize,
}

impl Write for Healing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sink.calls < self.heals {
            return self.sink.write(bytes);
        }
        self.sink.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // An empty write is a call, too: flushing often enough heals it.
        if self.sink.calls < self.heals {
            self.sink.calls += 1;
            return Err(io::Error::new(ErrorKind::WouldBlock, Mark));
        }
        Ok(())
    }
}

fn loop_until_healed(writer: EncryptWriter<Healing<'_>>) -> Vec<u8> {
    writer.finish().unwrap().sink.inner
}

#[test]
fn a_writer_that_takes_nothing_is_an_error() {
    let mut writer =
        EncryptWriter::new(start(UNSIGNED, 64), Bad::new(Vec::new(), &[Turn::Pass(0)]));
    assert_eq!(writer.write(b"hello").unwrap(), 5);
    assert_eq!(writer.write(b"hello").unwrap_err().kind(), ErrorKind::WriteZero);
    assert_eq!(writer.flush().unwrap_err().kind(), ErrorKind::WriteZero);
    let Error::Io(failure) = writer.finish().unwrap_err() else {
        panic!("another error");
    };
    assert_eq!(failure.get_ref().kind(), ErrorKind::WriteZero);
}

#[test]
fn a_writer_without_finish_leaves_a_truncated_message() {
    for suite in [UNSIGNED, SIGNED] {
        for len in [1, 63, 64, 65, 1000] {
            let mut sealed = Vec::new();
            let mut writer = EncryptWriter::new(start(suite, 64), &mut sealed);
            writer.write_all(&pattern(len)).unwrap();
            writer.flush().unwrap();
            drop(writer);
            assert!(is_truncation(&open(&sealed).unwrap_err()));
            let (found, result) = read_through(unlock(&sealed[..]), 1000);
            assert!(is_truncation(&result.unwrap_err()));
            // Whole frames only, and never the one that might have been the last.
            assert_eq!(found, pattern((len - 1) / 64 * 64));
        }
    }
}

#[test]
fn a_flush_in_the_middle_of_a_frame_changes_nothing() {
    for suite in [UNSIGNED, SIGNED] {
        let plaintext = pattern(200);
        let mut writer = EncryptWriter::new(start(suite, 64), Vec::new());
        for byte in &plaintext {
            writer.write_all(&[*byte]).unwrap();
            writer.flush().unwrap();
        }
        let sealed = writer.finish().unwrap();
        assert_eq!(open(&sealed).unwrap(), plaintext);
        if suite == UNSIGNED {
            assert_eq!(sealed.len(), message(suite, 64, &plaintext).len());
        }
    }
}

/// Also where a writer took less than it was given, and sealed more than it had room for.
#[test]
fn what_is_flushed_ends_with_a_frame() {
    const FRAME: usize = 4096;
    for len in [10, FRAME, 65_536, 65_537, 100_000, 200_000] {
        let mut writer = EncryptWriter::new(start(UNSIGNED, 4096), Vec::new());
        let taken = writer.write(&pattern(len)).unwrap();
        writer.flush().unwrap();
        let header_len = usize::try_from(writer.header().len()).unwrap();
        let sealed_len = writer.get_ref().len();
        if sealed_len == 0 {
            assert!(taken <= FRAME, "nothing of {taken} bytes came out");
            continue;
        }
        let frames_len = sealed_len.checked_sub(header_len).unwrap();
        assert_eq!(frames_len % (FRAME + 32), 0, "{taken} of {len} bytes");
        assert!(frames_len / (FRAME + 32) >= (taken - 1) / FRAME, "{taken} of {len} bytes");
        let sealed = writer.finish().unwrap();
        assert_eq!(open(&sealed).unwrap(), pattern(len)[..taken]);
    }
}

/// Bytes that nobody gave would be encrypted.
#[test]
fn a_source_that_tells_of_more_than_it_gave_is_not_believed() {
    struct Boaster;

    impl Read for Boaster {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            out[..10].fill(7);
            Ok(out.len() + 1)
        }
    }

    let mut reader = EncryptReader::new(start(SIGNED, 64), Boaster);
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("more bytes than it had room for"), "{error}");
    let error = DecryptReader::open(Boaster).err().unwrap();
    assert!(matches!(error, Error::Io(_)), "{error}");
}

#[test]
fn empty_calls_do_no_harm() {
    let mut writer = EncryptWriter::new(start(SIGNED, 64), Vec::new());
    for _ in 0..3 {
        assert_eq!(writer.write(b"").unwrap(), 0);
        writer.flush().unwrap();
    }
    let sealed = writer.finish().unwrap();
    assert_eq!(open(&sealed).unwrap(), b"");

    let mut reader = EncryptReader::new(start(SIGNED, 64), &b"hello"[..]);
    let (mut sealed, mut byte) = (Vec::new(), [0]);
    loop {
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        match reader.read(&mut byte).unwrap() {
            0 => break,
            _ => sealed.push(byte[0]),
        }
    }
    let mut reader = unlock(&sealed[..]);
    let mut plaintext = Vec::new();
    loop {
        assert_eq!(reader.read(&mut []).unwrap(), 0);
        match reader.read(&mut byte).unwrap() {
            0 => break,
            _ => plaintext.push(byte[0]),
        }
    }
    assert_eq!(plaintext, b"hello");
    assert_eq!(reader.read(&mut []).unwrap(), 0);

    let mut encryptor = start(SIGNED, 64);
    assert_eq!(encryptor.update(b"", &mut []).unwrap(), Default::default());
    assert_eq!(encryptor.update(b"x", &mut []).unwrap(), Default::default());
    assert_eq!(encryptor.finish(&mut []).unwrap(), 0);
    assert!(!encryptor.is_finished());
}

#[test]
fn the_end_stays_the_end() {
    let mut reader = EncryptReader::new(start(SIGNED, 64), &b"hello"[..]);
    let mut sealed = Vec::new();
    reader.read_to_end(&mut sealed).unwrap();
    for _ in 0..3 {
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    }
    let mut reader = unlock(&sealed[..]);
    let mut plaintext = Vec::new();
    reader.read_to_end(&mut plaintext).unwrap();
    for _ in 0..3 {
        assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
        assert_eq!(reader.read_to_end(&mut plaintext).unwrap(), 0);
    }
    assert_eq!(plaintext, b"hello");
}

/// A source may say that it has ended and go on later, as a terminal does: the end is the end.
#[test]
fn a_source_that_goes_on_after_its_end_is_not_asked() {
    let turns = [ALL, Turn::Pass(0), ALL];
    let source = Bad::new(io::repeat(7), &turns).take(100);
    let mut reader = EncryptReader::new(start(UNSIGNED, 64), source);
    let mut sealed = Vec::new();
    reader.read_to_end(&mut sealed).unwrap();
    assert_eq!(open(&sealed).unwrap(), [7; 100]);
}

#[test]
fn a_source_may_end_anywhere_but_is_then_truncated() {
    let plaintext = pattern(20);
    for suite in [UNSIGNED, SIGNED] {
        let sealed = message(suite, 8, &plaintext);
        let header_len =
            usize::try_from(waxseal::inspect(&sealed).unwrap().parsed().len()).unwrap();
        for len in 0..sealed.len() {
            let cut = &sealed[..len];
            if len < header_len {
                let error = DecryptReader::open(cut).unwrap_err();
                assert!(is_truncation(&error), "{len}: {error:?}");
                assert!(is_truncation(&waxseal::inspect_reader(cut).unwrap_err()));
                continue;
            }
            let mut reader = unlock(cut);
            let mut released = Vec::new();
            let error = reader.read_to_end(&mut released).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(is_truncation(&Error::from_io(error)), "{len}");
            assert!(plaintext.starts_with(&released) && released.len() % 8 == 0, "{len}");
            // It does not turn into an end by asking again.
            for _ in 0..3 {
                let error = Error::from_io(reader.read(&mut [0; 10]).unwrap_err());
                assert_eq!(misuse(&error), &ApiMisuse::Poisoned);
            }
        }
    }
}

#[test]
fn a_second_message_is_refused_by_every_reader() {
    for suite in [UNSIGNED, SIGNED] {
        let one = message(suite, 8, &pattern(20));
        let two = [&one[..], &one].concat();
        assert!(is_trailing(&open(&two).unwrap_err()));
        for (turns, room) in [(&[ALL][..], 1000), (&[ALL], 1), (&[ONE], 1000), (&[ONE], 1)] {
            let (released, result) = read_through(unlock(Bad::new(&two[..], turns)), room);
            let error = result.unwrap_err();
            assert!(is_trailing(&error), "{error:?}");
            assert_eq!(released, pattern(20));
        }
        // Also where it comes in a call of its own, after the whole message was taken.
        let (released, result) = read_through(unlock(one.chain(&one[..])), 1000);
        assert!(is_trailing(&result.unwrap_err()));
        assert_eq!(released, pattern(20));
    }
}

#[test]
fn requirements_are_checked_before_any_plaintext() {
    let sealed = message(SIGNED, 8, &pattern(20));
    let keyring = keyring();
    let locked = || DecryptReader::open(&sealed[..]).unwrap().unlock(&keyring);
    let error = locked().require([("tenant", "43")]).now().unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMismatch { .. })), "{error:?}");
    let error = locked().require([("other", "x")]).now().unwrap_err();
    let Error::Policy(PolicyError::ContextNotAuthenticated { keys, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(keys, ["other"]);
    let error = locked().require_keys(["tenant", "user"]).now().unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::ContextMissing { .. })), "{error:?}");
    let (released, result) = read_through(
        locked().require([("tenant", "42")]).require_keys(["tenant"]).now().unwrap(),
        5,
    );
    result.unwrap();
    assert_eq!(released, pattern(20));

    let refuse = Policy::default().signed_streaming(SignedStreaming::Refuse);
    let locked = DecryptReader::open_with(&sealed[..], refuse.clone()).unwrap();
    let error = locked.unlock(&keyring).now().unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::SignedStreaming)), "{error:?}");
    // At once is no stream.
    assert!(waxseal::decrypt(&sealed, &keyring).policy(refuse).now().is_ok());

    let header_len = waxseal::inspect(&sealed).unwrap().parsed().len();
    let header_len = usize::try_from(header_len).unwrap();
    let fits = Policy::default().max_header_len(header_len).max_encrypted_data_keys(1);
    assert!(waxseal::decrypt(&sealed, &keyring).policy(fits.max_frame_len(8)).now().is_ok());
    for (policy, piece) in [
        (Policy::default().max_header_len(header_len - 1), 1000),
        (Policy::default().max_encrypted_data_keys(0), 1),
    ] {
        let turns = [Turn::Pass(piece)];
        let error = DecryptReader::open_with(Bad::new(&sealed[..], &turns), policy).unwrap_err();
        assert!(matches!(error, Error::Policy(_)), "{error:?}");
    }
    let short = Policy::default().max_frame_len(7);
    let error = waxseal::decrypt(&sealed, &keyring).policy(short).now().unwrap_err();
    assert!(matches!(error, Error::Policy(PolicyError::FrameLen { found: 8, limit: 7 })));
}

#[test]
fn nothing_can_be_added_to_a_finished_message() {
    let mut encryptor = start(SIGNED, 64);
    let mut buffer = vec![0; 4096];
    let mut written = encryptor.update(b"hello", &mut buffer).unwrap().written;
    written += encryptor.finish(&mut buffer[written..]).unwrap();
    assert!(encryptor.is_finished());
    let error = encryptor.update(b"more", &mut [0; 10]).unwrap_err();
    assert!(matches!(misuse(&error), ApiMisuse::Order(_)));
    // Being told so does not spoil what is finished.
    assert_eq!(encryptor.finish(&mut [0; 10]).unwrap(), 0);
    assert!(encryptor.is_finished());
    assert_eq!(open(&buffer[..written]).unwrap(), b"hello");
}

#[test]
fn a_message_is_not_finished_before_it_was_taken() {
    let sealed = message(UNSIGNED, 64, b"hello");
    let (mut decryptor, body) = decryptor(&sealed);
    let progress = decryptor.update(body, &mut [0; 2]).unwrap();
    assert_eq!((progress.read, progress.written), (body.len(), 2));
    let error = decryptor.finish().unwrap_err();
    assert!(matches!(misuse(&error), ApiMisuse::Order(_)));

    let mut encryptor = start(UNSIGNED, 64);
    let mut message = Vec::new();
    while !encryptor.is_finished() {
        let mut byte = [0];
        let written = encryptor.finish(&mut byte).unwrap();
        assert_eq!(written, 1);
        message.push(byte[0]);
    }
    assert_eq!(open(&message).unwrap(), b"");
}

#[test]
fn frames_are_only_given_out_by_what_is_unused() {
    let mut encryptor = start(UNSIGNED, 4);
    let _ = encryptor.update(b"", &mut []).unwrap();
    let _ = encryptor.update(b"", &mut [0; 1]).unwrap();
    assert!(matches!(misuse(&encryptor.into_frames().unwrap_err()), ApiMisuse::Order(_)));
    for len in [1, 4, 5, 9] {
        let mut encryptor = start(UNSIGNED, 4);
        let _ = encryptor.update(&pattern(len), &mut [0; 4096]).unwrap();
        assert!(matches!(misuse(&encryptor.into_frames().unwrap_err()), ApiMisuse::Order(_)));
    }
    let mut encryptor = start(SIGNED, 4);
    while !encryptor.is_finished() {
        encryptor.finish(&mut [0; 4096]).unwrap();
    }
    assert!(matches!(misuse(&encryptor.into_frames().unwrap_err()), ApiMisuse::Order(_)));

    let sealed = message(UNSIGNED, 4, &pattern(9));
    for taken in [1, 4, 36, 40, sealed.len()] {
        let (mut decryptor, body) = decryptor(&sealed);
        let _ = decryptor.update(&body[..taken.min(body.len())], &mut [0; 100]).unwrap();
        assert!(matches!(misuse(&decryptor.into_frames().unwrap_err()), ApiMisuse::Order(_)));
    }
    let (mut decryptor, _) = decryptor(&sealed);
    let _ = decryptor.update(&[], &mut [0; 100]).unwrap();
    assert!(decryptor.into_frames().is_ok());
}

#[test]
fn a_sealer_refuses_what_would_be_no_frame() {
    let parts = start(UNSIGNED, 4).into_frames().unwrap();
    let seal = |n, kind, plaintext: &[u8]| {
        let mut out = vec![0; parts.sealer.sealed_len(kind, plaintext.len())];
        parts.sealer.seal(n, kind, plaintext, &mut out).map(|()| out)
    };
    assert!(seal(1, FrameKind::Regular, b"four").is_ok());
    assert!(seal(u32::MAX, FrameKind::Final, b"four").is_ok());
    assert!(seal(0, FrameKind::Regular, b"four").is_err());
    assert!(seal(0, FrameKind::Final, b"four").is_err());
    assert!(seal(u32::MAX, FrameKind::Regular, b"four").is_err());
    assert!(seal(1, FrameKind::Regular, b"for").is_err());
    assert!(seal(1, FrameKind::Final, b"fours").is_err());
    assert!(parts.sealer.seal(1, FrameKind::Final, b"four", &mut [0; 43]).is_err());
    assert!(parts.sealer.seal(1, FrameKind::Final, b"four", &mut [0; 45]).is_err());
}

#[test]
fn a_plaintext_bound_holds_everywhere() {
    for (bound, step) in [(0, 1), (10, 3), (10, 100), (64, 64), (65, 65)] {
        let bounded = || {
            encryptor(&keyring())
                .suite(UNSIGNED)
                .frame_len(8)
                .unwrap()
                .plaintext_bound(bound)
                .now()
                .unwrap()
        };
        let len = usize::try_from(bound).unwrap();
        let mut writer = EncryptWriter::new(bounded(), Vec::new());
        for piece in pattern(len).chunks(step) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(open(&writer.finish().unwrap()).unwrap(), pattern(len));

        let mut writer = EncryptWriter::new(bounded(), Vec::new());
        let error = pattern(len + 1).chunks(step).try_for_each(|piece| writer.write_all(piece));
        let error = Error::from_io(error.unwrap_err());
        assert_eq!(misuse(&error), &ApiMisuse::PlaintextBound { bound });
        let error = Error::from_io(writer.write(b"x").unwrap_err());
        assert_eq!(misuse(&error), &ApiMisuse::Poisoned);
        assert_eq!(misuse(&writer.finish().unwrap_err()), &ApiMisuse::Poisoned);

        let plaintext = pattern(len + 1);
        let (_, result) = read_through(EncryptReader::new(bounded(), &plaintext[..]), 1000);
        assert_eq!(misuse(&result.unwrap_err()), &ApiMisuse::PlaintextBound { bound });
    }
}

/// What a message lacks is the message's fault, also where the caller asks for a key of the format's.
#[test]
fn a_required_public_key_that_is_not_there_is_no_misuse() {
    let sealed = message(UNSIGNED, 8, b"hello");
    let decrypt =
        |key: &str| waxseal::decrypt(&sealed, &keyring()).require([(key, "x")]).now().unwrap_err();
    for key in ["aws-crypto-public-key", "aws-crypto-other", "other"] {
        let error = decrypt(key);
        assert!(matches!(error, Error::Policy(_)), "{error:?}");
    }
}

/// A reader between two others: what the inner one reports is what comes out.
#[test]
fn errors_come_through_other_readers() {
    let mut sealed = message(UNSIGNED, 8, &pattern(20));
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    let inner = io::BufReader::new(unlock(&sealed[..]));
    let mut outer = EncryptReader::new(start(UNSIGNED, 8), inner);
    let error = Error::from_io(outer.read_to_end(&mut Vec::new()).unwrap_err());
    assert!(matches!(error, Error::Unauthentic(waxseal::Stage::Frame(3))), "{error:?}");
    let error = Error::from_io(io::Error::other("something else"));
    assert!(matches!(error, Error::Io(_)));
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

    use super::*;

    /// Asks to be called again before every call that does something.
    struct Late<T>(T, bool);

    impl<T> Late<T> {
        fn new(inner: T) -> Self {
            Self(inner, false)
        }

        fn poll<O>(
            &mut self,
            cx: &Context<'_>,
            call: impl FnOnce(&mut T) -> io::Result<O>,
        ) -> Poll<io::Result<O>> {
            self.1 = !self.1;
            if self.1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(call(&mut self.0))
        }
    }

    impl<T: Read + Unpin> AsyncRead for Late<T> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            self.poll(cx, |inner| {
                let len = inner.read(out.initialize_unfilled())?;
                out.advance(len);
                Ok(())
            })
        }
    }

    impl<T: Write + Unpin> AsyncWrite for Late<T> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll(cx, |inner| inner.write(bytes))
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll(cx, Write::flush)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll(cx, |_| Ok(()))
        }
    }

    fn is_mark(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|source| source.is::<Mark>())
    }

    async fn unlock<R: AsyncRead + Unpin>(source: R) -> waxseal::tokio::DecryptReader<R> {
        let Ok(locked) = waxseal::tokio::DecryptReader::open(source).await else {
            panic!("there is no header");
        };
        locked.unlock(&keyring()).now().unwrap()
    }

    /// Reads until the end or an error that is not of the source.
    async fn read_through(mut reader: impl AsyncRead + Unpin) -> (Vec<u8>, Result<(), Error>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => break,
                Ok(len) => all.extend_from_slice(&buffer[..len]),
                Err(error) if is_mark(&error) => {}
                Err(error) => return (all, Err(Error::from_io(error))),
            }
        }
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0, "the end is no end");
        (all, Ok(()))
    }

    /// An asynchronous source never says that it was interrupted, so these do not either.
    const PATTERNS: &[&[Turn]] =
        &[&[ONE], &[ALL], &[WOULD_BLOCK, Turn::Pass(100)], &[ONE, WOULD_BLOCK, Turn::Pass(3)]];

    #[tokio::test]
    async fn readers_and_writers_go_on_after_errors() {
        let plaintext = pattern(1000);
        for suite in [UNSIGNED, SIGNED] {
            for turns in PATTERNS {
                let source = Late::new(Bad::new(&plaintext[..], turns));
                let reader = waxseal::tokio::EncryptReader::new(start(suite, 64), source);
                let (sealed, result) = read_through(reader).await;
                result.unwrap();
                assert_eq!(open(&sealed).unwrap(), plaintext);

                let header_len = waxseal::inspect(&sealed).unwrap().parsed().len();
                let (header, body) = sealed.split_at(usize::try_from(header_len).unwrap());
                let source = AsyncReadExt::chain(header, Late::new(Bad::new(body, turns)));
                let (found, result) = read_through(unlock(source).await).await;
                result.unwrap();
                assert_eq!(found, plaintext);

                let sink = Late::new(Bad::new(Vec::new(), turns));
                let mut writer = waxseal::tokio::EncryptWriter::new(start(suite, 64), sink);
                let mut rest = &plaintext[..];
                while !rest.is_empty() {
                    match writer.write(&rest[..rest.len().min(70)]).await {
                        Ok(taken) => rest = &rest[taken..],
                        Err(error) => assert!(is_mark(&error)),
                    }
                }
                // Unlike `finish`, this leaves the writer where it is.
                while let Err(error) = writer.shutdown().await {
                    assert!(is_mark(&error));
                }
                writer.shutdown().await.unwrap();
                let error = Error::from_io(writer.write(b"more").await.unwrap_err());
                assert!(matches!(misuse(&error), ApiMisuse::Order(_)));
                assert_eq!(open(&writer.into_inner().0.inner).unwrap(), plaintext);
            }
        }
    }

    #[tokio::test]
    async fn messages_that_end_too_early_or_too_late_are_refused() {
        for suite in [UNSIGNED, SIGNED] {
            let sealed = message(suite, 8, &pattern(20));
            for (turns, more) in PATTERNS[..2].iter().flat_map(|turns| [(turns, 1), (turns, 500)]) {
                let long = [&sealed[..], &sealed[..more.min(sealed.len())]].concat();
                let source = Late::new(Bad::new(&long[..], turns));
                let (released, result) = read_through(unlock(source).await).await;
                assert!(is_trailing(&result.unwrap_err()));
                assert_eq!(released, pattern(20));
            }
            let header_len = waxseal::inspect(&sealed).unwrap().parsed().len();
            for len in 0..sealed.len() {
                let source = Late::new(Bad::new(&sealed[..len], &[ALL]));
                if len < usize::try_from(header_len).unwrap() {
                    let error = waxseal::tokio::DecryptReader::open(source).await.err().unwrap();
                    assert!(is_truncation(&error), "{len}: {error:?}");
                    continue;
                }
                let (released, result) = read_through(unlock(source).await).await;
                assert!(is_truncation(&result.unwrap_err()), "{len}");
                assert!(pattern(20).starts_with(&released) && released.len() % 8 == 0, "{len}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_flushed_ends_with_a_frame() {
        let mut writer = waxseal::tokio::EncryptWriter::new(start(UNSIGNED, 4096), Vec::new());
        let taken = writer.write(&pattern(100_000)).await.unwrap();
        writer.flush().await.unwrap();
        let header_len = usize::try_from(writer.header().len()).unwrap();
        let frames_len = writer.into_inner().len().checked_sub(header_len).unwrap();
        assert_eq!(frames_len % 4128, 0, "{taken} bytes");
        assert!(frames_len / 4128 >= (taken - 1) / 4096, "{taken} bytes");
    }

    #[tokio::test]
    async fn a_writer_without_shutdown_leaves_a_truncated_message() {
        let mut sealed = Vec::new();
        let mut writer = waxseal::tokio::EncryptWriter::new(start(SIGNED, 64), &mut sealed);
        writer.write_all(&pattern(200)).await.unwrap();
        writer.flush().await.unwrap();
        drop(writer);
        assert!(is_truncation(&open(&sealed).unwrap_err()));

        let sink = Late::new(Bad::new(Vec::new(), &[Turn::Pass(0)]));
        let mut writer = waxseal::tokio::EncryptWriter::new(start(SIGNED, 64), sink);
        assert_eq!(writer.write(b"").await.unwrap(), 0);
        assert_eq!(writer.flush().await.unwrap_err().kind(), ErrorKind::WriteZero);
        assert_eq!(writer.shutdown().await.unwrap_err().kind(), ErrorKind::WriteZero);
    }
}

/// Takes one byte at every second call and is not ready at the others.
#[derive(Debug, Default)]
struct Slow {
    taken: Vec<u8>,
    ready: bool,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ready = !self.ready;
        match bytes.first() {
            Some(byte) if self.ready => {
                self.taken.push(*byte);
                Ok(1)
            }
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn finishing_can_be_tried_until_it_works() {
    for suite in [UNSIGNED, SIGNED] {
        let keyring = keyring();
        let encryptor = encryptor(&keyring).suite(suite).now().unwrap();
        let mut writer = EncryptWriter::new(encryptor, Slow::default());
        writer.write_all(&pattern(20)).unwrap();
        let mut tries = 0;
        while let Err(error) = writer.try_finish() {
            assert!(matches!(&error, Error::Io(_)), "{error:?}");
            // After the first try nothing may follow.
            let error = Error::from_io(writer.write(b"more").unwrap_err());
            assert!(matches!(&error, Error::Io(_) | Error::ApiMisuse(ApiMisuse::Order(_))));
            tries += 1;
        }
        assert!(tries > 10, "{tries}");
        assert_eq!(open(&writer.get_ref().taken).unwrap(), pattern(20));
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn nothing_can_be_written_after_a_shutdown_that_was_cancelled() {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use tokio::io::{AsyncWrite, AsyncWriteExt};

    let keyring = keyring();
    let encryptor = encryptor(&keyring).now().unwrap();
    // A pipe too short for the message: the shutdown has to wait.
    let (ours, theirs) = tokio::io::duplex(16);
    let mut writer = waxseal::tokio::EncryptWriter::new(encryptor, ours);
    writer.write_all(b"before").await.unwrap();
    let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut writer).poll_shutdown(cx))).await;
    assert!(first.is_pending());
    let drain = tokio::spawn(async move {
        let mut theirs = theirs;
        let mut message = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut theirs, &mut message).await.unwrap();
        message
    });
    let error = Error::from_io(writer.write_all(b"after").await.unwrap_err());
    assert!(matches!(&error, Error::ApiMisuse(ApiMisuse::Order(_))), "{error:?}");
    writer.shutdown().await.unwrap();
    drop(writer);
    assert_eq!(open(&drain.await.unwrap()).unwrap(), b"before");
}
