//! What `s3` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use waxseal::CommitmentPolicy;

use crate::args::commitment_policy;

#[derive(Debug, Subcommand)]
pub(crate) enum S3 {
    /// Encrypt a file or a stream, and put it as an object
    ///
    /// The object appears whole or not at all. What is stopped by a signal may leave parts of a large one
    /// behind, which nobody sees but which cost storage, until a lifecycle rule of the bucket removes them.
    #[command(after_long_help = format!("{EXAMPLES}\n\n{KEYS}"))]
    Put(Put),
    /// Get an object, decrypt and verify it
    #[command(after_long_help = format!("{EXAMPLES}\n\n{KEYS}"))]
    Get(Get),
    /// List objects, with the lengths of their plaintexts
    Ls(Ls),
    /// Show what the metadata of an object says, without any key: nothing of it is verified
    Inspect(Inspect),
    /// Delete objects, and the instruction files beside them
    Rm(Rm),
    /// Wrap the data keys of objects with another key; what is encrypted stays as it is
    #[command(after_long_help = format!("{EXAMPLES}\n\n{KEYS}"))]
    Rewrap(Rewrap),
    /// Tell how each object is encrypted, and what it needs to be up to date
    ///
    /// With keys, also which of them opens it. Where Amazon S3 or AWS KMS does not answer, the exit code is 1.
    #[command(after_long_help = KEYS)]
    Audit(Audit),
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Where the object goes
    #[arg(value_name = "s3://BUCKET/KEY")]
    pub(crate) to: String,
    /// The key that wraps the data key of the object
    #[arg(short, long = "key", value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    /// A pair of the encryption context of AWS KMS: authenticated, and readable for anyone
    #[arg(short, long = "context", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) context: Vec<String>,
    #[command(flatten)]
    pub(crate) commitment: Commitment,
    /// Store the wrapped data key in an object of its own, KEY.instruction
    ///
    /// For contexts and metadata that are longer than the 2 KB that S3 stores with an object.
    #[arg(long)]
    pub(crate) instruction_file: bool,
    /// Refuse to replace an object, or what is where its instruction file goes
    #[arg(long)]
    pub(crate) no_overwrite: bool,
    /// The storage class, such as STANDARD_IA
    #[arg(long, value_name = "CLASS")]
    pub(crate) storage_class: Option<String>,
    /// The content type, such as text/plain
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// A pair of metadata of your own: neither encrypted nor authenticated
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) metadata: Vec<String>,
    #[command(flatten)]
    pub(crate) parts: Parts,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The object
    #[arg(value_name = "s3://BUCKET/KEY")]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Also decrypt content that nothing authenticates: AES-CBC of old objects
    #[arg(long)]
    pub(crate) legacy_unauthenticated_modes: bool,
    /// The suffix of the instruction file, where there are others beside the usual one
    #[arg(long, value_name = "SUFFIX")]
    pub(crate) instruction_file_suffix: Option<String>,
    /// The output; `-` or nothing is standard output
    ///
    /// A file appears whole and verified, or not at all. Nothing goes to standard output before all of
    /// the object is verified; until then it waits, encrypted, in memory or in a temporary file.
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    /// Only these bytes of the plaintext, counted from 0: A-B with both, A- to the end, -N at the end
    ///
    /// All of the object is downloaded and verified, of up to 64 MiB, unless --unauthenticated-range is
    /// given: then only the range must not be longer.
    #[arg(long, value_name = "A-B", allow_hyphen_values = true)]
    pub(crate) range: Option<String>,
    /// Download only the range, which nothing authenticates then
    ///
    /// Whoever can write to the bucket can flip any bit of it.
    #[arg(long, requires = "range")]
    pub(crate) unauthenticated_range: bool,
    #[command(flatten)]
    pub(crate) parts: Parts,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// The bucket, and what the keys begin with
    #[arg(value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) of: String,
    /// Ask about no object, and take each for one of the usual format
    #[arg(long)]
    pub(crate) estimate: bool,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The object
    #[arg(value_name = "s3://BUCKET/KEY")]
    pub(crate) of: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The objects; it stops at the first that fails
    #[arg(value_name = "s3://BUCKET/KEY", required = true)]
    pub(crate) objects: Vec<String>,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Rewrap {
    /// The object, or with --recursive the bucket and what the keys begin with
    #[arg(value_name = "s3://BUCKET/KEY")]
    pub(crate) of: String,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// The key that wraps from now on
    #[arg(long, value_name = "KEY")]
    pub(crate) to: String,
    /// A pair of the new encryption context; without any, it stays as it is, and raw keys have none
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) to_context: Vec<String>,
    /// Write another instruction file with this suffix, and leave the usual one: both keys open it then
    #[arg(long, value_name = "SUFFIX")]
    pub(crate) instruction_file_suffix: Option<String>,
    /// Take all objects whose keys begin so; one that fails does not stop the others
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Refuse if the old keys still open what the new one wraps
    #[arg(long)]
    pub(crate) enforce_rotation: bool,
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How many objects may be under way at once [default: 8]
    #[arg(long, value_name = "N", requires = "recursive")]
    pub(crate) parallelism: Option<NonZeroUsize>,
    /// Begin behind this key, to go on after an interrupt
    #[arg(long, value_name = "KEY", requires = "recursive")]
    pub(crate) start_after: Option<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// The bucket, and what the keys begin with
    #[arg(value_name = "s3://BUCKET[/PREFIX]")]
    pub(crate) of: String,
    /// A key to try: tells which objects it opens; for AWS KMS, each try is a call
    #[arg(short, long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

