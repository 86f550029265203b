//! The encryption context, from flags and from a file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use waxseal::EncryptionContext;

use crate::failure::{Failure, KEY_GIVEN, is_key_as_pair, shown, told};

/// The pairs to encrypt with.
pub(crate) fn to_store(
    pairs: &[String],
    file: Option<&Path>,
) -> Result<EncryptionContext, Failure> {
    let (context, names) = to_require(pairs, file)?;
    match names.into_iter().next() {
        None => Ok(context),
        Some(name) => Err(Failure::usage(
            format!("the context pair {} has no value", told(&name)),
            "write NAME=VALUE; the value may be empty",
        )),
    }
}

/// The pairs, and the names without a value, that a message must have.
pub(crate) fn to_require(
    pairs: &[String],
    file: Option<&Path>,
) -> Result<(EncryptionContext, Vec<String>), Failure> {
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    let from_file = file.map(read).transpose()?.unwrap_or_default();
    let from_file = from_file.into_iter().map(|(name, value)| (name, Some(value)));
    for pair in pairs {
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (pair.as_str(), None),
        };
        // It would stand in the header, for everybody to read.
        if is_key_as_pair(pair) {
            return Err(Failure::usage("a context pair looks like a key itself", KEY_GIVEN));
        }
        if name.is_empty() {
            return Err(Failure::usage(
                "a context pair has no name before its `=`",
                "write NAME=VALUE",
            ));
        }
        insert(&mut found, name.to_owned(), value)?;
    }
    for (name, value) in from_file {
        insert(&mut found, name, value)?;
    }
    let names = found.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name.clone());
    let names = names.collect();
    let context = found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    Ok((context, names))
}

fn insert(
    found: &mut BTreeMap<String, Option<String>>,
    name: String,
    value: Option<String>,
) -> Result<(), Failure> {
    if found.contains_key(&name) {
        return Err(Failure::usage(
            format!("the context has the name {} twice", told(&name)),
            "give each name once",
        ));
    }
    found.insert(name, value);
    Ok(())
}

fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let what = format!("cannot read {}", shown(path));
    let failed = |error| Failure::io(&what, &error);
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| Failure::open(&what, path, &error))?;
    file.take(MAX_FILE_LEN).read_to_end(&mut text).map_err(failed)?;
    match serde_json::from_slice(&text) {
        Ok(Pairs(pairs)) => Ok(pairs),
        Err(error) => Err(Failure::usage(
            format!("the context file {} is unusable: {error}", shown(path)),
            r#"write a JSON object of strings, such as {"tenant": "42"}"#,
        )),
    }
}

/// All pairs in the order of the file: a map would hide a name that is there twice.
#[derive(Default)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

/// All pairs of a message take 65,535 bytes, and JSON at most 6 bytes for each of them.
const MAX_FILE_LEN: u64 = 1 << 20;
