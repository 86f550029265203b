//! `--caching`: one data key for several files.

use std::time::Duration;

use waxseal::{CachingManager, MaterialsCache, MaterialsManager, MultiKeyring};

use crate::failure::Failure;
use crate::parameters::{Parameter, Parameters};

/// Puts a cache in front of the keys, if that is asked for.
pub(crate) fn manager(
    keyring: MultiKeyring,
    caching: Option<&str>,
) -> Result<Box<dyn MaterialsManager>, Failure> {
    let Some(text) = caching else {
        return Ok(Box::new(keyring));
    };
    let names = ["capacity", "max-age", "max-messages", "max-bytes"];
    let [capacity, max_age, max_messages, max_bytes] =
        Parameters::read(text, names).map_err(|failure| failure.within("--caching"))?.0;
    let capacity = needed(number(capacity)?, "capacity")?;
    let capacity = usize::try_from(capacity).unwrap_or(usize::MAX);
    let max_age = needed(number(max_age)?, "max-age")?;
    let cache = MaterialsCache::new(capacity)?;
    let mut manager = CachingManager::new(keyring, &cache, Duration::from_secs(max_age))?;
    if let Some(limit) = number(max_messages)? {
        manager = manager.max_messages(limit)?;
    }
    if let Some(limit) = number(max_bytes)? {
        manager = manager.max_bytes(limit)?;
    }
    Ok(Box::new(manager))
}

fn number(parameter: Parameter) -> Result<Option<u64>, Failure> {
    let name = parameter.name();
    let number = parameter.optional().map(|text| text.parse()).transpose();
    number.map_err(|_| Failure::usage(format!("--caching: `{name}` is not a number"), FORM))
}

fn needed(number: Option<u64>, name: &str) -> Result<u64, Failure> {
    number.ok_or_else(|| Failure::usage(format!("--caching: `{name}` is missing"), FORM))
}

const FORM: &str = "write --caching capacity=100,max-age=300[,max-messages=N][,max-bytes=N]; the age is in seconds";
