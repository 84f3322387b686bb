//! The operator's page in a real browser, while machines boot. One browser serves all checks of a
//! test.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use netbootd_tests::browser::Browser;
use netbootd_tests::classroom::{Classroom, FAILED, LOADED, PAGE, TOKEN, WAITS};
use netbootd_tests::firmware;
use netbootd_tests::netbootd::{ADDRESSES, program, write_secret};
use netbootd_tests::operator::Operator;
use netbootd_tests::{Firmware, Lab, Machine, Netbootd, loaders};

/// Every page, and what has to stand on it.
fn pages() -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("now", String::new(), "Waiting for you"),
        ("machines", "machines".to_owned(), "lab-01"),
        ("machine", format!("machines/{LOADED}"), "∿ silence"),
        ("failed", format!("machines/{FAILED}"), "menu.ipxe"),
        ("findings", "findings".to_owned(), "desk-3"),
        ("cause", "findings/file-not-found".to_owned(), "What to do"),
        ("images", "images".to_owned(), "The store is empty"),
        ("explain", format!("explain?mac={LOADED}"), "fits and decides"),
        ("server", "server".to_owned(), "x64-uefi"),
        ("leases", "server/leases".to_owned(), "10.77.0.0/24"),
        ("ledger", "server/ledger".to_owned(), "No Required deployment was given"),
        ("bindings", "server/bindings".to_owned(), "No Mac has chosen an image"),
        ("wall", "wall".to_owned(), "Paste the machines"),
        ("number", "m".to_owned(), "Which machine is this?"),
        ("reload", "server/reload".to_owned(), "Sign in first"),
        ("audit", "server/audit".to_owned(), "Nothing was changed"),
        ("approve", format!("machines/{WAITS}/approve"), "The number on its screen"),
        ("boot", format!("machines/{LOADED}/boot"), "For how long"),
        ("assign", format!("machines/{LOADED}/assign"), "Tags"),
        ("sign-in", "sign-in".to_owned(), "Token"),
        ("missing", "nothing".to_owned(), "Not here"),
    ]
}

#[test]
fn every_page_is_whole_readable_and_on_a_phone() {
    look_at_every_page(&[(1400, 900, false), (390, 844, true)], false);
}

#[test]
#[ignore = "takes twice as long as the short form: nightly"]
fn every_page_is_readable_in_both_colours_at_both_widths() {
    look_at_every_page(&[(1400, 900, false), (1400, 900, true), (390, 844, false), (390, 844, true)], true);
}

/// Where the page breaks the rules of accessibility, or is wider than the screen, in each look.
fn wrong_looks(browser: &Browser<'_>, name: &str, looks: &[(u32, u32, bool)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (width, height, is_dark) in looks.iter().copied() {
        browser.look_as(width, height, is_dark);
        let look = format!("{name}-{}{}", width, if is_dark { "-dark" } else { "" });
        wrong.extend(browser.unreadable().into_iter().map(|found| format!("{look}: {found}")));
        // A phone shows a page that is too wide smaller, and says that it is wider itself.
        let sideways = format!("return document.documentElement.scrollWidth > {width}");
        if browser.run(&sideways) == true {
            wrong.push(format!("{look}: wider than the screen"));
        }
        browser.keep_picture(&look);
    }
    wrong
}

