//! `docs/constant-time.md` names what compares secrets, and nothing else does.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_file_that_compares_in_constant_time_is_in_the_document() {
    let document = fs::read_to_string(root().join("docs/constant-time.md")).unwrap();
    let calls = |code: &str| CALLS.iter().map(|call| code.matches(call).count()).sum::<usize>();
    let users: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|(path, code)| (path, calls(&code)))
        .filter(|(_, calls)| *calls > 0)
        .collect();
    let expected = COMPARES.map(|(path, calls)| (path.to_owned(), calls)).into();
    assert_eq!(users, expected);
    for path in users.keys() {
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
            let line = line.replace("expose().len()", "len");
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

/// What `subtle` compares and selects with.
const CALLS: [&str; 5] =
    [".ct_eq(", ".ct_gt(", ".ct_ne(", "conditional_select(", "conditional_assign("];
/// How often which file does.
const COMPARES: [(&str, usize); 9] = [
    ("src/crypto/gcm_stream.rs", 1),
    ("src/crypto/pkcs7.rs", 4),
    ("src/keyring/ecdh.rs", 1),
    ("src/keyring/kms/rsa.rs", 1),
    ("src/s3/content/key.rs", 1),
    ("src/s3/keyring/rejection.rs", 1),
    ("src/s3/keyring/rsa.rs", 2),
    ("src/secret.rs", 1),
    ("src/unlock.rs", 1),
];
const SECRET: [&str; 7] = ["expose()", "commitment", "tag ", "tag)", "mac ", "derived", "stated"];
/// Policies about commitment, tags of ASN.1, and the metadata of two objects are public.
const PUBLIC: [&str; 5] = ["CommitmentPolicy::", "tag_len", "e_tag", "one.commitment()", "Tag::"];
