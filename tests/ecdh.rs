//! Keyrings of two key pairs on a curve: who opens what, and what opens nothing.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use proptest::prelude::*;
use waxseal::{
    AlgorithmSuite, ApiMisuse, EcPrivateKey, EcPublicKey, EcdhCurve, EncryptedDataKey,
    EncryptionContext, Error, KeyringError, LocalKeyring, LocalMultiKeyring, RawEcdhKeyring,
    UnwrapFailure, UnwrapRequest, check_keyring,
};

const CURVES: [EcdhCurve; 3] = [EcdhCurve::P256, EcdhCurve::P384, EcdhCurve::P521];
const UNSIGNED: AlgorithmSuite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;

/// A key pair that can be given away more than once.
struct Party {
    private: EcPrivateKey,
}

impl Party {
    fn new(curve: EcdhCurve) -> Self {
        Self { private: EcPrivateKey::generate(curve).unwrap() }
    }

    fn private(&self) -> EcPrivateKey {
        EcPrivateKey::from_pem(self.private.to_pem().unwrap().expose()).unwrap()
    }

    fn public(&self) -> EcPublicKey {
        self.private.public_key().unwrap()
    }

    fn with(&self, peer: &Self) -> RawEcdhKeyring {
        RawEcdhKeyring::raw_private_key_to_static_public_key(self.private(), peer.public()).unwrap()
    }

    fn ephemeral_for(&self) -> RawEcdhKeyring {
        RawEcdhKeyring::ephemeral_private_key_to_static_public_key(self.public())
    }

    fn discovery(&self) -> RawEcdhKeyring {
        RawEcdhKeyring::public_key_discovery(self.private()).unwrap()
    }

    /// SEC 1, 2.3.3, from the uncompressed point at the end of the SPKI.
    fn compressed(&self) -> Vec<u8> {
        let len = field_len(self.private.curve());
        let spki = self.public().to_der().unwrap();
        let (x, y) = spki[spki.len() - 2 * len..].split_at(len);
        [&[2 + (y[len - 1] & 1)], x].concat()
    }
}

fn field_len(curve: EcdhCurve) -> usize {
    match curve {
        EcdhCurve::P256 => 32,
        EcdhCurve::P384 => 48,
        _ => 66,
    }
}

fn context() -> EncryptionContext {
    EncryptionContext::from([("tenant", "42")])
}

/// The encrypted data key that a keyring writes.
fn wrap(keyring: &RawEcdhKeyring) -> EncryptedDataKey {
    let message = waxseal::encrypt(b"x", keyring).suite(UNSIGNED).context(context()).now().unwrap();
    message.header().encrypted_data_keys()[0].clone()
}

/// Whether it opens; if not, why each attempt failed.
fn unwrap(keyring: &RawEcdhKeyring, edk: &EncryptedDataKey) -> Result<(), Vec<UnwrapFailure>> {
    let edks = std::slice::from_ref(edk);
    match keyring.unwrap_now(&UnwrapRequest::new(UNSIGNED, &context(), edks)) {
        Ok(_) => Ok(()),
        Err(attempts) => Err(attempts.into_iter().map(|attempt| attempt.failure).collect()),
    }
}

fn info(version: u8, recipient: &[u8], sender: &[u8]) -> Vec<u8> {
    let len = |key: &[u8]| u32::try_from(key.len()).unwrap().to_be_bytes();
    [&[version][..], &len(recipient), recipient, &len(sender), sender].concat()
}

#[tokio::test]
async fn ecdh_keyrings_do_what_every_keyring_must() {
    for curve in CURVES {
        let [one, other] = [0, 1].map(|_| Party::new(curve));
        check_keyring(&one.with(&other), true).await.unwrap();
        // The schemas that do one half each, together.
        let both =
            LocalMultiKeyring::generator(one.ephemeral_for()).child(Discovery(one.discovery()));
        check_keyring(&both, true).await.unwrap();
    }
}

/// It opens, and wraps nothing.
#[derive(Debug)]
struct Discovery(RawEcdhKeyring);

