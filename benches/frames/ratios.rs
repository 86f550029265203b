//! The table: what a message costs beside the primitives that it cannot do without.
//!
//! Both sides of a ratio are measured in turns, so that a busy machine slows both.

use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use waxseal::{DecryptAt, FrameKind, Locked, Policy, RawAesKeyring, ReadAt};

use crate::bare;
use crate::primitives::Primitives;
use crate::{
    FRAME_LENS, SUITES, Setup, decrypt, encrypt, frame_lens, keyring, message_buffer_len, size,
};

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Each row once, and only short ones: whether it runs.
    Smoke,
    /// Up to 256 MiB.
    Usual,
    /// Up to 1 GiB, which takes 4 GiB of memory and minutes.
    Full,
}

pub(crate) fn print(extent: Extent) {
    println!("\nwaxseal beside the bare primitives of {}, in the same run", bare::NAME);
    small_messages(extent);
    streams(extent);
    random_reads(extent);
}

/// Times of reading 1 KiB somewhere, as multiples of opening the frame that holds it.
pub(crate) fn random_reads(extent: Extent) {
    println!(
        "\n{:<48} {:>10} {:>10} {:>8} {:>8}",
        "random reads", "ours", "frame", "median", "best"
    );
    let (len, batch, rounds) = match extent {
        Extent::Smoke => (4 << 20, 1, 1),
        _ => (64 << 20, 64, 51),
    };
    let (keyring, plaintext) = (keyring(), vec![7; len]);
    for frame_len in FRAME_LENS {
        let message = waxseal::encrypt(&plaintext, &keyring)
            .suite(SUITES[0].1)
            .frame_len(u32::try_from(frame_len).unwrap())
            .unwrap()
            .now()
            .unwrap()
            .into_bytes();
        let (locked, header_len) = Locked::read(&message, Policy::default()).unwrap();
        let opener = locked.unlock(&keyring).now().unwrap().into_frames().unwrap().opener;
        // In another frame each time, and seldom in one that a cache would still have; not in the final one.
        let mut at = 0_usize;
        let mut next = move || {
            at = (at + len / 64 * 37 + 12_289) % (len - frame_len - 1024);
            let within = at % frame_len;
            at - within + within.min(frame_len - 1024)
        };
        let place = |offset: usize| {
            let number = offset / frame_len;
            let start = header_len + number * (frame_len + 32);
            (u32::try_from(number + 1).unwrap(), start..start + frame_len + 32)
        };
        let (mut kib, mut content) = (vec![0; 1024], vec![0; frame_len]);

        let bytes = DecryptAt::open(&message[..]).unwrap().unlock(&keyring).now().unwrap();
        // Far from where ours was just before: that would still be in the caches of the processor.
        let mut other = next;
        for _ in 0..100_003 {
            black_box(other());
        }
        let times = in_turns(
            rounds,
            || repeat(batch, || bytes.read_exact_at(&mut kib, to_u64(next())).unwrap()),
            || {
                repeat(batch, || {
                    let (number, place) = place(other());
                    opener.open(number, FrameKind::Regular, &message[place], &mut content).unwrap();
                })
            },
        );
        print_time(&format!("1 KiB of frames of {}, in memory", size(frame_len)), batch, times);

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&message).unwrap();
        let mut sealed = vec![0; frame_len + 32];
        let read = DecryptAt::open(&file).unwrap().unlock(&keyring).now().unwrap();
        let times = in_turns(
            rounds,
            || repeat(batch, || read.read_exact_at(&mut kib, to_u64(next())).unwrap()),
            || {
                repeat(batch, || {
                    let (number, place) = place(other());
                    let found = ReadAt::read_at(&file, &mut sealed, to_u64(place.start)).unwrap();
                    assert_eq!(found, sealed.len());
                    opener.open(number, FrameKind::Regular, &sealed, &mut content).unwrap();
                })
            },
        );
        print_time(&format!("1 KiB of frames of {}, in a file", size(frame_len)), batch, times);
    }
}

fn to_u64(offset: usize) -> u64 {
    u64::try_from(offset).unwrap()
}

