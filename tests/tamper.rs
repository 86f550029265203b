//! Changed messages: none opens, and what a stream lets out before it fails is whole frames of the
//! true plaintext.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::fs;

use proptest::prelude::*;
use waxseal::{
    AesKey, AlgorithmSuite, Attempt, CommitmentPolicy, DataKey, EncryptedDataKey,
    EncryptionMaterials, Error, FrameLayout, HeaderReader, LocalKeyring, Policy, RawAesKeyring,
    UnwrapRequest, UnwrappedDataKey,
};

/// A good message with everything that is known about it.
#[derive(Debug)]
struct Sample {
    name: String,
    keyring: Box<dyn LocalKeyring>,
    policy: Policy,
    signed: bool,
    /// 0 if it is not framed.
    frame_len: usize,
    plaintext: Vec<u8>,
    message: Vec<u8>,
    /// Ends of the parts: header, each frame, footer if there is one.
    ends: Vec<usize>,
}

impl Sample {
    fn new(
        suite: AlgorithmSuite,
        keyring: Box<dyn LocalKeyring>,
        frame_len: usize,
        plaintext: Vec<u8>,
    ) -> Self {
        let policy = policy(suite);
        let message = waxseal::encrypt(&plaintext, &keyring)
            .suite(suite)
            .policy(policy.clone())
            .frame_len(u32::try_from(frame_len).unwrap())
            .unwrap()
            .context([("purpose", "tests"), ("tenant", "42")])
            .now()
            .unwrap();
        let len = u64::try_from(plaintext.len()).unwrap();
        let header_len = message.header().len();
        let layout = FrameLayout::new(header_len, u32::try_from(frame_len).unwrap()).unwrap();
        let mut ends = vec![header_len];
        for n in 1..=layout.frame_count(len).unwrap() {
            ends.push(layout.frame(n, len).unwrap().ciphertext.end);
        }
        let mut ends: Vec<_> = ends.into_iter().map(|end| usize::try_from(end).unwrap()).collect();
        if suite.signs() {
            ends.push(message.len());
        }
        let message = message.into_bytes();
        assert_eq!(ends.last(), Some(&message.len()));
        let name = suite.name().to_owned();
        let signed = suite.signs();
        Self { name, keyring, policy, signed, frame_len, plaintext, message, ends }
    }

