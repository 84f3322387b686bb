//! Boots of `tests/boots`, played as real packets over a private network against a running netbootd.
//!
//! A case is a folder with `config.toml`, which goes behind `[server]` and `[boot]`, and `boot.txt`, a line a packet:
//!
//! ```text
//! host pc 10.77.0.50 52:54:00:4c:01:01          a client; `dhcp` is another DHCP server
//! file shimx64.efi pe x64 signed                a file in the boot folder; `file vmlinuz 20000` has so many bytes
//! pc discover class=PXEClient arch=7 uuid=...   a broadcast; `relay=10.77.0.3` lets it come through a relay
//! pc request server=10.77.0.2 address=10.77.0.50
//! pc boot-server                                the question to port 4011
//! dhcp offer pc file=... siaddr=... dns=...     another server's broadcast; also `dhcp ack pc`
//! pc get shimx64.efi                            by TFTP, to the last byte; also `get-http`, `miss`, `abort`, `stall`, `mute`, `slow`
//! wait 2.0                                      seconds that pass on the wire
//! expect pc port-blocked                        what `netbootd status` finds, or `none`
//! ```
#![allow(clippy::unwrap_used)] // helpers of tests

mod packet;
mod transfer;

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;

use crate::netbootd::program;
use crate::{Lab, Netbootd};

/// Plays a case to its end.
///
/// # Panics
/// When a line cannot be played, or something else is found than it expects.
pub fn play(folder: &Path) {
    let read =
        |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (configuration, script) = (read("config.toml"), read("boot.txt"));
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let lines: Vec<&str> = script
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .collect();
    let mut hosts = HashMap::new();
    for words in lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        match words.as_slice() {
            ["host", name, address, mac] => {
                lab.add_host(name);
                lab.plug(name, "eth0", "br0", &format!("{address}/24"));
                let host = Host { address: address.parse().unwrap(), mac: packet::mac(mac) };
                hosts.insert((*name).to_owned(), host);
            }
            ["file", path, rest @ ..] => {
                let file = root.join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, content(rest)).unwrap();
            }
            _ => {}
        }
    }
    let netbootd = Netbootd::start(&lab, &root, &configuration);
    let mut player = Player { lab: &lab, netbootd: &netbootd, hosts, said: HashMap::new() };
    for line in lines {
        player.play(line);
    }
}

/// What stands in a file of the boot folder.
fn content(words: &[&str]) -> Vec<u8> {
    match words {
        ["pe", arch, signed] => packet::pe_program(arch, *signed == "signed"),
        [bytes] => vec![0x5a; bytes.parse().unwrap()],
        other => panic!("a file with {other:?}"),
    }
}

#[derive(Debug, Clone, Copy)]
struct Host {
    address: Ipv4Addr,
    mac: [u8; 6],
}

struct Player<'a> {
    lab: &'a Lab,
    netbootd: &'a Netbootd,
    hosts: HashMap<String, Host>,
    /// What a client said in its last DISCOVER: the same firmware asks the next questions.
    said: HashMap<String, HashMap<String, String>>,
}

