//! The kit through the interfaces of the library.

use waxseal::{
    AesKey, ContentType, DecryptAt, EncryptionContext, Error, KeyringError, PolicyError,
    RawAesKeyring,
};

use crate::case::{Case, Part};
use crate::make::crypto::sha256;
use crate::ways::{AT_ONCE, STREAMS, Way, at_random};

/// What is not whole and authentic to its end gives nothing.
pub(crate) fn check_at_once(case: &Case) -> Result<(), String> {
    let is_good = case.stage == Part::None;
    let nothing = sha256(b"");
    let payload = if is_good { &case.payload } else { &nothing };
    AT_ONCE.iter().try_for_each(|(name, way)| check(case, name, *way, &case.expect, payload))
}

/// All of them release the same, and fail alike.
pub(crate) fn check_streams(case: &Case) -> Result<(), String> {
    let Case { expect, payload, .. } = case;
    STREAMS.iter().try_for_each(|(name, way)| check(case, name, *way, expect, payload))
}

/// What is authentic at its place opens there, but nothing does before the last frame was found. Nobody verifies the
/// signature, so the caller has to give it up first.
pub(crate) fn check_at_random(case: &Case) -> Result<(), String> {
    let Case { expect, payload, .. } = case;
    if case.stage == Part::Header {
        return check(case, "at random", at_random, expect, &sha256(b""));
    }
    let header = waxseal::inspect(&case.message).map_err(|error| error.to_string())?;
    if header.parsed().suite().signs() {
        check(case, "at random, strictly", strictly, "policy: RangeOfSignedMessage", &sha256(b""))?;
    }
    if header.parsed().content_type() == ContentType::Unframed {
        let expect = "policy: RangeOfUnframedMessage";
        return check(case, "at random", at_random, expect, &sha256(b""));
    }
    match (case.stage, &case.unsigned_payload) {
        (Part::None, _) => check(case, "at random", at_random, expect, payload),
        (_, Some(payload)) => check(case, "at random", at_random, "success", payload),
        (_, None) => {
            let (_, result) = run(case, at_random);
            match result {
                // What is found first depends on where the last frame would be.
                Err(Error::InvalidMessage(_) | Error::Unauthentic(_)) => Ok(()),
                other => Err(format!("at random: {}", told(&other))),
            }
        }
    }
}

fn check(case: &Case, name: &str, way: Way, expect: &str, payload: &str) -> Result<(), String> {
    let (released, result) = run(case, way);
    let told = told(&result);
    if told != expect {
        return Err(format!("{name}: {told}, not {expect}"));
    }
    if sha256(&released) != payload {
        return Err(format!("{name}: released {} bytes, not what it may", released.len()));
    }
    Ok(())
}

fn run(case: &Case, way: Way) -> (Vec<u8>, Result<(), Error>) {
    let key = AesKey::try_from(&case.key[..]).unwrap();
    let keyring = RawAesKeyring::new("testkit", "key", key).unwrap();
    let required = EncryptionContext::from_iter(case.required.clone());
    way(&case.message, &keyring, &case.policy.to_policy(), &required)
}

/// As the files have it.
fn told(result: &Result<(), Error>) -> String {
    match result {
        Ok(()) => "success".to_owned(),
        Err(Error::InvalidMessage(invalid)) => {
            format!("invalid message: {:?} at byte {}", invalid.reason(), invalid.offset())
        }
        Err(Error::Policy(PolicyError::ContextNotAuthenticated { keys, .. })) => {
            format!("policy: ContextNotAuthenticated {{ keys: {keys:?} }}")
        }
        Err(Error::Policy(error)) => format!("policy: {error:?}"),
        Err(Error::Keyring(KeyringError::NoDataKey { attempts, offered })) => {
            format!("no data key: {} of {} tried", attempts.len(), offered.len())
        }
        Err(Error::Unauthentic(stage)) => format!("unauthentic: {stage:?}"),
        Err(other) => format!("{other:?}"),
    }
}

/// The signature is not given up.
fn strictly(
    message: &[u8],
    keyring: &dyn waxseal::LocalKeyring,
    policy: &waxseal::Policy,
    context: &EncryptionContext,
) -> (Vec<u8>, Result<(), Error>) {
    let opened = DecryptAt::open_with(message, policy.clone())
        .and_then(|locked| locked.unlock(keyring).require(context).now());
    (Vec::new(), opened.map(drop))
}
