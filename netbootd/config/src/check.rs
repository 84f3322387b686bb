//! From the written form to the checked one, noting what cannot work and what probably does not.

mod boot;
mod database;
mod dhcp6;
mod diagnosis;
mod directories;
mod https;
mod limits;
mod menu;
mod netboot;
mod policy;
mod relay;
mod reports;
mod status;
mod subnets;
mod unattended;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imagestore::Mount;
use netbootd_content::settings::{Remote, Store};
use netbootd_content::winpe::{self, bcd::Integers};
use netbootd_dhcp::v4::boot_info::OfferStyle;
use netbootd_net::iface;
use tftp::{MAX_BLOCK_SIZE, MIN_BLOCK_SIZE, ServerLimits};
use toml::Spanned;

use super::finding::Finding;
use super::schema::{self, Document};
use super::{Config, Dhcp, Http, Mode, Ports, Server, Tftp};

/// Checks everything; the result is of use only when no error was added.
pub(super) fn check(
    document: Document,
    path: &Path,
    root: Option<&Path>,
    findings: &mut Vec<Finding>,
) -> Config {
    let mut mounts = mounts(&document, root, findings);
    let netboot = netboot::check(&document, root, &mut mounts, findings);
    let (rules, files) = boot::check(&document, &mounts, path, findings);
    let tftp = tftp(&document.tftp, findings);
    let http = http(&document.http, findings);
    let subnets = subnets::check(&document.dhcp, findings);
    Config {
        server: Server {
            interfaces: interfaces(&document.server.interfaces, findings),
            state_dir: document.server.state_dir.clone(),
            stop_timeout: document.server.stop_timeout.as_ref().map_or(STOP_TIMEOUT, |time| time.0.0),
            user: document.server.user.clone(),
            sandbox: document.server.sandbox,
            log: document.server.log,
            log_file: document.server.log_file.as_ref().map(|file| file.get_ref().clone()),
            log_level: document.server.log_level.0,
            log_max_size: document.server.log_max_size.as_ref().map_or(LOG_MAX_SIZE, |size| size.0.0.max(1)),
            log_keep: document.server.log_keep.unwrap_or(LOG_KEEP),
        },
        dhcp: Dhcp {
            mode: document.dhcp.mode,
            ports: document.dhcp.ports,
            offer_style: match document.dhcp.offer_style {
                schema::OfferStyle::Binl => OfferStyle::Binl,
                schema::OfferStyle::Bypass => OfferStyle::Bypass,
            },
            conflict_probe: document.dhcp.conflict_probe,
            subnets,
        },
        dhcp6: dhcp6::check(&document, findings),
        tftp,
        http,
        https: https::check(&document, path, findings),
        limits: limits::check(&document, findings),
        netboot,
        store: store(&document.store, findings),
        winpe: winpe(&document.winpe, findings),
        wimboot: document.winpe.wimboot.clone(),
        media_without_password: document.boot_media.allow_without_password,
        relay: relay::check(&document, findings),
        diagnosis: diagnosis::check(&document, findings),
        reports: reports::check(&document),
        webhooks: reports::webhooks(&document, path, findings),
        keep_link: document.diagnosis.keep_link.unwrap_or(true),
        status: status::check(&document, path, findings),
        mounts,
        bans: policy::check(&document.policy, path, findings),
        policy: directories::policy(&document, findings),
        devices: directories::devices(&document, path, findings),
        shared_devices: document
            .devices
            .as_ref()
            .and_then(|devices| devices.shared.as_ref())
            .is_some_and(|shared| *shared.get_ref()),
        database: database::check(&document, path, findings),
        configmgr: directories::configmgr(&document, path, findings),
        active_directory: directories::active_directory(&document, path, findings),
        menu: menu::check(&document, path, &rules, findings),
        rules,
        files,
        unattended: unattended::check(&document, path, findings).into(),
        texts: texts(&document, path),
        stamp: String::new(),
    }
}

fn interfaces(written: &[Spanned<String>], findings: &mut Vec<Finding>) -> Vec<String> {
    for name in written {
        warn_of_unknown_interface(name.get_ref(), name.span(), findings);
    }
    written.iter().map(|name| name.get_ref().clone()).collect()
}

fn warn_of_unknown_interface(name: &str, span: Range<usize>, findings: &mut Vec<Finding>) {
    if iface::exists(name) {
        return;
    }
    let known: Vec<String> = iface::list(false).unwrap_or_default().into_iter().map(|one| one.name).collect();
    let known = if known.is_empty() { "none has an address".to_owned() } else { known.join(", ") };
    let finding = Finding::warning(span, format!("this host has no interface {name:?}"));
    findings.push(finding.help(format!("interfaces with an address here: {known}")));
}