/// With `more` also without machines, and for a signed-in operator.
fn look_at_every_page(looks: &[(u32, u32, bool)], more: bool) {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    browser.open(PAGE);
    browser.wait_for("return document.body.innerText.includes('No machine has asked yet')");
    let mut wrong = wrong_looks(&browser, "empty", looks);
    if more {
        for path in ["machines", "findings", "images", "explain", "server", "server/leases", "wall", "m"] {
            browser.look_as(1400, 900, false);
            browser.open(&format!("{PAGE}{path}"));
            wrong.extend(wrong_looks(&browser, &format!("empty-{}", path.replace('/', "-")), looks));
        }
        browser.look_as(1400, 900, false);
        browser.open(PAGE);
    }
    classroom.boot(&netbootd);
    // The fault shows by itself.
    browser.wait_for("return document.querySelector('#wrong').innerText.includes('menu.ipxe')");
    for (name, path, words) in pages() {
        browser.look_as(1400, 900, false);
        browser.open(&format!("{PAGE}{path}"));
        browser.wait_for(&format!("return document.body.innerText.includes('{words}')"));
        wrong.extend(wrong_looks(&browser, name, looks));
        // Nothing comes from elsewhere, nothing is large, and nothing was refused by the policy.
        let foreign = "return performance.getEntriesByType('resource').filter(r => !r.name.startsWith('http://127.0.0.1:9167/')).length";
        assert_eq!(browser.run(foreign), 0, "{name}");
        let weight = "return [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')].filter(r => !r.name.includes('/live')).reduce((sum, r) => sum + r.decodedBodySize, 0)";
        let weight = browser.run(weight).as_u64().unwrap();
        assert!(weight < 130_000, "{name}: {weight} bytes");
    }
    if more {
        browser.look_as(1400, 900, false);
        browser.open(&format!("{PAGE}sign-in"));
        browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
        browser.wait_for("return document.body.innerText.includes('admin')");
        for (name, path, _) in pages() {
            browser.look_as(1400, 900, false);
            browser.open(&format!("{PAGE}{path}"));
            wrong.extend(wrong_looks(&browser, &format!("admin-{name}"), looks));
        }
        browser.run("document.querySelector('form[action=\"/sign-out\"]').requestSubmit()");
        browser.wait_for("return document.body.innerText.includes('Sign in')");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(browser.refused(), Vec::<String>::new());
    // Without scripts every page says the same.
    browser.with_scripts(false);
    for (name, path, words) in pages() {
        browser.open(&format!("{PAGE}{path}"));
        assert!(browser.source().contains(words), "{name} without scripts: {}", browser.source());
    }
}

#[test]
fn a_dead_netbootd_is_noticed_and_a_new_one_is_the_truth() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    classroom.boot(&netbootd);
    browser.open(&format!("{PAGE}machines"));
    // A machine that is recorded after the page was made is one more to show, not a row.
    browser.wait_for(
        "if (document.querySelectorAll('tbody tr').length === 10) return true;\
         if (!window.again) { window.again = true; setTimeout(() => location.reload(), 100); } return false",
    );
    // Filters stand in the address; the focus, what is ticked and the place on the page survive
    // what comes.
    browser.type_into(".filters input[type=search]", "lab\u{e007}");
    browser.wait_for(
        "return document.querySelectorAll('tbody tr').length === 3 && location.search === '?q=lab'",
    );
    browser.look_as(1400, 320, false);
    browser.run("window.mark = 1; document.querySelector('tbody tr a').focus(); scrollTo(0, 60)");
    let machine = |n: u8| [0x52, 0x54, 0, 0x4c, 1, n];
    for _ in 0..34 {
        firmware::ask(&classroom.lab, "lab1", (1..4).map(machine));
    }
    browser.wait_for("return [...document.querySelectorAll('tbody tr')].every(row => row.innerText.includes('now') || row.innerText.includes(' s ago'))");
    assert_eq!(
        browser.run(
            "return [window.mark, document.activeElement.innerText.slice(0, 4), location.search, scrollY].join()"
        ),
        "1,lab-,?q=lab,60"
    );
    browser.look_as(1400, 900, false);
    // It dies, and the page says so; then another one answers, which knows of no machine.
    browser.open(PAGE);
    browser.wait_for("return document.querySelector('#pill').innerText.includes('Live')");
    let died = Instant::now();
    drop(netbootd);
    browser.wait_for("return document.querySelector('#banner').innerText.includes('does not answer since')");
    assert!(died.elapsed() < Duration::from_secs(22));
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    browser.keep_picture("dead");
    assert_eq!(
        browser.run("return [...document.querySelectorAll('main button')].every(button => button.disabled)"),
        true
    );
    let _netbootd = classroom.serve();
    browser.wait_for_long("return document.querySelector('#banner').hidden && document.body.innerText.includes('No machine has asked yet')");
}

