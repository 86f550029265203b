//! Calls that are dropped in the middle, and calls in the wrong order.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadInput;
use aws_sdk_s3::operation::delete_object::DeleteObjectInput;
use aws_sdk_s3::operation::head_object::HeadObjectInput;
use waxseal::s3::{Client, InstructionFiles, MultipartUpload, S3Failure, prepare};
use waxseal::{ApiMisuse, Error};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Fault, Operation, World};
use super::stored::{Stored, opened};

/// The least that a part may have.
const PART: usize = 5 << 20;

/// Polls a future at most so often, as often as it wakes, and drops it then; whether it was done.
async fn polled<F: IntoFuture>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future.into_future());
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Gives calls up after ever more polls, until one is done.
async fn given_up_everywhere<F: IntoFuture, C: Future<Output = ()>>(
    call: impl Fn() -> F,
    check: impl Fn() -> C,
) {
    for times in 1..10_000 {
        let done = polled(times, call()).await.is_some();
        check().await;
        if done {
            assert!(times > 1, "it was never given up");
            return;
        }
    }
    panic!("it is never done");
}

#[tokio::test]
async fn a_put_that_is_given_up_leaves_an_object_that_opens_or_none() {
    let keys = Keys::new();
    for keyring in [&keys.aes, &keys.aws] {
        let world = World::new();
        let s3 = client(&world, keyring);
        given_up_everywhere(
            || s3.put_object(put("k").body(bytes(100_000).into())),
            || async {
                if world.keys().contains(&"k".to_owned()) {
                    assert!(open(&s3, "k").await == bytes(100_000));
                }
            },
        )
        .await;
    }
}

#[tokio::test]
async fn reading_that_is_given_up_gives_nothing_and_harms_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(3000).into())).await.unwrap();
    let nothing = || async {};
    given_up_everywhere(|| s3.get_object(get("k")), nothing).await;
    given_up_everywhere(|| s3.get_object(get("k").range("bytes=5-9")).verified_range(), nothing)
        .await;
    given_up_everywhere(
        || s3.get_object(get("k").range("bytes=5-9")).unauthenticated_range(),
        nothing,
    )
    .await;
    for limit in [0, 1 << 20] {
        let s3 = s3.clone().buffer_limit(limit);
        for times in 1.. {
            let mut out = Vec::new();
            let done = polled(times, s3.download(get("k"), &mut out).part_len(1000)).await;
            // Nothing, or what is authentic: the whole or a beginning.
            assert!(bytes(3000).starts_with(&out), "{times}");
            if let Some(done) = done {
                done.unwrap();
                assert!(out == bytes(3000));
                break;
            }
        }
    }
    assert!(open(&s3, "k").await == bytes(3000));
}

#[tokio::test]
async fn a_download_that_was_not_authentic_wrote_nothing_wherever_it_is_given_up() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).buffer_limit(0);
    s3.put_object(put("k").body(bytes(3000).into())).await.unwrap();
    let mut body = world.stored("k");
    body[2999] ^= 1;
    let stored = Stored::at(&world, "k").await;
    stored.body(|all| *all = body).store(&world, "k").await;
    for times in 1.. {
        let mut out = Vec::new();
        let done = polled(times, s3.download(get("k"), &mut out).part_len(1000)).await;
        assert!(out.is_empty(), "{times}");
        if let Some(done) = done {
            assert!(matches!(done, Err(Error::Unauthentic(_))), "{done:?}");
            break;
        }
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_file_in_which_a_download_waits_never_has_plaintext() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).buffer_limit(0);
    let mark = b"this must not be on any disk ever";
    let body = mark.repeat(200);
    s3.put_object(put("k").body(body.clone().into())).await.unwrap();
    let ciphertext = world.stored("k");
    // Files of this process that have no name any more, as temporary ones have not.
    let nameless = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let is_nameless = |path: &std::path::PathBuf| {
            std::fs::read_link(path).is_ok_and(|to| to.to_string_lossy().ends_with(" (deleted)"))
        };
        let all: Vec<Vec<u8>> = files
            .map(|file| file.path())
            .filter(is_nameless)
            .filter_map(|path| std::fs::read(path).ok())
            .collect();
        all
    };
    let (looked, found) = (std::sync::Mutex::new(0), std::sync::Mutex::new(0));
    for times in 1.. {
        let mut out = Vec::new();
        let done = {
            let mut download = pin!(s3.download(get("k"), &mut out).part_len(1000).into_future());
            let mut left = times;
            std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(false);
                }
                left -= 1;
                let polled = download.as_mut().poll(cx).map(|done| done.is_ok());
                if left == 0 {
                    for file in nameless() {
                        *looked.lock().unwrap() += 1;
                        assert!(!file.windows(mark.len()).any(|window| window == mark));
                        if file.len() >= 1000 && ciphertext.starts_with(&file) {
                            *found.lock().unwrap() += 1;
                        }
                    }
                }
                polled
            })
            .await
        };
        if done {
            assert!(out == body);
            break;
        }
    }
    assert!(*found.lock().unwrap() > 0, "the file was never seen, in {looked:?} looks");
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_aborted() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(2 * PART + 1);
    for times in [5, 10, 20, 40, 80, 160, 320, 640] {
        world.faults().clear();
        let upload = s3.upload(put("k"), &body[..]).part_len(PART);
        if let Some(done) = polled(times, upload).await {
            done.unwrap();
            break;
        }
        let stored = world.keys().contains(&"k".to_owned());
        if stored {
            assert!(open(&s3, "k").await == body);
            continue;
        }
        // What was begun is aborted, but for a beginning whose answer did not come.
        let count = |operation| world.faults().count(operation);
        for _ in 0..100 {
            if count(Operation::AbortMultipartUpload) > 0 || count(Operation::UploadPart) == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let aborted = count(Operation::AbortMultipartUpload) > 0;
        assert!(aborted || count(Operation::UploadPart) == 0, "{times}");
    }
}