impl Player<'_> {
    fn play(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["host" | "file", ..] => {}
            ["wait", seconds] => thread::sleep(Duration::from_secs_f64(seconds.parse().unwrap())), // time on the wire
            ["expect", host, cause] => self.expect(host, cause),
            [host, "discover" | "plain-discover", rest @ ..] => {
                let named = named(rest);
                self.said.insert((*host).to_owned(), named.clone());
                self.send(host, packet::DISCOVER, &named);
            }
            [host, "request", rest @ ..] => {
                let mut all = self.said.get(*host).cloned().unwrap_or_default();
                all.extend(named(rest));
                self.send(host, packet::REQUEST, &all);
            }
            [host, "boot-server"] => self.ask_boot_server(host),
            [server, kind @ ("offer" | "ack"), client, rest @ ..] => {
                self.other(server, kind, client, &named(rest));
            }
            [host, how @ ("get" | "miss" | "stall" | "mute" | "abort" | "slow"), path] => {
                let (address, how, path) = (self.host(host).address, (*how).to_owned(), (*path).to_owned());
                let lasts = how == "slow";
                let done = self.lab.inside(host, move || transfer::tftp(address, &how, &path));
                if lasts {
                    return; // it is looked at while it goes on
                }
                done.join().unwrap_or_else(|_| panic!("{line}\n{}", self.netbootd.log()));
            }
            [host, "get-http", path] => {
                let url = format!("http://10.77.0.1{path}");
                self.lab.run(host, &["curl", "-sS", "-o", "/dev/null", &url]);
            }
            other => panic!("nothing can be done with {other:?}"),
        }
    }

    fn host(&self, name: &str) -> Host {
        *self.hosts.get(name).unwrap_or_else(|| panic!("there is no host {name}"))
    }

    /// Broadcasts from port 68, or passes on from a relay's port 67.
    fn send(&self, name: &str, kind: u8, said: &HashMap<String, String>) {
        let host = self.host(name);
        let bytes = packet::client(kind, host.mac, said);
        let relay: Option<Ipv4Addr> = said.get("relay").map(|relay| relay.parse().unwrap());
        let sent = self.lab.inside(name, move || match relay {
            Some(_) => {
                let socket = UdpSocket::bind((host.address, 67)).unwrap();
                socket.send_to(&bytes, "10.77.0.1:67").unwrap();
            }
            None => broadcast(68, 67, &bytes),
        });
        sent.join().unwrap();
        thread::sleep(ON_THE_WIRE);
    }

    /// Asks port 4011 and waits for the answer.
    fn ask_boot_server(&self, name: &str) {
        let host = self.host(name);
        let mut said = self.said.get(name).cloned().unwrap_or_default();
        said.remove("relay"); // it asks by unicast
        let mut bytes = packet::client(packet::REQUEST, host.mac, &said);
        bytes[12..16].copy_from_slice(&host.address.octets());
        let asked = self.lab.inside(name, move || {
            let socket = UdpSocket::bind((host.address, 4011)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(&bytes, "10.77.0.1:4011").unwrap();
            socket.recv(&mut [0; 2048]).is_ok()
        });
        assert!(asked.join().unwrap(), "port 4011 does not answer {name}\n{}", self.netbootd.log());
    }

    fn other(&self, server: &str, kind: &str, client: &str, said: &HashMap<String, String>) {
        let (server_host, client) = (self.host(server), self.host(client));
        let bytes = packet::server(kind == "ack", server_host.address, client.mac, client.address, said);
        self.lab.inside(server, move || broadcast(67, 68, &bytes)).join().unwrap();
    }

    /// The finding that the running daemon names, at once or within the moment that events take.
    fn expect(&self, name: &str, cause: &str) {
        let mac = packet::text(self.host(name).mac);
        let deadline = Instant::now() + Duration::from_secs(8);
        loop {
            let status = self.status(&mac);
            let found = status["finding"]["cause"].as_str();
            if found == (cause != "none").then_some(cause) {
                return;
            }
            if Instant::now() > deadline {
                panic!("{cause} is expected, found: {status:#}\n{}", self.netbootd.log());
            }
            thread::sleep(Duration::from_millis(100)); // asked again until the deadline
        }
    }

    fn status(&self, mac: &str) -> Value {
        let config = self.lab.folder().join("netbootd.toml").display().to_string();
        let output = self
            .lab
            .command("server", &program())
            .args(["status", mac, "--json", "--config", &config])
            .output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap_or_default()
    }
}

/// Firmware takes seconds between two packets; ports are served by different tasks, and the order matters.
const ON_THE_WIRE: Duration = Duration::from_millis(50);

fn broadcast(from: u16, to: u16, bytes: &[u8]) {
    let socket = UdpSocket::bind(("0.0.0.0", from)).unwrap();
    setsockopt(&socket, sockopt::BindToDevice, &"eth0".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(bytes, ("255.255.255.255", to)).unwrap();
}

/// `name=value` words.
fn named(words: &[&str]) -> HashMap<String, String> {
    let split = words.iter().map(|word| word.split_once('=').unwrap_or((*word, "")));
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
