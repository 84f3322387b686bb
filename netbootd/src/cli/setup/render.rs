//! The configuration of the answers: the tables that most operators want, each with an explanation.

use std::fmt::Write;
use std::path::Path;

use netbootd_config::{BUILT_IN, Mode};

use super::answers::{Answers, IMAGES, STATE_DIR};
use super::site::{Secret, Site};

/// The text of the configuration.
pub(super) fn render(answers: &Answers) -> String {
    let mut text = HEAD.to_owned();
    match answers.interfaces.as_slice() {
        [] => text.push_str("# interfaces = [\"eth0\"]\n"),
        names => {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            text.push_str(&format!("interfaces = [{}]\n", names.join(", ")));
        }
    }
    if answers.state_dir != Path::new(STATE_DIR) {
        text.push_str(&format!(
            "# Leases, the ledger, and the images that Macs selected.\nstate-dir = {}\n",
            path(&answers.state_dir)
        ));
    }
    text.push_str(LOG);
    text.push_str(&dhcp(answers));
    text.push_str(&format!("{BOOT}root = {}\n{STORE}", path(&answers.root)));
    match answers.images == answers.state_dir.join(IMAGES) {
        true => text.push_str(&format!("# folder = {}\n", path(&answers.images))),
        false => text.push_str(&format!("folder = {}\n", path(&answers.images))),
    }
    text.push_str(&status(answers.token));
    text.push_str(&site(answers.site.as_ref()));
    if answers.mode == Mode::Off {
        // Macs get images; rules are not used.
        return text;
    }
    text.push_str(RULES);
    // The same rules and files as without a configuration.
    let at = BUILT_IN.find("[[rule]]").unwrap_or_default();
    text.push_str(&BUILT_IN[at..]);
    text
}

/// The file of the status page's token, beside the configuration.
pub(super) const TOKEN_FILE: &str = "status.token";
/// The file that a typed password is written to, beside the configuration.
pub(super) const PASSWORD_FILE: &str = "configmgr.password";

fn dhcp(answers: &Answers) -> String {
    let word = match answers.mode {
        Mode::Proxy => "proxy",
        Mode::Server => "server",
        Mode::Off => "off",
    };
    let mut text = format!("{DHCP}mode = \"{word}\"\n");
    let Some(addresses) = &answers.addresses else { return text };
    let (subnet, pool) = (quoted(&addresses.subnet.to_string()), quoted(&addresses.pool.to_string()));
    text.push_str(&format!("\n[[dhcp.subnet]]\nsubnet = {subnet}\npool = {pool}\n"));
    match addresses.router {
        Some(router) => text.push_str(&format!("router = {}\n", quoted(&router.to_string()))),
        None => text.push_str("# router = \"10.77.0.254\"\n"),
    }
    match addresses.dns.as_slice() {
        [] => text.push_str("# dns = [\"10.77.0.3\"]\n"),
        dns => {
            let dns: Vec<String> = dns.iter().map(|address| quoted(&address.to_string())).collect();
            text.push_str(&format!("dns = [{}]\n", dns.join(", ")));
        }
    }
    text.push_str(&format!("lease-time = {}\n", quoted(&addresses.lease_time)));
    text
}

fn status(token: bool) -> String {
    let off = if token { "" } else { "# " };
    format!("{STATUS}{off}[status]\n{off}token-file = \"{TOKEN_FILE}\"\n")
}

