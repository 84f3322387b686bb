//! Secrets go where they are meant to go, and into nothing that is printed.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use hyper::Method;
use netbootd_config::Config;
use netbootd_content::remote::Remote;
use netbootd_content::settings::Remote as Settings;
use netbootd_dhcp::option243::VariablesFile;
use netbootd_dhcp::v4::forward::Told;
use netbootd_server::daemon::Daemon;
use netbootd_server::services::{Services, Snapshot};
use netbootd_state::file::State;
use netbootd_web::api::{self, metrics};
use netbootd_web::console::{Asked, Console};
use netbootd_web::page;
use pxe_policy::{Identity, MacAddr};
use tracing_subscriber::fmt::MakeWriter;

/// In every secret of this test, and in nothing else.
const CANARY: &str = "canary4711";

/// Everything that was printed, logged or answered.
#[derive(Debug, Clone, Default)]
struct Printed(Arc<Mutex<String>>);

impl Printed {
    fn add(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Printed {
    type Writer = Printed;

    fn make_writer(&self) -> Printed {
        self.clone()
    }
}

/// An LDAP server that takes one bind, gives back what it was sent, and says that the password is
/// wrong.
fn directory() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 4096];
        let count = stream.read(&mut bytes).unwrap();
        // BindResponse, invalidCredentials (RFC 4511 §4.2.2).
        stream.write_all(&[0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 49, 4, 0, 4, 0]).unwrap();
        bytes.truncate(count);
        bytes
    });
    (addr, heard)
}

fn configuration(folder: &Path, directory: SocketAddr, storage: SocketAddr) -> Config {
    for name in ["ad-password", "cm-password", "hook-secret", "token"] {
        std::fs::write(folder.join(name), format!("{CANARY}-of-{name}\n")).unwrap();
        std::fs::set_permissions(folder.join(name), Permissions::from_mode(0o644)).unwrap();
    }
    let text = format!(
        r#"
[server]
state-dir = {folder:?}
[boot]
root = {folder:?}
[status]
token-file = "token"
[configmgr]
url = "https://cm01.nb.test:9/AdminService"
user = "reader@NB.TEST"
password-file = "cm-password"
[active-directory]
url = "ldap://{directory}"
bind = "simple"
user = "reader"
password-file = "ad-password"
[[webhook]]
url = "http://127.0.0.1:9/hook"
secret-file = "hook-secret"
[store.remote]
url = "s3://images/all"
endpoint = "http://{storage}"
region = "lab"
allow-http = true
"#
    );
    let (config, findings) = Config::parse(&text, &folder.join("test.toml"), None).unwrap();
    let open = findings.iter().filter(|finding| finding.message.contains("everybody on this host may read"));
    assert_eq!(open.count(), 4, "files that are left open are told of");
    assert!(!findings.to_string().contains(CANARY));
    config
}

/// Keys of object storage come by the environment, so this test starts itself with them.
#[test]
fn no_secret_is_logged_shown_or_printed() {
    if std::env::var_os("AWS_SECRET_ACCESS_KEY").is_none() {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["no_secret_is_logged_shown_or_printed", "--exact", "--nocapture"]);
        again.env("AWS_ACCESS_KEY_ID", "lab").env("AWS_SECRET_ACCESS_KEY", format!("{CANARY}-of-s3"));
        let output = again.env("AWS_SESSION_TOKEN", format!("{CANARY}-of-session")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = said + &String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
    let printed = Printed::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(printed.clone());
    tracing::subscriber::set_global_default(log.finish()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let sent = runtime.block_on(drive(&printed));
    // The Kerberos library may still look for a server that there is not.
    runtime.shutdown_background();
    let text = printed.0.lock().unwrap().clone();
    assert!(String::from_utf8_lossy(&sent).contains("canary4711-of-ad-password"), "it was not even used");
    assert!(text.contains("***"), "nothing that holds a secret was printed");
    assert!(text.contains("netbootd_directory_up"), "the metrics were not looked at");
    let leak =
        text.find(CANARY).map(|at| text[at.saturating_sub(400)..].chars().take(500).collect::<String>());
    assert_eq!(leak, None);
    // As it is in a list of bytes.
    assert!(!text.contains("99, 97, 110, 97, 114, 121"), "a secret is printed byte by byte");
}

async fn drive(printed: &Printed) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let (addr, heard) = directory();
    // Bound and given back: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = configuration(folder.path(), addr, nobody);
    printed.add(&format!("{config:?}\n{config:#?}\n"));
    remote(config.store.remote.as_ref().unwrap(), printed).await;

    let state = Arc::new(State::open(&folder.path().join("state")).unwrap());
    let snapshot = Snapshot::new(config, None).unwrap();
    let services = Services::open(snapshot, Arc::clone(&state)).unwrap();
    let daemon = Arc::new(Daemon::open(services, state).unwrap());
    let services = &daemon.services;
    let who = Identity { mac: MacAddr([0x52, 0x54, 0, 0, 0, 1]), uuid: None, arch: None, is_mac: false };
    for (name, source) in services.snapshot.load().directories.iter() {
        printed.add(&format!("{name} {source:?}\n"));
    }
    // More than once, so that the log's limit suppresses lines, and says so.
    for _ in 0..4 {
        let answers = services.snapshot.load_full().directories.ask(&who).await;
        printed.add(&format!("{answers:?}\n"));
    }
    printed.add(&format!("{daemon:?}\n"));
    printed.add(&metrics::render(&daemon));
    let console = Console::new(Arc::clone(&daemon), String::new());
    console.look();
    printed.add(&format!("{console:?}\n"));
    let document: serde_json::Value = serde_json::from_str(api::document::TEXT).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        let path = path.replace("{mac}", "52:54:00:00:00:01").replace("{guid}", "none");
        let path = path.replace("{arch}", "x64-uefi").replace("{class}", "pxe");
        printed.add(&api::answer(&daemon, &Method::GET, (&path, None), Bytes::new()).await.body);
        let asked = Asked { path: &path, ..Asked::default() };
        printed.add(&page::part(&console, &asked).await.map(|part| part.body).unwrap_or_default());
    }
    for path in ["/", "/server", "/images"] {
        let asked = Asked { path, ..Asked::default() };
        printed.add(&page::part(&console, &asked).await.unwrap().body);
    }
    let variables = [[1, 4].as_slice(), b"\\x.v", &[2, 10], CANARY.as_bytes()].concat();
    let variables = VariablesFile::parse(&variables).unwrap();
    assert!(variables.has_secret());
    printed.add(&format!("{:?}\n", Told { variables: Some(variables), ..Told::default() }));
    heard.join().unwrap()
}

async fn remote(config: &Settings, printed: &Printed) {
    let remote = Remote::open(config, tokio::runtime::Handle::current()).unwrap();
    printed.add(&format!("{remote:?}\n"));
    // It is asked again and again for minutes otherwise; what is logged is logged at the first
    // time.
    let asked = tokio::time::timeout(std::time::Duration::from_secs(2), remote.images()).await;
    printed.add(&format!("{asked:?}\n"));
}
