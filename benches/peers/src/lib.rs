//! What the programs share. A program reads jobs, one JSON object a line, and answers each with one.
//!
//! ```text
//! {"op": "prepare", "direction": "encrypt", "signed": false, "frame_len": 4096, "len": 1024}
//! {"op": "run", "times": 5}                                 gives "seconds", of all five
//! {"op": "copy", ..., "input": PATH, "output": PATH}         encrypts or decrypts a file
//! ```
//!
//! A failed job answers `{"error": "..."}`.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The wrapping key of every program, here and in Python and JavaScript.
pub const KEY: [u8; 32] = [7; 32];
pub const KEY_NAMESPACE: &str = "bench";
pub const KEY_NAME: &str = "raw";

/// What one figure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub decrypts: bool,
    /// Suite 0x0578 if so, else 0x0478.
    pub signed: bool,
    /// Bytes.
    pub frame_len: usize,
    /// Bytes of plaintext.
    pub len: usize,
}

/// One implementation.
pub trait Peer {
    /// Makes what the runs of a cell need: none of it is measured.
    fn prepare(&mut self, cell: Cell) -> Result<()>;

    /// Encrypts or decrypts the whole message once, and says how long that took.
    fn run(&mut self) -> Result<Duration>;

    /// Encrypts or decrypts a file, as a stream if it can.
    fn copy(&mut self, cell: Cell, input: &Path, output: &Path) -> Result<()>;
}

/// Does jobs until standard input ends.
pub fn serve(peer: &mut dyn Peer) -> Result<()> {
    for line in io::stdin().lock().lines() {
        let answer = match answer(peer, &serde_json::from_str(&line?)?) {
            Ok(answer) => answer,
            Err(error) => json!({ "error": format!("{error}: {error:?}") }),
        };
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}

/// Does it, and says how long it took.
#[expect(clippy::disallowed_methods, reason = "a benchmark is about nothing but the clock")]
pub fn time<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let begun = Instant::now();
    let done = work()?;
    Ok((begun.elapsed(), done))
}

/// Bytes that do not repeat with the frames.
pub fn plaintext(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

fn answer(peer: &mut dyn Peer, job: &Value) -> Result<Value> {
    match text(job, "op")? {
        "prepare" => peer.prepare(cell(job)?)?,
        "run" => {
            let mut all = Duration::ZERO;
            for _ in 0..number(job, "times")? {
                all += peer.run()?;
            }
            return Ok(json!({ "seconds": all.as_secs_f64() }));
        }
        "copy" => {
            let (input, output) = (text(job, "input")?, text(job, "output")?);
            peer.copy(cell(job)?, Path::new(input), Path::new(output))?;
        }
        other => return Err(format!("there is no job {other}").into()),
    }
    Ok(json!({}))
}

fn cell(job: &Value) -> Result<Cell> {
    Ok(Cell {
        decrypts: text(job, "direction")? == "decrypt",
        signed: job["signed"].as_bool().ok_or("signed is missing")?,
        frame_len: number(job, "frame_len")?,
        len: number(job, "len")?,
    })
}

fn text<'j>(job: &'j Value, field: &str) -> Result<&'j str> {
    job[field].as_str().ok_or_else(|| format!("{field} is missing").into())
}

fn number(job: &Value, field: &str) -> Result<usize> {
    let number = job[field].as_u64().ok_or_else(|| format!("{field} is missing"))?;
    Ok(number.try_into()?)
}
