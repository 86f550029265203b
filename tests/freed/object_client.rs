//! The client of Amazon S3, against an S3 in the process.
//!
//! Bodies that the caller gives to the SDK, and those that the SDK gives to the caller, are theirs: they are not freed
//! here.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::task::Poll;

use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use waxseal::s3::{AesKeyring, Client, Format};
use waxseal::{AesKey, RawAesKeyring};

use crate::secrets::{Plaintext, Secrets, freed_by_async, random};

#[path = "../s3/server.rs"]
#[expect(dead_code, reason = "what stores and changes objects is for other tests")]
mod server;

use server::{BUCKET, Fault, Operation, World};

/// The least that a part may have.
const PART: usize = 5 << 20;

/// Everything that the client does with bodies, with success, with failure, and given up after each number of polls.
fn leaves_nothing(format: Format) {
    let world = World::new();
    let (object_key, message_key) = (random(32), random(32));
    let key = |bytes: &[u8]| AesKey::try_from(bytes).unwrap();
    let make = || {
        let materials = RawAesKeyring::new("ns", "k", key(&message_key)).unwrap();
        let keyring = AesKeyring::new(key(&object_key)).unwrap();
        Client::new(world.impatient(), keyring).materials(materials)
    };
    let plaintext = Plaintext::new(PART + 70_001);
    let whole: &'static [u8] = plaintext.bytes.clone().leak();
    let freed = freed_by_async(async {
        let s3 = make();
        let (small, large) = (&whole[..5_000], whole);
        let upload = |body| s3.upload(put("k"), body).format(format).part_len(PART);
        let put_small = || {
            let input = put("k").body(ByteStream::from_static(small));
            s3.put_object(input).format(format)
        };
        let got = || s3.get_object(get("k")).format(format);
        let ranged = || s3.get_object(get("k").range("bytes=100-4000")).format(format);

        put_small().await.unwrap();
        upload(small).await.unwrap();
        // In memory, and in a file.
        for limit in [1 << 20, 0] {
            let s3 = s3.clone().buffer_limit(limit);
            let mut out = Vec::with_capacity(small.len());
            let download = s3.download(get("k"), &mut out).format(format);
            download.part_len(1_000).await.unwrap();
            assert!(out == small);
            std::mem::forget(out);
        }
        take(got().await.unwrap().body).await;
        take(got().release_unauthenticated().await.unwrap().body).await;
        take(ranged().verified_range().await.unwrap().body).await;
        if format == Format::Object {
            take(ranged().unauthenticated_range().await.unwrap().body).await;
        }
        drop(got().release_unauthenticated().await.unwrap());
        for polls in (0..40).step_by(3) {
            given_up(polls, put_small()).await;
            given_up(polls, upload(small)).await;
            given_up(polls, got()).await;
            given_up(polls, ranged().verified_range()).await;
            let mut out = Vec::with_capacity(small.len());
            given_up(polls, s3.download(get("k"), &mut out).format(format).part_len(1_000)).await;
            std::mem::forget(out);
        }
        // Not authentic.
        let mut stored = world.stored("k");
        put_small().await.unwrap();
        let metadata = world.metadata("k").await;
        let at = stored.len() - 1;
        stored[at] ^= 1;
        world.put_with("k", &stored, metadata).await;
        drop(got().await);
        if let Ok(output) = got().release_unauthenticated().await {
            take(output.body).await;
        }
        let mut out = Vec::with_capacity(small.len());
        s3.download(get("k"), &mut out).format(format).await.unwrap_err();
        std::mem::forget(out);

        upload(large).await.unwrap();
        let mut out = Vec::with_capacity(large.len());
        let download = s3.download(get("k"), &mut out).format(format);
        download.release_unauthenticated().part_len(1 << 20).await.unwrap();
        assert!(out == large);
        std::mem::forget(out);
        for operation in [Operation::UploadPart, Operation::CompleteMultipartUpload] {
            world.faults().next(operation, 1, Fault::Refuse(403, "AccessDenied"));
            upload(large).await.unwrap_err();
        }
        given_up(30, upload(large)).await;
    });
    let mut secrets = Secrets::new();
    plaintext.add_to(&mut secrets);
    secrets.add_with_forms("wrapping key", &object_key);
    secrets.add_with_forms("wrapping key of messages", &message_key);
    secrets.assert_not_in(&freed);
}

#[test]
fn objects() {
    leaves_nothing(Format::Object);
}

#[test]
fn messages() {
    leaves_nothing(Format::EsdkMessage);
}

fn put(key: &str) -> PutObjectInputBuilder {
    PutObjectInput::builder().bucket(BUCKET).key(key)
}

fn get(key: &str) -> GetObjectInputBuilder {
    GetObjectInput::builder().bucket(BUCKET).key(key)
}

/// Reads a body to its end, or to its error, and lets nothing of it go.
async fn take(mut body: ByteStream) {
    while let Some(Ok(bytes)) = body.next().await {
        std::mem::forget(bytes);
    }
}

async fn given_up<F: IntoFuture>(polls: usize, future: F) {
    let (mut future, mut left) = (pin!(future.into_future()), polls);
    let output = std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    });
    std::mem::forget(output.await);
}
