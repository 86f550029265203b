//! What `ls` and `inspect` print.

use serde_json::{Value, json};

use super::*;

fn lines(stdout: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_list_has_the_lengths_of_the_plaintexts() {
    let world = World::new();
    world.put("s3://bkt/a/one", &["--instruction-file"]);
    world.put_legacy("a/two");
    world.put_raw("a/plain", b"12345", &[]);
    world.put_raw("a/odd", b"12345", &[("x-amz-c", "115")]);
    world.put_raw("b", b"12345", &[]);
    let text = String::from_utf8(world.run(&["ls", "s3://bkt/a/"]).ok()).unwrap();
    let found: Vec<Vec<&str>> =
        text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(found.len(), 5);
    assert_eq!(found[0][..], ["-", "a/odd", "(not", "as", "its", "format", "says)"]);
    assert_eq!(found[1][..2], ["5", "a/one"]);
    assert_eq!(found[2][1..], ["a/one.instruction", "(instruction", "file)"]);
    assert_eq!(found[3][..], ["-", "a/plain", "(not", "encrypted)"]);
    assert_eq!(found[4][..], ["5", "a/two"]);

    let json = lines(&world.run(&["ls", "s3://bkt", "--json"]).ok());
    assert_eq!(json.len(), 6);
    assert_eq!(
        json[1],
        json!({
            "key": "a/one", "stored_length": 21, "plaintext_length": 5,
            "plaintext_length_is": "exact", "instruction_file": false, "error": null,
        })
    );
    assert!(json[3]["error"].as_str().unwrap().contains("not encrypted"), "{}", json[3]);
    assert_eq!(json[3]["plaintext_length"], Value::Null);
}

#[test]
fn an_estimate_asks_about_no_object() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.s3.faults().clear();
    let text = world.run(&["ls", "s3://bkt/", "--estimate"]).ok();
    assert_eq!(String::from_utf8(text).unwrap().trim(), "<=5  k");
    assert_eq!(world.s3.faults().operations(), [Operation::ListObjectsV2]);
}

#[test]
fn a_list_goes_on_beyond_one_page() {
    let world = World::new();
    for n in 0..1003 {
        std::fs::write(world.stored.path().join(format!("bkt/{n:04}")), b"").unwrap();
    }
    let text = world.run(&["ls", "s3://bkt", "--estimate"]).ok();
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 1003);
    assert_eq!(world.s3.faults().count(Operation::ListObjectsV2), 2);
}

#[test]
fn an_object_that_is_not_told_about_is_a_failure() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.s3.faults().next(Operation::HeadObject, 1, Fault::Refuse(403, "AccessDenied"));
    let done = world.run(&["ls", "s3://bkt"]).fails(1, "did not tell about 1");
    assert_eq!(String::from_utf8(done.stdout).unwrap().trim(), "-  k  (unknown)");
}

#[test]
fn inspecting_needs_no_key_and_tells_everything() {
    let world = World::new();
    world.put("s3://bkt/k", &["-c", "tenant=4\u{1b}2", "--metadata", "author=me"]);
    let calls = world.kms.calls().len();
    let text = String::from_utf8(world.run(&["inspect", "s3://bkt/k"]).ok()).unwrap();
    for line in [
        "bucket: \"bkt\"",
        "key: \"k\"",
        "format_version: 3",
        "suite: 0x0073 ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY",
        "commits: yes",
        "wrapping_algorithm: kms+context",
        "location: object",
        "  \"tenant\": \"4\\u{1b}2\"",
        "  \"author\": \"me\"",
        "stored_length: 21",
        "plaintext_length: 5",
        "unverified: true",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    assert!(!text.contains('\u{1b}'));

    let json: Value =
        serde_json::from_slice(&world.run(&["inspect", "s3://bkt/k", "--json"]).ok()).unwrap();
    assert_eq!(json["encryption_context"]["tenant"], "4\u{1b}2");
    assert_eq!(json["encryption_context"]["aws:x-amz-cek-alg"], "115");
    assert_eq!(json["format_version"], 3);
    assert_eq!(json["suite"]["id"], "0x0073");
    assert_eq!(json["plaintext_length"], 5);
    assert_eq!(json["plaintext_length_is"], "exact");
    assert_eq!(json["message_id"].as_str().unwrap().len(), 56);
    assert_eq!(json["key_commitment"].as_str().unwrap().len(), 56);
    assert_eq!(json["metadata"]["author"], "me");
    assert_eq!(json["unverified"], true);
    assert_eq!(world.kms.calls().len(), calls);
}

#[test]
fn inspecting_tells_of_raw_keys_and_instruction_files() {
    let world = World::new();
    let key = r#"raw-aes:file=key,description={"key": "2026"}"#;
    world.run(&["put", "in", "s3://bkt/k", "-k", key, "--instruction-file"]).ok();
    let text = String::from_utf8(world.run(&["inspect", "s3://bkt/k"]).ok()).unwrap();
    for line in [
        "wrapping_algorithm: AES/GCM",
        "location: instruction file",
        "material_description: 1 pair",
        "  \"key\": \"2026\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    world.put_legacy("old");
    let text = String::from_utf8(world.run(&["inspect", "s3://bkt/old"]).ok()).unwrap();
    assert!(text.contains("wrapping_algorithm: kms (legacy)\n"), "{text}");
    assert!(text.contains("format_version: 2\n") && text.contains("iv: 0909"), "{text}");
    world.put_raw("plain", b"", &[]);
    world.run(&["inspect", "s3://bkt/plain"]).refuses(3, "not encrypted");
    world.run(&["inspect", "s3://bkt/none", "--json"]).refuses(1, "no such object");
}

#[test]
fn a_message_is_told_to_be_one() {
    let world = World::new();
    let message = crate::message(b"hello", crate::UNSIGNED, &[]);
    world.put_raw("k", &message, &[("waxseal-format", "esdk-message")]);
    let text = String::from_utf8(world.run(&["inspect", "s3://bkt/k"]).ok()).unwrap();
    assert!(text.contains("format: esdk-message\n"), "{text}");
    assert!(!text.contains("suite"), "{text}");
    let json: Value =
        serde_json::from_slice(&world.run(&["inspect", "s3://bkt/k", "--json"]).ok()).unwrap();
    assert_eq!((&json["format"], &json["suite"]), (&json!("esdk-message"), &Value::Null));
    let json = world.run(&["audit", "s3://bkt", "--json"]).ok();
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&json["encrypted"], &json["needs"]), (&json!(true), &json!([])));
    let done = world.get("s3://bkt/k", &[]).fails(3, "a message of the AWS Encryption SDK");
    assert!(done.stderr.contains("waxseal decrypt"), "{}", done.stderr);
}
