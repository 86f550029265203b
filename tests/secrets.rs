//! Nothing secret is printed.

use std::fmt::Debug;
use std::io::{Read, Write};

use waxseal::{
    AesKey, DataKey, EcPrivateKey, EcdhCurve, EncryptReader, EncryptWriter, RawAesKeyring,
    RawEcdhKeyring, RawRsaKeyring, RsaPadding, RsaPrivateKey,
};

/// Each byte as text, in every form that a derived `Debug` could give it.
fn assert_hides(what: &impl Debug, secret: &[u8]) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        let list: Vec<_> = secret.iter().map(u8::to_string).collect();
        assert!(!text.contains(&list.join(", ")), "{text}");
        assert!(!text.contains(&list.join(",\n")), "{text}");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!text.to_lowercase().contains(&hex), "{text}");
        assert!(!text.contains(&*String::from_utf8_lossy(secret)), "{text}");
        assert!(text.len() < 10_000, "{} bytes of text", text.len());
    }
}

#[test]
fn keys() {
    let bytes = *b"0123456789abcdef0123456789ABCDEF";
    assert_hides(&AesKey::from(bytes), &bytes[..8]);
    assert_hides(&DataKey::try_from(&bytes[..]).unwrap(), &bytes[..8]);
    assert_hides(&RawAesKeyring::new("n", "k", AesKey::from(bytes)).unwrap(), &bytes[..8]);
}

#[test]
fn private_keys() {
    let key = RsaPrivateKey::generate(2048).unwrap();
    let pem = key.to_pem().unwrap();
    let line = pem.expose().lines().nth(5).unwrap().to_owned();
    assert_hides(&key, line.as_bytes());
    assert_hides(&pem, line.as_bytes());
    let keyring = RawRsaKeyring::private("n", "k", RsaPadding::OaepSha256, key).unwrap();
    assert_hides(&keyring, line.as_bytes());
}

#[test]
fn elliptic_curve_keys() {
    let key = EcPrivateKey::generate(EcdhCurve::P521).unwrap();
    let pem = key.to_pem().unwrap();
    let line = pem.expose().lines().nth(1).unwrap().to_owned();
    assert_hides(&pem, line.as_bytes());
    // The number itself, which follows the same bytes in every such key.
    let der = pkcs8::der::pem::decode_vec(pem.expose().as_bytes()).unwrap().1;
    let number = &der[der.len() - 66 - 140..][..66];
    assert_eq!(der[..der.len() - 66 - 140].last(), Some(&66), "its length");
    assert_hides(&key, &number[10..18]);
    let peer = EcPrivateKey::generate(EcdhCurve::P521).unwrap().public_key().unwrap();
    let keyring = RawEcdhKeyring::raw_private_key_to_static_public_key(key, peer).unwrap();
    assert_hides(&keyring, &number[10..18]);
}

#[test]
fn plaintext() {
    let secret = b"attack at dawn";
    let keyring = RawAesKeyring::new("n", "k", AesKey::from([1; 32])).unwrap();
    let encryptor = || waxseal::encryptor(&keyring).now().unwrap();

    let mut writer = EncryptWriter::new(encryptor(), Vec::new());
    writer.write_all(secret).unwrap();
    assert_hides(&writer, secret);
    let message = writer.finish().unwrap();

    // The reader has read everything and given out the start of the header.
    let mut reader = EncryptReader::new(encryptor(), &secret[..]);
    reader.read_exact(&mut [0; 600]).unwrap_or_default();
    assert_hides(&reader, secret);

    let opened = waxseal::decrypt(&message, &keyring).now().unwrap();
    assert_hides(&opened, secret);
    assert_hides(&waxseal::encrypt(secret, &keyring), secret);
    assert_hides(&waxseal::encrypt_value("attack at dawn", &keyring), secret);
}
