//! Makes every file of the kit, the same each time. What is expected follows from how a message was made or broken, and
//! from the specification; the crate under test is not asked.

mod changed_body;
mod changed_header;
mod context;
pub(crate) mod crypto;
mod cut;
mod data_keys;
mod der;
mod frames;
mod limits;
pub(crate) mod message;
mod public_key;
mod required;
mod sealed_header;
mod signature;
mod splice;
mod suites;
mod unframed;

use std::collections::BTreeMap;

use crate::case::Case;

/// All of them, by folder and name.
pub(crate) fn kit() -> BTreeMap<String, Case> {
    let mut kit = BTreeMap::new();
    for (folder, cases) in [
        ("changed-body", changed_body::cases()),
        ("changed-header", changed_header::cases()),
        ("context", context::cases()),
        ("cut", cut::cases()),
        ("data-keys", data_keys::cases()),
        ("frames", frames::cases()),
        ("limits", limits::cases()),
        ("public-key", public_key::cases()),
        ("required", required::cases()),
        ("sealed-header", sealed_header::cases()),
        ("signature", signature::cases()),
        ("splice", splice::cases()),
        ("suites", suites::cases()),
        ("unframed", unframed::cases()),
    ] {
        for mut case in cases {
            case.name = format!("{folder}/{}", case.name);
            let before = kit.insert(case.name.clone(), case);
            assert!(before.is_none(), "{} is there twice", before.unwrap().name);
        }
    }
    kit
}
