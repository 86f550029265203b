//! From the SDK's HTTP client to the service and back.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aws_sdk_kms::config::{AsyncSleep, HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

use super::FakeKms;
use super::calls::{Operation, Outcome};
use super::fields::Fields;
use super::refusal::Refusal;

impl HttpClient for FakeKms {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector {
            kms: self.clone(),
            read_timeout: settings.read_timeout().zip(components.sleep_impl()),
        })
    }
}

/// Answers one request of any program. It may be the AWS KMS of programs in other languages, too:
/// `examples/fake_kms_server.rs` serves it. It knows no time: each request waits as long as the fake wants.
impl HttpConnector for FakeKms {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let kms = self.clone();
        HttpConnectorFuture::new(async move { respond(&kms, request).await })
    }
}

/// Brings requests to the service. As with any connector, the read timeout is its own to keep.
#[derive(Debug)]
struct Connector<S> {
    kms: FakeKms,
    read_timeout: Option<(Duration, S)>,
}

impl<S: AsyncSleep + Clone + 'static> HttpConnector for Connector<S> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.kms.call(request);
        let Some((after, sleep)) = &self.read_timeout else { return answer };
        let sleep = sleep.sleep(*after);
        HttpConnectorFuture::new(async move {
            let (mut answer, mut sleep) = (pin!(answer), pin!(sleep));
            poll_fn(|cx| match answer.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(answer),
                Poll::Pending => sleep.as_mut().poll(cx).map(|()| Err(timed_out())),
            })
            .await
        })
    }
}

async fn respond(kms: &FakeKms, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = Arrived::read(request);
    let mut place = Place { kms, number: kms.arrive(&request), outcome: Outcome::Abandoned };
    kms.gate().pass().await;
    let (result, outcome) = match kms.answer(&request) {
        Reply::Answer { status, body, outcome } => (response(status, body), outcome),
        Reply::ConnectionReset => {
            (Err(ConnectorError::io("the connection was reset".into())), Outcome::NoAnswer)
        }
        Reply::TimedOut => (Err(timed_out()), Outcome::NoAnswer),
        Reply::Never => pending().await,
    };
    place.outcome = outcome;
    result
}

/// A request as it is before it is looked into.
pub(super) struct Arrived {
    pub(super) operation: Operation,
    pub(super) region: String,
    pub(super) user_agent: String,
    pub(super) fields: Result<Fields, Refusal>,
}

impl Arrived {
    fn read(request: HttpRequest) -> Self {
        let header = |name| request.headers().get(name).unwrap_or_default();
        let name = header("x-amz-target").strip_prefix("TrentService.").unwrap_or_default();
        let user_agent = match header("x-amz-user-agent") {
            "" => header("user-agent"),
            agent => agent,
        };
        // A body that is not in memory is none that the SDK sends to AWS KMS.
        let fields = request.body().bytes().ok_or_else(Refusal::serialization);
        Self {
            operation: Operation::from_name(name),
            region: signed_region(header("authorization"))
                .or_else(|| host_region(request.uri()))
                .unwrap_or_default()
                .to_owned(),
            user_agent: user_agent.to_owned(),
            fields: fields.and_then(Fields::read),
        }
    }
}

/// The region in the credential scope of a signature, which holds with any endpoint.
fn signed_region(authorization: &str) -> Option<&str> {
    let (_, scope) = authorization.split_once("Credential=")?;
    scope.split(',').next()?.split('/').nth(2)
}

/// The region in `https://kms.REGION.amazonaws.com/`, for requests that are not signed.
fn host_region(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://kms")?;
    rest.split_once('.')?.1.split('.').next()
}

/// What comes of a request.
pub(super) enum Reply {
    Answer { status: u16, body: Vec<u8>, outcome: Outcome },
    ConnectionReset,
    TimedOut,
    Never,
}

impl Reply {
    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::Answer {
            status: refusal.status(),
            body: encode(&refusal.body()),
            outcome: Outcome::Refused(refusal.code.clone()),
        }
    }

    /// A good answer, or the first half of one.
    pub(super) fn answered(body: &Value, cut: bool) -> Self {
        let mut body = encode(body);
        if cut {
            body.truncate(body.len() / 2);
        }
        Self::Answer { status: 200, body, outcome: Outcome::Answered }
    }
}

