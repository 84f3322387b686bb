//! Boot media of Configuration Manager without a PXE responder.
//!
//! ConfigMgr's own programs cannot be run here: what stands for `TsBootShell.exe` looks at the
//! files and the registry string that it reads. Nor can Windows' boot manager: its requests are
//! made as it spells them, and hivex, wimlib and 7-Zip read the answers.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::process::run;
use netbootd_tests::store::{image, text};
use netbootd_tests::wine::Wine;
use netbootd_tests::{DhcpServer, Firmware, Lab, Machine, Netbootd, firmware, loaders};

const SECRET: &str = "the media's certificate and its management points";
/// The machine that the folder of [`VARIABLES`] is made for.
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x4c, 1, 1];
const VARIABLES: &str = "boot-media/cm/52-54-00-4c-01-01/Variables.dat";

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn put(folder: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// An ISO as ConfigMgr's console makes it, with stand-ins for Microsoft's files.
fn media(folder: &Path, bootstrap: &str) -> PathBuf {
    let (pe, tree, iso) = (folder.join("pe"), folder.join("media"), folder.join("cm.iso"));
    put(
        &pe,
        &[
            ("Windows/Boot/EFI/bootmgfw.efi", "MZ bootmgfw"),
            ("Windows/Boot/PXE/pxeboot.n12", "n12"),
            ("Windows/Boot/PXE/bootmgr.exe", "bootmgr"),
            ("Windows/Boot/DVD/EFI/boot.sdi", "sdi"),
            ("Windows/System32/winpeshl.exe", "winpeshl"),
            (
                "Windows/System32/winpeshl.ini",
                "[LaunchApps]\r\n%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe\r\n",
            ),
            ("sms/bin/x64/TsBootShell.exe", "TsBootShell"),
        ],
    );
    fs::create_dir_all(tree.join("sources")).unwrap();
    let wim = tree.join("sources/boot.wim");
    run(Command::new("wimlib-imagex").arg("capture").arg(&pe).arg(wim).args(["ConfigMgr", "--boot"]));
    put(
        &tree,
        &[
            ("SMS/data/TsmBootstrap.ini", bootstrap),
            ("SMS/data/Variables.dat", SECRET),
            ("SMS/data/Policy.xml", SECRET),
            ("MediaLabel.txt", "cm"),
            ("EFI/microsoft/boot/bcd", "bcd"),
            ("boot/boot.sdi", "sdi of the medium"),
        ],
    );
    run(Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-J", "-R", "-V", "CM", "-o"])
        .arg(&iso)
        .arg(&tree));
    iso
}

const WITH_PASSWORD: &str =
    "[MediaInfo]\r\nMediaType=BootMedia\r\nPasswordRequired=true\r\nUnattended=false\r\n";
const WITHOUT_PASSWORD: &str = "[MediaInfo]\r\nMediaType=BootMedia\r\nPasswordRequired=false\r\n";

struct Site {
    lab: Lab,
    netbootd: Netbootd,
    _router: DhcpServer,
}

impl Site {
    fn start(bootstrap: &str, rules: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        let router = DhcpServer::start_router(&mut lab); // iPXE waits for one
        for (host, address) in [("stranger", "10.77.0.51/24"), ("client", "10.77.0.50/24")] {
            lab.add_host(host);
            lab.plug(host, "eth0", "br0", address);
        }
        let store = lab.folder().join("state/images");
        let iso = media(&lab.folder(), bootstrap);
        let imported = image(&store, &["import", &text(&iso), "--name", "cm"]);
        assert!(imported.status.success());
        assert!(
            printed(&imported).contains("Variables.dat is kept outside of the image"),
            "{}",
            printed(&imported)
        );
        loaders::put_bios_program(&root.join("wimboot"), "wimboot-runs");
        let config = format!("{ADDRESSES}[winpe]\nwimboot = \"wimboot\"\n{rules}");
        let netbootd = Netbootd::start(&lab, &root, &config);
        Site { lab, netbootd, _router: router }
    }

    /// The answer's status and its body.
    fn get(&self, host: &str, path: &str) -> (String, String) {
        let url = format!("http://{SERVER}/{path}");
        let answer = printed(&self.lab.run(host, &["curl", "-sS", "-w", "\n%{http_code}", &url]));
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }
}

const BOOTS: &str =
    "[[rule]]\nname = \"cm\"\nmatch = { class = \"ipxe\" }\naction.boot = { image = \"cm\" }\n";

#[test]
fn the_secret_of_the_media_is_in_no_file_of_the_image() {
    let site = Site::start(WITH_PASSWORD, BOOTS);
    for path in
        ["cm/SMS/data/Variables.dat", "cm/sms/data/variables.dat", "cm/SMS/data/Policy.xml", "cm/cm.iso"]
    {
        assert_eq!(site.get("client", path).0, "404", "{path}");
    }
    assert_eq!(site.get("client", "cm/SMS/data/TsmBootstrap.ini"), ("200".into(), WITH_PASSWORD.into()));
    let store = site.lab.folder().join("state/images");
    let holding = Command::new("grep").args(["-rlaF", SECRET]).arg(&store).output().unwrap();
    let mut holding: Vec<String> =
        String::from_utf8_lossy(&holding.stdout).lines().map(str::to_owned).collect();
    holding.sort();
    let kept = ["boot-media/cm.dat", "boot-media/cm.overlay"];
    assert_eq!(holding, kept.map(|file| text(&store.join(file))), "no other file has it");
    let shown = image(&store, &["show", "cm"]);
    for words in ["ConfigMgr boot media", "a password is required", "encrypted in Variables.dat"] {
        assert!(printed(&shown).contains(words), "{words}: {}", printed(&shown));
    }
    assert!(image(&store, &["remove", "cm"]).status.success());
    assert!(kept.iter().all(|file| !store.join(file).exists()));
}

#[test]
fn ipxe_hands_the_media_to_windows_pe_in_order_and_nobody_else_gets_its_secret() {
    let site = Site::start(WITH_PASSWORD, BOOTS);
    let machine = Machine::start_as(&site.lab, Firmware::Bios { card: "virtio-net-pci" }, "br0", 1, None);
    machine.wait_for_payload("wimboot-runs");
    let log = site.netbootd.log();
    let folder = "boot-media/cm/52-54-00-4c-01-01";
    let order = [
        "cm/wimboot.ipxe".to_owned(),
        "wimboot".to_owned(),
        format!("{folder}/winpeshl.ini"),
        format!("{folder}/netbootd-media.cmd"),
        format!("{folder}/TsmBootstrap.ini"),
        format!("{folder}/Variables.dat"),
        "cm/wimboot.bcd".to_owned(),
        "cm/boot/boot.sdi".to_owned(),
        "cm/sources/boot.wim".to_owned(),
    ];
    let mut from = 0;
    for path in order {
        let word = format!("path=\"/{path}\"");
        let at =
            log[from..].lines().find(|line| line.contains("completed proto=http") && line.contains(&word));
        let at = at.unwrap_or_else(|| panic!("{path} was not fetched in its turn:\n{log}"));
        from += log[from..].find(at).unwrap() + at.len();
    }
    // The same path from another address.
    assert_eq!(site.get("stranger", VARIABLES), ("403".into(), "not for this machine".into()));
    site.netbootd.logged(&["WARN", "not-for-this-machine", "another address asks than the machine's"]);
}

/// The machine's boot manager, as hivex reads what it was given: the paths of the RAM disk and of its
/// `boot.sdi`.
fn paths_in(hive: &Path) -> (String, String) {
    let element = |object: &str, number: &str| {
        let mut export = Command::new("hivexregedit");
        export.args(["--export", "--unsafe-printable-strings"]).arg(hive);
        let output = export.arg(format!("\\Objects\\{object}\\Elements\\{number}")).output().unwrap();
        let text = printed(&output);
        let value = text.lines().find_map(|line| line.strip_prefix("\"Element\"="));
        value.unwrap_or_else(|| panic!("{number}: {text}")).to_owned()
    };
    let device = element("{6e657462-6f6f-7464-8000-57696e50450a}", "11000001");
    assert_eq!(device, element("{6e657462-6f6f-7464-8000-57696e50450a}", "21000001"), "the system's device");
    let hex = device.strip_prefix("hex(3):").unwrap();
    let bytes: Vec<u8> = hex.split(',').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    // Behind the options, the RAM disk and the boot device: the path in UTF-16, with its zero.
    let path: Vec<u16> = bytes[140..].as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let path = String::from_utf16(path.strip_suffix(&[0]).unwrap()).unwrap();
    let sdi = element("{ae5534e0-a924-466c-b836-758539a3ee3a}", "32000004");
    (path, sdi.strip_prefix("str(1):").unwrap().trim_matches('"').to_owned())
}

/// File by file, in the order of Windows' boot manager: its program, its configuration, `boot.sdi`, and
/// the Windows PE with both files where TSBootShell looks after a start from `NET(0)`.
#[test]
fn windows_boot_manager_finds_windows_pe_with_the_medias_files_inside_by_tftp() {
    const ANY: &str = "[[rule]]\nname = \"cm\"\naction.boot = { image = \"cm\" }\n";
    let site = Site::start(WITH_PASSWORD, ANY);
    let folder = site.lab.folder();
    let get = |host: &str, path: &str, name: &str| {
        let mut client = site.lab.command(host, "tftp");
        client.current_dir(&folder).args(["-m", "octet", SERVER, "-c", "get", path, name]);
        printed(&client.output().unwrap())
    };
    let mac = "52:54:00:4c:01:01";
    for (arch, boot_manager) in
        [("x64-uefi", "cm/boot/x64/bootmgfw.efi"), ("x86-bios", "cm/boot/x64/pxeboot.n12")]
    {
        let probe = ["probe", "pxe", SERVER, "--mac", mac, "--arch", arch];
        let offered = printed(&site.lab.run("client", &[&[program().as_str()], &probe[..]].concat()));
        assert!(offered.contains(boot_manager), "{offered}");
        get("client", boot_manager, "boot-manager");
        get("client", "\\Boot\\BCD", "BCD");
        let (wim, sdi) = paths_in(&folder.join("BCD"));
        assert_eq!(wim, "\\boot-media\\cm\\52-54-00-4c-01-01\\boot.wim");
        get("client", &sdi, "boot.sdi");
        assert_eq!(fs::read_to_string(folder.join("boot.sdi")).unwrap(), "sdi");
        get("client", &wim, "boot.wim");
        site.netbootd.logged(&["completed", "boot-media", "boot.wim"]);
    }
    let log = site.netbootd.log();
    let order = ["bootmgfw.efi", "BCD", "boot.sdi", "boot.wim"];
    let places =
        order.map(|file| log.lines().position(|line| line.contains("completed") && line.contains(file)));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}:\n{log}");

    // The Windows PE as wimlib and 7-Zip read it: the media's own, and the two files.
    run(Command::new("wimlib-imagex").args(["verify", "boot.wim"]).current_dir(&folder));
    run(Command::new("wimlib-imagex").args(["apply", "boot.wim", "1", "started"]).current_dir(&folder));
    run(Command::new("7zz").args(["x", "-y", "-oother", "boot.wim"]).current_dir(&folder));
    for top in ["started", "other"] {
        let data = folder.join(top).join("sms/data");
        assert_eq!(fs::read_to_string(data.join("TsmBootstrap.ini")).unwrap(), WITH_PASSWORD, "{top}");
        assert_eq!(fs::read_to_string(data.join("Variables.dat")).unwrap(), SECRET, "{top}");
        fs::remove_dir_all(data).unwrap();
        run(Command::new("diff").arg("-r").arg(folder.join("pe")).arg(folder.join(top)));
    }

    // It is for this machine at its address alone, and the one that everybody gets has no secret.
    let wim = "boot-media/cm/52-54-00-4c-01-01/boot.wim";
    assert!(get("stranger", wim, "stolen").contains("not for this machine"));
    assert_eq!(site.get("stranger", wim), ("403".into(), "not for this machine".into()));
    site.netbootd.logged(&["WARN", "not-for-this-machine", "another address asks than the machine's"]);
    get("stranger", "cm/sources/boot.wim", "plain.wim");
    let listed = Command::new("wimlib-imagex").args(["dir", "plain.wim"]).current_dir(&folder).output();
    let listed = printed(&listed.unwrap());
    assert!(listed.contains("TsBootShell.exe") && !listed.contains("Variables.dat"), "{listed}");
}

