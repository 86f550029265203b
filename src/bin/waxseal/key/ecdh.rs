//! KEY texts of ECDH.

use std::path::{Path, PathBuf};

use waxseal::{EcPrivateKey, EcPublicKey, EcdhCurve, RawEcdhKeyring};

use super::pem;
use crate::failure::{Failure, shown};
use crate::parameters::{Parameter, Parameters};

pub(super) fn raw(parameters: &str, files: &mut Vec<PathBuf>) -> Result<RawEcdhKeyring, Failure> {
    let names = ["schema", "curve", "private", "public"];
    let [schema, curve, private, public] = Parameters::read(parameters, names)?.0;
    let schema = schema.choice(
        &[
            ("static", Schema::Static),
            ("ephemeral", Schema::Ephemeral),
            ("discovery", Schema::Discovery),
        ],
        NEEDS,
    )?;
    let mut read = Read { curve: curve_of(curve)?, files };
    Ok(match schema {
        Schema::Static => {
            let (private, public) = (read.private(private)?, read.public(public)?);
            RawEcdhKeyring::raw_private_key_to_static_public_key(private, public)?
        }
        Schema::Ephemeral => {
            needless(&private, "ephemeral")?;
            RawEcdhKeyring::ephemeral_private_key_to_static_public_key(read.public(public)?)
        }
        Schema::Discovery => {
            needless(&public, "discovery")?;
            RawEcdhKeyring::public_key_discovery(read.private(private)?)?
        }
    })
}

pub(super) fn curve_of(parameter: Parameter) -> Result<EcdhCurve, Failure> {
    parameter.choice(
        &[("p256", EcdhCurve::P256), ("p384", EcdhCurve::P384), ("p521", EcdhCurve::P521)],
        "use p256, p384 or p521, the curve that all keys are on",
    )
}

#[derive(Clone, Copy)]
enum Schema {
    Static,
    Ephemeral,
    Discovery,
}

/// Reads keys of this curve, and notes where they are.
pub(super) struct Read<'f> {
    pub(super) curve: EcdhCurve,
    pub(super) files: &'f mut Vec<PathBuf>,
}

impl Read<'_> {
    fn private(&mut self, parameter: Parameter) -> Result<EcPrivateKey, Failure> {
        let path = self.path(parameter)?;
        let key = pem(&path, EcPrivateKey::from_pem)?;
        self.check(&path, key.curve())?;
        Ok(key)
    }

    pub(super) fn public(&mut self, parameter: Parameter) -> Result<EcPublicKey, Failure> {
        let path = self.path(parameter)?;
        let key = pem(&path, EcPublicKey::from_pem)?;
        self.check(&path, key.curve())?;
        Ok(key)
    }

    fn path(&mut self, parameter: Parameter) -> Result<PathBuf, Failure> {
        let missing = !parameter.is_given();
        let path = parameter.required_path();
        let path =
            path.map_err(|failure| if missing { failure.hinting(NEEDS) } else { failure })?;
        self.files.push(path.clone());
        Ok(path)
    }

    fn check(&self, path: &Path, found: EcdhCurve) -> Result<(), Failure> {
        if found == self.curve {
            return Ok(());
        }
        Err(Failure::usage(
            format!("{}: the key is on {found}, not on {}", shown(path), self.curve),
            "give keys that are all on the curve that `curve` names",
        ))
    }
}

fn needless(parameter: &Parameter, schema: &str) -> Result<(), Failure> {
    if !parameter.is_given() {
        return Ok(());
    }
    let name = parameter.name();
    Err(Failure::usage(format!("schema={schema} takes no key parameter `{name}`"), NEEDS))
}

const NEEDS: &str = "schema=static needs `private` (your own key) and `public` (the other party's); \
    schema=ephemeral, which only encrypts, `public` (the recipient's); \
    schema=discovery, which only decrypts, `private` (your own)";
