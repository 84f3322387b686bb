//! Configurations that cannot work, and some that probably do not.

use super::*;

#[test]
fn what_cannot_work_is_an_error_and_what_probably_does_not_is_a_warning() {
    use Severity::{Error, Warning};
    let subnet = "[dhcp]\nmode = \"server\"\n[[dhcp.subnet]]\nsubnet = \"10.0.0.0/24\"\n";
    let table = [
        (format!("{subnet}pool = \"10.0.1.1-10.0.1.9\""), Error, "not inside"),
        (format!("{subnet}pool = [\"10.0.0.1-10.0.0.9\", \"10.0.0.9\"]"), Error, "overlaps"),
        (format!("{subnet}pool = \"10.0.0.0/24\""), Warning, "broadcast"),
        (subnet.to_owned(), Warning, "ever given"),
        (format!("{subnet}[[dhcp.subnet]]\nsubnet = \"10.0.0.128/25\""), Error, "overlaps"),
        (format!("{subnet}[[dhcp.subnet.reservation]]\naddress = \"10.0.0.7\""), Error, "names no machine"),
        ("[dhcp]\nmode = \"server\"".into(), Error, "[[dhcp.subnet]]"),
        ("[tftp]\nmax-block-size = 7".into(), Error, "RFC 2348"),
        ("[tftp]\nmax-transfers = 0".into(), Error, "no transfer could ever start"),
        ("[http]\nmax-connections = 0".into(), Error, "no connection could ever start"),
        ("[limits]\ntransfers-per-client = 0".into(), Error, "no transfer could ever start"),
        ("[limits]\nunproved-per-client = 0".into(), Error, "no transfer could ever start"),
        ("[limits]\nconnections-per-subnet = 0".into(), Error, "no connection could ever start"),
        ("[limits]\ntransfers-per-client = 5000".into(), Warning, "4096 is the limit around it"),
        ("[limits]\nbytes-in-flight = \"0\"".into(), Error, "not one block"),
        (
            "[limits]\nmachine-packets = { at-once = 100, per-second = 0 }".into(),
            Error,
            "nothing is ever answered again",
        ),
        ("[limits]\nread-requests = { at-once = 0, per-second = 1 }".into(), Error, "less than one answer"),
        ("[limits]\nreply-bytes = { at-once = 100, per-second = 1 }".into(), Error, "less than one answer"),
        ("[limits]\npool-kept = 100".into(), Error, "100 percent of each pool"),
        ("[status]\nuser-header = \"X-Forwarded-User\"".into(), Error, "no proxy is trusted"),
        (
            "[status]\ntrusted-proxies = \"127.0.0.1\"\nuser-header = \"Cookie\"".into(),
            Error,
            "is not a header of its own",
        ),
        (
            "[status]\ntrusted-proxies = \"127.0.0.1\"\nuser-header = \"X User\"".into(),
            Error,
            "is not a header of its own",
        ),
        ("[[status.operator]]\nname = \"anna\"\nrole = \"admin\"".into(), Error, "anna cannot sign in"),
        ("[policy]\nbanned-guids = [\"x\"]".into(), Error, "is not a UUID"),
        ("[policy]\nmac-ignore-list = \"/nonexistent\"".into(), Error, "cannot read /nonexistent"),
        ("[netboot]\nmax-block-size = 7".into(), Error, "RFC 2348"),
        ("[netboot]\nshadow = \"smb://x\"".into(), Error, "neither an afp: nor an nfs: URL"),
        ("[netboot]\ntftp-prefix = \"a/../..\"".into(), Error, "no path"),
        ("[[netboot.share]]\nname = \"a/b\"\nfolder = \"/\"".into(), Error, "no name for a folder"),
        (
            "[[netboot.share]]\nname = \"a\"\nfolder = \"/nonexistent\"".into(),
            Error,
            "cannot open the folder",
        ),
        (
            "[dhcp]\nports = \"4011-only\"\n[[netboot.share]]\nname = \"a\"\nfolder = \"/\"".into(),
            Warning,
            "Macs ask on port 67",
        ),
        ("[image.a]\nfolder = \"/nonexistent\"".into(), Error, "cannot open the folder /nonexistent"),
        ("[[file]]\npath = \"a\"\ntemplate = \"{% if %}\"".into(), Error, "cannot be read"),
        ("[[file]]\npath = \"a\"".into(), Error, "no text"),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { file = \"none.efi\" }".into(),
            Warning,
            "neither in the boot folder",
        ),
        ("[[rule]]\nname = \"r\"\naction.boot = { file = [] }".into(), Error, "no boot file"),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { file = \"grubx64.efi\" }".into(),
            Warning,
            "does not know a proxy",
        ),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { file = \"undionly.kpxe\" }".into(),
            Warning,
            "no rule gives iPXE a script",
        ),
        (
            "[[rule]]\nname = \"r\"\naction = \"ignore\"\n[[rule]]\nname = \"r\"\naction = \"ignore\"".into(),
            Error,
            "twice",
        ),
        (
            "[[rule]]\nname = \"r\"\nmatch = { class = \"pxe\", arch = \"x86-bios\" }\naction.boot = { file = \"pxelinux.0\" }"
                .into(),
            Warning,
            "leaves out BIOS machines whose network card boots by iPXE",
        ),
        ("[server]\ninterfaces = [\"lo\", \"eth7\"]".into(), Warning, "this host has no interface \"eth7\""),
        (
            "[[rule]]\nname = \"r\"\nmatch = { iface = \"eth7\" }\naction = \"ignore\"".into(),
            Warning,
            "this host has no interface \"eth7\"",
        ),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { file = \"http://10.0.0.1/boot.ipxe\" }".into(),
            Warning,
            "hands http://10.0.0.1/boot.ipxe to BIOS firmware, which starts boot programs only",
        ),
        (
            "[[rule]]\nname = \"r\"\nmatch = { arch = \"x86-bios\" }\naction.boot = { file = \"ipxe.efi\" }".into(),
            Warning,
            "hands ipxe.efi to BIOS firmware, which cannot start it",
        ),
        (
            "[[rule]]\nname = \"r\"\nmatch = { arch = \"x64-uefi\" }\naction.boot = { file = \"pxelinux.0\" }"
                .into(),
            Warning,
            "hands pxelinux.0 to x64 UEFI firmware, which cannot start it",
        ),
        (
            "[dhcp6]\nmode = \"server\"\n[[dhcp6.subnet]]\nsubnet = \"2001:db8::/64\"\npool = \"2001:db8::1:0/112\"\n\
             [database]\nurl = \"postgresql://netbootd@db.example.org/site\""
                .into(),
            Error,
            "the database does not keep leases of IPv6",
        ),
        (
            "[dhcp]\nmode = \"off\"\n[netboot]\nenabled = false\n[[rule]]\nname = \"r\"\naction = \"ignore\""
                .into(),
            Warning,
            "\"off\"",
        ),
        (
            "[[rule]]\nname = \"r\"\naction.boot = { images = [\"Sierra\", \"label:\"] }".into(),
            Error,
            "selects no image",
        ),
        (
            "[[rule]]\nname = \"r\"\nmatch = { arch = \"x64-uefi\" }\naction.boot = { images = \"all\" }"
                .into(),
            Warning,
            "fits none",
        ),
    ];
    for (text, severity, part) in table {
        let found = findings(&text);
        assert!(
            found.iter().any(|(got, message)| *got == severity && message.contains(part)),
            "{part}\n{text}\n{found:#?}"
        );
    }
    let http_only = "[[rule]]\nname = \"r\"\nmatch = { class = \"http\" }\naction.boot = { file = \"http://10.0.0.1/grubx64.efi\" }";
    assert_eq!(findings(http_only), [], "HTTP boot's GRUB finds its files");
}
