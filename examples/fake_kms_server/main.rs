//! An AWS KMS on loopback, for tests of programs in any language: [`FakeKms`] over HTTP.
//!
//! ```sh
//! cargo run --features testing --example fake_kms_server -- 'key eu-west-1 SYMMETRIC_DEFAULT'
//! ```
//!
//! The first line that it prints is the address to give to clients, as `endpoint_url` or in `AWS_ENDPOINT_URL_KMS`;
//! any credentials do. `--port N` as first argument chooses the port. Each other argument, and then each line of
//! standard input, is a command, and has one line for an answer:
//!
//! | command | answer |
//! |---|---|
//! | `key REGION SPEC` | the ARN of a new key; SPEC as in `CreateKey`, such as `RSA_2048` |
//! | `multi-region-key REGION SPEC` | the same for a key that can have replicas |
//! | `replicate ARN REGION` | the ARN of a new replica |
//! | `alias REGION alias/NAME ARN` | the ARN of the alias |
//! | `disable ARN`, `enable ARN` | `done` |
//!
//! A refusal starts with `error:`. It ends when its input ends, so that it does not outlive whoever started it.

mod serve;

use std::error::Error;
use std::io::{self, Write as _};

use tokio::net::TcpListener;
use waxseal::testing::{FakeKms, KeySpec, NewKey};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut commands: Vec<_> = std::env::args().skip(1).collect();
    let port = match commands.first().is_some_and(|first| first == "--port") {
        true => commands.drain(..2.min(commands.len())).nth(1).ok_or("--port needs a number")?,
        false => "0".to_owned(),
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port.parse()?)))?;
    let kms = FakeKms::new();
    say(&format!("http://{}", listener.local_addr()?))?;
    runtime.spawn(serve::serve(listener, kms.clone()));
    for command in commands.into_iter().map(Ok).chain(io::stdin().lines()) {
        let command = command?;
        say(&obey(&kms, &command).unwrap_or_else(|error| format!("error: {error}")))?;
    }
    Ok(())
}

/// One line, at once: somebody waits for it.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn obey(kms: &FakeKms, command: &str) -> Result<String, Failure> {
    let words: Vec<_> = command.split_whitespace().collect();
    let done = |()| "done".to_owned();
    Ok(match words[..] {
        ["key", region, spec] => kms.create_key(region, key_spec(spec)?)?,
        ["multi-region-key", region, spec] => {
            kms.create_key(region, NewKey::new(key_spec(spec)?).multi_region())?
        }
        ["replicate", arn, region] => kms.replicate(arn, region)?,
        ["alias", region, alias, arn] => kms.create_alias(region, alias, arn)?,
        ["disable", arn] => kms.disable(arn).map(done)?,
        ["enable", arn] => kms.enable(arn).map(done)?,
        _ => return Err(format!("there is no command {command:?}").into()),
    })
}

fn key_spec(name: &str) -> Result<KeySpec, Failure> {
    Ok(match name {
        "SYMMETRIC_DEFAULT" => KeySpec::Symmetric,
        "RSA_2048" => KeySpec::Rsa2048,
        "RSA_3072" => KeySpec::Rsa3072,
        "RSA_4096" => KeySpec::Rsa4096,
        "ECC_NIST_P256" => KeySpec::EccP256,
        "ECC_NIST_P384" => KeySpec::EccP384,
        "ECC_NIST_P521" => KeySpec::EccP521,
        _ => return Err(format!("there is no key spec {name:?}").into()),
    })
}
