//! Which folders and files are opened, and what for.
//!
//! A file is named by its folder, because an editor puts a new file in the place of the old one; in
//! a folder of the whole system by itself.

use std::path::{Path, PathBuf};

use netbootd_config::Config;
use netbootd_config::Source;
use netbootd_config::paths::DEFAULT_CONFIG;

/// The folders and files that may be opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    write: Vec<Place>,
    read: Vec<Place>,
    run: Vec<Place>,
    devices: Vec<Place>,
    /// Files that the configuration names, as they are named.
    files: Vec<PathBuf>,
    log_file: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    why: &'static str,
}

impl Reach {
    /// The paths that a configuration names.
    pub fn from_config(config: &Config, source: &Source) -> Self {
        let mut reach = Reach { log_file: config.server.log_file.clone(), ..Reach::default() };
        reach.writes(&config.server.state_dir, "state");
        reach.writes(&config.store_folder(), "the image store");
        if let Some(folder) = reach.log_file.clone().as_deref().and_then(Path::parent) {
            let here = folder.as_os_str().is_empty();
            reach.writes(if here { Path::new(".") } else { folder }, "the log");
        }
        for mount in &config.mounts {
            reach.reads(&mount.folder, "the boot tree");
        }
        for share in &config.netboot.shares {
            reach.reads(&share.folder, "a share of Macs' images");
        }
        let sources = config.store.drop_folder.iter().chain(&config.store.content_library);
        for folder in sources.chain(&config.store.content_library_drives) {
            reach.reads(folder, "a source of images");
        }
        reach.named(source.file.as_deref().or(Some(Path::new(DEFAULT_CONFIG))), "the configuration");
        for file in &config.texts {
            reach.named(Some(file), "a template, a list or a secret");
        }
        for (file, why) in config.directories().files() {
            reach.named(Some(file), why);
        }
        if let Some(remote) = &config.store.remote {
            reach.named(remote.ca.as_deref(), "an authority's certificate");
        }
        if let Some(database) = &config.database {
            reach.named(database.ca.as_deref(), "an authority's certificate");
        }
        for webhook in &config.webhooks {
            reach.named(webhook.ca.as_deref(), "an authority's certificate");
        }
        for file in config.https.iter().flat_map(netbootd_config::Https::files) {
            reach.named(Some(file), "the boot port's certificates and keys");
        }
        if let Some((certificate, key)) = config.status.as_ref().and_then(|status| status.tls.as_ref()) {
            reach.named(Some(certificate), "the status port's certificate");
            reach.named(Some(key), "the status port's key");
        }
        reach
    }

    /// Adds what the system's libraries open. Root owns every file of `/etc`, so as root only those
    /// needed are named; another user has what is open to all, by names that may be replaced at any
    /// time, as `resolv.conf` is.
    pub(super) fn add_system(&mut self, is_root: bool) {
        let of = |places: &[(&str, &'static str)]| -> Vec<Place> {
            places.iter().map(|(path, why)| Place { path: path.into(), why }).collect()
        };
        self.run = of(RUN);
        // Beside this program where that was built; below /usr as packages have it.
        let reader = imagestore::wim::find_reader().map(|path| real(&path));
        self.run.extend(reader.map(|path| Place { path, why: "the reader of Windows images" }));
        self.devices = of(DEVICES);
        self.read.extend(of(READ));
        self.read.extend(if is_root { of(ETC) } else { of(&[("/etc", "settings of the system")]) });
        for (name, why) in ENVIRONMENT {
            let value = std::env::var_os(name).unwrap_or_default();
            let paths = std::env::split_paths(&value).filter(|path| path.is_absolute());
            self.read.extend(paths.map(|path| Place { path, why }));
        }
    }

    /// Each path and what is done there, for a person. Those of the system are in docs/security.md.
    pub(super) fn lines(&self) -> Vec<String> {
        let told = |verb: &'static str, places: &[Place]| -> Vec<String> {
            places.iter().map(|place| format!("{verb} {} ({})", place.path.display(), place.why)).collect()
        };
        [told("write", &self.write), told("read", &self.read)].concat()
    }

