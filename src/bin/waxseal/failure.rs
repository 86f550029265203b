//! What is told when something fails: one sentence, one hint, and an exit code.

#[cfg(feature = "s3")]
mod s3;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
#[cfg(feature = "kms")]
use waxseal::kms::KmsFailure;
use waxseal::{ApiMisuse, Attempt, Error, KeyringError, Malformed, PolicyError, UnwrapFailure};

/// Why the command failed, and what helps.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: String,
}

/// Exit codes; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Io,
    Usage,
    InvalidMessage,
    NoKey,
    Unauthentic,
    Policy,
}

impl Failure {
    /// A file cannot be opened, perhaps as its name is something else.
    pub(crate) fn open(what: &str, path: &Path, error: &io::Error) -> Self {
        if !path.to_str().is_some_and(looks_like_key) {
            return Self::io(what, error);
        }
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename => {
                let message = "there is no file of that name, which looks like a key itself";
                Self::usage(message, KEY_GIVEN)
            }
            _ => Self::io("cannot read the file whose name looks like a key itself", error),
        }
    }

    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hint: hint.into() }
    }

    /// Files are in a state in which this is not done.
    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Exit::Io, message: message.into(), hint: hint.into() }
    }

    /// `what` ("cannot read `x`") failed.
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check the permissions of the file and its folder",
            io::ErrorKind::BrokenPipe => {
                "what reads the output stopped early; what it got is not whole"
            }
            io::ErrorKind::StorageFull => "make room there, or write somewhere else",
            _ => "check that the path can be used so, and try again",
        };
        Self { exit: Exit::Io, message: format!("{what}: {error}"), hint: hint.into() }
    }

    /// An error of the library; `Error::Io` is about this input.
    pub(crate) fn reading(input: &str, error: Error) -> Self {
        match error {
            Error::Io(failure) => Self::io(&format!("cannot read {input}"), failure.get_ref()),
            error => Self::from(error),
        }
    }

    /// Gives another hint.
    #[must_use]
    pub(crate) fn hinting(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Gives another hint beside the one that is there.
    #[cfg(feature = "s3")]
    #[must_use]
    pub(crate) fn also(mut self, hint: &str) -> Self {
        self.hint = format!("{}; {hint}", self.hint);
        self
    }

    /// Names the file that this is about.
    #[must_use]
    pub(crate) fn about(mut self, path: &Path) -> Self {
        let path = shown(path);
        if !self.message.contains(&path) {
            self.message = format!("{path}: {}", self.message);
        }
        self
    }

    /// Tells which of several keys this is about, counted from 1.
    #[must_use]
    pub(crate) fn about_key(mut self, number: usize) -> Self {
        self.message = format!("key {number}: {}", self.message);
        self
    }

    /// Tells which flag this is about.
    #[must_use]
    pub(crate) fn within(mut self, flag: &str) -> Self {
        self.message = format!("{flag}: {}", self.message);
        self
    }

    /// Tells that this is the first of several.
    #[cfg(feature = "s3")]
    #[must_use]
    pub(crate) fn first_of(mut self, count: u64, what: &str) -> Self {
        self.message = match count {
            1 => format!("{what}: {}", self.message),
            count => format!("{count} objects failed, and first {what}: {}", self.message),
        };
        self
    }

    /// Tells it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let Self { exit, message, hint } = self;
        let text = format!("waxseal: error: {}\nhint: {}\n", printable(message), printable(hint));
        // If nobody listens, the exit code has to do.
        let _ = io::stderr().write_all(text.as_bytes());
        exit.code()
    }
}

impl Exit {
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Io => 1,
            Self::Usage => 2,
            Self::InvalidMessage => 3,
            Self::NoKey => 4,
            Self::Unauthentic => 5,
            Self::Policy => 6,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (exit, hint) = match error.unshared() {
            Error::ApiMisuse(misuse) => return Self::from_misuse(misuse),
            Error::Io(failure) => return Self::io("reading or writing", failure.get_ref()),
            Error::InvalidMessage(invalid) if invalid.offset() == 0 && invalid.is_truncation() => {
                return Self {
                    exit: Exit::InvalidMessage,
                    message: "not a valid message: the input is empty".into(),
                    hint: "check what should have written it; it may have failed".into(),
                };
            }
            Error::InvalidMessage(invalid) => (
                Exit::InvalidMessage,
                match invalid.reason() {
                    Malformed::Base64 => "turn it into bytes first, as with `base64 -d`",
                    Malformed::Truncated { .. } => {
                        "get the whole message again; this one was cut off"
                    }
                    Malformed::NoFinalFrame { .. } => "get the message again, whole and alone",
                    Malformed::TrailingBytes => {
                        "get the message alone; something was appended to this one"
                    }
                    _ => {
                        "check that this is the encrypted file, and that it was not changed on its way"
                    }
                },
            ),
            Error::Keyring(error) => (Exit::NoKey, keyring_hint(error)),
            Error::Policy(PolicyError::ContextMissing { key }) if looks_like_key(key) => {
                return Self {
                    exit: Exit::Policy,
                    message: "a required name, which looks like a key itself, is not in the encryption context"
                        .into(),
                    hint: KEY_GIVEN.into(),
                };
            }
            Error::Policy(error) => (Exit::Policy, policy_hint(error)),
            Error::Unauthentic(_) => (
                Exit::Unauthentic,
                "get the message again; this one was changed, by accident or not",
            ),
            // A value is never asked for here, and a backend fails only with the machine it is on.
            _ => (Exit::Io, "the machine could not do what it always can; try again"),
        };
        Self { exit, message: error.to_string(), hint: hint.into() }
    }
}