impl LocalKeyring for Discovery {
    fn wrap_now(&self, _: &mut waxseal::EncryptionMaterials) -> Result<(), Error> {
        Ok(())
    }

    fn unwrap_now(
        &self,
        request: &UnwrapRequest<'_>,
    ) -> Result<waxseal::UnwrappedDataKey, Vec<waxseal::Attempt>> {
        self.0.unwrap_now(request)
    }
}

#[test]
fn each_schema_opens_what_it_should_and_nothing_else() {
    for curve in CURVES {
        let [alice, bob, eve] = [0, 1, 2].map(|_| Party::new(curve));
        let from_alice = wrap(&alice.with(&bob));
        for (keyring, opens) in [
            (bob.with(&alice), true),
            // The sender has the same secret.
            (alice.with(&bob), true),
            (bob.discovery(), true),
            (bob.with(&eve), false),
            (eve.with(&alice), false),
            (eve.with(&bob), false),
            (eve.discovery(), false),
            // She sent it, and did not receive it.
            (alice.discovery(), false),
        ] {
            match unwrap(&keyring, &from_alice) {
                Ok(()) => assert!(opens, "{keyring:?}"),
                Err(failures) => assert!(!opens && failures.is_empty(), "{keyring:?} {failures:?}"),
            }
        }
        let from_anyone = wrap(&bob.ephemeral_for());
        assert!(unwrap(&bob.discovery(), &from_anyone).is_ok());
        for keyring in [bob.with(&alice), alice.with(&bob), eve.discovery()] {
            assert!(unwrap(&keyring, &from_anyone).unwrap_err().is_empty());
        }
    }
}

#[test]
fn schemas_that_do_one_half_refuse_the_other() {
    for curve in CURVES {
        let bob = Party::new(curve);
        let error = waxseal::encrypt(b"x", &bob.discovery()).now().unwrap_err();
        let Error::Keyring(KeyringError::Wrap { keyring, reason, .. }) = &error else {
            panic!("{error:?}");
        };
        let start: String =
            bob.compressed()[..9].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(*keyring, format!("raw ECDH keyring `{curve} {start}...`"));
        assert!(reason.contains("only decrypts"), "{reason}");

        let failures = unwrap(&bob.ephemeral_for(), &wrap(&bob.ephemeral_for())).unwrap_err();
        assert!(matches!(failures[..], [UnwrapFailure::NoPrivateKey]), "{failures:?}");
    }
}

#[test]
fn keys_on_two_curves_are_refused() {
    for one in CURVES {
        for other in CURVES {
            let keyring = RawEcdhKeyring::raw_private_key_to_static_public_key(
                Party::new(one).private(),
                Party::new(other).public(),
            );
            if one == other {
                assert!(keyring.is_ok());
            } else {
                let Error::ApiMisuse(ApiMisuse::Key(why)) = keyring.unwrap_err() else { panic!() };
                assert_eq!(
                    why,
                    format!("the private key is on {one}, but the public key on {other}")
                );
            }
        }
    }
}

#[test]
fn an_ecdh_encrypted_data_key_is_as_the_specification_says() {
    for curve in CURVES {
        let [alice, bob] = [0, 1].map(|_| Party::new(curve));
        let edk = wrap(&alice.with(&bob));
        assert_eq!(edk.provider_id(), b"raw-ecdh");
        assert_eq!(edk.provider_info(), info(1, &bob.compressed(), &alice.compressed()));
        // Salt, commitment, data key, tag.
        assert_eq!(edk.ciphertext().len(), 32 + 32 + 32 + 16);
        assert_eq!(&wrap(&bob.ephemeral_for()).provider_info()[..5], &edk.provider_info()[..5]);
    }
}

