//! Whether the time that an operation takes tells something about secrets, in the manner of dudect.
//!
//! For each subject there are two classes of inputs that should take the same time: a wrong first byte and a wrong
//! last byte, say. Inputs of both are measured in random order, the longest measurements are cut off at several
//! places, and Welch's t-test asks whether the means of the classes differ.
//!
//! ```text
//! cargo bench --bench timing --features s3-format               all of it: minutes
//! cargo bench --bench timing --features s3-format -- --quick    seconds: only the controls must come out
//! cargo bench --bench timing --no-default-features --features rustcrypto,s3-format
//! ```
//!
//! Two controls must come out, or nothing here can be trusted: a comparison that stops early must be found, and two
//! classes that are one must not be.
//!
//! What it cannot do:
//!
//! - **It proves nothing.** That no leak was seen means that none of the size in the column "seen from" was there, on
//!   this machine, with this compiler, in this hour.
//! - It sees time, as this process sees it. It does not see caches, branch predictors, power or radiation, nor what a
//!   neighbour on the same processor could see.
//! - Another machine, compiler or backend has to be measured again.
//! - On a busy machine noise hides small leaks, and now and then looks like one: repeat what is unclear.
//!
//! `docs/constant-time.md` has the results, and what each comparison in this crate is made with.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run should stop")]

mod comparisons;
mod padding;
mod unwrapping;
mod welch;

use std::process::ExitCode;

use welch::{Outcome, Random, Subject, measure, time};

fn main() -> ExitCode {
    let given = |what: &str| std::env::args().any(|argument| argument == what);
    // `cargo test --benches` only wants to know that it runs.
    let smoke = !given("--bench");
    let share: fn(usize) -> usize = if smoke {
        |_| 200
    } else if given("--quick") {
        |measurements| measurements / 20
    } else {
        |measurements| measurements
    };
    println!("backend: {BACKEND}");
    println!(
        "{:<56} {:>8} {:>9} {:>12} {:>12} {:>8}  verdict",
        "subject", "n", "median", "difference", "seen from", "t"
    );
    let controls_hold = controls(share);
    let mut clean = true;
    let mut subjects = comparisons::subjects();
    subjects.extend(unwrapping::subjects());
    for mut subject in subjects {
        clean &= !print(subject.name, &measure(&mut subject, share)).is_leak();
    }
    println!("{LIMITS}");
    if smoke {
        return ExitCode::SUCCESS;
    }
    if !controls_hold {
        eprintln!("error: a control did not come out: these figures say nothing");
        return ExitCode::FAILURE;
    }
    if !clean && !given("--quick") {
        eprintln!("error: a difference was seen: repeat it, and look into it");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Whether what must be seen is seen, and nothing where there is nothing. Noise has three tries.
fn controls(share: fn(usize) -> usize) -> bool {
    let leaks = (0..3).any(|_| {
        let mut control = leaky_control();
        print(control.name, &measure(&mut control, share)).is_leak()
    });
    let nothing = (0..3).any(|_| {
        let mut control = null_control();
        print(control.name, &measure(&mut control, share)).is_clean()
    });
    leaks && nothing
}

/// What stops at the first difference.
fn leaky_control() -> Subject<'static> {
    let secret = Random::default().bytes::<4096>();
    Subject {
        name: "control: == of slices, first or last byte of 4096",
        classes: wrong_first_or_last(&secret, 0..4096),
        measurements: 400_000,
        time: Box::new(move |input| time(|| input == &secret[..])),
    }
}

/// The same with two classes that are one.
fn null_control() -> Subject<'static> {
    let secret = Random::default().bytes::<4096>();
    let [first, _] = wrong_first_or_last(&secret, 0..4096);
    Subject {
        name: "control: the same class twice",
        classes: [first.clone(), first],
        measurements: 400_000,
        time: Box::new(move |input| time(|| input == &secret[..])),
    }
}

/// Copies of `bytes` with the first byte of this range changed, and with the last one changed.
fn wrong_first_or_last(bytes: &[u8], range: std::ops::Range<usize>) -> [Vec<Vec<u8>>; 2] {
    let mut random = Random::default();
    [range.start, range.end - 1].map(|at| {
        let changed = |_| {
            let mut bytes = bytes.to_vec();
            bytes[at] ^= random.mask();
            bytes
        };
        (0..64).map(changed).collect()
    })
}

fn print<'o>(name: &str, outcome: &'o Outcome) -> &'o Outcome {
    let Outcome { t, measurements, median, difference, seen_from } = outcome;
    println!(
        "{name:<56} {measurements:>8} {median:>6.0} ns {difference:>9.2} ns {seen_from:>9.2} ns \
         {t:>8.1}  {}",
        outcome.verdict()
    );
    outcome
}

#[cfg(any(feature = "aws-lc-rs", feature = "fips"))]
const BACKEND: &str = "AWS-LC";
#[cfg(not(any(feature = "aws-lc-rs", feature = "fips")))]
const BACKEND: &str = "RustCrypto";

const LIMITS: &str = "\
t is the greatest over 13 crops; under 4.5 nothing was seen, over 10 there is a difference.
A pass proves nothing: only that no difference of the size under \"seen from\" was there, on this machine, now.";