#[tokio::test]
async fn a_part_that_is_given_up_is_sent_as_it_is_or_the_upload_does_not_end() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(PART + 7);
    let (mut ended, mut refused) = (0, 0);
    for times in [1, 2, 3, 4, 8, 16, 64] {
        let upload = begun(&s3).await;
        let first = polled(times, upload.upload_part(1, body[..PART].to_vec())).await;
        if first.is_none() {
            let again = upload.upload_part(1, body[..PART].to_vec()).await;
            assert!(matches!(again, Err(Error::ApiMisuse(ApiMisuse::Order(_)))), "{again:?}");
            // Where it was encrypted, its ciphertext is there.
            drop(upload.resend_part(1).await);
        }
        match upload.upload_last_part(2, body[PART..].to_vec()).await {
            Ok(_) => {
                upload.complete(Default::default()).await.unwrap();
                assert!(open(&s3, "k").await == body, "{times}");
                ended += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Order(_))), "{error:?}");
                let early = upload.complete(Default::default()).await;
                assert!(matches!(early, Err(Error::ApiMisuse(_))), "{early:?}");
                upload.abort().await.unwrap();
                refused += 1;
            }
        }
    }
    assert!(ended > 0 && refused > 0, "{ended} {refused}");
}

#[tokio::test]
async fn an_instruction_file_that_was_not_stored_is_stored_by_completing_again() {
    let (world, keyring) = (World::new(), aes());
    let s3 = Client::new(world.impatient(), Arc::clone(&keyring))
        .instruction_files(InstructionFiles::Always);
    let upload = begun(&s3).await;
    upload.upload_last_part(1, bytes(7)).await.unwrap();
    world.faults().next(Operation::PutObject, 1, Fault::Refuse(503, "SlowDown"));
    let failed = upload.complete(Default::default()).await;
    let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.on(), "bucket/k.instruction");
    assert_eq!(world.keys(), ["k"]);
    upload.complete(Default::default()).await.unwrap();
    assert_eq!(world.faults().count(Operation::CompleteMultipartUpload), 1);
    assert_eq!(open(&s3, "k").await, bytes(7));

    // Given up at any point, it can be completed again.
    for times in 1.. {
        let upload = begun(&s3).await;
        upload.upload_last_part(1, bytes(9)).await.unwrap();
        if polled(times, upload.complete(Default::default())).await.is_some() {
            break;
        }
        // Also where the first call was answered, but nobody heard it.
        upload.complete(Default::default()).await.unwrap();
        assert_eq!(open(&s3, "k").await, bytes(9));
    }
}

#[tokio::test]
async fn other_calls_that_are_given_up_do_all_or_nothing() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("from").body(bytes(100).into())).await.unwrap();
    let copy = || {
        let input = CopyObjectInput::builder().bucket(BUCKET).key("k").copy_source("bucket/from");
        Box::pin(s3.copy_object(input))
    };
    let whole = || async {
        if world.keys().contains(&"k".to_owned()) {
            assert_eq!(open(&s3, "k").await, bytes(100));
        }
    };
    given_up_everywhere(copy, whole).await;
    let delete =
        || Box::pin(s3.delete_object(DeleteObjectInput::builder().bucket(BUCKET).key("k")));
    given_up_everywhere(delete, whole).await;
    assert_eq!(world.keys(), ["from"]);
}

#[tokio::test]
async fn rewrapping_that_is_given_up_leaves_an_object_that_one_of_the_keys_opens() {
    let (old, new) = (aes(), aes());
    for files in [InstructionFiles::Never, InstructionFiles::Always] {
        let world = World::new();
        let s3 = client(&world, &old).instruction_files(files);
        s3.put_object(put("k").body(bytes(100).into())).await.unwrap();
        let reader = s3.clone().instruction_files(InstructionFiles::Read);
        for times in 1.. {
            let input = HeadObjectInput::builder().bucket(BUCKET).key("k");
            let done = polled(times, reader.rewrap(input, &*new)).await;
            let (by_old, by_new) = (
                opened(&reader, "k").await,
                opened(&reader.with_keyring(Arc::clone(&new)), "k").await,
            );
            assert!(by_old.is_ok() != by_new.is_ok(), "{times}");
            assert_eq!(by_old.or(by_new).unwrap(), bytes(100));
            if let Some(done) = done {
                done.unwrap();
                break;
            }
        }
    }
}