/// No salt and no ephemeral key serves twice.
#[test]
fn what_must_be_fresh_in_ecdh_is_fresh() {
    let [alice, bob] = [0, 1].map(|_| Party::new(EcdhCurve::P256));
    let (one, two) = (wrap(&alice.with(&bob)), wrap(&alice.with(&bob)));
    assert_ne!(one.ciphertext()[..32], two.ciphertext()[..32], "salt");
    assert_ne!(one.ciphertext()[32..64], two.ciphertext()[32..64], "commitment");
    let (one, two) = (wrap(&bob.ephemeral_for()), wrap(&bob.ephemeral_for()));
    assert_ne!(one.provider_info()[42..], two.provider_info()[42..], "ephemeral key");
}

/// AWS KMS ECDH keyrings wrap in the same way under another id.
#[test]
fn both_provider_ids_are_opened_and_no_other() {
    let [alice, bob] = [0, 1].map(|_| Party::new(EcdhCurve::P384));
    let edk = wrap(&alice.with(&bob));
    for (id, opens) in [
        ("raw-ecdh", true),
        ("aws-kms-ecdh", true),
        ("aws-kms", false),
        ("RAW-ECDH", false),
        ("raw-ecdh2", false),
        ("", false),
    ] {
        let edk = EncryptedDataKey::new(id, edk.provider_info(), edk.ciphertext());
        for keyring in [bob.with(&alice), bob.discovery()] {
            match unwrap(&keyring, &edk) {
                Ok(()) => assert!(opens, "{id}"),
                Err(failures) => assert!(!opens && failures.is_empty(), "{id} {failures:?}"),
            }
        }
    }
}

/// To find its own by the recipient's key, and then to meet a sender's key that is none.
#[test]
fn a_sender_that_is_no_point_is_malformed() {
    for curve in CURVES {
        let (bob, len) = (Party::new(curve), field_len(curve));
        let ciphertext = wrap(&bob.ephemeral_for()).ciphertext().to_vec();
        let stranger =
            Party::new(if curve == EcdhCurve::P256 { EcdhCurve::P521 } else { EcdhCurve::P256 });
        for sender in [
            Vec::new(),
            vec![0],
            vec![0; 1 + len],
            [vec![2], vec![0xff; len]].concat(),
            stranger.compressed(),
        ] {
            let info = info(1, &bob.compressed(), &sender);
            let edk = EncryptedDataKey::new("raw-ecdh", info, &*ciphertext);
            let failures = unwrap(&bob.discovery(), &edk).unwrap_err();
            assert!(matches!(failures[..], [UnwrapFailure::Malformed(_)]), "{failures:?}");
        }
    }
}

#[test]
fn a_short_ecdh_ciphertext_is_malformed() {
    let bob = Party::new(EcdhCurve::P256);
    let edk = wrap(&bob.ephemeral_for());
    for len in 0..32 + 32 + 16 {
        let cut = EncryptedDataKey::new("raw-ecdh", edk.provider_info(), &edk.ciphertext()[..len]);
        let failures = unwrap(&bob.discovery(), &cut).unwrap_err();
        assert!(matches!(failures[..], [UnwrapFailure::Malformed(_)]), "{failures:?}");
    }
}

/// One that does not open does not keep the next from being tried.
#[test]
fn ecdh_tries_its_own_in_order() {
    let [alice, bob] = [0, 1].map(|_| Party::new(EcdhCurve::P256));
    let good = wrap(&alice.with(&bob));
    let mut changed = good.ciphertext().to_vec();
    changed[40] ^= 1;
    let bad = EncryptedDataKey::new("raw-ecdh", good.provider_info(), changed);
    let foreign = wrap(&alice.ephemeral_for());
    let edks = [foreign, bad, good];
    let opened = bob.with(&alice).unwrap_now(&UnwrapRequest::new(UNSIGNED, &context(), &edks));
    assert_eq!(opened.unwrap().index(), 2);
    let opened = bob.with(&alice).unwrap_now(&UnwrapRequest::new(UNSIGNED, &context(), &edks[..2]));
    let attempts = opened.unwrap_err();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].index, 1);
    assert!(matches!(attempts[0].failure, UnwrapFailure::Unauthentic));
}

