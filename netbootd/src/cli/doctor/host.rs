//! The host's prerequisites: ports, boot files, room on the disk, a clock, a firewall that lets
//! requests through, and no second DHCP server.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use imagestore::platform::available_space;
use imagestore::{BootTree, Store};
use indicatif::HumanBytes;
use netbootd_config::{Config, Mode, Ports};
use netbootd_content::files::{Files, Images};
use netbootd_dhcp::Iface;
use netbootd_net::iface;
use netbootd_net::os::is_taken;
use pxe_policy::{Action, ArchType, Class, Rule};

use super::super::client::ask;
use super::Check;
use crate::probe::rivals;

/// Checks this host for a configuration.
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let running = ask(config, Method::GET, "/status").is_ok_and(|answer| answer.is_some());
    let mut checks = ports(config, running);
    let served = served(config);
    checks.extend(other_servers(config, &served));
    checks.extend(boot_files(config));
    checks.extend(disk(config));
    checks.extend(firewall(config));
    checks.push(clock(SystemTime::now()));
    checks.extend(served.iter().filter_map(mtu));
    checks
}

fn check(part: &str, link: &'static str, problem: Option<&'static str>, seen: String) -> Check {
    Check { part: part.into(), link, passed: problem.is_none(), seen, cure: problem }
}

/// The interfaces that are served.
fn served(config: &Config) -> Vec<Iface> {
    let wanted = &config.server.interfaces;
    let mut found = iface::list(!wanted.is_empty()).unwrap_or_default();
    found.retain(|iface| wanted.is_empty() || wanted.contains(&iface.name));
    found
}

fn ports(config: &Config, running: bool) -> Vec<Check> {
    if running {
        return vec![check("ports", "bind", None, "in use by the running netbootd".into())];
    }
    let mut udp = Vec::new();
    if config.dhcp.ports == Ports::Both && (config.dhcp.mode != Mode::Off || config.netboot.enabled) {
        udp.push(67);
    }
    if config.dhcp.mode != Mode::Off {
        udp.push(4011);
    }
    if config.tftp.enabled {
        udp.push(config.tftp.port);
    }
    let all = Ipv4Addr::UNSPECIFIED;
    let mut tried: Vec<(String, io::Result<()>)> =
        udp.into_iter().map(|port| (format!("UDP {port}"), UdpSocket::bind((all, port)).map(drop))).collect();
    if config.http.enabled {
        let port = config.http.port;
        tried.push((format!("TCP {port}"), TcpListener::bind((all, port)).map(drop)));
    }
    let mut checks = Vec::new();
    let mut free = Vec::new();
    for (port, bound) in tried {
        match bound {
            Ok(()) => free.push(port),
            Err(error) if is_taken(&error) => checks.push(check(
                "ports",
                "bind",
                Some("stop the program that `ss -lntup` names, or change the port in the configuration"),
                format!("{port} is in use by another program"),
            )),
            Err(error) => checks.push(check("ports", "bind", None, format!("{port} not checked: {error}"))),
        }
    }
    if !free.is_empty() {
        checks.push(check("ports", "bind", None, format!("{} free", free.join(", "))));
    }
    checks
}

fn other_servers(config: &Config, served: &[Iface]) -> Vec<Check> {
    if config.dhcp.mode == Mode::Off {
        return Vec::new();
    }
    let found = match rivals::find(served, PROBE_SECONDS) {
        Ok(found) => found,
        Err(error) => return vec![check("network", "dhcp-servers", None, format!("not checked: {error}"))],
    };
    let mut checks = Vec::new();
    for rival in &found {
        let second = config.dhcp.mode == Mode::Server && rival.leases.is_some();
        let problem = second.then_some("use dhcp.mode = \"proxy\", or stop the other DHCP server");
        let mut check = check("network", "dhcp-servers", problem, rival.to_string());
        if rival.boots.is_some() && problem.is_none() {
            check.cure =
                Some("machines may follow the other boot server; docs/beside.md shows both together");
        }
        checks.push(check);
    }
    if found.is_empty() {
        let mut check = check("network", "dhcp-servers", None, "no other DHCP server answers".into());
        if config.dhcp.mode == Mode::Proxy {
            check.cure = Some("in proxy mode machines need a DHCP server for their addresses");
        }
        checks.push(check);
    }
    checks
}

