//! What holds a secret cannot be cloned: a copy would be one more to clear. It does not compile if one can.

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

#[test]
fn keys_and_engines() {
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
}

#[cfg(feature = "tokio")]
#[test]
fn streams_of_tokio() {
    not_clone!(
        waxseal::tokio::DecryptReader<()>,
        waxseal::tokio::EncryptReader<()>,
        waxseal::tokio::EncryptWriter<()>,
    );
}

#[cfg(feature = "kms")]
#[test]
fn keyrings_that_know_a_partys_key() {
    not_clone!(waxseal::kms::KmsEcdhKeyring, waxseal::kms::KmsRsaKeyring);
}

#[cfg(feature = "s3-format")]
#[test]
fn keyrings_and_engines_of_objects() {
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
