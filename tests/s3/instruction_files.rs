//! Instruction files beside the usual ones.

use waxseal::s3::InstructionFiles;
use waxseal::{Error, ObjectError};

use super::client::{bytes, get, open, put};
use super::keys::{aes, client};
use super::server::World;
use super::stored::{Stored, everything, keyring_of, opened, plaintext_of};

#[tokio::test]
async fn another_suffix_can_be_given_for_one_request() {
    let (world, keyring) = (World::new(), aes());
    let s3 = client(&world, &keyring).instruction_files(InstructionFiles::Always);
    s3.put_object(put("k").body(bytes(20).into())).await.unwrap();
    let file = world.stored("k.instruction");
    world.put("k.for-bob", &file).await;
    world.put("k.instruction", b"{}").await;
    assert!(opened(&s3, "k").await.is_err());
    let got = s3.get_object(get("k")).instruction_file_suffix(".for-bob").await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes(20));
    let got = s3.get_object(get("k")).instruction_file_suffix(".for-eve").await;
    let Err(Error::Object(ObjectError::InstructionFile { fault })) = got else { panic!("{got:?}") };
    assert!(fault.contains("k.for-eve"), "{fault}");
}

#[tokio::test]
async fn those_of_other_clients_are_read_whatever_is_written() {
    let world = World::new();
    for id in [
        "s3-kms-instr-0-ruby-v2",
        "s3-kmslegacy-instr-ruby-v1",
        "s3-aes-128-a-instr-ruby-v1",
        "s3-aes-192-a-instr-ruby-v2",
        "s3-rsa-2048-a-instr-ruby-v1",
        "s3-rsa-2048-a-instr-ruby-v2",
        "s3-synth-v3-aes-instr-0",
        "s3-synth-v3-rsa-instr-0",
    ] {
        let s3 = client(&world, &keyring_of(id).0).policy(everything());
        Stored::of_vector(id).store(&world, "k").await;
        for when in [InstructionFiles::Read, InstructionFiles::WhenNeeded, InstructionFiles::Always]
        {
            let s3 = s3.clone().instruction_files(when);
            assert!(open(&s3, "k").await == plaintext_of(id), "{id}");
        }
        let never = opened(&s3.instruction_files(InstructionFiles::Never), "k").await;
        assert!(matches!(never, Err(Error::Object(_))), "{id}: {never:?}");
    }
}
