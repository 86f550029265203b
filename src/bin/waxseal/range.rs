//! `decrypt --range`.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use waxseal::{ByteRange, ByteSpan, DecryptAt, EncryptionContext, Error, Policy};

use crate::args::Decrypt;
use crate::crypt;
use crate::failure::{Failure, shown};
use crate::key::Keys;
use crate::pump;
use crate::tree;

/// What must hold beside a range: only a file can be read at any place, and only one at once.
pub(crate) fn check(args: &Decrypt) -> Result<Option<ByteRange>, Failure> {
    let Some(range) = &args.range else {
        return Ok(None);
    };
    let range = format!("bytes={range}").parse().map_err(Failure::from)?;
    if args.files.recursive {
        return Err(Failure::usage(
            "--range is of one file, and --recursive takes all of a folder",
            "leave one of them out",
        ));
    }
    if args.buffer {
        return Err(Failure::usage(
            "--buffer waits for the end of the message, of which --range reads only the last frame",
            "leave one of them out; with --range, too, only what is verified comes out",
        ));
    }
    let hint = "name a file with -i";
    match args.files.input.as_deref().filter(|path| *path != Path::new("-")) {
        None => Err(Failure::usage(
            "--range reads from any place, and standard input can only be read from its start",
            hint,
        )),
        // Others would be opened before anyone could tell; and some wait for somebody to write.
        Some(path) if fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) => {
            Err(Failure::usage(
                format!("--range reads from any place, and {} is no regular file", shown(path)),
                hint,
            ))
        }
        Some(_) => Ok(Some(range)),
    }
}

/// Decrypts a range, of which every frame is verified before it is written.
pub(crate) fn decrypt(
    args: &Decrypt,
    range: ByteRange,
    policy: &Policy,
    (context, names): &(EncryptionContext, Vec<String>),
    keys: &Keys,
    read: &[PathBuf],
) -> Result<(), Failure> {
    tree::each_file(&args.files, args.suffix.as_deref(), ".decrypted", |input, target, _| {
        target.check_apart(&input, read)?;
        target.check_new()?;
        let failed = |error| Failure::reading(input.name(), error);
        let mut locked = DecryptAt::open_with(input.file(), policy.clone()).map_err(failed)?;
        if args.unverified_signature {
            locked = locked.without_verifying_signature();
        }
        let unlock = locked.unlock(&keys.manager).require(context);
        let unlock = unlock.require_keys(names.iter().cloned());
        let plaintext = keys.waiter.wait(unlock).map_err(failed)?;
        let ByteSpan { start, end, .. } = range.within(plaintext.len())?;
        let mut reader = plaintext.reader();
        reader.seek(SeekFrom::Start(start)).map_err(Error::from_io)?;
        let mut output = target.create()?;
        let copied = pump::copy_in_turn(reader.take(end.saturating_sub(start)), &mut output);
        copied.map_err(|side| crypt::failed(side, input.name(), &output))?;
        output.commit()
    })
}
