//! Objects of any size: uploaded in parts, downloaded in ranges.

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadInput;
use waxseal::s3::{Client, InstructionFiles, Policy};
use waxseal::{ApiMisuse, CommitmentPolicy, Error, PolicyError};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Fault, Operation, World};

/// The least that a part may have.
const PART: usize = 5 << 20;

#[tokio::test]
async fn what_is_uploaded_comes_back_whatever_its_length() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for (len, parts) in [(0, 0), (1, 0), (PART, 0), (PART + 1, 2), (3 * PART, 3), (3 * PART + 5, 4)]
    {
        for parallelism in [1, 4] {
            world.faults().clear();
            let body = bytes(len);
            let upload = s3.upload(put("k").metadata("own", "1"), &body[..]);
            let output = upload.part_len(PART).parallelism(parallelism).await.unwrap();
            assert_eq!(world.faults().count(Operation::UploadPart), parts, "{len}");
            assert_eq!(world.faults().count(Operation::PutObject), usize::from(parts == 0));
            assert_eq!(world.stored("k").len(), len + 16);
            let got = s3.get_object(get("k")).await.unwrap();
            assert_eq!(got.e_tag, output.e_tag);
            assert_eq!(got.metadata.as_ref().unwrap()["own"], "1");
            assert!(got.body.collect().await.unwrap().to_vec() == body, "{len} {parallelism}");
        }
    }
}

#[tokio::test]
async fn an_upload_has_a_context_and_an_instruction_file() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws).instruction_files(InstructionFiles::Always);
    let body = bytes(PART + 1);
    let upload = s3.upload(put("k"), &body[..]).context([("tenant", "42")]);
    upload.part_len(PART).await.unwrap();
    assert_eq!(world.keys(), ["k", "k.instruction"]);
    assert!(s3.get_object(get("k")).await.is_err());
    let got = s3.get_object(get("k")).context([("tenant", "42")]).await.unwrap();
    assert!(got.body.collect().await.unwrap().to_vec() == body);
}

#[tokio::test]
async fn parts_may_be_given_in_any_order_and_at_once() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(3 * PART + 7);
    let part = |number: usize| body[(number - 1) * PART..(number * PART).min(body.len())].to_vec();
    let input = || CreateMultipartUploadInput::builder().bucket(BUCKET).key("k");
    let upload = s3.create_multipart_upload(input(), PART).await.unwrap();
    upload.upload_part(2, part(2)).await.unwrap();
    let (first, third) =
        tokio::join!(upload.upload_part(1, part(1)), upload.upload_part(3, part(3)));
    first.unwrap();
    third.unwrap();
    let twice = upload.upload_part(2, part(2)).await;
    assert!(matches!(twice, Err(Error::ApiMisuse(_))), "{twice:?}");
    upload.upload_last_part(4, part(4)).await.unwrap();
    upload.complete(Default::default()).await.unwrap();
    assert!(open(&s3, "k").await == body);

    // What is aborted leaves what was there.
    let upload = s3.create_multipart_upload(input(), PART).await.unwrap();
    upload.upload_part(1, part(1)).await.unwrap();
    let gap = upload.complete(Default::default()).await;
    assert!(matches!(gap, Err(Error::ApiMisuse(_))), "{gap:?}");
    upload.abort().await.unwrap();
    assert!(open(&s3, "k").await == body);
}

