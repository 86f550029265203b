//! Metadata, instruction files and answers that nobody honest would write or send.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::operation::copy_object::CopyObjectInput;
use aws_sdk_s3::types::MetadataDirective;
use waxseal::s3::{Client, Format, InstructionFiles, Metadata, S3Failure};
use waxseal::{AesKey, Error, ObjectError, RawAesKeyring, Stage};

use super::client::{bytes, get, open, put};
use super::keys::{Keys, aes, client};
use super::server::{BUCKET, Operation, World};
use super::stored::{
    Stored, everything, keyring_of, opened, plaintext_of, refused_by_every_way, to_base64, told,
};

#[tokio::test]
async fn values_that_no_client_writes_are_refused_or_change_nothing() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        for policy in [everything(), Default::default()] {
            let s3 = client(&world, keyring).policy(policy);
            s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
            let object = Stored::at(&world, "k").await;
            for key in object.metadata.keys().filter(|key| key.starts_with("x-amz-")) {
                let value = object.value(key);
                for bad in [
                    "",
                    "=",
                    "====",
                    "{",
                    "{}",
                    "null",
                    "[]",
                    "{\"a\":1}",
                    "{\"a\":\"1\",\"a\":\"1\"}",
                    "{\"a\":{\"a\":{}}}",
                    "=?UTF-8?B?e30=?=",
                    "-1",
                    "99999999999999999999999999",
                    &"[".repeat(800),
                    &"A".repeat(800),
                    &format!("{value}{value}"),
                    &format!("{value},{value}"),
                    &format!("{value} "),
                    &value.replace('=', "").replace('+', "-").replace('/', "_"),
                ] {
                    object.with(key, bad).store(&world, "k").await;
                    match opened(&s3, "k").await {
                        Ok(plaintext) => assert_eq!(plaintext, bytes(20), "{key}: {bad}"),
                        Err(error) => assert!(told(&error).len() < 1500, "{key}: {error:?}"),
                    }
                }
            }
        }
    }
}

#[test]
fn long_values_are_told_shortly() {
    let (long, deep) = ("A".repeat(1 << 20), "[".repeat(1 << 20));
    let object = Stored::of_vector("s3-synth-v3-aes-1");
    for key in object.metadata.keys() {
        for value in [&long, &deep] {
            let error = match Metadata::read(&object.with(key, value).metadata) {
                Err(error) => error.to_string(),
                // Any bytes may be a wrapped data key.
                Ok(_) => continue,
            };
            assert!(error.len() < 300, "{key}: {error}");
        }
    }
}

#[test]
fn values_that_no_header_can_have_are_errors() {
    let hostile = ["\0", "\u{1b}[2J", "\r\nx: y", "\u{202e}", "\u{fffd}", "\u{10ffff}", "é=="];
    for key in
        ["x-amz-key", "x-amz-key-v2", "x-amz-iv", "x-amz-c", "x-amz-3", "x-amz-t", "x-amz-tag-len"]
    {
        for value in hostile {
            for complete in [&[][..], &[("x-amz-c", "115"), ("x-amz-3", "AA==")]] {
                let pairs = complete.iter().copied().filter(|(other, _)| *other != key);
                let Err(error) = Metadata::read(pairs.chain([(key, value)])) else {
                    panic!("{key}: {value:?} was read")
                };
                let said = error.to_string();
                assert!(!said.contains(['\0', '\u{1b}', '\r', '\n', '\u{202e}']), "{said:?}");
            }
        }
    }
}

