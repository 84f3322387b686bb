//! The operator's rules: which machines, and what they get.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::{
    AddressRange, ArchType, BootRequest, Class, Generation, ImageOffer, KernelBoot, MacPattern, SystemUuid,
};

/// The rules in the operator's order; the first that matches and can be carried out wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

/// One rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for the log.
    pub name: String,
    /// Which machines it is for.
    pub matches: Match,
    /// The action for machines that match.
    pub action: Action,
}

/// Which machines a rule is for. An empty list says nothing; the lists that are filled must all
/// hold, each by any one of its items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Match {
    /// Hardware addresses, or their first bytes.
    pub mac: Vec<MacPattern>,
    /// Words that operators gave the machine.
    pub tags: Vec<String>,
    /// GUIDs, of which one has to fit.
    pub uuid: Vec<SystemUuid>,
    /// Architectures; x64 UEFI matches 7, 9, 16 and 17 alike, and so on by family.
    pub arch: Vec<ArchType>,
    /// Classes of clients, of which one has to fit.
    pub class: Vec<Class>,
    /// The client's segment: the relay's address, or the receiving interface's own, lies in it.
    pub subnet: Vec<IpNet>,
    /// Addresses of relays, of which one has to fit.
    pub relay: Vec<IpAddr>,
    /// Receiving interfaces, of which one has to fit.
    pub iface: Vec<String>,
    /// Ranges that hold the client's address or, before it has one, its segment's.
    pub boundary: Vec<AddressRange>,
    /// Whether a directory knows the machine; None for either.
    pub known: Option<bool>,
}

/// The action of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // there are few rules, and most hand out a file
pub enum Action {
    /// A boot file, or for a Mac its images.
    Boot(BootAction),
    /// Nothing is offered, so that it goes on to its own disk.
    LocalBoot,
    /// The machine gets no answer.
    Ignore,
    /// The distribution point's own responder answers the machine, by way of this server.
    Relay,
    /// The directories decide; what they leave open goes on to the next rule.
    Directories,
}

/// The boot file that a rule hands out, and the images that it offers a Mac.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootAction {
    /// Paths in the boot tree, or whole URLs; the first that exists is taken. Empty for Macs alone.
    pub file: Vec<String>,
    /// Other paths for machines of these architectures.
    pub file_by_arch: Vec<(ArchType, Vec<String>)>,
    /// A kernel, which a boot loader starts; `file` is then the boot loader.
    pub kernel: Option<KernelBoot>,
    /// The images of a boot menu, which a boot loader shows; `file` is then the boot loader.
    pub menu: Option<ImageOffer>,
    /// How the file is fetched; None chooses by the client ([`Via::for_client`]).
    pub via: Option<Via>,
    /// Whether clients that fetch by HTTP fetch by HTTPS instead.
    pub https: bool,
    /// The server that holds the file, when it is not this one.
    pub next_server: Option<Ipv4Addr>,
    /// The image this file belongs to; without a file the image that the machine boots.
    pub image: Option<String>,
    /// The server that a boot program of Windows is sent on to, once it runs and asks.
    pub refer: Option<Ipv4Addr>,
    /// The images offered to a Mac; None for every image.
    pub images: Option<ImageOffer>,
    /// The generation of Windows boot programs that the machines get, whatever they trust.
    pub signed_by: Option<Generation>,
}

impl BootAction {
    /// The files for the machine behind a request.
    pub fn files(&self, request: &BootRequest) -> &[String] {
        let arch = request.arch();
        let own = |(wanted, _): &&(ArchType, Vec<String>)| arch.is_some_and(|arch| wanted.same_family(arch));
        self.file_by_arch.iter().find(own).map_or(&self.file, |(_, files)| files)
    }

    /// Every file that it names.
    pub fn all_files(&self) -> impl Iterator<Item = &String> {
        self.file.iter().chain(self.file_by_arch.iter().flat_map(|(_, files)| files))
    }

    /// Whether it names an image alone, and leaves it to the image how each machine boots it.
    pub fn is_image(&self) -> bool {
        let names_more = self.all_files().next().is_some() || self.kernel.is_some() || self.menu.is_some();
        self.image.is_some() && self.images.is_none() && !names_more
    }

    /// Whether it is for Macs alone.
    pub fn is_for_macs(&self) -> bool {
        let names_more = self.all_files().next().is_some() || self.kernel.is_some() || self.menu.is_some();
        !names_more && !self.is_image()
    }
}

/// How a client fetches its boot file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Via {
    /// By TFTP, with the bare path in `file`.
    Tftp,
    /// By HTTP, with a URL in `file`.
    Http,
    /// By HTTPS, with a URL in `file` that names the server as its certificate does.
    Https,
}

impl Via {
    /// The usual way for a client: HTTP boot takes URLs only, iPXE is handed its scripts by HTTP,
    /// all else goes by TFTP.
    pub fn for_client(class: Class, file: &str) -> Via {
        match class {
            Class::Http => Via::Http,
            Class::Ipxe if file.ends_with(".ipxe") => Via::Http,
            Class::Ipxe | Class::Pxe | Class::Uboot | Class::Bsdp => Via::Tftp,
        }
    }

    /// HTTPS for HTTP, where a rule wants it. PXE firmware knows TFTP alone.
    #[must_use]
    pub fn secured(self, https: bool) -> Via {
        match self {
            Via::Http if https => Via::Https,
            via => via,
        }
    }
}

impl Match {
    /// Whether the request fits; no directory is asked.
    pub fn fits(&self, request: &BootRequest) -> bool {
        let any = |empty: bool, hit: bool| empty || hit;
        any(self.mac.is_empty(), self.mac.iter().any(|pattern| pattern.fits(request.mac)))
            && any(self.tags.is_empty(), self.tags.iter().any(|tag| request.has_tag(tag)))
            && any(self.uuid.is_empty(), request.uuid.is_some_and(|uuid| self.uuid.contains(&uuid)))
            && any(
                self.arch.is_empty(),
                request.arch().is_some_and(|arch| self.arch.iter().any(|wanted| wanted.same_family(arch))),
            )
            && any(self.class.is_empty(), self.class.contains(&request.class))
            && any(self.subnet.is_empty(), self.subnet.iter().any(|subnet| subnet.contains(&request.segment)))
            && any(self.relay.is_empty(), request.relay.is_some_and(|relay| self.relay.contains(&relay)))
            && any(self.iface.is_empty(), self.iface.contains(&request.iface))
            && any(
                self.boundary.is_empty(),
                self.boundary.iter().any(|range| range.contains(request.address.unwrap_or(request.segment))),
            )
    }
}

/// Whether a boot file is iPXE itself, by its usual names. Handing it to a client that runs iPXE
/// loops for ever.
pub fn is_ipxe_binary(path: &str) -> bool {
    let name = file_name(path);
    name.ends_with(".kpxe")
        || name.ends_with(".kkpxe")
        || (name.ends_with(".pxe") && name.contains("ipxe"))
        || (name.ends_with(".efi")
            && ["ipxe", "snponly", "snp.efi", "intel.efi", "realtek.efi"]
                .iter()
                .any(|part| name.contains(part)))
}

/// Whether a boot file is GRUB or shim, by its usual names. GRUB 2.06 does not know a proxy: beside
/// a foreign DHCP server it looks for its files on that server.
pub fn is_grub_or_shim(path: &str) -> bool {
    let name = file_name(path);
    ["grub", "shim"].iter().any(|stem| name.starts_with(stem)) || name == "core.0"
}

pub(crate) fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase()
}
