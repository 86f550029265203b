//! A file of the kit: lines of text, an empty line, and the message.

use std::fmt::{self, Write as _};

use waxseal::{CommitmentPolicy, Malformed, Policy, PolicyError, Stage};

use crate::make::crypto::{from_hex, sha256, to_hex};
use crate::make::message::{KEY, Sealed, Suite, plaintext};

/// A message, and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Folder and name of the file.
    pub(crate) name: String,
    pub(crate) expect: String,
    /// Where it fails.
    pub(crate) stage: Part,
    /// What a stream releases before that, or all of it: SHA-256 and length.
    pub(crate) payload: String,
    pub(crate) released: usize,
    /// What comes out for those who give the signature up: SHA-256.
    pub(crate) unsigned_payload: Option<String>,
    /// The key that wraps data keys.
    pub(crate) key: Vec<u8>,
    pub(crate) suite: u16,
    pub(crate) policy: Limits,
    /// Pairs that the caller wants to have been authenticated.
    pub(crate) required: Vec<(String, String)>,
    pub(crate) comment: String,
    /// What becomes of the message when it is cut.
    pub(crate) cuts: Vec<Cut>,
    pub(crate) message: Vec<u8>,
}

/// Where a message fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Nowhere.
    None,
    /// Up to its header's tag: no way to decrypt gets further.
    Header,
    Body,
    /// Behind the last frame, or the block.
    End,
}

/// Cut to any of these lengths, a message ends too early, in this field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) first: usize,
    pub(crate) last: usize,
    pub(crate) stage: Part,
    pub(crate) released: usize,
    pub(crate) payload: String,
    pub(crate) field: String,
}

/// What differs from the default policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) commitment: Option<CommitmentPolicy>,
    pub(crate) max_encrypted_data_keys: Option<u16>,
    pub(crate) max_frame_length: Option<u64>,
    pub(crate) max_header_length: Option<usize>,
}

/// What must become of a message.
#[derive(Debug)]
pub(crate) enum Expect {
    Success,
    Invalid(Malformed, usize),
    Policy(PolicyError),
    /// How many encrypted data keys were tried, of how many.
    NoDataKey {
        tried: usize,
        offered: usize,
    },
    Unauthentic(Stage),
    /// The keys of pairs that the header does not have and that are required.
    ContextNotAuthenticated(Vec<&'static str>),
}

impl Expect {
    pub(crate) fn truncated(field: &'static str, at: usize) -> Self {
        Self::Invalid(Malformed::Truncated { field }, at)
    }

    pub(crate) fn sequence(expected: u32, found: u32, at: usize) -> Self {
        Self::Invalid(Malformed::Sequence { expected, found }, at)
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("success"),
            Self::Invalid(reason, at) => write!(f, "invalid message: {reason:?} at byte {at}"),
            Self::Policy(error) => write!(f, "policy: {error:?}"),
            Self::NoDataKey { tried, offered } => {
                write!(f, "no data key: {tried} of {offered} tried")
            }
            Self::Unauthentic(stage) => write!(f, "unauthentic: {stage:?}"),
            Self::ContextNotAuthenticated(keys) => {
                write!(f, "policy: ContextNotAuthenticated {{ keys: {keys:?} }}")
            }
        }
    }
}

impl Case {
    /// It opens, to what it holds.
    pub(crate) fn good(name: &str, sealed: &Sealed, comment: &str) -> Self {
        Self::new(name, sealed, sealed.bytes.clone(), Part::None, Expect::Success, comment)
            .releasing(&sealed.plaintext())
    }

    /// It fails before anything can be released.
    pub(crate) fn header(
        name: &str,
        sealed: &Sealed,
        message: Vec<u8>,
        expect: Expect,
        comment: &str,
    ) -> Self {
        Self::new(name, sealed, message, Part::Header, expect, comment)
    }

    /// It fails in the body, when so many bytes of the usual plaintext were released.
    pub(crate) fn body(
        name: &str,
        sealed: &Sealed,
        message: Vec<u8>,
        released: usize,
        expect: Expect,
        comment: &str,
    ) -> Self {
        Self::new(name, sealed, message, Part::Body, expect, comment)
            .releasing(&plaintext()[..released])
    }

