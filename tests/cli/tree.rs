//! `--recursive`.

use crate::*;

/// Two files, one of them deeper.
fn with_tree() -> Folder {
    let folder = Folder::new();
    folder.write("in/a.txt", b"a");
    folder.write("in/deep/er/b", b"b");
    folder
}

#[test]
fn a_tree_is_mirrored() {
    let folder = with_tree();
    fs::create_dir(folder.path("in/empty")).unwrap();
    folder.run(&["encrypt", "-k", KEY, "--recursive", "-i", "in", "-o", "sealed"]).ok();
    for (name, plaintext) in [("a.txt", b"a"), ("deep/er/b", b"b")] {
        let message = folder.read(&format!("sealed/{name}.encrypted"));
        let opened = waxseal::decrypt(&message, &keyring()).now().unwrap();
        assert_eq!(opened.plaintext(), plaintext);
    }
    assert!(folder.path("sealed/empty").is_dir());
    folder.run(&["decrypt", "-k", KEY, "-r", "-i", "sealed", "-o", "new/out"]).ok();
    assert_eq!(folder.read("new/out/deep/er/b.encrypted.decrypted"), b"b");
    assert_eq!(folder.names().len(), 6);
}

#[test]
fn a_suffix_can_be_chosen() {
    let folder = with_tree();
    let encrypt = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "sealed", "--suffix", ".wax"];
    folder.run(&encrypt).ok();
    assert!(folder.path("sealed/a.txt.wax").exists());
}

#[test]
fn a_suffix_can_be_empty() {
    let folder = with_tree();
    folder.run(&["encrypt", "-k", KEY, "-r", "--suffix", "", "-i", "in", "-o", "sealed"]).ok();
    folder.run(&["decrypt", "-k", KEY, "-r", "-i", "sealed", "-o", "out", "--suffix"]).ok();
    assert_eq!(
        (folder.read("out/a.txt"), folder.read("out/deep/er/b")),
        (b"a".into(), b"b".into())
    );
}

#[test]
fn a_suffix_is_no_path() {
    let folder = with_tree();
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "out", "--suffix", "/../x"];
    folder.run(&args).refuses(2, "separator");
}

#[test]
fn a_suffix_needs_a_folder() {
    let folder = with_tree();
    let args = ["encrypt", "-k", KEY, "-i", "in/a.txt", "-o", "out", "--suffix", ".x"];
    folder.run(&args).refuses(2, "--suffix");
}