#[tokio::test]
async fn instruction_files_that_no_client_writes_are_refused() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
    let right = world.stored("k.instruction");
    let text = String::from_utf8(right.clone()).unwrap();
    let inner = text.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
    let of_len =
        |len: usize| format!("{{{inner},\"x-amz-m\":\"{}\"}}", "a".repeat(len)).into_bytes();
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("one byte", b"{".to_vec()),
        ("a NUL", b"\0".to_vec()),
        ("null", b"null".to_vec()),
        ("an array", format!("[{text}]").into()),
        ("a string", format!("{text:?}").into()),
        ("not UTF-8", [&right[..right.len() - 1], b",\"own\":\"\xff\"}"].concat()),
        ("UTF-16", utf16),
        ("a mark of UTF-8", [b"\xef\xbb\xbf", &right[..]].concat()),
        ("a NUL behind it", [&right[..], b"\0"].concat()),
        ("something behind it", [&right[..], b"{}"].concat()),
        ("twice", [&right[..], &right[..]].concat()),
        ("a key twice", format!("{{{inner},{inner}}}").into()),
        (
            "a key twice, written otherwise",
            format!("{{{inner},\"x-amz-\\u0033\":\"AAAA\"}}").into(),
        ),
        ("a key in capitals", text.replace("x-amz-3", "X-Amz-3").into()),
        ("both spellings", format!("{{{inner},\"X-AMZ-3\":\"AAAA\"}}").into()),
        ("a key with a prefix", text.replace("x-amz-3", "x-amz-meta-x-amz-3").into()),
        ("a key that is not known", format!("{{{inner},\"own\":\"1\"}}").into()),
        ("a key that is not text", format!("{{{inner},\"\\u0000\":\"1\"}}").into()),
        ("a number", text.replace("\"02\"", "2").into()),
        ("an object as value", format!("{{{inner},\"x-amz-m\":{{}}}}").into()),
        ("deep", [&b"{\"x-amz-m\":"[..], &b"[".repeat(50_000)].concat()),
        ("deep objects", b"{\"x-amz-m\":".repeat(5000)),
        ("64 KiB and a byte", of_len((64 << 10) + 1 - of_len(0).len())),
        ("5 MiB", of_len(5 << 20)),
        ("5 MiB of spaces", [&right[..], &b" ".repeat(5 << 20)].concat()),
    ];
    for (what, file) in bad {
        world.put("k.instruction", &file).await;
        for error in refused_by_every_way(&s3, "k", &[]).await {
            assert!(matches!(error, Error::Object(_)), "{what}: {error:?}");
            let told = told(&error);
            assert!(told.len() < 1000 && !told.contains(['\0', '\u{fffd}']), "{what}: {told:?}");
        }
    }
    world.put("k.instruction", format!(" \n{{ {inner} }}\r\n").as_bytes()).await;
    assert_eq!(open(&s3, "k").await, bytes(20), "white space does no harm");
}

#[tokio::test]
async fn bodies_shorter_than_any_are_not_authentic() {
    let (world, keys) = (World::new(), Keys::new());
    for keyring in keys.all() {
        for policy in [everything(), Default::default()] {
            let s3 = client(&world, keyring).policy(policy);
            s3.put_object(put("k").body(bytes(0).into())).await.unwrap();
            let object = Stored::at(&world, "k").await;
            for len in [0, 1, 12, 15] {
                object.body(|body| body.truncate(len)).store(&world, "k").await;
                let got = s3.get_object(get("k")).await;
                assert!(matches!(got, Err(Error::Unauthentic(Stage::Body))), "{len}: {got:?}");
                let early = s3.get_object(get("k")).release_unauthenticated().await.unwrap();
                assert!(early.body.collect().await.is_err(), "{len}");
                for early in [false, true] {
                    let mut out = Vec::new();
                    let download = s3.download(get("k"), &mut out);
                    let download =
                        if early { download.release_unauthenticated() } else { download };
                    let failed = download.await;
                    assert!(matches!(failed, Err(Error::Unauthentic(Stage::Body))), "{failed:?}");
                    assert!(out.is_empty());
                }
                let range =
                    s3.get_object(get("k").range("bytes=0-0")).unauthenticated_range().await;
                assert!(range.is_err(), "{len}");
            }
        }
    }
}

/// Changes answers before the SDK reads them.
#[derive(Debug)]
struct Lying(fn(&mut HttpResponse));

impl Intercept for Lying {
    fn name(&self) -> &'static str {
        "Lying"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        (self.0)(context.response_mut());
        Ok(())
    }
}

