//! Output files appear whole or not at all, and never over anything else.

use crate::*;

/// What has to be there after a failure: what was there before.
#[track_caller]
fn leaves_nothing(args: &[&str], message: &[u8], code: i32) {
    let folder = Folder::new();
    folder.write("sealed", message);
    folder.run(&[args, &["-i", "sealed", "-o", "out"]].concat()).refuses(code, "");
    assert_eq!(folder.names(), ["sealed"]);
}

#[test]
fn a_truncated_message_leaves_nothing() {
    for suite in [UNSIGNED, SIGNED] {
        let message = message(&[7; 250], suite, &[]);
        for len in [0, 1, 50, message.len() - 200, message.len() - 1] {
            leaves_nothing(&["decrypt", "-k", KEY], &message[..len], 3);
        }
    }
}

#[test]
fn a_changed_message_leaves_nothing() {
    for suite in [UNSIGNED, SIGNED] {
        let mut message = message(&[7; 250], suite, &[]);
        *message.last_mut().unwrap() ^= 1;
        leaves_nothing(&["decrypt", "-k", KEY], &message, 5);
    }
}

#[test]
fn a_wrong_key_leaves_nothing() {
    let key = "raw-aes:namespace=ns,name=m,file=key";
    leaves_nothing(&["decrypt", "-k", key], &message(b"hello", UNSIGNED, &[]), 4);
}

#[test]
fn a_refused_message_leaves_nothing() {
    leaves_nothing(&["decrypt", "-k", KEY], &message(b"hello", UNCOMMITTED, &[]), 6);
}

#[test]
fn a_failure_keeps_the_file_that_would_be_replaced() {
    let folder = Folder::new();
    let mut message = message(b"hello", UNSIGNED, &[]);
    *message.last_mut().unwrap() ^= 1;
    folder.write("out", b"before");
    let args = ["decrypt", "-k", KEY, "-o", "out", "--force"];
    folder.run_with(&args, &message).refuses(5, "");
    assert_eq!(folder.read("out"), b"before");
    assert_eq!(folder.names(), ["out"]);
}

#[test]
fn an_existing_file_needs_force() {
    let folder = Folder::new();
    folder.write("out", b"before");
    folder.run(&["encrypt", "-k", KEY, "-o", "out"]).refuses(1, "`out` exists");
    assert_eq!(folder.read("out"), b"before");
    let message = message(b"hello", UNSIGNED, &[]);
    folder.run_with(&["decrypt", "-k", KEY, "-o", "out"], &message).refuses(1, "`out` exists");
    folder.run_with(&["decrypt", "-k", KEY, "-o", "out", "--force"], &message).ok();
    assert_eq!(folder.read("out"), b"hello");
    assert_eq!(folder.names(), ["out"]);
}

#[test]
fn the_input_is_not_the_output() {
    let folder = Folder::new();
    folder.write("in", b"hello");
    for name in ["in", "./in", "../other/in"] {
        let name = name.replace("other", folder.0.path().file_name().unwrap().to_str().unwrap());
        for command in ["encrypt", "decrypt"] {
            folder
                .run(&[command, "-k", KEY, "-i", "in", "-o", &name, "--force"])
                .refuses(2, "`in` is the");
        }
    }
    assert_eq!(folder.read("in"), b"hello");
}

#[cfg(unix)]
#[test]
fn the_input_is_not_the_output_by_another_name() {
    let folder = Folder::new();
    folder.write("in", b"hello");
    fs::hard_link(folder.path("in"), folder.path("hard")).unwrap();
    let args = ["encrypt", "-k", KEY, "-i", "in", "-o", "hard", "--force"];
    folder.run(&args).refuses(2, "`in` is the input and the output");
    assert_eq!(folder.read("hard"), b"hello");
}

#[cfg(unix)]
#[test]
fn redirected_streams_are_not_the_same_file() {
    let folder = Folder::new();
    folder.write("in", b"hello");
    let open = || fs::OpenOptions::new().read(true).append(true).open(folder.path("in")).unwrap();
    let mut command = folder.command(&["encrypt", "-k", KEY]);
    let output = command.stdin(open()).stdout(open()).output().unwrap();
    Done::from(output).refuses(2, "standard input is the input and the output");
    let mut command = folder.command(&["encrypt", "-k", KEY, "-o", "in", "--force"]);
    let output = command.stdin(open()).output().unwrap();
    Done::from(output).refuses(2, "standard input is the input and the output");
    assert_eq!(folder.read("in"), b"hello");
}

#[test]
fn a_key_or_context_is_not_replaced() {
    let folder = Folder::new();
    folder.write("context", "{}");
    for name in ["key", "context"] {
        let args = ["encrypt", "-k", KEY, "--context-file", "context", "-o", name, "--force"];
        folder.run(&args).refuses(2, &format!("would replace `{name}`"));
    }
    assert_eq!(folder.read("key"), KEY_BYTES);
}

