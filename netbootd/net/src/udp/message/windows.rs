//! Datagrams and their control messages on the way to Windows and from it, and what a socket is
//! asked for them.
//!
//! Unsafe because Rust's library and its crates know no `WSARecvMsg`, without which a socket that
//! hears for all interfaces cannot tell by which one a datagram came, nor to which address. Each
//! call is given buffers of this module's own, and what comes back is read as bytes. One datagram a
//! call: segmented sending is Linux's.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::windows::io::AsRawSocket;
use std::ptr;
use std::sync::OnceLock;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{
    IP_MTU, IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO, LPFN_WSARECVMSG,
    SIO_GET_EXTENSION_FUNCTION_POINTER, SOCKADDR, SOCKET, SOCKET_ERROR, WSABUF, WSAECONNRESET, WSAEFAULT,
    WSAEMSGSIZE, WSAENETRESET, WSAID_WSARECVMSG, WSAIoctl, WSAMSG, WSASendMsg, getsockopt, setsockopt,
};

use super::{Incoming, RECEIVE_BUFFER, Received, SEND_BUFFER, Source, Watched};
use crate::iface;

/// The system could not read the bytes that it was to send.
pub const EFAULT: i32 = WSAEFAULT;

/// A UDP socket that never waits.
pub(super) fn nonblocking(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Windows keeps no word of which datagram did not arrive.
pub(super) fn hear_errors(_socket: &Socket, _v4: bool) -> io::Result<()> {
    Ok(())
}

/// Has each datagram come with the address that it was sent to.
pub(super) fn tell_destination(socket: &Socket, v4: bool) -> io::Result<()> {
    let (level, option) = if v4 { (IPPROTO_IP, IP_PKTINFO) } else { (IPPROTO_IPV6, IPV6_PKTINFO) };
    let on = 1u32.to_ne_bytes();
    // SAFETY: the socket is open, and the option's value is four bytes that live until the call is
    // over.
    let result = unsafe { setsockopt(raw(socket), level, option, on.as_ptr(), on.len() as i32) };
    checked(result)
}

/// Windows does not count what a socket has no room for.
pub(super) fn tell_dropped(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Gives what a socket is bound to that is to hear one interface: an own address of it, for no
/// socket is held to an interface here.
pub(super) fn hold_to(_socket: &Socket, addr: SocketAddr, device: Option<&str>) -> io::Result<SocketAddr> {
    let Some(device) = device else { return Ok(addr) };
    let iface = iface::list(true)?.into_iter().find(|iface| iface.name == device);
    let iface = iface.ok_or(io::ErrorKind::NotFound)?;
    match addr.ip() {
        IpAddr::V4(any) if any.is_unspecified() => {
            let own = iface.addrs.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok(SocketAddr::from((own.addr(), addr.port())))
        }
        IpAddr::V6(any) if any.is_unspecified() => {
            let own = iface.global_addrs6().chain(&iface.addrs6).next();
            let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?.addr();
            let scope = if own.is_unicast_link_local() { iface.index } else { 0 };
            Ok(SocketAddrV6::new(own, addr.port(), 0, scope).into())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => {
            let words = "Windows has no sockets for the broadcasts of one interface";
            Err(io::Error::new(io::ErrorKind::Unsupported, words))
        }
    }
}

/// Windows gives what comes to a port that two sockets have to either of them: replies leave by the
/// one that there is.
pub(super) fn beside(_other: &Watched) -> io::Result<Socket> {
    Err(io::ErrorKind::Unsupported.into())
}

/// No two sockets share a port safely here.
pub(super) fn share_port(_socket: &Socket) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Asks for large buffers.
pub(super) fn make_room(socket: &Socket) {
    // Less will do as well.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
}

/// Windows has no limit to go beyond: there is nothing to open ahead.
pub(super) fn make_room_by_force(_socket: &Socket) -> bool {
    false
}

/// The MTU of a connected socket's route; Ethernet's on a Windows that does not tell (before
/// Windows 10).
pub(super) fn mtu_of(socket: &std::net::UdpSocket) -> Option<i32> {
    let mut value = [0; 4];
    let mut length = value.len() as i32;
    // SAFETY: the socket is open; the value has as many bytes as `length` says.
    let result = unsafe { getsockopt(raw(socket), IPPROTO_IP, IP_MTU, value.as_mut_ptr(), &raw mut length) };
    Some(match checked(result) {
        Ok(()) => i32::from_ne_bytes(value),
        Err(_) => ETHERNET,
    })
}

/// The next datagram, and none that the socket would have dropped.
pub(super) fn receive(socket: &Watched, buf: &mut [u8]) -> io::Result<(Received, u32)> {
    let mut control = Control([0; CONTROL]);
    let mut data = WSABUF { len: clamped(buf.len()), buf: buf.as_mut_ptr() };
    let mut len = 0;
    let mut call = |name: *mut SOCKADDR, name_length: i32| {
        let mut message = WSAMSG {
            name,
            namelen: name_length,
            lpBuffers: &raw mut data,
            dwBufferCount: 1,
            Control: WSABUF { len: CONTROL as u32, buf: control.0.as_mut_ptr() },
            dwFlags: 0,
        };
        let receive = receiver(raw(socket))?;
        // SAFETY: the socket is open; every pointer leads to a buffer that is as long as is said,
        // and lives until the call is over.
        let result = unsafe { receive(raw(socket), &raw mut message, &raw mut len, ptr::null_mut(), None) };
        match checked(result) {
            // A longer datagram is cut.
            Err(error) if error.raw_os_error() == Some(WSAEMSGSIZE) => {}
            // Some datagram of ours did not arrive; which one is not told.
            Err(error) if matches!(error.raw_os_error(), Some(WSAECONNRESET | WSAENETRESET)) => {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            other => other?,
        }
        Ok(message.Control.len)
    };
    // SAFETY: the call fills in an address and no more than there is room for; `SockAddr` keeps the
    // length of its storage, in which an address of either kind is whole.
    let (told, from) = unsafe { SockAddr::try_init(|storage, length| call(storage.cast(), *length)) }?;
    let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let (to, ifindex) = destination(&control.0[..CONTROL.min(told as usize)], from.is_ipv4());
    let unspecified =
        if from.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let len = (len as usize).min(buf.len());
    Ok((Received { len, from, to: to.unwrap_or(unspecified), ifindex }, 0))
}

/// Receives the waiting datagrams into slots of `size` bytes, one call for each; `take` gets each
/// slot's number and datagram. Fewer datagrams than slots mean that no other waits.
pub(super) fn receive_many(
    socket: &Watched,
    slots: &mut [u8],
    size: usize,
    mut take: impl FnMut(usize, Received, u32),
) -> io::Result<usize> {
    let mut count = 0;
    for (slot, bytes) in slots.chunks_exact_mut(size).enumerate() {
        match receive(socket, bytes) {
            Ok((received, dropped)) => take(slot, received, dropped),
            Err(_) if count > 0 => break,
            Err(error) => return Err(error),
        }
        count += 1;
    }
    Ok(count)
}

/// There is no queue of reports.
pub(super) fn unreachable(_socket: &Watched) -> io::Result<Incoming> {
    Err(io::ErrorKind::WouldBlock.into())
}

pub(super) fn transmit(
    socket: &Watched,
    slices: &[IoSlice<'_>],
    segment: Option<u16>,
    to: SocketAddr,
    source: Source,
) -> io::Result<usize> {
    if segment.is_some() {
        return Err(io::ErrorKind::Unsupported.into()); // one by one, then
    }
    let mut control = Control([0; CONTROL]);
    let control_length = if source == Source::BOUND {
        0
    } else {
        match (to, source.addr) {
            (SocketAddr::V4(_), IpAddr::V4(addr)) => {
                write_control(&mut control.0, IPPROTO_IP, IP_PKTINFO, &addr.octets(), source.ifindex)
            }
            (SocketAddr::V6(_), IpAddr::V6(addr)) => {
                write_control(&mut control.0, IPPROTO_IPV6, IPV6_PKTINFO, &addr.octets(), source.ifindex)
            }
            _ => return Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    };
    let mut parts: Vec<WSABUF> = slices
        .iter()
        .map(|slice| WSABUF { len: clamped(slice.len()), buf: slice.as_ptr().cast_mut() })
        .collect();
    let to = SockAddr::from(to);
    let message = WSAMSG {
        name: to.as_ptr().cast_mut().cast(),
        namelen: to.len(),
        lpBuffers: parts.as_mut_ptr(),
        dwBufferCount: clamped(parts.len()),
        Control: WSABUF {
            len: control_length,
            buf: if control_length == 0 { ptr::null_mut() } else { control.0.as_mut_ptr() },
        },
        dwFlags: 0,
    };
    let mut sent = 0;
    // SAFETY: the socket is open; every pointer leads to a buffer that is as long as is said, lives
    // until the call is over, and is only read, although the structure is declared for receiving as
    // well.
    let result =
        unsafe { WSASendMsg(raw(socket), &raw const message, 0, &raw mut sent, ptr::null_mut(), None) };
    checked(result).map(|()| sent as usize)
}

/// Sends datagrams of two parts each, one call for each, and gives how many have left.
pub(super) fn transmit_each(
    socket: &Watched,
    datagrams: &[[IoSlice<'_>; 2]],
    to: SocketAddr,
    source: Source,
) -> io::Result<usize> {
    for (sent, datagram) in datagrams.iter().enumerate() {
        match transmit(socket, datagram, None, to, source) {
            Err(_) if sent > 0 => return Ok(sent),
            other => other?,
        };
    }
    Ok(datagrams.len())
}

/// The system's own function for receiving with control messages: found once, by asking any socket.
fn receiver(socket: SOCKET) -> io::Result<Receive> {
    static FOUND: OnceLock<Receive> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(*found);
    }
    let (mut found, mut length): (LPFN_WSARECVMSG, u32) = (None, 0);
    let question = WSAID_WSARECVMSG;
    // SAFETY: the socket is open; the question is a GUID and the answer a pointer to a function,
    // each as long as is said.
    let result = unsafe {
        WSAIoctl(
            socket,
            SIO_GET_EXTENSION_FUNCTION_POINTER,
            (&raw const question).cast(),
            size_of_val(&question) as u32,
            (&raw mut found).cast(),
            size_of_val(&found) as u32,
            &raw mut length,
            ptr::null_mut(),
            None,
        )
    };
    checked(result)?;
    let found = found.ok_or(io::ErrorKind::Unsupported)?;
    Ok(*FOUND.get_or_init(|| found))
}

/// Where a datagram was sent, and the interface it came by: `IN_PKTINFO` or `IN6_PKTINFO`, an
/// address and an index.
fn destination(mut control: &[u8], v4: bool) -> (Option<IpAddr>, u32) {
    let (level, kind, length) =
        if v4 { (IPPROTO_IP, IP_PKTINFO, 4) } else { (IPPROTO_IPV6, IPV6_PKTINFO, 16) };
    while let Some((head, _)) = control.split_at_checked(HEAD) {
        let (size, rest) = head.split_at(size_of::<usize>());
        let size = size.try_into().map_or(0, usize::from_ne_bytes);
        let words: Vec<i32> = rest.as_chunks::<4>().0.iter().map(|word| i32::from_ne_bytes(*word)).collect();
        if size < HEAD || size > control.len() {
            break;
        }
        let data = &control[HEAD..size];
        if words == [level, kind]
            && let Some((addr, index)) = data.split_at_checked(length)
            && let Some(index) = index.first_chunk::<4>()
        {
            let addr = match (<[u8; 4]>::try_from(addr), <[u8; 16]>::try_from(addr)) {
                (Ok(addr), _) => Some(IpAddr::from(addr)),
                (_, Ok(addr)) => Some(IpAddr::from(addr)),
                _ => None,
            };
            return (addr, u32::from_ne_bytes(*index));
        }
        control = control.get(size.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
    (None, 0)
}

/// One control message; gives its length.
fn write_control(to: &mut [u8; CONTROL], level: i32, kind: i32, addr: &[u8], ifindex: u32) -> u32 {
    let size = HEAD + addr.len() + 4;
    let parts: [&[u8]; 5] =
        [&size.to_ne_bytes(), &level.to_ne_bytes(), &kind.to_ne_bytes(), addr, &ifindex.to_ne_bytes()];
    for (place, byte) in to.iter_mut().zip(parts.concat()) {
        *place = byte;
    }
    clamped(size.next_multiple_of(ALIGN))
}

fn raw(socket: &impl AsRawSocket) -> SOCKET {
    socket.as_raw_socket() as SOCKET
}

fn checked(result: i32) -> io::Result<()> {
    if result == SOCKET_ERROR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn clamped(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

type Receive = unsafe extern "system" fn(
    SOCKET,
    *mut WSAMSG,
    *mut u32,
    *mut windows_sys::Win32::System::IO::OVERLAPPED,
    windows_sys::Win32::Networking::WinSock::LPWSAOVERLAPPED_COMPLETION_ROUTINE,
) -> i32;

/// Control messages begin where a number of eight bytes may.
#[repr(align(8))]
struct Control([u8; CONTROL]);

/// Room for one control message of either kind and what else a driver may add.
const CONTROL: usize = 128;
/// Length, level and kind (`CMSGHDR`).
const HEAD: usize = size_of::<usize>() + 8;
const ALIGN: usize = size_of::<usize>();
const ETHERNET: i32 = 1500;
