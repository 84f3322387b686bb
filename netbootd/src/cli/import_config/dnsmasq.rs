//! dnsmasq's lines as tables of netbootd.toml.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use pxe_policy::{ArchType, Class, MacAddr};

/// The configuration as text, with a comment for every line that has no counterpart.
pub(super) fn translate(text: &str, source: &str) -> String {
    let mut found = Found::default();
    for (at, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        if !found.translate(key.trim(), value.trim()) {
            found.left.push(format!("line {}: {line}: {}", at + 1, reason(key.trim())));
        }
    }
    found.render(source)
}

/// The values in the lines.
#[derive(Default)]
struct Found {
    interfaces: Vec<String>,
    root: Option<String>,
    tftp: bool,
    single_port: bool,
    port_range: Option<String>,
    proxy: bool,
    pools: Vec<Pool>,
    router: Option<Ipv4Addr>,
    dns: Vec<Ipv4Addr>,
    domain: Option<String>,
    reservations: Vec<(MacAddr, Option<Ipv4Addr>, Option<String>)>,
    ignored: Vec<MacAddr>,
    tags: BTreeMap<String, Meaning>,
    boots: Vec<Boot>,
    left: Vec<String>,
}

struct Pool {
    net: Ipv4Net,
    range: String,
    lease: Option<String>,
}

/// The condition that a tag stands for.
#[derive(Clone, Default)]
struct Meaning {
    class: Option<Class>,
    archs: BTreeSet<u16>,
}

/// A boot file and the tags that it is for.
struct Boot {
    tags: Vec<String>,
    arch: Option<ArchType>,
    file: String,
    server: Option<Ipv4Addr>,
}

impl Found {
    /// Notes a line; false when it has no counterpart.
    fn translate(&mut self, key: &str, value: &str) -> bool {
        let words: Vec<&str> = value.split(',').map(str::trim).collect();
        let first = words.first().map(|word| (*word).to_owned()).filter(|word| !word.is_empty());
        match key {
            "interface" => self.interfaces.extend(first),
            "enable-tftp" => self.tftp = true,
            "tftp-root" => self.root = first,
            "tftp-single-port" => self.single_port = true,
            "tftp-port-range" => self.port_range = Some(words.join("-")),
            "domain" => self.domain = first,
            // netbootd behaves like this in any case.
            "dhcp-authoritative" | "no-ping" | "dhcp-no-override" | "log-dhcp" | "bind-interfaces" => {}
            _ => return self.take_dhcp(key, &words).is_some(),
        }
        true
    }

    fn take_dhcp(&mut self, key: &str, words: &[&str]) -> Option<()> {
        match key {
            "dhcp-range" => self.range(words),
            "dhcp-option" => self.option(words),
            "dhcp-host" => self.host(words),
            "dhcp-match" => self.tag_of_option(words),
            "dhcp-vendorclass" => self.tag_of_class(words),
            "dhcp-userclass" => match words {
                [set, class] if class.eq_ignore_ascii_case("iPXE") => self.is(set, Class::Ipxe),
                _ => None,
            },
            "dhcp-boot" => self.boot(words),
            "pxe-service" => self.service(words),
            _ => None,
        }
    }

    fn range(&mut self, words: &[&str]) -> Option<()> {
        let addresses: Vec<Ipv4Addr> = words.iter().filter_map(|word| word.parse().ok()).collect();
        if words.contains(&"proxy") {
            self.proxy = true;
            return Some(());
        }
        let (first, last) = (addresses.first()?, addresses.get(1)?);
        // Without a mask dnsmasq takes the interface's own.
        let mask = addresses.get(2).copied().unwrap_or(Ipv4Addr::new(255, 255, 255, 0));
        let net = Ipv4Net::with_netmask(*first, mask).ok()?.trunc();
        let lease = words.last().filter(|word| is_time(word)).map(|word| (*word).to_owned());
        self.pools.push(Pool { net, range: format!("{first}-{last}"), lease });
        Some(())
    }

    fn option(&mut self, words: &[&str]) -> Option<()> {
        let (name, values) = words.split_first()?;
        let addresses: Vec<Ipv4Addr> = values.iter().filter_map(|word| word.parse().ok()).collect();
        match name.trim_start_matches("option:") {
            "3" | "router" => self.router = Some(*addresses.first()?),
            "6" | "dns-server" if addresses.len() == values.len() => self.dns = addresses,
            _ => return None,
        }
        Some(())
    }

    fn host(&mut self, words: &[&str]) -> Option<()> {
        let mac = words.iter().find_map(|word| word.parse::<MacAddr>().ok())?;
        if words.contains(&"ignore") {
            self.ignored.push(mac);
            return Some(());
        }
        let address = words.iter().find_map(|word| word.parse().ok());
        let rest = words.iter().filter(|word| {
            word.parse::<MacAddr>().is_err() && word.parse::<Ipv4Addr>().is_err() && !is_time(word)
        });
        let rest: Vec<&&str> = rest.collect();
        // A tag of one machine is not translated: rules name its address.
        let name = match rest.as_slice() {
            [] => None,
            [name] if !name.contains(':') => Some((**name).to_owned()),
            _ => return None,
        };
        self.reservations.push((mac, address, name));
        Some(())
    }

