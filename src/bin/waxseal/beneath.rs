//! What is below a folder, found and opened without following any link: whoever may write there could put one in the place
//! of what was listed, to something that only this process may read.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, shown};

/// A folder that is open, with its path for messages.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    handle: system::Handle,
}

/// Something in a folder.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other,
    /// It was there when the names were read.
    Gone,
}

impl Folder {
    /// The one to begin at, which may be named by a link itself.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let handle = system::open(path).map_err(|error| cannot_read(path, &error))?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// A folder by its path from here, which is empty for this one itself.
    pub(crate) fn below(&self, relative: &Path) -> Result<Self, Failure> {
        let is_itself = relative.as_os_str().is_empty();
        // Joined with nothing, it would end in a separator.
        let path = if is_itself { self.path.clone() } else { self.path.join(relative) };
        match system::open_folder(&self.handle, relative) {
            Ok(handle) => Ok(Self { path, handle }),
            Err(error) if system::is_no_folder(&error) => Err(changed(&path, "no folder")),
            Err(error) => Err(cannot_read(&path, &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it, by name.
    pub(crate) fn list(&self) -> Result<Vec<Entry>, Failure> {
        let names = system::names(&self.handle);
        let mut names = names.map_err(|error| cannot_read(&self.path, &error))?;
        names.sort();
        let entry = |name: OsString| match system::kind(&self.handle, &name) {
            Ok(kind) => Ok(Entry { name, kind }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Entry { name, kind: Kind::Gone })
            }
            Err(error) => Err(cannot_read(&self.path.join(name), &error)),
        };
        names.into_iter().map(entry).collect()
    }

    /// A regular file in it.
    pub(crate) fn open_file(&self, name: &OsStr) -> Result<File, Failure> {
        let path = self.path.join(name);
        let what = "no regular file";
        let file = system::open_file(&self.handle, name).map_err(|error| {
            let is_link = system::is_link(&error);
            if is_link { changed(&path, what) } else { cannot_read(&path, &error) }
        })?;
        // It was opened without waiting, so it may be a pipe.
        match file.metadata().map_err(|error| cannot_read(&path, &error))?.is_file() {
            true => Ok(file),
            false => Err(changed(&path, what)),
        }
    }
}

/// It was something else when its folder was listed.
fn changed(path: &Path, what: &str) -> Failure {
    Failure::refused(
        format!("{} became a symbolic link, or {what}, while the folder was read", shown(path)),
        "find out who changes the folder, and try again",
    )
}

pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::io(&format!("cannot read {}", shown(path)), error)
}

#[cfg(unix)]
mod system {
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;
    use std::time::Duration;

    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fcntl_setfl, openat, statat};
    use rustix::io::{Errno, retry_on_intr};

    use super::{File, Kind, OsStr, OsString, Path, io};

    pub(super) type Handle = OwnedFd;

    pub(super) fn open(path: &Path) -> io::Result<Handle> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?)
    }

    pub(super) fn open_folder(root: &Handle, relative: &Path) -> io::Result<Handle> {
        let mut folder = root.try_clone()?;
        // One by one, for only of the last name links are not followed.
        for name in relative {
            folder = open_in(&folder, name, OFlags::DIRECTORY)?;
        }
        Ok(folder)
    }

    pub(super) fn names(folder: &Handle) -> io::Result<Vec<OsString>> {
        let (mut names, mut folder) = (Vec::new(), Dir::new(folder.try_clone()?)?);
        // What it was cloned from shares its place with it.
        folder.rewind();
        for entry in folder {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    pub(super) fn kind(folder: &Handle, name: &OsStr) -> io::Result<Kind> {
        let found = retry_on_intr(|| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW))?;
        Ok(match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        })
    }

    pub(super) fn open_file(folder: &Handle, name: &OsStr) -> io::Result<File> {
        let mut tries = LEASE_TRIES;
        let file = loop {
            match open_in(folder, name, OFlags::NONBLOCK) {
                // Another process has a lease on it, and was told to give it back.
                Err(Errno::AGAIN) if tries > 0 => {
                    tries = tries.saturating_sub(1);
                    std::thread::sleep(LEASE_PAUSE);
                }
                file => break file?,
            }
        };
        // Nothing but the opening should go on without waiting.
        fcntl_setfl(file.as_fd(), OFlags::empty())?;
        Ok(file.into())
    }

    fn open_in(folder: &Handle, name: &OsStr, more: OFlags) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | more;
        retry_on_intr(|| openat(folder, name, flags, Mode::empty()))
    }

    /// A minute in all: Linux takes a lease away after 45 seconds.
    const LEASE_TRIES: u32 = 600;
    const LEASE_PAUSE: Duration = Duration::from_millis(100);

    /// What systems say of a link that is not to be followed.
    pub(super) fn is_link(error: &io::Error) -> bool {
        let said = [Errno::LOOP, Errno::MLINK];
        said.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }

    pub(super) fn is_no_folder(error: &io::Error) -> bool {
        is_link(error) || error.raw_os_error() == Some(Errno::NOTDIR.raw_os_error())
    }
}

/// By path: what changes in between is not noticed.
#[cfg(not(unix))]
mod system {
    use std::fs;
    use std::path::PathBuf;

    use super::{File, Kind, OsStr, OsString, Path, io};

    pub(super) type Handle = PathBuf;

    pub(super) fn open(path: &Path) -> io::Result<Handle> {
        Ok(path.to_owned())
    }

    pub(super) fn open_folder(root: &Handle, relative: &Path) -> io::Result<Handle> {
        Ok(root.join(relative))
    }

    pub(super) fn names(folder: &Handle) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    pub(super) fn kind(folder: &Handle, name: &OsStr) -> io::Result<Kind> {
        let kind = fs::symlink_metadata(folder.join(name))?.file_type();
        Ok(match kind {
            kind if kind.is_symlink() => Kind::Link,
            kind if kind.is_dir() => Kind::Folder,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        })
    }

    pub(super) fn open_file(folder: &Handle, name: &OsStr) -> io::Result<File> {
        File::open(folder.join(name))
    }

    pub(super) fn is_link(_: &io::Error) -> bool {
        false
    }

    pub(super) fn is_no_folder(_: &io::Error) -> bool {
        false
    }
}
