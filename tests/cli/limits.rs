//! Machines that fail: full disks, folders that cannot be written to, limits on the process, and its death. Nothing
//! is lost, and nothing that is not whole has the name of the output.
#![cfg(target_os = "linux")]

use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;

use crate::*;

/// Every command that writes a file: its arguments, with `-o` and the file last.
fn writing() -> [(&'static str, Vec<&'static str>); 4] {
    [
        ("encrypt", vec!["encrypt", "-k", KEY, "-i", "plaintext", "-o"]),
        ("decrypt", vec!["decrypt", "-k", KEY, "-i", "message", "-o"]),
        ("range", vec!["decrypt", "-k", KEY, "-i", "unsigned", "--range", "10-4000000", "-o"]),
        ("keygen", vec!["keygen", "--kind", "aes256", "--out"]),
    ]
}

/// Four megabytes in each form, which is more than [`SMALL`] holds.
fn folder() -> Folder {
    let folder = Folder::new();
    let plaintext = b"plaintext that must not be seen\n".repeat(131_072);
    folder.write("plaintext", &plaintext);
    folder.write("message", message(&plaintext, SIGNED, &[]));
    folder.write("unsigned", message(&plaintext, UNSIGNED, &[]));
    fs::create_dir(folder.path("small")).unwrap();
    folder
}

/// Runs the program where a script has prepared the folder `small`; `None` where mounting is not allowed. The script
/// finds the program in `$0` and its arguments in `$@`.
fn mounted(folder: &Folder, mount: &str, args: &[&str]) -> Option<Done> {
    let script =
        format!("{{ {mount}; }} || exit 99; \"$0\" \"$@\"; code=$?; ls -A small; exit $code");
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--user", "--map-root-user", "sh", "-c", &script, PROGRAM]).args(args);
    let output = unshare.current_dir(folder.0.path()).stdin(Stdio::null()).output();
    let Ok(output) = output else {
        not_checked("there is no `unshare`");
        return None;
    };
    if output.status.code() == Some(99) || output.stderr.starts_with(b"unshare") {
        not_checked("mounting is not allowed here");
        return None;
    }
    Some(output.into())
}

const SMALL: &str = "mount -t tmpfs -o size=1m none small";

#[test]
fn a_full_disk_leaves_nothing_unfinished() {
    let folder = folder();
    for (name, mut args) in writing() {
        args.push("small/out");
        // A key is so short that there must be no room at all.
        let room = if name == "keygen" {
            "head -c 2m /dev/zero > small/full 2>/dev/null; true"
        } else {
            "true"
        };
        let Some(done) = mounted(&folder, &format!("{SMALL} && {room}"), &args) else { return };
        let done = done.fails(1, "cannot write `small/out`");
        let left = if name == "keygen" { "full\n" } else { "" };
        assert_eq!(String::from_utf8(done.stdout).unwrap(), left, "{name}");
    }
}

#[test]
fn a_full_disk_keeps_the_file_that_would_be_replaced() {
    let folder = folder();
    for (name, mut args) in writing() {
        if name == "keygen" {
            // It replaces nothing.
            continue;
        }
        args.extend(["small/out", "--force"]);
        let mount = format!("{SMALL} && echo old > small/out");
        // What is there afterwards, and what it holds.
        let script = format!("{mount} && {{ trap 'cat small/out' EXIT; }}");
        let Some(done) = mounted(&folder, &script, &args) else { return };
        let done = done.fails(1, "cannot write `small/out`");
        assert_eq!(String::from_utf8(done.stdout).unwrap(), "out\nold\n", "{name}");
    }
}

