//! Objects that are put, found, got and deleted.

use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use aws_sdk_s3::operation::delete_object::DeleteObjectInput;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsInput;
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::head_object::HeadObjectInput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Input;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{Delete, MetadataDirective, ObjectIdentifier};
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use waxseal::s3::{ContentSuite, InstructionFiles, PlaintextLen, Policy, S3Failure};
use waxseal::testing::Operation as KmsOperation;
use waxseal::{ApiMisuse, CommitmentPolicy, Error, ObjectError, PolicyError};

use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Operation, World};

const SIZES: [usize; 6] = [0, 1, 15, 16, 17, 100_000];

#[tokio::test]
async fn what_is_put_comes_back_with_every_keyring_in_both_formats() {
    let (world, keys) = (World::new(), Keys::new());
    let formats = [
        (CommitmentPolicy::RequireEncryptRequireDecrypt, "x-amz-meta-x-amz-c"),
        (CommitmentPolicy::ForbidEncryptAllowDecrypt, "x-amz-meta-x-amz-cek-alg"),
    ];
    for keyring in keys.all() {
        for (commitment, header) in formats {
            let s3 = client(&world, keyring).policy(Policy::default().commitment(commitment));
            for len in SIZES {
                let body = bytes(len);
                world.faults().clear();
                s3.put_object(put("k").body(body.clone().into())).await.unwrap();
                let seen = world.faults().seen();
                assert!(seen[0].header(header).is_some(), "{commitment:?}");
                let stored = world.stored("k");
                assert_eq!(stored.len(), len + 16);
                // One byte may be the same by chance.
                assert!(len < 15 || stored[..len] != body);
                let got = s3.get_object(get("k")).await.unwrap();
                assert_eq!(got.content_length, Some(i64::try_from(len).unwrap()));
                assert_eq!(got.content_range, None);
                assert!(got.body.collect().await.unwrap().to_vec() == body, "{len}");
                let got = s3.get_object(get("k")).release_unauthenticated().await.unwrap();
                assert_eq!(got.content_length, Some(i64::try_from(len).unwrap()));
                assert!(got.body.collect().await.unwrap().to_vec() == body, "{len}");
            }
        }
    }
}

#[tokio::test]
async fn objects_of_the_second_format_are_read_only_where_the_policy_says_so() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let allowing = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
    let writer = s3.clone().policy(allowing);
    writer.put_object(put("k").body(bytes(20).into())).await.unwrap();
    let got = s3.get_object(get("k")).await;
    assert!(matches!(got, Err(Error::Policy(PolicyError::Commitment { .. }))), "{got:?}");
    let head = s3.head_object(head("k")).await.unwrap();
    assert_eq!(head.content_metadata().unwrap().suite(), ContentSuite::Aes256GcmIv12Tag16NoKdf);
    let reader = Policy::default().commitment(CommitmentPolicy::RequireEncryptAllowDecrypt);
    let got = s3.clone().policy(reader).get_object(get("k")).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(20));
}

#[tokio::test]
async fn a_body_may_be_a_file_or_a_stream() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for len in SIZES {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes(len)).unwrap();
        let body = ByteStream::from_path(file.path()).await.unwrap();
        s3.put_object(put("k").body(body)).await.unwrap();
        assert_eq!(world.stored("k").len(), len + 16);
        assert!(open(&s3, "k").await == bytes(len), "{len}");

        let stated = i64::try_from(len).unwrap();
        let input = put("k").body(streamed(bytes(len))).content_length(stated);
        s3.put_object(input).await.unwrap();
        assert_eq!(world.stored("k").len(), len + 16);
        assert!(open(&s3, "k").await == bytes(len), "{len}");
    }
}

