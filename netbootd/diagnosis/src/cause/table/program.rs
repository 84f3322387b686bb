//! The causes after a file arrived: programs, configurations, kernels and systems.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
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
}