#[test]
fn a_machine_that_policy_boots_otherwise_gets_no_secret_and_the_log_says_so() {
    let site = Site::start(WITH_PASSWORD, "[[rule]]\nname = \"disk\"\naction = \"local-boot\"\n");
    let asked = site.lab.run("client", &[&program(), "probe", "pxe", SERVER, "--mac", "52:54:00:4c:01:01"]);
    drop(asked);
    for host in ["client", "stranger"] {
        for file in [VARIABLES, "boot-media/cm/52-54-00-4c-01-01/boot.wim"] {
            assert_eq!(site.get(host, file).0, "403", "{host}: {file}");
        }
    }
    // Nor by TFTP.
    let mut tftp = site.lab.command("client", "tftp");
    tftp.current_dir(site.lab.folder()).args(["-m", "octet", SERVER, "-c", "get", VARIABLES, "got"]);
    let answer = printed(&tftp.output().unwrap());
    assert!(answer.contains("not for this machine"), "{answer}");
    site.netbootd.logged(&["WARN", "not-for-this-machine", "Variables.dat"]);
    assert!(!site.netbootd.log().contains(SECRET));
}

#[test]
fn media_without_a_password_is_handed_out_only_where_the_configuration_allows_it() {
    for (allowed, expected) in [("", "403"), ("[boot-media]\nallow-without-password = true\n", "200")] {
        let site = Site::start(WITHOUT_PASSWORD, &format!("{allowed}{BOOTS}"));
        let machine = Machine::start_as(&site.lab, Firmware::Bios { card: "virtio-net-pci" }, "br0", 1, None);
        let ends = [("403", "not-for-this-machine"), ("200", "completed proto=http")];
        let word = ends.iter().find(|(status, _)| *status == expected).unwrap().1;
        site.netbootd.logged_within(&[word, "Variables.dat"], 60);
        drop(machine);
    }
}