impl Failure {
    fn from_misuse(misuse: &ApiMisuse) -> Self {
        let hint = match misuse {
            ApiMisuse::Context(_) => {
                "give fewer or shorter pairs: the format has 65535 bytes for all"
            }
            ApiMisuse::Key(why) if why.contains("private key is encrypted") => {
                "make a copy without encryption: `openssl pkey -in IN -out OUT`"
            }
            ApiMisuse::Key(why) if why.contains("certificate") => {
                "take the public key out of it: `openssl x509 -pubkey -noout -in IN`"
            }
            ApiMisuse::Key(_) => "check the key file; `waxseal keygen` makes a good one",
            #[cfg(feature = "kms")]
            ApiMisuse::Kms(_) => {
                "check the key; `aws kms describe-key --key-id KEY` tells the ARN of a key"
            }
            ApiMisuse::KeyName { .. } => "give another `namespace=` or `name=` in the key",
            ApiMisuse::Range { .. } | ApiMisuse::Setting { what: "range", .. } => {
                "count bytes from 0: --range 0-99, --range 100- or --range=-100"
            }
            ApiMisuse::Setting { .. } => "give another number with --caching",
            ApiMisuse::PlaintextBound { .. } => {
                "the file grew while it was read: try again, or leave out --caching"
            }
            ApiMisuse::ReservedContextKey { .. } => "give the pair another name",
            ApiMisuse::FrameLenZero | ApiMisuse::TooManyFrames { .. } => {
                "give a larger --frame-length"
            }
            _ => {
                let hint = "this is a fault of waxseal; please report it";
                return Self::refused(misuse.to_string(), hint);
            }
        };
        Self::usage(misuse.to_string(), hint)
    }
}

fn keyring_hint(error: &KeyringError) -> &'static str {
    match error {
        #[cfg(feature = "kms")]
        KeyringError::Kms { failure, .. } => kms_hint(failure.failure()),
        KeyringError::NoDataKey { attempts, offered } => match attempts.first() {
            None if offered.iter().any(|name| is_ecdh(name)) => {
                "an ECDH key is found by its public keys: give `private=` of the recipient, and for schema=static `public=` of the sender"
            }
            None => "give a key that the message asks for; `waxseal inspect` shows them",
            Some(first) => attempt_hint(first),
        },
        KeyringError::Wrap { keyring, .. } if keyring.contains("ECDH") => {
            "schema=discovery only decrypts: encrypt with schema=static, or with schema=ephemeral of raw-ecdh"
        }
        KeyringError::Wrap { keyring, .. } if keyring.contains("AWS KMS RSA") => {
            "choose a suite without signature, as with --suite 0x0478"
        }
        _ => {
            "an RSA key encrypts with its public half, so add `public=PATH`, and it must be long enough for the padding"
        }
    }
}

/// The first attempt is the one with the key that was given first.
fn attempt_hint(attempt: &Attempt) -> &'static str {
    match &attempt.failure {
        #[cfg(feature = "kms")]
        UnwrapFailure::Kms(error) => kms_hint(error.failure()),
        UnwrapFailure::NoPrivateKey if attempt.keyring.contains("ECDH") => {
            "schema=ephemeral only encrypts: decrypt with schema=discovery and `private=PATH`"
        }
        UnwrapFailure::NoPrivateKey => "a public key cannot decrypt: add `private=PATH` to the key",
        UnwrapFailure::Unable(_) => "give the key in the form that the error asks for",
        _ => {
            "check that the key file holds the key of that name, and for RSA that the padding is the same"
        }
    }
}

/// Whether an encrypted data key is of an ECDH keyring.
fn is_ecdh(name: &str) -> bool {
    name.starts_with("raw-ecdh/") || name.starts_with("aws-kms-ecdh/")
}

/// The errors themselves say what to do; this is how, on a command line.
#[cfg(feature = "kms")]
fn kms_hint(failure: &KmsFailure) -> &'static str {
    match failure {
        KmsFailure::AccessDenied { .. } | KmsFailure::GrantToken => {
            "`aws sts get-caller-identity` tells who asks; profile=NAME in the key, or AWS_PROFILE, changes it"
        }
        KmsFailure::ContextMismatch => {
            "get the message again, and give the whole context that is not stored in it with --context"
        }
        KmsFailure::Credentials => {
            "set AWS_PROFILE or AWS_ACCESS_KEY_ID and its like, or give profile=NAME in the key"
        }
        KmsFailure::NotFound | KmsFailure::WrongRegion { .. } => {
            "check key= and region= of the key, and AWS_REGION"
        }
        KmsFailure::TimedOut | KmsFailure::Unreachable(_) | KmsFailure::Unavailable => {
            "check the network, and endpoint= of the key or AWS_ENDPOINT_URL_KMS if one is set"
        }
        KmsFailure::Throttled => "wait, and for many files give --caching",
        _ => "`aws kms describe-key --key-id ARN` shows the key and its state",
    }
}

