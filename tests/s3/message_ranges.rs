//! Ranges of objects whose body is a message: authentic, and with no more requests than they need.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use waxseal::s3::{Client, Format, S3Failure};
use waxseal::{
    AesKey, AlgorithmSuite, ApiMisuse, Error, FrameKind, PolicyError, RawAesKeyring, Stage,
};

use super::client::{bytes, get};
use super::message::{put_message, read, with_materials};
use super::server::{BUCKET, Operation, World};

#[tokio::test]
async fn every_range_is_the_one_that_s3_gives_of_the_plaintext() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    let s3 = s3.frame_len(4);
    for len in [0, 1, 4, 10, 12] {
        let body = bytes(len);
        world.put("plain", &body).await;
        put_message(&s3, &body).await;
        same_as_s3(&world, &s3, len).await;
    }
    // Some clients end a message in an empty frame after full ones.
    world.put("plain", &bytes(12)).await;
    world.put("k", &ending_empty(&keyring, &bytes(12))).await;
    same_as_s3(&world, &s3, 12).await;
}

#[tokio::test]
async fn only_the_frames_that_are_needed_are_asked_for() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let body = bytes(1_000_000);
    put_message(&s3.clone().frame_len(4096), &body).await;
    for (first, last, frames) in
        [(500_000, 500_009, 1), (4096 * 30, 4096 * 31 - 1, 1), (4096 * 30 - 1, 4096 * 31, 3)]
    {
        world.faults().clear();
        let got = range(&s3, &format!("bytes={first}-{last}")).await.unwrap();
        assert!(read(got).await == body[first..=last]);
        let (requests, asked) = requested(&world);
        assert_eq!(requests, 3, "the header, the final frame, those between");
        let last_frame = 1_000_000 % 4096 + 40;
        assert_eq!(asked, (16 << 10) + last_frame + frames * (4096 + 32));
    }
    // What the first request or the final frame has is not asked for again.
    for (wanted, count) in [("bytes=0-9", 2), ("bytes=-5", 2)] {
        world.faults().clear();
        range(&s3, wanted).await.unwrap();
        assert_eq!(requested(&world).0, count, "{wanted}");
    }
    put_message(&s3.clone().frame_len(100), &bytes(10_000)).await;
    world.faults().clear();
    assert!(read(range(&s3, "bytes=777-8888").await.unwrap()).await == bytes(10_000)[777..=8888]);
    assert_eq!(requested(&world).0, 1, "all of it came with the header");
}

