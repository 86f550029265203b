//! What is asked of the server, and what it is to do wrong.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use s3s::service::S3Service;
use s3s::{Body, HttpError};

/// Records the requests to a server, and makes it fail. All clones are of the same server.
///
/// Each attempt of a client is a request: the SDK makes three where it gets no answer, or a status from 500 on.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<State>>);

/// What is done wrong with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing is done; the answer has this status and this code, such as 503 and `SlowDown`.
    Refuse(u16, &'static str),
    /// Nothing is done, and the connection is closed without an answer.
    HangUp,
    /// All is done, but the connection is closed without an answer.
    LoseAnswer,
    /// The connection is closed after so many bytes of the body; `Content-Length` promised all of it.
    CutBody(usize),
    /// The byte at this offset of the body is another one, if there is one: which of several requests comes first
    /// is not known. Checksums are left out, here and in what follows, or the SDK would notice before anybody else.
    FlipByte(usize),
    /// Only so many bytes of the body are left, and `Content-Length` says so.
    Truncate(usize),
    /// The body is this.
    Answer(&'static str),
    /// So many zeros come after the body, and `Content-Length` says so.
    Extend(usize),
}

/// The operations that the server tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateMultipartUpload,
    DeleteObject,
    DeleteObjects,
    GetObject,
    HeadObject,
    ListObjectsV2,
    Other,
    PutObject,
    UploadPart,
    UploadPartCopy,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) operation: Operation,
    /// Bucket and key as in the URL: `/bucket/key`.
    pub(crate) path: String,
    pub(crate) query: String,
    headers: HeaderMap,
}

impl Seen {
    /// A header, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Faults {
    /// Does something wrong with the next requests for an operation, after whatever was asked for before.
    pub(crate) fn next(&self, operation: Operation, times: usize, fault: Fault) {
        self.state().faults.extend(std::iter::repeat_n((operation, fault), times));
    }

    /// Runs a hook before the `nth` request for an operation from now is answered; the next one is the first.
    ///
    /// It may make requests itself: they are counted and recorded, too.
    pub(crate) fn before<F>(
        &self,
        operation: Operation,
        nth: usize,
        hook: impl FnOnce() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        self.state().hooks.push((operation, nth, Box::new(move || Box::pin(hook()))));
    }

    /// All requests since the beginning, or since they were last cleared.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// How many of them were for an operation.
    pub(crate) fn count(&self, operation: Operation) -> usize {
        self.state().seen.iter().filter(|seen| seen.operation == operation).count()
    }

