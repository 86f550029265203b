//! Where the output goes: files appear whole or not at all.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, shown};
use crate::input::Input;
use crate::unfinished::Unfinished;

/// Where the output should go; nothing was written yet.
#[derive(Debug)]
pub(crate) enum Target {
    Stdout,
    File { path: PathBuf, force: bool, mode: Mode, replaced: Option<Box<Replaced>> },
}

/// Who may read a file once it is there; until then only its owner may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As for any new file. The mode of a file that is replaced stays, and its owner and group if they can: if not even
    /// the group can, only the owner may read it.
    Usual,
    /// Only its owner.
    Secret,
}

impl Target {
    /// Refuses what is there and no file.
    pub(crate) fn file(path: &Path, force: bool, mode: Mode) -> Result<Self, Failure> {
        if path.is_symlink() {
            return Err(link(path));
        }
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(Failure::refused(
                format!("{} exists and is no file", shown(path)),
                "name a new file, or leave -o out and redirect standard output",
            ));
        }
        let text = path.as_os_str().as_encoded_bytes();
        if text.last().is_some_and(|last| std::path::is_separator(char::from(*last))) {
            return Err(Failure::refused(
                format!("{} is not there, or is no folder", shown(path)),
                "make the folder first, or name a file",
            ));
        }
        let replaced = if force { Replaced::find(path) } else { None };
        Ok(Self::File { path: path.to_owned(), force, mode, replaced })
    }

    /// Refuses to replace a file without `force`, and names that no file can have. Whether this still holds is seen at
    /// the end.
    pub(crate) fn check_new(&self) -> Result<(), Failure> {
        let Self::File { path, force, .. } = self else { return Ok(()) };
        match path.symlink_metadata() {
            Ok(_) if !force => Err(exists(path)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(cannot_write(path, &error))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to put the output where anything is read from.
    pub(crate) fn check_apart(&self, input: &Input, others: &[PathBuf]) -> Result<(), Failure> {
        let Some((path, metadata)) = self.place() else {
            return Ok(());
        };
        let output = Place { path, metadata: &metadata };
        let input_place = input.regular().map(|metadata| Place { path: input.path(), metadata });
        if input_place.is_some_and(|input| input.is_same(&output)) {
            return Err(Failure::usage(
                format!("{} is the input and the output", input.name()),
                "name another file as output",
            ));
        }
        self.check_spares(others)
    }

    /// Refuses to put the output where one of these files is.
    pub(crate) fn check_spares(&self, files: &[PathBuf]) -> Result<(), Failure> {
        let Some((path, metadata)) = self.place() else {
            return Ok(());
        };
        let output = Place { path, metadata: &metadata };
        for path in files {
            let is_same =
                |metadata| Place { path: Some(path), metadata: &metadata }.is_same(&output);
            if fs::metadata(path).is_ok_and(is_same) {
                return Err(Failure::usage(
                    format!("the output would replace {}, which is read, too", shown(path)),
                    "name another file as output",
                ));
            }
        }
        Ok(())
    }

    /// What is there now, if anything.
    fn place(&self) -> Option<(Option<&Path>, Metadata)> {
        let (path, metadata) = match self {
            Self::Stdout => (None, clone_stdout().and_then(|file| file.metadata())),
            Self::File { path, .. } => (Some(path.as_path()), fs::metadata(path)),
        };
        Some((path, metadata.ok()?))
    }

    /// Refuses to put bytes on a terminal.
    pub(crate) fn check_binary(&self) -> Result<(), Failure> {
        match self {
            Self::Stdout => refuse_terminal(io::stdout().is_terminal()),
            Self::File { .. } => Ok(()),
        }
    }

    /// Gets ready to write.
    pub(crate) fn create(self) -> Result<Output, Failure> {
        match self {
            Self::Stdout => {
                Ok(Output::Stdout(clone_stdout().map_err(|error| stdout_failed(&error))?))
            }
            Self::File { path, force, mode, replaced } => {
                let temporary = Unfinished::create_in(folder(&path))
                    .map_err(|error| cannot_write(&path, &error))?;
                Ok(Output::File { temporary, path, force, mode, replaced })
            }
        }
    }
}

/// An output that is being written. Dropped without [`commit`](Self::commit), a file leaves nothing.
#[derive(Debug)]
pub(crate) enum Output {
    Stdout(File),
    File {
        temporary: Unfinished,
        path: PathBuf,
        force: bool,
        mode: Mode,
        replaced: Option<Box<Replaced>>,
    },
}

/// A file that was there at the start, and may be replaced. What comes there later does not tell who may read the output.
#[derive(Debug)]
pub(crate) struct Replaced {
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no modes"))]
    metadata: Metadata,
    /// Whether it had an access control list.
    #[cfg(unix)]
    has_list: bool,
}

impl Replaced {
    fn find(path: &Path) -> Option<Box<Self>> {
        let metadata = path.symlink_metadata().ok().filter(Metadata::is_file)?;
        Some(Box::new(Self {
            metadata,
            #[cfg(unix)]
            has_list: acl::is_on(path),
        }))
    }
}

impl Output {
    /// What was written is whole: lets the file appear.
    pub(crate) fn commit(self) -> Result<(), Failure> {
        match self {
            // Nothing is buffered.
            Self::Stdout(_) => Ok(()),
            Self::File { temporary, path, force, mode, replaced } => {
                commit(temporary, &path, force, mode, replaced.as_deref()).map_err(|error| {
                    match error.kind() {
                        io::ErrorKind::AlreadyExists if path.is_symlink() => link(&path),
                        io::ErrorKind::AlreadyExists if !force => exists(&path),
                        _ if force => cannot_write(&path, &error),
                        _ => cannot_name(&path, &error),
                    }
                })
            }
        }
    }

    /// Describes a failed write.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout(_) => stdout_failed(error),
            Self::File { path, .. } => cannot_write(path, error),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(file) => file.write(bytes),
            Self::File { temporary, .. } => temporary.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(file) => file.flush(),
            Self::File { temporary, .. } => temporary.flush(),
        }
    }
}

