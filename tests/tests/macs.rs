//! Macs against netbootd: an independent BSDP client, and Wireshark's reading of the answers.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netbootd_tests::mac::{self, Nbi, sha256};
use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::{Lab, Netbootd, Process, Relay, findings, wait};

const OFF: &str = "[dhcp]\nmode = \"off\"\n";

/// A server, and a Mac that has its address already.
fn site() -> (Lab, PathBuf) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("mac");
    lab.plug("mac", "en0", "br0", "10.77.0.50/24");
    fs::create_dir_all(root.join("NetBoot/NetBootSP0")).unwrap();
    (lab, root)
}

fn share(root: &Path) -> PathBuf {
    root.join("NetBoot/NetBootSP0")
}

fn small(name: &str, index: u16) -> Nbi<'_> {
    Nbi { name, index, root_size: 300_000, more: "" }
}

/// The output of the Go client when all goes well.
fn as_mac(lab: &Lab, words: &[&str]) -> String {
    let output = lab.run("mac", &[&[mac::client().as_str(), "en0"], words].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_mac_boots_to_the_last_byte_of_its_root() {
    let (lab, root) = site();
    let other = "<key>IsDefault</key><true/>";
    small("Diagnostics", 3).put(&share(&root));
    let folder =
        Nbi { name: "Sierra Install", index: 1113, root_size: 1 << 30, more: other }.put(&share(&root));
    let netbootd = Netbootd::start(&lab, &root, OFF);
    let text = as_mac(&lab, &["boot"]);
    let base = format!("{SERVER}/NetBoot/NetBootSP0/Sierra%20Install.nbi");
    for expected in [
        "image 81000459 \"Sierra Install\" default\n".to_owned(),
        "image 81000003 \"Diagnostics\"\n".to_owned(),
        "machine name NetBoot001\n".to_owned(),
        format!(
            "server {SERVER} booter /NetBoot/NetBootSP0/Sierra Install.nbi/i386/booter root http://{base}/NetInstall.dmg\n"
        ),
        format!("booter 700000 bytes sha256 {} in blocks of 1460\n", sha256(&folder.join("i386/booter"))),
        format!(
            "kernelcache 1500001 bytes sha256 {} in blocks of 1460\n",
            sha256(&folder.join("i386/x86_64/kernelcache"))
        ),
        "optional file: error 1: file not found\n".to_owned(),
        format!(
            "root 1073741824 bytes sha256 {} in 8192 ranges on 1 connections\n",
            sha256(&folder.join("NetInstall.dmg"))
        ),
    ] {
        assert!(text.contains(&expected), "{expected}is not in\n{text}");
    }
    netbootd.wait_for("reason=selected", Duration::from_secs(5));
    assert!(as_mac(&lab, &["list"]).contains("\"Sierra Install\" default selected"));
}

#[test]
fn a_choice_is_offered_at_the_next_start_and_after_a_restart_until_it_is_forgotten() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    let netbootd = Netbootd::start(&lab, &root, OFF);
    let first = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "discover"]));
    netbootd.wait_for("reason=not-bound", Duration::from_secs(10));
    drop(first);
    as_mac(&lab, &["boot"]);
    let offer = format!("offer 81000005 from {SERVER} booter /NetBoot/NetBootSP0/Sierra.nbi/i386/booter\n");
    assert!(as_mac(&lab, &["discover"]).contains(&offer));

    let state = lab.folder().join("state").display().to_string();
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let bindings = |words: &[&str]| {
        lab.run("server", &[&[program().as_str(), "bindings"], words, &["--config", &config]].concat())
    };
    let listed = String::from_utf8(bindings(&["list"]).stdout).unwrap();
    assert!(listed.contains("81000005") && listed.contains("NetBoot001"), "{listed}");
    drop(netbootd);
    // The file answers while no netbootd runs.
    assert!(String::from_utf8(bindings(&["list"]).stdout).unwrap().contains("81000005"));
    let netbootd = Netbootd::start(&lab, &root, OFF);
    assert!(as_mac(&lab, &["discover"]).contains(&offer));

    let mac = listed.lines().nth(1).unwrap().split(' ').next().unwrap();
    assert!(bindings(&["forget", mac]).status.success());
    assert_eq!(bindings(&["forget", mac]).status.code(), Some(1));
    let after = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "discover"]));
    netbootd.wait_for("reason=not-bound", Duration::from_secs(10));
    drop((after, state));
}

#[test]
fn in_server_mode_a_mac_gets_its_address_and_its_image() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    let _netbootd = Netbootd::start(&lab, &root, ADDRESSES);
    as_mac(&lab, &["boot"]);
    let text = as_mac(&lab, &["discover"]);
    assert!(text.contains("offer 81000005"), "{text}");
}