#[test]
fn a_full_disk_stops_a_tree_and_keeps_what_is_whole() {
    let folder = folder();
    for (name, len) in [("a", 1000), ("b", 4_000_000), ("c", 1000)] {
        folder.write(&format!("in/{name}"), vec![1; len]);
    }
    for threads in ["1", "2"] {
        let args =
            ["encrypt", "-k", KEY, "-r", "--threads", threads, "-i", "in", "-o", "small/out"];
        let script = format!("{SMALL} && {{ trap 'ls -A small/out' EXIT; }}");
        let Some(done) = mounted(&folder, &script, &args) else { return };
        // Two at once may come in each other's way: then the first has no room, or the third was done.
        let file = if threads == "1" { "b." } else { "" };
        let done = done.fails(1, &format!("cannot write `small/out/{file}"));
        let names = String::from_utf8(done.stdout).unwrap();
        let names: Vec<_> = names.lines().collect();
        let (first, whole) = names.split_first().unwrap();
        assert_eq!(*first, "out");
        match threads {
            "1" => assert_eq!(whole, ["a.encrypted"]),
            _ => assert!(
                whole.iter().all(|name| ["a.encrypted", "c.encrypted"].contains(name)),
                "{whole:?}"
            ),
        }
    }
}

#[test]
fn a_folder_that_is_read_only_is_named() {
    let folder = folder();
    folder.write("small/old", "old");
    let read_only = "mount --bind small small && mount -o remount,ro,bind small";
    for (name, args) in writing() {
        let args = [&args[..], &["small/out"]].concat();
        let Some(done) = mounted(&folder, read_only, &args) else { return };
        let done = done.fails(1, "`small/out`");
        assert_eq!(String::from_utf8(done.stdout).unwrap(), "old\n", "{name}");
    }
    let (_, args) = &writing()[0];
    let args = [&args[..], &["small/old", "--force"]].concat();
    let Some(done) = mounted(&folder, read_only, &args) else { return };
    done.fails(1, "`small/old`");
    assert_eq!(folder.read("small/old"), b"old");
}

/// A limit on the length of files comes as a signal, unless it is caught.
#[test]
fn a_limit_on_the_length_of_files_leaves_nothing_unfinished() {
    let folder = folder();
    for (name, mut args) in writing() {
        if name == "keygen" {
            continue;
        }
        args.push("out");
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c 0; ulimit -f 100; exec \"$0\" \"$@\"", PROGRAM]).args(&args);
        let output = shell.current_dir(folder.0.path()).output().unwrap();
        assert_eq!(output.status.signal(), None, "{name}");
        Done::from(output).refuses(1, "cannot write `out`");
        assert_eq!(folder.names(), ["message", "plaintext", "unsigned"], "{name}");
    }
}

/// It may also be standard output that is a file, or what `--buffer` keeps.
#[test]
fn a_limit_on_the_length_of_files_is_an_error_everywhere() {
    let folder = folder();
    for (flags, fault) in [(&[][..], "standard output"), (&["--buffer"], "temporary file")] {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -c 0; ulimit -f 100; exec \"$0\" \"$@\"", PROGRAM]);
        shell.args(["decrypt", "-k", KEY, "-i", "message"]).args(flags);
        let out = fs::File::create(folder.path("out")).unwrap();
        let output = shell.current_dir(folder.0.path()).stdout(out).output().unwrap();
        assert_eq!(output.status.signal(), None, "{fault}");
        Done::from(output).refuses(1, fault);
    }
    assert!(folder.read("out").is_empty(), "what is buffered does not come out in part");
}

/// The program with this many threads and processes for its user at most: root has no limit, so it is somebody else then.
/// `None` where that cannot be had.
fn with_processes(most: &str, folder: &Folder) -> Option<Command> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let as_nobody: &[_] = match is_root {
        true => &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
        false => &[],
    };
    for name in ["", "plaintext", "key"] {
        fs::set_permissions(folder.path(name), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let limit = format!("--nproc={most}");
    let words = [as_nobody, &["prlimit", &limit, PROGRAM]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder.0.path());
    match command.arg("--version").output() {
        Ok(output) if output.status.success() => {}
        _ => {
            not_checked("there is no other user here, or no `prlimit`");
            return None;
        }
    }
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder.0.path()).stdin(Stdio::null());
    Some(command)
}

