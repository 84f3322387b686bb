//! A certificate authority of the laboratory's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::run;

/// An authority; its files lie in a folder.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
}

/// A server's certificate and key, as PEM files.
#[derive(Debug, Clone)]
pub struct ServerCertificate {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes one in a folder.
    ///
    /// # Panics
    /// When openssl fails.
    pub fn new(folder: &Path) -> Self {
        let authority = Authority { folder: folder.to_owned() };
        let more =
            ["-days", "30", "-subj", "/CN=Laboratory authority", "-addext", "keyUsage=critical,keyCertSign"];
        run(openssl(folder, &["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem"]).args(KEY).args(more));
        authority
    }

    /// Makes one with an RSA key in a folder of its own below this one.
    ///
    /// # Panics
    /// When openssl fails.
    pub fn new_rsa(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        let subject = format!("/CN={name}");
        let more = ["-days", "30", "-subj", &subject, "-addext", "keyUsage=critical,keyCertSign"];
        let words = ["req", "-x509", "-keyout", "ca.key", "-out", "ca.pem"];
        run(openssl(&folder, &words).args(RSA_KEY).args(more));
        Authority { folder }
    }

    /// The authority's own certificate as DER.
    ///
    /// # Panics
    /// When openssl fails.
    pub fn der(&self) -> Vec<u8> {
        let mut command = openssl(&self.folder, &["x509", "-in", "ca.pem", "-outform", "DER"]);
        let output = command.output().unwrap_or_else(|error| panic!("cannot run openssl: {error}"));
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Signs a certificate for names such as `DNS:dc1.nb.test,IP:10.77.0.9`, good for some days
    /// from now (negative: expired).
    ///
    /// # Panics
    /// When openssl fails.
    pub fn sign(&self, file: &str, names: &str, days: i32) -> ServerCertificate {
        self.sign_key(&KEY, file, names, days)
    }

    /// The same with an RSA key, which every firmware verifies.
    ///
    /// # Panics
    /// When openssl fails.
    pub fn sign_rsa(&self, file: &str, names: &str, days: i32) -> ServerCertificate {
        self.sign_key(&RSA_KEY, file, names, days)
    }

    fn sign_key(&self, kind: &[&str], file: &str, names: &str, days: i32) -> ServerCertificate {
        let (key, request, certificate) =
            (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
        let subject = format!("/CN={file}");
        let names = format!("subjectAltName={names}");
        let more = ["-subj", &subject, "-addext", &names];
        run(openssl(&self.folder, &["req", "-keyout", &key, "-out", &request]).args(kind).args(more));
        let until =
            Command::new("date").args(["-u", "-d", &format!("{days} days"), "+%Y%m%d%H%M%SZ"]).output();
        let until = until.unwrap_or_else(|error| panic!("cannot run date: {error}")).stdout;
        let database = self.folder.join("index.txt");
        std::fs::write(&database, "")
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", database.display()));
        let config = "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\n\
            policy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n";
        let file = self.folder.join("ca.conf");
        std::fs::write(&file, config)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let words =
            ["ca", "-batch", "-notext", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key"];
        let until = String::from_utf8_lossy(&until).trim().to_owned();
        let times =
            ["-startdate", "20200101000000Z", "-enddate", &until, "-in", &request, "-out", &certificate];
        run(openssl(&self.folder, &words).args(times));
        ServerCertificate { certificate: self.folder.join(certificate), key: self.folder.join(key) }
    }
}

const KEY: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

const RSA_KEY: [&str; 2] = ["-newkey", "rsa:2048"];

fn openssl(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(words).current_dir(folder);
    if words[0] == "req" {
        command.arg("-nodes");
    }
    command
}
