//! `check_keyring` finds each fault that a keyring can have.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::sync::Mutex;

use waxseal::{
    AesKey, Attempt, DataKey, EncryptedDataKey, EncryptionContext, EncryptionMaterials, Error,
    KeyringError, LocalKeyring, RawAesKeyring, UnwrapFailure, UnwrapRequest, UnwrappedDataKey,
    check_keyring,
};

/// What is wrong with a [`Faulty`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    CannotWrap,
    MakesNoDataKey,
    WrapsNothing,
    WrapsNothingInIt,
    OpensNothing,
    OpensToAnotherKey,
    OpensWhatIsForeign,
    TriesWhatIsForeign,
    LooksAtTheFirstOnly,
    SaysItWasTheFirst,
    WrapsAnotherKey,
    ForgetsTheKeyThatIsThere,
    OpensWhatWasChanged,
    HidesFailures,
    StopsAtAFailure,
    OpensToAnotherKeyBehindAFailure,
    IgnoresTheContext,
    /// No fault: as RSA with PKCS #1 v1.5 may, it has another key for what was changed.
    OpensWhatWasChangedToAnotherKey,
}

/// A raw AES keyring with one fault.
#[derive(Debug)]
struct Faulty {
    fault: Fault,
    inner: RawAesKeyring,
    last: Mutex<Vec<u8>>,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let inner = RawAesKeyring::new("tests", "a", AesKey::from([7; 32])).unwrap();
        Self { fault, inner, last: Mutex::default() }
    }

    fn failed(&self) -> Vec<Attempt> {
        vec![Attempt::new("faulty", 0, UnwrapFailure::NoPrivateKey)]
    }
}

fn other_key(len: usize) -> DataKey {
    DataKey::try_from(&vec![1; len][..]).unwrap()
}

impl LocalKeyring for Faulty {
    fn wrap_now(&self, materials: &mut EncryptionMaterials) -> Result<(), Error> {
        let len = materials.suite().data_key_len();
        let was_there = materials.data_key().is_some();
        let nothing = |ciphertext: &[u8]| EncryptedDataKey::new("tests", "nothing", ciphertext);
        match self.fault {
            Fault::CannotWrap => return Err(KeyringError::wrap("faulty", "it is broken").into()),
            Fault::MakesNoDataKey => return Ok(()),
            Fault::WrapsNothing => return materials.data_key_or_generate().map(drop),
            Fault::WrapsNothingInIt => {
                materials.data_key_or_generate()?;
                *self.last.lock().unwrap() = materials.data_key().unwrap().expose().to_vec();
                return materials.push_encrypted_data_key(nothing(b""));
            }
            Fault::WrapsAnotherKey if was_there => {
                // That of the message before.
                let edk = EncryptedDataKey::new("tests", "last", vec![0; len]);
                return materials.push_encrypted_data_key(edk);
            }
            Fault::ForgetsTheKeyThatIsThere if was_there => {
                return materials.push_encrypted_data_key(nothing(&[1]));
            }
            _ => {}
        }
        self.inner.wrap_now(materials)?;
        *self.last.lock().unwrap() = materials.data_key().unwrap().expose().to_vec();
        Ok(())
    }