/// What opens objects.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// A key that may open the object
    #[arg(short, long = "key", value_name = "KEY", required = true)]
    pub(crate) keys: Vec<String>,
    /// A pair of the encryption context of AWS KMS; all that were given to encrypt are needed
    #[arg(short, long = "context", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) context: Vec<String>,
    #[command(flatten)]
    pub(crate) commitment: Commitment,
    /// Also unwrap data keys with algorithms that are only kept for old objects
    #[arg(long)]
    pub(crate) legacy_wrapping_algorithms: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Commitment {
    /// Which objects are allowed, by whether they commit to their key
    #[arg(long, value_name = "POLICY", default_value_t, value_parser = commitment_policy())]
    pub(crate) commitment_policy: CommitmentPolicy,
}

#[derive(Debug, Args)]
pub(crate) struct Parts {
    /// Bytes in a part of a large object; to put, a multiple of 16 from 5 MiB [default: 8388608]
    #[arg(long, value_name = "BYTES")]
    pub(crate) part_size: Option<NonZeroUsize>,
    /// How many parts may be under way, and in memory, at once [default: 4]
    #[arg(long, value_name = "N")]
    pub(crate) parallelism: Option<NonZeroUsize>,
}

/// Where Amazon S3 is, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Another service than that of AWS [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL]
    ///
    /// Buckets are then named in the path, not in the host.
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint_url: Option<String>,
    /// The region of the bucket [default: AWS_REGION, or that of the profile]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// A profile of the AWS configuration files [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  waxseal s3 put a.tar s3://bucket/a.tar -k kms:key=ARN -c tenant=42
  waxseal s3 get s3://bucket/a.tar -k kms:key=ARN -c tenant=42 -o a.tar
  waxseal s3 rewrap s3://bucket/a.tar -k kms:key=OLD -c tenant=42 --to kms:key=NEW
  waxseal s3 audit s3://bucket --json";

pub(crate) const KEYS: &str = "\
KEY is one of
  kms:key=ARN
  kms-mrk:key=ARN
  kms-discovery:partition=aws,account=ID
  raw-aes:file=PATH,description=JSON
  raw-rsa:public=PATH,description=JSON
  raw-rsa:private=PATH,description=JSON

An object names no key of AWS KMS, so the one that is given is asked for; an id
or alias/NAME does, too. Discovery asks for whatever key wrapped, and takes it
if it is one of the accounts given; it only decrypts. Raw keys may have a
description, a JSON object of strings such as {\"key\": \"backup-2026\"}, which
is stored with each object and chooses the key where there are several. It is
the last parameter, and all that follows description= is the JSON, as it is.
Both public= and private= of an RSA key may be given. An object has one wrapped
data key: `put` takes one key, and where several may open, those that fit are
tried. Otherwise it is as in `waxseal encrypt --help`.

Exit codes are those of `waxseal --help`: 1 is also a refusal or failure of
Amazon S3, 3 also an object that is not encrypted or not as its format says.";
