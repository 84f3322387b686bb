//! A machine without an address that asks for one, packet by packet.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use netbootd_dhcp::v4::Packet;
use netbootd_dhcp::v4::option::MessageType;

use crate::Lab;

/// Port 68 of a host on a segment.
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
    to: Ipv4Addr,
}

/// The options of x64 PXE firmware.
pub const PXE: &[(u8, &[u8])] = &[(60, b"PXEClient:Arch:00007:UNDI:003000"), (93, &[0, 7]), (94, &[1, 3, 0])];
/// The options of U-Boot on 64-bit ARM.
pub const UBOOT: &[(u8, &[u8])] = &[(60, b"U-Boot.armv8"), (93, &[0, 22]), (94, &[1, 0, 0])];
/// The options of a host that only wants an address.
pub const PLAIN: &[(u8, &[u8])] = &[(55, &[1, 3, 6])];

impl Asker {
    /// On a host whose segment has this broadcast address.
    ///
    /// # Panics
    /// When the port is taken.
    pub fn on(lab: &Lab, host: &str, to: Ipv4Addr) -> Self {
        let socket = lab.inside(host, || {
            let socket = UdpSocket::bind("0.0.0.0:68")?;
            socket.set_broadcast(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            io::Result::Ok(socket)
        });
        let socket = socket.join().unwrap_or_else(|_| panic!("{host} cannot be entered"));
        Asker { socket: socket.unwrap_or_else(|error| panic!("port 68: {error}")), to }
    }

    /// Broadcasts a DISCOVER of the machine 02:00:00:00:01:`n`; the transaction is `n` too.
    pub fn discover(&self, n: u8, options: &[(u8, &[u8])]) {
        self.ask(n, MessageType::Discover, options);
    }

    /// Takes what was offered.
    pub fn request(&self, n: u8, offer: &Packet, options: &[(u8, &[u8])]) {
        let address = offer.header.yiaddr().octets();
        let taken: [(u8, &[u8]); 2] = [(54, offer.first(54).unwrap_or_default()), (50, &address)];
        self.ask(n, MessageType::Request, &[taken.as_slice(), options].concat());
    }

    /// The next answer to the machine `n`.
    ///
    /// # Panics
    /// When none comes.
    pub fn answer(&self, n: u8) -> Packet {
        loop {
            let packet = self.next();
            if packet.header.xid() == u32::from(n) {
                return packet;
            }
        }
    }

    /// The next answer to any machine.
    ///
    /// # Panics
    /// When none comes.
    pub fn next(&self) -> Packet {
        let mut buf = [0; 2048];
        let length = self.socket.recv(&mut buf).unwrap_or_else(|error| panic!("no answer: {error}"));
        Packet::parse_reply(&buf[..length]).unwrap_or_else(|error| panic!("no answer of a server: {error}"))
    }

    /// The offer to a machine that asks now.
    ///
    /// # Panics
    /// When it is not answered by one.
    pub fn offer(&self, n: u8, options: &[(u8, &[u8])]) -> Packet {
        self.discover(n, options);
        let offer = self.answer(n);
        assert_eq!(offer.message_type(), MessageType::Offer);
        offer
    }

    fn ask(&self, n: u8, kind: MessageType, options: &[(u8, &[u8])]) {
        let mut bytes = vec![0; 236];
        bytes[..3].copy_from_slice(&[1, 1, 6]);
        bytes[7] = n;
        // The answer is broadcast: an address there is not yet.
        bytes[10] = 0x80;
        bytes[28..34].copy_from_slice(&[2, 0, 0, 0, 1, n]);
        bytes.extend([99, 130, 83, 99, 53, 1, u8::from(kind)]);
        for (code, value) in options {
            bytes.extend([*code, value.len() as u8]);
            bytes.extend(*value);
        }
        bytes.push(255);
        bytes.resize(bytes.len().max(300), 0);
        let sent = self.socket.send_to(&bytes, (self.to, 67));
        sent.unwrap_or_else(|error| panic!("{} is out of reach: {error}", self.to));
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