    /// The reach of these folders alone.
    #[cfg(test)]
    pub(super) fn of_folders(read: &[&Path], write: &[&Path]) -> Self {
        let mut reach = Reach::default();
        read.iter().for_each(|path| reach.reads(path, "a test"));
        write.iter().for_each(|path| reach.writes(path, "a test"));
        reach
    }

    /// The paths of a new configuration beyond those that may be opened since the start.
    pub(in crate::sandbox) fn beyond(
        &self,
        config: &Config,
        source: &Source,
    ) -> Vec<(PathBuf, &'static str)> {
        self.lacks(&Reach::from_config(config, source))
    }

    /// The paths of another reach beyond this one, each with its purpose.
    pub(super) fn lacks(&self, wanted: &Reach) -> Vec<(PathBuf, &'static str)> {
        let covers = |places: &[&[Place]], wanted: &Path| {
            places.iter().copied().flatten().any(|place| wanted.starts_with(&place.path))
        };
        let unwritten = wanted.write.iter().filter(|place| !covers(&[&self.write], &place.path));
        let everything: [&[Place]; 3] = [&self.write, &self.read, &self.run];
        let unread = wanted.read.iter().filter(|place| !covers(&everything, &place.path));
        unwritten.chain(unread).map(|place| (place.path.clone(), place.why)).collect()
    }

    /// The folders that netbootd makes for itself.
    pub(super) fn own_folders(&self) -> impl Iterator<Item = &Path> {
        self.write.iter().filter(|place| place.why != "the log").map(|place| place.path.as_path())
    }

    pub(super) fn log_file(&self) -> Option<&Path> {
        self.log_file.as_deref()
    }

    pub(super) fn written(&self) -> Vec<&Path> {
        paths(&self.write)
    }

    pub(super) fn read(&self) -> Vec<&Path> {
        paths(&self.read)
    }

    pub(super) fn run(&self) -> Vec<&Path> {
        paths(&self.run)
    }

    pub(super) fn devices(&self) -> Vec<&Path> {
        paths(&self.devices)
    }

    /// The folders that are written to, and what for.
    pub(super) fn written_for(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        self.write.iter().map(|place| (place.path.as_path(), place.why))
    }

    /// Files that the configuration names, and that must be there.
    pub(super) fn named_files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    fn writes(&mut self, path: &Path, why: &'static str) {
        self.write.push(Place { path: real(path), why });
    }

    fn reads(&mut self, path: &Path, why: &'static str) {
        let path = real(path);
        if !self.read.iter().any(|place| place.path == path) {
            self.read.push(Place { path, why });
        }
    }

    /// A file, by its folder if that is not the system's.
    fn named(&mut self, file: Option<&Path>, why: &'static str) {
        let Some(file) = file.filter(|file| file.exists()) else { return };
        self.files.push(file.to_owned());
        // A link is read where it lies and where it leads to.
        for file in [std::path::absolute(file).unwrap_or_else(|_| file.to_owned()), real(file)] {
            match file.parent().filter(|folder| !is_of_the_system(folder)) {
                Some(folder) => self.reads(folder, why),
                None => self.reads(&file, why),
            }
        }
    }
}

fn paths(places: &[Place]) -> Vec<&Path> {
    places.iter().map(|place| place.path.as_path()).collect()
}

/// Whether a folder holds what is nobody's in particular: never given away, never opened as a whole
/// for a file in it.
pub(super) fn is_of_the_system(folder: &Path) -> bool {
    let folder = real(folder);
    folder.components().count() <= 2 || SHARED.iter().any(|shared| folder == Path::new(shared))
}

/// The path as the kernel sees it; what is not there yet stays as it is written.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

