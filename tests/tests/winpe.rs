//! What Windows' boot managers ask for, as they spell it.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::process::Command;

use netbootd_tests::netbootd::SERVER;
use netbootd_tests::{Lab, Netbootd};

const MAC: &str = "52:54:00:4c:01:01";

#[test]
fn a_boot_manager_finds_its_configuration_and_its_files_in_its_own_image() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    for image in ["winpe", "rescue"] {
        for file in [
            "boot/x64/bootmgfw.efi",
            "boot/x64/pxeboot.n12",
            "boot/x64/bootmgr.exe",
            "boot/boot.sdi",
            "boot/fonts/wgl4_boot.ttf",
            "sources/boot.wim",
        ] {
            let path = root.join(image).join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{image} {file}")).unwrap();
        }
    }
    let config = "[winpe]\nblock-size = 1408\nwindow-size = 8\n[devices]\nfile = \"devices.csv\"\n";
    fs::write(lab.folder().join("devices.csv"), format!("name,mac,image\npc-1,{MAC},winpe\n")).unwrap();
    let _netbootd = Netbootd::start(&lab, &root, config);
    let get = |path: &str| {
        let out = lab.folder().join("got");
        let _ = fs::remove_file(&out); // of the time before
        let mut client = lab.command("client", "tftp");
        client.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", path, "got"]);
        client.output().unwrap();
        fs::read(&out).unwrap_or_default()
    };
    assert!(get("\\Boot\\BCD").is_empty(), "nobody knows this client yet");
    for (arch, loader) in [("x64-uefi", "winload.efi"), ("x86-bios", "winload.exe")] {
        let program = netbootd_tests::netbootd::program();
        let asked = lab.run("client", &[&program, "probe", "pxe", SERVER, "--mac", MAC, "--arch", arch]);
        assert!(asked.status.success());
        assert_eq!(get("\\Boot\\Fonts\\WGL4_boot.ttf"), b"winpe boot/fonts/wgl4_boot.ttf");
        assert_eq!(get("Boot\\x64\\bootmgr.exe"), b"winpe boot/x64/bootmgr.exe");
        assert_eq!(get("\\rescue\\boot\\boot.sdi"), b"rescue boot/boot.sdi");
        for spelled in ["\\Boot\\BCD", "/boot/bcd", "\\EFI\\Microsoft\\Boot\\BCD"] {
            let hive = lab.folder().join("BCD");
            fs::write(&hive, get(spelled)).unwrap();
            let read = Command::new("hivexregedit")
                .args(["--export", "--unsafe-printable-strings"])
                .arg(&hive)
                .arg("\\Objects\\{6e657462-6f6f-7464-8000-57696e50450a}\\Elements")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&read.stdout).into_owned();
            assert!(read.status.success() && text.contains(loader), "{spelled}: {text}");
        }
        let hive = fs::read(lab.folder().join("BCD")).unwrap();
        let wim: Vec<u8> = "\\winpe\\sources\\boot.wim".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(hive.windows(wim.len()).any(|bytes| bytes == wim));
    }
}
