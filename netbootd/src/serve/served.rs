//! The services and their addresses, for the log line `ready`.

use netbootd_config::{Config, Mode, Ports};

/// Ports, boot folder and page. None is not served.
pub(super) struct Served {
    pub(super) dhcp: Option<&'static str>,
    pub(super) tftp: Option<u16>,
    pub(super) http: Option<u16>,
    pub(super) https: Option<u16>,
    pub(super) root: Option<String>,
    pub(super) page: Option<String>,
}

impl Served {
    pub(super) fn from_config(config: &Config) -> Self {
        let dhcp = match (config.dhcp.mode, config.dhcp.ports) {
            (Mode::Off, _) => config.netboot.enabled.then_some("67"),
            (_, Ports::BootServerOnly) => Some("4011"),
            (_, Ports::Both) => Some("67,4011"),
        };
        let page = config.status.as_ref().map(|status| {
            let scheme = if status.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{}/", status.listen)
        });
        Served {
            dhcp,
            tftp: config.tftp.enabled.then_some(config.tftp.port),
            http: config.http.enabled.then_some(config.http.port),
            https: config.https.as_ref().map(|https| https.port),
            root: config.mounts.first().map(|mount| mount.folder.display().to_string()),
            page,
        }
    }
}
