//! Objects whose body is a message of the AWS Encryption SDK.

use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Input;
use aws_sdk_s3::types::MetadataDirective;
use waxseal::kms::KmsKeyring;
use waxseal::s3::{Client, Format, PlaintextLen};
use waxseal::testing::{FakeKms, KeySpec, Operation as KmsOperation};
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Error, FrameLayout, KeyringError, ObjectError, PolicyError,
    RawAesKeyring, SignedStreaming, Stage,
};

use super::client::{bytes, get, head, put, streamed};
use super::keys::{aes, client};
use super::server::{BUCKET, Fault, Operation, World};

/// The least that a part may have.
const PART: usize = 5 << 20;

#[tokio::test]
async fn what_is_put_comes_back_whatever_its_length() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    for (frame_len, len) in
        [(10, 0), (10, 1), (10, 9), (10, 10), (10, 11), (10, 20), (10, 21), (4096, 100_000)]
    {
        let s3 = s3.clone().frame_len(frame_len);
        let body = bytes(len);
        for is_streamed in [false, true] {
            let input = if is_streamed {
                put("k").body(streamed(body.clone())).content_length(len.try_into().unwrap())
            } else {
                put("k").body(body.clone().into())
            };
            s3.put_object(input)
                .format(Format::EsdkMessage)
                .context([("tenant", "42")])
                .await
                .unwrap();
            let stored = world.stored("k");
            let opened =
                waxseal::decrypt(&stored, &keyring).require([("tenant", "42")]).now().unwrap();
            assert!(opened.plaintext() == body, "{len}");
            let header = opened.header().parsed();
            assert_eq!(header.suite(), AlgorithmSuite::Aes256GcmHkdfSha512CommitKey);
            let layout = FrameLayout::new(header.len(), frame_len).unwrap();
            let expected = layout.message_len(u64::try_from(len).unwrap()).unwrap();
            assert_eq!(u64::try_from(stored.len()).unwrap(), expected);
            comes_back(&s3, &body).await;
        }
    }
    assert_eq!(world.keys(), ["k"]);
}

#[tokio::test]
async fn a_message_of_the_encryption_sdk_is_an_object_of_it() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    let body = bytes(10_000);
    let message = waxseal::encrypt(&body, &keyring).context([("tenant", "42")]).now().unwrap();
    assert!(message.header().suite().signs());
    world.put("k", &message).await;
    comes_back(&s3, &body).await;
    // Nothing says what it is.
    let head = s3.head_object(head("k")).await;
    assert!(matches!(head, Err(Error::Object(ObjectError::NotEncrypted { .. }))), "{head:?}");
}

