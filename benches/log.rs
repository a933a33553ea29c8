//! What the log costs beside what it can't do without: the puts of an archive, the
//! commits of a store, SHA-256 over what is verified. Each is measured beside its own
//! measure, in turns, in the same run and on the same disk.
//!
//! `cargo bench --bench log`, with PostgreSQL's programs on the path or in
//! `HALLIGAN_PG_BIN` (`eval "$(tests/run env)"`). Names of parts after `--` leave out
//! the others: `publish`, `append`, `verify`, `mint`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a measurement")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the numbers are for whoever runs it")]

#[path = "log/append.rs"]
mod append;
#[path = "log/away.rs"]
mod away;
#[path = "log/mint.rs"]
mod mint;
#[path = "log/publish.rs"]
mod publish;
#[path = "log/table.rs"]
mod table;
#[path = "log/verify.rs"]
mod verify;

use std::process::ExitCode;

use table::Table;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, directory] = &arguments[..]
        && mode == verify::ALONE
    {
        verify::alone(directory.as_ref());
        return ExitCode::SUCCESS;
    }
    // `cargo test --benches` asks every benchmark whether it works, not how fast it is.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) {
        eprintln!("not an optimised build: the numbers mean nothing");
    }
    let parts: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| *wanted == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut table = Table::default();
    if wanted("publish") {
        runtime.block_on(publish::measure(&mut table));
    }
    if wanted("mint") {
        runtime.block_on(mint::measure(&mut table));
    }
    if wanted("append") {
        runtime.block_on(append::measure(&mut table));
    }
    if wanted("verify") {
        verify::measure(&mut table);
    }
    println!("{table}");
    ExitCode::SUCCESS
}
