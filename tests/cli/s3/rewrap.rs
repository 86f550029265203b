//! `rewrap` and `audit`.

use serde_json::{Value, json};

use super::*;

impl World {
    fn new_key(&self) -> String {
        format!("kms:key={}", self.kms.create_key(REGION, KeySpec::Symmetric).unwrap())
    }

    fn rewrap(&self, of: &str, to: &str, more: &[&str]) -> Done {
        self.run(&[&["rewrap", of, "-k", &self.key, "--to", to], more].concat())
    }

    fn lines(&self, stdout: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Nothing that changes what is stored was asked for.
fn wrote_nothing(world: &World) -> bool {
    use Operation::{GetObject, HeadObject, ListObjectsV2};
    let reads = [GetObject, HeadObject, ListObjectsV2];
    world.s3.faults().operations().iter().all(|operation| reads.contains(operation))
}

#[test]
fn an_object_opens_with_the_new_key_and_not_with_the_old() {
    let world = World::new();
    let new = world.new_key();
    world.put("s3://bkt/k", &["-c", "tenant=42", "--content-type", "text/plain"]);
    let stored = world.get_raw("k");
    let text = world.rewrap("s3://bkt/k", &new, &["-c", "tenant=42", "--enforce-rotation"]).ok();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("rewrapped      k  kms+context -> kms+context"), "{text}");
    assert_eq!(world.get_raw("k"), stored);
    assert_eq!(world.head_raw("k").content_type(), Some("text/plain"));
    let get = |key: &str| world.run(&["get", "s3://bkt/k", "-k", key, "-c", "tenant=42"]);
    assert_eq!(get(&new).ok(), b"hello");
    get(&world.key).refuses(4, "");
    // Again does no harm.
    let json = world.rewrap("s3://bkt/k", &new, &["-c", "tenant=42", "--json"]).ok();
    let [line] = &world.lines(&json)[..] else { panic!("not one line") };
    assert_eq!(line["outcome"], "already-done");
}

#[test]
fn another_context_and_another_kind_of_key_can_be_had() {
    let world = World::new();
    world.put("s3://bkt/k", &["-c", "tenant=42"]);
    let new = world.new_key();
    world.rewrap("s3://bkt/k", &new, &["-c", "tenant=42", "--to-context", "owner=me"]).ok();
    let args = ["get", "s3://bkt/k", "-k", &new, "-c", "owner=me"];
    assert_eq!(world.run(&args).ok(), b"hello");
    // A raw key has no context.
    let described = r#"raw-aes:file=key,description={"key": "2026"}"#;
    let args = ["rewrap", "s3://bkt/k", "-k", &new, "--to", described, "-c", "owner=me", "--json"];
    let json = world.run(&args).ok();
    let line = &world.lines(&json)[0];
    assert_eq!(line["outcome"], "rewrapped");
    assert_eq!(line["from"]["algorithm"], "kms+context");
    assert_eq!(line["to"]["algorithm"], "AES/GCM");
    assert_eq!(line["location"], "object");
    assert_eq!(line["verified"], true);
    assert_eq!(line["error"], Value::Null);
    assert_eq!(world.run(&["get", "s3://bkt/k", "-k", described]).ok(), b"hello");
    // And back, with several old keys.
    world.folder.write("other", [1; 32]);
    let args =
        ["rewrap", "s3://bkt/k", "-k", "raw-aes:file=other", "-k", described, "--to", &world.key];
    world.run(&args).ok();
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"hello");
}

#[test]
fn a_public_key_is_told_to_be_unverified() {
    let world = World::new();
    let mut generate = Command::new(PROGRAM);
    generate.args(["keygen", "--kind", "rsa2048", "--out", "rsa"]);
    Done::from(generate.current_dir(world.folder.path("")).output().unwrap()).ok();
    world.put("s3://bkt/k", &[]);
    let text = world.rewrap("s3://bkt/k", "raw-rsa:public=rsa.pub", &[]).ok();
    assert!(String::from_utf8(text).unwrap().contains("not verified"));
    let args = ["get", "s3://bkt/k", "-k", "raw-rsa:private=rsa"];
    assert_eq!(world.run(&args).ok(), b"hello");
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.s3.faults().clear();
    let text = world.rewrap("s3://bkt/k", &world.new_key(), &["--dry-run"]).ok();
    assert!(text.starts_with(b"would-rewrap"));
    assert!(wrote_nothing(&world));
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"hello");
}