#[tokio::test]
async fn parts_in_a_wrong_order_are_refused_and_the_upload_goes_on() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let body = bytes(2 * PART + 7);
    let part = |number: usize| body[(number - 1) * PART..(number * PART).min(body.len())].to_vec();
    let upload = begun(&s3).await;
    let misused = |result: Result<(), Error>| {
        assert!(matches!(result, Err(Error::ApiMisuse(_))), "{result:?}")
    };
    let done = |_| ();
    for number in [i32::MIN, -1, 0, 10_001, i32::MAX] {
        misused(upload.upload_part(number, part(1)).await.map(done));
        misused(upload.upload_last_part(number, Vec::new()).await.map(done));
    }
    for len in [0, 1, PART - 1, PART + 1] {
        misused(upload.upload_part(1, bytes(len)).await.map(done));
    }
    misused(upload.upload_last_part(1, bytes(PART + 1)).await.map(done));
    misused(upload.complete(Default::default()).await.map(drop));
    misused(upload.resend_part(1).await.map(done));
    upload.upload_part(2, part(2)).await.unwrap();
    misused(upload.upload_last_part(3, part(3)).await.map(done));
    misused(upload.upload_last_part(1, part(3)).await.map(done));
    upload.upload_part(1, part(1)).await.unwrap();
    misused(upload.upload_part(1, part(1)).await.map(done));
    misused(upload.resend_part(1).await.map(done));
    misused(upload.upload_last_part(4, part(3)).await.map(done));
    misused(upload.complete(Default::default()).await.map(drop));
    upload.upload_last_part(3, part(3)).await.unwrap();
    misused(upload.upload_last_part(4, Vec::new()).await.map(done));
    misused(upload.upload_part(4, part(1)).await.map(done));
    upload.complete(Default::default()).await.unwrap();
    assert!(open(&s3, "k").await == body);
    // Completing again says the same; aborting what is done is for S3 to answer.
    upload.complete(Default::default()).await.unwrap();
    drop(upload.abort().await);
    assert!(open(&s3, "k").await == body);

    let upload = begun(&s3).await;
    upload.abort().await.unwrap();
    let gone = upload.upload_last_part(1, Vec::new()).await;
    let Err(Error::S3(error)) = gone else { panic!("{gone:?}") };
    assert_eq!(error.failure(), &S3Failure::NoSuchUpload);
    assert!(open(&s3, "k").await == body);
}

/// It would come behind the last one in the tag, and nothing would open the object.
#[tokio::test]
async fn nothing_comes_beside_a_last_part_that_is_still_encrypted() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let upload = begun(&s3).await;
    assert!(polled(1, upload.upload_last_part(1, bytes(PART))).await.is_none());
    let beside = upload.upload_part(2, bytes(PART)).await;
    assert!(matches!(beside, Err(Error::ApiMisuse(ApiMisuse::Order(_)))), "{beside:?}");
    assert!(upload.complete(Default::default()).await.is_err());
}

#[tokio::test]
async fn a_body_in_parts_has_no_tag_unless_every_part_was_sealed_once() {
    let keyring = aes();
    let sealer = || async { prepare(&keyring).await.unwrap().into_part_sealer() };
    let mut part = [1; 16];
    // One that was dropped.
    let parts = sealer().await;
    drop(parts.next_part(16).unwrap());
    assert!(matches!(parts.finish(Vec::new()), Err(Error::ApiMisuse(ApiMisuse::Order(_)))));
    // One of another body, in place of its own and in addition.
    let (parts, others) = (sealer().await, sealer().await);
    let own = parts.next_part(16).unwrap().seal(&mut part).unwrap();
    let other = others.next_part(16).unwrap().seal(&mut part).unwrap();
    assert!(matches!(parts.finish(vec![own, other]), Err(Error::ApiMisuse(ApiMisuse::Order(_)))));
    // One behind the end.
    let parts = sealer().await;
    let _end = parts.next_part(5).unwrap();
    assert!(matches!(parts.next_part(16), Err(Error::ApiMisuse(ApiMisuse::Order(_)))));
    // A ticket that fails seals nothing, and its part cannot be sealed again.
    let parts = sealer().await;
    let ticket = parts.next_part(16).unwrap();
    let mut long = [7; 17];
    assert!(ticket.seal(&mut long).is_err());
    assert_eq!(long, [7; 17]);
    assert!(parts.finish(Vec::new()).is_err());
}

async fn begun(s3: &Client) -> MultipartUpload {
    let input = CreateMultipartUploadInput::builder().bucket(BUCKET).key("k");
    s3.create_multipart_upload(input, PART).await.unwrap()
}
