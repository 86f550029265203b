//! Keys by themselves: made, read, written, refused.

use waxseal::{
    AesKey, DataKey, EcPrivateKey, EcPublicKey, EcdhCurve, RawAesKeyring, RawRsaKeyring,
    RsaPadding, RsaPrivateKey, RsaPublicKey,
};

use crate::secrets::{Secrets, freed_by, random};

#[test]
fn aes_keys() {
    let bytes = random(32);
    let mut made = Vec::with_capacity(3);
    let freed = freed_by(|| {
        let key = AesKey::from(<[u8; 32]>::try_from(&bytes[..]).unwrap());
        RawAesKeyring::new("aws-kms", "k", key).unwrap_err();
        AesKey::try_from(&bytes[..31]).unwrap_err();
        let make = [AesKey::generate_128, AesKey::generate_192, AesKey::generate_256];
        for key in make.map(|make| make().unwrap()) {
            made.push(key.expose().to_vec());
        }
        drop(DataKey::try_from(&bytes[..]).unwrap());
        DataKey::try_from(&bytes[..20]).unwrap_err();
        assert_ne!(
            DataKey::try_from(&bytes[..]).unwrap(),
            DataKey::try_from(&[1; 32][..]).unwrap()
        );
    });
    let mut secrets = Secrets::new();
    secrets.add_with_forms("key", &bytes);
    made.iter().for_each(|key| secrets.add_with_forms("made key", key));
    secrets.assert_not_in(&freed);
}

#[test]
fn rsa_keys_that_are_made() {
    let mut pem = None;
    let freed = freed_by(|| {
        let key = RsaPrivateKey::generate(2048).unwrap();
        drop(key.public_key().unwrap());
        drop(key.to_pem().unwrap());
        pem = Some(key.to_pem().unwrap());
    });
    let mut secrets = Secrets::new();
    secrets.add_rsa_key(pem.unwrap().expose());
    secrets.assert_not_in(&freed);
}

/// Texts that are good, that are cut, and whose every line is changed.
fn read_all(pem: &str, read: impl Fn(&str)) {
    read(pem);
    for line in 0..pem.lines().count() {
        let cut: zeroize::Zeroizing<String> =
            zeroize::Zeroizing::new(pem.lines().take(line).collect::<Vec<_>>().join("\n"));
        read(&cut);
        let mut bytes = zeroize::Zeroizing::new(pem.as_bytes().to_vec());
        let start = pem.lines().take(line).map(|line| line.len() + 1).sum::<usize>();
        bytes[start + 3] = b'!';
        read(std::str::from_utf8(&bytes).unwrap());
        bytes[start + 3] = if pem.as_bytes()[start + 3] == b'A' { b'B' } else { b'A' };
        read(std::str::from_utf8(&bytes).unwrap());
    }
}

#[test]
fn rsa_keys_that_are_read() {
    let pem = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    let freed = freed_by(|| {
        read_all(pem.expose(), |text| {
            drop(RsaPrivateKey::from_pem(text));
            drop(RsaPublicKey::from_pem(text));
            drop(EcPrivateKey::from_pem(text));
        });
        let [own, other] = [
            RsaPrivateKey::from_pem(pem.expose()).unwrap(),
            RsaPrivateKey::generate(2048).unwrap(),
        ];
        let public = other.public_key().unwrap();
        RawRsaKeyring::key_pair("n", "k", RsaPadding::Pkcs1, public, own).unwrap_err();
        let own = RsaPrivateKey::from_pem(pem.expose()).unwrap();
        RawRsaKeyring::private("aws-kms", "k", RsaPadding::Pkcs1, own).unwrap_err();
    });
    let mut secrets = Secrets::new();
    secrets.add_rsa_key(pem.expose());
    secrets.assert_not_in(&freed);
}

/// The older form of the same key is inside the newer one.
#[test]
fn rsa_keys_in_the_older_form() {
    use pkcs8::der::Decode;
    let pem = RsaPrivateKey::generate(2048).unwrap().to_pem().unwrap();
    let der =
        zeroize::Zeroizing::new(pkcs8::der::pem::decode_vec(pem.expose().as_bytes()).unwrap().1);
    let inner = pkcs8::PrivateKeyInfoRef::from_der(&der).unwrap().private_key.as_bytes();
    let older = pkcs8::der::pem::encode_string("RSA PRIVATE KEY", pkcs8::LineEnding::LF, inner);
    let older = older.unwrap();
    let freed = freed_by(|| read_all(&older, |text| drop(RsaPrivateKey::from_pem(text))));
    let mut secrets = Secrets::new();
    secrets.add_rsa_key(pem.expose());
    secrets.assert_not_in(&freed);
    assert!(RsaPrivateKey::from_pem(&older).is_ok());
}

#[test]
fn elliptic_curve_keys() {
    use pkcs8::der::{Decode, Encode};
    for curve in [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521] {
        let mut pem = None;
        let made = freed_by(|| {
            let key = EcPrivateKey::generate(curve).unwrap();
            drop(key.to_pem().unwrap());
            pem = Some(key.to_pem().unwrap());
        });
        let pem = pem.unwrap();
        let read = freed_by(|| {
            read_all(pem.expose(), |text| {
                drop(EcPrivateKey::from_pem(text));
                drop(EcPublicKey::from_pem(text));
                drop(RsaPrivateKey::from_pem(text));
            });
        });
        // SEC 1 names the curve inside.
        let scalar = crate::secrets::ec_scalar(pem.expose());
        let der = pkcs8::der::pem::decode_vec(pem.expose().as_bytes()).unwrap().1;
        let info = pkcs8::PrivateKeyInfoRef::from_der(&der).unwrap();
        let oid = info.algorithm.parameters.unwrap().to_der().unwrap();
        let len = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
        let content = [&[2, 1, 1, 4, len(&scalar)], &scalar[..], &[0xa0, len(&oid)], &oid].concat();
        let sec1 = [&[0x30, len(&content)], &content[..]].concat();
        let sec1 = pkcs8::der::pem::encode_string("EC PRIVATE KEY", pkcs8::LineEnding::LF, &sec1);
        let sec1 = sec1.unwrap();
        assert!(EcPrivateKey::from_pem(&sec1).is_ok());
        let older = freed_by(|| read_all(&sec1, |text| drop(EcPrivateKey::from_pem(text))));
        let mut secrets = Secrets::new();
        secrets.add_ec_key("scalar", pem.expose());
        for freed in [&made, &read, &older] {
            secrets.assert_not_in(freed);
        }
    }
}
