//! A throwaway Active Directory domain: Samba as its controller, `dc1.nb.test`, at 10.77.0.8.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Lab;
use crate::certificate::ServerCertificate;
use crate::process::{Process, run};

/// A running domain controller.
#[derive(Debug)]
pub struct Domain {
    folder: PathBuf,
    _process: Process,
}

impl Domain {
    /// With these computers (name, `netbootGUID` in base64), an account `netbootd` with the
    /// password of [`PASSWORD`], and keytabs for it, for the web server `cm01.nb.test`, and for an
    /// account that the web server is not.
    ///
    /// # Panics
    /// When Samba does not do it.
    pub fn start(lab: &mut Lab, certificate: &ServerCertificate, computers: &[(&str, &str)]) -> Self {
        lab.add_host("ad");
        lab.plug("ad", "eth0", "br0", "10.77.0.8/24");
        lab.name_hosts("ad", &["10.77.0.8 dc1.nb.test dc1"]);
        let folder = lab.folder().join("domain");
        let target = folder.display().to_string();
        let tool = |words: &[&str]| run(lab.command("ad", "samba-tool").args(words));
        tool(&[
            "domain",
            "provision",
            "--realm=NB.TEST",
            "--domain=NB",
            "--server-role=dc",
            "--dns-backend=NONE",
            "--adminpass=Admin-pass-1",
            &format!("--targetdir={target}"),
            "--host-name=dc1",
            "--host-ip=10.77.0.8",
            "--option=interfaces=eth0 lo",
            "--option=bind interfaces only=yes",
            "--option=vfs objects=dfs_samba4, acl_xattr, xattr_tdb",
        ]);
        let config = folder.join("etc/smb.conf").display().to_string();
        let of_domain = |words: &[&str]| tool(&[words, &["-s", &config]].concat());
        of_domain(&["user", "create", "netbootd", PASSWORD]);
        of_domain(&["user", "create", "svc-http", PASSWORD]);
        of_domain(&["spn", "add", "HTTP/cm01.nb.test", "svc-http"]);
        of_domain(&["spn", "add", "ldap/dc1.nb.test", "DC1$"]);
        let keytab = |name: &str, principal: &str| {
            let file = folder.join(name).display().to_string();
            of_domain(&["domain", "exportkeytab", &file, &format!("--principal={principal}")]);
        };
        keytab("http.keytab", "HTTP/cm01.nb.test");
        keytab("netbootd.keytab", "netbootd");
        keytab("administrator.keytab", "Administrator");
        let mut ldif = String::new();
        for (name, guid) in computers {
            ldif.push_str(&format!(
                "dn: CN={name},CN=Computers,DC=nb,DC=test\nobjectClass: computer\nsAMAccountName: {name}$\n\
                 userAccountControl: 4128\nnetbootGUID:: {guid}\n\n"
            ));
        }
        let file = folder.join("computers.ldif");
        fs::write(&file, ldif).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let database = folder.join("private/sam.ldb");
        run(lab.command("ad", "ldbadd").arg("-H").arg(database).arg(&file));
        write_kerberos_config(&folder);
        let process = start_samba(lab, &folder, certificate);
        Domain { folder, _process: process }
    }

    /// The settings of the Kerberos library (`KRB5_CONFIG`).
    pub fn kerberos_config(&self) -> PathBuf {
        self.folder.join("krb5.conf")
    }

    /// A keytab by its name: `netbootd.keytab`, `http.keytab`, `administrator.keytab`.
    pub fn keytab(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The password of the domain's accounts.
pub const PASSWORD: &str = "Boot-pass-1";

fn write_kerberos_config(folder: &Path) {
    let text = "[libdefaults]\ndefault_realm = NB.TEST\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\n\
        dns_canonicalize_hostname = false\n[realms]\nNB.TEST = {\n kdc = 10.77.0.8\n}\n\
        [domain_realm]\n.nb.test = NB.TEST\nnb.test = NB.TEST\n";
    let file = folder.join("krb5.conf");
    fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn start_samba(lab: &Lab, folder: &Path, certificate: &ServerCertificate) -> Process {
    let ca = certificate.certificate.with_file_name("ca.pem");
    let mut command: Command = lab.command("ad", "samba");
    command.args(["-F", "--no-process-group", "-M", "single", "-d", "1", "--debug-stdout", "-s"]);
    command.arg(folder.join("etc/smb.conf"));
    for (name, value) in [
        ("server services", "ldap, cldap, kdc".to_owned()),
        ("tls cafile", ca.display().to_string()),
        ("tls certfile", certificate.certificate.display().to_string()),
        ("tls keyfile", certificate.key.display().to_string()),
        ("pid directory", folder.display().to_string()),
    ] {
        command.arg(format!("--option={name}={value}"));
    }
    let process = Process::start("samba", &mut command);
    lab.wait_for_ports("ad", "10.77.0.8", &[636, 88]);
    process
}
