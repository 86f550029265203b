//! `--threads`: nothing but the time depends on it.

use std::io::Read as _;

use crate::*;

/// Long enough for several threads, and no whole number of frames of any length here.
const LONG: usize = (9 << 20) + 123;
const FRAME_LENS: [&str; 2] = ["4096", "1048576"];
const THREADS: [&str; 4] = ["1", "2", "3", "8"];

/// Bytes that tell where they are.
fn plaintext() -> Vec<u8> {
    (0..u32::MAX).flat_map(u32::to_le_bytes).take(LONG).collect()
}

/// A message of [`plaintext`], of the command line itself.
fn sealed(folder: &Folder, suite: &str, frame_len: &str) -> Vec<u8> {
    let args = ["encrypt", "-k", KEY, "--suite", suite, "--frame-length", frame_len];
    folder.run_with(&[&args[..], &["--threads", "1"]].concat(), &plaintext()).ok()
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let folder = Folder::new();
    let plaintext = plaintext();
    folder.write("in", &plaintext);
    for (suite, frame_len) in
        [("0x0478", FRAME_LENS[0]), ("0x0478", FRAME_LENS[1]), ("0x0578", "4096")]
    {
        for threads in THREADS {
            let args = ["-k", KEY, "--force", "--threads", threads];
            let encrypt = ["encrypt", "--suite", suite, "--frame-length", frame_len];
            let encrypt = [&encrypt[..], &args, &["-i", "in"]].concat();
            folder.run(&[&encrypt[..], &["-o", "sealed"]].concat()).ok();
            let message = folder.read("sealed");
            let opened = waxseal::decrypt(&message, &keyring()).now().unwrap();
            assert!(opened.plaintext() == plaintext, "{suite} {frame_len} {threads}");
            let streamed = folder.run(&encrypt).ok();
            let decrypt = [&["decrypt"][..], &args].concat();
            folder.run(&[&decrypt[..], &["-i", "sealed", "-o", "out"]].concat()).ok();
            assert!(folder.read("out") == plaintext, "{suite} {frame_len} {threads}");
            for buffer in [&[][..], &["--buffer"]] {
                let out = folder.run_with(&[&decrypt[..], buffer].concat(), &streamed).ok();
                assert!(out == plaintext, "{suite} {frame_len} {threads}");
            }
        }
    }
}

#[test]
fn short_inputs_need_not_care() {
    let folder = Folder::new();
    for threads in ["1", "1024"] {
        for plaintext in [&b""[..], b"x", &[7; 5000]] {
            let args = ["-k", KEY, "--threads", threads];
            let message = folder.run_with(&[&["encrypt"], &args[..]].concat(), plaintext).ok();
            let out = folder.run_with(&[&["decrypt"], &args[..]].concat(), &message).ok();
            assert_eq!(out, plaintext);
        }
    }
}

#[test]
fn there_is_at_least_one_and_no_more_than_a_machine_minds() {
    let folder = Folder::new();
    for command in ["encrypt", "decrypt"] {
        for threads in ["0", "-1", "1025", "4294967297", "two", ""] {
            let threads = format!("--threads={threads}");
            folder.run(&[command, "-k", KEY, &threads]).refuses(2, "'--threads <N>'");
        }
    }
}

#[test]
fn a_changed_message_leaves_no_file() {
    let folder = Folder::new();
    for suite in ["0x0478", "0x0578"] {
        for frame_len in FRAME_LENS {
            let message = sealed(&folder, suite, frame_len);
            for at in [message.len() / 3, message.len() - 20] {
                let mut changed = message.clone();
                changed[at] ^= 1;
                folder.write("sealed", &changed);
                for threads in THREADS {
                    let args = ["decrypt", "-k", KEY, "--threads", threads, "-i", "sealed"];
                    folder.run(&[&args[..], &["-o", "out"]].concat()).refuses(5, "");
                    folder.run(&[&args[..], &["--buffer"]].concat()).refuses(5, "");
                    assert_eq!(folder.names(), ["sealed"]);
                }
            }
        }
    }
}

