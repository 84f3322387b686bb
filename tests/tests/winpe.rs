//! The requests of Windows' boot managers, as they spell them.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use netbootd_tests::boot_program::request as boot_programs_request;
use netbootd_tests::netbootd::{ADDRESSES, SERVER};
use netbootd_tests::store::{image, text};
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, loaders};

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
    let ask_for = |path: &str| {
        let _ = fs::remove_file(lab.folder().join("got")); // of the time before
        let mut client = lab.command("client", "tftp");
        client.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", path, "got"]);
        String::from_utf8(client.output().unwrap().stdout).unwrap()
    };
    let get = |path: &str| {
        ask_for(path);
        fs::read(lab.folder().join("got")).unwrap_or_default()
    };
    assert!(get("\\Boot\\BCD").is_empty(), "nobody knows this client yet");
    for (arch, loader) in [("x64-uefi", "winload.efi"), ("x86-bios", "winload.exe")] {
        let program = netbootd_tests::netbootd::program();
        let asked = lab.run("client", &[&program, "probe", "pxe", SERVER, "--mac", MAC, "--arch", arch]);
        assert!(asked.status.success());
        assert_eq!(get("\\Boot\\Fonts\\WGL4_boot.ttf"), b"winpe boot/fonts/wgl4_boot.ttf");
        // It asks for fonts that no image has, and waits for an answer to each.
        for font in ["chs_boot.ttf", "segmono_boot.ttf"] {
            let said = ask_for(&format!("\\Boot\\Fonts\\{font}"));
            assert!(said.contains("Error code 1: file not found"), "{font}: {said}");
        }
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

/// Fonts, `boot.stl` and the boot manager by its plain name come from the generation of the boot
/// program that the machine was given, and from no other.
#[test]
fn a_machine_gets_the_files_of_one_generation() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    for file in [
        "boot/x64/bootmgfw.efi",
        "boot/x64/bootmgfw_EX.efi",
        "boot/boot.stl",
        "boot/boot_EX.stl",
        "boot/boot.sdi",
        "boot/fonts/wgl4_boot.ttf",
        "boot/fonts/old_boot.ttf",
        "boot/fonts_ex/wgl4_boot.ttf",
        "sources/boot.wim",
    ] {
        let path = root.join("pe").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    let config = "[devices]\nfile = \"devices.csv\"\n";
    let devices = format!("name,mac,image,trusts\nnew,{MAC},pe,2023\nold,52:54:00:4c:01:02,pe,2011\n");
    fs::write(lab.folder().join("devices.csv"), devices).unwrap();
    let _netbootd = Netbootd::start(&lab, &root, config);
    let get = |path: &str| {
        let _ = fs::remove_file(lab.folder().join("got")); // of the time before
        let mut client = lab.command("client", "tftp");
        client.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", path, "got"]);
        client.output().unwrap();
        String::from_utf8(fs::read(lab.folder().join("got")).unwrap_or_default()).unwrap()
    };
    let table = [
        (MAC, "boot/x64/bootmgfw_EX.efi", "boot/boot_EX.stl", "boot/fonts_ex/wgl4_boot.ttf", ""),
        (
            "52:54:00:4c:01:02",
            "boot/x64/bootmgfw.efi",
            "boot/boot.stl",
            "boot/fonts/wgl4_boot.ttf",
            "boot/fonts/old_boot.ttf",
        ),
    ];
    for (mac, program, list, font, old_font) in table {
        let probe = netbootd_tests::netbootd::program();
        let asked = lab.run("client", &[&probe, "probe", "pxe", SERVER, "--mac", mac, "--arch", "x64-uefi"]);
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        assert!(said.contains(&format!("pe/{program}")), "{said}");
        assert_eq!(get("\\Boot\\x64\\bootmgfw.efi"), program);
        assert_eq!(get("\\Boot\\boot.stl"), list);
        assert_eq!(get("\\Boot\\Fonts\\wgl4_boot.ttf"), font);
        assert_eq!(get("\\Boot\\Fonts\\old_boot.ttf"), old_font, "{mac}");
    }
}

/// The boot file and option 250 of the answer.
fn ask(lab: &Lab) -> (String, Vec<u8>) {
    let asked = lab.inside("client", || {
        let socket = UdpSocket::bind("10.77.0.50:68").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&boot_programs_request(), format!("{SERVER}:4011")).unwrap();
        let mut bytes = [0; 2048];
        let length = socket.recv(&mut bytes).unwrap();
        bytes[..length].to_vec()
    });
    let reply = asked.join().unwrap();
    let file = reply[108..236].split(|byte| *byte == 0).next().unwrap();
    let mut options = &reply[240..];
    while let [code, length, rest @ ..] = options {
        let (value, after) = rest.split_at(usize::from(*length));
        if *code == 250 {
            return (String::from_utf8_lossy(file).into_owned(), value.to_vec());
        }
        options = after;
    }
    panic!("no option 250 in {reply:02x?}");
}

