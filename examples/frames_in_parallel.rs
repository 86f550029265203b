//! Frames are pure functions: seal them on several threads, read one of them alone.

use waxseal::{AesKey, AlgorithmSuite, DecryptAt, FrameKind, FrameLayout, RawAesKeyring};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = RawAesKeyring::new("my-app", "key-2026", AesKey::generate_256()?)?;
    let suite = AlgorithmSuite::Aes256GcmHkdfSha512CommitKey;
    let plaintext: Vec<u8> = (0..10_000_000_u32).flat_map(u32::to_le_bytes).collect();

    // Seal (an empty plaintext would need one empty final frame): every frame is written to its own part of the message, by any thread.
    let frame_len = 1 << 20;
    let parts =
        waxseal::encryptor(&keyring).suite(suite).frame_len(frame_len)?.now()?.into_frames()?;
    let layout = FrameLayout::new(parts.header.len().try_into()?, frame_len)?;
    let mut message = parts.header;
    let body_start = message.len();
    message.resize(layout.message_len(plaintext.len().try_into()?)?.try_into()?, 0);
    let frames = plaintext.chunks(frame_len.try_into()?);
    let (count, sealer) = (frames.len(), &parts.sealer);
    let mut rest = &mut message[body_start..];
    std::thread::scope(|threads| {
        for (i, frame) in frames.enumerate() {
            let kind = if i + 1 == count { FrameKind::Final } else { FrameKind::Regular };
            let (out, after) = rest.split_at_mut(sealer.sealed_len(kind, frame.len()));
            rest = after;
            let number = u32::try_from(i + 1).expect("few frames");
            threads.spawn(move || sealer.seal(number, kind, frame, out).expect("lengths fit"));
        }
    });
    assert_eq!(waxseal::decrypt(&message, &keyring).now()?.plaintext(), plaintext);

    // Open: any part alone; the final frame was opened first, which proves how many there are.
    let opened = DecryptAt::open(&message)?.unlock(&keyring).now()?;
    assert_eq!(opened.read_range(6 << 20..7 << 20)?, &plaintext[6 << 20..7 << 20]);
    println!("{count} frames sealed on threads; frame 7 opened alone");
    Ok(())
}
