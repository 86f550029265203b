//! How the objects of a bucket are encrypted.

use std::sync::Arc;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Input;
use waxseal::s3::{
    AesKeyring, Client, FormatVersion, InstructionFiles, MetadataLocation, MultiKeyring, Need,
    ObjectAudit, PlaintextLen, Policy, S3Failure, S3Keyring, WrappingAlgorithm,
};
use waxseal::{AesKey, CommitmentPolicy, Error, KeyringError, ObjectError};

use super::client::{bytes, put};
use super::keys::{Keys, aes, client};
use super::rewrap_all::thirty_objects;
use super::server::{BUCKET, Fault, Operation, World};

#[tokio::test]
async fn an_audit_tells_what_each_object_is_and_needs() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("a").body(bytes(5).into())).context([("tenant", "42")]).await.unwrap();
    let old = Policy::default().commitment(CommitmentPolicy::ForbidEncryptAllowDecrypt);
    let old = client(&world, &keys.rsa).policy(old).instruction_files(InstructionFiles::Always);
    old.put_object(put("b").body(bytes(6).into())).await.unwrap();
    world.put("c", b"plain").await;
    let cbc = [
        ("x-amz-key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("x-amz-matdesc", "{}"),
    ];
    put_raw(&world, "d", &cbc).await;
    put_raw(&world, "e", &[("x-amz-c", "115")]).await;
    world.faults().clear();

    let found = all(&s3, "", false).await;
    let keys: Vec<_> = found.iter().map(ObjectAudit::key).collect();
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
    let [a, b, c, d, e] = &found[..] else { panic!("{found:?}") };
    let reads = [Operation::HeadObject, Operation::GetObject, Operation::ListObjectsV2];
    assert!(world.faults().operations().iter().all(|operation| reads.contains(operation)));

    let metadata = a.content_metadata().unwrap();
    assert_eq!(metadata.format_version(), FormatVersion::V3);
    assert_eq!(metadata.wrapping_algorithm(), WrappingAlgorithm::KmsContext);
    assert_eq!(metadata.encryption_context().get("tenant"), Some("42"));
    assert_eq!(metadata.location(), MetadataLocation::Object);
    assert_eq!((a.stored_len(), a.plaintext_len()), (21, Some(PlaintextLen::Exact(5))));
    assert!(a.needs().is_empty() && a.error().is_none() && a.opened_by().is_none());

    let metadata = b.content_metadata().unwrap();
    assert_eq!(metadata.format_version(), FormatVersion::V2);
    assert_eq!(metadata.wrapping_algorithm(), WrappingAlgorithm::RsaOaepSha1);
    assert_eq!(metadata.location(), MetadataLocation::InstructionFile);
    assert_eq!(b.plaintext_len(), Some(PlaintextLen::Exact(6)));
    assert_eq!(b.needs(), [Need::KeyCommitment]);

    assert_eq!(c.needs(), [Need::Encryption]);
    assert!(c.content_metadata().is_none() && c.error().is_none());
    assert_eq!((c.stored_len(), c.plaintext_len()), (5, None));

    let needs = [Need::AuthenticatedContent, Need::KeyCommitment, Need::CurrentWrapping];
    assert_eq!(d.needs(), needs);
    assert_eq!(d.plaintext_len(), Some(PlaintextLen::AtMost(31)));

    assert!(e.needs().is_empty());
    assert!(matches!(e.error(), Some(Error::Object(ObjectError::Metadata { .. }))), "{e:?}");
}

