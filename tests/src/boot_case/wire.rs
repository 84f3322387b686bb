//! A case as real packets over a private network against a running netbootd.

mod expect;
mod host;

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::path::Path;
use std::time::Duration;

use netbootd_diagnosis::step::OtherReply;
use nix::sys::socket::{setsockopt, sockopt};

use self::host::{certificate, disks};
use super::script::{Host, How, Https, Kind, Line, Options, Wire};
use super::{flood, packet, transfer};
use crate::spoof::Spoofer;
use crate::{Lab, Netbootd, ipv6, wait};

/// Plays a case to its end.
///
/// # Panics
/// When a line cannot be played, or another finding is there than the case expects.
pub(super) fn play(configuration: &str, script: &[Line]) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let _disks = disks(&lab, script);
    set_up(&mut lab, &root, script);
    if configuration.contains("[dhcp6]") {
        ipv6::give_address(&lab);
    }
    let mut configuration = configuration.replace("{lab}", &lab.folder().display().to_string());
    if configuration.contains("[https]") {
        configuration.push_str(&certificate(&lab));
    }
    let netbootd = Netbootd::start(&lab, &root, &configuration);
    play_in(&lab, &netbootd, script);
}

/// Adds the hosts and the files of a script.
pub(super) fn set_up(lab: &mut Lab, root: &Path, script: &[Line]) {
    for line in script {
        match line {
            // A program beside netbootd has the server's own address.
            Line::Host(name, _) if name == SERVER_HOST => {}
            Line::Host(name, host) => {
                lab.add_host(name);
                lab.plug(name, "eth0", "br0", &format!("{}/24", host.address));
            }
            Line::File { path, content } => {
                let file = root.join(path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, content).unwrap();
            }
            _ => {}
        }
    }
}

/// Plays a script whose hosts and files are there.
pub(super) fn play_in(lab: &Lab, netbootd: &Netbootd, script: &[Line]) {
    let hosts = script.iter().filter_map(|line| match line {
        Line::Host(name, host) => Some((name.clone(), *host)),
        _ => None,
    });
    let memory = flood::memory(netbootd);
    let mut player = Player { lab, netbootd, hosts: hosts.collect(), said: HashMap::new(), memory };
    for line in script {
        player.play(line);
    }
}

struct Player<'a> {
    lab: &'a Lab,
    netbootd: &'a Netbootd,
    hosts: HashMap<String, Host>,
    /// The options of a client's last DISCOVER: the same firmware asks the next questions.
    said: HashMap<String, Options>,
    /// The daemon's memory when the case began, in bytes.
    memory: u64,
}

