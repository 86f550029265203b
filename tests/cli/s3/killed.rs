//! A program that is killed half way, with no time to tidy up.

use std::io::Write as _;
use std::time::Duration;

use super::*;

const PART: usize = 5 << 20;

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen");
}

#[test]
fn an_upload_that_is_killed_leaves_the_object_that_was_there() {
    let world = World::new();
    world.put("s3://bkt/k", &[]);
    let part_size = PART.to_string();
    let args = ["put", "-", "s3://bkt/k", "-k", &world.key, "--part-size", &part_size];
    let mut child = world.command(&args).stdin(Stdio::piped()).spawn().unwrap();
    // Two parts and a little, and no end.
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![7; 2 * PART + 1]).unwrap();
    wait_until("a part", || world.s3.faults().count(Operation::UploadPart) >= 1);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    drop(input);

    assert_eq!(world.s3.faults().count(Operation::CompleteMultipartUpload), 0);
    assert_eq!(world.get("s3://bkt/k", &[]).ok(), b"hello");
    // And nothing is in the way of another try.
    world.put("s3://bkt/k", &[]);
    assert_eq!(world.keys(), ["k"]);
}

#[test]
fn a_rewrap_that_is_killed_leaves_each_object_with_one_key_or_the_other_and_can_go_on() {
    let world = World::new();
    let new = format!("kms:key={}", world.kms.create_key(REGION, KeySpec::Symmetric).unwrap());
    let names: Vec<_> = (0..12).map(|n| format!("p/{n:02}")).collect();
    for name in &names {
        world.put(&format!("s3://bkt/{name}"), &[]);
    }
    // The sixth copy never ends.
    world.s3.faults().before(Operation::CopyObject, 6, || async {
        tokio::time::sleep(Duration::from_secs(600)).await;
    });
    let args = [
        "rewrap",
        "s3://bkt/p/",
        "-k",
        &world.key,
        "--to",
        &new,
        "--recursive",
        "--parallelism",
        "1",
    ];
    let mut child = world.command(&args).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the sixth copy", || world.s3.faults().count(Operation::CopyObject) >= 6);
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());

    let opens = |name: &str, key: &str| {
        world.run(&["get", &format!("s3://bkt/{name}"), "-k", key]).code == 0
    };
    let rewrapped = names.iter().filter(|name| opens(name, &new)).count();
    assert_eq!(rewrapped, 5);
    for name in &names {
        assert!(opens(name, &new) != opens(name, &world.key), "{name}");
    }
    world.run(&args).ok();
    for name in &names {
        assert!(opens(name, &new) && !opens(name, &world.key), "{name}");
    }
}
