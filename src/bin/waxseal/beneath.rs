//! What is below a folder, found and opened without following any link: whoever may write there could put one in the place
//! of what was listed, to something that only this process may read.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, shown};

/// A folder, which may be named by a link itself.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    folder: system::Folder,
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
}

impl Root {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let folder = system::open(path).map_err(|error| cannot_read(path, &error))?;
        Ok(Self { path: path.to_owned(), folder })
    }

    /// The path of what is there, for messages.
    pub(crate) fn path(&self, relative: &Path) -> PathBuf {
        // Joined with nothing, it would end in a separator.
        if relative.as_os_str().is_empty() { self.path.clone() } else { self.path.join(relative) }
    }

    /// What is in a folder, by name.
    pub(crate) fn list(&self, relative: &Path) -> Result<Vec<Entry>, Failure> {
        let listed = system::list(&self.folder, relative);
        let mut entries = listed.map_err(|error| self.failed(relative, "no folder", &error))?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// A regular file.
    pub(crate) fn open_file(&self, relative: &Path) -> Result<File, Failure> {
        let what = "no regular file";
        let failed = |error| self.failed(relative, what, &error);
        let file = system::open_file(&self.folder, relative).map_err(failed)?;
        // It was opened without waiting, so it may be a pipe.
        match file.metadata().map_err(failed)?.is_file() {
            true => Ok(file),
            false => Err(self.changed(relative, what)),
        }
    }

    fn failed(&self, relative: &Path, what: &str, error: &io::Error) -> Failure {
        if system::is_link_or_other(error) {
            return self.changed(relative, what);
        }
        cannot_read(&self.path(relative), error)
    }

    fn changed(&self, relative: &Path, what: &str) -> Failure {
        let path = self.path(relative);
        Failure::refused(
            format!(
                "{} became a symbolic link, or {what}, while the folder was read",
                shown(&path)
            ),
            "find out who changes the folder, and try again",
        )
    }
}

pub(crate) fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::io(&format!("cannot read {}", shown(path)), error)
}

#[cfg(unix)]
mod system {
    use std::ffi::OsStr;
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::os::unix::ffi::OsStrExt as _;

    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fcntl_setfl, openat, statat};
    use rustix::io::Errno;

    use super::{Entry, File, Kind, Path, io};

    pub(super) type Folder = File;

    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        File::open(path)
    }

    pub(super) fn list(root: &Folder, relative: &Path) -> io::Result<Vec<Entry>> {
        let folder = open_folder(root, relative)?;
        let mut entries = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Not every file system has it in its folders.
                FileType::Unknown => {
                    let found = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(found.st_mode)
                }
                kind => kind,
            };
            let kind = match kind {
                FileType::RegularFile => Kind::File,
                FileType::Directory => Kind::Folder,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            };
            entries.push(Entry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind });
        }
        Ok(entries)
    }

    pub(super) fn open_file(root: &Folder, relative: &Path) -> io::Result<File> {
        let folder = open_folder(root, relative.parent().unwrap_or_else(|| Path::new("")))?;
        let name = relative.file_name().unwrap_or_default();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&folder, name, flags, Mode::empty())?;
        // Nothing but the opening should go on without waiting.
        fcntl_setfl(&file, OFlags::empty())?;
        Ok(file.into())
    }

    fn open_folder(root: &Folder, relative: &Path) -> io::Result<OwnedFd> {
        let mut folder = root.as_fd().try_clone_to_owned()?;
        // One by one, for only of the last name links are not followed.
        for name in relative {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = openat(&folder, name, flags, Mode::empty())?;
        }
        Ok(folder)
    }

    /// What systems say of a link that is not to be followed, of what is no folder, and of sockets.
    pub(super) fn is_link_or_other(error: &io::Error) -> bool {
        let said = [Errno::LOOP, Errno::MLINK, Errno::NOTDIR, Errno::NXIO];
        said.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
}

/// By path: what changes in between is not noticed.
#[cfg(not(unix))]
mod system {
    use std::fs;
    use std::path::PathBuf;

    use super::{Entry, File, Kind, Path, io};

    pub(super) type Folder = PathBuf;

    pub(super) fn open(path: &Path) -> io::Result<Folder> {
        Ok(path.to_owned())
    }

    pub(super) fn list(root: &Folder, relative: &Path) -> io::Result<Vec<Entry>> {
        let listed = fs::read_dir(root.join(relative))?;
        listed
            .map(|entry| {
                let entry = entry?;
                let kind = entry.file_type()?;
                let kind = match kind {
                    kind if kind.is_symlink() => Kind::Link,
                    kind if kind.is_dir() => Kind::Folder,
                    kind if kind.is_file() => Kind::File,
                    _ => Kind::Other,
                };
                Ok(Entry { name: entry.file_name(), kind })
            })
            .collect()
    }

    pub(super) fn open_file(root: &Folder, relative: &Path) -> io::Result<File> {
        File::open(root.join(relative))
    }

    pub(super) fn is_link_or_other(_: &io::Error) -> bool {
        false
    }
}
