//! Machines that trust different Secure Boot authorities, and stand-ins for Windows' boot managers.
//!
//! Microsoft's files cannot be had here, and nobody but Microsoft signs with its keys. The
//! stand-ins are GRUB, signed under authorities of the laboratory's own that have the names of
//! Microsoft's: netbootd tells signers by these names. As the boot manager does, a stand-in fetches
//! `\Boot\BCD` once it runs; then it says the marker and its word.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::payload::MARKER;
use crate::process::{run, tool};

/// The common name of Microsoft's authority of 2011 for the Windows boot manager.
pub const WINDOWS_2011: &str = "Microsoft Windows Production PCA 2011";
/// The common name of Microsoft's authority of 2023 for the Windows boot manager.
pub const WINDOWS_2023: &str = "Windows UEFI CA 2023";

/// Authorities with Microsoft's names, in a folder.
#[derive(Debug)]
pub struct StandIns {
    folder: PathBuf,
}

impl StandIns {
    /// Makes both authorities, each with a signer below it.
    ///
    /// # Panics
    /// When openssl fails.
    pub fn new(folder: &Path) -> Self {
        let folder = folder.join("stand-ins");
        fs::create_dir_all(&folder).expect("the folder can be written");
        for name in [WINDOWS_2011, WINDOWS_2023] {
            let subject = format!("/O=Stand-in of the laboratory/CN={name}");
            let (ca, leaf) = (file_name(name, "ca"), file_name(name, "leaf"));
            let openssl = |words: &[&str]| run(Command::new("openssl").args(words).current_dir(&folder));
            let (ca_key, leaf_key) = (format!("{ca}.key"), format!("{leaf}.key"));
            let (ca_pem, leaf_pem) = (format!("{ca}.pem"), format!("{leaf}.pem"));
            openssl(&[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "30",
                "-subj",
                &subject,
                "-addext",
                "basicConstraints=critical,CA:TRUE",
                "-keyout",
                &ca_key,
                "-out",
                &ca_pem,
            ]);
            let signer = "/O=Stand-in of the laboratory/CN=Microsoft Windows";
            let request = format!("{leaf}.csr");
            openssl(&[
                "req", "-newkey", "rsa:2048", "-nodes", "-subj", signer, "-keyout", &leaf_key, "-out",
                &request,
            ]);
            openssl(&[
                "x509",
                "-req",
                "-in",
                &request,
                "-CA",
                &ca_pem,
                "-CAkey",
                &ca_key,
                "-CAcreateserial",
                "-days",
                "30",
                "-out",
                &leaf_pem,
            ]);
        }
        StandIns { folder }
    }

    /// Puts a stand-in for a boot manager, signed under the authority of this name, which says the
    /// word.
    ///
    /// # Panics
    /// When it cannot be built or signed.
    pub fn put_boot_manager(&self, file: &Path, authority: &str, word: &str) {
        let configuration = self.folder.join(format!("{word}.cfg"));
        // Started by HTTP boot, GRUB has no address yet.
        let text = format!(
            "if [ -z \"$net_default_server\" ]; then net_bootp; fi\n\
             test -s (tftp,10.77.0.1)/Boot/BCD\necho {MARKER} {word}\nhalt\n"
        );
        fs::write(&configuration, text).expect("the folder can be written");
        let unsigned = self.folder.join(format!("{word}.efi"));
        run(Command::new("grub-mkimage")
            .args(["-O", "x86_64-efi", "-p", "/", "--disable-shim-lock", "-c"])
            .arg(&configuration)
            .arg("-o")
            .arg(&unsigned)
            .args(["normal", "echo", "test", "halt", "net", "efinet", "tftp"]));
        fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be written");
        let leaf = self.folder.join(file_name(authority, "leaf"));
        run(Command::new("sbsign")
            .arg("--key")
            .arg(leaf.with_extension("key"))
            .arg("--cert")
            .arg(leaf.with_extension("pem"))
            .arg("--output")
            .arg(file)
            .arg(&unsigned));
    }

    /// A variable store of OVMF whose `db` holds the authorities of these names, and whose `dbx`
    /// these Authenticode hashes, or authorities by their names.
    ///
    /// # Panics
    /// When virt-fw-vars fails.
    pub fn variables(&self, name: &str, db: &[&str], dbx: &[&str]) -> PathBuf {
        let store = self.folder.join(format!("{name}.fd"));
        let mut command = Command::new(tool("virt-fw-vars"));
        command.args(["-i", "/usr/share/OVMF/OVMF_VARS_4M.fd", "-o"]).arg(&store);
        command.args([
            "--enroll-generate",
            "laboratory",
            "--microsoft-db",
            "none",
            "--microsoft-kek",
            "none",
        ]);
        for authority in db {
            let certificate = self.folder.join(file_name(authority, "ca")).with_extension("pem");
            command.args(["--add-db", OWNER]).arg(certificate);
        }
        for revoked in dbx {
            let certificate = self.folder.join(file_name(revoked, "ca")).with_extension("pem");
            if certificate.exists() {
                command.args(["--add-dbx-cert", OWNER]).arg(certificate);
            } else {
                command.args(["--add-dbx-hash", OWNER, revoked]);
            }
        }
        run(command.arg("--sb"));
        store
    }
}

fn file_name(authority: &str, what: &str) -> String {
    format!("{}-{what}", authority.replace(' ', "-"))
}

/// The owner of the entries in `db` and `dbx`: any GUID will do.
const OWNER: &str = "77fa9abd-0359-4d32-bd60-28f4e78f784b";
