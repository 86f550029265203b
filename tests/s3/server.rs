//! An S3 in the process with a bucket.

#[path = "../../examples/s3_server/serve.rs"]
#[expect(dead_code, reason = "credentials and ports are for the example")]
mod serve;

use std::collections::HashMap;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serve::S3Server;
use serve::faults::Faults;
pub(crate) use serve::faults::{Fault, Operation};
use tempfile::TempDir;

/// An S3 in a folder that goes when it is dropped.
pub(crate) struct World {
    pub(crate) s3: S3Server,
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let s3 = S3Server::start(folder.path()).unwrap();
        s3.create_bucket(BUCKET).unwrap();
        Self { s3, folder }
    }

    /// The SDK's own client.
    pub(crate) fn sdk(&self) -> Client {
        self.s3.sdk()
    }

    /// One that tries once.
    pub(crate) fn impatient(&self) -> Client {
        let once = aws_sdk_s3::config::retry::RetryConfig::disabled();
        Client::from_conf(self.s3.config().retry_config(once).build())
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.s3.faults()
    }

    /// Everything that is in the bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join(BUCKET)).unwrap();
        let mut keys: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        keys.sort();
        keys
    }

    /// The bytes that are stored.
    pub(crate) fn stored(&self, key: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(BUCKET).join(key)).unwrap()
    }

    /// Stores an object past every client.
    pub(crate) async fn put(&self, key: &str, body: &[u8]) -> String {
        let put = self.sdk().put_object().bucket(BUCKET).key(key).body(body.to_vec().into());
        put.send().await.unwrap().e_tag.unwrap()
    }

    /// The same with metadata.
    pub(crate) async fn put_with(&self, key: &str, body: &[u8], metadata: HashMap<String, String>) {
        let put = self.sdk().put_object().bucket(BUCKET).key(key).body(body.to_vec().into());
        put.set_metadata(Some(metadata)).send().await.unwrap();
    }

    pub(crate) async fn metadata(&self, key: &str) -> HashMap<String, String> {
        let head = self.sdk().head_object().bucket(BUCKET).key(key).send();
        head.await.unwrap().metadata.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.sdk().get_object().bucket(BUCKET).key(key).send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }
}

/// Status and code of a refusal.
pub(crate) fn refused<T: std::fmt::Debug, E>(
    result: Result<T, SdkError<E, HttpResponse>>,
) -> (u16, String)
where
    E: ProvideErrorMetadata,
{
    let error = result.expect_err("it should be refused");
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    (status.unwrap_or_default(), error.code().unwrap_or_default().to_owned())
}

pub(crate) const BUCKET: &str = "bucket";
