//! What a request and an answer hold: JSON objects with bytes in base64.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::refusal::Refusal;

/// No request that AWS KMS answers is longer.
const MAX_REQUEST_LEN: usize = 256 * 1024;

/// The fields of a request. Those of the wrong type are refused where they are asked for.
#[derive(Default)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MAX_REQUEST_LEN {
            return Err(Refusal::without_text("RequestEntityTooLargeException"));
        }
        serde_json::from_slice(body).map(Self).map_err(|_| Refusal::serialization())
    }

    /// `null` is as good as nothing.
    fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<&str>, Refusal> {
        self.get(field).map(|value| value.as_str().ok_or_else(Refusal::serialization)).transpose()
    }

    /// The name of a key: an id, an ARN or an alias.
    pub(super) fn key_id(&self, field: &str) -> Result<Option<&str>, Refusal> {
        let text = self.text(field)?;
        if text.is_some_and(|text| text.is_empty() || text.len() > 2048) {
            let rule = "Member must have length between 1 and 2048, inclusive";
            return Err(Refusal::constraint(field, rule));
        }
        Ok(text)
    }

    pub(super) fn bytes(
        &self,
        field: &str,
        len: RangeInclusive<usize>,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let text = self.text(field)?.ok_or_else(|| Refusal::missing(field))?;
        let bytes = Base64::decode_vec(text).map_err(|_| Refusal::serialization())?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < *len.start() {
            let rule = "Member must have length greater than or equal to";
            return Err(Refusal::constraint(field, format!("{rule} {}", len.start())));
        }
        if bytes.len() > *len.end() {
            let rule = "Member must have length less than or equal to";
            return Err(Refusal::constraint(field, format!("{rule} {}", len.end())));
        }
        Ok(bytes)
    }

    pub(super) fn number(&self, field: &str) -> Result<Option<i64>, Refusal> {
        self.get(field).map(|value| value.as_i64().ok_or_else(Refusal::serialization)).transpose()
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, Refusal> {
        self.get(field)
            .map_or(Ok(false), |value| value.as_bool().ok_or_else(Refusal::serialization))
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.get(field).is_some()
    }

    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, Refusal> {
        let Some(value) = self.get(field) else { return Ok(Vec::new()) };
        let values = value.as_array().ok_or_else(Refusal::serialization)?;
        values
            .iter()
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(Refusal::serialization))
            .collect()
    }

    /// An encryption context; none is an empty one.
    pub(super) fn context(&self, field: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let Some(value) = self.get(field) else { return Ok(BTreeMap::new()) };
        let pairs = value.as_object().ok_or_else(Refusal::serialization)?;
        pairs
            .iter()
            .map(|(key, value)| match value.as_str() {
                Some(value) => Ok((key.clone(), value.to_owned())),
                None => Err(Refusal::serialization()),
            })
            .collect()
    }
}

/// The fields of an answer.
#[derive(Default)]
pub(super) struct Answer(Map<String, Value>);

impl Answer {
    pub(super) fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    pub(super) fn set_bytes(self, field: &str, bytes: &[u8]) -> Self {
        self.set(field, Base64::encode_string(bytes))
    }

    /// Changes bytes that are there.
    pub(super) fn change_bytes(&mut self, field: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let Some(Value::String(text)) = self.0.get_mut(field) else { return };
        let mut bytes = Base64::decode_vec(text).unwrap_or_default();
        change(&mut bytes);
        *text = Base64::encode_string(&bytes);
    }

    pub(super) fn change_text(&mut self, field: &str, new: &str) {
        if let Some(value) = self.0.get_mut(field) {
            *value = new.into();
        }
    }

    pub(super) fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }

    pub(super) fn into_body(self) -> Value {
        self.0.into()
    }
}
