//! KEY texts and key files.

use crate::*;

#[track_caller]
fn refuses(key: &str, words: &str) {
    Folder::new().run(&["encrypt", "-k", key]).refuses(2, words);
    Folder::new().run(&["decrypt", "-k", key]).refuses(2, words);
}

#[test]
fn there_are_three_kinds() {
    refuses("aws-kms:arn", "`aws-kms`");
    refuses("raw-aes", "`namespace` is missing");
    refuses("", "no kind of key ``");
}

#[test]
fn a_missing_parameter_is_named() {
    refuses("raw-aes:name=n,file=key", "`namespace` is missing");
    refuses("raw-aes:namespace=ns,file=key", "`name` is missing");
    refuses("raw-aes:namespace=ns,name=n", "`file` is missing");
    refuses("raw-rsa:namespace=ns,name=n,public=key", "`padding` is missing");
    refuses("raw-rsa:namespace=ns,name=n,padding=pkcs1", "`public` and `private` are both missing");
}

#[test]
fn a_bad_key_of_several_is_counted() {
    let folder = Folder::new();
    let args = ["encrypt", "-k", KEY, "-k", "raw-aes:namespace=ns,file=key"];
    folder.run(&args).refuses(2, "key 2: the key parameter `name` is missing");
}

#[test]
fn an_unknown_parameter_is_named() {
    refuses("raw-aes:namespace=ns,name=n,file=key,padding=pkcs1", "`padding`");
    refuses("raw-rsa:namespace=ns,name=n,padding=pkcs1,file=key", "`file`");
    refuses("raw-aes:namespace=ns,name=n,file=key,", "``");
}

#[test]
fn a_doubled_parameter_is_named() {
    refuses("raw-aes:namespace=ns,name=n,file=key,name=n", "`name` is there twice");
}

#[test]
fn a_parameter_without_value_is_named() {
    refuses("raw-aes:namespace=ns,name=n,file", "`file` has no value");
    refuses("raw-aes:namespace=ns,name=n,file=", "`file` is empty");
}

#[test]
fn percent_signs_have_two_digits_and_make_utf8() {
    for value in ["%", "%2", "%zz", "a%2", "%+1", "%é"] {
        refuses(&format!("raw-aes:namespace=ns,name={value},file=key"), "`name` has a `%`");
    }
    refuses("raw-aes:namespace=%ff,name=n,file=key", "`namespace` is not UTF-8");
}

#[test]
fn a_padding_is_one_of_five() {
    refuses("raw-rsa:namespace=ns,name=n,padding=oaep,public=key", "`oaep`");
}

#[test]
fn the_namespace_of_kms_is_not_ours() {
    refuses("raw-aes:namespace=aws-kms,name=n,file=key", "namespace");
}

#[test]
fn values_hold_anything_when_encoded() {
    let folder = Folder::new();
    folder.write("k,1", KEY_BYTES);
    let name = "a,b=c%/é\n";
    let key = AesKey::try_from(&KEY_BYTES[..]).unwrap();
    let keyring = RawAesKeyring::new("n=s", name, key).unwrap();
    let message = waxseal::encrypt(b"hello", &keyring).now().unwrap();
    for name in ["a%2Cb=c%25/é%0A", "%61%2cb%3D%63%25%2f%c3%a9%0a"] {
        let key = format!("raw-aes:namespace=n=s,name={name},file=k%2C1");
        assert_eq!(folder.run_with(&["decrypt", "-k", &key], &message).ok(), b"hello");
    }
}