#[tokio::test]
async fn what_is_uploaded_is_one_message_whatever_its_length() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    for suite in [
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ] {
        let s3 = s3.clone().message_suite(suite);
        for (len, parts) in [(0, 0), (1, 0), (PART, 2), (2 * PART, 3)] {
            for parallelism in [1, 4] {
                world.faults().clear();
                let body = bytes(len);
                let upload = s3.upload(put("k").metadata("own", "1"), &body[..]);
                let upload = upload.format(Format::EsdkMessage).context([("tenant", "42")]);
                let output = upload.part_len(PART).parallelism(parallelism).await.unwrap();
                assert_eq!(world.faults().count(Operation::UploadPart), parts, "{len}");
                assert_eq!(world.faults().count(Operation::PutObject), usize::from(parts == 0));
                let opened = waxseal::decrypt(&world.stored("k"), &keyring).now().unwrap();
                assert!(opened.plaintext() == body, "{len} {parallelism}");
                assert_eq!(opened.header().suite(), suite);
                let got = message(&s3).await.unwrap();
                assert_eq!(got.e_tag, output.e_tag);
                let metadata = got.metadata.as_ref().unwrap();
                assert_eq!(
                    (&*metadata["own"], &*metadata["waxseal-format"]),
                    ("1", "esdk-message")
                );
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_uploaded_is_given_up() {
    let world = World::new();
    let s3 = Client::new(world.impatient(), aes()).materials(keyring());
    world.faults().next(Operation::UploadPart, 1, Fault::Refuse(503, "SlowDown"));
    let body = bytes(3 * PART);
    let failed = s3.upload(put("k"), &body[..]).format(Format::EsdkMessage).part_len(PART).await;
    assert!(matches!(failed, Err(Error::S3(_))), "{failed:?}");
    assert_eq!(world.keys(), [""; 0]);
    assert_eq!(world.faults().count(Operation::AbortMultipartUpload), 1);
}

#[tokio::test]
async fn a_body_in_memory_is_sent_again_bit_by_bit_the_same() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    world.faults().next(Operation::PutObject, 1, Fault::Refuse(503, "SlowDown"));
    let input = put("k").body(bytes(100).into());
    s3.put_object(input).format(Format::EsdkMessage).await.unwrap();
    let seen = world.faults().seen();
    assert_eq!(seen.len(), 2);
    let checksum = seen[0].header("x-amz-checksum-crc32");
    assert!(checksum.is_some());
    assert_eq!(checksum, seen[1].header("x-amz-checksum-crc32"));
    assert_eq!(seen[0].header("x-amz-meta-waxseal-format"), Some("esdk-message"));
    assert_eq!(seen[0].header("x-amz-meta-x-amz-3"), None);
    assert_eq!(
        waxseal::decrypt(&world.stored("k"), &keyring).now().unwrap().plaintext(),
        bytes(100)
    );
}

#[tokio::test]
async fn a_stream_of_another_length_than_stated_is_no_object() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    for stated in [9_999, 10_001] {
        let input = put("k").body(streamed(bytes(10_000))).content_length(stated);
        let failed = s3.put_object(input).format(Format::EsdkMessage).await;
        assert!(matches!(failed, Err(Error::ApiMisuse(ApiMisuse::BufferLen { .. }))), "{failed:?}");
    }
    assert_eq!(world.keys(), [""; 0]);
}

#[tokio::test]
async fn the_context_has_to_be_that_of_the_message() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3, &bytes(100)).await;
    for pairs in [vec![("tenant", "43")], vec![("tenant", "42"), ("other", "1")]] {
        let ask = || s3.get_object(get("k")).format(Format::EsdkMessage).context(pairs.clone());
        let range = s3.get_object(get("k").range("bytes=0-1")).format(Format::EsdkMessage);
        let mut written = Vec::new();
        let download = s3.download(get("k"), &mut written).format(Format::EsdkMessage);
        for refused in [
            ask().await.map(drop),
            ask().release_unauthenticated().await.map(drop),
            range.context(pairs.clone()).await.map(drop),
            download.context(pairs.clone()).release_unauthenticated().await.map(drop),
        ] {
            let Err(Error::Policy(error)) = refused else { panic!("{refused:?}") };
            assert!(matches!(
                error,
                PolicyError::ContextMismatch { .. } | PolicyError::ContextNotAuthenticated { .. }
            ));
        }
        assert!(written.is_empty());
    }
}

#[tokio::test]
async fn other_keys_do_not_open_it() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3, &bytes(100)).await;
    let stranger = RawAesKeyring::new("tests", "other", AesKey::generate_256().unwrap()).unwrap();
    let refused = message(&s3.materials(stranger)).await;
    assert!(matches!(refused, Err(Error::Keyring(KeyringError::NoDataKey { .. }))), "{refused:?}");
}

#[tokio::test]
async fn without_materials_nothing_is_asked_for() {
    let world = World::new();
    let s3 = client(&world, &aes());
    let mut written = Vec::new();
    let input = || put("k").body(bytes(5).into());
    let ask = |input| s3.get_object(input).format(Format::EsdkMessage);
    for refused in [
        s3.put_object(input()).format(Format::EsdkMessage).await.map(drop),
        s3.upload(put("k"), &b"hello"[..]).format(Format::EsdkMessage).await.map(drop),
        ask(get("k")).await.map(drop),
        ask(get("k")).release_unauthenticated().await.map(drop),
        ask(get("k").range("bytes=0-1")).await.map(drop),
        s3.download(get("k"), &mut written).format(Format::EsdkMessage).await.map(drop),
    ] {
        let Err(Error::ApiMisuse(error)) = refused else { panic!("{refused:?}") };
        assert!(error.to_string().contains("`materials`"), "{error}");
    }
    assert!(world.faults().seen().is_empty());
}

#[tokio::test]
async fn the_length_of_a_signature_is_not_known_before() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let s3 = s3.message_suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384);
    let input = put("k").body(streamed(bytes(100))).content_length(100);
    let refused = s3.put_object(input).format(Format::EsdkMessage).await;
    let Err(Error::ApiMisuse(error)) = refused else { panic!("{refused:?}") };
    assert!(error.to_string().contains("`upload`"), "{error}");
    assert!(world.faults().seen().is_empty());
    // One that is in memory is encrypted before its length is stated.
    put_message(&s3, &bytes(100)).await;
    comes_back(&s3, &bytes(100)).await;
}