/// The files that are read for a configuration.
fn texts(document: &Document, config: &Path) -> Vec<PathBuf> {
    let templates = document.file.iter().filter_map(|file| file.template_file.as_ref());
    let site = document.configmgr.as_ref().and_then(|site| site.password_file.as_ref());
    let directory = document.active_directory.as_ref().and_then(|one| one.password_file.as_ref());
    let token = document.status.as_ref().and_then(|status| status.token_file.as_ref());
    let webhooks = document.webhook.iter().filter_map(|webhook| webhook.secret_file.as_ref());
    let operators = document.status.iter().flat_map(|status| &status.operator);
    let operators = operators.filter_map(|operator| operator.token_file.as_ref());
    let others = [document.policy.mac_ignore_list.as_ref(), site, directory, token];
    let menu = document.menu.password_file.as_ref();
    let answers = unattended::files(document).map(|(_, file)| file);
    let named = templates.chain(answers).chain(others.into_iter().flatten()).chain(webhooks);
    let named = named.chain(menu).chain(operators);
    named.map(|file| config.parent().unwrap_or(Path::new("")).join(file.get_ref())).collect()
}

fn mounts(document: &Document, root: Option<&Path>, findings: &mut Vec<Finding>) -> Vec<Mount> {
    let mut mounts = Vec::new();
    let mut mount = |at: &str, folder: &Path, span: Range<usize>| {
        let mount = Mount { at: at.to_owned(), folder: folder.to_owned() };
        if let Err(error) = imagestore::BootTree::new(std::slice::from_ref(&mount)) {
            findings.push(
                Finding::error(span, format!("{error}: {}", error.source))
                    .because(&error.source)
                    .help("create the folder, make it readable for netbootd, or name another one"),
            );
        }
        mounts.push(mount);
    };
    let written = &document.boot.root;
    mount("", root.unwrap_or(written.get_ref()), written.span());
    for (name, image) in &document.image {
        mount(name.get_ref(), image.folder.get_ref(), image.folder.span());
    }
    for name in document.image.keys() {
        if imagestore::BootPath::parse(name.get_ref().as_bytes()).is_err() {
            findings
                .push(Finding::error(name.span(), format!("{:?} is no name for a folder", name.get_ref())));
        }
    }
    mounts
}

fn store(store: &schema::Store, findings: &mut Vec<Finding>) -> Store {
    if let Some(folder) = store.drop_folder.as_ref().filter(|folder| !folder.get_ref().is_dir()) {
        let message = format!("there is no folder {}", folder.get_ref().display());
        findings.push(Finding::error(folder.span(), message));
    }
    if let Some(folder) = &store.content_library
        && let Err(error) = imagestore::library::ContentLibrary::open(folder.get_ref(), &[])
    {
        let finding = Finding::warning(folder.span(), error.to_string());
        findings
            .push(finding.help("name the SCCMContentLib folder; until it is there nothing is taken from it"));
    }
    let bytes = |size: &Option<schema::Text<schema::Size>>| size.as_ref().map(|size| size.0.0);
    Store {
        folder: store.folder.clone(),
        limits: imagestore::StoreLimits {
            quota: bytes(&store.quota),
            keep_free: bytes(&store.keep_free).unwrap_or(KEEP_FREE),
        },
        drop_folder: store.drop_folder.as_ref().map(|folder| folder.get_ref().clone()),
        content_library: store.content_library.as_ref().map(|folder| folder.get_ref().clone()),
        content_library_drives: store.content_library_drives.clone(),
        content_library_images: store.content_library_images.clone(),
        watch: store.watch.as_ref().map_or(WATCH, |interval| interval.0.0),
        scrub: store.scrub.as_ref().map_or(SCRUB, |round| round.0.0),
        remote: store.remote.as_ref().map(|remote| {
            if !remote.url.get_ref().starts_with("s3://") {
                let finding =
                    Finding::error(remote.url.span(), format!("{:?} is no s3:// URL", remote.url.get_ref()));
                findings.push(
                    finding.help("s3://bucket/prefix; another server than Amazon's is named with endpoint"),
                );
            }
            if let Some(endpoint) = &remote.endpoint {
                directories::refuse_password(endpoint, remote.url.span(), findings);
            }
            Remote {
                url: remote.url.get_ref().clone(),
                endpoint: remote.endpoint.clone(),
                region: remote.region.clone(),
                allow_http: remote.allow_http,
                ca: remote.ca.as_ref().map(|file| file.get_ref().clone()),
                cache_limit: bytes(&remote.cache_limit).unwrap_or(CACHE_LIMIT),
            }
        }),
    }
}

