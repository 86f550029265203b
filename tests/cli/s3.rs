//! Encrypted objects in an S3 on loopback, with keys in files and in `FakeKms`.

mod get;
mod keys;
mod killed;
mod reports;
mod rewrap;
mod usage;

use std::process::{Command, Stdio};

use aws_sdk_kms::primitives::Blob;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use waxseal::testing::{FakeKms, KeySpec};

use super::kms::serve::serve as serve_kms;
use super::{Done, Folder, PROGRAM};

#[path = "../../examples/s3_server/serve.rs"]
#[expect(dead_code, reason = "ports are for the example")]
mod serve;

use serve::faults::{Fault, Operation};
use serve::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

/// An S3 with a bucket `bkt`, an AWS KMS with a key, and a folder with a file `in` and an AES key `key`.
struct World {
    s3: S3Server,
    stored: TempDir,
    kms: FakeKms,
    kms_endpoint: String,
    /// `kms:key=ARN`
    key: String,
    folder: Folder,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let kms_endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kms = FakeKms::new();
        runtime.spawn(serve_kms(listener, kms.clone()));
        let key = format!("kms:key={}", kms.create_key(REGION, KeySpec::Symmetric).unwrap());
        let stored = tempfile::tempdir().unwrap();
        let s3 = S3Server::start(stored.path()).unwrap();
        s3.create_bucket("bkt").unwrap();
        let folder = Folder::new();
        folder.write("in", "hello");
        Self { s3, stored, kms, kms_endpoint, key, folder, runtime }
    }

    /// Only what it is given is in its environment.
    fn command(&self, args: &[&str]) -> Command {
        self.command_through(Command::new(PROGRAM), args)
    }

    /// The same with a program in front.
    fn command_through(&self, mut command: Command, args: &[&str]) -> Command {
        command.arg("s3").args(args);
        self.surround(&mut command);
        command
    }

    /// Folder and environment of a command.
    fn surround(&self, command: &mut Command) {
        command.current_dir(self.folder.path(""));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.folder.path(""))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_REGION", REGION)
            .env("AWS_ENDPOINT_URL_KMS", &self.kms_endpoint)
            .env("AWS_ENDPOINT_URL_S3", self.s3.endpoint())
            .stdin(Stdio::null());
    }

    fn run(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    /// Puts `in` with the key in AWS KMS.
    fn put(&self, to: &str, more: &[&str]) {
        assert_eq!(self.run(&[&["put", "in", to, "-k", &self.key], more].concat()).ok(), b"");
    }

    fn get(&self, from: &str, more: &[&str]) -> Done {
        self.run(&[&["get", from, "-k", &self.key], more].concat())
    }

    /// Stores an object past this crate.
    fn put_raw(&self, key: &str, body: &[u8], metadata: &[(&str, &str)]) {
        let mut put = self.s3.sdk().put_object().bucket("bkt").key(key).body(body.to_vec().into());
        for (name, value) in metadata {
            put = put.metadata(*name, *value);
        }
        self.runtime.block_on(put.send()).unwrap();
    }

    fn head_raw(&self, key: &str) -> HeadObjectOutput {
        let head = self.s3.sdk().head_object().bucket("bkt").key(key);
        self.runtime.block_on(head.send()).unwrap()
    }

    /// The keys in the bucket.
    fn keys(&self) -> Vec<String> {
        let list = self.s3.sdk().list_objects_v2().bucket("bkt");
        let list = self.runtime.block_on(list.send()).unwrap();
        list.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// The bytes that are stored.
    fn get_raw(&self, key: &str) -> Vec<u8> {
        let get = self.s3.sdk().get_object().bucket("bkt").key(key);
        let body = async { get.send().await.unwrap().body.collect().await.unwrap() };
        self.runtime.block_on(body).to_vec()
    }

    /// Stores other bytes with the same metadata.
    fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.get_raw(key);
        change(&mut bytes);
        let metadata = self.head_raw(key).metadata.unwrap();
        let pairs: Vec<_> = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        self.put_raw(key, &bytes, &pairs);
    }

    /// Flips a bit of what is stored.
    fn tamper(&self, key: &str, at: usize) {
        self.change(key, |bytes| bytes[at] ^= 1);
    }

    /// Stores "hello" as a client of long ago did: a data key wrapped by AWS KMS without binding the cipher.
    fn put_legacy(&self, key: &str) {
        use aes_gcm::aead::{Aead as _, KeyInit as _};
        use base64ct::{Base64, Encoding as _};

        let (data_key, iv) = ([7_u8; 32], [9_u8; 12]);
        let arn = self.key.strip_prefix("kms:key=").unwrap();
        let wrap = self.kms.client(REGION).encrypt().key_id(arn).plaintext(Blob::new(data_key));
        let wrap = wrap.encryption_context("kms_cmk_id", arn);
        let wrapped = self.runtime.block_on(wrap.send()).unwrap().ciphertext_blob.unwrap();
        let cipher = aes_gcm::Aes256Gcm::new(&data_key.into());
        let body = cipher.encrypt(&iv.into(), &b"hello"[..]).unwrap();
        self.put_raw(
            key,
            &body,
            &[
                ("x-amz-key-v2", &Base64::encode_string(wrapped.as_ref())),
                ("x-amz-iv", &Base64::encode_string(&iv)),
                ("x-amz-wrap-alg", "kms"),
                ("x-amz-cek-alg", "AES/GCM/NoPadding"),
                ("x-amz-tag-len", "128"),
                ("x-amz-matdesc", &format!(r#"{{"kms_cmk_id":"{arn}"}}"#)),
            ],
        );
    }
}

#[test]
fn an_object_goes_round_by_file_and_by_pipe() {
    let world = World::new();
    world.put("s3://bkt/file", &["-c", "tenant=42"]);
    world.get("s3://bkt/file", &["-c", "tenant=42", "-o", "out"]).ok();
    assert_eq!(world.folder.read("out"), b"hello");
    assert_eq!(world.get("s3://bkt/file", &["-c", "tenant=42"]).ok(), b"hello");

    for input in [&b""[..], b"from a pipe"] {
        let mut command = world.command(&["put", "-", "s3://bkt/a/pipe", "-k", &world.key]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input).unwrap();
        Done::from(child.wait_with_output().unwrap()).ok();
        assert_eq!(world.get("s3://bkt/a/pipe", &["-o", "-"]).ok(), input);
    }
    assert_eq!(world.folder.names(), ["in", "out"]);
}

#[test]
fn a_large_object_goes_in_parts() {
    let world = World::new();
    let plaintext: Vec<u8> = (0..11_000_000_usize).map(|n| n.to_le_bytes()[n % 3]).collect();
    world.folder.write("in", &plaintext);
    world.put("s3://bkt/k", &["--part-size", "5242880", "--parallelism", "2"]);
    assert_eq!(world.s3.faults().count(Operation::UploadPart), 3);
    assert_eq!(world.head_raw("k").content_length(), Some(11_000_016));
    let parts = ["--part-size", "3000000", "--parallelism", "3"];
    assert!(world.get("s3://bkt/k", &parts).ok() == plaintext);
    assert_eq!(world.s3.faults().count(Operation::GetObject), 4);
    world.get("s3://bkt/k", &["-o", "out"]).ok();
    assert!(world.folder.read("out") == plaintext);
}

#[test]
fn an_upload_that_fails_leaves_nothing() {
    let world = World::new();
    world.folder.write("in", vec![7; 6 << 20]);
    world.s3.faults().next(Operation::UploadPart, 9, Fault::Refuse(403, "AccessDenied"));
    let args = ["put", "in", "s3://bkt/k", "-k", &world.key, "--part-size", "5242880"];
    world.run(&args).refuses(1, "access is denied");
    assert_eq!(world.s3.faults().count(Operation::AbortMultipartUpload), 1);
    assert_eq!(world.keys(), [""; 0]);
}

#[test]
fn a_command_that_fails_does_not_wait_for_its_input() {
    let world = World::new();
    world.s3.faults().next(Operation::UploadPart, 9, Fault::Refuse(403, "AccessDenied"));
    let args = ["put", "-", "s3://bkt/k", "-k", &world.key, "--part-size", "5242880"];
    let mut command = world.command(&args);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    // Enough for a part, and then nothing, though nobody closes it.
    std::io::Write::write_all(&mut pipe, &vec![7; (5 << 20) + 1]).unwrap();
    let done = Done::from(child.wait_with_output().unwrap());
    drop(pipe);
    done.refuses(1, "access is denied");
}

#[test]
fn what_is_told_about_an_object_is_stored() {
    let world = World::new();
    world.put(
        "s3://bkt/k",
        &[
            "--content-type",
            "text/plain",
            "--storage-class",
            "STANDARD",
            "--metadata",
            "Author=me=you",
            "--metadata",
            "empty=",
        ],
    );
    let puts: Vec<_> = world.s3.faults().seen();
    let put = puts.iter().find(|seen| seen.operation == Operation::PutObject).unwrap();
    assert_eq!(put.header("x-amz-storage-class"), Some("STANDARD"));
    assert_eq!(put.header("x-amz-meta-author"), Some("me=you"));
    let head = world.head_raw("k");
    assert_eq!(head.content_type(), Some("text/plain"));
    for (pairs, words) in [
        (&["--metadata", "none"][..], "`none` is no pair"),
        (&["--metadata", "=x"], "is no pair"),
        (&["--metadata", "a=1", "--metadata", "A=2"], "twice"),
        (&["--metadata", "x-amz-iv=1"], "reserved"),
    ] {
        let args = ["put", "in", "s3://bkt/new", "-k", &world.key];
        world.run(&[&args, pairs].concat()).refuses(2, words);
    }
    assert_eq!(world.keys(), ["k"]);
}

#[test]
fn an_instruction_file_holds_what_metadata_cannot() {
    let world = World::new();
    let long = format!("name={}", "x".repeat(1900));
    let args = ["put", "in", "s3://bkt/k", "-k", &world.key, "-c", &long];
    let done = world.run(&args).fails(2, "bytes of metadata");
    assert!(done.stderr.contains("--instruction-file"), "{}", done.stderr);
    assert_eq!(world.keys(), [""; 0]);
    world.run(&[&args[..], &["--instruction-file"]].concat()).ok();
    assert_eq!(world.keys(), ["k", "k.instruction"]);
    assert_eq!(world.get("s3://bkt/k", &["-c", &long]).ok(), b"hello");
    // The same under another name: a copy of it, and the usual one gone.
    let file = world.get_raw("k.instruction");
    world.put_raw("k.other", &file, &[("x-amz-crypto-instr-file", "")]);
    std::fs::remove_file(world.stored.path().join("bkt/k.instruction")).unwrap();
    world.get("s3://bkt/k", &["-c", &long]).refuses(3, "`k.instruction` is missing");
    let suffix = ["-c", &long, "--instruction-file-suffix", ".other"];
    assert_eq!(world.get("s3://bkt/k", &suffix).ok(), b"hello");
    let range = ["--range", "1-2"];
    assert_eq!(world.get("s3://bkt/k", &[&suffix[..], &range].concat()).ok(), b"el");
}

#[test]
fn an_object_is_not_replaced_where_that_is_refused() {
    let world = World::new();
    world.put("s3://bkt/k", &["--no-overwrite"]);
    world.folder.write("in", "other");
    let args = ["put", "in", "s3://bkt/k", "-k", &world.key];
    let done = world.run(&[&args[..], &["--no-overwrite"]].concat());
    let done = done.fails(1, "a condition of the request does not hold");
    assert!(done.stderr.contains("--no-overwrite"), "{}", done.stderr);
    world.put_raw("new.instruction", b"theirs", &[]);
    let beside = ["put", "in", "s3://bkt/new", "-k", &world.key, "--instruction-file"];
    let done = world.run(&[&beside[..], &["--no-overwrite"]].concat());
    assert!(done.stderr.contains("bkt/new.instruction"), "{}", done.stderr);
    assert_eq!(done.code, 1);
    // Where it may be looked at by nobody, the object is there before it is known.
    world.s3.faults().next(Operation::HeadObject, 1, Fault::Refuse(403, "AccessDenied"));
    let done = world.run(&[&beside[..], &["--no-overwrite"]].concat());
    assert!(done.stderr.contains("the object is stored"), "{}", done.stderr);
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"hello");
    world.run(&args).ok();
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"other");
}

#[test]
fn objects_are_removed_with_their_instruction_files() {
    let world = World::new();
    for key in ["s3://bkt/one", "s3://bkt/two", "s3://bkt/three"] {
        world.put(key, &["--instruction-file"]);
    }
    // All are looked at first.
    world.run(&["rm", "s3://bkt/one", "s3://bkt"]).refuses(2, "no object");
    assert_eq!(world.keys().len(), 6);
    world.run(&["rm", "s3://bkt/one", "s3://bkt/two"]).ok();
    assert_eq!(world.keys(), ["three", "three.instruction"]);
    world.run(&["rm", "s3://nowhere/k"]).refuses(1, "");
}
