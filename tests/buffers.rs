//! Messages between the caller's own buffers: all or nothing, and no room beyond what is needed.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Error, FrameLayout, Policy, RawAesKeyring, decrypt, encrypt,
};

const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
/// What was in the buffer before.
const BEFORE: u8 = 0xaa;

#[test]
fn a_message_fits_where_the_bound_says_and_its_plaintext_where_it_just_fits() {
    let keyring = keyring();
    for suite in [UNSIGNED, SIGNED] {
        for len in [0, 1, 7, 8, 9, 16, 17, 1000] {
            let plaintext = vec![7; len];
            let bound = FrameLayout::new(400, 8).unwrap().max_message_len(to_u64(len)).unwrap();
            let mut message = vec![BEFORE; usize::try_from(bound).unwrap()];
            let builder = encrypt(&plaintext, &keyring).suite(suite).frame_len(8).unwrap();
            let sealed = builder.into_buffer(&mut message).now().unwrap();
            assert!(sealed.header().len() <= 400);
            assert_eq!(sealed.header().suite(), suite);
            message.truncate(sealed.written());

            let mut opened = vec![BEFORE; len];
            let result = decrypt(&message, &keyring).into_buffer(&mut opened).now().unwrap();
            assert_eq!(result.written(), len);
            assert_eq!(result.header().parsed(), sealed.header());
            assert_eq!(opened, plaintext);
            assert_eq!(decrypt(&message, &keyring).now().unwrap().plaintext(), plaintext);
        }
    }
}

#[test]
fn a_buffer_that_is_longer_keeps_its_rest() {
    let keyring = keyring();
    let message = message(&keyring, SIGNED, b"hello");
    let mut buffer = [BEFORE; 9];
    let opened = decrypt(&message, &keyring).into_buffer(&mut buffer).now().unwrap();
    assert_eq!(opened.written(), 5);
    assert_eq!(&buffer, b"hello\xaa\xaa\xaa\xaa");
}

#[test]
fn a_buffer_that_is_too_short_is_refused_untouched_with_the_length_needed() {
    let keyring = keyring();
    for suite in [UNSIGNED, SIGNED] {
        let plaintext = [7; 20];
        let message = message(&keyring, suite, &plaintext);
        for len in 0..20 {
            let mut buffer = vec![BEFORE; len];
            let result = decrypt(&message, &keyring).into_buffer(&mut buffer).now();
            assert_eq!(too_short(result.unwrap_err()), (20, to_u64(len)));
            assert_eq!(buffer, vec![BEFORE; len]);
        }
        let attempt = |buffer: &mut [u8]| {
            encrypt(&plaintext, &keyring)
                .suite(suite)
                .frame_len(8)
                .unwrap()
                .into_buffer(buffer)
                .now()
                .map(|sealed| sealed.written())
        };
        let (needed, _) = too_short(attempt(&mut []).unwrap_err());
        let needed = usize::try_from(needed).unwrap();
        let mut buffer = vec![BEFORE; needed - 1];
        let (again, found) = too_short(attempt(&mut buffer).unwrap_err());
        assert_eq!((again, found), (to_u64(needed), to_u64(needed - 1)));
        assert_eq!(buffer, vec![BEFORE; needed - 1]);
        let written = attempt(&mut vec![0; needed]).unwrap();
        assert!(written == needed || (suite.signs() && written < needed), "{written} of {needed}");
    }
}

/// Also when only the signature tells that the message was changed, after every frame was opened.
#[test]
fn nothing_of_a_message_that_was_changed_stays_in_the_buffer() {
    let keyring = keyring();
    for suite in [UNSIGNED, SIGNED] {
        let plaintext = [7; 20];
        let message = message(&keyring, suite, &plaintext);
        let body_start =
            usize::try_from(waxseal::inspect(&message).unwrap().parsed().len()).unwrap();
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            check_nothing(&changed, &keyring, at >= body_start);
        }
        for len in 0..message.len() {
            check_nothing(&message[..len], &keyring, len >= body_start);
        }
        let longer = [&message[..], b"x"].concat();
        check_nothing(&longer, &keyring, true);
    }
}

/// With room for anything, and with room for just the plaintext.
fn check_nothing(message: &[u8], keyring: &RawAesKeyring, in_body: bool) {
    let mut buffer = vec![BEFORE; message.len()];
    let into_buffer = decrypt(message, keyring).into_buffer(&mut buffer).now().unwrap_err();
    let to_vec = decrypt(message, keyring).now().unwrap_err();
    assert_eq!(into_buffer.to_string(), to_vec.to_string());
    let left = if in_body { 0 } else { BEFORE };
    assert!(buffer.iter().all(|byte| *byte == left), "{into_buffer}: {buffer:?}");

    let mut buffer = [BEFORE; 20];
    let result = decrypt(message, keyring).into_buffer(&mut buffer).now();
    assert!(result.is_err());
    assert!(!buffer.contains(&7), "{buffer:?}");
}

/// A message that does not end where its lengths say was once told to be cut, if the buffer was short.
#[test]
fn what_is_wrong_with_a_message_does_not_depend_on_the_room() {
    let keyring = keyring();
    for suite in [UNSIGNED, SIGNED] {
        let message = message(&keyring, suite, &[7; 20]);
        for at in 0..message.len() {
            let mut changed = message.clone();
            changed[at] ^= 1;
            check_failure(&changed, &keyring);
            check_failure(&message[..at], &keyring);
        }
        check_failure(&[&message[..], &message].concat(), &keyring);
    }
}

/// It is the same for any room, unless the message has an end, to which there must be room.
fn check_failure(message: &[u8], keyring: &RawAesKeyring) {
    let expected = decrypt(message, keyring).now().unwrap_err();
    for len in [0, 1, 8, 20, message.len()] {
        let mut buffer = vec![BEFORE; len];
        match decrypt(message, keyring).into_buffer(&mut buffer).now().unwrap_err() {
            Error::ApiMisuse(ApiMisuse::BufferTooShort { needed, .. }) => {
                assert!(needed > to_u64(len));
            }
            error => assert_eq!(error.to_string(), expected.to_string(), "{len} bytes"),
        }
        assert!(!buffer.contains(&7), "{buffer:?}");
    }
}

#[test]
fn a_header_that_is_not_allowed_leaves_the_buffer_alone() {
    let keyring = keyring();
    let message = message(&keyring, UNSIGNED, b"hello");
    let mut buffer = [BEFORE; 5];
    let policy = Policy::default().max_frame_len(4);
    let result = decrypt(&message, &keyring).policy(policy).into_buffer(&mut buffer).now();
    assert!(matches!(result, Err(Error::Policy(_))), "{result:?}");
    assert_eq!(buffer, [BEFORE; 5]);
}

fn message(keyring: &RawAesKeyring, suite: AlgorithmSuite, plaintext: &[u8]) -> Vec<u8> {
    let builder = encrypt(plaintext, keyring).suite(suite).frame_len(8).unwrap();
    builder.now().unwrap().into_bytes()
}

fn too_short(error: Error) -> (u64, u64) {
    match error {
        Error::ApiMisuse(ApiMisuse::BufferTooShort { needed, found }) => (needed, found),
        other => panic!("{other}"),
    }
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::from([5; 32])).unwrap()
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap()
}