fn site(site: Option<&Site>) -> String {
    let Some(site) = site else { return format!("{SITE}{NO_SITE}") };
    let mut text = format!("{SITE}[configmgr]\nurl = {}\n", quoted(&site.url));
    let mut set = |key: &str, value: String| {
        // A String takes everything.
        let _ = writeln!(text, "{key} = {value}");
    };
    if let Some(account) = &site.account {
        set("user", quoted(account));
    }
    match &site.secret {
        None => {}
        Some(Secret::KeyTab(file)) => set("keytab", path(file)),
        Some(Secret::PasswordFile(file)) => set("password-file", path(file)),
        Some(Secret::Typed(_)) => set("password-file", quoted(PASSWORD_FILE)),
    }
    if let Some(ca) = &site.ca {
        set("ca", path(ca));
    }
    text
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

const HEAD: &str = r#"# netbootd's configuration. Check it with `netbootd check-config`, reload it with
# `systemctl reload netbootd`, replace it with `netbootd setup --force`.
# All tables and keys: netbootd.toml(5).

[server]
# The interfaces to serve; without this line, every interface that has an IPv4 address.
"#;
const LOG: &str = r#"# The log goes to the journal. With "journald" each fact is a field there
# (journalctl F_MAC=52:54:00:12:34:56); "cmtrace" and "json" are for files. netbootd rotates a log
# file by itself.
# log = "journald"
# log-file = "/var/log/netbootd/netbootd.log"
# log-max-size = "10M"
# log-keep = 5
"#;
const DHCP: &str = r#"
# "proxy": boot machines beside an existing DHCP server. "server": lease addresses too, from
# [[dhcp.subnet]]. "off": Macs only, beside another PXE service.
[dhcp]
"#;
const BOOT: &str = r#"
# Boot programs, kernels and other files for clients; netbootd only reads here.
[boot]
"#;
const STORE: &str = r#"
# The image store, for `netbootd image import`. A folder outside /var/lib/netbootd needs
# ReadWritePaths= in the unit (`systemctl edit netbootd`).
[store]
"#;
const STATUS: &str = r#"
# The status page on http://127.0.0.1:9167/ needs this token for changes, such as approving a
# machine.
"#;
const SITE: &str = r#"
# Configuration Manager's provider, for deployments; `netbootd doctor` checks the connection.
"#;
const NO_SITE: &str = r#"# [configmgr]
# url = "https://cm01.corp.example/AdminService"
# user = "netbootd@CORP.EXAMPLE"
# keytab = "/etc/netbootd/netbootd.keytab"
"#;
const RULES: &str = r#"
# The boot file of each machine: the first rule that matches and whose file exists. Put `vmlinuz`
# and `initrd.img` into the boot folder, and a boot program for each kind of machine.

"#;

#[cfg(test)]
mod tests {
    use netbootd_config::Config;

    use super::super::networks::Addresses;
    use super::*;

    fn parsed(answers: &Answers) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let (config, findings) =
            Config::parse(&render(answers), &folder.path().join("netbootd.toml"), Some(folder.path()))
                .unwrap();
        let said: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        let usual = ["neither in the boot folder", "this host has no interface"];
        let expected = |words: &&str| usual.iter().any(|start| words.starts_with(start));
        assert!(said.iter().all(expected), "{said:?}");
        config
    }

    #[test]
    fn the_package_brings_what_the_defaults_make() {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pkg/netbootd.toml");
        let text = render(&Answers::default());
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&shipped, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(shipped).unwrap(), text);
    }

    #[test]
    fn the_defaults_make_what_is_built_in() {
        let (config, built_in) =
            (parsed(&Answers::default()), Config::built_in(Some(Path::new("/"))).unwrap().0);
        assert_eq!((config.rules, config.files), (built_in.rules, built_in.files));
        assert_eq!(
            (config.dhcp.mode, config.server.interfaces),
            (built_in.dhcp.mode, built_in.server.interfaces)
        );
        assert_eq!((config.server.state_dir, config.store), (built_in.server.state_dir, built_in.store));
    }

    #[test]
    fn every_answer_reaches_the_configuration() {
        let answers = Answers {
            interfaces: vec!["lan0".into()],
            mode: Mode::Server,
            addresses: Some(Addresses {
                subnet: "10.77.0.0/24".parse().unwrap(),
                pool: "10.77.0.100-10.77.0.199".parse().unwrap(),
                router: Some([10, 77, 0, 254].into()),
                dns: vec![[10, 77, 0, 3].into()],
                lease_time: "8h".into(),
            }),
            images: "/data/with \"quotes\"".into(),
            state_dir: "/data/state".into(),
            site: Some(Site {
                url: "https://cm01.corp.example/AdminService".into(),
                account: Some("netbootd@CORP.EXAMPLE".into()),
                secret: None,
                ca: None,
            }),
            ..Answers::default()
        };
        let config = parsed(&answers);
        assert_eq!(config.server.interfaces, ["lan0"]);
        assert_eq!(config.dhcp.subnets[0].subnet.to_string(), "10.77.0.0/24");
        assert_eq!(config.dhcp.subnets[0].router, Some([10, 77, 0, 254].into()));
        assert_eq!(config.dhcp.subnets[0].lease_time.as_secs(), 8 * 3600);
        assert_eq!(config.store_folder(), Path::new("/data/with \"quotes\""));
        assert_eq!(config.server.state_dir, Path::new("/data/state"));
        let site = config.configmgr.unwrap();
        assert_eq!(
            (site.url.as_str(), site.account.user.as_deref()),
            ("https://cm01.corp.example/AdminService", Some("netbootd@CORP.EXAMPLE"))
        );
    }
}