#[tokio::test]
async fn an_audit_names_the_keyring_that_opens() {
    let (world, keys) = (World::new(), Keys::new());
    let described = |year: &str| -> Arc<dyn S3Keyring> {
        let keyring = AesKeyring::new(AesKey::generate_256().unwrap()).unwrap();
        Arc::new(keyring.description([("year", year)]))
    };
    let [first, second] = ["2025", "2026"].map(described);
    let both = MultiKeyring::new(Arc::clone(&first)).also(Arc::clone(&second));
    let nested = MultiKeyring::new(Arc::clone(&keys.aws)).also(both);
    let s3 = Client::new(world.sdk(), nested);
    for (key, keyring) in [("a", &first), ("b", &second), ("d", &keys.rsa), ("e", &aes())] {
        client(&world, keyring).put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    let aws = client(&world, &keys.aws);
    let with_context = aws.put_object(put("c").body(bytes(5).into()));
    with_context.context([("tenant", "42")]).await.unwrap();
    put_raw(
        &world,
        "f",
        &[("x-amz-key", "AAAA"), ("x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA=="), ("x-amz-matdesc", "{}")],
    )
    .await;

    let found = all(&s3, "", true).await;
    let [a, b, c, d, e, f] = &found[..] else { panic!("{found:?}") };
    for (object, keyring) in [(a, &first), (b, &second), (c, &keys.aws)] {
        assert_eq!(object.opened_by().unwrap().unwrap(), keyring.describe());
    }
    for (object, tried) in [(d, 1), (e, 2)] {
        let Some(Err(Error::Keyring(KeyringError::Object { attempts, .. }))) = object.opened_by()
        else {
            panic!("{object:?}")
        };
        assert_eq!(attempts.len(), tried);
    }
    // AES in ECB mode gives some key whatever happens.
    assert!(f.opened_by().is_none());
}

#[tokio::test]
async fn a_data_key_that_the_object_does_not_commit_to_opens_nothing() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for key in ["a", "b"] {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    let metadata = |key| {
        let head = world.sdk().head_object().bucket(BUCKET).key(key).send();
        async { head.await.unwrap().metadata.unwrap() }
    };
    let mut mixed = metadata("a").await;
    mixed.extend([("x-amz-3".to_owned(), metadata("b").await["x-amz-3"].clone())]);
    let put = world.sdk().put_object().bucket(BUCKET).key("c").set_metadata(Some(mixed));
    put.body(bytes(21).into()).send().await.unwrap();
    let found = all(&s3, "c", true).await;
    assert!(matches!(found[0].opened_by(), Some(Err(Error::Keyring(_)))), "{found:?}");
    assert!(!found[0].is_unknown());
}

/// The SDK reads a page that ends too early as a shorter one.
#[tokio::test]
async fn a_page_that_ends_too_early_is_not_the_last() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for key in ["a", "b", "c"] {
        s3.put_object(put(key).body(bytes(5).into())).await.unwrap();
    }
    let list = || ListObjectsV2Input::builder().bucket(BUCKET);
    let (mut refused, mut whole) = (0, 0);
    for len in 0..2000 {
        world.faults().next(Operation::ListObjectsV2, 1, Fault::Truncate(len));
        match s3.list_objects_v2(list()).estimate().await {
            Err(_) => refused += 1,
            Ok(page) => {
                assert_eq!(page.objects().len(), 3, "{len}");
                whole += 1;
            }
        }
    }
    assert!(refused > 500 && whole > 100, "{refused} refused, {whole} whole");
    // Other parts of the crate read pages in the same way.
    let first_only = "<ListBucketResult><KeyCount>3</KeyCount><IsTruncated>false</IsTruncated>\
                      <Contents><Key>a</Key></Contents>";
    world.faults().next(Operation::ListObjectsV2, 1, Fault::Answer(first_only));
    assert!(s3.audit(BUCKET, "").start().next().await.unwrap().is_err());
    world.faults().next(Operation::ListObjectsV2, 1, Fault::Answer("<ListBucketResult>"));
    assert!(s3.audit(BUCKET, "").start().next().await.unwrap().is_err());
}

#[tokio::test]
async fn pages_that_lead_to_themselves_have_an_end() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let page = "<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>0</KeyCount>\
                <NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    world.faults().next(Operation::ListObjectsV2, 100, Fault::Answer(page));
    let first = s3.audit(BUCKET, "").start().next().await;
    let Some(Err(Error::S3(error))) = first else { panic!("{first:?}") };
    assert!(matches!(error.failure(), S3Failure::WrongAnswer(_)), "{error}");
    assert_eq!(world.faults().count(Operation::ListObjectsV2), 2);
}

/// Some stores have an empty token on the last page.
#[tokio::test]
async fn an_empty_token_leads_nowhere() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    let page = "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount>\
                <NextContinuationToken></NextContinuationToken></ListBucketResult>";
    world.faults().next(Operation::ListObjectsV2, 9, Fault::Answer(page));
    assert!(s3.audit(BUCKET, "").start().next().await.is_none());
    assert_eq!(world.faults().count(Operation::ListObjectsV2), 1);
}

/// That no service was asked does not mean that one owes an answer.
#[tokio::test]
async fn what_no_client_writes_is_opened_by_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aws);
    s3.put_object(put("a").body(bytes(5).into())).await.unwrap();
    let mut metadata = world.metadata("a").await;
    assert!(metadata.insert("x-amz-t".to_owned(), r#"{"tenant":"42"}"#.to_owned()).is_some());
    world.put_with("a", &bytes(21), metadata).await;
    let found = all(&s3, "a", true).await;
    assert!(matches!(found[0].opened_by(), Some(Err(Error::Keyring(_)))), "{found:?}");
    assert!(!found[0].is_unknown());
}

#[tokio::test]
async fn an_audit_goes_through_all_of_a_prefix_in_order() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let expected = thirty_objects(&world, &s3).await;
    let found = all(&s3, "o", true).await;
    assert_eq!(found.len(), 30);
    for (object, (key, kind)) in found.iter().zip(&expected) {
        assert_eq!(object.key(), key);
        match *kind {
            "unencrypted" => assert_eq!(object.needs(), [Need::Encryption]),
            "broken" => assert!(object.error().is_some()),
            _ => assert!(object.opened_by().unwrap().is_ok()),
        }
    }
    let mut rest = s3.audit(BUCKET, "o").start_after("o27").parallelism(1).start();
    assert_eq!(rest.next().await.unwrap().unwrap().key(), "o28");
    assert_eq!(rest.next().await.unwrap().unwrap().key(), "o29");
    assert!(rest.next().await.is_none());
}

async fn all(s3: &Client, prefix: &str, try_keys: bool) -> Vec<ObjectAudit> {
    let mut objects = s3.audit(BUCKET, prefix).try_keys(try_keys).parallelism(4).start();
    let mut all = Vec::new();
    while let Some(object) = objects.next().await {
        all.push(object.unwrap());
    }
    all
}

/// Stores an object of 32 bytes with metadata past every client.
async fn put_raw(world: &World, key: &str, pairs: &[(&str, &str)]) {
    let put = world.sdk().put_object().bucket(BUCKET).key(key).body(bytes(32).into());
    let put = pairs.iter().fold(put, |put, (key, value)| put.metadata(*key, *value));
    put.send().await.unwrap();
}