/// The boot file that a machine of each common kind gets.
fn boot_files(config: &Config) -> Vec<Check> {
    if config.dhcp.mode == Mode::Off || config.rules.0.is_empty() {
        return Vec::new();
    }
    let Ok(tree) = BootTree::new(&config.mounts) else { return Vec::new() };
    let folder = config.store_folder();
    let store = folder.join("catalogue.redb").exists().then(|| Store::open(&folder, config.store.limits));
    let images = store.and_then(Result::ok).and_then(|store| Images::open(store, None).ok());
    let files = Files::new(tree, images.map(Arc::new));
    let is_there = |file: &&String| {
        let generated = config.files.iter().any(|made| made.path == file.trim_start_matches('/'));
        file.contains("://") || generated || files.has(file)
    };
    KINDS
        .iter()
        .filter_map(|(name, class, arch)| {
            let mut matching = config.rules.0.iter().filter(|rule| is_for(rule, *class, *arch)).peekable();
            matching.peek()?;
            let file = matching.find_map(|rule| match &rule.action {
                Action::Boot(boot) => boot.file.iter().find(is_there).map(|file| (file, &rule.name)),
                _ => None,
            });
            let mut check = match file {
                Some((file, rule)) => check("boot files", name, None, format!("{file} by the rule {rule:?}")),
                None => check("boot files", name, None, "no rule has a boot file that exists".into()),
            };
            if file.is_none() {
                check.cure = Some("put one into the boot folder; `netbootd setup` copies Debian's");
            }
            Some(check)
        })
        .collect()
}

/// Whether a rule is for every machine of a kind.
fn is_for(rule: &Rule, class: Class, arch: ArchType) -> bool {
    let matches = &rule.matches;
    let any_machine = matches.mac.is_empty() && matches.uuid.is_empty();
    any_machine
        && (matches.class.is_empty() || matches.class.contains(&class))
        && (matches.arch.is_empty() || matches.arch.iter().any(|wanted| wanted.same_family(arch)))
}

fn disk(config: &Config) -> Vec<Check> {
    let store = config.store_folder();
    let folders = [("state", config.server.state_dir.as_path()), ("images", store.as_path())];
    let measured = folders.into_iter().filter_map(|(link, folder)| {
        let there = folder.ancestors().find(|folder| folder.is_dir())?;
        let free = available_space(there).ok()?;
        let problem =
            (free < LEAST_FREE).then_some("free some room: imports and the state need it, and stop without");
        Some(check("disk", link, problem, format!("{} free for {}", HumanBytes(free), folder.display())))
    });
    measured.collect()
}

/// The treatment of boot requests by the packet filter. Empty without its tools or root's rights.
fn firewall(config: &Config) -> Vec<Check> {
    let text = |program: &str, words: &[&str]| {
        let output =
            Command::new(program).args(words).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut rules = text("nft", &["list", "ruleset"]).unwrap_or_default();
    // iptables' rules in nft's tables are in both; those of the older kernel interface in one.
    rules.push_str(&text("iptables-save", &[]).unwrap_or_default());
    let mut wanted = vec![67, 4011];
    if config.tftp.enabled {
        wanted.push(config.tftp.port);
    }
    if rules.is_empty() {
        return Vec::new();
    }
    match blocked(&rules, &wanted) {
        blocked if blocked.is_empty() => {
            vec![check("firewall", "requests", None, "no rule blocks boot requests".into())]
        }
        blocked => {
            let ports: Vec<String> = blocked.iter().map(ToString::to_string).collect();
            let cure = "accept UDP 67, 69 and 4011, replies from high UDP ports, and TCP 80";
            vec![check("firewall", "requests", Some(cure), format!("blocks UDP {}", ports.join(", ")))]
        }
    }
}

/// The ports of `wanted` that a rule of an input chain rejects or drops by name, or that a dropping
/// policy drops because no rule accepts them.
fn blocked(rules: &str, wanted: &[u16]) -> Vec<u16> {
    let is_input = |line: &str| line.starts_with("-a input ") || !line.starts_with("-a ");
    let lines: Vec<String> = rules.lines().map(|line| line.trim().to_ascii_lowercase()).collect();
    let names = |line: &str, port: u16| {
        let behind = line.split_once("dport").map_or("", |(_, behind)| behind.trim_start_matches('s'));
        // Up to the next word; counters have numbers as well.
        let end = behind.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let words = behind[..end].split(|c: char| !(c.is_ascii_digit() || c == '-' || c == ':'));
        words.filter(|word| !word.is_empty()).any(|word| {
            let (first, last) = word.split_once(['-', ':']).unwrap_or((word, word));
            matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(a), Ok(b)) if a <= port && port <= b)
        })
    };
    let ends = |line: &str, words: &[&str]| {
        words.iter().any(|word| line.split([' ', ';']).any(|part| part == *word))
    };
    let drops_rest = lines.iter().any(|line| {
        line.starts_with(":input drop") || (line.contains("hook input") && line.contains("policy drop"))
    });
    let verdict = |port: u16| {
        lines.iter().filter(|line| is_input(line) && names(line, port)).find_map(|line| {
            match (ends(line, &["reject", "drop"]), ends(line, &["accept"])) {
                (true, _) => Some(false),
                (_, true) => Some(true),
                _ => None,
            }
        })
    };
    wanted.iter().copied().filter(|port| !verdict(*port).unwrap_or(!drops_rest)).collect()
}

