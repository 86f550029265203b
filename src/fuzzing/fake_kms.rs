//! Requests to `FakeKms`, which serves programs in any language.

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use super::choices::Choices;
use crate::testing::{FakeKms, KeySpec, NewKey};

/// Any request gets a well-formed answer, and leaves the service as it was: what it encrypted before, it still decrypts.
pub fn fake_kms(data: &[u8]) {
    let mut choices = Choices::new(data);
    let Service { kms, blobs } = service();
    kms.clear_calls();
    for _ in 0..choices.below(4) + 1 {
        let operation = OPERATIONS[choices.below(OPERATIONS.len())];
        let target = match choices.below(16) {
            0 => operation.to_owned(),
            1 => printable(choices.bytes(20)),
            _ => format!("TrentService.{operation}"),
        };
        let authorization = match choices.below(16) {
            0 => printable(choices.bytes(60)),
            1 => SIGNED.replace(REGION, "us-east-1"),
            _ => SIGNED.to_owned(),
        };
        let body = match choices.below(8) {
            0 => choices.rest().to_vec(),
            _ => body(&mut choices, blobs),
        };
        ask(kms, &target, &authorization, body);
        if choices.is_empty() {
            break;
        }
    }
    let blob = json!({ "CiphertextBlob": blobs[0], "KeyId": ID });
    let answer = ask(kms, "TrentService.Decrypt", SIGNED, blob.to_string().into_bytes());
    assert_eq!(answer["Plaintext"], json!(Base64::encode_string(b"plaintext")));
}

/// What AWS KMS answers is a JSON object; a refusal says what it is, and is the client's fault.
fn ask(kms: &FakeKms, target: &str, authorization: &str, body: Vec<u8>) -> Value {
    let mut request = HttpRequest::new(SdkBody::from(body));
    let headers = request.headers_mut();
    headers.insert("x-amz-target", target.to_owned());
    headers.insert("authorization", authorization.to_owned());
    let before = kms.calls().len();
    let mut answer = pin!(kms.call(request));
    let polled = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(answer)) = polled else { panic!("{polled:?}") };
    let status = answer.status().as_u16();
    let body = answer.body().bytes().expect("it is in memory");
    let body: Value = serde_json::from_slice(body).expect("it is JSON");
    assert!(body.is_object());
    assert_eq!(status == 200, body.get("__type").is_none(), "{body}");
    assert!(status == 200 || (400..500).contains(&status), "{status} {body}");
    assert_eq!(kms.calls().len(), before + 1);
    body
}

/// Fields of all operations, with values that are right, nearly right, or of another type.
fn body(choices: &mut Choices<'_>, blobs: &[String]) -> Vec<u8> {
    let mut fields = Map::new();
    for _ in 0..choices.below(8) {
        let field = FIELDS[choices.below(FIELDS.len())];
        let value = match choices.below(12) {
            0 => json!(ID),
            1 => json!(blobs[choices.below(blobs.len())]),
            2 => {
                let blob = &blobs[choices.below(blobs.len())];
                let mut blob = Base64::decode_vec(blob).expect("it was encoded");
                choices.edit(&mut blob, 2);
                json!(Base64::encode_string(&blob))
            }
            3 => {
                let len = choices.size();
                json!(Base64::encode_string(choices.bytes(len)))
            }
            4 => json!(String::from_utf8_lossy(choices.bytes(30))),
            5 => json!(choices.number()),
            6 => json!({ "a": "1" }),
            7 => json!({ "a": choices.byte() }),
            8 => json!(["token"]),
            9 => json!(choices.flag()),
            _ => json!(TEXTS[choices.below(TEXTS.len())]),
        };
        fields.insert(field.to_owned(), value);
    }
    let mut body = Value::from(fields).to_string().into_bytes();
    if choices.below(8) == 0 {
        choices.edit(&mut body, 2);
    }
    body
}

struct Service {
    kms: FakeKms,
    /// Ciphertexts, with a public key among them.
    blobs: Vec<String>,
}

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let kms = FakeKms::new();
        kms.seed(b"fuzzing");
        let key = NewKey::new(KeySpec::Symmetric).id(ID).material(&[7; 32]);
        kms.create_key(REGION, key).expect("it is the first");
        let rsa = NewKey::new(KeySpec::Rsa2048);
        let rsa = rsa.pem(include_str!("../crypto/tests/data/rsa2048.pkcs8.pem"));
        let rsa = kms.create_key(REGION, rsa).expect("there is room");
        kms.create_alias(REGION, "alias/rsa", &rsa).expect("there is a key");
        let ecc = kms.create_key(REGION, KeySpec::EccP256).expect("there is room");
        kms.create_alias(REGION, "alias/ecc", &ecc).expect("there is a key");
        let plaintext = Base64::encode_string(b"plaintext");
        let encrypt = |fields: Value, answer: &str, operation: &str| {
            let target = format!("TrentService.{operation}");
            let answered = ask(&kms, &target, SIGNED, fields.to_string().into_bytes());
            answered[answer].as_str().expect("it is there").to_owned()
        };
        let blobs = vec![
            encrypt(json!({ "KeyId": ID, "Plaintext": plaintext }), "CiphertextBlob", "Encrypt"),
            encrypt(
                json!({
                    "KeyId": "alias/rsa",
                    "Plaintext": plaintext,
                    "EncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                }),
                "CiphertextBlob",
                "Encrypt",
            ),
            encrypt(json!({ "KeyId": "alias/ecc" }), "PublicKey", "GetPublicKey"),
        ];
        Service { kms, blobs }
    })
}

/// What an HTTP header can hold.
fn printable(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(byte % 95 + 32)).collect()
}

const REGION: &str = "eu-west-1";
const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
const SIGNED: &str =
    "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/kms/aws4_request, Signature=0";
const OPERATIONS: [&str; 10] = [
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GetPublicKey",
    "ReEncrypt",
    "Sign",
    "",
];
const FIELDS: [&str; 17] = [
    "CiphertextBlob",
    "DestinationEncryptionAlgorithm",
    "DestinationEncryptionContext",
    "DestinationKeyId",
    "DryRun",
    "EncryptionAlgorithm",
    "EncryptionContext",
    "GrantTokens",
    "KeyAgreementAlgorithm",
    "KeyId",
    "KeySpec",
    "NumberOfBytes",
    "Plaintext",
    "PublicKey",
    "Recipient",
    "SourceEncryptionContext",
    "SourceKeyId",
];
const TEXTS: [&str; 12] = [
    "alias/rsa",
    "alias/ecc",
    "alias/none",
    "AES_128",
    "AES_256",
    "ECDH",
    "RSAES_OAEP_SHA_1",
    "RSAES_OAEP_SHA_256",
    "SYMMETRIC_DEFAULT",
    "arn:aws:kms:eu-west-1:111122223333:alias/rsa",
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "",
];
