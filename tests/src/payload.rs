//! The payload that every machine boots in the end: Debian's cloud kernel and an initramfs that
//! says so on the serial console.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::arm64;
use crate::process::run;

/// Printed by the payload, followed by the word from its command line.
pub const MARKER: &str = "NETBOOTD-PAYLOAD";

/// The kernel and initramfs that a test boots.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The file of the kernel.
    pub kernel: PathBuf,
    /// The file of the initramfs.
    pub initrd: PathBuf,
}

/// The kernel's arguments; `word` comes back behind the [`MARKER`].
pub fn arguments(word: &str) -> String {
    format!("console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check payload={word}")
}

/// The same for an ARM64 kernel on QEMU's board.
pub fn arguments_arm64(word: &str) -> String {
    format!("console=ttyAMA0 quiet panic=-1 payload={word}")
}

/// Makes the payload, once for all tests.
///
/// # Panics
/// When the kernel's package cannot be had.
pub fn payload() -> Payload {
    let folder = cache();
    let _lock = lock(&folder);
    let made = Payload { kernel: folder.join("vmlinuz"), initrd: folder.join("initrd.img") };
    if !made.kernel.exists() {
        fetch_kernel(&folder, &made.kernel);
    }
    if !made.initrd.exists() {
        make_initrd(&folder.join("initramfs"), Path::new("/bin/busybox"), &made.initrd);
    }
    made
}

/// The same for ARM64.
///
/// # Panics
/// When the packages cannot be had.
pub fn payload_arm64() -> Payload {
    let (folder, tree) = (cache(), arm64::unpacked());
    let _lock = lock(&folder);
    let made = Payload { kernel: arm64::kernel(&tree), initrd: folder.join("initrd-arm64.img") };
    if !made.initrd.exists() {
        make_initrd(&folder.join("initramfs-arm64"), &tree.join("bin/busybox"), &made.initrd);
    }
    made
}

/// Where things are kept that are made once.
///
/// # Panics
/// When the folder cannot be made.
pub fn cache() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/lab");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Holds other tests back while something is made in the cache.
///
/// # Panics
/// When the lock file cannot be made.
pub fn lock(folder: &Path) -> Flock<fs::File> {
    let file = fs::File::create(folder.join("lock")).expect("the cache can be written");
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno).expect("a lock can be waited for")
}

/// The package is unpacked, not installed: installing a kernel is the host's business.
fn fetch_kernel(folder: &Path, kernel: &Path) {
    let depends = run(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]));
    let package = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: linux-image-"));
    let package = format!("linux-image-{}", package.expect("the cloud kernel depends on its version"));
    let unpacked = folder.join("kernel");
    fs::create_dir_all(&unpacked).expect("the cache can be written");
    run(Command::new("apt-get").args(["download", &package]).current_dir(&unpacked));
    let deb = first_with(&unpacked, ".deb");
    run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked));
    let image = first_with(&unpacked.join("boot"), "vmlinuz-");
    fs::rename(image, kernel).expect("the kernel can be moved");
    fs::remove_dir_all(&unpacked).expect("the rest can be removed");
}

fn first_with(folder: &Path, part: &str) -> PathBuf {
    let entries = fs::read_dir(folder).expect("the folder was just made");
    let mut found = entries.filter_map(|entry| Some(entry.ok()?.path()));
    found
        .find(|path| path.to_string_lossy().contains(part))
        .unwrap_or_else(|| panic!("no {part} in {folder:?}"))
}

fn make_initrd(root: &Path, busybox: &Path, initrd: &Path) {
    for below in ["bin", "proc", "dev"] {
        fs::create_dir_all(root.join(below)).expect("the cache can be written");
    }
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox-static is installed");
    let init = format!(
        "#!/bin/busybox sh\n\
         /bin/busybox mount -t proc proc /proc\n\
         /bin/busybox mount -t devtmpfs dev /dev\n\
         for word in $(/bin/busybox cat /proc/cmdline); do\n\
           case $word in payload=*) echo \"{MARKER} ${{word#payload=}}\" >/dev/console;; esac\n\
         done\n\
         /bin/busybox poweroff -f\n"
    );
    fs::write(root.join("init"), init).expect("the cache can be written");
    fs::set_permissions(root.join("init"), fs::Permissions::from_mode(0o755)).expect("it is our own file");
    let pack = format!("find . | cpio --quiet -o -H newc | gzip -1 > {}", initrd.display());
    run(Command::new("sh").args(["-c", &pack]).current_dir(root));
}
