//! Active Directory's prestaged computers: `netbootGUID` by GUID and by hardware address, in one
//! question.

mod fault;
mod seam;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ldap3::adapters::{Adapter, EntriesOnly, PagedResults};
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, SearchOptions, StdStream};
use netbootd_net::tls::{self, TlsError};
use pxe_policy::{BootAction, DirectoryAnswer, Identity, MacAddr, Record, SystemUuid, Trouble, TroubleKind};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::address::{host_of, ipv6_of};
use crate::kerberos;
use crate::settings::{self, Bind};
use fault::{LdapFault, failed};

/// A directory, with a connection that is kept.
#[derive(Debug)]
pub struct ActiveDirectory {
    settings: settings::ActiveDirectory,
    tls: Arc<ClientConfig>,
    connection: Mutex<Option<Connection>>,
}

#[derive(Debug, Clone)]
struct Connection {
    ldap: Ldap,
    base: String,
}

/// A computer as the directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    /// The distinguished name of the object.
    pub dn: String,
    /// Its name, without the dollar sign.
    pub name: String,
    /// `netbootGUID` as it is: a GUID in wire order, or ten zero bytes and a hardware address.
    pub netboot_guid: Vec<u8>,
    /// The attribute `netbootMachineFilePath`: a boot file.
    pub file_path: Option<String>,
    /// When it was made.
    pub created: Option<String>,
}

impl ActiveDirectory {
    /// Of a configuration. Nothing is asked yet.
    pub fn open(settings: &settings::ActiveDirectory) -> Result<Self, TlsError> {
        let tls = match host_of(&settings.url).parse::<Ipv6Addr>() {
            Ok(addr) => tls::client_config_as(ServerName::from(IpAddr::from(addr)), settings.ca.as_deref()),
            Err(_) => tls::client_config(settings.ca.as_deref()),
        };
        let tls = Arc::new(tls?);
        Ok(ActiveDirectory { settings: settings.clone(), tls, connection: Mutex::new(None) })
    }

    /// The records of all computer objects that match the machine.
    async fn lookup(&self, who: &Identity) -> Result<DirectoryAnswer, Trouble> {
        let by_mac = mac_form(who.mac);
        let filter = filter(who);
        let mut said = DirectoryAnswer::default();
        for computer in self.search(&filter).await? {
            let found_by_mac = computer.netboot_guid == by_mac;
            let record = computer.into_record().await;
            if found_by_mac { said.by_mac.push(record) } else { said.by_uuid.push(record) }
        }
        Ok(said)
    }

    /// Every computer that has a `netbootGUID`.
    pub async fn prestaged(&self) -> Result<Vec<Computer>, Trouble> {
        let mut connection = self.connect().await?;
        let adapters: Vec<Box<dyn Adapter<_, _>>> =
            vec![Box::new(EntriesOnly::new()), Box::new(PagedResults::new(PAGE))];
        let filter = "(&(objectClass=computer)(netbootGUID=*))";
        let mut found = Vec::new();
        let mut stream = connection
            .ldap
            .streaming_search_with(adapters, &connection.base, Scope::Subtree, filter, ATTRIBUTES.to_vec())
            .await
            .map_err(failed)?;
        while let Some(entry) = stream.next().await.map_err(failed)? {
            found.extend(Computer::from_entry(SearchEntry::construct(entry)));
        }
        stream.finish().await.success().map_err(failed)?;
        Ok(found)
    }

    /// The names that the directory serves, as its root says; for doctor.
    pub async fn naming_context(&self) -> Result<String, Trouble> {
        Ok(self.connect().await?.base)
    }

    /// Asks once more over a new connection when the kept one has gone.
    async fn search(&self, filter: &str) -> Result<Vec<Computer>, Trouble> {
        let mut kept = self.connection.lock().await;
        let had_one = kept.is_some();
        for again in [had_one, false] {
            let connection = match &*kept {
                Some(connection) => connection.clone(),
                None => kept.insert(self.connect().await?).clone(),
            };
            match connection.search(filter).await {
                Ok(found) => return Ok(found),
                Err(trouble) => {
                    *kept = None;
                    if !again || trouble.kind == TroubleKind::TooLarge {
                        return Err(trouble);
                    }
                }
            }
        }
        Err(Trouble::new(TroubleKind::Failed, LdapFault::Unstable))
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let settings = LdapConnSettings::new()
            .set_conn_timeout(PATIENCE)
            .set_config(Arc::clone(&self.tls))
            .set_starttls(self.settings.start_tls);
        let connected = match ipv6_of(&self.settings.url) {
            Some((url, addr)) => {
                let stream = TcpStream::connect(addr).await.and_then(TcpStream::into_std);
                let stream = stream.map_err(tls::trouble)?;
                LdapConnAsync::with_settings(settings.set_std_stream(StdStream::Tcp(stream)), &url).await
            }
            None => LdapConnAsync::with_settings(settings, &self.settings.url).await,
        };
        let (connection, mut ldap) = connected.map_err(failed)?;
        tokio::spawn(async move {
            if let Err(error) = connection.drive().await {
                tracing::debug!(%error, "LDAP connection ended");
            }
        });
        self.bind(&mut ldap).await?;
        let base = match &self.settings.base {
            Some(base) => base.clone(),
            None => root_of(&mut ldap).await?,
        };
        Ok(Connection { ldap, base })
    }

