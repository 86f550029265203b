//! Frames and footers that the caller puts together and takes apart.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Error, FooterVerifier, FrameKind, FrameLayout, FrameOpener,
    InvalidMessage, Locked, Malformed, OpenFrames, Policy, RawAesKeyring, Stage,
};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
const PLAINTEXT: &[u8] = b"three frames of sixteen bytes, nearly";
const FRAME_LEN: u32 = 16;

/// A message with its parts: what opens its frames, the frames, and the footer.
struct Sample {
    opener: FrameOpener,
    verifier: FooterVerifier,
    message: Vec<u8>,
    body_start: usize,
    body_end: usize,
}

impl Sample {
    fn new(suite: AlgorithmSuite) -> Self {
        let keyring = RawAesKeyring::new("tests", "key", AesKey::from([5; 32])).unwrap();
        let encrypt = waxseal::encrypt(PLAINTEXT, &keyring).suite(suite);
        let message = encrypt.frame_len(FRAME_LEN).unwrap().now().unwrap().into_bytes();
        let (locked, body_start) = Locked::read(&message, Policy::default()).unwrap();
        let parts = locked.unlock(&keyring).now().unwrap().into_frames().unwrap();
        let OpenFrames { opener, footer: verifier, .. } = parts;
        let layout = FrameLayout::new(u64::try_from(body_start).unwrap(), FRAME_LEN).unwrap();
        let len = u64::try_from(PLAINTEXT.len()).unwrap();
        let body_end = usize::try_from(layout.message_len(len).unwrap()).unwrap();
        Self { opener, verifier, message, body_start, body_end }
    }

    fn body(&self) -> &[u8] {
        &self.message[self.body_start..self.body_end]
    }

    fn footer(&self) -> &[u8] {
        &self.message[self.body_end..]
    }

    /// One frame, from 1.
    fn frame(&self, number: usize) -> &[u8] {
        &self.body()[(number - 1) * 48..][..48]
    }
}

/// What verifies the footer, once it was given these frames, and the footer.
fn verifier(
    suite: AlgorithmSuite,
    frames: impl Fn(&Sample) -> Vec<u8>,
) -> (FooterVerifier, Vec<u8>) {
    let mut sample = Sample::new(suite);
    let frames = frames(&sample);
    sample.verifier.update(&frames);
    let footer = sample.footer().to_vec();
    (sample.verifier, footer)
}

