//! Debian's packages for ARM64, unpacked and not installed: they are of another architecture than
//! this host.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::payload::{cache, lock};
use crate::process::run;

/// The folder that the packages are unpacked in, fetched once.
///
/// # Panics
/// When they cannot be had.
pub fn unpacked() -> PathBuf {
    let folder = cache();
    let _lock = lock(&folder);
    let tree = folder.join("arm64");
    if !tree.exists() {
        let part = folder.join("arm64.part");
        // An interrupted run has left this.
        let _ = fs::remove_dir_all(&part);
        for below in ["apt/state/lists/partial", "apt/cache/archives/partial"] {
            fs::create_dir_all(part.join(below)).expect("the cache can be written");
        }
        fs::write(part.join("apt/status"), "").expect("the cache can be written");
        fetch(&part);
        fs::remove_dir_all(part.join("apt")).expect("the lists can be removed");
        fs::rename(&part, &tree).expect("the folder can be renamed");
    }
    tree
}

/// The kernel among them.
///
/// # Panics
/// When there is none.
pub fn kernel(tree: &Path) -> PathBuf {
    let entries = fs::read_dir(tree.join("boot")).expect("the kernel's package was unpacked");
    let kernel = entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| is_kernel(path));
    kernel.unwrap_or_else(|| panic!("no kernel in {}", tree.display()))
}

fn is_kernel(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
}

fn fetch(folder: &Path) {
    let setting = |name: &str, value: &str| format!("-o{name}={value}");
    let place = |below: &str| folder.join("apt").join(below).display().to_string();
    let options = [
        setting("APT::Architecture", "arm64"),
        setting("APT::Architectures::", "arm64"),
        setting("APT::Sandbox::User", "root"),
        setting("Dir::State", &place("state")),
        setting("Dir::State::status", &place("status")),
        setting("Dir::Cache", &place("cache")),
    ];
    run(Command::new("apt-get").args(&options).args(["update", "-qq"]));
    let depends = run(Command::new("apt-cache").args(&options).args(["depends", "linux-image-cloud-arm64"]));
    let kernel = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = kernel.expect("the cloud kernel depends on its version");
    let packages = ["shim-signed", "grub-efi-arm64-signed", "busybox-static", kernel];
    run(Command::new("apt-get").args(&options).arg("download").args(packages).current_dir(folder));
    let unpack = "for deb in *.deb; do dpkg-deb -x \"$deb\" .; done; rm *.deb";
    run(Command::new("sh").args(["-c", unpack]).current_dir(folder));
}