#[tokio::test]
async fn a_stream_must_be_as_long_as_it_says() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let unknown = s3.put_object(put("k").body(streamed(bytes(100)))).await;
    assert!(matches!(unknown, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{unknown:?}");
    for wrong in [99, 101] {
        let input = put("k").body(streamed(bytes(100))).content_length(wrong);
        let error = s3.put_object(input).await.unwrap_err();
        assert!(matches!(error, Error::ApiMisuse(ApiMisuse::BufferLen { .. })), "{error:?}");
    }
    assert_eq!(world.keys(), [""; 0]);
    let input = put("k").body(bytes(100).into()).content_length(99);
    assert!(matches!(s3.put_object(input).await, Err(Error::ApiMisuse(_))));
}

#[tokio::test]
async fn the_encryption_context_has_to_be_the_same() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    let pairs = [("tenant", "42"), ("département", "ventes")];
    s3.put_object(put("k").body(bytes(5).into())).context(pairs).await.unwrap();
    let got = s3.get_object(get("k")).context(pairs).await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(5));
    keys.kms.clear_calls();
    let key_of = |error: Error| match error {
        Error::Policy(PolicyError::ContextMismatch { key }) => ("another value", key),
        Error::Policy(PolicyError::ContextMissing { key }) => ("not there", key),
        Error::Policy(PolicyError::ContextUnexpected { key }) => ("not given", key),
        other => panic!("{other:?}"),
    };
    for (given, expected) in [
        (vec![("tenant", "43"), pairs[1]], ("another value", "tenant")),
        (vec![pairs[0]], ("not given", "département")),
        (vec![pairs[0], pairs[1], ("more", "1")], ("not there", "more")),
    ] {
        let error = s3.get_object(get("k")).context(given).await.unwrap_err();
        let (what, key) = key_of(error);
        assert_eq!((what, key.as_str()), expected);
    }
    assert!(s3.get_object(get("k")).await.is_err());
    assert!(
        keys.kms.calls().is_empty(),
        "AWS KMS is not asked with a context that is not the caller's"
    );
    let reserved = [("aws:x-amz-cek-alg", "115")];
    let refused = s3.put_object(put("k").body(bytes(5).into())).context(reserved).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::ReservedObjectKey { .. }))));
}

#[tokio::test]
async fn another_key_opens_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        client(&world, keyring).put_object(put("k").body(bytes(5).into())).await.unwrap();
        let strangers = Keys::new();
        for stranger in strangers.all() {
            let got = client(&world, stranger).get_object(get("k")).await;
            // A wrong key of the right kind unwraps to another key, or to none; the commitment tells.
            assert!(matches!(got, Err(Error::Keyring(_) | Error::Unauthentic(_))), "{got:?}");
        }
    }
}

#[tokio::test]
async fn one_call_of_aws_kms_for_each_object() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("k").body(bytes(5).into())).await.unwrap();
    open(&s3, "k").await;
    let operations: Vec<_> = keys.kms.calls().iter().map(|call| call.operation).collect();
    assert_eq!(operations, [KmsOperation::GenerateDataKey, KmsOperation::Decrypt]);
}

#[tokio::test]
async fn too_much_metadata_is_refused_before_anything_is_sent() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let long = || put("k").body(bytes(5).into()).metadata("own", "v".repeat(1900));
    let refused = s3.put_object(long()).await;
    let Err(Error::Object(ObjectError::MetadataTooLong { found, limit: 2048, movable })) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(found > 2048 && found - movable <= 2048);
    let refused = s3.upload(put("k").metadata("own", "v".repeat(1900)), &b"hello"[..]).await;
    assert!(matches!(refused, Err(Error::Object(ObjectError::MetadataTooLong { .. }))));
    assert!(world.faults().seen().is_empty());

    let needed = s3.clone().instruction_files(InstructionFiles::WhenNeeded);
    needed.put_object(put("short").body(bytes(5).into())).await.unwrap();
    assert_eq!(world.keys(), ["short"]);
    needed.put_object(long()).await.unwrap();
    assert_eq!(world.keys(), ["k", "k.instruction", "short"]);
    // The default reads them.
    let got = s3.get_object(get("k")).await.unwrap();
    assert_eq!(got.metadata.as_ref().unwrap()["own"].len(), 1900);
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(5));
}

#[tokio::test]
async fn instruction_files_are_written_read_and_deleted_as_asked_for() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        let s3 = client(&world, keyring);
        let always = s3.clone().instruction_files(InstructionFiles::Always);
        always.put_object(put("k").body(bytes(17).into())).await.unwrap();
        assert_eq!(world.keys(), ["k", "k.instruction"]);
        assert_eq!(open(&s3, "k").await, bytes(17));
        let never = s3.clone().instruction_files(InstructionFiles::Never);
        let Err(Error::Object(ObjectError::Metadata { key, fault })) =
            never.get_object(get("k")).await
        else {
            panic!("it must not be read")
        };
        assert_eq!(key, "x-amz-3");
        assert!(fault.contains("no instruction file was looked for"), "{fault}");
        let head = s3.head_object(head("k")).await.unwrap();
        assert_eq!(head.plaintext_len(), PlaintextLen::Exact(17));
        // Without its file it is lost, and the error says what was looked for.
        world.sdk().delete_object().bucket(BUCKET).key("k.instruction").send().await.unwrap();
        let got = s3.get_object(get("k")).await;
        let Err(Error::Object(ObjectError::InstructionFile { fault })) = got else {
            panic!("{got:?}")
        };
        assert!(fault.contains("k.instruction") && fault.contains("missing"), "{fault}");
        always.put_object(put("k").body(bytes(17).into())).await.unwrap();
        s3.delete_object(DeleteObjectInput::builder().bucket(BUCKET).key("k")).await.unwrap();
        assert_eq!(world.keys(), [""; 0]);
    }
}

