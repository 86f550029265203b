//! Measures two classes of inputs in random order, and asks whether their times differ.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Two classes of inputs for one operation.
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    /// What should take the same time. All inputs are of one length.
    pub(crate) classes: [Vec<Vec<u8>>; 2],
    /// How many measurements, of both classes together.
    pub(crate) measurements: usize,
    /// Times the operation on this input, and nothing of its preparation.
    pub(crate) time: Timed<'a>,
}

/// An operation that says how long it took with this input.
pub(crate) type Timed<'a> = Box<dyn FnMut(&[u8]) -> Duration + 'a>;

/// What the times of a subject say.
pub(crate) struct Outcome {
    /// The greatest of Welch's t, by its absolute value, over all crops.
    pub(crate) t: f64,
    pub(crate) measurements: usize,
    /// Of both classes, in nanoseconds.
    pub(crate) median: f64,
    /// Between the means of the classes at that crop, in nanoseconds.
    pub(crate) difference: f64,
    /// What the difference would have to be for a t of 4.5 among the shortest 90 %, in nanoseconds.
    pub(crate) seen_from: f64,
}

impl Outcome {
    pub(crate) fn verdict(&self) -> &'static str {
        match self.t.abs() {
            t if t < SUSPICIOUS => "no leak seen",
            t if t <= CERTAIN => "unclear",
            _ => "LEAK",
        }
    }

    pub(crate) fn is_leak(&self) -> bool {
        self.t.abs() > CERTAIN
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.t.abs() < SUSPICIOUS
    }
}

/// Runs `operation` and gives the time that it took. What it gives is dropped after that.
pub(crate) fn time<T>(operation: impl FnOnce() -> T) -> Duration {
    let start = now();
    let result = black_box(operation());
    let duration = start.elapsed();
    drop(result);
    duration
}

/// Measures `share` of what the subject asks for.
pub(crate) fn measure(subject: &mut Subject<'_>, share: fn(usize) -> usize) -> Outcome {
    let Subject { classes, measurements, time, .. } = subject;
    let measurements = share(*measurements);
    let len = classes[0][0].len();
    assert!(classes.iter().flatten().all(|input| input.len() == len), "one length");
    // Both classes are read from one place, so that it is not their addresses that are compared.
    let mut input = vec![0; len];
    let mut times = Vec::with_capacity(measurements);
    let mut random = Random::default();
    for warming_up in [true, false] {
        for _ in 0..if warming_up { measurements / 20 + 1 } else { measurements } {
            let class = usize::from(random.byte() & 1 == 1);
            let which = usize::from(random.byte()) << 8 | usize::from(random.byte());
            let inputs = &classes[class];
            input.copy_from_slice(&inputs[which % inputs.len()]);
            let duration = time(black_box(&input));
            if !warming_up {
                times.push((duration.as_secs_f64() * 1e9, class));
            }
        }
    }
    compare(times)
}

/// Interrupts only ever make a measurement longer, so t is taken of the shortest so many of all, too: a
/// leak shows best where they are left out.
fn compare(mut times: Vec<(f64, usize)>) -> Outcome {
    times.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut greatest = Outcome {
        t: 0.0,
        measurements: times.len(),
        median: times[times.len() / 2].0,
        difference: 0.0,
        seen_from: f64::INFINITY,
    };
    for kept in KEPT {
        let mut classes = [Moments::default(), Moments::default()];
        for (time, class) in &times[..times.len() * kept / 1000] {
            classes[*class].add(*time);
        }
        let [a, b] = classes;
        let deviation = (a.variance() / a.count + b.variance() / b.count).sqrt();
        let difference = a.mean - b.mean;
        // A crop that all of one class fall out of says nothing; nor does a clock that stands still.
        if a.count < 10.0 || b.count < 10.0 || deviation == 0.0 {
            continue;
        }
        let t = difference / deviation;
        if t.abs() >= greatest.t.abs() {
            greatest.t = t;
            greatest.difference = difference;
        }
        if kept == KEPT_FOR_LIMIT {
            greatest.seen_from = SUSPICIOUS * deviation;
        }
    }
    greatest
}

/// Mean and variance as they come, by Welford.
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

/// The operating system's randomness, some at a time.
#[derive(Default)]
pub(crate) struct Random {
    pool: Vec<u8>,
}

impl Random {
    pub(crate) fn byte(&mut self) -> u8 {
        if self.pool.is_empty() {
            self.pool.resize(4096, 0);
            getrandom::fill(&mut self.pool).unwrap();
        }
        self.pool.pop().unwrap()
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.byte())
    }

    /// Anything but nothing, to change a byte with.
    pub(crate) fn mask(&mut self) -> u8 {
        self.byte().max(1)
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Below this |t|, nothing was seen.
const SUSPICIOUS: f64 = 4.5;
/// Above this |t|, there is a difference, whatever it comes from.
const CERTAIN: f64 = 10.0;
/// Of a thousand measurements, how many of the shortest are looked at.
const KEPT: [usize; 13] = [100, 200, 300, 400, 500, 600, 700, 800, 900, 950, 990, 999, 1000];
/// One of them: what is cut off there is mostly interrupts.
const KEPT_FOR_LIMIT: usize = 900;
