//! OpenLDAP with Active Directory's attributes for network boot.

use std::fs;
use std::time::Duration;

use crate::Lab;
use crate::certificate::ServerCertificate;
use crate::process::{Process, run};

/// A running slapd at 10.77.0.8, fd77::8 and fd77::9 on `br0`, called `dc1.nb.test`.
#[derive(Debug)]
pub struct Slapd {
    _process: Process,
}

/// The account that may read: its name and password.
pub const READER: (&str, &str) = ("cn=netbootd,dc=nb,dc=test", "let-me-read");

const SCHEMA: &str = "\
attributetype ( 1.2.840.113556.1.4.359 NAME 'netbootGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40{16} SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.361 NAME 'netbootMachineFilePath' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.3.30 NAME 'computer' SUP top STRUCTURAL MUST cn MAY ( netbootGUID $ netbootMachineFilePath $ sAMAccountName ) )
";

impl Slapd {
    /// With these computers: name, `netbootGUID` in base64, `netbootMachineFilePath`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(
        lab: &mut Lab,
        certificate: &ServerCertificate,
        computers: &[(&str, &str, Option<&str>)],
    ) -> Self {
        lab.add_host("ad");
        lab.plug("ad", "eth0", "br0", "10.77.0.8/24");
        for address in ["fd77::8", "fd77::9"] {
            lab.ip("ad", &format!("addr add {address}/64 dev eth0 nodad"));
        }
        let folder = lab.folder().join("slapd");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            path
        };
        fs::create_dir_all(folder.join("db")).unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
        let ca = certificate.certificate.with_file_name("ca.pem");
        let config = write(
            "slapd.conf",
            &format!(
                "include /etc/ldap/schema/core.schema\n{SCHEMA}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {0}/pid\n\
                 TLSCACertificateFile {1}\nTLSCertificateFile {2}\nTLSCertificateKeyFile {3}\n\
                 database mdb\nsuffix dc=nb,dc=test\ndirectory {0}/db\nindex netbootGUID eq\n\
                 access to attrs=userPassword by anonymous auth by * none\naccess to * by users read by * none\n",
                folder.display(),
                ca.display(),
                certificate.certificate.display(),
                certificate.key.display()
            ),
        );
        let mut ldif = format!(
            "dn: dc=nb,dc=test\nobjectClass: organization\nobjectClass: dcObject\no: nb\ndc: nb\n\n\
             dn: {}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: netbootd\nuserPassword: {}\n",
            READER.0, READER.1
        );
        for (name, guid, path) in computers {
            let path = path.map(|path| format!("netbootMachineFilePath: {path}\n")).unwrap_or_default();
            ldif.push_str(&format!(
                "\ndn: cn={name},dc=nb,dc=test\nobjectClass: computer\ncn: {name}\nsAMAccountName: {name}$\nnetbootGUID:: {guid}\n{path}"
            ));
        }
        let ldif = write("data.ldif", &ldif);
        run(lab.command("ad", "slapadd").arg("-f").arg(&config).arg("-l").arg(&ldif));
        let mut command = lab.command("ad", "slapd");
        command.arg("-f").arg(&config).args(["-h", "ldap:/// ldaps:///", "-d", "stats"]);
        let process = Process::start("slapd", &mut command);
        process.wait_for("slapd starting", Duration::from_secs(20));
        Slapd { _process: process }
    }
}
