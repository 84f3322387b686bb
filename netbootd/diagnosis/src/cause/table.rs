//! The causes that rules find, in the order of a boot. A new diagnosis is one row here and one rule in
//! [`crate::rules`]; a test proves that each row has a boot that ends in it.

use std::hash::{Hash, Hasher};

use super::{Cause, Severity};

/// One cause.
#[derive(Debug)]
pub struct Row {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    pub(super) headline: &'static str,
    pub(super) cure: &'static str,
    pub(super) codes: &'static [&'static str],
    pub(super) handbook: &'static str,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

macro_rules! causes {
    ($($ident:ident $name:literal $severity:ident
        $headline:literal
        cure $cure:literal
        codes [$($code:literal),*]
        handbook $handbook:literal)+) => {
        #[allow(non_upper_case_globals)] // they read as variants do
        impl Cause {
            $(
                #[doc = $headline]
                pub const $ident: Cause = Cause::Row(&Row {
                    name: $name,
                    severity: Severity::$severity,
                    headline: $headline,
                    cure: $cure,
                    codes: &[$($code),*],
                    handbook: $handbook,
                });
            )+
            /// The rows of the table, in the order of a boot.
            pub const ROWS: &'static [Cause] = &[$(Cause::$ident),+];
            #[cfg(test)]
            pub(crate) const ROW_NAMES: &'static [&'static str] = &[$(stringify!($ident)),+];
        }
    };
}

