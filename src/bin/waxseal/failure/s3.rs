//! What is told when something fails that is about Amazon S3.

use std::path::Path;

use waxseal::kms::KmsFailure;
use waxseal::s3::{S3Error, S3Failure};
use waxseal::{ApiMisuse, Error, KeyringError, ObjectError, PolicyError, UnwrapFailure};

use super::{Exit, Failure, attempt_hint};

impl Failure {
    /// An error of the library about an object.
    pub(crate) fn s3(error: Error) -> Self {
        let known = match error.unshared() {
            Error::ApiMisuse(misuse) => misuse_hint(misuse).map(|hint| (Exit::Usage, hint)),
            Error::Io(failure) => return Self::io(&failure.to_string(), failure.get_ref()),
            Error::Keyring(error) => keyring_hint(error).map(|hint| (Exit::NoKey, hint)),
            Error::Object(error) => Some(object(error)),
            Error::Policy(error) => policy_hint(error).map(|hint| (Exit::Policy, hint)),
            Error::S3(error) => Some((Exit::Io, service_hint(error))),
            Error::Unauthentic(_) => Some((
                Exit::Unauthentic,
                "the object was changed, by accident or not: get an older version or a copy of it",
            )),
            _ => None,
        };
        match known {
            Some((exit, hint)) => Self { exit, message: error.to_string(), hint: hint.into() },
            None => Self::from(error),
        }
    }

    /// An error about an object that is read from this file, or written to it.
    pub(crate) fn s3_with(error: Error, file: &Path) -> Self {
        let of_file = matches!(error.unshared(), Error::Io(_));
        let failure = Self::s3(error);
        if of_file { failure.about(file) } else { failure }
    }
}

fn object(error: &ObjectError) -> (Exit, &'static str) {
    match error {
        ObjectError::ContentTooLong { .. } => (Exit::Usage, "split it into several objects"),
        ObjectError::MetadataTooLong { .. } => {
            (Exit::Usage, "give --instruction-file, fewer --metadata, or a shorter context")
        }
        ObjectError::EsdkMessage => (
            Exit::InvalidMessage,
            "get its bytes as they are, with another program, and give them to `waxseal decrypt`",
        ),
        ObjectError::NotAsWritten { .. } => (
            Exit::Io,
            "keep this message: with what was stored before, the object can be put right",
        ),
        ObjectError::NotRewrappable { .. } => {
            (Exit::Policy, "get such an object, and put it again with the new key")
        }
        ObjectError::InstructionFile { .. } | ObjectError::NotEncrypted { .. } => (
            Exit::InvalidMessage,
            "check what is there; an instruction file of another name needs --instruction-file-suffix",
        ),
        _ => (Exit::InvalidMessage, "check what wrote the object, and what may have changed it"),
    }
}

/// The errors themselves say what is wrong; this is what to do on a command line.
fn service_hint(error: &S3Error) -> &'static str {
    match error.failure() {
        S3Failure::AccessDenied { .. } => {
            "`aws sts get-caller-identity` tells who asks; --profile or AWS_PROFILE changes it"
        }
        S3Failure::Credentials => {
            "set AWS_PROFILE or AWS_ACCESS_KEY_ID and its like, or give --profile"
        }
        S3Failure::NoSuchBucket => "check the bucket, --region and --endpoint-url",
        S3Failure::NoSuchKey => "check the key; `waxseal s3 ls` shows what is there",
        S3Failure::PreconditionFailed | S3Failure::Conflict => {
            "look at what is there now; to replace an object, leave --no-overwrite out"
        }
        S3Failure::Throttled | S3Failure::Unavailable => {
            "wait and try again, perhaps with a smaller --parallelism"
        }
        S3Failure::TimedOut | S3Failure::Unreachable(_) => {
            "check the network, and --endpoint-url or AWS_ENDPOINT_URL_S3 if one is set"
        }
        S3Failure::WrongAnswer(_) => "check that --endpoint-url is an S3 service, and try again",
        _ => "check the address, --region and --endpoint-url",
    }
}

