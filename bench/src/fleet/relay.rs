//! The relay that carries the machines' DHCP: one socket, and answers find their machine by the
//! transaction's number.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use dhcproto::v4::{Message, Opcode};
use netbootd_dhcp::v4::Packet;
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use nix::sys::socket::{setsockopt, sockopt};
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

use super::{RELAY, hardware_address};
use crate::client_error::ClientError;

/// One relay for all.
#[derive(Debug)]
pub(super) struct Relay {
    socket: UdpSocket,
    server: SocketAddr,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Packet>>>,
}

/// The values of a lease.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) address: Ipv4Addr,
    pub(super) boot_file: String,
}

impl Relay {
    pub(super) async fn open(server: Ipv4Addr) -> io::Result<Self> {
        let socket = UdpSocket::bind((RELAY, 67)).await?;
        // Machines have sockets of their own, and lose nothing because others are answered at the
        // same time.
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
        Ok(Relay { socket, server: SocketAddr::from((server, 67)), waiting: Mutex::default() })
    }

    /// Hands answers out, until it is aborted.
    pub(super) async fn listen(self: Arc<Self>) {
        let mut buf = vec![0; 2048];
        while let Ok((length, _)) = self.socket.recv_from(&mut buf).await {
            let Ok(packet) = Packet::parse_reply(&buf[..length]) else { continue };
            let mut waiting = self.waiting.lock();
            if let Some(machine) = waiting.remove(&packet.header.xid()) {
                let _ = machine.send(packet);
            }
        }
    }

    /// DISCOVER, OFFER, REQUEST, ACK, with these options beside the usual ones.
    pub(super) async fn lease(&self, number: u32, more: &[(u8, Vec<u8>)]) -> Result<Lease, ClientError> {
        let offer = self.ask(number, MessageType::Discover, &[], more).await?;
        let server = offer.address(option::SERVER_IDENTIFIER).ok_or(ClientError::NoServerIdentifier)?;
        let address = offer.header.yiaddr();
        let chosen = [
            (option::REQUESTED_ADDRESS, address.octets().to_vec()),
            (option::SERVER_IDENTIFIER, server.octets().to_vec()),
        ];
        let ack = self.ask(number, MessageType::Request, &chosen, more).await?;
        if ack.message_type() != MessageType::Ack || ack.header.yiaddr() != address {
            return Err(ClientError::NotAcknowledged { kind: ack.message_type(), address });
        }
        let file = ack.header.fname().unwrap_or_default();
        let boot_file = String::from_utf8_lossy(file).trim_end_matches('\0').to_owned();
        Ok(Lease { address, boot_file })
    }

    async fn ask(
        &self,
        number: u32,
        kind: MessageType,
        chosen: &[(u8, Vec<u8>)],
        more: &[(u8, Vec<u8>)],
    ) -> Result<Packet, ClientError> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mac = hardware_address(number);
        let mut wait = FIRST_WAIT;
        for try_number in 0..TRIES {
            let xid = number << 8 | u32::from(u8::from(kind)) << 4 | try_number;
            let mut header = Message::new_with_id(xid, none, none, none, RELAY, &mac);
            header.set_opcode(Opcode::BootRequest);
            let own = [
                (option::MESSAGE_TYPE, vec![u8::from(kind)]),
                (option::PARAMETER_LIST, vec![1, 3, 6, 43, 54, 60, 66, 67]),
                (option::MAX_MESSAGE_SIZE, 1472_u16.to_be_bytes().to_vec()),
            ];
            let options = own.iter().chain(chosen).chain(more);
            let question = request_bytes(&header, options.map(|(code, value)| (*code, value.as_slice())));
            let (sender, answer) = oneshot::channel();
            self.waiting.lock().insert(xid, sender);
            self.socket.send_to(&question, self.server).await?;
            if let Ok(Ok(packet)) = tokio::time::timeout(wait, answer).await {
                return Ok(packet);
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
        Err(ClientError::NoDhcpAnswer(kind))
    }
}

/// As EDK2 and PXE firmware do (PXE 2.1: 4, 8, 16 and 32 s), only more often.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(16);
const TRIES: u32 = 8;
/// In bytes, for the replies to ten thousand machines at once.
const ROOM: usize = 64 << 20;
