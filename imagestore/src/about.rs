//! The description of an image: its system, and how PCs boot it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an installer is given its answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unattended {
    /// The form of the answer file.
    pub form: AnswerForm,
    /// The kernel's arguments that name it. `{unattended-url}` stands for the URL of the machine's
    /// answer files, with a slash behind it.
    pub arguments: String,
}

/// The form of an answer file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerForm {
    /// A preseed file of Debian's installer.
    Preseed,
    /// Ubuntu's installer, by cloud-init.
    Autoinstall,
    /// Anaconda (Fedora, RHEL and its relatives) and ESXi.
    Kickstart,
    /// A profile of YaST (openSUSE, SLE).
    Autoyast,
    /// A script that Arch's live system runs.
    Script,
    /// An `unattend.xml` of Windows Setup.
    Unattend,
}

impl AnswerForm {
    /// The file's name in its URL.
    pub fn file_name(self) -> &'static str {
        match self {
            AnswerForm::Preseed => "preseed.cfg",
            AnswerForm::Autoinstall => "user-data",
            AnswerForm::Kickstart => "kickstart.cfg",
            AnswerForm::Autoyast => "autoyast.xml",
            AnswerForm::Script => "script.sh",
            AnswerForm::Unattend => "unattend.xml",
        }
    }
}

/// The description of an image, and the ways in which PCs boot it, as its import found them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The product: `Debian`, `Ubuntu Server`.
    pub product: String,
    /// Its version; empty when the medium names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its architecture, as the product spells it; empty when the medium names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// Further facts from the medium, such as the editions of Windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub editions: Vec<String>,
    /// The ways in which PCs boot it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<BootMethod>,
    /// How its installer is given its answers; None if it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unattended: Option<Unattended>,
    /// The program in it that UEFI firmware starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub efi: Option<String>,
    /// The whole ISO, as a path in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<String>,
    /// The boot media of Configuration Manager that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<BootMedia>,
    /// Files that are rendered for the machine that asks, in the place of the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rendered: Vec<Rendered>,
    /// The facts about its Windows, for an image with a WIM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows: Option<WindowsFacts>,
}

/// The description of a Windows image, by the WIM's XML and its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowsFacts {
    /// The purpose of the Windows.
    pub role: WindowsRole,
    /// Its languages, the default one first: `en-US`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// The generations of boot managers in it, by their folders: `2011` is `\Windows\Boot\EFI`,
    /// `2023` is `\Windows\Boot\EFI_EX`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<String>,
    /// How many drivers for network cards its driver store has, as far as it was read.
    #[serde(default)]
    pub network_drivers: usize,
    /// Their names, at most [`WindowsFacts::MAX_NAMES`]: provider and INF file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_driver_names: Vec<String>,
}

impl WindowsFacts {
    /// Drivers that are named.
    pub const MAX_NAMES: usize = 100;
}

/// The purpose of a Windows image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowsRole {
    /// Windows PE without Windows Setup.
    WindowsPe,
    /// Windows PE that starts Windows Setup.
    Setup,
    /// Windows PE with ConfigMgr's programs: a boot image of a distribution point.
    ConfigmgrBootImage,
    /// A ConfigMgr boot medium, which starts task sequences without a PXE responder.
    ConfigmgrBootMedia,
    /// A Windows to install.
    Windows,
}

impl WindowsRole {
    /// The words for people.
    pub fn as_str(self) -> &'static str {
        match self {
            WindowsRole::WindowsPe => "Windows PE",
            WindowsRole::Setup => "Windows Setup",
            WindowsRole::ConfigmgrBootImage => "ConfigMgr boot image",
            WindowsRole::ConfigmgrBootMedia => "ConfigMgr boot media",
            WindowsRole::Windows => "Windows",
        }
    }
}

impl fmt::Display for WindowsRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Boot media of Configuration Manager: what its `TsmBootstrap.ini` says. Its `Variables.dat` is
/// kept outside of the image ([`Store::media_variables`](crate::Store::media_variables)).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootMedia {
    /// Whether somebody at the machine has to type the media's password.
    pub password_required: bool,
    /// Whether the media asks nothing.
    #[serde(default)]
    pub unattended: bool,
    /// `MediaType`, such as `BootMedia`; empty when the file names none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// A file of an image that is rendered for the machine that asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// Its path in the image.
    pub path: String,
    /// Its text, with the placeholders of [`BootEntry::cmdline`](crate::BootEntry).
    pub template: String,
}

/// A way in which PCs boot an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMethod {
    /// Its kernel, by iPXE, GRUB or PXELINUX.
    Kernel,
    /// Its Windows PE, by wimboot or by Windows' own boot managers.
    Wimboot,
    /// A program that UEFI firmware starts.
    Uefi,
    /// The whole ISO as a RAM disk, by UEFI HTTP boot.
    UefiHttpRamdisk,
    /// The whole ISO by `sanboot` of iPXE on BIOS PCs.
    IpxeSanboot,
}

impl About {
    /// The name for people: `Debian 12.7.0 (amd64)`.
    pub fn title(&self) -> String {
        let mut title = self.product.clone();
        if !self.version.is_empty() {
            title = format!("{title} {}", self.version);
        }
        if !self.arch.is_empty() {
            title = format!("{title} ({})", self.arch);
        }
        title
    }
}

impl BootMethod {
    /// The word for tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            BootMethod::Kernel => "kernel",
            BootMethod::Wimboot => "wimboot",
            BootMethod::Uefi => "uefi",
            BootMethod::UefiHttpRamdisk => "uefi-http-ramdisk",
            BootMethod::IpxeSanboot => "ipxe-sanboot",
        }
    }
}

impl fmt::Display for BootMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
