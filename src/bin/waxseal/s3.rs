//! `s3`: encrypted objects in Amazon S3.

mod address;
pub(crate) mod args;
mod audit;
mod get;
mod inspect;
mod list;
mod put;
mod remove;
mod report;
mod rewrap;
mod service;
mod unblocked;

use self::args::S3;
use crate::failure::Failure;

pub(crate) fn run(command: &S3) -> Result<(), Failure> {
    match command {
        S3::Put(args) => put::run(args),
        S3::Get(args) => get::run(args),
        S3::Ls(args) => list::run(args),
        S3::Inspect(args) => inspect::run(args),
        S3::Rm(args) => remove::run(args),
        S3::Rewrap(args) => rewrap::run(args),
        S3::Audit(args) => audit::run(args),
    }
}
