//! The command line of waxseal.

#![forbid(unsafe_code)]

mod args;
mod beneath;
mod caching;
mod context;
mod crypt;
mod failure;
mod input;
mod inspect;
mod key;
mod keygen;
mod manual;
mod output;
mod parameters;
mod pump;
mod range;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "kms")]
mod service;
mod threads;
mod tree;
mod unfinished;
mod wait;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::args::{Cli, Command};
use crate::failure::{Exit, Failure};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<ExitCode, Failure> {
    unfinished::outlive_file_limit();
    let command = match Cli::try_parse() {
        Ok(Cli { command }) => command,
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            let printed = error.print().map_err(|error| output::stdout_failed(&error));
            return printed.map(|()| ExitCode::SUCCESS);
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // To standard error: nobody asked for it. If nobody listens, the exit code has to do.
            let _ = error.print();
            return Ok(Exit::Usage.code());
        }
        Err(error) => return Err(Failure::from(error)),
    };
    match command {
        Command::Keygen(args) => keygen::run(&args),
        Command::Encrypt(args) => crypt::encrypt(&args),
        Command::Decrypt(args) => crypt::decrypt(&args),
        Command::Inspect(args) => inspect::run(&args),
        #[cfg(feature = "s3")]
        Command::S3(command) => s3::run(&command),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man => manual::man(),
    }?;
    Ok(ExitCode::SUCCESS)
}