    async fn bind(&self, ldap: &mut Ldap) -> Result<(), Trouble> {
        let account = &self.settings.account;
        let bound = match self.settings.bind {
            Bind::Anonymous => return Ok(()),
            Bind::Simple => {
                let (user, password) = (account.user.as_deref(), account.password.as_ref());
                let password = password.map(netbootd_net::Secret::reveal).unwrap_or_default();
                ldap.with_timeout(PATIENCE).simple_bind(user.unwrap_or_default(), password).await
            }
            Bind::Gssapi => {
                let host = host_of(&self.settings.url).to_owned();
                let (account, mut ldap) = (account.clone(), ldap.clone());
                // The Kerberos library waits for the network by itself.
                let bound = tokio::task::spawn_blocking(move || {
                    kerberos::log_in(&account)?;
                    Ok(Handle::current().block_on(ldap.sasl_gssapi_bind(&host)))
                });
                bound.await.map_err(|error| Trouble::new(TroubleKind::Failed, error))??
            }
        };
        bound.and_then(ldap3::LdapResult::success).map(drop).map_err(failed)
    }
}

impl Connection {
    async fn search(mut self, filter: &str) -> Result<Vec<Computer>, Trouble> {
        let options = SearchOptions::new().sizelimit(MAX_FOUND).timelimit(PATIENCE.as_secs() as i32);
        let searched = self
            .ldap
            .with_timeout(PATIENCE)
            .with_search_options(options)
            .search(&self.base, Scope::Subtree, filter, ATTRIBUTES.to_vec())
            .await;
        let (entries, _) = searched.and_then(|result| result.success()).map_err(failed)?;
        // Referrals to other servers are no computers.
        let entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok(entries.filter_map(|entry| Computer::from_entry(SearchEntry::construct(entry))).collect())
    }
}

impl Computer {
    fn from_entry(entry: SearchEntry) -> Option<Self> {
        let SearchEntry { dn, attrs, bin_attrs } = entry;
        // A value whose bytes happen to be UTF-8 stands among the texts.
        let bytes = first(&bin_attrs, "netbootGUID").cloned();
        let netboot_guid =
            bytes.or_else(|| first(&attrs, "netbootGUID").map(|text| text.clone().into_bytes()))?;
        let account = first(&attrs, "sAMAccountName").or_else(|| first(&attrs, "cn"));
        let name = account.map_or_else(|| dn.clone(), |name| name.trim_end_matches('$').to_owned());
        Some(Computer {
            name,
            netboot_guid,
            file_path: first(&attrs, "netbootMachineFilePath").cloned(),
            created: first(&attrs, "whenCreated").cloned(),
            dn,
        })
    }

    /// The machine's identifiers: one of the two.
    pub fn identifiers(&self) -> (Option<MacAddr>, Option<SystemUuid>) {
        match self.netboot_guid.as_slice() {
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, mac @ ..] => (mac.try_into().ok().map(MacAddr), None),
            other => (None, other.try_into().ok().map(SystemUuid::from_wire)),
        }
    }

    async fn into_record(self) -> Record {
        let boot = match &self.file_path {
            Some(path) => boot_of(path).await,
            None => None,
        };
        Record { key: self.dn, name: self.name, created: self.created, boot, ..Record::default() }
    }
}

/// `server\path`, or a path of this server. A server alone says who answers, which is not said
/// here; one that cannot be found leaves the path to this server.
async fn boot_of(path: &str) -> Option<BootAction> {
    let (server, file) = match path.trim_start_matches('\\').split_once('\\') {
        Some((server, file)) if !path.starts_with('\\') || path.starts_with("\\\\") => (Some(server), file),
        _ if path.contains('/') || path.starts_with('\\') => (None, path),
        _ => return None,
    };
    let next_server = match server {
        Some(server) => address_of(server).await,
        None => None,
    };
    Some(BootAction { file: vec![file.to_owned()], next_server, ..BootAction::default() })
}

async fn address_of(server: &str) -> Option<Ipv4Addr> {
    if let Ok(address) = server.parse() {
        return Some(address);
    }
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((server, 69))).await.ok()?.ok()?;
    let mut addresses = found.filter_map(|address| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    addresses.next()
}