#[test]
fn a_boot_program_waits_on_its_screen_until_an_operator_approves() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("menu.efi"), "menu").unwrap();
    fs::write(lab.folder().join("devices.csv"), "name,mac,image\nother,52:54:00:4c:01:02,winpe\n").unwrap();
    let config = "[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n\
        [[rule]]\nname = \"strangers\"\naction.boot = { file = \"menu.efi\" }\n";
    let _netbootd = Netbootd::start(&lab, &root, config);
    let file = lab.folder().join("netbootd.toml").display().to_string();
    let run = |words: &[&str]| {
        let program = netbootd_tests::netbootd::program();
        let output =
            lab.run("server", &[&[program.as_str(), "pending"], words, &["--config", &file]].concat());
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let (file, words) = ask(&lab);
    // Wait, ask every ten seconds, and the number that the operator sees too.
    assert!(
        file.is_empty() && words.starts_with(&[2, 1, 1, 3, 2, 0, 10, 4, 2, 8, 0x70, 5, 4, 0, 0x4c, 1, 1]),
        "{words:02x?}"
    );
    assert!(words.windows(8).any(|part| part == b"operator"));
    let listed = run(&["list"]);
    assert!(
        listed.contains(MAC) && listed.contains(&0x4c_0101.to_string()) && listed.contains("pending"),
        "{listed}"
    );
    run(&["approve", MAC]);
    let (file, words) = ask(&lab);
    assert_eq!((file.as_str(), words), ("menu.efi", vec![11, 1, 2, 14, 1, 1, 255]));
    run(&["reject", MAC]);
    let (file, words) = ask(&lab);
    assert!(file.is_empty() && words.starts_with(&[2, 1, 5, 6]), "{words:02x?}");
    assert!(words.windows(8).any(|part| part == b"rejected"));
}

#[test]
fn a_boot_program_is_referred_to_another_server() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("wdsmgfw.efi"), "program").unwrap();
    let rule =
        "[[rule]]\nname = \"branch\"\naction.boot = { file = \"wdsmgfw.efi\", refer = \"10.77.0.9\" }\n";
    let netbootd = Netbootd::start(&lab, &root, rule);
    let program = netbootd_tests::netbootd::program();
    let asked = lab.run("client", &[&program, "probe", "pxe", SERVER, "--mac", MAC, "--timeout", "1"]);
    assert!(String::from_utf8_lossy(&asked.stdout).contains("boot file: wdsmgfw.efi"), "the program first");
    let (file, words) = ask(&lab);
    assert_eq!((file.as_str(), words), ("", vec![2, 1, 3, 9, 4, 10, 77, 0, 9, 14, 1, 1, 255]));
    netbootd.wait_for("boot_file=\"wdsmgfw.efi\"", Duration::from_secs(5));
}

