//! `decrypt --range`.

use crate::*;

const PLAINTEXT: &[u8] = b"0123456789";

/// A folder with 1,000 bytes in frames of 100, in `sealed`.
fn folder(suite: AlgorithmSuite) -> (Folder, Vec<u8>) {
    let folder = Folder::new();
    let plaintext = PLAINTEXT.repeat(100);
    folder.write("sealed", message(&plaintext, suite, &[("tenant", "42")]));
    (folder, plaintext)
}

fn args<'a>(range: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["decrypt", "-k", KEY, "-i", "sealed", "--range", range], more].concat()
}

#[test]
fn a_range_is_that_part_of_the_plaintext() {
    let (folder, plaintext) = folder(UNSIGNED);
    for (range, expected) in [
        ("0-0", 0..1),
        ("0-99", 0..100),
        ("99-100", 99..101),
        ("150-849", 150..850),
        ("990-", 990..1000),
        ("0-", 0..1000),
        ("-1", 999..1000),
        ("-1000", 0..1000),
        // As in HTTP, the last byte may lie beyond the end.
        ("995-2000", 995..1000),
        ("-2000", 0..1000),
    ] {
        assert_eq!(folder.run(&args(range, &[])).ok(), plaintext[expected], "{range}");
    }
    let joined = ["decrypt", "-k", KEY, "-i", "sealed", "--range=-3"];
    assert_eq!(folder.run(&joined).ok(), &plaintext[997..]);
}

#[test]
fn a_range_goes_to_a_file_or_into_a_folder() {
    let (folder, plaintext) = folder(UNSIGNED);
    folder.run(&args("50-249", &["-o", "out"])).ok();
    assert_eq!(folder.read("out"), &plaintext[50..250]);
    fs::create_dir(folder.path("there")).unwrap();
    folder.run(&args("0-1", &["-o", "there"])).ok();
    assert_eq!(folder.read("there/sealed.decrypted"), b"01");
    folder.run(&args("2-3", &["-o", "there", "--suffix", ".part"])).ok();
    assert_eq!(folder.read("there/sealed.part"), b"23");
}

#[test]
fn a_file_that_exists_is_not_replaced() {
    let (folder, _) = folder(UNSIGNED);
    folder.write("out", "mine");
    folder.run(&args("0-9", &["-o", "out"])).refuses(1, "`out` exists");
    assert_eq!(folder.read("out"), b"mine");
    folder.run(&args("0-9", &["-o", "sealed", "--force"])).refuses(2, "the input and the output");
    folder.run(&args("0-9", &["-o", "key", "--force"])).refuses(2, "which is read, too");
    folder.run(&args("0-9", &["-o", "out", "--force"])).ok();
    assert_eq!(folder.read("out"), PLAINTEXT);
}

#[test]
fn a_range_beyond_the_end_is_refused() {
    let (folder, _) = folder(UNSIGNED);
    for range in ["1000-", "1000-1000", "5000-6000", "-0"] {
        let refused = folder.run(&args(range, &["-o", "out"]));
        refused.refuses(2, "is not satisfiable: the plaintext has 1000 bytes");
    }
    folder.write("sealed", message(b"", UNSIGNED, &[]));
    for range in ["0-", "0-0", "-1"] {
        folder.run(&args(range, &[])).refuses(2, "the plaintext has 0 bytes");
    }
    assert_eq!(folder.names(), ["sealed"]);
}

#[test]
fn what_is_no_range_is_refused() {
    let (folder, _) = folder(UNSIGNED);
    for range in ["", "-", "1", "a-b", "2-1", "0-1,3-4", "bytes=0-1", "0x1-2", " 0-1", "+1-2"] {
        folder.run(&args(range, &[])).refuses(2, "range");
    }
}

#[test]
fn only_a_file_has_ranges() {
    let (folder, _) = folder(UNSIGNED);
    let sealed = folder.read("sealed");
    for input in [&[][..], &["-i", "-"]] {
        let args = [&["decrypt", "-k", KEY, "--range", "0-9"], input].concat();
        let done = folder.run_with(&args, &sealed);
        done.refuses(2, "standard input can only be read from its start");
    }
}