#[test]
fn a_mac_behind_a_relay_is_answered_at_its_own_address() {
    let (mut lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    let _relay = Relay::start(&mut lab);
    lab.add_host("far");
    lab.plug("far", "en0", "br1", "10.78.0.50/24");
    lab.ip("far", "route add default via 10.78.0.254");
    lab.ip("server", "route add default via 10.77.0.254");
    let netbootd = Netbootd::start(&lab, &root, OFF);
    let output = lab.run("far", &[&mac::client(), "en0", "list"]);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("image 81000005 \"Sierra\" default\n"));
    netbootd.wait_for("reason=list", Duration::from_secs(5));
}

#[test]
fn a_boot_file_alone_starts_ipxe_on_a_mac() {
    let (lab, root) = site();
    let folder = small("iPXE", 7).put(&share(&root));
    let list = fs::read_to_string(folder.join("NBImageInfo.plist")).unwrap();
    let list = list
        .replace("<string>HTTP</string>", "<string>BootFileOnly</string><key>Kind</key><integer>1</integer>");
    fs::write(folder.join("NBImageInfo.plist"), list.replace("booter", "ipxe.efi")).unwrap();
    fs::copy("/usr/lib/ipxe/ipxe.efi", folder.join("i386/ipxe.efi")).unwrap();
    let _netbootd = Netbootd::start(&lab, &root, OFF);
    let text = as_mac(&lab, &["boot", "81000007"]);
    assert!(text.contains("iPXE.nbi/i386/ipxe.efi root \n"), "{text}");
    assert!(text.contains(&sha256(Path::new("/usr/lib/ipxe/ipxe.efi"))), "{text}");
}

#[test]
fn images_come_and_go_without_a_restart_and_bad_ones_are_reported() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    fs::create_dir_all(share(&root).join("Broken.nbi")).unwrap();
    let netbootd = Netbootd::start(&lab, &root, &format!("{OFF}[netboot]\nrescan = \"0s\"\n"));
    assert!(
        netbootd.log().contains("folder=\"Broken.nbi\" problems=\"NBImageInfo.plist: no such file\""),
        "{}",
        netbootd.log()
    );
    small("Mojave", 6).put(&share(&root));
    let config = lab.folder().join("netbootd.toml").display().to_string();
    assert!(lab.run("server", &[&program(), "reload", "--config", &config]).status.success());
    let text = as_mac(&lab, &["list"]);
    assert!(text.contains("\"Mojave\"") && text.contains("\"Sierra\""), "{text}");
    fs::write(&config, "[netboot]\nrescan = 5\n").unwrap();
    let output = lab.run(
        "server",
        &[&program(), "reload", "--state-dir", &lab.folder().join("state").display().to_string()],
    );
    assert_eq!(output.status.code(), Some(1), "a bad configuration is refused, and the old one stays");
    assert!(as_mac(&lab, &["list"]).contains("\"Mojave\""));
}

#[test]
fn the_probe_lists_and_chooses_as_startup_disk_does() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    Nbi {
        more: "<key>DisabledSystemIdentifiers</key><array><string>iMac14,3</string></array>",
        ..small("Mojave", 6)
    }
    .put(&share(&root));
    let netbootd = Netbootd::start(&lab, &root, OFF);
    let probe = |words: &[&str]| {
        lab.run("mac", &[&[program().as_str(), "probe", "bsdp", "--iface", "en0"], words].concat())
    };
    let list = String::from_utf8(probe(&["--model", "iMac14,3"]).stdout).unwrap();
    assert_eq!(list, format!("LIST from {SERVER}\n  priority 32768\n  81000005 Sierra (default)\n"));
    let chosen = String::from_utf8(probe(&["--select", "81000006", SERVER]).stdout).unwrap();
    assert!(
        chosen.contains("SELECT from 10.77.0.1\n  image 81000006\n  machine name NetBoot001\n"),
        "{chosen}"
    );
    assert_eq!(probe(&["--model", "iMac14,3", "--select", "81000006"]).status.code(), Some(1));
    assert_eq!(probe(&["--model", "MacBookPro15,1"]).status.code(), Some(1));
    for word in
        ["left_out=\"Mojave.nbi: model-disabled\"", "reason=image-not-for-this-mac", "reason=cannot-netboot"]
    {
        netbootd.wait_for(word, Duration::from_secs(5));
    }
}

