//! `inspect`.

use serde_json::Value;

use crate::*;

fn json(done: Done) -> Value {
    serde_json::from_slice(&done.ok()).unwrap()
}

/// A case of the vectors by its message.
fn case(message: &str) -> Value {
    let mut manifest: Value = serde_json::from_slice(&vector("manifest.json")).unwrap();
    let cases = manifest["cases"].as_array_mut().unwrap();
    let name = format!("messages/{message}.bin");
    let case = cases
        .iter_mut()
        .find(|case| case["ciphertext"] == *name && case["expected"]["result"] == "success");
    case.expect("a good message").take()
}

#[test]
fn json_tells_what_official_clients_wrote() {
    let folder = Folder::new();
    for name in
        ["suite-0478-300-py", "suite-0578-300-js", "suite-0014-300-js", "unframed-0178-500-py"]
    {
        let case = case(name);
        let bytes = vector(&format!("messages/{name}.bin"));
        let found = json(folder.run_with(&["inspect", "--json"], &bytes));
        assert_eq!(found["version"], case["message_version"], "{name}");
        assert_eq!(found["suite"]["id"], case["suite_id"], "{name}");
        assert_eq!(found["message_id"], case["message_id_hex"], "{name}");
        let mut context = found["encryption_context"].clone();
        let public_key = context.as_object_mut().unwrap().remove("aws-crypto-public-key");
        let mut expected = case["header_encryption_context"].clone();
        expected.as_object_mut().unwrap().remove("aws-crypto-public-key");
        assert_eq!((public_key.is_some(), context), (case["signed"] == true, expected), "{name}");
        assert_eq!(found["signs"], case["signed"], "{name}");
        assert_eq!(found["content_type"], case["content_type"], "{name}");
        let framed = case["content_type"] == "framed";
        let frame_len = if framed { case["frame_length"].clone() } else { Value::Null };
        assert_eq!(found["frame_length"], frame_len, "{name}");
        let edks = found["encrypted_data_keys"].as_array().unwrap();
        assert_eq!(Value::from(edks.len()), case["edk_count"], "{name}");
        assert_eq!(edks[0]["provider_id"], case["edk_providers"][0], "{name}");
        assert_eq!(edks[0]["key_name"], case["decrypt_keyring"]["name"], "{name}");
        // Version 1 ends its header with IV and tag, version 2 with the tag.
        let auth_len = if case["message_version"] == 1 { 28 } else { 16 };
        let header_len = case["header_length_without_auth"].as_u64().unwrap() + auth_len;
        assert_eq!(found["header_length"], header_len, "{name}");
        assert_eq!(found["total_length"], Value::from(bytes.len()), "{name}");
        let known = framed && case["signed"] == false;
        let plaintext_len = if known { case["plaintext_len"].clone() } else { Value::Null };
        assert_eq!(found["plaintext_length"], plaintext_len, "{name}");
        let message_type = if case["message_version"] == 1 { 0x80.into() } else { Value::Null };
        assert_eq!(found["type"], message_type, "{name}");
    }
}

#[test]
fn json_has_these_keys_and_no_others() {
    let message = message(b"hello", UNSIGNED, &[]);
    let found = json(Folder::new().run_with(&["inspect", "--json"], &message));
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(
        keys(&found),
        [
            "commits",
            "content_type",
            "encrypted_data_keys",
            "encryption_context",
            "frame_length",
            "header_length",
            "message_id",
            "plaintext_length",
            "signs",
            "suite",
            "total_length",
            "type",
            "unverified",
            "version",
        ]
    );
    assert_eq!(keys(&found["suite"]), ["id", "name"]);
    let edk = &found["encrypted_data_keys"][0];
    assert_eq!(keys(edk), ["ciphertext_len", "key_name", "provider_id", "provider_info"]);
    // A data key of 32 bytes and its tag; name, two lengths and an IV.
    assert_eq!(edk["ciphertext_len"], 48);
    let info = edk["provider_info"].as_str().unwrap();
    assert!(info.starts_with("6e000000800000000c") && info.len() == 2 * (1 + 8 + 12), "{info}");
    assert_eq!((&found["commits"], &found["unverified"]), (&true.into(), &true.into()));
}

#[test]
fn text_tells_the_same() {
    let folder = Folder::new();
    folder.write("sealed", message(&[0; 250], UNSIGNED, &[("tenant", "42")]));
    let text = String::from_utf8(folder.run(&["inspect", "sealed"]).ok()).unwrap();
    for line in [
        "version: 2",
        "suite: 0x0478 ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY",
        "commits: yes",
        "signs: no",
        "encryption_context: 1 pair",
        "  \"tenant\": \"42\"",
        "encrypted_data_keys: 1 key",
        "  \"ns\" \"n\": ciphertext of 48 bytes",
        "content_type: framed",
        "frame_length: 100",
        "plaintext_length: 250 (by the total length)",
        "unverified: true",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_file_and_both_forms_of_standard_input_are_the_same() {
    let folder = Folder::new();
    let message = message(&vec![0; 300_000], SIGNED, &[]);
    folder.write("sealed", &message);
    let file = folder.run(&["inspect", "sealed"]).ok();
    assert_eq!(folder.run_with(&["inspect"], &message).ok(), file);
    assert_eq!(folder.run_with(&["inspect", "-"], &message).ok(), file);
}

#[test]
fn a_header_alone_is_enough() {
    let folder = Folder::new();
    let message = message(b"hello", UNSIGNED, &[]);
    let header_len = waxseal::inspect(&message).unwrap().parsed().len();
    let header = &message[..usize::try_from(header_len).unwrap()];
    let found = json(folder.run_with(&["inspect", "--json"], header));
    assert_eq!(
        (&found["total_length"], &found["plaintext_length"]),
        (&header_len.into(), &Value::Null)
    );
    folder.run_with(&["inspect"], &header[..header.len() - 1]).refuses(3, "ends too early");
}

#[test]
fn text_of_others_cannot_control_the_terminal() {
    let folder = Folder::new();
    let evil = "\u{1b}[2J\u{9b}1m\r\nunverified: false\u{202e}\u{7f}";
    let keyring = RawAesKeyring::new(evil, evil, AesKey::generate_256().unwrap()).unwrap();
    let message = waxseal::encrypt(b"hello", &keyring).context([(evil, evil)]).now().unwrap();
    for args in [&["inspect"][..], &["inspect", "--json"]] {
        let text = String::from_utf8(folder.run_with(args, &message).ok()).unwrap();
        assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text:?}");
        assert!(!text.lines().any(|line| line.starts_with("unverified: false")));
    }
    let found = json(folder.run_with(&["inspect", "--json"], &message));
    assert_eq!(found["encryption_context"][evil], evil);
    assert_eq!(found["encrypted_data_keys"][0]["key_name"], evil);
}

#[test]
fn the_input_may_be_named_as_elsewhere() {
    let folder = Folder::new();
    folder.write("sealed", message(b"hello", UNSIGNED, &[]));
    let expected = folder.run(&["inspect", "sealed"]).ok();
    for flag in ["-i", "--input"] {
        assert_eq!(folder.run(&["inspect", flag, "sealed"]).ok(), expected);
    }
    folder.run(&["inspect", "-i", "sealed", "sealed"]).refuses(2, "cannot be used with");
}