/// A client to whom S3 lies.
fn lied_to(
    world: &World,
    keyring: &std::sync::Arc<dyn waxseal::s3::S3Keyring>,
    lie: fn(&mut HttpResponse),
) -> Client {
    let config = world.s3.config().interceptor(Lying(lie)).build();
    Client::new(aws_sdk_s3::Client::from_conf(config), std::sync::Arc::clone(keyring))
}

fn set(answer: &mut HttpResponse, header: &'static str, value: &'static str) {
    answer.headers_mut().insert(header, value);
}

fn is_wrong_answer<T: std::fmt::Debug>(result: Result<T, Error>) {
    let Err(Error::S3(error)) = result else { panic!("{result:?}") };
    assert!(matches!(error.failure(), S3Failure::WrongAnswer(_)), "{error:?}");
}

#[tokio::test]
async fn a_range_that_nobody_asked_for_is_a_wrong_answer() {
    let (world, keyring) = (World::new(), aes());
    client(&world, &keyring).put_object(put("k").body(bytes(100).into())).await.unwrap();
    let s3 = lied_to(&world, &keyring, |answer| set(answer, "content-range", "bytes 0-115/116"));
    is_wrong_answer(s3.get_object(get("k")).await);
    is_wrong_answer(s3.get_object(get("k")).release_unauthenticated().await);
    is_wrong_answer(s3.get_object(get("k").range("bytes=0-1")).verified_range().await);
}

#[tokio::test]
async fn a_range_other_than_the_one_asked_for_is_a_wrong_answer() {
    let (world, keyring) = (World::new(), aes());
    client(&world, &keyring).put_object(put("k").body(bytes(100).into())).await.unwrap();
    // Asked for are the bytes 16 to 47 of 116.
    let lies: [fn(&mut HttpResponse); 11] = [
        |answer| set(answer, "content-range", "bytes 15-46/116"),
        |answer| set(answer, "content-range", "bytes 17-48/116"),
        |answer| set(answer, "content-range", "bytes 0-47/116"),
        |answer| set(answer, "content-range", "bytes 16-46/116"),
        |answer| set(answer, "content-range", "bytes 16-47/*"),
        |answer| set(answer, "content-range", "bytes 16-47"),
        |answer| set(answer, "content-range", "16-47/116"),
        |answer| set(answer, "content-range", "bytes */116"),
        |answer| set(answer, "content-range", ""),
        |answer| set(answer, "content-range", "bytes 16-47/-116"),
        |answer| set(answer, "content-range", "bytes 16-47/99999999999999999999999999"),
    ];
    for lie in lies {
        let s3 = lied_to(&world, &keyring, lie);
        is_wrong_answer(s3.get_object(get("k").range("bytes=16-47")).unauthenticated_range().await);
    }
    // With these, the whole would not be what S3 stores, or the range not in it.
    let lies: [fn(&mut HttpResponse); 4] = [
        |answer| set(answer, "content-range", "bytes 16-47/15"),
        |answer| set(answer, "content-range", "bytes 16-47/40"),
        |answer| set(answer, "content-range", "bytes 16-47/18446744073709551615"),
        |answer| drop(answer.headers_mut().remove("content-range")),
    ];
    for lie in lies {
        let s3 = lied_to(&world, &keyring, lie);
        let got = s3.get_object(get("k").range("bytes=16-47")).unauthenticated_range().await;
        assert!(got.is_err(), "{got:?}");
    }
    // What goes to a writer is put together from ranges.
    let lies: [fn(&mut HttpResponse); 4] = [
        |answer| set(answer, "content-range", "bytes 0-49/116"),
        |answer| set(answer, "content-range", "bytes 0-39/117"),
        |answer| set(answer, "content-range", ""),
        |answer| drop(answer.headers_mut().remove("content-range")),
    ];
    for lie in lies {
        let s3 = lied_to(&world, &keyring, lie);
        for early in [false, true] {
            let mut out = Vec::new();
            let download = s3.download(get("k"), &mut out).part_len(40);
            let download = if early { download.release_unauthenticated() } else { download };
            is_wrong_answer(download.await);
            assert!(out.is_empty());
        }
    }
}