fn winpe(written: &schema::WinPe, findings: &mut Vec<Finding>) -> winpe::Settings {
    let usual = winpe::Settings::default();
    let block_size = written.block_size.as_ref().map_or(usual.block_size, |size| (*size.get_ref()).into());
    if let Some(span) =
        written.block_size.as_ref().filter(|_| !(512..=65464).contains(&block_size)).map(Spanned::span)
    {
        findings.push(Finding::error(span, format!("a block of {block_size} bytes is outside RFC 2348")));
    }
    winpe::Settings {
        block_size,
        window_size: written.window_size.map_or(usual.window_size, |size| u32::from(size.get())),
        integers: match written.bcd_integers {
            schema::BcdIntegers::Format => Integers::Format,
            schema::BcdIntegers::Printed => Integers::Printed,
        },
    }
}

fn tftp(tftp: &schema::Tftp, findings: &mut Vec<Finding>) -> Tftp {
    let block_size = *tftp.max_block_size.get_ref();
    if !(MIN_BLOCK_SIZE..=MAX_BLOCK_SIZE).contains(&block_size) {
        let message = format!("a block of {block_size} bytes is outside RFC 2348");
        findings.push(
            Finding::error(tftp.max_block_size.span(), message)
                .help(format!("{MIN_BLOCK_SIZE} to {MAX_BLOCK_SIZE} bytes; 1468 fills an Ethernet frame")),
        );
    }
    let window = *tftp.max_window_size.get_ref();
    if window == 0 {
        findings.push(
            Finding::error(tftp.max_window_size.span(), "a window has at least one block")
                .help("1 to 65535 blocks; 1 turns windows off"),
        );
    }
    if *tftp.max_transfers.get_ref() == 0 {
        findings.push(
            Finding::error(tftp.max_transfers.span(), "no transfer could ever start")
                .help("to serve no TFTP, write enabled = false"),
        );
    }
    if let Some(range) = tftp.port_range.as_ref().filter(|_| tftp.single_port) {
        findings.push(Finding::warning(range.span(), "port-range does nothing beside single-port = true"));
    }
    Tftp {
        enabled: tftp.enabled,
        port: tftp.port,
        limits: ServerLimits {
            max_block_size: block_size,
            max_window_size: window,
            variable_window: tftp.variable_window,
        },
        clamp_to_mtu: tftp.clamp_to_mtu,
        port_range: tftp.port_range.as_ref().map(|range| range.get_ref().0.0.clone()),
        single_port: tftp.single_port,
        max_transfers: *tftp.max_transfers.get_ref(),
    }
}

fn http(http: &schema::Http, findings: &mut Vec<Finding>) -> Http {
    if *http.max_connections.get_ref() == 0 {
        findings.push(
            Finding::error(http.max_connections.span(), "no connection could ever start")
                .help("to serve no HTTP, write enabled = false"),
        );
    }
    let send_timeout = http.send_timeout.as_ref();
    if let Some(timeout) = send_timeout.filter(|timeout| timeout.get_ref().0.0 < Duration::from_secs(1)) {
        findings.push(
            Finding::error(timeout.span(), "clients that are slow would be left")
                .help("1s at least; 60s is the default"),
        );
    }
    Http {
        enabled: http.enabled,
        port: http.port,
        max_connections: *http.max_connections.get_ref(),
        send_timeout: send_timeout.map_or(SEND_TIMEOUT, |timeout| timeout.get_ref().0.0),
    }
}

/// Whether PXE firmware finds its boot files here while another server gives the addresses.
fn is_proxy(dhcp: &schema::Dhcp) -> bool {
    dhcp.mode == Mode::Proxy || dhcp.ports == Ports::BootServerOnly
}

/// The default of `store.keep-free`, in bytes: enough for logs and leases.
const KEEP_FREE: u64 = 1 << 30;
/// How long transfers may take to end unless told otherwise: less than service managers wait before
/// they kill.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an HTTP client may take nothing unless told otherwise: more than a machine needs to
/// write to a slow disk.
const SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// A log file is put aside from so many bytes on.
const LOG_MAX_SIZE: u64 = 10 << 20;
/// So many are kept beside it.
const LOG_KEEP: usize = 5;
/// How often sources of images are looked at unless told otherwise.
const WATCH: Duration = Duration::from_secs(10);
/// How often the store is read again unless told otherwise.
const SCRUB: Duration = Duration::from_secs(30 * 86_400);
/// Bytes of others' images that are kept unless told otherwise.
const CACHE_LIMIT: u64 = 50 << 30;
