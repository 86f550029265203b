//! The crate aws-esdk: whole messages, from memory to memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_esdk::client::Client;
use aws_esdk::material_providers::client::Client as Providers;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_esdk::material_providers::types::{AesWrappingAlg, EsdkAlgorithmSuiteId};
use aws_esdk::types::aws_encryption_sdk_config::AwsEncryptionSdkConfig;
use peers::{Cell, KEY, KEY_NAME, KEY_NAMESPACE, Peer, Result, plaintext, serve, time};
use tokio::runtime::{Builder, Runtime};

fn main() -> Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let providers = Providers::from_conf(MaterialProvidersConfig::builder().build()?)?;
    let keyring = providers
        .create_raw_aes_keyring()
        .key_namespace(KEY_NAMESPACE)
        .key_name(KEY_NAME)
        .wrapping_key(KEY.to_vec())
        .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16);
    let keyring = runtime.block_on(keyring.send())?;
    let client = Client::from_conf(AwsEncryptionSdkConfig::builder().build()?)?;
    serve(&mut Esdk { runtime, client, keyring, cell: None, input: Vec::new() })
}

struct Esdk {
    runtime: Runtime,
    client: Client,
    keyring: KeyringRef,
    cell: Option<Cell>,
    input: Vec<u8>,
}

impl Peer for Esdk {
    fn prepare(&mut self, cell: Cell) -> Result<()> {
        self.cell = Some(cell);
        self.input = plaintext(cell.len);
        if cell.decrypts {
            self.input = self.encrypt(cell, self.input.clone())?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<Duration> {
        let cell = self.cell.ok_or("nothing is prepared")?;
        // It takes its input by value: the copy is not counted.
        let input = self.input.clone();
        let (took, len) = time(|| Ok(self.once(cell, input)?.len()))?;
        if cell.decrypts && len != cell.len {
            return Err("the plaintext has another length".into());
        }
        Ok(took)
    }

    fn copy(&mut self, cell: Cell, input: &Path, output: &Path) -> Result<()> {
        fs::write(output, self.once(cell, fs::read(input)?)?)?;
        Ok(())
    }
}

impl Esdk {
    fn once(&self, cell: Cell, input: Vec<u8>) -> Result<Vec<u8>> {
        if cell.decrypts { self.decrypt(input) } else { self.encrypt(cell, input) }
    }

    fn encrypt(&self, cell: Cell, plaintext: Vec<u8>) -> Result<Vec<u8>> {
        let suite = if cell.signed {
            EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeyEcdsaP384
        } else {
            EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKey
        };
        let encrypt = self
            .client
            .encrypt()
            .plaintext(plaintext)
            .keyring(self.keyring.clone())
            .algorithm_suite_id(suite)
            .frame_length(i64::try_from(cell.frame_len)?);
        let answer = self.runtime.block_on(encrypt.send())?;
        Ok(answer.ciphertext.ok_or("no message came")?.into_inner())
    }

    fn decrypt(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let decrypt = self.client.decrypt().ciphertext(message).keyring(self.keyring.clone());
        let answer = self.runtime.block_on(decrypt.send())?;
        Ok(answer.plaintext.ok_or("no plaintext came")?.into_inner())
    }
}