#[tokio::test]
async fn a_part_that_failed_is_sent_again_and_never_encrypted_again() {
    let (world, keyring) = (World::new(), aes());
    let s3 = Client::new(world.impatient(), keyring);
    let body = bytes(PART + 7);
    let (first, last) = body.split_at(PART);
    let input = CreateMultipartUploadInput::builder().bucket(BUCKET).key("k");
    let upload = s3.create_multipart_upload(input, PART).await.unwrap();
    world.faults().next(Operation::UploadPart, 1, Fault::LoseAnswer);
    assert!(matches!(upload.upload_part(1, first.to_vec()).await, Err(Error::S3(_))));
    let other = upload.upload_part(1, last.repeat(PART)[..PART].to_vec()).await;
    assert!(matches!(other, Err(Error::ApiMisuse(_))), "{other:?}");
    upload.upload_last_part(2, last.to_vec()).await.unwrap();
    let gap = upload.complete(Default::default()).await;
    assert!(matches!(gap, Err(Error::ApiMisuse(_))), "{gap:?}");
    upload.resend_part(1).await.unwrap();
    assert!(matches!(upload.resend_part(1).await, Err(Error::ApiMisuse(_))));
    let sent = world.faults().seen();
    let checksums: Vec<_> = sent
        .iter()
        .filter(|seen| seen.query.contains("partNumber=1"))
        .map(|seen| seen.header("x-amz-checksum-crc32").unwrap())
        .collect();
    assert_eq!((checksums.len(), checksums[0]), (2, checksums[1]));
    upload.complete(Default::default()).await.unwrap();
    assert!(open(&s3, "k").await == body);
}

#[tokio::test]
async fn every_keyring_and_both_formats_can_be_uploaded_and_downloaded() {
    let (world, keys) = (World::new(), Keys::new());
    let body = bytes(PART + 17);
    for keyring in keys.all() {
        for commitment in [
            CommitmentPolicy::RequireEncryptRequireDecrypt,
            CommitmentPolicy::ForbidEncryptAllowDecrypt,
        ] {
            let s3 = client(&world, keyring).policy(Policy::default().commitment(commitment));
            s3.upload(put("k"), &body[..]).part_len(PART).await.unwrap();
            let mut plaintext = Vec::new();
            s3.download(get("k"), &mut plaintext).part_len(1 << 20).await.unwrap();
            assert!(plaintext == body, "{commitment:?}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_fails_leaves_nothing() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let reader = tokio::io::AsyncReadExt::chain(std::io::Cursor::new(bytes(2 * PART)), Broken);
    let failed = s3.upload(put("k"), reader).part_len(PART).await;
    let Err(Error::Io(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.get_ref().to_string(), "the disk is gone");
    assert_eq!(world.keys(), [""; 0]);
    assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 1);
    assert_eq!(world.faults().count(Operation::CompleteMultipartUpload), 0);
}

#[tokio::test]
async fn parts_have_the_lengths_that_s3_and_the_cipher_allow() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for len in [0, PART - 16, PART + 1] {
        let refused = s3.upload(put("k"), &b"hello"[..]).part_len(len).await;
        assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{refused:?}");
    }
    assert!(world.faults().seen().is_empty());
}

#[tokio::test]
async fn downloads_wait_in_a_file_where_memory_is_not_enough() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for len in [0, 1, 100_000, 300_001] {
        let body = bytes(len);
        s3.put_object(put("k").body(body.clone().into())).await.unwrap();
        for limit in [0, 100_016, 1 << 20] {
            let s3 = s3.clone().buffer_limit(limit);
            for parallelism in [1, 4] {
                let mut plaintext = Vec::new();
                let download = s3.download(get("k"), &mut plaintext);
                let done = download.part_len(64 << 10).parallelism(parallelism).await.unwrap();
                assert!(plaintext == body, "{len} {limit}");
                assert_eq!(done.plaintext_len(), u64::try_from(len).unwrap());
                let mut plaintext = Vec::new();
                let download = s3.download(get("k"), &mut plaintext).release_unauthenticated();
                download.part_len(64 << 10).parallelism(parallelism).await.unwrap();
                assert!(plaintext == body, "{len} {limit}");
            }
            let got = s3.get_object(get("k")).await;
            if u64::try_from(len + 16).unwrap() > limit {
                assert!(matches!(got, Err(Error::Policy(PolicyError::BufferLimit { .. }))));
            } else {
                assert!(got.unwrap().body.collect().await.unwrap().to_vec() == body);
            }
        }
    }
}

/// A reader that has nothing but an error.
struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(std::io::Error::other("the disk is gone")))
    }
}
