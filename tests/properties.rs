//! What goes in comes out: every way to encrypt against every way to decrypt.
#![expect(clippy::unwrap_used, reason = "a failed test should stop")]

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use proptest::prelude::*;
use waxseal::{
    AesKey, AlgorithmSuite, CommitmentPolicy, ContentType, DecryptReader, EncryptReader,
    EncryptWriter, EncryptionContext, Encryptor, FrameLayout, HeaderReader, Policy, RawAesKeyring,
    encryptor,
};

#[derive(Debug, Clone)]
struct Case {
    suite: AlgorithmSuite,
    frame_len: u32,
    plaintext: Vec<u8>,
    context: EncryptionContext,
    /// Sizes of input pieces, taken in turn.
    steps: Vec<usize>,
    /// Sizes of output buffers, taken in turn.
    rooms: Vec<usize>,
    threads: NonZeroUsize,
}

impl Case {
    fn encryptor(&self) -> Encryptor {
        encryptor(&keyring())
            .threads(self.threads)
            .suite(self.suite)
            .policy(policy(self.suite))
            .frame_len(self.frame_len)
            .unwrap()
            .context(self.context.clone())
            .now()
            .unwrap()
    }

    /// Nothing of the case, but what all messages of it have in common.
    fn check(&self, message: &[u8]) {
        let header = waxseal::inspect(message).unwrap();
        let header = header.parsed();
        assert_eq!(header.suite(), self.suite);
        assert_eq!(header.content_type(), ContentType::Framed { frame_len: self.frame_len });
        for (key, value) in self.context.iter() {
            assert_eq!(header.context().get(key), Some(value));
        }
        let layout = FrameLayout::new(header.len(), self.frame_len).unwrap();
        let len = u64::try_from(self.plaintext.len()).unwrap();
        let without_footer = layout.message_len(len).unwrap();
        let found = u64::try_from(message.len()).unwrap();
        if self.suite.signs() {
            let footer = found - without_footer;
            assert!((2 + 60..=2 + 104).contains(&footer), "{footer}");
        } else {
            assert_eq!(found, without_footer);
        }
        assert_eq!(layout.plaintext_len(without_footer), Some(len));
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let frame_len = prop_oneof![
        6 => 1_u32..=200,
        1 => Just(4096_u32),
        1 => prop::sample::select(vec![255, 256, 257, 1000, 65_535, 65_536, 1 << 20, u32::MAX]),
    ];
    (prop::sample::select(AlgorithmSuite::ALL.to_vec()), frame_len)
        .prop_flat_map(|(suite, frame_len)| {
            // Most plaintexts end at or beside the end of a frame.
            let frame = usize::try_from(frame_len.min(4097)).unwrap();
            let near = (0..=4_usize, -1..=1_isize)
                .prop_map(move |(frames, more)| (frames * frame).saturating_add_signed(more));
            let len = prop_oneof![4 => near, 1 => 0..=3 * frame, 1 => 0..=1000_usize];
            let context = prop::collection::btree_map(".{0,8}", ".{0,8}", 0..3)
                .prop_map(EncryptionContext::from_iter);
            (Just(suite), Just(frame_len), len, context, sizes(), sizes(), 1..4_usize, any::<u8>())
        })
        .prop_map(|(suite, frame_len, len, context, steps, rooms, threads, seed)| Case {
            suite,
            frame_len,
            plaintext: pattern(len, seed),
            context,
            steps,
            rooms,
            threads: NonZeroUsize::new(threads).unwrap(),
        })
}

/// Single bytes, sizes around those of small frames with what they carry, and large ones.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![2 => Just(1_usize), 4 => 1..=300_usize, 2 => 1..=20_000_usize];
    prop::collection::vec(size, 1..6)
}

fn pattern(len: usize, seed: u8) -> Vec<u8> {
    (0..=250).cycle().skip(usize::from(seed) % 251).take(len).collect()
}

fn keyring() -> RawAesKeyring {
    RawAesKeyring::new("tests", "key", AesKey::try_from(&[5; 32][..]).unwrap()).unwrap()
}

fn policy(suite: AlgorithmSuite) -> Policy {
    Policy::default().commitment(if suite.commits() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    })
}

/// Gives at most so many bytes a time, and takes at most so many.
struct Trickle<'a, T> {
    inner: T,
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
    /// Whether to say `Pending` first.
    #[cfg(feature = "tokio")]
    pending: bool,
}

impl<'a, T> Trickle<'a, T> {
    fn new(inner: T, sizes: &'a [usize]) -> Self {
        Self {
            inner,
            sizes: sizes.iter().cycle(),
            #[cfg(feature = "tokio")]
            pending: true,
        }
    }