#[test]
fn a_data_key_is_bound_to_its_context() {
    let [alice, bob] = [0, 1].map(|_| Party::new(EcdhCurve::P256));
    let edk = [wrap(&alice.with(&bob))];
    for other in [
        EncryptionContext::new(),
        EncryptionContext::from([("tenant", "43")]),
        EncryptionContext::from([("tenant", "42"), ("x", "")]),
    ] {
        let opened = bob.with(&alice).unwrap_now(&UnwrapRequest::new(UNSIGNED, &other, &edk));
        let attempts = opened.unwrap_err();
        assert!(matches!(attempts[0].failure, UnwrapFailure::Unauthentic), "{attempts:?}");
    }
}

#[test]
fn an_ecdh_context_that_cannot_be_encoded_is_not_used() {
    let [alice, bob] = [0, 1].map(|_| Party::new(EcdhCurve::P256));
    let long = EncryptionContext::from([("k", &*"v".repeat(65_536))]);
    let error = waxseal::encrypt(b"x", &alice.with(&bob)).context(long.clone()).now().unwrap_err();
    assert!(matches!(error, Error::ApiMisuse(ApiMisuse::Context(_))), "{error:?}");
    let edk = [wrap(&alice.with(&bob))];
    let opened = bob.with(&alice).unwrap_now(&UnwrapRequest::new(UNSIGNED, &long, &edk));
    let attempts = opened.unwrap_err();
    assert!(matches!(attempts[0].failure, UnwrapFailure::Other(_)), "{attempts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn what_goes_in_comes_out_of_every_schema(
        curve in prop::sample::select(CURVES.to_vec()),
        suite in prop::sample::select(AlgorithmSuite::ALL.iter().copied().filter(|s| s.commits()).collect::<Vec<_>>()),
        plaintext in prop::collection::vec(any::<u8>(), 0..300),
        pairs in prop::collection::btree_map("[a-z]{0,8}", ".{0,8}", 0..3),
    ) {
        let [alice, bob] = [0, 1].map(|_| Party::new(curve));
        let context: EncryptionContext = pairs.into_iter().collect();
        for (writer, reader) in [
            (alice.with(&bob), bob.with(&alice)),
            (alice.with(&bob), bob.discovery()),
            (bob.ephemeral_for(), bob.discovery()),
        ] {
            let message =
                waxseal::encrypt(&plaintext, &writer).suite(suite).context(context.clone()).now().unwrap();
            let opened = waxseal::decrypt(&message, &reader).require(&context).now().unwrap();
            prop_assert_eq!(opened.plaintext(), &plaintext[..]);
        }
    }

    #[test]
    fn what_was_changed_in_ecdh_opens_nothing(
        curve in prop::sample::select(CURVES.to_vec()),
        at in any::<prop::sample::Index>(),
        mask in 1..=255_u8,
    ) {
        let [alice, bob] = [0, 1].map(|_| Party::new(curve));
        for (edk, readers) in [
            (wrap(&alice.with(&bob)), [bob.with(&alice), bob.discovery()]),
            (wrap(&bob.ephemeral_for()), [bob.discovery(), bob.discovery()]),
        ] {
            let flipped = |bytes: &[u8]| {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] ^= mask;
                bytes
            };
            for changed in [
                EncryptedDataKey::new("raw-ecdh", flipped(edk.provider_info()), edk.ciphertext()),
                EncryptedDataKey::new("raw-ecdh", edk.provider_info(), flipped(edk.ciphertext())),
            ] {
                for reader in &readers {
                    prop_assert!(unwrap(reader, &changed).is_err());
                }
            }
        }
    }

    #[test]
    fn any_ecdh_encrypted_data_key_is_read_without_panic(
        info in prop::collection::vec(any::<u8>(), 0..200),
        ciphertext in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bob = Party::new(EcdhCurve::P256);
        let own = self::info(1, &bob.compressed(), &info);
        for info in [info, own] {
            let edk = EncryptedDataKey::new("raw-ecdh", info, &*ciphertext);
            prop_assert!(unwrap(&bob.discovery(), &edk).is_err());
        }
    }
}
