//! Flags, the environment, and what new users get wrong.

use super::*;

#[test]
fn addresses_have_a_bucket_and_a_key() {
    let world = World::new();
    for (address, words) in [
        ("s3:/bkt/k", "`s3:/bkt/k` is no address in S3"),
        ("b/k", "is no address in S3"),
        ("s3://", "names no bucket"),
        ("s3:///k", "names no bucket"),
        ("s3://bkt", "names a bucket, but no object"),
        ("s3://bkt/", "names a bucket, but no object"),
    ] {
        world.run(&["put", "in", address, "-k", &world.key]).refuses(2, words);
        world.run(&["get", address, "-k", &world.key]).refuses(2, words);
        world.run(&["inspect", address]).refuses(2, words);
        world.run(&["rm", address]).refuses(2, words);
    }
    for address in ["s3:/bkt/k", "b", "s3://", "s3:///k"] {
        world.run(&["ls", address]).refuses(2, "");
    }
    assert!(world.s3.faults().seen().is_empty());
}

#[test]
fn what_is_put_is_a_file() {
    let world = World::new();
    world.folder.write("dir/file", b"");
    world.run(&["put", "dir", "s3://bkt/k", "-k", &world.key]).refuses(2, "is a folder");
    world
        .run(&["put", "missing", "s3://bkt/k", "-k", &world.key])
        .refuses(1, "cannot read `missing`");
    let done = world.run(&["put", "s3://bkt/k", "in", "-k", &world.key]).fails(2, "no address");
    assert!(done.stderr.contains("the file comes first"), "{}", done.stderr);
    assert!(world.s3.faults().seen().is_empty());
}

#[test]
fn flags_that_are_missing_or_wrong_are_2() {
    let world = World::new();
    for (args, words) in [
        (&["put", "in", "s3://bkt/k"][..], "--key"),
        (&["get", "s3://bkt/k"], "--key"),
        (&["put", "in", "-k", "x"], "s3://BUCKET/KEY"),
        (&["rm"], "s3://BUCKET/KEY"),
        (&["get", "s3://bkt/k", "-k", "x", "--parallelism", "0"], "0"),
        (&["get", "s3://bkt/k", "-k", "x", "--part-size", "0"], "0"),
        (&["get", "s3://bkt/k", "-k", "x", "--commitment-policy", "none"], "none"),
        (&["copy"], "copy"),
    ] {
        world.run(args).refuses(2, words);
    }
    for len in ["1", "5242881", "1000000"] {
        let args = ["put", "in", "s3://bkt/k", "-k", &world.key, "--part-size", len];
        let done = world.run(&args).fails(2, "part length");
        assert!(done.stderr.contains("--part-size"), "{}", done.stderr);
    }
    let done = world.run(&[]);
    assert_eq!((done.code, done.stdout.as_slice()), (2, &b""[..]));
    for command in ["put", "get", "ls", "inspect", "rm", "rewrap", "audit"] {
        assert!(done.stderr.lines().any(|line| line.trim().starts_with(command)), "{command}");
    }
    assert!(world.s3.faults().seen().is_empty());
}

#[test]
fn a_key_in_the_place_of_metadata_is_not_repeated() {
    let world = World::new();
    let hex = "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71";
    let base64 = "oLjdLLfhi6oAWu18J/SpVMZbCP6FxJFCPjVSaZ38rnE=";
    let private = world.folder.path("private");
    let mut keygen = Command::new(PROGRAM);
    keygen.args(["keygen", "--kind", "ec-p384", "--out"]).arg(&private);
    Done::from(keygen.output().unwrap()).ok();
    let pem = std::fs::read_to_string(&private).unwrap();
    assert!(pem.contains("=\n-----END"), "this key shows nothing");
    let pair = format!("name={pem}");
    for secret in [hex, base64, &pem, &pair] {
        for before in [&[][..], &["--metadata", "a=b"]] {
            let args =
                [&["put", "in", "s3://bkt/k", "-k", &world.key], before, &["--metadata", secret]];
            let done = world.run(&args.concat()).fails(2, "");
            assert!(!done.stderr.contains(&secret[5..25]), "{}", done.stderr);
        }
    }
}

