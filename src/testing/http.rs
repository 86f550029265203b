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

/// Brings requests to the service. As with any connector, the read timeout is its own to keep.
#[derive(Debug)]
struct Connector<S> {
    kms: FakeKms,
    read_timeout: Option<(Duration, S)>,
}

impl<S: AsyncSleep + Clone + 'static> HttpConnector for Connector<S> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let kms = self.kms.clone();
        let sleep = self.read_timeout.as_ref().map(|(after, sleep)| sleep.sleep(*after));
        HttpConnectorFuture::new(async move {
            let answer = respond(&kms, request);
            let Some(sleep) = sleep else { return answer.await };
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
