//! The files that a script of a boot loader names: iPXE's, GRUB's and PXELINUX's. Pure.

use std::collections::BTreeMap;

/// A file that a script names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// The command that names the file, such as `kernel` or `initrd`.
    pub(super) by: String,
    pub(super) file: String,
}

/// The files of a script, in its order; none of a text that is no script.
pub(super) fn names(path: &str, text: &str) -> Vec<Named> {
    let lower = path.to_ascii_lowercase();
    if text.starts_with("#!ipxe") {
        ipxe(text)
    } else if lower.ends_with("grub.cfg") || lower.contains("grub.cfg-") {
        grub(text)
    } else if lower.contains("pxelinux.cfg/") || lower.ends_with("syslinux.cfg") {
        pxelinux(text)
    } else {
        Vec::new()
    }
}

fn named(by: &str, file: &str) -> Named {
    Named { by: by.to_owned(), file: file.trim_matches(['"', '\'']).to_owned() }
}

fn ipxe(text: &str) -> Vec<Named> {
    let mut set: BTreeMap<String, String> = BTreeMap::new();
    let mut found = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or(line)) {
        // `cmd a || cmd b` and `cmd a && cmd b` are commands of their own.
        for command in line.split("||").flat_map(|part| part.split("&&")) {
            let words: Vec<String> = command.split_whitespace().map(|word| replaced(word, &set)).collect();
            let Some(verb) = words.first().map(String::as_str) else { continue };
            match verb {
                "set" => {
                    if let (Some(name), Some(value)) = (words.get(1), words.get(2)) {
                        set.insert(name.clone(), value.clone());
                    }
                }
                "kernel" | "initrd" | "module" | "imgfetch" | "imgload" | "chain" | "boot" | "sanboot"
                | "imgselect" | "shim" => {
                    let arguments = words.iter().skip(1).scan(false, |skips, word| {
                        // The value of an option that takes one.
                        if std::mem::take(skips) {
                            return Some(None);
                        }
                        *skips =
                            matches!(word.as_str(), "-n" | "--name" | "-t" | "--timeout" | "--drive" | "-d");
                        Some((!word.starts_with('-')).then_some(word))
                    });
                    if let Some(file) = arguments.flatten().next() {
                        found.push(named(verb, file));
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Replaces the variables that the script itself has set; the others stay.
fn replaced(word: &str, set: &BTreeMap<String, String>) -> String {
    let mut text = word.to_owned();
    for (name, value) in set {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    text
}

fn grub(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let mut words = line.split_whitespace();
        let Some(verb) = words.next() else { continue };
        let files: Vec<&str> = match verb {
            "linux" | "linuxefi" | "linux16" | "chainloader" | "configfile" | "source" | "multiboot"
            | "multiboot2" | "module" | "module2" => {
                words.find(|word| !word.starts_with('-')).into_iter().collect()
            }
            "initrd" | "initrdefi" | "initrd16" => words.collect(),
            _ => continue,
        };
        for file in files {
            // `(http,10.0.0.1)/path` and `(tftp)/path` are of a server; the others are disks.
            let file = match file.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                Some((device, path)) if device.starts_with("http") || device.starts_with("tftp") => path,
                Some(_) => continue,
                None => file,
            };
            found.push(named(verb, file));
        }
    }
    found
}

fn pxelinux(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        let Some((verb, rest)) = line.split_once(char::is_whitespace) else { continue };
        let first = rest.split_whitespace().next().unwrap_or_default();
        match verb.to_ascii_lowercase().as_str() {
            word @ ("kernel" | "linux" | "config" | "include") if !first.is_empty() => {
                found.push(named(word, first));
            }
            word @ "initrd" => found.extend(rest.split(',').map(|file| named(word, file.trim()))),
            "append" => {
                let initrds = rest.split_whitespace().filter_map(|word| word.strip_prefix("initrd="));
                found.extend(initrds.flat_map(|list| list.split(',')).map(|file| named("initrd", file)));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(path: &str, text: &str) -> Vec<String> {
        names(path, text).into_iter().map(|named| format!("{} {}", named.by, named.file)).collect()
    }

    #[test]
    fn files_of_each_loader_are_found_in_order() {
        let ipxe = "#!ipxe\nset base http://10.0.0.1/deb\n# kernel no\nkernel ${base}/vmlinuz quiet || goto end\n\
                    initrd --name initrd.gz ${base}/initrd.gz\nchain --autofree ${net0/mac}.ipxe && echo no\nboot\n";
        assert_eq!(
            files("boot.ipxe", ipxe),
            [
                "kernel http://10.0.0.1/deb/vmlinuz",
                "initrd http://10.0.0.1/deb/initrd.gz",
                "chain ${net0/mac}.ipxe"
            ]
        );
        let grub = "menuentry 'x' {\n  linux (http,10.0.0.1)/deb/vmlinuz quiet\n  initrd /a.gz \"/b.gz\"\n}\nconfigfile (hd0,1)/grub.cfg\n";
        assert_eq!(files("grub/grub.cfg", grub), ["linux /deb/vmlinuz", "initrd /a.gz", "initrd /b.gz"]);
        let pxelinux = "DEFAULT x\nLABEL x\n  KERNEL deb/linux\n  APPEND initrd=deb/a.gz,deb/b.gz quiet\n";
        assert_eq!(
            files("pxelinux.cfg/default", pxelinux),
            ["kernel deb/linux", "initrd deb/a.gz", "initrd deb/b.gz"]
        );
        assert!(files("readme", "kernel x").is_empty());
    }
}
