//! Reads from a boot program's configuration what it loads and which system it starts: scripts of
//! iPXE, configurations of GRUB, PXELINUX and U-Boot.
//!
//! Only what is plain to see: no variable is expanded, and no condition is decided.

use crate::file::FileKind;

/// The contents of a boot program's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Whether it gives the system a fixed address: such a system asks no DHCP server.
    pub fixed_address: bool,
    /// Whether its first line is `#!ipxe`, without which iPXE starts no script.
    pub is_ipxe_script: bool,
    /// Whether somebody may choose among several entries.
    pub is_menu: bool,
    /// The files that it loads, in order; at most [`MAX_LOADS`].
    pub loads: Vec<Load>,
}

/// A line that loads a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The number of the line, from 1 on.
    pub line: usize,
    /// The line, cut to [`MAX_TEXT`] characters.
    pub text: String,
    /// The role of the file that the line loads.
    pub what: Loaded,
    /// The file as it is written: a path or a URL, with variables as they stand.
    pub target: String,
    /// The kernel's arguments name an initial RAM disk (`initrd=`).
    pub wants_initrd: bool,
    /// The kernel's arguments name a root file system (`root=`).
    pub has_root: bool,
}

/// The kind of file that a line loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// A kernel: `kernel`, `linux`, `KERNEL`.
    Kernel,
    /// An initial RAM disk.
    Initrd,
    /// A program or another configuration.
    Next,
}

impl Configuration {
    /// Reads a configuration of iPXE, GRUB or SYSLINUX; any bytes give a value.
    pub fn parse(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let is_ipxe_script = text.starts_with("#!ipxe") || text.starts_with("#!gpxe");
        let mut configuration =
            Configuration { fixed_address: fixes_address(&text), is_ipxe_script, ..Configuration::default() };
        let mut entries = 0;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.starts_with(['#', ':']) {
                continue;
            }
            for command in line.split("&&").flat_map(|part| part.split("||")) {
                let words: Vec<&str> = command.split_whitespace().map(unquoted).collect();
                let Some((verb, rest)) = words.split_first() else { continue };
                let verb = verb.to_ascii_lowercase();
                configuration.is_menu |= verb == "choose";
                entries += usize::from(matches!(verb.as_str(), "menuentry" | "label"));
                configuration.add(number, line, &verb, rest);
            }
        }
        configuration.is_menu |= entries > 1;
        configuration
    }

    fn add(&mut self, line: usize, text: &str, verb: &str, words: &[&str]) {
        let what = match verb {
            "kernel" | "linux" | "linuxefi" | "linux16" | "multiboot" | "multiboot2" => Loaded::Kernel,
            "initrd" | "initrdefi" | "initrd16" | "append" => Loaded::Initrd,
            "chain" | "imgexec" | "chainloader" | "configfile" | "config" | "include" | "com32" | "boot" => {
                Loaded::Next
            }
            _ => return,
        };
        let argument = |word: &&str| word.strip_prefix("initrd=").map(str::to_owned);
        let files: Vec<String> = match (verb, what) {
            ("append", _) => words.iter().filter_map(argument).collect(),
            // The words behind iPXE's first one are arguments.
            (_, Loaded::Initrd) if !self.is_ipxe_script => {
                words.iter().filter(|word| !word.starts_with('-')).map(|word| (*word).to_owned()).collect()
            }
            _ => first_file(words).map(str::to_owned).into_iter().collect(),
        };
        // PXELINUX separates several RAM disks by commas.
        let files = files.iter().flat_map(|file| match what {
            Loaded::Initrd if !file.contains("://") => file.split(',').map(str::to_owned).collect(),
            _ => vec![file.clone()],
        });
        for target in files.map(|file| file_of(&file)).filter(|file| !file.is_empty()) {
            if self.loads.len() >= MAX_LOADS {
                return;
            }
            self.loads.push(Load {
                line,
                text: text.chars().take(MAX_TEXT).filter(|c| !c.is_control()).collect(),
                what,
                target,
                wants_initrd: what == Loaded::Kernel && words.iter().any(|word| argument(word).is_some()),
                has_root: words.iter().any(|word| word.starts_with("root=")),
            });
        }
    }

    /// The line that names a path of the boot tree.
    pub(crate) fn names(&self, path: &str) -> Option<&Load> {
        self.loads.iter().find(|load| load.is(path))
    }

    /// Whether a line may name a path: as it is written, or by variables.
    pub(crate) fn may_name(&self, path: &str) -> bool {
        let kind = match FileKind::from_path(path) {
            FileKind::Kernel => Loaded::Kernel,
            FileKind::Initrd => Loaded::Initrd,
            _ => Loaded::Next,
        };
        let by_variable = |load: &Load| load.target.rsplit('/').next().is_some_and(|name| name.contains('$'));
        self.names(path).is_some() || self.loads.iter().any(|load| load.what == kind && by_variable(load))
    }

    /// Whether any line loads this.
    pub(crate) fn loads(&self, what: Loaded) -> bool {
        self.loads.iter().any(|load| load.what == what)
    }
}

