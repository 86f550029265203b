//! What can be set before a message is begun.

use std::future::IntoFuture;
use std::num::NonZeroUsize;

use super::Encryptor;
use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error};
use crate::keyring::now;
use crate::materials::{BoxFuture, EncryptionRequest, LocalMaterialsManager, MaterialsManager};
use crate::policy::Policy;
use crate::suite::AlgorithmSuite;

/// Starts to encrypt a stream: set what differs from the defaults, then `.now()` or `.await`.
///
/// ```
/// use waxseal::{AesKey, RawAesKeyring};
///
/// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
/// let encryptor = waxseal::encryptor(&keyring).frame_len(64 * 1024)?.context([("file", "a.tar")]).now()?;
/// assert_eq!(encryptor.header().context().get("file"), Some("a.tar"));
/// # Ok::<(), waxseal::Error>(())
/// ```
pub fn encryptor<M: MaterialsManager + ?Sized>(keys: &M) -> EncryptorBuilder<'_, M> {
    EncryptorBuilder { keys, settings: EncryptSettings::default() }
}

/// What [`encryptor`] gives.
#[derive(Debug)]
#[must_use = "nothing happens before `.now()` or `.await`"]
pub struct EncryptorBuilder<'k, M: ?Sized> {
    keys: &'k M,
    settings: EncryptSettings,
}

/// The settings that all ways to encrypt share.
#[derive(Debug, Clone)]
pub(crate) struct EncryptSettings {
    pub(crate) context: EncryptionContext,
    pub(crate) suite: Option<AlgorithmSuite>,
    pub(crate) frame_len: u32,
    pub(crate) policy: Policy,
    pub(crate) plaintext_bound: Option<u64>,
    pub(crate) threads: NonZeroUsize,
}

impl Default for EncryptSettings {
    fn default() -> Self {
        Self {
            context: EncryptionContext::new(),
            suite: None,
            frame_len: DEFAULT_FRAME_LEN,
            policy: Policy::default(),
            plaintext_bound: None,
            threads: NonZeroUsize::MIN,
        }
    }
}

impl EncryptSettings {
    pub(crate) fn frame_len(&mut self, frame_len: u32) -> Result<(), Error> {
        if frame_len == 0 {
            return Err(ApiMisuse::FrameLenZero.into());
        }
        self.frame_len = frame_len;
        Ok(())
    }

    pub(crate) async fn start<M: MaterialsManager + ?Sized>(
        self,
        keys: &M,
    ) -> Result<Encryptor, Error> {
        let Self { context, suite, frame_len, policy, plaintext_bound, threads } = self;
        context.check_not_reserved()?;
        if let Some(suite) = suite {
            policy.check_encrypt(suite)?;
        }
        let request = EncryptionRequest {
            context,
            required_context_keys: Default::default(),
            suite,
            policy: policy.clone(),
            max_plaintext_len: plaintext_bound,
        };
        let materials = keys.encryption_materials(request).await?;
        materials.check(&policy)?;
        let encryptor = Encryptor::new(materials, frame_len, plaintext_bound, &policy)?;
        Ok(Encryptor { threads, ..encryptor })
    }
}

impl<'k, M: MaterialsManager + ?Sized> EncryptorBuilder<'k, M> {
    /// Pairs to authenticate, instead of any set before; anyone can read them in the header. Default:
    /// none.
    pub fn context(mut self, context: impl Into<EncryptionContext>) -> Self {
        self.settings.context = context.into();
        self
    }

    /// The algorithm suite. Default: the policy's.
    pub fn suite(mut self, suite: AlgorithmSuite) -> Self {
        self.settings.suite = Some(suite);
        self
    }

    /// Bytes of content in a frame, 1 to 2^32 - 1. Default: 4,096. Readers hold a frame in memory.
    ///
    /// # Errors
    /// [`Error::ApiMisuse`] if it is 0.
    pub fn frame_len(mut self, frame_len: u32) -> Result<Self, Error> {
        self.settings.frame_len(frame_len)?;
        Ok(self)
    }

    /// What is allowed. Default: [`Policy::default`].
    pub fn policy(mut self, policy: Policy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Fail rather than encrypt more than this many bytes. Materials managers are told, too.
    pub fn plaintext_bound(mut self, bytes: u64) -> Self {
        self.settings.plaintext_bound = Some(bytes);
        self
    }

    /// On how many threads frames are sealed, this one included. Default: 1. The message does not depend
    /// on it.
    ///
    /// Threads live as long as one call, and each has 1 MiB or more to do: what is shorter is sealed on this one. Readers
    /// and writers
    /// gather blocks of 1 MiB for each thread, so that they hold some 2 MiB for each, and more where frames are longer;
    /// frames longer than 4 MiB are sealed one by one there. A source that gives less than it is asked for is not
    /// waited for.
    ///
    /// ```
    /// use waxseal::{AesKey, RawAesKeyring};
    ///
    /// let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    /// let cores = std::thread::available_parallelism()?;
    /// let encryptor = waxseal::encryptor(&keyring).threads(cores).now()?;
    /// # let _ = encryptor;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.settings.threads = threads;
        self
    }

    /// Gets the data key without waiting.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn now(self) -> Result<Encryptor, Error>
    where
        M: LocalMaterialsManager,
    {
        now(self.settings.start(self.keys))
    }
}

impl<'k, M: MaterialsManager + ?Sized> IntoFuture for EncryptorBuilder<'k, M> {
    type Output = Result<Encryptor, Error>;
    type IntoFuture = BoxFuture<'k, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.settings.start(self.keys))
    }
}

/// Spec: encrypt, "Frame Length".
const DEFAULT_FRAME_LEN: u32 = 4096;
