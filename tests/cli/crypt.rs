//! `encrypt` and `decrypt` that work.

use crate::*;

#[test]
fn standard_input_to_standard_output() {
    let folder = Folder::new();
    let message = folder.run_with(&["encrypt", "-k", KEY], b"hello").ok();
    assert_eq!(waxseal::decrypt(&message, &keyring()).now().unwrap().plaintext(), b"hello");
    assert_eq!(folder.run_with(&["decrypt", "-k", KEY], &message).ok(), b"hello");
}

#[test]
fn a_hyphen_is_the_standard_stream() {
    let folder = Folder::new();
    let message = folder.run_with(&["encrypt", "-k", KEY, "-i", "-", "-o", "-"], b"hello").ok();
    assert_eq!(folder.run_with(&["decrypt", "-k", KEY, "-i-", "-o-"], &message).ok(), b"hello");
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn file_to_file() {
    let folder = Folder::new();
    folder.write("in", b"hello");
    folder.run(&["encrypt", "-k", KEY, "-i", "in", "-o", "sealed"]).ok();
    let opened = waxseal::decrypt(&folder.read("sealed"), &keyring()).now().unwrap();
    assert_eq!(opened.plaintext(), b"hello");
    folder.run(&["decrypt", "-k", KEY, "--input", "sealed", "--output", "out"]).ok();
    assert_eq!(folder.read("out"), b"hello");
    assert_eq!(folder.names(), ["in", "out", "sealed"]);
}

#[test]
fn what_official_clients_wrote_is_decrypted() {
    let folder = Folder::new();
    folder.write("hex", "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71\n");
    let key = "raw-aes:namespace=waxseal.tests,name=name%20of%20aes-256-a,file=hex";
    for name in ["suite-0478-300-py", "suite-0478-300-js", "boundary-0578-f100-n305-js"] {
        let message = vector(&format!("messages/{name}.bin"));
        let len = if name.contains("n305") { 305 } else { 300 };
        let plaintext = vector(&format!("plaintexts/{len}.bin"));
        assert_eq!(folder.run_with(&["decrypt", "-k", key], &message).ok(), plaintext, "{name}");
    }
}

#[test]
fn the_default_suite_commits_and_signs() {
    let message = Folder::new().run_with(&["encrypt", "-k", KEY], b"x").ok();
    assert_eq!(waxseal::inspect(&message).unwrap().parsed().suite().id(), 0x0578);
}

#[test]
fn a_suite_has_an_id_and_a_name() {
    let folder = Folder::new();
    for suite in ["0x0478", "ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY"] {
        let message = folder.run_with(&["encrypt", "-k", KEY, "--suite", suite], b"x").ok();
        assert_eq!(waxseal::inspect(&message).unwrap().parsed().suite().id(), 0x0478);
    }
}

#[test]
fn the_frame_length_is_the_one_given() {
    let folder = Folder::new();
    let message = folder.run_with(&["encrypt", "-k", KEY, "--frame-length", "77"], b"x").ok();
    let header = waxseal::inspect(&message).unwrap();
    let framed = waxseal::ContentType::Framed { frame_len: 77 };
    assert_eq!(header.parsed().content_type(), framed);
    let message = folder.run_with(&["encrypt", "-k", KEY], b"x").ok();
    let header = waxseal::inspect(&message).unwrap();
    let framed = waxseal::ContentType::Framed { frame_len: 4096 };
    assert_eq!(header.parsed().content_type(), framed);
}

#[test]
fn a_message_is_longer_than_any_buffer() {
    let folder = Folder::new();
    let plaintext: Vec<u8> = (0..=250).cycle().take(3_000_001).collect();
    folder.write("in", &plaintext);
    folder.run(&["encrypt", "-k", KEY, "-i", "in", "-o", "sealed"]).ok();
    folder.run(&["decrypt", "-k", KEY, "-i", "sealed", "-o", "out"]).ok();
    assert!(folder.read("out") == plaintext);
    let streamed = folder.run(&["decrypt", "-k", KEY, "-i", "sealed"]).ok();
    assert!(streamed == plaintext);
    let buffered = folder.run(&["decrypt", "-k", KEY, "-i", "sealed", "--buffer"]).ok();
    assert!(buffered == plaintext);
}

#[test]
fn nothing_is_encrypted_too() {
    let folder = Folder::new();
    let message = folder.run(&["encrypt", "-k", KEY]).ok();
    assert_eq!(folder.run_with(&["decrypt", "-k", KEY], &message).ok(), b"");
}

#[test]
fn the_context_is_stored() {
    let args = ["encrypt", "-k", KEY, "-c", "tenant=42", "--context", "sum=1+1=2", "-c", "empty="];
    let message = Folder::new().run_with(&args, b"x").ok();
    let header = waxseal::inspect(&message).unwrap();
    let context = header.parsed().context();
    assert_eq!(context.get("tenant"), Some("42"));
    assert_eq!(context.get("sum"), Some("1+1=2"));
    assert_eq!(context.get("empty"), Some(""));
}

#[test]
fn the_context_can_be_required() {
    let folder = Folder::new();
    let message = message(b"hello", UNSIGNED, &[("tenant", "42"), ("purpose", "test")]);
    let pair = ["decrypt", "-k", KEY, "-c", "tenant=42", "-c", "purpose"];
    assert_eq!(folder.run_with(&pair, &message).ok(), b"hello");
}

#[test]
fn a_context_file_holds_what_flags_cannot() {
    let folder = Folder::new();
    folder.write("context", r#"{"a=b": "1\n2", "": "nameless", "\u00e9\ud83d\ude00": ""}"#);
    let args = ["encrypt", "-k", KEY, "--context-file", "context", "-c", "tenant=42"];
    let message = folder.run_with(&args, b"hello").ok();
    let header = waxseal::inspect(&message).unwrap();
    let context = header.parsed().context();
    assert_eq!(context.get("a=b"), Some("1\n2"));
    assert_eq!(context.get(""), Some("nameless"));
    assert_eq!(context.get("é😀"), Some(""));
    assert_eq!(context.get("tenant"), Some("42"));
    let args = ["decrypt", "-k", KEY, "--context-file", "context", "-c", "tenant"];
    assert_eq!(folder.run_with(&args, &message).ok(), b"hello");
}

#[test]
fn a_required_pair_need_not_be_stored() {
    let folder = Folder::new();
    folder.write("hex", "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71");
    let key = "raw-aes:namespace=waxseal.tests,name=name%20of%20aes-256-a,file=hex";
    folder.write("context", r#"{"tenant": "42", "region": "eu", "b\u00fccher": "\ud83d\udd11"}"#);
    let message = vector("messages/required-context-3-0478-py.bin");
    let args = ["decrypt", "-k", key, "--context-file", "context"];
    let plaintext = folder.run_with(&args, &message).ok();
    assert_eq!(plaintext, vector(&format!("plaintexts/{}.bin", plaintext.len())));
    // The keyring authenticates the whole context, so without it there is no data key.
    folder.run_with(&["decrypt", "-k", key], &message).refuses(4, "");
}

#[test]
fn either_of_two_keys_opens() {
    let folder = Folder::new();
    folder.write("second", [9; 16]);
    let second = "raw-aes:namespace=ns,name=second,file=second";
    let message = folder.run_with(&["encrypt", "-k", second, "-k", KEY], b"hello").ok();
    let header = waxseal::inspect(&message).unwrap();
    let names: Vec<_> =
        header.parsed().encrypted_data_keys().iter().map(|edk| edk.key_name()).collect();
    assert_eq!(names, [&b"second"[..], b"n"]);
    for key in [KEY, second] {
        assert_eq!(folder.run_with(&["decrypt", "--key", key], &message).ok(), b"hello");
    }
}

#[test]
fn a_key_that_does_not_fit_does_not_harm_one_that_does() {
    let folder = Folder::new();
    folder.write("other", [9; 32]);
    let other = "raw-aes:namespace=ns,name=n,file=other";
    let message = message(b"hello", UNSIGNED, &[]);
    let args = ["decrypt", "-k", other, "-k", KEY];
    assert_eq!(folder.run_with(&args, &message).ok(), b"hello");
}

#[test]
fn a_laxer_policy_reads_messages_without_commitment() {
    let folder = Folder::new();
    let message = message(b"hello", UNCOMMITTED, &[]);
    for policy in ["require-encrypt-allow-decrypt", "forbid-encrypt-allow-decrypt"] {
        let args = ["decrypt", "-k", KEY, "--commitment-policy", policy];
        assert_eq!(folder.run_with(&args, &message).ok(), b"hello");
    }
}

#[test]
fn the_laxest_policy_writes_messages_without_commitment() {
    let policy = "forbid-encrypt-allow-decrypt";
    let args = ["encrypt", "-k", KEY, "--commitment-policy", policy];
    let message = Folder::new().run_with(&args, b"x").ok();
    assert_eq!(waxseal::inspect(&message).unwrap().parsed().suite().id(), 0x0378);
}

#[test]
fn limits_that_are_met_do_not_matter() {
    let folder = Folder::new();
    let args = ["encrypt", "-k", KEY, "--max-encrypted-data-keys", "1", "--frame-length", "50"];
    let message = folder.run_with(&args, b"hello").ok();
    let args = ["decrypt", "-k", KEY, "--max-encrypted-data-keys", "1", "--max-frame-length", "50"];
    assert_eq!(folder.run_with(&args, &message).ok(), b"hello");
}

#[test]
fn a_stream_comes_frame_by_frame_and_the_exit_code_tells_the_end() {
    let folder = Folder::new();
    let mut message = message(&[b'x'; 250], UNSIGNED, &[]);
    *message.last_mut().unwrap() ^= 1;
    let done = folder.run_with(&["decrypt", "-k", KEY], &message).fails(5, "frame 3");
    assert!(done.stdout == [b'x'; 200], "{} bytes came out", done.stdout.len());
}

#[test]
fn a_buffer_holds_everything_back() {
    let folder = Folder::new();
    let mut message = message(&[b'x'; 250], UNSIGNED, &[]);
    *message.last_mut().unwrap() ^= 1;
    folder.run_with(&["decrypt", "-k", KEY, "--buffer"], &message).refuses(5, "frame 3");
}

#[test]
fn the_final_frame_waits_for_the_signature() {
    let folder = Folder::new();
    let mut message = message(b"short", SIGNED, &[]);
    *message.last_mut().unwrap() ^= 1;
    folder.run_with(&["decrypt", "-k", KEY], &message).refuses(5, "the signature");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = Folder::new().run(&["completions", shell]).ok();
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("max-encrypted-data-keys"), "{shell}");
    }
}

#[test]
fn the_manual_has_every_command() {
    let page = String::from_utf8(Folder::new().run(&["man"]).ok()).unwrap();
    assert!(page.contains(".TH waxseal 1"));
    for section in ["KEYGEN", "ENCRYPT", "DECRYPT", "INSPECT", "COMPLETIONS", "MAN", "KEYS"] {
        assert!(page.contains(&format!(".SH {section}\n")), "{section}");
    }
    for section in
        ["S3", "S3 PUT", "S3 GET", "S3 LS", "S3 INSPECT", "S3 RM", "S3 REWRAP", "S3 AUDIT"]
    {
        let is_there = page.contains(&format!(".SH {section}\n"));
        assert_eq!(is_there, cfg!(feature = "s3"), "{section}");
    }
}

#[test]
fn help_tells_how_to_write_a_key() {
    let help = String::from_utf8(Folder::new().run(&["encrypt", "--help"]).ok()).unwrap();
    for word in ["raw-aes:namespace=", "oaep-sha256", "%2C", "hexadecimal", "Base64"] {
        assert!(help.contains(word), "{word}");
    }
    let help = String::from_utf8(Folder::new().run(&["--help"]).ok()).unwrap();
    assert!(help.contains("Exit codes:"));
}

#[test]
fn the_version_is_the_crates() {
    let version = Folder::new().run(&["--version"]).ok();
    let expected = format!("waxseal {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version, expected.as_bytes());
}