fn policy_hint(error: &PolicyError) -> &'static str {
    match error {
        PolicyError::Commitment { action: "encrypt", .. } => {
            "choose another --suite or --commitment-policy; the default of both is the safest"
        }
        PolicyError::Commitment { .. } => {
            "if you trust where it comes from, allow it with --commitment-policy require-encrypt-allow-decrypt"
        }
        PolicyError::ContextMismatch { .. }
        | PolicyError::ContextMissing { .. }
        | PolicyError::ContextNotAuthenticated { .. } => {
            "this may be another message than you think; `waxseal inspect` shows its encryption context"
        }
        PolicyError::FrameLen { .. } => {
            "if you trust where it comes from, allow it with a larger --max-frame-length"
        }
        PolicyError::RangeOfSignedMessage => {
            "decrypt all of it, or if it does not matter who wrote it give --unverified-signature"
        }
        PolicyError::RangeOfUnframedMessage => "leave --range out",
        PolicyError::TooManyEncryptedDataKeys { .. } => {
            "if it is meant to be so, allow it with a larger --max-encrypted-data-keys"
        }
        _ => "check where this message comes from",
    }
}

/// What clap has to say, in our form.
impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        let is_key = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => looks_like_key(text),
            _ => false,
        };
        let given =
            [ContextKind::InvalidArg, ContextKind::InvalidSubcommand, ContextKind::InvalidValue];
        if given.into_iter().any(is_key) {
            return Self::usage("an argument looks like a key itself", KEY_GIVEN);
        }
        let help = "`waxseal --help` and `waxseal COMMAND --help` tell what there is";
        let text = error.render().to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let words: Vec<&str> = first.split_whitespace().collect();
        let message = words.join(" ");
        let message = message.strip_prefix("error: ").unwrap_or(&message);
        let positional = error.kind() == ErrorKind::UnknownArgument
            && matches!(
                error.get(ContextKind::InvalidArg),
                Some(ContextValue::String(argument)) if !argument.starts_with('-')
            );
        let takes_input =
            ["Usage: waxseal encrypt", "Usage: waxseal decrypt"].iter().any(|u| text.contains(u));
        if positional && takes_input {
            return Self::usage(message, "name the input with -i");
        }
        let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: "));
        Self::usage(message, tip.unwrap_or(help))
    }
}

/// A path for people.
pub(crate) fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// What somebody wrote in the place of a name, for people, unless it is a key.
pub(crate) fn told(text: &str) -> String {
    if looks_like_key(text) {
        return "`...` (it looks like a key itself)".to_owned();
    }
    format!("`{text}`")
}

/// Whether somebody wrote a key in the place of a name, so that it must not be told.
pub(crate) fn looks_like_key(text: &str) -> bool {
    if text.contains("-----BEGIN ") {
        return true;
    }
    let unpadded = text.trim_end_matches('=');
    let is_base64 = || unpadded.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/-_".contains(&c));
    // DER: a sequence (0x30) whose length starts with a byte such as 0x82 or 0x2e.
    let is_der = || matches!(unpadded.as_bytes(), [b'M', b'A'..=b'P', ..]);
    match (unpadded.len(), text.len() - unpadded.len()) {
        (32 | 48 | 64, 0) if text.bytes().all(|c| c.is_ascii_hexdigit()) => true,
        // 16, 24 and 32 bytes.
        (22, 2) | (32, 0) | (43, 1) => is_base64(),
        (58.., 0..=2) => is_der() && is_base64(),
        _ => false,
    }
}

/// Whether this is a key rather than a pair of name and value: with the padding of Base64 for a value, perhaps followed by the
/// end of a PEM text.
pub(crate) fn is_key_as_pair(pair: &str) -> bool {
    let has_padding =
        pair.split_once('=').is_some_and(|(_, value)| value.bytes().all(|byte| byte == b'='));
    pair.contains("PRIVATE KEY-----") || has_padding && looks_like_key(pair)
}

/// What to do about it.
pub(crate) const KEY_GIVEN: &str =
    "write the key to a file and give its path, and do not use a key that others may have seen";

/// Text that cannot control a terminal or look like another line. What is printable stays.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => out.push(c),
            c => {
                let _ = write!(out, "{}", c.escape_debug());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_control_a_terminal() {
        assert_eq!(
            printable("a\x1b[2J\nb\u{9b}\u{202e}\u{7f}"),
            "a\\u{1b}[2J\\nb\\u{9b}\\u{202e}\\u{7f}"
        );
        assert_eq!(printable(r#"it's "C:\é""#), r#"it's "C:\é""#);
    }
}