#[cfg(unix)]
#[test]
fn a_device_is_not_replaced() {
    let args = ["encrypt", "-k", KEY, "-o", "/dev/null", "--force"];
    Folder::new().run(&args).refuses(1, "no file");
}

#[cfg(unix)]
#[test]
fn a_link_is_not_replaced() {
    let folder = Folder::new();
    folder.write("file", b"before");
    let message = message(b"hello", UNSIGNED, &[]);
    for (name, to) in [("soft", "file"), ("dangling", "missing"), ("device", "/dev/stdout")] {
        std::os::unix::fs::symlink(to, folder.path(name)).unwrap();
        for force in [&["--force"][..], &[]] {
            let args = [&["decrypt", "-k", KEY, "-o", name], force].concat();
            folder.run_with(&args, &message).refuses(1, "is a symbolic link");
            let args = [&["keygen", "--kind", "aes256", "--out", name], force].concat();
            folder.run(&args).refuses(1, "is a symbolic link");
        }
        assert!(folder.path(name).is_symlink());
    }
    assert_eq!(folder.read("file"), b"before");
    assert_eq!(folder.names(), ["dangling", "device", "file", "soft"]);
}

#[test]
fn a_folder_is_no_input_without_recursive() {
    let folder = Folder::new();
    folder.write("dir/in", b"hello");
    folder.run(&["encrypt", "-k", KEY, "-i", "dir"]).refuses(2, "`dir` is a folder");
    folder.run(&["inspect", "dir"]).refuses(2, "`dir` is a folder");
}

#[cfg(unix)]
fn mode(folder: &Folder, name: &str) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(folder.path(name)).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
#[test]
fn a_new_file_has_the_usual_mode() {
    let folder = Folder::new();
    for (umask, expected) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let script = format!("umask {umask} && exec \"$0\" encrypt -k {KEY} -o {umask}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, PROGRAM]).current_dir(folder.0.path()).stdin(Stdio::null());
        assert!(shell.status().unwrap().success());
        assert_eq!(mode(&folder, umask), expected, "{umask}");
    }
    assert_eq!(folder.names(), ["022", "027", "077"]);
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    folder.write("out", b"before");
    fs::set_permissions(folder.path("out"), fs::Permissions::from_mode(0o600)).unwrap();
    let message = message(b"secret", UNSIGNED, &[]);
    folder.run_with(&["decrypt", "-k", KEY, "-o", "out", "--force"], &message).ok();
    assert_eq!((folder.read("out"), mode(&folder, "out")), (b"secret".to_vec(), 0o600));
}

#[cfg(unix)]
#[test]
fn a_replaced_file_keeps_its_owner_and_its_group() {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let folder = Folder::new();
    folder.write("out", b"before");
    if chown(folder.path("out"), Some(12_345), Some(54_321)).is_err() {
        return not_checked("only root may give files away");
    }
    let message = message(b"secret", UNSIGNED, &[]);
    folder.run_with(&["decrypt", "-k", KEY, "-o", "out", "--force"], &message).ok();
    let metadata = fs::metadata(folder.path("out")).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321));
    assert_eq!(folder.read("out"), b"secret");
}

#[test]
fn a_file_goes_into_a_folder_under_its_name() {
    let folder = Folder::new();
    folder.write("in.txt", b"hello");
    folder.write("dir/other", b"");
    folder.run(&["encrypt", "-k", KEY, "-i", "in.txt", "-o", "dir"]).ok();
    folder.run(&["decrypt", "-k", KEY, "-i", "dir/in.txt.encrypted", "-o", "dir"]).ok();
    assert_eq!(folder.read("dir/in.txt.encrypted.decrypted"), b"hello");
    folder.run(&["encrypt", "-k", KEY, "-i", "in.txt", "-o", "dir", "--suffix", ".w"]).ok();
    folder
        .run(&["decrypt", "-k", KEY, "-i", "dir/in.txt.w", "-o", "dir", "--suffix", ""])
        .refuses(2, "the input and the output");
    let args = ["encrypt", "-k", KEY, "-i", "in.txt", "-o", "dir"];
    folder.run(&args).refuses(1, "exists");
}

#[test]
fn standard_input_has_no_name_in_a_folder() {
    let folder = Folder::new();
    folder.write("dir/other", b"");
    folder.run(&["encrypt", "-k", KEY, "-o", "dir"]).refuses(2, "no name");
}

/// `script` gives a command a terminal. Where it is missing, a unit test of the guard has to do.
#[cfg(target_os = "linux")]
fn on_a_terminal(folder: &Folder, command: &str) -> Option<(i32, String)> {
    let mut script = Command::new("script");
    script.args(["-qec", command, "/dev/null"]).current_dir(folder.0.path());
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        not_checked("there is no `script`");
        return None;
    };
    Some((output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap()))
}

