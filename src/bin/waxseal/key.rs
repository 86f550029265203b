//! KEY texts and key files.

mod ecdh;
#[cfg(feature = "kms")]
mod kms;
#[cfg(feature = "s3")]
pub(crate) mod s3;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use waxseal::{
    AesKey, Error, Keyring, MaterialsManager, MultiKeyring, RawAesKeyring, RawRsaKeyring,
    RsaPadding, RsaPrivateKey, RsaPublicKey,
};
use zeroize::Zeroizing;

use crate::caching;
use crate::failure::{Failure, shown};
use crate::parameters::{Parameters, quoted};
use crate::wait::Waiter;

/// The keys of a command.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) manager: Box<dyn MaterialsManager>,
    pub(crate) waiter: Waiter,
    /// Where they are: nothing may be written there.
    pub(crate) files: Vec<PathBuf>,
}

/// What keys are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Encrypt,
    Decrypt,
}

/// What reading a key takes and gives besides the key.
#[cfg_attr(not(feature = "kms"), expect(dead_code, reason = "only AWS KMS has to wait"))]
pub(crate) struct Loader<'a> {
    pub(crate) to: Use,
    pub(crate) waiter: &'a Waiter,
    pub(crate) files: Vec<PathBuf>,
}

/// Reads all keys; the first one makes the data key on encrypt.
pub(crate) fn load(texts: &[String], to: Use, caching: Option<&str>) -> Result<Keys, Failure> {
    let waiter = Waiter::new()?;
    let mut loader = Loader { to, waiter: &waiter, files: Vec::new() };
    let mut keyrings = texts.iter().zip(1..).map(|(text, number)| {
        let keyring = loader.load(text);
        keyring.map_err(|failure| if texts.len() > 1 { failure.about_key(number) } else { failure })
    });
    let first = keyrings
        .next()
        .unwrap_or_else(|| Err(Failure::usage("there is no key", "give at least one with -k KEY")));
    let multi = MultiKeyring::generator(first?);
    let keyring = keyrings.try_fold(multi, |multi, keyring| keyring.map(|k| multi.child(k)))?;
    let files = loader.files;
    Ok(Keys { manager: caching::manager(keyring, caching)?, waiter, files })
}

impl Loader<'_> {
    fn load(&mut self, text: &str) -> Result<Box<dyn Keyring>, Failure> {
        let (kind, parameters) = text.split_once(':').unwrap_or((text, ""));
        #[cfg(feature = "kms")]
        if kms::is_kind(kind) {
            return kms::load(kind, parameters, self);
        }
        #[cfg(not(feature = "kms"))]
        if kind.split('-').next() == Some("kms") {
            return Err(Failure::usage(
                "this waxseal was built without AWS KMS",
                "build it with `cargo install waxseal --features cli,kms`",
            ));
        }
        load_raw(kind, parameters, &mut self.files)
    }
}

fn load_raw(
    kind: &str,
    parameters: &str,
    files: &mut Vec<PathBuf>,
) -> Result<Box<dyn Keyring>, Failure> {
    match kind {
        "raw-aes" => {
            let [namespace, name, file] =
                Parameters::read(parameters, ["namespace", "name", "file"])?.0;
            let (namespace, name) = (namespace.required()?, name.required()?);
            let path = file.required_path()?;
            let key = aes_key_in(&path)?;
            files.push(path);
            Ok(Box::new(RawAesKeyring::new(namespace, name, key)?))
        }
        "raw-rsa" => {
            let [namespace, name, padding, public, private] = Parameters::read(
                parameters,
                ["namespace", "name", "padding", "public", "private"],
            )?
            .0;
            let (namespace, name) = (namespace.required()?, name.required()?);
            let padding = padding.choice(
                &[
                    ("pkcs1", RsaPadding::Pkcs1),
                    ("oaep-sha1", RsaPadding::OaepSha1),
                    ("oaep-sha256", RsaPadding::OaepSha256),
                    ("oaep-sha384", RsaPadding::OaepSha384),
                    ("oaep-sha512", RsaPadding::OaepSha512),
                ],
                "use pkcs1, oaep-sha1, oaep-sha256, oaep-sha384 or oaep-sha512, the same on both sides",
            )?;
            let public = public.optional_path()?;
            let private = private.optional_path()?;
            files.extend(public.iter().chain(&private).cloned());
            let public = public.map(|path| pem(&path, RsaPublicKey::from_pem)).transpose()?;
            let private = private.map(|path| pem(&path, RsaPrivateKey::from_pem)).transpose()?;
            let keyring = match (public, private) {
                (Some(public), Some(private)) => {
                    RawRsaKeyring::key_pair(namespace, name, padding, public, private)
                }
                (Some(public), None) => RawRsaKeyring::public(namespace, name, padding, public),
                (None, Some(private)) => RawRsaKeyring::private(namespace, name, padding, private),
                (None, None) => {
                    return Err(Failure::usage(
                        "the key parameters `public` and `private` are both missing",
                        "give `public=PATH` to encrypt, `private=PATH` to decrypt, or both",
                    ));
                }
            };
            Ok(Box::new(keyring?))
        }
        "raw-ecdh" => Ok(Box::new(ecdh::raw(parameters, files)?)),
        kind => Err(Failure::usage(
            format!("there is no {}", quoted("kind of key", kind)),
            "write raw-aes:namespace=NS,name=NAME,file=PATH, kms:key=ARN or another; see `waxseal encrypt --help`",
        )),
    }
}