    /// It fails behind the body.
    pub(crate) fn end(
        name: &str,
        sealed: &Sealed,
        message: Vec<u8>,
        expect: Expect,
        comment: &str,
    ) -> Self {
        Self::new(name, sealed, message, Part::End, expect, comment)
            .releasing(&sealed.released_before_signature())
    }

    /// Only the signature is wrong. Who gives it up finds the last frame, if the footer fills the rest and is not longer
    /// than any that is right.
    pub(crate) fn signature(name: &str, sealed: &Sealed, signature: &[u8], comment: &str) -> Self {
        let expect = Expect::Unauthentic(Stage::Signature);
        let mut case = Self::end(name, sealed, sealed.signed(signature), expect, comment);
        if signature.len() <= MAX_SIGNATURE_LEN && sealed.fields.iter().all(|(p, ..)| p != "block")
        {
            case.unsigned_payload = Some(sha256(&sealed.plaintext()));
        }
        case
    }

    fn new(
        name: &str,
        sealed: &Sealed,
        message: Vec<u8>,
        stage: Part,
        expect: Expect,
        comment: &str,
    ) -> Self {
        let Suite { id, .. } = sealed.suite;
        let lax = sealed.suite.version() == 1;
        let commitment = lax.then_some(CommitmentPolicy::RequireEncryptAllowDecrypt);
        Self {
            name: name.to_owned(),
            expect: expect.to_string(),
            stage,
            payload: sha256(b""),
            released: 0,
            unsigned_payload: None,
            key: KEY.to_vec(),
            suite: id,
            policy: Limits { commitment, ..Limits::default() },
            required: Vec::new(),
            comment: comment.to_owned(),
            cuts: Vec::new(),
            message,
        }
    }

    pub(crate) fn releasing(mut self, plaintext: &[u8]) -> Self {
        self.payload = sha256(plaintext);
        self.released = plaintext.len();
        self
    }

    pub(crate) fn policy(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.policy);
        self
    }

    pub(crate) fn requiring(mut self, pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.required.extend(pairs);
        self
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let Self {
            name: _,
            expect,
            stage,
            payload,
            released,
            unsigned_payload,
            key,
            suite,
            policy,
            required,
            comment,
            cuts,
            message,
        } = self;
        let mut text = format!(
            "expect: {expect}\nstage: {}\npayload: {payload}\nreleased: {released}\n",
            stage.name()
        );
        let mut line = |name: &str, value: &str| writeln!(text, "{name}: {value}").unwrap();
        if let Some(unsigned) = unsigned_payload {
            line("unsigned-payload", unsigned);
        }
        line("keyring", &format!("raw-aes testkit/key {}", to_hex(key)));
        line("suite", &format!("0x{suite:04x}"));
        for (setting, value) in policy.settings() {
            line("policy", &format!("{setting} {value}"));
        }
        for (key, value) in required {
            line("require", &format!("{key}={value}"));
        }
        for Cut { first, last, stage, released, payload, field } in cuts {
            line("cut", &format!("{first} {last} {} {released} {payload} {field}", stage.name()));
        }
        line("comment", comment);
        [text.as_bytes(), b"\n", message].concat()
    }

    pub(crate) fn read(name: &str, file: &[u8]) -> Self {
        let end = file.windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
        let text = std::str::from_utf8(&file[..end]).unwrap();
        let message = file[end + 2..].to_vec();
        let mut case = Self {
            name: name.to_owned(),
            expect: String::new(),
            stage: Part::None,
            payload: String::new(),
            released: 0,
            unsigned_payload: None,
            key: Vec::new(),
            suite: 0,
            policy: Limits::default(),
            required: Vec::new(),
            comment: String::new(),
            cuts: Vec::new(),
            message,
        };
        for line in text.lines() {
            let (field, value) = line.split_once(": ").expect("a field and its value");
            match field {
                "expect" => value.clone_into(&mut case.expect),
                "stage" => case.stage = Part::of(value),
                "payload" => value.clone_into(&mut case.payload),
                "released" => case.released = value.parse().unwrap(),
                "unsigned-payload" => case.unsigned_payload = Some(value.to_owned()),
                "keyring" => {
                    case.key = from_hex(value.strip_prefix("raw-aes testkit/key ").unwrap());
                }
                "suite" => case.suite = u16::from_str_radix(&value[2..], 16).unwrap(),
                "policy" => case.policy.set(value),
                "require" => {
                    let (key, value) = value.split_once('=').expect("a pair");
                    case.required.push((key.to_owned(), value.to_owned()));
                }
                "cut" => case.cuts.push(Cut::read(value)),
                "comment" => value.clone_into(&mut case.comment),
                other => panic!("{name}: {other} is no field"),
            }
        }
        case
    }

    /// This, and what becomes of it when it is cut: at each byte, or where another field begins or ends.
    pub(crate) fn with_cuts(&self, each_byte: bool) -> Vec<Self> {
        let mut cases = vec![self.clone()];
        for Cut { first, last, stage, released, payload, field } in &self.cuts {
            for len in *first..=*last {
                if !each_byte && len != *first && len != *last {
                    continue;
                }
                cases.push(Self {
                    name: format!("{} cut to {len} bytes", self.name),
                    expect: format!(
                        "invalid message: Truncated {{ field: \"{field}\" }} at byte {len}"
                    ),
                    stage: *stage,
                    released: *released,
                    payload: payload.clone(),
                    cuts: Vec::new(),
                    message: self.message[..len].to_vec(),
                    ..self.clone()
                });
            }
        }
        cases
    }
}

