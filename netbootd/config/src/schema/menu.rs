//! The boot menu, and the boot files of a rule.

use std::fmt;
use std::path::PathBuf;

use pxe_policy::{ArchType, ImageSelector};
use serde::de::{Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::{Lasting, OneOrMany, Text};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Menu {
    pub(crate) enabled: Option<bool>,
    pub(crate) firmware: bool,
    pub(crate) title: Option<Spanned<String>>,
    pub(crate) timeout: Option<Spanned<Text<Lasting>>>,
    pub(crate) default: Option<String>,
    pub(crate) images: OneOrMany<Text<ImageSelector>>,
    pub(crate) hidden: OneOrMany<Text<ImageSelector>>,
    pub(crate) protected: Option<Spanned<OneOrMany<Text<ImageSelector>>>>,
    pub(crate) password_file: Option<Spanned<PathBuf>>,
}

/// Boot files: one, a list, or by architecture either of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct BootFiles {
    pub(crate) any: Vec<String>,
    pub(crate) by_arch: Vec<(ArchType, Vec<String>)>,
}

impl<'de> Deserialize<'de> for BootFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = BootFiles;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a path, a list of paths, or paths by architecture: { x64-uefi = \"grubx64.efi\" }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BootFiles, E> {
        Ok(BootFiles { any: vec![text.to_owned()], by_arch: Vec::new() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BootFiles, A::Error> {
        let mut files = BootFiles::default();
        while let Some(file) = seq.next_element()? {
            files.any.push(file);
        }
        Ok(files)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BootFiles, A::Error> {
        let mut files = BootFiles::default();
        while let Some(arch) = map.next_key::<String>()? {
            let arch = match arch.as_str() {
                "bios" => ArchType::X86_BIOS,
                arch => Text::<ArchType>::deserialize(arch.into_deserializer())?.0,
            };
            files.by_arch.push((arch, map.next_value::<OneOrMany<String>>()?.0));
        }
        Ok(files)
    }
}
