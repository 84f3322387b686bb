//! The causes of a file that is missing, refused or another one.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
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
}