#[tokio::test]
async fn an_instruction_file_can_be_asked_for_by_one_request() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let request = s3.put_object(put("k").body(bytes(5).into()));
    request.instruction_file(InstructionFiles::Always).await.unwrap();
    assert_eq!(world.keys(), ["k", "k.instruction"]);
    let seen = world.faults().seen();
    assert_eq!(seen[0].path, "/bucket/k", "the object comes first");
    assert_eq!(seen[1].header("x-amz-meta-x-amz-crypto-instr-file"), Some(""));
}

#[tokio::test]
async fn lengths_are_those_of_the_plaintext() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::WhenNeeded);
    for len in [0, 1, 16, 1000] {
        s3.put_object(put(&format!("{len:04}")).body(bytes(len).into())).await.unwrap();
    }
    world.put("plain", b"not encrypted").await;
    let long = put("with-file").body(bytes(7).into()).metadata("own", "v".repeat(1900));
    s3.put_object(long).await.unwrap();
    let head = s3.head_object(head("1000")).await.unwrap();
    assert_eq!((head.plaintext_len(), head.stored_len()), (PlaintextLen::Exact(1000), 1016));
    assert_eq!(head.output().content_length, Some(1000));

    let listing = s3.list_objects_v2(ListObjectsV2Input::builder().bucket(BUCKET)).await.unwrap();
    let found: Vec<_> = listing
        .objects()
        .iter()
        .map(|each| {
            let len = each.plaintext_len().ok();
            (each.object().key().unwrap(), len, each.is_instruction_file())
        })
        .collect();
    let exact = |len| Some(PlaintextLen::Exact(len));
    let [.., (file, file_len, true)] = found[..] else { panic!("{found:?}") };
    assert_eq!(file, "with-file.instruction");
    assert_eq!(file_len, exact(u64::try_from(world.stored(file).len()).unwrap()));
    assert_eq!(
        found[..6],
        [
            ("0000", exact(0), false),
            ("0001", exact(1), false),
            ("0016", exact(16), false),
            ("1000", exact(1000), false),
            ("plain", None, false),
            ("with-file", exact(7), false),
        ]
    );
    world.faults().clear();
    let list = ListObjectsV2Input::builder().bucket(BUCKET);
    // The keys of objects that are asked about would have to be decoded.
    let encoded = list.clone().encoding_type(aws_sdk_s3::types::EncodingType::Url);
    assert!(matches!(s3.list_objects_v2(encoded).await, Err(Error::ApiMisuse(_))));
    let listing = s3.list_objects_v2(list).estimate().await.unwrap();
    let len = listing.objects()[3].plaintext_len().unwrap();
    assert_eq!(len, PlaintextLen::AtMost(1000));
    assert_eq!(world.faults().operations(), [Operation::ListObjectsV2]);
}

#[tokio::test]
async fn copies_open_as_what_they_were_copied_from() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    let pairs = [("tenant", "42")];
    for when in [InstructionFiles::Read, InstructionFiles::Always] {
        let put = s3.put_object(put("a/k").body(bytes(17).into()).metadata("own", "1"));
        let e_tag = put.context(pairs).instruction_file(when).await.unwrap().e_tag.unwrap();
        let copy = |to: &str| {
            let copy = CopyObjectInput::builder().bucket(BUCKET).key(to);
            copy.copy_source("bucket/a/k").copy_source_if_match(&e_tag)
        };
        let replaced = || copy("replaced").metadata_directive(MetadataDirective::Replace);
        s3.copy_object(copy("copy")).await.unwrap();
        s3.copy_object(replaced().metadata("other", "2")).await.unwrap();
        for (key, own) in [("copy", "own"), ("replaced", "other")] {
            let got = s3.get_object(get(key)).context(pairs).await.unwrap();
            let metadata = got.metadata.clone().unwrap();
            let of_the_caller = metadata.keys().filter(|name| !name.starts_with("x-amz-"));
            assert_eq!(of_the_caller.collect::<Vec<_>>(), [own]);
            assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(17));
        }
        let forged = s3.copy_object(replaced().metadata("x-amz-c", "115")).await;
        assert!(matches!(forged, Err(Error::ApiMisuse(_))), "{forged:?}");
    }
    let files: Vec<_> = world.keys();
    assert_eq!(files, ["a", "copy", "copy.instruction", "replaced", "replaced.instruction"]);
}

