//! The kernel's route to an address and its neighbour table, by rtnetlink: one request, one answer,
//! which is there at once. By hand: the crate rtnetlink asks through a task of its own, and a reply
//! to a machine would wait for that.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use parking_lot::Mutex;

use super::State;

/// A socket to ask by, opened when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Kernel(Mutex<Asking>);

#[derive(Debug, Default)]
struct Asking {
    socket: Option<OwnedFd>,
    sequence: u32,
    answer: Vec<u8>,
    /// Gateways that had a link-layer address a moment ago: they are the next hop to any number of
    /// addresses.
    gateways: Vec<(u32, IpAddr, Instant)>,
    /// Flags of interfaces, as they were a moment ago.
    links: Vec<(u32, u32, Instant)>,
}

/// The kernel's answer to one netlink request.
enum Answer {
    /// A message without its header.
    Message(Vec<u8>),
    /// An error number of netlink.
    Error(i32),
}

/// The way to an address.
struct Route {
    ifindex: u32,
    next_hop: IpAddr,
    /// Whether the address is a host's elsewhere, and no own, broadcast or multicast address.
    unicast: bool,
}

impl Kernel {
    /// The kernel's state of the next hop to an address.
    pub(super) fn state(&self, to: IpAddr, ifindex: u32) -> State {
        let mut asking = self.0.lock();
        asking.state(to, ifindex).unwrap_or(State::Unknown)
    }
}

impl Asking {
    /// None where the kernel does not say: without a route, or before Linux 5.0.
    fn state(&mut self, to: IpAddr, ifindex: u32) -> Option<State> {
        let route = self.route(to, ifindex)?;
        if !route.unicast {
            return Some(State::Resolved);
        }
        let is_gateway = route.next_hop != to;
        if is_gateway && self.resolved_gateway(&route) {
            return Some(State::Resolved);
        }
        match self.neighbour(&route)? {
            Some(state) if state & RESOLVED != 0 => {
                if is_gateway && self.gateways.len() < MAX_RECENT {
                    self.gateways.push((route.ifindex, route.next_hop, Instant::now()));
                }
                Some(State::Resolved)
            }
            Some(_) => Some(State::Unresolved),
            // Tunnels and the like have no neighbours to resolve.
            None if self.link_flags(route.ifindex)? & WITHOUT_NEIGHBOURS != 0 => Some(State::Resolved),
            None => Some(State::Unresolved),
        }
    }

    fn resolved_gateway(&mut self, route: &Route) -> bool {
        self.gateways.retain(|(_, _, looked)| looked.elapsed() < RESOLVED_FOR);
        self.gateways
            .iter()
            .any(|(ifindex, gateway, _)| (*ifindex, *gateway) == (route.ifindex, route.next_hop))
    }

    fn route(&mut self, to: IpAddr, ifindex: u32) -> Option<Route> {
        let (family, bytes) = parts(to);
        let bits = u8::try_from(bytes.len() * 8).ok()?;
        // struct rtmsg: family, length of the destination in bits, and ten bytes that a question
        // leaves zero.
        let mut body = vec![family, bits, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        attribute(&mut body, RTA_DST, &bytes);
        if ifindex != 0 {
            attribute(&mut body, RTA_OIF, &ifindex.to_ne_bytes());
        }
        let Answer::Message(answer) = self.ask(RTM_GETROUTE, &body)? else { return None };
        let (header, attributes) = answer.split_at_checked(RTMSG)?;
        let (mut link, mut next_hop) = (ifindex, to);
        for (kind, value) in Attributes(attributes) {
            match kind {
                RTA_OIF => link = u32::from_ne_bytes(value.try_into().ok()?),
                RTA_GATEWAY => next_hop = addr(value)?,
                // A gateway of the other family: its family in two bytes, then its address.
                RTA_VIA => next_hop = addr(value.get(2..)?)?,
                _ => {}
            }
        }
        Some(Route { ifindex: link, next_hop, unicast: header[RTMSG_TYPE] == RTN_UNICAST })
    }

    /// The neighbour's state, or that it has no entry.
    fn neighbour(&mut self, route: &Route) -> Option<Option<u16>> {
        let (family, bytes) = parts(route.next_hop);
        // struct ndmsg: family, padding, interface, state, flags, type.
        let mut body = vec![family, 0, 0, 0];
        body.extend(route.ifindex.to_ne_bytes());
        body.extend([0; 4]);
        attribute(&mut body, NDA_DST, &bytes);
        match self.ask(RTM_GETNEIGH, &body)? {
            Answer::Message(answer) => {
                let state = answer.get(NDMSG_STATE..NDMSG_STATE + 2)?;
                Some(Some(u16::from_ne_bytes(state.try_into().ok()?)))
            }
            Answer::Error(libc::ENOENT) => Some(None),
            Answer::Error(_) => None,
        }
    }

    fn link_flags(&mut self, ifindex: u32) -> Option<u32> {
        self.links.retain(|(_, _, looked)| looked.elapsed() < RESOLVED_FOR);
        if let Some((_, flags, _)) = self.links.iter().find(|(index, _, _)| *index == ifindex) {
            return Some(*flags);
        }
        let flags = self.look_at_link(ifindex)?;
        if self.links.len() < MAX_RECENT {
            self.links.push((ifindex, flags, Instant::now()));
        }
        Some(flags)
    }

    fn look_at_link(&mut self, ifindex: u32) -> Option<u32> {
        // struct ifinfomsg: family, padding, type, index, flags, change.
        let mut body = vec![0; 4];
        body.extend(ifindex.to_ne_bytes());
        body.extend([0; 8]);
        let Answer::Message(answer) = self.ask(RTM_GETLINK, &body)? else { return None };
        Some(u32::from_ne_bytes(answer.get(IFINFOMSG_FLAGS..IFINFOMSG_FLAGS + 4)?.try_into().ok()?))
    }

    fn ask(&mut self, kind: u16, body: &[u8]) -> Option<Answer> {
        self.sequence = self.sequence.wrapping_add(1);
        let sequence = self.sequence;
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(open().ok()?),
        };
        let length = u32::try_from(HEADER + body.len()).ok()?;
        let mut request = Vec::with_capacity(HEADER + body.len());
        request.extend(length.to_ne_bytes());
        request.extend(kind.to_ne_bytes());
        request.extend(NLM_F_REQUEST.to_ne_bytes());
        request.extend(sequence.to_ne_bytes());
        request.extend([0; 4]);
        request.extend(body);
        let fd = socket.as_raw_fd();
        send(fd, &request, MsgFlags::empty()).ok()?;
        self.answer.resize(ANSWER, 0);
        loop {
            let length = recv(fd, &mut self.answer, MsgFlags::empty()).ok()?;
            let (header, body) = self.answer[..length].split_at_checked(HEADER)?;
            if header[8..12] != sequence.to_ne_bytes() {
                continue; // an answer that an earlier question did not wait for
            }
            return match u16::from_ne_bytes([header[4], header[5]]) {
                NLMSG_ERROR => {
                    Some(Answer::Error(i32::from_ne_bytes(body.get(..4)?.try_into().ok()?).wrapping_neg()))
                }
                _ => Some(Answer::Message(body.to_vec())),
            };
        }
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?)
}