    /// One that is not framed; this crate writes none.
    fn unframed(id: &str) -> Self {
        let read = |path: &str| fs::read(format!("tests/vectors/{path}")).unwrap();
        let json = |path| serde_json::from_slice::<serde_json::Value>(&read(path)).unwrap();
        let (manifest, keys) = (json("manifest.json"), json("keys.json"));
        let cases = manifest["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let keyring = &case["decrypt_keyring"];
        let key = from_hex(&text(&keys["keys"][text(&keyring["key"])]["material_hex"]));
        let key = AesKey::try_from(&key[..]).unwrap();
        let keyring =
            RawAesKeyring::new(text(&keyring["namespace"]), text(&keyring["name"]), key).unwrap();
        let suite: AlgorithmSuite = text(&case["suite_id"]).parse().unwrap();
        let message = read(&text(&case["ciphertext"]));
        let plaintext = read(&text(&case["plaintext"]));
        let header_len = waxseal::inspect(&message).unwrap().parsed().len();
        let header_len = usize::try_from(header_len).unwrap();
        let mut ends = vec![header_len, header_len + 12 + 8 + plaintext.len() + 16];
        if suite.signs() {
            ends.push(message.len());
        }
        assert_eq!(ends.last(), Some(&message.len()));
        Self {
            name: id.to_owned(),
            keyring: Box::new(keyring),
            policy: policy(suite),
            signed: suite.signs(),
            frame_len: 0,
            plaintext,
            message,
            ends,
        }
    }

    /// The bytes of one part.
    fn part(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.message[start..self.ends[index]]
    }

    /// Everything before the final frame, or before the block.
    fn before_last(&self) -> usize {
        match self.frame_len {
            0 => 0,
            len => self.plaintext.len().saturating_sub(1) / len * len,
        }
    }

    fn open(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let decrypt = waxseal::decrypt(message, &self.keyring).policy(self.policy.clone());
        Ok(decrypt.now()?.into_plaintext())
    }

    /// Everything that must hold for a message that was changed.
    #[track_caller]
    fn check_refused(&self, message: &[u8], pieces: &[usize], room: usize, what: &str) {
        let Self { name, .. } = self;
        assert_ne!(message, self.message, "{name}: {what} changes nothing");
        match self.open(message) {
            Ok(_) => panic!("{name}: opened after {what}"),
            Err(error) => assert!(is_fault_of_message(&error), "{name}, {what}: {error:?}"),
        }
        let (released, result) = self.stream(message, pieces, room);
        match result {
            Ok(()) => panic!("{name}: streamed after {what}"),
            Err(error) => assert!(is_fault_of_message(&error), "{name}, {what}: {error:?}"),
        }
        assert!(
            self.plaintext.starts_with(&released),
            "{name}: {released:?} after {what}, ends {:?}",
            self.ends
        );
        let len = released.len();
        // What follows a message that was verified to its signature comes too late to hold it back.
        let verified = !self.signed || message.starts_with(&self.message);
        let allowed = match self.frame_len {
            0 => len == 0 || (verified && len == self.plaintext.len()),
            frame_len if len % frame_len == 0 && len <= self.before_last() => true,
            _ => verified && len == self.plaintext.len(),
        };
        assert!(allowed, "{name}: {len} bytes came out after {what}");
    }

    /// Decrypts in pieces; gives everything that came out before the end or the error.
    fn stream(
        &self,
        message: &[u8],
        pieces: &[usize],
        room: usize,
    ) -> (Vec<u8>, Result<(), Error>) {
        let mut released = Vec::new();
        let result = self.try_stream(message, pieces, room, &mut released);
        (released, result)
    }

    fn try_stream(
        &self,
        message: &[u8],
        pieces: &[usize],
        room: usize,
        released: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut pieces = pieces.iter().cycle();
        let mut piece = |rest: &[u8]| (*pieces.next().unwrap()).min(rest.len());
        let mut reader = HeaderReader::new(self.policy.clone());
        let mut rest = message;
        while !reader.is_complete() && !rest.is_empty() {
            let taken = reader.push(&rest[..piece(rest)])?;
            rest = &rest[taken..];
        }
        let mut decryptor = reader.finish()?.unlock(&self.keyring).now()?;
        let mut buffer = vec![0; room];
        loop {
            buffer.fill(0);
            let result = decryptor.update(&rest[..piece(rest)], &mut buffer);
            let written = result.as_ref().map_or(0, |progress| progress.written);
            released.extend_from_slice(&buffer[..written]);
            assert!(buffer[written..].iter().all(|byte| *byte == 0), "plaintext beyond `written`");
            match result {
                Ok(progress) => rest = &rest[progress.read..],
                Err(error) => {
                    for input in [rest, &[]] {
                        let again = decryptor.update(input, &mut buffer);
                        assert!(again.is_err(), "{error:?} was forgotten");
                        assert!(buffer.iter().all(|byte| *byte == 0));
                    }
                    assert!(decryptor.finish().is_err(), "{error:?} was forgotten");
                    return Err(error);
                }
            }
            if rest.is_empty() && written == 0 {
                return decryptor.finish().map(|_| ());
            }
        }
    }
}

/// All suites have the same keyring, whose data key never changes: only what the message itself says
/// keeps messages apart.
#[derive(Debug)]
struct FixedKey;

impl LocalKeyring for FixedKey {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let len = materials.suite().data_key_len();
        materials.set_data_key(DataKey::try_from(&[3; 32][..len])?)?;
        materials.push_encrypted_data_key(EncryptedDataKey::new("fixed", "key", b"-"))
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let key = DataKey::try_from(&[3; 32][..request.suite().data_key_len()]).unwrap();
        Ok(UnwrappedDataKey::new(key, 0))
    }
}

