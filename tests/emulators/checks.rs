//! The calls that are compared. Each gives what was seen, or the error code.

use std::future::Future;
use std::pin::Pin;

use aws_sdk_kms::operation::decrypt::DecryptOutput;
use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;
use aws_sdk_kms::operation::generate_data_key::GenerateDataKeyOutput;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::EncryptionAlgorithmSpec::{self, RsaesOaepSha1, RsaesOaepSha256};
use aws_sdk_kms::types::{DataKeySpec, KeyAgreementAlgorithmSpec};
use p256::pkcs8::{DecodePublicKey, EncodePublicKey};

use crate::world::{ALIAS, Seen, World, failed, id, named};

type Check = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = Seen> + Send + 'a>>;

macro_rules! checks {
    ($($name:literal => |$world:ident| $body:block)*) => {
        /// Names and checks.
        pub(crate) const CHECKS: &[(&str, Check)] = &[$(($name, |$world| Box::pin(async move $body))),*];
    };
}

const NO_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

checks! {
    "Encrypt" => |w| {
        let made = w.client.encrypt().key_id(&w.key).plaintext(Blob::new("x")).send().await;
        let made = made.map_err(failed)?;
        let some = made.ciphertext_blob.is_some_and(|blob| blob.as_ref().len() > 16);
        Ok(format!("{}, ciphertext: {some}", named(made.key_id, &w.key)))
    }
    "Encrypt names the algorithm" => |w| {
        let made = w.client.encrypt().key_id(&w.key).plaintext(Blob::new("x")).send().await;
        made.map_err(failed).map(|made| format!("{:?}", made.encryption_algorithm))
    }
    "Decrypt names the algorithm" => |w| {
        let opened = decrypt(w, w.sealed().await?).encryption_context("a", "1").send().await;
        opened.map_err(failed).map(|opened| format!("{:?}", opened.encryption_algorithm))
    }
    "Encrypt 4096 bytes" => |w| { encrypt_len(w, 4096).await }
    "Encrypt 4097 bytes" => |w| { encrypt_len(w, 4097).await }
    "Encrypt nothing" => |w| { encrypt_len(w, 0).await }
    "Encrypt by id" => |w| { encrypt_with(w, &id(&w.key)).await }
    "Encrypt by alias" => |w| { encrypt_with(w, ALIAS).await }
    "Encrypt by ARN of an alias" => |w| { encrypt_with(w, &alias_arn(&w.key)).await }
    "Encrypt, no such id" => |w| { encrypt_with(w, NO_KEY).await }
    "Encrypt, no such ARN" => |w| { encrypt_with(w, &w.key.replace(&id(&w.key), NO_KEY)).await }
    "Encrypt, no such alias" => |w| { encrypt_with(w, "alias/none").await }
    "Encrypt, malformed id" => |w| { encrypt_with(w, "no key!").await }
    "Encrypt, ARN of another region" => |w| {
        let made = w.elsewhere.encrypt().key_id(&w.key).plaintext(Blob::new("x")).send().await;
        made.map_err(failed).map(|made| named(made.key_id, &w.key))
    }
    "Encrypt, disabled" => |w| { encrypt_under(w, &w.disabled).await }
    "Encrypt, pending deletion" => |w| { encrypt_under(w, &w.pending).await }
    "Encrypt, dry run" => |w| {
        let request = w.client.encrypt().key_id(&w.key).plaintext(Blob::new("x")).dry_run(true);
        request.send().await.map_err(failed).map(|_| "done".to_owned())
    }
    "Decrypt" => |w| {
        let opened = decrypt(w, w.sealed().await?).encryption_context("a", "1").send().await;
        Ok(show(opened.map_err(failed)?, &w.key))
    }
    "Decrypt by ARN" => |w| { decrypt_with(w, &w.key).await }
    "Decrypt by id" => |w| { decrypt_with(w, &id(&w.key)).await }
    "Decrypt by alias" => |w| { decrypt_with(w, ALIAS).await }
    "Decrypt by ARN of an alias" => |w| { decrypt_with(w, &alias_arn(&w.key)).await }
    "Decrypt, another key" => |w| { decrypt_with(w, &w.other).await }
    "Decrypt, no such key" => |w| { decrypt_with(w, NO_KEY).await }
    "Decrypt, no context" => |w| {
        let opened = decrypt(w, w.sealed().await?).send().await.map_err(failed)?;
        Ok(show(opened, &w.key))
    }
    "Decrypt, another context" => |w| {
        let opened = decrypt(w, w.sealed().await?).encryption_context("a", "2").send().await;
        Ok(show(opened.map_err(failed)?, &w.key))
    }
    "Decrypt, longer context" => |w| {
        let request = decrypt(w, w.sealed().await?).encryption_context("a", "1");
        let opened = request.encryption_context("b", "2").send().await.map_err(failed)?;
        Ok(show(opened, &w.key))
    }
    "Decrypt, context divided otherwise" => |w| {
        let opened = decrypt(w, w.sealed().await?).encryption_context("a1", "").send().await;
        Ok(show(opened.map_err(failed)?, &w.key))
    }
    "Decrypt, last byte flipped" => |w| {
        let mut bytes = w.sealed().await?.into_inner();
        *bytes.last_mut().ok_or("empty")? ^= 1;
        let opened = decrypt(w, Blob::new(bytes)).encryption_context("a", "1").send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt, last byte missing" => |w| {
        let mut bytes = w.sealed().await?.into_inner();
        bytes.pop();
        let opened = decrypt(w, Blob::new(bytes)).encryption_context("a", "1").send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt, 20 bytes of junk" => |w| {
        let opened = decrypt(w, Blob::new([7; 20])).send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt, 200 bytes of junk" => |w| {
        let opened = decrypt(w, Blob::new([7; 200])).send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt nothing" => |w| {
        let opened = decrypt(w, Blob::new([])).send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt 6145 bytes" => |w| {
        let opened = decrypt(w, Blob::new([7; 6145])).send().await;
        opened.map_err(failed).map(|_| "opened".to_owned())
    }
    "Decrypt in another region" => |w| {
        let request = w.elsewhere.decrypt().ciphertext_blob(w.sealed().await?);
        let opened = request.encryption_context("a", "1").send().await.map_err(failed)?;
        Ok(show(opened, &w.key))
    }
    "Decrypt, disabled" => |w| { before(w, 0, &w.disabled).await }
    "Decrypt, pending deletion" => |w| { before(w, 1, &w.pending).await }
    "Decrypt after a rotation" => |w| {
        w.rotate(&w.rotated).await?;
        before(w, 2, &w.rotated).await
    }
    "Decrypt by a replica" => |w| {
        let replica = w.replicate(&w.multi_region).await?;
        let request = w.client.encrypt().key_id(&w.multi_region).plaintext(Blob::new("x"));
        let sealed = request.send().await.map_err(failed)?.ciphertext_blob.ok_or("nothing")?;
        let opened = w.elsewhere.decrypt().ciphertext_blob(sealed).send().await;
        Ok(show(opened.map_err(failed)?, &replica))
    }
    "Decrypt with a grant token" => |w| {
        let request = decrypt(w, w.sealed().await?).encryption_context("a", "1");
        let opened = request.grant_tokens(&w.grant_token).send().await.map_err(failed)?;
        Ok(show(opened, &w.key))
    }
    "Decrypt with a false grant token" => |w| {
        let request = decrypt(w, w.sealed().await?).encryption_context("a", "1");
        let opened = request.grant_tokens("made up").send().await.map_err(failed)?;
        Ok(show(opened, &w.key))
    }
    "GenerateDataKey AES_128" => |w| {
        let request = w.client.generate_data_key().key_id(&w.key).key_spec(DataKeySpec::Aes128);
        data_key(w, &w.key, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey AES_256" => |w| {
        let request = w.client.generate_data_key().key_id(&w.key).key_spec(DataKeySpec::Aes256);
        data_key(w, &w.key, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey 24 bytes" => |w| { data_key_len(w, 24).await }
    "GenerateDataKey 1024 bytes" => |w| { data_key_len(w, 1024).await }
    "GenerateDataKey 1025 bytes" => |w| { data_key_len(w, 1025).await }
    "GenerateDataKey 0 bytes" => |w| { data_key_len(w, 0).await }
    "GenerateDataKey of no length" => |w| {
        let request = w.client.generate_data_key().key_id(&w.key);
        data_key(w, &w.key, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey of two lengths" => |w| {
        let request = w.client.generate_data_key().key_id(&w.key).number_of_bytes(32);
        data_key(w, &w.key, request.key_spec(DataKeySpec::Aes256).send().await.map_err(failed)?).await
    }
    "GenerateDataKey AES_192" => |w| {
        let request = w.client.generate_data_key().key_id(&w.key).key_spec("AES_192".into());
        data_key(w, &w.key, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey, no such key" => |w| {
        let request = w.client.generate_data_key().key_id(NO_KEY).number_of_bytes(32);
        data_key(w, &w.key, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey, disabled" => |w| {
        let request = w.client.generate_data_key().key_id(&w.disabled).number_of_bytes(32);
        data_key(w, &w.disabled, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKey with an RSA key" => |w| {
        let request = w.client.generate_data_key().key_id(&w.rsa).number_of_bytes(32);
        data_key(w, &w.rsa, request.send().await.map_err(failed)?).await
    }
    "GenerateDataKeyWithoutPlaintext" => |w| {
        let request = w.client.generate_data_key_without_plaintext().key_id(&w.key);
        let made = request.number_of_bytes(24).send().await.map_err(failed)?;
        let opened = decrypt(w, made.ciphertext_blob.ok_or("no ciphertext")?).send().await;
        let len = opened.map_err(failed)?.plaintext.map(|plaintext| plaintext.as_ref().len());
        Ok(format!("{}, {len:?}", named(made.key_id, &w.key)))
    }
    "ReEncrypt" => |w| {
        let request = w.client.re_encrypt().ciphertext_blob(w.sealed().await?);
        let request = request.source_encryption_context("a", "1").destination_key_id(&w.other);
        let made = request.destination_encryption_context("b", "2").send().await.map_err(failed)?;
        let (from, to) = (named(made.source_key_id, &w.key), named(made.key_id, &w.other));
        let request = decrypt(w, made.ciphertext_blob.ok_or("no ciphertext")?);
        let opened = request.encryption_context("b", "2").send().await.map_err(failed)?;
        Ok(format!("from {from}, to {to}, {}", show(opened, &w.other)))
    }
    "ReEncrypt, another context" => |w| {
        let request = w.client.re_encrypt().ciphertext_blob(w.sealed().await?);
        let made = request.destination_key_id(&w.other).send().await;
        made.map_err(failed).map(|_| "done".to_owned())
    }
    "ReEncrypt to no such key" => |w| {
        let request = w.client.re_encrypt().ciphertext_blob(w.sealed().await?);
        let request = request.source_encryption_context("a", "1").destination_key_id(NO_KEY);
        request.send().await.map_err(failed).map(|_| "done".to_owned())
    }
    "DescribeKey" => |w| { describe(w, &w.key).await }
    "DescribeKey by alias" => |w| { describe(w, ALIAS).await }
    "DescribeKey, disabled" => |w| { describe(w, &w.disabled).await }
    "DescribeKey, pending deletion" => |w| { describe(w, &w.pending).await }
    "DescribeKey, multi-region" => |w| { describe(w, &w.multi_region).await }
    "DescribeKey, RSA" => |w| { describe(w, &w.rsa).await }
    "DescribeKey, ECC" => |w| { describe(w, &w.ecc).await }
    "DescribeKey, no such key" => |w| { describe(w, NO_KEY).await }
    "GetPublicKey, RSA" => |w| {
        let made = w.client.get_public_key().key_id(&w.rsa).send().await.map_err(failed)?;
        let pem = pem(made.public_key.ok_or("no public key")?.as_ref());
        let reads = waxseal::RsaPublicKey::from_pem(&pem).is_ok();
        let (spec, usage, algorithms) = (made.key_spec, made.key_usage, made.encryption_algorithms);
        let key = named(made.key_id, &w.rsa);
        Ok(format!("{key}, {spec:?}, {usage:?}, {algorithms:?}, reads: {reads}"))
    }
    "GetPublicKey, ECC" => |w| {
        let made = w.client.get_public_key().key_id(&w.ecc).send().await.map_err(failed)?;
        let der = made.public_key.ok_or("no public key")?;
        let reads = p256::PublicKey::from_public_key_der(der.as_ref()).is_ok();
        let (spec, usage) = (made.key_spec, made.key_usage);
        Ok(format!("{}, {spec:?}, {usage:?}, reads: {reads}", named(made.key_id, &w.ecc)))
    }
    "GetPublicKey, symmetric" => |w| {
        let made = w.client.get_public_key().key_id(&w.key).send().await;
        made.map_err(failed).map(|_| "one".to_owned())
    }
    "RSA there and back, SHA-1" => |w| { rsa_there_and_back(w, RsaesOaepSha1).await }
    "RSA there and back, SHA-256" => |w| { rsa_there_and_back(w, RsaesOaepSha256).await }
    "RSA opens what waxseal wrapped" => |w| {
        let made = w.client.get_public_key().key_id(&w.rsa).send().await.map_err(failed)?;
        let pem = pem(made.public_key.ok_or("no public key")?.as_ref());
        let public = waxseal::RsaPublicKey::from_pem(&pem).map_err(|error| error.to_string())?;
        let padding = waxseal::RsaPadding::OaepSha256;
        let keyring = waxseal::RawRsaKeyring::public("a", "b", padding, public);
        let keyring = keyring.map_err(|error| error.to_string())?;
        let message = waxseal::encrypt(b"x", &keyring).now().map_err(|error| error.to_string())?;
        let header = waxseal::inspect(&message).map_err(|error| error.to_string())?;
        let wrapped = header.parsed().encrypted_data_keys()[0].ciphertext();
        let opened = rsa_decrypt(w, wrapped, RsaesOaepSha256).await?;
        Ok(format!("{} bytes", opened.plaintext.map_or(0, |plaintext| plaintext.as_ref().len())))
    }
    "RSA, last byte flipped" => |w| {
        let mut bytes = rsa_encrypt(w, RsaesOaepSha256, 32).await?.into_inner();
        *bytes.last_mut().ok_or("empty")? ^= 1;
        rsa_decrypt(w, &bytes, RsaesOaepSha256).await.map(|_| "opened".to_owned())
    }
    "RSA, the other hash function" => |w| {
        let sealed = rsa_encrypt(w, RsaesOaepSha256, 32).await?;
        rsa_decrypt(w, sealed.as_ref(), RsaesOaepSha1).await.map(|_| "opened".to_owned())
    }
    "RSA Decrypt as if symmetric" => |w| {
        let sealed = rsa_encrypt(w, RsaesOaepSha256, 32).await?;
        let request = decrypt(w, sealed).key_id(&w.rsa);
        request.send().await.map_err(failed).map(|_| "opened".to_owned())
    }
    "RSA Encrypt as if symmetric" => |w| {
        let made = w.client.encrypt().key_id(&w.rsa).plaintext(Blob::new("x")).send().await;
        made.map_err(failed).map(|_| "done".to_owned())
    }
    "RSA Encrypt, one byte too many" => |w| {
        rsa_encrypt(w, RsaesOaepSha256, 191).await.map(|_| "done".to_owned())
    }
    "Symmetric Encrypt as if RSA" => |w| {
        let request = w.client.encrypt().key_id(&w.key).plaintext(Blob::new("x"));
        let made = request.encryption_algorithm(RsaesOaepSha256).send().await;
        made.map_err(failed).map(|_| "done".to_owned())
    }
    "ECC Encrypt" => |w| {
        let made = w.client.encrypt().key_id(&w.ecc).plaintext(Blob::new("x")).send().await;
        made.map_err(failed).map(|_| "done".to_owned())
    }
    "DeriveSharedSecret" => |w| {
        let public = w.client.get_public_key().key_id(&w.ecc).send().await.map_err(failed)?;
        let der = public.public_key.ok_or("no public key")?;
        let public = p256::PublicKey::from_public_key_der(der.as_ref()).map_err(|_| "no key")?;
        let own = p256::SecretKey::from_slice(&[7; 32]).map_err(|_| "no key")?;
        let expected = p256::ecdh::diffie_hellman(own.to_nonzero_scalar(), public.as_affine());
        let spki = own.public_key().to_public_key_der().map_err(|_| "no DER")?;
        let request = w.client.derive_shared_secret().key_id(&w.ecc);
        let request = request.key_agreement_algorithm(KeyAgreementAlgorithmSpec::Ecdh);
        let made = request.public_key(Blob::new(spki.as_bytes())).send().await.map_err(failed)?;
        let secret = made.shared_secret.ok_or("no secret")?;
        let agreed = secret.as_ref() == &expected.raw_secret_bytes()[..];
        Ok(format!("{}, agreed: {agreed}", named(made.key_id, &w.ecc)))
    }
}

async fn encrypt_len(w: &World, len: usize) -> Seen {
    let made = w.client.encrypt().key_id(&w.key).plaintext(Blob::new(vec![7; len])).send().await;
    let sealed = made.map_err(failed)?.ciphertext_blob.ok_or("no ciphertext")?;
    let opened = decrypt(w, sealed).send().await.map_err(failed)?.plaintext;
    Ok(format!("opens to {} bytes", opened.map_or(0, |plaintext| plaintext.as_ref().len())))
}

async fn encrypt_with(w: &World, name: &str) -> Seen {
    let made = w.client.encrypt().key_id(name).plaintext(Blob::new("x")).send().await;
    Ok(named(made.map_err(failed)?.key_id, &w.key))
}

async fn encrypt_under(w: &World, key: &str) -> Seen {
    let made = w.client.encrypt().key_id(key).plaintext(Blob::new("x")).send().await;
    Ok(named(made.map_err(failed)?.key_id, key))
}

async fn decrypt_with(w: &World, name: &str) -> Seen {
    let request = decrypt(w, w.sealed().await?).encryption_context("a", "1").key_id(name);
    Ok(show(request.send().await.map_err(failed)?, &w.key))
}

async fn before(w: &World, index: usize, key: &str) -> Seen {
    Ok(show(decrypt(w, w.before[index].clone()).send().await.map_err(failed)?, key))
}

fn decrypt(
    w: &World,
    ciphertext: Blob,
) -> aws_sdk_kms::operation::decrypt::builders::DecryptFluentBuilder {
    w.client.decrypt().ciphertext_blob(ciphertext)
}

fn show(opened: DecryptOutput, key: &str) -> String {
    let plaintext = opened.plaintext.map(Blob::into_inner).unwrap_or_default();
    let same = [&b"plaintext"[..], b"before", b"x"].contains(&&plaintext[..]);
    let what = if same { "the plaintext" } else { "another plaintext" };
    format!("{}, {what}", named(opened.key_id, key))
}

async fn data_key_len(w: &World, len: i32) -> Seen {
    let request = w.client.generate_data_key().key_id(&w.key).number_of_bytes(len);
    data_key(w, &w.key, request.send().await.map_err(failed)?).await
}

async fn data_key(w: &World, key: &str, made: GenerateDataKeyOutput) -> Seen {
    let plaintext = made.plaintext.ok_or("no plaintext")?;
    let opened = decrypt(w, made.ciphertext_blob.ok_or("no ciphertext")?).send().await;
    let same = opened.map_err(failed)?.plaintext.as_ref() == Some(&plaintext);
    let len = plaintext.as_ref().len();
    Ok(format!("{}, {len} bytes, opens: {same}", named(made.key_id, key)))
}

async fn describe(w: &World, name: &str) -> Seen {
    let DescribeKeyOutput { key_metadata, .. } =
        w.client.describe_key().key_id(name).send().await.map_err(failed)?;
    let key = key_metadata.ok_or("no metadata")?;
    let arn = key.arn.unwrap_or_default();
    let form = arn.starts_with("arn:aws:kms:eu-west-1:") && arn.ends_with(&key.key_id);
    Ok(format!(
        "ARN: {form}, {:?}, {:?}, {:?}, multi-region: {:?}, {:?}, {:?}, {:?}, enabled: {}",
        key.key_spec,
        key.key_usage,
        key.key_state,
        key.multi_region,
        key.encryption_algorithms,
        key.key_agreement_algorithms,
        key.origin,
        key.enabled,
    )
    .replace("Some(", "(")
    .replace("None", "-"))
}

async fn rsa_encrypt(
    w: &World,
    algorithm: EncryptionAlgorithmSpec,
    len: usize,
) -> Result<Blob, String> {
    let request = w.client.encrypt().key_id(&w.rsa).plaintext(Blob::new(vec![7; len]));
    let made = request.encryption_algorithm(algorithm).send().await.map_err(failed)?;
    made.ciphertext_blob.ok_or_else(|| "no ciphertext".to_owned())
}

async fn rsa_decrypt(
    w: &World,
    ciphertext: &[u8],
    algorithm: EncryptionAlgorithmSpec,
) -> Result<DecryptOutput, String> {
    let request = decrypt(w, Blob::new(ciphertext)).key_id(&w.rsa);
    request.encryption_algorithm(algorithm).send().await.map_err(failed)
}

async fn rsa_there_and_back(w: &World, algorithm: EncryptionAlgorithmSpec) -> Seen {
    let sealed = rsa_encrypt(w, algorithm.clone(), 32).await?;
    let len = sealed.as_ref().len();
    let opened = rsa_decrypt(w, sealed.as_ref(), algorithm).await?;
    let same = opened.plaintext.is_some_and(|plaintext| plaintext.as_ref() == [7; 32]);
    Ok(format!("{}, {len} bytes, opens: {same}", named(opened.key_id, &w.rsa)))
}

fn alias_arn(arn: &str) -> String {
    let (before, _) = arn.split_once(":key/").unwrap_or_default();
    format!("{before}:{ALIAS}")
}

fn pem(der: &[u8]) -> String {
    let pem = pkcs8::der::pem::encode_string("PUBLIC KEY", pkcs8::LineEnding::LF, der);
    pem.unwrap_or_default()
}
