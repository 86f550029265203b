//! `s3 get`.

use std::io::{self, Write as _};
use std::path::Path;

use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use waxseal::s3::Client;
use waxseal::{EncryptionContext, Error, PolicyError};

use super::address::Address;
use super::args::{Get, Parts};
use super::unblocked::Plaintext;
use crate::context;
use crate::failure::Failure;
use crate::key::Use;
use crate::key::s3 as key;
use crate::output::{Mode, Output, Target};
use crate::wait::Waiter;

pub(super) fn run(args: &Get) -> Result<(), Failure> {
    let Get { from, reading, output, force, range, .. } = args;
    let from = Address::object(from)?;
    let context = context::to_store(&reading.context, None)?;
    let waiter = Waiter::new()?;
    let keys = key::load(&reading.keys, Use::Decrypt, &waiter)?;
    let target = match output.as_deref() {
        Some(path) if path != Path::new("-") => Target::file(path, *force, Mode::Usual)?,
        _ => Target::Stdout,
    };
    target.check_spares(&keys.files)?;
    target.check_new()?;
    let policy = reading.policy().legacy_unauthenticated_modes(args.legacy_unauthenticated_modes);
    let client = args.service.client(&waiter, keys.keyring, policy)?;
    let input = GetObjectInput::builder().bucket(from.bucket).key(from.key);
    match range {
        Some(range) => range_to(
            args,
            &client,
            &context,
            &waiter,
            input.range(format!("bytes={range}")),
            target,
        ),
        None => whole_to(args, &client, &context, &waiter, input, target),
    }
}

/// All of an object.
fn whole_to(
    args: &Get,
    client: &Client,
    context: &EncryptionContext,
    waiter: &Waiter,
    input: GetObjectInputBuilder,
    target: Target,
) -> Result<(), Failure> {
    let to_file = matches!(target, Target::File { .. });
    let mut output = target.create()?;
    let plaintext = Plaintext::new(&mut output);
    let plaintext = if to_file { plaintext.show_progress() } else { plaintext };
    let mut download = client.download(input, plaintext).context(context.iter());
    if to_file {
        // Nobody sees a file under construction, which is removed unless all of it turns out to be authentic:
        // so its plaintext need not wait for that. Standard output has readers already.
        download = download.release_unauthenticated();
    }
    if let Some(suffix) = &args.instruction_file_suffix {
        download = download.instruction_file_suffix(suffix);
    }
    let Parts { part_size, parallelism } = &args.parts;
    if let Some(len) = part_size {
        download = download.part_len(u64::try_from(len.get()).unwrap_or(u64::MAX));
    }
    if let Some(parts) = parallelism {
        download = download.parallelism(parts.get());
    }
    let downloaded = waiter.wait(download);
    downloaded.map_err(|error| match &output {
        Output::File { path, .. } => Failure::s3_with(error, path),
        Output::Stdout(_) => Failure::s3(error),
    })?;
    output.commit()
}

/// A range of it.
fn range_to(
    args: &Get,
    client: &Client,
    context: &EncryptionContext,
    waiter: &Waiter,
    input: GetObjectInputBuilder,
    target: Target,
) -> Result<(), Failure> {
    let get = client.get_object(input).context(context.iter());
    let mut get = match args.unauthenticated_range {
        true => get.unauthenticated_range(),
        false => get.verified_range(),
    };
    if let Some(suffix) = &args.instruction_file_suffix {
        get = get.instruction_file_suffix(suffix);
    }
    let bytes = waiter.wait(async {
        let output = get.await?;
        // It is in memory already.
        let bytes = output.body.collect().await;
        bytes.map_err(|error| Error::from_io(io::Error::other(error)))
    });
    let bytes = bytes.map_err(|error| {
        let is_long = matches!(error.unshared(), Error::Policy(PolicyError::BufferLimit { .. }));
        match Failure::s3(error) {
            failure if is_long && args.unauthenticated_range => {
                failure.hinting("get the whole object, or several shorter ranges")
            }
            failure => failure,
        }
    })?;
    let bytes = bytes.into_bytes();
    let mut output = target.create()?;
    write(&mut output, &bytes)?;
    output.commit()
}

fn write(output: &mut Output, bytes: &[u8]) -> Result<(), Failure> {
    output.write_all(bytes).map_err(|error| output.failed(&error))
}
