//! Instruction files: which are read, whoever wrote them, and how they are kept.

use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsInput;
use aws_sdk_s3::types::{
    Delete, ObjectIdentifier, ObjectLockLegalHoldStatus, ObjectLockMode, RequestPayer,
};
use aws_smithy_types::DateTime;
use waxseal::s3::{Client, InstructionFiles, S3Failure};
use waxseal::{Error, ObjectError};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Fault, Operation, World};
use super::stored::{Stored, everything, keyring_of, opened, plaintext_of};

#[tokio::test]
async fn another_suffix_can_be_given_for_one_request() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
    let file = world.stored("k.instruction");
    world.put("k.for-bob", &file).await;
    world.put("k.instruction", b"{}").await;
    assert!(opened(&s3, "k").await.is_err());
    let got = s3.get_object(get("k")).instruction_file_suffix(".for-bob").await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(20));
    let got = s3.get_object(get("k")).instruction_file_suffix(".for-eve").await;
    let Err(Error::Object(ObjectError::InstructionFile { fault })) = got else { panic!("{got:?}") };
    assert!(fault.contains("k.for-eve"), "{fault}");
}

#[tokio::test]
async fn those_of_other_clients_are_read_whatever_is_written() {
    let world = World::new();
    for id in [
        "s3-kms-instr-0-ruby-v2",
        "s3-kmslegacy-instr-ruby-v1",
        "s3-aes-128-a-instr-ruby-v1",
        "s3-aes-192-a-instr-ruby-v2",
        "s3-rsa-2048-a-instr-ruby-v1",
        "s3-rsa-2048-a-instr-ruby-v2",
        "s3-synth-v3-aes-instr-0",
        "s3-synth-v3-rsa-instr-0",
    ] {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        Stored::of_vector(id).store(&world, "k").await;
        for when in [InstructionFiles::Read, InstructionFiles::WhenNeeded, InstructionFiles::Always]
        {
            let s3 = s3.clone().instruction_files(when);
            assert!(open(&s3, "k").await == plaintext_of(id), "{id}");
        }
        let never = opened(&s3.instruction_files(InstructionFiles::Never), "k").await;
        assert!(matches!(never, Err(Error::Object(_))), "{id}: {never:?}");
    }
}

