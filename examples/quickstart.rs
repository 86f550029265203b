//! The main job, without a network: a real file for two keys, and an object through an S3 and an AWS KMS in the
//! process.
//!
//! `cargo run --features cli,s3,testing,tokio,tracing --example quickstart`

use std::error::Error;
use std::fs::File;
use std::io;
use std::sync::Arc;

use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::head_object::HeadObjectInput;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use waxseal::kms::KmsKeyring;
use waxseal::testing::{FakeKms, KeySpec};
use waxseal::{
    AesKey, DecryptReader, EncryptWriter, LocalMultiKeyring, RawAesKeyring, RawRsaKeyring,
    RsaPadding, RsaPrivateKey, s3,
};

#[path = "s3_server/serve.rs"]
#[expect(dead_code, reason = "the server has more than is needed here")]
mod serve;

const FILE: &str = "README.md";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    a_file_for_two_keys()?;
    println!();
    an_object_in_s3().await
}

fn a_file_for_two_keys() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let sealed = folder.path().join("README.md.encrypted");

    // Two wrapping keys: an AES key for every day, and an RSA key pair whose private half stays away.
    let aes = RawAesKeyring::new("quickstart", "daily", AesKey::generate_256()?)?;
    let private = RsaPrivateKey::generate(2048)?;
    let public = private.public_key()?;
    let rsa = RawRsaKeyring::public("quickstart", "rescue", RsaPadding::OaepSha256, public)?;
    let rescue = RawRsaKeyring::private("quickstart", "rescue", RsaPadding::OaepSha256, private)?;
    let aes = Arc::new(aes);

    // Encrypt, in constant memory.
    let both = LocalMultiKeyring::generator(Arc::clone(&aes)).child(rsa);
    let encryptor = waxseal::encryptor(&both).context([("file", FILE)]).now()?;
    let mut writer = EncryptWriter::new(encryptor, File::create(&sealed)?);
    let len = io::copy(&mut File::open(FILE)?, &mut writer)?;
    writer.finish()?;
    println!("encrypted {FILE}: {len} bytes became {}", sealed.metadata()?.len());

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
    let mut reader = locked.unlock(&rescue).require([("file", FILE)]).now()?;
    let text = io::read_to_string(&mut reader)?;
    assert_eq!(text, std::fs::read_to_string(FILE)?);
    println!("the rescue key opened {} bytes, the same as in {FILE}", text.len());
    Ok(())
}

async fn an_object_in_s3() -> Result<(), Box<dyn Error>> {
    // An S3 and an AWS KMS in the process, behind the AWS SDK's own clients.
    let folder = tempfile::tempdir()?;
    let server = serve::S3Server::start(folder.path())?;
    let sdk = server.sdk();
    server.create_bucket("quickstart")?;
    let kms = FakeKms::new();
    let [old, new] = [
        kms.create_key("eu-west-1", KeySpec::Symmetric)?,
        kms.create_key("eu-west-1", KeySpec::Symmetric)?,
    ];
    let old = KmsKeyring::new(kms.client("eu-west-1"), &old)?;
    let new = Arc::new(KmsKeyring::new(kms.client("eu-west-1"), &new)?);

    // Put: encrypted before it leaves the process.
    let client = s3::Client::new(sdk.clone(), old);
    let plaintext = std::fs::read(FILE)?;
    let put =
        PutObjectInput::builder().bucket("quickstart").key(FILE).body(plaintext.clone().into());
    client.put_object(put).context([("tenant", "42")]).await?;
    let stored = sdk.head_object().bucket("quickstart").key(FILE).send().await?;
    println!(
        "stored {FILE}: {} bytes became {}",
        plaintext.len(),
        stored.content_length().unwrap_or_default()
    );
    let mut metadata: Vec<_> = stored.metadata().into_iter().flatten().collect();
    metadata.sort();
    for (key, value) in metadata {
        println!("  x-amz-meta-{key}: {value}");
    }

    // Get: nothing comes out before all of it is authentic; a range of it neither.
    let get = || GetObjectInput::builder().bucket("quickstart").key(FILE);
    let object = client.get_object(get()).context([("tenant", "42")]).await?;
    assert_eq!(object.body.collect().await?.to_vec(), plaintext);
    let range = client
        .get_object(get().range("bytes=2-8"))
        .verified_range()
        .context([("tenant", "42")])
        .await?;
    let range = range.body.collect().await?.to_vec();
    println!("got all of it, and bytes 2 to 8: {}", String::from_utf8_lossy(&range));

    // Another wrapping key, without moving the data.
    let head = HeadObjectInput::builder().bucket("quickstart").key(FILE);
    client.rewrap(head, &new).context([("tenant", "42")]).await?;
    let refused = client.get_object(get()).context([("tenant", "42")]).await;
    println!("the old key: {}", refused.err().map_or_else(String::new, |error| error.to_string()));
    let object = client.with_keyring(new).get_object(get()).context([("tenant", "42")]).await?;
    assert_eq!(object.body.collect().await?.to_vec(), plaintext);
    println!("the new key opened {} bytes", plaintext.len());
    Ok(())
}