#[tokio::test]
async fn a_long_range_is_asked_for_in_pieces() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let body = bytes(20_000_000);
    put_message(&s3, &body).await;
    world.faults().clear();
    let got = range(&s3, "bytes=1000000-19999998").await.unwrap();
    assert!(read(got).await == body[1_000_000..19_999_999]);
    assert_eq!(requested(&world).0, 5, "the header, the final frame, three times eight MiB");
    let limited = s3.clone().buffer_limit(10_000_000);
    assert!(range(&limited, "bytes=1000000-9999999").await.is_ok());
    let refused = range(&limited, "bytes=1000000-19999998").await;
    assert!(matches!(refused, Err(Error::Policy(PolicyError::BufferLimit { .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_header_longer_than_the_first_request_is_read() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    let long = "v".repeat(40_000);
    let body = bytes(1000);
    let message = waxseal::encrypt(&body, &keyring)
        .suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKey)
        .context([("tenant", "42"), ("long", &*long)])
        .frame_len(100)
        .unwrap();
    world.put("k", &message.now().unwrap()).await;
    assert_eq!(read(range(&s3, "bytes=250-449").await.unwrap()).await, body[250..450]);
    let strict = s3.message_policy(waxseal::Policy::default().max_header_len(20_000));
    let refused = range(&strict, "bytes=250-449").await;
    assert!(matches!(refused, Err(Error::Policy(PolicyError::HeaderLen { .. }))), "{refused:?}");
}

#[tokio::test]
async fn a_changed_frame_is_noticed_by_ranges_that_touch_it() {
    let world = World::new();
    let (s3, keyring) = with_materials(&world);
    put_message(&s3.clone().frame_len(10), &bytes(35)).await;
    let whole = world.stored("k");
    let header = waxseal::inspect(&whole).unwrap().parsed().len();
    let header = usize::try_from(header).unwrap();
    // Somewhere in the second of four frames.
    for at in header + 42..header + 84 {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        world.put("k", &changed).await;
        for (wanted, is_touched) in [
            ("bytes=0-9", false),
            ("bytes=0-10", true),
            ("bytes=19-", true),
            ("bytes=20-29", false),
        ] {
            let got = range(&s3, wanted).await;
            assert_eq!(got.is_err(), is_touched, "{at} {wanted}");
        }
    }
    assert!(waxseal::decrypt(&world.stored("k"), &keyring).now().is_err());
    // The final frame proves the length, so it must be right for every range.
    for at in header + 3 * 42..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        world.put("k", &changed).await;
        assert!(range(&s3, "bytes=0-9").await.is_err(), "{at}");
    }
    let mut changed = whole;
    changed[header + 50] ^= 1;
    world.put("k", &changed).await;
    let failed = range(&s3, "bytes=10-19").await;
    assert!(matches!(failed, Err(Error::Unauthentic(Stage::Frame(2)))), "{failed:?}");
}

#[tokio::test]
async fn an_object_that_was_cut_has_no_range() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    put_message(&s3.clone().frame_len(10), &bytes(30)).await;
    let whole = world.stored("k");
    for len in 0..whole.len() {
        world.put("k", &whole[..len]).await;
        assert!(range(&s3, "bytes=0-0").await.is_err(), "{len}");
    }
    for more in [1, 42, 50] {
        world.put("k", &[&whole[..], &vec![0; more]].concat()).await;
        assert!(range(&s3, "bytes=0-0").await.is_err(), "{more}");
    }
}

#[tokio::test]
async fn an_object_that_is_replaced_meanwhile_is_no_mixture() {
    for nth in [2, 3] {
        let world = World::new();
        let (s3, _) = with_materials(&world);
        put_message(&s3, &bytes(1_000_000)).await;
        let (sdk, other) = (world.sdk(), world.stored("k"));
        world.faults().clear();
        world.faults().before(Operation::GetObject, nth, move || async move {
            // The same length, and the same bytes but one.
            let mut other = other;
            other[0] ^= 1;
            let put = sdk.put_object().bucket(BUCKET).key("k").body(other.into());
            put.send().await.unwrap();
        });
        let failed = range(&s3, "bytes=500000-500009").await;
        let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(*error.failure(), S3Failure::PreconditionFailed, "{nth}");
    }
}

#[tokio::test]
async fn ranges_of_signed_messages_are_refused() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let signs = s3.clone().message_suite(AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384);
    put_message(&signs, &bytes(100)).await;
    let refused = range(&s3, "bytes=0-9").await;
    let Err(Error::Policy(error)) = refused else { panic!("{refused:?}") };
    assert!(matches!(error, PolicyError::RangeOfSignedMessage), "{error}");
}

#[tokio::test]
async fn ranges_of_messages_without_frames_are_refused() {
    let world = World::new();
    // Only Python writes them.
    let read_file = |path: &str| std::fs::read(format!("tests/vectors/{path}")).unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&read_file("keys.json")).unwrap();
    let key = keys["keys"]["aes-256-a"]["material_hex"].as_str().unwrap();
    let digits = |at: usize| u8::from_str_radix(&key[at..at + 2], 16).unwrap();
    let key: Vec<_> = (0..key.len()).step_by(2).map(digits).collect();
    let key = AesKey::try_from(&key[..]).unwrap();
    let keyring = RawAesKeyring::new("waxseal.tests", "name of aes-256-a", key).unwrap();
    let s3 = with_materials(&world).0.materials(keyring);
    world.put("k", &read_file("messages/unframed-0478-1-py.bin")).await;
    let whole = s3.get_object(get("k")).format(Format::EsdkMessage).await.unwrap();
    assert_eq!(read(whole).await, read_file("plaintexts/1.bin"));
    let refused = s3.get_object(get("k").range("bytes=0-0")).format(Format::EsdkMessage).await;
    let Err(Error::Policy(error)) = refused else { panic!("{refused:?}") };
    assert!(matches!(error, PolicyError::RangeOfUnframedMessage), "{error}");
}

