//! The causes between an address and the first file: port 4011, names, and the transfer itself.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
    NoBootServerRequest "no-boot-server-request" Error
        "The machine took an address and never asked port 4011 of this server."
        cure "let UDP port 4011 through to this server (firewalls; behind a relay a route to it); if no machine of the segment asks it, trust this server's switch port in DHCP snooping"
        codes ["PXE-E55", "PXE-E53", "PXE-E78"]
        handbook "PXE firmware asks the boot server of the offer on port 4011 once it has its address. A REQUEST to the DHCP server was seen, so the machine has one."
    NoHttpRequest "no-http-request" Error
        "The machine never fetched {file}, which this server offered."
        cure "let TCP through to the HTTP port of this server, and check in the firmware's setup whether it accepts https alone"
        codes ["PXE-E23"]
        handbook "HTTP boot firmware fetches the URL of the offer right after it has its address."
    NameNotResolved "name-not-resolved" Error
        "The machine never fetched {file}: it has no DNS server that resolves the name."
        cure "offer a URL with this server's address, or let the DHCP server give a DNS server (option 6) that knows the name"
        codes ["PXE-E23"]
        handbook "The URL names a host. Firmware resolves it with the DNS server of its lease."
    CertificateNotTrusted "certificate-not-trusted" Error
        "The machine does not trust the certificate of this server's HTTPS port."
        cure "enroll the authority in the machine's firmware (`netbootd boot-certificate` writes it as DER), check that the URL's host is in the certificate, and that the machine's clock lies within its dates"
        codes ["Could not retrieve NBP file size from HTTP server", "Unexpected network error"]
        handbook "The machine left the TLS handshake by an alert about the certificate, or closed the connection once it had the certificate, which is how EDK2 refuses one. Firmware trusts the authorities that are enrolled in it and no others."
    NothingInCommon "no-common-tls" Error
        "The machine's TLS and that of this server's HTTPS port have nothing in common."
        cure "add an RSA certificate beside an ECDSA one ([[https.certificate]]), update the firmware, or leave https out of the rule for this machine"
        codes ["Unexpected network error"]
        handbook "Both sides need one version of TLS (1.2 or 1.3), one cipher suite (AES-GCM or ChaCha20) and one kind of certificate in common. Old firmware knows RSA certificates alone."
    BootMediaRefused "boot-media-refused" Error
        "The machine asked for {file}, the secret of boot media, and policy does not give it."
        cure "let a rule, a deployment or an assignment boot this machine from that image; media without a password needs boot-media.allow-without-password"
        codes []
        handbook "Variables.dat names management points and holds the media's certificate. It is handed out at the address of a machine that policy boots from the image, and nowhere else; the evidence says which of these is missing."
    NextServerOverwritten "next-server-overwritten" Error
        "{server} puts its own address into siaddr, and the machine looks for its next file there."
        cure "use absolute URLs in scripts and boot files, or turn option 66 and siaddr (next-server) off in that DHCP server"
        codes ["PXE-E11", "PXE-E32"]
        handbook "iPXE and GRUB take the server for relative names from the DHCP lease. Home routers and some DHCP servers fill in their own address."
    NoFileRequest "no-file-request" Error
        "The machine received the name of its boot file, {file}, and never asked for it."
        cure "let UDP port 69 through to this server, and check that no option 66 or 67 of the DHCP server sends the machine elsewhere"
        codes ["PXE-E11", "PXE-E32", "PXE-E18"]
        handbook "The machine has the name. Its request for the file did not arrive."
    AddressTranslated "address-translated" Error
        "Another address than the machine's asks for {file}: a router or proxy on the way translates addresses."
        cure "let TFTP and HTTP from the machine's network reach this server without NAT or proxy, or allow the translation to follow TFTP (a helper for port 69, tftp.single-port)"
        codes ["PXE-E32", "PXE-E18"]
        handbook "The machine was given the name of its boot file, and an address that no machine has asked for that very file right afterwards. TFTP answers from another port than 69, which NAT drops."
    SendFailed "send-failed" Error
        "This server could not send its answer."
        cure "correct what the evidence names: the interface, its address, the route, or a local firewall"
        codes []
        handbook "The operating system refused to send the packet."
    TftpOpenTimeout "tftp-open-timeout" Error
        "The machine asked for {file} and acknowledges no packet of the answer."
        cure "let UDP through from this server's high ports to the machine; tftp.port-range narrows them, tftp.single-port uses port 69 alone"
        codes ["PXE-E32", "PXE-E18"]
        handbook "TFTP answers come from another port than 69 (RFC 1350). Firewalls that only know port 69 drop them."
    BlocksTooLarge "blocks-too-large" Error
        "The machine never acknowledged the first block of {file}, which is larger than an Ethernet frame."
        cure "set tftp.max-block-size to 1468, or to the MTU of the tunnels on the way less 32"
        codes ["PXE-E32", "PXE-E18"]
        handbook "The block is sent in fragments, which some firmware and firewalls drop."
    MtuTooSmall "mtu-too-small" Error
        "Small packets reach the machine and full blocks of {file} do not: a link on the way has a smaller MTU."
        cure "check the MTU of this server's interface, of VPN software on it, and of tunnels on the way; or lower tftp.max-block-size"
        codes ["PXE-E32", "PXE-E18"]
        handbook "The machine acknowledged the options (OACK), so the ports are open in both directions. The same block was sent several times and never acknowledged: its size is the difference."
    TftpReadTimeout "tftp-read-timeout" Error
        "The machine stopped acknowledging in the middle of {file}."
        cure "look for packet loss (error counters of the switch port, duplex, cable), and check whether the machine was switched off; a smaller tftp.max-window-size helps old firmware"
        codes ["PXE-E35", "PXE-E18"]
        handbook "Part of the file arrived; then no acknowledgement came any more."
    TransferBroke "transfer-broke" Error
        "The connection broke in the middle of {file}."
        cure "look for packet loss (error counters of the switch port, duplex, cable), and check whether the machine was switched off"
        codes ["PXE-E35", "PXE-E18"]
        handbook "The client closed its HTTP connection, or it vanished, before the last byte."
    ClientGaveUp "client-gave-up" Error
        "The machine itself ended the transfer of {file}."
        cure "read the machine's own words in the evidence; the usual reasons are too little memory and a file for another architecture"
        codes ["PXE-E3C", "PXE-E99"]
        handbook "The client sent a TFTP ERROR after it had part of the file. An ERROR before the first block is a size probe and normal."
    ReadFailed "read-failed" Error
        "This server could not read {file}."
        cure "run `netbootd image verify`, which names the damage, and check the disk"
        codes ["PXE-E36"]
        handbook "Reading failed while the file was sent."
    SlowTransfer "slow-transfer" Warning
        "The machine fetches {file} at less than a fifth of the rate of other machines."
        cure "compare speed and duplex on both ends of the machine's switch port, read its error counters, and replace the cable"
        codes []
        handbook "The rate is compared with the median of other machines' large files that came by the same protocol and options."
    PacketLoss "packet-loss" Warning
        "Many blocks of {file} are lost on the way to the machine."
        cure "check the errors of the machine's switch port, duplex (one side fixed, the other automatic), cable, and wireless bridges on the way"
        codes ["PXE-E35", "PXE-E18"]
        handbook "At least one block of twenty had to be sent again. Sender and receiver that disagree on duplex lose packets as soon as both speak."
    SlowRoundTrips "slow-round-trips" Warning
        "{file} comes without loss and will take very long: each round trip is slow."
        cure "let more bytes be under way (windowsize; ramdisktftpblocksize and ramdisktftpwindowsize in the BCD), serve large files by HTTP, or put a server at the machine's site"
        codes []
        handbook "TFTP waits for an acknowledgement after each window. Over a long way the time for that, not the bandwidth, sets the rate."
    HttpStalled "http-stalled" Error
        "The HTTP transfer of {file} stands still: the machine acknowledges no more data."
        cure "check the MTU of tunnels on the way and that ICMP \"fragmentation needed\" passes (or clamp TCP's MSS), and whether the machine was switched off"
        codes ["Connection reset", "Connection timed out"]
        handbook "The connection stands, and what was sent is not acknowledged. Large segments that a tunnel drops look like this, while small ones pass."
}
