//! The work beside the listeners: noticing changes on the disk and elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use imagestore::{Store, StoreError};
use netbootd_content::remote::Remote;
use netbootd_content::watch::{PackageTypes, Watcher};
use netbootd_directory::certificates;
use netbootd_net::with_causes;
use netbootd_server::daemon::Daemon;
use netbootd_server::outages;
use netbootd_server::scrub;
use netbootd_server::services::Services;
use netbootd_telemetry::event::SharedError;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{error, warn};

/// Looks through the Macs' shares once, and starts everything.
pub(super) async fn start(daemon: &Arc<Daemon>, shared: Option<Remote>, tasks: &mut JoinSet<()>) {
    let services = &daemon.services;
    rescan(services).await;
    tasks.spawn(rescan_now_and_then(Arc::clone(services)));
    tasks.spawn(watch_sources(Arc::clone(services)));
    if let Some(remote) = shared {
        tasks.spawn(watch_remote(Arc::clone(daemon), remote));
    }
    tasks.spawn(watch_catalogue(Arc::clone(daemon)));
    if let Some(images) = daemon.images.clone() {
        tasks.spawn(scrub::now_and_then(Arc::clone(services), Arc::clone(&daemon.scrub), images));
    }
    tasks.spawn(collect_removed(Arc::clone(daemon)));
    tasks.spawn(watch_devices(Arc::clone(services)));
    tasks.spawn(sweep_relay(Arc::clone(services)));
    tasks.spawn(forget_idle(Arc::clone(services)));
    let followed = Arc::clone(services);
    tasks.spawn(async move { followed.network.interfaces.follow(followed.lifecycle.shutdown.clone()).await });
    tasks.spawn(outages::watch_disks(Arc::clone(services)));
    tasks.spawn(mirror_site(Arc::clone(daemon)));
    tasks.spawn(look_at_certificates(Arc::clone(daemon)));
    tasks.spawn(follow_certificates(Arc::clone(daemon)));
}

/// Looks through the Macs' shares on a thread that may block.
async fn rescan(services: &Arc<Services>) {
    let services = Arc::clone(services);
    let scanned = tokio::task::spawn_blocking(move || {
        if let Some(netboot) = &services.netboot {
            netboot.rescan(&services);
        }
    });
    if let Err(error) = scanned.await {
        error!(%error, "looking through the shares broke");
    }
}

