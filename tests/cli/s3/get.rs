//! What `get` gives, and what it never gives.

use super::*;

/// It fails so, and neither a file nor a byte is there.
#[track_caller]
fn gives_nothing(world: &World, from: &str, more: &[&str], code: i32, words: &str) {
    let before = world.folder.names();
    world.get(from, more).refuses(code, words);
    world.get(from, &[more, &["-o", "out"]].concat()).refuses(code, words);
    assert_eq!(world.folder.names(), before);
}

#[test]
fn a_tampered_object_gives_nothing() {
    let world = World::new();
    world.folder.write("in", vec![7; 3_000_000]);
    for at in [0, 2_999_999, 3_000_015] {
        world.put("s3://bkt/k", &[]);
        world.tamper("k", at);
        gives_nothing(&world, "s3://bkt/k", &["--part-size", "1000000"], 5, "not authentic");
    }
    gives_nothing(&world, "s3://bkt/k", &["--range", "0-9"], 5, "not authentic");
}

#[test]
fn a_truncated_object_gives_nothing() {
    let world = World::new();
    world.folder.write("in", vec![7; 100]);
    world.put("s3://bkt/k", &[]);
    for len in [115, 16, 15, 0] {
        world.change("k", |bytes| bytes.truncate(len));
        gives_nothing(&world, "s3://bkt/k", &[], 5, "not authentic");
    }
}

#[test]
fn a_connection_that_breaks_gives_nothing() {
    let world = World::new();
    world.folder.write("in", vec![7; 100_000]);
    world.put("s3://bkt/k", &[]);
    world.s3.faults().next(Operation::GetObject, 100, Fault::CutBody(1000));
    gives_nothing(&world, "s3://bkt/k", &[], 1, "GetObject of `bkt/k` failed");
}

#[test]
fn a_wrong_key_gives_nothing() {
    let world = World::new();
    world.run(&["put", "in", "s3://bkt/k", "-k", "raw-aes:file=key"]).ok();
    world.folder.write("other", [1; 32]);
    let before = world.folder.names();
    for (key, code, words) in [
        ("raw-aes:file=other", 4, "the wrapping key or the encryption context differs"),
        (world.key.as_str(), 4, "it cannot unwrap with AES/GCM"),
    ] {
        let args = ["get", "s3://bkt/k", "-k", key];
        world.run(&args).refuses(code, words);
        world.run(&[&args[..], &["-o", "out"]].concat()).refuses(code, words);
    }
    assert_eq!(world.folder.names(), before);
}

#[test]
fn the_encryption_context_has_to_be_given_exactly() {
    let world = World::new();
    world.put("s3://bkt/k", &["-c", "tenant=42", "-c", "b=c"]);
    assert_eq!(world.get("s3://bkt/k", &["-c", "b=c", "-c", "tenant=42"]).ok(), b"hello");
    for (context, words) in [
        (&[][..], "so it has to be given"),
        (&["-c", "b=c"][..], "`tenant`"),
        (&["-c", "b=c", "-c", "tenant=43"], "another value for `tenant`"),
        (&["-c", "b=c", "-c", "tenant=42", "-c", "d=e"], "no `d`"),
    ] {
        gives_nothing(&world, "s3://bkt/k", context, 6, words);
    }
    let done = world.get("s3://bkt/k", &[]).fails(6, "");
    assert!(done.stderr.contains("waxseal s3 inspect"), "{}", done.stderr);
    gives_nothing(&world, "s3://bkt/k", &["-c", "tenant"], 2, "has no value");
    let raw = ["put", "in", "s3://bkt/new", "-k", "raw-aes:file=key", "-c", "a=b"];
    world.run(&raw).refuses(2, "raw keys do not authenticate");
}

#[test]
fn only_what_commits_to_its_key_is_read_unless_told_otherwise() {
    let world = World::new();
    world.put("s3://bkt/k", &["--commitment-policy", "forbid-encrypt-allow-decrypt"]);
    assert!(world.head_raw("k").metadata().unwrap().contains_key("x-amz-key-v2"));
    gives_nothing(&world, "s3://bkt/k", &[], 6, "does not allow to decrypt");
    let hint = world.get("s3://bkt/k", &[]).stderr;
    assert!(hint.contains("--commitment-policy require-encrypt-allow-decrypt"), "{hint}");
    let policy = ["--commitment-policy", "require-encrypt-allow-decrypt"];
    assert_eq!(world.get("s3://bkt/k", &policy).ok(), b"hello");
}

