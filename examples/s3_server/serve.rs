//! An S3 in the process: a folder, served over HTTP on loopback.
//!
//! It has a runtime of its own, so that it can be used from any other, or from none. Other programs include this
//! file with `#[path]`.

#[path = "corrected.rs"]
mod corrected;
#[path = "faults.rs"]
pub(crate) mod faults;

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::runtime::{self, Runtime};

use corrected::CorrectedS3;
use faults::Faults;

/// A folder as an S3. It stops when it is dropped.
pub(crate) struct S3Server {
    folder: PathBuf,
    endpoint: String,
    faults: Faults,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// Serves a folder, which must be there, at any port that is free.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        Self::start_at(folder, 0)
    }

    /// The same at a port of one's choice.
    pub(crate) fn start_at(folder: &Path, port: u16) -> io::Result<Self> {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let mut service = S3ServiceBuilder::new(CorrectedS3::new(folder)?);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let faults = Faults::default();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        runtime.spawn(serve(listener, service.build(), faults.clone()));
        Ok(Self { folder: folder.to_owned(), endpoint, faults, runtime: Some(runtime) })
    }

    /// Its address, such as `http://127.0.0.1:49152`.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A client of the SDK that knows its address and its credentials.
    pub(crate) fn sdk(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::from_conf(self.config().build())
    }

    /// The configuration of that client, to change something.
    pub(crate) fn config(&self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::config::Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(&self.endpoint)
            .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "s3_server"))
            .force_path_style(true)
    }

    /// Makes a bucket, if it is not there.
    pub(crate) fn create_bucket(&self, bucket: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.folder.join(bucket))
    }

    /// What is asked of it, and what it is to do wrong.
    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // Waiting for it would panic inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: tokio::net::TcpListener, service: S3Service, faults: Faults) {
    while let Ok((stream, _)) = listener.accept().await {
        // Or each small body waits 40 ms for its headers to be acknowledged.
        let _ = stream.set_nodelay(true);
        let (service, faults) = (service.clone(), faults.clone());
        tokio::spawn(async move {
            let answer = service_fn(|request: Request<Incoming>| faults.answer(&service, request));
            // Whoever hangs up has reasons of his own.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// Made up, as is the other one.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "eu-west-1";
