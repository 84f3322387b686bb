//! The operator's quick tests: ask a boot server what a client would ask.

pub mod http;
pub mod pxe;
pub mod tftp;

use std::future::Future;

use crate::cli::Failure;

/// Runs one probe to its end.
fn block_on<T>(probe: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Bug(format!("cannot start the runtime: {error}")))?.block_on(probe)
}

/// Bytes a second as people read them.
fn rate(bytes: u64, elapsed: std::time::Duration) -> String {
    let per_second = bytes as f64 / elapsed.as_secs_f64().max(1e-6);
    format!("{}/s", indicatif::HumanBytes(per_second as u64))
}