fn reason(result: Result<(), Error>) -> (Malformed, u64) {
    match result {
        Err(Error::InvalidMessage(invalid)) => (invalid.reason().clone(), invalid.offset()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_footer_is_that_of_all_frames_in_order() {
    let (verifier_of_all, footer) = verifier(SIGNED, |sample| sample.body().to_vec());
    assert!(verifier_of_all.signs());
    verifier_of_all.finish(&footer).unwrap();
    let spoilt: [fn(&Sample) -> Vec<u8>; 4] = [
        |_| Vec::new(),
        |sample| sample.body()[48..].to_vec(),
        |sample| [sample.frame(2), sample.frame(1), &sample.body()[96..]].concat(),
        |sample| [sample.body(), b"!"].concat(),
    ];
    for frames in spoilt {
        let (verifier, footer) = verifier(SIGNED, frames);
        let error = verifier.finish(&footer).unwrap_err();
        assert!(matches!(error, Error::Unauthentic(Stage::Signature)), "{error:?}");
    }
}

#[test]
fn a_footer_is_whole_and_the_end() {
    for len in [0, 1, 2, 50, usize::MAX] {
        let (verifier, footer) = verifier(SIGNED, |sample| sample.body().to_vec());
        let cut = len.min(footer.len() - 1);
        let (reason, offset) = reason(verifier.finish(&footer[..cut]));
        assert!(matches!(reason, Malformed::Truncated { field: "the footer", .. }), "{reason:?}");
        assert_eq!(offset, u64::try_from(cut).unwrap());
    }
    let (verifier, footer) = verifier(SIGNED, |sample| sample.body().to_vec());
    let len = u64::try_from(footer.len()).unwrap();
    let longer = [&footer[..], b"!"].concat();
    assert_eq!(reason(verifier.finish(&longer)), (Malformed::TrailingBytes, len));
}

#[test]
fn what_is_not_signed_has_no_footer() {
    let (without, footer) = verifier(UNSIGNED, |_| Vec::new());
    assert!(!without.signs() && footer.is_empty());
    without.finish(b"").unwrap();
    let (without, _) = verifier(UNSIGNED, |_| Vec::new());
    assert_eq!(reason(without.finish(b"!")), (Malformed::TrailingBytes, 0));
}

/// As with a stream, and whatever the order of frames.
#[test]
fn no_frame_ends_behind_the_bound_of_the_plaintext() {
    for (bound, regular, last) in [(0, 0, 0), (15, 0, 15), (16, 1, 0), (40, 2, 8), (48, 3, 0)] {
        let keyring = RawAesKeyring::new("tests", "key", AesKey::from([5; 32])).unwrap();
        let start = waxseal::encryptor(&keyring).suite(UNSIGNED).frame_len(16).unwrap();
        let parts = start.plaintext_bound(bound).now().unwrap().into_frames().unwrap();
        let seal = |number, kind, len: usize| {
            let mut out = vec![0; parts.sealer.sealed_len(kind, len)];
            parts.sealer.seal(number, kind, &vec![7; len], &mut out)
        };
        for number in (1..6).rev() {
            let result = seal(number, FrameKind::Regular, 16);
            assert_eq!(result.is_ok(), number <= regular, "{number} of {bound} bytes: {result:?}");
            if let Err(error) = result {
                assert!(
                    matches!(error, Error::ApiMisuse(ApiMisuse::PlaintextBound { bound: told }) if told == bound),
                    "{error:?}"
                );
            }
        }
        seal(regular + 1, FrameKind::Final, last).unwrap();
        assert!(seal(regular + 1, FrameKind::Final, last + 1).is_err(), "{bound}");
    }
}

#[test]
fn a_frame_is_whole_of_its_kind_and_its_number() {
    let sample = Sample::new(UNSIGNED);
    let opener = &sample.opener;
    let open = |number, kind, frame: &[u8]| {
        let mut out = [7; 16];
        opener.open(number, kind, frame, &mut out).map(|()| out.to_vec())
    };
    let first = sample.frame(1);
    assert_eq!(open(1, FrameKind::Regular, first).unwrap(), PLAINTEXT[..16]);
    let is = |result: Result<Vec<u8>, Error>| reason(result.map(drop));

    assert_eq!(
        is(open(2, FrameKind::Regular, first)),
        (Malformed::Sequence { expected: 2, found: 1 }, 0)
    );
    let is_no = |sequence_number, expected| (Malformed::FrameKind { sequence_number, expected }, 0);
    assert_eq!(is(open(1, FrameKind::Final, first)), is_no(1, "final"));
    assert_eq!(is(open(3, FrameKind::Regular, &sample.body()[96..])), is_no(3, "regular"));
    let longer = [first, b"!"].concat();
    assert_eq!(is(open(1, FrameKind::Regular, &longer)), (Malformed::TrailingBytes, 48));
    for len in 0..first.len() {
        let (kind, offset) = is(open(1, FrameKind::Regular, &first[..len]));
        assert!(matches!(kind, Malformed::Truncated { field: "a frame", .. }), "{len}: {kind:?}");
        assert_eq!(offset, u64::try_from(len).unwrap());
    }
    for len in [0, 15, 17] {
        let mut out = vec![7; len];
        let error = opener.open(1, FrameKind::Regular, first, &mut out).unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(_)), "{error:?}");
        assert_eq!(out, vec![7; len], "it was written to");
    }
}

#[test]
fn sealers_and_openers_say_what_they_are_and_no_more() {
    let keyring = RawAesKeyring::new("tests", "key", AesKey::from([5; 32])).unwrap();
    let encryptor = waxseal::encryptor(&keyring).frame_len(FRAME_LEN).unwrap().now().unwrap();
    let sealer = format!("{:?}", encryptor.into_frames().unwrap().sealer);
    assert_eq!(sealer, "FrameSealer { frame_len: 16, .. }");
    let opener = format!("{:?}", Sample::new(UNSIGNED).opener);
    assert_eq!(opener, "FrameOpener { frame_len: 16, .. }");
}

#[test]
fn a_frame_that_was_changed_leaves_nothing_in_the_buffer() {
    let sample = Sample::new(UNSIGNED);
    for at in 4..48 {
        let mut frame = sample.frame(1).to_vec();
        frame[at] ^= 1;
        let mut out = [7; 16];
        let error = sample.opener.open(1, FrameKind::Regular, &frame, &mut out).unwrap_err();
        let is_iv = at < 16;
        match error {
            Error::Unauthentic(Stage::Frame(1)) if !is_iv => assert_eq!(out, [0; 16]),
            Error::InvalidMessage(InvalidMessage { .. }) | Error::Unauthentic(_) if is_iv => {
                assert!(out == [0; 16] || out == [7; 16]);
            }
            error => panic!("{at}: {error:?}"),
        }
    }
}
