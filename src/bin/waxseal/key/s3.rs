//! KEY texts for objects in Amazon S3.

use std::path::PathBuf;
use std::sync::Arc;

use waxseal::kms::{KmsClientSupplier as _, KmsDiscoveryKeyring};
use waxseal::s3::{AesKeyring, MultiKeyring, RsaKeyring, S3Keyring};
use waxseal::{RsaPrivateKey, RsaPublicKey};

use super::{Loader, Use, aes_key_in, kms, pem};
use crate::context::Pairs;
use crate::failure::Failure;
use crate::parameters::{Parameter, Parameters, quoted};
use crate::wait::Waiter;

/// Keys for objects.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) keyring: Arc<dyn S3Keyring>,
    /// Where they are: nothing may be written there.
    pub(crate) files: Vec<PathBuf>,
}

/// Reads all keys: the first one wraps, any of them unwraps.
pub(crate) fn load(texts: &[String], to: Use, waiter: &Waiter) -> Result<Keys, Failure> {
    let mut loader = Loader { to, waiter, files: Vec::new() };
    let mut keyrings = texts.iter().zip(1..).map(|(text, number)| {
        let keyring = one(text, &mut loader);
        keyring.map_err(|failure| if texts.len() > 1 { failure.about_key(number) } else { failure })
    });
    let first = keyrings
        .next()
        .unwrap_or_else(|| Err(Failure::usage("there is no key", "give at least one with -k KEY")));
    let first = first?;
    let mut others = keyrings.collect::<Result<Vec<_>, _>>()?.into_iter().peekable();
    // One alone is named in errors as what it is.
    let keyring = match others.peek() {
        None => first,
        Some(_) => Arc::new(others.fold(MultiKeyring::new(first), MultiKeyring::also)),
    };
    Ok(Keys { keyring, files: loader.files })
}

fn one(text: &str, loader: &mut Loader<'_>) -> Result<Arc<dyn S3Keyring>, Failure> {
    let (kind, parameters) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "kms" | "kms-mrk" => Ok(Arc::new(kms::strict(parameters, loader, kind == "kms-mrk")?)),
        "kms-discovery" => discovery(parameters, loader),
        "raw-aes" => aes(parameters, loader),
        "raw-rsa" => rsa(parameters, loader),
        kind => Err(Failure::usage(
            format!("objects know no {}", quoted("kind of key", kind)),
            "the kinds for objects are kms, kms-mrk, kms-discovery, raw-aes and raw-rsa; see `waxseal s3 --help`",
        )),
    }
}

fn discovery(parameters: &str, loader: &Loader<'_>) -> Result<Arc<dyn S3Keyring>, Failure> {
    let kms::Discovery { filter, clients, regions, tokens } =
        kms::Discovery::read(parameters, loader)?;
    let mut keyrings = regions.iter().map(|region| {
        let keyring = KmsDiscoveryKeyring::new(clients.client(region)?);
        let keyring = keyring.grant_tokens(tokens.iter().cloned());
        Ok::<_, Failure>(match &filter {
            Some(filter) => keyring.filter(filter.clone()),
            None => keyring,
        })
    });
    let first = keyrings.next().ok_or_else(|| {
        Failure::usage("the region of AWS KMS is not known", "give region=R in the key")
    })??;
    let others = keyrings.collect::<Result<Vec<_>, _>>()?;
    if others.is_empty() {
        return Ok(Arc::new(first));
    }
    Ok(Arc::new(others.into_iter().fold(MultiKeyring::new(first), MultiKeyring::also)))
}

fn aes(parameters: &str, loader: &mut Loader<'_>) -> Result<Arc<dyn S3Keyring>, Failure> {
    let (parameters, description) = described(parameters)?;
    let [file, namespace, name] = Parameters::read(parameters, ["file", "namespace", "name"])?.0;
    needless(&[namespace, name])?;
    let path = file.required_path()?;
    let key = aes_key_in(&path)?;
    loader.files.push(path);
    Ok(Arc::new(AesKeyring::new(key)?.description(description.0)))
}

fn rsa(parameters: &str, loader: &mut Loader<'_>) -> Result<Arc<dyn S3Keyring>, Failure> {
    let (parameters, description) = described(parameters)?;
    let [public, private, namespace, name, padding] =
        Parameters::read(parameters, ["public", "private", "namespace", "name", "padding"])?.0;
    needless(&[namespace, name, padding])?;
    let (public, private) = (public.optional_path()?, private.optional_path()?);
    loader.files.extend(public.iter().chain(&private).cloned());
    let public = public.map(|path| pem(&path, RsaPublicKey::from_pem)).transpose()?;
    let private = private.map(|path| pem(&path, RsaPrivateKey::from_pem)).transpose()?;
    let keyring = match (public, private, loader.to) {
        (Some(public), Some(private), _) => RsaKeyring::key_pair(public, private),
        (Some(public), None, _) => RsaKeyring::public(public),
        (None, Some(private), Use::Decrypt) => RsaKeyring::private(private),
        (None, Some(_), Use::Encrypt) => {
            return Err(Failure::usage(
                "a private key alone does not encrypt",
                "give `public=PATH`, or both",
            ));
        }
        (None, None, _) => {
            return Err(Failure::usage(
                "the key parameters `public` and `private` are both missing",
                "give `public=PATH` to encrypt, `private=PATH` to decrypt, or both",
            ));
        }
    };
    Ok(Arc::new(keyring?.description(description.0)))
}

/// Takes the description off: it is the rest of the text, since JSON is full of commas.
fn described(parameters: &str) -> Result<(&str, Pairs), Failure> {
    let (parameters, json) = match parameters.strip_prefix("description=") {
        Some(json) => ("", json),
        None => match parameters.split_once(",description=") {
            Some(split) => split,
            None => return Ok((parameters, Pairs::default())),
        },
    };
    let unusable = |why: String| {
        Failure::usage(
            format!("the key parameter `description` is unusable: {why}"),
            r#"put it last, as a JSON object of strings: description={"key": "backup-2026"}"#,
        )
    };
    let pairs: Pairs = serde_json::from_str(json).map_err(|error| unusable(error.to_string()))?;
    let mut names: Vec<_> = pairs.0.iter().map(|(name, _)| name).collect();
    names.sort();
    if names.windows(2).any(|two| two.first() == two.last()) {
        return Err(unusable("a name is there twice".to_owned()));
    }
    Ok((parameters, pairs))
}

/// Refuses what only messages have.
fn needless(parameters: &[Parameter]) -> Result<(), Failure> {
    match parameters.iter().find(|parameter| parameter.is_given()) {
        None => Ok(()),
        Some(parameter) => Err(Failure::usage(
            format!("a key for objects has no parameter `{}`", parameter.name()),
            r#"leave it out; what names such a key is its description={"NAME": "VALUE"}"#,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_the_rest_of_the_text() {
        let (rest, pairs) = described(r#"file=a%2Cb,description={"a": "1,2=%", "b": ""}"#).unwrap();
        assert_eq!(rest, "file=a%2Cb");
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        assert_eq!(pairs.0, [("a", "1,2=%"), ("b", "")].map(pair));
        let (rest, none) = described("file=a").unwrap();
        assert!(rest == "file=a" && none.0.is_empty());
        for text in ["[]", r#"{"a": 1}"#, r#"{"a": "1", "a": "2"}"#, r#"{"a": "1"},file=b"#, ""] {
            assert!(described(&format!("description={text}")).is_err(), "{text}");
        }
    }
}