    fn unwrap_now(&self, request: &UnwrapRequest<'_>) -> Result<UnwrappedDataKey, Vec<Attempt>> {
        let len = request.suite().data_key_len();
        let edks = request.encrypted_data_keys();
        let own = |edk: &&EncryptedDataKey| edk.provider_id() == b"tests";
        let last = || DataKey::try_from(&self.last.lock().unwrap()[..]).unwrap();
        let opened = self.inner.unwrap_now(request);
        match self.fault {
            Fault::OpensNothing => Err(Vec::new()),
            Fault::OpensToAnotherKey => {
                opened.map(|o| UnwrappedDataKey::new(other_key(len), o.index()))
            }
            Fault::OpensWhatIsForeign => {
                opened.or_else(|_| Ok(UnwrappedDataKey::new(other_key(len), 0)))
            }
            Fault::TriesWhatIsForeign => opened.map_err(|_| self.failed()),
            Fault::LooksAtTheFirstOnly => {
                let first = &edks[..1];
                let (suite, context) = (request.suite(), request.context());
                self.inner.unwrap_now(&UnwrapRequest::new(suite, context, first))
            }
            Fault::SaysItWasTheFirst => opened
                .map(|o| UnwrappedDataKey::new(DataKey::try_from(o.key().expose()).unwrap(), 0)),
            Fault::WrapsAnotherKey if edks[0].provider_info() == b"last" => {
                Ok(UnwrappedDataKey::new(last(), 0))
            }
            Fault::WrapsNothingInIt | Fault::OpensWhatWasChanged
                if edks.iter().any(|e| own(&e)) =>
            {
                let index = edks.iter().position(|edk| own(&edk)).unwrap();
                Ok(UnwrappedDataKey::new(last(), index))
            }
            Fault::OpensWhatWasChangedToAnotherKey => match opened {
                Err(attempts) if !attempts.is_empty() => {
                    Ok(UnwrappedDataKey::new(other_key(len), 0))
                }
                opened => opened,
            },
            Fault::HidesFailures => opened.map_err(|_| Vec::new()),
            Fault::StopsAtAFailure => match opened {
                Ok(opened) if edks.iter().position(|edk| own(&edk)) != Some(opened.index()) => {
                    Err(self.failed())
                }
                opened => opened,
            },
            Fault::OpensToAnotherKeyBehindAFailure => match opened {
                Ok(opened) if edks.iter().position(|edk| own(&edk)) != Some(opened.index()) => {
                    Ok(UnwrappedDataKey::new(other_key(len), opened.index()))
                }
                opened => opened,
            },
            Fault::IgnoresTheContext => {
                let mut context = EncryptionContext::from([("waxseal-conformance", "1")]);
                if request.suite().signs() {
                    context = request.context().clone();
                    context.insert("waxseal-conformance", "1");
                }
                self.inner.unwrap_now(&UnwrapRequest::new(request.suite(), &context, edks))
            }
            _ => opened,
        }
    }
}

#[tokio::test]
async fn each_fault_is_named() {
    for (fault, expected) in [
        (Fault::CannotWrap, "it cannot wrap: "),
        (Fault::MakesNoDataKey, "it makes no data key"),
        (Fault::WrapsNothing, "it adds no encrypted data key"),
        (Fault::WrapsNothingInIt, "its encrypted data key is empty"),
        (Fault::OpensNothing, "it does not open what it wrapped: []"),
        (Fault::OpensToAnotherKey, "it opens what it wrapped to another key"),
        (Fault::OpensWhatIsForeign, "it opens what is not its own"),
        (Fault::TriesWhatIsForeign, "it tries what is not its own"),
        (Fault::LooksAtTheFirstOnly, "it does not look past what is not its own"),
        (Fault::SaysItWasTheFirst, "it gives the wrong index"),
        (Fault::WrapsAnotherKey, "it wraps another data key than the one that is there"),
        (Fault::ForgetsTheKeyThatIsThere, "it does not open the data key that it was given"),
        (Fault::OpensWhatWasChanged, "it opens what was changed"),
        (Fault::HidesFailures, "it hides a failed attempt"),
        (Fault::StopsAtAFailure, "it gives up after the first that does not open"),
        (Fault::OpensToAnotherKeyBehindAFailure, "it opens what was changed"),
        (Fault::IgnoresTheContext, "it opens a data key under another encryption context"),
    ] {
        let found = check_keyring(&Faulty::new(fault), true).await.unwrap_err().to_string();
        assert!(found.starts_with("with suite "), "{found}");
        assert!(found.contains(&format!(": {expected}")), "{fault:?}: {found}");
    }
}

#[tokio::test]
async fn what_a_keyring_may_do_is_no_fault() {
    for fault in [Fault::IgnoresTheContext, Fault::OpensWhatWasChangedToAnotherKey] {
        check_keyring(&Faulty::new(fault), false).await.unwrap();
    }
}
