//! The vectors of NIST's validation programme; `tests/vectors_nist/README.md` says which, and from where.

use std::collections::BTreeMap;
use std::{fs, path};

use super::ecdh::{EcdhBackend, pkcs8};
use super::{Backend, Curve, EcdhCurve, Hash, TAG_LEN, hex};

test_each_backend!(
    ecdh_agrees_or_fails_as_nist_says,
    ecdsa_signatures_verify_or_fail_as_nist_says,
    gcm_opens_or_fails_as_nist_says,
    gcm_seals_what_nist_sealed,
    hkdf_of_rfc_5869,
    kbkdf_derives_what_nist_derived,
    points_are_keys_or_not_as_nist_says,
    sha2_digests_are_those_of_nist,
    sha2_digests_of_digests_are_those_of_nist,
);

fn gcm_opens_or_fails_as_nist_says<B: Backend>() {
    let mut failed = 0;
    for case in cases("gcm_decrypt.rsp", 105) {
        let key = B::gcm_key(&case.bytes("key")).unwrap();
        let (iv, tag) = (case.array("iv"), case.array::<TAG_LEN>("tag"));
        let (aad, ciphertext) = (case.bytes("aad"), case.bytes("ct"));
        let mut opened = vec![0xaa; ciphertext.len()];
        let result = B::open(&key, &iv, &aad, &ciphertext, &tag, &mut opened);
        assert_eq!(result.is_err(), case.fails(), "{case:?}");
        if case.fails() {
            failed += 1;
            assert!(opened.iter().all(|&byte| byte == 0), "{case:?}");
        } else {
            assert_eq!(opened, case.bytes("pt"), "{case:?}");
        }
    }
    assert_eq!(failed, 58);
}

fn gcm_seals_what_nist_sealed<B: Backend>() {
    for case in cases("gcm_encrypt.rsp", 105) {
        let key = B::gcm_key(&case.bytes("key")).unwrap();
        let plaintext = case.bytes("pt");
        let mut sealed = vec![0xaa; plaintext.len() + TAG_LEN];
        B::seal(&key, &case.array("iv"), &case.bytes("aad"), &plaintext, &mut sealed).unwrap();
        assert_eq!(sealed, [case.bytes("ct"), case.bytes("tag")].concat(), "{case:?}");
    }
}

/// Messages in one piece, and in two.
fn sha2_digests_are_those_of_nist<B: Backend>() {
    for case in cases("sha2.rsp", 71) {
        let bits: usize = case.text("len").parse().unwrap();
        let message = &case.bytes("msg")[..bits / 8];
        assert_eq!(B::digest(case.hash(), message).as_ref(), case.bytes("md"), "{case:?}");
        let (start, end) = message.split_at(message.len() / 3);
        let mut hasher = B::hasher(case.hash());
        B::update(&mut hasher, start);
        B::update(&mut hasher, end);
        assert_eq!(B::finish(hasher).as_ref(), case.bytes("md"), "{case:?}");
    }
}

/// The Monte Carlo test of the SHA Validation System, section 6.4: each digest is a thousand steps from
/// the last one.
fn sha2_digests_of_digests_are_those_of_nist<B: Backend>() {
    let mut seed = Vec::new();
    let mut checked = 0;
    for case in cases("sha2_monte.rsp", 63) {
        if case.has("seed") {
            seed = case.bytes("seed");
            continue;
        }
        let mut last = [seed.clone(), seed.clone(), seed];
        for _ in 0..1000 {
            let next = B::digest(case.hash(), &last.concat()).as_ref().to_vec();
            last.rotate_left(1);
            last[2] = next;
        }
        [_, _, seed] = last;
        assert_eq!(seed, case.bytes("md"), "{case:?}");
        checked += 1;
    }
    assert_eq!(checked, 3 * 20);
}

fn hkdf_of_rfc_5869<B: Backend>() {
    for case in cases("hkdf.rsp", 3) {
        let expected = case.bytes("okm");
        let mut out = vec![0xaa; expected.len()];
        let (salt, key, info) = (case.bytes("salt"), case.bytes("ikm"), case.bytes("info"));
        B::hkdf(case.hash(), &salt, &key, &[&info], &mut out).unwrap();
        assert_eq!(out, expected, "{case:?}");
    }
}

fn kbkdf_derives_what_nist_derived<B: Backend>() {
    for case in cases("kbkdf.rsp", 30) {
        let expected = case.bytes("ko");
        let mut out = vec![0xaa; expected.len()];
        let (key, input) = (case.bytes("ki"), case.bytes("fixedinputdata"));
        B::kbkdf_of_input(case.hash(), &key, &input, &mut out).unwrap();
        assert_eq!(out, expected, "{case:?}");
    }
}

