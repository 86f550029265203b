//! The command line, as its users see it: what goes in, what comes out, and how it exits.
#![cfg(feature = "cli")]
#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod crypt;
mod failures;
mod files;
mod inspect;
mod keygen;
mod keys;
#[cfg(feature = "testing")]
mod kms;
mod limits;
mod range;
#[cfg(all(feature = "s3", feature = "testing"))]
mod s3;
mod threads;
mod tree;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use waxseal::{AesKey, AlgorithmSuite, CommitmentPolicy, Policy, RawAesKeyring};

/// A folder of its own with the key of [`KEY`] in it.
struct Folder(TempDir);

/// How a command ended.
struct Done {
    code: i32,
    stdout: Vec<u8>,
    stderr: String,
}

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("key", KEY_BYTES);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Everything that is in it, hidden or not, without the key.
    fn names(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.0.path()).unwrap();
                    found.insert(name.to_str().unwrap().replace('\\', "/"));
                }
            }
        }
        found.into_iter().filter(|name| name != "key").collect()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.0.path());
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, b"")
    }

    fn run_with(&self, args: &[&str], stdin: &[u8]) -> Done {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        // A command that fails early does not read it.
        let feeder = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output.into()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// It worked and said nothing; gives what it printed.
    #[track_caller]
    fn ok(self) -> Vec<u8> {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""));
        self.stdout
    }

    /// It failed so, with a sentence that has these words, and a hint.
    #[track_caller]
    fn fails(self, code: i32, words: &str) -> Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        let lines: Vec<_> = self.stderr.lines().collect();
        let [error, hint] = lines[..] else { panic!("not two lines: {}", self.stderr) };
        assert!(error.starts_with("waxseal: error: ") && error.contains(words), "{error}");
        assert!(hint.strip_prefix("hint: ").is_some_and(|hint| !hint.is_empty()), "{hint}");
        self
    }

    /// As [`fails`](Self::fails), and it printed nothing.
    #[track_caller]
    fn refuses(self, code: i32, words: &str) {
        let stdout = self.fails(code, words).stdout;
        assert!(stdout.is_empty(), "{} bytes came out", stdout.len());
    }
}

/// A test passes without having looked, for the machine does not let it: not where `WAXSEAL_CHECK_ALL` is set.
#[cfg(target_os = "linux")]
fn not_checked(why: &str) {
    println!("not checked: {why}");
    assert!(std::env::var_os("WAXSEAL_CHECK_ALL").is_none(), "not checked: {why}");
}

/// The library's view of [`KEY`].
fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("ns", "n", AesKey::try_from(&KEY_BYTES[..]).unwrap()).unwrap()
}

/// A message that the library made, unsigned unless `suite` signs.
fn message(plaintext: &[u8], suite: AlgorithmSuite, context: &[(&str, &str)]) -> Vec<u8> {
    let commitment = if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    };
    let context: waxseal::EncryptionContext = context.iter().copied().collect();
    waxseal::encrypt(plaintext, &keyring())
        .suite(suite)
        .context(context)
        .policy(Policy::default().commitment(commitment))
        .frame_len(100)
        .unwrap()
        .now()
        .unwrap()
        .into_bytes()
}

/// What official clients made; `tests/vectors/README.md` tells how.
fn vector(path: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    fs::read(folder.join(path)).unwrap()
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_waxseal");
const KEY: &str = "raw-aes:namespace=ns,name=n,file=key";
const KEY_BYTES: &[u8; 32] = b"\x00\x01\x02\x03 32 bytes, not a text \xff\xfe\xfd\xfc\xfb\xfa";
const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
const UNCOMMITTED: AlgorithmSuite = AlgorithmSuite::Aes256GcmIv12Tag16HkdfSha256;