#[tokio::test]
async fn lengths_that_are_not_true_harm_nobody() {
    let (world, keyring) = (World::new(), aes());
    client(&world, &keyring).put_object(put("k").body(bytes(100).into())).await.unwrap();
    let lies: [fn(&mut HttpResponse); 6] = [
        |answer| set(answer, "content-length", "0"),
        |answer| set(answer, "content-length", "-1"),
        |answer| set(answer, "content-length", "1"),
        |answer| set(answer, "content-length", "115"),
        |answer| set(answer, "content-length", "117"),
        |answer| set(answer, "content-length", "9223372036854775807"),
    ];
    for lie in lies {
        let s3 = lied_to(&world, &keyring, lie);
        for result in
            [s3.get_object(get("k")).await, s3.get_object(get("k")).release_unauthenticated().await]
        {
            if let Ok(got) = result
                && let Ok(all) = got.body.collect().await
            {
                assert_eq!(all.to_vec(), bytes(100));
            }
        }
        for limit in [0, 1 << 20] {
            let mut out = Vec::new();
            let failed =
                s3.clone().buffer_limit(limit).download(get("k"), &mut out).part_len(40).await;
            assert!(failed.is_err(), "{failed:?}");
            assert!(out.is_empty());
        }
    }
}

#[tokio::test]
async fn a_length_that_is_claimed_everywhere_reserves_no_memory() {
    let (world, keyring) = (World::new(), aes());
    client(&world, &keyring).put_object(put("k").body(bytes(100).into())).await.unwrap();
    let s3 = lied_to(&world, &keyring, |answer| {
        set(answer, "content-length", "9223372036854775807");
        let range = "bytes 0-9223372036854775806/9223372036854775807";
        if answer.headers().get("content-range").is_some() {
            set(answer, "content-range", range);
        }
    });
    for limit in [0, u64::MAX] {
        let mut out = Vec::new();
        let s3 = s3.clone().buffer_limit(limit);
        is_wrong_answer(s3.download(get("k"), &mut out).part_len(u64::MAX).await);
        assert!(out.is_empty());
        let whole = s3.get_object(get("k")).await;
        assert!(whole.is_err() == (limit == 0), "{whole:?}");
        let range = s3.get_object(get("k").range("bytes=0-")).unauthenticated_range().await;
        assert!(range.is_err(), "{range:?}");
    }
}

#[tokio::test]
async fn a_message_gives_right_bytes_or_an_error_whatever_s3_says_of_its_length() {
    let world = World::new();
    let keyring = || RawAesKeyring::new("tests", "one", AesKey::from([7; 32])).unwrap();
    let s3 = client(&world, &aes()).materials(keyring()).frame_len(4096);
    let body = bytes(100_000);
    let put_it = s3.put_object(put("k").body(body.clone().into()));
    put_it.format(Format::EsdkMessage).await.unwrap();
    let lies: [fn(&mut HttpResponse); 9] = [
        |answer| set(answer, "content-length", "0"),
        |answer| set(answer, "content-length", "-1"),
        |answer| set(answer, "content-length", "9223372036854775807"),
        |answer| set(answer, "content-range", "bytes 0-16383/0"),
        |answer| set(answer, "content-range", "bytes 0-16383/16384"),
        |answer| set(answer, "content-range", "bytes 0-16383/50000"),
        |answer| set(answer, "content-range", "bytes 0-16383/18446744073709551615"),
        |answer| set(answer, "content-range", "bytes 1-16384/100000"),
        |answer| drop(answer.headers_mut().remove("content-range")),
    ];
    for lie in lies {
        let s3 = lied_to(&world, &aes(), lie).materials(keyring()).buffer_limit(u64::MAX);
        for (range, expected) in
            [("bytes=0-9", &body[..10]), ("bytes=50000-50009", &body[50_000..50_010])]
        {
            let got = s3.get_object(get("k").range(range)).format(Format::EsdkMessage).await;
            if let Ok(got) = got {
                assert!(got.body.collect().await.unwrap().to_vec() == expected, "{range}");
            }
        }
        let mut out = Vec::new();
        let download = s3.download(get("k"), &mut out).format(Format::EsdkMessage);
        let done = download.part_len(u64::MAX).await;
        // Frames are authentic one by one; that it is all of them is not known before the end.
        assert!(if done.is_ok() { out == body } else { body.starts_with(&out) }, "{done:?}");
    }
}

