//! All objects of a prefix, page by page.

use std::vec;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
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
            .set_continuation_token(self.token.clone());
        let output =
            input.send_with(&self.client.sdk).await.map_err(|error| call.sdk_error(error))?;
        check_whole(call, &output)?;
        let wrong = |what: &str| Err(call.failed(S3Failure::WrongAnswer(what.to_owned())));
        // Some stores have it on the last page, too, with nothing in it.
        let next = output.next_continuation_token.filter(|token| !token.is_empty());
        self.is_last = output.is_truncated == Some(false) && next.is_none();
        if !self.is_last && next.is_none() {
            return wrong("there is more, but it does not say where it goes on");
        }
        if !self.is_last && next == self.token {
            return wrong("it goes on where it began");
        }
        self.token = next;
        self.page = output.contents.unwrap_or_default().into_iter();
        Ok(())
    }
}

/// Refuses a page that ends too early, which reads as a shorter one: what it does not name would not be looked at.
pub(super) fn check_whole(call: Call<'_>, output: &ListObjectsV2Output) -> Result<(), Error> {
    let wrong = |what: String| Err(call.failed(S3Failure::WrongAnswer(what)));
    if output.is_truncated.is_none() {
        return wrong("it does not say whether there is more".to_owned());
    }
    let found = output.contents().len().saturating_add(output.common_prefixes().len());
    // Not every store counts prefixes, too.
    match output.key_count.and_then(|count| usize::try_from(count).ok()) {
        Some(count) if found < count => wrong(format!("it names {found} of {count} keys")),
        _ => Ok(()),
    }
}

/// As many as a connection pool bears without being asked.
pub(super) const DEFAULT_PARALLELISM: usize = 8;