async fn rescan_now_and_then(services: Arc<Services>) {
    loop {
        let every = services.snapshot.load().config.netboot.rescan;
        if every.is_zero() || services.netboot.is_none() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(every) => rescan(&services).await,
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Takes in what comes to the drop folder and the content library.
async fn watch_sources(services: Arc<Services>) {
    let config = services.snapshot.load().config.clone();
    let Ok(store) = Store::open(&config.store_folder(), config.store.limits) else { return };
    let types = (config.configmgr.is_some() && config.store.content_library.is_some())
        .then(|| Arc::new(PackageTypes::open(&store)));
    let asking = types.clone().map(|types| tokio::spawn(ask_for_package_types(Arc::clone(&services), types)));
    let _asking = asking.map(|task| AbortOnDrop(task.abort_handle()));
    let mut watcher = Watcher::new(store, &config.store, types);
    watcher.recall(&services.notes());
    while !watcher.is_idle() && !config.store.watch.is_zero() {
        let told = Arc::clone(&services);
        let looked = tokio::task::spawn_blocking(move || {
            watcher.look(&told.notes());
            watcher
        });
        watcher = match looked.await {
            Ok(watcher) => watcher,
            Err(error) => return error!(%error, "looking at the sources of images broke"),
        };
        tokio::select! {
            () = tokio::time::sleep(config.store.watch) => {}
            () = services.content.ingests.retry_asked() => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Keeps what the site says of its packages up to date, for as long as the library is looked at.
async fn ask_for_package_types(services: Arc<Services>, types: Arc<PackageTypes>) {
    let mut trouble = None;
    loop {
        let snapshot = services.snapshot.load_full();
        let Some(said) = snapshot.directories.package_types().await else { return };
        let words = said.as_ref().err().map(ToString::to_string);
        if let Some(words) = words.as_ref().filter(|words| trouble.as_ref() != Some(*words)) {
            warn!(
                detail = words,
                "the site does not give the types of its packages; those it gave last count"
            );
        }
        let every = if words.is_some() { PACKAGES_AGAIN } else { PACKAGES_EVERY };
        trouble = words;
        types.set(said.ok());
        drop(snapshot);
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Ends a task with the one that started it.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Distributes images that other servers push to the object storage. While it cannot be reached,
/// images that are here are served.
async fn watch_remote(daemon: Arc<Daemon>, remote: Remote) {
    if let Err(error) = remote.check().await {
        warn!("{}", with_causes(&error));
        outages::object_storage(&daemon.services, Err(SharedError::new(error)));
    }
    let mut trouble = None;
    loop {
        match remote.images().await {
            Ok(records) => {
                trouble = None;
                outages::object_storage(&daemon.services, Ok(()));
                let images = daemon.images.clone();
                let changed = tokio::task::spawn_blocking(move || {
                    images.is_some_and(|images| images.replace_remote(records))
                });
                if changed.await.unwrap_or(false) {
                    rescan(&daemon.services).await;
                }
            }
            Err(error) => {
                let words = Some(with_causes(&error));
                if trouble != words {
                    warn!("{}", words.as_deref().unwrap_or_default());
                    trouble = words;
                }
                outages::object_storage(&daemon.services, Err(SharedError::new(error)));
            }
        }
        let every = daemon.services.snapshot.load().config.store.watch.max(Duration::from_secs(1));
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Reads the catalogue again after a `netbootd image` command changed it.
async fn watch_catalogue(daemon: Arc<Daemon>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(CATALOGUE_EVERY) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
        let images = daemon.images.clone();
        let refreshed = tokio::task::spawn_blocking(move || images.is_some_and(|images| images.refresh()));
        if refreshed.await.unwrap_or(false) {
            rescan(&daemon.services).await;
        }
    }
}

/// Collects images that were removed while machines ran from them, once those are done, and
/// uploads that no client continues.
async fn collect_removed(daemon: Arc<Daemon>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(COLLECT_EVERY) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
        let (images, services) = (daemon.images.clone(), Arc::clone(&daemon.services));
        let collect = move || {
            images.map_or(Ok(()), |images| {
                services.content.uploads.sweep(images.store(), SystemTime::now());
                images.collect_unused()
            })
        };
        match tokio::task::spawn_blocking(collect).await {
            // Another writer is at work; the next round tries again.
            Ok(Ok(()) | Err(StoreError::Busy)) => {}
            Ok(Err(error)) => warn!("removed images stay for now: {}", with_causes(&error)),
            Err(error) => error!(%error, "collecting removed images broke"),
        }
    }
}

/// Reads the device file again when it changes.
async fn watch_devices(services: Arc<Services>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(DEVICES_EVERY) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
        let snapshot = services.snapshot.load_full();
        let refreshed = tokio::task::spawn_blocking(move || snapshot.directories.refresh());
        if let Err(error) = refreshed.await {
            error!(%error, "reading the device file broke");
        }
    }
}

/// Lets go of the responder's files that nobody reads any more.
async fn sweep_relay(services: Arc<Services>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(RELAY_EVERY) => services.content.relay.sweep(),
            () = services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Forgets peers that sent nothing for a while, and returns the memory of a flood.
async fn forget_idle(services: Arc<Services>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FORGET_EVERY) => {}
            () = services.lifecycle.shutdown.cancelled() => return,
        }
        let now = Instant::now();
        services.limits.sweep(now);
        services.network.neighbours.forget_idle(now);
        services.recorder.forget_idle(now);
    }
}

/// Keeps the copy of the Configuration Manager site up to date, where there is one.
async fn mirror_site(daemon: Arc<Daemon>) {
    let mut trouble = None;
    loop {
        let snapshot = daemon.services.snapshot.load_full();
        let synced = snapshot.directories.sync();
        let synced = tokio::select! {
            synced = synced => synced,
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        };
        let words = synced.as_ref().and_then(|synced| Some(synced.as_ref().err()?.to_string()));
        if let Some(words) = words.as_ref().filter(|words| trouble.as_ref() != Some(*words)) {
            warn!(detail = words, "the copy of the site is not up to date");
        }
        trouble = words;
        let wait = match synced {
            Some(Ok(wait)) => wait.min(MIRROR_EVERY),
            Some(Err(_)) | None => MIRROR_AGAIN,
        };
        drop(snapshot);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = daemon.mirror.woken() => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

async fn look_at_certificates(daemon: Arc<Daemon>) {
    loop {
        let snapshot = daemon.services.snapshot.load_full();
        let listed = snapshot.directories.certificates().await;
        let endpoints = snapshot.config.directories().endpoints();
        drop(snapshot);
        daemon.certificates.look(endpoints, listed).await;
        tokio::select! {
            () = tokio::time::sleep(certificates::EVERY) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// Shows clients the certificate that took another's place.
async fn follow_certificates(daemon: Arc<Daemon>) {
    loop {
        let followed = Arc::clone(&daemon);
        let looked = tokio::task::spawn_blocking(move || {
            if let Some(https) = &followed.services.snapshot.load().config.https {
                followed.services.https.follow(https);
            }
            followed.certificates.set_own(followed.services.https.seen());
        });
        if let Err(error) = looked.await {
            error!(%error, "looking at the certificates broke");
        }
        tokio::select! {
            () = tokio::time::sleep(CERTIFICATES_EVERY) => {}
            () = daemon.services.lifecycle.shutdown.cancelled() => return,
        }
    }
}

/// How often the site is asked for the types of its packages.
const PACKAGES_EVERY: Duration = Duration::from_secs(300);
/// The same while it does not answer.
const PACKAGES_AGAIN: Duration = Duration::from_secs(30);
/// How often machines are looked for that have just booted, whose records are read again.
const MIRROR_EVERY: Duration = Duration::from_secs(1);
/// How often a site is tried that does not answer.
const MIRROR_AGAIN: Duration = Duration::from_secs(5);
/// How often idle peers are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(30);
/// How often the files of the responder are looked through.
const RELAY_EVERY: Duration = Duration::from_secs(60);
/// How often images are looked for that were removed and that no machine runs from any more.
const COLLECT_EVERY: Duration = Duration::from_secs(600);
/// How often the catalogue's time stamp is looked at.
const CATALOGUE_EVERY: Duration = Duration::from_millis(500);
/// How often the size and time of the boot port's certificates are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(1);
/// How often the device file's size and time are looked at.
const DEVICES_EVERY: Duration = Duration::from_secs(1);