/// Times as multiples of the sum of the primitives: 1.00 is as fast, 2.00 takes twice as long.
fn small_messages(extent: Extent) {
    println!("\n{:<48} {:>10} {:>10} {:>8} {:>8}", "small", "ours", "bare", "median", "best");
    let keyring = keyring();
    for (name, suite) in SUITES {
        for len in [1 << 10, 64 << 10] {
            let (rounds, batch) = match (extent, suite.signs(), len) {
                (Extent::Smoke, ..) => (1, 1),
                (_, true, _) => (101, 5),
                (_, false, 1024) => (101, 200),
                (_, false, _) => (101, 20),
            };
            let plaintext = vec![7; len];
            let message = waxseal::encrypt(&plaintext, &keyring).suite(suite).now().unwrap();
            let header_len = usize::try_from(message.header().len()).unwrap();
            let mut bare = Primitives::new(header_len, 4096, suite.signs(), &plaintext);
            let setup = Setup { suite, frame_len: 4096, threads: 1 };
            let (mut buffer, mut opened) = (vec![0; message_buffer_len(len, 4096)], vec![0; len]);
            let mut out = opened.clone();
            let row = |how: &str| format!("{name}, {}, {how}", size(len));

            let times = in_turns(
                rounds,
                || repeat(batch, || waxseal::encrypt(&plaintext, &keyring).suite(suite).now()),
                || repeat(batch, || bare.encrypt(&plaintext)),
            );
            print_time(&row("encrypt to a Vec"), batch, times);
            let times = in_turns(
                rounds,
                || {
                    repeat(batch, || {
                        let encrypt = waxseal::encrypt(&plaintext, &keyring).suite(suite);
                        encrypt.into_buffer(&mut buffer).now().unwrap().written()
                    })
                },
                || repeat(batch, || bare.encrypt(&plaintext)),
            );
            print_time(&row("encrypt into a buffer"), batch, times);
            let times = in_turns(
                rounds,
                || repeat(batch, || encrypt(&keyring, setup, &plaintext, &mut buffer)),
                || repeat(batch, || bare.encrypt(&plaintext)),
            );
            print_time(&row("encrypt as a stream"), batch, times);

            let times = in_turns(
                rounds,
                || repeat(batch, || waxseal::decrypt(&message, &keyring).now().unwrap()),
                || repeat(batch, || bare.decrypt(&mut out)),
            );
            print_time(&row("decrypt to a Vec"), batch, times);
            let times = in_turns(
                rounds,
                || {
                    repeat(batch, || {
                        let decrypt = waxseal::decrypt(&message, &keyring);
                        decrypt.into_buffer(&mut opened).now().unwrap().written()
                    })
                },
                || repeat(batch, || bare.decrypt(&mut out)),
            );
            print_time(&row("decrypt into a buffer"), batch, times);
            let times = in_turns(
                rounds,
                || repeat(batch, || decrypt(&keyring, 1, &message, &mut opened)),
                || repeat(batch, || bare.decrypt(&mut out)),
            );
            print_time(&row("decrypt as a stream"), batch, times);
        }
    }
}

/// Speeds as parts of others: 1.00 is as fast, 0.50 half as fast.
fn streams(extent: Extent) {
    println!("\n{:<48} {:>10} {:>10} {:>8} {:>8}", "streams", "ours", "of", "median", "best");
    let keyring = keyring();
    let lens: &[usize] = match extent {
        Extent::Smoke => &[2 << 20],
        Extent::Usual => &[16 << 20, 256 << 20],
        Extent::Full => &[16 << 20, 256 << 20, 1 << 30],
    };
    for &len in lens {
        let mut plaintext = vec![7; len];
        let mut message = vec![0; message_buffer_len(len, FRAME_LENS[0])];
        for (name, suite) in SUITES {
            let rounds = match (extent, suite.signs()) {
                (Extent::Smoke, _) => 1,
                (_, false) => (41 * (16 << 20) / len).max(5),
                (_, true) => (7 * (16 << 20) / len).max(3),
            };
            for frame_len in frame_lens(len) {
                // The header's length hardly matters here.
                let mut bare = Primitives::new(300, frame_len, suite.signs(), &plaintext);
                for threads in THREADS {
                    let setup = Setup { suite, frame_len, threads: *threads };
                    let run = Run { keyring: &keyring, setup, name, rounds };
                    run.encrypt(&plaintext, &mut message, &mut bare);
                    run.decrypt(&mut plaintext, &mut message, &bare);
                }
            }
        }
        let times = in_turns(
            if extent == Extent::Smoke { 1 } else { 9 },
            || bare::sha384(&plaintext),
            || {
                message[..len].copy_from_slice(&plaintext);
                len
            },
        );
        print_speed(&format!("SHA-384 of {}, of memcpy", size(len)), len, times);
    }
}

