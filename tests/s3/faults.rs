//! What a broken network, a failing S3 and somebody else who writes to the bucket must not bring about.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use waxseal::s3::{Client, InstructionFiles, Policy, S3Failure};
use waxseal::{CommitmentPolicy, Error};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{Fault, Operation, World};

const PART: usize = 5 << 20;

#[tokio::test]
async fn a_body_in_memory_is_sent_again_bit_by_bit_the_same() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    world.faults().next(Operation::PutObject, 1, Fault::Refuse(503, "SlowDown"));
    world.faults().next(Operation::PutObject, 1, Fault::LoseAnswer);
    s3.put_object(put("k").body(bytes(100).into())).await.unwrap();
    let seen = world.faults().seen();
    assert_eq!(seen.len(), 3);
    for header in ["x-amz-meta-x-amz-3", "x-amz-meta-x-amz-i", "x-amz-checksum-crc32"] {
        assert!(seen[0].header(header).is_some(), "{header}");
        assert_eq!(seen[0].header(header), seen[2].header(header), "{header}");
    }
    assert_eq!(open(&s3, "k").await, bytes(100));
}

#[tokio::test]
async fn parts_that_s3_does_not_take_are_sent_again() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(2 * PART + 1);
    world.faults().next(Operation::UploadPart, 1, Fault::Refuse(503, "SlowDown"));
    world.faults().next(Operation::UploadPart, 1, Fault::LoseAnswer);
    s3.upload(put("k"), &body[..]).part_len(PART).parallelism(1).await.unwrap();
    assert_eq!(world.faults().count(Operation::UploadPart), 5);
    assert!(open(&s3, "k").await == body);
}

#[tokio::test]
async fn an_upload_that_fails_is_given_up() {
    let (world, keyring) = (World::new(), aes());
    let s3 = Client::new(world.impatient(), keyring);
    let body = bytes(3 * PART);
    for (operation, fault) in [
        (Operation::UploadPart, Fault::Refuse(503, "SlowDown")),
        (Operation::UploadPart, Fault::HangUp),
        (Operation::CompleteMultipartUpload, Fault::Refuse(500, "InternalError")),
    ] {
        world.faults().clear();
        world.faults().next(operation, 1, fault);
        let failed = s3.upload(put("k"), &body[..]).part_len(PART).await;
        assert!(matches!(failed, Err(Error::S3(_))), "{failed:?}");
        assert_eq!(world.keys(), [""; 0]);
        assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 1, "{operation:?}");
    }
}

#[tokio::test]
async fn nothing_is_given_of_an_object_that_was_changed() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("k").body(bytes(1000).into())).await.unwrap();
    let mut faults: Vec<_> = [0, 1, 999, 1000, 1015].map(Fault::FlipByte).into();
    faults.extend([0, 15, 16, 1000, 1015].map(Fault::Truncate));
    faults.extend([1, 16, 1000].map(Fault::Extend));
    for fault in faults {
        world.faults().next(Operation::GetObject, 1, fault);
        let got = s3.get_object(get("k")).await;
        assert!(matches!(got, Err(Error::Unauthentic(_))), "{fault:?}: {got:?}");
        world.faults().next(Operation::GetObject, 1, fault);
        let got = s3.get_object(get("k").range("bytes=0-1")).verified_range().await;
        assert!(matches!(got, Err(Error::Unauthentic(_))), "{fault:?}: {got:?}");
        // Whoever takes it early is told at the end.
        world.faults().next(Operation::GetObject, 1, fault);
        let got = s3.get_object(get("k")).release_unauthenticated().await.unwrap();
        assert!(got.body.collect().await.is_err(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_download_of_a_changed_object_writes_nothing() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("k").body(bytes(1000).into())).await.unwrap();
    for limit in [0, 1 << 20] {
        let s3 = s3.clone().buffer_limit(limit);
        for at in [0, 300] {
            world.faults().next(Operation::GetObject, 1, Fault::FlipByte(at));
            let mut plaintext = Vec::new();
            let download = s3.download(get("k"), &mut plaintext).part_len(400);
            let failed = download.parallelism(1).await;
            assert!(matches!(failed, Err(Error::Unauthentic(_))), "{failed:?}");
            assert!(plaintext.is_empty());
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_or_is_asked_for_again() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("k").body(bytes(1000).into())).await.unwrap();
    world.faults().next(Operation::GetObject, 1, Fault::CutBody(500));
    let got = s3.get_object(get("k")).await;
    let Err(Error::S3(error)) = got else { panic!("{got:?}") };
    assert!(matches!(error.failure(), S3Failure::Unreachable(_)), "{error:?}");
    world.faults().clear();
    world.faults().next(Operation::GetObject, 2, Fault::CutBody(100));
    let mut plaintext = Vec::new();
    s3.download(get("k"), &mut plaintext).part_len(600).parallelism(1).await.unwrap();
    assert_eq!(plaintext, bytes(1000));
    assert_eq!(world.faults().count(Operation::GetObject), 4);
}

#[tokio::test]
async fn a_download_is_of_one_version() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("k").body(bytes(1000).into())).await.unwrap();
    let again = s3.clone();
    world.faults().before(Operation::GetObject, 2, move || async move {
        again.put_object(put("k").body(bytes(1000).into())).await.unwrap();
    });
    let mut plaintext = Vec::new();
    let failed = s3.download(get("k"), &mut plaintext).part_len(400).parallelism(1).await;
    let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
    assert!(plaintext.is_empty());
}

