//! What `requirements.md` and `SECURITY.md` name exists, so that their tables cannot rot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A row of a table, with what stands between backticks in its last two columns.
#[derive(Debug)]
struct Row<'a> {
    requirement: &'a str,
    files: Vec<&'a str>,
    tests: Vec<&'a str>,
    last: &'a str,
}

#[test]
fn every_name_in_the_table_exists() {
    let table = read(&root().join("tests/requirements.md"));
    let rows = rows(&table);
    let names: BTreeSet<_> = rows.iter().flat_map(|row| row.tests.iter().copied()).collect();
    assert!(names.len() > 80, "found only {} names: {names:?}", names.len());
    let faults = faults(&rows);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let is_reason = |row: &&Row<'_>, reason: &str| row.last.starts_with(reason);
    println!(
        "{} requirements: {} with a test, {} by type, {} without",
        rows.len(),
        rows.iter().filter(|row| !is_reason(row, "-")).count(),
        rows.iter().filter(|row| is_reason(row, "- by type")).count(),
        rows.iter().filter(|r| is_reason(r, "-") && !is_reason(r, "- by type")).count(),
    );
}

#[test]
fn every_promise_names_tests_that_exist() {
    let text = read(&root().join("SECURITY.md"));
    let (_, promises) = text.split_once("## What is promised").expect("the promises");
    let (promises, _) = promises.split_once("\n## ").expect("what comes after them");
    let rows = rows(promises);
    assert!(rows.len() > 20, "found only {} promises", rows.len());
    let faults = faults(&rows);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_name_that_does_not_exist_is_a_fault() {
    let fault = |row: &str| faults(&rows(&format!("| requirement | code | tests |\n{row}"))).pop();
    assert_eq!(fault("| r | `suite.rs` | `ids_and_names_lead_back` |"), None);
    assert_eq!(fault("| r | `suite.rs` | `vector:edk-count-0` |"), None);
    assert_eq!(fault("| r | `suite.rs` | `vector:own-suite-0014-0-py` |"), None);
    assert_eq!(fault("| r | `suite.rs` | - by type: there is no other |"), None);
    assert_eq!(fault("| r | `suite.rs` | `tests/secrets.rs::elliptic_curve_keys` |"), None);
    for (row, what) in [
        (
            "| r | `suite.rs` | `elliptic_curve_keys` |",
            "r: `elliptic_curve_keys` is in 2 files: say which",
        ),
        (
            "| r | `suite.rs` | `tests/ecdh.rs::elliptic_curve_keys` |",
            "r: no test `tests/ecdh.rs::elliptic_curve_keys`",
        ),
        ("| r | `suite.rs` | `no_such_test` |", "r: no test `no_such_test`"),
        // It is there, but it is no test.
        ("| r | `suite.rs` | `from_id` |", "r: no test `from_id`"),
        ("| r | `suite.rs` | `vector:no-such-change` |", "r: no test `vector:no-such-change`"),
        ("| r | `sweet.rs` | `ids_and_names_lead_back` |", "r: no file `sweet.rs`"),
        ("| r | `suite.rs` | |", "r: neither a test nor a reason"),
        ("| r | `suite.rs` | - |", "r: neither a test nor a reason"),
        ("| r | `suite.rs` |", "a row of 2 columns: | r | `suite.rs` |"),
    ] {
        assert_eq!(fault(row).as_deref(), Some(what));
    }
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| line.starts_with('|'));
    let lines = lines.filter(|line| {
        !["|---", "| requirement", "| promise"].iter().any(|head| line.starts_with(head))
    });
    lines
        .map(|line| match *line.trim_matches('|').split('|').collect::<Vec<_>>() {
            [requirement, code, last] => Row {
                requirement: requirement.trim(),
                files: quoted(code).filter(|name| name.ends_with(".rs")).collect(),
                tests: quoted(last).collect(),
                last: last.trim(),
            },
            _ => Row { requirement: line, files: Vec::new(), tests: Vec::new(), last: "" },
        })
        .collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn faults(rows: &[Row<'_>]) -> Vec<String> {
    let tests = tests();
    let vectors = vectors();
    let mut faults = Vec::new();
    for Row { requirement, files, tests: named, last } in rows {
        if requirement.starts_with('|') {
            let columns = requirement.trim_matches('|').split('|').count();
            faults.push(format!("a row of {columns} columns: {requirement}"));
            continue;
        }
        for file in files {
            if !root().join("src").join(file).exists() {
                faults.push(format!("{requirement}: no file `{file}`"));
            }
        }
        for name in named {
            let places = match (name.strip_prefix("vector:"), name.split_once("::")) {
                (Some(vector), _) => usize::from(vectors.contains(vector)),
                (None, Some((file, name))) => {
                    let files = tests.get(name).into_iter().flatten();
                    files.filter(|found| *found == file).count()
                }
                (None, None) => tests.get(*name).map_or(0, BTreeSet::len),
            };
            match places {
                0 => faults.push(format!("{requirement}: no test `{name}`")),
                1 => {}
                _ => {
                    faults.push(format!("{requirement}: `{name}` is in {places} files: say which"))
                }
            }
        }
        if named.is_empty() && !(last.starts_with("- ") && last.len() > 10) {
            faults.push(format!("{requirement}: neither a test nor a reason"));
        }
    }
    faults
}

/// The names of all tests, and the files that have one: functions with a test attribute, or in the list of a macro that
/// makes them.
fn tests() -> BTreeMap<String, BTreeSet<String>> {
    let mut sources = Vec::new();
    collect(&root().join("src"), &mut sources);
    collect(&root().join("tests"), &mut sources);
    let mut tests = BTreeMap::<_, BTreeSet<_>>::new();
    for (file, source) in sources {
        let mut is_test = false;
        for line in source.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some((_, name)) = line.split_once("fn ") {
                let name = name.split(['(', '<']).next().unwrap_or_default();
                if std::mem::take(&mut is_test) {
                    tests.entry(name.to_owned()).or_default().insert(file.clone());
                }
            }
        }
        let listed = source.split("test_each_backend!(").skip(1);
        for list in listed.filter_map(|rest| rest.split(')').next()) {
            for name in list.split(',') {
                tests.entry(name.trim().to_owned()).or_default().insert(file.clone());
            }
        }
    }
    tests
}

/// Ids and changes of the test vectors.
fn vectors() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["tests/vectors", "tests/vectors_s3"] {
        let manifest = read(&root().join(folder).join("manifest.json"));
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("manifest.json");
        let cases = manifest["cases"].as_array().expect("an array of cases");
        let of_case = cases.iter().flat_map(|case| [&case["id"], &case["mutation"]]);
        names.extend(of_case.filter_map(|name| name.as_str()).map(str::to_owned));
    }
    names
}

fn collect(folder: &Path, sources: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                collect(&path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("it is below").to_string_lossy();
            sources.push((name.replace('\\', "/"), read(&path)));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