    /// The operations of all of them.
    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.state().seen.iter().map(|seen| seen.operation).collect()
    }

    /// Forgets the requests so far.
    pub(crate) fn clear(&self) {
        self.state().seen.clear();
    }

    /// Answers, or does not. An error closes the connection.
    pub(super) async fn answer(
        &self,
        service: &S3Service,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, HttpError> {
        let (parts, body) = request.into_parts();
        let (hooks, fault) = self.state().begin(&parts);
        for hook in hooks {
            hook().await;
        }
        match fault {
            Some(Fault::Refuse(status, code)) => {
                // A client that is still sending would not see the answer.
                let _ = BodyExt::collect(body).await;
                return refusal(status, code);
            }
            Some(Fault::HangUp) => return Err(hang_up()),
            _ => {}
        }
        let parts = with_one_content_encoding(parts);
        let answer = service.call(Request::from_parts(parts, Body::from(body))).await?;
        let (mut parts, body) = answer.into_parts();
        let Some(fault) = fault else { return Ok(Response::from_parts(parts, body)) };
        let checksums: Vec<_> = parts
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with(CHECKSUM))
            .cloned()
            .collect();
        for name in checksums {
            parts.headers.remove(name);
        }
        let mut body = BodyExt::collect(body).await.map_err(HttpError::new)?.to_bytes().to_vec();
        match fault {
            Fault::Refuse(..) | Fault::HangUp => {}
            Fault::LoseAnswer => return Err(hang_up()),
            Fault::CutBody(len) => {
                body.truncate(len);
                return Ok(Response::from_parts(parts, broken_off(body)));
            }
            Fault::FlipByte(at) => {
                if let Some(byte) = body.get_mut(at) {
                    *byte ^= 1;
                }
            }
            Fault::Truncate(len) => body.truncate(len),
            Fault::Answer(text) => body = text.as_bytes().to_vec(),
            Fault::Extend(by) => body.resize(body.len() + by, 0),
        }
        parts.headers.insert(CONTENT_LENGTH, body.len().into());
        Ok(Response::from_parts(parts, Body::from(body)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    faults: Vec<(Operation, Fault)>,
    hooks: Vec<(Operation, usize, Hook)>,
}

impl State {
    /// Records a request, and finds out what is to be done before it and what wrong with it.
    fn begin(&mut self, parts: &Parts) -> (Vec<Hook>, Option<Fault>) {
        let operation = operation(parts);
        self.seen.push(Seen {
            operation,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
        });
        for (_, nth, _) in self.hooks.iter_mut().filter(|(of, ..)| *of == operation) {
            *nth = nth.saturating_sub(1);
        }
        let due = self.hooks.extract_if(.., |(of, nth, _)| *of == operation && *nth == 0);
        let due = due.map(|(_, _, hook)| hook).collect();
        let fault = self.faults.iter().position(|(of, _)| *of == operation);
        (due, fault.map(|at| self.faults.remove(at).1))
    }
}

/// What a request asks for, path style.
fn operation(parts: &Parts) -> Operation {
    let path = parts.uri.path().trim_start_matches('/');
    let has_key = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let query = parts.uri.query().unwrap_or_default();
    let asks = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    let copies = parts.headers.contains_key("x-amz-copy-source");
    match (&parts.method, has_key) {
        (&Method::DELETE, true) if asks("uploadId") => Operation::AbortMultipartUpload,
        (&Method::DELETE, true) => Operation::DeleteObject,
        (&Method::GET, true) if !asks("uploadId") => Operation::GetObject,
        (&Method::GET, false) if asks("list-type") => Operation::ListObjectsV2,
        (&Method::HEAD, true) => Operation::HeadObject,
        (&Method::POST, true) if asks("uploads") => Operation::CreateMultipartUpload,
        (&Method::POST, true) if asks("uploadId") => Operation::CompleteMultipartUpload,
        (&Method::POST, false) if asks("delete") => Operation::DeleteObjects,
        (&Method::PUT, true) if asks("uploadId") && copies => Operation::UploadPartCopy,
        (&Method::PUT, true) if asks("uploadId") => Operation::UploadPart,
        (&Method::PUT, true) if copies => Operation::CopyObject,
        (&Method::PUT, true) => Operation::PutObject,
        _ => Operation::Other,
    }
}

/// The SDK adds a second header for `aws-chunked`, which is not read otherwise. To the signature it is the same.
fn with_one_content_encoding(mut parts: Parts) -> Parts {
    let values = parts.headers.get_all(CONTENT_ENCODING).iter();
    let values: Vec<_> = values.map(HeaderValue::as_bytes).collect();
    if let (2.., Ok(joined)) = (values.len(), HeaderValue::from_bytes(&values.join(&b","[..]))) {
        parts.headers.insert(CONTENT_ENCODING, joined);
    }
    parts
}

fn refusal(status: u16, code: &str) -> Result<Response<Body>, HttpError> {
    let text = format!("<Error><Code>{code}</Code><Message>as a test wants it</Message></Error>");
    let status = StatusCode::from_u16(status).map_err(|error| HttpError::new(error.into()))?;
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/xml")
        .body(Body::from(text))
        .map_err(|error| HttpError::new(error.into()))
}

fn hang_up() -> HttpError {
    HttpError::new("as a test wants it".into())
}

/// These bytes, and then the end of the connection.
fn broken_off(bytes: Vec<u8>) -> Body {
    let bytes = stream::iter([Ok::<_, s3s::StdError>(Frame::data(Bytes::from(bytes)))]);
    let end = stream::once(async {
        // What came before is on its way by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err("as a test wants it".into())
    });
    Body::http_body_unsync(StreamBody::new(Box::pin(bytes.chain(end))))
}

const CHECKSUM: &str = "x-amz-checksum-";
