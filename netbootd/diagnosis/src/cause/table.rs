//! The causes that rules find, in the order of a boot. A new diagnosis is one row here and one rule
//! in [`crate::rules`]; a test proves that each row has a boot that ends in it.

use super::row::{Row, causes};
use super::{Cause, Severity};

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
    FileNotFound "file-not-found" Error
        "{file} is not there."
        cure "put the file where the evidence says, or correct the name in the configuration that asks for it; `netbootd image show` lists an image's files"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
        handbook "The machine asked for a file that it needs, did not get it, and fetched nothing after it. Files that clients look for in vain in healthy boots are left out."
    GrubModulesMissing "grub-modules-missing" Error
        "GRUB looks for its modules in {file}, and they are not there: it stops at its rescue prompt."
        cure "put GRUB's modules into that folder (`grub-mknetdir` makes it), or use a GRUB whose prefix is a folder of this server"
        codes ["grub rescue>", "normal.mod not found"]
        handbook "A GRUB without built-in modules loads normal.mod from the folder of its prefix first. GRUB of another distribution has another prefix."
    UrlOverTftp "url-over-tftp" Error
        "The machine asks for {file} by TFTP: a PXE client was given a URL as its boot file."
        cure "set the boot file of PXE clients (option 67) to a path, and give URLs to HTTP clients and iPXE only"
        codes ["PXE-T01", "PXE-E3B"]
        handbook "PXE firmware asks for whatever option 67 holds by TFTP. The URL came from a rule of this server or from another DHCP server's options."
    ShimSecondStage "shim-second-stage" Error
        "shim asks for {file}: it takes the firmware's boot entry description for the name of its second stage."
        cure "update shim, or put grubx64.efi beside shim: this server then answers such a name with it"
        codes ["Failed to open", "Not Found"]
        handbook "Some firmware passes the description of its boot entry as load options, and shim 15.8 and 16 read it as a file name."
    ForeignBootFile "foreign-boot-file" Error
        "The DHCP server {server} names the boot file {file}, which is not there."
        cure "correct option 67 in {server}, or put the file in the boot folder"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23"]
        handbook "The name comes from another server's options 66 and 67, not from a rule of this server."
    NoFileName "no-file-name" Error
        "The machine asks for a file without a name: its DHCP server names a TFTP server and no boot file."
        cure "set option 67 (boot file name) in the DHCP server beside option 66, or remove option 66 and let this server answer"
        codes ["PXE-E53", "PXE-E3B", "PXE-T01"]
        handbook "A read request with an empty name. This server names a boot file in each of its answers."
    EmptyFile "empty-file" Error
        "{file} is empty."
        cure "copy the file again and check for a full disk; `netbootd file put` replaces a file as a whole"
        codes ["NBP filesize is 0 Bytes", "PXE-E99"]
        handbook "The file has 0 bytes: an interrupted download, a full disk, or a copy that is still running."
    RootMissing "root-file-system-missing" Error
        "The system runs, and its root file system {file} is not there."
        cure "put the file where the kernel's arguments name it, or correct them (fetch=, url=, root=live:, inst.stage2=)"
        codes ["Unable to find a medium containing a live file system"]
        handbook "Kernel and initial RAM disk are complete. The system that they start fetches its root file system by itself."
    ImageComing "image-coming" Error
        "The image that holds {file} is still being imported."
        cure "wait until `netbootd status` shows no import, and start the machine again"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
        handbook "The name belongs to an image source that is not in the store yet."
    ImageRefused "image-refused" Error
        "The image that should hold {file} was refused."
        cure "run `netbootd image sources`, which says what is wrong with it"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
        handbook "The name belongs to an image source that could not be imported."
    SmsBootMissing "smsboot-missing" Error
        "{file} of the distribution point's SMSBoot folder is not there."
        cure "distribute the boot image again with \"Deploy this boot image from the PXE-enabled distribution point\", for x86 and x64"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
        handbook "ConfigMgr copies the boot programs out of the boot image. It does so for images with this property only."
    AccessDenied "access-denied" Error
        "{file} leads out of the boot folder, or may not be read."
        cure "let netbootd's account read the file; links that lead out of the boot folder are not followed"
        codes ["PXE-T02", "PXE-E3B"]
        handbook "The path or its permissions forbid it."
    TooBusy "too-busy" Error
        "This server serves as many transfers as its limit allows."
        cure "wait for the others to end, or raise tftp.max-transfers or http.max-connections"
        codes ["PXE-E36"]
        handbook "The limit for all clients together is reached."
    Limited "limited" Error
        "This server refused {file}: the machine or its network exceeds a limit."
        cure "stop what else asks from that address, or raise the limit that the evidence names (docs/limits.md has its key)"
        codes ["PXE-E36"]
        handbook "`too-often` counts requests, `client-full` and `subnet-full` transfers at a time, `unproved` transfers that nobody acknowledged."
    ScriptFileMissing "script-file-missing" Error
        "The boot script asks for {file}, and its server has no such file."
        cure "put the file there, or correct the name in the script; the machine's own report and its error code are in the evidence"
        codes ["No such file or directory", "ipxe.org/2d"]
        handbook "The machine's boot script reports its failed step and iPXE's error code. A file of this server that is missing is `file-not-found`; this one is another server's."
    ScriptServerAway "script-server-away" Error
        "The machine cannot fetch {file}: the server does not answer, or closes the connection."
        cure "check from the machine's network that the server of the URL runs and that TCP reaches it: firewall, route, router option of the lease"
        codes ["Connection timed out", "Connection refused", "ipxe.org/4c", "ipxe.org/0e"]
        handbook "The machine's boot script reports a connection that timed out, was refused or broke. The script itself came from here, so the machine's network works as far as this server."
    ScriptNameUnknown "script-name-unknown" Error
        "The machine cannot fetch {file}: DNS does not resolve the server's name."
        cure "write the URL with an address, or let the DHCP server give a DNS server (option 6) that knows the name"
        codes ["No such device or address", "ipxe.org/3e"]
        handbook "The machine's boot script reports that a name does not exist or that it has no DNS server."
    ScriptCertificate "script-certificate" Error
        "The machine cannot fetch {file}: it does not accept the server's certificate."
        cure "as the evidence says: build iPXE with the authority's certificate (TRUST=), renew the certificate, write the URL with the certificate's name, or set the machine's clock"
        codes ["Permission denied", "ipxe.org/0216e"]
        handbook "The machine's boot script reports an error of TLS. iPXE trusts its own authority and those that it was built with, and compares dates with the machine's clock."
    ScriptFileRefused "script-file-refused" Error
        "The machine has {file} and cannot start it."
        cure "check that the file is a kernel or program for this machine's architecture and firmware, and with Secure Boot that it is signed"
        codes ["Exec format error", "Permission denied", "ipxe.org/2e", "ipxe.org/7f"]
        handbook "The machine's boot script reports that the image is of a form that this iPXE does not start, or that the firmware refuses it."
    ScriptNoMemory "script-no-memory" Error
        "The machine has too little memory for {file}."
        cure "use a smaller image, add memory, or use the UEFI build of iPXE, which can use all of it"
        codes ["Not enough space", "ipxe.org/31"]
        handbook "The machine's boot script reports that memory is exhausted."
    ScriptFailed "script-failed" Error
        "The boot script failed at {file}."
        cure "open https://ipxe.org/ with the error code of the evidence behind it: the page says what to change"
        codes ["ipxe.org/"]
        handbook "The machine's boot script reports a failed step that has no row of its own."
    SystemFailed "system-failed" Error
        "The installer or the system on the machine reports a failure."
        cure "read its own words in the evidence, then its log on the machine"
        codes []
        handbook "A line of the answer file, of the first boot or of Windows PE reports `state=failed` by HTTP."
    WrongProgram "wrong-program" Error
        "{file} is a program for another kind of machine."
        cure "choose boot file and kernel by architecture: one rule for each option 93, or one option 67 policy for each vendor class in the DHCP server"
        codes ["PXE-E74", "PXE-E79", "NBP is too big", "Unsupported"]
        handbook "The program's header and the machine's option 93 disagree: an EFI program for BIOS firmware, a BIOS program for UEFI, or another processor."
    IpxeLoop "ipxe-loop" Error
        "iPXE loads {file}, which is iPXE again."
        cure "give iPXE a script: a rule that matches class \"ipxe\" before the rule for firmware, or in another DHCP server an exception for user class iPXE (option 77)"
        codes ["iPXE initialising devices"]
        handbook "Firmware loads iPXE, which asks for its boot file as firmware did. An answer that does not depend on the class loads it again for ever."
    NotAProgram "not-a-program" Error
        "Firmware fetched {file}, which is no program that it can start."
        cure "name a program for firmware (shimx64.efi, ipxe.efi) and a script for iPXE alone (a rule with class \"ipxe\"); a .efi file without a program's header is a damaged download"
        codes ["PXE-E79", "Unsupported", "Load Error"]
        handbook "Firmware starts what its boot file names, whatever it is. A script, a disk image or a saved error page is fetched whole and goes no further."
    OutOfMemory "out-of-memory" Error
        "The machine has too little memory for {file}."
        cure "give the machine more memory, or use a smaller file; for a large initial RAM disk or WIM image twice its size is needed"
        codes ["PXE-E05", "Out of resources", "NBP is too big"]
        handbook "The client ended the transfer and said why."
    SizeAlone "size-asked-only" Error
        "The firmware asked for the size of {file} and never fetched it."
        cure "give the file a name that ends in .efi, .iso or .img, by which firmware knows what it is, and check that the machine has memory for all of it at once"
        codes ["Unsupported", "Out of Resources"]
        handbook "HTTP boot firmware asks for the size first (HEAD), then reserves memory for the whole file. It ends there without a GET when the memory is missing, or when neither the name nor the content type says what the file is."
    BlockRollover "block-rollover" Error
        "The machine stops in {file} where TFTP's block numbers start again."
        cure "serve the file by HTTP, or raise the block size that the client asks for (tftp.max-block-size): 65535 blocks have to be enough"
        codes ["PXE-E35", "PXE-E18", "0xc0000001"]
        handbook "Block numbers have 16 bits. Some clients take block 65535 (or 32767) for the last one: 32 MB at 512 bytes, 92 MB at 1468."
    PortBlocked "port-blocked" Error
        "The network did not come back after {file} started: the switch port blocks while spanning tree settles."
        cure "set the switch port to edge (PortFast), or boot snponly.efi or undionly.kpxe, which keep the link up"
        codes ["No configuration methods succeeded", "Network unreachable"]
        handbook "iPXE resets the network card, the link goes down and up, and a port with spanning tree forwards nothing for up to 50 s. A warm restart often works."
    IpxeWithoutDriver "ipxe-without-driver" Error
        "{file} may have no driver for the machine's network card."
        cure "boot snponly.efi (UEFI) or undionly.kpxe (BIOS), which use the firmware's own driver, or an iPXE that is built with the card's driver"
        codes ["No network devices", "No more network devices"]
        handbook "ipxe.efi, ipxe.pxe and the like drive the card themselves. Without a driver for it they end without a packet, which looks like a refused program or a blocked port: this cause stands beside those."
    SignerNotTrusted "signer-not-trusted" Error
        "The machine fetched {file} and did not start it: its firmware does not trust the signer, or has revoked the program."
        cure "hand out a program whose signer the machine trusts (2011 or 2023 certificates), or update the machine's Secure Boot keys; check that the program is not revoked (dbx, SBAT)"
        codes ["Access Denied", "Security Violation", "PXE-E79"]
        handbook "The program carries a signature, so \"unsigned\" is ruled out. Other machines that go on from the same file show that the file is good."
    ProgramRefused "program-refused" Error
        "The machine fetched {file} and did not start it: the program is not signed, and Secure Boot refuses it."
        cure "hand out the signed shim of your distribution, or turn Secure Boot off on the machine"
        codes ["Access Denied", "Security Violation", "PXE-E79"]
        handbook "Firmware that refuses a program sends nothing: it fetches the file whole and goes on to its next boot option."
    GrubNoServer "grub-no-server" Error
        "GRUB runs and looks for its files at the DHCP server, not here."
        cure "use iPXE or SYSLINUX beside another DHCP server, set siaddr (next-server) in that DHCP server, or build GRUB with an explicit prefix (tftp,ADDRESS)"
        codes ["grub>"]
        handbook "GRUB does not know proxyDHCP: it reads its server from the DHCP lease (siaddr) and stops at its prompt without a request."
    ProgramStalled "program-stalled" Error
        "The machine fetched {file} whole and sent nothing after it."
        cure "read the machine's screen; try another build of the program, and the same one on another machine of the model"
        codes []
        handbook "The program should have asked for its next file. Neither its architecture nor its signature explains why it did not."
    StoppedAfter "stopped-after" Error
        "The machine fetched {file} and asks for nothing more, where other boots go on."
        cure "read the machine's screen: a kernel that Secure Boot refuses, too little memory, or a menu that waits; compare with a machine that goes on"
        codes ["bad shim signature", "Security Violation", "out of memory", "0xc0000001"]
        handbook "netbootd learns from other machines, and from earlier boots of the same one, which request follows a file."
    NoManagementPoint "no-management-point" Error
        "Windows PE has every file, its variables file too, and restarts: the task sequence environment finds no management point."
        cure "add a management point to the boundary group of the machine's subnet (required since version 2509), and check the network driver in the boot image; smsts.log in X:\\Windows\\Temp shows which of the two it is"
        codes ["0x80004005", "0x8004005", "Failed to Run Task Sequence"]
        handbook "The boot server's part is complete each time. The first question to a management point fails."
    WinPeRestarts "winpe-restarts" Error
        "Windows PE starts and restarts by itself again and again."
        cure "check the network driver in the boot image (F8, ipconfig), whether a task sequence is deployed, and that the disk comes before the network in the boot order"
        codes []
        handbook "Every file arrives, and minutes later the firmware asks again."
    BootLoop "boot-loop" Error
        "The machine repeats the same boot; {file} is its last file each time."
        cure "put the disk before the network in the boot order, use a Required deployment, which runs once, or look at what that file does"
        codes []
        handbook "At least three boots within fifteen minutes ended at the same place."
    ScriptWithoutMagic "not-an-ipxe-script" Error
        "iPXE fetched {file} and does not take it for a script: its first line is not #!ipxe."
        cure "write #!ipxe as the first line of the file, without a blank or a byte order mark before it"
        codes ["Exec format error", "ipxe.org/2e"]
        handbook "iPXE knows a script by its first six bytes. This server reads the scripts that it serves."
    KernelWithoutInitrd "kernel-without-initrd" Error
        "The configuration starts {file} without an initial RAM disk."
        cure "add the initrd line to the entry of the configuration that the evidence names"
        codes ["VFS: Unable to mount root fs", "Kernel panic - not syncing"]
        handbook "The kernel's arguments name a RAM disk that no line loads, or the kernel has neither a RAM disk nor a root file system and the machine starts again. This server reads the configurations that it serves."
    LeadsElsewhere "script-leads-elsewhere" Warning
        "The configuration sends the machine to {file} on another server, and the machine starts again."
        cure "check from the machine's network that this other server has the file and that its name resolves; or serve the file here"
        codes ["Connection timed out", "Connection refused", "No such file or directory"]
        handbook "A line of the configuration names a URL on another server, where this one sees nothing. A machine that starts again within three minutes did not get on there."
    ScriptLoop "script-loop" Error
        "The boot script {file} loads itself again and again."
        cure "follow its chain, goto and configfile commands: a failed step leads back to the beginning; end the way of failures with shell, exit or reboot"
        codes []
        handbook "The same script was fetched ten times within half a minute, and nothing further than a script."
    SystemSilent "system-silent" Warning
        "The system that {file} starts asks for no address, as it does on other machines."
        cure "set LACP fallback and the native VLAN on the switch port, and check that the kernel has a driver for the network card"
        codes []
        handbook "iPXE answers LACP and untagged frames itself; once it is gone the switch may take the port out of service."
    WinPeSilent "winpe-silent" Warning
        "Windows PE of {file} asks for no address, as it does on other machines."
        cure "add the network driver of this model to the boot image, and check in Windows PE (F8) that ipconfig shows the adapter"
        codes []
        handbook "Windows PE asks for an address as soon as its network starts (wpeinit). Without a driver for the card it shows no error of its own."
    CannotNetboot "cannot-netboot" Error
        "This Mac cannot boot from a network: Apple removed it from its firmware."
        cure "start it from an external disk, or restore it with Apple Configurator"
        codes []
        handbook "Macs with a T2 chip or Apple silicon have no NetBoot."
    MacImageGone "mac-image-gone" Error
        "The Mac asks for an image that is gone."
        cure "choose another startup disk on the Mac (hold the option key), or bring the image back with the same Index"
        codes []
        handbook "A Mac keeps the number of the image that it chose. It asks for that number until something else is chosen."
    MacImageRefused "mac-image-refused" Error
        "The Mac asks for an image that it may not have."
        cure "choose another startup disk on the Mac, or add its model to the image (EnabledSystemIdentifiers) or the image to its rule"
        codes []
        handbook "The image is there. Its property list or the rule for this Mac leaves the Mac out."
    NoImageForMac "no-image-for-mac" Error
        "No image suits this Mac."
        cure "enable an image or add this model to it: the evidence says for each image why it is not offered"
        codes []
        handbook "Images name the models and architectures that they are for."
    LeftoverUnknown "leftover-unknown" Error
        "A record named Unknown, which a failed deployment left behind, claims this machine."
        cure "delete the record named Unknown in the console"
        codes ["PXE-E53"]
        handbook "The machine no longer counts as an unknown computer."
    DuplicateIdentity "duplicate-identity" Error
        "The machine's GUID and its hardware address belong to different records."
        cure "delete the stale record; add an adapter that many machines share to the site's list of duplicate identifiers"
        codes ["PXE-E53"]
        handbook "A replaced board, a shared USB adapter or a stale record."
    BannedGuid "banned-guid" Error
        "The machine's GUID is banned, and its hardware address alone boots nothing."
        cure "add the machine's hardware address to its record, or remove the GUID from policy.banned-guids"
        codes ["PXE-E53"]
        handbook "The lookup ignores a banned GUID; the ban itself refuses no machine."
    SharedGuid "shared-guid" Warning
        "Several machines have the same GUID, so one may get the deployment of another."
        cure "ban the GUID (policy.banned-guids), so that the hardware address alone decides"
        codes []
        handbook "Boards without a serial number have a GUID of their manufacturer, such as 03000200-0400-0500-0006-000700080009 or all FF."
    SharedAdapter "shared-adapter" Notice
        "Several machines boot by one network adapter: its hardware address comes with several GUIDs."
        cure "give such machines records with their GUIDs, and add the adapter to the site's list of duplicate identifiers"
        codes []
        handbook "A USB adapter or a dock that is moved from machine to machine. A record by hardware address alone counts for every machine that the adapter is plugged into."
}
