//! The causes that are the machine: Macs, and identities.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
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
    AnothersRecord "anothers-record" Warning
        "The machine boots by the record of another machine, which has the same GUID and boots as well."
        cure "ban the GUID (policy.banned-guids), so that the hardware address alone decides, and give this machine a record of its own; a second network card of one machine belongs into its record"
        codes []
        handbook "The GUID alone found the record, and the record lists other hardware addresses. Both addresses fetched files with this GUID, so they are two machines, or one that boots by two network cards in turn."
    SharedAdapter "shared-adapter" Notice
        "Several machines boot by one network adapter: its hardware address comes with several GUIDs."
        cure "give such machines records with their GUIDs, and add the adapter to the site's list of duplicate identifiers"
        codes []
        handbook "A USB adapter or a dock that is moved from machine to machine. A record by hardware address alone counts for every machine that the adapter is plugged into."
}