/// Writes text to standard output.
pub(crate) fn print(text: &[u8]) -> Result<(), Failure> {
    clone_stdout()
        .and_then(|mut stdout| stdout.write_all(text))
        .map_err(|error| stdout_failed(&error))
}

pub(crate) fn stdout_failed(error: &io::Error) -> Failure {
    Failure::io("cannot write to standard output", error)
}

fn commit(
    temporary: Unfinished,
    path: &Path,
    force: bool,
    mode: Mode,
    replaced: Option<&Replaced>,
) -> io::Result<()> {
    set_mode(temporary.file()?, path, mode, replaced)?;
    temporary.file()?.sync_all()?;
    if path.is_symlink() {
        // It came in between.
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    temporary.persist(path, force)?;
    sync_folder(folder(path));
    Ok(())
}

/// Its name should be as durable as the file. Not every file system can do it, and the file is there anyway.
#[cfg(unix)]
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) {}

/// Gives the mode of the file that is replaced, or the one that any new file there would have.
#[cfg(unix)]
fn set_mode(file: &File, path: &Path, mode: Mode, replaced: Option<&Replaced>) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

    let permissions = match (mode, replaced) {
        // The mask may have taken some of it away.
        (Mode::Secret, _) => fs::Permissions::from_mode(0o600),
        (Mode::Usual, Some(replaced)) => {
            let Replaced { metadata: replaced, has_list } = replaced;
            let (new, owner, group) = (file.metadata()?, replaced.uid(), replaced.gid());
            // What was taken away in the meantime stays taken away.
            let now = path.symlink_metadata().ok();
            let now_allowed = now.as_ref().map_or(0o777, |now| now.permissions().mode());
            let is_theirs = now.is_none_or(|now| (now.uid(), now.gid()) == (owner, group));
            let keeps_all = (new.uid(), new.gid()) == (owner, group)
                || is_theirs && fchown(file, Some(owner), Some(group)).is_ok();
            let keeps_group = keeps_all
                || is_theirs && (new.gid() == group || fchown(file, None, Some(group)).is_ok());
            // What its group may do, another one may not. With a list, these bits do not tell what the group may do.
            let has_list = *has_list || acl::is_on(path) || acl::is_on_open(file);
            let allowed = if is_theirs && keeps_group && !has_list { 0o777 } else { 0o700 };
            fs::Permissions::from_mode(replaced.permissions().mode() & now_allowed & allowed)
        }
        (Mode::Usual, None) => Unfinished::usual_permissions_in(folder(path))?,
    };
    file.set_permissions(permissions)
}

/// Access control lists, which are not copied: the file that is replaced may have one, or the folder gave the new one its.
#[cfg(target_os = "linux")]
mod acl {
    use rustix::io::Errno;

