//! `keygen`.

use waxseal::{EcPrivateKey, EcPublicKey, EcdhCurve, RsaPrivateKey, RsaPublicKey};

use crate::*;

#[cfg(unix)]
#[track_caller]
fn assert_mode(folder: &Folder, name: &str, expected: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(folder.path(name)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, expected, "{name}");
}

#[test]
fn an_aes_key_is_so_many_random_bytes() {
    let folder = Folder::new();
    for (kind, len) in [("aes128", 16), ("aes192", 24), ("aes256", 32)] {
        assert_eq!(folder.run(&["keygen", "--kind", kind, "--out", kind]).ok(), b"");
        assert_eq!(folder.read(kind).len(), len);
        #[cfg(unix)]
        assert_mode(&folder, kind, 0o600);
    }
    folder.run(&["keygen", "--kind", "aes256", "--out", "another"]).ok();
    assert_ne!(folder.read("another"), folder.read("aes256"));
    assert_eq!(folder.names(), ["aes128", "aes192", "aes256", "another"]);
}

#[test]
fn an_rsa_key_is_two_files() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["keygen", "--kind", "rsa2048", "--out", "rsa"]).ok(), b"");
    assert_eq!(folder.names(), ["rsa", "rsa.pub"]);
    let private = String::from_utf8(folder.read("rsa")).unwrap();
    let public = String::from_utf8(folder.read("rsa.pub")).unwrap();
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----\n"));
    RsaPublicKey::from_pem(&public).unwrap();
    let private = RsaPrivateKey::from_pem(&private).unwrap();
    assert_eq!(private.public_key().unwrap().to_pem().unwrap(), public);
    #[cfg(unix)]
    assert_mode(&folder, "rsa", 0o600);
}

#[test]
fn an_elliptic_curve_key_is_two_files() {
    for (kind, curve) in
        [("ec-p256", EcdhCurve::P256), ("ec-p384", EcdhCurve::P384), ("ec-p521", EcdhCurve::P521)]
    {
        let folder = Folder::new();
        assert_eq!(folder.run(&["keygen", "--kind", kind, "--out", "ec"]).ok(), b"");
        assert_eq!(folder.names(), ["ec", "ec.pub"]);
        let private = String::from_utf8(folder.read("ec")).unwrap();
        let public = String::from_utf8(folder.read("ec.pub")).unwrap();
        assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert_eq!(EcPublicKey::from_pem(&public).unwrap().curve(), curve);
        let private = EcPrivateKey::from_pem(&private).unwrap();
        assert_eq!(private.curve(), curve);
        assert_eq!(private.public_key().unwrap().to_pem().unwrap(), public);
        #[cfg(unix)]
        assert_mode(&folder, "ec", 0o600);
        folder.run(&["keygen", "--kind", kind, "--out", "ec"]).refuses(1, "`ec` exists");
    }
}

/// A public key is a modulus and 38 bytes around it.
#[test]
fn an_rsa_key_is_as_long_as_asked() {
    let folder = Folder::new();
    for (kind, bits) in [("rsa3072", 3072), ("rsa4096", 4096)] {
        folder.run(&["keygen", "--kind", kind, "--out", kind]).ok();
        let pem = String::from_utf8(folder.read(&format!("{kind}.pub"))).unwrap();
        let base64: usize = pem.lines().filter(|line| !line.contains('-')).map(str::len).sum();
        assert_eq!(base64, (bits / 8 + 38_usize).div_ceil(3) * 4, "{kind}");
    }
}

#[test]
fn a_new_key_works() {
    let folder = Folder::new();
    folder.run(&["keygen", "--kind", "aes128", "--out", "aes"]).ok();
    folder.run(&["keygen", "--kind", "rsa2048", "--out", "rsa"]).ok();
    let rsa = "raw-rsa:namespace=ns,name=r,padding=oaep-sha256";
    let aes = "raw-aes:namespace=ns,name=a,file=aes";
    let public = format!("{rsa},public=rsa.pub");
    let message = folder.run_with(&["encrypt", "-k", aes, "-k", &public], b"hello").ok();
    let private = format!("{rsa},private=rsa");
    for key in [aes, &private] {
        assert_eq!(folder.run_with(&["decrypt", "-k", key], &message).ok(), b"hello");
    }
}

#[test]
fn an_existing_key_needs_force() {
    let folder = Folder::new();
    folder.run(&["keygen", "--kind", "aes256", "--out", "key"]).refuses(1, "`key` exists");
    assert_eq!(folder.read("key"), KEY_BYTES);
    folder.run(&["keygen", "--kind", "aes128", "--out", "key", "--force"]).ok();
    assert_eq!(folder.read("key").len(), 16);
    #[cfg(unix)]
    assert_mode(&folder, "key", 0o600);
}

#[test]
fn an_existing_public_key_needs_force() {
    let folder = Folder::new();
    folder.write("rsa.pub", b"before");
    folder.run(&["keygen", "--kind", "rsa2048", "--out", "rsa"]).refuses(1, "`rsa.pub` exists");
    assert_eq!(folder.names(), ["rsa.pub"]);
    folder.run(&["keygen", "--kind", "rsa2048", "--out", "rsa", "--force"]).ok();
    assert_ne!(folder.read("rsa.pub"), b"before");
}

#[test]
fn a_key_is_not_printed() {
    let folder = Folder::new();
    folder.run(&["keygen", "--kind", "aes256", "--out", "-"]).refuses(2, "not printed");
    assert_eq!(folder.names(), [""; 0]);
}

#[cfg(unix)]
#[test]
fn a_key_is_readable_for_its_owner_under_any_mask() {
    let folder = Folder::new();
    for umask in ["0400", "0777", "0022"] {
        let script = format!("umask {umask} && exec \"$0\" keygen --kind aes256 --out {umask}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, PROGRAM]).current_dir(folder.0.path());
        assert!(shell.status().unwrap().success());
        assert_mode(&folder, umask, 0o600);
    }
}
