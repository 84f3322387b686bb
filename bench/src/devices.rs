//! A daemon's services with a device file of any length, without sockets.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use netbootd_config::Config;
use netbootd_server::services::{Services, Snapshot};
use netbootd_state::file::State;
use pxe_policy::MacAddr;

/// So many devices, each of which boots an image of the boot tree; the files are made in this
/// folder.
///
/// # Panics
/// When the folder cannot be written.
pub fn services(root: &Path, devices: u32) -> Services {
    fs::create_dir_all(root.join("linux/EFI/BOOT")).expect("a folder can be made");
    fs::write(root.join("linux/EFI/BOOT/BOOTX64.EFI"), "boot").expect("a file can be written");
    let lines: String = (0..devices).map(|n| format!("pc-{n},{},linux\n", mac(n))).collect();
    fs::write(root.join("devices.csv"), format!("name,mac,image\n{lines}")).expect("a file can be written");
    let text = format!("[boot]\nroot = {root:?}\n[devices]\nfile = \"devices.csv\"\n");
    let (config, _) = Config::parse(&text, &root.join("netbootd.toml"), None)
        .unwrap_or_else(|findings| panic!("{findings}"));
    let state = Arc::new(State::open(&root.join("state")).expect("a state file can be made"));
    let snapshot = Snapshot::new(config, None).unwrap_or_else(|error| panic!("{error}"));
    Services::open(snapshot, state).expect("a state file can be used")
}

/// The hardware address of a device.
pub fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 0, a, b, c, d])
}