impl Load {
    /// The host of its URL, if it is one that is written out.
    pub(crate) fn host(&self) -> Option<&str> {
        let host = host_of(&self.target)?;
        (!host.contains('$')).then_some(host)
    }

    /// Whether it may lead to this path of the boot tree.
    fn is(&self, path: &str) -> bool {
        let target = match self.target.split_once("://") {
            Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
            None => &self.target,
        };
        // The part behind the last variable is written out.
        let target = target.rsplit_once('}').map_or(target, |(_, rest)| rest);
        let plain = |text: &str| text.replace('\\', "/").trim_start_matches(['/', '.']).to_ascii_lowercase();
        let (target, path) = (plain(target), plain(path));
        let before = path.strip_suffix(&target);
        !target.is_empty() && before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }
}

/// The host of a URL, without its port.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(six) => six.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    (!host.is_empty()).then_some(host)
}

/// The first word that is no option of iPXE's commands.
fn first_file<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match *word {
            "--name" | "-n" | "--timeout" | "-t" => {
                rest.next();
            }
            word if word.starts_with('-') => {}
            word => return Some(word),
        }
    }
    None
}

/// GRUB's `(http,10.0.0.1)/vmlinuz` as a URL, and `(tftp)/vmlinuz`, `($root)/vmlinuz` as paths.
fn file_of(word: &str) -> String {
    let Some((device, path)) = word.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
        return word.chars().take(MAX_TEXT).collect();
    };
    let file = match device.split_once(',') {
        Some((scheme @ ("http" | "tftp"), host)) => format!("{scheme}://{host}{path}"),
        _ => path.to_owned(),
    };
    file.chars().take(MAX_TEXT).collect()
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// Kernel arguments of Linux (`ip=10.0.0.5::10.0.0.1:...`), of installers, and of their answer
/// files.
fn fixes_address(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '&' | '?'));
    words.any(|word| {
        let Some((name, value)) = word.split_once('=') else { return false };
        match name {
            "ip" | "ipaddr" | "ipaddress" | "hostip" | "netcfg/get_ipaddress" => is_address(value),
            "ifcfg" => value.split(['=', ',']).any(is_address),
            "netcfg/disable_autoconfig" | "netcfg/disable_dhcp" => value == "true",
            _ => false,
        }
    })
}

/// Whether a value begins with an address. `dhcp`, `auto6` and the like do not; `::` and
/// `:::::eth0:dhcp` leave the address out.
fn is_address(value: &str) -> bool {
    let value = value.trim_start_matches('[');
    let first = value.split([':', '/']).next().unwrap_or_default();
    first.parse::<std::net::Ipv4Addr>().is_ok()
        || value.split([']', '/']).next().is_some_and(|six| {
            six.parse::<std::net::Ipv6Addr>().is_ok_and(|address| !address.is_unspecified())
        })
}