/// Besides `/` and everything directly below it.
const SHARED: [&str; 8] = [
    "/var/lib",
    "/var/log",
    "/var/tmp",
    "/var/cache",
    "/run/user",
    "/usr/local",
    "/etc/ssl/private",
    "/usr/share",
];
/// Programs and libraries: the reader of Windows images, name services, certificates of public
/// authorities, time zones.
const RUN: &[(&str, &str)] = &[
    ("/usr", "programs and libraries"),
    ("/bin", "programs"),
    ("/sbin", "programs"),
    ("/lib", "libraries"),
    ("/lib64", "libraries"),
    ("/nix/store", "programs and libraries"),
];
const READ: &[(&str, &str)] = &[
    ("/proc", "the limits of the own processor time and memory"),
    ("/sys/fs/cgroup", "the limits of the own processor time"),
    ("/sys/devices/system/cpu", "the number of processors"),
    ("/run/systemd/resolve", "name servers"),
    ("/run/NetworkManager", "name servers"),
    ("/run/resolvconf", "name servers"),
    ("/run/nscd", "names"),
    ("/var/lib/sss/pubconf", "Kerberos realms"),
    ("/var/lib/sss/mc", "names"),
    ("/var/lib/ca-certificates", "certificates of authorities"),
];
/// As root, where `/etc/shadow` is an own file.
const ETC: &[(&str, &str)] = &[
    ("/etc/resolv.conf", "name servers"),
    ("/etc/hosts", "names"),
    ("/etc/host.conf", "names"),
    ("/etc/nsswitch.conf", "names"),
    ("/etc/gai.conf", "the order of addresses"),
    ("/etc/services", "names"),
    ("/etc/passwd", "names of users"),
    ("/etc/group", "names of groups"),
    ("/etc/localtime", "the time zone"),
    ("/etc/ld.so.cache", "libraries"),
    ("/etc/ld.so.preload", "libraries"),
    ("/etc/ssl/certs", "certificates of authorities"),
    ("/etc/ssl/openssl.cnf", "certificates of authorities"),
    ("/etc/pki", "certificates of authorities"),
    ("/etc/ca-certificates", "certificates of authorities"),
    ("/etc/krb5.conf", "Kerberos realms"),
    ("/etc/krb5.conf.d", "Kerberos realms"),
    ("/etc/gss", "Kerberos libraries"),
    ("/etc/locale.alias", "the helper's language"),
];
const DEVICES: &[(&str, &str)] = &[
    ("/dev/null", "the helper's input"),
    ("/dev/zero", "libraries"),
    ("/dev/urandom", "keys"),
    ("/dev/random", "keys"),
    ("/dev/tty", "progress on a terminal"),
];
/// Environment variables that tell libraries where their files are.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("KRB5_CONFIG", "Kerberos realms"),
    ("KRB5_KTNAME", "a keytab"),
    ("KRB5_CLIENT_KTNAME", "a keytab"),
    ("SSL_CERT_FILE", "certificates of authorities"),
    ("SSL_CERT_DIR", "certificates of authorities"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "the object storage's key"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "the object storage's key"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_below_a_named_one_is_within_reach_and_its_neighbour_is_not() {
        let reach = Reach::of_folders(&[Path::new("/srv/boot")], &[Path::new("/srv/state")]);
        let read = |path: &str| Reach::of_folders(&[Path::new(path)], &[]);
        assert!(reach.lacks(&read("/srv/boot/winpe")).is_empty());
        assert!(reach.lacks(&read("/srv/state")).is_empty());
        assert_eq!(reach.lacks(&read("/srv/boot2")), [("/srv/boot2".into(), "a test")]);
        let written = Reach::of_folders(&[], &[Path::new("/srv/boot")]);
        assert_eq!(reach.lacks(&written), [("/srv/boot".into(), "a test")]);
    }

    #[test]
    fn a_file_stands_for_its_folder_unless_that_is_the_systems() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "x").unwrap();
        let mut reach = Reach::default();
        reach.named(Some(&file), "a test");
        assert!(reach.read().contains(&folder.path()));
        let mut reach = Reach::default();
        reach.named(Some(Path::new("/etc/passwd")), "a test");
        assert!(reach.read().iter().all(|path| *path == Path::new("/etc/passwd")));
    }

    #[test]
    fn folders_that_everybody_uses_are_known() {
        for folder in ["/", "/etc", "/var", "/var/lib", "/var/log", "/tmp", "/usr/local"] {
            assert!(is_of_the_system(Path::new(folder)), "{folder}");
        }
        for folder in ["/var/lib/netbootd", "/etc/netbootd", "/srv/netboot/images"] {
            assert!(!is_of_the_system(Path::new(folder)), "{folder}");
        }
    }
}
