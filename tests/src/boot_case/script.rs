//! The lines of a case.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use netbootd_diagnosis::step::OtherReply;

use super::packet;

/// One line of a case.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// A client, or another DHCP server.
    Host(String, Host),
    /// A file in the boot folder.
    File { path: String, content: Vec<u8> },
    /// A disk of its own for a folder beside the configuration, in MB.
    Disk { folder: String, megabytes: u32 },
    /// The MTU of the server's interface from now on, in bytes.
    ServerMtu(u16),
    /// Seconds that pass on the wire.
    Wait(f64),
    /// The cause that is found for a host, or none.
    Expect { host: String, cause: Option<String> },
    /// A client's DHCP packet.
    Client { host: String, kind: Kind, options: Options },
    /// The question to port 4011.
    BootServer { host: String },
    /// A broadcast of another DHCP server.
    Other { server: String, reply: OtherReply, client: String, options: Options },
    /// The machine's own report over HTTP: a form.
    Report { host: String, form: String },
    /// A file by TFTP.
    Tftp { host: String, how: How, path: String },
    /// A connection to the HTTPS port: a file to its last byte, or a handshake that fails.
    Https { host: String, what: Https },
    /// A file by HTTP: to its last byte, in vain, or so that it stands still.
    Http { host: String, path: String, how: How },
    /// Behaviour that only a running netbootd shows.
    Wire { host: String, what: Wire, word: String },
}

/// Behaviour that only a running netbootd shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// The question to port 4011, whose answer has to name this boot file.
    BootFile,
    /// Words in the headline of the finding.
    Words,
    /// A finding that is over.
    Past,
    /// The sender that `netbootd status` names.
    Stranger,
    /// Twenty read requests to the whole segment.
    Shout,
    /// So many DISCOVERs of machines that do not exist.
    Flood,
    /// A read request in the name of another host.
    Forge,
    /// A word that none of the machine's steps has.
    NoStep,
    /// The contents of a file over HTTP.
    Body,
    /// The missing step in `netbootd status`, where no cause is found.
    Silence,
    /// Words of the finding's evidence.
    Evidence,
    /// The other cause that fits.
    Also,
    /// The sender that `netbootd status` names by its hardware address.
    StrangerByHardware,
    /// So many DISCOVERs of machines that do not exist, as frames of a sender without an address,
    /// while the case goes on.
    FloodOfFrames,
    /// Most of what the daemon's memory may have grown by since its start, in MB.
    Growth,
    /// A SOLICIT of DHCPv6, with this architecture.
    Solicit,
    /// A REQUEST of DHCPv6 to another server, with this architecture.
    Request6,
    /// The host drops what comes to a UDP port of its own, without a word.
    Drops,
}

/// How a client fares on the HTTPS port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Https {
    /// It trusts the authority, and fetches this path.
    Get(String),
    /// It does not trust the authority, and says so by an alert.
    Distrusts,
    /// It knows cipher suites alone that the server does not.
    KnowsOldSuites,
}

/// Options of a packet, by the names that `packet.rs` knows.
pub(super) type Options = HashMap<String, String>;

#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    pub(super) address: Ipv4Addr,
    pub(super) mac: [u8; 6],
}

/// A client's DHCP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A DISCOVER of the machine.
    Discover,
    /// A DISCOVER of a system, which does not ask to boot.
    PlainDiscover,
    /// A REQUEST with the options of the last DISCOVER.
    Request,
    /// A DISCOVER, and a REQUEST for whatever netbootd offers.
    Lease,
    /// A DECLINE of the address that it has.
    Decline,
}

/// How a client fetches a file by TFTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// To the last byte.
    Get,
    /// It wants an ERROR.
    Miss,
    /// It asks for the size alone and ends with ERROR 8, as UEFI firmware does first.
    Probe,
    /// It acknowledges the options and nothing more.
    Stall,
    /// The same with blocks that are larger than an Ethernet frame.
    StallLarge,
    /// The client acknowledges nothing.
    Mute,
    /// It ends the transfer with an ERROR after some blocks.
    Abort,
    /// It ends the transfer as GRUB closes a file, after some blocks.
    Peek,
    /// It acknowledges some blocks and nothing more.
    Vanish,
    /// It is silent once block numbers start again.
    Wrap,
    /// It fetches much slower than others, while the case goes on.
    Slow,
    /// To the last byte, without options: 512 bytes at a time (RFC 1350).
    Plain,
    /// To the last byte, and every tenth block is lost once.
    Lossy,
}