    fn tag_of_option(&mut self, words: &[&str]) -> Option<()> {
        let [set, option, values @ ..] = words else { return None };
        match (option.trim_start_matches("option:"), values) {
            ("client-arch" | "93", [number]) => self.has_arch(set, number.parse().ok()?),
            // iPXE's own option.
            ("175", []) => self.is(set, Class::Ipxe),
            ("vendor-class" | "60", [class]) => self.tag_of_class(&[set, class]),
            _ => None,
        }
    }

    fn tag_of_class(&mut self, words: &[&str]) -> Option<()> {
        let [set, class] = words else { return None };
        let (name, arch) = class.split_once(":Arch:").unwrap_or((class, ""));
        match name {
            "PXEClient" => self.is(set, Class::Pxe)?,
            "HTTPClient" => self.is(set, Class::Http)?,
            _ => return None,
        }
        match arch.get(..5).and_then(|number| number.parse().ok()) {
            Some(number) => self.has_arch(set, number),
            None => Some(()),
        }
    }

    fn is(&mut self, set: &str, class: Class) -> Option<()> {
        self.tags.entry(tag(set)?).or_default().class = Some(class);
        Some(())
    }

    fn has_arch(&mut self, set: &str, arch: u16) -> Option<()> {
        self.tags.entry(tag(set)?).or_default().archs.insert(arch);
        Some(())
    }

    fn boot(&mut self, words: &[&str]) -> Option<()> {
        let tags: Vec<String> = words.iter().map_while(|word| condition(word)).collect();
        let rest = &words[tags.len()..];
        let file = rest.first().filter(|file| !file.is_empty())?;
        let server = rest.get(2).and_then(|word| word.parse().ok());
        self.boots.push(Boot { tags, arch: None, file: (*file).to_owned(), server });
        Some(())
    }

    fn service(&mut self, words: &[&str]) -> Option<()> {
        let tags: Vec<String> = words.iter().map_while(|word| condition(word)).collect();
        let rest = &words[tags.len()..];
        let arch = service_arch(rest.first()?)?;
        // A number is a type of boot server: 0 is the local disk.
        let file = rest.get(2).filter(|file| !file.is_empty() && file.parse::<u16>().is_err())?;
        // dnsmasq adds the layer to a name without an ending.
        let file = if file.contains('.') { (*file).to_owned() } else { format!("{file}.0") };
        let server = rest.get(3).and_then(|word| word.parse().ok());
        self.boots.push(Boot { tags, arch: Some(arch), file, server });
        Some(())
    }

    fn render(mut self, source: &str) -> String {
        let source = plain(source);
        let mut text = format!("# Translated from {source} by netbootd import-config dnsmasq.\n");
        text.push_str("# Check it with `netbootd check-config` before use.\n");
        let rules = self.rules();
        if !self.interfaces.is_empty() {
            let names: Vec<String> = self.interfaces.iter().map(|name| quoted(name)).collect();
            put(&mut text, format!("\n[server]\ninterfaces = [{}]\n", names.join(", ")));
        }
        self.dhcp(&mut text);
        if let Some(root) = &self.root {
            put(&mut text, format!("\n[boot]\nroot = {}\n", quoted(root)));
        }
        self.tftp(&mut text);
        if !self.ignored.is_empty() {
            let macs: Vec<String> = self.ignored.iter().map(|mac| quoted(&mac.to_string())).collect();
            put(&mut text, format!("\n[policy]\nbanned-macs = [{}]\n", macs.join(", ")));
        }
        text.push_str(&rules);
        if !self.left.is_empty() {
            text.push_str("\n# Not translated:\n");
            self.left.iter().for_each(|line| put(&mut text, format!("# {}\n", plain(line))));
        }
        text
    }

    fn dhcp(&mut self, text: &mut String) {
        let mode = if self.pools.is_empty() { "proxy" } else { "server" };
        if self.proxy && !self.pools.is_empty() {
            self.left.push("dhcp-range with `proxy` beside others: dhcp.mode is one for all networks".into());
        }
        put(text, format!("\n[dhcp]\nmode = \"{mode}\"\n"));
        let mut rest = std::mem::take(&mut self.reservations);
        for pool in &self.pools {
            put(text, format!("\n[[dhcp.subnet]]\nsubnet = \"{}\"\npool = \"{}\"\n", pool.net, pool.range));
            if let Some(router) = self.router.filter(|router| pool.net.contains(router)) {
                put(text, format!("router = \"{router}\"\n"));
            }
            if !self.dns.is_empty() {
                let dns: Vec<String> = self.dns.iter().map(|address| format!("\"{address}\"")).collect();
                put(text, format!("dns = [{}]\n", dns.join(", ")));
            }
            if let Some(domain) = &self.domain {
                put(text, format!("domain = {}\n", quoted(domain)));
            }
            if let Some(lease) = &pool.lease {
                let lease = if lease == "infinite" { "365d" } else { lease };
                put(text, format!("lease-time = \"{lease}\"\n"));
            }
            rest.retain(|(mac, address, name)| {
                let Some(address) = address.filter(|address| pool.net.contains(address)) else { return true };
                put(text, "\n[[dhcp.subnet.reservation]]\n".into());
                put(text, format!("mac = \"{mac}\"\naddress = \"{address}\"\n"));
                if let Some(name) = name {
                    put(text, format!("name = {}\n", quoted(name)));
                }
                false
            });
        }
        for (mac, _, name) in rest {
            let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
            self.left
                .push(format!("dhcp-host {mac}{name}: no address in a pool's network; use a device file"));
        }
    }