#[tokio::test]
async fn a_server_that_heeds_no_condition_mixes_no_versions() {
    let (world, keyring) = (World::new(), aes());
    client(&world, &keyring).put_object(put("k").body(bytes(100).into())).await.unwrap();
    // The first is the answer about the object, and both are from then on another object's.
    let s3 = lied_to(&world, &keyring, |answer| {
        if answer.headers().get("content-range").is_some_and(|range| !range.contains("0-39")) {
            set(answer, "etag", "\"another\"");
        }
    });
    for early in [false, true] {
        let mut out = Vec::new();
        let download = s3.download(get("k"), &mut out).part_len(40).parallelism(1);
        let download = if early { download.release_unauthenticated() } else { download };
        let failed = download.await;
        let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
        assert!(out.len() < 40);
    }
    let s3 = lied_to(&world, &keyring, |answer| drop(answer.headers_mut().remove("etag")));
    is_wrong_answer(s3.download(get("k"), &mut Vec::new()).await);
}

#[tokio::test]
async fn an_object_that_changes_between_its_metadata_and_its_instruction_file_is_not_opened() {
    let (world, keyring) = (std::sync::Arc::new(World::new()), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(100).into())).await.unwrap();
    let again = s3.clone();
    world.faults().before(Operation::GetObject, 2, move || async move {
        again.put_object(put("k").body(bytes(50).into())).await.unwrap();
    });
    let error = opened(&s3, "k").await.unwrap_err();
    assert!(matches!(error, Error::Unauthentic(Stage::Commitment)), "{error:?}");
    assert_eq!(open(&s3, "k").await, bytes(50));
}

#[tokio::test]
async fn a_copy_gets_no_metadata_of_an_object_that_was_there_before() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring);
    for directive in [MetadataDirective::Replace, MetadataDirective::Copy] {
        s3.put_object(put("k").body(bytes(100).into())).await.unwrap();
        let again = s3.clone();
        world.faults().before(Operation::CopyObject, 1, move || async move {
            again.put_object(put("k").body(bytes(50).into())).await.unwrap();
        });
        let copy = || {
            let copy = CopyObjectInput::builder().bucket(BUCKET).key("copy");
            s3.copy_object(copy.copy_source("bucket/k").metadata_directive(directive.clone()))
        };
        let failed = copy().await;
        let Err(Error::S3(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.failure(), &S3Failure::PreconditionFailed);
        copy().await.unwrap();
        assert_eq!(open(&s3, "copy").await, bytes(50));
    }
}

#[tokio::test]
async fn keys_in_capitals_are_the_same_keys() {
    let (world, id) = (World::new(), "s3-synth-v3-aes-1");
    let s3 = client(&world, &keyring_of(id).0);
    let object = Stored::of_vector(id);
    object.store(&world, "k").await;
    assert_eq!(open(&s3, "k").await, plaintext_of(id));
    let read = |pairs: &[(&str, &str)]| Metadata::read(pairs.iter().copied());
    let twice = [("x-amz-c", "115"), ("X-Amz-C", "115")];
    assert!(matches!(
        read(&twice),
        Err(Error::Object(ObjectError::Metadata { key: "x-amz-c", .. }))
    ));
    let mixed = [("x-amz-c", "115"), ("X-AMZ-KEY-V2", "AAAA"), ("x-amz-iv", &to_base64(&[1; 12]))];
    assert!(matches!(read(&mixed), Err(Error::Object(ObjectError::MixedFormats { .. }))));
}
