//! Where the emulators are known to be wrong, or to know less.

/// One check that an emulator answers otherwise than FakeKms.
pub(crate) struct Deviation {
    pub(crate) check: &'static str,
    /// What the emulator gives instead.
    pub(crate) gives: &'static str,
    pub(crate) why: &'static str,
}

/// Those of an emulator, by its name.
pub(crate) fn deviations(emulator: &str) -> Vec<Deviation> {
    let list = match emulator {
        "ministack" => MINISTACK,
        "moto" => MOTO,
        _ => panic!("there is no list for {emulator}"),
    };
    list.iter().map(|&(check, gives, why)| Deviation { check, gives, why }).collect()
}

type List = &'static [(&'static str, &'static str, &'static str)];

const MOTO: List = &[
    ("Encrypt names the algorithm", "None", "leaves the field out"),
    ("Decrypt names the algorithm", "None", "leaves the field out"),
    ("Encrypt, disabled", "its ARN", "uses disabled keys"),
    ("Encrypt, pending deletion", "its ARN", "uses keys that are pending deletion"),
    ("Encrypt, dry run", "done", "knows no dry run"),
    ("Decrypt, another key", "AccessDeniedException", "another error code"),
    (
        "Decrypt, context divided otherwise",
        "its ARN, the plaintext",
        "binds keys and values without lengths",
    ),
    (
        "Decrypt, 200 bytes of junk",
        "AccessDeniedException",
        "takes them for a key of somebody else",
    ),
    ("Decrypt nothing", "InvalidCiphertextException", "checks no lengths"),
    ("Decrypt 6145 bytes", "AccessDeniedException", "checks no lengths"),
    ("Decrypt, disabled", "its ARN, the plaintext", "uses disabled keys"),
    ("Decrypt, pending deletion", "its ARN, the plaintext", "uses keys that are pending deletion"),
    ("Decrypt by a replica", "HTTP 500", "fails to replicate"),
    ("Decrypt with a false grant token", "its ARN, the plaintext", "takes any grant token"),
    ("GenerateDataKey, disabled", "its ARN, 32 bytes, opens: true", "uses disabled keys"),
    (
        "GenerateDataKey with an RSA key",
        "its ARN, 32 bytes, opens: true",
        "its RSA keys are symmetric",
    ),
    (
        "DescribeKey, ECC",
        "ARN: true, (EccNistP256), (KeyAgreement), (Enabled), multi-region: (false), ([RsaesOaepSha1, RsaesOaepSha256]), -, (AwsKms), enabled: true",
        "takes an ECC key for one of RSA",
    ),
    (
        "GetPublicKey, RSA",
        "its id, None, Some(EncryptDecrypt), Some([RsaesOaepSha1, RsaesOaepSha256]), reads: true",
        "gives the id, and no key spec",
    ),
    (
        "GetPublicKey, ECC",
        "its id, None, Some(KeyAgreement), reads: true",
        "gives the id, and no key spec",
    ),
    ("GetPublicKey, symmetric", "one", "makes one up"),
    ("RSA there and back, SHA-1", "its ARN, 96 bytes, opens: true", "its RSA is symmetric"),
    ("RSA there and back, SHA-256", "its ARN, 96 bytes, opens: true", "its RSA is symmetric"),
    ("RSA opens what waxseal wrapped", "InvalidCiphertextException", "its RSA is symmetric"),
    ("RSA, the other hash function", "opened", "its RSA is symmetric"),
    ("RSA Decrypt as if symmetric", "opened", "its RSA is symmetric"),
    ("RSA Encrypt as if symmetric", "done", "its RSA is symmetric"),
    ("RSA Encrypt, one byte too many", "done", "its RSA is symmetric"),
    ("Symmetric Encrypt as if RSA", "done", "ignores the algorithm"),
    ("ECC Encrypt", "done", "encrypts with any key"),
    ("DeriveSharedSecret", "HTTP 500", "does not know it"),
];

const MINISTACK: List = &[
    ("Encrypt 4097 bytes", "opens to 4097 bytes", "checks no lengths"),
    ("Encrypt nothing", "opens to 0 bytes", "checks no lengths"),
    ("Encrypt, dry run", "done", "knows no dry run here"),
    (
        "Decrypt, another key",
        "another key, another plaintext",
        "opens with the wrong key to something else",
    ),
    ("Decrypt, no such key", "its ARN, the plaintext", "falls back to the key of the ciphertext"),
    ("Decrypt, last byte flipped", "opened", "does not authenticate"),
    ("Decrypt, last byte missing", "opened", "does not authenticate"),
    ("Decrypt nothing", "InvalidCiphertextException", "checks no lengths"),
    ("Decrypt 6145 bytes", "InvalidCiphertextException", "checks no lengths"),
    ("Decrypt in another region", "InvalidCiphertextException", "another error code"),
    ("Decrypt after a rotation", "InvalidAction", "does not rotate"),
    ("Decrypt with a false grant token", "its ARN, the plaintext", "takes any grant token"),
    ("GenerateDataKey 1025 bytes", "its ARN, 1025 bytes, opens: true", "checks no lengths"),
    ("GenerateDataKey 0 bytes", "its ARN, 32 bytes, opens: true", "checks no lengths"),
    ("GenerateDataKey of no length", "its ARN, 32 bytes, opens: true", "has a default"),
    ("GenerateDataKey of two lengths", "its ARN, 32 bytes, opens: true", "takes one of them"),
    ("GenerateDataKey AES_192", "its ARN, 32 bytes, opens: true", "takes it for the default"),
    ("GenerateDataKey with an RSA key", "UnsupportedOperationException", "another error code"),
    ("ReEncrypt", "InvalidAction", "does not know it"),
    ("ReEncrypt, another context", "InvalidAction", "does not know it"),
    ("ReEncrypt to no such key", "InvalidAction", "does not know it"),
    (
        "DescribeKey, ECC",
        "ARN: true, (EccNistP256), (KeyAgreement), (Enabled), multi-region: (false), ([]), -, (AwsKms), enabled: true",
        "lists no key agreement algorithms",
    ),
    ("RSA Encrypt, one byte too many", "InternalError", "fails with an error of its own"),
    ("Symmetric Encrypt as if RSA", "done", "ignores the algorithm"),
    ("ECC Encrypt", "UnsupportedOperationException", "another error code"),
    ("DeriveSharedSecret", "InvalidAction", "does not know it"),
];
