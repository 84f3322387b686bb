//! The causes of a boot without an address: DHCP servers, relays and the offer.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
    AnotherServer "another-server" Error
        "{server} also offered the machine something to boot, and the machine did not go on here."
        cure "remove the boot options (60, 66, 67) from {server}, or set them to this server"
        codes ["PXE-E55", "PXE-E53", "PXE-E32", "PXE-T01"]
        handbook "Two servers answer the same DISCOVER with a boot file. Firmware takes the first or the last one, which differs by vendor and by boot."
    SecondDhcpServer "second-dhcp-server" Error
        "The machine took its address from {server}, which is not the usual DHCP server of this segment."
        cure "find {server} by its hardware address in the switch, and turn its DHCP service off"
        codes ["PXE-E51", "PXE-E53", "PXE-E11"]
        handbook "A second DHCP server (a router, a virtual machine, a phone's hotspot) leases addresses of another network, from which this server cannot be reached."
    NoDhcpRelay "no-dhcp-relay" Error
        "The machine asks port 4011 alone: its DHCP broadcasts do not reach this server, and its boot stops."
        cure "add this server beside the DHCP server to the segment's DHCP relay (ip helper-address), and remove the boot options from the DHCP scope"
        codes ["PXE-E53", "PXE-E11", "PXE-E32"]
        handbook "The DHCP server sends the machine here by option 60, or a relay forwards to the DHCP server alone."
    NoAddress "no-address" Error
        "This server offered a boot, and no DHCP server gave the machine an address."
        cure "check the DHCP server of this segment: its scope, its free addresses, and the relay (ip helper-address) to it"
        codes ["PXE-E51", "PXE-E52", "PXE-E16"]
        handbook "In proxy mode this server gives no addresses. The machine repeats its DISCOVER and never sends a REQUEST, so it has no OFFER with an address, or rejected it. Port 4011 is not the cause as long as no REQUEST was seen."
    NoAddress6 "no-address-ipv6" Error
        "This server offered a boot over IPv6, and no DHCPv6 server gave the machine an address."
        cure "check the DHCPv6 server of this segment and its pool, and that the router's advertisements have the managed flag (M), without which clients ask for no address"
        codes ["PXE-E51", "PXE-E16"]
        handbook "Beside another DHCPv6 server this server gives no addresses. The machine repeats its SOLICIT, and no REQUEST to another server was seen."
    OfferNotTaken "offer-not-taken" Error
        "The machine did not take the address that this server offered."
        cure "run `netbootd probe pxe` on the machine's segment to list all offers: another DHCP server may answer first, or DHCP snooping drops this server's offers (trust its switch port)"
        codes ["PXE-E51", "PXE-E52"]
        handbook "This server offered an address. No REQUEST for it arrived."
    RepeatedNak "repeated-nak" Error
        "The machine keeps asking for an address that does not belong to this segment."
        cure "look for a second DHCP server on the segment, or a machine that was moved: its old lease is from another subnet"
        codes ["PXE-E51", "PXE-E52"]
        handbook "A NAK answered each REQUEST. One NAK is normal after a move; three in a row mean that another server still offers the wrong address."
    OtherServerNak "other-server-nak" Error
        "{server} refuses the address that another DHCP server gave the machine."
        cure "find {server} by its hardware address in the switch and turn its DHCP service off, or take \"authoritative\" out of its configuration"
        codes ["PXE-E51", "PXE-E52"]
        handbook "An authoritative DHCP server answers every REQUEST for an address that is not its own with NAK, and the machine begins anew. One may follow from an old lease; two in one boot do not."
    AddressConflict "address-conflict" Error
        "The machine declines every address: another host answers ARP for each of them."
        cure "look for hosts with fixed addresses inside the pool, and for a router, firewall or access control that answers ARP for all addresses (proxy ARP)"
        codes ["PXE-E51", "PXE-E52", "PXE-E11"]
        handbook "A client probes its new address (RFC 5227) and sends DHCPDECLINE when it is in use. One is a host with a fixed address; several in a row are a device that answers for all."
    RelayAnswersLost "relay-answers-lost" Error
        "The machine asks again and again through its relay, and no answer reaches it."
        cure "let UDP port 67 from this server reach the relay's address in the machine's network (route, firewall, source check), and trust the uplink in DHCP snooping"
        codes ["PXE-E51", "PXE-E18"]
        handbook "The relay's packets arrive here, so its helper address is right. Answers go to the relay's address in the machine's network, which needs a route of its own."
    NetworkChanged "network-changed" Error
        "The machine changed its network in the middle of the boot."
        cure "serve both networks (relay, scope, rules), or keep the port in one VLAN: 802.1X and access control may move it when the link goes down and up"
        codes ["No configuration methods succeeded"]
        handbook "The packets of the boot program come by another relay or interface than those of the firmware, and nothing follows. Both relays of a pair that forwards each packet twice are one network."
    RaspberryPi "raspberry-pi" Error
        "The boot ROM of a Raspberry Pi repeats its DISCOVER and ignores the answer."
        cure "check that the answer reaches it (`netbootd watch`), that network boot is enabled in its OTP, or put bootcode.bin alone on an SD card, whose newer code boots more reliably"
        codes []
        handbook "The ROM of a Raspberry Pi 3 says it is x86 BIOS firmware (architecture 0). It goes on only with \"Raspberry Pi Boot\" in option 43, which this server sends to Raspberry Pis; the first ROMs have faults of their own."
}
