//! In front of a distribution point's own responder: its answers and its files come by way of
//! netbootd.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::responder::{BCD, Says, VARIABLES, option};
use netbootd_tests::secure_boot::{StandIns, WINDOWS_2011};
use netbootd_tests::{
    DhcpServer, Firmware, Lab, Machine, Netbootd, Responder, boot_program, firmware, loaders, wait,
};

const MAC: &str = "52:54:00:4c:01:01";
const GUID: &str = "4c4c4544-0042-3510-8053-5254004c0101";
const RULE: &str = "[[rule]]\nname = \"site\"\naction = \"relay\"\n";

struct Site {
    lab: Lab,
    responder: Responder,
    netbootd: Netbootd,
}

impl Site {
    fn new(configuration: &str) -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        let responder = Responder::start(&mut lab);
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        let configuration = format!("[relay]\nresponder = \"10.77.0.6\"\n{configuration}");
        let netbootd = Netbootd::start(&lab, &root, &configuration);
        Site { lab, responder, netbootd }
    }

    /// Asks port 4011 as firmware does.
    fn ask(&self) -> String {
        let program = program();
        let words = [
            &program,
            "probe",
            "pxe",
            SERVER,
            "--mac",
            MAC,
            "--uuid",
            GUID,
            "--arch",
            "x86-bios",
            "--timeout",
            "2",
        ];
        String::from_utf8(self.lab.run("client", &words).stdout).unwrap()
    }

    /// Fetches a file as firmware does.
    fn get(&self, path: &str) -> (Output, Vec<u8>) {
        let out = self.lab.folder().join("got");
        let _ = fs::remove_file(&out); // of the time before
        let (program, to) = (program(), out.display().to_string());
        let got = self
            .lab
            .run("client", &[&program, "probe", "tftp", "--as-machine", SERVER, path, "--output", &to]);
        (got, fs::read(&out).unwrap_or_default())
    }

    fn logged(&self, words: &[&str]) {
        self.netbootd.logged(words);
    }
}

/// The responder's boot manager is a stand-in, signed under the laboratory's own authority of 2011.
#[test]
fn the_signer_of_the_responders_boot_program_is_named_and_a_machine_that_refuses_it_counts() {
    let site = Site::new(RULE);
    let stand_ins = StandIns::new(&site.lab.folder());
    let file = site.responder.root().join("SMSBoot/x64/bootmgfw.efi");
    stand_ins.put_boot_manager(&file, WINDOWS_2011, "responders");
    site.responder.says(Says::Boot("SMSBoot\\x64\\bootmgfw.efi"));
    let address = [0x52, 0x54, 0, 0x4c, 1, 1];
    let asks =
        || firmware::ask_boot_server(&site.lab, "client", Ipv4Addr::new(10, 77, 0, 50), SERVER, address);
    asks();
    site.logged(&["bootmgfw.efi", MAC]);
    let (got, bytes) = site.get("\\SMSBoot\\x64\\bootmgfw.efi");
    assert!(got.status.success() && bytes == fs::read(file).unwrap());
    site.logged(&["the responder's boot program is signed", WINDOWS_2011]);
    asks();
    let told = || {
        let mut curl = site.lab.command("server", "curl");
        let told = curl.args(["-sS", "http://127.0.0.1:9167/api/secure-boot"]).output().unwrap();
        String::from_utf8_lossy(&told.stdout).into_owned()
    };
    wait::until(Duration::from_secs(10), || told().contains("\"refuse_2011\":1"), told);
}

