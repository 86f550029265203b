//! Exit codes and what is said.

use crate::*;

#[test]
fn a_missing_input_is_1() {
    Folder::new().run(&["encrypt", "-k", KEY, "-i", "missing"]).refuses(1, "`missing`");
    Folder::new().run(&["inspect", "missing"]).refuses(1, "`missing`");
}

#[test]
fn a_missing_key_file_is_1() {
    let key = "raw-aes:namespace=ns,name=n,file=missing";
    Folder::new().run(&["encrypt", "-k", key]).refuses(1, "`missing`");
}

#[test]
fn a_missing_folder_is_1() {
    let folder = Folder::new();
    let done = folder.run(&["encrypt", "-k", KEY, "-o", "missing/out"]).fails(1, "`missing/out`");
    assert!(!done.stderr.contains("at path"), "{}", done.stderr);
}

#[test]
fn a_pipe_that_breaks_is_1() {
    let folder = Folder::new();
    let mut command = folder.command(&["encrypt", "-k", KEY]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut pipe = child.stdin.take().unwrap();
    // It stops reading when it cannot write.
    while pipe.write_all(&[0; 65_536]).is_ok() {}
    drop(pipe);
    Done::from(child.wait_with_output().unwrap()).refuses(1, "standard output");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_1() {
    let folder = Folder::new();
    for args in [&["encrypt", "-k", KEY][..], &["man"], &["completions", "bash"], &["--help"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = folder.command(args).stdin(Stdio::null()).stdout(full).output().unwrap();
        Done::from(output).refuses(1, "standard output");
    }
}

#[test]
fn wrong_flags_are_2() {
    let folder = Folder::new();
    for args in [
        &["seal"][..],
        &["encrypt"],
        &["encrypt", "-k", KEY, "--frob"],
        &["encrypt", "-k", KEY, "extra"],
        &["encrypt", "-k", KEY, "-i", "a", "-i", "b"],
        &["inspect", "-i", "a", "b"],
        &["encrypt", "-k", KEY, "--suite", "0x0579"],
        &["encrypt", "-k", KEY, "--frame-length", "0"],
        &["encrypt", "-k", KEY, "--frame-length", "4294967296"],
        &["encrypt", "-k", KEY, "--max-encrypted-data-keys", "0"],
        &["encrypt", "-k", KEY, "--commitment-policy", "none"],
        &["decrypt", "-k", KEY, "--max-encrypted-data-keys", "65536"],
        &["decrypt", "-k", KEY, "--max-frame-length", "0"],
        &["decrypt", "-k", KEY, "--suite", "0x0478"],
        &["completions", "cmd"],
        &["keygen", "--kind", "aes512", "--out", "k"],
        &["keygen", "--kind", "aes256"],
    ] {
        folder.run(args).refuses(2, "");
    }
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn a_bad_context_is_2() {
    let folder = Folder::new();
    let encrypt = |pairs: &[&str]| folder.run(&[&["encrypt", "-k", KEY], pairs].concat());
    encrypt(&["-c", "novalue"]).refuses(2, "`novalue` has no value");
    encrypt(&["-c", "=value"]).refuses(2, "has no name");
    encrypt(&["-c", "a=1", "-c", "a=2"]).refuses(2, "`a` twice");
    encrypt(&["-c", "aws-crypto-x=1"]).refuses(2, "aws-crypto-x");
    let long = format!("a={}", "x".repeat(65_536));
    encrypt(&["-c", &long]).refuses(2, "65535");
    // As long as a key in Base64, whose last `=` would be the empty value: no such key is 17 bytes.
    encrypt(&["-c", "departmentsofcardiology=", "-c", "b"]).refuses(2, "`b` has no value");
    let decrypt = |pairs: &[&str]| folder.run(&[&["decrypt", "-k", KEY], pairs].concat());
    decrypt(&["-c", "a", "-c", "a=2"]).refuses(2, "`a` twice");
}

#[test]
fn a_bad_context_file_is_2() {
    let folder = Folder::new();
    for (json, words) in [
        ("", "unusable"),
        ("[]", "an object of strings"),
        (r#"{"a": 1}"#, "a string"),
        (r#"{"a": null}"#, "a string"),
        (r#"{"a": "1", "a": "1"}"#, "`a` twice"),
        (r#"{"a": "1"} x"#, "trailing"),
        (r#"{"a": "\ud800"}"#, "unusable"),
    ] {
        folder.write("context", json);
        for command in ["encrypt", "decrypt"] {
            let args = [command, "-k", KEY, "--context-file", "context"];
            folder.run(&args).refuses(2, words);
        }
    }
    folder.write("context", r#"{"a": "1"}"#);
    let args = ["encrypt", "-k", KEY, "--context-file", "context", "-c", "a=1"];
    folder.run(&args).refuses(2, "`a` twice");
}

#[test]
fn no_message_is_3() {
    let folder = Folder::new();
    let long = [0x55; 100_000];
    for input in [&b""[..], b"\x02", b"hello", b"AgV4", &long] {
        folder.run_with(&["decrypt", "-k", KEY], input).refuses(3, "not a valid message");
        folder.run_with(&["inspect"], input).refuses(3, "not a valid message");
    }
}

#[test]
fn bytes_after_the_message_are_3() {
    let folder = Folder::new();
    let message = [message(b"hello", UNSIGNED, &[]), vec![0]].concat();
    folder.run_with(&["decrypt", "-k", KEY, "--buffer"], &message).refuses(3, "after the end");
}

#[test]
fn another_key_of_the_same_name_is_4() {
    let folder = Folder::new();
    folder.write("key", [9; 32]);
    let message = message(b"hello", UNSIGNED, &[]);
    folder.run_with(&["decrypt", "-k", KEY], &message).refuses(4, "`ns/n` tried");
}

#[test]
fn a_key_of_another_name_is_4() {
    let folder = Folder::new();
    let message = message(b"hello", UNSIGNED, &[]);
    let key = "raw-aes:namespace=ns,name=m,file=key";
    folder.run_with(&["decrypt", "-k", key], &message).refuses(4, "it asks for ns/n");
}

#[test]
fn a_changed_message_is_5() {
    let folder = Folder::new();
    for suite in [UNSIGNED, SIGNED] {
        let mut message = message(b"hello", suite, &[]);
        // A final frame: two numbers, an IV, a length, and then the content.
        let header_len = waxseal::inspect(&message).unwrap().parsed().len();
        message[usize::try_from(header_len).unwrap() + 24] ^= 1;
        folder.run_with(&["decrypt", "-k", KEY], &message).refuses(5, "frame 1 does not verify");
    }
}

#[test]
fn a_message_without_commitment_is_6() {
    let folder = Folder::new();
    let message = message(b"hello", UNCOMMITTED, &[]);
    folder.run_with(&["decrypt", "-k", KEY], &message).refuses(6, "commitment policy");
    let args = ["encrypt", "-k", KEY, "--suite", "0x0178"];
    folder.run(&args).refuses(6, "commitment policy");
    let args = [
        "encrypt",
        "-k",
        KEY,
        "--suite",
        "0x0478",
        "--commitment-policy",
        "forbid-encrypt-allow-decrypt",
    ];
    folder.run(&args).refuses(6, "commitment policy");
}

#[test]
fn too_many_keys_are_6() {
    let folder = Folder::new();
    let limit = ["--max-encrypted-data-keys", "1"];
    let args = [&["encrypt", "-k", KEY, "-k", KEY], &limit[..]].concat();
    folder.run(&args).refuses(6, "2 encrypted data keys");
    let message = folder.run(&["encrypt", "-k", KEY, "-k", KEY]).ok();
    let args = [&["decrypt", "-k", KEY], &limit[..]].concat();
    folder.run_with(&args, &message).refuses(6, "encrypted data keys");
}

#[test]
fn too_long_frames_are_6() {
    let message = message(b"hello", UNSIGNED, &[]);
    let args = ["decrypt", "-k", KEY, "--max-frame-length", "99"];
    Folder::new().run_with(&args, &message).refuses(6, "100 bytes");
}

#[test]
fn a_context_other_than_required_is_6() {
    let folder = Folder::new();
    let message = message(b"hello", UNSIGNED, &[("tenant", "42")]);
    let decrypt = |pair| folder.run_with(&["decrypt", "-k", KEY, "-c", pair], &message);
    decrypt("tenant=43").refuses(6, "another value for `tenant`");
    decrypt("purpose").refuses(6, "no `purpose`");
    decrypt("purpose=test").refuses(6, "`purpose`");
    decrypt("tenant=").refuses(6, "`tenant`");
}

#[test]
fn text_of_others_cannot_control_the_terminal() {
    let folder = Folder::new();
    let evil = "\u{1b}[2J\u{9b}1m\r\nwaxseal: all is well\u{202e}";
    let keyring = RawAesKeyring::new(evil, evil, AesKey::generate_256().unwrap()).unwrap();
    let message = waxseal::encrypt(b"hello", &keyring).now().unwrap();
    let path = format!("{evil}/in");
    let pair = format!("{evil}=1");
    for done in [
        folder.run_with(&["decrypt", "-k", KEY], &message).fails(4, "it asks for"),
        folder.run(&["decrypt", "-k", KEY, "-i", &path]).fails(1, "cannot read"),
        folder.run(&["decrypt", "-k", evil]).fails(2, "no kind of key"),
        folder.run(&["encrypt", "-k", KEY, "-c", &pair, "-c", &pair]).fails(2, "twice"),
        folder.run(&["decrypt", evil]).fails(2, "unexpected"),
    ] {
        let control = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!done.stderr.contains(control), "{:?}", done.stderr);
    }
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_2() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let mut command = folder.command(&["encrypt", "-k"]);
    let output = command.arg(std::ffi::OsStr::from_bytes(b"raw-aes:\xff")).output().unwrap();
    Done::from(output).refuses(2, "UTF-8");
}

#[test]
fn no_command_lists_them() {
    let done = Folder::new().run(&[]);
    assert_eq!((done.code, done.stdout.as_slice()), (2, &b""[..]));
    for command in ["keygen", "encrypt", "decrypt", "inspect", "completions", "man"] {
        assert!(done.stderr.lines().any(|line| line.trim().starts_with(command)), "{command}");
    }
}

#[track_caller]
fn hints(done: Done, code: i32, hint: &str) {
    let done = done.fails(code, "");
    assert!(done.stderr.lines().last().unwrap().contains(hint), "{}", done.stderr);
}

#[test]
fn hints_fit_the_command() {
    let folder = Folder::new();
    folder.write("dir/file", b"");
    hints(folder.run(&["encrypt", "-k", KEY, "dir/file"]), 2, "name the input with -i");
    hints(folder.run(&["decrypt", "-k", KEY, "dir/file"]), 2, "name the input with -i");
    hints(folder.run(&["keygen", "--kind", "aes256", "--out", "dir"]), 1, "--out");
    hints(folder.run(&["encrypt", "-k", KEY, "-i", "dir"]), 2, "--recursive");
    let done = folder.run(&["inspect", "dir"]).fails(2, "is a folder");
    assert!(!done.stderr.contains("--recursive"), "{}", done.stderr);
}

#[test]
fn an_empty_input_is_called_empty() {
    let folder = Folder::new();
    folder.run(&["decrypt", "-k", KEY]).refuses(3, "the input is empty");
    folder.run(&["inspect"]).refuses(3, "the input is empty");
    let done = folder.run_with(&["inspect"], b"\x02").fails(3, "too early");
    assert!(!done.stderr.contains("is empty"));
}

#[test]
fn other_pem_files_come_with_a_command() {
    let folder = Folder::new();
    let key = |parameter| {
        let key = format!("raw-rsa:namespace=ns,name=n,padding=pkcs1,{parameter}=pem");
        folder.run(&["decrypt", "-k", &key])
    };
    folder.write("pem", pem("ENCRYPTED PRIVATE KEY"));
    hints(key("private"), 2, "openssl pkey -in IN -out OUT");
    folder.write("pem", pem("CERTIFICATE"));
    hints(key("public"), 2, "openssl x509 -pubkey -noout -in IN");
}

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")
}

#[test]
fn help_has_examples() {
    let folder = Folder::new();
    for args in [&["encrypt", "--help"][..], &["decrypt", "--help"], &["man"]] {
        let help = String::from_utf8(folder.run(args).ok()).unwrap().replace("\\-", "-");
        for words in ["waxseal encrypt -k raw-aes:", "waxseal decrypt -k raw-aes:", "UTF-8 text"] {
            assert!(help.contains(words), "{args:?} {words}");
        }
    }
}
