//! Keys as text.

use base64ct::{Base64, Encoding};
use pkcs8::LineEnding;
use pkcs8::ObjectIdentifier;
use pkcs8::der::pem;
use zeroize::Zeroizing;

use super::rsa_der::{self, MODULUS_BITS};
use super::{CryptoError, EcdhPrivateKey, EcdhPublicKey, RsaPrivateKey, RsaPublicKey, ec_der};

/// Why a text is not the key that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    #[error("the key is not an RSA encryption key (algorithm {oid})")]
    Algorithm { oid: ObjectIdentifier },
    #[error("this is a certificate, not a key")]
    Certificate,
    #[error("the curve {oid} is not supported, only P-256, P-384 and P-521 are")]
    Curve { oid: ObjectIdentifier },
    #[error("the key is an elliptic-curve key, and an RSA key is needed")]
    EllipticCurve,
    #[error("the private key is encrypted, and only unencrypted keys can be read")]
    Encrypted,
    #[error("the PEM label {label:?} is not supported")]
    Label { label: String },
    #[error("the key is malformed")]
    Malformed,
    #[error("the text is not PEM")]
    NotPem,
    #[error("the key is not for ECDH on a NIST curve (algorithm {oid})")]
    NotEcdh { oid: ObjectIdentifier },
    #[error("this is a private key, and a public key is needed")]
    Private,
    #[error("this is a public key, and a private key is needed")]
    Public,
    #[error("the key is an RSA key, and an elliptic-curve key is needed")]
    Rsa,
    #[error(
        "the RSA modulus has {bits} bits, and only {} to {} bits are supported",
        MODULUS_BITS.start(),
        MODULUS_BITS.end()
    )]
    Size { bits: u32 },
    #[error("the key spells out its curve, and only curves with a name can be read")]
    UnnamedCurve,
}

/// Reads an unencrypted private key, PKCS #8 (`PRIVATE KEY`) or PKCS #1 (`RSA PRIVATE KEY`).
pub(crate) fn rsa_private_key_from_pem(pem: &str) -> Result<RsaPrivateKey, PemError> {
    let block = Block::find(pem)?;
    match block.label {
        "PRIVATE KEY" => private_key(&block.decode()?),
        "RSA PRIVATE KEY" => private_key(rsa_der::pkcs8_from_pkcs1(&block.decode()?)?.as_bytes()),
        "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
        "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(PemError::Public),
        label => Err(PemError::other_label(label)),
    }
}

/// Reads a public key, `SubjectPublicKeyInfo` (`PUBLIC KEY`) or PKCS #1 (`RSA PUBLIC KEY`).
pub(crate) fn rsa_public_key_from_pem(pem: &str) -> Result<RsaPublicKey, PemError> {
    let block = Block::find(pem)?;
    match block.label {
        "PUBLIC KEY" => public_key(&block.decode()?),
        "RSA PUBLIC KEY" => public_key(&rsa_der::spki_from_pkcs1(&block.decode()?)?),
        "PRIVATE KEY" | "RSA PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => Err(PemError::Private),
        label => Err(PemError::other_label(label)),
    }
}

/// Writes a private key as PKCS #8.
pub(crate) fn rsa_private_key_to_pem(
    key: &RsaPrivateKey,
) -> Result<Zeroizing<String>, CryptoError> {
    encode("PRIVATE KEY", &key.to_pkcs8_der()?).map(Zeroizing::new)
}

/// Writes a public key as `SubjectPublicKeyInfo`.
pub(crate) fn rsa_public_key_to_pem(key: &RsaPublicKey) -> Result<String, CryptoError> {
    encode("PUBLIC KEY", &key.to_spki_der()?)
}

/// Reads an unencrypted private key, PKCS #8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`).
pub(crate) fn ecdh_private_key_from_pem(pem: &str) -> Result<EcdhPrivateKey, PemError> {
    fn private_key(pkcs8: &[u8]) -> Result<EcdhPrivateKey, PemError> {
        ec_der::read_pkcs8(pkcs8)?;
        EcdhPrivateKey::from_pkcs8_der(pkcs8).map_err(|CryptoError| PemError::Malformed)
    }
    let block = Block::find(pem)?;
    match block.label {
        "PRIVATE KEY" => private_key(&block.decode()?),
        "EC PRIVATE KEY" => private_key(ec_der::pkcs8_from_sec1(&block.decode()?)?.as_bytes()),
        "ENCRYPTED PRIVATE KEY" => Err(PemError::Encrypted),
        "PUBLIC KEY" => Err(PemError::Public),
        "RSA PRIVATE KEY" | "RSA PUBLIC KEY" => Err(PemError::Rsa),
        label => Err(PemError::other_label(label)),
    }
}