struct Run<'a> {
    keyring: &'a RawAesKeyring,
    setup: Setup,
    name: &'a str,
    rounds: usize,
}

impl Run<'_> {
    fn encrypt(&self, plaintext: &[u8], message: &mut [u8], bare: &mut Primitives) {
        let Self { keyring, setup, rounds, .. } = self;
        let ours = |setup: Setup, message: &mut [u8]| encrypt(keyring, setup, plaintext, message);
        let times = in_turns(*rounds, || ours(*setup, message), || bare.encrypt(plaintext));
        print_speed(&self.row("encrypt", "of the primitives"), plaintext.len(), times);
        if setup.suite.signs() {
            let times = in_turns(*rounds, || ours(*setup, message), || bare.hash());
            print_speed(&self.row("encrypt", "of SHA-384"), plaintext.len(), times);
        }
        if setup.threads > 1 {
            let one = Setup { threads: 1, ..*setup };
            let mut other = message.to_vec();
            let times = in_turns(*rounds, || ours(*setup, message), || ours(one, &mut other));
            print_speed(&self.row("encrypt", "of one thread"), plaintext.len(), times);
        }
    }

    fn decrypt(&self, plaintext: &mut [u8], message: &mut [u8], bare: &Primitives) {
        let Self { keyring, setup, rounds, .. } = self;
        let message_len = encrypt(keyring, *setup, plaintext, message);
        let (message, len) = (&message[..message_len], plaintext.len());
        let mut out = vec![0; len];
        let threads = setup.threads;
        let times = in_turns(
            *rounds,
            || decrypt(keyring, threads, message, plaintext),
            || bare.decrypt(&mut out),
        );
        print_speed(&self.row("decrypt", "of the primitives"), len, times);
        if setup.suite.signs() {
            let times =
                in_turns(*rounds, || decrypt(keyring, threads, message, plaintext), || bare.hash());
            print_speed(&self.row("decrypt", "of SHA-384"), len, times);
        }
        if threads > 1 {
            let times = in_turns(
                *rounds,
                || decrypt(keyring, threads, message, plaintext),
                || decrypt(keyring, 1, message, &mut out),
            );
            print_speed(&self.row("decrypt", "of one thread"), len, times);
        }
    }

    fn row(&self, how: &str, of: &str) -> String {
        let Self { name, setup: Setup { frame_len, threads, .. }, .. } = self;
        let threads = if *threads == 1 { String::new() } else { format!(" x{threads}") };
        format!("{name}{threads}, frames of {}, {how}, {of}", size(*frame_len))
    }
}

fn repeat<T>(times: u32, mut work: impl FnMut() -> T) -> usize {
    for _ in 0..times {
        black_box(work());
    }
    0
}

/// Times of both, taken in turns after one round for nothing.
fn in_turns(
    rounds: usize,
    mut ours: impl FnMut() -> usize,
    mut other: impl FnMut() -> usize,
) -> (Vec<Duration>, Vec<Duration>) {
    black_box((ours(), other()));
    (0..rounds).map(|_| (time(&mut ours), time(&mut other))).unzip()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark is about nothing but the clock")]
fn time(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    black_box(work());
    start.elapsed()
}

fn median_and_best(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    [times[times.len() / 2].as_secs_f64(), times[0].as_secs_f64()]
}

fn print_speed(what: &str, len: usize, (ours, other): (Vec<Duration>, Vec<Duration>)) {
    let (ours, other) = (median_and_best(ours), median_and_best(other));
    let len = f64::from(u32::try_from(len).unwrap());
    println!(
        "{what:<48} {:>5.2} GB/s {:>5.2} GB/s {:>8.3} {:>8.3}",
        len / ours[0] / 1e9,
        len / other[0] / 1e9,
        other[0] / ours[0],
        other[1] / ours[1],
    );
}

fn print_time(what: &str, batch: u32, (ours, bare): (Vec<Duration>, Vec<Duration>)) {
    let (ours, bare) = (median_and_best(ours), median_and_best(bare));
    println!(
        "{what:<48} {:>7.2} us {:>7.2} us {:>8.3} {:>8.3}",
        ours[0] * 1e6 / f64::from(batch),
        bare[0] * 1e6 / f64::from(batch),
        ours[0] / bare[0],
        ours[1] / bare[1],
    );
}

/// Rows of streams for each number of threads.
const THREADS: &[usize] = &[1, 2];