#[tokio::test]
async fn a_stream_is_not_sent_twice() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes(100_000)).unwrap();
    for fault in [Fault::Refuse(503, "SlowDown"), Fault::HangUp] {
        world.faults().clear();
        world.faults().next(Operation::PutObject, 1, fault);
        let body = ByteStream::from_path(file.path()).await.unwrap();
        let failed = s3.put_object(put("k").body(body)).await;
        assert!(matches!(failed, Err(Error::S3(_))), "{failed:?}");
        assert_eq!(world.faults().count(Operation::PutObject), 1);
        assert_eq!(world.keys(), [""; 0]);
    }
}

#[tokio::test]
async fn an_upload_that_is_dropped_is_given_up() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(PART + 1);
    // The reader never ends, so that the upload can only be dropped.
    let (reader, mut writer) = tokio::io::duplex(1 << 20);
    let upload = s3.upload(put("k"), reader).part_len(PART);
    let feed = async {
        tokio::io::AsyncWriteExt::write_all(&mut writer, &body).await.unwrap();
        while world.faults().count(Operation::UploadPart) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        done = upload.into_future() => panic!("{done:?}"),
        () = feed => {}
    }
    for _ in 0..400 {
        if world.faults().count(Operation::AbortMultipartUpload) == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the parts are still there");
}

#[tokio::test]
async fn metadata_that_was_changed_opens_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    for commitment in [
        CommitmentPolicy::RequireEncryptRequireDecrypt,
        CommitmentPolicy::ForbidEncryptAllowDecrypt,
    ] {
        for keyring in keys.all() {
            let s3 = client(&world, keyring).policy(Policy::default().commitment(commitment));
            let body = bytes(100);
            s3.put_object(put("k").body(body.clone().into())).await.unwrap();
            let stored = (world.metadata("k").await, world.stored("k"));
            for (name, value) in &stored.0 {
                // The content knows the length that is stated. What describes a raw key only helps to find it;
                // with AWS KMS it is the encryption context.
                let is_kms = std::ptr::eq(keyring, &keys.aws);
                if name == "x-amz-unencrypted-content-length" || name == "x-amz-matdesc" && !is_kms
                {
                    continue;
                }
                for change in [None, Some(String::new()), Some(other(value))] {
                    let mut metadata = stored.0.clone();
                    match &change {
                        None => metadata.remove(name),
                        Some(value) => metadata.insert(name.clone(), value.clone()),
                    };
                    world.put_with("k", &stored.1, metadata).await;
                    let got = s3.get_object(get("k")).await;
                    assert!(got.is_err(), "{name}: {change:?}");
                    let range = s3.get_object(get("k").range("bytes=0-1"));
                    let got = range.unauthenticated_range().await;
                    // Without a commitment nothing tells that this is the key and that the IV is its own.
                    let commits = commitment == CommitmentPolicy::RequireEncryptRequireDecrypt;
                    assert!(got.is_err() || !commits, "{name}: {change:?}");
                }
            }
            world.put_with("k", &stored.1, stored.0.clone()).await;
            assert_eq!(open(&s3, "k").await, body);
        }
    }
}

#[tokio::test]
async fn the_instruction_file_of_another_object_opens_nothing() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    for key in ["a", "b"] {
        s3.put_object(put(key).body(bytes(100).into())).await.unwrap();
    }
    let own = world.stored("a.instruction");
    world.put("a.instruction", &world.stored("b.instruction")).await;
    let got = s3.get_object(get("a")).await;
    assert!(matches!(got, Err(Error::Unauthentic(_))), "{got:?}");
    for text in [&b""[..], b"{}", b"[]", b"null", b"{\"x-amz-3\":1}", b"\xff"] {
        world.put("a.instruction", text).await;
        let got = s3.get_object(get("a")).await;
        assert!(matches!(got, Err(Error::Object(_))), "{text:?}: {got:?}");
    }
    world.put("a.instruction", &vec![b' '; 8 << 20]).await;
    let got = s3.get_object(get("a")).await;
    assert!(matches!(got, Err(Error::Object(_))), "{got:?}");
    world.put("a.instruction", &own).await;
    assert_eq!(open(&s3, "a").await, bytes(100));
}

/// The same with another first character, which is still Base64, a number or a word.
fn other(value: &str) -> String {
    let first = match value.chars().next() {
        Some('A') => 'B',
        Some('1') => '2',
        _ => 'A',
    };
    value.chars().skip(1).fold(String::from(first), |text, next| text + &String::from(next))
}