#[test]
fn what_is_legacy_is_only_read_if_told_so() {
    let world = World::new();
    world.put_legacy("k");
    let policy = ["--commitment-policy", "require-encrypt-allow-decrypt"];
    gives_nothing(&world, "s3://bkt/k", &policy, 6, "only for old objects");
    let hint = world.get("s3://bkt/k", &policy).stderr;
    assert!(hint.contains("--legacy-wrapping-algorithms"), "{hint}");
    let allowed = [&policy[..], &["--legacy-wrapping-algorithms"]].concat();
    assert_eq!(world.get("s3://bkt/k", &allowed).ok(), b"hello");

    let metadata = world.head_raw("k").metadata.unwrap();
    let mut metadata: Vec<_> = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    metadata.retain(|(name, _)| !["x-amz-cek-alg", "x-amz-iv", "x-amz-tag-len"].contains(name));
    metadata.push(("x-amz-cek-alg", "AES/CBC/PKCS5Padding"));
    metadata.push(("x-amz-iv", "AAAAAAAAAAAAAAAAAAAAAA=="));
    world.put_raw("cbc", &[0; 16], &metadata);
    gives_nothing(&world, "s3://bkt/cbc", &allowed, 6, "does not authenticate it");
    let hint = world.get("s3://bkt/cbc", &allowed).stderr;
    assert!(hint.contains("--legacy-unauthenticated-modes"), "{hint}");
    let all = [&allowed[..], &["--legacy-unauthenticated-modes"]].concat();
    // Now only its content is wrong.
    gives_nothing(&world, "s3://bkt/cbc", &all, 5, "");
    gives_nothing(
        &world,
        "s3://bkt/cbc",
        &[&all[..], &["--range", "0-1", "--unauthenticated-range"]].concat(),
        6,
        "no range",
    );
}

#[test]
fn what_is_not_encrypted_is_3() {
    let world = World::new();
    world.put_raw("plain", b"hello", &[]);
    gives_nothing(&world, "s3://bkt/plain", &[], 3, "the object is not encrypted");
    world.put_raw("odd", b"hello", &[("x-amz-c", "115"), ("x-amz-key", "AAAA")]);
    gives_nothing(&world, "s3://bkt/odd", &[], 3, "mixes format versions");
    gives_nothing(&world, "s3://bkt/missing", &[], 1, "no such object");
    gives_nothing(&world, "s3://nowhere/k", &[], 1, "`nowhere/k`");
}

#[test]
fn a_range_is_verified_unless_told_otherwise() {
    let world = World::new();
    world.folder.write("in", "0123456789");
    world.put("s3://bkt/k", &[]);
    for more in [&[][..], &["--unauthenticated-range"]] {
        for (range, bytes) in
            [("2-4", "234"), ("7-", "789"), ("-2", "89"), ("0-99", "0123456789"), ("9-9", "9")]
        {
            let args = [&["--range", range], more].concat();
            assert_eq!(world.get("s3://bkt/k", &args).ok(), bytes.as_bytes(), "{args:?}");
        }
        gives_nothing(
            &world,
            "s3://bkt/k",
            &[&["--range", "10-"], more].concat(),
            2,
            "not satisfiable",
        );
        gives_nothing(&world, "s3://bkt/k", &[&["--range", "-0"], more].concat(), 2, "range");
        for range in ["", "-", "x", "4-2", "1-2,4-5", "bytes=1-2"] {
            gives_nothing(&world, "s3://bkt/k", &[&["--range", range], more].concat(), 2, "range");
        }
    }
    world.get("s3://bkt/k", &["--range", "1-2", "-o", "part"]).ok();
    assert_eq!(world.folder.read("part"), b"12");
    gives_nothing(&world, "s3://bkt/k", &["--unauthenticated-range"], 2, "--range");
    world.tamper("k", 9);
    gives_nothing(&world, "s3://bkt/k", &["--range", "2-4"], 5, "not authentic");
    let bytes = world.get("s3://bkt/k", &["--range", "2-4", "--unauthenticated-range"]).ok();
    assert_eq!(bytes, b"234");
}