/// PHP writes numbers, and with early Go a digest of the plaintext; C++ gives AES-CBC a tag of no bits.
#[tokio::test]
async fn what_only_some_clients_write_is_read() {
    let world = World::new();
    for (id, more) in [
        ("s3-kms-instr-0-ruby-v2", r#""x-amz-tag-len":128,"x-amz-unencrypted-content-length":5"#),
        (
            "s3-kms-instr-0-ruby-v2",
            r#""x-amz-tag-len":"128","x-amz-unencrypted-content-length":null"#,
        ),
        (
            "s3-aes-128-a-instr-ruby-v1",
            r#""x-amz-unencrypted-content-length":5,"x-amz-tag-len":null"#,
        ),
        (
            "s3-aes-128-a-instr-ruby-v1",
            r#""x-amz-unencrypted-content-md5":"1B2M2Y8AsgTpgAmY7PhCfg==""#,
        ),
        ("s3-kmslegacy-instr-ruby-v1", r#""x-amz-tag-len":"0""#),
    ] {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        let stored = Stored::of_vector(id);
        stored.store(&world, "k").await;
        let mut pairs = stored.instruction_file.unwrap();
        pairs.remove("x-amz-tag-len");
        let text = serde_json::to_string(&pairs).unwrap();
        let text = format!("{},{more}}}", text.strip_suffix('}').unwrap());
        world.put("k.instruction", text.as_bytes()).await;
        assert!(open(&s3, "k").await == plaintext_of(id), "{id}: {more}");
    }
    let id = "s3-synth-v2-aeswrap-cbc-0";
    let s3 = client(&world, &keyring_of(id).0).policy(everything());
    let stored = Stored::of_vector(id);
    stored.with("x-amz-tag-len", "0").store(&world, "k").await;
    assert!(open(&s3, "k").await == plaintext_of(id));
    for wrong in ["128", "00", "1"] {
        stored.with("x-amz-tag-len", wrong).store(&world, "k").await;
        assert!(opened(&s3, "k").await.is_err(), "{wrong}");
    }
}

/// Some clients store the file without the key that the caller brings for the object, and S3 refuses it then.
#[tokio::test]
async fn a_file_that_is_not_under_the_callers_key_is_read_without_it() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
    let get = get("k")
        .sse_customer_algorithm("AES256")
        .sse_customer_key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
        .sse_customer_key_md5("cLw8i5PUaAGy24gyR0GUZA==");
    for (refused, opens) in [(1, true), (2, false)] {
        world.faults().clear();
        let faults = world.faults().clone();
        world.faults().before(Operation::GetObject, 1, move || async move {
            faults.next(Operation::GetObject, refused, Fault::Refuse(400, "InvalidRequest"));
        });
        let got = s3.get_object(get.clone()).await;
        assert_eq!(got.is_ok(), opens, "{got:?}");
        let seen = world.faults().seen();
        let name = "x-amz-server-side-encryption-customer-algorithm";
        let with_key: Vec<_> = seen.iter().map(|seen| seen.header(name).is_some()).collect();
        assert_eq!(with_key, [true, true, false]);
    }
}

#[tokio::test]
async fn a_copy_of_an_old_version_does_not_get_the_file_of_another() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let with_file = s3.put_object(put("k").body(bytes(20).into()));
    with_file.instruction_file(InstructionFiles::Always).await.unwrap();
    let copy = |from: &str| CopyObjectInput::builder().bucket(BUCKET).key("copy").copy_source(from);
    s3.copy_object(copy("bucket/k")).await.unwrap();
    assert_eq!(open(&s3, "copy").await, bytes(20));
    world.faults().clear();
    let refused = s3.copy_object(copy("bucket/k?versionId=older")).await;
    assert!(matches!(refused, Err(Error::ApiMisuse(_))), "{refused:?}");
    // The current one was deleted, or is under another key of the caller's.
    for (status, code) in [(404, "NoSuchKey"), (400, "InvalidRequest")] {
        let faults = world.faults().clone();
        world.faults().before(Operation::HeadObject, 1, move || async move {
            faults.next(Operation::HeadObject, 1, Fault::Refuse(status, code));
        });
        let refused = s3.copy_object(copy("bucket/k?versionId=null")).await;
        assert!(matches!(refused, Err(Error::ApiMisuse(_))), "{refused:?}");
    }
    assert_eq!(world.faults().count(Operation::CopyObject), 0);
    s3.copy_object(copy("bucket/k?versionId=null")).await.unwrap();
}

/// An instruction file that can be deleted where its object cannot makes that unreadable.
#[tokio::test]
async fn an_instruction_file_is_kept_as_long_as_its_object() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes).instruction_files(InstructionFiles::Always);
    let put = put("k")
        .body(bytes(5).into())
        .object_lock_mode(ObjectLockMode::Compliance)
        .object_lock_retain_until_date(DateTime::from_secs(4_000_000_000))
        .object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On)
        .request_payer(RequestPayer::Requester)
        .tagging("tenant=42");
    // It does not matter here whether the server knows of these.
    drop(s3.put_object(put).await);
    let seen = world.faults().seen();
    let puts: Vec<_> = seen.iter().filter(|seen| seen.operation == Operation::PutObject).collect();
    let [object, file] = puts[..] else { panic!("{puts:?}") };
    assert!(file.path.ends_with("/k.instruction"));
    for name in [
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-object-lock-legal-hold",
        "x-amz-request-payer",
        "x-amz-tagging",
    ] {
        assert!(object.header(name).is_some(), "{name}");
        assert_eq!(object.header(name), file.header(name), "{name}");
    }
    // S3 wants one for what is to be kept, and not every SDK is set to make one.
    assert!(file.header("x-amz-checksum-sha256").is_some());
}

/// What is deleted is deleted; whose state is not known keeps its instruction file, and the others lose theirs.
#[tokio::test]
async fn an_unknown_state_of_one_object_does_not_keep_the_files_of_others() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    let mut delete = Delete::builder();
    for key in ["a", "b", "c"] {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
        delete = delete
            .objects(ObjectIdentifier::builder().key(key).version_id("null").build().unwrap());
    }
    world.faults().next(Operation::HeadObject, 1, Fault::Refuse(403, "AccessDenied"));
    let input = DeleteObjectsInput::builder().bucket(BUCKET).delete(delete.build().unwrap());
    let result = s3.delete_objects(input.request_payer(RequestPayer::Requester)).await;
    let Err(Error::S3(error)) = result else { panic!("{result:?}") };
    assert_eq!((error.operation(), error.on()), ("HeadObject", "bucket/a"));
    assert_eq!(world.keys(), ["a.instruction"]);
    let seen = world.faults().seen();
    let asked = seen.iter().filter(|seen| seen.operation == Operation::HeadObject);
    assert!(
        asked.clone().count() == 3
            && asked.into_iter().all(|seen| seen.header("x-amz-request-payer").is_some())
    );
}