#[test]
fn a_message_that_is_cut_off_leaves_no_file() {
    let folder = Folder::new();
    let message = sealed(&folder, "0x0478", "4096");
    for len in [message.len() / 2, message.len() - 1] {
        folder.write("sealed", &message[..len]);
        for threads in THREADS {
            let args = ["decrypt", "-k", KEY, "--threads", threads, "-i", "sealed", "-o", "out"];
            folder.run(&args).refuses(3, "");
            assert_eq!(folder.names(), ["sealed"]);
        }
    }
}

#[test]
fn what_came_out_before_a_failure_is_whole_frames_of_the_plaintext() {
    let folder = Folder::new();
    let plaintext = plaintext();
    for frame_len in FRAME_LENS {
        let mut message = sealed(&folder, "0x0478", frame_len);
        let at = message.len() / 3 * 2;
        message[at] ^= 1;
        let frame_len: usize = frame_len.parse().unwrap();
        let header_len = waxseal::inspect(&message).unwrap().parsed().len();
        let body = at - usize::try_from(header_len).unwrap();
        let good = body / (frame_len + 32) * frame_len;
        for threads in THREADS {
            let args = ["decrypt", "-k", KEY, "--threads", threads];
            let out = folder.run_with(&args, &message).fails(5, "").stdout;
            // The frame that was changed is missing, and all behind it.
            assert_eq!(out.len(), good, "{threads} threads");
            assert!(plaintext.starts_with(&out), "{threads} threads");
        }
    }
}

/// Someone who reads along need not wait for what was not yet written.
#[test]
fn with_one_thread_a_frame_comes_out_before_the_next_one_is_there() {
    let message = message(&[7; 1000], UNSIGNED, &[]);
    let folder = Folder::new();
    let mut command = folder.command(&["decrypt", "-k", KEY, "--threads", "1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (now, later) = message.split_at(message.len() / 2);
    stdin.write_all(now).unwrap();
    let mut frames = [0; 300];
    stdout.read_exact(&mut frames).unwrap();
    stdin.write_all(later).unwrap();
    drop(stdin);
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    assert_eq!((frames.as_slice(), rest.len()), (&[7; 300][..], 700));
    assert!(child.wait().unwrap().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_stops_an_endless_input() {
    let folder = Folder::new();
    for threads in THREADS {
        let open = |path| fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut command = folder.command(&["encrypt", "-k", KEY, "--threads", threads]);
        let output = command.stdin(open("/dev/zero")).stdout(open("/dev/full")).output().unwrap();
        Done::from(output).refuses(1, "standard output");
    }
}

/// An input that says nothing more does not keep the command waiting once its output failed.
#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_noticed_while_the_input_is_silent() {
    let folder = Folder::new();
    let message = sealed(&folder, "0x0478", "4096");
    for threads in THREADS {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = folder.command(&["decrypt", "-k", KEY, "--threads", threads]);
        command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // It may have noticed before it got all.
        let _ = pipe.write_all(&message[..message.len() - 1]);
        Done::from(child.wait_with_output().unwrap()).refuses(1, "standard output");
        drop(pipe);
    }
}

/// Where mounting is not allowed, there is nothing to be seen.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_no_file() {
    let folder = Folder::new();
    folder.write("in", plaintext());
    fs::create_dir(folder.path("small")).unwrap();
    for threads in THREADS {
        let script = format!(
            "mount -t tmpfs -o size=3m none small || exit 99; \
             \"$0\" encrypt -k {KEY} --threads {threads} -i in -o small/out; \
             code=$?; ls -A small; exit $code"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--user", "--map-root-user", "sh", "-c", &script, PROGRAM]);
        let Ok(output) = unshare.current_dir(folder.0.path()).output() else {
            return not_checked("there is no `unshare`");
        };
        if output.status.code() == Some(99) || output.stderr.starts_with(b"unshare") {
            return not_checked("mounting is not allowed here");
        }
        Done::from(output).refuses(1, "cannot write `small/out`");
    }
}
