//! Objects deleted, with their instruction files.

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectInputBuilder;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsInputBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::{self, Delete, DeletedObject, ObjectIdentifier};

use super::Client;
use super::call::{Call, named};
use crate::error::{ApiMisuse, Error, S3Failure};
use crate::s3::INSTRUCTION_FILE_SUFFIX;

impl Client {
    /// Deletes an object, and then its instruction file with the usual suffix, whether there is one or not.
    ///
    /// Where one version is deleted, the instruction file goes only if no current version is left: it would be
    /// the one that opens it. These are several requests: who puts an object of the same key at the same time may lose its
    /// instruction file.
    ///
    /// # Errors
    /// [`Error::S3`] if either is not deleted; the error names which. An error of `HeadObject` means that the version is
    /// deleted, and the instruction file left, as it is not known whether another is current.
    ///
    /// Spec: s3-encryption/client, "Required API Operations".
    pub async fn delete_object(
        &self,
        input: DeleteObjectInputBuilder,
    ) -> Result<DeleteObjectOutput, Error> {
        let (bucket, key) = (input.get_bucket().clone(), input.get_key().clone());
        let call = Call::new("DeleteObject", &bucket, &key)?;
        let file_key = format!("{}{INSTRUCTION_FILE_SUFFIX}", call.key);
        let file = DeleteObjectInputBuilder::default()
            .bucket(call.bucket)
            .key(&file_key)
            .set_mfa(input.get_mfa().clone())
            .set_request_payer(input.get_request_payer().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let one_version = input.get_version_id().is_some();
        let head = HeadObjectInputBuilder::default()
            .set_request_payer(input.get_request_payer().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let output = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        if !one_version || !self.exists(call, head).await? {
            let call = call.key(&file_key);
            file.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        }
        Ok(output)
    }

    /// Deletes objects, and then their instruction files with the usual suffix.
    ///
    /// The output is about the objects. Instruction files stay where S3 does not say that the object was deleted, and where
    /// one version was deleted but another is current.
    ///
    /// # Errors
    /// [`Error::S3`] if a request fails, or an instruction file is not deleted. An error of `HeadObject` means that all is
    /// done but for the instruction files of objects of which it is not known whether another version is current. Where
    /// objects were not deleted, there is an output, and its `errors` tell of the instruction files, too.
    ///
    /// Spec: s3-encryption/client, "Required API Operations".
    pub async fn delete_objects(
        &self,
        input: DeleteObjectsInputBuilder,
    ) -> Result<DeleteObjectsOutput, Error> {
        let bucket = input.get_bucket().clone();
        let call = Call { operation: "DeleteObjects", bucket: named("bucket", &bucket)?, key: "" };
        let files = DeleteObjectsInputBuilder::default()
            .bucket(call.bucket)
            .set_mfa(input.get_mfa().clone())
            .set_request_payer(input.get_request_payer().clone())
            .set_checksum_algorithm(input.get_checksum_algorithm().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let head = HeadObjectInputBuilder::default()
            .set_request_payer(input.get_request_payer().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let mut delete = input.get_delete().clone();
        let objects = delete.as_ref().map(|delete| delete.objects.clone()).unwrap_or_default();
        // An answer that ends too early reads as one that names fewer: what it does not name counts as not deleted.
        let is_quiet = delete.as_mut().and_then(|delete| delete.quiet.take()) == Some(true);
        let input = input.set_delete(delete);
        let mut output = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        let (deleted, mut later) =
            self.without_current_version(call, &objects, &output, head).await;
        if let Err(error) = self.delete_instruction_files(call, files, &deleted).await {
            later.get_or_insert(error);
        }
        if is_quiet {
            output.deleted = None;
        }
        match (later, &mut output.errors) {
            (None, _) => Ok(output),
            // Neither failure hides the other.
            (Some(error), Some(errors)) if !errors.is_empty() => {
                errors.push(as_entry(call.bucket, &error));
                Ok(output)
            }
            (Some(error), _) => Err(error),
        }
    }

    /// The keys of objects that were deleted and have no current version, and what could not be found out.
    async fn without_current_version<'a>(
        &self,
        call: Call<'_>,
        objects: &'a [ObjectIdentifier],
        output: &DeleteObjectsOutput,
        head: HeadObjectInputBuilder,
    ) -> (Vec<&'a str>, Option<Error>) {
        let (mut keys, mut unknown) = (Vec::new(), None);
        for object in objects {
            let (key, version) = (object.key(), object.version_id());
            let is_deleted = |deleted: &DeletedObject| {
                // Not every store repeats the version.
                let is_other = version.is_some()
                    && deleted.version_id().is_some()
                    && deleted.version_id() != version;
                deleted.key() == Some(key) && !is_other
            };
            if !output.deleted().iter().any(is_deleted) {
                if !output.errors().iter().any(|error| error.key() == Some(key)) {
                    let call = call.key(key);
                    unknown.get_or_insert_with(|| call.failed(untold()));
                }
                continue;
            }
            if version.is_some() {
                match self.exists(call.key(key), head.clone()).await {
                    Ok(false) => {}
                    Ok(true) => continue,
                    // The objects are deleted, so that those whose state is known should not keep their files.
                    Err(error) => {
                        unknown.get_or_insert(error);
                        continue;
                    }
                }
            }
            keys.push(key);
        }
        (keys, unknown)
    }

    async fn delete_instruction_files(
        &self,
        call: Call<'_>,
        input: DeleteObjectsInputBuilder,
        of: &[&str],
    ) -> Result<(), Error> {
        if of.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = of.iter().map(|key| format!("{key}{INSTRUCTION_FILE_SUFFIX}")).collect();
        let identifiers = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
        let identifiers = identifiers.collect::<Result<Vec<_>, _>>().map_err(unusable)?;
        let delete = Delete::builder().set_objects(Some(identifiers)).build().map_err(unusable)?;
        let input = input.delete(delete).send_with(&self.sdk);
        let output = input.await.map_err(|error| call.sdk_error(error))?;
        if let Some(error) = output.errors().first() {
            let key = error.key().unwrap_or_default();
            let code = error.code().unwrap_or("an instruction file was not deleted");
            return Err(call.key(key).failed(S3Failure::Other(code.to_owned())));
        }
        let is_told = |key: &String| output.deleted().iter().any(|each| each.key() == Some(key));
        match keys.iter().find(|key| !is_told(key)) {
            Some(key) => Err(call.key(key).failed(untold())),
            None => Ok(()),
        }
    }

    /// Whether an object has a current version.
    async fn exists(&self, call: Call<'_>, head: HeadObjectInputBuilder) -> Result<bool, Error> {
        let call = call.operation("HeadObject");
        match head.bucket(call.bucket).key(call.key).send_with(&self.sdk).await {
            Ok(_) => Ok(true),
            Err(error) => match call.sdk_error(error) {
                Error::S3(error) if *error.failure() == S3Failure::NoSuchKey => Ok(false),
                // It has, under a key of the caller's.
                Error::S3(error) if error.status() == Some(400) => Ok(true),
                error => Err(error),
            },
        }
    }
}

fn untold() -> S3Failure {
    S3Failure::WrongAnswer("it does not say that it was deleted".to_owned())
}

/// A failure that came after those of the objects.
fn as_entry(bucket: &str, error: &Error) -> types::Error {
    let on = match error {
        Error::S3(error) => error.on().strip_prefix(bucket).and_then(|on| on.strip_prefix('/')),
        _ => None,
    };
    types::Error::builder().set_key(on.map(str::to_owned)).message(error.to_string()).build()
}

fn unusable(_: aws_sdk_s3::error::BuildError) -> Error {
    ApiMisuse::Setting { what: "list of objects", why: "an object has no key" }.into()
}
