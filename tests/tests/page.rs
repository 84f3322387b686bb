//! The status page in a real browser, while machines boot.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use netbootd_tests::browser::Browser;
use netbootd_tests::firmware;
use netbootd_tests::netbootd::{ADDRESSES, SERVER, program, write_secret};
use netbootd_tests::{Firmware, Lab, Machine, Netbootd, loaders};

const PAGE: &str = "http://127.0.0.1:9167/";
const MAC: &str = "52:54:00:4c:01:01";
const REFUSED: &str = "52:54:00:4c:01:02";

#[test]
fn the_page_follows_machines_while_they_boot() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    fs::write(root.join("boot.img"), vec![0x5a; 60_000_000]).unwrap();
    fs::write(root.join("menu.efi"), vec![0x5a; 3000]).unwrap();
    fs::write(lab.folder().join("devices.csv"), format!("name,mac,image\nworkshop-7,{MAC},none\n")).unwrap();
    let rules = format!(
        "[policy]\nunknown-machines = \"refuse\"\n[devices]\nfile = \"devices.csv\"\n\
         [[rule]]\nname = \"menu\"\nmatch = {{ mac = \"{MAC}\" }}\naction.boot = {{ file = \"menu.efi\" }}\n[[rule]]\nname = \"site\"\naction = \"directories\"\n"
    );
    let _netbootd = Netbootd::start(&lab, &root, &rules);
    let browser = Browser::start(&lab, "server", 1200, 900);
    browser.open(PAGE);
    browser.wait_for("return document.body.innerText.includes('Switch a machine on')");
    browser.keep_picture("empty");
    // A machine boots and its file comes slowly: the bar moves by itself.
    let probe = |words: &[&str]| {
        let mut command = lab.command("client", &program());
        command.arg("probe").args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    assert!(probe(&["pxe", SERVER, "--mac", MAC, "--timeout", "1"]).wait().unwrap().success());
    let mut slow =
        probe(&["tftp", "--as-machine", SERVER, "boot.img", "--block-size", "64", "--window-size", "1"]);
    let bar = "const bar = document.querySelector('progress'); return bar ? String(bar.value || '') : ''";
    let first = browser.wait_for(bar);
    browser.keep_picture("booting");
    let moved = format!(
        "const bar = document.querySelector('progress'); return !!bar && bar.value > {}",
        first.as_str().unwrap()
    );
    browser.wait_for(&moved);
    // A machine that is refused has its finding, with the cure, without a reload.
    browser.run("window.mark = 1");
    let refused = [0x52, 0x54, 0, 0x4c, 1, 2];
    firmware::ask_boot_server(&lab, "client", "10.77.0.50".parse().unwrap(), SERVER, refused);
    browser.wait_for(
        "return document.querySelector('.finding')?.innerText.includes('unknown-machine') === true",
    );
    assert_eq!(browser.run("return window.mark"), 1, "the page was not loaded anew");
    slow.kill().unwrap();
    slow.wait().unwrap();
    browser.keep_picture("finding");
    // Search, then one machine's own page with its strip.
    browser.type_into("input[type=search]", "4c:01:02\u{e007}");
    browser.wait_for(
        "return document.querySelectorAll('tbody tr').length === 1 && location.search.includes('4c')",
    );
    browser.type_into("input[type=search]", "\u{e009}a\u{e000}nobody\u{e007}");
    browser.wait_for("return document.body.innerText.includes('No machine heard of lately')");
    browser.open(&format!("{PAGE}machines/{MAC}"));
    browser.wait_for("return document.querySelectorAll('.strip span').length > 0");
    browser.keep_picture("machine");
    // What comes from the wire is text on the page, whatever it says.
    let hostile = "<img src=x onerror=window.mark=2>\u{1b}[2J.efi";
    probe(&["tftp", "--as-machine", SERVER, hostile]).wait().unwrap();
    browser.open(&format!("{PAGE}machines/{REFUSED}"));
    browser.run("window.mark = 1");
    browser.wait_for("return document.body.innerText.includes('<img src=x')");
    assert_eq!(browser.run("return [window.mark, document.images.length].join()"), "1,0");
    // Nothing comes from elsewhere, nothing is refused, and a narrow screen needs no sideways scrolling.
    let foreign = "return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('http://127.0.0.1:9167/')).length";
    assert_eq!(browser.run(foreign), 0);
    drop(browser);
    let phone = Browser::start(&lab, "server", 500, 800);
    phone.open(PAGE);
    phone.wait_for("return document.body.innerText.includes('Machines')");
    assert_eq!(phone.run("return document.documentElement.scrollWidth <= window.innerWidth"), true);
    phone.keep_picture("phone");
}

#[test]
fn an_operator_approves_and_verifies_on_the_page() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put_grub(&root, "grub.efi");
    let grub = "echo NETBOOTD-PAYLOAD approved\\nsleep 1\\nhalt\\n";
    fs::write(lab.folder().join("devices.csv"), "name,mac,image\nother,52:54:00:4c:01:99,none\n").unwrap();
    write_secret(&lab.folder().join("token"), "0123456789abcdef0123456789abcdef\n");
    fs::create_dir(lab.folder().join("drop")).unwrap();
    let config = format!(
        "{ADDRESSES}[policy]\nunknown-machines = \"approve\"\n[devices]\nfile = \"devices.csv\"\n[status]\ntoken-file = \"token\"\n\
         [store]\ndrop-folder = {:?}\nwatch = \"1s\"\n\
         [[rule]]\nname = \"strangers\"\naction.boot = {{ file = \"grub.efi\" }}\n\
         [[file]]\npath = \"grub/grub.cfg\"\ntemplate = \"{grub}\"\n",
        lab.folder().join("drop")
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    let browser = Browser::start(&lab, "server", 1200, 900);
    browser.open(PAGE);
    // An image is taken in while somebody looks; zeros need no room on the way.
    fs::File::create(lab.folder().join("drop/rescue.img")).unwrap().set_len(2 << 30).unwrap();
    browser.wait_for("return !!document.querySelector('#ingest progress')");
    browser.keep_picture("ingest");
    // A real machine gets no boot until somebody says so.
    let machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 1, None);
    let approve = "document.querySelector('[data-act$=\"/approve\"]')";
    browser.wait_for(&format!("return !!{approve}"));
    drop(machine);
    browser.run(&format!("{approve}.click()"));
    browser.type_into("dialog input", "a wrong token, as long as others\u{e007}");
    browser.wait_for("return document.querySelector('#said').innerText.includes('missing or wrong')");
    browser.run(&format!("{approve}.click()"));
    browser.type_into("dialog input", "0123456789abcdef0123456789abcdef\u{e007}");
    browser.wait_for("return document.querySelector('#said').innerText.includes('approve: done')");
    // The row follows without a reload.
    browser.wait_for("return document.querySelector('[id^=pending-] span').innerText === 'approved'");
    browser.keep_picture("approved");
    Machine::start_as(&lab, Firmware::UefiPxe, "br0", 1, None).wait_for_payload("approved");
    netbootd.wait_for("New image distributed: rescue", Duration::from_secs(60));
    // The token is known now.
    browser.wait_for("return !!document.querySelector('[data-act=\"/images/rescue/verify\"]')");
    browser.run("document.querySelector('[data-act=\"/images/rescue/verify\"]').click()");
    browser.wait_for("return document.querySelector('#said').innerText.includes('1 blobs are whole')");
}