/// Reads a public key, `SubjectPublicKeyInfo` (`PUBLIC KEY`).
pub(crate) fn ecdh_public_key_from_pem(pem: &str) -> Result<EcdhPublicKey, PemError> {
    let block = Block::find(pem)?;
    match block.label {
        "PUBLIC KEY" => ecdh_public_key_from_der(&block.decode()?),
        "PRIVATE KEY" | "EC PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => Err(PemError::Private),
        "RSA PRIVATE KEY" | "RSA PUBLIC KEY" => Err(PemError::Rsa),
        label => Err(PemError::other_label(label)),
    }
}

/// Reads a public key, `SubjectPublicKeyInfo` as it is.
pub(crate) fn ecdh_public_key_from_der(spki: &[u8]) -> Result<EcdhPublicKey, PemError> {
    ec_der::read_spki(spki)?;
    EcdhPublicKey::from_spki_der(spki).map_err(|CryptoError| PemError::Malformed)
}

/// Writes a private key as PKCS #8.
pub(crate) fn ecdh_private_key_to_pem(
    key: &EcdhPrivateKey,
) -> Result<Zeroizing<String>, CryptoError> {
    encode("PRIVATE KEY", &key.to_pkcs8_der()?).map(Zeroizing::new)
}

/// Writes a public key as `SubjectPublicKeyInfo`.
pub(crate) fn ecdh_public_key_to_pem(key: &EcdhPublicKey) -> Result<String, CryptoError> {
    encode("PUBLIC KEY", &key.to_spki_der()?)
}

fn private_key(pkcs8: &[u8]) -> Result<RsaPrivateKey, PemError> {
    rsa_der::check_pkcs8(pkcs8)?;
    RsaPrivateKey::from_pkcs8_der(pkcs8).map_err(|CryptoError| PemError::Malformed)
}

fn public_key(spki: &[u8]) -> Result<RsaPublicKey, PemError> {
    rsa_der::check_spki(spki)?;
    RsaPublicKey::from_spki_der(spki).map_err(|CryptoError| PemError::Malformed)
}

fn encode(label: &str, der: &[u8]) -> Result<String, CryptoError> {
    pem::encode_string(label, LineEnding::LF, der).map_err(|_| CryptoError)
}

/// The first PEM block of a text.
struct Block<'a> {
    label: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Block<'a> {
    /// Finds the block; the text before and after it is ignored. So is a curve, which OpenSSL writes
    /// before a SEC 1 key that names it again.
    fn find(text: &'a str) -> Result<Self, PemError> {
        let mut rest = text.lines();
        let label = rest
            .find_map(|line| boundary(line, "-----BEGIN ").filter(|label| *label != PARAMETERS))
            .ok_or(PemError::NotPem)?;
        let mut lines = Vec::new();
        for line in rest {
            match boundary(line, "-----END ") {
                Some(end) if end == label => return Ok(Self { label, lines }),
                Some(_) => break,
                None => lines.push(line.trim()),
            }
        }
        Err(PemError::NotPem)
    }

    fn decode(&self) -> Result<Zeroizing<Vec<u8>>, PemError> {
        // The only headers in use are those of encrypted PKCS #1 keys.
        if self
            .lines
            .iter()
            .any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
        {
            return Err(PemError::Encrypted);
        }
        // Both buffers have their final size from the start: growing would leave copies behind.
        let mut base64 =
            Zeroizing::new(String::with_capacity(self.lines.iter().map(|line| line.len()).sum()));
        base64.extend(self.lines.iter().copied());
        let mut der = Zeroizing::new(vec![0; base64.len()]);
        let len = Base64::decode(base64.as_str(), &mut der).map_err(|_| PemError::NotPem)?.len();
        der.truncate(len);
        Ok(der)
    }
}

/// The label of a line that is a boundary of this kind.
fn boundary<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    line.trim_end().strip_prefix(prefix)?.strip_suffix("-----")
}

impl PemError {
    fn other_label(label: &str) -> Self {
        match label {
            "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "EC PRIVATE KEY" => Self::EllipticCurve,
            label => Self::Label { label: label.to_owned() },
        }
    }
}

impl From<rsa_der::Refused> for PemError {
    fn from(refused: rsa_der::Refused) -> Self {
        use rsa_der::Refused;
        match refused {
            Refused::Algorithm(ec_der::EC_PUBLIC_KEY) => Self::EllipticCurve,
            Refused::Algorithm(oid) => Self::Algorithm { oid },
            Refused::Encoding => Self::Malformed,
            Refused::Size { bits } => Self::Size { bits },
        }
    }
}

impl From<ec_der::Refused> for PemError {
    fn from(refused: ec_der::Refused) -> Self {
        use ec_der::Refused;
        match refused {
            Refused::Algorithm(rsa_der::RSA_ENCRYPTION) => Self::Rsa,
            Refused::Algorithm(oid) => Self::NotEcdh { oid },
            Refused::Curve(oid) => Self::Curve { oid },
            Refused::Encoding => Self::Malformed,
            Refused::UnnamedCurve => Self::UnnamedCurve,
        }
    }
}

const PARAMETERS: &str = "EC PARAMETERS";