    fn limit(&mut self, len: usize) -> usize {
        self.sizes.next().map_or(len, |size| (*size).min(len))
    }
}

impl<T: Read> Read for Trickle<'_, T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.limit(out.len());
        self.inner.read(&mut out[..len])
    }
}

impl<T: Write> Write for Trickle<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.limit(bytes.len());
        self.inner.write(&bytes[..len])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn encrypt_at_once(case: &Case) -> Vec<u8> {
    waxseal::encrypt(&case.plaintext, &keyring())
        .threads(case.threads)
        .suite(case.suite)
        .policy(policy(case.suite))
        .frame_len(case.frame_len)
        .unwrap()
        .context(case.context.clone())
        .now()
        .unwrap()
        .into_bytes()
}

fn encrypt_by_push(case: &Case) -> Vec<u8> {
    let mut encryptor = case.encryptor();
    let mut message = Vec::new();
    let mut rooms = case.rooms.iter().cycle();
    let mut steps = case.steps.iter().cycle();
    let mut rest = &case.plaintext[..];
    let mut buffer = vec![0; 20_000];
    while !rest.is_empty() {
        let step = (*steps.next().unwrap()).min(rest.len());
        let room = *rooms.next().unwrap();
        buffer.fill(0xee);
        let progress = encryptor.update(&rest[..step], &mut buffer[..room]).unwrap();
        assert!(progress.read == step || progress.written == room, "it stopped for no reason");
        assert!(buffer[progress.written..].iter().all(|byte| *byte == 0xee));
        rest = &rest[progress.read..];
        message.extend_from_slice(&buffer[..progress.written]);
    }
    while !encryptor.is_finished() {
        let room = *rooms.next().unwrap();
        let written = encryptor.finish(&mut buffer[..room]).unwrap();
        assert!(written == room || encryptor.is_finished(), "it stopped for no reason");
        message.extend_from_slice(&buffer[..written]);
    }
    message
}

fn encrypt_by_writer(case: &Case) -> Vec<u8> {
    let mut writer = EncryptWriter::new(case.encryptor(), Trickle::new(Vec::new(), &case.rooms));
    let mut steps = case.steps.iter().cycle();
    let mut rest = &case.plaintext[..];
    while !rest.is_empty() {
        let step = (*steps.next().unwrap()).min(rest.len());
        let taken = writer.write(&rest[..step]).unwrap();
        assert!(taken > 0);
        rest = &rest[taken..];
        if step.is_multiple_of(3) {
            writer.flush().unwrap();
        }
    }
    writer.finish().unwrap().inner
}

fn encrypt_by_reader(case: &Case) -> Vec<u8> {
    let source = Trickle::new(&case.plaintext[..], &case.steps);
    read_in_pieces(EncryptReader::new(case.encryptor(), source), &case.rooms)
}

fn read_in_pieces(mut reader: impl Read, rooms: &[usize]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; 20_000];
    for room in rooms.iter().cycle() {
        match reader.read(&mut buffer[..*room]).unwrap() {
            0 => break,
            len => all.extend_from_slice(&buffer[..len]),
        }
    }
    assert_eq!(reader.read(&mut buffer).unwrap(), 0, "the end is no end");
    all
}

fn decrypt_at_once(case: &Case, message: &[u8]) -> Vec<u8> {
    waxseal::decrypt(message, &keyring())
        .threads(case.threads)
        .policy(policy(case.suite))
        .require(case.context.clone())
        .require_keys(case.context.iter().map(|(key, _)| key))
        .now()
        .unwrap()
        .into_plaintext()
}

fn decrypt_by_push(case: &Case, message: &[u8]) -> Vec<u8> {
    let mut steps = case.steps.iter().cycle();
    let mut reader = HeaderReader::new(policy(case.suite));
    let mut rest = message;
    while !reader.is_complete() {
        let step = (*steps.next().unwrap()).min(rest.len());
        let taken = reader.push(&rest[..step]).unwrap();
        assert!(taken == step || reader.is_complete());
        rest = &rest[taken..];
    }
    let unlock = reader.finish().unwrap();
    let mut decryptor = unlock
        .unlock(&keyring())
        .threads(case.threads)
        .require(case.context.clone())
        .now()
        .unwrap();
    let mut rooms = case.rooms.iter().cycle();
    let mut buffer = vec![0; 20_000];
    let mut plaintext = Vec::new();
    loop {
        let step = (*steps.next().unwrap()).min(rest.len());
        let room = *rooms.next().unwrap();
        buffer.fill(0xee);
        let progress = decryptor.update(&rest[..step], &mut buffer[..room]).unwrap();
        assert!(progress.read == step || progress.written == room, "it stopped for no reason");
        assert!(buffer[progress.written..].iter().all(|byte| *byte == 0xee));
        rest = &rest[progress.read..];
        plaintext.extend_from_slice(&buffer[..progress.written]);
        if rest.is_empty() && progress.written == 0 {
            break;
        }
    }
    let verified = decryptor.finish().unwrap();
    assert_eq!(verified.header.suite(), case.suite);
    plaintext
}

