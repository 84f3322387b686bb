//! The operator's quick tests: ask a boot server what a client would ask.

pub mod bsdp;
pub mod http;
pub mod pxe;
pub mod tftp;

use std::future::Future;
use std::net::Ipv4Addr;

use crate::cli::Failure;
use crate::net::iface::Iface;

/// Runs one probe to its end.
pub(crate) fn block_on<T>(probe: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Bug(format!("cannot start the runtime: {error}")))?.block_on(probe)
}

/// Bytes a second as people read them.
fn rate(bytes: u64, elapsed: std::time::Duration) -> String {
    let per_second = bytes as f64 / elapsed.as_secs_f64().max(1e-6);
    format!("{}/s", indicatif::HumanBytes(per_second as u64))
}

/// The interface that was named, or the only one that will do.
fn chosen_iface(name: Option<&str>, server: Option<Ipv4Addr>) -> Result<Iface, Failure> {
    let mut all = Iface::all(true)
        .map_err(|error| Failure::Unusable(format!("cannot list the interfaces: {error}")))?;
    all.retain(|iface| !iface.addrs.is_empty());
    let found = match (name, server) {
        (Some(name), _) => all.into_iter().find(|iface| iface.name == name),
        (None, Some(server)) => {
            all.into_iter().find(|iface| iface.addrs.iter().any(|net| net.contains(&server)))
        }
        (None, None) => {
            let mut others = all.into_iter().filter(|iface| iface.name != "lo");
            others.next().filter(|_| others.next().is_none())
        }
    };
    found.ok_or_else(|| Failure::Unusable("say which interface to ask on with --iface".into()))
}
