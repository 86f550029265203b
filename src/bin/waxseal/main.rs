//! The command line of waxseal.

mod args;
mod context;
mod crypt;
mod failure;
mod input;
mod inspect;
mod key;
mod keygen;
mod manual;
mod output;
mod tree;
mod unfinished;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    let command = match Cli::try_parse() {
        Ok(Cli { command }) => command,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            return error.print().map_err(|error| output::stdout_failed(&error));
        }
        Err(error) => return Err(Failure::from(error)),
    };
    match command {
        Command::Keygen(args) => keygen::run(&args),
        Command::Encrypt(args) => crypt::encrypt(&args),
        Command::Decrypt(args) => crypt::decrypt(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man => manual::man(),
    }
}