#[test]
fn flags_that_contradict_a_range_are_refused() {
    let (folder, _) = folder(UNSIGNED);
    folder.run(&args("0-9", &["--buffer"])).refuses(2, "--buffer");
    fs::create_dir(folder.path("in")).unwrap();
    let recursive = ["decrypt", "-k", KEY, "-r", "-i", "in", "-o", "out", "--range", "0-9"];
    folder.run(&recursive).refuses(2, "--recursive");
    let folder_in = ["decrypt", "-k", KEY, "-i", "in", "--range", "0-9"];
    folder.run(&folder_in).refuses(2, "is a folder");
    let alone = ["decrypt", "-k", KEY, "-i", "sealed", "--unverified-signature"];
    folder.run(&alone).refuses(2, "--range");
    folder.run(&args("0-9", &["--suffix", ".x"])).refuses(2, "--suffix");
    assert_eq!(folder.names(), ["sealed"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_has_no_ranges() {
    let (folder, _) = folder(UNSIGNED);
    let device = ["decrypt", "-k", KEY, "-i", "/dev/null", "--range", "0-9"];
    folder.run(&device).refuses(2, "is no regular file");
}

#[test]
fn a_signed_message_needs_a_flag() {
    let (folder, plaintext) = folder(SIGNED);
    let done = folder.run(&args("0-9", &["-o", "out"])).fails(6, "the message is signed");
    assert!(done.stderr.contains("--unverified-signature"), "{}", done.stderr);
    assert_eq!(folder.names(), ["sealed"]);
    let done = folder.run(&args("250-349", &["--unverified-signature"]));
    assert_eq!(done.ok(), &plaintext[250..350]);
    // It changes nothing about messages that are not signed.
    let (folder, _) = self::folder(UNSIGNED);
    assert_eq!(folder.run(&args("0-9", &["--unverified-signature"])).ok(), PLAINTEXT);
}

#[test]
fn a_message_without_frames_has_no_ranges() {
    let folder = Folder::new();
    folder.write("hex", "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71\n");
    folder.write("sealed", vector("messages/unframed-0478-500-py.bin"));
    let key = "raw-aes:namespace=waxseal.tests,name=name%20of%20aes-256-a,file=hex";
    let args = ["decrypt", "-k", key, "-i", "sealed", "--range", "0-9", "-o", "out"];
    folder.run(&args).refuses(6, "the message has no frames");
    assert_eq!(folder.names(), ["hex", "sealed"]);
}

#[test]
fn context_is_required_as_for_all_of_it() {
    let (folder, _) = folder(UNSIGNED);
    for context in ["tenant=42", "tenant"] {
        assert_eq!(folder.run(&args("0-9", &["-c", context])).ok(), PLAINTEXT);
    }
    folder.run(&args("0-9", &["-c", "tenant=43"])).refuses(6, "tenant");
    folder.run(&args("0-9", &["-c", "other"])).refuses(6, "other");
    folder.run(&args("0-9", &["--max-frame-length", "99"])).refuses(6, "max_frame_len");
}

#[test]
fn a_suite_without_commitment_must_be_allowed() {
    let (folder, _) = folder(UNCOMMITTED);
    folder.run(&args("0-9", &[])).refuses(6, "commitment");
    let allow = ["--commitment-policy", "require-encrypt-allow-decrypt"];
    assert_eq!(folder.run(&args("0-9", &allow)).ok(), PLAINTEXT);
}

#[test]
fn a_wrong_key_opens_nothing() {
    let (folder, _) = folder(UNSIGNED);
    folder.write("other", [1; 32]);
    let other = "raw-aes:namespace=ns,name=n,file=other";
    let args = ["decrypt", "-k", other, "-i", "sealed", "--range", "0-9", "-o", "out"];
    folder.run(&args).refuses(4, "");
    assert_eq!(folder.names(), ["other", "sealed"]);
}

#[test]
fn a_message_that_was_cut_or_extended_has_no_ranges() {
    let (folder, _) = folder(UNSIGNED);
    let whole = folder.read("sealed");
    for len in [whole.len() - 1, whole.len() - 140, whole.len() - 132, whole.len() / 2] {
        folder.write("sealed", &whole[..len]);
        folder.run(&args("0-9", &["-o", "out"])).refuses(3, "it was cut");
    }
    for more in [1, 132, 140] {
        folder.write("sealed", [&whole[..], &vec![0; more]].concat());
        folder.run(&args("0-9", &["-o", "out"])).refuses(3, "it was cut, extended or changed");
    }
    for len in [0, 10] {
        folder.write("sealed", &whole[..len]);
        folder.run(&args("0-9", &["-o", "out"])).refuses(3, "not a valid message");
    }
    assert_eq!(folder.names(), ["sealed"]);
}

#[test]
fn a_changed_frame_fails_only_ranges_that_touch_it() {
    let (folder, plaintext) = folder(UNSIGNED);
    let mut changed = folder.read("sealed");
    let end = changed.len();
    // In the content of the eighth of ten frames; the last has 140 bytes.
    changed[end - 140 - 132 - 50] ^= 1;
    folder.write("sealed", changed);
    assert_eq!(folder.run(&args("0-699", &[])).ok(), &plaintext[..700]);
    assert_eq!(folder.run(&args("800-", &[])).ok(), &plaintext[800..]);
    folder.run(&args("650-750", &["-o", "out"])).refuses(5, "frame 8 does not verify");
    assert_eq!(folder.names(), ["sealed"]);
}
