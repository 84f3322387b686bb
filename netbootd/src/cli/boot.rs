//! `netbootd boot`: what one machine boots next, or from now on.

use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use hyper::Method;
use netbootd_server::devices::Changed;
use netbootd_state::assignments::{DeviceUpdate, DeviceView};
use netbootd_state::ledger::now;
use pxe_policy::{InvalidMoment, MacAddr, Seconds, Target, moment};

use super::device::store::{Devices, query};
use super::{Failure, SiteArgs};
use crate::cli::out::outln;

#[derive(Debug, Args)]
pub struct BootArgs {
    /// The machine's MAC address.
    mac: MacAddr,
    /// The boot target: an image, a file of the boot folder, a URL, or `disk`.
    #[arg(required_unless_present = "cancel", value_name = "IMAGE|FILE|disk")]
    target: Option<String>,
    /// For one boot; the default, unless --until is given.
    #[arg(long)]
    once: bool,
    /// No later than this: 2h, 3d or 2026-12-01T18:00:00Z [default with --once: 24h].
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Seconds>,
    /// From now on, until something else is assigned.
    #[arg(long, conflicts_with_all = ["once", "until"])]
    always: bool,
    /// Cancel what the machine was to boot next.
    #[arg(long, conflicts_with_all = ["target", "once", "until", "always"])]
    cancel: bool,
    #[command(flatten)]
    site: SiteArgs,
}

/// Sets what a machine boots, and prints what it boots now.
pub fn run(args: &BootArgs) -> Result<(), Failure> {
    let devices = Devices::from_site(&args.site)?;
    let path = format!("/api/machines/{}/boot", args.mac);
    let Some(target) = &args.target else {
        let changed = match devices.ask::<Changed>(Method::DELETE, &path)? {
            Some(changed) => changed,
            None => devices.offline(async |store, _| store.cancel(args.mac).await.map(|_| ()), args.mac)?,
        };
        outln!("{}: boots as usual", args.mac);
        warn(&changed);
        return Ok(());
    };
    let (once, always) = (args.once.to_string(), args.always.to_string());
    let until = args.until.map(|until| until.to_string()).unwrap_or_default();
    let values = [("target", target.as_str()), ("once", &once), ("until", &until), ("always", &always)];
    let changed = match devices.ask::<Changed>(Method::POST, &format!("{path}?{}", query(&values)))? {
        Some(changed) => changed,
        None => devices.offline(
            async |store, target_of| {
                let target = target_of(target);
                if args.always {
                    let boot = Some(Some(target));
                    return store.update(args.mac, DeviceUpdate { boot, ..DeviceUpdate::default() }).await;
                }
                let lasts = netbootd_server::devices::lasts(args.once, args.until);
                store.boot_next(args.mac, target, lasts, now()).await
            },
            args.mac,
        )?,
    };
    if let Some(device) = &changed.device {
        outln!("{}", summary(device, args.always));
    }
    warn(&changed);
    Ok(())
}

/// The machine's boot, in words.
fn summary(device: &DeviceView, always: bool) -> String {
    let mac = &device.mac;
    match (&device.next, &device.boot) {
        (Some(next), _) if !always => {
            let how = if next.once { "next, once" } else { "for now" };
            let until = next.until.map(|until| format!(", until {}", time(until))).unwrap_or_default();
            format!("{mac}: boots {} {how}{until}", next.target)
        }
        (_, Some(target)) => format!("{mac}: boots {target} from now on"),
        (_, None) => format!("{mac}: boots as usual"),
    }
}

pub(super) fn warn(changed: &Changed) {
    for warning in &changed.warnings {
        outln!("warning: {warning}");
    }
}

/// A target as it is written on the command line.
pub(super) fn word(target: &Target) -> String {
    match target {
        Target::Image(name) => format!("image:{name}"),
        Target::File(path) => format!("file:{path}"),
        Target::Disk => "disk".to_owned(),
    }
}

pub(super) fn time(at: Seconds) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(at)).to_string()
}

fn until(text: &str) -> Result<Seconds, InvalidMoment> {
    moment(text, now())
}