#[tokio::test]
async fn many_objects_go_with_their_instruction_files() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    for key in ["a", "b", "c"] {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let objects = Delete::builder().objects(named("a")).objects(named("c")).build().unwrap();
    let input = DeleteObjectsInput::builder().bucket(BUCKET).delete(objects);
    let output = s3.delete_objects(input).await.unwrap();
    let deleted: Vec<_> = output.deleted().iter().filter_map(|each| each.key()).collect();
    assert_eq!(deleted, ["a", "c"]);
    assert_eq!(world.keys(), ["b", "b.instruction"]);
}

#[tokio::test]
async fn what_is_no_secret_passes_through() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let input = || {
        let input = put("a/k").body(bytes(5).into()).content_type("text/x");
        let input = input.cache_control("no-store").content_encoding("br");
        input.metadata("own", "value").if_none_match("*")
    };
    let put = s3.put_object(input()).await.unwrap();
    let got = s3.get_object(get("a/k")).await.unwrap();
    assert_eq!(got.content_type.as_deref(), Some("text/x"));
    assert_eq!(got.cache_control.as_deref(), Some("no-store"));
    assert_eq!(got.content_encoding.as_deref(), Some("br"));
    assert_eq!(got.metadata.as_ref().unwrap()["own"], "value");
    assert_eq!(got.e_tag, put.e_tag);
    let again = s3.put_object(input()).await;
    let Err(Error::S3(error)) = again else { panic!("{again:?}") };
    assert_eq!((error.failure(), error.status()), (&S3Failure::PreconditionFailed, Some(412)));
    let got = s3.get_object(get("a/k").if_none_match(put.e_tag.unwrap())).await;
    let Err(Error::S3(error)) = got else { panic!("{got:?}") };
    assert_eq!(error.failure(), &S3Failure::NotModified);
    for seen in world.faults().seen() {
        let agent = seen.header("user-agent").unwrap();
        assert!(agent.contains("waxseal"), "{agent}");
    }
}

#[tokio::test]
async fn what_is_not_encrypted_is_not_given() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    world.put("plain", b"hello").await;
    let got = s3.get_object(get("plain")).await;
    assert!(matches!(got, Err(Error::Object(ObjectError::NotEncrypted { .. }))), "{got:?}");
    let got = s3.get_object(get("none")).await;
    let Err(Error::S3(error)) = got else { panic!("{got:?}") };
    assert_eq!((error.failure(), error.on()), (&S3Failure::NoSuchKey, "bucket/none"));
    assert_eq!(error.operation(), "GetObject");
}

pub(crate) fn put(key: &str) -> PutObjectInputBuilder {
    PutObjectInput::builder().bucket(BUCKET).key(key)
}

pub(crate) fn get(key: &str) -> GetObjectInputBuilder {
    GetObjectInput::builder().bucket(BUCKET).key(key)
}

pub(crate) fn head(
    key: &str,
) -> aws_sdk_s3::operation::head_object::builders::HeadObjectInputBuilder {
    HeadObjectInput::builder().bucket(BUCKET).key(key)
}

/// All of an object, verified.
pub(crate) async fn open(s3: &waxseal::s3::Client, key: &str) -> Vec<u8> {
    s3.get_object(get(key)).await.unwrap().body.collect().await.unwrap().to_vec()
}

/// So many bytes, not all the same.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = (0..=250).collect::<Vec<_>>().repeat(len / 251 + 1);
    bytes.truncate(len);
    bytes
}

/// A body in chunks, of a length that it does not know.
pub(crate) fn streamed(bytes: Vec<u8>) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(7001).map(Bytes::copy_from_slice).collect();
    let frames =
        stream::iter(chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk))));
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(frames)))
}
