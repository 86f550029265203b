//! What AWS KMS keeps and does, without HTTP.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::calls::Operation;
use super::fields::{Answer, Fields};
use super::keys::{Blob, Key, KeySpec, KeyState, Material, failed, partition};
use super::random::Random;
use super::refusal::Refusal;
use crate::crypto::RsaPadding;
use crate::secret::Secret;

/// Keys and everything about them.
#[derive(Default)]
pub(super) struct Service {
    pub(super) account: String,
    /// By ARN.
    pub(super) keys: BTreeMap<String, Key>,
    /// By key id: replicas share theirs.
    pub(super) materials: BTreeMap<String, Material>,
    /// The ids of keys that were deleted.
    pub(super) gone: BTreeSet<String>,
    /// From the ARN of an alias to that of its key.
    pub(super) aliases: BTreeMap<String, String>,
    /// From a token to the ARN of its key.
    pub(super) grants: BTreeMap<String, String>,
    /// ARNs of keys with what must not be done with them.
    pub(super) denied: BTreeSet<(String, Operation)>,
    /// What the next data keys will be.
    pub(super) data_keys: VecDeque<Secret>,
    pub(super) random: Random,
}

/// What is asked, of which region.
#[derive(Clone, Copy)]
struct Request<'a> {
    operation: Operation,
    region: &'a str,
    fields: &'a Fields,
}

/// How a key encrypts.
#[derive(Clone, Copy)]
enum Algorithm {
    Symmetric,
    Rsa(RsaPadding),
}

impl Algorithm {
    fn of(request: Request<'_>, field: &str) -> Result<Self, Refusal> {
        match request.fields.text(field)? {
            None | Some("SYMMETRIC_DEFAULT") => Ok(Self::Symmetric),
            Some("RSAES_OAEP_SHA_1") => Ok(Self::Rsa(RsaPadding::OaepSha1)),
            Some("RSAES_OAEP_SHA_256") => Ok(Self::Rsa(RsaPadding::OaepSha256)),
            Some(_) => Err(Refusal::constraint(
                field,
                "Member must satisfy enum value set: \
                 [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256]",
            )),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Symmetric => "SYMMETRIC_DEFAULT",
            Self::Rsa(RsaPadding::OaepSha1) => "RSAES_OAEP_SHA_1",
            Self::Rsa(_) => "RSAES_OAEP_SHA_256",
        }
    }

    /// What the padding takes of a modulus, in bytes.
    fn overhead(self) -> usize {
        match self {
            Self::Symmetric => 0,
            Self::Rsa(RsaPadding::OaepSha1) => 2 * 20 + 2,
            Self::Rsa(_) => 2 * 32 + 2,
        }
    }
}

impl Service {
    /// Does what is asked.
    pub(super) fn answer(
        &mut self,
        operation: Operation,
        region: &str,
        fields: &Fields,
    ) -> Result<Answer, Refusal> {
        let request = Request { operation, region, fields };
        self.check_grant_tokens(fields)?;
        if fields.has("Recipient") {
            return Err(Refusal::validation("FakeKms attests no enclaves"));
        }
        let answer = match operation {
            Operation::Decrypt => self.decrypt(request),
            Operation::DeriveSharedSecret => self.derive_shared_secret(request),
            Operation::DescribeKey => self.describe_key(request),
            Operation::Encrypt => self.encrypt(request),
            Operation::GenerateDataKey => self.generate_data_key(request, true),
            Operation::GenerateDataKeyWithoutPlaintext => self.generate_data_key(request, false),
            Operation::GetPublicKey => self.get_public_key(request),
            Operation::ReEncrypt => self.re_encrypt(request),
            Operation::Other => Err(Refusal::without_text("UnknownOperationException")),
        }?;
        if fields.flag("DryRun")? {
            return Err(Refusal::dry_run());
        }
        Ok(answer)
    }

    /// The ARN of the key that a request is about, as far as that can be told.
    pub(super) fn subject(&self, region: &str, fields: &Fields) -> Option<&str> {
        let named = ["KeyId", "DestinationKeyId"].into_iter();
        let named = named.filter_map(|field| fields.text(field).ok().flatten()).next();
        let key = match named {
            Some(name) => self.find(region, name).ok()?,
            None => {
                let blob = fields.bytes("CiphertextBlob", CIPHERTEXT_LEN).ok()?;
                self.in_region(Blob::read(&blob)?.id, region)?
            }
        };
        Some(&key.arn)
    }

