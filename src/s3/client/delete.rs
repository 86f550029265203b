//! Objects deleted, with their instruction files.

use aws_sdk_s3::operation::delete_object::DeleteObjectOutput;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectInputBuilder;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsOutput;
use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsInputBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Client;
use super::call::{Call, named};
use crate::error::{ApiMisuse, Error, S3Failure};
use crate::s3::INSTRUCTION_FILE_SUFFIX;

impl Client {
    /// Deletes an object, and then its instruction file with the usual suffix, whether there is one or not.
    ///
    /// Where one version is deleted, the instruction file goes only if no current version is left: it would be
    /// the one that opens it.
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
    /// The output is about the objects. Instruction files stay where the object was not deleted, and where one
    /// version was deleted but another is current.
    ///
    /// # Errors
    /// [`Error::S3`] if a request fails, or an instruction file is not deleted. An error of `HeadObject` means that all is
    /// done but for the instruction files of objects of which it is not known whether another version is current.
    ///
    /// Spec: s3-encryption/client, "Required API Operations".
    pub async fn delete_objects(
        &self,
        input: DeleteObjectsInputBuilder,
    ) -> Result<DeleteObjectsOutput, Error> {
        let bucket = input.get_bucket().clone();
        let call = Call { operation: "DeleteObjects", bucket: named("bucket", &bucket)?, key: "" };
        let objects =
            input.get_delete().as_ref().map(|delete| delete.objects.clone()).unwrap_or_default();
        let files = DeleteObjectsInputBuilder::default()
            .bucket(call.bucket)
            .set_mfa(input.get_mfa().clone())
            .set_request_payer(input.get_request_payer().clone())
            .set_checksum_algorithm(input.get_checksum_algorithm().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let head = HeadObjectInputBuilder::default()
            .set_request_payer(input.get_request_payer().clone())
            .set_expected_bucket_owner(input.get_expected_bucket_owner().clone());
        let output = input.send_with(&self.sdk).await.map_err(|error| call.sdk_error(error))?;
        let failed: Vec<_> = output.errors().iter().filter_map(|error| error.key()).collect();
        let mut identifiers = Vec::new();
        let mut unknown = None;
        for object in &objects {
            if failed.contains(&object.key()) {
                continue;
            }
            if object.version_id().is_some() {
                match self.exists(call.key(object.key()), head.clone()).await {
                    Ok(false) => {}
                    Ok(true) => continue,
                    // The objects are deleted, so that those whose state is known should not keep their files.
                    Err(error) => {
                        unknown.get_or_insert(error);
                        continue;
                    }
                }
            }
            let key = format!("{}{INSTRUCTION_FILE_SUFFIX}", object.key());
            identifiers.push(ObjectIdentifier::builder().key(key).build().map_err(unusable)?);
        }
        if identifiers.is_empty() {
            return unknown.map_or(Ok(output), Err);
        }
        let delete = Delete::builder()
            .set_objects(Some(identifiers))
            .quiet(true)
            .build()
            .map_err(unusable)?;
        let deleted = files
            .delete(delete)
            .send_with(&self.sdk)
            .await
            .map_err(|error| call.sdk_error(error))?;
        match deleted.errors().first() {
            None => unknown.map_or(Ok(output), Err),
            Some(error) => {
                let key = error.key().unwrap_or_default();
                let code = error.code().unwrap_or("an instruction file was not deleted");
                Err(call.key(key).failed(S3Failure::Other(code.to_owned())))
            }
        }
    }

    /// Whether an object has a current version.
    async fn exists(&self, call: Call<'_>, head: HeadObjectInputBuilder) -> Result<bool, Error> {
        let call = call.operation("HeadObject");
        match head.bucket(call.bucket).key(call.key).send_with(&self.sdk).await {
            Ok(_) => Ok(true),
            Err(error) => match call.sdk_error(error) {
                Error::S3(error) if *error.failure() == S3Failure::NoSuchKey => Ok(false),
                error => Err(error),
            },
        }
    }
}

fn unusable(_: aws_sdk_s3::error::BuildError) -> Error {
    ApiMisuse::Setting { what: "list of objects", why: "an object has no key" }.into()
}
