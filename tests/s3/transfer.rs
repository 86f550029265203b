//! Objects of any size: uploaded in parts, downloaded in ranges.

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadInput;
use waxseal::s3::InstructionFiles;
use waxseal::{ApiMisuse, Error, PolicyError};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Operation, World};

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
    (first.unwrap(), third.unwrap());
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