fn ecdsa_signatures_verify_or_fail_as_nist_says<B: Backend>() {
    let mut verified = 0;
    for case in cases("ecdsa_sigver.rsp", 40) {
        let curve = match case.curve() {
            EcdhCurve::P256 => Curve::P256,
            EcdhCurve::P384 => Curve::P384,
            EcdhCurve::P521 => unreachable!("no signatures here: {case:?}"),
        };
        let digest = B::digest(curve.hash(), &case.bytes("msg"));
        let signature = der_signature(&case.bytes("r"), &case.bytes("s"));
        let result = B::verifying_key(curve, &case.point("qx", "qy"))
            .and_then(|key| B::verify(&key, &digest, &signature));
        assert_eq!(result.is_err(), case.fails(), "{case:?}");
        verified += usize::from(result.is_ok());
    }
    assert_eq!(verified, 16);
}

/// As keys for signatures and for key agreement.
fn points_are_keys_or_not_as_nist_says<B: EcdhBackend>() {
    let mut accepted = 0;
    for case in cases("ecdsa_pkv.rsp", 36) {
        let point = case.point("qx", "qy");
        assert_eq!(B::point(case.curve(), &point).is_err(), case.fails(), "{case:?}");
        let verifying = match case.curve() {
            EcdhCurve::P256 => B::verifying_key(Curve::P256, &point),
            EcdhCurve::P384 => B::verifying_key(Curve::P384, &point),
            _ => continue,
        };
        assert_eq!(verifying.is_err(), case.fails(), "{case:?}");
        accepted += usize::from(verifying.is_ok());
    }
    assert_eq!(accepted, 8);
}

fn ecdh_agrees_or_fails_as_nist_says<B: EcdhBackend>() {
    let mut outcomes = BTreeMap::<_, usize>::new();
    for case in cases("ecdh.rsp", 90) {
        let curve = case.curve();
        let peer = B::point(curve, &case.point("qscavsx", "qscavsy"));
        let own_point = B::point(curve, &case.point("qsiutx", "qsiuty"));
        let private = B::private(&pkcs8(curve, &case.bytes("dsiut")));
        let agreed = || B::agree(private.as_ref().unwrap(), peer.as_ref().unwrap()).unwrap();
        let reason = case.text("result").split_whitespace().nth(1).unwrap().trim_matches('(');
        match reason {
            // Correct; correct, and begins with zeros.
            "0" | "13" => {
                assert_eq!(**agreed(), number(case.text("z"), curve.field_len()), "{case:?}");
                let own = B::public_half(private.as_ref().unwrap()).unwrap();
                assert_eq!(B::compressed(&own), B::compressed(&own_point.unwrap()), "{case:?}");
            }
            // The other party's point, or one's own, is none.
            "1" | "2" => assert!(peer.is_err(), "{case:?}"),
            "5" | "6" => assert!(own_point.is_err(), "{case:?}"),
            // The private key is another one's.
            "7" => {
                let own = private.and_then(|private| B::public_half(&private));
                let same = own.is_ok_and(|own| {
                    B::compressed(&own) == B::compressed(own_point.as_ref().unwrap())
                });
                assert!(!same, "{case:?}");
            }
            // The secret is another one.
            "8" => assert_ne!(**agreed(), number(case.text("z"), curve.field_len()), "{case:?}"),
            _ => unreachable!("{case:?}"),
        }
        *outcomes.entry(reason.to_owned()).or_default() += 1;
    }
    let expected =
        [("0", 48), ("1", 6), ("13", 6), ("2", 6), ("5", 6), ("6", 6), ("7", 6), ("8", 6)];
    assert!(outcomes.iter().map(|(reason, count)| (&**reason, *count)).eq(expected));
}

#[cfg(feature = "s3-format")]
mod s3_format {
    use aes::cipher::{BlockCipherEncrypt, KeyInit, consts::U16};
    use aes::{Aes128, Aes192, Aes256};

    use super::*;
    use crate::crypto::legacy::{aes_ecb_unwrap, aes_key_unwrap};
    use crate::crypto::tests::aes::AesBackend;
    use crate::crypto::{CryptoError, GcmStream};

    test_each_backend!(cbc_decrypts_as_nist_says, counter_mode_of_rfc_3686);

    fn cbc_decrypts_as_nist_says<B: AesBackend>() {
        for case in cases("aes_cbc.rsp", 79) {
            let key = B::cbc_key(&case.bytes("key")).unwrap();
            let mut bytes = case.bytes("ciphertext");
            B::open_blocks(&key, &case.array("iv"), &mut bytes).unwrap();
            assert_eq!(bytes, case.bytes("plaintext"), "{case:?}");
        }
    }

    fn counter_mode_of_rfc_3686<B: AesBackend>() {
        for case in cases("aes_ctr.rsp", 3) {
            let key = B::ctr_key(&case.bytes("key")).unwrap();
            let mut bytes = case.bytes("plaintext");
            B::apply(&key, case.array("iv"), &mut bytes).unwrap();
            assert_eq!(bytes, case.bytes("ciphertext"), "{case:?}");
        }
    }