impl Part {
    const ALL: [Self; 4] = [Self::None, Self::Header, Self::Body, Self::End];

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Header => "header",
            Self::Body => "body",
            Self::End => "end",
        }
    }

    fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|part| part.name() == name).expect("a stage")
    }
}

impl Cut {
    fn read(text: &str) -> Self {
        let mut words = text.splitn(6, ' ');
        let mut word = || words.next().expect("six words");
        Self {
            first: word().parse().unwrap(),
            last: word().parse().unwrap(),
            stage: Part::of(word()),
            released: word().parse().unwrap(),
            payload: word().to_owned(),
            field: word().to_owned(),
        }
    }
}

impl Limits {
    /// As the command line names them, but for the last, which it does not have.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let Self { commitment, max_encrypted_data_keys, max_frame_length, max_header_length } =
            self;
        let all = [
            ("commitment-policy", commitment.map(|policy| policy.to_string())),
            ("max-encrypted-data-keys", max_encrypted_data_keys.map(|limit| limit.to_string())),
            ("max-frame-length", max_frame_length.map(|limit| limit.to_string())),
            ("max-header-length", max_header_length.map(|limit| limit.to_string())),
        ];
        all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    fn set(&mut self, setting: &str) {
        let (name, value) = setting.split_once(' ').expect("a setting and its value");
        match name {
            "commitment-policy" => self.commitment = Some(value.parse().unwrap()),
            "max-encrypted-data-keys" => {
                self.max_encrypted_data_keys = Some(value.parse().unwrap());
            }
            "max-frame-length" => self.max_frame_length = Some(value.parse().unwrap()),
            "max-header-length" => self.max_header_length = Some(value.parse().unwrap()),
            other => panic!("{other} is no setting"),
        }
    }

    pub(crate) fn to_policy(&self) -> Policy {
        let Self { commitment, max_encrypted_data_keys, max_frame_length, max_header_length } =
            self;
        let mut policy = Policy::default();
        if let Some(commitment) = *commitment {
            policy = policy.commitment(commitment);
        }
        if let Some(limit) = *max_encrypted_data_keys {
            policy = policy.max_encrypted_data_keys(limit);
        }
        if let Some(limit) = *max_frame_length {
            policy = policy.max_frame_len(limit);
        }
        if let Some(limit) = *max_header_length {
            policy = policy.max_header_len(limit);
        }
        policy
    }
}

/// Two integers of P-384 with 49 bytes each, with their headers and that of the sequence.
const MAX_SIGNATURE_LEN: usize = 2 + 2 * (2 + 49);