causes! {
    AnotherServer "another-server" Error
        "{server} also offered the machine something to boot, and the machine did not go on here."
        cure "turn off the boot options (60, 66, 67) of that server, or set them to this server"
        codes ["PXE-E55", "PXE-E53", "PXE-E32", "PXE-T01"]
        handbook "Two servers answer the same DISCOVER with a boot file. Firmware takes the first or the last one, which differs by vendor and by boot."
    SecondDhcpServer "second-dhcp-server" Error
        "The machine took its address from {server}, which is not the usual DHCP server of this segment."
        cure "find {server} by its hardware address in the switch, and turn its DHCP service off"
        codes ["PXE-E51", "PXE-E53", "PXE-E11"]
        handbook "A second DHCP server (a router, a virtual machine, a phone's hotspot) leases addresses of another network, from which this server cannot be reached."
    NoDhcpRelay "no-dhcp-relay" Error
        "The machine asked port 4011, its DHCP broadcasts do not arrive here, and it did not go on."
        cure "add this server beside the DHCP server to the segment's DHCP relay (ip helper-address), and remove the boot options from the DHCP scope"
        codes ["PXE-E53", "PXE-E11", "PXE-E32"]
        handbook "The DHCP server sends the machine here by option 60, or a relay forwards to the DHCP server alone."
    NoAddress "no-address" Error
        "The machine was offered a boot, and no DHCP server gives it an address."
        cure "check the DHCP server of this segment: its scope, its free addresses, and the relay (ip helper-address) to it"
        codes ["PXE-E51", "PXE-E52", "PXE-E16"]
        handbook "In proxy mode this server gives no addresses. The machine repeats its DISCOVER and never sends a REQUEST, so it has no OFFER with an address, or rejected it. Port 4011 is not the cause as long as no REQUEST was seen."
    OfferNotTaken "offer-not-taken" Error
        "The machine was offered an address and did not take it."
        cure "run `netbootd probe pxe` to see all offers: another DHCP server may be faster, or the offer does not arrive"
        codes ["PXE-E51", "PXE-E52"]
        handbook "The address was offered by this server. No REQUEST for it arrived."
    RepeatedNak "repeated-nak" Error
        "The machine asks again and again for an address that does not belong to this segment."
        cure "look for a second DHCP server on the segment, or a machine that was moved: its old lease is from another subnet"
        codes ["PXE-E51", "PXE-E52"]
        handbook "Each REQUEST was refused with a NAK. One NAK is normal after a move; three in a row mean that somebody still offers the wrong address."
    RaspberryPi "raspberry-pi" Error
        "A Raspberry Pi's boot ROM repeats its DISCOVER and does not go on from the answer."
        cure "check that the answer reaches it (`netbootd watch`), that network boot is enabled in its OTP, or put bootcode.bin alone on an SD card, whose newer code boots more reliably"
        codes []
        handbook "The ROM of a Raspberry Pi 3 says it is x86 BIOS firmware (architecture 0). It goes on only with \"Raspberry Pi Boot\" in option 43, which this server sends to Raspberry Pis; the first ROMs have faults of their own."
    NoBootServerRequest "no-boot-server-request" Error
        "The machine took an address and never asked port 4011 of this server."
        cure "let UDP port 4011 through to this server: firewalls on the way, and behind a relay an ip helper for 4011 or a route to this server"
        codes ["PXE-E55", "PXE-E53", "PXE-E78"]
        handbook "PXE firmware asks the boot server of the offer on port 4011 once it has its address. A REQUEST to the DHCP server was seen, so the machine has one."
    NoHttpRequest "no-http-request" Error
        "The machine was offered {file} and never fetched it."
        cure "let TCP through to the HTTP port of this server; some firmware accepts https or a certificate only"
        codes ["PXE-E23"]
        handbook "HTTP boot firmware fetches the URL of the offer right after it has its address."
    NameNotResolved "name-not-resolved" Error
        "The machine was offered {file} and never fetched it: it has no DNS server that resolves the name."
        cure "offer a URL with this server's address, or let the DHCP server give a DNS server (option 6) that knows the name"
        codes ["PXE-E23"]
        handbook "The URL names a host. Firmware resolves it with the DNS server of its lease."
    NextServerOverwritten "next-server-overwritten" Error
        "{server} puts its own address into siaddr, and the machine looks for its next file there."
        cure "use absolute URLs in scripts and boot files, or turn option 66 and siaddr (next-server) off in that DHCP server"
        codes ["PXE-E11", "PXE-E32"]
        handbook "iPXE and GRUB take the server for relative names from the DHCP lease. Home routers and some DHCP servers fill in their own address."
    NoFileRequest "no-file-request" Error
        "The machine received the name of its boot file, {file}, and never asked for it."
        cure "let UDP port 69 through to this server, and check that no option 66 or 67 of the DHCP server sends the machine elsewhere"
        codes ["PXE-E11", "PXE-E32", "PXE-E18"]
        handbook "The name was delivered. The request for it did not arrive."
    SendFailed "send-failed" Error
        "The answer could not be sent."
        cure "see the evidence: the interface, its address, the route or a local firewall"
        codes []
        handbook "The operating system refused to send the packet."
    TftpOpenTimeout "tftp-open-timeout" Error
        "The machine asked for {file} and acknowledges nothing that is sent."
        cure "let UDP through from this server's high ports to the machine, or narrow them with tftp.port-range, or set tftp.single-port"
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
        cure "look for loss on the way (cable, duplex, wireless) and whether the machine was switched off; a smaller tftp.max-window-size helps old firmware"
        codes ["PXE-E35", "PXE-E18"]
        handbook "Part of the file arrived."
    TransferBroke "transfer-broke" Error
        "The connection broke in the middle of {file}."
        cure "look for loss on the way, and whether the machine was switched off"
        codes ["PXE-E35", "PXE-E18"]
        handbook "The client closed its HTTP connection, or it vanished, before the last byte."
    ClientGaveUp "client-gave-up" Error
        "The machine ended the transfer of {file} by itself."
        cure "see the machine's own words in the evidence; too little memory and the wrong architecture are the usual reasons"
        codes ["PXE-E3C", "PXE-E99"]
        handbook "The client sent a TFTP ERROR after it had part of the file. An ERROR before the first block is a size probe and normal."
    ReadFailed "read-failed" Error
        "{file} could not be read on this server."
        cure "run `netbootd image verify`, which names the damage, and check the disk"
        codes ["PXE-E36"]
        handbook "The disk or the file failed while the file was sent."
    SlowTransfer "slow-transfer" Warning
        "The machine fetches {file} much slower than other machines do."
        cure "check the machine's switch port: speed, duplex, errors, cable"
        codes []
        handbook "The rate is compared with the median of other machines' large files."
    FileNotFound "file-not-found" Error
        "{file} is not there."
        cure "put the file where the evidence says, or correct the name in the configuration that asks for it; `netbootd image show` lists an image's files"
        codes ["PXE-T01", "PXE-E3B", "PXE-E23", "0xc0000001", "0xc000000f"]
        handbook "The machine asked for a file that it needs, did not get it, and fetched nothing after it. Files that clients look for in vain in healthy boots are left out."
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
        "Too many transfers are under way."
        cure "raise tftp.max-transfers or http.max-connections"
        codes ["PXE-E36"]
        handbook "The limit for all clients together is reached."
    Limited "limited" Error
        "{file} was refused: the machine asks for more than the limits allow."
        cure "see what else asks from its address, then docs/limits.md for the number to raise"
        codes ["PXE-E36"]
        handbook "A limit for one client or one network is reached."
    ScriptFileMissing "script-file-missing" Error
        "The boot script asks for {file}, and its server has no such file."
        cure "put the file there, or correct the name in the script; the machine's own report and its error code are in the evidence"
        codes ["No such file or directory", "ipxe.org/2d"]
        handbook "The machine's boot script reports its failed step and iPXE's error code. A file of this server that is missing is `file-not-found`; this one is another server's."
    ScriptServerAway "script-server-away" Error
        "The machine cannot fetch {file}: the server does not answer it, or breaks off."
        cure "check from the machine's network that the server of the URL runs and that TCP reaches it: firewall, route, router option of the lease"
        codes ["Connection timed out", "Connection refused", "ipxe.org/4c", "ipxe.org/0e"]
        handbook "The machine's boot script reports a connection that timed out, was refused or broke. The script itself came from here, so the machine's network works as far as this server."
    ScriptNameUnknown "script-name-unknown" Error
        "The machine cannot fetch {file}: the server's name is not resolved."
        cure "write the URL with an address, or let the DHCP server give a DNS server (option 6) that knows the name"
        codes ["No such device or address", "ipxe.org/3e"]
        handbook "The machine's boot script reports that a name does not exist or that it has no DNS server."
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
        cure "see the error in the evidence; https://ipxe.org/ with the code behind it has a page for each"
        codes ["ipxe.org/"]
        handbook "The machine's boot script reports a failed step that has no row of its own."
    SystemFailed "system-failed" Error
        "The installer or the system on the machine reports a failure."
        cure "see its own words in the evidence, and its log on the machine"
        codes []
        handbook "A line in the answer file, the first boot or Windows PE reports `state=failed` by HTTP."
    WrongProgram "wrong-program" Error
        "{file} is a program for another kind of machine."
        cure "choose the boot file by architecture: one rule for each option 93, or one option 67 policy for each vendor class in the DHCP server"
        codes ["PXE-E74", "PXE-E79", "NBP is too big", "Unsupported"]
        handbook "The program's header and the machine's option 93 disagree: an EFI program for BIOS firmware, a BIOS program for UEFI, or another processor."
    IpxeLoop "ipxe-loop" Error
        "iPXE loads {file}, which is iPXE again."
        cure "give iPXE a script: a rule that matches class \"ipxe\" before the rule for firmware, or in another DHCP server an exception for user class iPXE (option 77)"
        codes ["iPXE initialising devices"]
        handbook "Firmware loads iPXE, which asks for its boot file as firmware did. An answer that does not depend on the class loads it again, without an end."
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
    SignerNotTrusted "signer-not-trusted" Error
        "The machine fetched {file} and did not start it: its firmware does not trust the signer, or has revoked the program."
        cure "hand out a program whose signer the machine trusts (2011 or 2023 certificates), or update the machine's Secure Boot keys; check that the program is not revoked (dbx, SBAT)"
        codes ["Access Denied", "Security Violation", "PXE-E79"]
        handbook "The program carries a signature, so \"unsigned\" is ruled out. Other machines that go on from the same file show that the file is good."
    ProgramRefused "program-refused" Error
        "The machine fetched {file} and did not start it: the program is not signed, and Secure Boot refuses it."
        cure "hand out the signed shim of your distribution, or turn Secure Boot off on the machine"
        codes ["Access Denied", "Security Violation", "PXE-E79"]
        handbook "Nothing on the wire says that Secure Boot refused a program: it is fetched whole, and the firmware goes on to its next boot option."
    GrubNoServer "grub-no-server" Error
        "GRUB was loaded and looks for its files at the DHCP server, not here."
        cure "use iPXE or SYSLINUX beside another DHCP server, set siaddr (next-server) in that DHCP server, or build GRUB with an explicit prefix (tftp,ADDRESS)"
        codes ["grub>"]
        handbook "GRUB does not know proxyDHCP: it reads its server from the DHCP lease (siaddr) and stops at its prompt without a request."
    ProgramStalled "program-stalled" Error
        "The machine has {file} whole, and nothing came after it."
        cure "look at the machine's screen; try the program on another machine of the model, and another build of it"
        codes []
        handbook "The program should have asked for its next file. Neither its architecture nor its signature explains why it did not."
    StoppedAfter "stopped-after" Error
        "The machine has {file} and asks for nothing more, where other boots go on."
        cure "look at the machine's screen: a kernel that Secure Boot refuses, too little memory, or a menu that waits; compare with a machine that goes on"
        codes ["bad shim signature", "Security Violation", "out of memory", "0xc0000001"]
        handbook "What follows a file is learned from other machines, and from earlier boots of the same one."
    NoManagementPoint "no-management-point" Error
        "Windows PE has everything including its variables file, and restarts: the task sequence environment finds no management point."
        cure "add a management point to the boundary group of the machine's subnet (required since version 2509), and check the network driver in the boot image; smsts.log in X:\\Windows\\Temp says which"
        codes ["0x80004005", "0x8004005", "Failed to Run Task Sequence"]
        handbook "The boot server's part is complete each time. What fails is the first question to a management point."
    WinPeRestarts "winpe-restarts" Error
        "Windows PE starts and restarts by itself again and again."
        cure "check the network driver in the boot image (F8, ipconfig), whether a task sequence is deployed, and that the disk comes before the network in the boot order"
        codes []
        handbook "Every file arrives, and minutes later the firmware asks again."
    BootLoop "boot-loop" Error
        "The machine boots the same again and again; {file} is the last thing that it fetches."
        cure "put the disk before the network in the boot order, use a Required deployment, which runs once, or look at what that file does"
        codes []
        handbook "At least three boots within fifteen minutes ended at the same place."
    SystemSilent "system-silent" Warning
        "{file} was started, and the system asks for no address as it does on other machines."
        cure "check LACP fallback and the native VLAN of the switch port, and the kernel's driver for the network card"
        codes []
        handbook "iPXE answers LACP and untagged frames itself; once it is gone the switch may take the port out of service."
    CannotNetboot "cannot-netboot" Error
        "This Mac cannot boot from a network: Apple removed it from its firmware."
        cure "start it from an external disk, or restore it with Apple Configurator"
        codes []
        handbook "Macs with a T2 chip or Apple silicon have no NetBoot."
    NoImageForMac "no-image-for-mac" Error
        "No image suits this Mac."
        cure "see in the evidence why each image is not for this Mac: enable it, or add the model to it"
        codes []
        handbook "Images name the models and architectures that they are for."
    LeftoverUnknown "leftover-unknown" Error
        "A record named Unknown, left by a failed deployment, stands for this machine."
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
        handbook "A banned GUID is left out of the lookup; it never refuses a machine."
    SharedGuid "shared-guid" Warning
        "Several machines have the same GUID, so one may get what is meant for another."
        cure "ban the GUID (policy.banned-guids), so that the hardware address alone decides"
        codes []
        handbook "Boards without a serial number have a GUID of their manufacturer, such as 03000200-0400-0500-0006-000700080009 or all FF."
    SharedAdapter "shared-adapter" Notice
        "Several machines boot by one network adapter: its hardware address comes with several GUIDs."
        cure "give such machines records with their GUIDs, and add the adapter to the site's list of duplicate identifiers"
        codes []
        handbook "A USB adapter or a dock that is moved from machine to machine. Records by hardware address alone mean whichever machine has it."
}