    use super::{File, Path};

    pub(super) fn is_on(path: &Path) -> bool {
        is_there(rustix::fs::lgetxattr(path, NAME, &mut [0_u8; 64]))
    }

    pub(super) fn is_on_open(file: &File) -> bool {
        is_there(rustix::fs::fgetxattr(file, NAME, &mut [0_u8; 64]))
    }

    /// It may be longer.
    fn is_there(list: Result<usize, Errno>) -> bool {
        matches!(list, Ok(_) | Err(Errno::RANGE))
    }

    pub(super) const NAME: &str = "system.posix_acl_access";
}

/// Elsewhere they stand beside the mode, and do not change what its bits mean.
#[cfg(all(unix, not(target_os = "linux")))]
mod acl {
    use super::{File, Path};

    pub(super) fn is_on(_: &Path) -> bool {
        false
    }

    pub(super) fn is_on_open(_: &File) -> bool {
        false
    }
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: &Path, _: Mode, _: Option<&Replaced>) -> io::Result<()> {
    Ok(())
}

pub(crate) fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn exists(path: &Path) -> Failure {
    Failure::refused(
        format!("{} exists", shown(path)),
        "name a new file, or replace it with --force",
    )
}

/// What is replaced would be the link, and never what it leads to.
fn link(path: &Path) -> Failure {
    Failure::refused(
        format!("{} is a symbolic link", shown(path)),
        "name the file it points to, or leave -o out",
    )
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let what = format!("cannot write {}", shown(path));
    let text = error.to_string();
    // The name of the temporary file tells nobody anything.
    match text.split_once(" at path \"") {
        Some((text, _)) => Failure::io(&what, &io::Error::new(error.kind(), text)),
        None => Failure::io(&what, error),
    }
}

/// It was written, but did not get its name without `force`.
fn cannot_name(path: &Path, error: &io::Error) -> Failure {
    let failure = cannot_write(path, error);
    match error.kind() {
        // What file systems say that cannot rename without replacing, nor make hard links.
        io::ErrorKind::InvalidInput
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::Unsupported => failure.hinting(
            "some file systems cannot make sure that no file is replaced: give --force, or write somewhere else",
        ),
        _ => failure,
    }
}

fn refuse_terminal(is_terminal: bool) -> Result<(), Failure> {
    if !is_terminal {
        return Ok(());
    }
    Err(Failure::usage(
        "the output is binary and would go to a terminal",
        "name a file with -o, or send it through a pipe",
    ))
}

/// Where a file is, under any name.
#[cfg_attr(unix, expect(dead_code, reason = "numbers are better than names"))]
struct Place<'a> {
    path: Option<&'a Path>,
    metadata: &'a Metadata,
}

impl Place<'_> {
    #[cfg(unix)]
    fn is_same(&self, other: &Self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let (a, b) = (self.metadata, other.metadata);
        a.is_file() && a.dev() == b.dev() && a.ino() == b.ino()
    }

    #[cfg(not(unix))]
    fn is_same(&self, other: &Self) -> bool {
        let canonical = |place: &Self| place.path.and_then(|path| fs::canonicalize(path).ok());
        self.metadata.is_file()
            && canonical(self).is_some_and(|path| canonical(other) == Some(path))
    }
}

