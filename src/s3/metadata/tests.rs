use proptest::prelude::*;

use super::*;
use crate::error::{ApiMisuse, Error, ObjectError};

const V2: [(&str, &str); 6] = [
    ("x-amz-key-v2", "a2V5"),
    ("x-amz-iv", "AAAAAAAAAAAAAAAA"),
    ("x-amz-cek-alg", "AES/GCM/NoPadding"),
    ("x-amz-tag-len", "128"),
    ("x-amz-wrap-alg", "AES/GCM"),
    ("x-amz-matdesc", "{\"a\":\"b\"}"),
];
const V3: [(&str, &str); 6] = [
    ("x-amz-c", "115"),
    ("x-amz-d", "iUX4ovx103V3hpsmRG//PAHXNChRoOrRtvkG1Q=="),
    ("x-amz-i", "UrKNDcmyy2wugUT3Y/PHZNy4SYN76UAdziwA+Q=="),
    ("x-amz-3", "a2V5"),
    ("x-amz-w", "12"),
    ("x-amz-t", "{\"aws:x-amz-cek-alg\":\"115\"}"),
];
const V1: [(&str, &str); 3] =
    [("x-amz-key", "a2V5"), ("x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA=="), ("x-amz-matdesc", "{}")];

fn complete(pairs: &[(&str, &str)]) -> ContentMetadata {
    match Metadata::read(pairs.iter().copied()) {
        Ok(Metadata::Complete(metadata)) => metadata,
        other => panic!("{other:?}"),
    }
}

fn partial(pairs: &[(&str, &str)]) -> Partial {
    match Metadata::read(pairs.iter().copied()) {
        Ok(Metadata::InInstructionFile(partial)) => partial,
        other => panic!("{other:?}"),
    }
}