#[test]
fn a_key_file_has_three_forms() {
    let folder = Folder::new();
    let hex = "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71";
    // `xxd -r -p | base64` of the same.
    let base64 = "oLjdLLfhi6oAWu18J/SpVMZbCP6FxJFCPjVSaZ38rnE=";
    let bytes: Vec<u8> =
        (0..64).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let message = vector("messages/suite-0478-300-js.bin");
    let plaintext = vector("plaintexts/300.bin");
    let key = "raw-aes:namespace=waxseal.tests,name=name of aes-256-a,file=k";
    for file in [
        bytes,
        hex.into(),
        hex.to_uppercase().into(),
        format!("{hex}\n").into(),
        format!("{hex}\r\n").into(),
        base64.into(),
        format!("{base64}\n").into(),
        format!("{base64}\r\n").into(),
    ] {
        folder.write("k", &file);
        assert_eq!(folder.run_with(&["decrypt", "-k", key], &message).ok(), plaintext, "{file:?}");
    }
}

#[test]
fn any_other_key_file_is_refused() {
    let folder = Folder::new();
    for file in [&b""[..], &[0; 31], &[0; 33], &[b'0'; 63], &[b'0'; 66], &[b'A'; 43], b"key\n"] {
        folder.write("key", file);
        folder.run(&["encrypt", "-k", KEY]).refuses(2, "`key` holds no AES key");
    }
    folder.write("key", vec![b'0'; 1 << 20]);
    folder.run(&["encrypt", "-k", KEY]).refuses(2, "too long");
}

