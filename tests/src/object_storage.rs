//! S3-compatible object storage in the laboratory.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::process::{Process, tool};
use crate::{Authority, Lab};

/// A server at 10.77.0.9 on `br0`, with the bucket `images`.
#[derive(Debug)]
pub struct ObjectStorage {
    /// Where it is, as a URL.
    pub endpoint: String,
    _process: Process,
}

/// The keys that such servers accept.
pub const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "lab"), ("AWS_SECRET_ACCESS_KEY", "lab-secret")];

impl ObjectStorage {
    /// SeaweedFS; with TLS when there is an authority.
    pub fn seaweedfs(lab: &mut Lab, authority: Option<&Authority>) -> Self {
        let folder = plug(lab);
        let mut command = lab.command("s3", &tool("weed"));
        command.args(["server", "-ip=10.77.0.9", "-s3", "-s3.port=8333", "-master.telemetry=false"]);
        command
            .args(["-volume.max=40", "-master.volumeSizeLimitMB=64"])
            .arg(format!("-dir={}", folder.display()))
            .env("TMPDIR", &folder);
        if let Some(authority) = authority {
            let server = authority.sign("s3", "IP:10.77.0.9", 30);
            command.arg(format!("-s3.cert.file={}", server.certificate.display()));
            command.arg(format!("-s3.key.file={}", server.key.display()));
        }
        let scheme = if authority.is_some() { "https" } else { "http" };
        let endpoint = format!("{scheme}://10.77.0.9:8333");
        let process = Process::start("weed", &mut command);
        let bucket = format!("{endpoint}/images");
        assert!(
            answers(lab, &["-f", "-k", "-X", "PUT", &bucket]),
            "SeaweedFS does not come up:\n{}",
            process.printed()
        );
        ObjectStorage { endpoint, _process: process }
    }

    /// s3s-fs, which keeps objects as files.
    pub fn s3s_fs(lab: &mut Lab) -> Self {
        let folder = plug(lab);
        let bucket = folder.join("images");
        fs::create_dir_all(&bucket).unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
        let mut command = lab.command("s3", &tool("s3s-fs"));
        command.args([
            "--host",
            "10.77.0.9",
            "--port",
            "8333",
            "--access-key",
            KEYS[0].1,
            "--secret-key",
            KEYS[1].1,
        ]);
        let process = Process::start("s3s-fs", command.arg(&folder));
        let endpoint = "http://10.77.0.9:8333".to_owned();
        // A refusal is as good an answer as any.
        assert!(answers(lab, &[&endpoint]), "s3s-fs does not come up:\n{}", process.printed());
        ObjectStorage { endpoint, _process: process }
    }
}

/// Passes one connection after the other on to a server, and makes it blind for conditions: the
/// header's name is changed on its way. Ends with the listener's process. Stands for a server that
/// ignores conditions silently, as one was found to.
///
/// # Errors
/// When the listener fails.
pub fn hide_conditions(listener: &TcpListener, server: &str) -> io::Result<()> {
    for client in listener.incoming() {
        let (mut from_client, to_server) = (client?, TcpStream::connect(server)?);
        let (mut to_client, mut from_server) = (from_client.try_clone()?, to_server.try_clone()?);
        thread::spawn(move || io::copy(&mut from_server, &mut to_client));
        thread::spawn(move || blindfold(&mut from_client, to_server));
    }
    Ok(())
}

fn blindfold(from: &mut TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut buf = vec![0; 64 << 10];
    loop {
        let count = from.read(&mut buf)?;
        if count == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        let name = b"if-none-match";
        let found = buf[..count].windows(name.len()).position(|bytes| bytes.eq_ignore_ascii_case(name));
        if let Some(at) = found {
            buf[at..at + name.len()].copy_from_slice(b"x-was-a-match");
        }
        to.write_all(&buf[..count])?;
    }
}

fn plug(lab: &mut Lab) -> std::path::PathBuf {
    lab.add_host("s3");
    lab.plug("s3", "eth0", "br0", "10.77.0.9/24");
    let folder = lab.folder().join("s3");
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make a folder: {error}"));
    folder
}

/// Whether a request is answered within a minute.
fn answers(lab: &Lab, words: &[&str]) -> bool {
    let patience = ["-sS", "--retry", "60", "--retry-delay", "1", "--retry-all-errors"];
    let output = lab.command("s3", "curl").args(patience).args(words).output();
    output.is_ok_and(|output| output.status.success())
}
