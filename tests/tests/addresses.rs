//! Answers to machines without an address: addresses that nobody uses, boot files, and why there is
//! none.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::Ipv4Addr;

use netbootd_dhcp::v4::option::MessageType;
use netbootd_tests::asker::{Asker, PLAIN, PXE, UBOOT};
use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::{DhcpServer, Lab, Netbootd, Relay};

const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 255);
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);
const RULES: &str = "\
    [[rule]]\nname = \"uboot\"\nmatch = { class = \"uboot\", arch = \"arm64-uboot\" }\naction.boot = { file = \"board.efi\" }\n\
    [[rule]]\nname = \"empty\"\nmatch = { arch = \"ia32-uefi\" }\naction.boot = { file = \"not-there.efi\" }\n\
    [[rule]]\nname = \"kiosks\"\nmatch = { arch = \"arm64-uefi\" }\naction = \"local-boot\"\n";

/// A host that asks, beside the server's own, whose files are not served yet.
fn lab() -> (Lab, std::path::PathBuf) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    fs::write(root.join("board.efi"), "a boot program").unwrap();
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    (lab, root)
}

/// A host with a fixed address inside a pool, which nobody has told anybody of.
fn squat(lab: &mut Lab, bridge: &str, address: &str) {
    lab.add_host("squatter");
    lab.plug("squatter", "eth0", bridge, &format!("{address}/24"));
}

fn ignores_echoes(lab: &Lab, host: &str) {
    let off = "echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all";
    assert!(lab.run(host, &["sh", "-c", off]).status.success());
}

#[test]
fn uboot_is_given_its_server_and_the_boot_file_of_its_architecture() {
    let (lab, root) = lab();
    let configuration = format!("{ADDRESSES}{RULES}");
    let netbootd = Netbootd::start(&lab, &root, &configuration);
    let asker = Asker::on(&lab, "client", BROADCAST);
    // By its class and option 93, by the class of older builds, and by option 93 of builds without
    // a class.
    for (n, says) in [(1, UBOOT), (2, &UBOOT[..1]), (3, &UBOOT[1..])] {
        let offer = asker.offer(n, says);
        asker.request(n, &offer, says);
        let ack = asker.answer(n);
        for reply in [&offer, &ack] {
            assert_eq!(reply.header.siaddr().to_string(), SERVER, "{says:?}");
            assert_eq!(reply.file(), Some(&b"board.efi"[..]), "{says:?}");
        }
        assert_eq!(ack.message_type(), MessageType::Ack);
    }
    netbootd.logged(&["ack", "class=uboot", "arch=arm64-uboot", "rule=\"uboot\"", "boot_file=\"board.efi\""]);
    // Of another architecture: no rule is for it, and it looks for its own files on this server.
    let other = asker.offer(4, &[(60, b"U-Boot.armv7"), (93, &[0, 21])]);
    assert_eq!((other.header.siaddr().to_string().as_str(), other.file()), (SERVER, None));
    netbootd.logged(&["offer", "arch=arm32-uboot", "reason=no-rule"]);
}

#[test]
fn a_lease_without_a_boot_file_says_why() {
    let (lab, root) = lab();
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{RULES}"));
    let asker = Asker::on(&lab, "client", BROADCAST);
    let firmware = |arch: &'static [u8]| [(60, &b"PXEClient"[..]), (93, arch)];
    let table = [(1, &[0, 7], "no-rule"), (2, &[0, 6], "no-boot-file"), (3, &[0, 11], "lease")];
    for (n, arch, reason) in table {
        let offer = asker.offer(n, &firmware(arch));
        asker.request(n, &offer, &firmware(arch));
        let ack = asker.answer(n);
        assert_eq!((ack.message_type(), ack.header.yiaddr()), (MessageType::Ack, offer.header.yiaddr()));
        let mac = format!("mac=02:00:00:00:01:0{n}");
        netbootd.logged(&["ack", &mac, &format!("reason={reason}"), "address="]);
    }
}

#[test]
fn the_address_of_a_host_that_drops_echoes_is_not_given_away() {
    let (mut lab, root) = lab();
    squat(&mut lab, "br0", "10.77.0.100");
    ignores_echoes(&lab, "squatter");
    let netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let asker = Asker::on(&lab, "client", BROADCAST);
    assert_eq!(asker.offer(1, PLAIN).header.yiaddr(), SECOND);
    netbootd.logged(&["WARN", "address in use", "10.77.0.100"]);
}

#[test]
fn an_old_neighbour_entry_does_not_hide_who_has_an_address() {
    let (mut lab, root) = lab();
    squat(&mut lab, "br0", "10.77.0.100");
    lab.ip("server", "neigh replace 10.77.0.100 lladdr 02:00:00:00:99:99 nud permanent dev lan0");
    let _netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let asker = Asker::on(&lab, "client", BROADCAST);
    assert_eq!(asker.offer(1, PLAIN).header.yiaddr(), SECOND);
}

