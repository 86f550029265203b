//! A folder as an S3 on loopback, to try things without an account.
//!
//! ```sh
//! cargo run --features s3 --example s3_server -- folder bucket another-bucket
//! ```
//!
//! It prints what to put into the environment of a client, such as the AWS command line or this crate's own
//! program. `--port N` as first argument chooses the port; the first of the others is the folder, which must be
//! there, and the rest are buckets to make. It ends when its input ends, so that it does not outlive whoever
//! started it. What it can and what it cannot do: `corrected.rs`.

#[expect(dead_code, reason = "faults and the client of the SDK are for tests and other examples")]
mod serve;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;

use serve::{ACCESS_KEY, REGION, S3Server, SECRET_KEY};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let port = match args.first().is_some_and(|first| first == "--port") {
        true => args.drain(..2.min(args.len())).nth(1).ok_or("--port needs a number")?.parse()?,
        false => 0,
    };
    let (folder, buckets) = args.split_first().ok_or("which folder?")?;
    let server = S3Server::start_at(Path::new(folder), port)?;
    for bucket in buckets {
        server.create_bucket(bucket)?;
    }
    let mut out = io::stdout().lock();
    writeln!(out, "export AWS_ENDPOINT_URL_S3={}", server.endpoint())?;
    writeln!(out, "export AWS_REGION={REGION}")?;
    writeln!(out, "export AWS_ACCESS_KEY_ID={ACCESS_KEY}")?;
    writeln!(out, "export AWS_SECRET_ACCESS_KEY={SECRET_KEY}")?;
    // Somebody waits for these lines.
    out.flush()?;
    for line in io::stdin().lines() {
        line?;
    }
    Ok(())
}
