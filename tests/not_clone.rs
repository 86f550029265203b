//! What holds a secret cannot be cloned: a copy would be one more to clear. It does not compile if one can.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use waxseal::{
    AesKey, CachingManager, DataKey, DecryptAt, DecryptReader, DecryptionMaterials, Decryptor,
    EcPrivateKey, Encrypt, EncryptReader, EncryptWriter, EncryptionMaterials, Encryptor,
    EncryptorBuilder, FinalFrame, FooterSigner, FrameOpener, FrameSealer, LocalMultiKeyring,
    MultiKeyring, OpenFrames, PlaintextReader, RangeOpener, RawAesKeyring, RawEcdhKeyring,
    RawRsaKeyring, RequiredContextManager, RsaPrivateKey, SealFrames, SecretText, UnwrappedDataKey,
};

/// A type has one `check` by the first rule, and a second one if it is `Clone`: then which one is meant is
/// ambiguous, and nothing compiles.
macro_rules! not_clone {
    ($($type:ty),* $(,)?) => {$(
        const _: fn() = || {
            trait Ambiguous<Rule> {
                fn check() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct IsClone;
            impl<T: ?Sized + Clone> Ambiguous<IsClone> for T {}
            let _ = <$type as Ambiguous<_>>::check;
        };
    )*};
}

not_clone!(
    AesKey,
    CachingManager,
    DataKey,
    DecryptAt<()>,
    DecryptReader<()>,
    DecryptionMaterials,
    Decryptor,
    EcPrivateKey,
    Encrypt<'_, RawAesKeyring>,
    EncryptReader<()>,
    EncryptWriter<Vec<u8>>,
    EncryptionMaterials,
    Encryptor,
    EncryptorBuilder<'_, RawAesKeyring>,
    FinalFrame,
    FooterSigner,
    FrameOpener,
    FrameSealer,
    LocalMultiKeyring,
    MultiKeyring,
    OpenFrames,
    PlaintextReader<'_, ()>,
    RangeOpener,
    RawAesKeyring,
    RawEcdhKeyring,
    RawRsaKeyring,
    RequiredContextManager<RawAesKeyring>,
    RsaPrivateKey,
    SealFrames,
    SecretText,
    UnwrappedDataKey,
);

#[cfg(feature = "tokio")]
not_clone!(
    waxseal::tokio::DecryptReader<()>,
    waxseal::tokio::EncryptReader<()>,
    waxseal::tokio::EncryptWriter<()>,
);

#[cfg(feature = "kms")]
not_clone!(waxseal::kms::KmsEcdhKeyring, waxseal::kms::KmsRsaKeyring);

#[cfg(feature = "s3-format")]
mod objects {
    use waxseal::s3::{
        AesKeyring, BufferedOpener, MultiKeyring, Opened, PartSealer, PartTicket, Prepared,
        RsaKeyring, SealedPart, Sealer, UnauthenticatedOpener, UnauthenticatedRangeOpener, Wrapped,
    };

    not_clone!(
        AesKeyring,
        BufferedOpener,
        MultiKeyring,
        Opened,
        PartSealer,
        PartTicket,
        Prepared,
        RsaKeyring,
        SealedPart,
        Sealer,
        UnauthenticatedOpener,
        UnauthenticatedRangeOpener,
        Wrapped,
    );
}

/// A key pair is not written to be given away twice: the way is through its text, which the caller answers for.
#[test]
fn the_only_copies_are_those_that_somebody_asks_for() {
    let key = AesKey::generate_256().unwrap();
    let copy = AesKey::try_from(key.expose()).unwrap();
    assert_eq!(copy.expose(), key.expose());
}