    /// NIST's messages are whole blocks without padding, so a block of it is put behind them.
    #[test]
    fn ecb_decrypts_as_nist_says() {
        fn padding<C: KeyInit + BlockCipherEncrypt<BlockSize = U16>>(key: &[u8]) -> Vec<u8> {
            let mut block = [16; 16].into();
            C::new_from_slice(key).unwrap().encrypt_block(&mut block);
            block.to_vec()
        }
        for case in cases("aes_ecb.rsp", 139) {
            let key = case.bytes("key");
            let padding = match key.len() {
                16 => padding::<Aes128>(&key),
                24 => padding::<Aes192>(&key),
                _ => padding::<Aes256>(&key),
            };
            let unwrapped = aes_ecb_unwrap(&key, &[case.bytes("ciphertext"), padding].concat());
            assert_eq!(*unwrapped.unwrap(), case.bytes("plaintext"), "{case:?}");
        }
    }

    #[test]
    fn keys_unwrap_or_fail_as_nist_says() {
        let mut failed = 0;
        for case in cases("aes_kw.rsp", 54) {
            match aes_key_unwrap(&case.bytes("k"), &case.bytes("c")) {
                Ok(unwrapped) => assert_eq!(*unwrapped, case.bytes("p"), "{case:?}"),
                Err(CryptoError) => {
                    assert!(case.fails(), "{case:?}");
                    failed += 1;
                }
            }
        }
        assert_eq!(failed, 16);
    }

    #[test]
    fn gcm_in_pieces_opens_or_fails_as_nist_says() {
        let mut failed = 0;
        let cases = cases("gcm_decrypt.rsp", 105).into_iter();
        let cases: Vec<_> = cases.filter(|case| case.section == "AES-256").collect();
        for case in &cases {
            let stream =
                GcmStream::new(&case.bytes("key"), &case.array("iv"), &case.bytes("aad")).unwrap();
            let mut bytes = case.bytes("ct");
            let hash = stream.open_piece(0, &mut bytes).unwrap();
            let verified = stream.verify(&hash, &case.array("tag"));
            assert_eq!(verified.is_err(), case.fails(), "{case:?}");
            failed += usize::from(case.fails());
            assert!(case.fails() || bytes == case.bytes("pt"), "{case:?}");
        }
        assert_eq!((cases.len(), failed), (35, 19));
    }
}

/// One case, with the header under which it stands.
#[derive(Debug)]
struct Case {
    section: String,
    fields: BTreeMap<String, String>,
}

impl Case {
    fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    fn text(&self, field: &str) -> &str {
        self.fields.get(field).unwrap_or_else(|| panic!("no {field} in {self:?}"))
    }

    fn bytes(&self, field: &str) -> Vec<u8> {
        let text = self.text(field);
        assert!(text.len().is_multiple_of(2), "{field} in {self:?}");
        hex(text)
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    /// Whether the outcome that it asks for is a failure.
    fn fails(&self) -> bool {
        self.fields.get("result").is_some_and(|result| result.starts_with('F'))
    }

    fn hash(&self) -> Hash {
        match self.section.trim_start_matches("HMAC-").trim_start_matches("HKDF-") {
            section if section.starts_with("SHA-256") => Hash::Sha256,
            section if section.starts_with("SHA-384") => Hash::Sha384,
            section if section.starts_with("SHA-512") => Hash::Sha512,
            _ => panic!("no hash function in {self:?}"),
        }
    }

    fn curve(&self) -> EcdhCurve {
        match &*self.section {
            "P-256" => EcdhCurve::P256,
            "P-384" => EcdhCurve::P384,
            "P-521" => EcdhCurve::P521,
            _ => panic!("no curve in {self:?}"),
        }
    }

    fn point(&self, x: &str, y: &str) -> Vec<u8> {
        let len = self.curve().field_len();
        [&[4], &*number(self.text(x), len), &*number(self.text(y), len)].concat()
    }
}

/// Reads a file whole; it holds exactly so many cases, none of which is skipped.
fn cases(name: &str, count: usize) -> Vec<Case> {
    let path = path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors_nist").join(name);
    let text = fs::read_to_string(path).expect("vectors that are in the repository");
    let mut section = None;
    let mut cases = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut fields = BTreeMap::new();
        for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => section = Some(name.to_owned()),
                None => {
                    let (field, value) = line.split_once('=').expect("a field and its value");
                    fields.insert(field.trim().to_owned(), value.trim().to_owned());
                }
            }
        }
        if !fields.is_empty() {
            let section = section.clone().expect("a header before it");
            cases.push(Case { section, fields });
        }
    }
    assert_eq!(cases.len(), count, "{name}");
    cases
}

/// A number as so many bytes, or as more if it does not fit.
fn number(text: &str, len: usize) -> Vec<u8> {
    let digits = text.trim_start_matches('0');
    let digits_len = digits.len().next_multiple_of(2).max(2 * len);
    hex(&format!("{digits:0>digits_len$}"))
}

/// Two numbers as ASN.1 has them: without zeros before them, and positive.
fn der_signature(r: &[u8], s: &[u8]) -> Vec<u8> {
    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        assert!(content.len() < 128, "a length in the short form");
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let sign: &[u8] = if bytes[zeros] >= 0x80 { &[0] } else { &[] };
        tlv(2, &[sign, &bytes[zeros..]].concat())
    };
    tlv(0x30, &[integer(r), integer(s)].concat())
}