/// Both forms in one question; every byte is escaped (RFC 4515), since text forms of GUIDs are not
/// understood everywhere.
fn filter(who: &Identity) -> String {
    let escaped = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let by_mac = format!("(netbootGUID={})", escaped(&mac_form(who.mac)));
    let either = match who.uuid {
        Some(uuid) => format!("(|(netbootGUID={}){by_mac})", escaped(&uuid.wire())),
        None => by_mac,
    };
    format!("(&(objectClass=computer){either})")
}

fn mac_form(mac: MacAddr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[10..].copy_from_slice(&mac.octets());
    bytes
}

async fn root_of(ldap: &mut Ldap) -> Result<String, Trouble> {
    let attributes = vec!["defaultNamingContext", "namingContexts"];
    let root = ldap.with_timeout(PATIENCE).search("", Scope::Base, "(objectClass=*)", attributes).await;
    let (entries, _) = root.and_then(|result| result.success()).map_err(failed)?;
    let entry = entries.into_iter().next().map(SearchEntry::construct);
    let attrs = entry.map(|entry| entry.attrs).unwrap_or_default();
    first(&attrs, "defaultNamingContext")
        .or_else(|| first(&attrs, "namingContexts"))
        .cloned()
        .ok_or_else(|| Trouble::new(TroubleKind::Malformed, LdapFault::NoBase))
}

/// Attribute names come in the server's own case.
fn first<'a, T>(attrs: &'a HashMap<String, Vec<T>>, name: &str) -> Option<&'a T> {
    attrs.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?.1.first()
}

const ATTRIBUTES: [&str; 5] =
    ["netbootGUID", "netbootMachineFilePath", "sAMAccountName", "cn", "whenCreated"];
/// One question takes at most this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// More have one identifier only by mistake, and ten tell of it as well as a thousand.
const MAX_FOUND: i32 = 10;
const PAGE: i32 = 500;

#[cfg(test)]
mod tests {
    use netbootd_net::with_causes;

    use super::*;

    #[test]
    fn both_identifiers_go_into_one_question() {
        let who = Identity {
            mac: MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            uuid: "4C4C4544-0057-5810-804A-C3C04F463732".parse().ok(),
            arch: None,
            is_mac: false,
        };
        assert_eq!(
            filter(&who),
            "(&(objectClass=computer)(|(netbootGUID=\\44\\45\\4c\\4c\\57\\00\\10\\58\\80\\4a\\c3\\c0\\4f\\46\\37\\32)\
             (netbootGUID=\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\52\\54\\00\\12\\34\\56)))"
        );
    }

    #[test]
    fn a_binary_value_is_read_wherever_it_stands() {
        let entry = |bin: bool, value: &[u8]| {
            let mut entry =
                SearchEntry { dn: "CN=PC01".into(), attrs: HashMap::new(), bin_attrs: HashMap::new() };
            entry.attrs.insert("sAMAccountName".into(), vec!["PC01$".into()]);
            match bin {
                true => drop(entry.bin_attrs.insert("netbootGUID".into(), vec![value.to_vec()])),
                false => {
                    let text = String::from_utf8(value.to_vec()).unwrap();
                    entry.attrs.insert("NetbootGuid".into(), vec![text]);
                }
            }
            Computer::from_entry(entry).unwrap()
        };
        let mac = MacAddr([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
        let computer = entry(false, &mac_form(mac));
        assert_eq!((computer.name.as_str(), computer.identifiers()), ("PC01", (Some(mac), None)));
        let uuid: SystemUuid = "E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6".parse().unwrap();
        assert_eq!(entry(true, &uuid.wire()).identifiers(), (None, Some(uuid)));
    }

    #[test]
    fn an_error_names_the_file_of_authorities_and_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let missing = tls::client_config(Some(&ca)).unwrap_err();
        assert!(matches!(&missing, TlsError::Read { path, .. } if *path == ca), "{missing}");
        assert!(with_causes(&missing).contains("No such file"), "{}", with_causes(&missing));
        std::fs::write(&ca, "no certificate").unwrap();
        let empty = tls::client_config(Some(&ca)).unwrap_err();
        assert!(matches!(&empty, TlsError::Empty(path) if *path == ca), "{empty}");
    }

    #[tokio::test]
    async fn a_file_path_names_a_server_or_a_path() {
        let table = [
            (
                "10.0.0.9\\boot\\x64\\wdsnbp.com",
                Some(("boot\\x64\\wdsnbp.com", Some(Ipv4Addr::new(10, 0, 0, 9)))),
            ),
            ("boot/grubx64.efi", Some(("boot/grubx64.efi", None))),
            ("\\boot\\x64\\pxeboot.n12", Some(("\\boot\\x64\\pxeboot.n12", None))),
            ("wds01", None),
        ];
        for (path, wanted) in table {
            let boot = boot_of(path).await;
            let got = boot.as_ref().map(|boot| (boot.file[0].as_str(), boot.next_server));
            assert_eq!(got, wanted, "{path}");
        }
    }
}
