//! The client of Amazon S3, against an S3 in the process.
//!
//! Bodies that the caller gives to the SDK, and those that the SDK gives to the caller, are theirs: they are not freed
//! here.

use std::future::{Future, IntoFuture};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::get_object::builders::GetObjectInputBuilder;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::operation::put_object::builders::PutObjectInputBuilder;
use aws_sdk_s3::primitives::ByteStream;
use waxseal::AesKey;
use waxseal::s3::{AesKeyring, Client, Format};

use crate::keyrings::Telling;
use crate::objects::TellingOfObjects;
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
    let (materials, told) = (Telling::new(&message_key), Arc::new(Mutex::new(Vec::new())));
    let make = || {
        let keyring = AesKeyring::new(AesKey::try_from(&object_key[..]).unwrap()).unwrap();
        let keyring = TellingOfObjects(keyring, Arc::clone(&told));
        // Some frames in each piece that comes from the network, and some pieces in each range of all.
        Client::new(world.impatient(), keyring).materials(materials.clone()).frame_len(1_000)
    };
    let plaintext = Plaintext::new(9 << 20);
    let whole: &'static [u8] = plaintext.bytes.clone().leak();
    let freed = freed_by_async(async {
        let s3 = make();
        let (small, large) = (&whole[..5_000], &whole[..PART + 70_001]);
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
            keep(out);
        }
        take(got().await.unwrap().body).await;
        take(got().release_unauthenticated().await.unwrap().body).await;
        take(ranged().verified_range().await.unwrap().body).await;
        let beyond = s3.get_object(get("k").range("bytes=90000-")).format(format);
        beyond.verified_range().await.unwrap_err();
        drop(got().release_unauthenticated().await.unwrap());
        let of_objects = format == Format::Object;
        if of_objects {
            take(ranged().unauthenticated_range().await.unwrap().body).await;
        }
        for fault in [Fault::CutBody(3_000), Fault::Truncate(3_000), Fault::FlipByte(3_000)] {
            let wrong = |call: usize| world.faults().next(Operation::GetObject, call, fault);
            wrong(1);
            keep(got().await);
            world.faults().clear();
            wrong(1);
            if let Ok(output) = got().release_unauthenticated().await {
                take(output.body).await;
            }
            world.faults().clear();
            wrong(2);
            keep(ranged().verified_range().await);
            world.faults().clear();
            if of_objects {
                wrong(1);
                keep(ranged().unauthenticated_range().await);
                world.faults().clear();
            }
        }
        for polls in (0..40).step_by(7) {
            given_up(polls, put_small()).await;
            given_up(polls, upload(small)).await;
            given_up(polls, got()).await;
            given_up(polls, ranged().verified_range()).await;
            if of_objects {
                given_up(polls, ranged().unauthenticated_range()).await;
            }
            given_up(polls, async {
                take(got().release_unauthenticated().await.unwrap().body).await
            })
            .await;
            let mut out = Vec::with_capacity(small.len());
            given_up(polls, s3.download(get("k"), &mut out).format(format).part_len(1_000)).await;
            keep(out);
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
        keep(out);

        upload(large).await.unwrap();
        let mut out = Vec::with_capacity(large.len());
        let download = s3.download(get("k"), &mut out).format(format);
        download.release_unauthenticated().part_len(1 << 20).await.unwrap();
        assert!(out == large);
        keep(out);
        for operation in [Operation::UploadPart, Operation::CompleteMultipartUpload] {
            world.faults().next(operation, 1, Fault::Refuse(403, "AccessDenied"));
            upload(large).await.unwrap_err();
        }
        given_up(30, upload(large)).await;
        // Longer than a piece, so that it is given up between two, too.
        upload(whole).await.unwrap();
        let all = || s3.get_object(get("k").range("bytes=0-")).format(format).verified_range();
        let mut polls = 1;
        while !given_up(polls, all()).await {
            polls *= 2;
        }
    });
    let mut secrets = Secrets::new();
    plaintext.add_to(&mut secrets);
    secrets.add_with_forms("wrapping key", &object_key);
    secrets.add_with_forms("wrapping key of messages", &message_key);
    match format {
        Format::EsdkMessage => materials.add_to(&mut secrets),
        _ => told.lock().unwrap().iter().for_each(|key| secrets.add_with_forms("data key", key)),
    }
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
        keep(bytes);
    }
}

/// Drops a future after so many polls; whether it was done.
async fn given_up<F: IntoFuture>(polls: usize, future: F) -> bool {
    let (mut future, mut left) = (pin!(future.into_future()), polls);
    let output = std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    });
    let output = output.await;
    let is_done = output.is_some();
    keep(output);
    is_done
}

/// What comes out is the caller's, who may leave it where it is.
fn keep(output: impl Sized) {
    std::mem::forget(output);
}