#[test]
fn what_cannot_be_rewrapped_is_not_changed() {
    let world = World::new();
    world.put("s3://bkt/k", &["-c", "tenant=42"]);
    world.put_legacy("old");
    world.put_raw("plain", b"hello", &[]);
    world.s3.faults().clear();
    let new = world.new_key();
    let context = ["-c", "tenant=42"];
    world
        .run(&["rewrap", "s3://bkt/k", "-k", "raw-aes:file=key", "--to", &new, "-c", "tenant=42"])
        .refuses(4, "");
    world.rewrap("s3://bkt/k", &new, &[]).refuses(6, "so it has to be given");
    world.rewrap("s3://bkt/old", &new, &[]).refuses(6, "require-encrypt-require-decrypt");
    world.rewrap("s3://bkt/plain", &new, &[]).refuses(3, "not encrypted");
    world.rewrap("s3://bkt/none", &new, &[]).refuses(1, "no such object");
    let done = world.rewrap("s3://bkt/p/", &new, &[]).fails(1, "no such object");
    assert!(done.stderr.contains("--recursive"), "{}", done.stderr);
    let suffix = [&context[..], &["--instruction-file-suffix", ".new"]].concat();
    world.rewrap("s3://bkt/k", &new, &suffix).refuses(2, "no instruction file");
    world.rewrap("s3://bkt/k", "what", &context).refuses(2, "--to: ");
    world.rewrap("s3://bkt/k", "kms-discovery:", &context).refuses(2, "cannot encrypt");
    world.rewrap("s3://bkt", &new, &context).refuses(2, "no object");
    world.rewrap("s3://bkt/k", &new, &["--parallelism", "3"]).refuses(2, "--recursive");
    world.rewrap("s3://bkt/k", &new, &["--start-after", "3"]).refuses(2, "--recursive");
    world.run(&["rewrap", "s3://bkt/k", "-k", &new]).refuses(2, "--to");
    // The old key would still open it.
    let args = ["rewrap", "s3://bkt/k", "-k", &world.key, "-k", "raw-aes:file=key"];
    let args = [&args[..], &["--to", "raw-aes:file=key", "--enforce-rotation"], &context].concat();
    let done = world.run(&args).fails(6, "still opens");
    assert!(done.stderr.contains("--to"), "{}", done.stderr);
    assert!(wrote_nothing(&world));
}

#[test]
fn an_instruction_file_of_another_name_shares_the_object() {
    let world = World::new();
    world.put("s3://bkt/k", &["--instruction-file"]);
    let new = world.new_key();
    world.rewrap("s3://bkt/k", &new, &["--instruction-file-suffix", ".theirs"]).ok();
    assert_eq!(world.keys(), ["k", "k.instruction", "k.theirs"]);
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"hello");
    let args = ["get", "s3://bkt/k", "-k", &new, "--instruction-file-suffix", ".theirs"];
    assert_eq!(world.run(&args).ok(), b"hello");
}

#[test]
fn all_objects_of_a_prefix_are_rewrapped_whatever_fails() {
    let world = World::new();
    for key in ["a/1", "a/2", "a/4", "b"] {
        world.put(&format!("s3://bkt/{key}"), &[]);
    }
    world.put("s3://bkt/a/3", &["-c", "tenant=42"]);
    world.put_raw("a/plain", b"hello", &[]);
    let new = world.new_key();
    let all = ["--recursive", "--json", "--parallelism", "2"];
    let after = [&all[..], &["--start-after", "a/1"]].concat();
    let done = world.rewrap("s3://bkt/a/", &new, &after).fails(6, "`a/3`: ");
    let found = world.lines(&done.stdout);
    let outcomes: Vec<_> = found
        .iter()
        .map(|line| (line["key"].as_str().unwrap(), line["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("a/2", "rewrapped"),
            ("a/3", "failed"),
            ("a/4", "rewrapped"),
            ("a/plain", "not-encrypted")
        ]
    );
    assert!(found[1]["error"].as_str().unwrap().contains("`tenant`"));
    // The rest, in text.
    world.run(&["rm", "s3://bkt/a/3"]).ok();
    let text = world.rewrap("s3://bkt/a/", &new, &["-r"]).ok();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<_> =
        text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>()).collect();
    assert_eq!(
        lines,
        [
            ["rewrapped", "a/1"],
            ["already-done", "a/2"],
            ["already-done", "a/4"],
            ["not-encrypted", "a/plain"]
        ]
    );
    assert_eq!(world.get("s3://bkt/b", &[]).ok(), b"hello");
    world.rewrap("s3://nowhere", &new, &["-r"]).refuses(1, "no such bucket");
}