#[test]
fn an_address_in_use_behind_a_relay_is_not_given_away() {
    let (mut lab, root) = lab();
    let _relay = Relay::start(&mut lab);
    lab.ip("server", "route add 10.78.0.0/24 via 10.77.0.254");
    squat(&mut lab, "br1", "10.78.0.100");
    lab.ip("squatter", "route add default via 10.78.0.254");
    lab.add_host("far");
    lab.plug("far", "eth0", "br1", "10.78.0.50/24");
    let _netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let asker = Asker::on(&lab, "far", Ipv4Addr::new(10, 78, 0, 255));
    assert_eq!(asker.offer(1, PLAIN).header.yiaddr(), Ipv4Addr::new(10, 78, 0, 101));
}

#[test]
fn a_room_that_switches_on_is_probed_for_by_one_socket() {
    let (lab, root) = lab();
    let netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let sockets = || fs::read_dir(format!("/proc/{}/fd", netbootd.id())).unwrap().count();
    let asker = Asker::on(&lab, "client", BROADCAST);
    let (before, room) = (sockets(), 1..=50);
    room.clone().for_each(|n| asker.discover(n, PLAIN));
    let first = asker.next();
    // The others' probes run while the first one ends.
    assert!(sockets() < before + 10, "{} sockets for 50 probes", sockets() - before);
    let mut offered: Vec<Ipv4Addr> = room.skip(1).map(|_| asker.next().header.yiaddr()).collect();
    offered.push(first.header.yiaddr());
    offered.sort_unstable();
    offered.dedup();
    assert_eq!(offered.len(), 50, "{offered:?}");
}

#[test]
fn a_machine_that_asks_twice_is_offered_once_and_nothing_after_its_lease() {
    let (lab, root) = lab();
    let _netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let asker = Asker::on(&lab, "client", BROADCAST);
    // The second comes while the first still waits for the probe of its address.
    asker.discover(1, PXE);
    asker.discover(1, PXE);
    let offer = asker.answer(1);
    assert_eq!((offer.message_type(), offer.header.yiaddr()), (MessageType::Offer, FIRST));
    asker.request(1, &offer, PXE);
    assert_eq!(asker.answer(1).message_type(), MessageType::Ack);
    // Another machine's offer waits for a probe that began later: what was still to come for the
    // first one has come by then.
    asker.discover(2, PXE);
    assert_eq!(asker.next().header.xid(), 2);
}

#[test]
fn another_servers_offer_to_a_machine_that_is_new_here_is_kept() {
    let (mut lab, root) = lab();
    let _rival = DhcpServer::start_with_boot_file(&mut lab, "old/pxelinux.0");
    let netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    let asker = Asker::on(&lab, "client", BROADCAST);
    // The other server answers at once, netbootd after the probe of a fresh address.
    assert_eq!(asker.offer(1, PXE).first(54), Some(&[10, 77, 0, 2][..]));
    netbootd.logged(&["old/pxelinux.0", "02:00:00:00:01:01"]);
}

#[test]
fn hosts_that_only_want_an_address_of_another_server_are_not_listed() {
    let (mut lab, root) = lab();
    let _foreign = DhcpServer::start(&mut lab);
    let rule = "[[rule]]\nname = \"all\"\naction.boot = { file = \"http://10.77.0.1/board.efi\" }\n";
    let netbootd = Netbootd::start(&lab, &root, rule);
    let asker = Asker::on(&lab, "client", BROADCAST);
    for n in 1..4 {
        let offer = asker.offer(n, PLAIN);
        asker.request(n, &offer, PLAIN);
        asker.answer(n);
    }
    asker.discover(9, PXE);
    netbootd.logged(&["offer", "02:00:00:00:01:09"]);
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let listed = lab.run("server", &[&program(), "status", "--config", &config]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("02:00:00:00:01:09") && !listed.contains("02:00:00:00:01:01"), "{listed}");
}

#[test]
fn a_probe_is_broadcast_only_where_the_operator_says_and_says_what_an_interface_lacks() {
    let (lab, root) = lab();
    let _netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{RULES}"));
    lab.ip("client", "link add spare type veth peer name other");
    let probe = |more: &[&str]| {
        let program = program();
        let words = [&[program.as_str(), "probe", "pxe", "--timeout", "2"], more].concat();
        let output = lab.run("client", &words);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = probe(&[]);
    assert!(code == Some(78) && told.contains("--iface") && told.contains("eth0"), "{code:?} {told}");
    let (code, told) = probe(&["--iface", "spare"]);
    assert!(code == Some(78) && told.contains("spare is down or has no IPv4 address"), "{code:?} {told}");
    let (code, told) = probe(&["--iface", "eth7"]);
    assert!(code == Some(78) && told.contains("there is no interface eth7"), "{code:?} {told}");
    assert_eq!(probe(&["--iface", "eth0"]).0, Some(0));
}
