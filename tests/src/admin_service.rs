//! A stand-in for Configuration Manager's AdminService. The site itself cannot be had: what answers
//! here is a list of rows in the published shapes. In front of it stands a real web server with TLS
//! that wants Kerberos.

mod query;
pub mod rows;
pub mod whole;

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use query::{Class, Selected};

use crate::certificate::ServerCertificate;
use crate::process::Process;
use crate::{Domain, Lab};

/// The site at `https://cm01.nb.test/AdminService`, 10.77.0.7 on `br0`.
#[derive(Debug)]
pub struct AdminService {
    site: Arc<Site>,
    apache: Option<Process>,
}

/// The web server in front of the site.
#[derive(Debug, Clone, Copy)]
pub struct Web<'a> {
    /// The certificate of the web server.
    pub certificate: &'a ServerCertificate,
    /// The keytab that it opens tickets with: `http.keytab` has its own key.
    pub keytab: &'a str,
    /// Apache's own words for who may ask: `Require valid-user`, `Require user x@NB.TEST`.
    pub admits: &'a str,
}

impl<'a> Web<'a> {
    /// As it should be, with a certificate.
    pub fn with(certificate: &'a ServerCertificate) -> Self {
        Web { certificate, keytab: "http.keytab", admits: "Require valid-user" }
    }
}

/// The site's rows, by class.
#[derive(Debug, Default)]
struct Site {
    classes: Mutex<HashMap<String, Arc<Class>>>,
    asked: Mutex<Vec<String>>,
    is_broken: AtomicBool,
    /// A machine whose import fails.
    refused: Mutex<Option<String>>,
    is_old: AtomicBool,
    page: AtomicUsize,
    /// Forms of question that are answered with 404.
    unknown: Mutex<Vec<String>>,
    /// Classes that the account's role hides.
    hidden: Mutex<Vec<String>>,
}

impl AdminService {
    /// Starts both.
    ///
    /// # Panics
    /// When Apache does not start.
    pub fn start(lab: &mut Lab, domain: &Domain, web: Web<'_>) -> Self {
        lab.add_host("cm01");
        lab.plug("cm01", "eth0", "br0", "10.77.0.7/24");
        lab.name_hosts("cm01", &["10.77.0.7 cm01.nb.test cm01", "10.77.0.8 dc1.nb.test dc1"]);
        // Small pages, so that they are all read.
        let site = Arc::new(Site { page: AtomicUsize::new(2), ..Site::default() });
        let served = Arc::clone(&site);
        let listening = lab.inside("cm01", move || {
            let listener =
                TcpListener::bind("127.0.0.1:8000").unwrap_or_else(|error| panic!("port 8000: {error}"));
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let site = Arc::clone(&served);
                    thread::spawn(move || site.serve(stream));
                }
            });
        });
        listening.join().unwrap_or_else(|_| panic!("the stand-in does not listen"));
        let apache = start_apache(lab, domain, web);
        AdminService { site, apache: Some(apache) }
    }

    /// Starts the web server anew, in another way.
    pub fn restart(&mut self, lab: &Lab, domain: &Domain, web: Web<'_>) {
        drop(self.apache.take());
        self.apache = Some(start_apache(lab, domain, web));
    }

    /// Puts rows into a class, instead of those it has.
    pub fn set(&self, class: &str, rows: Vec<Value>) {
        self.site.classes.lock().insert(class.to_owned(), Arc::new(Class::new(rows)));
    }

    /// The rows of a class.
    pub fn rows(&self, class: &str) -> Vec<Value> {
        self.site.classes.lock().get(class).map(|class| class.rows.clone()).unwrap_or_default()
    }

    /// Answers questions with these words in them with 404, and no others.
    pub fn refuse_shapes(&self, words: &[&str]) {
        *self.site.unknown.lock() = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Hides these classes from the account, and no others.
    pub fn hide(&self, classes: &[&str]) {
        *self.site.hidden.lock() = classes.iter().map(|class| (*class).to_owned()).collect();
    }

    /// Makes every answer a failure, or ends that.
    pub fn break_down(&self, broken: bool) {
        self.site.is_broken.store(broken, Ordering::SeqCst);
    }

    /// Makes the import of a machine with this name fail.
    pub fn refuse_import(&self, name: &str) {
        *self.site.refused.lock() = Some(name.to_owned());
    }

    /// Makes it a site that cannot filter by one value of many, or ends that.
    pub fn refuse_any(&self, old: bool) {
        self.site.is_old.store(old, Ordering::SeqCst);
    }

    /// Changes how many rows a page has.
    pub fn page_by(&self, rows: usize) {
        self.site.page.store(rows, Ordering::SeqCst);
    }

    /// The requests so far: method, path and query, and the body.
    pub fn asked(&self) -> Vec<String> {
        self.site.asked.lock().clone()
    }
}