/// More entries than a menu on a screen has.
const MAX_LOADS: usize = 64;
/// Characters of a line or a name that are kept.
const MAX_TEXT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_address_is_told_from_dhcp() {
        let fixed = [
            "kernel vmlinuz ip=10.0.0.5::10.0.0.1:255.255.255.0:pc1:eno1:none",
            "append initrd=i.img IP=10.0.0.5 quiet",
            "linux /vmlinuz \"ip=[2001:db8::5]::[2001:db8::1]:64::eno1:none\"",
            "append ifcfg=eth0=10.0.0.5/24,10.0.0.1",
            "linux /linux netcfg/disable_autoconfig=true netcfg/get_ipaddress=10.0.0.5",
        ];
        for text in fixed {
            assert!(fixes_address(text), "{text}");
        }
        let asked = [
            "kernel vmlinuz ip=dhcp",
            "kernel vmlinuz ip=:::::eno1:dhcp rd.neednet=1",
            "append ip=::::pc1::dhcp ifcfg=*=dhcp",
            "imgfetch http://10.0.0.1/report?link=up&ip=${net0/ip}",
            "set skip=10.0.0.5\nchain http://10.0.0.5/boot.ipxe",
            "",
        ];
        for text in asked {
            assert!(!fixes_address(text), "{text}");
        }
        assert!(!Configuration::parse(&[0xff, 0, b'=', 1]).fixed_address);
    }

    fn loads(text: &str) -> Vec<(usize, Loaded, String)> {
        let loads = Configuration::parse(text.as_bytes()).loads;
        loads.into_iter().map(|load| (load.line, load.what, load.target)).collect()
    }

    #[test]
    fn each_language_names_what_it_loads() {
        use Loaded::{Initrd, Kernel, Next};
        type Wanted = (usize, Loaded, &'static str);
        let table: [(&str, &[Wanted]); 5] = [
            (
                "#!ipxe\n# kernel no\nset base http://10.0.0.1\nkernel --name linux ${base}/vmlinuz quiet || goto failed\n\
                 initrd http://10.0.0.9:81/initrd.img x\nisset ${a} && chain --autofree menu.ipxe ||\nboot",
                &[
                    (4, Kernel, "${base}/vmlinuz"),
                    (5, Initrd, "http://10.0.0.9:81/initrd.img"),
                    (6, Next, "menu.ipxe"),
                ],
            ),
            (
                "menuentry 'Debian' {\n  linux (http,10.0.0.9)/vmlinuz root=/dev/sda1\n  initrd ($root)/initrd.img \"/ucode.img\"\n}",
                &[
                    (2, Kernel, "http://10.0.0.9/vmlinuz"),
                    (3, Initrd, "/initrd.img"),
                    (3, Initrd, "/ucode.img"),
                ],
            ),
            (
                "DEFAULT linux\nLABEL linux\n  KERNEL debian/vmlinuz\n  APPEND initrd=debian/a.gz,b.gz ip=dhcp",
                &[(3, Kernel, "debian/vmlinuz"), (4, Initrd, "debian/a.gz"), (4, Initrd, "b.gz")],
            ),
            ("configfile /grub/${net_default_mac}.cfg", &[(1, Next, "/grub/${net_default_mac}.cfg")]),
            ("kernel\ninitrd -\nboot\nappend quiet\nchain --name", &[]),
        ];
        for (text, wanted) in table {
            let wanted: Vec<_> =
                wanted.iter().map(|(line, what, file)| (*line, *what, (*file).to_owned())).collect();
            assert_eq!(loads(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_line_is_known_by_the_path_that_a_client_asks_for() {
        let text = "#!ipxe\nkernel http://10.0.0.1/debian/vmlinuz initrd=i.img\ninitrd ${base}/live/i.img";
        let script = Configuration::parse(text.as_bytes());
        let line = |path: &str| script.names(path).map(|load| load.line);
        assert_eq!(line("/debian/vmlinuz"), Some(2));
        assert_eq!((line("/live/i.img"), line("/other/live/i.img")), (Some(3), Some(3)));
        assert_eq!((line("/vmlinuz"), line("/xlive/i.img"), line("")), (None, None, None));
        assert!(script.is_ipxe_script && script.loads[0].wants_initrd && !script.is_menu);
        assert_eq!((script.loads[0].host(), script.loads[1].host()), (Some("10.0.0.1"), None));
        assert_eq!(host_of("http://[fd77::1]:80/x"), Some("fd77::1"));
    }

    #[test]
    fn a_long_configuration_is_bounded() {
        let text = format!("kernel {}\n", "x".repeat(10_000)).repeat(1000);
        let configuration = Configuration::parse(text.as_bytes());
        assert_eq!(configuration.loads.len(), MAX_LOADS);
        assert!(
            configuration
                .loads
                .iter()
                .all(|load| load.text.len() <= MAX_TEXT && load.target.len() <= MAX_TEXT)
        );
        assert!(Configuration::parse(b"label a\nlabel b").is_menu);
        assert!(Configuration::parse(b"#!ipxe\nchoose x || exit").is_menu);
    }
}
