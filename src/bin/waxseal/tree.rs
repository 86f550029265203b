//! Which input goes to which output: one file, or all files of a folder.

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::args::Files;
use crate::beneath::{Entry, Folder, Kind, cannot_read};
use crate::failure::{Failure, printable, shown};
use crate::input::{self, Input};
use crate::output::{Mode, Target};
use crate::threads;
use crate::unfinished;

/// Does `one` for each input, up to the first failure, and tells it how many threads it may have.
pub(crate) fn each_file(
    files: &Files,
    suffix: Option<&str>,
    default_suffix: &str,
    one: impl Fn(Input, Target, NonZeroUsize) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let Files { input, output, force, recursive, threads } = files;
    let threads = threads::count(*threads);
    let (input, output) = (named(input), named(output));
    if suffix.is_some_and(|suffix| suffix.contains(std::path::is_separator)) {
        return Err(Failure::usage("the suffix has a path separator in it", "give a plain suffix"));
    }
    let names = Names { suffix: suffix.unwrap_or(default_suffix), force: *force };
    if *recursive {
        return match (input, output) {
            (Some(from), Some(to)) => names.each_in_folder(from, to, threads, one),
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
    let threads = source.worth(threads);
    one(source, target, threads)
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
        threads: NonZeroUsize,
        one: impl Fn(Input, Target, NonZeroUsize) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let files = Walk::new(from, to)?;
        threads::each(files, threads, |Found { input, path, folder, name }, threads| {
            let output = folder.join(self.output(name));
            let threads = input.worth(threads);
            Target::file(&output, self.force, Mode::Usual)
                .and_then(|target| one(input, target, threads))
                .map_err(|failure| failure.about(&path))
        })
    }
}

/// A file of a tree, and the folder for its output, which is there.
struct Found {
    input: Input,
    path: PathBuf,
    folder: PathBuf,
    name: OsString,
}

/// Finds all files of a tree in order, and makes the folders of another one as it comes to them. It ends
/// at the first failure.
struct Walk {
    root: Folder,
    /// Where the root is, without links.
    place: PathBuf,
    /// Where all of it goes.
    to: PathBuf,
    /// Folders to come, the next one last, by their paths below the root.
    folders: Vec<PathBuf>,
    /// This folder, and its path below the root.
    folder: Folder,
    below: PathBuf,
    /// What is left of this folder.
    entries: std::vec::IntoIter<Entry>,
    /// Where this folder goes.
    target: PathBuf,
    /// Folders in this folder.
    inner: Vec<PathBuf>,
}

impl Walk {
    fn new(from: &Path, to: &Path) -> Result<Self, Failure> {
        let place = fs::canonicalize(from).map_err(|error| cannot_read(from, &error))?;
        if !place.is_dir() {
            return Err(Failure::usage(
                format!("{} is no folder", shown(from)),
                "leave --recursive out",
            ));
        }
        check_outside(&place, to)?;
        let root = Folder::open(from)?;
        Ok(Self {
            folder: root.below(Path::new(""))?,
            below: PathBuf::new(),
            root,
            place,
            to: to.to_owned(),
            folders: vec![PathBuf::new()],
            entries: Vec::new().into_iter(),
            target: to.to_owned(),
            inner: Vec::new(),
        })
    }

    fn find(&mut self) -> Result<Option<Found>, Failure> {
        loop {
            while let Some(entry) = self.entries.next() {
                if let Some(found) = self.look_at(entry)? {
                    return Ok(Some(found));
                }
            }
            self.folders.extend(self.inner.drain(..).rev());
            let Some(below) = self.folders.pop() else { return Ok(None) };
            self.enter(below)?;
        }
    }

    fn enter(&mut self, below: PathBuf) -> Result<(), Failure> {
        let is_root = below.as_os_str().is_empty();
        let target = if is_root { self.to.clone() } else { self.to.join(&below) };
        fs::create_dir_all(&target).map_err(|error| {
            Failure::io(&format!("cannot make the folder {}", shown(&target)), &error)
        })?;
        // The folder that was named may be a link, but not one below it, where somebody else may have put it.
        if !is_root && target.is_symlink() {
            return Err(Failure::refused(
                format!("the output folder {} is a symbolic link", shown(&target)),
                "replace the link by a folder, or encrypt or decrypt what belongs there by itself",
            ));
        }
        check_outside(&self.place, &target)?;
        self.folder = self.root.below(&below)?;
        self.entries = self.folder.list()?.into_iter();
        (self.below, self.target) = (below, target);
        Ok(())
    }

    /// Opens it if it is a file. A folder waits until all files beside it were found.
    fn look_at(&mut self, Entry { name, kind }: Entry) -> Result<Option<Found>, Failure> {
        let path = self.folder.path().join(&name);
        match kind {
            Kind::Folder => self.inner.push(self.below.join(name)),
            _ if unfinished::is_name(&name) => {
                skipped(&path, "the temporary file of another output");
            }
            Kind::File => {
                let file = self.folder.open_file(&name)?;
                let input = Input::of(file, &path).map_err(|failure| failure.about(&path))?;
                return Ok(Some(Found { input, path, folder: self.target.clone(), name }));
            }
            Kind::Link => skipped(&path, "a symbolic link"),
            Kind::Other => skipped(&path, "no regular file"),
            // It may be there under another name, which was not seen.
            Kind::Gone => skipped(&path, "not there any more"),
        }
        Ok(None)
    }
}

impl Iterator for Walk {
    type Item = Result<Found, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.find();
        if found.is_err() {
            self.entries = Vec::new().into_iter();
            self.inner.clear();
            self.folders.clear();
        }
        found.transpose()
    }
}

