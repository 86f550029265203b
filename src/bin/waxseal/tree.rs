//! Which input goes to which output: one file, or all files of a folder.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::args::Files;
use crate::failure::{Failure, printable, shown};
use crate::input::Input;
use crate::output::{Mode, Target};
use crate::unfinished;

/// Does `one` for each input, up to the first failure.
pub(crate) fn each_file(
    files: &Files,
    suffix: Option<&str>,
    default_suffix: &str,
    mut one: impl FnMut(Input, Target) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let Files { input, output, force, recursive } = files;
    let (input, output) = (named(input), named(output));
    if suffix.is_some_and(|suffix| suffix.contains(std::path::is_separator)) {
        return Err(Failure::usage("the suffix has a path separator in it", "give a plain suffix"));
    }
    let names = Names { suffix: suffix.unwrap_or(default_suffix), force: *force };
    if *recursive {
        return match (input, output) {
            (Some(from), Some(to)) => names.each_in_folder(from, to, one),
            _ => Err(Failure::usage(
                "--recursive takes a folder to a folder",
                "give both with -i IN -o OUT",
            )),
        };
    }
    let folder = output.filter(|output| output.is_dir());
    if suffix.is_some() && folder.is_none() {
        return Err(Failure::usage(
            "--suffix is for an output that is a folder",
            "leave it out, or name a folder with -o",
        ));
    }
    let source = Input::open(input).map_err(|failure| match input {
        Some(path) if path.is_dir() => {
            failure.hinting("give --recursive and a folder as output, or name a file")
        }
        _ => failure,
    })?;
    let target = match (folder, output) {
        (Some(folder), _) => {
            let name = input.and_then(Path::file_name).ok_or_else(|| {
                Failure::usage(
                    "the output is a folder but the input has no name",
                    "name a file with -o",
                )
            })?;
            Target::file(&folder.join(names.output(name.to_owned())), *force, Mode::Usual)?
        }
        (None, Some(path)) => Target::file(path, *force, Mode::Usual)?,
        (None, None) => Target::Stdout,
    };
    one(source, target)
}

/// `-` and nothing are the standard streams.
fn named(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| *path != Path::new("-"))
}

struct Names<'a> {
    suffix: &'a str,
    force: bool,
}

impl Names<'_> {
    fn output(&self, mut input: OsString) -> OsString {
        input.push(self.suffix);
        input
    }

    fn each_in_folder(
        &self,
        from: &Path,
        to: &Path,
        mut one: impl FnMut(Input, Target) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let cannot_read =
            |path: &Path, error| Failure::io(&format!("cannot read {}", shown(path)), &error);
        let root = fs::canonicalize(from).map_err(|error| cannot_read(from, error))?;
        if !root.is_dir() {
            return Err(Failure::usage(
                format!("{} is no folder", shown(from)),
                "leave --recursive out",
            ));
        }
        check_outside(&root, to)?;
        let mut folders = vec![(from.to_owned(), to.to_owned())];
        while let Some((source, target)) = folders.pop() {
            fs::create_dir_all(&target).map_err(|error| {
                Failure::io(&format!("cannot make the folder {}", shown(&target)), &error)
            })?;
            // A link may lead back in.
            check_outside(&root, &target)?;
            let entries = fs::read_dir(&source).and_then(Iterator::collect::<io::Result<Vec<_>>>);
            let mut entries = entries.map_err(|error| cannot_read(&source, error))?;
            entries.sort_by_key(fs::DirEntry::file_name);
            // The last one is taken first.
            let mut inner = Vec::new();
            for entry in entries {
                let path = entry.path();
                let kind = entry.file_type().map_err(|error| cannot_read(&path, error))?;
                if kind.is_dir() {
                    inner.push((path, target.join(entry.file_name())));
                } else if unfinished::is_name(&entry.file_name()) {
                    skipped(&path, "the temporary file of another output");
                } else if kind.is_file() {
                    let output = target.join(self.output(entry.file_name()));
                    Input::open(Some(&path))
                        .and_then(|input| {
                            one(input, Target::file(&output, self.force, Mode::Usual)?)
                        })
                        .map_err(|failure| failure.about(&path))?;
                } else {
                    let why = if kind.is_symlink() { "a symbolic link" } else { "no regular file" };
                    skipped(&path, why);
                }
            }
            folders.extend(inner.into_iter().rev());
        }
        Ok(())
    }
}

fn skipped(path: &Path, why: &str) {
    let line = format!("waxseal: skipped {}, which is {why}", shown(path));
    // If nobody listens, there is nothing to be done.
    let _ = writeln!(io::stderr(), "{}", printable(&line));
}

/// Refuses an output that would be found again as input. The output need not exist.
fn check_outside(root: &Path, to: &Path) -> Result<(), Failure> {
    let existing = to.ancestors().find_map(|path| {
        fs::canonicalize(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok()
    });
    if existing.is_some_and(|existing| {
        existing.starts_with(root) || existing.ancestors().any(|path| is_same(root, path))
    }) {
        return Err(Failure::usage(
            format!("the output folder {} is inside the input folder", shown(to)),
            "name a folder outside of it",
        ));
    }
    Ok(())
}

/// Whether these are the same folder, which may be mounted in two places.
#[cfg(unix)]
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino())).ok();
    place(a).is_some_and(|a| place(b) == Some(a))
}

#[cfg(not(unix))]
fn is_same(_: &Path, _: &Path) -> bool {
    false
}