#[test]
fn an_operator_signs_in_approves_and_takes_it_back() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    classroom.boot(&netbootd);
    browser.open(PAGE);
    browser.wait_for("return !!document.querySelector('#waiting a.main')");
    browser.tab_to("#waiting a.main");
    browser.press("\u{e007}");
    browser.wait_for("return document.body.innerText.includes('Sign in first')");
    browser.tab_to("main a.button");
    browser.press("\u{e007}");
    browser.wait_for("return location.pathname === '/sign-in'");
    browser.type_into("input[type=password]", "a wrong token, as long as others\u{e007}");
    browser.wait_for("return document.body.innerText.includes('not a token of this server')");
    browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
    // Back on the page that it began at.
    browser.wait_for(
        "return !!document.querySelector('button.main') && document.body.innerText.includes('by rule')",
    );
    browser.keep_picture("approve-signed-in");
    // A keyboard is enough.
    browser.tab_to("main button.main");
    browser.press("\u{e007}");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is approved')");
    browser.wait_for("return document.querySelector('#waiting').innerText.includes('Approved')");
    browser.keep_picture("approved");
    browser.run("[...document.querySelectorAll('#waiting button')].find(button => button.innerText === 'Undo').click()");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('waits again')");
    // A request from another site is refused, with the session's cookie or not; so is a form
    // without its token.
    let cookie = browser.cookie("netbootd");
    let post = |more: &[&str]| {
        let url = format!("{PAGE}machines/{WAITS}/approve");
        let cookie = format!("Cookie: netbootd={cookie}");
        let words = [
            &["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", &cookie, "-d", "token=x", &url],
            more,
        ]
        .concat();
        String::from_utf8(classroom.lab.run("server", &words).stdout).unwrap()
    };
    assert_eq!(post(&[]), "403", "no browser says that it comes from here");
    assert_eq!(post(&["-H", "Origin: http://evil.example"]), "403");
    assert_eq!(post(&["-H", "Origin: http://127.0.0.1:9167", "-H", "Sec-Fetch-Site: cross-site"]), "403");
    assert_eq!(
        post(&["-H", "Origin: http://127.0.0.1:9167", "-H", "Sec-Fetch-Site: same-origin"]),
        "403",
        "another token"
    );
    // One machine boots otherwise once, and another one gets a name.
    browser.open(&format!("{PAGE}machines/{LOADED}/boot"));
    browser.click("input[value=disk]");
    browser.click("button.main");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('boots that next')");
    browser.open(&format!("{PAGE}machines/{WAITS}/assign"));
    browser.type_into("input[name=name]", "desk-9\u{e007}");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is registered')");
    // Before a changed file is in force, the page says which machines it moves.
    let file = classroom.lab.folder().join("netbootd.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("file = \"boot.ipxe\"", "file = \"menu-old.ipxe\"")).unwrap();
    browser.open(&format!("{PAGE}server/reload"));
    browser.wait_for("return document.body.innerText.includes('would get something else') && document.body.innerText.includes('menu-old.ipxe')");
    browser.keep_picture("reload");
    browser.click("main button.main");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('was reloaded')");
    // The audit log has the operator and the change.
    browser.open(&format!("{PAGE}server/audit"));
    browser.wait_for("return document.querySelectorAll('tbody tr').length === 5 && document.body.innerText.includes('undecided → approved')");
    browser.keep_picture("audit");
    browser.open(PAGE);
    // A visitor sees no form that works.
    browser.run("document.querySelector('form[action=\"/sign-out\"] button').click()");
    browser.wait_for("return document.body.innerText.includes('Sign in') && [...document.querySelectorAll('main button')].every(button => button.disabled)");
}