fn encode(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

fn response(status: u16, body: Vec<u8>) -> Result<HttpResponse, ConnectorError> {
    let status =
        StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/x-amz-json-1.1");
    headers.insert("x-amzn-requestid", "00000000-0000-0000-0000-000000000000");
    Ok(response)
}

fn timed_out() -> ConnectorError {
    ConnectorError::timeout("the read timed out".into())
}

/// Notes how a call ended, also when its future is dropped.
struct Place<'a> {
    kms: &'a FakeKms,
    number: u64,
    outcome: Outcome,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Abandoned);
        self.kms.note(self.number, outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use base64ct::{Base64, Encoding};
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;
    use crate::testing::{KeySpec, NewKey};

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";
    const SIGNED: &str =
        "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/kms/aws4_request, Signature=0";

    /// The status of the answer and the error code in it.
    fn ask(kms: &FakeKms, target: &str, authorization: &str, body: Vec<u8>) -> (u16, String) {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.headers_mut().insert("x-amz-target", target.to_owned());
        request.headers_mut().insert("authorization", authorization.to_owned());
        let mut answer = pin!(kms.call(request));
        let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("it waits");
        };
        let answer = answer.unwrap();
        let body: Value = serde_json::from_slice(answer.body().bytes().unwrap()).unwrap();
        let code = body.get("__type").and_then(Value::as_str).unwrap_or_default();
        (answer.status().as_u16(), code.to_owned())
    }

    fn with_keys() -> FakeKms {
        let kms = FakeKms::new();
        let key = NewKey::new(KeySpec::Symmetric).id(ID).material(&[7; 32]);
        kms.create_key("eu-west-1", key).unwrap();
        let ecc = kms.create_key("eu-west-1", KeySpec::EccP256).unwrap();
        kms.create_alias("eu-west-1", "alias/ecc", &ecc).unwrap();
        kms
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let kms = with_keys();
        let ask = |target: &str, body: &[u8]| ask(&kms, target, SIGNED, body.to_vec()).1;
        for body in [&b""[..], b"[]", b"{", b"\xff", b"{\"KeyId\":1}", "[".repeat(9999).as_bytes()]
        {
            assert_eq!(ask("TrentService.DescribeKey", body), "SerializationException");
        }
        assert_eq!(ask("TrentService.DescribeKey", b"{}"), "ValidationException");
        assert_eq!(ask("TrentService.DescribeKey", b"{\"KeyId\":null}"), "ValidationException");
        let body = format!("{{\"KeyId\":\"{ID}\"}}");
        assert_eq!(ask("TrentService.DescribeKey", body.as_bytes()), "");
        for target in ["", "DescribeKey", "S3.DescribeKey", "TrentService.", "TrentService.X"] {
            assert_eq!(ask(target, body.as_bytes()), "UnknownOperationException", "{target}");
        }
        let long = format!("{{\"KeyId\":\"{ID}\",\"x\":\"{}\"}}", "x".repeat(300_000));
        let refused = ask("TrentService.DescribeKey", long.as_bytes());
        assert_eq!(refused, "RequestEntityTooLargeException");
    }

    #[test]
    fn a_request_needs_a_region() {
        let kms = with_keys();
        let body = || format!("{{\"KeyId\":\"{ID}\"}}").into_bytes();
        for unsigned in ["", "Bearer x", "AWS4-HMAC-SHA256 Credential=A/20260101"] {
            let (status, code) = ask(&kms, "TrentService.DescribeKey", unsigned, body());
            assert_eq!((status, code.as_str()), (400, "MissingAuthenticationTokenException"));
        }
        assert_eq!(host_region("https://kms.eu-west-1.amazonaws.com/"), Some("eu-west-1"));
        assert_eq!(host_region("https://kms-fips.us-east-1.amazonaws.com/"), Some("us-east-1"));
        assert_eq!(host_region("http://127.0.0.1:4566/"), None);
    }

    #[test]
    fn a_body_that_is_not_in_memory_is_refused() {
        let kms = with_keys();
        let mut request = HttpRequest::new(SdkBody::taken());
        request.headers_mut().insert("authorization", SIGNED);
        let arrived = Arrived::read(request);
        let Reply::Answer { status, outcome, .. } = kms.answer(&arrived) else {
            panic!("it was not answered");
        };
        assert_eq!((status, outcome), (400, Outcome::Refused("SerializationException".into())));
    }

    /// A value for a field: right, nearly right or of another type.
    fn value() -> impl Strategy<Value = Value> {
        let bytes = prop::collection::vec(any::<u8>(), 0..200);
        let blob = bytes.prop_map(|bytes| {
            let start = if bytes.len() % 2 == 0 { ID.as_bytes() } else { b"" };
            json!(Base64::encode_string(&[start, &bytes].concat()))
        });
        prop_oneof![
            4 => Just(json!(ID)),
            2 => Just(json!("alias/ecc")),
            2 => prop::sample::select(vec!["AES_256", "ECDH", "RSAES_OAEP_SHA_1"]).prop_map(Value::from),
            4 => blob,
            1 => ".*".prop_map(Value::from),
            1 => "arn:aws:kms:eu-west-1:[0-9]{0,12}:(key|alias)/.{0,9}".prop_map(Value::from),
            1 => any::<i64>().prop_map(Value::from),
            1 => Just(json!({ "a": "1" })),
            1 => Just(json!({ "a": 1 })),
            1 => Just(json!(["token"])),
            1 => any::<bool>().prop_map(Value::from),
        ]
    }

    proptest! {
        #[test]
        fn every_request_is_answered(
            operation in prop::sample::select(vec![
                "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encrypt", "GenerateDataKey",
                "GenerateDataKeyWithoutPlaintext", "GetPublicKey", "ReEncrypt", "Sign",
            ]),
            fields in prop::collection::vec((prop::sample::select(vec![
                "CiphertextBlob", "DestinationEncryptionAlgorithm", "DestinationEncryptionContext",
                "DestinationKeyId", "DryRun", "EncryptionAlgorithm", "EncryptionContext", "GrantTokens",
                "KeyAgreementAlgorithm", "KeyId", "KeySpec", "NumberOfBytes", "Plaintext", "PublicKey",
                "Recipient", "SourceEncryptionContext", "SourceKeyId",
            ]), value()), 0..8),
        ) {
            let fields: Map<_, _> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let body = Value::from(fields).to_string().into_bytes();
            let (status, code) = ask(&with_keys(), &format!("TrentService.{operation}"), SIGNED, body);
            prop_assert_eq!(status == 200, code.is_empty());
            prop_assert_ne!(status, 500, "{}", code);
        }

        #[test]
        fn every_body_is_answered(target: String, body: Vec<u8>) {
            let target: String = target.chars().filter(|c| !c.is_control()).collect();
            let (status, _) = ask(&with_keys(), &target, SIGNED, body);
            prop_assert_eq!(status, 400);
        }
    }
}