impl Site {
    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let mut length = 0;
            loop {
                let mut header = String::new();
                reader.read_line(&mut header).ok()?;
                if header.trim().is_empty() {
                    break;
                }
                if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
            }
            let mut body = String::new();
            reader.by_ref().take(length).read_to_string(&mut body).ok()?;
            let mut words = line.split_whitespace();
            let (method, target) = (words.next()?, words.next()?);
            let asked = format!("{method} {} {body}", decoded(target));
            self.asked.lock().push(asked.trim_end().to_owned());
            let (status, body) = self.answer(method, &decoded(target), &body);
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(body.as_bytes()).ok()?;
        }
    }

    fn answer(&self, method: &str, target: &str, body: &str) -> (&'static str, Value) {
        if self.is_broken.load(Ordering::SeqCst) {
            return ("503 Service Unavailable", json!({ "error": { "message": "down" } }));
        }
        if self.is_old.load(Ordering::SeqCst) && target.contains("/any(") {
            return ("400 Bad Request", json!({ "error": { "message": "The query is not valid." } }));
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let class = path.rsplit('/').next().unwrap_or_default();
        if method == "POST" && path.ends_with("SMS_Site.ImportMachineEntry") {
            return self.import(&serde_json::from_str(body).unwrap_or_default());
        }
        if method == "POST" && path.ends_with("AdminService.AddMembershipRule") {
            let collection = path.split('\'').nth(1).unwrap_or_default();
            let rule: Value = serde_json::from_str(body).unwrap_or_default();
            let id = rule["collectionRule"]["ResourceID"].as_u64().unwrap_or_default();
            self.add("SMS_FullCollectionMembership", rows::member(id, collection));
        }
        if method == "POST" {
            return ("200 OK", json!({ "@odata.context": format!("$metadata#{class}"), "ReturnValue": 0 }));
        }
        if self.unknown.lock().iter().any(|word| target.contains(word.as_str())) {
            return ("404 Not Found", json!({ "error": { "message": "No HTTP resource was found." } }));
        }
        let is_hidden = self.hidden.lock().iter().any(|hidden| hidden == class);
        let rows = self.classes.lock().get(class).filter(|_| !is_hidden).cloned().unwrap_or_default();
        let page = self.page.load(Ordering::SeqCst);
        let Some(Selected { rows, more }) = rows.select(query, page) else {
            return ("400 Bad Request", json!({ "error": { "message": "The query is not valid." } }));
        };
        let mut answer = json!({
            "@odata.context": format!("https://cm01.nb.test/AdminService/wmi/$metadata#{class}"),
            "value": rows,
        });
        if more {
            let skip = query.split('&').find_map(|part| part.strip_prefix("$skip="));
            let skip: usize = skip.and_then(|skip| skip.parse().ok()).unwrap_or_default();
            let others: Vec<&str> =
                query.split('&').filter(|part| !part.starts_with("$skip=") && !part.is_empty()).collect();
            let next = format!("https://cm01.nb.test{path}?{}&$skip={}", others.join("&"), skip + page);
            answer["@odata.nextLink"] = json!(next.replace(' ', "%20"));
        }
        ("200 OK", answer)
    }
}

impl Site {
    /// Makes a record, as `SMS_Site.ImportMachineEntry` does.
    fn import(&self, machine: &Value) -> (&'static str, Value) {
        let text = |name: &str| machine[name].as_str();
        let name = text("NetbiosName").unwrap_or_default();
        if self.refused.lock().as_deref() == Some(name) {
            return ("500 Internal Server Error", json!({ "error": { "message": "refused" } }));
        }
        let macs: Vec<&str> = text("MACAddress").into_iter().collect();
        let id = 16_778_000 + self.asked.lock().len() as u64;
        self.add("SMS_R_System", rows::system(id, name, text("SMBIOSGUID"), &macs, "2025-01-01T00:00:00Z"));
        ("200 OK", json!({ "ReturnValue": 0, "ResourceID": id, "MachineExists": false }))
    }

    fn add(&self, class: &str, row: Value) {
        let mut classes = self.classes.lock();
        let mut rows = classes.get(class).map(|class| class.rows.clone()).unwrap_or_default();
        rows.push(row);
        classes.insert(class.to_owned(), Arc::new(Class::new(rows)));
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn start_apache(lab: &Lab, domain: &Domain, web: Web<'_>) -> Process {
    let folder = lab.folder().join("apache");
    let made = fs::create_dir_all(&folder);
    // Its workers are no root, and read the keytab.
    let open = |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    let Web { certificate, keytab, admits } = web;
    let keytab = domain.keytab(keytab);
    let opened = made.and_then(|()| open(&lab.folder(), 0o755)).and_then(|()| open(&keytab, 0o644));
    opened.unwrap_or_else(|error| panic!("cannot prepare Apache: {error}"));
    let modules = [
        "mpm_event",
        "authn_core",
        "authz_core",
        "authz_user",
        "auth_gssapi",
        "ssl",
        "proxy",
        "proxy_http",
        "headers",
        "alias",
    ];
    let mut text = String::new();
    for module in modules {
        text.push_str(&format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n"));
    }
    let folder = folder.display();
    text.push_str(&format!(
        "ServerName cm01.nb.test\nPidFile {folder}/pid\nErrorLog /dev/stderr\nLogLevel info\nUser www-data\nGroup www-data\n\
         Listen 10.77.0.7:443\nSSLEngine on\nSSLCertificateFile {}\nSSLCertificateKeyFile {}\nDefaultRuntimeDir {folder}\n\
         AllowEncodedSlashes NoDecode\n\
         <Location /AdminService>\nAuthType GSSAPI\nAuthName site\nGssapiCredStore keytab:{}\nGssapiAllowedMech krb5\nAuthzSendForbiddenOnFailure On\n\
         {admits}\nProxyPass http://127.0.0.1:8000/AdminService nocanon\n</Location>\n",
        certificate.certificate.display(),
        certificate.key.display(),
        keytab.display()
    ));
    let config = lab.folder().join("apache/apache.conf");
    fs::write(&config, text).unwrap_or_else(|error| panic!("{}: {error}", config.display()));
    let mut command = lab.command("cm01", "apache2");
    command.env("KRB5_CONFIG", domain.kerberos_config()).arg("-f").arg(&config).arg("-X");
    // -X: one process, which ends with its owner.
    let process = Process::start("apache2", &mut command);
    lab.wait_for_ports("cm01", "10.77.0.7", &[443]);
    process
}