/// A clock before this program's time breaks certificates, Kerberos and leases.
fn clock(now: SystemTime) -> Check {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let problem = (since < EARLIEST).then_some("set the clock: `timedatectl set-ntp true`");
    check("clock", "time", problem, humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string())
}

/// Firmware sends and receives Ethernet frames of 1500 bytes.
fn mtu(iface: &Iface) -> Option<Check> {
    let file = Path::new("/sys/class/net").join(&iface.name).join("mtu");
    let mtu: u32 = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (iface.name != LOOPBACK).then_some(())?;
    let cure = match mtu {
        0..1500 => Some("TFTP uses smaller blocks here, and boots are slower"),
        1500 => None,
        _ => Some("set tftp.max-block-size = 1468 if machines on this network have an MTU of 1500"),
    };
    let mut check = check("network", "mtu", None, format!("{} has an MTU of {mtu}", iface.name));
    check.cure = cure;
    Some(check)
}

const KINDS: [(&str, Class, ArchType); 5] = [
    ("x86-bios", Class::Pxe, ArchType::X86_BIOS),
    ("x64-uefi", Class::Pxe, ArchType::X64_UEFI),
    ("arm64-uefi", Class::Pxe, ArchType::ARM64_UEFI),
    ("x64-http", Class::Http, ArchType::X64_UEFI_HTTP),
    ("ipxe", Class::Ipxe, ArchType::X64_UEFI),
];
/// Less than a small image and the state of a large site.
const LEAST_FREE: u64 = 256 << 20;
/// DHCP servers that check an address before they offer it take a second.
const PROBE_SECONDS: u64 = 2;
/// The begin of 2025, in seconds since 1970.
const EARLIEST: Duration = Duration::from_secs(1_735_689_600);
const LOOPBACK: &str = "lo";

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [u16; 3] = [67, 4011, 69];

    #[test]
    fn rejected_and_dropped_ports_are_named() {
        for (rules, expected) in [
            ("", &[][..]),
            (":INPUT ACCEPT [0:0]\n-A INPUT -p udp -m udp --dport 69 -j REJECT", &[69]),
            ("-A FORWARD -p udp -m udp --dport 69 -j REJECT", &[]),
            (":INPUT DROP [0:0]\n-A INPUT -p udp -m multiport --dports 67,69 -j ACCEPT", &[4011]),
            (":INPUT DROP [0:0]\n-A INPUT -p udp -m udp --dport 60:5000 -j ACCEPT", &[]),
            ("type filter hook input priority filter; policy drop;\nudp dport { 67, 4011 } accept", &[69]),
            ("type filter hook input priority 0; policy accept;\nudp dport 4011 reject", &[4011]),
            (
                "type filter hook input priority 0; policy accept;\nudp dport 4011 counter packets 69 bytes 5 drop",
                &[4011],
            ),
        ] {
            assert_eq!(blocked(rules, &WANTED), expected, "{rules}");
        }
    }

    #[test]
    fn a_clock_of_the_past_fails() {
        assert!(!clock(UNIX_EPOCH).passed);
        assert!(clock(SystemTime::now()).passed);
    }
}