impl Player<'_> {
    fn play(&mut self, line: &Line) {
        match line {
            Line::Host(..) | Line::File { .. } | Line::Disk { .. } => {}
            Line::ServerMtu(bytes) => {
                self.lab.ip(SERVER_HOST, &format!("link set lan0 mtu {bytes}"));
            }
            Line::Wait(seconds) => wait::pass(Duration::from_secs_f64(*seconds)), // time on the wire
            Line::Expect { host, cause } => self.expect(host, cause.as_deref()),
            Line::Client { host, kind, options } => self.ask(host, *kind, options),
            Line::BootServer { host } => drop(self.ask_boot_server(host)),
            Line::Wire { host, what, word } => self.only_here(host, *what, word),
            Line::Other { server, reply, client, options } => {
                self.other(server, *reply, client, options);
            }
            Line::Report { host, form } => {
                let url = format!("http://10.77.0.1/report?{form}");
                assert!(self.lab.run(host, &["curl", "-sSf", &url]).status.success(), "{line:?}");
            }
            Line::Tftp { host, how, path } => {
                let (address, how, name) = (self.host(host).address, *how, path.clone());
                let done = self.lab.inside(host, move || transfer::tftp(address, how, &name));
                // The case goes on while a slow client fetches.
                if how != How::Slow {
                    done.join().unwrap_or_else(|_| panic!("{line:?}\n{}", self.netbootd.log()));
                }
            }
            Line::Https { host, what } => {
                let own = self.host(host).address.to_string();
                let authority = self.lab.folder().join("ca.pem").display().to_string();
                let (path, more, succeeds): (&str, &[&str], bool) = match what {
                    Https::Get(path) => (path, &["--cacert", &authority], true),
                    Https::Distrusts => ("/", &[], false),
                    // AES-CBC, which the server leaves out.
                    Https::KnowsOldSuites => {
                        ("/", &["-k", "--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-SHA256"], false)
                    }
                };
                let url = format!("https://10.77.0.1{path}");
                let words = ["curl", "-sSf", "--interface", &own, "-o", "/dev/null", &url];
                let output = self.lab.run(host, &[&words[..], more].concat());
                assert_eq!(output.status.success(), succeeds, "{line:?}\n{}", self.netbootd.log());
            }
            Line::Http { host, path, how: How::Stall } => {
                let (address, request) = (self.host(host).address, format!("GET {path} HTTP/1.0\r\n\r\n"));
                let stalled = self.lab.inside(host, move || transfer::stall_http(address, &request));
                stalled.join().unwrap_or_else(|_| panic!("{line:?}\n{}", self.netbootd.log()));
            }
            Line::Http { host, path, how: How::Probe } => {
                let url = format!("http://10.77.0.1{path}");
                let own = self.host(host).address.to_string();
                let output = self.lab.run(host, &["curl", "-sSfI", "--interface", &own, &url]);
                assert!(output.status.success(), "{line:?}\n{}", self.netbootd.log());
            }
            Line::Http { host, path, how } => {
                let url = format!("http://10.77.0.1{path}");
                let own = self.host(host).address.to_string();
                let output =
                    self.lab.run(host, &["curl", "-sSf", "--interface", &own, "-o", "/dev/null", &url]);
                assert_eq!(output.status.success(), *how == How::Get, "{line:?}\n{}", self.netbootd.log());
            }
        }
    }

    fn host(&self, name: &str) -> Host {
        *self.hosts.get(name).unwrap_or_else(|| panic!("there is no host {name}"))
    }

    fn ask(&mut self, host: &str, kind: Kind, options: &Options) {
        let mut all = options.clone();
        match kind {
            Kind::Request => {
                all = self.said.get(host).cloned().unwrap_or_default();
                all.extend(options.clone());
            }
            Kind::PlainDiscover | Kind::Decline => {}
            Kind::Discover | Kind::Lease => drop(self.said.insert(host.to_owned(), all.clone())),
        }
        match kind {
            Kind::Lease => self.lease(host, &all),
            Kind::Request => self.send(host, packet::REQUEST, &all),
            Kind::Decline => {
                let address = self.host(host).address.to_string();
                let more = [("address", address.as_str()), ("server", "10.77.0.1")];
                all.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
                self.send(host, packet::DECLINE, &all);
            }
            Kind::Discover | Kind::PlainDiscover => self.send(host, packet::DISCOVER, &all),
        }
    }

    /// Broadcasts from port 68, or passes on from a relay's port 67.
    fn send(&self, name: &str, kind: u8, said: &Options) {
        let host = self.host(name);
        let bytes = packet::client(kind, host.mac, said);
        let relay: Option<Ipv4Addr> = said.get("relay").map(|relay| relay.parse().unwrap());
        let sent = self.lab.inside(name, move || match relay {
            Some(_) => {
                let socket = bind((host.address, 67));
                socket.send_to(&bytes, "10.77.0.1:67").unwrap();
            }
            None => drop(broadcast(68, 67, &bytes)),
        });
        sent.join().unwrap();
        wait::pass(ON_THE_WIRE);
    }

    /// Asks all DHCPv6 servers of the link, from the address that firmware makes of its hardware
    /// address.
    fn ask6(&self, name: &str, kind: u8, arch: u16) {
        let [a, b, c, d, e, f] = self.host(name).mac;
        let own =
            format!("fe80::{:x}:{:x}:{:x}:{:x}", pair(a ^ 2, b), pair(c, 0xff), pair(0xfe, d), pair(e, f));
        self.lab.ip(name, &format!("addr replace {own}/64 dev eth0 nodad"));
        let bytes = packet::client6(kind, [a, b, c, d, e, f], arch);
        let sent = self.lab.inside(name, move || {
            let ifindex = nix::net::if_::if_nametoindex("eth0").unwrap();
            let all = |address: &str, port| SocketAddrV6::new(address.parse().unwrap(), port, 0, ifindex);
            let socket = bind(all(&own, 546));
            socket.send_to(&bytes, all("ff02::1:2", 547)).unwrap();
        });
        sent.join().unwrap();
        wait::pass(ON_THE_WIRE);
    }

    /// Takes the address that netbootd offers, and uses it.
    fn lease(&mut self, name: &str, said: &Options) {
        let (host, mut options) = (self.host(name), said.clone());
        let taken = self.lab.inside(name, move || {
            let exchange = |kind, options: &Options| {
                let socket = broadcast(68, 67, &packet::client(kind, host.mac, options));
                socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut reply = [0; 2048];
                socket.recv(&mut reply).expect("netbootd answers");
                Ipv4Addr::new(reply[16], reply[17], reply[18], reply[19])
            };
            let offered = exchange(packet::DISCOVER, &options);
            options.insert("address".into(), offered.to_string());
            options.insert("server".into(), "10.77.0.1".into());
            exchange(packet::REQUEST, &options)
        });
        let taken = taken.join().unwrap_or_else(|_| panic!("{name}\n{}", self.netbootd.log()));
        self.lab.ip(name, &format!("addr replace {taken}/24 dev eth0"));
        self.hosts.insert(name.to_owned(), Host { address: taken, ..host });
        wait::pass(ON_THE_WIRE);
    }

    /// Asks port 4011 and waits for the answer.
    fn ask_boot_server(&self, name: &str) -> String {
        let host = self.host(name);
        let mut said = self.said.get(name).cloned().unwrap_or_default();
        said.remove("relay"); // it asks by unicast
        let mut bytes = packet::client(packet::REQUEST, host.mac, &said);
        bytes[12..16].copy_from_slice(&host.address.octets());
        let asked = self.lab.inside(name, move || {
            let socket = bind((host.address, 4011));
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.send_to(&bytes, "10.77.0.1:4011").unwrap();
            let mut answer = [0; 2048];
            socket.recv(&mut answer).ok().map(|_| packet::file(&answer))
        });
        let file = asked.join().unwrap();
        file.unwrap_or_else(|| panic!("port 4011 does not answer {name}\n{}", self.netbootd.log()))
    }

    fn only_here(&self, name: &str, what: Wire, word: &str) {
        let mac = packet::text(self.host(name).mac);
        match what {
            Wire::BootFile => assert_eq!(self.ask_boot_server(name), word, "{}", self.netbootd.log()),
            Wire::Words => {
                let status = self.status(&mac);
                let headline = status["finding"]["headline"].as_str().unwrap_or_default();
                assert!(headline.contains(word), "{word:?} is expected: {status:#}");
            }
            Wire::Past => {
                let status = self.status(&mac);
                let mut past = status["past"].as_array().into_iter().flatten();
                let over = past.any(|past| past["cause"] == word && past["ended"].is_string());
                assert!(over, "{word} is expected to be over: {status:#}");
            }
            Wire::Stranger => self.expect_stranger(&self.host(name).address.to_string()),
            Wire::Shout => self.shout(name, word),
            Wire::Flood => self.flood(name, word.parse().unwrap()),
            Wire::Forge => self.forge(name, word),
            Wire::NoStep => {
                let steps = self.status(&mac)["steps"].to_string();
                assert!(!steps.contains(word), "{word:?} is a step: {steps}");
            }
            Wire::Body => {
                let (path, word) = word.split_once(' ').unwrap();
                let url = format!("http://10.77.0.1{path}");
                let body = self.lab.run(name, &["curl", "-sSf", &url]).stdout;
                let body = String::from_utf8_lossy(&body);
                assert!(body.contains(word), "{word:?} is expected: {body}");
            }
            Wire::Silence => self.expect_silence(&mac, word),
            Wire::Evidence => self.expect_evidence(&mac, word),
            Wire::Also => {
                let status = self.status(&mac);
                assert_eq!(status["also"]["cause"], word, "{status:#}");
            }
            Wire::StrangerByHardware => self.expect_stranger(&flood::hardware(self.lab, name)),
            Wire::FloodOfFrames => flood::frames(self.lab, name, word.parse().unwrap()),
            Wire::Growth => {
                let grown = flood::memory(self.netbootd).saturating_sub(self.memory);
                let most = word.parse::<u64>().unwrap();
                assert!(grown / 1_000_000 <= most, "the memory grew by {grown} bytes");
            }
            Wire::Solicit => self.ask6(name, packet::SOLICIT6, word.parse().unwrap()),
            Wire::Request6 => self.ask6(name, packet::REQUEST6, word.parse().unwrap()),
            Wire::Drops => self.lab.block_udp_port(name, "eth0", word.parse().unwrap()),
        }
    }

    fn shout(&self, name: &str, path: &str) {
        let request = [&[0, 1], path.as_bytes(), b"\0octet\0"].concat();
        let sent = self.lab.inside(name, move || {
            for n in 0..20 {
                let to = if n % 2 == 0 { "255.255.255.255" } else { "10.77.0.255" };
                broadcaster("eth0", 2000 + n).send_to(&request, (to, 69)).unwrap();
            }
        });
        sent.join().unwrap();
    }

    /// A read request from another host's address; what answers it goes there.
    fn forge(&self, name: &str, word: &str) {
        let (whose, path) = word.split_once(' ').unwrap();
        let from = SocketAddr::from((self.host(whose).address, 2999));
        let request = [&[0, 1], path.as_bytes(), b"\0octet\0"].concat();
        let to = SocketAddr::from(([10, 77, 0, 1], 69));
        self.lab.inside(name, move || Spoofer::new().send(from, to, &request)).join().unwrap();
    }

    fn flood(&self, name: &str, count: u32) {
        let said = Options::from([("class".into(), "PXEClient".into()), ("arch".into(), "7".into())]);
        let sent = self.lab.inside(name, move || {
            let socket = broadcaster("eth0", 68);
            for n in 0..count {
                let [a, b, c, d] = n.to_be_bytes();
                let bytes = packet::client(packet::DISCOVER, [2, 0x66, a, b, c, d], &said);
                // Packets that do not fit the queue are lost, as on any wire.
                let _ = socket.send_to(&bytes, ("255.255.255.255", 67));
            }
        });
        sent.join().unwrap();
    }

    fn other(&self, server: &str, reply: OtherReply, client: &str, said: &Options) {
        let (server_host, client) = (self.host(server), self.host(client));
        let bytes = packet::server(reply, server_host.address, client.mac, client.address, said);
        // netbootd has port 67 of its host, and clients look at no server's port.
        let (iface, port) = if server == SERVER_HOST { ("lan0", 1067) } else { ("eth0", 67) };
        let sent = self.lab.inside(server, move || {
            broadcaster(iface, port).send_to(&bytes, ("255.255.255.255", 68)).unwrap();
        });
        sent.join().unwrap();
    }
}

/// The host that netbootd runs on.
const SERVER_HOST: &str = "server";

fn pair(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high, low])
}

/// Firmware takes seconds between two packets; ports are served by different tasks, and the order
/// matters.
const ON_THE_WIRE: Duration = Duration::from_millis(50);

fn broadcast(from: u16, to: u16, bytes: &[u8]) -> UdpSocket {
    let socket = broadcaster("eth0", from);
    socket.send_to(bytes, ("255.255.255.255", to)).unwrap();
    socket
}

fn broadcaster(iface: &str, from: u16) -> UdpSocket {
    let socket = bind((Ipv4Addr::UNSPECIFIED, from));
    setsockopt(&socket, sockopt::BindToDevice, &iface.into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

/// Binds a port that a host used a moment ago. A program that another thread starts holds a copy of
/// every socket of this process until it is executed, so the port may be in use for an instant more.
fn bind(address: impl Into<SocketAddr>) -> UdpSocket {
    let address = address.into();
    let free = || match UdpSocket::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        bound => Some(bound.unwrap_or_else(|error| panic!("{address}: {error}"))),
    };
    wait::for_some(Duration::from_secs(10), free, || format!("{address} stays in use"))
}