fn keyring_hint(error: &KeyringError) -> Option<&'static str> {
    match error {
        KeyringError::Object { attempts, .. } => Some(match attempts.first() {
            Some(attempt) if matches!(attempt.failure, UnwrapFailure::Unable(_)) => {
                "give a key of the kind that the object asks for; `waxseal s3 inspect` shows it"
            }
            Some(attempt) if matches!(attempt.failure, UnwrapFailure::Unauthentic) => {
                "check that the key file is that of the key that wrapped; `waxseal s3 inspect` shows its description"
            }
            Some(attempt) => match &attempt.failure {
                UnwrapFailure::Kms(error) => kms_hint(error.failure()),
                _ => attempt_hint(attempt),
            },
            None => "give a key that the object asks for; `waxseal s3 inspect` shows it",
        }),
        KeyringError::Kms { failure, .. } => Some(kms_hint(failure.failure())),
        KeyringError::Wrap { .. } => {
            Some("an RSA key encrypts with its public half, and needs 2048 bits or more")
        }
        _ => None,
    }
}

/// Where objects differ from messages.
fn kms_hint(failure: &KmsFailure) -> &'static str {
    match failure {
        KmsFailure::ContextMismatch => {
            "check that the key is the one that wrapped; or the metadata of the object was changed"
        }
        KmsFailure::Throttled => "wait and try again, perhaps with a smaller --parallelism",
        failure => super::kms_hint(failure),
    }
}

fn policy_hint(error: &PolicyError) -> Option<&'static str> {
    Some(match error {
        PolicyError::BufferLimit { .. } => {
            "get the whole object, or if nothing needs to be authentic give --unauthenticated-range"
        }
        // Not the user's, but what the client itself binds.
        PolicyError::ContextMismatch { key }
        | PolicyError::ContextMissing { key }
        | PolicyError::ContextUnexpected { key }
            if key == "aws:x-amz-cek-alg" =>
        {
            "somebody changed its metadata: find out who can write to the bucket, and get another version of it"
        }
        PolicyError::ContextMismatch { .. }
        | PolicyError::ContextMissing { .. }
        | PolicyError::ContextUnexpected { .. } => {
            "give exactly the pairs that it was encrypted with, as -c NAME=VALUE; `waxseal s3 inspect` shows them"
        }
        PolicyError::LegacyContent { .. } => {
            "if you trust who can write to the bucket, allow it with --legacy-unauthenticated-modes"
        }
        PolicyError::LegacyWrapping { .. } => {
            "if you trust who can write to the bucket, allow it with --legacy-wrapping-algorithms"
        }
        PolicyError::Rotation { .. } => {
            "give another key with --to, or leave --enforce-rotation out"
        }
        PolicyError::RangeOfLegacyContent { .. }
        | PolicyError::RangeOfSignedMessage
        | PolicyError::RangeOfUnframedMessage => "leave --range out",
        _ => return None,
    })
}

fn misuse_hint(misuse: &ApiMisuse) -> Option<&'static str> {
    Some(match misuse {
        ApiMisuse::Setting { what: "encryption context", .. } => {
            "leave -c out: only AWS KMS authenticates a context"
        }
        ApiMisuse::Setting { what: "instruction file suffix", .. } => {
            "leave --instruction-file-suffix out"
        }
        ApiMisuse::Range { .. } => "`waxseal s3 inspect` tells how long the plaintext is",
        ApiMisuse::Setting { what: "part length", .. } => "give another --part-size",
        ApiMisuse::Setting { what: "range", .. } => {
            "count bytes from 0: --range 0-99, --range 100- or --range=-100"
        }
        ApiMisuse::ReservedObjectKey { .. } => "give the pair another name",
        ApiMisuse::Setting { .. } => "give another value",
        _ => return None,
    })
}
