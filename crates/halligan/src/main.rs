//! The one binary: the broker, and the command line that calls it.

mod cli;
mod client;
mod config;
mod demo;
mod doctor;
mod log_key;
mod places;
mod replica;
mod serve;
mod standin;
mod witness;
mod workers;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
