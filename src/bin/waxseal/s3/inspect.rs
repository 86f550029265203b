//! `s3 inspect`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_s3::operation::head_object::HeadObjectInput;
use serde_json::json;
use waxseal::s3::{ContentMetadata, Format, ObjectHead, PlaintextLen};

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
    let output = head.output();
    let (plaintext_len, certainty) = len_json(Some(head.plaintext_len()));
    let mut object = json!({
        "bucket": of.bucket,
        "key": of.key,
        "version_id": output.version_id(),
        "e_tag": output.e_tag(),
        "content_type": output.content_type(),
        "storage_class": output.storage_class().map(|class| class.as_str()),
        "format": format_name(head),
        "stored_length": head.stored_len(),
        "plaintext_length": plaintext_len,
        "plaintext_length_is": certainty,
        "metadata": pairs_json(stored(head).iter().map(|(name, value)| (*name, *value))),
        "unverified": true,
    });
    if let (Some(all), Some(metadata)) = (object.as_object_mut(), head.content_metadata()) {
        let suite = metadata.suite();
        let format = json!({
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
        });
        all.extend(format.as_object().cloned().unwrap_or_default());
    }
    ascii(&format!("{object:#}\n"))
}

fn as_text(of: &Address, head: &ObjectHead) -> String {
    let output = head.output();
    let mut report = Report::default();
    report.line("bucket", &format!("{:?}", of.bucket));
    report.line("key", &format!("{:?}", of.key));
    for (name, value) in [
        ("version_id", output.version_id()),
        ("e_tag", output.e_tag()),
        ("content_type", output.content_type()),
        ("storage_class", output.storage_class().map(|class| class.as_str())),
    ] {
        if let Some(value) = value {
            report.line(name, &format!("{value:?}"));
        }
    }
    report.line("format", format_name(head));
    if let Some(metadata) = head.content_metadata() {
        report.format(metadata);
    }
    report.line("stored_length", &head.stored_len().to_string());
    let stated =
        if matches!(head.plaintext_len(), PlaintextLen::Stated(_)) { " (stated)" } else { "" };
    report.line("plaintext_length", &format!("{}{stated}", head.plaintext_len()));
    report.pairs("metadata", stored(head).into_iter());
    report.line("unverified", "true");
    report.0
}

/// Lines of text.
#[derive(Default)]
struct Report(String);

impl Report {
    fn line(&mut self, name: &str, value: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}: {value}");
    }

    fn pairs<'a>(&mut self, what: &str, pairs: impl ExactSizeIterator<Item = (&'a str, &'a str)>) {
        self.line(what, &count(pairs.len(), "pair"));
        for (name, value) in pairs {
            self.line(&format!("  {name:?}"), &format!("{value:?}"));
        }
    }

    /// What an object of the S3 encryption client says.
    fn format(&mut self, metadata: &ContentMetadata) {
        let yes = |yes| if yes { "yes" } else { "no" };
        let (suite, algorithm) = (metadata.suite(), metadata.wrapping_algorithm());
        if let Some(version) = version(metadata.format_version()) {
            self.line("format_version", &version.to_string());
        }
        self.line("suite", &format!("0x{:04x} {suite}", suite.id()));
        self.line("commits", yes(suite.commits()));
        self.line("authenticates", yes(suite.authenticates()));
        let legacy = if algorithm.is_legacy() { " (legacy)" } else { "" };
        self.line("wrapping_algorithm", &format!("{algorithm}{legacy}"));
        self.line("encrypted_data_key", &count(metadata.encrypted_data_key().len(), "byte"));
        self.line("location", location(metadata.location()));
        if algorithm.is_kms() {
            self.pairs("encryption_context", metadata.encryption_context().iter());
        } else {
            self.pairs("material_description", metadata.material_description().iter());
        }
        self.line(iv_name(metadata), &hex(metadata.iv()));
        if let Some(commitment) = metadata.commitment() {
            self.line("key_commitment", &hex(commitment));
        }
    }
}

/// A message has the rest in its body, where `waxseal inspect` finds it.
fn format_name(head: &ObjectHead) -> &'static str {
    match head.format() {
        Format::EsdkMessage => "esdk-message",
        _ => "object",
    }
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