fn refused(pairs: &[(&str, &str)]) -> ObjectError {
    match Metadata::read(pairs.iter().copied()) {
        Err(Error::Object(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The key of which the error says that it is wrong or missing.
fn blamed(pairs: &[(&str, &str)]) -> &'static str {
    match refused(pairs) {
        ObjectError::Metadata { key, .. } => key,
        other => panic!("{other:?}"),
    }
}

fn without<'a>(pairs: &[(&'a str, &'a str)], key: &str) -> Vec<(&'a str, &'a str)> {
    pairs.iter().copied().filter(|(found, _)| *found != key).collect()
}

fn with<'a>(pairs: &[(&'a str, &'a str)], key: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut pairs = without(pairs, key);
    pairs.push((key, value));
    pairs
}

fn file(pairs: &[(&str, &str)]) -> Vec<u8> {
    json::write(pairs.iter().copied()).into_bytes()
}

#[test]
fn each_version_is_told_from_its_keys() {
    let v1 = complete(&V1);
    assert_eq!(v1.format_version(), FormatVersion::V1);
    assert_eq!(v1.suite(), ContentSuite::Aes256CbcIv16NoKdf);
    assert_eq!(v1.wrapping_algorithm(), WrappingAlgorithm::AesEcb);
    let v2 = complete(&V2);
    assert_eq!(v2.format_version(), FormatVersion::V2);
    assert_eq!(v2.iv(), [0; 12]);
    assert_eq!(v2.material_description().get("a"), Some("b"));
    assert!(v2.commitment().is_none() && v2.encryption_context().is_empty());
    let v3 = complete(&V3);
    assert_eq!(v3.format_version(), FormatVersion::V3);
    assert_eq!(v3.commitment().map(<[u8]>::len), Some(28));
    assert_eq!(v3.encryption_context().get("aws:x-amz-cek-alg"), Some("115"));
    assert_eq!(v3.encrypted_data_key(), b"key");
    assert_eq!(v3.location(), MetadataLocation::Object);
}

#[test]
fn keys_may_be_in_upper_case_but_not_twice() {
    let upper = V2.map(|(key, value)| (key.to_uppercase(), value));
    assert!(matches!(Metadata::read(upper), Ok(Metadata::Complete(_))));
    let mut twice = V2.to_vec();
    twice.push(("X-Amz-IV", "AAAAAAAAAAAAAAAA"));
    assert_eq!(blamed(&twice), "x-amz-iv");
}

#[test]
fn any_mixture_of_versions_is_refused() {
    let all = [V1.as_slice(), &V2, &V3].concat();
    for (pairs, own) in [(&V1[..], "v1"), (&V2, "v2"), (&V3, "v3")] {
        for &(key, value) in &all {
            let exclusive = match key {
                "x-amz-iv" | "x-amz-matdesc" => own == "v3",
                "x-amz-cek-alg" | "x-amz-tag-len" | "x-amz-wrap-alg" => own == "v3",
                "x-amz-key" => own != "v1",
                "x-amz-key-v2" => own != "v2",
                _ => own != "v3",
            };
            if exclusive {
                let error = refused(&with(pairs, key, value));
                assert!(matches!(error, ObjectError::MixedFormats { .. }), "{own} {key}: {error}");
            }
        }
    }
}

#[test]
fn a_missing_value_is_named() {
    for key in ["x-amz-iv", "x-amz-cek-alg", "x-amz-tag-len", "x-amz-wrap-alg", "x-amz-key-v2"] {
        assert_eq!(blamed(&without(&V2, key)), key);
    }
    for key in ["x-amz-c", "x-amz-d", "x-amz-i", "x-amz-3", "x-amz-w"] {
        assert_eq!(blamed(&without(&V3, key)), key);
    }
    for key in ["x-amz-iv", "x-amz-matdesc"] {
        assert_eq!(blamed(&without(&V1, key)), key);
    }
    assert!(complete(&without(&V2, "x-amz-matdesc")).material_description().is_empty());
    assert!(complete(&without(&V3, "x-amz-t")).encryption_context().is_empty());
}

#[test]
fn a_malformed_value_is_named() {
    for (key, value) in [
        ("x-amz-key-v2", ""),
        ("x-amz-key-v2", "a2V5Cg="),
        ("x-amz-key-v2", "a2V5Cg"),
        ("x-amz-key-v2", "!!!!"),
        ("x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("x-amz-cek-alg", "AES/CTR/NoPadding"),
        ("x-amz-cek-alg", "115"),
        ("x-amz-tag-len", "96"),
        ("x-amz-tag-len", ""),
        ("x-amz-wrap-alg", "ROT13"),
        ("x-amz-wrap-alg", "aes/gcm"),
        ("x-amz-matdesc", "[]"),
        ("x-amz-matdesc", ""),
    ] {
        assert_eq!(blamed(&with(&V2, key, value)), key, "{value}");
    }
    for (key, value) in [
        ("x-amz-c", "114"),
        ("x-amz-c", "0x0073"),
        ("x-amz-c", "AES/GCM/NoPadding"),
        ("x-amz-d", ""),
        ("x-amz-d", "AAAA"),
        ("x-amz-i", "AAAA"),
        ("x-amz-w", "kms"),
        ("x-amz-w", "kms+context"),
        ("x-amz-w", "AES/GCM"),
        ("x-amz-w", "32"),
        ("x-amz-t", "not json"),
    ] {
        assert_eq!(blamed(&with(&V3, key, value)), key, "{value}");
    }
}

#[test]
fn cbc_has_no_tag() {
    let cbc = with(&V2, "x-amz-cek-alg", "AES/CBC/PKCS5Padding");
    assert_eq!(blamed(&cbc), "x-amz-tag-len");
    let cbc = with(&without(&cbc, "x-amz-tag-len"), "x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA==");
    assert_eq!(complete(&cbc).suite(), ContentSuite::Aes256CbcIv16NoKdf);
    assert!(complete(&with(&cbc, "x-amz-tag-len", "")).commitment().is_none());
    assert_eq!(blamed(&with(&V1, "x-amz-tag-len", "128")), "x-amz-tag-len");
    assert_eq!(blamed(&with(&V1, "x-amz-cek-alg", "AES/GCM/NoPadding")), "x-amz-cek-alg");
}

/// 48 bytes are 64 of Base64, of which none is padding.
#[test]
fn version_1_tells_rsa_from_aes_by_the_length() {
    let [aes, rsa] = [64, 68].map(|len| "A".repeat(len));
    let algorithm = |key: &str| complete(&with(&V1, "x-amz-key", key)).wrapping_algorithm();
    assert_eq!(algorithm(&aes), WrappingAlgorithm::AesEcb);
    assert_eq!(algorithm(&rsa), WrappingAlgorithm::RsaPkcs1);
}

#[test]
fn a_stated_length_is_only_taken_if_it_is_a_number() {
    let key = "x-amz-unencrypted-content-length";
    assert_eq!(complete(&with(&V2, key, "17")).unencrypted_len(), Some(17));
    assert_eq!(complete(&with(&V3, key, "-1")).unencrypted_len(), None);
}

#[test]
fn instruction_files_of_each_version_complete_the_object() {
    for pairs in [&V1[..], &V2] {
        let metadata = partial(&[]).complete(&file(pairs)).unwrap();
        assert_eq!(metadata.location(), MetadataLocation::InstructionFile);
        assert_eq!(metadata.encode().object().count(), 0);
    }
    let rest = partial(&V3[..3]);
    assert!(rest.is_encrypted());
    let metadata = rest.complete(&file(&V3[3..])).unwrap();
    assert_eq!(metadata.commitment(), complete(&V3).commitment());
    assert_eq!(metadata.wrapped_data_key(), complete(&V3).wrapped_data_key());
}

#[test]
fn the_length_may_stand_in_either_place() {
    let len = ("x-amz-unencrypted-content-length", "5");
    let ruby = partial(&[len]).complete(&file(&V2)).unwrap();
    let go = partial(&[]).complete(&file(&with(&V2, len.0, len.1))).unwrap();
    assert_eq!((ruby.unencrypted_len(), go.unencrypted_len()), (Some(5), Some(5)));
}

#[test]
fn what_the_object_alone_may_have_is_refused_in_an_instruction_file() {
    for (key, value) in &V3[..3] {
        for object in [&V3[..3], &[]] {
            let error = partial(object).complete(&file(&with(&V3[3..], key, value))).unwrap_err();
            assert!(
                matches!(&error, Error::Object(ObjectError::InstructionFile { fault }) if fault.contains(key)),
                "{error}"
            );
        }
    }
}

#[test]
fn an_instruction_file_of_another_version_is_refused() {
    let error = partial(&V3[..3]).complete(&file(&V2)).unwrap_err();
    assert!(
        matches!(error, Error::Object(ObjectError::MixedFormats { first: "x-amz-c", .. })),
        "{error}"
    );
    let error = partial(&[]).complete(&file(&V3[3..])).unwrap_err();
    assert!(
        matches!(error, Error::Object(ObjectError::Metadata { key: "x-amz-c", .. })),
        "{error}"
    );
    assert!(partial(&V3[..3]).complete(&file(&with(&V3[3..], "x-amz-key-v2", "a2V5"))).is_err());
}

#[test]
fn an_instruction_file_is_json_of_known_keys_and_text() {
    let foreign = file(&with(&V2, "evil", "1"));
    let upper = file(&with(&without(&V2, "x-amz-iv"), "X-Amz-IV", "AAAAAAAAAAAAAAAA"));
    let twice = [&file(&V2)[..V2.len()], b",\"x-amz-iv\":\"AAAAAAAAAAAAAAAA\"}"].concat();
    let long = file(&with(&V2, "x-amz-matdesc", &"x".repeat(65_536)));
    for text in [&b""[..], b"[]", b"{}", b"not json", &foreign, &upper, &twice, &long] {
        let error = partial(&[]).complete(text).unwrap_err();
        assert!(matches!(error, Error::Object(ObjectError::InstructionFile { .. })), "{error}");
    }
}

#[test]
fn what_is_split_between_object_and_file_is_refused() {
    for (key, value) in V2 {
        assert!(matches!(refused(&[(key, value)]), ObjectError::Metadata { .. }), "{key}");
    }
}

#[test]
fn a_missing_instruction_file_says_what_was_looked_for() {
    let nothing = partial(&[]).without_instruction_file(Some("a.instruction")).to_string();
    assert!(nothing.contains("not encrypted") && nothing.contains("a.instruction"), "{nothing}");
    let v3 = partial(&V3[..3]).without_instruction_file(Some("a.instruction")).to_string();
    assert!(!v3.contains("not encrypted") && v3.contains("a.instruction"), "{v3}");
    let v3 = partial(&V3[..3]).without_instruction_file(None).to_string();
    assert!(v3.contains("x-amz-3"), "{v3}");
}

#[test]
fn a_value_that_is_json_is_not_decoded_any_further() {
    let own = complete(&with(&V2, "x-amz-matdesc", "{\"a\":\"=?UTF-8?Q?b?=\"}"));
    assert_eq!(own.material_description().get("a"), Some("=?UTF-8?Q?b?="));
    let encoded = complete(&with(&V2, "x-amz-matdesc", "=?UTF-8?Q?{\"a\":\"=C3=83=C2=A9\"}?="));
    assert_eq!(encoded.material_description().get("a"), Some("\u{e9}"));
}

/// The order of keys is ours; the text of each value is what the Java client writes.
#[test]
fn values_are_written_as_other_clients_do() {
    let written = |metadata: &ContentMetadata| -> Vec<(String, String)> {
        metadata.encode().object().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    for pairs in [&V2[..], &V3] {
        let mut expected: Vec<_> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        expected.sort();
        assert_eq!(written(&complete(pairs)), expected);
    }
    let bare = complete(&with(&without(&V3, "x-amz-t"), "x-amz-w", "22"));
    assert!(written(&bare).iter().all(|(key, _)| key != "x-amz-m" && key != "x-amz-t"));
    let described =
        complete(&with(&with(&V3, "x-amz-w", "02"), "x-amz-m", "{\"b\":\"1\",\"a\":\"\u{e9}\"}"));
    assert!(
        written(&described).contains(&("x-amz-m".into(), "{\"a\":\"\\u00e9\",\"b\":\"1\"}".into()))
    );
}

#[test]
fn what_is_written_is_read_back_from_both_places() {
    for pairs in [&V2[..], &V3] {
        let metadata = complete(pairs);
        let read = Metadata::read(metadata.encode().object()).unwrap();
        assert_eq!(read, Metadata::Complete(metadata.clone()));
        let wrapped = metadata.wrapped_data_key().clone();
        let moved = metadata.rewrapped(wrapped);
        let encoded = moved.encode();
        let Metadata::InInstructionFile(rest) = Metadata::read(encoded.object()).unwrap() else {
            panic!("the data key is in the file")
        };
        let text = encoded.instruction_file().unwrap();
        assert_eq!(rest.complete(text.as_bytes()).unwrap(), moved);
    }
}

#[test]
fn the_object_keeps_what_an_instruction_file_of_version_3_may_not_have() {
    let metadata = complete(&V3);
    let wrapped = metadata.wrapped_data_key().clone();
    let encoded = metadata.rewrapped(wrapped).encode();
    let keys: Vec<_> = encoded.object().map(|(key, _)| key).collect();
    assert_eq!(keys, ["x-amz-c", "x-amz-d", "x-amz-i"]);
    assert_eq!(
        encoded.instruction_file().unwrap(),
        r#"{"x-amz-3":"a2V5","x-amz-t":"{\"aws:x-amz-cek-alg\":\"115\"}","x-amz-w":"12"}"#
    );
}

#[test]
fn metadata_of_2048_bytes_fits_and_no_more() {
    let encoded = complete(&V3).encode();
    let ours: usize = V3.iter().map(|(key, value)| key.len() + value.len()).sum();
    let value = "x".repeat(2048 - ours - 1);
    encoded.check_user_metadata([("k", &value)]).unwrap();
    let value = "x".repeat(2048 - ours);
    let movable = V3[3..].iter().map(|(key, value)| key.len() + value.len()).sum();
    match encoded.check_user_metadata([("k", &value)]) {
        Err(Error::Object(error)) => {
            assert_eq!(error, ObjectError::MetadataTooLong { found: 2049, limit: 2048, movable });
        }
        other => panic!("{other:?}"),
    }
    // Two bytes of UTF-8 each.
    let value = "\u{e9}".repeat(1024 - ours / 2 + 1);
    assert!(encoded.check_user_metadata([("k", &value)]).is_err());
}

#[test]
fn the_users_own_metadata_keeps_to_its_own_keys() {
    let encoded = complete(&V3).encode();
    for key in keys::ALL.map(str::to_owned).into_iter().chain(["X-Amz-Key-V2".to_owned()]) {
        let error = encoded.check_user_metadata([(key.as_str(), "")]).unwrap_err();
        assert!(
            matches!(&error, Error::ApiMisuse(ApiMisuse::ReservedObjectKey { key: found, .. }) if *found == key),
            "{error}"
        );
    }
    encoded.check_user_metadata([("x-amz-keys", ""), ("key", "")]).unwrap();
}

proptest! {
    /// Whatever stands there, and wherever: it is read or refused.
    #[test]
    fn nothing_that_is_stored_makes_it_fail(
        pairs in proptest::collection::vec(
            (
                proptest::sample::select(keys::ALL.to_vec()),
                prop_oneof![
                    ".*",
                    proptest::sample::select(V1.into_iter().chain(V2).chain(V3).map(|(_, value)| value).collect::<Vec<_>>())
                        .prop_map(str::to_owned),
                ],
            ),
            0..8,
        ),
        text in any::<Vec<u8>>(),
    ) {
        let _ = Metadata::read(pairs.iter().map(|(key, value)| (*key, value.as_str())));
        let file = json::write(pairs.iter().map(|(key, value)| (*key, value.as_str())));
        for object in [&V3[..3], &[]] {
            let _ = partial(object).complete(file.as_bytes());
            prop_assert!(partial(object).complete(&text).is_err());
        }
    }
}
