//! The values that are stored under the names of the format, and what can be read from one of them.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};

use super::keys::{
    self, KEY_V1, KEY_V2, ONLY_V3, SHARED_V1_V2, TAG_LEN, UNENCRYPTED_LEN, UNENCRYPTED_MD5,
};
use super::{FormatVersion, double_encoding, json};
use crate::error::{Excerpt, ObjectError};

/// Values by key. Keys that the format does not have are not kept.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// Takes the metadata of an object, among which may be anything of the user's own.
    pub(super) fn of_object<K: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ObjectError> {
        let mut fields = Self::default();
        for (name, value) in pairs {
            if let Some(key) = keys::known(name.as_ref())
                && fields.0.insert(key, value.as_ref().to_owned()).is_some()
            {
                return Err(fault(key, "occurs twice"));
            }
        }
        Ok(fields)
    }

    /// Takes the text of an instruction file, among which may be nothing else.
    pub(super) fn of_instruction_file(text: &[u8]) -> Result<Self, ObjectError> {
        // PHP writes lengths as numbers.
        let mut pairs = json::read_with_numbers(text, &[TAG_LEN, UNENCRYPTED_LEN])
            .map_err(|fault| ObjectError::InstructionFile { fault })?;
        // Early clients in PHP and Go wrote it. It says nothing about ciphertext, and nobody should trust it.
        pairs.remove(UNENCRYPTED_MD5);
        let known = |(name, value): (String, String)| match keys::known(&name) {
            Some(key) if key == name => Ok((key, value)),
            _ => Err(ObjectError::InstructionFile {
                fault: format!(
                    "has the key `{}`, which no client writes",
                    Excerpt(name.as_bytes())
                ),
            }),
        };
        Ok(Self(pairs.into_iter().map(known).collect::<Result<_, _>>()?))
    }

    /// The format version that the keys, all of them, belong to; `None` if there are none of any.
    pub(super) fn version(&self) -> Result<Option<FormatVersion>, ObjectError> {
        let [v1, v2] = [KEY_V1, KEY_V2].map(|key| self.first_of(&[key]));
        let (v3, shared) = (self.first_of(&ONLY_V3), self.first_of(&SHARED_V1_V2));
        if let (Some(first), Some(second)) = (v1, v2) {
            return Err(ObjectError::MixedFormats { first, second });
        }
        if let (Some(first), Some(second)) = (v3, v1.or(v2).or(shared)) {
            return Err(ObjectError::MixedFormats { first, second });
        }
        match (v1, v2, v3, shared) {
            (Some(_), ..) => Ok(Some(FormatVersion::V1)),
            (_, Some(_), ..) => Ok(Some(FormatVersion::V2)),
            (_, _, Some(_), _) => Ok(Some(FormatVersion::V3)),
            (.., Some(there)) => Err(missing_beside(KEY_V2, there)),
            (None, None, None, None) => Ok(None),
        }
    }

    /// The first of these keys that is there.
    pub(super) fn first_of(&self, keys: &[&'static str]) -> Option<&'static str> {
        keys.iter().copied().find(|key| self.0.contains_key(key))
    }

    pub(super) fn text(&self, key: &'static str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn required(&self, key: &'static str) -> Result<&str, ObjectError> {
        self.text(key).ok_or_else(|| fault(key, "is missing"))
    }

    /// Base64, with its padding, of at least one byte.
    pub(super) fn bytes(&self, key: &'static str) -> Result<Vec<u8>, ObjectError> {
        match Base64::decode_vec(self.required(key)?) {
            Ok(bytes) if bytes.is_empty() => Err(fault(key, "is empty")),
            Ok(bytes) => Ok(bytes),
            Err(_) => Err(fault(key, "is not Base64")),
        }
    }

    /// Base64 of exactly so many bytes.
    pub(super) fn bytes_of_len(
        &self,
        key: &'static str,
        len: usize,
    ) -> Result<Vec<u8>, ObjectError> {
        let bytes = self.bytes(key)?;
        if bytes.len() != len {
            return Err(fault(key, format!("has {} bytes, not {len}", bytes.len())));
        }
        Ok(bytes)
    }

    /// A JSON object of text; where there is none, no pair.
    ///
    /// What is JSON as it stands is not decoded any further: an encoded word in there is the user's own text.
    pub(super) fn pairs(&self, key: &'static str) -> Result<BTreeMap<String, String>, ObjectError> {
        let Some(text) = self.text(key) else { return Ok(BTreeMap::new()) };
        json::read(text.as_bytes())
            .or_else(|why| {
                double_encoding::decode(text).map_or(Err(why), |text| json::read(text.as_bytes()))
            })
            .map_err(|why| fault(key, why))
    }

    /// Length of the plaintext in bytes, if it is stated as a number. Nothing authenticates it and nothing
    /// depends on it, so that another text is none.
    pub(super) fn unencrypted_len(&self) -> Option<u64> {
        self.text(UNENCRYPTED_LEN)?.parse().ok()
    }
}

/// A value that is not one of those that are known.
pub(super) fn unknown(key: &'static str, value: &str) -> ObjectError {
    fault(key, format!("is `{}`, which is not known here", Excerpt(value.as_bytes())))
}

/// A key without which another one means nothing.
pub(super) fn missing_beside(key: &'static str, there: &'static str) -> ObjectError {
    fault(key, format!("is missing, though `{there}` is there"))
}

pub(super) fn fault(key: &'static str, fault: impl Into<String>) -> ObjectError {
    ObjectError::Metadata { key, fault: fault.into() }
}