    fn encrypt(&mut self, request: Request<'_>) -> Result<Answer, Refusal> {
        let name = required_key(request, "KeyId")?;
        let plaintext = request.fields.bytes("Plaintext", PLAINTEXT_LEN)?;
        let algorithm = Algorithm::of(request, "EncryptionAlgorithm")?;
        let context = request.fields.context("EncryptionContext")?;
        let key = self.permitted(request, name, "kms:Encrypt")?.clone();
        let ciphertext = self.seal(request, &key, algorithm, &context, &plaintext)?;
        Ok(Answer::default()
            .set_bytes("CiphertextBlob", &ciphertext)
            .set("KeyId", key.arn)
            .set("EncryptionAlgorithm", algorithm.name()))
    }

    fn decrypt(&self, request: Request<'_>) -> Result<Answer, Refusal> {
        let ciphertext = request.fields.bytes("CiphertextBlob", CIPHERTEXT_LEN)?;
        let name = request.fields.key_id("KeyId")?;
        let algorithm = Algorithm::of(request, "EncryptionAlgorithm")?;
        let context = request.fields.context("EncryptionContext")?;
        let (key, plaintext) =
            self.open(request, name, "kms:Decrypt", algorithm, &context, &ciphertext)?;
        Ok(Answer::default()
            .set_bytes("Plaintext", &plaintext)
            .set("KeyId", key.arn.as_str())
            .set("EncryptionAlgorithm", algorithm.name()))
    }

    fn re_encrypt(&mut self, request: Request<'_>) -> Result<Answer, Refusal> {
        let fields = request.fields;
        let ciphertext = fields.bytes("CiphertextBlob", CIPHERTEXT_LEN)?;
        let name = required_key(request, "DestinationKeyId")?;
        let from = Algorithm::of(request, "SourceEncryptionAlgorithm")?;
        let to = Algorithm::of(request, "DestinationEncryptionAlgorithm")?;
        let source_context = fields.context("SourceEncryptionContext")?;
        let context = fields.context("DestinationEncryptionContext")?;
        let source_name = fields.key_id("SourceKeyId")?;
        let key = self.permitted(request, name, "kms:ReEncryptTo")?.clone();
        let (source, plaintext) = self.open(
            request,
            source_name,
            "kms:ReEncryptFrom",
            from,
            &source_context,
            &ciphertext,
        )?;
        let source = source.arn.clone();
        let ciphertext = self.seal(request, &key, to, &context, &plaintext)?;
        Ok(Answer::default()
            .set_bytes("CiphertextBlob", &ciphertext)
            .set("SourceKeyId", source)
            .set("KeyId", key.arn)
            .set("SourceEncryptionAlgorithm", from.name())
            .set("DestinationEncryptionAlgorithm", to.name()))
    }

    fn generate_data_key(
        &mut self,
        request: Request<'_>,
        with_plaintext: bool,
    ) -> Result<Answer, Refusal> {
        let fields = request.fields;
        let name = required_key(request, "KeyId")?;
        let len = match (fields.text("KeySpec")?, fields.number("NumberOfBytes")?) {
            (Some("AES_256"), None) => 32,
            (Some("AES_128"), None) => 16,
            (Some(_), None) => {
                let rule = "Member must satisfy enum value set: [AES_256, AES_128]";
                return Err(Refusal::constraint("KeySpec", rule));
            }
            (None, Some(bytes)) => match usize::try_from(bytes) {
                Ok(len @ 1..=1024) => len,
                _ => {
                    let rule = "Member must have value between 1 and 1024, inclusive";
                    return Err(Refusal::constraint("NumberOfBytes", rule));
                }
            },
            (None, None) | (Some(_), Some(_)) => {
                let message = "Please specify either number of bytes or key spec.";
                return Err(Refusal::validation(message));
            }
        };
        let context = fields.context("EncryptionContext")?;
        let action = format!("kms:{}", request.operation);
        let key = self.permitted(request, name, &action)?.clone();
        if key.spec != KeySpec::Symmetric {
            key.check_enabled()?;
            return Err(wrong_usage(&key, request.operation));
        }
        let data_key = match self.data_keys.pop_front() {
            None => self.random.secret(len).map_err(|_| failed(crate::crypto::CryptoError))?,
            Some(given) if given.expose().len() == len => given,
            Some(given) => {
                let message = format!(
                    "the next data key given to FakeKms has {} bytes, and {len} were asked for",
                    given.expose().len()
                );
                return Err(Refusal::internal(message));
            }
        };
        let ciphertext =
            self.seal(request, &key, Algorithm::Symmetric, &context, data_key.expose())?;
        let answer =
            Answer::default().set_bytes("CiphertextBlob", &ciphertext).set("KeyId", key.arn);
        Ok(match with_plaintext {
            true => answer.set_bytes("Plaintext", data_key.expose()),
            false => answer,
        })
    }

