//! The data keys of all objects of a prefix, wrapped anew.

use waxseal::s3::{Client, InstructionFiles, Rewrapped, S3Failure};
use waxseal::{Error, ObjectError};

use super::client::{bytes, get, put};
use super::keys::{Keys, aes, client};
use super::rewrap::{Stored, opens, opens_no_more};
use super::server::{BUCKET, Operation, World};

#[tokio::test]
async fn a_whole_prefix_is_rewrapped_and_nothing_else() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let expected = thirty_objects(&world, &s3).await;
    for parallelism in [1, 4] {
        let to = aes();
        let from = s3.rewrap_all(BUCKET, "o", &to).parallelism(parallelism).dry_run();
        let mut results = from.start();
        let mut found = Vec::new();
        while let Some(result) = results.next().await {
            let result = result.unwrap();
            found.push((result.key().to_owned(), kind(result.rewrapped())));
        }
        let would = expected.iter().map(|(key, kind)| match *kind {
            "rewrapped" => (key.clone(), "would-rewrap"),
            kind => (key.clone(), kind),
        });
        assert_eq!(found, would.collect::<Vec<_>>());
    }
    assert_eq!(world.faults().count(Operation::CopyObject), 0);
    let (plain, broken) = (world.get("o02").await, Stored::of(&world, "o03").await);

    let mut results = s3.rewrap_all(BUCKET, "o", &keys.aws).parallelism(4).start();
    let mut found = Vec::new();
    while let Some(result) = results.next().await {
        let result = result.unwrap();
        assert_eq!(result.is_unencrypted(), result.key() == "o02" || result.key() == "o12");
        found.push((result.key().to_owned(), kind(result.rewrapped())));
    }
    assert_eq!(found, expected);
    assert_eq!(world.get("o02").await, plain);
    assert_eq!(Stored::of(&world, "o03").await, broken);
    // Another prefix.
    opens(&s3, "p00", 5).await;
    let new = client(&world, &keys.aws);
    for (i, (key, kind)) in expected.iter().enumerate() {
        if *kind == "rewrapped" {
            opens(&new, key, i).await;
            opens_no_more(&s3, key).await;
        }
    }
}

#[tokio::test]
async fn what_is_stopped_half_way_is_finished_by_doing_it_again() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    let expected = thirty_objects(&world, &s3).await;
    let mut results = s3.rewrap_all(BUCKET, "o", &keys.aws).parallelism(4).start();
    let mut last = String::new();
    for _ in 0..10 {
        last = results.next().await.unwrap().unwrap().key().to_owned();
    }
    drop(results);
    // Each opens with the one key or the other.
    let new = client(&world, &keys.aws);
    let mut olds = 0;
    for (i, (key, kind)) in expected.iter().enumerate() {
        if *kind == "rewrapped" {
            match s3.get_object(get(key)).await {
                Ok(_) => olds += 1,
                Err(_) => opens(&new, key, i).await,
            }
        }
    }
    assert!(olds >= 10, "{olds}");

    world.faults().clear();
    let mut results = s3.rewrap_all(BUCKET, "o", &keys.aws).start_after(&last).start();
    let mut found = Vec::new();
    while let Some(result) = results.next().await {
        let result = result.unwrap();
        assert!(result.key() > &*last);
        found.push((result.key().to_owned(), kind(result.rewrapped())));
    }
    assert_eq!(found.len(), 20);
    let mut results = s3.rewrap_all(BUCKET, "o", &keys.aws).start();
    let mut again = Vec::new();
    while let Some(result) = results.next().await {
        let result = result.unwrap();
        again.push((result.key().to_owned(), kind(result.rewrapped())));
    }
    let done = expected.iter().map(|(key, kind)| match *kind {
        "rewrapped" => (key.clone(), "already-done"),
        kind => (key.clone(), kind),
    });
    assert_eq!(again, done.collect::<Vec<_>>());
    for (i, (key, kind)) in expected.iter().enumerate() {
        if *kind == "rewrapped" {
            opens(&new, key, i).await;
        }
    }
}

#[tokio::test]
async fn a_bucket_that_cannot_be_listed_is_an_error_and_the_end() {
    let (world, keys) = (World::new(), Keys::new());
    let s3 = client(&world, &keys.aes);
    for (bucket, is_misuse) in [("none", false), ("", true)] {
        let mut results = s3.rewrap_all(bucket, "", &keys.aws).start();
        match results.next().await {
            Some(Err(Error::S3(error))) if !is_misuse => {
                assert_eq!(*error.failure(), S3Failure::NoSuchBucket);
            }
            Some(Err(Error::ApiMisuse(_))) if is_misuse => {}
            other => panic!("{other:?}"),
        }
        assert!(results.next().await.is_none());
    }
}

/// `o00` to `o29`: every tenth is plain, every tenth broken, some have instruction files. And one of another
/// prefix. Lengths of plaintexts are the numbers.
pub(crate) async fn thirty_objects(world: &World, s3: &Client) -> Vec<(String, &'static str)> {
    let always = s3.clone().instruction_files(InstructionFiles::Always);
    s3.put_object(put("p00").body(bytes(5).into())).await.unwrap();
    let mut expected = Vec::new();
    for i in 0..30 {
        let key = format!("o{i:02}");
        let kind = match i {
            2 | 12 => {
                world.put(&key, b"plain").await;
                "unencrypted"
            }
            3 | 13 => {
                let put = world.sdk().put_object().bucket(BUCKET).key(&key);
                let put = put.metadata("x-amz-3", "a2V5").metadata("x-amz-w", "02");
                put.body(bytes(32).into()).send().await.unwrap();
                "broken"
            }
            4 | 14 | 24 => {
                always.put_object(put(&key).body(bytes(i).into())).await.unwrap();
                "rewrapped"
            }
            _ => {
                s3.put_object(put(&key).body(bytes(i).into())).await.unwrap();
                "rewrapped"
            }
        };
        expected.push((key, kind));
    }
    expected
}

fn kind(rewrapped: Result<&Rewrapped, &Error>) -> &'static str {
    match rewrapped {
        Ok(rewrapped) => rewrapped.outcome().as_str(),
        Err(Error::Object(ObjectError::NotEncrypted { .. })) => "unencrypted",
        Err(Error::Object(_)) => "broken",
        Err(other) => panic!("{other:?}"),
    }
}