/// The keys and paddings of official clients.
#[test]
fn rsa_keys_open_what_official_clients_wrote() {
    let folder = Folder::new();
    let keys: serde_json::Value = serde_json::from_slice(&vector("keys.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&vector("manifest.json")).unwrap();
    for sha in ["sha1", "sha256", "sha384", "sha512"] {
        let name = format!("messages/raw-rsa-4096-oaep-{sha}-0578-js.bin");
        let cases = manifest["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["ciphertext"] == *name).unwrap();
        let key = &keys["keys"][case["decrypt_keyring"]["key"].as_str().unwrap()];
        folder.write("rsa", key["private_pkcs8_pem"].as_str().unwrap());
        let key = format!(
            "raw-rsa:namespace={},name={},padding=oaep-{sha},private=rsa",
            case["decrypt_keyring"]["namespace"].as_str().unwrap(),
            case["decrypt_keyring"]["name"].as_str().unwrap(),
        );
        let plaintext = vector(case["plaintext"].as_str().unwrap());
        let message = vector(&name);
        assert_eq!(folder.run_with(&["decrypt", "-k", &key], &message).ok(), plaintext, "{sha}");
    }
}

/// One key pair of the vectors, as `rsa` and `rsa.pub`.
fn with_rsa() -> Folder {
    let folder = Folder::new();
    let keys: serde_json::Value = serde_json::from_slice(&vector("keys.json")).unwrap();
    let key = &keys["keys"]["rsa-2048-a"];
    folder.write("rsa", key["private_pkcs8_pem"].as_str().unwrap());
    folder.write("rsa.pub", key["public_spki_pem"].as_str().unwrap());
    folder
}

const RSA: &str = "raw-rsa:namespace=ns,name=r,padding=oaep-sha512";

#[test]
fn both_halves_of_an_rsa_key_do_both() {
    let folder = with_rsa();
    for padding in ["pkcs1", "oaep-sha1", "oaep-sha256", "oaep-sha384", "oaep-sha512"] {
        let key =
            format!("raw-rsa:namespace=ns,name=r,padding={padding},public=rsa.pub,private=rsa");
        let message = folder.run_with(&["encrypt", "-k", &key], b"hello").ok();
        assert_eq!(folder.run_with(&["decrypt", "-k", &key], &message).ok(), b"hello");
    }
}

#[test]
fn a_private_key_alone_does_not_encrypt() {
    let folder = with_rsa();
    let done = folder.run(&["encrypt", "-k", &format!("{RSA},private=rsa")]);
    assert!(done.fails(4, "no public key").stderr.contains("add `public=PATH`"));
}

#[test]
fn a_public_key_alone_does_not_decrypt() {
    let folder = with_rsa();
    let key = format!("{RSA},public=rsa.pub");
    let message = folder.run_with(&["encrypt", "-k", &key], b"hello").ok();
    let done = folder.run_with(&["decrypt", "-k", &key], &message);
    assert!(done.fails(4, "no private key").stderr.contains("add `private=PATH`"));
}

#[test]
fn a_bad_rsa_key_file_is_refused() {
    let folder = with_rsa();
    folder.write("der", [0x30, 0x82, 0xff]);
    for (parameter, words) in [
        ("public=rsa", "`rsa`: the key is unusable: this is a private key"),
        ("private=rsa.pub", "`rsa.pub`: the key is unusable: this is a public key"),
        ("public=der", "`der` holds no PEM text"),
        ("private=key", "holds no PEM text"),
    ] {
        folder.run(&["encrypt", "-k", &format!("{RSA},{parameter}")]).refuses(2, words);
    }
}

/// Two key pairs on a curve, as `a`, `a.pub`, `b` and `b.pub`, and one on another as `c` and `c.pub`.
fn with_ec(curve: &str) -> Folder {
    let folder = Folder::new();
    let other = if curve == "p256" { "p384" } else { "p256" };
    for (name, curve) in [("a", curve), ("b", curve), ("c", other)] {
        folder.run(&["keygen", "--kind", &format!("ec-{curve}"), "--out", name]).ok();
    }
    folder
}

#[test]
fn ecdh_keys_do_what_their_schema_does() {
    for curve in ["p256", "p384", "p521"] {
        let folder = with_ec(curve);
        let key =
            |schema: &str, files: &str| format!("raw-ecdh:schema={schema},curve={curve},{files}");
        let from_a = key("static", "private=a,public=b.pub");
        let to_b = key("static", "private=b,public=a.pub");
        let b = key("discovery", "private=b");
        let for_b = key("ephemeral", "public=b.pub");
        for (writer, readers) in [(&from_a, vec![&from_a, &to_b, &b]), (&for_b, vec![&b])] {
            let message = folder.run_with(&["encrypt", "-k", writer], b"hello").ok();
            for reader in readers {
                assert_eq!(folder.run_with(&["decrypt", "-k", reader], &message).ok(), b"hello");
            }
        }
        let message = folder.run_with(&["encrypt", "-k", &for_b], b"hello").ok();
        let done = folder.run_with(&["decrypt", "-k", &for_b], &message);
        assert!(done.fails(4, "no private key").stderr.contains("schema=discovery"));
        let done = folder.run_with(&["decrypt", "-k", &key("discovery", "private=a")], &message);
        assert!(done.fails(4, "raw-ecdh/").stderr.contains("`private=` of the recipient"));
        let done = folder.run(&["encrypt", "-k", &b]);
        assert!(done.fails(4, "only decrypts").stderr.contains("schema=ephemeral"));
    }
}

#[test]
fn a_schema_tells_what_it_needs() {
    let folder = with_ec("p256");
    for (key, words) in [
        ("curve=p256,private=a", "`schema` is missing"),
        ("schema=static,private=a,public=b.pub", "`curve` is missing"),
        ("schema=unified,curve=p256,private=a", "`schema` cannot be `unified`"),
        ("schema=discovery,curve=P-256,private=a", "`curve` cannot be `P-256`"),
        ("schema=static,curve=p256,private=a", "`public` is missing"),
        ("schema=static,curve=p256,public=b.pub", "`private` is missing"),
        ("schema=ephemeral,curve=p256", "`public` is missing"),
        ("schema=discovery,curve=p256", "`private` is missing"),
        ("schema=ephemeral,curve=p256,public=b.pub,private=a", "takes no key parameter `private`"),
        ("schema=discovery,curve=p256,public=b.pub,private=a", "takes no key parameter `public`"),
        ("schema=discovery,curve=p256,private=", "`private` is empty"),
        ("schema=discovery,curve=p256,file=a", "`file`"),
        ("schema=discovery,curve=p384,private=a", "`a`: the key is on P-256, not on P-384"),
        ("schema=static,curve=p256,private=a,public=c.pub", "`c.pub`: the key is on P-384"),
        ("schema=ephemeral,curve=p256,public=a", "this is a private key"),
        ("schema=discovery,curve=p256,private=a.pub", "this is a public key"),
    ] {
        let key = format!("raw-ecdh:{key}");
        folder.run(&["encrypt", "-k", &key]).refuses(2, words);
        let done = folder.run(&["decrypt", "-k", &key]).fails(2, words);
        let missing = words.contains("is missing") || words.contains("takes no");
        if missing && !words.contains("curve") {
            assert!(done.stderr.contains("schema=static needs `private`"), "{}", done.stderr);
        }
    }
}

#[test]
fn an_rsa_key_is_no_ecdh_key_and_the_other_way_round() {
    let folder = with_rsa();
    folder.run(&["keygen", "--kind", "ec-p256", "--out", "ec"]).ok();
    for (key, words) in [
        (
            "raw-ecdh:schema=discovery,curve=p256,private=rsa",
            "an RSA key, and an elliptic-curve key",
        ),
        ("raw-ecdh:schema=ephemeral,curve=p256,public=rsa.pub", "an RSA key"),
        ("raw-rsa:namespace=ns,name=r,padding=oaep-sha512,private=ec", "an elliptic-curve key"),
    ] {
        folder.run(&["encrypt", "-k", key]).refuses(2, words);
    }
}

/// An output may not replace a key, whichever kind of key it is.
#[test]
fn an_ecdh_key_file_is_not_overwritten() {
    let folder = with_ec("p256");
    let key = "raw-ecdh:schema=static,curve=p256,private=a,public=b.pub";
    for file in ["a", "b.pub"] {
        let before = folder.read(file);
        let done = folder.run_with(&["encrypt", "-k", key, "-o", file, "--force"], b"hello");
        assert_ne!(done.code, 0, "{file}");
        assert_eq!(folder.read(file), before, "{file}");
    }
}

#[test]
fn a_key_instead_of_a_path_is_not_repeated() {
    let folder = Folder::new();
    const GOOD: &str = "raw-aes:namespace=ns,name=a,file=key";
    folder.write("key", [7; 32]);
    folder.write("plain", "plain");
    folder.run(&["encrypt", "-k", GOOD, "-i", "plain", "-o", "message"]).ok();
    folder.run(&["keygen", "--kind", "rsa2048", "--out", "private"]).ok();
    let hex = "a0b8dd2cb7e18baa005aed7c27f4a954c65b08fe85c491423e3552699dfcae71";
    let base64 = "oLjdLLfhi6oAWu18J/SpVMZbCP6FxJFCPjVSaZ38rnE=";
    let short = "oLjdLLfhi6oAWu18J/SpVA==";
    for secret in [&hex[..32], &hex[..48], hex, base64, short, &base64[..32]] {
        for key in [
            secret.to_owned(),
            format!("{secret}:"),
            format!("raw-aes:namespace=ns,name=a,{secret}"),
            format!("raw-aes:namespace=ns,name=a,file={secret}"),
            format!("raw-rsa:namespace=ns,name=a,padding={secret},public=key"),
            format!("raw-rsa:namespace=ns,name=a,padding=pkcs1,public={secret}"),
            format!("raw-ecdh:schema={secret},curve=p256,private=key"),
            format!("raw-ecdh:schema=static,curve={secret},private=key"),
            format!("raw-ecdh:schema=discovery,curve=p256,private={secret}"),
            format!("kms:key={secret},region=eu-west-1"),
            format!("kms-rsa:key={secret},region=eu-west-1,algorithm=oaep-sha256"),
            format!("kms-rsa:key={secret},public=private.pub,algorithm=oaep-sha256"),
        ] {
            let done = folder.run(&["encrypt", "-k", &key]).fails(2, "");
            assert!(!done.stderr.contains(secret.trim_end_matches('=')), "{}", done.stderr);
        }
        for args in [
            ["encrypt", "-k", "k", secret].as_slice(),
            &["decrypt", "--threads", secret],
            &["keygen", "--kind", secret],
            &["inspect", "message", secret],
            &["inspect", secret],
            &[secret],
        ] {
            let done = folder.run(args).fails(2, "");
            assert!(!done.stderr.contains(secret.trim_end_matches('=')), "{}", done.stderr);
        }
        // As everything else of the command is right.
        for args in [
            ["-i", secret].as_slice(),
            &["-i", "plain", "--context-file", secret],
            &["-i", "plain", "-c", secret],
            &["-i", "plain", "-c", &format!("={secret}")],
            &["-i", "plain", "-c", secret, "-c", secret],
        ] {
            let done = folder.run(&[&["encrypt", "-k", GOOD], args].concat()).fails(2, "");
            assert!(!done.stderr.contains(secret.trim_end_matches('=')), "{}", done.stderr);
        }
        // A name may have these letters, so that it is looked for.
        let done = folder.run(&["decrypt", "-k", GOOD, "-i", "message", "-c", secret]);
        assert!([2, 6].contains(&done.code), "{}", done.stderr);
        assert!(!done.stderr.contains(secret.trim_end_matches('=')), "{}", done.stderr);
    }
    let key = "raw-aes:namespace=ns,name=a,file=00112233445566778899aabbccddeef";
    folder.run(&["encrypt", "-k", key]).refuses(1, "eef`");
}

/// As with `private=$(cat FILE)`, in lines, or all on one as variables of an environment have it.
#[test]
fn a_pem_key_instead_of_a_path_is_not_repeated() {
    let folder = with_ec("p256");
    let private = String::from_utf8(folder.read("a")).unwrap();
    let secret = private.lines().nth(1).unwrap();
    for text in [private.clone(), private.replace('\n', ""), private.replace('\n', "\\n")] {
        for key in [
            text.clone(),
            format!("raw-aes:namespace=ns,name=a,file={text}"),
            format!("raw-rsa:namespace=ns,name=a,padding=pkcs1,private={text}"),
            format!("raw-ecdh:schema=discovery,curve=p256,private={text}"),
        ] {
            let done = folder.run(&["decrypt", "-k", &key]).fails(2, "");
            assert!(!done.stderr.contains(&secret[..20]), "{}", done.stderr);
        }
    }
    // Nor its DER, in Base64 without the lines around it.
    let der: String = private.lines().filter(|line| !line.starts_with('-')).collect();
    for args in [
        ["decrypt", "-k", &der].as_slice(),
        &["decrypt", "-k", &format!("raw-ecdh:schema=discovery,curve=p256,private={der}")],
        &["decrypt", "-k", "k", &der],
        &["decrypt", "-k", "raw-ecdh:schema=discovery,curve=p256,private=a", "-i", &der],
        &["inspect", &der],
        &[&der],
    ] {
        let done = folder.run(args).fails(2, "");
        assert!(!done.stderr.contains(&secret[..20]), "{}", done.stderr);
    }
    // Nor does any become a context, which everybody could read: not even one whose Base64 ends with a `=`.
    folder.run(&["keygen", "--kind", "ec-p384", "--out", "padded"]).ok();
    folder.write("key", [7; 32]);
    let padded = String::from_utf8(folder.read("padded")).unwrap();
    assert!(padded.contains("=\n-----END"), "this key shows nothing");
    for text in
        [private.clone(), padded.clone(), padded.replace('\n', ""), format!("name={padded}")]
    {
        let args = [
            "encrypt",
            "-k",
            "raw-aes:namespace=ns,name=a,file=key",
            "-i",
            "key",
            "-o",
            "out",
            "-c",
            &text,
        ];
        folder.run(&args).refuses(2, "a context pair looks like a key itself");
    }
    // Nor if it is in a file that is no PEM for it.
    for text in [private.replace('\n', ""), private.replace('\n', "\r")] {
        folder.write("odd", text);
        let key = "raw-ecdh:schema=discovery,curve=p256,private=odd";
        let done = folder.run(&["decrypt", "-k", key]).fails(2, "not PEM");
        assert!(!done.stderr.contains(&secret[..20]), "{}", done.stderr);
    }
}
