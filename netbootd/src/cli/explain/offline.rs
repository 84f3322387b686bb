//! Deciding by the configuration file, without the running netbootd's own.

use std::sync::Arc;

use hyper::Method;
use imagestore::Store;
use netbootd_config::{Config, Source};
use netbootd_content::files::Images;
use netbootd_net::with_causes;
use netbootd_server::bsdp_server::BsdpServer;
use netbootd_server::explain::{AskedAs, Explained, explained};
use netbootd_server::services::{Services, Snapshot};
use netbootd_state::approvals::PendingView;
use netbootd_state::assignments::{DeviceUpdate, DeviceView, Lasts};
use netbootd_state::file::State;
use netbootd_state::ledger::now;
use pxe_policy::{ArchType, BootRequest, Class};

use super::ExplainArgs;
use crate::cli::client::{ask, shared};
use crate::failure::Failure;
use crate::probe::block_on;
use crate::sandbox::account::act_as_owner_of;

/// The explanation of a netbootd that reads the configuration now. `running` is the explanation of
/// the running one: it has the state file, and knows the machine's last request.
pub(super) fn explain(
    config: Config,
    args: &ExplainArgs,
    running: Option<&Explained>,
) -> Result<Explained, Failure> {
    let unusable = |error: &dyn std::error::Error| Failure::Unusable(with_causes(error));
    crate::serve::prepare_kerberos(&config);
    let (approvals, devices) = match running {
        Some(_) => (approvals_of_running(&config)?, devices_of_running(&config)?),
        None => (Vec::new(), Vec::new()),
    };
    let store = Store::open(&config.store_folder(), config.store.limits);
    let images = store.and_then(|store| Images::open(store, None)).map_err(|error| unusable(&error))?;
    let state = state(&config, running.is_some())?;
    let request = request(args, running);
    let source = Source {
        file: args.site.config.clone(),
        state_dir: args.site.state_dir.clone(),
        ..Source::default()
    };
    block_on(async {
        let shared = shared(&config).await?;
        let netboot = match config.netboot.enabled {
            true => Some(BsdpServer::open(Vec::new(), Arc::clone(&state)).map_err(|error| unusable(&error))?),
            false => None,
        };
        let snapshot = Snapshot::new(config, Some(Arc::new(images))).map_err(Failure::unusable)?;
        let services = Services::open(snapshot.sharing(shared.as_ref()), state);
        let mut services = services.map_err(|error| unusable(&error))?.with_netboot(netboot);
        if let Some(shared) = &shared {
            services = services.sharing(shared);
        } else {
            for (mac, approved) in approvals {
                services.approvals.say(mac, Some(approved), now()).await;
            }
            for device in devices {
                take_over(&services, device).await;
            }
        }
        if let Some(netboot) = &services.netboot {
            netboot.rescan(&services);
        }
        let remembered = running.is_some_and(|running| running.remembered);
        Ok(Explained {
            by: "offline".to_owned(),
            remembered,
            ..explained(&services, &source, &request).await
        })
    })
}

/// The machine's request: as the running netbootd knows it, which has taken what the operator says
/// into account, or as it is said.
fn request(args: &ExplainArgs, running: Option<&Explained>) -> BootRequest {
    let asked_as = match running {
        Some(running) => AskedAs {
            uuid: running.uuid.as_ref().and_then(|uuid| uuid.parse().ok()),
            arch: running.arch.as_ref().and_then(|arch| arch.parse::<ArchType>().ok()),
            class: running.class.parse::<Class>().ok(),
            iface: Some(running.iface.clone()).filter(|iface| !iface.is_empty()),
            relay: running.relay.as_ref().and_then(|relay| relay.parse().ok()),
        },
        None => AskedAs {
            uuid: args.uuid,
            arch: args.arch,
            class: args.class,
            iface: args.iface.clone(),
            relay: args.relay,
        },
    };
    asked_as.request(args.mac(), None)
}

/// The state file; an empty one in memory while another netbootd has it open.
fn state(config: &Config, in_use: bool) -> Result<Arc<State>, Failure> {
    let opened = if in_use {
        State::in_memory()
    } else {
        act_as_owner_of(&config.server.state_dir)?;
        State::open(&config.server.state_dir)
    };
    opened.map(Arc::new).map_err(|error| Failure::Unusable(with_causes(&error)))
}

/// Operators' decisions about machines, as the running netbootd knows them.
fn approvals_of_running(config: &Config) -> Result<Vec<(pxe_policy::MacAddr, bool)>, Failure> {
    let Some(answer) = ask(config, Method::GET, "/pending")? else { return Ok(Vec::new()) };
    let all: Vec<PendingView> =
        serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string()))?;
    let said = all.iter().filter(|view| view.state != "pending");
    Ok(said.filter_map(|view| Some((view.mac.parse().ok()?, view.state == "approved"))).collect())
}

/// Registered devices, as the running netbootd knows them.
fn devices_of_running(config: &Config) -> Result<Vec<DeviceView>, Failure> {
    let Some(answer) = ask(config, Method::GET, "/api/devices")? else { return Ok(Vec::new()) };
    serde_json::from_str(&answer).map_err(|error| Failure::NoAnswer(error.to_string()))
}

/// A device, without a next boot that is used up.
async fn take_over(services: &Services, device: DeviceView) {
    let Ok(mac) = device.mac.parse() else { return };
    let update = DeviceUpdate {
        guid: Some(device.guid.and_then(|guid| guid.parse().ok())),
        name: Some(device.name),
        tags: Some(device.tags),
        note: Some(device.note),
        boot: Some(device.boot),
    };
    // The running netbootd keeps the same values, so they are valid here.
    let _ = services.assignments.update(mac, update).await;
    if let Some(next) = device.next.filter(|next| next.used.is_none() && !next.expired) {
        let lasts = Lasts { once: next.once, until: next.until };
        let _ = services.assignments.boot_next(mac, next.target, lasts, now()).await;
    }
}