#[test]
fn a_verified_range_of_a_very_large_object_is_refused() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.change("k", |bytes| bytes.resize((64 << 20) + 17, 0));
    gives_nothing(&world, "s3://bkt/k", &["--range", "0-9"], 6, "longer than");
    let hint = world.get("s3://bkt/k", &["--range", "0-9"]).stderr;
    assert!(hint.contains("--unauthenticated-range"), "{hint}");
}

#[test]
fn a_reader_that_stops_early_is_1() {
    let world = World::new();
    world.folder.write("in", vec![7; 3_000_000]);
    world.put("s3://bkt/k", &[]);
    let mut command = world.command(&["get", "s3://bkt/k", "-k", &world.key]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    Done::from(child.wait_with_output().unwrap()).refuses(1, "writing the plaintext failed");
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_object_shows_progress_on_a_terminal() {
    let world = World::new();
    let on_a_terminal = |args: &str| {
        let mut script = Command::new("script");
        world.surround(script.args([
            "-qec",
            &format!("{PROGRAM} s3 {args} -k {}", world.key),
            "/dev/null",
        ]));
        let output = script.output().ok()?;
        Some((output.status.code()?, String::from_utf8(output.stdout).unwrap()))
    };
    assert_eq!(on_a_terminal("put in s3://bkt/short").unwrap_or_default(), (0, String::new()));
    assert_eq!(
        on_a_terminal("get s3://bkt/short -o short").unwrap_or_default(),
        (0, String::new())
    );
    world.folder.write("in", vec![7; (8 << 20) + 1]);
    let Some((code, text)) = on_a_terminal("put in s3://bkt/k") else { return };
    assert!(code == 0 && text.contains("of 8.00 MiB"), "{code} {text}");
    let (code, text) = on_a_terminal("get s3://bkt/k -o out").unwrap();
    assert!(code == 0 && text.contains("8.00 MiB,"), "{code} {text}");
}

#[test]
fn an_existing_file_needs_force() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    world.folder.write("out", "before");
    let asked = world.s3.faults().seen().len();
    world.get("s3://bkt/k", &["-o", "out"]).refuses(1, "`out` exists");
    assert_eq!(world.s3.faults().seen().len(), asked, "nothing is asked for");
    world.get("s3://bkt/k", &["-o", "."]).refuses(1, "is no file");
    world.get("s3://bkt/k", &["-o", "missing/out"]).refuses(1, "missing/out");
    assert_eq!(world.folder.read("out"), b"before");
    world.tamper("k", 0);
    world.get("s3://bkt/k", &["-o", "out", "--force"]).refuses(5, "");
    assert_eq!(world.folder.read("out"), b"before");
    world.put("s3://bkt/k", &[]);
    world.get("s3://bkt/k", &["-o", "out", "--force"]).ok();
    assert_eq!(world.folder.read("out"), b"hello");
}

#[test]
fn a_key_file_is_never_the_output() {
    let world = World::new();
    world.run(&["put", "in", "s3://bkt/k", "-k", "raw-aes:file=key"]).ok();
    let key = world.folder.read("key");
    let args = ["get", "s3://bkt/k", "-k", "raw-aes:file=key", "-o", "key", "--force"];
    world.run(&args).refuses(2, "which is read, too");
    assert_eq!(world.folder.read("key"), key);
}

/// Starts to get an object that never comes, up to where its temporary file is there.
#[cfg(target_os = "linux")]
fn half_way(world: &World) -> std::process::Child {
    world.folder.write("in", vec![7; 100]);
    world.put("s3://bkt/k", &[]);
    let before = world.folder.names();
    world.s3.faults().before(Operation::GetObject, 1, || async {
        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    });
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,TERM,HUP,QUIT", PROGRAM]);
    let mut command =
        world.command_through(command, &["get", "s3://bkt/k", "-k", &world.key, "-o", "out"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut waits = 0;
    while world.folder.names() == before {
        assert!(waits < 6000, "no temporary file");
        waits += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_leaves_nothing() {
    for signal in ["INT", "TERM"] {
        let world = World::new();
        let mut child = half_way(&world);
        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(world.folder.names(), ["in"], "{signal}");
    }
}
