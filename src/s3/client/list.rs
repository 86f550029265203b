//! Objects listed, with the lengths of their plaintexts.

use std::future::IntoFuture;

use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2InputBuilder;
use aws_sdk_s3::types::Object;
use futures_util::stream::{self, StreamExt as _};

use super::call::{Call, named};
use super::walk::check_whole;
use super::{Client, PlaintextLen};
use crate::error::{ApiMisuse, Error};
use crate::materials::BoxFuture;
use crate::s3::INSTRUCTION_FILE_SUFFIX;

impl Client {
    /// Lists one page of objects, with the length of each plaintext.
    ///
    /// A listing has no metadata, so each object is asked about, several at once; with
    /// [`estimate`](ListObjects::estimate) none is.
    ///
    /// # Errors
    /// [`Error::S3`] if the listing fails. What one object's metadata is not, stands beside that object.
    pub fn list_objects_v2(&self, input: ListObjectsV2InputBuilder) -> ListObjects<'_> {
        ListObjects { client: self, input, estimate: false, parallelism: DEFAULT_PARALLELISM }
    }
}

/// A request to list encrypted objects: see [`Client::list_objects_v2`].
#[derive(Debug)]
#[must_use = "nothing is sent before `.await`"]
pub struct ListObjects<'a> {
    client: &'a Client,
    input: ListObjectsV2InputBuilder,
    estimate: bool,
    parallelism: usize,
}

impl<'a> ListObjects<'a> {
    /// Asks about no object, and takes each for one that is encrypted with AES-GCM: its plaintext would be 16 bytes
    /// shorter than what is stored.
    pub fn estimate(mut self) -> Self {
        self.estimate = true;
        self
    }

    /// How many objects are asked about at once. Default: 8.
    pub fn parallelism(mut self, requests: usize) -> Self {
        self.parallelism = requests.max(1);
        self
    }

    async fn run(self) -> Result<Listing, Error> {
        let Self { client, input, estimate, parallelism } = self;
        if input.get_encoding_type().is_some() {
            let why = "objects are asked about by their keys as they are: leave it out";
            return Err(ApiMisuse::Setting { what: "encoding type", why }.into());
        }
        let bucket = input.get_bucket().clone();
        let call = Call { operation: "ListObjectsV2", bucket: named("bucket", &bucket)?, key: "" };
        let owner = input.get_expected_bucket_owner().clone();
        let payer = input.get_request_payer().clone();
        let mut output =
            input.send_with(&client.sdk).await.map_err(|error| call.sdk_error(error))?;
        check_whole(call, &output)?;
        let objects = output.contents.take().unwrap_or_default();
        let asked = objects.into_iter().map(|object| {
            let head = HeadObjectInputBuilder::default()
                .bucket(call.bucket)
                .set_key(object.key.clone())
                .set_expected_bucket_owner(owner.clone())
                .set_request_payer(payer.clone());
            async move {
                let stored =
                    object.size.and_then(|len| u64::try_from(len).ok()).unwrap_or_default();
                let is_instruction_file =
                    object.key().is_some_and(|key| key.ends_with(INSTRUCTION_FILE_SUFFIX));
                let plaintext_len = if is_instruction_file {
                    Ok(PlaintextLen::Exact(stored))
                } else if estimate {
                    Ok(PlaintextLen::AtMost(stored.saturating_sub(16)))
                } else {
                    client.head_object(head).await.map(|head| head.plaintext_len())
                };
                ListedObject { object, is_instruction_file, plaintext_len }
            }
        });
        let objects = stream::iter(asked).buffered(parallelism).collect().await;
        Ok(Listing { output, objects })
    }
}

impl<'a> IntoFuture for ListObjects<'a> {
    type Output = Result<Listing, Error>;
    type IntoFuture = BoxFuture<'a, Result<Listing, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// One page of a listing: see [`Client::list_objects_v2`].
#[derive(Debug)]
pub struct Listing {
    output: ListObjectsV2Output,
    objects: Vec<ListedObject>,
}

impl Listing {
    /// The SDK's output: prefixes, and where the next page begins. Its objects are in [`objects`](Self::objects).
    pub fn output(&self) -> &ListObjectsV2Output {
        &self.output
    }

    /// The objects of this page.
    pub fn objects(&self) -> &[ListedObject] {
        &self.objects
    }
}

/// An object of a listing.
#[derive(Debug)]
pub struct ListedObject {
    object: Object,
    is_instruction_file: bool,
    plaintext_len: Result<PlaintextLen, Error>,
}

impl ListedObject {
    /// What S3 says; its `size` is that of what is stored.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Whether the key ends as those of instruction files do.
    pub fn is_instruction_file(&self) -> bool {
        self.is_instruction_file
    }

    /// Length of the plaintext in bytes.
    ///
    /// # Errors
    /// Why it is not known: the object is not encrypted, or not as a format says, or could not be asked about.
    pub fn plaintext_len(&self) -> Result<PlaintextLen, &Error> {
        self.plaintext_len.as_ref().copied()
    }
}

/// As many as a connection pool bears without being asked.
const DEFAULT_PARALLELISM: usize = 8;
