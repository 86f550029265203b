//! What the other tests rely on: that the embedded S3 does as Amazon's does.

use std::sync::Arc;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::upload_part::UploadPartOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Delete, MetadataDirective, ObjectIdentifier,
};

use super::server::{BUCKET, Fault, Operation, World, refused};

#[tokio::test]
async fn metadata_and_headers_come_back_as_they_were_put() {
    let world = World::new();
    let put = world.sdk().put_object().bucket(BUCKET).key("a/b").body(b"hello".to_vec().into());
    let put = put.metadata("x-amz-iv", "value").metadata("other", "two words");
    let put = put.content_type("text/x").cache_control("no-store").content_language("en");
    let put = put.content_disposition("inline").content_encoding("gzip").send().await.unwrap();
    let head = world.sdk().head_object().bucket(BUCKET).key("a/b").send().await.unwrap();
    let got = get(&world, "a/b", None).await;
    let metadata = got.metadata.as_ref().unwrap();
    assert_eq!(metadata.len(), 2);
    assert_eq!(metadata["x-amz-iv"], "value");
    assert_eq!(metadata["other"], "two words");
    assert_eq!(head.metadata.as_ref(), Some(metadata));
    assert_eq!((head.content_length, got.content_length), (Some(5), Some(5)));
    assert_eq!(got.e_tag.as_deref(), Some("\"5d41402abc4b2a76b9719d911017c592\""), "MD5 of hello");
    assert_eq!((&put.e_tag, &head.e_tag), (&got.e_tag, &got.e_tag));
    assert_eq!(got.content_type.as_deref(), Some("text/x"));
    assert_eq!(got.cache_control.as_deref(), Some("no-store"));
    assert_eq!(got.content_language.as_deref(), Some("en"));
    assert_eq!(got.content_disposition.as_deref(), Some("inline"));
    assert_eq!(got.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(head.content_encoding.as_deref(), Some("gzip"));
    assert_eq!(bytes(got).await, b"hello");
}

#[tokio::test]
async fn a_body_whose_checksum_comes_last_is_stored_without_its_wrapping() {
    let world = World::new();
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), vec![7; 100_000]).unwrap();
    let body = ByteStream::from_path(path.path()).await.unwrap();
    let put = world.sdk().put_object().bucket(BUCKET).key("k").content_encoding("br").body(body);
    put.send().await.unwrap();
    assert_eq!(world.stored("k"), vec![7; 100_000]);
    assert_eq!(get(&world, "k", None).await.content_encoding.as_deref(), Some("br"));
    let body = ByteStream::from_path(path.path()).await.unwrap();
    world.sdk().put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
    assert_eq!(get(&world, "k", None).await.content_encoding, None);
}

#[tokio::test]
async fn metadata_may_have_two_thousand_and_forty_eight_bytes() {
    let world = World::new();
    let put = |len| {
        let put = world.sdk().put_object().bucket(BUCKET).key("k").body(b"hello".to_vec().into());
        put.metadata("four", "v".repeat(len)).send()
    };
    put(2044).await.unwrap();
    assert_eq!(refused(put(2045).await), (400, "MetadataTooLarge".to_owned()));
}

#[tokio::test]
async fn what_is_not_there_is_missing() {
    let world = World::new();
    world.put("a/b", b"hello").await;
    for key in ["k", "a"] {
        let got = world.sdk().get_object().bucket(BUCKET).key(key).send().await;
        assert_eq!(refused(got), (404, "NoSuchKey".to_owned()));
        let head = world.sdk().head_object().bucket(BUCKET).key(key).send().await;
        assert_eq!(refused(head).0, 404);
    }
    let got = world.sdk().get_object().bucket("other").key("k").send().await;
    assert_eq!(refused(got), (404, "NoSuchBucket".to_owned()));
    let body = ByteStream::from_static(b"hello");
    let put = world.sdk().put_object().bucket("other").key("k").body(body).send().await;
    assert_eq!(refused(put), (404, "NoSuchBucket".to_owned()));
}

