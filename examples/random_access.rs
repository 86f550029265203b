//! Parts of an encrypted file, without reading the rest.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use waxseal::{AesKey, AlgorithmSuite, DecryptAt, EncryptWriter, RawAesKeyring};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("numbers.sealed");

    // A suite that does not sign: only all of a message tells who signed it.
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let encryptor = waxseal::encryptor(&keyring).suite(suite).now()?;
    let mut writer = EncryptWriter::new(encryptor, File::create(&path)?);
    for number in 0..1_000_000_u64 {
        writer.write_all(&number.to_le_bytes())?;
    }
    writer.finish()?;

    // Opening reads the header and the last frame, which proves how long the plaintext is.
    let numbers = DecryptAt::open(File::open(&path)?)?.unlock(&keyring).now()?;
    for index in [999_999, 7, 123_456] {
        let mut number = [0; 8];
        numbers.read_exact_at(&mut number, index * 8)?;
        assert_eq!(u64::from_le_bytes(number), index);
    }

    // A cursor, for what wants `Read` and `Seek`. Any number of them may be used, by any threads.
    let mut reader = numbers.reader();
    reader.seek(SeekFrom::End(-16))?;
    let mut last = Vec::new();
    reader.read_to_end(&mut last)?;
    assert_eq!(last[..8], 999_998_u64.to_le_bytes());
    println!("{} bytes of plaintext, of which a few frames were opened", numbers.len());
    Ok(())
}
