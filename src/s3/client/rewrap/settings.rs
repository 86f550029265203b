//! How objects are rewrapped: what one object and all of a prefix have in common.

use crate::context::EncryptionContext;
use crate::error::{ApiMisuse, Error};
use crate::s3::INSTRUCTION_FILE_SUFFIX;

/// What differs from the defaults.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) context: EncryptionContext,
    pub(super) new_context: Option<EncryptionContext>,
    pub(super) dry_run: bool,
    pub(super) enforce_rotation: bool,
    pub(super) suffix: Option<String>,
    /// In bytes.
    pub(super) multipart_copy_above: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            context: EncryptionContext::default(),
            new_context: None,
            dry_run: false,
            enforce_rotation: false,
            suffix: None,
            multipart_copy_above: MAX_COPY_LEN,
        }
    }
}

impl Settings {
    /// The pairs that the data key is wrapped with.
    pub(super) fn new_context(&self) -> &EncryptionContext {
        self.new_context.as_ref().unwrap_or(&self.context)
    }

    /// The suffix of an instruction file that is written beside the usual one, which stays as it is.
    pub(super) fn suffix_beside(&self) -> Option<&str> {
        self.suffix.as_deref().filter(|suffix| *suffix != INSTRUCTION_FILE_SUFFIX)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.suffix.as_deref() == Some("") {
            let what = "instruction file suffix";
            let why = "it is empty: the instruction file would be written over the object itself";
            return Err(ApiMisuse::Setting { what, why }.into());
        }
        Ok(())
    }
}

/// The setters, for each builder that has a field `settings`.
macro_rules! setters {
    () => {
        /// The encryption context that the objects were encrypted with.
        pub fn context<N: Into<String>, V: Into<String>>(
            mut self,
            pairs: impl IntoIterator<Item = (N, V)>,
        ) -> Self {
            self.settings.context = EncryptionContext::from_iter(pairs);
            self
        }

        /// The encryption context for the new wrapping. Default: the same pairs.
        ///
        /// Raw keys have none: to leave AWS KMS, say `new_context::<&str, &str>([])`.
        pub fn new_context<N: Into<String>, V: Into<String>>(
            mut self,
            pairs: impl IntoIterator<Item = (N, V)>,
        ) -> Self {
            self.settings.new_context = Some(EncryptionContext::from_iter(pairs));
            self
        }

        /// Does everything but write: unwraps, wraps anew, and checks what was wrapped.
        pub fn dry_run(mut self) -> Self {
            self.settings.dry_run = true;
            self
        }

        /// Fails, before anything is written, if the client's own keyring opens what is wrapped anew.
        pub fn enforce_rotation(mut self) -> Self {
            self.settings.enforce_rotation = true;
            self
        }

        /// Writes an instruction file with another suffix, and leaves the usual one: the object opens with both
        /// keys then, which is how it is shared. Only for objects that have an instruction file.
        ///
        /// An instruction file that is there already is replaced; any other object is not.
        pub fn instruction_file_suffix(mut self, suffix: impl Into<String>) -> Self {
            self.settings.suffix = Some(suffix.into());
            self
        }

        /// Objects of more bytes than this are copied in parts. Default: 5 GiB, the most that S3 copies in one
        /// request.
        pub fn multipart_copy_above(mut self, bytes: u64) -> Self {
            self.settings.multipart_copy_above = bytes;
            self
        }
    };
}
pub(super) use setters;

/// The most that S3 copies in one request, in bytes.
pub(super) const MAX_COPY_LEN: u64 = 5 << 30;
