//! The layering of ARCHITECTURE.md, checked: a module imports only from lower levels and from its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom: a module may name those of lower levels, and itself.
const LEVELS: &[(&str, u8)] = &[
    ("error", 0),
    ("clock", 0),
    ("secret", 1),
    ("crypto", 1),
    ("events", 1),
    ("suite", 2),
    ("derive", 3),
    ("context", 2),
    ("policy", 3),
    ("message", 4),
    ("materials", 5),
    ("byte_range", 5),
    ("keyring", 6),
    ("caching", 7),
    ("testing", 7),
    ("output", 2),
    ("transcript", 6),
    ("frames", 6),
    ("parallel", 7),
    ("encrypt", 8),
    ("decrypt", 9),
    ("unlock", 10),
    ("api", 11),
    ("range", 11),
    ("io", 12),
    ("s3", 13),
    ("fuzzing", 14),
    ("last_frames", 14),
    ("lib", 15),
];

/// A word that only some modules may hold, and why.
const ONLY: &[(&str, &[&str])] = &[
    ("std::io", &["io", "error", "api", "s3", "bin", "fuzzing"]),
    ("tokio::io::", &["io", "s3", "bin", "fuzzing"]),
    ("aws_lc_rs", &["crypto"]),
    ("aes_gcm::", &["crypto"]),
    ("aes_kw::", &["crypto"]),
    ("cbc::", &["crypto"]),
    ("ctr::", &["crypto"]),
    ("ghash::", &["crypto"]),
    ("p384::", &["crypto"]),
    ("p256::", &["crypto"]),
    ("p521::", &["crypto"]),
    ("hmac::", &["crypto"]),
    ("rsa::traits", &["crypto"]),
    ("hkdf::", &["crypto"]),
    ("sha2::", &["crypto"]),
    ("getrandom", &["crypto"]),
    ("aws_sdk", &["keyring", "s3", "testing", "bin"]),
    ("aws_config", &["keyring", "bin"]),
    ("aws_credential_types", &["keyring", "s3", "bin"]),
    ("aws_smithy", &["s3", "testing", "fuzzing"]),
    ("SystemTime", &[]),
    ("Instant::now", &["clock"]),
    ("tracing::", &["events"]),
    ("futures_util", &["s3"]),
    ("std::thread", &["parallel", "bin"]),
    ("std::fs", &["io", "s3", "bin"]),
];

#[test]
fn modules_import_only_from_lower_levels() {
    let levels: BTreeMap<_, _> = LEVELS.iter().copied().collect();
    let mut faults = Vec::new();
    for (module, path, source) in sources() {
        if module == "bin" {
            continue;
        }
        let level = levels.get(module.as_str());
        let level = level.unwrap_or_else(|| panic!("{module} has no level in this test"));
        for imported in crate_imports(&source) {
            let Some(other) = levels.get(imported.as_str()) else {
                faults.push(format!("{}: unknown module crate::{imported}", path.display()));
                continue;
            };
            if imported != module && other >= level {
                faults.push(format!("{}: imports {imported}, which is no lower", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_wire_format_knows_no_cryptography() {
    for (module, path, source) in sources() {
        if module == "message" {
            for word in ["crate::crypto", "crate::derive", "crate::secret"] {
                assert!(!source.contains(word), "{} names {word}", path.display());
            }
        }
        if module == "crypto" {
            assert!(!source.contains("crate::suite"), "{} names suites", path.display());
        }
    }
}

#[test]
fn input_output_and_backends_stay_in_their_places() {
    let mut faults = Vec::new();
    for (module, path, source) in sources() {
        for (word, places) in ONLY {
            if source.contains(word) && !places.contains(&module.as_str()) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn files_stay_readable() {
    for (_, path, source) in sources() {
        let lines = source.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: is it one subject?", path.display());
    }
}

/// Module, path and text without comments and tests of each file in `src`.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "found only {} files", files.len());
    files
        .into_iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).expect("it was found below the root");
            let first = relative.iter().next().and_then(|name| name.to_str()).expect("a name");
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("a source file");
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let code = code.split("#[cfg(test)]\n#[expect").next().unwrap_or_default();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (module, path, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            // Unit tests of the backends are not part of the structure.
            if !path.ends_with("tests") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The modules named in `crate::...` paths.
fn crate_imports(source: &str) -> Vec<String> {
    let after = source.split("crate::").skip(1);
    after
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .filter(|name: &String| !name.is_empty())
        .collect()
}