/// wimboot itself is the operator's; what stands for it here says that it runs.
#[test]
fn ipxe_fetches_windows_pe_by_http() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let _router = DhcpServer::start_router(&mut lab); // iPXE waits for one
    for (file, size) in [("sources/boot.wim", 20_000_000), ("boot/boot.sdi", 3_170_304)] {
        let path = root.join("winpe").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0x5a; size]).unwrap();
    }
    loaders::put_bios_program(&root.join("wimboot"), "wimboot-runs");
    let answers =
        "<unattend><ComputerName>pc-{{ mac_hyphens }}</ComputerName>\n<Password>secret</Password>\n";
    fs::write(lab.folder().join("unattend.xml"), answers).unwrap();
    let config = format!(
        "{ADDRESSES}[winpe]\nwimboot = \"wimboot\"\n[unattended]\nwinpe = \"unattend.xml\"\n\
         [[rule]]\nname = \"pe\"\nmatch = {{ class = \"ipxe\" }}\n\
         action.boot = {{ file = \"winpe/wimboot.ipxe\" }}\n"
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    let machine = Machine::start_as(&lab, Firmware::Bios { card: "virtio-net-pci" }, "br0", 1, None);
    let ended = catch_unwind(AssertUnwindSafe(|| machine.wait_for_payload("wimboot-runs")));
    let log = netbootd.log();
    assert!(ended.is_ok(), "{log}");
    for path in [
        "winpe/wimboot.ipxe",
        "wimboot",
        "winpe/wimboot.bcd",
        "winpe/boot/boot.sdi",
        "winpe/sources/boot.wim",
    ] {
        let completed =
            |line: &str| line.contains("completed proto=http") && line.contains(&format!("path=\"/{path}\""));
        assert!(log.lines().any(completed), "{path} was not fetched:\n{log}");
    }
    // The answers are the machine's own, and what starts them is beside.
    let answers = "unattended/image/winpe/52-54-00-4c-01-01";
    for name in ["unattend.xml", "netbootd.cmd", "winpeshl.ini"] {
        let completed = |line: &str| {
            line.contains("completed proto=http") && line.contains(&format!("path=\"/{answers}/{name}\""))
        };
        assert!(log.lines().any(completed), "{name} was not fetched:\n{log}");
    }
    let fetch = |name: &str| {
        let url = format!("http://{SERVER}/{answers}/{name}");
        String::from_utf8(lab.run("server", &["curl", "-sS", &url]).stdout).unwrap()
    };
    assert!(fetch("unattend.xml").contains("<ComputerName>pc-52-54-00-4c-01-01</ComputerName>"));
    assert!(fetch("winpeshl.ini").contains("cmd.exe, /c %SYSTEMROOT%\\System32\\netbootd.cmd\r\n"));
    assert!(fetch("netbootd.cmd").contains("\r\nwpeinit\r\n"));
    let file = lab.folder().join("netbootd.toml").display().to_string();
    let program = netbootd_tests::netbootd::program();
    let checked = lab.run("server", &[&program, "check-config", &file]);
    let words =
        String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(words.contains("unattend.xml:2: a password in clear"), "{words}");
    // The configuration names the files where wimboot shows them.
    let got = lab.folder().join("bcd");
    let url = format!("http://{SERVER}/winpe/wimboot.bcd");
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    assert!(lab.run("client", &["curl", "-sSo", &got.display().to_string(), &url]).status.success());
    let hive = fs::read(got).unwrap();
    let wim: Vec<u8> = "\\sources\\boot.wim".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(hive.windows(wim.len()).any(|bytes| bytes == wim));
}

/// A Windows PE of 64 bits as a folder; each file says which image it is of.
fn put_windows_pe(folder: &Path, name: &str) {
    for file in [
        "boot/x64/wdsnbp.com",
        "boot/x64/pxeboot.n12",
        "boot/x64/bootmgr.exe",
        "boot/x64/bootmgfw.efi",
        "boot/boot.sdi",
        "boot/fonts/wgl4_boot.ttf",
        "sources/boot.wim",
    ] {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{name} {file}")).unwrap();
    }
}