/// `KEY.instruction` may be anybody's object: who asks for nothing to be replaced does not ask for that either.
#[tokio::test]
async fn what_replaces_nothing_replaces_no_instruction_file() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    world.put("k.instruction", b"theirs").await;
    let body = bytes((5 << 20) + 1);
    for way in ["put", "upload", "parts"] {
        let input = put("k").if_none_match("*");
        let refused = match way {
            "put" => s3.put_object(input.body(bytes(20).into())).await.map(drop),
            "upload" => s3.upload(input, &bytes(20)[..]).await.map(drop),
            _ => s3.upload(input, &body[..]).part_len(5 << 20).await.map(drop),
        };
        let Err(Error::S3(error)) = refused else { panic!("{way}: {refused:?}") };
        assert_eq!(error.failure(), &S3Failure::PreconditionFailed, "{way}");
        assert_eq!(error.on(), format!("{BUCKET}/k.instruction"), "{way}");
        assert_eq!(error.operation(), "HeadObject", "{way}");
        // Nothing was sent.
        assert_eq!(world.faults().count(Operation::UploadPart), 0, "{way}");
        assert_eq!(world.keys(), ["k.instruction"], "{way}");
        assert_eq!(world.stored("k.instruction"), b"theirs", "{way}");
    }
    // Without the condition it is replaced, as the object is.
    s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
    assert_eq!(open(&s3, "k").await, bytes(20));
    // Where the object is there, too, nothing is sent either: not every store would refuse it, but perhaps the file.
    world.faults().clear();
    for way in ["put", "upload", "parts"] {
        let input = put("k").if_none_match("*");
        let refused = match way {
            "put" => s3.put_object(input.body(bytes(20).into())).await.map(drop),
            "upload" => s3.upload(input, &bytes(20)[..]).await.map(drop),
            _ => s3.upload(input, &body[..]).part_len(5 << 20).await.map(drop),
        };
        let Err(Error::S3(error)) = refused else { panic!("{way}: {refused:?}") };
        assert_eq!(error.failure(), &S3Failure::PreconditionFailed, "{way}");
        assert_eq!((error.operation(), error.on()), ("HeadObject", "bucket/k"), "{way}");
    }
    for operation in [Operation::PutObject, Operation::UploadPart] {
        assert_eq!(world.faults().count(operation), 0);
    }

    s3.put_object(put("from").body(bytes(20).into())).await.unwrap();
    world.put("to.instruction", b"theirs").await;
    let copy = CopyObjectInput::builder().bucket(BUCKET).key("to").if_none_match("*");
    let refused = s3.copy_object(copy.copy_source(format!("{BUCKET}/from"))).await;
    let Err(Error::S3(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
    assert_eq!(world.stored("to.instruction"), b"theirs");
    assert!(!world.keys().contains(&"to".to_owned()));
}

/// What comes in between is not replaced either, but what an earlier attempt of this very request stored is no fault.
#[tokio::test]
async fn an_instruction_file_that_came_in_between_is_kept() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    // It cannot be looked at, so that the request itself must tell.
    world.put("k.instruction", b"theirs").await;
    world.faults().next(Operation::HeadObject, 1, Fault::Refuse(403, "AccessDenied"));
    let refused = s3.put_object(put("k").body(bytes(20).into()).if_none_match("*")).await;
    let Err(Error::S3(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
    assert_eq!(world.stored("k.instruction"), b"theirs");

    let faults = world.faults().clone();
    world.faults().before(Operation::PutObject, 1, move || async move {
        faults.next(Operation::PutObject, 1, Fault::LoseAnswer);
    });
    s3.put_object(put("new").body(bytes(20).into()).if_none_match("*")).await.unwrap();
    assert_eq!(open(&s3, "new").await, bytes(20));

    // Two attempts at once.
    let faults = world.faults().clone();
    world.faults().before(Operation::PutObject, 1, move || async move {
        faults.next(Operation::PutObject, 1, Fault::Refuse(409, "ConditionalRequestConflict"));
    });
    s3.put_object(put("newer").body(bytes(20).into()).if_none_match("*")).await.unwrap();
    assert_eq!(open(&s3, "newer").await, bytes(20));
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Three objects with instruction files, and a request to delete the first two.
async fn three_and_a_request(
    world: &World,
    quiet: bool,
) -> (Client, aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsInputBuilder) {
    let s3 = client(world, &aes()).instruction_files(InstructionFiles::Always);
    for key in NAMES {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let delete = Delete::builder().objects(named("a")).objects(named("b"));
    let delete = if quiet { delete.quiet(true) } else { delete };
    world.faults().clear();
    (s3, DeleteObjectsInput::builder().bucket(BUCKET).delete(delete.build().unwrap()))
}

/// Which of the instruction files are there.
fn files(world: &World) -> Vec<String> {
    world.keys().into_iter().filter(|key| key.ends_with(".instruction")).collect()
}

/// The SDK reads an answer that ends too early as one that names fewer objects.
#[tokio::test]
async fn what_no_answer_calls_deleted_keeps_its_instruction_file() {
    for quiet in [false, true] {
        let world = World::new();
        let (s3, request) = three_and_a_request(&world, quiet).await;
        let cut = "<DeleteResult><Deleted><Key>a</Key></Deleted><Deleted><Ke";
        world.faults().next(Operation::DeleteObjects, 1, Fault::Answer(cut));
        let result = s3.delete_objects(request).await;
        let Err(Error::S3(error)) = result else { panic!("{result:?}") };
        assert!(matches!(error.failure(), S3Failure::WrongAnswer(_)), "{error}");
        assert_eq!(error.on(), format!("{BUCKET}/b"));
        assert_eq!(files(&world), ["b.instruction", "c.instruction"]);
    }
    // The same for the files.
    let world = World::new();
    let (s3, request) = three_and_a_request(&world, false).await;
    let faults = world.faults().clone();
    world.faults().before(Operation::DeleteObjects, 1, move || async move {
        let cut = "<DeleteResult><Deleted><Key>a.instruction</Key></Deleted>";
        faults.next(Operation::DeleteObjects, 1, Fault::Answer(cut));
    });
    let result = s3.delete_objects(request).await;
    let Err(Error::S3(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.on(), format!("{BUCKET}/b.instruction"));
    // Who wants to hear of failures only hears of nothing else.
    let world = World::new();
    let (s3, request) = three_and_a_request(&world, true).await;
    let output = s3.delete_objects(request).await.unwrap();
    assert!(output.deleted().is_empty() && output.errors().is_empty(), "{output:?}");
    assert_eq!(files(&world), ["c.instruction"]);
}

#[tokio::test]
async fn neither_failure_of_a_deletion_hides_the_other() {
    let world = World::new();
    let (s3, request) = three_and_a_request(&world, false).await;
    let answer = "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error>\
                  <Deleted><Key>b</Key></Deleted></DeleteResult>";
    world.faults().next(Operation::DeleteObjects, 1, Fault::Answer(answer));
    let faults = world.faults().clone();
    world.faults().before(Operation::DeleteObjects, 1, move || async move {
        faults.next(Operation::DeleteObjects, 9, Fault::Refuse(403, "AccessDenied"));
    });
    let output = s3.delete_objects(request).await.unwrap();
    let [first, second] = output.errors() else { panic!("{output:?}") };
    assert_eq!((first.key(), first.code()), (Some("a"), Some("AccessDenied")));
    assert!(second.message().is_some_and(|text| text.contains("DeleteObjects")), "{second:?}");
    assert_eq!(files(&world).len(), 3);
}

/// Without its key, S3 does not tell of the current version, but that there is one.
#[tokio::test]
async fn a_version_beside_one_under_a_key_of_the_callers_is_deleted() {
    let world = World::new();
    let (s3, _) = three_and_a_request(&world, false).await;
    world.faults().next(Operation::HeadObject, 1, Fault::Refuse(400, "BadRequest"));
    let input = aws_sdk_s3::operation::delete_object::DeleteObjectInput::builder();
    s3.delete_object(input.bucket(BUCKET).key("a").version_id("null")).await.unwrap();
    assert_eq!(files(&world).len(), 3);
}
