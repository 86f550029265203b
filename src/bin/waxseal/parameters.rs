//! `NAME=VALUE,...`: the parameters of a KEY.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::failure::Failure;

/// The values of these parameters, in this order.
pub(crate) struct Parameters<const N: usize>(pub(crate) [Parameter; N]);

pub(crate) struct Parameter {
    name: &'static str,
    values: Vec<String>,
}

impl<const N: usize> Parameters<N> {
    /// Each at most once.
    pub(crate) fn read(text: &str, names: [&'static str; N]) -> Result<Self, Failure> {
        Self::read_repeated(text, names, &[])
    }

    /// The same, except that those of `repeated` can be there several times.
    pub(crate) fn read_repeated(
        text: &str,
        names: [&'static str; N],
        repeated: &[&str],
    ) -> Result<Self, Failure> {
        let mut parameters = names.map(|name| Parameter { name, values: Vec::new() });
        for item in text.split(',').filter(|_| !text.is_empty()) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            let Some(parameter) = parameters.iter_mut().find(|known| known.name == name) else {
                return Err(Failure::usage(
                    format!("there is no {}", quoted("key parameter", name)),
                    format!(
                        "the parameters are {}; write a comma in a value as %2C",
                        names.join(", ")
                    ),
                ));
            };
            if !item.contains('=') {
                return Err(Failure::usage(
                    format!("the key parameter `{name}` has no value"),
                    format!("write {name}=VALUE"),
                ));
            }
            parameter.values.push(decoded(name, value)?);
            if parameter.values.len() > 1 && !repeated.contains(&name) {
                return Err(Failure::usage(
                    format!("the key parameter `{name}` is there twice"),
                    "give it once; write a comma in a value as %2C",
                ));
            }
        }
        Ok(Self(parameters))
    }
}

impl Parameter {
    pub(crate) fn required(self) -> Result<String, Failure> {
        let name = self.name;
        self.optional().ok_or_else(|| {
            Failure::usage(
                format!("the key parameter `{name}` is missing"),
                format!("add {name}=VALUE to the key"),
            )
        })
    }

    pub(crate) fn optional(mut self) -> Option<String> {
        self.values.pop()
    }

    #[cfg_attr(not(feature = "kms"), expect(dead_code, reason = "only AWS KMS takes several"))]
    pub(crate) fn all(self) -> Vec<String> {
        self.values
    }

    pub(crate) fn is_given(&self) -> bool {
        !self.values.is_empty()
    }

    /// The name, for messages.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// What the text, which must be there, stands for.
    pub(crate) fn choice<T: Copy>(self, choices: &[(&str, T)], hint: &str) -> Result<T, Failure> {
        let name = self.name;
        let Some(value) = self.optional() else {
            return Err(Failure::usage(format!("the key parameter `{name}` is missing"), hint));
        };
        let chosen = choices.iter().find(|(text, _)| *text == value).map(|(_, choice)| *choice);
        chosen.ok_or_else(|| {
            let what = if short(&value) { format!("`{value}`") } else { "that".to_owned() };
            Failure::usage(format!("the key parameter `{name}` cannot be {what}"), hint)
        })
    }

    pub(crate) fn required_path(self) -> Result<PathBuf, Failure> {
        let name = self.name;
        path(name, self.required()?)
    }

    pub(crate) fn optional_path(self) -> Result<Option<PathBuf>, Failure> {
        let name = self.name;
        self.optional().map(|value| path(name, value)).transpose()
    }
}

/// What is unknown and long could be a key, and messages end up in logs.
pub(crate) fn quoted(what: &str, text: &str) -> String {
    if short(text) { format!("{what} `{text}`") } else { format!("such {what}") }
}

fn short(text: &str) -> bool {
    text.chars().count() <= MAX_QUOTED
}

fn path(name: &str, value: String) -> Result<PathBuf, Failure> {
    if value.is_empty() {
        return Err(Failure::usage(
            format!("the key parameter `{name}` is empty"),
            format!("write {name}=PATH"),
        ));
    }
    Ok(value.into())
}

fn decoded(name: &str, value: &str) -> Result<String, Failure> {
    let whole = value.split('%').skip(1).all(|after| {
        after.as_bytes().first_chunk::<2>().is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    });
    if !whole {
        return Err(Failure::usage(
            format!("the key parameter `{name}` has a `%` without two hexadecimal digits"),
            "write a percent sign as %25",
        ));
    }
    percent_decode_str(value).decode_utf8().map(Into::into).map_err(|_| {
        Failure::usage(
            format!("the key parameter `{name}` is not UTF-8 when its percent-encoding is undone"),
            "encode the bytes of UTF-8 text",
        )
    })
}

/// The shortest key has 24 characters as text.
const MAX_QUOTED: usize = 20;
