//! The parts that boot files play, and where Windows keeps them (images of the ADK and of
//! Configuration Manager).

/// One part of a Windows boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role's name, which is also the file's name in the image.
    pub name: &'static str,
    /// The clients that cannot boot without it.
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
    role(
        "wdsmgfw_EX.efi",
        "UEFI PCs that the site must approve, and that trust Microsoft's CA of 2023 only",
        true,
        true,
        &["/Windows/Boot/PXE_EX/wdsmgfw_EX.efi"],
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
        &[
            "/Windows/Boot/DVD/PCAT/boot.sdi",
            "/Windows/Boot/DVD/EFI/boot.sdi",
            "/sms/boot/boot.sdi",
            "/Windows/Boot/DVD_EX/EFI/boot.sdi",
        ],
    ),
];

/// Where fonts for the boot manager's own screen are, and where they go in the image: those of 2011
/// and those of 2023, which the boot manager of the same generation reads.
pub(super) const FONTS: [(&str, &str); 2] =
    [("/Windows/Boot/Fonts/", "boot/fonts/"), ("/Windows/Boot/Fonts_EX/", "boot/fonts_ex/")];

/// `boot.stl` beside the boot manager of 2023.
pub(super) const STL_2023: (&[&str], &str) =
    (&["/Windows/Boot/EFI_EX/boot.stl", "/Windows/Boot/EFI_EX/boot_EX.stl"], "boot/boot_EX.stl");

/// The name of a font in the image: the files of 2023 have `_EX` before their ending, and the boot
/// manager asks for them without it.
pub(super) fn font_name(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) => match stem.len().checked_sub(3).and_then(|at| stem.split_at_checked(at)) {
            Some((plain, mark)) if mark.eq_ignore_ascii_case("_EX") => format!("{plain}.{ending}"),
            _ => name.to_owned(),
        },
        None => name.to_owned(),
    }
}

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
