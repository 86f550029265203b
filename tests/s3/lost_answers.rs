//! Answers that were lost: what S3 has is no failure, and an object never stays without what opens it.

use std::sync::Arc;

use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use waxseal::s3::{Client, InstructionFiles, Policy, S3Failure};
use waxseal::{CommitmentPolicy, Error};

use super::client::{bytes, open, put};
use super::keys::{aes, client};
use super::server::{BUCKET, Fault, Operation, World};

const WAYS: [InstructionFiles; 2] = [InstructionFiles::Read, InstructionFiles::Always];

/// The SDK sends it again, and the condition that nothing is there no longer holds.
#[tokio::test]
async fn a_put_that_meets_itself_was_done() {
    for files in WAYS {
        let (world, keyring) = (World::new(), aes());
        let s3 = client(&world, &keyring).instruction_files(files);
        world.faults().next(Operation::PutObject, 1, Fault::LoseAnswer);
        let put = put("k").body(bytes(20).into()).if_none_match("*");
        let output = s3.put_object(put).await.unwrap();
        // For an instruction file, it is looked whether its place is free.
        let looks = if files == InstructionFiles::Always { 2 } else { 1 };
        assert_eq!(world.faults().count(Operation::HeadObject), looks);
        let head = world.sdk().head_object().bucket(BUCKET).key("k").send().await.unwrap();
        assert!(output.e_tag().is_some_and(|e_tag| head.e_tag() == Some(e_tag)));
        assert_eq!(open(&s3, "k").await, bytes(20));
    }
}

#[tokio::test]
async fn a_put_without_an_answer_is_looked_for() {
    for files in WAYS {
        let (world, keyring) = (World::new(), aes());
        let s3 = Client::new(world.impatient(), Arc::clone(&keyring)).instruction_files(files);
        world.faults().next(Operation::PutObject, 1, Fault::LoseAnswer);
        s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
        assert_eq!(open(&s3, "k").await, bytes(20));
        // What was not done is a failure, and leaves what was there, with what opens it.
        let file = world.keys().contains(&"k.instruction".to_owned());
        let before = file.then(|| world.stored("k.instruction"));
        world.faults().next(Operation::PutObject, 1, Fault::HangUp);
        let failed = s3.put_object(put("k").body(bytes(30).into())).await;
        let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
        assert!(matches!(error.failure(), S3Failure::Unreachable(_)), "{error}");
        assert_eq!(error.operation(), "PutObject");
        assert_eq!(open(&s3, "k").await, bytes(20));
        assert_eq!(file.then(|| world.stored("k.instruction")), before);
        // What S3 refuses for sure is not looked for.
        world.faults().clear();
        world.faults().next(Operation::PutObject, 1, Fault::Refuse(403, "AccessDenied"));
        assert!(s3.put_object(put("k").body(bytes(30).into())).await.is_err());
        assert_eq!(world.faults().count(Operation::HeadObject), 0);
    }
}

#[tokio::test]
async fn the_object_of_another_is_not_taken_for_ones_own() {
    for files in WAYS {
        let (world, keyring) = (World::new(), aes());
        let s3 = client(&world, &keyring).instruction_files(files);
        s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
        let keys = world.keys();
        let again = s3.put_object(put("k").body(bytes(20).into()).if_none_match("*")).await;
        let Err(Error::S3(error)) = again else { panic!("{again:?}") };
        assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
        assert_eq!(open(&s3, "k").await, bytes(20));
        assert_eq!(world.keys(), keys);
    }
    // Of version 2 all is in the instruction file, and nothing tells whose an object is.
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring)
        .policy(Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt))
        .instruction_files(InstructionFiles::Always);
    world.put("k", b"theirs").await;
    world.faults().clear();
    let refused = s3.put_object(put("k").body(bytes(20).into()).if_none_match("*")).await;
    let Err(Error::S3(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
    // Only for the instruction file, before.
    let seen: Vec<_> = world.faults().seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(seen, [format!("/{BUCKET}/k.instruction"), format!("/{BUCKET}/k")]);
    assert_eq!(world.keys().len(), 1);
}

#[tokio::test]
async fn an_upload_that_was_completed_without_an_answer_was_done() {
    const LEN: usize = (5 << 20) + 100;
    for files in WAYS {
        let (world, keyring) = (World::new(), aes());
        let s3 = Client::new(world.impatient(), Arc::clone(&keyring)).instruction_files(files);
        world.faults().next(Operation::CompleteMultipartUpload, 1, Fault::LoseAnswer);
        let body = bytes(LEN);
        let output = s3.upload(put("k"), &body[..]).part_len(5 << 20).await.unwrap();
        assert!(output.e_tag().is_some());
        assert!(open(&s3, "k").await == bytes(LEN));
        assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 0);
        // But a request that did nothing is a failure.
        world.faults().next(Operation::CompleteMultipartUpload, 1, Fault::HangUp);
        let failed = s3.upload(put("k"), &bytes(LEN + 1)[..]).part_len(5 << 20).await;
        let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.operation(), "CompleteMultipartUpload");
        assert!(open(&s3, "k").await == bytes(LEN));
    }
}

/// S3 may be slow: what was not there when it was looked for is there when the upload is to be given up.
#[tokio::test]
async fn an_upload_that_is_completed_late_gets_its_instruction_file() {
    const LEN: usize = (5 << 20) + 100;
    let (world, keyring) = (World::new(), aes());
    let s3 = Client::new(world.impatient(), Arc::clone(&keyring))
        .instruction_files(InstructionFiles::Always);
    world.faults().next(Operation::CompleteMultipartUpload, 1, Fault::LoseAnswer);
    world.faults().next(Operation::HeadObject, 1, Fault::Refuse(404, "NotFound"));
    let body = bytes(LEN);
    s3.upload(put("k"), &body[..]).part_len(5 << 20).await.unwrap();
    assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 1);
    assert!(open(&s3, "k").await == body);
}

/// Whether it was this copy that S3 stored is not known: it is a failure, but what is there opens.
#[tokio::test]
async fn a_copy_without_an_answer_is_not_left_without_its_file() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("from").body(bytes(20).into())).await.unwrap();
    let impatient = Client::new(world.impatient(), Arc::clone(&keyring))
        .instruction_files(InstructionFiles::Always);
    world.faults().next(Operation::CopyObject, 1, Fault::LoseAnswer);
    let copy = CopyObjectInput::builder().bucket(BUCKET).key("k").copy_source("bucket/from");
    let failed = impatient.copy_object(copy).await;
    let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.operation(), "CopyObject");
    assert_eq!(open(&s3, "k").await, bytes(20));
}