/// Even the thread that waits for signals was once one too many.
#[test]
fn a_machine_without_another_thread_does_all_on_one() {
    let folder = folder();
    for threads in ["1", "2"] {
        let run = |args: &[&str]| {
            let mut command = with_processes("1", &folder)?;
            Some(Done::from(command.args(args).args(["--threads", threads]).output().unwrap()))
        };
        let sealed = ["encrypt", "-k", KEY, "-i", "plaintext", "-o", "sealed", "--force"];
        let Some(done) = run(&sealed) else { return };
        assert_eq!(done.ok(), b"");
        let opened = run(&["decrypt", "-k", KEY, "-i", "sealed", "-o", "opened", "--force"]);
        assert_eq!(opened.unwrap().ok(), b"");
        assert_eq!(folder.read("opened"), folder.read("plaintext"));
    }
}

/// Nothing can be tidied up: what is left has another name, is for its owner only, and is in nobody's way.
#[test]
fn death_in_the_middle_leaves_no_output_and_no_old_file_changed() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder();
    let message = folder.read("message");
    for old in [false, true] {
        if old {
            folder.write("out", "old");
        }
        let before = folder.names();
        let mut args = vec!["decrypt", "-k", KEY, "-o", "out"];
        if old {
            args.push("--force");
        }
        let mut child = folder.command(&args).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(&message[..message.len() - 100]).unwrap();
        let temporary = |folder: &Folder| {
            let mut names = folder.names();
            names.retain(|name| !before.contains(name));
            names.pop()
        };
        let mut waits = 0;
        while temporary(&folder).is_none() {
            waits += 1;
            assert!(waits < 6000, "no temporary file");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let left = temporary(&folder).unwrap();
        assert!(left.starts_with(".waxseal-"), "{left}");
        let mode = fs::metadata(folder.path(&left)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        if old {
            assert_eq!(folder.read("out"), b"old");
        } else {
            assert!(!folder.path("out").exists());
        }
        // Another try is not disturbed by it.
        assert_eq!(folder.run_with(&args, &message).ok(), b"");
        assert_eq!(folder.read("out"), folder.read("plaintext"));
        for name in [&*left, "out"] {
            fs::remove_file(folder.path(name)).unwrap();
        }
    }
}

/// A reader of the pipe that goes away, and one that is slow and takes one byte at a time.
#[test]
fn a_slow_reader_gets_everything() {
    let folder = folder();
    let mut command = folder.command(&["decrypt", "-k", KEY, "-i", "message"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut first = [0; 1000];
    for byte in &mut first {
        pipe.read_exact(std::slice::from_mut(byte)).unwrap();
    }
    let mut rest = Vec::new();
    pipe.read_to_end(&mut rest).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!([&first[..], &rest].concat(), folder.read("plaintext"));
}

/// Else it would go on encrypting for a private key that is gone.
#[test]
fn a_public_key_that_cannot_be_replaced_keeps_its_private_one() {
    let folder = folder();
    folder.run(&["keygen", "--kind", "ec-p256", "--out", "small/k"]).ok();
    let before = [folder.read("small/k"), folder.read("small/k.pub")];
    // What something is mounted on cannot be removed.
    let mount = "mount --bind small/k small/k.pub";
    let args = ["keygen", "--kind", "ec-p256", "--out", "small/k", "--force"];
    let Some(done) = mounted(&folder, mount, &args) else { return };
    done.fails(1, "cannot replace `small/k.pub`");
    assert_eq!([folder.read("small/k"), folder.read("small/k.pub")], before);
    // Nor is the public one gone if the private one cannot be replaced.
    let mount = "mount --bind small/k.pub small/k";
    let Some(done) = mounted(&folder, mount, &args) else { return };
    done.fails(1, "small/k");
    assert_eq!([folder.read("small/k"), folder.read("small/k.pub")], before);
    assert_eq!(fs::read_dir(folder.path("small")).unwrap().count(), 2);
    folder.run(&args).ok();
    let after = [folder.read("small/k"), folder.read("small/k.pub")];
    assert!(before[0] != after[0] && before[1] != after[1]);
    assert_eq!(fs::read_dir(folder.path("small")).unwrap().count(), 2);
}