    fn describe_key(&self, request: Request<'_>) -> Result<Answer, Refusal> {
        let name = required_key(request, "KeyId")?;
        let key = self.permitted(request, name, "kms:DescribeKey")?;
        let mut metadata = json!({
            "AWSAccountId": key.account,
            "Arn": key.arn,
            "CreationDate": CREATION_DATE,
            "CustomerMasterKeySpec": key.spec.name(),
            "Description": "",
            "Enabled": key.state == KeyState::Enabled,
            "KeyId": key.id,
            "KeyManager": "CUSTOMER",
            "KeySpec": key.spec.name(),
            "KeyState": match key.state {
                KeyState::Enabled => "Enabled",
                KeyState::Disabled => "Disabled",
                KeyState::PendingDeletion => "PendingDeletion",
            },
            "KeyUsage": key.spec.usage(),
            "MultiRegion": key.primary_region.is_some(),
            "Origin": key.origin(),
        });
        let mut set = |field: &str, value: Value| {
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert(field.to_owned(), value);
            }
        };
        let (field, algorithms) = key.spec.algorithms();
        set(field, json!(algorithms));
        if key.state == KeyState::PendingDeletion {
            set("DeletionDate", json!(CREATION_DATE));
        }
        if let Some(primary) = &key.primary_region {
            set("MultiRegionConfiguration", self.replicas(key, primary));
        }
        Ok(Answer::default().set("KeyMetadata", metadata))
    }

    /// `MultiRegionConfiguration`.
    fn replicas(&self, key: &Key, primary: &str) -> Value {
        let entry = |key: &Key| json!({ "Arn": key.arn, "Region": key.region });
        let family = || self.keys.values().filter(|other| other.id == key.id);
        let is_primary = |other: &&Key| other.region == primary;
        json!({
            "MultiRegionKeyType": if key.region == primary { "PRIMARY" } else { "REPLICA" },
            "PrimaryKey": family().find(is_primary).map(entry),
            "ReplicaKeys": family().filter(|key| !is_primary(key)).map(entry).collect::<Vec<_>>(),
        })
    }

    fn get_public_key(&self, request: Request<'_>) -> Result<Answer, Refusal> {
        let name = required_key(request, "KeyId")?;
        let key = self.permitted(request, name, "kms:GetPublicKey")?;
        if key.spec == KeySpec::Symmetric {
            let message = format!("{} is a symmetric key: it has no public key.", key.arn);
            return Err(Refusal::new("UnsupportedOperationException", message));
        }
        key.check_enabled()?;
        let (field, algorithms) = key.spec.algorithms();
        Ok(Answer::default()
            .set_bytes("PublicKey", &self.material(key)?.public_key()?)
            .set("KeyId", key.arn.as_str())
            .set("CustomerMasterKeySpec", key.spec.name())
            .set("KeySpec", key.spec.name())
            .set("KeyUsage", key.spec.usage())
            .set(field, json!(algorithms)))
    }

    fn derive_shared_secret(&self, request: Request<'_>) -> Result<Answer, Refusal> {
        let name = required_key(request, "KeyId")?;
        let public_key = request.fields.bytes("PublicKey", PUBLIC_KEY_LEN)?;
        match request.fields.text("KeyAgreementAlgorithm")? {
            Some("ECDH") => {}
            Some(_) => {
                let rule = "Member must satisfy enum value set: [ECDH]";
                return Err(Refusal::constraint("KeyAgreementAlgorithm", rule));
            }
            None => return Err(Refusal::missing("KeyAgreementAlgorithm")),
        }
        let key = self.permitted(request, name, "kms:DeriveSharedSecret")?;
        key.check_enabled()?;
        if key.spec.usage() != "KEY_AGREEMENT" {
            return Err(wrong_usage(key, request.operation));
        }
        let secret = self.material(key)?.agree(&public_key)?;
        Ok(Answer::default()
            .set_bytes("SharedSecret", &secret)
            .set("KeyId", key.arn.as_str())
            .set("KeyAgreementAlgorithm", "ECDH")
            .set("KeyOrigin", key.origin()))
    }

    fn seal(
        &mut self,
        request: Request<'_>,
        key: &Key,
        algorithm: Algorithm,
        context: &BTreeMap<String, String>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        key.check_enabled()?;
        check_algorithm(key, algorithm, request.operation, context)?;
        let Self { materials, random, .. } = self;
        let material = materials.get(&key.id).ok_or_else(lost)?;
        match algorithm {
            Algorithm::Symmetric => material.seal(&key.id, context, plaintext, random),
            Algorithm::Rsa(padding) => {
                let room = material.modulus_len().saturating_sub(algorithm.overhead());
                if plaintext.len() > room {
                    let rule = format!("Member must have length less than or equal to {room}");
                    return Err(Refusal::constraint("Plaintext", rule));
                }
                material.rsa_encrypt(padding, plaintext)
            }
        }
    }

    fn open(
        &self,
        request: Request<'_>,
        name: Option<&str>,
        action: &str,
        algorithm: Algorithm,
        context: &BTreeMap<String, String>,
        ciphertext: &[u8],
    ) -> Result<(&Key, Zeroizing<Vec<u8>>), Refusal> {
        let named = name.map(|name| self.permitted(request, name, action)).transpose()?;
        if let Some(key) = named {
            key.check_enabled()?;
            check_algorithm(key, algorithm, request.operation, context)?;
        }
        let padding = match algorithm {
            Algorithm::Rsa(padding) => padding,
            Algorithm::Symmetric => {
                let blob = Blob::read(ciphertext).ok_or_else(Refusal::invalid_ciphertext)?;
                if !self.materials.contains_key(blob.id) && !self.gone.contains(blob.id) {
                    return Err(Refusal::invalid_ciphertext());
                }
                if named.is_some_and(|key| key.id != blob.id) {
                    return Err(Refusal::incorrect_key());
                }
                let key = self.in_region(blob.id, request.region);
                let key = key.ok_or_else(Refusal::ciphertext_of_another)?;
                self.authorize(request, key, action)?;
                key.check_enabled()?;
                return Ok((key, self.material(key)?.open(context, &blob)?));
            }
        };
        // Nothing in such a ciphertext says whose it is.
        let key = named.ok_or_else(|| Refusal::missing("KeyId"))?;
        Ok((key, self.material(key)?.rsa_decrypt(padding, ciphertext)?))
    }

    /// The key of this name in the region, if it may be used.
    fn permitted(&self, request: Request<'_>, name: &str, action: &str) -> Result<&Key, Refusal> {
        let key = self.find(request.region, name)?;
        self.authorize(request, key, action)?;
        Ok(key)
    }

    fn authorize(&self, request: Request<'_>, key: &Key, action: &str) -> Result<(), Refusal> {
        if !self.denied.contains(&(key.arn.clone(), request.operation)) {
            return Ok(());
        }
        let tokens = request.fields.texts("GrantTokens")?;
        if tokens.iter().any(|token| self.grants.get(token) == Some(&key.arn)) {
            return Ok(());
        }
        let Self { account, .. } = self;
        let user = format!("arn:{}:iam::{account}:user/waxseal", partition(request.region));
        Err(Refusal::access_denied(&user, action, &key.arn))
    }

    fn check_grant_tokens(&self, fields: &Fields) -> Result<(), Refusal> {
        let tokens = fields.texts("GrantTokens")?;
        if tokens.len() > MAX_GRANT_TOKENS {
            let rule = "Member must have length less than or equal to 10";
            return Err(Refusal::constraint("GrantTokens", rule));
        }
        if tokens.iter().any(|token| !self.grants.contains_key(token)) {
            return Err(Refusal::without_text("InvalidGrantTokenException"));
        }
        Ok(())
    }

    /// Finds a key by id, ARN, alias or ARN of an alias.
    pub(super) fn find(&self, region: &str, name: &str) -> Result<&Key, Refusal> {
        let own = |resource: String| {
            format!("arn:{}:kms:{region}:{}:{resource}", partition(region), self.account)
        };
        let arn = if name.starts_with("arn:") {
            match name.splitn(6, ':').collect::<Vec<_>>()[..] {
                [_, _, "kms", of, _, resource] if resource.contains('/') => {
                    if of != region {
                        return Err(Refusal::not_found(format!("Invalid arn {of}")));
                    }
                    name.to_owned()
                }
                _ => return Err(Refusal::not_found(format!("Invalid arn {name}"))),
            }
        } else if name.starts_with("alias/") {
            own(name.to_owned())
        } else if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            own(format!("key/{name}"))
        } else {
            return Err(Refusal::not_found(format!("Invalid keyId '{name}'")));
        };
        let arn = match self.aliases.get(&arn) {
            Some(target) => target,
            None if arn.contains(":alias/") => {
                return Err(Refusal::not_found(format!("Alias {arn} is not found.")));
            }
            None => &arn,
        };
        let missing = || Refusal::not_found(format!("Key '{arn}' does not exist"));
        self.keys.get(arn).ok_or_else(missing)
    }

    /// The key with this id, in any account.
    fn in_region(&self, id: &str, region: &str) -> Option<&Key> {
        self.keys.values().find(|key| key.id == id && key.region == region)
    }

    fn material(&self, key: &Key) -> Result<&Material, Refusal> {
        self.materials.get(&key.id).ok_or_else(lost)
    }
}