fn skipped(path: &Path, why: &str) {
    input::tell(&printable(&format!("waxseal: skipped {}, which is {why}", shown(path))));
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

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What of `in/a`, `in/b` and `in/deep/c` is worked on when `swap` is done while `in/a` is, and how it ends.
    fn worked_on(swap: impl Fn(&Path) + Sync) -> (Vec<String>, Result<(), Failure>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("in/deep")).unwrap();
        fs::create_dir(path.join("outside")).unwrap();
        for name in ["in/a", "in/b", "in/deep/c", "outside/c"] {
            fs::write(path.join(name), name).unwrap();
        }
        let done = std::sync::Mutex::new(Vec::new());
        let names = Names { suffix: "", force: false };
        let (from, to) = (path.join("in"), path.join("out"));
        let result = names.each_in_folder(&from, &to, NonZeroUsize::MIN, |mut input, _, _| {
            if done.lock().unwrap().is_empty() {
                swap(path);
            }
            let mut text = String::new();
            std::io::Read::read_to_string(&mut input, &mut text).unwrap();
            done.lock().unwrap().push(text);
            Ok(())
        });
        (done.into_inner().unwrap(), result)
    }

    #[test]
    fn what_stays_as_it_is_is_worked_on() {
        let (done, result) = worked_on(|_| ());
        result.unwrap();
        assert_eq!(done, ["in/a", "in/b", "in/deep/c"]);
    }

    #[test]
    fn a_file_that_becomes_a_link_is_not_followed() {
        let (done, result) = worked_on(|path| {
            fs::remove_file(path.join("in/b")).unwrap();
            symlink("../outside/c", path.join("in/b")).unwrap();
        });
        assert_eq!(done, ["in/a"]);
        let failure = format!("{:?}", result.unwrap_err());
        assert!(failure.contains("in/b") && failure.contains("symbolic link"), "{failure}");
    }

    #[test]
    fn a_folder_that_becomes_a_link_is_not_followed() {
        let (done, result) = worked_on(|path| {
            fs::rename(path.join("in/deep"), path.join("in/away")).unwrap();
            symlink("../outside", path.join("in/deep")).unwrap();
        });
        assert_eq!(done, ["in/a", "in/b"]);
        let failure = format!("{:?}", result.unwrap_err());
        assert!(failure.contains("in/deep") && failure.contains("symbolic link"), "{failure}");
    }

    /// Opening a pipe that nobody writes to would wait for ever.
    #[test]
    fn a_file_that_becomes_a_pipe_is_not_waited_for() {
        let (done, result) = worked_on(|path| {
            fs::remove_file(path.join("in/b")).unwrap();
            let made = std::process::Command::new("mkfifo").arg(path.join("in/b")).status();
            assert!(made.unwrap().success());
        });
        assert_eq!(done, ["in/a"]);
        let failure = format!("{:?}", result.unwrap_err());
        assert!(failure.contains("in/b") && failure.contains("no regular file"), "{failure}");
    }
}
