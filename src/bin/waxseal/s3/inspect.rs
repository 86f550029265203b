//! `s3 inspect`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_s3::operation::head_object::HeadObjectInput;
use serde_json::json;
use waxseal::s3::{ContentMetadata, ObjectHead, PlaintextLen};

use super::address::Address;
use super::args::Inspect;
use super::report::{len_json, location, pairs_json, version};
use crate::failure::Failure;
use crate::inspect::{ascii, count, hex};
use crate::output;
use crate::wait::Waiter;

pub(super) fn run(args: &Inspect) -> Result<(), Failure> {
    let Inspect { of, json, service } = args;
    let of = Address::object(of)?;
    let waiter = Waiter::new()?;
    let client = service.without_keys(&waiter)?;
    let input = HeadObjectInput::builder().bucket(&of.bucket).key(&of.key);
    let head = waiter.wait(client.head_object(input)).map_err(Failure::s3)?;
    let text = if *json { as_json(&of, &head) } else { as_text(&of, &head) };
    output::print(text.as_bytes())
}

fn as_json(of: &Address, head: &ObjectHead) -> String {
    let (output, metadata) = (head.output(), head.content_metadata());
    let suite = metadata.suite();
    let (plaintext_len, certainty) = len_json(Some(head.plaintext_len()));
    let object = json!({
        "bucket": of.bucket,
        "key": of.key,
        "version_id": output.version_id(),
        "e_tag": output.e_tag(),
        "content_type": output.content_type(),
        "storage_class": output.storage_class().map(|class| class.as_str()),
        "format_version": version(metadata.format_version()),
        "suite": { "id": format!("0x{:04x}", suite.id()), "name": suite.name() },
        "commits": suite.commits(),
        "authenticates": suite.authenticates(),
        "wrapping_algorithm": metadata.wrapping_algorithm().name(),
        "legacy_wrapping": metadata.wrapping_algorithm().is_legacy(),
        "encrypted_data_key_length": metadata.encrypted_data_key().len(),
        "location": location(metadata.location()),
        "encryption_context": pairs_json(metadata.encryption_context().iter()),
        "material_description": pairs_json(metadata.material_description().iter()),
        iv_name(metadata): hex(metadata.iv()),
        "key_commitment": metadata.commitment().map(hex),
        "stored_length": head.stored_len(),
        "plaintext_length": plaintext_len,
        "plaintext_length_is": certainty,
        "metadata": pairs_json(stored(head).iter().map(|(name, value)| (*name, *value))),
        "unverified": true,
    });
    ascii(&format!("{object:#}\n"))
}

fn as_text(of: &Address, head: &ObjectHead) -> String {
    let (output, metadata) = (head.output(), head.content_metadata());
    let suite = metadata.suite();
    let yes = |yes| if yes { "yes" } else { "no" };
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name}: {value}");
    };
    line("bucket", &format!("{:?}", of.bucket));
    line("key", &format!("{:?}", of.key));
    for (name, value) in [
        ("version_id", output.version_id()),
        ("e_tag", output.e_tag()),
        ("content_type", output.content_type()),
        ("storage_class", output.storage_class().map(|class| class.as_str())),
    ] {
        if let Some(value) = value {
            line(name, &format!("{value:?}"));
        }
    }
    if let Some(version) = version(metadata.format_version()) {
        line("format_version", &version.to_string());
    }
    line("suite", &format!("0x{:04x} {suite}", suite.id()));
    line("commits", yes(suite.commits()));
    line("authenticates", yes(suite.authenticates()));
    let algorithm = metadata.wrapping_algorithm();
    let legacy = if algorithm.is_legacy() { " (legacy)" } else { "" };
    line("wrapping_algorithm", &format!("{algorithm}{legacy}"));
    line("encrypted_data_key", &count(metadata.encrypted_data_key().len(), "byte"));
    line("location", location(metadata.location()));
    if algorithm.is_kms() {
        let context = metadata.encryption_context();
        line("encryption_context", &count(context.len(), "pair"));
        for (name, value) in context.iter() {
            line(&format!("  {name:?}"), &format!("{value:?}"));
        }
    } else {
        let description = metadata.material_description();
        line("material_description", &count(description.iter().len(), "pair"));
        for (name, value) in description.iter() {
            line(&format!("  {name:?}"), &format!("{value:?}"));
        }
    }
    line(iv_name(metadata), &hex(metadata.iv()));
    if let Some(commitment) = metadata.commitment() {
        line("key_commitment", &hex(commitment));
    }
    line("stored_length", &head.stored_len().to_string());
    let stated =
        if matches!(head.plaintext_len(), PlaintextLen::Stated(_)) { " (stated)" } else { "" };
    line("plaintext_length", &format!("{}{stated}", head.plaintext_len()));
    let stored = stored(head);
    line("metadata", &count(stored.len(), "pair"));
    for (name, value) in stored {
        line(&format!("  {name:?}"), &format!("{value:?}"));
    }
    line("unverified", "true");
    out
}

/// Format version 3 has a message id where others have the IV.
fn iv_name(metadata: &ContentMetadata) -> &'static str {
    if metadata.suite().commits() { "message_id" } else { "iv" }
}

/// All metadata of the object, as it is stored: the format's and the user's own.
fn stored(head: &ObjectHead) -> BTreeMap<&str, &str> {
    let all = head.output().metadata().into_iter().flatten();
    all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
