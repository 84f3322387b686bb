//! Taking up a changed configuration without a restart.

use std::sync::Arc;

use netbootd_config::{Config, Findings, Severity, Status};
use netbootd_net::with_causes;
use netbootd_server::daemon::{Daemon, ReloadError, Reloaded};
use netbootd_server::services::Snapshot;
use tracing::{error, info, warn};

use crate::sandbox::Held;
use crate::service_manager;

/// Reloads whenever somebody asks for it, until shutdown.
pub async fn run(daemon: Arc<Daemon>, held: Held) {
    let Some(mut requests) = daemon.reloads.requests() else { return };
    let held = Arc::new(held);
    loop {
        let request = tokio::select! {
            request = requests.recv() => request,
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        };
        let Some(answer) = request else { return };
        let reloaded = reload(&daemon, &held).await;
        let _ = answer.send(reloaded); // nobody may be waiting any more
    }
}

/// Reads the configuration again and looks through the shares. A bad one leaves the old one in
/// force. Gives the warnings.
async fn reload(daemon: &Arc<Daemon>, held: &Arc<Held>) -> Reloaded {
    service_manager::reloading();
    let (daemon, held) = (Arc::clone(daemon), Arc::clone(held));
    let done = tokio::task::spawn_blocking(move || {
        let taken = put_in_force(&daemon, &held);
        if let Some(netboot) = &daemon.services.netboot {
            netboot.rescan(&daemon.services);
        }
        taken
    });
    let taken = done.await.unwrap_or_else(|error| Err(error.into()));
    match &taken {
        Ok(warnings) => {
            info!("configuration reloaded");
            warnings.iter().for_each(|warning| warn!("{warning}"));
            service_manager::ready("configuration reloaded");
        }
        Err(error) => {
            let error = with_causes(error);
            error!("the configuration stays as it was: {error}");
            service_manager::ready(&format!("the configuration stays as it was: {error}"));
        }
    }
    taken
}

fn put_in_force(daemon: &Daemon, held: &Held) -> Reloaded {
    let (config, findings, _) = daemon.source.load().map_err(|findings| refused(held, findings))?;
    let beyond = held.beyond(&config, &daemon.source);
    if !beyond.is_empty() {
        return Err(ReloadError::OutOfReach(beyond));
    }
    let mut warnings: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity != Severity::Note)
        .map(|finding| finding.message.clone())
        .collect();
    warnings.extend(needs_restart(&daemon.services.snapshot.load().config, &config));
    // A rule may name an image that was imported a moment ago.
    if let Some(images) = &daemon.images {
        images.refresh();
    }
    let snapshot = Snapshot::new(config, daemon.images.clone())?.sharing(daemon.shared.as_ref());
    let snapshot = snapshot.mirroring(&daemon.mirror);
    daemon.services.snapshot.store(Arc::new(snapshot));
    if let Some(https) = &daemon.services.snapshot.load().config.https {
        daemon.services.https.reload(https);
    }
    Ok(warnings)
}

/// Why a configuration is not in force, and what would help when it names what this process has no
/// way to any more.
fn refused(held: &Held, findings: Findings) -> ReloadError {
    let denied = findings.iter().any(|finding| finding.denied);
    ReloadError::Config { findings: Box::new(findings), cure: held.cure().filter(|_| denied) }
}

fn of_status(config: &Config, value: impl Fn(&Status) -> String) -> String {
    config.status.as_ref().map(value).unwrap_or_default()
}

/// The keys that count at the start only: sockets are bound, files opened once.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let fixed = |config: &Config| {
        [
            ("server.interfaces", format!("{:?}", config.server.interfaces)),
            ("server.state-dir", format!("{:?}", config.server.state_dir)),
            ("server.user", format!("{:?} {}", config.server.user, config.server.sandbox)),
            (
                "server.log",
                format!("{:?} {:?} {:?}", config.server.log, config.server.log_level, config.server.log_file),
            ),
            ("dhcp.mode", format!("{:?}", config.dhcp.mode)),
            ("dhcp.ports", format!("{:?}", config.dhcp.ports)),
            ("dhcp.subnet", format!("{:?}", config.dhcp.subnets)),
            ("store.folder", format!("{:?}", config.store.folder)),
            ("tftp.port", format!("{:?} {}", config.tftp.enabled, config.tftp.port)),
            ("http.port", format!("{:?} {}", config.http.enabled, config.http.port)),
            ("https.port", format!("{:?}", config.https.as_ref().map(|https| https.port))),
            ("netboot.enabled", config.netboot.enabled.to_string()),
            ("database", format!("{:?}", config.database)),
            ("status.listen", of_status(config, |status| format!("{} {:?}", status.listen, status.names))),
            ("status.certificate", of_status(config, |status| format!("{:?}", status.tls))),
            ("status.trusted-proxies", of_status(config, |status| format!("{:?}", status.proxies))),
            ("status.user-header", of_status(config, |status| format!("{:?}", status.user_header))),
        ]
    };
    let pairs = fixed(old).into_iter().zip(fixed(new));
    let changed = pairs.filter(|((_, old), (_, new))| old != new);
    changed.map(|((name, _), _)| format!("{name} has changed and counts from the next start on")).collect()
}
