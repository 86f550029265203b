//! Heap of uploads and downloads, of objects that are much longer than what they may hold.
//!
//! The server is this program again, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::{Client, Config};
use peak_alloc::PeakAlloc;
use tokio::io::{AsyncRead, ReadBuf};
use waxseal::{AesKey, s3};

#[path = "../examples/s3_server/serve.rs"]
#[expect(dead_code, reason = "the server has more than is needed here")]
mod serve;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const BUCKET: &str = "memory";
const LEN: usize = 96 << 20;
const PART_LEN: usize = 5 << 20;
const PARALLELISM: usize = 3;
/// For the HTTP client, the runtime and what a test happens to do.
const SLACK: usize = 6 << 20;

fn main() {
    if let Some(folder) = std::env::var_os("WAXSEAL_TEST_SERVE") {
        return serve_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(transfers(&server.client()));
    println!("uploads and downloads hold what they may, and no more");
}

async fn transfers(sdk: &Client) {
    let keyring = s3::AesKeyring::new(AesKey::from([7; 32])).expect("a keyring");
    // Far less than the object: the rest waits in a file.
    let client = s3::Client::new(sdk.clone(), keyring).buffer_limit(1 << 20);
    // Once before, so that what is allocated once is not counted.
    let small = PutObjectInput::builder().bucket(BUCKET).key("small");
    client.upload(small, &b"small"[..]).await.expect("an upload");

    let bound = PARALLELISM * PART_LEN + SLACK;
    let before = reset();
    let input = PutObjectInput::builder().bucket(BUCKET).key("k");
    let upload = client.upload(input, Counting { left: LEN });
    upload.part_len(PART_LEN).parallelism(PARALLELISM).await.expect("an upload");
    check("upload", before, bound);

    for early in [false, true] {
        let before = reset();
        let input = GetObjectInput::builder().bucket(BUCKET).key("k");
        let part_len = u64::try_from(PART_LEN).expect("a length");
        let download = client.download(input, tokio::io::sink());
        let download = download.part_len(part_len).parallelism(PARALLELISM);
        let download = if early { download.release_unauthenticated() } else { download };
        let done = download.await.expect("a download");
        assert_eq!(done.plaintext_len(), u64::try_from(LEN).expect("a length"));
        check("download", before, bound);
    }
}

fn reset() -> usize {
    HEAP.reset_peak_usage();
    HEAP.current_usage()
}

fn check(what: &str, before: usize, bound: usize) {
    let held = HEAP.peak_usage().saturating_sub(before);
    println!("{what} of {} MiB held {} KiB, of at most {}", LEN >> 20, held >> 10, bound >> 10);
    assert!(held <= bound, "{what}");
    // It did pass through here.
    assert!(held >= PART_LEN, "{what}");
}

/// A reader of unknown length that keeps nothing.
struct Counting {
    left: usize,
}

impl AsyncRead for Counting {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let len = self.left.min(buffer.remaining()).min(64 << 10);
        self.left -= len;
        buffer.put_slice(&[7; 64 << 10][..len]);
        Poll::Ready(Ok(()))
    }
}

/// This program, as an S3.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let this = std::env::current_exe().expect("a path");
        let mut command = Command::new(this);
        command.env("WAXSEAL_TEST_SERVE", folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let mut endpoint = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output).read_line(&mut endpoint).expect("an address");
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    fn client(&self) -> Client {
        let credentials =
            Credentials::new(serve::ACCESS_KEY, serve::SECRET_KEY, None, None, "test");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(serve::REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(credentials)
            .force_path_style(true);
        Client::from_conf(config.build())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve_until_killed(folder: &Path) {
    let server = serve::S3Server::start(folder).expect("a server");
    server.create_bucket(BUCKET).expect("a bucket");
    println!("{}", server.endpoint());
    // Until whoever started it is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}
