//! In which format the body of an object is encrypted.

/// In which format the body of an object is encrypted.
///
/// | | [`Object`](Self::Object) | [`EsdkMessage`](Self::EsdkMessage) |
/// |---|---|---|
/// | who else reads it | the S3 encryption clients of all languages | the AWS Encryption SDK of all languages |
/// | wrapped data keys | one, in 2 KB of metadata or beside the object | any number, in the body |
/// | length | up to 2^36 - 32 bytes | whatever S3 stores |
/// | a range | nothing authenticates it, or all is downloaded | authentic, from the frames that it touches |
/// | parts | uploaded in any order | uploaded in parallel, encrypted in order |
/// | stored beyond the plaintext | 16 bytes | a header, and 32 bytes for each frame |
///
/// Take the first to share objects with other S3 encryption clients. Take the second for ranges of large objects,
/// for wrapping keys or materials managers that the first does not have, and for objects that must survive the
/// loss of their metadata.
///
/// ```
/// use waxseal::s3::Format;
///
/// assert_eq!(Format::default(), Format::Object);
/// ```
///
/// Spec: s3-encryption/data-format; message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// That of the Amazon S3 Encryption Client: what says how it is encrypted stands in the metadata.
    #[default]
    Object,
    /// The body is a message of the AWS Encryption SDK, which has everything in it.
    EsdkMessage,
}