/// Standard output without the line buffer that the standard library puts before it.
#[cfg(not(windows))]
fn clone_stdout() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(windows)]
fn clone_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_do_not_go_to_a_terminal() {
        assert!(refuse_terminal(true).is_err());
        assert!(refuse_terminal(false).is_ok());
    }

    #[test]
    fn a_dropped_output_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut output = Target::file(&path, false, Mode::Usual).unwrap().create().unwrap();
        output.write_all(b"half").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(output);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_came_in_between_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut output = Target::file(&path, false, Mode::Usual).unwrap().create().unwrap();
        output.write_all(b"ours").unwrap();
        fs::write(&path, b"theirs").unwrap();
        assert!(output.commit().is_err());
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Else whoever may write into the folder would choose who reads the output.
    #[cfg(unix)]
    #[test]
    fn a_file_that_came_in_between_does_not_tell_who_may_read() {
        use std::os::unix::fs::PermissionsExt as _;

        // Before anything is written, the header is read, and AWS KMS asked, which may take long.
        for (force, is_early) in [(false, false), (true, false), (true, true)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let theirs = || {
                fs::write(&path, b"theirs").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o606)).unwrap();
            };
            let target = Target::file(&path, force, Mode::Usual).unwrap();
            if is_early {
                theirs();
            }
            let output = target.create().unwrap();
            let Output::File { temporary, .. } = &output else { panic!("it is a file") };
            let written = temporary.file().unwrap().try_clone().unwrap();
            if !is_early {
                theirs();
            }
            assert_eq!(output.commit().is_ok(), force);
            let usual = Unfinished::usual_permissions_in(folder.path()).unwrap();
            let mode = |permissions: fs::Permissions| permissions.mode() & 0o777;
            assert_eq!(mode(written.metadata().unwrap().permissions()), mode(usual), "{force}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_a_mode_no_longer_allows_at_the_end_stays_forbidden() {
        use std::os::unix::fs::PermissionsExt as _;

        for (before, at_the_end, meant) in [(0o644, 0o600, 0o600), (0o600, 0o644, 0o600)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            fs::write(&path, b"old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            let output = Target::file(&path, true, Mode::Usual).unwrap().create().unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(at_the_end)).unwrap();
            output.commit().unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, meant);
        }
    }

    /// Only the system's owner may give a file to a group that he is not in.
    #[cfg(unix)]
    #[test]
    fn a_group_that_a_file_no_longer_has_at_the_end_may_not_read_the_output() {
        use std::os::unix::fs::{PermissionsExt as _, chown};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        let output = Target::file(&path, true, Mode::Usual).unwrap().create().unwrap();
        if let Err(error) = chown(&path, None, Some(12_345)) {
            println!("not checked: {error}");
            return;
        }
        output.commit().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_came_in_between_is_not_replaced() {
        for force in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            let output = Target::file(&path, force, Mode::Usual).unwrap().create().unwrap();
            std::os::unix::fs::symlink("missing", &path).unwrap();
            assert!(output.commit().is_err());
            assert!(path.is_symlink());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    /// The group of the first file may not read it: the bits of its mode are the mask of the list.
    #[cfg(target_os = "linux")]
    #[test]
    fn where_there_is_an_access_control_list_only_the_owner_reads_what_replaces_a_file() {
        use std::os::unix::fs::PermissionsExt as _;

        let mut list = 2_u32.to_le_bytes().to_vec();
        let nobody = u32::MAX;
        // The owner, a user, the group, the mask, and all others.
        for (tag, may, id) in [
            (0x01_u16, 6_u16, nobody),
            (0x02, 6, 1234),
            (0x04, 0, nobody),
            (0x10, 6, nobody),
            (0x20, 0, nobody),
        ] {
            list.extend(
                tag.to_le_bytes().into_iter().chain(may.to_le_bytes()).chain(id.to_le_bytes()),
            );
        }
        // The file with the list may also be gone by the end, with another one in its place.
        for (with_list, stays, mode) in
            [(false, true, 0o660), (true, true, 0o600), (true, false, 0o600)]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("out");
            fs::write(&path, b"old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
            if with_list {
                let flags = rustix::fs::XattrFlags::empty();
                if let Err(error) = rustix::fs::setxattr(&path, acl::NAME, &list, flags) {
                    println!("not checked: there are no access control lists here: {error}");
                    assert!(std::env::var_os("WAXSEAL_CHECK_ALL").is_none(), "not checked");
                    return;
                }
                assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
            }
            let mut output = Target::file(&path, true, Mode::Usual).unwrap().create().unwrap();
            output.write_all(b"new").unwrap();
            if !stays {
                fs::remove_file(&path).unwrap();
                fs::write(&path, b"other").unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
            }
            output.commit().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn what_a_file_system_cannot_do_without_force_is_told() {
        for kind in [io::ErrorKind::InvalidInput, io::ErrorKind::PermissionDenied] {
            let failure = cannot_name(Path::new("out"), &kind.into());
            assert!(format!("{failure:?}").contains("--force"), "{failure:?}");
        }
        let failure = cannot_name(Path::new("out"), &io::ErrorKind::StorageFull.into());
        assert!(!format!("{failure:?}").contains("--force"), "{failure:?}");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_a_file_in_progress() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let target = Target::file(&folder.path().join("out"), false, Mode::Usual).unwrap();
        let output = target.create().unwrap();
        let entry = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(output);
    }
}
