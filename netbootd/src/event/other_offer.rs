//! What other servers are heard to offer.

use std::net::Ipv4Addr;

use pxe_policy::MacAddr;

/// Another DHCP server's offer of something to boot, to a machine that asked here as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherOffer {
    /// The interface that it was heard on.
    pub iface: String,
    /// The server: option 54, or the sender.
    pub server: Ipv4Addr,
    /// The machine.
    pub mac: MacAddr,
    /// Option 60, escaped.
    pub class: Option<String>,
    /// Option 66, or the header's next server.
    pub next_server: Option<String>,
    /// Option 67, or the header's file, escaped.
    pub boot_file: Option<String>,
    /// The address that it offers; None from a proxy.
    pub address: Option<Ipv4Addr>,
}

impl OtherOffer {
    /// What it offers, in words.
    pub fn words(&self) -> String {
        let part = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {value}"));
        let address = self.address.map(|address| address.to_string());
        let parts = [
            part("boot file", self.boot_file.as_deref()),
            part("next server", self.next_server.as_deref()),
            part("class", self.class.as_deref()),
            part("address", address.as_deref()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        format!("{} offers {}", self.server, parts.join(", "))
    }
}
