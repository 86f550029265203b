//! What the command line takes.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use waxseal::{AlgorithmSuite, CommitmentPolicy};

#[cfg(feature = "s3")]
use crate::s3::args as s3;

/// Encrypts files and streams where they are, in the AWS Encryption SDK message format
#[derive(Debug, Parser)]
#[command(name = "waxseal", version, max_term_width = 100, after_long_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key
    Keygen(Keygen),
    /// Encrypt a file, a stream, or all files of a folder
    #[command(after_long_help = format!("{EXAMPLES}\n\n{KEYS}"))]
    Encrypt(Encrypt),
    /// Decrypt and verify what `encrypt` or an official client of the format wrote
    #[command(after_long_help = format!("{EXAMPLES}\n\n{KEYS}"))]
    Decrypt(Decrypt),
    /// Show what the header of a message says, without any key: nothing of it is verified
    Inspect(Inspect),
    /// Encrypt objects in Amazon S3, and decrypt them, in the format of the S3 Encryption Client
    #[cfg(feature = "s3")]
    #[command(subcommand, name = "s3", after_long_help = format!("{}\n\n{}", s3::EXAMPLES, s3::KEYS))]
    S3(s3::S3),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// What kind of key
    #[arg(long)]
    pub(crate) kind: KeyKind,
    /// Where to write it, readable for you alone; the public half of a key pair goes to PATH.pub
    #[arg(long, value_name = "PATH")]
    pub(crate) out: PathBuf,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KeyKind {
    /// 16 random bytes
    Aes128,
    /// 24 random bytes
    Aes192,
    /// 32 random bytes
    Aes256,
    /// A key pair of 2048 bits, as PEM
    Rsa2048,
    /// A key pair of 3072 bits, as PEM
    Rsa3072,
    /// A key pair of 4096 bits, as PEM
    Rsa4096,
    /// A key pair on P-256, for raw-ecdh, as PEM
    EcP256,
    /// A key pair on P-384, for raw-ecdh, as PEM
    EcP384,
    /// A key pair on P-521, for raw-ecdh, as PEM
    EcP521,
}

#[derive(Debug, Args)]
pub(crate) struct Encrypt {
    /// A key that will open the message; the first makes the data key
    #[arg(short, long = "key", value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    /// A pair of the encryption context: authenticated, and readable for anyone
    #[arg(short, long = "context", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) context: Vec<String>,
    /// More pairs, as a JSON object of strings
    #[arg(long, value_name = "JSON")]
    pub(crate) context_file: Option<PathBuf>,
    /// Algorithm suite, by name or id such as 0x0478; the default commits to its key and signs
    #[arg(long, value_name = "NAME|0xID")]
    pub(crate) suite: Option<AlgorithmSuite>,
    /// Bytes in a frame; whoever decrypts holds up to three frames in memory [default: 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) frame_length: Option<u32>,
    /// Use one data key for several files: fewer calls to AWS KMS, less security
    ///
    /// Holds up to `capacity` data keys, each for `max-age` seconds and, if given, for `max-messages` files
    /// and `max-bytes` bytes. Files share one only if context, suite and limits are the same; an input that
    /// is no file has one of its own.
    #[arg(long, value_name = "capacity=N,max-age=SECONDS,...")]
    pub(crate) caching: Option<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) files: Files,
    /// What is added to file names where the output is a folder [default: .encrypted]
    ///
    /// The name of an output is the name of its input with this behind it. `--suffix ''` keeps names.
    #[arg(long, value_name = "SUFFIX", num_args = 0..=1, default_missing_value = "")]
    pub(crate) suffix: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Decrypt {
    /// A key that may open the message
    #[arg(short, long = "key", value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    /// A pair that the message must be authenticated with, or a name that it must have
    #[arg(short, long = "context", value_name = "NAME=VALUE|NAME", allow_hyphen_values = true)]
    pub(crate) context: Vec<String>,
    /// More such pairs, as a JSON object of strings
    #[arg(long, value_name = "JSON")]
    pub(crate) context_file: Option<PathBuf>,
    /// Refuse messages with longer frames (or a longer unframed body) than N bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_frame_length: Option<u64>,
    /// Verify everything before anything goes to standard output
    ///
    /// Without it, frames go there once they are verified, and only exit code 0 says that the
    /// message was whole and, where it is signed, by whom. Files never appear before that.
    #[arg(long)]
    pub(crate) buffer: bool,
    /// Only these bytes of the plaintext, counted from 0: A-B with both, A- to the end, -N at the end
    ///
    /// Reads and verifies only the frames that hold them, and the last one, which proves how long the plaintext
    /// is, on one thread. The input must be a file.
    #[arg(long, value_name = "A-B", allow_hyphen_values = true)]
    pub(crate) range: Option<String>,
    /// With --range, read a signed message whose signature nobody verifies then
    ///
    /// Whoever can decrypt the message could have written what comes out.
    #[arg(long, requires = "range")]
    pub(crate) unverified_signature: bool,
    /// Keep data keys for other files that were encrypted with the same: see `encrypt --caching`
    #[arg(long, value_name = "capacity=N,max-age=SECONDS,...")]
    pub(crate) caching: Option<String>,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) files: Files,
    /// What is added to file names where the output is a folder [default: .decrypted]
    ///
    /// The name of an output is the name of its input with this behind it: `a` becomes `a.encrypted` and
    /// then `a.encrypted.decrypted`. To get the same names back, encrypt and decrypt with `--suffix ''`.
    #[arg(long, value_name = "SUFFIX", num_args = 0..=1, default_missing_value = "")]
    pub(crate) suffix: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Which suites are allowed, by whether a message commits to its key
    #[arg(
        long,
        value_name = "POLICY",
        default_value_t,
        value_parser = commitment_policy()
    )]
    pub(crate) commitment_policy: CommitmentPolicy,
    /// Refuse messages with more encrypted data keys [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_encrypted_data_keys: Option<u16>,
}

