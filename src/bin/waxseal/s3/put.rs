//! `s3 put`.

use std::collections::HashMap;

use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::types::StorageClass;
use waxseal::Error;
use waxseal::s3::{INSTRUCTION_FILE_SUFFIX, InstructionFiles, Policy};

use super::address::Address;
use super::args::{Parts, Put};
use super::unblocked::Unblocked;
use crate::context;
use crate::failure::{Failure, KEY_GIVEN, is_key_as_pair, told};
use crate::input::Input;
use crate::key::Use;
use crate::key::s3 as key;
use crate::wait::Waiter;

pub(super) fn run(args: &Put) -> Result<(), Failure> {
    let Put {
        file,
        to,
        keys,
        context,
        commitment,
        instruction_file,
        no_overwrite,
        storage_class,
        content_type,
        metadata,
        parts,
        service,
    } = args;
    let to = Address::object(to).map_err(|failure| match file.to_str() {
        Some(file) if file.starts_with("s3:/") => {
            failure.hinting("the file comes first: put FILE s3://BUCKET/KEY")
        }
        _ => failure,
    })?;
    if keys.len() > 1 {
        return Err(Failure::usage(
            "there are several keys, but an object opens with one",
            "give one -k; `waxseal s3 rewrap --instruction-file-suffix` lets another key open an object, too",
        ));
    }
    let context = context::to_store(context, None)?;
    let metadata = own_metadata(metadata)?;
    let waiter = Waiter::new()?;
    let mut input = Input::open(Some(file))?;
    let keys = key::load(keys, Use::Encrypt, &waiter)?;
    let policy = Policy::default().commitment(commitment.commitment_policy);
    let client = service.client_to_upload(&waiter, keys.keyring, policy, parts)?;

    let file_place = format!("{}/{}{INSTRUCTION_FILE_SUFFIX}", to.bucket, to.key);
    let request = PutObjectInput::builder()
        .bucket(to.bucket)
        .key(to.key)
        .set_metadata(Some(metadata))
        .set_content_type(content_type.clone())
        .set_storage_class(storage_class.as_deref().map(StorageClass::from))
        .set_if_none_match(no_overwrite.then(|| "*".to_owned()));
    input.show_progress();
    let mut upload = client.upload(request, Unblocked::new(input)).context(context.iter());
    if *instruction_file {
        upload = upload.instruction_file(InstructionFiles::Always);
    }
    let Parts { part_size, parallelism } = parts;
    if let Some(len) = part_size {
        upload = upload.part_len(len.get());
    }
    if let Some(parts) = parallelism {
        upload = upload.parallelism(parts.get());
    }
    waiter.wait(upload).map(drop).map_err(|error| {
        let lacks_file = matches!(error.unshared(), Error::S3(failed)
            if failed.operation() == "PutObject" && failed.on() == file_place);
        match Failure::s3_with(error, file) {
            failure if lacks_file => {
                failure.also("the object is stored, but nothing opens it without this file")
            }
            failure => failure,
        }
    })
}

/// The user's own metadata.
fn own_metadata(pairs: &[String]) -> Result<HashMap<String, String>, Failure> {
    let mut metadata = HashMap::new();
    for pair in pairs {
        if is_key_as_pair(pair) {
            return Err(Failure::usage("a pair of metadata looks like a key itself", KEY_GIVEN));
        }
        let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(
                format!("the metadata {} is no pair", told(pair)),
                "write --metadata NAME=VALUE; the value may be empty",
            ));
        };
        // S3 stores names in lower case.
        if metadata.insert(name.to_ascii_lowercase(), value.to_owned()).is_some() {
            return Err(Failure::usage(
                format!("the metadata has the name {} twice", told(name)),
                "give each name once; upper and lower case are the same",
            ));
        }
    }
    Ok(metadata)
}