#[test]
fn explain_is_what_machines_meet_and_says_which_configuration_it_goes_by() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    small("Mojave", 6).put(&share(&root));
    fs::write(root.join("a.efi"), "a").unwrap();
    let pilot = |rest: &str| {
        format!(
            "[policy]\nbanned-macs = \"02:00:00:00:00:66\"\n[[rule]]\nname = \"lab\"\n\
             action.boot = {{ file = \"a.efi\", images = {rest} }}\n"
        )
    };
    let netbootd = Netbootd::start(&lab, &root, &pilot("\"Mojave\""));
    let config = lab.folder().join("netbootd.toml");
    let run = |words: &[&str]| {
        let output = lab
            .run("server", &[&[program().as_str()], words, &["--config", config.to_str().unwrap()]].concat());
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let address = lab.run("mac", &["cat", "/sys/class/net/en0/address"]);
    let address = String::from_utf8(address.stdout).unwrap().trim().to_owned();
    let explain = |more: &[&str]| run(&[&["explain", &address], more].concat());

    // Unheard of, it would be taken for a PC; as it asked, it is a Mac.
    assert!(explain(&[]).contains("asks as pxe, x64-uefi"));
    let listed = as_mac(&lab, &["list"]);
    assert!(listed.contains("\"Mojave\" default") && !listed.contains("Sierra"), "{listed}");
    let running = explain(&[]);
    for words in ["decided by the running daemon", "asks as bsdp", "is offered Mojave", "81000006 Mojave"] {
        assert!(running.contains(words), "{words}: {running}");
    }
    // Another file decides by itself until it is read.
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("images = \"Mojave\"", "images = \"none\"")).unwrap();
    let offline = explain(&[]);
    for words in
        ["decided offline with ", "the running daemon has loaded another one", "asks as bsdp", "no image"]
    {
        assert!(offline.contains(words), "{words}: {offline}");
    }
    assert!(explain(&["--offline"]).contains("is offered no image"));
    let running = explain(&["--running"]);
    assert!(running.contains("the file has changed since") && running.contains("Mojave"), "{running}");
    run(&["reload"]);
    let read = explain(&[]);
    assert!(read.contains("decided by the running daemon") && read.contains("no image"), "{read}");
    let asks = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "list"]));
    netbootd.logged(&["reason=no-image", "rule=\"lab\"", "Mojave.nbi: not-allowed"]);
    drop(asks);

    // PCs, by probes: one that boots by HTTP, and one that is banned.
    for (mac, answer) in [("02:00:00:00:00:55", "boots a.efi: rule"), ("02:00:00:00:00:66", "mac-ignored")] {
        let words = ["probe", "pxe", "--iface", "en0", "--mac", mac, "--class", "http", "--timeout", "1"];
        let offers = lab.run("mac", &[&[program().as_str()], words.as_slice()].concat());
        let offers = String::from_utf8(offers.stdout).unwrap();
        let explained = run(&["explain", mac]);
        assert!(explained.contains("asks as http") && explained.contains(answer), "{explained}");
        assert_eq!(offers.contains("a.efi"), answer.starts_with("boots"), "{offers}");
    }
    let noted = run(&["pending", "approve", "02:00:00:00:00:77"]);
    for words in ["unknown-machines is not \"approve\"", "02:00:00:00:00:77 has not asked here lately"] {
        assert!(noted.contains(words), "{noted}");
    }
    assert!(!run(&["pending", "approve", &address]).contains("has not asked"));
}

#[test]
fn a_mac_that_is_ignored_gets_silence_and_one_that_waits_its_images_once_approved() {
    let (lab, root) = site();
    small("Sierra", 5).put(&share(&root));
    fs::write(lab.folder().join("devices.csv"), "mac,name\n02:00:00:00:00:01,pc\n").unwrap();
    let policy =
        format!("{OFF}[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n");
    let netbootd = Netbootd::start(&lab, &root, &policy);
    let asks = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "list"]));
    netbootd.logged(&["wait", "proto=bsdp", "reason=pending"]);
    drop(asks);
    let config = lab.folder().join("netbootd.toml").display().to_string();
    let run = |words: &[&str]| {
        let output = lab.run("server", &[&[program().as_str()], words, &["--config", &config]].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let pending = run(&["pending", "list"]);
    let address = pending.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(run(&["pending", "approve", &address]), format!("{address}: approved\n"));
    assert!(as_mac(&lab, &["boot"]).contains("image 81000005"));
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("[policy]\n", &format!("[policy]\nbanned-macs = \"{address}\"\n")))
        .unwrap();
    run(&["reload"]);
    // Neither its list nor what it chose before.
    for word in ["list", "discover"] {
        let asks = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", word]));
        netbootd.logged(&["ignore", "proto=bsdp", "reason=mac-ignored"]);
        assert!(!asks.printed().contains("81000005"), "{}", asks.printed());
    }
}

