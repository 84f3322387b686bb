//! The causes that the machine itself reports.

use super::super::row::{Row, causes};
use super::super::{Cause, Severity};

causes! {
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
}
