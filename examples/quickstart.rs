//! The main job: make a key, encrypt a real file for two keyrings, look at it, decrypt it with either.
//!
//! `cargo run --example quickstart`

use std::fs::File;
use std::io;
use std::sync::Arc;

use waxseal::{
    AesKey, DecryptReader, EncryptWriter, LocalMultiKeyring, RawAesKeyring, RawRsaKeyring,
    RsaPadding, RsaPrivateKey,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (plain, sealed) = ("README.md", folder.path().join("README.md.encrypted"));

    // Two wrapping keys: an AES key for every day, and an RSA key pair whose private half stays away.
    let aes = RawAesKeyring::new("quickstart", "daily", AesKey::generate_256()?)?;
    let private = RsaPrivateKey::generate(2048)?;
    let public = private.public_key()?;
    let rsa = RawRsaKeyring::public("quickstart", "rescue", RsaPadding::OaepSha256, public)?;
    let rescue = RawRsaKeyring::private("quickstart", "rescue", RsaPadding::OaepSha256, private)?;
    let aes = Arc::new(aes);

    // Encrypt, in constant memory.
    let both = LocalMultiKeyring::generator(Arc::clone(&aes)).child(rsa);
    let encryptor = waxseal::encryptor(&both).context([("file", plain)]).now()?;
    let mut writer = EncryptWriter::new(encryptor, File::create(&sealed)?);
    let len = io::copy(&mut File::open(plain)?, &mut writer)?;
    writer.finish()?;
    println!("encrypted {plain}: {len} bytes became {}", sealed.metadata()?.len());

    // Look at it, without any key.
    let header = waxseal::inspect_reader(File::open(&sealed)?)?;
    println!("  suite    {}", header.parsed().suite());
    for (key, value) in header.parsed().context().iter() {
        println!("  context  {key} = {value}");
    }
    for edk in header.parsed().encrypted_data_keys() {
        println!("  opens by {edk}");
    }

    // Decrypt with either key; an error at the end would mean that what came out must be discarded.
    let mut reader = DecryptReader::open(File::open(&sealed)?)?.unlock(&*aes).now()?;
    println!("the daily key opened {} bytes", io::copy(&mut reader, &mut io::sink())?);
    let locked = DecryptReader::open(File::open(&sealed)?)?;
    let mut reader = locked.unlock(&rescue).require([("file", plain)]).now()?;
    let text = io::read_to_string(&mut reader)?;
    assert_eq!(text, std::fs::read_to_string(plain)?);
    println!("the rescue key opened {} bytes, the same as in {plain}", text.len());
    Ok(())
}