#[tokio::test]
async fn conditions_are_kept() {
    let world = World::new();
    let first = world.put("k", b"hello").await;
    let get = || world.sdk().get_object().bucket(BUCKET).key("k");
    assert_eq!(bytes(get().if_match(&first).send().await.unwrap()).await, b"hello");
    assert_eq!(refused(get().if_match("\"other\"").send().await).0, 412);
    assert_eq!(refused(get().if_none_match(&first).send().await).0, 304);
    get().if_none_match("\"other\"").send().await.unwrap();
    let head = || world.sdk().head_object().bucket(BUCKET).key("k");
    head().if_match(&first).send().await.unwrap();
    assert_eq!(refused(head().if_match("\"other\"").send().await).0, 412);
    assert_eq!(refused(head().if_none_match(&first).send().await).0, 304);

    let put = |key: &str| {
        let body = ByteStream::from_static(b"changed");
        world.sdk().put_object().bucket(BUCKET).key(key).body(body)
    };
    assert_eq!(refused(put("k").if_none_match("*").send().await), precondition_failed());
    assert_eq!(refused(put("k").if_match("\"other\"").send().await), precondition_failed());
    assert_eq!(world.stored("k"), b"hello");
    assert_eq!(refused(put("new").if_match(&first).send().await).0, 404);
    put("new").if_none_match("*").send().await.unwrap();
    put("k").if_match(&first).send().await.unwrap();
    assert_eq!(world.stored("k"), b"changed");
}

#[tokio::test]
async fn ranges_are_those_of_the_bytes() {
    let world = World::new();
    let body: Vec<u8> = (0..40).collect();
    world.put("k", &body).await;
    for (range, expected, content_range) in [
        ("bytes=0-0", &body[..1], "bytes 0-0/40"),
        ("bytes=7-20", &body[7..21], "bytes 7-20/40"),
        ("bytes=39-", &body[39..], "bytes 39-39/40"),
        ("bytes=30-1000", &body[30..], "bytes 30-39/40"),
        ("bytes=-1", &body[39..], "bytes 39-39/40"),
        ("bytes=-40", &body[..], "bytes 0-39/40"),
        ("bytes=-1000", &body[..], "bytes 0-39/40"),
    ] {
        let got = get(&world, "k", Some(range)).await;
        assert_eq!(got.content_range.as_deref(), Some(content_range), "{range}");
        assert_eq!(got.content_length, Some(i64::try_from(expected.len()).unwrap()), "{range}");
        assert_eq!(bytes(got).await, expected, "{range}");
    }
    world.put("empty", b"").await;
    for (key, range) in [
        ("k", "bytes=40-"),
        ("k", "bytes=40-50"),
        ("k", "bytes=-0"),
        ("empty", "bytes=0-"),
        ("empty", "bytes=-1"),
    ] {
        let got = world.sdk().get_object().bucket(BUCKET).key(key).range(range).send().await;
        assert_eq!(refused(got), (416, "InvalidRange".to_owned()), "{key} {range}");
    }
    let whole = get(&world, "empty", None).await;
    assert_eq!((whole.content_length, whole.content_range.as_deref()), (Some(0), None));
}

