//! The port for messages of syslog, where the configuration wants it.

use std::sync::Arc;

use netbootd_dhcp::Iface;
use netbootd_server::listen::syslog::{PORT, SyslogListener};
use netbootd_server::services::Services;
use tokio::task::JoinSet;

use super::ports::cannot_bind;
use crate::cli::Failure;

/// Binds it on each interface that is served.
pub(super) fn bind(
    services: &Arc<Services>,
    ifaces: &[Iface],
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let snapshot = services.snapshot.load();
    if !snapshot.config.reports.syslog {
        return Ok(());
    }
    let on: Vec<Option<&Iface>> = match snapshot.config.server.interfaces.is_empty() {
        true => vec![None],
        false => ifaces.iter().map(Some).collect(),
    };
    for iface in on {
        let listener = SyslogListener::bind(Arc::clone(services), iface);
        let listener = listener.map_err(|error| cannot_bind(&error, PORT, iface))?;
        tasks.spawn(listener.run());
    }
    Ok(())
}
