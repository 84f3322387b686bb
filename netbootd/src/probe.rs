//! The operator's quick tests: ask a boot server what a client would ask.

pub mod bsdp;
pub mod http;
pub mod pxe;
pub(crate) mod rivals;
pub mod tftp;

use std::future::Future;
use std::net::Ipv4Addr;

use netbootd_dhcp::Iface;
use netbootd_net::iface;

use crate::failure::Failure;

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
    let mut all = with_addresses()?;
    let found = match (name, server) {
        (Some(name), _) => {
            return all.into_iter().find(|iface| iface.name == name).ok_or_else(|| without_address(name));
        }
        (None, Some(server)) => {
            all.into_iter().find(|iface| iface.addrs.iter().any(|net| net.contains(&server)))
        }
        (None, None) => {
            all.retain(|iface| iface.name != "lo");
            all.pop().filter(|_| all.is_empty())
        }
    };
    found.ok_or_else(which_iface)
}

/// A broadcast goes where the operator says, never where this host happens to have an address.
fn named_iface(name: Option<&str>) -> Result<Iface, Failure> {
    if name.is_none() {
        return Err(which_iface());
    }
    chosen_iface(name, None)
}

fn which_iface() -> Failure {
    let names: Vec<String> =
        with_addresses().unwrap_or_default().into_iter().map(|iface| iface.name).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::Unusable(format!("name the interface to ask on with --iface; with an IPv4 address: {names}"))
}

fn without_address(name: &str) -> Failure {
    match iface::exists(name) {
        true => Failure::Unusable(format!(
            "{name} is down or has no IPv4 address, which a question needs to be answered: bring it up and give it one"
        )),
        false => Failure::Unusable(format!("there is no interface {name}")),
    }
}

fn with_addresses() -> Result<Vec<Iface>, Failure> {
    let mut all = iface::list(true)
        .map_err(|error| Failure::Unusable(format!("cannot list the interfaces: {error}")))?;
    all.retain(|iface| !iface.addrs.is_empty());
    Ok(all)
}
