//! A Mac that holds N: a lease, the list of images, the choice of the default, then booter and
//! kernel cache by TFTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bsdp::{BsdpMessageType, SubOption, VendorClass, option43};
use dhcproto::v4::{Message, Opcode};
use netbootd_dhcp::v4::Packet;
use netbootd_dhcp::v4::option::{self, MessageType};
use netbootd_dhcp::v4::question::request_bytes;
use tokio::net::UdpSocket;

use super::relay::Relay;
use super::{NBI, PATIENCE, Site, hardware_address};
use crate::client_error::ClientError;
use crate::load::{Chance, Load};

pub(super) async fn boot(site: &Site, relay: &Relay, number: u32) -> Result<(), ClientError> {
    let own = relay.lease(number, &[]).await?.address;
    let socket = UdpSocket::bind((own, 68)).await?;
    let talk = Talk { socket, own, server: site.server, number };
    let list = talk.ask(BsdpMessageType::List, &[]).await?;
    let default = option43::parse(list.all(option::VENDOR_OPTIONS))?;
    let default = default.iter().find_map(|sub| match sub {
        SubOption::DefaultBootImageId(id) => Some(*id),
        _ => None,
    });
    let chosen = [
        SubOption::ServerIdentifier(site.server),
        SubOption::SelectedBootImageId(default.ok_or(ClientError::NoDefaultImage)?),
    ];
    let chosen = talk.ask(BsdpMessageType::Select, &chosen).await?;
    let file = chosen.header.fname().unwrap_or_default();
    let file = String::from_utf8_lossy(file).trim_end_matches('\0').to_owned();
    if file != format!("{NBI}/booter") {
        return Err(ClientError::BootFile(file));
    }
    for (name, content) in [("booter", &site.booter), ("x86_64/kernelcache", &site.kernel)] {
        let load = Load {
            clients: 1,
            each: 1,
            file: format!("{NBI}/{name}").into(),
            block_size: Some(1428),
            window: None,
            delay: Duration::ZERO,
            loss: 0.0,
            patience: PATIENCE,
            beside: false,
        };
        let server = SocketAddr::from((site.server, 69));
        load.fetch(own, server, content, &mut Chance::new(number.into())).await?;
    }
    Ok(())
}

struct Talk {
    socket: UdpSocket,
    own: Ipv4Addr,
    server: Ipv4Addr,
    number: u32,
}

impl Talk {
    async fn ask(&self, kind: BsdpMessageType, more: &[SubOption]) -> Result<Packet, ClientError> {
        let xid = self.number << 8 | 0xf0 | u32::from(kind.wire());
        let question = self.question(kind, more, xid);
        let mut buf = vec![0; 2048];
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            self.socket.send_to(&question, (self.server, 67)).await?;
            while let Ok(heard) = tokio::time::timeout(wait, self.socket.recv(&mut buf)).await {
                let length = heard?;
                match Packet::parse_reply(&buf[..length]) {
                    Ok(packet) if packet.header.xid() == xid => return Ok(packet),
                    _ => {}
                }
            }
            wait = (wait * 2).min(LAST_WAIT);
        }
        Err(ClientError::NoBsdpAnswer(kind))
    }

    fn question(&self, kind: BsdpMessageType, more: &[SubOption], xid: u32) -> Vec<u8> {
        let none = Ipv4Addr::UNSPECIFIED;
        let mac = hardware_address(self.number);
        let mut header = Message::new_with_id(xid, self.own, none, none, none, &mac);
        header.set_opcode(Opcode::BootRequest);
        let class = VendorClass { architecture: "i386".into(), model: "MacBookPro9,1".into() };
        let mut vendor = vec![SubOption::MessageType(kind), SubOption::Version(0x0101)];
        vendor.extend_from_slice(more);
        let mut options = vec![
            (option::MESSAGE_TYPE, vec![u8::from(MessageType::Inform)]),
            (option::MAX_MESSAGE_SIZE, 1500_u16.to_be_bytes().to_vec()),
            (option::PARAMETER_LIST, vec![option::VENDOR_OPTIONS, option::VENDOR_CLASS]),
            (option::VENDOR_CLASS, class.emit()),
        ];
        let vendor = option43::emit(&vendor).unwrap_or_default();
        options.extend(vendor.into_iter().map(|value| (option::VENDOR_OPTIONS, value)));
        request_bytes(&header, options.iter().map(|(code, value)| (*code, value.as_slice())))
    }
}

const FIRST_WAIT: Duration = Duration::from_secs(2);
const LAST_WAIT: Duration = Duration::from_secs(16);
const TRIES: u32 = 8;