/// Takes a commitment policy by its name.
pub(crate) fn commitment_policy() -> impl TypedValueParser<Value = CommitmentPolicy> {
    PossibleValuesParser::new(CommitmentPolicy::ALL.map(CommitmentPolicy::name))
        .try_map(|name| name.parse::<CommitmentPolicy>())
}

/// Takes a number that no machine minds.
fn thread_count() -> impl TypedValueParser<Value = NonZeroU16> {
    clap::value_parser!(u16).range(1..=1024).try_map(NonZeroU16::try_from)
}

#[derive(Debug, Args)]
pub(crate) struct Files {
    /// The input; `-` or nothing is standard input
    #[arg(short, long, value_name = "IN")]
    pub(crate) input: Option<PathBuf>,
    /// The output; `-` or nothing is standard output
    ///
    /// A file appears whole or not at all: until then, a hidden temporary file is in its folder. It is
    /// removed on failure, interrupt, quit, termination and hangup; only what cannot be caught, such
    /// as SIGKILL or a power cut, can leave it behind.
    ///
    /// A standard stream that is closed, as by `>&-`, is the null device: it is empty, and takes
    /// everything.
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    pub(crate) force: bool,
    /// Take all files of the folder IN, and put them in the same tree in the folder OUT
    ///
    /// Symbolic links are not followed. Files are begun in the order of their names. The first that fails
    /// stops it: what comes before it is there, and what was under way besides it is finished.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// How many threads to use, 1 to 1024 [default: one for each core]
    ///
    /// One long input uses all of them, with some 3 MiB of memory for each, and with --recursive, several files are
    /// worked on at once. The bytes that come out do not depend on it.
    #[arg(long, value_name = "N", value_parser = thread_count())]
    pub(crate) threads: Option<NonZeroU16>,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The message; `-` or nothing is standard input
    #[arg(value_name = "IN")]
    pub(crate) input: Option<PathBuf>,
    /// The same, as it is for the other commands
    #[arg(short, long = "input", value_name = "IN", conflicts_with = "input")]
    pub(crate) input_flag: Option<PathBuf>,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  waxseal encrypt -k raw-aes:namespace=app,name=key-1,file=key -i a.tar -o a.sealed
  waxseal decrypt -k raw-aes:namespace=app,name=key-1,file=key -i a.sealed -o a.tar
  waxseal encrypt -k kms:key=arn:aws:kms:REGION:ACCOUNT:key/ID -r -i in -o out";

pub(crate) const KEYS: &str = "\
KEY is one of
  raw-aes:namespace=NS,name=NAME,file=PATH
  raw-rsa:namespace=NS,name=NAME,padding=PADDING,public=PATH
  raw-rsa:namespace=NS,name=NAME,padding=PADDING,private=PATH
  raw-ecdh:schema=static,curve=CURVE,private=PATH,public=PATH
  raw-ecdh:schema=ephemeral,curve=CURVE,public=PATH
  raw-ecdh:schema=discovery,curve=CURVE,private=PATH
  kms:key=ARN
  kms-mrk:key=ARN
  kms-discovery:partition=aws,account=ID
  kms-mrk-discovery:partition=aws,account=ID
  kms-rsa:key=ARN,public=PATH,algorithm=ALGORITHM
  kms-ecdh:schema=static,key=ARN,curve=CURVE,public=PATH
  kms-ecdh:schema=discovery,key=ARN,curve=CURVE

PADDING is pkcs1, oaep-sha1, oaep-sha256, oaep-sha384 or oaep-sha512; both
public= and private= may be given. Namespace and name are written in each
message, and are how a key is found again. Values are UTF-8 text. A comma in a
value is written %2C and a percent sign %25; any other byte may be written so,
too.

CURVE is p256, p384 or p521. For raw-ecdh, private= is your own key, and
public= the other party's. static encrypts for the other party, and decrypts
what either of the two encrypted for the other; ephemeral only encrypts, for
the one whose key it is; discovery only decrypts, whoever the sender was.

An AES key file holds 16, 24 or 32 bytes. A file of exactly 32, 48 or 64
hexadecimal digits holds them in that form; otherwise, a file that is exactly
the Base64 of so many bytes (24, 32 or 44 characters) holds them in that form;
either may end in a newline. Any other file is the key itself. RSA keys are
PEM, PKCS #8 or PKCS #1, and elliptic-curve keys PEM, PKCS #8 or SEC 1, not
encrypted.

AWS KMS keys take region=R, profile=P, endpoint=URL and grant-token=T as well;
what is not given comes from the environment, as for other AWS programs. kms
and kms-mrk also encrypt with a key id or alias/NAME, but decrypt only with the
ARN of a key. Discovery asks for any key that a message names, in the accounts
given; account= and region= can be there several times. ALGORITHM is
RSAES_OAEP_SHA_256 or RSAES_OAEP_SHA_1. The public half of the key in AWS KMS
is public= of kms-rsa and own= of kms-ecdh; where it is not given, it is
fetched. public= of kms-ecdh is the other party's.";

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  input or output failed
  2  wrong usage: flags, keys, key files, encryption context
  3  not a valid message
  4  no key opens the message, or a key cannot wrap
  5  authentication failed
  6  refused by policy: commitment, limits, required context
130  stopped by a signal while a file was written";