#[tokio::test]
async fn ranges_are_never_unauthenticated() {
    let world = World::new();
    let (s3, _) = with_materials(&world);
    let ask = s3.get_object(get("k").range("bytes=0-9")).format(Format::EsdkMessage);
    let refused = ask.unauthenticated_range().await;
    assert!(matches!(refused, Err(Error::ApiMisuse(ApiMisuse::Setting { .. }))), "{refused:?}");
    assert!(world.faults().seen().is_empty());
}

/// A range of `k`.
async fn range(s3: &Client, wanted: &str) -> Result<GetObjectOutput, Error> {
    let ask = s3.get_object(get("k").range(wanted)).format(Format::EsdkMessage);
    ask.context([("tenant", "42")]).await
}

/// Compares `k` with what S3 says about `plain`, for every range that begins at most a byte behind the end.
async fn same_as_s3(world: &World, s3: &Client, len: usize) {
    let mut all = Vec::new();
    for first in 0..=len + 1 {
        all.push(format!("bytes={first}-"));
        all.push(format!("bytes=-{first}"));
        all.extend((first..=len + 1).map(|last| format!("bytes={first}-{last}")));
    }
    for wanted in all {
        let plain =
            world.sdk().get_object().bucket(BUCKET).key("plain").range(&wanted).send().await;
        let got = range(s3, &wanted).await;
        match (plain, got) {
            (Ok(plain), Ok(got)) => {
                assert_eq!(got.content_range, plain.content_range, "{wanted} of {len}");
                assert_eq!(got.content_length, plain.content_length, "{wanted} of {len}");
                let expected = plain.body.collect().await.unwrap().to_vec();
                assert_eq!(read(got).await, expected, "{wanted} of {len}");
            }
            (Err(plain), Err(Error::ApiMisuse(ApiMisuse::Range { len: stated, .. }))) => {
                let status = plain.raw_response().map(|answer| answer.status().as_u16());
                assert_eq!((status, stated), (Some(416), u64::try_from(len).unwrap()), "{wanted}");
            }
            (plain, got) => panic!("{wanted} of {len}: {plain:?} {got:?}"),
        }
    }
}

/// A message of full regular frames of 4 bytes and an empty final one.
fn ending_empty(keyring: &RawAesKeyring, plaintext: &[u8]) -> Vec<u8> {
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let encryptor = waxseal::encryptor(keyring).context([("tenant", "42")]).suite(suite);
    let parts = encryptor.frame_len(4).unwrap().now().unwrap().into_frames().unwrap();
    let mut message = parts.header;
    let mut seal = |number, kind, plaintext: &[u8]| {
        let mut frame = vec![0; parts.sealer.sealed_len(kind, plaintext.len())];
        parts.sealer.seal(number, kind, plaintext, &mut frame).unwrap();
        message.extend_from_slice(&frame);
    };
    let mut number = 1;
    for frame in plaintext.chunks(4) {
        seal(number, FrameKind::Regular, frame);
        number += 1;
    }
    seal(number, FrameKind::Final, b"");
    message
}

/// How many GETs there were, and of how many bytes together.
fn requested(world: &World) -> (usize, usize) {
    let seen = world.faults().seen();
    assert!(seen.iter().all(|seen| seen.operation == Operation::GetObject));
    let lens = seen.iter().map(|seen| {
        let wanted = seen.header("range").unwrap().strip_prefix("bytes=").unwrap();
        let (first, last) = wanted.split_once('-').unwrap();
        last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1
    });
    (seen.len(), lens.sum())
}