#[test]
fn an_audit_tells_what_each_object_needs() {
    let world = World::new();
    let described = r#"raw-aes:file=key,description={"key": "2026"}"#;
    world.run(&["put", "in", "s3://bkt/aes", "-k", described]).ok();
    world.put("s3://bkt/kms", &["-c", "tenant=42", "--instruction-file"]);
    world.put("s3://bkt/v2", &["--commitment-policy", "forbid-encrypt-allow-decrypt"]);
    world.put_legacy("legacy");
    world.put_raw("odd", b"12345", &[("x-amz-c", "115")]);
    world.put_raw("plain", b"12345", &[]);
    let calls = world.kms.calls().len();
    let text = String::from_utf8(world.run(&["audit", "s3://bkt"]).ok()).unwrap();
    assert_eq!(world.kms.calls().len(), calls);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert_eq!(
        lines[0],
        "aes: format 3, ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY, AES/GCM; key described as \
         {\"key\":\"2026\"}; data key in the object; up to date"
    );
    assert!(lines[1].contains("data key in the instruction file; up to date"), "{}", lines[1]);
    assert!(lines[2].ends_with("; needs key-commitment, current-wrapping"), "{}", lines[2]);
    assert!(lines[3].starts_with("odd: error: "), "{}", lines[3]);
    assert_eq!(lines[4], "plain: needs encryption");
    assert!(lines[5].ends_with("; needs key-commitment"), "{}", lines[5]);

    let args = ["audit", "s3://bkt/", "--json", "-k", &world.key];
    let lines = world.lines(&world.run(&args).ok());
    assert_eq!(lines[0]["opened_by"], Value::Null);
    assert!(lines[0]["not_opened"].as_str().unwrap().contains("AES/GCM"), "{}", lines[0]);
    assert_eq!(lines[0]["material_description"], json!({ "key": "2026" }));
    // The context is the stored one.
    let arn = world.key.strip_prefix("kms:key=").unwrap();
    assert!(lines[1]["opened_by"].as_str().unwrap().contains(arn), "{}", lines[1]);
    assert_eq!(lines[1]["encryption_context"]["tenant"], "42");
    assert_eq!(lines[2]["needs"], json!(["key-commitment", "current-wrapping"]));
    assert_eq!((&lines[3]["needs"], &lines[3]["encrypted"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&lines[4]["encrypted"], &lines[4]["needs"]),
        (&json!(false), &json!(["encryption"]))
    );
    assert_eq!(lines[5]["suite"]["id"], "0x0072");
}

#[test]
fn an_object_that_an_audit_is_not_told_about_is_a_failure() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.s3.faults().next(Operation::HeadObject, 1, Fault::Refuse(403, "AccessDenied"));
    let done = world.run(&["audit", "s3://bkt"]).fails(1, "did not tell about 1");
    assert!(done.stdout.starts_with(b"k: error: "));
}

/// Whoever deletes what "none of the keys" opens must not rely on a service that did not answer.
#[test]
fn an_audit_without_an_answer_from_aws_kms_is_a_failure() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    let other = world.new_key();
    let args = ["audit", "s3://bkt", "-k", &other];
    let text = String::from_utf8(world.run(&args).ok()).unwrap();
    assert!(text.contains("opened by none of the keys"), "{text}");

    let arn = other.strip_prefix("kms:key=").unwrap();
    world.kms.deny(arn, waxseal::testing::Operation::Decrypt).unwrap();
    let done = world.run(&args).fails(1, "it is unknown whether a key opens 1 of the objects");
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("unknown whether a key opens it: "), "{text}");
    assert!(text.contains("`kms:Decrypt`") && !text.contains("none of the keys"), "{text}");

    let done = world.run(&[&args[..], &["--json"]].concat()).fails(1, "1 of the objects");
    let line = &world.lines(&done.stdout)[0];
    let text = line["opening_unknown"].as_str().unwrap();
    assert!(text.contains("`kms:Decrypt`"), "{text}");
    assert_eq!((&line["opened_by"], &line["not_opened"]), (&Value::Null, &Value::Null));

    // Where one opens it, the other does not matter.
    let text = world.run(&[&args[..], &["-k", &world.key]].concat()).ok();
    assert!(String::from_utf8(text).unwrap().contains("opened by the "));
}