#[test]
fn a_diskless_mac_is_told_where_to_write() {
    let (lab, root) = site();
    Nbi { more: "<key>SupportsDiskless</key><true/>", ..small("Sierra", 5) }.put(&share(&root));
    let config = format!(
        "{OFF}[netboot]\nshadow = \"nfs:10.77.0.1:/srv/shadows\"\nserver-name = \"netboot.example\"\n"
    );
    let _netbootd = Netbootd::start(&lab, &root, &config);
    let probe = lab.run("mac", &[&program(), "probe", "bsdp", "--iface", "en0", "--select", "default"]);
    let chosen = String::from_utf8(probe.stdout).unwrap();
    assert!(chosen.contains("shadow at nfs:10.77.0.1:/srv/shadows"), "{chosen}");
}

#[test]
fn wireshark_reads_every_list_as_it_was_meant() {
    for count in [1_u8, 6, 40, 200] {
        let (lab, root) = site();
        let names: Vec<String> = (1..=count).map(|index| format!("Image {index:03} ü")).collect();
        for (name, index) in names.iter().zip(1_u16..) {
            Nbi { root_size: 1, ..small(name, index) }.put(&share(&root));
        }
        let _netbootd = Netbootd::start(&lab, &root, OFF);
        let capture = lab.folder().join("answers.pcap").display().to_string();
        let tcpdump = Process::start(
            "tcpdump",
            lab.command("mac", "tcpdump").args([
                "-i",
                "en0",
                "-U",
                "-w",
                &capture,
                "-Z",
                "root",
                "ip and src 10.77.0.1",
            ]),
        );
        tcpdump.wait_for("listening", Duration::from_secs(10));
        let probe = lab.run("mac", &[&program(), "probe", "bsdp", "--iface", "en0", "--timeout", "1"]);
        let ours = String::from_utf8(probe.stdout).unwrap();
        assert_eq!(ours.matches(" ü").count(), usize::from(count));
        let shown = loop_until_captured(&lab, &capture);
        assert!(!shown.contains("Malformed") && !shown.contains("[Expert Info (Error"), "{shown}");
        let read: Vec<&str> =
            shown.lines().filter_map(|line| line.trim().strip_prefix("Boot Image Name: ")).collect();
        assert_eq!(read, names, "{shown}");
        assert_eq!(shown.matches("Message Type: LIST (1)").count(), 1, "{shown}");
    }
}

/// The dissection, once the whole answer has reached the file.
fn loop_until_captured(lab: &Lab, capture: &str) -> String {
    let mut shown = String::new();
    for _ in 0..50 {
        let words = ["tshark", "-r", capture, "-d", "udp.port==900-1023,dhcp", "-V", "-Y", "dhcp"];
        shown = String::from_utf8_lossy(&lab.run("mac", &words).stdout).into_owned();
        if shown.contains("Option: (255) End") {
            break;
        }
    }
    shown
}

#[test]
fn a_macs_healthy_boot_has_no_finding_and_an_image_that_is_gone_is_named() {
    let (lab, root) = site();
    let folder = small("Sierra", 5).put(&share(&root));
    small("Diagnostics", 3).put(&share(&root));
    let status = "[status]\nlisten = \"127.0.0.1:9167\"\n[diagnosis]\npatience = 0.2\n";
    let netbootd = Netbootd::start(&lab, &root, &format!("{OFF}{status}"));
    as_mac(&lab, &["list"]);
    findings::none(&lab, &netbootd);
    let text = as_mac(&lab, &["boot", "81000005"]);
    assert!(text.contains("root 300000 bytes"), "{text}");
    findings::none(&lab, &netbootd);
    as_mac(&lab, &["discover"]);
    findings::none(&lab, &netbootd);
    fs::remove_dir_all(folder).unwrap();
    wait::until(Duration::from_secs(20), || !as_mac(&lab, &["list"]).contains("Sierra"), || netbootd.log());
    let bindings = lab.folder().join("netbootd.toml").display().to_string();
    let listed = lab.run("server", &[&program(), "bindings", "list", "--config", &bindings]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mac = listed.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let asking = Process::start("mac", lab.command("mac", &mac::client()).args(["en0", "discover"]));
    let finding = findings::wait_for(&lab, &netbootd, &mac, "mac-image-gone");
    assert_eq!(finding["headline"], "The Mac asks for an image that is gone.");
    drop(asking);
}
