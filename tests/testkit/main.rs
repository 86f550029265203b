//! The negative testkit: hostile messages, each in a file that says what must become of it, through every interface.
//!
//! `README.md` tells what is in the files and how they are made.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

mod case;
#[cfg(feature = "cli")]
mod command_line;
mod library;
mod make;
#[path = "../ways/mod.rs"]
mod ways;

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use case::Case;

/// With `WAXSEAL_WRITE_TESTKIT` in the environment it writes them.
#[test]
fn the_files_are_what_the_generator_makes() {
    let made: BTreeMap<_, _> =
        make::kit().into_iter().map(|(name, case)| (name, case.write())).collect();
    if std::env::var_os("WAXSEAL_WRITE_TESTKIT").is_some() {
        let _ = fs::remove_dir_all(folder());
        for (name, file) in &made {
            let path = folder().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
    }
    let found = files();
    let names = |files: &BTreeMap<String, _>| files.keys().cloned().collect::<Vec<_>>();
    assert!(names(&found) == names(&made), "other files are there than are made");
    let differ: Vec<_> = made.iter().filter(|(name, file)| found[*name] != **file).collect();
    assert!(differ.is_empty(), "{} differ, first {}", differ.len(), differ[0].0);
    let bytes: usize = found.values().map(Vec::len).sum();
    println!("{} files with {bytes} bytes", found.len());
    assert!(bytes < 2_000_000, "the kit has {bytes} bytes");
}

/// The header of a file is text that nobody has to guess at.
#[test]
fn files_are_read_as_they_were_written() {
    for (name, file) in files() {
        assert_eq!(Case::read(&name, &file).write(), file, "{name}");
    }
}

#[test]
fn calls_in_memory_give_all_or_nothing() {
    for_each(&cases(), library::check_at_once);
}

#[test]
fn streams_release_what_is_authentic_and_nothing_else() {
    for_each(&cases(), library::check_streams);
}

#[test]
fn random_access_finds_everything_but_a_wrong_signature() {
    for_each(&cases(), library::check_at_random);
}

/// Cuts are tried where a field begins or ends.
#[cfg(feature = "cli")]
#[test]
fn the_command_line_leaves_nothing_behind() {
    let cases: Vec<_> = read().iter().flat_map(|case| case.with_cuts(false)).collect();
    for_each(&cases, command_line::check);
}

/// Every file, and every cut.
fn cases() -> Vec<Case> {
    read().iter().flat_map(|case| case.with_cuts(true)).collect()
}

fn read() -> Vec<Case> {
    files().iter().map(|(name, file)| Case::read(name, file)).collect()
}

/// What is in the folder, by the names of the folder below it and the file.
fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for family in entries(&folder()) {
        for path in entries(&family) {
            let name = path.strip_prefix(folder()).unwrap().to_str().unwrap().replace('\\', "/");
            files.insert(name, fs::read(path).unwrap());
        }
    }
    assert!(files.len() > 1000, "only {} files", files.len());
    files
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testkit/messages")
}

/// Looks at all of them, on several threads, before it fails.
fn for_each(cases: &[Case], check: impl Fn(&Case) -> Result<(), String> + Sync) {
    let (left, failures) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().unwrap().next() else { break };
                    if let Err(why) = check(case) {
                        failures.lock().unwrap().push(format!("{}: {why}", case.name));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{} messages", cases.len());
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}