#[cfg(target_os = "linux")]
#[test]
fn a_message_does_not_go_to_a_terminal() {
    let folder = Folder::new();
    folder.write("in", b"hello");
    let command = format!("{PROGRAM} encrypt -k {KEY} -i in");
    let Some((code, text)) = on_a_terminal(&folder, &command) else { return };
    assert!(code == 2 && text.contains("go to a terminal"), "{code} {text}");
    folder.write("sealed", message(b"hello", UNSIGNED, &[]));
    let command = format!("{PROGRAM} decrypt -k {KEY} -i sealed");
    assert_eq!(on_a_terminal(&folder, &command), Some((0, "hello".into())));
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_input_shows_progress_on_a_terminal() {
    let folder = Folder::new();
    folder.write("long", vec![0; (8 << 20) + 1]);
    folder.write("short", vec![0; 8 << 20]);
    let encrypt = |name| {
        let out = format!("{PROGRAM} encrypt -k {KEY} --suite 0x0478 -i {name} -o {name}.out");
        on_a_terminal(&folder, &out)
    };
    let Some((code, text)) = encrypt("long") else { return };
    assert!(code == 0 && text.contains("of 8.00 MiB"), "{code} {text}");
    assert_eq!(encrypt("short"), Some((0, String::new())));
}

#[cfg(target_os = "linux")]
#[test]
fn several_files_show_progress_beside_what_is_skipped() {
    let folder = Folder::new();
    for name in ["in/a", "in/b"] {
        folder.write(name, vec![0; (24 << 20) + 1]);
    }
    std::os::unix::fs::symlink("a", folder.path("in/link")).unwrap();
    let command = format!("{PROGRAM} encrypt -k {KEY} -r --threads 2 -i in -o out");
    let Some((code, text)) = on_a_terminal(&folder, &command) else { return };
    assert!(code == 0 && text.contains("of 24.00 MiB"), "{code} {text}");
    assert!(text.contains("waxseal: skipped `in/link`, which is a symbolic link\r\n"), "{text}");
}

/// Starts to decrypt to a file, with these signals as they are by default and others ignored; gives the
/// command once its temporary file is there, and what must stay open to keep it waiting.
#[cfg(target_os = "linux")]
fn half_way(folder: &Folder, signals: &[&str]) -> (std::process::Child, std::process::ChildStdin) {
    let message = message(&[7; 1000], UNSIGNED, &[]);
    let mut command = Command::new("env");
    command.args(signals).arg(PROGRAM).args(["decrypt", "-k", KEY, "-o", "out"]);
    command.current_dir(folder.0.path()).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&message[..message.len() - 100]).unwrap();
    let mut waits = 0;
    while folder.names().is_empty() {
        assert!(waits < 6000, "no temporary file");
        waits += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    (child, pipe)
}

#[cfg(target_os = "linux")]
pub(crate) fn kill(signal: &str, child: &std::process::Child) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_leaves_nothing() {
    let signals = ["INT", "TERM", "HUP", "QUIT", "XCPU", "ALRM", "VTALRM", "PROF", "USR1", "USR2"];
    for signal in signals {
        let folder = Folder::new();
        let as_usual = format!("--default-signal={}", signals.join(","));
        let (mut child, pipe) = half_way(&folder, &[&as_usual]);
        kill(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(folder.names(), [""; 0], "{signal}");
        drop(pipe);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let folder = Folder::new();
    let signals = ["--default-signal=INT,TERM", "--ignore-signal=HUP"];
    let (mut child, pipe) = half_way(&folder, &signals);
    kill("HUP", &child);
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(child.try_wait().unwrap(), None);
    // The others are caught all the same.
    kill("TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.names(), [""; 0]);
    drop(pipe);
}

/// Not after hours of work.
#[test]
fn a_name_that_no_file_can_have_is_refused_before_reading() {
    let folder = Folder::new();
    let long = "x".repeat(300);
    for more in [&[][..], &["--force"]] {
        let args = [&["decrypt", "-k", KEY, "-o", &long], more].concat();
        folder.run_with(&args, b"no message").refuses(1, "cannot write");
    }
    assert_eq!(folder.names(), [""; 0]);
}

/// Not that it is not there.
#[cfg(unix)]
#[test]
fn a_file_whose_name_looks_like_a_key_fails_for_what_is_wrong_with_it() {
    let folder = Folder::new();
    let name = "d41d8cd98f00b204e9800998ecf8427e";
    std::os::unix::fs::symlink(name, folder.path(name)).unwrap();
    let done = folder.run(&["decrypt", "-k", KEY, "-i", name]).fails(1, "looks like a key itself");
    assert!(
        done.stderr.contains("symbolic links") && !done.stderr.contains(name),
        "{}",
        done.stderr
    );
}

#[test]
fn a_folder_that_is_not_there_is_refused_before_reading() {
    let folder = Folder::new();
    folder.write("file", b"");
    for out in ["missing/", "file/"] {
        // The message is not even looked at.
        let args = ["decrypt", "-k", KEY, "-o", out, "--force"];
        folder.run_with(&args, b"no message").refuses(1, "is not there, or is no folder");
        folder.run(&["keygen", "--kind", "aes256", "--out", out]).refuses(1, "is not there");
    }
    assert_eq!(folder.names(), ["file"]);
}