fn pem<K>(path: &Path, parse: impl FnOnce(&str) -> Result<K, Error>) -> Result<K, Failure> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::usage(
            format!("{} holds no PEM text", shown(path)),
            "convert the key, as with `openssl pkey -inform DER`",
        )
    })?;
    parse(text).map_err(|error| Failure::from(error).about(path))
}

fn aes_key_in(path: &Path) -> Result<AesKey, Failure> {
    aes_key(&read(path)?).ok_or_else(|| {
        Failure::usage(
            format!("{} holds no AES key", shown(path)),
            "it must hold 16, 24 or 32 bytes, or their hexadecimal or Base64 form and nothing else",
        )
    })
}

/// The key in a file: hexadecimal, Base64 or as it is, by the rule in `--help`.
fn aes_key(file: &[u8]) -> Option<AesKey> {
    let text = file.strip_suffix(b"\n").unwrap_or(file);
    let text = text.strip_suffix(b"\r").filter(|_| text.len() < file.len()).unwrap_or(text);
    let mut buffer = Zeroizing::new([0; 32]);
    let bytes = match from_hex(text, &mut buffer) {
        Some(bytes) => bytes,
        None => match Base64::decode(text, &mut *buffer) {
            Ok(bytes) if AES_KEY_LENS.contains(&bytes.len()) => bytes,
            Ok(_) | Err(_) => file,
        },
    };
    AesKey::try_from(bytes).ok()
}

fn from_hex<'o>(text: &[u8], out: &'o mut [u8; 32]) -> Option<&'o [u8]> {
    let out = out.get_mut(..text.len() / 2)?;
    if !text.len().is_multiple_of(2) || !AES_KEY_LENS.contains(&out.len()) {
        return None;
    }
    for (byte, digits) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digits.iter().try_fold(0, |byte: u8, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            byte.wrapping_mul(16).checked_add(u8::try_from(digit).ok()?)
        })?;
    }
    Some(out)
}

/// A whole key file, in one buffer that never grows: growing would leave copies behind.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let what = format!("cannot read the key file {}", shown(path));
    let failed = |error| Failure::io(&what, &error);
    let opened = File::open(path);
    let mut file = opened.map_err(|error| Failure::open(&what, path, &error))?;
    let mut bytes = Zeroizing::new(vec![0; MAX_FILE_LEN]);
    let mut len = 0;
    while let Some(space) = bytes.get_mut(len..).filter(|space| !space.is_empty()) {
        match file.read(space) {
            Ok(0) => {
                bytes.truncate(len);
                return Ok(bytes);
            }
            Ok(read) => len = len.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Failure::usage(
        format!("the key file {} is too long for a key", shown(path)),
        "check the path: a key has no more than some thousand bytes",
    ))
}

const AES_KEY_LENS: [usize; 3] = [16, 24, 32];
/// An RSA key of 8,192 bits takes about 7 KB as PEM, and text may surround it.
const MAX_FILE_LEN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: &[u8]) -> Option<Vec<u8>> {
        aes_key(file).map(|key| key.expose().to_vec())
    }

    #[test]
    fn hexadecimal_comes_first() {
        let zeros = |digits| vec![b'0'; digits];
        assert_eq!(key(&zeros(32)), Some(vec![0; 16]));
        assert_eq!(key(&zeros(48)), Some(vec![0; 24]));
        assert_eq!(key(&zeros(64)), Some(vec![0; 32]));
        assert_eq!(
            key(b"00112233445566778899AABBccddeeff\r\n").unwrap()[10..],
            [0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff]
        );
    }

    #[test]
    fn base64_comes_second() {
        assert_eq!(key(b"/////////////////////w==\n"), Some(vec![0xff; 16]));
        assert_eq!(key(b"////////////////////////////////"), Some(vec![0xff; 24]));
        assert_eq!(key(b"//////////////////////////////////////////8="), Some(vec![0xff; 32]));
    }

    #[test]
    fn everything_else_is_the_key_itself() {
        assert_eq!(key(&[b'!'; 16]), Some(vec![b'!'; 16]));
        assert_eq!(key(&[b'!'; 24]), Some(vec![b'!'; 24]));
        assert_eq!(key(&[b'!'; 32]), Some(vec![b'!'; 32]));
        let ends_in_newline = [&[b'!'; 31][..], b"\n"].concat();
        assert_eq!(key(&ends_in_newline), Some(ends_in_newline.clone()));
    }

    #[test]
    fn other_lengths_are_refused() {
        for len in (0..100).filter(|len| ![16, 24, 32].contains(len)) {
            assert_eq!(key(&vec![b'!'; len]), None, "{len}");
        }
        assert_eq!(key(&[b'0'; 31]), None);
        assert_eq!(key(&[b'0'; 66]), None);
        assert_eq!(key([&[b'0'; 64][..], b"\n\n"].concat().as_slice()), None);
    }
}