#[test]
fn names_from_the_wire_are_text() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    write_secret(&lab.folder().join("token"), &format!("{TOKEN}\n"));
    let rule = "[status]\ntoken-file = \"token\"\n[[rule]]\nname = \"menu\"\naction.boot = { file = \"menu.efi\" }\n";
    let netbootd = Netbootd::start(&lab, &root, rule);
    let browser = Browser::start(&lab, "server", 1400, 900);
    let probe = |words: &[&str]| {
        let mut command = lab.command("client", &program());
        command.arg("probe").args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().unwrap()
    };
    fs::write(root.join("menu.efi"), "x").unwrap();
    firmware::ask(&lab, "client", [[0x52, 0x54, 0, 0x4c, 1, 2]]);
    firmware::ask_boot_server(
        &lab,
        "client",
        "10.77.0.50".parse().unwrap(),
        "10.77.0.1",
        [0x52, 0x54, 0, 0x4c, 1, 2],
    );
    probe(&[
        "tftp",
        "--as-machine",
        "10.77.0.1",
        "<img src=x onerror=window.mark=2>\u{1b}[2J<!--/part-->.efi",
    ]);
    for path in ["machines/52:54:00:4c:01:02", "findings", ""] {
        browser.open(&format!("{PAGE}{path}"));
        browser.run("window.mark = 1");
        browser.wait_for("return document.body.innerText.includes('<img src=x')");
        assert_eq!(browser.run("return [window.mark, document.images.length].join()"), "1,0", "{path}");
    }
    // So is what operators call things.
    let operator = Operator::with_token(&lab, TOKEN);
    let name = "%3Cimg+src%3Dx+onerror%3Dwindow.mark%3D2%3E";
    for (method, path) in [
        ("PUT", format!("/api/devices/52:54:00:4c:01:02?name={name}&note={name}")),
        ("PUT", format!("/api/deployment-day?machines={name}")),
        ("POST", format!("/api/uploads?file={name}.img&size=5")),
    ] {
        let answer = operator.ask(method, &path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    browser.open(&format!("{PAGE}sign-in"));
    browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
    browser.wait_for("return document.body.innerText.includes('admin')");
    for path in [
        "machines",
        "machines/52:54:00:4c:01:02",
        "machines/52:54:00:4c:01:02/assign",
        "machines/52:54:00:4c:01:02/boot",
        "explain?mac=52:54:00:4c:01:02",
        "images",
        "wall",
        "server/audit",
        &format!("machines?q={name}"),
        &format!("m?n={name}"),
    ] {
        browser.open(&format!("{PAGE}{path}"));
        browser.run("window.mark = 1");
        let shown = "[document.body.innerText, ...[...document.querySelectorAll('input, textarea')].map(one => one.value)].join()";
        browser.wait_for(&format!("return {shown}.includes('<img') || {shown}.includes('%3Cimg')"));
        assert_eq!(browser.run("return [window.mark, document.images.length].join()"), "1,0", "{path}");
    }
    assert_eq!(browser.refused(), Vec::<String>::new());
    assert!(!netbootd.log().contains("panicked"));
}

#[test]
fn an_image_is_imported_and_a_real_machine_boots_once_it_is_approved() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put_grub(&root, "grub.efi");
    let grub = "echo NETBOOTD-PAYLOAD approved\\nsleep 1\\nhalt\\n";
    fs::write(lab.folder().join("devices.csv"), "name,mac,image\nother,52:54:00:4c:01:99,none\n").unwrap();
    write_secret(&lab.folder().join("token"), &format!("{TOKEN}\n"));
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
    browser.open(&format!("{PAGE}sign-in?to=/images"));
    browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
    // Zeros need no room on the way.
    fs::File::create(lab.folder().join("drop/rescue.img")).unwrap().set_len(2 << 30).unwrap();
    browser.wait_for("return !!document.querySelector('#ingest progress')");
    browser.keep_picture("ingest");
    // A real machine gets no boot until somebody says so.
    let machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 1, None);
    browser.open(PAGE);
    browser.wait_for("return !!document.querySelector('#waiting a.main')");
    drop(machine);
    browser.click("#waiting a.main");
    browser.click("button.main");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is approved')");
    let machine = Machine::start_as(&lab, Firmware::UefiPxe, "br0", 1, None);
    browser.wait_for("return document.querySelector('#booting').innerText.includes('strangers') || document.querySelector('#booting').innerText.includes('grub')");
    machine.wait_for_payload("approved");
    netbootd.wait_for("New image distributed: rescue", Duration::from_secs(60));
    browser.open(&format!("{PAGE}images"));
    browser.wait_for("return document.body.innerText.includes('rescue')");
    browser.click("#images form button");
    browser
        .wait_for("return document.querySelector('[role=status]').innerText.includes('1 blobs are whole')");
}