#[tokio::test]
async fn a_copy_onto_itself_replaces_the_metadata_only() {
    let world = World::new();
    let put = world.sdk().put_object().bucket(BUCKET).key("a/k").body(b"hello".to_vec().into());
    let first = put.metadata("old", "1").content_type("text/x").send().await.unwrap();
    let e_tag = first.e_tag.unwrap();
    let copy = || world.sdk().copy_object().bucket(BUCKET).key("a/k").copy_source("bucket/a/k");
    assert_eq!(refused(copy().send().await), (400, "InvalidRequest".to_owned()));
    let replace = || copy().metadata_directive(MetadataDirective::Replace).metadata("new", "2");
    let other = replace().copy_source_if_match("\"other\"").send().await;
    assert_eq!(refused(other), precondition_failed());
    assert_eq!(get(&world, "a/k", None).await.metadata.unwrap()["old"], "1");
    replace().copy_source_if_match(&e_tag).content_type("text/y").send().await.unwrap();
    let got = get(&world, "a/k", None).await;
    let metadata = got.metadata.as_ref().unwrap();
    assert_eq!((metadata.len(), metadata["new"].as_str()), (1, "2"));
    assert_eq!(got.content_type.as_deref(), Some("text/y"));
    assert_eq!(bytes(got).await, b"hello");

    let copy = world.sdk().copy_object().bucket(BUCKET).key("copy").copy_source("bucket/a/k");
    copy.send().await.unwrap();
    let got = get(&world, "copy", None).await;
    assert_eq!(got.metadata.as_ref().unwrap()["new"], "2");
    assert_eq!(bytes(got).await, b"hello");
    let copy = world.sdk().copy_object().bucket(BUCKET).key("copy").copy_source("bucket/none");
    assert_eq!(refused(copy.send().await), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn parts_may_come_in_any_order() {
    let world = World::new();
    // What it replaces leaves nothing behind, such as its checksum.
    world.put("k", b"before").await;
    let create = world.sdk().create_multipart_upload().bucket(BUCKET).key("k");
    let id =
        create.metadata("m", "1").content_type("text/x").send().await.unwrap().upload_id.unwrap();
    let parts = [vec![1; PART], vec![2; PART], vec![3; 10]];
    let mut completed = [
        CompletedPart::builder().build(),
        CompletedPart::builder().build(),
        CompletedPart::builder().build(),
    ];
    for number in [3, 1, 2] {
        let at = usize::try_from(number - 1).unwrap();
        completed[at] = complete(number, &upload(&world, &id, number, &parts[at]).await);
    }
    assert_eq!(world.stored("k"), b"before");
    assert_eq!(
        refused(finish(&world, &id, completed.iter().rev()).await),
        (400, "InvalidPartOrder".to_owned())
    );
    let wrong = CompletedPart::builder().part_number(2).e_tag("\"other\"").build();
    let listed = [&completed[0], &wrong, &completed[2]];
    assert_eq!(refused(finish(&world, &id, listed).await), (400, "InvalidPart".to_owned()));
    let output = finish(&world, &id, &completed).await.unwrap();
    assert!(output.e_tag.as_ref().unwrap().ends_with("-3\""), "{output:?}");
    let got = get(&world, "k", None).await;
    assert_eq!(got.e_tag, output.e_tag);
    assert_eq!(got.metadata.as_ref().unwrap()["m"], "1");
    assert_eq!(got.content_type.as_deref(), Some("text/x"));
    assert!(bytes(got).await == parts.concat());
    // It is over.
    let late = world.sdk().upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(4);
    let late = late.body(ByteStream::from_static(b"late")).send().await;
    assert_eq!(refused(late), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn an_upload_that_is_aborted_leaves_nothing() {
    let world = World::new();
    let create = world.sdk().create_multipart_upload().bucket(BUCKET).key("k").send();
    let id = create.await.unwrap().upload_id.unwrap();
    let part = complete(1, &upload(&world, &id, 1, b"hello").await);
    let abort =
        || world.sdk().abort_multipart_upload().bucket(BUCKET).key("k").upload_id(&id).send();
    abort().await.unwrap();
    assert_eq!(world.keys(), [""; 0]);
    assert_eq!(refused(abort().await), (404, "NoSuchUpload".to_owned()));
    assert_eq!(refused(finish(&world, &id, [&part]).await), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn a_part_with_a_wrong_checksum_is_refused() {
    let world = World::new();
    let create = world.sdk().create_multipart_upload().bucket(BUCKET).key("k").send();
    let id = create.await.unwrap().upload_id.unwrap();
    let part = || {
        let part = world.sdk().upload_part().bucket(BUCKET).key("k").upload_id(&id).part_number(1);
        part.body(ByteStream::from_static(b"hello"))
    };
    // CRC-32 of `hello` is 3610a686.
    let output = part().checksum_crc32("NhCmhg==").send().await.unwrap();
    assert_eq!(output.checksum_crc32.as_deref(), Some("NhCmhg=="));
    let wrong = part().checksum_crc32("NhCmhw==").send().await;
    assert_eq!(refused(wrong), (400, "BadDigest".to_owned()));
    // The SDK's own comes after the body, or before it.
    assert_eq!(part().send().await.unwrap().checksum_crc32.as_deref(), Some("NhCmhg=="));
    let wrong = CompletedPart::builder().part_number(1).set_e_tag(output.e_tag.clone());
    let wrong = wrong.checksum_crc32("NhCmhw==").build();
    assert_eq!(refused(finish(&world, &id, [&wrong]).await), (400, "InvalidPart".to_owned()));
    finish(&world, &id, [&complete(1, &output)]).await.unwrap();
}

#[tokio::test]
async fn a_part_can_be_copied() {
    let world = World::new();
    let e_tag = world.put("from", b"0123456789").await;
    let create = world.sdk().create_multipart_upload().bucket(BUCKET).key("k").send();
    let id = create.await.unwrap().upload_id.unwrap();
    let copy = || {
        let copy = world.sdk().upload_part_copy().bucket(BUCKET).key("k").upload_id(&id);
        copy.part_number(1).copy_source("bucket/from").copy_source_range("bytes=2-4")
    };
    let other = copy().copy_source_if_match("\"other\"").send().await;
    assert_eq!(refused(other), precondition_failed());
    let copied = copy().copy_source_if_match(e_tag).send().await.unwrap().copy_part_result.unwrap();
    let part = CompletedPart::builder().part_number(1).set_e_tag(copied.e_tag).build();
    finish(&world, &id, [&part]).await.unwrap();
    assert_eq!(world.get("k").await, b"234");
}

#[tokio::test]
async fn listings_have_pages() {
    let world = World::new();
    for key in ["a/1", "a/2", "a/3", "b", "c/d/e"] {
        world.put(key, b"hello").await;
    }
    let mut keys = Vec::new();
    let mut token = None;
    loop {
        let list = world.sdk().list_objects_v2().bucket(BUCKET).max_keys(2);
        let page = list.set_continuation_token(token).send().await.unwrap();
        assert!(page.contents().len() <= 2);
        for object in page.contents() {
            assert_eq!(object.size, Some(5));
            assert_eq!(object.e_tag.as_deref(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
            keys.push(object.key.clone().unwrap());
        }
        token = page.next_continuation_token;
        assert_eq!(page.is_truncated, Some(token.is_some()));
        if token.is_none() {
            break;
        }
    }
    assert_eq!(keys, ["a/1", "a/2", "a/3", "b", "c/d/e"]);
    assert_eq!(world.faults().count(Operation::ListObjectsV2), 3);
    let list = world.sdk().list_objects_v2().bucket(BUCKET).delimiter("/").send().await.unwrap();
    let prefixes: Vec<_> =
        list.common_prefixes().iter().map(|each| each.prefix().unwrap()).collect();
    assert_eq!(prefixes, ["a/", "c/"]);
    assert_eq!(list.contents().len(), 1);
    let list = world.sdk().list_objects_v2().bucket(BUCKET).prefix("a/").start_after("a/1").send();
    assert_eq!(list.await.unwrap().contents().len(), 2);
}

#[tokio::test]
async fn many_objects_are_deleted_at_once() {
    let world = World::new();
    for key in ["a", "b", "c"] {
        world.put(key, b"hello").await;
    }
    let delete = |quiet, keys: &[&str]| {
        let named = |key: &&str| ObjectIdentifier::builder().key(*key).build().unwrap();
        let objects = keys.iter().map(named).collect();
        let delete = Delete::builder().set_objects(Some(objects)).quiet(quiet).build().unwrap();
        world.sdk().delete_objects().bucket(BUCKET).delete(delete).send()
    };
    assert_eq!(delete(false, &["a", "none"]).await.unwrap().deleted().len(), 2);
    assert_eq!(world.keys(), ["b", "c"]);
    assert!(delete(true, &["b"]).await.unwrap().deleted().is_empty());
    assert_eq!(world.keys(), ["c"]);
    world.sdk().delete_object().bucket(BUCKET).key("c").send().await.unwrap();
    world.sdk().delete_object().bucket(BUCKET).key("c").send().await.unwrap();
    assert_eq!(world.keys(), [""; 0]);
}

#[tokio::test]
async fn whoever_has_no_credentials_gets_nothing() {
    let world = World::new();
    world.put("k", b"hello").await;
    let stranger = aws_sdk_s3::config::Credentials::new("AKIASTRANGER", "x", None, None, "test");
    let config = world.s3.config().credentials_provider(stranger).build();
    let got = aws_sdk_s3::Client::from_conf(config).get_object().bucket(BUCKET).key("k").send();
    assert_eq!(refused(got.await).0, 403);
}

#[test]
fn it_serves_any_runtime_and_stops_in_any() {
    let world = World::new();
    let here = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    here.block_on(world.put("k", b"hello"));
    let pool = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(pool.block_on(world.get("k")), b"hello");
    let sdk = world.impatient();
    here.block_on(async { drop(world) });
    let got = here.block_on(sdk.get_object().bucket(BUCKET).key("k").send());
    assert_eq!(refused(got).0, 0, "nobody answers");
}

#[tokio::test]
async fn refusals_are_as_many_as_asked_for() {
    let world = World::new();
    world.put("k", b"hello").await;
    world.faults().clear();
    world.faults().next(Operation::GetObject, 2, Fault::Refuse(503, "SlowDown"));
    assert_eq!(world.get("k").await, b"hello");
    assert_eq!(world.faults().operations(), [Operation::GetObject; 3]);
    world.faults().next(Operation::PutObject, 1, Fault::Refuse(503, "SlowDown"));
    let body = ByteStream::from(vec![1; 1 << 20]);
    let put = world.impatient().put_object().bucket(BUCKET).key("k").body(body).send().await;
    assert_eq!(refused(put), (503, "SlowDown".to_owned()));
    assert_eq!(world.stored("k"), b"hello");
}

#[tokio::test]
async fn a_connection_ends_before_or_after_the_work() {
    let world = World::new();
    let put = || {
        let body = ByteStream::from_static(b"hello");
        world.impatient().put_object().bucket(BUCKET).key("k").body(body).send()
    };
    world.faults().next(Operation::PutObject, 1, Fault::HangUp);
    assert_eq!(refused(put().await).0, 0);
    assert_eq!(world.keys(), [""; 0]);
    world.faults().next(Operation::PutObject, 1, Fault::LoseAnswer);
    assert_eq!(refused(put().await).0, 0);
    assert_eq!(world.keys(), ["k"]);
}

#[tokio::test]
async fn bodies_are_spoilt_as_asked_for() {
    let world = World::new();
    world.put("k", b"0123456789").await;
    let faults = world.faults();
    faults.next(Operation::GetObject, 1, Fault::FlipByte(3));
    assert_eq!(world.get("k").await, b"0122456789");
    faults.next(Operation::GetObject, 1, Fault::Truncate(4));
    let got = get(&world, "k", None).await;
    assert_eq!(got.content_length, Some(4));
    assert_eq!(bytes(got).await, b"0123");
    faults.next(Operation::GetObject, 1, Fault::Extend(2));
    let got = get(&world, "k", None).await;
    assert_eq!(got.content_length, Some(12));
    assert_eq!(bytes(got).await, b"0123456789\0\0");
    faults.next(Operation::GetObject, 1, Fault::CutBody(4));
    let mut got = get(&world, "k", None).await;
    assert_eq!(got.content_length, Some(10));
    let mut came = Vec::new();
    let end = loop {
        match got.body.next().await {
            Some(Ok(chunk)) => came.extend_from_slice(&chunk),
            other => break other,
        }
    };
    assert!(matches!(end, Some(Err(_))), "the body must not end as if it were whole");
    assert_eq!(came, b"0123");
    assert_eq!(world.get("k").await, b"0123456789");
}

#[tokio::test]
async fn an_object_changes_between_two_requests() {
    let world = Arc::new(World::new());
    world.put("k", b"first").await;
    let other = Arc::clone(&world);
    world.faults().before(Operation::GetObject, 2, move || async move {
        other.put("k", b"second").await;
    });
    assert_eq!(world.get("k").await, b"first");
    assert_eq!(world.get("k").await, b"second");
    world.put("k", b"third").await;
    assert_eq!(world.get("k").await, b"third", "it runs once");
}

#[tokio::test]
async fn requests_are_recorded_with_their_headers() {
    let world = World::new();
    let put = world.sdk().put_object().bucket(BUCKET).key("a/k").body(b"hello".to_vec().into());
    put.metadata("name", "value").send().await.unwrap();
    let [seen] = &world.faults().seen()[..] else { panic!("one request") };
    assert_eq!((seen.operation, seen.path.as_str()), (Operation::PutObject, "/bucket/a/k"));
    assert_eq!(seen.query, "x-id=PutObject");
    assert_eq!(seen.header("x-amz-meta-name"), Some("value"));
    assert!(seen.header("user-agent").unwrap().starts_with("aws-sdk-rust/"));
    assert_eq!(seen.header("x-amz-meta-other"), None);
}

async fn get(world: &World, key: &str, range: Option<&str>) -> GetObjectOutput {
    let get = world.sdk().get_object().bucket(BUCKET).key(key);
    get.set_range(range.map(str::to_owned)).send().await.unwrap()
}

async fn bytes(got: GetObjectOutput) -> Vec<u8> {
    got.body.collect().await.unwrap().to_vec()
}

async fn upload(world: &World, id: &str, number: i32, body: &[u8]) -> UploadPartOutput {
    let upload = world.sdk().upload_part().bucket(BUCKET).key("k").upload_id(id);
    upload.part_number(number).body(body.to_vec().into()).send().await.unwrap()
}

fn complete(number: i32, part: &UploadPartOutput) -> CompletedPart {
    let part = CompletedPart::builder()
        .set_e_tag(part.e_tag.clone())
        .set_checksum_crc32(part.checksum_crc32.clone());
    part.part_number(number).build()
}

async fn finish<'a>(
    world: &World,
    id: &str,
    parts: impl IntoIterator<Item = &'a CompletedPart>,
) -> Result<
    aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadOutput,
    aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadError,
    >,
> {
    let parts = parts.into_iter().cloned().collect();
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = world.sdk().complete_multipart_upload().bucket(BUCKET).key("k").upload_id(id);
    complete.multipart_upload(parts).send().await
}

fn precondition_failed() -> (u16, String) {
    (412, "PreconditionFailed".to_owned())
}

/// The least that a part may have that is not the last.
const PART: usize = 5 << 20;
