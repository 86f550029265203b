//! What encrypting costs on the way to Amazon S3 and back: time, of the same transfer by the plain client, and heap.
//!
//! Against an S3 on loopback in a process of its own, so that only the client's heap is counted. Plain and
//! encrypted transfers take turns, in one run. `--test` moves a little, once.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_sdk_s3::{Client, Config};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use peak_alloc::PeakAlloc;
use tokio::runtime::Builder;
use waxseal::{AesKey, s3};

#[path = "../examples/s3_server/serve.rs"]
#[expect(dead_code, reason = "the server has more than is needed here")]
mod serve;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const PART_LEN: usize = 8 << 20;
const PARALLELISM: usize = 4;
const BUCKET: &str = "bench";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        return serve_until_killed(Path::new(&arguments[at + 1]));
    }
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let sizes: &[(usize, usize)] = if smoke {
        &[(1 << 20, 1), (20 << 20, 1)]
    } else {
        &[(1 << 20, 30), (100 << 20, 5), (1 << 30, 3)]
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!("parts of 8 MiB, 4 at once; AES keyring; medians");
    println!(
        "{:<14} {:>9} {:>14} {:>14} {:>9} {:>14} {:>14}",
        "what", "size", "plain", "encrypted", "ratio", "heap, plain", "heap"
    );
    for &(len, rounds) in sizes {
        runtime.block_on(compare(&server.client(), len, rounds));
    }
}

async fn compare(sdk: &Client, len: usize, rounds: usize) {
    let keyring = s3::AesKeyring::new(AesKey::from([7; 32])).unwrap();
    let client = s3::Client::new(sdk.clone(), keyring);
    let body = Bytes::from(vec![7; len]);
    let [mut put, mut get] = [Turns::default(), Turns::default()];
    for _ in 0..rounds {
        put.plain.push(measure(plain_put(sdk, body.clone())).await);
        put.ours.push(measure(async { sealed_put(&client, body.clone()).await }).await);
        get.plain.push(measure(plain_get(sdk, len)).await);
        get.ours.push(measure(sealed_get(&client, len)).await);
    }
    put.print("put", len);
    get.print("get", len);
}

async fn sealed_put(client: &s3::Client, body: Bytes) {
    let input = PutObjectInput::builder().bucket(BUCKET).key("sealed");
    let upload = client.upload(input, &body[..]).part_len(PART_LEN).parallelism(PARALLELISM);
    upload.await.unwrap();
}

async fn sealed_get(client: &s3::Client, len: usize) {
    let input = GetObjectInput::builder().bucket(BUCKET).key("sealed");
    let part_len = u64::try_from(PART_LEN).unwrap();
    let download =
        client.download(input, tokio::io::sink()).part_len(part_len).parallelism(PARALLELISM);
    let done = download.await.unwrap();
    assert_eq!(done.plaintext_len(), u64::try_from(len).unwrap());
}

/// The same requests as the encrypted upload makes, with the same copies of the body.
async fn plain_put(sdk: &Client, body: Bytes) {
    if body.len() <= PART_LEN {
        let copy = ByteStream::from(body.to_vec());
        sdk.put_object().bucket(BUCKET).key("plain").body(copy).send().await.unwrap();
        return;
    }
    let created = sdk.create_multipart_upload().bucket(BUCKET).key("plain").send().await.unwrap();
    let upload_id = created.upload_id().unwrap();
    let parts = body.chunks(PART_LEN).zip(1..).map(|(part, number)| async move {
        let part = ByteStream::from(part.to_vec());
        let request = sdk.upload_part().bucket(BUCKET).key("plain").upload_id(upload_id);
        let sent = request.part_number(number).body(part).send().await?;
        Ok::<_, aws_sdk_s3::Error>(
            CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build(),
        )
    });
    let parts: Vec<_> = stream::iter(parts).buffered(PARALLELISM).try_collect().await.unwrap();
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = sdk.complete_multipart_upload().bucket(BUCKET).key("plain").upload_id(upload_id);
    complete.multipart_upload(parts).send().await.unwrap();
}

async fn plain_get(sdk: &Client, len: usize) {
    let pieces = (0..len).step_by(PART_LEN).map(|start| async move {
        let last = len.min(start + PART_LEN) - 1;
        let range = format!("bytes={start}-{last}");
        let output =
            sdk.get_object().bucket(BUCKET).key("plain").range(range).send().await.unwrap();
        output.body.collect().await.unwrap().into_bytes().len()
    });
    let lens: Vec<usize> = stream::iter(pieces).buffered(PARALLELISM).collect().await;
    assert_eq!(lens.iter().sum::<usize>(), len);
}

/// Time, and heap at its highest above what was there before.
async fn measure(transfer: impl Future<Output = ()>) -> (Duration, usize) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let start = now();
    transfer.await;
    (start.elapsed(), HEAP.peak_usage().saturating_sub(before))
}

#[derive(Default)]
struct Turns {
    plain: Vec<(Duration, usize)>,
    ours: Vec<(Duration, usize)>,
}

impl Turns {
    fn print(mut self, what: &str, len: usize) {
        let [plain, ours] = [&mut self.plain, &mut self.ours].map(|turns| {
            turns.sort();
            (turns[turns.len() / 2].0, turns.iter().map(|turn| turn.1).max().unwrap_or_default())
        });
        let mib = |bytes: usize| format!("{} MiB", bytes >> 20);
        let seconds = |time: Duration| format!("{:.3} s", time.as_secs_f64());
        println!(
            "{what:<14} {:>9} {:>14} {:>14} {:>8.2}x {:>14} {:>14}",
            mib(len),
            seconds(plain.0),
            seconds(ours.0),
            ours.0.as_secs_f64() / plain.0.as_secs_f64(),
            mib(plain.1),
            mib(ours.1),
        );
    }
}

/// This program, as an S3.
struct Server {
    child: Child,
    endpoint: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--serve").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut endpoint = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut endpoint).unwrap();
        Self { child, endpoint: endpoint.trim().to_owned() }
    }

    fn client(&self) -> Client {
        let credentials =
            Credentials::new(serve::ACCESS_KEY, serve::SECRET_KEY, None, None, "bench");
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
    let server = serve::S3Server::start(folder).unwrap();
    server.create_bucket(BUCKET).unwrap();
    println!("{}", server.endpoint());
    // Until whoever started it is gone.
    let _ = std::io::stdin().read_line(&mut String::new());
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
