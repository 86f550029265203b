//! `s3 ls`.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Input;
use serde_json::{Value, json};
use waxseal::Error;
use waxseal::s3::{ListedObject, PlaintextLen};

use super::address::Address;
use super::args::Ls;
use super::report::{len_json, line};
use crate::failure::{Failure, printable};
use crate::output;
use crate::wait::Waiter;

pub(super) fn run(args: &Ls) -> Result<(), Failure> {
    let Ls { of, estimate, json, service } = args;
    let of = Address::bucket_or_more(of)?;
    let waiter = Waiter::new()?;
    let client = service.without_keys(&waiter)?;
    let mut token = None;
    let mut unknown: u64 = 0;
    loop {
        let input = ListObjectsV2Input::builder()
            .bucket(&of.bucket)
            .set_prefix(of.prefix())
            .set_continuation_token(token.clone());
        let list = client.list_objects_v2(input);
        let list = if *estimate { list.estimate() } else { list };
        let page = waiter.wait(list).map_err(Failure::s3)?;
        let lines: String = page
            .objects()
            .iter()
            .map(|object| if *json { line(&as_json(object)) } else { as_text(object) })
            .collect();
        output::print(lines.as_bytes())?;
        let failed = page.objects().iter().filter(|object| could_not_be_asked(object)).count();
        unknown = unknown.saturating_add(u64::try_from(failed).unwrap_or(u64::MAX));
        let next = page.output().next_continuation_token().filter(|token| !token.is_empty());
        let next = next.map(str::to_owned);
        let is_cut_off = page.output().is_truncated() == Some(true);
        match (&next, is_cut_off) {
            (Some(_), _) if next != token => token = next,
            (None, false) => break,
            _ => {
                return Err(Failure::refused(
                    "there are more objects, but Amazon S3 does not tell how to go on",
                    "try again; if it is another service than that of AWS, report it there",
                ));
            }
        }
    }
    match unknown {
        0 => Ok(()),
        count => Err(Failure::refused(
            format!("Amazon S3 did not tell about {count} of the objects"),
            "--json tells why; `s3:GetObject` is needed on each, and --estimate asks about none",
        )),
    }
}

/// What is not encrypted is an answer; no answer is a failure.
fn could_not_be_asked(object: &ListedObject) -> bool {
    matches!(object.plaintext_len(), Err(error) if !matches!(error.unshared(), Error::Object(_)))
}

fn as_text(object: &ListedObject) -> String {
    let len = match object.plaintext_len() {
        Ok(PlaintextLen::AtMost(len)) => format!("<={len}"),
        Ok(len) => len.to_string(),
        Err(_) => "-".to_owned(),
    };
    let note = match object.plaintext_len() {
        Ok(_) if object.is_instruction_file() => "  (instruction file)",
        Ok(_) => "",
        Err(Error::Object(waxseal::ObjectError::NotEncrypted { .. })) => "  (not encrypted)",
        Err(Error::Object(_)) => "  (not as its format says)",
        Err(_) => "  (unknown)",
    };
    let key = printable(object.object().key().unwrap_or_default());
    format!("{len:>14}  {key}{note}\n")
}

fn as_json(object: &ListedObject) -> Value {
    let len = object.plaintext_len();
    let (plaintext_len, certainty) = len_json(len.ok());
    json!({
        "key": object.object().key(),
        "stored_length": object.object().size(),
        "plaintext_length": plaintext_len,
        "plaintext_length_is": certainty,
        "instruction_file": object.is_instruction_file(),
        "error": len.err().map(ToString::to_string),
    })
}
