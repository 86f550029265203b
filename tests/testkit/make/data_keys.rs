//! Encrypted data keys that are odd, or do not open, in headers whose tag is right.

use super::crypto::seal;
use super::message::{Edk, KEY, Message};
use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for suite in [0x0178, 0x0578] {
        let good = Message::framed(suite);
        let own = good.edks[0].clone();
        opened(suite, &own, &mut cases);
        refused(suite, &good, &mut cases);
        let sealed = good.seal();
        let comment = "the key of the keyring has the name, but is another one";
        let expect = Expect::NoDataKey { tried: 1, offered: 1 };
        let name = format!("{suite:04x}-another-wrapping-key");
        let mut case = Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment);
        case.key = vec![0x99; 32];
        cases.push(case);
    }
    cases
}

fn opened(suite: u16, own: &Edk, cases: &mut Vec<Case>) {
    let empty = Edk { provider: Vec::new(), info: Vec::new(), ciphertext: Vec::new() };
    let foreign = Edk {
        provider: b"aws-kms".to_vec(),
        info: b"arn:aws:kms:us-west-2:111122223333:key/1".to_vec(),
        ciphertext: vec![0xcc; 20],
    };
    let mut broken = own.clone();
    broken.ciphertext[0] ^= 1;
    let binary = Edk { provider: vec![0xff, 0], info: vec![0; 3], ciphertext: vec![1] };
    let all = |first: &Edk| vec![first.clone(), own.clone()];
    for (what, edks, comment) in [
        ("behind-an-empty-one", all(&empty), "the first has no byte in any field"),
        ("behind-a-foreign-one", all(&foreign), "the first is of another provider"),
        ("behind-a-broken-one", all(&broken), "the first has the right name and does not open"),
        ("behind-a-binary-one", all(&binary), "the first has no text where text should be"),
        ("before-a-broken-one", vec![own.clone(), broken.clone()], "the first opens"),
        ("twice", all(own), "the same one is there twice"),
    ] {
        let message = Message { edks, ..Message::framed(suite) };
        cases.push(Case::good(&format!("{suite:04x}-{what}"), &message.seal(), comment));
    }
    if suite == 0x0578 {
        let long = vec![b'p'; 65_535];
        for (what, provider, info, ciphertext) in [
            ("provider", long.clone(), Vec::new(), Vec::new()),
            ("info", Vec::new(), long.clone(), Vec::new()),
            ("ciphertext", Vec::new(), Vec::new(), long),
        ] {
            let message = Message {
                edks: vec![Edk { provider, info, ciphertext }, own.clone()],
                ..Message::framed(suite)
            };
            let name = format!("{suite:04x}-longest-{what}");
            cases.push(Case::good(&name, &message.seal(), "no field can be longer"));
        }
    }
}

fn refused(suite: u16, good: &Message, cases: &mut Vec<Case>) {
    let own = &good.edks[0];
    let sorted = &good.context;
    let mut push = |what: &str, edks: Vec<Edk>, tried: usize, comment: &str| {
        let offered = edks.len();
        let sealed = Message { edks, ..good.clone() }.seal();
        let name = format!("{suite:04x}-{what}");
        let expect = Expect::NoDataKey { tried, offered };
        cases.push(Case::header(&name, &sealed, sealed.bytes.clone(), expect, comment));
    };
    for (what, provider) in [
        ("empty", &b""[..]),
        ("shorter", b"testki"),
        ("longer", b"testkit "),
        ("other-case", b"TESTKIT"),
        ("aws-kms", b"aws-kms"),
    ] {
        let edk = Edk { provider: provider.to_vec(), ..own.clone() };
        push(&format!("provider-{what}"), vec![edk], 0, "another provider id");
    }
    let iv = &own.info[11..];
    let info = |name: &[u8], tag_bits: u32, iv_len: u32, iv: &[u8]| {
        [name, &tag_bits.to_be_bytes(), &iv_len.to_be_bytes(), iv].concat()
    };
    for (what, info) in [
        ("empty", Vec::new()),
        ("only-name", b"key".to_vec()),
        ("no-name", info(b"", 128, 12, iv)),
        ("longer-name", info(b"key2", 128, 12, iv)),
        ("other-case", info(b"KEY", 128, 12, iv)),
        ("tag-of-96-bits", info(b"key", 96, 12, iv)),
        ("tag-of-16-bits", info(b"key", 16, 12, iv)),
        ("iv-of-11-bytes", info(b"key", 128, 11, &iv[1..])),
        ("iv-length-lies", info(b"key", 128, 16, iv)),
        ("iv-cut", info(b"key", 128, 12, &iv[1..])),
        ("iv-longer", info(b"key", 128, 12, &[iv, &[0]].concat())),
        ("iv-missing", info(b"key", 128, 12, b"")),
    ] {
        let edk = Edk { info, ..own.clone() };
        push(&format!("info-{what}"), vec![edk], 0, "not what the keyring writes behind its name");
    }
    for len in [0, 1, 15, 16, own.ciphertext.len() - 1] {
        let edk = Edk { ciphertext: own.ciphertext[..len].to_vec(), ..own.clone() };
        push(&format!("ciphertext-cut-to-{len}"), vec![edk], 1, "the ciphertext is cut");
    }
    let longer = [&own.ciphertext[..], &[0]].concat();
    let edk = Edk { ciphertext: longer, ..own.clone() };
    push("ciphertext-longer", vec![edk], 1, "a byte follows the tag");
    for len in [0, 1, 16, 24, 31, 33, 64] {
        let data_key = vec![0x77; len];
        let edk = Edk::wrap(&KEY, &data_key, sorted);
        let comment = "the data key has another length than the suite wants, and is well wrapped";
        push(&format!("data-key-of-{len}-bytes"), vec![edk], 1, comment);
    }
    let edk = Edk::wrap(&KEY, &good.data_key, b"");
    push("wrapped-without-context", vec![edk], 1, "the data key is wrapped without the context");
    let iv: [u8; 12] = iv.try_into().unwrap();
    let ciphertext = seal(&KEY[..16], &iv, sorted, &good.data_key);
    let edk = Edk { ciphertext, ..own.clone() };
    push("wrapped-with-half-the-key", vec![edk], 1, "the data key is wrapped with AES-128");
    let mut broken = own.clone();
    broken.ciphertext[0] ^= 1;
    let comment = "none of those with the right name opens";
    push("all-broken", vec![broken.clone(), broken.clone(), broken], 3, comment);
}
