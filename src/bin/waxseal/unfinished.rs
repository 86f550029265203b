//! Temporary files: whatever ends the process, no plaintext stays in them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tempfile::{NamedTempFile, TempPath};

/// A file under a hidden name. Dropped before [`persist`](Self::persist), it is emptied and removed:
/// where it cannot be removed, because its folder was renamed, nothing is in it.
#[derive(Debug)]
pub(crate) struct Unfinished(Option<NamedTempFile>);

impl Unfinished {
    pub(crate) fn create_in(folder: &Path) -> io::Result<Self> {
        catch_signals();
        let mut all = all();
        let temporary = builder().tempfile_in(folder)?;
        let file = temporary.as_file().try_clone()?;
        all.push(Entry { path: temporary.path().to_owned(), file });
        Ok(Self(Some(temporary)))
    }

    /// What a new file in this folder may be used for. There is no other way to ask for the mask than to
    /// change it, which is the whole process's.
    #[cfg(unix)]
    pub(crate) fn usual_permissions_in(folder: &Path) -> io::Result<std::fs::Permissions> {
        use std::os::unix::fs::PermissionsExt as _;

        let _signals_wait = all();
        let probe =
            builder().permissions(std::fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
        Ok(probe.as_file().metadata()?.permissions())
    }

    pub(crate) fn file(&self) -> io::Result<&File> {
        self.0.as_ref().map(NamedTempFile::as_file).ok_or_else(gone)
    }

    /// Gives it its name.
    pub(crate) fn persist(mut self, path: &Path, force: bool) -> io::Result<()> {
        // A signal waits until it is one or the other.
        let mut all = all();
        let temporary = self.0.take().ok_or_else(gone)?;
        all.retain(|entry| entry.path != temporary.path());
        let result =
            if force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
        match result {
            Ok(_) => Ok(()),
            // A file server may say so where it did it, but its answer was lost. Its other name goes.
            Err(failed) if is_at(failed.file.as_file(), path) => Ok(()),
            Err(failed) => {
                empty(failed.file.as_file());
                Err(failed.error)
            }
        }
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.as_mut().ok_or_else(gone)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().ok_or_else(gone)?.flush()
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(temporary) = self.0.take() else { return };
        let mut all = all();
        empty(temporary.as_file());
        all.retain(|entry| entry.path != temporary.path());
        // Removed while signals still wait.
        drop(temporary);
    }
}

/// Whether a file of this name is one of these, perhaps of another process.
pub(crate) fn is_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// A name for what is there already, which goes away with what is returned.
pub(crate) fn unused_path_in(folder: &Path) -> io::Result<TempPath> {
    builder().tempfile_in(folder).map(NamedTempFile::into_temp_path)
}

fn builder() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX);
    builder
}

/// All that are there now.
static ALL: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

struct Entry {
    path: PathBuf,
    file: File,
}

fn all() -> MutexGuard<'static, Vec<Entry>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, writing beyond the limit on the length of files is an error as others, and does not end the process, with
/// its memory in a core file.
#[cfg(unix)]
pub(crate) fn outlive_file_limit() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

#[cfg(not(unix))]
pub(crate) fn outlive_file_limit() {}

/// From now on, a signal that ends the process first removes what is unfinished. Signals that the caller
/// has ignored, as `nohup` does, stay ignored.
#[cfg(unix)]
fn catch_signals() {
    use std::sync::mpsc::sync_channel;

    use signal_hook::consts::{
        SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
    };
    use signal_hook::iterator::Signals;

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (ignored, handled) = (signals("SigIgn:"), signals("SigCgt:"));
        // All that end a process but for a fault of its own; what a profiler uses, say, ends nothing.
        let others = [SIGALRM, SIGPROF, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU];
        let others = others.into_iter().filter(|signal| handled & signal_bit(*signal) == 0);
        let caught = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().chain(others);
        let caught = caught.filter(|signal| ignored & signal_bit(*signal) == 0);
        // Caught once there is a thread for them: else they would end nothing any more.
        let (hand, handed) = sync_channel::<Signals>(1);
        let waiting = std::thread::Builder::new().spawn(move || {
            let Ok(mut signals) = handed.recv() else { return };
            if signals.forever().next().is_some() {
                // Held until the end, so that nothing new comes.
                let all = all();
                for entry in &*all {
                    empty(&entry.file);
                    let _ = std::fs::remove_file(&entry.path);
                }
                std::process::exit(INTERRUPTED);
            }
        });
        // If they cannot be caught, the file is as safe as its mode.
        if waiting.is_ok()
            && let Ok(signals) = Signals::new(caught)
        {
            // It waits for just this.
            let _ = hand.send(signals);
        }
    });
}

#[cfg(not(unix))]
fn catch_signals() {}

/// Which signals are ignored or handled, as a mask; where the system does not tell, none.
#[cfg(unix)]
fn signals(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix(field));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(unix)]
fn signal_bit(signal: i32) -> u64 {
    u32::try_from(signal.saturating_sub(1)).ok().and_then(|n| 1_u64.checked_shl(n)).unwrap_or(0)
}

/// If it cannot be done, removing it has to do.
fn empty(file: &File) {
    let _ = file.set_len(0);
}

/// Whether a file has this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let (Ok(file), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (file.dev(), file.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    false
}

/// Nobody uses it after the end.
fn gone() -> io::Error {
    io::ErrorKind::NotFound.into()
}

const PREFIX: &str = ".waxseal-";
const SUFFIX: &str = ".tmp";
/// What shells give for an interrupt.
const INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_has_its_name_already_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let mut unfinished = Unfinished::create_in(folder.path()).unwrap();
        unfinished.write_all(b"whole").unwrap();
        std::fs::hard_link(unfinished.0.as_ref().unwrap().path(), &out).unwrap();
        unfinished.persist(&out, false).unwrap();
        assert_eq!(std::fs::read(&out).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn nothing_stays_in_a_renamed_folder() {
        let outer = tempfile::tempdir().unwrap();
        for persisted in [true, false] {
            let before = outer.path().join("before");
            let after = outer.path().join(format!("after-{persisted}"));
            std::fs::create_dir(&before).unwrap();
            let mut unfinished = Unfinished::create_in(&before).unwrap();
            unfinished.write_all(b"plaintext").unwrap();
            std::fs::rename(&before, &after).unwrap();
            if persisted {
                assert!(unfinished.persist(&before.join("out"), false).is_err());
            } else {
                drop(unfinished);
            }
            let left: Vec<_> = std::fs::read_dir(&after).unwrap().collect();
            let [Ok(left)] = &left[..] else { panic!("{left:?}") };
            assert_eq!(left.metadata().unwrap().len(), 0);
        }
        assert!(all().iter().all(|entry| !entry.path.starts_with(outer.path())));
    }
}
