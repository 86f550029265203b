//! The keys of objects.

use waxseal::testing::{Fault, NewKey};

use super::{Command, Done, KeySpec, PROGRAM, REGION, World};

#[test]
fn every_kind_of_key_opens_what_it_wrapped() {
    let world = World::new();
    let generate = |args: &[&str]| {
        Done::from(
            Command::new(PROGRAM).args(args).current_dir(world.folder.path("")).output().unwrap(),
        )
        .ok()
    };
    generate(&["keygen", "--kind", "rsa2048", "--out", "rsa"]);
    generate(&["keygen", "--kind", "aes128", "--out", "short"]);
    let described = r#"description={"key": "backup-2026", "a,b": "50%"}"#;
    for (wraps, opens) in [
        ("raw-aes:file=key".to_owned(), "raw-aes:file=key".to_owned()),
        (format!("raw-aes:file=key,{described}"), format!("raw-aes:file=key,{described}")),
        ("raw-aes:file=short".to_owned(), "raw-aes:file=short".to_owned()),
        ("raw-rsa:public=rsa.pub".to_owned(), "raw-rsa:private=rsa".to_owned()),
        (
            format!("raw-rsa:public=rsa.pub,private=rsa,{described}"),
            format!("raw-rsa:private=rsa,{described}"),
        ),
        (world.key.clone(), world.key.replacen("kms:", "kms-mrk:", 1)),
        (world.key.clone(), "kms-discovery:".to_owned()),
        (world.key.clone(), "kms-discovery:partition=aws,account=111122223333".to_owned()),
        (world.key.clone(), "kms-discovery:region=us-east-1,region=eu-west-1".to_owned()),
    ] {
        world.run(&["put", "in", "s3://bkt/k", "-k", &wraps]).ok();
        assert_eq!(world.run(&["get", "s3://bkt/k", "-k", &opens]).ok(), b"hello", "{wraps}");
        // Among others, too.
        world.folder.write("other", [1; 32]);
        let args = ["get", "s3://bkt/k", "-k", "raw-aes:file=other", "-k", &opens];
        assert_eq!(world.run(&args).ok(), b"hello", "{wraps}");
    }
}

#[test]
fn an_alias_wraps_and_unwraps() {
    let world = World::new();
    let arn = world.key.strip_prefix("kms:key=").unwrap();
    world.kms.create_alias(REGION, "alias/x", arn).unwrap();
    let key = "kms:key=alias/x";
    world.run(&["put", "in", "s3://bkt/k", "-k", key]).ok();
    assert_eq!(world.run(&["get", "s3://bkt/k", "-k", key]).ok(), b"hello");
}

#[test]
fn discovery_takes_only_keys_of_the_accounts_given() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    let key = "kms-discovery:partition=aws,account=444455556666";
    world.run(&["get", "s3://bkt/k", "-k", key]).refuses(4, "none that it may use");
    let args = ["put", "in", "s3://bkt/new", "-k", "kms-discovery:"];
    world.run(&args).refuses(2, "cannot encrypt");
}

#[test]
fn a_replica_opens_what_the_primary_wrapped() {
    let world = World::new();
    let primary =
        world.kms.create_key(REGION, NewKey::new(KeySpec::Symmetric).multi_region()).unwrap();
    let replica = world.kms.replicate(&primary, "us-east-1").unwrap();
    world.run(&["put", "in", "s3://bkt/k", "-k", &format!("kms-mrk:key={primary}")]).ok();
    let key = format!("kms-mrk:key={replica}");
    assert_eq!(world.run(&["get", "s3://bkt/k", "-k", &key]).ok(), b"hello");
}

#[test]
fn what_is_no_key_for_objects_is_2() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    for (key, words) in [
        ("raw-aes:namespace=ns,name=n,file=key", "no parameter `namespace`"),
        ("raw-aes:name=n,file=key", "no parameter `name`"),
        ("raw-rsa:private=key,padding=oaep-sha1", "no parameter `padding`"),
        ("raw-aes:file=missing", "missing"),
        ("raw-aes:", "`file` is missing"),
        ("raw-rsa:", "both missing"),
        (r#"raw-aes:file=key,description={"a": 1}"#, "`description` is unusable"),
        (r#"raw-aes:file=key,description={"a": "1", "a": "2"}"#, "twice"),
        (r#"raw-aes:description={"a": "1"},file=key"#, "`description` is unusable"),
        ("raw-ecdh:schema=discovery", "`raw-ecdh`"),
        ("kms-rsa:key=x", "`kms-rsa`"),
        ("kms:", "`key` is missing"),
        ("what", "`what`"),
    ] {
        let code = if words == "missing" { 1 } else { 2 };
        world.run(&["get", "s3://bkt/k", "-k", key]).refuses(code, words);
    }
    let done = world.run(&["get", "s3://bkt/k", "-k", &world.key, "-k", "what"]);
    done.refuses(2, "key 2: ");
    // It would look as if both opened it.
    let args = ["put", "in", "s3://bkt/new", "-k", &world.key, "-k", "raw-aes:file=key"];
    world.run(&args).refuses(2, "several keys");
    assert_eq!(world.keys(), ["k"]);
}

#[test]
fn a_public_key_does_not_open_and_a_private_one_does_not_wrap() {
    let world = World::new();
    let mut generate = Command::new(PROGRAM);
    generate.args(["keygen", "--kind", "rsa2048", "--out", "rsa"]);
    Done::from(generate.current_dir(world.folder.path("")).output().unwrap()).ok();
    world.run(&["put", "in", "s3://bkt/k", "-k", "raw-rsa:public=rsa.pub"]).ok();
    let done = world.run(&["get", "s3://bkt/k", "-k", "raw-rsa:public=rsa.pub"]);
    assert!(done.fails(4, "no private key").stderr.contains("private=PATH"));
    world
        .run(&["put", "in", "s3://bkt/new", "-k", "raw-rsa:private=rsa"])
        .refuses(2, "private key");
}

#[test]
fn what_aws_kms_refuses_is_4() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    let arn = world.key.strip_prefix("kms:key=").unwrap();
    world.kms.inject(Fault::throttled().always());
    let done = world.get("s3://bkt/k", &[]).fails(4, "too many calls");
    assert!(!done.stderr.contains("--caching"), "{}", done.stderr);
    world.kms.clear_faults();
    world.kms.disable(arn).unwrap();
    world.get("s3://bkt/k", &[]).refuses(4, "the key is disabled");
    world.run(&["put", "in", "s3://bkt/new", "-k", &world.key]).refuses(4, "the key is disabled");
    assert_eq!(world.keys(), ["k"]);
}
