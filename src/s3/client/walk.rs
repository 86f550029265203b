//! All objects of a prefix, page by page.

use std::vec;

use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2InputBuilder;
use aws_sdk_s3::types::Object;
use futures_util::stream::{self, Stream};

use super::Client;
use super::call::Call;
use crate::error::{ApiMisuse, Error, S3Failure};

/// The objects whose keys begin with a prefix, in order. No more than one page of them is held.
pub(super) fn walk(
    client: Client,
    bucket: String,
    prefix: String,
    start_after: Option<String>,
) -> impl Stream<Item = Result<Object, Error>> + Send {
    let page = Vec::new().into_iter();
    let walk = Walk { client, bucket, prefix, start_after, token: None, page, is_last: false };
    stream::try_unfold(walk, |mut walk| async move {
        loop {
            if let Some(object) = walk.page.next() {
                return Ok(Some((object, walk)));
            }
            if walk.is_last {
                return Ok(None);
            }
            walk.next_page().await?;
        }
    })
}

struct Walk {
    client: Client,
    bucket: String,
    prefix: String,
    start_after: Option<String>,
    token: Option<String>,
    page: vec::IntoIter<Object>,
    is_last: bool,
}

impl Walk {
    async fn next_page(&mut self) -> Result<(), Error> {
        if self.bucket.is_empty() {
            return Err(ApiMisuse::Setting { what: "bucket", why: "it is missing" }.into());
        }
        let call = Call { operation: "ListObjectsV2", bucket: &self.bucket, key: "" };
        let input = ListObjectsV2InputBuilder::default()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .set_start_after(self.start_after.clone())
            .set_continuation_token(self.token.take());
        let output =
            input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        self.is_last = !output.is_truncated.unwrap_or_default();
        self.token = output.next_continuation_token;
        if !self.is_last && self.token.is_none() {
            let wrong = "there is more, but it does not say where it goes on".to_owned();
            return Err(call.failed(S3Failure::WrongAnswer(wrong)));
        }
        self.page = output.contents.unwrap_or_default().into_iter();
        Ok(())
    }
}

/// As many as a connection pool bears without being asked.
pub(super) const DEFAULT_PARALLELISM: usize = 8;
