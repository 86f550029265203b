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
fn a_link_in_the_output_does_not_lead_into_the_input() {
    let folder = with_tree();
    fs::create_dir(folder.path("out")).unwrap();
    std::os::unix::fs::symlink("../in/deep", folder.path("out/deep")).unwrap();
    let args = ["encrypt", "-k", KEY, "-r", "-i", "in", "-o", "out"];
    folder.run(&args).refuses(2, "inside the input");
    assert!(!folder.path("in/deep/er/b.encrypted").exists());
}

#[test]
fn the_first_failure_stops_it_and_is_named() {
    let folder = Folder::new();
    folder.write("in/a", message(b"a", UNSIGNED, &[]));
    folder.write("in/b", b"no message");
    folder.write("in/c", message(b"c", UNSIGNED, &[]));
    let args = ["decrypt", "-k", KEY, "-r", "-i", "in", "-o", "out"];
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
        let Ok(output) = unshare.current_dir(folder.0.path()).output() else { return };
        if output.status.code() == Some(99) || output.stderr.starts_with(b"unshare") {
            return;
        }
        Done::from(output).refuses(2, "inside the input");
    }
    assert_eq!(folder.names(), ["in/a.txt", "in/deep/er/b"]);
}