#[tokio::test]
async fn what_is_signed_is_not_streamed_against_the_policy() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let s3 = s3.message_suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384);
    put_message(&s3, &bytes(100)).await;
    let policy = waxseal::Policy::default().signed_streaming(SignedStreaming::Refuse);
    let s3 = s3.message_policy(policy);
    assert_eq!(read(message(&s3).await.unwrap()).await, bytes(100));
    let mut written = Vec::new();
    s3.download(get("k"), &mut written).format(Format::EsdkMessage).await.unwrap();
    assert_eq!(written, bytes(100));
    let ask = s3.get_object(get("k")).format(Format::EsdkMessage);
    let refused = ask.release_unauthenticated().await;
    assert!(matches!(refused, Err(Error::Policy(PolicyError::SignedStreaming))), "{refused:?}");
}

#[tokio::test]
async fn no_byte_may_be_changed_cut_or_added() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    for suite in [
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKey,
        AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ] {
        let s3 = s3.clone().message_suite(suite).frame_len(10);
        put_message(&s3, &bytes(25)).await;
        let whole = world.stored("k");
        for at in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fails(&world, &s3, &changed).await;
            fails(&world, &s3, &whole[..at]).await;
        }
        fails(&world, &s3, &[&whole[..], b"x"].concat()).await;
    }
}

#[tokio::test]
async fn frames_that_are_released_before_the_end_are_followed_by_an_error() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let s3 = s3.frame_len(1000);
    let whole = bytes(300_000);
    put_message(&s3, &whole).await;
    let mut changed = world.stored("k");
    let end = changed.len() - 1;
    changed[end] ^= 1;
    world.put("k", &changed).await;

    let ask = s3.get_object(get("k")).format(Format::EsdkMessage);
    let mut body = ask.release_unauthenticated().await.unwrap().body;
    let mut released = Vec::new();
    let failed = loop {
        match body.next().await {
            Some(Ok(chunk)) => released.extend_from_slice(&chunk),
            Some(Err(error)) => break error,
            None => panic!("it ended as if nothing were wrong"),
        }
    };
    assert!(format!("{failed:?}").contains("frame 300"), "{failed:?}");
    assert!(!released.is_empty() && whole.starts_with(&released));

    let mut written = Vec::new();
    let download = s3.download(get("k"), &mut written).format(Format::EsdkMessage);
    let failed = download.part_len(30_000).release_unauthenticated().await;
    assert!(matches!(failed, Err(Error::Unauthentic(Stage::Frame(300)))), "{failed:?}");
    assert!(!written.is_empty() && whole.starts_with(&written));

    let mut written = Vec::new();
    let download = s3.download(get("k"), &mut written).format(Format::EsdkMessage);
    let failed = download.part_len(30_000).await;
    assert!(matches!(failed, Err(Error::Unauthentic(Stage::Frame(300)))), "{failed:?}");
    assert!(written.is_empty());
}

#[tokio::test]
async fn a_key_service_is_asked_once_for_each_object() {
    let world = World::new();
    let kms = FakeKms::new();
    let arn = kms.create_key("eu-west-1", KeySpec::Symmetric).unwrap();
    let keyring = KmsKeyring::new(kms.client("eu-west-1"), &arn).unwrap();
    let s3 = client(&world, &aes()).materials(keyring).buffer_limit(0);
    put_message(&s3, &bytes(100_000)).await;
    assert_eq!(kms.count(KmsOperation::GenerateDataKey), 1);
    let mut written = Vec::new();
    s3.download(get("k"), &mut written).format(Format::EsdkMessage).await.unwrap();
    assert!(written == bytes(100_000));
    assert_eq!(kms.count(KmsOperation::Decrypt), 1, "though it is read twice, from a file");
    let s3 = s3.buffer_limit(1 << 20);
    let range = s3.get_object(get("k").range("bytes=70000-")).format(Format::EsdkMessage);
    assert!(read(range.await.unwrap()).await == bytes(100_000)[70_000..]);
    assert_eq!(kms.count(KmsOperation::Decrypt), 2);
}

#[tokio::test]
async fn what_waits_in_memory_is_limited() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3, &bytes(100_000)).await;
    let len = u64::try_from(world.stored("k").len()).unwrap();
    assert!(message(&s3.clone().buffer_limit(len)).await.is_ok());
    let refused = message(&s3.buffer_limit(len - 1)).await;
    assert!(matches!(refused, Err(Error::Policy(PolicyError::BufferLimit { .. }))), "{refused:?}");
}

