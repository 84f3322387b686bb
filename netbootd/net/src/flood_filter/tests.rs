use std::net::{Ipv4Addr, UdpSocket};

use proptest::prelude::*;
use socket2::SockRef;

use super::*;

#[test]
fn a_flood_is_dropped_for_a_while_and_single_junk_never() {
    let (start, mut flood) = (Instant::now(), Flood::default());
    let told = |flood: &mut Flood, count: u32, at| (0..count).filter(|_| flood.malformed(at)).count();
    for second in 0..10 {
        let at = start + Duration::from_secs(second);
        assert_eq!(told(&mut flood, BEARABLE, at), 0, "as much as that is read for ever");
    }
    let at = start + Duration::from_secs(100);
    assert_eq!(told(&mut flood, BEARABLE + 1, at), 1);
    assert_eq!(flood.until(), Some(at + DROPPED_FOR));
    assert_eq!(told(&mut flood, 5 * BEARABLE, at), 0, "what was queued before changes nothing");
    assert!(!flood.is_over(at + DROPPED_FOR / 2));
    assert!(flood.is_over(at + DROPPED_FOR));
    assert_eq!((flood.until(), flood.is_over(at + DROPPED_FOR)), (None, false));
    assert_eq!(told(&mut flood, BEARABLE + 1, at + 2 * DROPPED_FOR), 1, "and again");
}

/// Bytes that are nearly, or wholly, what a port is for.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let starts = prop_oneof![
        Just(vec![1, 1, 6, 0]),
        Just(vec![0, 1]),
        (0..20_u8).prop_map(|kind| vec![0, kind]),
        (0..20_u8).prop_map(|kind| vec![kind]),
        Just(Vec::new()),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..300);
    (starts, bytes, any::<(bool, bool)>()).prop_map(|(start, mut bytes, (cookie, ends))| {
        let many = start.len().min(bytes.len());
        bytes[..many].copy_from_slice(&start[..many]);
        if cookie && bytes.len() >= DHCP_HEADER {
            bytes[COOKIE_AT..DHCP_HEADER].copy_from_slice(&COOKIE);
        }
        if let Some(last) = bytes.last_mut().filter(|_| ends) {
            *last = 0;
        }
        bytes
    })
}

/// A packet that fits, longer than the others.
fn last(purpose: Purpose) -> Vec<u8> {
    let mut bytes = vec![0; 400];
    match purpose {
        Purpose::Dhcp => {
            bytes[..3].copy_from_slice(&REQUEST_BY_ETHERNET);
            bytes[COOKIE_AT..DHCP_HEADER].copy_from_slice(&COOKIE);
        }
        Purpose::Dhcp6 => bytes[0] = 1,
        Purpose::Tftp => bytes[1] = 1,
    }
    bytes
}

const PATIENCE: Duration = Duration::from_secs(10);

proptest! {
    #[test]
    fn the_kernel_drops_what_does_not_fit_and_nothing_else(
        all in proptest::collection::vec(nearly(), 1..40),
        purpose in prop_oneof![Just(Purpose::Dhcp), Just(Purpose::Dhcp6), Just(Purpose::Tftp)]
    ) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        SockRef::from(&socket).attach_filter(&filter::program(purpose)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let last = last(purpose);
        for bytes in all.iter().chain([&last]) {
            client.send_to(bytes, socket.local_addr().unwrap()).unwrap();
        }
        let mut heard = Vec::new();
        let mut buf = [0; 512];
        while heard.last() != Some(&last) {
            let length = socket.recv(&mut buf).unwrap();
            heard.push(buf[..length].to_vec());
        }
        let fitting: Vec<_> = all.into_iter().filter(|bytes| purpose.fits(bytes)).chain([last]).collect();
        prop_assert_eq!(heard, fitting);
    }

    #[test]
    fn what_parsers_take_fits(bytes in nearly()) {
        if netbootd_dhcp::v4::Packet::parse(&bytes).is_ok() {
            prop_assert!(Purpose::Dhcp.fits(&bytes));
        }
        if netbootd_dhcp::v6::Packet::parse(&bytes).is_ok() {
            prop_assert!(Purpose::Dhcp6.fits(&bytes));
        }
    }
}

#[test]
fn what_clients_send_fits() {
    for name in ["aavmf-arm64-1", "dnsmasq-proxy-bios-11"] {
        let bytes = netbootd_dhcp::v4::testing::captured_bytes(name);
        assert_eq!(Purpose::Dhcp.fits(&bytes), bytes[0] == 1, "{name}");
    }
    let options = tftp::RequestOptions::asking(Some(1408), None, None, true);
    let request = tftp::Packet::read_request(b"boot.efi", tftp::Mode::Octet, &options).unwrap();
    assert!(Purpose::Tftp.fits(&request));
    let ack = tftp::Packet::Ack { block: 1, next_window: None }.emit().unwrap();
    assert!(Purpose::Tftp.fits(&ack), "where one port serves all transfers");
}
