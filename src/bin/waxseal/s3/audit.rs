//! `s3 audit`.

use serde_json::{Value, json};
use waxseal::s3::{Client, Need, ObjectAudit, Policy};

use super::address::Address;
use super::args::Audit;
use super::report::{len_json, line, location, pairs_json, version};
use crate::failure::{Failure, printable};
use crate::key::Use;
use crate::key::s3 as key;
use crate::output;
use crate::wait::Waiter;

pub(super) fn run(args: &Audit) -> Result<(), Failure> {
    let Audit { of, keys, json, service } = args;
    let of = Address::bucket_or_more(of)?;
    let waiter = Waiter::new()?;
    let client: Client = match keys.is_empty() {
        true => service.without_keys(&waiter)?,
        false => {
            let keys = key::load(keys, Use::Decrypt, &waiter)?;
            service.client(&waiter, keys.keyring, Policy::default())?
        }
    };
    let mut objects = client.audit(of.bucket, of.key).try_keys(!keys.is_empty()).start();
    let (mut untold, mut untried) = (0_u64, 0_u64);
    while let Some(object) = waiter.wait(objects.next()) {
        let object = object.map_err(Failure::s3)?;
        let text = if *json { line(&as_json(&object)) } else { as_text(&object) };
        output::print(text.as_bytes())?;
        // What is not as its format says is an answer; no answer is a failure.
        if object.is_unknown() {
            let of_s3 = object.error().is_some();
            let count = if of_s3 { &mut untold } else { &mut untried };
            *count = count.saturating_add(1);
        }
    }
    if untold > 0 {
        return Err(Failure::refused(
            format!("Amazon S3 did not tell about {untold} of the objects"),
            "the report tells why; `s3:GetObject` is needed on each",
        ));
    }
    if untried > 0 {
        return Err(Failure::refused(
            format!("it is unknown whether a key opens {untried} of the objects"),
            "the report tells why; `kms:Decrypt` is needed on each key of AWS KMS",
        ));
    }
    Ok(())
}

fn as_json(object: &ObjectAudit) -> Value {
    let metadata = object.content_metadata();
    let (plaintext_len, certainty) = len_json(object.plaintext_len());
    let needs: Vec<_> = object.needs().into_iter().map(Need::as_str).collect();
    let not_opened = object.opened_by().and_then(Result::err).map(ToString::to_string);
    let (opening_unknown, not_opened) =
        if object.is_unknown() { (not_opened, None) } else { (None, not_opened) };
    json!({
        "key": object.key(),
        "encrypted": object.error().is_none().then_some(object.format().is_some()),
        "stored_length": object.stored_len(),
        "plaintext_length": plaintext_len,
        "plaintext_length_is": certainty,
        "format_version": metadata.and_then(|metadata| version(metadata.format_version())),
        "suite": metadata.map(|metadata| {
            json!({ "id": format!("0x{:04x}", metadata.suite().id()), "name": metadata.suite().name() })
        }),
        "wrapping_algorithm": metadata.map(|metadata| metadata.wrapping_algorithm().name()),
        "location": metadata.map(|metadata| location(metadata.location())),
        "encryption_context": metadata.map(|metadata| pairs_json(metadata.encryption_context().iter())),
        "material_description": metadata.map(|metadata| pairs_json(metadata.material_description().iter())),
        "opened_by": object.opened_by().and_then(Result::ok),
        "not_opened": not_opened,
        "opening_unknown": opening_unknown,
        "needs": object.error().is_none().then_some(needs),
        "error": object.error().map(ToString::to_string),
    })
}

fn as_text(object: &ObjectAudit) -> String {
    let mut parts = Vec::new();
    if let Some(metadata) = object.content_metadata() {
        let version = version(metadata.format_version()).unwrap_or_default();
        let suite = metadata.suite();
        parts.push(format!("format {version}, {suite}, {}", metadata.wrapping_algorithm()));
        if !metadata.material_description().is_empty() {
            let description = pairs_json(metadata.material_description().iter());
            parts.push(format!("key described as {description}"));
        }
        parts.push(format!("data key in the {}", location(metadata.location())));
    }
    match object.opened_by() {
        Some(Ok(keyring)) => parts.push(format!("opened by the {keyring}")),
        Some(Err(error)) if object.is_unknown() => {
            parts.push(format!("unknown whether a key opens it: {error}"));
        }
        Some(Err(_)) => parts.push("opened by none of the keys".to_owned()),
        None => {}
    }
    let needs = object.needs();
    parts.push(match object.error() {
        Some(error) => format!("error: {error}"),
        None if needs.is_empty() => "up to date".to_owned(),
        None => {
            let needs: Vec<_> = needs.into_iter().map(Need::as_str).collect();
            format!("needs {}", needs.join(", "))
        }
    });
    format!("{}\n", printable(&format!("{}: {}", object.key(), parts.join("; "))))
}
