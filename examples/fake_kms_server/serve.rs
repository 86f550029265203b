//! [`FakeKms`] over HTTP.

use std::error::Error;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use waxseal::testing::FakeKms;

/// Answers whoever connects, for as long as anybody polls this.
pub(crate) async fn serve(listener: TcpListener, kms: FakeKms) {
    while let Ok((stream, _)) = listener.accept().await {
        let kms = kms.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&kms, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                eprintln!("{error}");
            }
        });
    }
}

/// From hyper's types to those of the SDK and back. A fault that gives no answer closes the connection.
async fn answer(
    kms: &FakeKms,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, 1 << 20).collect().await?.to_bytes();
    let request = HttpRequest::try_from(Request::from_parts(parts, SdkBody::from(body)))?;
    let answer = kms.call(request).await?.try_into_http1x()?;
    let (parts, body) = answer.into_parts();
    let body = body.bytes().map(Bytes::copy_from_slice).unwrap_or_default();
    Ok(Response::from_parts(parts, Full::new(body)))
}