#[test]
fn a_machine_is_told_what_the_responder_says_and_fetches_its_files_from_here() {
    let site = Site::new(RULE);
    let root = site.responder.root();
    let image: Vec<u8> = (0..20_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files = [
        (VARIABLES, b"variables of one machine".to_vec()),
        (BCD, vec![0x72; 16_384]),
        ("\\SMSBoot\\x64\\pxeboot.com", vec![0x90; 25_772]),
        ("\\SMSImages\\PS100005\\WinPE.PS100005.wim", image),
    ];
    for (path, bytes) in &files {
        let file = root.join(path.trim_start_matches('\\').replace('\\', "/"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    // Nothing comes through before a machine of the segment was handed on.
    let (refused, nothing) = site.get("\\SMSBoot\\x64\\pxeboot.com");
    assert!(!refused.status.success() && nothing.is_empty());
    site.responder.says(Says::Boot("SMSBoot\\x64\\pxeboot.com"));
    let told = site.ask();
    for words in [
        "boot file: SMSBoot\\\\x64\\\\pxeboot.com",
        "server identifier: 10.77.0.1",
        "next server: 10.77.0.1",
        VARIABLES,
        "with the secret that opens it",
        &BCD.replace('\\', "\\\\"),
    ] {
        assert!(told.contains(words), "{words:?} is not in {told}");
    }
    let asked = site.responder.asked();
    assert_eq!(option(&asked[0], 93), Some(&[0, 0][..]));
    assert_eq!(option(&asked[0], 97).map(<[u8]>::len), Some(17));
    assert_eq!(&asked[0][28..34], [0x52, 0x54, 0, 0x4c, 1, 1]);
    // Its boot program asks once more, in its own words, which reach the responder as they are.
    let asked = site.lab.inside("client", || {
        let socket = UdpSocket::bind("10.77.0.50:68").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&boot_program::request(), format!("{SERVER}:4011")).unwrap();
        let mut bytes = [0; 2048];
        let length = socket.recv(&mut bytes).unwrap();
        bytes[..length].to_vec()
    });
    let reply = asked.join().unwrap();
    assert_eq!(option(&reply, 252).map(<[u8]>::len), Some(BCD.len() + 1));
    let asked = site.responder.asked().pop().unwrap();
    assert_eq!(option(&asked, 250), option(&boot_program::request(), 250));
    assert_eq!(option(&asked, 93), Some(&[0, 7][..]));
    site.logged(&["ack", "reason=rule", "boot_file=\"SMSBoot"]);
    site.logged(&["no password for PXE", "10.77.0.6"]);
    for (path, bytes) in &files {
        for spelled in [(*path).to_owned(), path.replace('\\', "/"), path.to_ascii_lowercase()] {
            let (got, came) = site.get(&spelled);
            assert!(got.status.success() && came == *bytes, "{spelled}: {} bytes", came.len());
        }
    }
    assert_eq!(site.netbootd.log().matches("fetched through").count(), files.len(), "each came once");
    let (refused, _) =
        site.get("\\SMSTemp\\2022.11.14.03.34.58.0001.{00000000-0000-0000-0000-000000000000}.boot.var");
    assert!(!refused.status.success(), "of another machine");
    site.responder.says(Says::WithPassword("SMSBoot\\x64\\pxeboot.com"));
    assert!(!site.ask().contains("secret"));
}

#[test]
fn a_responder_of_no_use_has_a_reason_each_time() {
    let site = Site::new(RULE);
    let table = [
        (Says::Silence, "relay-no-answer"),
        (Says::Nothing, "relay-nothing"),
        (Says::OtherMachine, "relay-other-machine"),
        (Says::OtherQuestion, "relay-other-machine"),
        (Says::LeadsOut, "relay-malformed"),
    ];
    for (says, reason) in table {
        site.responder.says(says.clone());
        let before = site.netbootd.log().matches(reason).count();
        assert!(!site.ask().contains("boot file"), "{says:?}");
        let counted = || site.netbootd.log().matches(reason).count() > before;
        wait::until(Duration::from_secs(10), counted, || format!("{says:?}: {}", site.netbootd.log()));
    }
    site.logged(&["local-boot", "relay-malformed", "option 252", ".."]);
    // A client that asks more often than machines do is not forwarded.
    site.responder.says(Says::Nothing);
    let mut question = site.responder.asked().pop().unwrap();
    question[12..16].copy_from_slice(&[10, 77, 0, 50]);
    site.lab.ip("client", "addr add 10.99.0.5/24 dev eth0");
    let asked = site.lab.inside("client", move || {
        let socket = UdpSocket::bind("10.77.0.50:68").unwrap();
        for _ in 0..20 {
            socket.send_to(&question, format!("{SERVER}:4011")).unwrap();
        }
        // From another network than the segment's.
        let socket = UdpSocket::bind("10.99.0.5:68").unwrap();
        question[12..16].copy_from_slice(&[10, 99, 0, 5]);
        socket.send_to(&question, format!("{SERVER}:4011")).unwrap();
    });
    asked.join().unwrap();
    site.netbootd.wait_for("relay-elsewhere", Duration::from_secs(5));
    site.netbootd.wait_for("relay-too-often", Duration::from_secs(5));
}

#[test]
fn variables_of_two_gigabytes_are_refused() {
    let site = Site::new(RULE);
    let file = site.responder.root().join(VARIABLES.trim_start_matches('\\').replace('\\', "/"));
    fs::File::create(file).unwrap().set_len(2 << 30).unwrap();
    site.responder.says(Says::Boot("SMSBoot\\x64\\pxeboot.com"));
    assert!(site.ask().contains("boot file"));
    let (refused, came) = site.get(VARIABLES);
    assert!(!refused.status.success() && came.is_empty());
    let words = "2147483648 bytes, more than the 16777216 that are taken";
    site.netbootd.wait_for(words, Duration::from_secs(10));
}

#[test]
fn machines_that_ask_at_the_same_instant_share_one_fetch() {
    let site = Site::new(RULE);
    let image = vec![0x5a; 3_000_000];
    fs::create_dir_all(site.responder.root().join("SMSImages")).unwrap();
    fs::write(site.responder.root().join("SMSImages/boot.wim"), &image).unwrap();
    site.responder.says(Says::Boot("SMSBoot\\x64\\pxeboot.com"));
    assert!(site.ask().contains("boot file"));
    let asked = site.lab.inside("client", || {
        let sockets: Vec<UdpSocket> = (0..24).map(|_| UdpSocket::bind("10.77.0.50:0").unwrap()).collect();
        for socket in &sockets {
            let request = b"\0\x01\\SMSImages\\boot.wim\0octet\0";
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            socket.send_to(request, format!("{SERVER}:69")).unwrap();
        }
        let mut bytes = [0; 1024];
        sockets
            .iter()
            .map(|socket| {
                let length = socket.recv(&mut bytes).unwrap();
                bytes[..length].to_vec()
            })
            .collect::<Vec<_>>()
    });
    let first = [&[0, 3, 0, 1], &image[..512]].concat();
    assert!(asked.join().unwrap().iter().all(|answer| *answer == first));
    let (got, came) = site.get("\\SMSImages\\boot.wim");
    assert!(got.status.success() && came == image);
    site.netbootd.wait_for("fetched through", Duration::from_secs(20));
    assert_eq!(site.netbootd.log().matches("fetched through").count(), 1, "{}", site.netbootd.log());
}

#[test]
fn a_font_that_the_responder_lacks_is_refused_with_its_own_words() {
    let site = Site::new(RULE);
    site.responder.says(Says::Boot("SMSBoot\\x64\\pxeboot.com"));
    assert!(site.ask().contains("boot file"));
    let (refused, _) = site.get("\\Boot\\Fonts\\segmono_boot.ttf");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("says error 1"), "{said}");
    site.logged(&["not fetched through", "10.77.0.6:69 says error 1", "segmono_boot.ttf"]);
}

/// A machine boots what the responder names, fetched through netbootd.
fn boots(firmware: Firmware, file: &'static str, put: impl Fn(&Path)) {
    let grub = "[[file]]\npath = \"grub/grub.cfg\"\ntemplate = \"echo NETBOOTD-PAYLOAD from-the-site\\nsleep 1\\nhalt\\n\"\n";
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let responder = Responder::start(&mut lab);
    let _router = DhcpServer::start_router(&mut lab); // iPXE waits for one
    let folder = responder.root().join("smsboot/x64");
    fs::create_dir_all(&folder).unwrap();
    put(&folder);
    responder.says(Says::Boot(file));
    let configuration = format!("{ADDRESSES}[relay]\nresponder = \"10.77.0.6\"\n{RULE}{grub}");
    let netbootd = Netbootd::start(&lab, &root, &configuration);
    let machine = Machine::start_as(&lab, firmware, "br0", 1, None);
    let ended = catch_unwind(AssertUnwindSafe(|| machine.wait_for_payload("from-the-site")));
    let log = netbootd.log();
    assert!(ended.is_ok() && log.contains("fetched through"), "netbootd says:\n{log}");
    assert!(responder.asked().iter().any(|asked| option(asked, 97).is_some()));
}

#[test]
fn a_bios_pc_boots_by_the_responder() {
    let put = |folder: &Path| loaders::put_bios_program(&folder.join("pxeboot.n12"), "from-the-site");
    boots(Firmware::Bios { card: "virtio-net-pci" }, "smsboot\\x64\\pxeboot.n12", put);
}

#[test]
fn a_uefi_pc_boots_by_the_responder() {
    let put = |folder: &Path| loaders::put_grub(folder, "wdsmgfw.efi");
    boots(Firmware::UefiPxe, "smsboot\\x64\\wdsmgfw.efi", put);
}

#[test]
fn firmware_is_handed_on_beside_another_dhcp_server() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    let responder = Responder::start(&mut lab);
    let _other = DhcpServer::start(&mut lab);
    let folder = responder.root().join("smsboot/x64");
    fs::create_dir_all(&folder).unwrap();
    loaders::put_grub(&folder, "wdsmgfw.efi");
    responder.says(Says::Boot("smsboot\\x64\\wdsmgfw.efi"));
    let netbootd = Netbootd::start(&lab, &root, &format!("[relay]\nresponder = \"10.77.0.6\"\n{RULE}"));
    let _machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 1, None);
    netbootd.wait_for("completed proto=tftp", Duration::from_secs(100));
}