fn raw() -> Box<dyn LocalKeyring> {
    let key = AesKey::try_from(&[5; 32][..]).unwrap();
    Box::new(RawAesKeyring::new("tests", "key", key).unwrap())
}

fn policy(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    })
}

/// The bytes of a message are never the caller's mistake, nor the backend's.
fn is_fault_of_message(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidMessage(_) | Error::Unauthentic(_) | Error::Keyring(_) | Error::Policy(_)
    )
}

fn from_hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn pattern(len: usize) -> Vec<u8> {
    (1..=250).cycle().take(len).collect()
}

const SUITES: [AlgorithmSuite; 7] = [
    AlgorithmSuite::Aes128GcmIv12Tag16NoKdf,
    AlgorithmSuite::Aes192GcmIv12Tag16HkdfSha256,
    AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256,
    AlgorithmSuite::Aes128GcmIv12Tag16HkdfSha256EcdsaP256,
    AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha384EcdsaP384,
    AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
    AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
];

/// Every suite of interest with three frames, the last of which is full or not, and unframed ones.
fn samples() -> Vec<Sample> {
    let framed = SUITES.into_iter().enumerate().map(|(i, suite)| {
        let keyring = if i % 2 == 0 { raw() } else { Box::new(FixedKey) };
        Sample::new(suite, keyring, 8, pattern(20 + i % 5))
    });
    let unframed = ["own-unframed-0178-1-py", "own-unframed-0478-1-py", "own-unframed-0578-1-py"];
    framed.chain(unframed.map(Sample::unframed)).collect()
}

#[test]
fn good_messages_open() {
    for sample in samples() {
        assert_eq!(sample.open(&sample.message).unwrap(), sample.plaintext);
        for (pieces, room) in [(&[1][..], 1), (&[1], 100), (&[7, 1000], 8), (&[1000], 3)] {
            let (released, result) = sample.stream(&sample.message, pieces, room);
            result.unwrap();
            assert_eq!(released, sample.plaintext);
        }
    }
}

/// Every byte is authenticated, whatever the suite.
#[test]
fn no_flipped_bit_goes_unnoticed() {
    for sample in samples() {
        for at in 0..sample.message.len() {
            for bit in 0..8 {
                let mut message = sample.message.clone();
                message[at] ^= 1 << bit;
                let what = format!("bit {bit} of byte {at} flipped");
                let (pieces, room) = if bit == 0 { (&[1][..], 100) } else { (&[4096][..], 8) };
                sample.check_refused(&message, pieces, room, &what);
            }
        }
    }
}

#[test]
fn no_cut_goes_unnoticed() {
    for sample in samples() {
        for len in 0..sample.message.len() {
            for (pieces, room) in [(&[1][..], 100), (&[4096], 1)] {
                let message = &sample.message[..len];
                sample.check_refused(message, pieces, room, &format!("cut to {len} bytes"));
            }
            let Err(Error::InvalidMessage(invalid)) = sample.open(&sample.message[..len]) else {
                panic!("{}: cut to {len} bytes, but not truncated", sample.name);
            };
            assert!(invalid.is_truncation(), "{}: {invalid}", sample.name);
            assert_eq!(invalid.offset(), u64::try_from(len).unwrap(), "{}", sample.name);
        }
    }
}

#[test]
fn no_byte_may_follow() {
    for sample in samples() {
        for tail in [&[0][..], &[0xff; 4], &[0; 100], &sample.message] {
            let message = [&sample.message, tail].concat();
            for (pieces, room) in [(&[1][..], 100), (&[4096], 100), (&[4096], 1)] {
                sample.check_refused(&message, pieces, room, "appended bytes");
                let (released, _) = sample.stream(&message, pieces, room);
                // What is authentic to the end is not lost; it just is not the end.
                assert_eq!(released, sample.plaintext);
            }
            let Err(Error::InvalidMessage(invalid)) = sample.open(&message) else {
                panic!("{}: appended bytes are not reported", sample.name);
            };
            assert_eq!(invalid.reason(), &waxseal::Malformed::TrailingBytes);
            assert_eq!(invalid.offset(), u64::try_from(sample.message.len()).unwrap());
        }
    }
}

