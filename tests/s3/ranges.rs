//! Ranges of encrypted objects are those that S3 gives of a plain one.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use waxseal::s3::Client;
use waxseal::{ApiMisuse, Error};

use super::client::{bytes, get, put};
use super::keys::{aes, client};
use super::server::{BUCKET, Operation, World, refused};

const LEN: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_range_of_a_small_object_is_as_that_of_a_plain_one() {
    let (world, s3) = objects(LEN).await;
    let sdk = world.sdk();
    let between = (0..=LEN + 1).flat_map(|a| (a..=LEN + 1).map(move |b| format!("bytes={a}-{b}")));
    let others = (0..=LEN + 20).flat_map(|n| [format!("bytes={n}-"), format!("bytes=-{n}")]);
    for range in between.chain(others) {
        same(&sdk, &s3, &range).await;
    }
}

#[tokio::test]
async fn an_empty_object_has_no_ranges() {
    let (world, s3) = objects(0).await;
    for range in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=15-16", "bytes=-100"] {
        same(&world.sdk(), &s3, range).await;
    }
}

#[tokio::test]
async fn a_range_has_to_be_chosen_twice() {
    let (world, s3) = objects(LEN).await;
    world.faults().clear();
    let got = s3.get_object(get("k").range("bytes=0-1")).await;
    assert!(matches!(got, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{got:?}");
    for range in ["bytes=5-3", "bytes=0-1,3-4", "lines=1-2", "bytes=", "bytes=-"] {
        let got = s3.get_object(get("k").range(range)).verified_range().await;
        assert!(matches!(got, Err(Error::ApiMisuse(_))), "{range}: {got:?}");
        let got = s3.get_object(get("k").range(range)).unauthenticated_range().await;
        assert!(matches!(got, Err(Error::ApiMisuse(_))), "{range}: {got:?}");
    }
    assert_eq!(world.faults().count(Operation::GetObject), 0);
}

#[tokio::test]
async fn an_unauthenticated_range_asks_for_little_and_a_verified_one_for_all() {
    let (world, s3) = objects(LEN).await;
    world.faults().clear();
    s3.get_object(get("k").range("bytes=3-5")).unauthenticated_range().await.unwrap();
    s3.get_object(get("k").range("bytes=3-5")).verified_range().await.unwrap();
    let seen = world.faults().seen();
    assert_eq!(seen[0].header("range"), Some("bytes=3-5"));
    assert_eq!(seen[1].header("range"), None);
    assert_eq!(seen.len(), 2);
}

/// An object `k`, and the same in the clear as `plain`.
async fn objects(len: usize) -> (World, Client) {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    s3.put_object(put("k").body(bytes(len).into())).await.unwrap();
    world.put("plain", &bytes(len)).await;
    (world, s3)
}

async fn same(sdk: &aws_sdk_s3::Client, s3: &Client, range: &str) {
    let plain = sdk.get_object().bucket(BUCKET).key("plain").range(range).send();
    let verified = s3.get_object(get("k").range(range)).verified_range();
    let unauthenticated = s3.get_object(get("k").range(range)).unauthenticated_range();
    let (plain, verified, unauthenticated) =
        tokio::join!(plain, verified.into_future(), unauthenticated.into_future());
    match plain {
        Ok(plain) => {
            let expected = known(plain).await;
            assert_eq!(known(verified.unwrap()).await, expected, "{range}");
            assert_eq!(known(unauthenticated.unwrap()).await, expected, "{range}");
        }
        Err(_) => {
            assert_eq!(refused(plain).0, 416, "{range}");
            for got in [verified, unauthenticated] {
                let unsatisfiable = matches!(got, Err(Error::ApiMisuse(ApiMisuse::Range { .. })));
                assert!(unsatisfiable, "{range}: {got:?}");
            }
        }
    }
}

/// What a caller sees of a range.
async fn known(got: GetObjectOutput) -> (Option<String>, Option<i64>, Vec<u8>) {
    (got.content_range, got.content_length, got.body.collect().await.unwrap().to_vec())
}
