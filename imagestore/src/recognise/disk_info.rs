//! `.disk/info` of Debian, Ubuntu and their relatives.

use super::is_version;

/// The name, version and architecture in a line such as
/// `Debian GNU/Linux 12.7.0 "Bookworm" - Official amd64 NETINST 20240831-10:38`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DiskInfo {
    pub(super) product: String,
    pub(super) version: String,
    pub(super) arch: String,
}

impl DiskInfo {
    pub(super) fn parse(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| is_version(word));
        let version = at.map(|at| words[at]).unwrap_or_default().to_owned();
        let end = at.unwrap_or_else(|| {
            words.iter().position(|word| word.starts_with('"') || *word == "-").unwrap_or(words.len())
        });
        let named = words[..end].iter().filter(|word| !matches!(**word, "Official" | "GNU/Linux"));
        let product = named.map(|word| word.replace('-', " ")).collect::<Vec<_>>().join(" ");
        let arch = words.iter().find(|word| ARCHITECTURES.contains(word));
        DiskInfo { product, version, arch: arch.map(|word| (*word).to_owned()).unwrap_or_default() }
    }
}

const ARCHITECTURES: [&str; 12] = [
    "amd64",
    "i386",
    "arm64",
    "armhf",
    "armel",
    "ppc64el",
    "s390x",
    "riscv64",
    "mips64el",
    "mipsel",
    "multi-arch",
    "x86_64",
];