#[tokio::test]
async fn the_mark_tells_people_and_listings_what_it_is() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3, &bytes(100)).await;
    let asked = s3.head_object(head("k")).await.unwrap();
    assert_eq!(asked.format(), Format::EsdkMessage);
    assert!(asked.content_metadata().is_none());
    assert_eq!(asked.output().content_length, None);
    let PlaintextLen::AtMost(most) = asked.plaintext_len() else { panic!("{asked:?}") };
    assert!((100..asked.stored_len()).contains(&most), "{most}");
    let listing = s3.list_objects_v2(ListObjectsV2Input::builder().bucket(BUCKET)).await.unwrap();
    assert_eq!(listing.objects()[0].plaintext_len().unwrap(), PlaintextLen::AtMost(most));

    let mut audit = s3.audit(BUCKET, "").start();
    let audited = audit.next().await.unwrap().unwrap();
    assert_eq!(audited.format(), Some(Format::EsdkMessage));
    assert_eq!(audited.plaintext_len(), Some(PlaintextLen::AtMost(most)));
    assert!(audited.error().is_none() && audited.needs().is_empty());

    let mut written = Vec::new();
    for confused in [
        s3.rewrap(head("k"), aes()).await.map(drop),
        s3.get_object(get("k")).await.map(drop),
        s3.download(get("k"), &mut written).await.map(drop),
    ] {
        let Err(Error::Object(error)) = confused else { panic!("{confused:?}") };
        assert_eq!(error, ObjectError::EsdkMessage);
    }
    let own = put("k").metadata("Waxseal-Format", "mine").body(bytes(1).into());
    let refused = s3.put_object(own).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::ReservedObjectKey { .. }))));
}

#[tokio::test]
async fn a_copy_with_other_metadata_is_still_marked_and_opens() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3, &bytes(100)).await;
    let copy =
        CopyObjectInput::builder().bucket(BUCKET).key("copy").copy_source(format!("{BUCKET}/k"));
    let copy = copy.metadata_directive(MetadataDirective::Replace).metadata("own", "2");
    s3.copy_object(copy).await.unwrap();
    let asked = s3.head_object(head("copy")).await.unwrap();
    assert_eq!(asked.format(), Format::EsdkMessage);
    assert_eq!(asked.output().metadata.as_ref().unwrap()["own"], "2");
    let got =
        s3.get_object(get("copy")).format(Format::EsdkMessage).context([("tenant", "42")]).await;
    assert_eq!(read(got.unwrap()).await, bytes(100));
}

/// A client for messages, and what their data keys are wrapped with.
pub(crate) fn with_materials(world: &World) -> (Client, RawAesKeyring) {
    (client(world, &aes()).materials(keyring()), keyring())
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "one", AesKey::from([7; 32])).unwrap()
}

/// Puts a message as `k`, for tenant 42.
pub(crate) async fn put_message(s3: &Client, body: &[u8]) {
    let put = s3.put_object(put("k").body(body.to_vec().into()));
    put.format(Format::EsdkMessage).context([("tenant", "42")]).await.unwrap();
}

async fn message(s3: &Client) -> Result<GetObjectOutput, Error> {
    s3.get_object(get("k")).format(Format::EsdkMessage).context([("tenant", "42")]).await
}

pub(crate) async fn read(got: GetObjectOutput) -> Vec<u8> {
    got.body.collect().await.unwrap().to_vec()
}

/// Each way to read all of `k` gives this.
async fn comes_back(s3: &Client, body: &[u8]) {
    let got = message(s3).await.unwrap();
    assert_eq!(got.content_length, Some(body.len().try_into().unwrap()));
    assert_eq!(got.content_range, None);
    assert!(read(got).await == body);
    let ask = s3.get_object(get("k")).format(Format::EsdkMessage).context([("tenant", "42")]);
    assert!(read(ask.release_unauthenticated().await.unwrap()).await == body);
    for limit in [0, 1 << 20] {
        let s3 = s3.clone().buffer_limit(limit);
        for released in [false, true] {
            let mut written = Vec::new();
            let download = s3.download(get("k"), &mut written).part_len(30_000);
            let download = download.format(Format::EsdkMessage).context([("tenant", "42")]);
            let done = if released { download.release_unauthenticated() } else { download };
            assert_eq!(done.await.unwrap().plaintext_len(), u64::try_from(body.len()).unwrap());
            assert!(written == body);
        }
    }
}

/// No way to read all of it succeeds, and nothing is written before that is known.
async fn fails(world: &World, s3: &Client, stored: &[u8]) {
    world.put("k", stored).await;
    assert!(message(s3).await.is_err());
    let mut written = Vec::new();
    let download = s3.download(get("k"), &mut written).format(Format::EsdkMessage);
    assert!(download.await.is_err());
    assert!(written.is_empty());
    let download = s3.download(get("k"), &mut written).format(Format::EsdkMessage);
    assert!(download.release_unauthenticated().await.is_err());
    let ask = s3.get_object(get("k")).format(Format::EsdkMessage);
    if let Ok(got) = ask.release_unauthenticated().await {
        assert!(got.body.collect().await.is_err());
    }
}