/// The registry string and the files after the script, in Wine's `cmd`: it is not Windows PE's, and
/// shows that the script's own words work.
#[test]
#[ignore = "needs Wine, which make nightly installs"]
fn the_script_leaves_what_tsbootshell_reads() {
    let site = Site::start(WITH_PASSWORD, BOOTS);
    let folder = "boot-media/cm/52-54-00-4c-01-01";
    firmware::ask_boot_server(&site.lab, "client", [10, 77, 0, 50].into(), SERVER, MAC);
    let wine = Wine::start(&site.lab, "client");
    let system = wine.system();
    for name in ["winpeshl.ini", "netbootd-media.cmd", "TsmBootstrap.ini"] {
        fs::write(system.join(name), site.get("client", &format!("{folder}/{name}")).1).unwrap();
    }
    let script = site.get("client", "netbootd/winpe/netbootd-report.js");
    fs::write(system.join("netbootd-report.js"), script.1).unwrap();
    fs::write(system.join("Variables.dat"), SECRET).unwrap();
    let key = "HKLM\\SYSTEM\\CurrentControlSet\\Control";
    let options = "RDPATH=MULTI(0)DISK(0)RDISK(0)PARTITION(1)\\SOURCES\\BOOT.WIM MININT DETECTHAL";
    wine.run(&["reg", "add", key, "/v", "SystemStartOptions", "/t", "REG_SZ", "/d", options, "/f"]);
    // winpeshl.exe runs the lines of LaunchApps one after the other.
    let lines = fs::read_to_string(system.join("winpeshl.ini")).unwrap();
    let lines: Vec<&str> = lines.lines().skip_while(|line| *line != "[LaunchApps]").skip(1).collect();
    assert_eq!(lines[0], "%SYSTEMROOT%\\System32\\cmd.exe, /c %SYSTEMROOT%\\System32\\netbootd-media.cmd");
    assert_eq!(lines[1], "%SYSTEMDRIVE%\\sms\\bin\\x64\\TsBootShell.exe");
    let ran = wine.run(&["cmd", "/c", "C:\\windows\\system32\\netbootd-media.cmd"]);
    // TSBootShell reads the start options, and the two files.
    let read = wine.run(&["reg", "query", key, "/v", "SystemStartOptions"]);
    assert!(read.contains("RDPATH=ramdisk(0)\\SOURCES\\BOOT.WIM MININT DETECTHAL"), "{read}\n{ran}");
    let data = wine.drive().join("sms/data");
    assert_eq!(fs::read_to_string(data.join("Variables.dat")).unwrap(), SECRET, "{ran}");
    assert_eq!(fs::read_to_string(data.join("TsmBootstrap.ini")).unwrap(), WITH_PASSWORD);
    assert!(!system.join("Variables.dat").exists(), "no second copy stays");
    site.netbootd.logged(&[" report ", "state=\"up\"", "Windows PE"]);
}

#[test]
fn media_that_lacks_a_part_is_refused_with_the_name_of_the_part() {
    let lab = Lab::new();
    let folder = lab.folder();
    let iso = media(&folder, WITH_PASSWORD);
    fs::remove_file(folder.join("media/SMS/data/Variables.dat")).unwrap();
    run(Command::new("xorriso")
        .args(["-as", "mkisofs", "-quiet", "-J", "-R", "-V", "CM", "-o"])
        .arg(&iso)
        .arg(folder.join("media")));
    let imported = image(&folder.join("store"), &["import", &text(&iso), "--name", "cm"]);
    assert!(!imported.status.success());
    assert!(printed(&imported).contains("its Variables.dat is missing"), "{}", printed(&imported));
}