#[test]
fn parts_may_not_be_moved() {
    for sample in samples() {
        let count = sample.ends.len();
        let whole: Vec<_> = (0..count).map(|index| sample.part(index)).collect();
        for a in 0..count {
            let mut without = whole.clone();
            without.remove(a);
            sample.check_refused(&without.concat(), &[1], 100, &format!("part {a} removed"));
            for b in 0..count {
                let mut doubled = whole.clone();
                doubled.insert(b, whole[a]);
                let what = format!("part {a} repeated before {b}");
                sample.check_refused(&doubled.concat(), &[9], 100, &what);
                if a != b {
                    let mut swapped = whole.clone();
                    swapped.swap(a, b);
                    let what = format!("parts {a} and {b} swapped");
                    sample.check_refused(&swapped.concat(), &[9], 3, &what);
                }
            }
        }
    }
}

/// Messages of one data key: for suites that derive nothing even the content key is the same.
#[test]
fn parts_of_another_message_do_not_fit() {
    for suite in SUITES {
        let sample = Sample::new(suite, Box::new(FixedKey), 8, pattern(21));
        for plaintext in [pattern(21), vec![0; 21]] {
            let other = Sample::new(suite, Box::new(FixedKey), 8, plaintext);
            for index in 0..sample.ends.len() {
                let mut parts: Vec<_> = (0..sample.ends.len()).map(|i| sample.part(i)).collect();
                parts[index] = other.part(index);
                let what = format!("part {index} of another message");
                sample.check_refused(&parts.concat(), &[5], 100, &what);
            }
            // The first half of one and the second of the other, cut between frames.
            for index in 1..sample.ends.len() - 1 {
                let spliced =
                    [&sample.message[..sample.ends[index]], &other.message[other.ends[index]..]];
                sample.check_refused(&spliced.concat(), &[5], 100, "a splice");
            }
        }
        // A signed message without its signature is no unsigned one, and the other way round.
        for other in SUITES.into_iter().filter(|other| *other != suite) {
            let other = Sample::new(other, Box::new(FixedKey), 8, pattern(21));
            let swapped = [other.part(0), &sample.message[sample.ends[0]..]].concat();
            sample.check_refused(&swapped, &[5], 100, "the header of another suite");
        }
    }
}

fn larger_sample() -> impl Strategy<Value = Sample> {
    (prop::sample::select(SUITES.to_vec()), 1..400_usize, 0..2000_usize, any::<bool>()).prop_map(
        |(suite, frame_len, len, fixed)| {
            let keyring: Box<dyn LocalKeyring> = if fixed { Box::new(FixedKey) } else { raw() };
            Sample::new(suite, keyring, frame_len, pattern(len))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn larger_messages_behave_alike(
        sample in larger_sample(),
        at in prop::collection::vec(any::<prop::sample::Index>(), 3),
        byte in 1_u8..,
        pieces in prop::collection::vec(1..700_usize, 1..4),
        room in 1..1000_usize,
    ) {
        let mut flipped = sample.message.clone();
        flipped[at[0].index(sample.message.len())] ^= byte;
        sample.check_refused(&flipped, &pieces, room, "a byte changed");

        let cut = &sample.message[..at[1].index(sample.message.len())];
        sample.check_refused(cut, &pieces, room, "a cut");

        let (a, b) = (at[1].index(sample.message.len()), at[2].index(sample.message.len()));
        let mut gone = sample.message.clone();
        gone.drain(a.min(b)..=a.max(b));
        sample.check_refused(&gone, &pieces, room, "bytes removed");

        let mut doubled = sample.message.clone();
        let copy = sample.message[a.min(b)..=a.max(b)].to_vec();
        doubled.splice(a..a, copy);
        if doubled != sample.message {
            sample.check_refused(&doubled, &pieces, room, "bytes repeated");
        }
    }
}