#[test]
fn a_context_for_a_raw_key_is_refused_by_its_flag() {
    let world = World::new();
    world.put("s3://bkt/k", &["-c", "old=1"]);
    world.folder.write("key", [7; 32]);
    let args =
        ["rewrap", "s3://bkt/k", "-k", &world.key, "-c", "old=1", "--to", "raw-aes:file=key"];
    let done = world.run(&[&args[..], &["--to-context", "a=b"]].concat()).fails(2, "--to-context");
    assert!(done.stderr.contains("leave --to-context out"), "{}", done.stderr);
    let args = [&args[..6], &["--to", &world.key]].concat();
    for twice in ["a=b", "a"] {
        let more = ["--to-context", "a=b", "--to-context", twice];
        world.run(&[&args[..], &more].concat()).refuses(2, "--to-context: ");
    }
}

#[test]
fn endpoint_region_and_profile_can_be_flags() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    let credentials =
        format!("[team]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    world.folder.write(".aws/credentials", credentials);
    // A bucket is not looked for under a name in front of this one.
    let endpoint = world.s3.endpoint().replace("127.0.0.1", "localhost");
    let flags = ["--endpoint-url", &endpoint, "--region", REGION, "--profile", "team"];
    let args = [&["inspect", "s3://bkt/k"][..], &flags].concat();
    let mut command = world.command(&args);
    for name in ["AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
    {
        command.env_remove(name);
    }
    Done::from(command.output().unwrap()).ok();
    // The general variable does, too.
    let mut command = world.command(&["inspect", "s3://bkt/k"]);
    command.env_remove("AWS_ENDPOINT_URL_S3").env("AWS_ENDPOINT_URL", &endpoint);
    Done::from(command.output().unwrap()).ok();
    let mut command = world.command(&["inspect", "s3://bkt/k"]);
    command.env("AWS_ENDPOINT_URL_S3", &endpoint).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    Done::from(command.output().unwrap()).ok();
    // A profile that is named is the one used, whatever else is there.
    let args = ["inspect", "s3://bkt/k", "--profile", "nobody"];
    world.run(&args).refuses(1, "no valid credentials");
}

#[test]
fn who_asks_and_where_has_to_be_known() {
    let world = World::new();
    let mut command = world.command(&["ls", "s3://bkt"]);
    Done::from(command.env_remove("AWS_REGION").output().unwrap()).refuses(2, "region");
    let mut command = world.command(&["ls", "s3://bkt"]);
    command.env_remove("AWS_ACCESS_KEY_ID");
    Done::from(command.output().unwrap()).refuses(1, "no valid credentials");
    let mut command = world.command(&["ls", "s3://bkt"]);
    command.env("AWS_SECRET_ACCESS_KEY", "wrong");
    Done::from(command.output().unwrap()).refuses(1, "no valid credentials");
    let args = ["ls", "s3://bkt", "--endpoint-url", "http://127.0.0.1:9"];
    let done = world.run(&args).fails(1, "connection failed");
    assert!(done.stderr.contains("--endpoint-url"), "{}", done.stderr);
    world.run(&["ls", "s3://nowhere"]).refuses(1, "no such bucket");
}

#[test]
fn a_service_that_fails_is_1() {
    let world = World::new();
    // The SDK tries three times what may pass.
    for (fault, times, words) in [
        (Fault::Refuse(503, "SlowDown"), 3, "too many calls"),
        (Fault::Refuse(500, "InternalError"), 3, "not available"),
        (Fault::Refuse(403, "AccessDenied"), 1, "`s3:PutObject`"),
        (Fault::HangUp, 3, "connection failed"),
    ] {
        world.s3.faults().next(Operation::PutObject, times, fault);
        world.run(&["put", "in", "s3://bkt/k", "-k", &world.key]).refuses(1, words);
    }
}

#[test]
fn help_tells_how_to_write_a_key() {
    let world = World::new();
    for command in ["put", "get", "rewrap"] {
        let help = String::from_utf8(world.run(&[command, "--help"]).ok()).unwrap();
        for word in ["raw-aes:file=PATH,description=JSON", "kms-discovery:", "Exit codes"] {
            assert!(help.contains(word), "{word}");
        }
    }
}
