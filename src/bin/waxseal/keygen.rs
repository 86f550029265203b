//! `keygen`.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempPath;
use waxseal::{AesKey, EcPrivateKey, EcdhCurve, Error, RsaPrivateKey, SecretText};

use crate::args::{KeyKind, Keygen};
use crate::failure::{Failure, shown};
use crate::output::{Mode, Output, Target, folder};
use crate::unfinished;

pub(crate) fn run(args: &Keygen) -> Result<(), Failure> {
    let Keygen { kind, out, force } = args;
    if out == Path::new("-") {
        return Err(Failure::usage("a key is not printed", "name a file with --out"));
    }
    // Whether it may be written comes first: making an RSA key takes seconds.
    let key_file = target(out, *force, Mode::Secret)?;
    key_file.check_new()?;
    match kind {
        KeyKind::Aes128 => write(key_file, AesKey::generate_128()?.expose())?.commit(),
        KeyKind::Aes192 => write(key_file, AesKey::generate_192()?.expose())?.commit(),
        KeyKind::Aes256 => write(key_file, AesKey::generate_256()?.expose())?.commit(),
        KeyKind::Rsa2048 => pair(out, *force, key_file, || rsa(2048)),
        KeyKind::Rsa3072 => pair(out, *force, key_file, || rsa(3072)),
        KeyKind::Rsa4096 => pair(out, *force, key_file, || rsa(4096)),
        KeyKind::EcP256 => pair(out, *force, key_file, || ec(EcdhCurve::P256)),
        KeyKind::EcP384 => pair(out, *force, key_file, || ec(EcdhCurve::P384)),
        KeyKind::EcP521 => pair(out, *force, key_file, || ec(EcdhCurve::P521)),
    }
}

fn target(path: &Path, force: bool, mode: Mode) -> Result<Target, Failure> {
    Target::file(path, force, mode)
        .map_err(|failure| failure.hinting("name a new file with --out, in a folder that is there"))
}

/// Private and public half, as PEM.
type Pair = (SecretText, String);

fn rsa(bits: u32) -> Result<Pair, Error> {
    let private = RsaPrivateKey::generate(bits)?;
    Ok((private.to_pem()?, private.public_key()?.to_pem()?))
}

fn ec(curve: EcdhCurve) -> Result<Pair, Error> {
    let private = EcPrivateKey::generate(curve)?;
    Ok((private.to_pem()?, private.public_key()?.to_pem()?))
}

fn pair(
    out: &Path,
    force: bool,
    key_file: Target,
    make: impl FnOnce() -> Result<Pair, Error>,
) -> Result<(), Failure> {
    let public_path = with_pub(out);
    let public_file = target(&public_path, force, Mode::Usual)?;
    public_file.check_new()?;
    let (private, public) = make()?;
    let public = write(public_file, public.as_bytes())?;
    let private = write(key_file, private.expose().as_bytes())?;
    // Without its private half, a public key would encrypt what nobody can decrypt: so would the one that is replaced. A
    // private key without the public one still has both.
    let replaced = if force { set_aside(&public_path)? } else { None };
    private.commit().inspect_err(|_| {
        if let Some(replaced) = &replaced {
            // What failed first is what counts.
            let _ = fs::rename(replaced, &public_path);
        }
    })?;
    public.commit()
}

fn write(target: Target, key: &[u8]) -> Result<Output, Failure> {
    let mut output = target.create()?;
    output.write_all(key).map_err(|error| output.failed(&error))?;
    Ok(output)
}

/// Gives a file, if there is one, a name that nobody knows, until it is not needed any more.
fn set_aside(path: &Path) -> Result<Option<TempPath>, Failure> {
    let moved = unfinished::unused_path_in(folder(path)).and_then(|aside| {
        fs::rename(path, &aside)?;
        Ok(aside)
    });
    match moved {
        Ok(aside) => Ok(Some(aside)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io(&format!("cannot replace {}", shown(path)), &error)),
    }
}

fn with_pub(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".pub");
    name.into()
}