#[test]
fn an_image_boots_under_any_name_and_its_programs_answer_where_wds_has_them() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    for (host, address) in [("client", "10.77.0.50/24"), ("stranger", "10.77.0.51/24")] {
        lab.add_host(host);
        lab.plug(host, "eth0", "br0", address);
    }
    let long: String = "Größe 日本語 ".chars().cycle().take(63).chain(['é']).collect();
    let names = ["boot", "sms", "pxelinux.cfg", "NetBoot", "sources", "two  words", &long];
    let store = lab.folder().join("state/images");
    let mut devices = "name,mac,image\n".to_owned();
    for (n, name) in names.iter().enumerate() {
        let folder = lab.folder().join(format!("source-{n}"));
        put_windows_pe(&folder, name);
        assert!(image(&store, &["import", &text(&folder), "--name", name]).status.success());
        devices.push_str(&format!("pc-{n},52:54:00:4c:02:{n:02x},{name}\n"));
    }
    fs::write(lab.folder().join("devices.csv"), devices).unwrap();
    fs::write(root.join("wimboot"), "MZ").unwrap();
    let config = "[winpe]\nwimboot = \"wimboot\"\n[devices]\nfile = \"devices.csv\"\n\
        [[file]]\npath = \"own.cfg\"\ntemplate = \"own\"\n";
    let _netbootd = Netbootd::start(&lab, &root, config);
    let get = |host: &str, path: &str| {
        let got = lab.folder().join("got");
        let _ = fs::remove_file(&got); // of the time before
        let mut client = lab.command(host, "tftp");
        client.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", path, "got"]);
        client.output().unwrap();
        fs::read(&got).unwrap_or_default()
    };
    let fetch = |path: &str| {
        let url = format!("http://{SERVER}/{}", escaped(path));
        lab.run("client", &["curl", "-sSf", &url]).stdout
    };
    let of = |name: &str, file: &str| format!("{name} {file}").into_bytes();

    // The quick test of the README, from a machine that was told nothing: of the first image by
    // name.
    for path in ["\\boot\\x86\\wdsnbp.com", "\\Boot\\X86\\WDSNBP.COM", "/boot/x64/wdsnbp.com"] {
        assert_eq!(get("stranger", path), of(&long, "boot/x64/wdsnbp.com"), "{path}");
    }
    assert!(get("stranger", "\\boot\\x86\\bootmgfw.efi").is_empty(), "no EFI program of 64 bits for 32");
    for (n, name) in names.iter().enumerate() {
        let mac = format!("52:54:00:4c:02:{n:02x}");
        let kinds = [("x64-uefi", "bootmgfw.efi"), ("x86-bios", "pxeboot.n12")];
        for (arch, program) in kinds.into_iter().take(if n == 0 { 2 } else { 1 }) {
            let netbootd = netbootd_tests::netbootd::program();
            let words = [&netbootd, "probe", "pxe", SERVER, "--mac", &mac, "--arch", arch, "--timeout", "1"];
            let asked = lab.run("client", &words);
            let said = String::from_utf8(asked.stdout).unwrap();
            assert!(asked.status.success() && said.contains(&format!("boot/x64/{program}")), "{said}");
            let program = format!("boot/x64/{program}");
            assert_eq!(get("client", &format!("{name}/{program}")), of(name, &program), "{name}");
            let wim: Vec<u8> =
                format!("\\{name}\\sources\\boot.wim").encode_utf16().flat_map(u16::to_le_bytes).collect();
            let hive = get("client", "\\Boot\\BCD");
            assert!(hive.windows(wim.len()).any(|bytes| bytes == wim), "{name}: its BCD names its image");
            for (path, file) in [
                ("\\Boot\\Fonts\\WGL4_boot.ttf", "boot/fonts/wgl4_boot.ttf"),
                ("Boot\\x64\\bootmgr.exe", "boot/x64/bootmgr.exe"),
                ("\\boot\\x86\\wdsnbp.com", "boot/x64/wdsnbp.com"),
                (&format!("\\{name}\\sources\\boot.wim"), "sources/boot.wim"),
                (&format!("\\{name}\\boot\\boot.sdi"), "boot/boot.sdi"),
            ] {
                assert_eq!(get("client", path), of(name, file), "{name}: {path}");
            }
        }
        assert_eq!(fetch(&format!("{name}/boot/boot.sdi")), of(name, "boot/boot.sdi"));
        let script = String::from_utf8(fetch(&format!("{name}/wimboot.ipxe"))).unwrap();
        let wim = format!("http://{SERVER}/{}", escaped(&format!("{name}/sources/boot.wim")));
        assert!(script.contains(&wim), "{script}");
        assert!(!fetch(&format!("{name}/wimboot.bcd")).is_empty());
    }
    // A configuration with files of its own keeps the built-in scripts.
    assert_eq!(fetch("own.cfg"), b"own\n");
    assert!(fetch("boot.ipxe").starts_with(b"#!ipxe\n"));
    assert!(fetch("pxelinux.cfg/default").starts_with(b"SAY netbootd: there is no vmlinuz"));
}

fn escaped(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
