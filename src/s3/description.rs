//! Which raw key wrapped a data key, in words of the user's own.

use std::collections::BTreeMap;

use crate::error::Excerpt;

/// Names the raw key that wrapped a data key: pairs of the user's own, stored with the object in the clear.
///
/// It chooses the key when there are several. Nothing authenticates it.
///
/// ```
/// use waxseal::s3::MaterialDescription;
///
/// let description = MaterialDescription::from_iter([("key", "backup-2026")]);
/// assert_eq!(description.get("key"), Some("backup-2026"));
/// ```
///
/// Spec: s3-encryption/data-format/content-metadata, "V3 Only".
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaterialDescription(BTreeMap<String, String>);

impl MaterialDescription {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All pairs, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For messages: the pairs, escaped and cut, as they may be an attacker's.
    pub(crate) fn excerpt(&self) -> String {
        let pair = |(key, value): (&String, &String)| {
            format!("`{}`=`{}`", Excerpt(key.as_bytes()), Excerpt(value.as_bytes()))
        };
        let mut pairs: Vec<String> = self.0.iter().take(MAX_PAIRS).map(pair).collect();
        if self.0.len() > MAX_PAIRS {
            pairs.push("...".to_owned());
        }
        pairs.join(", ")
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for MaterialDescription {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

/// How many pairs a message shows.
const MAX_PAIRS: usize = 5;
