//! `netbootd device import`: prestaged computers of Active Directory become devices, or records of
//! Configuration Manager.
//!
//! Devices that are there already stay as they are, so that the command may run every night. A
//! computer that cannot be imported is reported, and the others are.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use imagestore::platform::sync_folder;
use netbootd_directory::active_directory::{ActiveDirectory, Computer};
use netbootd_directory::configmgr::ConfigMgr;
use netbootd_directory::device_file::merge::{Format, Merged, merge};
use netbootd_net::with_causes;
use pxe_policy::{Device, Trouble, TroubleKind};

use super::super::Failure;
use super::super::client::config_of;
use super::ImportArgs;
use crate::cli::out::{errln, out, outln};
use crate::platform::give_owner_of;
use crate::probe::block_on;

/// Carries out `netbootd device import`.
pub(super) fn run(args: &ImportArgs) -> Result<(), Failure> {
    let config = config_of(&args.site)?;
    let Some(directory) = &config.active_directory else {
        return Err(Failure::Unusable("the configuration has no [active-directory]".into()));
    };
    crate::serve::prepare_kerberos(&config);
    let directory = ActiveDirectory::open(directory).map_err(Failure::unusable)?;
    let computers = block_on(async {
        directory.prestaged().await.map_err(|trouble| Failure::NoAnswer(trouble.to_string()))
    })?;
    if args.to_configmgr {
        let Some(site) = &config.configmgr else {
            return Err(Failure::Unusable("the configuration has no [configmgr]".into()));
        };
        let site = ConfigMgr::open(site, config.policy.cache).map_err(Failure::unusable)?;
        let import = SiteImport { site, collection: args.collection.clone(), apply: args.apply };
        return block_on(import.run(&computers));
    }
    let devices: Vec<Device> = computers.iter().map(device_of).collect();
    match &args.to {
        Some(file) => add_to(file, &devices),
        None => {
            let merged = merge(b"", Format::Csv, &devices);
            let merged = merged.map_err(|error| Failure::Bug(with_causes(&error)))?;
            out!("{}", String::from_utf8_lossy(&merged.bytes));
            report(&merged)
        }
    }
}

fn device_of(computer: &Computer) -> Device {
    let (mac, uuid) = computer.identifiers();
    Device {
        name: computer.name.clone(),
        mac: mac.map(|mac| mac.to_string()).unwrap_or_default(),
        uuid: uuid.map(|uuid| uuid.to_string()).unwrap_or_default(),
        file: computer.file_path.clone().unwrap_or_default(),
        ..Device::default()
    }
}

fn add_to(file: &Path, devices: &[Device]) -> Result<(), Failure> {
    let cannot = |error: &io::Error| {
        let words = format!("{}: {error}", file.display());
        match error.kind() {
            ErrorKind::PermissionDenied => Failure::Permission(words),
            _ => Failure::Unusable(words),
        }
    };
    let old = Old::read(file).map_err(|error| cannot(&error))?;
    let is_toml = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    let format = if is_toml { Format::Toml } else { Format::Csv };
    let merged = merge(&old.bytes, format, devices).map_err(|error| {
        let what = with_causes(&error);
        Failure::Unusable(format!("{}: {what}; nothing was changed", file.display()))
    })?;
    if merged.bytes != old.bytes || old.metadata.is_none() {
        old.replace(&merged.bytes).map_err(|error| cannot(&error))?;
    }
    for name in &merged.added {
        outln!("{name} added");
    }
    outln!("{}: {} added, {} there already", file.display(), merged.added.len(), merged.there);
    report(&merged)
}

fn report(merged: &Merged) -> Result<(), Failure> {
    for (name, why) in &merged.failed {
        errln!("{name} failed: {why}");
    }
    match merged.failed.len() {
        0 => Ok(()),
        count => Err(Failure::NoAnswer(format!("{count} computers were not imported"))),
    }
}

/// A file as it was found.
struct Old {
    place: PathBuf,
    bytes: Vec<u8>,
    metadata: Option<Metadata>,
}

impl Old {
    /// A link leads to the file that is replaced.
    fn read(file: &Path) -> io::Result<Self> {
        match fs::canonicalize(file) {
            Ok(place) => {
                let metadata = Some(fs::metadata(&place)?);
                Ok(Old { bytes: fs::read(&place)?, metadata, place })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Old { place: file.to_owned(), bytes: Vec::new(), metadata: None })
            }
            Err(error) => Err(error),
        }
    }

    /// Puts the whole of the new bytes in the place of the old ones, or nothing.
    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut name = std::ffi::OsString::from(".");
        name.push(self.place.file_name().unwrap_or_default());
        name.push(format!(".{}.new", std::process::id()));
        let new = folder.join(name);
        let replaced = self.write(&new, bytes).and_then(|()| fs::rename(&new, &self.place));
        if replaced.is_err() {
            let _ = fs::remove_file(&new); // it may not have been made
        }
        replaced.and_then(|()| sync_folder(folder))
    }

    fn write(&self, new: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(new)?;
        file.write_all(bytes)?;
        if let Some(old) = &self.metadata {
            give_owner_of(old, new)?;
            let now = fs::metadata(&self.place)?;
            if (now.len(), now.modified()?) != (old.len(), old.modified()?) {
                return Err(io::Error::other("it was changed in the meantime; run the command again"));
            }
        }
        file.sync_all()
    }
}

/// An import into the site.
struct SiteImport {
    site: ConfigMgr,
    collection: Option<String>,
    apply: bool,
}

/// The result for one computer, in words.
struct Done {
    words: String,
    is_new: bool,
}

