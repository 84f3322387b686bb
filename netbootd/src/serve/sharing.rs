//! The database that several servers share: connected to at the start, which does not wait for it
//! for long.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use netbootd_config::{Config, Mode};
use netbootd_net::with_causes;
use netbootd_state::file::State;
use netbootd_state::shared::{Shared, hand_over};
use tracing::{error, info, warn};

use crate::failure::Failure;

/// Connects, if the configuration names a database. A database that is away is waited for in the
/// background; one that will never let this server in is an error. The state in this host's own
/// file is handed over to it.
pub(super) async fn begin(
    config: &Config,
    own: Vec<Ipv4Addr>,
    state: &Arc<State>,
) -> Result<Option<Arc<Shared>>, Failure> {
    let Some(shared) = connect(config, own).await? else { return Ok(None) };
    let with_leases = config.dhcp.mode == Mode::Server;
    let handing = (Arc::clone(state), Arc::clone(&shared));
    let work = async move {
        let (state, shared) = handing;
        loop {
            match hand_over(&state, &shared, with_leases).await {
                Ok(Some(0)) => return,
                Ok(Some(entries)) => {
                    return info!(entries, "what this host had kept itself is in the shared database now");
                }
                Ok(None) => {}
                Err(error) => return error!("{}", with_causes(&error)),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    let mut work = tokio::spawn(work);
    if shared.trouble().is_none() {
        // So that nobody is refused what is handed over in a moment.
        let _ = tokio::time::timeout(PATIENCE, &mut work).await;
    }
    Ok(Some(shared))
}

/// Connects, if the configuration names a database.
pub(crate) async fn connect(config: &Config, own: Vec<Ipv4Addr>) -> Result<Option<Arc<Shared>>, Failure> {
    let Some(database) = &config.database else { return Ok(None) };
    let host = netbootd_net::os::host_name().unwrap_or_default();
    let name = own.iter().fold(host, |name, address| format!("{name} {address}"));
    let subnets = if config.dhcp.mode == Mode::Server { config.dhcp.subnets.clone() } else { Vec::new() };
    let unusable = |error: &dyn Error| {
        Failure::Unusable(format!("the shared database cannot be used: {}", with_causes(error)))
    };
    let shared = Shared::start(database, subnets, own, &name).map_err(|error| unusable(&error))?;
    shared.first_answer(PATIENCE).await.map_err(|trouble| unusable(&*trouble))?;
    if let Some(trouble) = shared.trouble() {
        warn!("starting without the shared database: {}", with_causes(&*trouble));
    }
    Ok(Some(shared))
}

/// How long the start waits for the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried to hand over.
const AGAIN: Duration = Duration::from_secs(1);
