//! `netbootd serve`: binds everything, starts the listeners, waits for the end.

mod background;
mod ipv6;
mod limits;
mod ports;
mod served;
pub(crate) mod sharing;
mod signals;
mod syslog;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use imagestore::Store;
use netbootd_config::{Config, Mode, Severity, Source};
use netbootd_content::files::Images;
use netbootd_content::remote::Remote;
use netbootd_directory::configmgr::Mirror;
use netbootd_directory::kerberos;
use netbootd_net::with_causes;
use netbootd_server::bsdp_server::BsdpServer;
use netbootd_server::daemon::{self, Daemon, Sandboxed};
use netbootd_server::dhcp_server::DhcpServer;
use netbootd_server::services::{Services, Snapshot};
use netbootd_server::{findings, webhook};
use netbootd_state::file::{State, StateError};
use netbootd_web::control::ControlListener;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::arguments::or_default;
use crate::cli::backup::refuse_interrupted;
use crate::failure::{Failure, chosen_config};
use crate::platform::{PRIVILEGED, return_free_memory};
use crate::reload;
use crate::sandbox::{self, Held};
use crate::service_manager::{self, Sockets};
use crate::{console, logging};
use ports::{bind_dhcp, bind_files, bind_status, chosen_ifaces};
use served::Served;
use signals::Signals;

#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The configuration file to serve by.
    #[arg(long, value_name = "FILE", help = or_default("The configuration file"))]
    pub config: Option<PathBuf>,
    /// The boot folder of the built-in default.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub root: Option<PathBuf>,
    /// The state folder, instead of the configuration's.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print boot steps, with progress bars on a terminal, instead of log lines.
    #[arg(long)]
    pub progress: bool,
}

/// Serves until SIGTERM or SIGINT, and then until the transfers under way are over, for so long as
/// the configuration lets it.
pub fn run(args: &ServeArgs) -> Result<(), Failure> {
    let source =
        Source { file: args.config.clone(), root: args.root.clone(), state_dir: args.state_dir.clone() };
    let sockets = Sockets::inherit().map_err(Failure::unusable)?;
    let (config, findings, which) = chosen_config(&source)?;
    refuse_interrupted(&config.server.state_dir)?;
    // Before anything is opened that is kept, and before another thread runs.
    let (sandboxed, held) = sandbox::apply(&config, &source)?;
    prepare_kerberos(&config);
    // It may have a thread.
    let log = logging::start(&config, args.progress)?;
    return_free_memory();
    info!("running on {which}");
    for finding in findings.iter() {
        match finding.severity {
            Severity::Note => info!("{}", finding.message),
            Severity::Warning | Severity::Error => warn!("{}", finding.message),
        }
    }
    sandboxed.notes.iter().for_each(|note| warn!("{note}"));
    info!(
        user = sandboxed.user,
        files = sandboxed.files,
        refused_calls = sandboxed.refused_calls,
        "sandboxed"
    );
    let open_files = limits::open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Bug(format!("cannot start the runtime: {error}")))?;
    let served =
        runtime.block_on(serve(config, source, (sandboxed, held), args.progress, sockets, open_files));
    runtime.shutdown_timeout(GRACE);
    drop(log);
    served
}

/// Before any thread runs: the Kerberos library reads its settings from the environment.
#[allow(unsafe_code)] // see there
pub(crate) fn prepare_kerberos(config: &Config) {
    let directories = config.directories();
    if directories.accounts().next().is_some() {
        let keytab = directories.accounts().find_map(|account| account.keytab.as_deref());
        // SAFETY: called at the start of a command, which has one thread then.
        unsafe { kerberos::prepare(keytab) };
    }
}

