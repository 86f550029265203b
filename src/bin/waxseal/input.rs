//! Where the input comes from.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::failure::{Failure, shown};

/// A file or standard input; a long one shows how far it was read.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    path: Option<PathBuf>,
    name: String,
    /// `None` if it cannot be known; then it is also no regular file.
    metadata: Option<Metadata>,
    bar: Option<ProgressBar>,
}

impl Input {
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        match path {
            None => Self::stdin(),
            Some(path) if path == Path::new("-") => Self::stdin(),
            Some(path) => {
                let what = format!("cannot read {}", shown(path));
                let file = File::open(path).map_err(|error| Failure::open(&what, path, &error))?;
                Self::of(file, path)
            }
        }
    }

    /// A file that is open already.
    pub(crate) fn of(file: File, path: &Path) -> Result<Self, Failure> {
        let name = shown(path);
        let metadata =
            file.metadata().map_err(|error| Failure::io(&format!("cannot read {name}"), &error))?;
        Self::new(file, Some(path), name, Some(metadata))
    }

    /// For messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// If it is a regular file.
    pub(crate) fn regular(&self) -> Option<&Metadata> {
        self.metadata.as_ref().filter(|metadata| metadata.is_file())
    }

    /// To read it at any place.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// `None` for standard input.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Its whole length, if it is a file that was opened here, and so at its start.
    pub(crate) fn file_len(&self) -> Option<u64> {
        self.regular().filter(|_| self.path.is_some()).map(Metadata::len)
    }

    /// How many of these threads it is worth. What cannot be known counts as long.
    pub(crate) fn worth(&self, threads: NonZeroUsize) -> NonZeroUsize {
        let is_short = self.regular().is_some_and(|metadata| metadata.len() <= SHORT_LEN);
        if is_short { NonZeroUsize::MIN } else { threads }
    }

    /// From now on, shows how far it was read, if that takes long enough to be seen.
    pub(crate) fn show_progress(&mut self) {
        let len = self.regular().map(Metadata::len).filter(|len| *len > MIN_BAR_LEN);
        let Some(len) = len.filter(|_| io::stderr().is_terminal()) else {
            return;
        };
        let bar = BARS.add(ProgressBar::new(len));
        let style = "{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        self.bar = Some(bar);
    }

    fn stdin() -> Result<Self, Failure> {
        let name = "standard input".to_owned();
        let file =
            clone_stdin().map_err(|error| Failure::io("cannot read standard input", &error))?;
        let metadata = file.metadata().ok();
        Self::new(file, None, name, metadata)
    }

    fn new(
        file: File,
        path: Option<&Path>,
        name: String,
        metadata: Option<Metadata>,
    ) -> Result<Self, Failure> {
        if metadata.as_ref().is_some_and(Metadata::is_dir) {
            return Err(Failure::usage(format!("{name} is a folder"), "name a file"));
        }
        let path = path.map(Path::to_owned);
        Ok(Self { file, path, name, metadata, bar: None })
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read(out)?;
        if let Some(bar) = &self.bar {
            bar.inc(u64::try_from(len).unwrap_or(u64::MAX));
        }
        Ok(len)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

/// Writes a line to standard error, beside the bars of other inputs.
pub(crate) fn tell(line: &str) {
    // If nobody listens, there is nothing to be done.
    let write = || drop(writeln!(io::stderr(), "{line}"));
    // A terminal that went away has no bars either, and making room between them would be a panic.
    if io::stderr().is_terminal() { BARS.suspend(write) } else { write() }
}

/// The bars of all inputs, one below the other.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Standard input without the buffer that the standard library puts before it.
#[cfg(not(windows))]
fn clone_stdin() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn clone_stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// Shorter ones are done before anyone could read the bar.
pub(crate) const MIN_BAR_LEN: u64 = 8 << 20;
/// Shorter ones are done before threads would help.
const SHORT_LEN: u64 = 4 << 20;
