//! The parts that boot files play, and where Windows keeps them (images of the ADK and of
//! Configuration Manager).

/// One part of a Windows boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// What it is called, and the file's name in the image.
    pub name: &'static str,
    /// What cannot boot without it.
    pub needed_for: &'static str,
    /// Where it goes in the image: below `boot/<architecture>/` or below `boot/`.
    pub by_architecture: bool,
    /// Where it may be inside the Windows image, the first that is there counts.
    pub inside: &'static [&'static str],
    /// Whether something boots without it all the same.
    pub optional: bool,
}

const fn role(
    name: &'static str,
    needed_for: &'static str,
    by_architecture: bool,
    optional: bool,
    inside: &'static [&'static str],
) -> Role {
    Role { name, needed_for, by_architecture, inside, optional }
}

/// Every role with the paths that have it.
pub(super) const ROLES: &[Role] = &[
    role("wdsnbp.com", "BIOS PCs that the site must approve", true, true, &["/Windows/Boot/PXE/wdsnbp.com"]),
    role("pxeboot.com", "BIOS PCs, after F12", true, false, &["/Windows/Boot/PXE/pxeboot.com"]),
    role("pxeboot.n12", "BIOS PCs", true, false, &["/Windows/Boot/PXE/pxeboot.n12"]),
    role(
        "abortpxe.com",
        "BIOS PCs that go on to their disks",
        true,
        true,
        &["/Windows/Boot/PXE/abortpxe.com"],
    ),
    role("bootmgr.exe", "BIOS PCs", true, false, &["/Windows/Boot/PXE/bootmgr.exe"]),
    role(
        "wdsmgfw.efi",
        "UEFI PCs that the site must approve",
        true,
        true,
        &["/Windows/Boot/PXE/wdsmgfw.efi"],
    ),
    role("bootmgfw.efi", "UEFI PCs", true, false, &["/Windows/Boot/EFI/bootmgfw.efi"]),
    role(
        "bootmgfw_EX.efi",
        "UEFI PCs that trust Microsoft's CA of 2023 only",
        true,
        true,
        &["/Windows/Boot/EFI_EX/bootmgfw_EX.efi"],
    ),
    role("boot.stl", "UEFI PCs with Windows 11 24H2 and later", false, true, &["/Windows/Boot/EFI/boot.stl"]),
    role(
        "boot.sdi",
        "every PC",
        false,
        false,
        &["/Windows/Boot/DVD/PCAT/boot.sdi", "/Windows/Boot/DVD/EFI/boot.sdi", "/sms/boot/boot.sdi"],
    ),
];

/// Where fonts for the boot manager's own screen are.
pub(super) const FONTS: &str = "/Windows/Boot/Fonts/";

/// The roles that an image of these paths fills (true) and does not.
pub fn roles_of<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<(&'static Role, bool)> {
    let fills = |role: &Role| {
        paths.clone().any(|path| {
            path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(role.name))
                && path.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("boot/"))
        })
    };
    ROLES.iter().map(|role| (role, fills(role))).collect()
}
