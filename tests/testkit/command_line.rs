//! The kit through the command line: to a file, and to a pipe.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::case::{Case, Part};
use crate::make::crypto::sha256;

/// The exit code is right; a file appears only if all is; and a pipe gets what a stream may release.
pub(crate) fn check(case: &Case) -> Result<(), String> {
    if case.policy.max_header_length.is_some() {
        // It has no flag for that.
        return Ok(());
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), &case.key).unwrap();
    fs::write(folder.path().join("message"), &case.message).unwrap();

    let to_file = run(case, folder.path(), &["-o", "plaintext"]);
    check_end(case, "to a file", &to_file)?;
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let is_good = case.stage == Part::None;
    let expected = if is_good { &["key", "message", "plaintext"][..] } else { &["key", "message"] };
    if names != expected || !to_file.stdout.is_empty() {
        return Err(format!("to a file: there is {names:?}"));
    }
    if is_good && sha256(&fs::read(folder.path().join("plaintext")).unwrap()) != case.payload {
        return Err("to a file: another plaintext".to_owned());
    }

    let to_pipe = run(case, folder.path(), &[]);
    check_end(case, "to a pipe", &to_pipe)?;
    if sha256(&to_pipe.stdout) != case.payload {
        return Err(format!("to a pipe: {} bytes, not what it may", to_pipe.stdout.len()));
    }
    Ok(())
}

fn run(case: &Case, folder: &Path, output: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxseal"));
    command.args(["decrypt", "-k", "raw-aes:namespace=testkit,name=key,file=key", "-i", "message"]);
    for (flag, value) in case.policy.settings() {
        command.arg(format!("--{flag}={value}"));
    }
    for (key, value) in &case.required {
        command.arg(format!("--context={key}={value}"));
    }
    command.args(output).current_dir(folder).output().unwrap()
}

/// The code says what kind of failure it was, in one sentence and a hint.
fn check_end(case: &Case, way: &str, output: &Output) -> Result<(), String> {
    let (kind, _) = case.expect.split_once(':').unwrap_or((&case.expect, ""));
    let expected = match kind {
        "success" => 0,
        "invalid message" => 3,
        "no data key" => 4,
        "unauthentic" => 5,
        "policy" => 6,
        other => return Err(format!("{other} has no exit code")),
    };
    let text = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(expected) {
        return Err(format!("{way}: {}, not {expected}: {text}", output.status));
    }
    let lines: Vec<_> = text.lines().collect();
    match lines[..] {
        [] if expected == 0 => Ok(()),
        [error, hint]
            if expected != 0
                && error.starts_with("waxseal: error: ")
                && hint.starts_with("hint: ") =>
        {
            Ok(())
        }
        _ => Err(format!("{way}: said {text}")),
    }
}