/// struct rtattr: length, kind, value, padding to four bytes.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(ATTRIBUTE + value.len()).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

/// The attributes behind a message's fixed part, as kind and value.
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.0.get(..ATTRIBUTE)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let value = self.0.get(ATTRIBUTE..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

fn parts(addr: IpAddr) -> (u8, Vec<u8>) {
    match addr {
        IpAddr::V4(addr) => (libc::AF_INET as u8, addr.octets().to_vec()),
        IpAddr::V6(addr) => (libc::AF_INET6 as u8, addr.octets().to_vec()),
    }
}

fn addr(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// struct nlmsghdr: length, kind, flags, sequence, port.
const HEADER: usize = 16;
const ATTRIBUTE: usize = 4;
const ANSWER: usize = 16 << 10;
const NLM_F_REQUEST: u16 = libc::NLM_F_REQUEST as u16;
const NLMSG_ERROR: u16 = libc::NLMSG_ERROR as u16;
const RTM_GETLINK: u16 = libc::RTM_GETLINK;
const RTM_GETROUTE: u16 = libc::RTM_GETROUTE;
const RTM_GETNEIGH: u16 = libc::RTM_GETNEIGH;
const RTA_DST: u16 = libc::RTA_DST;
const RTA_OIF: u16 = libc::RTA_OIF;
const RTA_GATEWAY: u16 = libc::RTA_GATEWAY;
const RTA_VIA: u16 = libc::RTA_VIA;
const NDA_DST: u16 = libc::NDA_DST;
const RTN_UNICAST: u8 = libc::RTN_UNICAST;
const RTMSG: usize = 12;
const RTMSG_TYPE: usize = 7;
const NDMSG_STATE: usize = 8;
const IFINFOMSG_FLAGS: usize = 8;
/// Reachable, stale, delayed, probed, without resolution, permanent (linux/neighbour.h): datagrams
/// leave at once.
const RESOLVED: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;
/// As long as a hop that answers is not asked for again (`table.rs`).
const RESOLVED_FOR: Duration = Duration::from_secs(1);
/// A server has one or two gateways, and few interfaces.
const MAX_RECENT: usize = 16;
const WITHOUT_NEIGHBOURS: u32 = (libc::IFF_NOARP | libc::IFF_POINTOPOINT | libc::IFF_LOOPBACK) as u32;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn own_addresses_need_no_resolution() {
        let kernel = Kernel::default();
        for own in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            assert_eq!(kernel.state(own, 0), State::Resolved, "{own}");
        }
    }

    #[test]
    fn attributes_that_lie_about_their_length_end_the_list() {
        for bytes in [&[3, 0, 1, 0][..], &[9, 0, 1, 0, 1, 2, 3, 4], &[0; 4], &[4, 0]] {
            assert_eq!(Attributes(bytes).count(), 0, "{bytes:?}");
        }
        assert_eq!(Attributes(&[5, 0, 1, 0, 7]).collect::<Vec<_>>(), [(1, &[7_u8][..])]);
    }
}
