//! `docs/constant-time.md` names what compares secrets, and nothing else does.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_file_that_compares_in_constant_time_is_in_the_document() {
    let document = fs::read_to_string(root().join("docs/constant-time.md")).unwrap();
    let users: Vec<_> =
        sources().into_iter().filter(|(_, code)| code.contains("subtle::")).collect();
    assert!(users.len() >= 8, "{}", users.len());
    for (path, _) in users {
        assert!(document.contains(&format!("`{path}`")), "{path} is not in the document");
    }
}

#[test]
fn every_file_in_the_document_is_there() {
    let document = fs::read_to_string(root().join("docs/constant-time.md")).unwrap();
    let mut named = 0;
    for name in document.split('`').filter(|name| name.starts_with("src/")) {
        assert!(root().join(name).is_file(), "{name} is in the document only");
        named += 1;
    }
    assert!(named >= 8, "{named}");
}

/// A line of code that says `==` beside one of these words compares what only `subtle` or a backend may.
#[test]
fn no_secret_is_compared_with_an_operator() {
    let mut faults = Vec::new();
    for (path, code) in sources() {
        for line in code.lines().filter(|line| line.contains(" == ") || line.contains(" != ")) {
            let secret = SECRET.iter().any(|word| line.contains(word));
            let public = PUBLIC.iter().any(|word| line.contains(word));
            if secret && !public {
                faults.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Path and text without comments and tests of each file in `src`.
fn sources() -> Vec<(String, String)> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    assert!(files.len() > 50, "found only {} files", files.len());
    let code = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, lines.collect::<Vec<_>>().join("\n"))
    };
    files.into_iter().map(code).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("fuzzing") {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const SECRET: [&str; 5] = ["expose()", "commitment", "tag ", "tag)", "mac "];
/// Lengths are public; so are policies about commitment, tags of ASN.1, and the metadata of two objects.
const PUBLIC: [&str; 6] =
    [".len()", "CommitmentPolicy::", "tag_len", "e_tag", "one.commitment()", "Tag::"];