fn required_key<'a>(request: Request<'a>, field: &str) -> Result<&'a str, Refusal> {
    request.fields.key_id(field)?.ok_or_else(|| Refusal::missing(field))
}

fn check_algorithm(
    key: &Key,
    algorithm: Algorithm,
    operation: Operation,
    context: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    if key.spec.usage() != "ENCRYPT_DECRYPT" {
        return Err(wrong_usage(key, operation));
    }
    if !key.spec.algorithms().1.contains(&algorithm.name()) {
        // No ciphertext of such a key can have been made with it.
        if operation == Operation::Decrypt && key.spec != KeySpec::Symmetric {
            return Err(Refusal::invalid_ciphertext());
        }
        let (name, spec) = (algorithm.name(), key.spec.name());
        let message = format!("Algorithm {name} is incompatible with key spec {spec}.");
        return Err(Refusal::invalid_key_usage(message));
    }
    if matches!(algorithm, Algorithm::Rsa(_)) && !context.is_empty() {
        let message = "EncryptionContext is not supported for asymmetric keys.";
        return Err(Refusal::validation(message));
    }
    Ok(())
}

fn wrong_usage(key: &Key, operation: Operation) -> Refusal {
    let Key { arn, spec, .. } = key;
    Refusal::invalid_key_usage(format!(
        "{arn} key usage is {} and key spec is {}, which is not valid for {operation}.",
        spec.usage(),
        spec.name()
    ))
}

/// Every key has material for as long as it is there.
fn lost() -> Refusal {
    Refusal::internal("the fake lost the material of a key")
}

const PLAINTEXT_LEN: std::ops::RangeInclusive<usize> = 1..=4096;
const PUBLIC_KEY_LEN: std::ops::RangeInclusive<usize> = 1..=8192;
const CIPHERTEXT_LEN: std::ops::RangeInclusive<usize> = 1..=6144;
const MAX_GRANT_TOKENS: usize = 10;
/// In seconds since 1970, and the same for all: the fake has no clock.
const CREATION_DATE: u32 = 1_767_225_600;