#[cfg(unix)]
#[test]
fn links_are_reported_and_not_followed() {
    let folder = with_tree();
    folder.write("outside/secret", b"s");
    std::os::unix::fs::symlink("../outside", folder.path("in/dir-link")).unwrap();
    std::os::unix::fs::symlink("../outside/secret", folder.path("in/file-\u{1b}link")).unwrap();
    let done = folder.run(&["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "sealed"]);
    assert_eq!(done.code, 0);
    assert_eq!(
        done.stderr,
        "waxseal: skipped `in/dir-link`, which is a symbolic link\n\
         waxseal: skipped `in/file-\\u{1b}link`, which is a symbolic link\n"
    );
    let sealed: Vec<_> =
        folder.names().into_iter().filter(|name| name.starts_with("sealed")).collect();
    assert_eq!(sealed, ["sealed/a.txt.encrypted", "sealed/deep/er/b.encrypted"]);
}

#[test]
fn the_output_is_not_inside_the_input() {
    let folder = with_tree();
    for out in ["in", "in/out", "in/deep/out/x", "./in/../in/out", "out/../in"] {
        let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", out];
        folder.run(&args).refuses(2, "inside the input");
    }
    assert_eq!(folder.names(), ["in/a.txt", "in/deep/er/b"]);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_output_leads_nowhere() {
    let folder = with_tree();
    for name in ["out", "elsewhere/er"] {
        fs::create_dir_all(folder.path(name)).unwrap();
    }
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "out", "--force"];
    for to in ["../in/deep", "../elsewhere"] {
        std::os::unix::fs::symlink(to, folder.path("out/deep")).unwrap();
        folder.run(&args).refuses(1, "`out/deep` is a symbolic link");
        fs::remove_file(folder.path("out/deep")).unwrap();
    }
    assert_eq!(folder.names(), ["in/a.txt", "in/deep/er/b", "out/a.txt.encrypted"]);
    // The output folder itself may be one, if it does not lead into the input.
    std::os::unix::fs::symlink("elsewhere", folder.path("link")).unwrap();
    folder.run(&["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "link"]).ok();
    assert!(folder.path("elsewhere/deep/er/b.encrypted").exists());
    std::os::unix::fs::symlink("in/deep", folder.path("back")).unwrap();
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "back"];
    folder.run(&args).refuses(2, "inside the input");
}

#[test]
fn the_first_failure_stops_it_and_is_named() {
    let folder = Folder::new();
    folder.write("in/a", message(b"a", UNSIGNED, &[]));
    folder.write("in/b", b"no message");
    folder.write("in/c", message(b"c", UNSIGNED, &[]));
    let args = ["decrypt", "-k", KEY, "-r", "--threads", "1", "-i", "in", "-o", "out"];
    folder.run(&args).refuses(3, "`in/b`: not a valid message");
    assert_eq!(folder.names(), ["in/a", "in/b", "in/c", "out/a.decrypted"]);
    folder.run(&args).refuses(1, "`out/a.decrypted` exists");
    folder.write("in/b", message(b"b", UNSIGNED, &[]));
    folder.run(&[&args[..], &["--force"]].concat()).ok();
    assert_eq!(folder.read("out/c.decrypted"), b"c");
}

#[test]
fn it_takes_a_folder_to_a_folder() {
    let folder = with_tree();
    for args in
        [&["-i", "in"][..], &["-o", "out"], &["-i", "-", "-o", "out"], &["-i", "in", "-o", "-"]]
    {
        let args = [&["encrypt", "-k", KEY, "-r"], args].concat();
        folder.run(&args).refuses(2, "folder to a folder");
    }
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in/a.txt", "-o", "out"];
    folder.run(&args).refuses(2, "`in/a.txt` is no folder");
    let args = ["encrypt", "-k", KEY, "-r", "-i", "missing", "-o", "out"];
    folder.run(&args).refuses(1, "`missing`");
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "key"];
    folder.run(&args).refuses(1, "`key`");
}

#[test]
fn unfinished_files_of_others_are_no_input() {
    let folder = with_tree();
    folder.write("in/.waxseal-abc123.tmp", b"half");
    folder.write("in/.waxseal-abc123", b"whole");
    let done = folder.run(&["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "sealed"]);
    assert_eq!(done.code, 0);
    assert!(done.stderr.starts_with("waxseal: skipped `in/.waxseal-abc123.tmp`, "));
    assert!(!folder.path("sealed/.waxseal-abc123.tmp.encrypted").exists());
    assert!(folder.path("sealed/.waxseal-abc123.encrypted").exists());
}

/// Where mounting is not allowed, there is nothing to be seen.
#[cfg(target_os = "linux")]
#[test]
fn a_mount_of_the_input_is_no_output() {
    let folder = with_tree();
    fs::create_dir(folder.path("mounted")).unwrap();
    for out in ["mounted", "mounted/new/out"] {
        let script = format!(
            "mount --bind in mounted || exit 99; \
             exec \"$0\" encrypt -k {KEY} -r -i in -o {out}"
        );
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--user", "--map-root-user", "sh", "-c", &script, PROGRAM]);
        let Ok(output) = unshare.current_dir(folder.0.path()).output() else {
            return not_checked("there is no `unshare`");
        };
        if output.status.code() == Some(99) || output.stderr.starts_with(b"unshare") {
            return not_checked("mounting is not allowed here");
        }
        Done::from(output).refuses(2, "inside the input");
    }
    assert_eq!(folder.names(), ["in/a.txt", "in/deep/er/b"]);
}

/// As many files, all long enough to take a while, that sort by their numbers.
fn with_files(count: usize) -> Folder {
    let folder = Folder::new();
    for number in 0..count {
        folder.write(&file(number), message(&[7; 10_000], UNSIGNED, &[]));
    }
    folder
}

/// Every fourth is deeper, and so comes later.
fn file(number: usize) -> String {
    format!("in/{}{number:02}", if number % 4 == 3 { "deep/" } else { "" })
}

/// The numbers of these files in the order in which they are begun.
fn in_order(count: usize) -> Vec<usize> {
    let (deep, flat): (Vec<_>, Vec<_>) = (0..count).partition(|number| number % 4 == 3);
    [flat, deep].concat()
}

#[test]
fn many_files_at_once_are_all_there() {
    for threads in ["1", "2", "7", "500"] {
        let folder = with_files(40);
        folder
            .run(&["decrypt", "-k", KEY, "-r", "--threads", threads, "-i", "in", "-o", "out"])
            .ok();
        assert_eq!(folder.names().len(), 80);
        for number in 0..40 {
            let out = folder.read(&format!("{}.decrypted", file(number).replace("in/", "out/")));
            assert_eq!(out, [7; 10_000]);
        }
    }
}

#[test]
fn the_first_failure_in_order_is_named_and_what_comes_before_it_is_there() {
    for threads in ["1", "2", "7", "500"] {
        let folder = with_files(40);
        for bad in [22, 23, 25, 38] {
            folder.write(&file(bad), &message(&[7; 10_000], UNSIGNED, &[])[..5000]);
        }
        let args = ["decrypt", "-k", KEY, "-r", "--threads", threads, "-i", "in", "-o", "out"];
        folder.run(&args).refuses(3, "`in/22`");
        for number in in_order(40).into_iter().take_while(|number| *number != 22) {
            let out = folder.read(&format!("{}.decrypted", file(number).replace("in/", "out/")));
            assert_eq!(out, [7; 10_000], "{number}");
        }
        // Others are whole or not there, and nothing else is.
        for name in folder.names().iter().filter(|name| name.starts_with("out")) {
            assert!(name.ends_with(".decrypted"), "{name}");
            assert_eq!(folder.read(name), [7; 10_000], "{name}");
        }
        for bad in [22, 23, 25, 38] {
            assert!(!folder.path(&format!("out/{bad}.decrypted")).exists());
            assert!(!folder.path(&format!("out/deep/{bad}.decrypted")).exists());
        }
        if threads == "1" {
            let done = in_order(40).iter().position(|number| *number == 22);
            assert_eq!(Some(folder.names().len() - 40), done);
        }
    }
}

#[test]
fn names_that_exist_are_kept_however_many_are_worked_on() {
    for threads in ["1", "2", "7"] {
        let folder = with_files(40);
        for number in [17, 30] {
            folder.write(&format!("out/{number}.decrypted"), b"before");
        }
        let args = ["decrypt", "-k", KEY, "-r", "--threads", threads, "-i", "in", "-o", "out"];
        folder.run(&args).refuses(1, "`out/17.decrypted` exists");
        for number in [17, 30] {
            assert_eq!(folder.read(&format!("out/{number}.decrypted")), b"before");
        }
        assert!(folder.path("out/16.decrypted").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_made_comes_after_the_files_before_it() {
    for threads in ["1", "2", "7", "500"] {
        let folder = with_files(8);
        folder.write("out/deep", b"no folder");
        let args = ["decrypt", "-k", KEY, "-r", "--threads", threads, "-i", "in", "-o", "out"];
        folder.run(&args).refuses(1, "cannot make the folder `out/deep`");
        let done: Vec<_> =
            folder.names().into_iter().filter(|name| name.starts_with("out/0")).collect();
        assert_eq!(done.len(), 6, "{done:?}");
    }
}

#[test]
fn one_cache_is_for_all_files_at_once() {
    for (caching, keys) in [(&[][..], 40), (&["--caching", "capacity=10,max-age=300"], 1)] {
        let folder = with_files(40);
        let args = ["encrypt", "-k", KEY, "-r", "--threads", "8", "-i", "in", "-o", "out"];
        folder.run(&[&args[..], caching].concat()).ok();
        let outputs = folder.names().into_iter().filter(|name| name.starts_with("out/"));
        let wrapped: BTreeSet<Vec<u8>> = outputs
            .map(|name| {
                let header = waxseal::inspect(&folder.read(&name)).unwrap();
                header.parsed().encrypted_data_keys()[0].ciphertext().to_vec()
            })
            .collect();
        assert_eq!(wrapped.len(), keys);
    }
}

/// Four files that take long, as many at once; gives the command once several temporary files are there.
#[cfg(target_os = "linux")]
fn several_half_way(folder: &Folder) -> std::process::Child {
    for name in ["in/a", "in/b", "in/c", "in/d"] {
        folder.write(name, b"");
        let file = fs::OpenOptions::new().write(true).open(folder.path(name)).unwrap();
        // Nothing of it takes room, but its ciphertext would, if nobody stopped it.
        file.set_len(1 << 30).unwrap();
    }
    let mut command = Command::new("env");
    // Whoever runs the tests may ignore them.
    command.args(["--default-signal=INT,TERM", PROGRAM, "encrypt", "-k", KEY, "-r"]);
    command.args(["--threads", "4", "-i", "in", "-o", "out"]).current_dir(folder.path("."));
    let child = command.spawn().unwrap();
    let mut waits = 0;
    while folder.names().len() < 4 + 4 {
        assert!(waits < 6000, "no temporary files: {:?}", folder.names());
        waits += 1;
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_leaves_nothing_of_several_files() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        let mut child = several_half_way(&folder);
        files::kill(signal, &child);
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(folder.names(), ["in/a", "in/b", "in/c", "in/d"], "{signal}");
    }
}

/// What it holds depends on how many files are worked on at once, and not on how many or how long they are.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_tree() {
    let folder = Folder::new();
    for number in 0..100 {
        let name = format!("in/{number}");
        folder.write(&name, b"");
        let file = fs::OpenOptions::new().write(true).open(folder.path(&name)).unwrap();
        file.set_len(4 << 20).unwrap();
    }
    let args = ["encrypt", "-k", KEY, "--suite", "0x0478", "-r", "--threads", "4"];
    let mut child = folder.command(&args).args(["-i", "in", "-o", "out"]).spawn().unwrap();
    let mut peak_kib = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak.unwrap_or(peak_kib);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert!((1..40 << 10).contains(&peak_kib), "{peak_kib} KiB");
}