async fn serve(
    config: Config,
    source: Source,
    (sandboxed, held): (Sandboxed, Held),
    progress: bool,
    mut sockets: Sockets,
    open_files: Option<u64>,
) -> Result<(), Failure> {
    let ifaces = chosen_ifaces(&config)?;
    let unusable = |error: &dyn std::error::Error| Failure::Unusable(with_causes(error));
    let state = Arc::new(State::open(&config.server.state_dir).map_err(|error| cannot_keep_state(&error))?);
    let no_state = |error| cannot_keep_state(&StateError::new(&state.path(), error));
    let own: Vec<Ipv4Addr> =
        ifaces.iter().flat_map(|iface| iface.addrs.iter().map(|net| net.addr())).collect();
    let shared = sharing::begin(&config, own.clone(), &state).await?;
    let netboot = if config.netboot.enabled {
        let opened = BsdpServer::open(own.clone(), Arc::clone(&state)).map_err(no_state)?;
        Some(match &shared {
            Some(shared) => opened.sharing(shared),
            None => opened,
        })
    } else {
        None
    };
    let dhcp_server = match &shared {
        _ if config.dhcp.mode != Mode::Server => None,
        Some(shared) => Some(Arc::new(DhcpServer::shared(&config, shared))),
        None => {
            let opened = DhcpServer::open(&config, own, Arc::clone(&state));
            Some(Arc::new(opened.map_err(no_state)?))
        }
    };
    let remote = match &config.store.remote {
        Some(remote) => Some((
            Remote::open(remote, Handle::current()).map_err(|error| unusable(&error))?,
            remote.cache_limit,
        )),
        None => None,
    };
    let bucket = remote.as_ref().map(|(remote, _)| remote.clone());
    let store = Store::open(&config.store_folder(), config.store.limits);
    let images = store.and_then(|store| Images::open(store, remote)).map_err(|error| unusable(&error))?;
    let snapshot =
        Snapshot::new(config, Some(Arc::new(images))).map_err(Failure::unusable)?.sharing(shared.as_ref());
    let mirror = Arc::new(Mirror::new(state.folder().to_owned()));
    let snapshot = snapshot.mirroring(&mirror);
    let services = Services::open(snapshot, Arc::clone(&state)).map_err(no_state)?;
    let mut services = services.with_netboot(netboot);
    if let Some(shared) = &shared {
        services = services.sharing(shared);
    }
    if let Some(files) = open_files {
        keep_within(&services, files);
    }
    let opened = Daemon::open(services, Arc::clone(&state)).map_err(no_state)?;
    let daemon = Arc::new(Daemon { source, sandboxed, shared, mirror, ..opened });
    if let Err(error) = daemon.history.migrate(&state) {
        warn!(%error, "steps that an older netbootd kept in the state file stay there");
    }
    if let Some(server) = &dhcp_server {
        let _ = daemon.addresses.v4.set(Arc::clone(server)); // once, at the start
    }
    let services = Arc::clone(&daemon.services);
    let mut tasks = JoinSet::new();
    bind_dhcp(&services, &ifaces, dhcp_server.as_ref(), &mut sockets, &mut tasks)?;
    ipv6::bind_dhcp(&daemon, &ifaces, &state, &mut tasks)?;
    bind_files(&services, &ifaces, &mut sockets, &mut tasks).await?;
    syslog::bind(&services, &ifaces, &mut tasks)?;
    for name in sockets.left() {
        warn!("nothing is to be served on the socket {name} of systemd");
    }
    bind_status(&daemon, &mut tasks).await?;
    tasks.spawn(daemon::follow(Arc::clone(&daemon), services.recorder.watch()));
    tasks.spawn(findings::follow(Arc::clone(&services), Arc::clone(&daemon.findings)));
    tasks.spawn(webhook::run(Arc::clone(&services), Arc::clone(&daemon.findings)));
    tasks.spawn(reload::run(Arc::clone(&daemon), held));
    let control = ControlListener::bind(Arc::clone(&daemon));
    tasks.spawn(
        control.map_err(|error| Failure::Unusable(format!("cannot bind the control socket: {error}")))?.run(),
    );
    if progress {
        tasks.spawn(console::run(Arc::clone(&services), services.recorder.watch()));
    }
    background::start(&daemon, bucket, &mut tasks).await;
    let names: Vec<&str> = ifaces.iter().map(|iface| iface.name.as_str()).collect();
    let snapshot = services.snapshot.load();
    let mode = format!("{:?}", snapshot.config.dhcp.mode).to_lowercase();
    let served = Served::from_config(&snapshot.config);
    info!(
        mode,
        ifaces = names.join(","),
        dhcp = served.dhcp,
        tftp = served.tftp,
        http = served.http,
        https = served.https,
        root = served.root,
        page = served.page,
        "ready"
    );
    service_manager::ready(&format!("{mode} on {}", names.join(", ")));
    drop(snapshot);
    if let Some(every) = service_manager::sign_of_life_every() {
        tasks.spawn(service_manager::watchdog::run(Arc::clone(&services), every));
    }

    let mut signals = Signals::new()?;
    let ended = signals.wait_for_the_end(&daemon.reloads, &mut tasks).await;
    service_manager::stopping();
    ended?;
    signals.wait_for_transfers(&services).await;
    services.lifecycle.shutdown.cancel();
    // Transfers under way tell their clients.
    let _ = tokio::time::timeout(GRACE, async { while tasks.join_next().await.is_some() {} }).await;
    for ((kind, word), count) in services.recorder.counters() {
        info!(kind, word, count, "counted");
    }
    info!("stopped");
    Ok(())
}

/// Holds TFTP to the files that may be open, and warns when these are fewer than the limits need.
fn keep_within(services: &Services, files: u64) {
    let _ = services.limits.open_files.set(files); // once, at the start
    let needed = services.need_of_files().files();
    if needed > files {
        let bounds = services.transfer_bounds();
        let unproved = bounds.unproved.map_or(0, |unproved| unproved.all);
        warn!(
            "{files} files may be open, and the limits need {needed}: TFTP is held to {} transfers, and {unproved} that nobody has \
             acknowledged; raise LimitNOFILE, or lower tftp.max-transfers and http.max-connections",
            bounds.all
        );
    }
}

fn cannot_keep_state(error: &StateError) -> Failure {
    match error {
        StateError::Open { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            let words = with_causes(error);
            Failure::Permission(format!(
                "{words}; {PRIVILEGED}, or name a folder of your own with --state-dir"
            ))
        }
        error => Failure::Unusable(with_causes(error)),
    }
}

/// How long transfers may take to tell their clients that they are cut short.
const GRACE: Duration = Duration::from_secs(2);
