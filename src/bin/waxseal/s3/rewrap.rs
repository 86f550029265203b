//! `s3 rewrap`.

use aws_sdk_s3::operation::head_object::HeadObjectInput;
use serde_json::{Value, json};
use waxseal::s3::{Client, Rewrapped, S3Keyring, Wrapping};
use waxseal::{EncryptionContext, Error, ObjectError};

use super::address::Address;
use super::args::Rewrap;
use super::report::{line, location};
use crate::context;
use crate::failure::{Failure, printable};
use crate::key::Use;
use crate::key::s3 as key;
use crate::output;
use crate::wait::Waiter;

pub(super) fn run(args: &Rewrap) -> Result<(), Failure> {
    let Rewrap { of, reading, to, to_context, recursive, service, .. } = args;
    let of = if *recursive { Address::bucket_or_more(of) } else { Address::object(of) }?;
    let is_raw = to.starts_with("raw-");
    if is_raw && !to_context.is_empty() {
        return Err(Failure::usage(
            "--to-context: only AWS KMS authenticates a context",
            "leave --to-context out",
        ));
    }
    let contexts = Contexts {
        old: context::to_store(&reading.context, None)?,
        // A raw key has no context, so that none stays.
        new: match to_context.is_empty() && !is_raw {
            true => None,
            false => {
                let context = context::to_store(to_context, None);
                Some(context.map_err(|failure| failure.within("--to-context"))?)
            }
        },
    };
    let waiter = Waiter::new()?;
    let keys = key::load(&reading.keys, Use::Decrypt, &waiter)?;
    let new = key::load(std::slice::from_ref(to), Use::Encrypt, &waiter)
        .map_err(|failure| failure.within("--to"))?;
    let client = service.client(&waiter, keys.keyring, reading.policy())?;
    if *recursive {
        return all(args, &client, of, &*new.keyring, &contexts, &waiter);
    }
    let input = HeadObjectInput::builder().bucket(&of.bucket).key(&of.key);
    let mut rewrap = client.rewrap(input, &*new.keyring).context(contexts.old.iter());
    if let Some(context) = &contexts.new {
        rewrap = rewrap.new_context(context.iter());
    }
    if let Some(suffix) = &args.instruction_file_suffix {
        rewrap = rewrap.instruction_file_suffix(suffix);
    }
    if args.enforce_rotation {
        rewrap = rewrap.enforce_rotation();
    }
    if args.dry_run {
        rewrap = rewrap.dry_run();
    }
    let rewrapped = waiter.wait(rewrap).map_err(|error| {
        let failure = Failure::s3(error);
        match of.key.ends_with('/') {
            true => failure.hinting("give --recursive for all objects whose keys begin so"),
            false => failure,
        }
    })?;
    print(args, &of.key, Ok(&rewrapped))
}

struct Contexts {
    old: EncryptionContext,
    new: Option<EncryptionContext>,
}

/// All objects of a prefix: one that fails does not stop the others.
fn all(
    args: &Rewrap,
    client: &Client,
    of: Address,
    to: &dyn S3Keyring,
    contexts: &Contexts,
    waiter: &Waiter,
) -> Result<(), Failure> {
    let mut rewrap = client.rewrap_all(of.bucket, of.key, to).context(contexts.old.iter());
    if let Some(context) = &contexts.new {
        rewrap = rewrap.new_context(context.iter());
    }
    if let Some(suffix) = &args.instruction_file_suffix {
        rewrap = rewrap.instruction_file_suffix(suffix);
    }
    if args.enforce_rotation {
        rewrap = rewrap.enforce_rotation();
    }
    if args.dry_run {
        rewrap = rewrap.dry_run();
    }
    if let Some(objects) = args.parallelism {
        rewrap = rewrap.parallelism(objects.get());
    }
    if let Some(key) = &args.start_after {
        rewrap = rewrap.start_after(key);
    }
    let mut results = rewrap.start();
    let mut first = None;
    let mut failed: u64 = 0;
    while let Some(result) = waiter.wait(results.next()) {
        let result = result.map_err(Failure::s3)?;
        print(args, result.key(), result.rewrapped())?;
        if result.rewrapped().is_ok() || result.is_unencrypted() {
            continue;
        }
        failed = failed.saturating_add(1);
        if first.is_none() {
            let key = result.key().to_owned();
            first = result.into_rewrapped().err().map(|error| (key, error));
        }
    }
    match first {
        None => Ok(()),
        Some((key, error)) => Err(Failure::s3(error).first_of(failed, &format!("`{key}`"))),
    }
}

/// At once: whoever stops it wants to know what was done.
fn print(args: &Rewrap, key: &str, result: Result<&Rewrapped, &Error>) -> Result<(), Failure> {
    let text = if args.json { line(&as_json(key, result)) } else { as_text(key, result) };
    output::print(text.as_bytes())
}

fn outcome(result: Result<&Rewrapped, &Error>) -> &'static str {
    match result {
        Ok(rewrapped) => rewrapped.outcome().as_str(),
        Err(Error::Object(ObjectError::NotEncrypted { .. })) => "not-encrypted",
        Err(_) => "failed",
    }
}

fn as_json(key: &str, result: Result<&Rewrapped, &Error>) -> Value {
    let wrapping = |wrapping: &Wrapping| json!({ "algorithm": wrapping.algorithm().name(), "keyring": wrapping.keyring() });
    let done = result.ok();
    json!({
        "key": key,
        "outcome": outcome(result),
        "from": done.map(|done| wrapping(done.from())),
        "to": done.map(|done| wrapping(done.to())),
        "location": done.map(|done| location(done.location())),
        "verified": done.map(Rewrapped::is_verified),
        "e_tag": done.and_then(Rewrapped::e_tag),
        "error": result.err().map(ToString::to_string),
    })
}

fn as_text(key: &str, result: Result<&Rewrapped, &Error>) -> String {
    let more = match result {
        Ok(done) if done.from() == done.to() => format!("  {}", done.to().algorithm()),
        Ok(done) => format!("  {} -> {}", done.from().algorithm(), done.to().algorithm()),
        Err(Error::Object(ObjectError::NotEncrypted { .. })) => String::new(),
        Err(error) => format!("  {error}"),
    };
    let unverified = match result {
        Ok(done) if !done.is_verified() => "  (not verified: a public key cannot open it)",
        _ => "",
    };
    let text = format!("{:13}  {key}{more}{unverified}", outcome(result));
    format!("{}\n", printable(&text))
}