/// Reads a case.
///
/// # Panics
/// When a line cannot be read.
pub(super) fn parse(text: &str) -> Vec<Line> {
    // A comment begins with a blank behind its mark: `#!ipxe` is none.
    let lines = text.lines().map(|line| line.split("# ").next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(parse_line).collect()
}

fn parse_line(line: &str) -> Line {
    let words: Vec<&str> = line.split_whitespace().collect();
    let text = |word: &str| word.to_owned();
    match words.as_slice() {
        ["host", name, address, mac] => {
            Line::Host(text(name), Host { address: address.parse().unwrap(), mac: packet::mac(mac) })
        }
        ["file", path, rest @ ..] => Line::File { path: text(path), content: content(path, rest) },
        ["disk", folder, megabytes] => {
            Line::Disk { folder: text(folder), megabytes: megabytes.parse().unwrap() }
        }
        ["server-mtu", bytes] => Line::ServerMtu(bytes.parse().unwrap()),
        ["wait", seconds] => Line::Wait(seconds.parse().unwrap()),
        ["expect-words", host, words @ ..] => wire(host, Wire::Words, &words.join(" ")),
        ["expect-evidence", host, words @ ..] => wire(host, Wire::Evidence, &words.join(" ")),
        ["expect-also", host, cause] => wire(host, Wire::Also, cause),
        ["expect-growth", host, megabytes] => wire(host, Wire::Growth, megabytes),
        ["expect-stranger-by-hardware", host] => wire(host, Wire::StrangerByHardware, ""),
        [host, "flood-of-frames", count] => wire(host, Wire::FloodOfFrames, count),
        [host, "solicit", arch] => wire(host, Wire::Solicit, arch),
        [host, "request6", arch] => wire(host, Wire::Request6, arch),
        [host, "drops", port] => wire(host, Wire::Drops, port),
        ["expect-past", host, cause] => wire(host, Wire::Past, cause),
        ["expect-no-step", host, word] => wire(host, Wire::NoStep, word),
        ["expect-body", host, path, word] => wire(host, Wire::Body, &format!("{path} {word}")),
        [host, "report", form] => Line::Report { host: text(host), form: text(form) },
        [host, "forge", whose, path] => wire(host, Wire::Forge, &format!("{whose} {path}")),
        ["expect-silence", host, words @ ..] => wire(host, Wire::Silence, &words.join(" ")),
        ["expect-stranger", host] => wire(host, Wire::Stranger, ""),
        [host, "shout", path] => wire(host, Wire::Shout, path),
        [host, "flood", count] => wire(host, Wire::Flood, count),
        [host, "boot-server", file] => wire(host, Wire::BootFile, file),
        ["expect", host, "none"] => Line::Expect { host: text(host), cause: None },
        ["expect", host, cause] => Line::Expect { host: text(host), cause: Some(text(cause)) },
        [host, "boot-server"] => Line::BootServer { host: text(host) },
        [host, "get-https", path] => Line::Https { host: text(host), what: Https::Get(text(path)) },
        [host, "distrusts-https"] => Line::Https { host: text(host), what: Https::Distrusts },
        [host, "knows-old-suites"] => Line::Https { host: text(host), what: Https::KnowsOldSuites },
        [host, how @ ("get-http" | "miss-http" | "head-http" | "stall-http"), path] => {
            let how = match *how {
                "get-http" => How::Get,
                "miss-http" => How::Miss,
                "head-http" => How::Probe,
                _ => How::Stall,
            };
            Line::Http { host: text(host), path: text(path), how }
        }
        [server, kind @ ("offer" | "ack" | "nak"), client, rest @ ..] => Line::Other {
            server: text(server),
            reply: match *kind {
                "offer" => OtherReply::Offer,
                "ack" => OtherReply::Ack,
                _ => OtherReply::Nak,
            },
            client: text(client),
            options: named(rest),
        },
        [host, word, rest @ ..] => match (dhcp(word), tftp(word), rest) {
            (Some(kind), ..) => Line::Client { host: text(host), kind, options: named(rest) },
            (_, Some(how), [path]) => Line::Tftp { host: text(host), how, path: text(path) },
            _ => panic!("nothing can be done with {line:?}"),
        },
        _ => panic!("nothing can be done with {line:?}"),
    }
}

fn wire(host: &str, what: Wire, word: &str) -> Line {
    Line::Wire { host: host.to_owned(), what, word: word.to_owned() }
}

fn dhcp(word: &str) -> Option<Kind> {
    Some(match word {
        "discover" => Kind::Discover,
        "plain-discover" => Kind::PlainDiscover,
        "request" => Kind::Request,
        "lease" => Kind::Lease,
        "decline" => Kind::Decline,
        _ => return None,
    })
}

fn tftp(word: &str) -> Option<How> {
    Some(match word {
        "get" => How::Get,
        "miss" => How::Miss,
        "probe" => How::Probe,
        "stall" => How::Stall,
        "stall-large" => How::StallLarge,
        "mute" => How::Mute,
        "abort" => How::Abort,
        "peek" => How::Peek,
        "vanish" => How::Vanish,
        "wrap" => How::Wrap,
        "slow" => How::Slow,
        "plain" => How::Plain,
        "lossy" => How::Lossy,
        _ => return None,
    })
}

/// The contents of a file of the boot folder. `\n` in a text is the end of a line.
fn content(path: &str, words: &[&str]) -> Vec<u8> {
    match words {
        ["pe", arch, signed] => packet::pe_program(arch, *signed == "signed"),
        ["text", words @ ..] => words.join(" ").replace("\\n", "\n").into_bytes(),
        // A script of iPXE that loads nothing.
        [bytes] if path.ends_with(".ipxe") => {
            let mut script = b"#!ipxe\n".to_vec();
            script.resize(bytes.parse::<usize>().unwrap().max(7), b'\n');
            script
        }
        [bytes] => vec![0x5a; bytes.parse().unwrap()],
        other => panic!("a file with {other:?}"),
    }
}

/// Reads words of the form `name=value`.
fn named(words: &[&str]) -> Options {
    let split = words.iter().map(|word| word.split_once('=').unwrap_or((*word, "")));
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