fn decrypt_by_reader(case: &Case, message: &[u8]) -> Vec<u8> {
    let source = Trickle::new(message, &case.steps);
    let locked = DecryptReader::open_with(source, policy(case.suite)).unwrap();
    let reader = locked
        .unlock(&keyring())
        .threads(case.threads)
        .require(case.context.clone())
        .now()
        .unwrap();
    read_in_pieces(reader, &case.rooms)
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

    use super::*;

    impl<T> Trickle<'_, T> {
        /// Every other call has to be made again.
        fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<()> {
            self.pending = !self.pending;
            if self.pending {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    impl<T: Read + Unpin> AsyncRead for Trickle<'_, T> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            ready!(self.poll_turn(cx));
            let len = Read::read(&mut *self, out.initialize_unfilled())?;
            out.advance(len);
            Poll::Ready(Ok(()))
        }
    }

    impl<T: Write + Unpin> AsyncWrite for Trickle<'_, T> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            ready!(self.poll_turn(cx));
            Poll::Ready(Write::write(&mut *self, bytes))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_turn(cx).map(Ok)
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    pub(crate) fn encrypt_by_writer(case: &Case) -> Vec<u8> {
        run(async {
            let inner = Trickle::new(Vec::new(), &case.rooms);
            let mut writer = waxseal::tokio::EncryptWriter::new(case.encryptor(), inner);
            let mut steps = case.steps.iter().cycle();
            let mut rest = &case.plaintext[..];
            while !rest.is_empty() {
                let step = (*steps.next().unwrap()).min(rest.len());
                let taken = writer.write(&rest[..step]).await.unwrap();
                assert!(taken > 0);
                rest = &rest[taken..];
                if step.is_multiple_of(3) {
                    writer.flush().await.unwrap();
                }
            }
            writer.shutdown().await.unwrap();
            writer.into_inner().inner
        })
    }

    pub(crate) fn encrypt_by_reader(case: &Case) -> Vec<u8> {
        let source = Trickle::new(&case.plaintext[..], &case.steps);
        let reader = waxseal::tokio::EncryptReader::new(case.encryptor(), source);
        run(read_in_pieces(reader, &case.rooms))
    }

    pub(crate) fn decrypt_by_reader(case: &Case, message: &[u8]) -> Vec<u8> {
        run(async {
            let source = Trickle::new(message, &case.steps);
            let locked =
                waxseal::tokio::DecryptReader::open_with(source, policy(case.suite)).await.unwrap();
            let keyring = keyring();
            let unlock =
                locked.unlock(&keyring).threads(case.threads).require(case.context.clone());
            read_in_pieces(unlock.await.unwrap(), &case.rooms).await
        })
    }

    async fn read_in_pieces(mut reader: impl AsyncRead + Unpin, rooms: &[usize]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut buffer = vec![0; 20_000];
        for room in rooms.iter().cycle() {
            match reader.read(&mut buffer[..*room]).await.unwrap() {
                0 => break,
                len => all.extend_from_slice(&buffer[..len]),
            }
        }
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0, "the end is no end");
        all
    }
}

type Encrypt = fn(&Case) -> Vec<u8>;
type Decrypt = fn(&Case, &[u8]) -> Vec<u8>;

const WAYS_TO_ENCRYPT: &[(&str, Encrypt)] = &[
    ("at once", encrypt_at_once),
    ("push", encrypt_by_push),
    ("writer", encrypt_by_writer),
    ("reader", encrypt_by_reader),
    #[cfg(feature = "tokio")]
    ("tokio writer", with_tokio::encrypt_by_writer),
    #[cfg(feature = "tokio")]
    ("tokio reader", with_tokio::encrypt_by_reader),
];

const WAYS_TO_DECRYPT: &[(&str, Decrypt)] = &[
    ("at once", decrypt_at_once),
    ("push", decrypt_by_push),
    ("reader", decrypt_by_reader),
    #[cfg(feature = "tokio")]
    ("tokio reader", with_tokio::decrypt_by_reader),
];

