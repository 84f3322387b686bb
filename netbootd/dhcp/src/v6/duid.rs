//! DHCP unique identifiers: who a client or a server is (RFC 8415 §11, RFC 6355).

use pxe_policy::{MacAddr, SystemUuid};

/// A DUID as it is on the wire (RFC 8415 §11).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Duid(pub Vec<u8>);

impl Duid {
    /// A server's own: made of a hardware address and the seconds since the year 2000, and kept
    /// from then on.
    pub fn link_layer_time(mac: MacAddr, seconds: u32) -> Self {
        let mut bytes = vec![0, LINK_LAYER_TIME, 0, ETHERNET];
        bytes.extend(seconds.to_be_bytes());
        bytes.extend(mac.octets());
        Duid(bytes)
    }

    /// The hardware address inside; maybe of another of the machine's interfaces.
    pub fn mac(&self) -> Option<MacAddr> {
        let mac = match self.0.as_slice() {
            [0, LINK_LAYER_TIME, 0, ETHERNET, _, _, _, _, mac @ ..] => mac,
            [0, LINK_LAYER, 0, ETHERNET, mac @ ..] => mac,
            _ => return None,
        };
        mac.try_into().ok().map(MacAddr)
    }

    /// The SMBIOS UUID inside. EDK2 copies it as it lies in memory, as option 97 of DHCPv4 has it;
    /// iPXE writes it in network order, as RFC 6355 says.
    pub fn uuid(&self, network_order: bool) -> Option<SystemUuid> {
        let [0, UUID, uuid @ ..] = self.0.as_slice() else { return None };
        let bytes: [u8; 16] = uuid.try_into().ok()?;
        Some(if network_order { SystemUuid::from_network_order(bytes) } else { SystemUuid::from_wire(bytes) })
    }
}

const LINK_LAYER_TIME: u8 = 1;
const LINK_LAYER: u8 = 3;
const UUID: u8 = 4;
const ETHERNET: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duid_may_tell_an_address_or_a_uuid() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        assert_eq!(Duid::link_layer_time(mac, 77).mac(), Some(mac));
        assert_eq!(Duid(vec![0, 3, 0, 1, 2, 0, 0, 0, 0, 1]).mac(), Some(mac));
        for other in
            [&[0, 3, 0, 6, 2, 0, 0, 0, 0, 1][..], &[0, 3, 0, 1, 2, 0], &[0, 2, 0, 0, 0, 9, 1], &[], &[0]]
        {
            assert_eq!(Duid(other.to_vec()).mac(), None, "{other:?}");
        }
        let mut bytes = vec![0, 4];
        bytes.extend((0x10..0x20).collect::<Vec<u8>>());
        let told = |network_order| Duid(bytes.clone()).uuid(network_order).unwrap().to_string();
        assert_eq!(told(false), "13121110-1514-1716-1819-1a1b1c1d1e1f");
        assert_eq!(told(true), "10111213-1415-1617-1819-1a1b1c1d1e1f");
        assert_eq!(Duid(bytes[..17].to_vec()).uuid(false), None);
    }
}