    fn tftp(&self, text: &mut String) {
        let mut table = String::new();
        if !self.tftp {
            table.push_str("enabled = false\n");
        }
        if self.single_port {
            table.push_str("single-port = true\n");
        }
        if let Some(range) = &self.port_range {
            put(&mut table, format!("port-range = {}\n", quoted(range)));
        }
        if !table.is_empty() {
            put(text, format!("\n[tftp]\n{table}"));
        }
    }

    /// Rules, those with the most conditions first: dnsmasq prefers them too.
    fn rules(&mut self) -> String {
        let mut rules: Vec<(usize, String)> = Vec::new();
        for (at, boot) in self.boots.iter().enumerate() {
            let (mut class, mut archs, mut unknown) = (None, BTreeSet::new(), None);
            archs.extend(boot.arch.map(|arch| arch.0));
            for tag in &boot.tags {
                match (tag.strip_prefix('!'), self.tags.get(tag.trim_start_matches('!'))) {
                    (None, Some(meaning)) => {
                        class = meaning.class.or(class);
                        archs.extend(&meaning.archs);
                    }
                    // Firmware alone is not iPXE.
                    (Some(_), Some(Meaning { class: Some(Class::Ipxe), .. })) => {
                        class = class.or(Some(Class::Pxe));
                    }
                    _ => unknown = Some(tag.clone()),
                }
            }
            if let Some(tag) = unknown {
                self.left.push(format!("boot file {}: nothing known of the tag {tag}", boot.file));
                continue;
            }
            let class = class.unwrap_or(if boot.file.contains("://") { Class::Http } else { Class::Pxe });
            let conditions = usize::from(class != Class::Pxe) * 2 + usize::from(!archs.is_empty());
            let mut text = format!("\n[[rule]]\nname = \"dnsmasq-{}\"\n", at + 1);
            let archs: Vec<String> =
                archs.into_iter().map(|arch| quoted(&ArchType(arch).to_string())).collect();
            let arch = match archs.as_slice() {
                [] => String::new(),
                [one] => format!(", arch = {one}"),
                several => format!(", arch = [{}]", several.join(", ")),
            };
            put(&mut text, format!("match = {{ class = \"{class}\"{arch} }}\n"));
            let server =
                boot.server.map(|server| format!(", next-server = \"{server}\"")).unwrap_or_default();
            put(&mut text, format!("action.boot = {{ file = {}{server} }}\n", quoted(&boot.file)));
            rules.push((conditions, text));
        }
        rules.sort_by_key(|(conditions, _)| std::cmp::Reverse(*conditions));
        rules.into_iter().map(|(_, text)| text).collect()
    }
}

/// `set:name`, or the name alone.
fn tag(set: &str) -> Option<String> {
    let name = set.strip_prefix("set:").or_else(|| set.strip_prefix("net:")).unwrap_or(set);
    (!name.is_empty()).then(|| name.to_owned())
}

/// `tag:name` before a boot file.
fn condition(word: &str) -> Option<String> {
    word.strip_prefix("tag:").or_else(|| word.strip_prefix("net:")).map(str::to_owned)
}

/// Client system architectures of pxe-service.
fn service_arch(name: &str) -> Option<ArchType> {
    Some(match name {
        "x86PC" => ArchType::X86_BIOS,
        "IA32_EFI" => ArchType::IA32_UEFI,
        "X86-64_EFI" | "BC_EFI" => ArchType::X64_UEFI,
        "ARM64_EFI" => ArchType::ARM64_UEFI,
        number => ArchType(number.parse().ok()?),
    })
}

fn is_time(word: &&str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    *word == "infinite"
        || (!digits.is_empty() && digits.len() + 1 == word.len() && digits.parse::<u32>().is_ok())
}

fn reason(key: &str) -> &'static str {
    match key {
        "server" | "address" | "local" | "port" | "no-resolv" | "resolv-file" | "expand-hosts" | "cname"
        | "host-record" | "cache-size" | "no-hosts" | "addn-hosts" | "listen-address" => {
            "netbootd serves no DNS"
        }
        "conf-dir" | "conf-file" => "translate the files of this line as well",
        "pxe-prompt" => "see policy.prompt in netbootd.toml(5)",
        "dhcp-script" => "see [[webhook]] in netbootd.toml(5)",
        _ => "no counterpart, or not understood",
    }
}

/// TOML allows no control characters in comments.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn put(text: &mut String, more: String) {
    // A String takes everything.
    let _ = text.write_str(&more);
}

#[cfg(test)]
mod tests;