/// Every suite and every small geometry, so that no boundary depends on luck.
#[test]
fn every_boundary_of_small_frames_survives() {
    for suite in AlgorithmSuite::ALL {
        for frame_len in [1, 2, 3, 16] {
            let frame = usize::try_from(frame_len).unwrap();
            for len in (0..=3 * frame + 1).filter(|len| frame < 16 || len % 16 < 2 || len % 16 > 14)
            {
                let case = Case {
                    suite,
                    frame_len,
                    plaintext: pattern(len, 0),
                    context: EncryptionContext::new(),
                    steps: vec![1],
                    rooms: vec![7],
                    threads: NonZeroUsize::MIN,
                };
                let message = encrypt_at_once(&case);
                case.check(&message);
                assert_eq!(decrypt_at_once(&case, &message), case.plaintext, "{suite} {len}");
                assert_eq!(decrypt_by_push(&case, &message), case.plaintext, "{suite} {len}");
            }
        }
    }
}

/// A frame length of which no buffer is ever made: the plaintext is one short final frame.
#[test]
fn the_longest_frame_costs_nothing() {
    let case = Case {
        suite: AlgorithmSuite::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
        frame_len: u32::MAX,
        plaintext: pattern(10, 0),
        context: EncryptionContext::new(),
        steps: vec![3],
        rooms: vec![5],
        threads: NonZeroUsize::new(2).unwrap(),
    };
    for (_, encrypt) in WAYS_TO_ENCRYPT {
        let message = encrypt(&case);
        for (_, decrypt) in WAYS_TO_DECRYPT {
            assert_eq!(decrypt(&case, &message), case.plaintext);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_way_in_leads_out_by_every_way(case in cases()) {
        for (to, encrypt) in WAYS_TO_ENCRYPT {
            let message = encrypt(&case);
            case.check(&message);
            for (from, decrypt) in WAYS_TO_DECRYPT {
                prop_assert!(decrypt(&case, &message) == case.plaintext, "{to}, then {from}");
            }
        }
    }

    #[test]
    fn frames_in_any_order_are_the_same_message(
        case in cases(),
        order in prop::collection::vec(any::<u32>(), 1..20),
    ) {
        let parts = case.encryptor().into_frames().unwrap();
        let len = u64::try_from(case.plaintext.len()).unwrap();
        let header_len = parts.header.len();
        let layout =
            FrameLayout::new(u64::try_from(header_len).unwrap(), parts.sealer.frame_len()).unwrap();
        let index = |offset: u64| usize::try_from(offset).unwrap();
        let mut message = parts.header;
        message.resize(index(layout.message_len(len).unwrap()), 0);
        let mut numbers: Vec<u32> = (1..=layout.frame_count(len).unwrap()).collect();
        numbers.sort_by_key(|n| order[index(u64::from(*n)) % order.len()].rotate_left(*n % 32));
        for n in &numbers {
            let span = layout.frame(*n, len).unwrap();
            let place = index(span.ciphertext.start)..index(span.ciphertext.end);
            let content = &case.plaintext[index(span.plaintext.start)..index(span.plaintext.end)];
            prop_assert_eq!(parts.sealer.sealed_len(span.kind, content.len()), place.len());
            parts.sealer.seal(*n, span.kind, content, &mut message[place]).unwrap();
        }
        let mut footer = parts.footer;
        prop_assert_eq!(footer.signs(), case.suite.signs());
        footer.update(&message[header_len..]);
        let body_end = message.len();
        message.extend(footer.finish().unwrap());
        case.check(&message);
        prop_assert_eq!(&decrypt_by_push(&case, &message), &case.plaintext);

        let (locked, found) = waxseal::Locked::read(&message, policy(case.suite)).unwrap();
        prop_assert_eq!(found, header_len);
        let parts = locked.unlock(&keyring()).now().unwrap().into_frames().unwrap();
        let mut plaintext = vec![0; case.plaintext.len()];
        for n in numbers.iter().rev() {
            let span = layout.frame(*n, len).unwrap();
            let place = index(span.ciphertext.start)..index(span.ciphertext.end);
            let out = &mut plaintext[index(span.plaintext.start)..index(span.plaintext.end)];
            parts.opener.open(*n, span.kind, &message[place], out).unwrap();
        }
        prop_assert_eq!(&plaintext, &case.plaintext);
        let mut footer = parts.footer;
        prop_assert_eq!(footer.signs(), case.suite.signs());
        footer.update(&message[header_len..body_end]);
        footer.finish(&message[body_end..]).unwrap();
    }
}