impl SiteImport {
    async fn run(&self, computers: &[Computer]) -> Result<(), Failure> {
        if let Some(id) = &self.collection {
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(Failure::Unusable(format!("{id:?} is no collection's id, such as PS100014")));
            }
            let found = self.site.collection(id).await;
            let found = found.map_err(|trouble| Failure::NoAnswer(trouble.to_string()))?;
            found.ok_or_else(|| Failure::Unusable(format!("the site has no collection {id}")))?;
        }
        let (mut new, mut there, mut failed, mut unreachable) = (0_usize, 0_usize, 0_usize, 0_usize);
        for (at, computer) in computers.iter().enumerate() {
            match self.import(computer).await {
                Ok(done) => {
                    outln!("{} {}", computer.name, done.words);
                    *(if done.is_new { &mut new } else { &mut there }) += 1;
                    unreachable = 0;
                }
                Err(why) => {
                    errln!("{} failed: {}", computer.name, with_causes(&*why));
                    failed += 1;
                    unreachable = if is_unreachable(&*why) { unreachable + 1 } else { 0 };
                }
            }
            if unreachable == GIVES_UP {
                let rest = computers.len() - at - 1;
                errln!("the site is out of reach: {rest} computers were not tried");
                failed += rest;
                break;
            }
        }
        let verb = if self.apply { "imported" } else { "to be imported" };
        outln!("{new} {verb}, {there} there already, {failed} failed");
        if !self.apply {
            outln!("nothing was changed; --apply does it");
        }
        match failed {
            0 => Ok(()),
            count => Err(Failure::NoAnswer(format!("{count} computers were not imported"))),
        }
    }

    async fn import(&self, computer: &Computer) -> Result<Done, Box<dyn std::error::Error>> {
        let (mac, uuid) = computer.identifiers();
        let Some(by) = mac.map(|mac| mac.to_string()).or_else(|| uuid.map(|uuid| uuid.to_string())) else {
            return Err("its netbootGUID is neither a GUID nor a hardware address".into());
        };
        let records = self.site.records(mac, uuid).await.map_err(Told)?;
        let (resource, name) = match records.as_slice() {
            [] if !self.apply => {
                let into = self.collection.as_ref().map(|id| format!(", into {id}")).unwrap_or_default();
                return Ok(Done { words: format!("would be imported by {by}{into}"), is_new: true });
            }
            [] => {
                let imported = self.site.import_machine(&computer.name, mac, uuid).await.map_err(Told)?;
                let words = format!("imported by {by}");
                let Some(collection) = &self.collection else { return Ok(Done { words, is_new: true }) };
                let resource = match imported {
                    Some(resource) => resource,
                    // It does not say which: the record is looked for.
                    None => {
                        self.site.records(mac, uuid).await.map_err(Told)?.first().map_or(0, |found| found.0)
                    }
                };
                if resource == 0 {
                    let words = "imported, but the site does not show the record yet; run the command again";
                    return Err(words.into());
                }
                let joined = self.join(collection, resource, &computer.name).await?;
                return Ok(Done { words: format!("{words}{joined}"), is_new: true });
            }
            [(resource, name)] => (*resource, name.clone()),
            several => {
                let names: Vec<String> = several.iter().map(|(id, name)| format!("{name} ({id})")).collect();
                return Err(format!("the site has several records of it: {}", names.join(", ")).into());
            }
        };
        let joined = match &self.collection {
            Some(collection) => self.join(collection, resource, &name).await?,
            None => String::new(),
        };
        Ok(Done { words: format!("is there already as {name} ({resource}){joined}"), is_new: false })
    }

    /// Puts a record into the collection, unless it is in it.
    async fn join(
        &self,
        collection: &str,
        resource: u64,
        name: &str,
    ) -> Result<String, Box<dyn std::error::Error>> {
        if self.site.is_member(resource, collection).await.map_err(Told)? {
            return Ok(format!(", in {collection} already"));
        }
        if !self.apply {
            return Ok(format!(", would be put into {collection}"));
        }
        self.site.add_member(collection, resource, name).await.map_err(Told)?;
        Ok(format!(", put into {collection}"))
    }
}

/// The site's trouble as an error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(Trouble);

fn is_unreachable(error: &(dyn std::error::Error + 'static)) -> bool {
    let trouble = error.downcast_ref::<Told>().map(|Told(trouble)| trouble.kind);
    !matches!(trouble, None | Some(TroubleKind::Failed | TroubleKind::Malformed))
}

/// Each failure may take twenty seconds, so that many computers would take hours.
const GIVES_UP: usize = 3;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn device(name: &str, mac: &str) -> Device {
        Device { name: name.into(), mac: mac.into(), ..Device::default() }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_keeps_its_mode_and_the_links_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("devices.csv"), folder.path().join("link.csv"));
        fs::write(&file, "name,mac,owner\nkiosk,52:54:00:12:34:56,Anna\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        let new = [device("kiosk", "52:54:00:12:34:56"), device("PC01", "52:54:00:12:34:57")];
        add_to(&link, &new).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, "name,mac,owner\nkiosk,52:54:00:12:34:56,Anna\nPC01,52:54:00:12:34:57,\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let written = fs::metadata(&file).unwrap().modified().unwrap();
        add_to(&file, &new).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "nothing is written anew");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left behind");
    }

    #[test]
    fn what_somebody_writes_meanwhile_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("devices.csv");
        fs::write(&file, "name,mac\n").unwrap();
        let old = Old::read(&file).unwrap();
        fs::write(&file, "name,mac\nkiosk,52:54:00:12:34:56\n").unwrap();
        assert!(old.replace(b"name,mac\n").is_err());
        assert!(fs::read_to_string(&file).unwrap().contains("kiosk"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
