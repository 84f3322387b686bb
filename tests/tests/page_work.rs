//! A day's work on the operator's page, in a real browser.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use netbootd_tests::browser::Browser;
use netbootd_tests::certificate::Authority;
use netbootd_tests::classroom::{Classroom, FAILED, LOADED, PAGE, TOKEN, WAITS};
use netbootd_tests::netbootd::{ADDRESSES, write_secret};
use netbootd_tests::operator::{Answer, Operator};
use netbootd_tests::proxy::{nginx, nginx_with_users};
use netbootd_tests::{Firmware, Lab, Machine, Netbootd, firmware, loaders, payload};
use sha2::{Digest, Sha256};

fn sign_in(browser: &Browser<'_>, page: &str, to: &str) {
    browser.open(&format!("{page}sign-in?to={to}"));
    browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
    browser.wait_for("return document.body.innerText.includes('admin')");
}

#[test]
fn an_operator_finds_ticks_replays_and_watches_a_deployment_day() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    classroom.boot(&netbootd);
    sign_in(&browser, PAGE, "/");
    browser.wait_for("return document.querySelector('#wrong').innerText.includes('menu.ipxe')");
    // The field in the bar finds machines and commands, by the keyboard alone.
    browser.run("document.activeElement.blur()");
    browser.press("/");
    browser.type_into(".find input", "lab-01");
    browser.wait_for("return document.querySelector('#hits').innerText.includes('Boot lab-01 next')");
    browser.keep_picture("palette");
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    browser.type_into(".find input", "\u{e015}\u{e007}");
    browser.wait_for("return location.pathname.endsWith('/boot')");
    browser.type_into(".find input", "deployment day\u{e007}");
    browser.wait_for("return location.pathname === '/wall'");
    // A list is pasted: what booted before it does not count, what boots now does.
    browser.run(&format!("document.querySelector('details').open = true; document.querySelector('textarea').value = 'lab-01\\n{WAITS}\\nroom-9'"));
    browser.click("main button.main");
    browser.wait_for("return document.querySelectorAll('#tiles li').length === 3 && document.querySelector('#sum').innerText.replace(/\\s+/g, ' ').includes('3 not seen yet')");
    firmware::ask(&classroom.lab, "lab1", [[0x52, 0x54, 0, 0x4c, 1, 1]]);
    browser.wait_for("return document.querySelector('#tiles').innerText.includes('Booting') && document.querySelector('#sum').innerText.replace(/\\s+/g, ' ').includes('2 not seen yet')");
    browser.keep_picture("wall");
    // Two machines are ticked and stay so while rows change; then both get a tag.
    browser.open(&format!("{PAGE}machines?q=desk"));
    browser.click("#m-d4ae520c0201 input");
    browser.click("#m-d4ae520c0202 input");
    for _ in 0..3 {
        firmware::ask(&classroom.lab, "desk1", [[0xd4, 0xae, 0x52, 0x0c, 2, 1]]);
    }
    browser.wait_for("return document.querySelector('#m-d4ae520c0201').innerText.includes('now') || document.querySelector('#m-d4ae520c0201').innerText.includes(' s ago')");
    assert_eq!(browser.run("return document.querySelectorAll('tbody input:checked').length"), 2);
    browser.run("document.querySelector('select[name=action]').value = 'tag'");
    browser.click(".bulk button");
    browser.wait_for("return document.querySelector('h1').innerText.includes('Add tags to 2 machines')");
    browser.keep_picture("bulk");
    browser.type_into("input[name=value]", "room-3\u{e007}");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('2 machines are tagged') && location.search === '?q=desk'");
    // A boot is shown as it was at a moment, by its address and by replaying it.
    browser.open(&format!("{PAGE}machines/{LOADED}?boots=all"));
    let boot = browser.run("return [...document.querySelectorAll('a')].map(a => a.getAttribute('href')).filter(to => to.startsWith('/boots/') && !to.includes('?')).at(-1)");
    let boot = boot.as_str().unwrap().trim_start_matches('/').to_owned();
    browser.open(&format!("{PAGE}{boot}?at=0"));
    browser.wait_for("return document.querySelectorAll('#fall tr').length === 3");
    browser.click("[data-speed='10']");
    browser.wait_for("return document.querySelector('#fall').innerText.includes('initrd.img') && location.search.includes('at=')");
    browser.keep_picture("replay");
    // The number on a screen, as a phone types it.
    browser.look_as(390, 844, false);
    browser.open(&format!("{PAGE}m"));
    browser.wait_for("return !!document.querySelector('.qr')");
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    browser.keep_picture("number");
    browser.type_into("input[name=n]", "999999\u{e007}");
    browser.wait_for("return document.body.innerText.includes('No recently seen machine shows the number')");
    let number =
        Operator::with_token(&classroom.lab, TOKEN).get(&format!("/devices/{FAILED}"))["boot"].to_string();
    browser.type_into("input[name=n]", &format!("{number}\u{e007}"));
    browser.wait_for("return document.querySelector('h1').innerText === 'desk-1'");
    assert_eq!(browser.refused(), Vec::<String>::new());
}

#[test]
fn an_upload_goes_on_where_it_stopped_after_netbootd_was_killed() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let lab = &classroom.lab;
    let browser = Browser::start(lab, "server", 1400, 900);
    sign_in(&browser, PAGE, "/images");
    // The file is announced as the browser will, and its first piece has other bytes: the digest of
    // what is imported tells that the browser did not send it again.
    let (piece, rest) = (8 << 20, 5 << 20);
    let file = lab.folder().join("rescue.img");
    fs::write(&file, vec![0; piece + rest]).unwrap();
    let modified = fs::metadata(&file).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
    let operator = Operator::with_token(lab, TOKEN);
    let size = piece + rest;
    let begin = format!("/api/uploads?file=rescue.img&size={size}&modified={}", modified.as_millis());
    let id = operator.ask("POST", &begin, &[]).json()["id"].as_str().unwrap().to_owned();
    let first = lab.folder().join("first");
    fs::write(&first, vec![b'A'; piece]).unwrap();
    let sent = format!("@{}", first.display());
    assert_eq!(
        operator.ask("PUT", &format!("/api/uploads/{id}?offset=0"), &["--data-binary", &sent]).status,
        200
    );
    drop(netbootd);
    let netbootd = classroom.serve();
    browser.open(&format!("{PAGE}images"));
    browser.wait_for(
        "return document.querySelector('#uploads').innerText.includes('choose the same file again')",
    );
    // The stream that was cut.
    assert_eq!(browser.refused().len(), 1);
    browser.keep_picture("upload-paused");
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    browser.type_into("#upload input[type=file]", &file.display().to_string());
    browser.click("#upload button.main");
    netbootd.wait_for("New image distributed: rescue", Duration::from_secs(60));
    browser.wait_for("return document.querySelector('#images').innerText.includes('rescue') && document.querySelector('#uploads').innerText === ''");
    let image = operator.get("/api/images/rescue");
    let wanted = Sha256::digest([vec![b'A'; piece], vec![0; rest]].concat());
    let wanted: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(image["files"][0]["sha256"].as_str(), Some(wanted.as_str()), "{image}");
    // One image: its page, a title for the menu, and the question before it is removed.
    browser.click("#images td a");
    browser.wait_for("return document.querySelector('h1').innerText === 'rescue'");
    browser.keep_picture("image");
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    browser.type_into("input[name=title]", "Rescue disk\u{e007}");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is changed')");
    browser.click("a.danger");
    browser.wait_for("return document.querySelector('h1').innerText.includes('Remove rescue?')");
    browser.keep_picture("remove");
    browser.click("main button.danger");
    browser.wait_for("return location.pathname === '/images' && document.querySelector('[role=status]').innerText.includes('is removed')");
    browser.wait_for("return document.body.innerText.includes('The store is empty')");
    assert_eq!(browser.refused(), Vec::<String>::new());
}

#[test]
fn the_page_works_behind_nginx_with_tls_of_its_own() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let lab = &classroom.lab;
    let certificate = Authority::new(&lab.folder()).sign("boot", "DNS:localhost", 10);
    let _nginx = nginx(lab, "127.0.0.1:8443", &certificate.certificate, &certificate.key);
    lab.wait_for_ports("server", "127.0.0.1", &[8443]);
    let page = "https://localhost:8443/";
    let browser = Browser::start(lab, "server", 1400, 900);
    sign_in(&browser, page, "/");
    // The stream comes through as it happens, and a form is the page's own.
    browser.wait_for("return document.querySelector('#pill').innerText.includes('Live')");
    browser.run("window.mark = 1");
    firmware::ask(lab, "new1", [[0xd4, 0xae, 0x52, 0x0c, 1, 9]]);
    browser.wait_for("return window.mark === 1 && !!document.querySelector('#waiting a.main')");
    browser.click("#waiting a.main");
    browser.click("button.main");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is approved')");
    assert_eq!(browser.refused(), Vec::<String>::new());
    assert!(!netbootd.log().contains("panicked"));
}

/// Uploads an image and waits until it is in the store.
fn upload(operator: &Operator<'_>, netbootd: &Netbootd, folder: &Path) {
    let file = folder.join("rescue.img");
    fs::write(&file, vec![b'A'; 5000]).unwrap();
    let begun = operator.ask("POST", "/api/uploads?file=rescue.img&size=5000", &[]).json();
    let id = begun["id"].as_str().unwrap_or_else(|| panic!("{begun}"));
    let sent = format!("@{}", file.display());
    operator.ask("PUT", &format!("/api/uploads/{id}?offset=0"), &["--data-binary", &sent]);
    assert_eq!(operator.ask("POST", &format!("/api/uploads/{id}/finish"), &[]).status, 202);
    netbootd.wait_for("New image distributed: rescue", Duration::from_secs(60));
}

#[test]
fn a_real_machine_boots_beside_the_newer_pages_and_their_rows_follow_it() {
    const MAC: &str = "52:54:00:4c:01:01";
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    loaders::put_payload(&root, &payload::arguments("beside"));
    write_secret(&lab.folder().join("token"), &format!("{TOKEN}\n"));
    let config = format!(
        "{ADDRESSES}[status]\ntoken-file = \"token\"\n\
         [[rule]]\nname = \"bench\"\naction.boot = {{ file = \"boot.ipxe\", image = \"rescue\" }}\n\
         [[file]]\npath = \"boot.ipxe\"\ntemplate = \"\"\"\n#!ipxe\n\
         kernel {{{{ http_url }}}}/vmlinuz initrd=initrd.img {{{{ text(\"cmdline.txt\") }}}}\n\
         initrd {{{{ http_url }}}}/initrd.img\nboot\n\"\"\"\n"
    );
    let netbootd = Netbootd::start(&lab, &root, &config);
    let operator = Operator::with_token(&lab, TOKEN);
    upload(&operator, &netbootd, &lab.folder());
    // An upload that stands still, and a day that waits for the machine.
    assert_eq!(operator.ask("POST", "/api/uploads?file=next.iso&size=900000", &[]).status, 200);
    assert_eq!(operator.ask("PUT", &format!("/api/deployment-day?machines={MAC}"), &[]).status, 200);
    let browser = Browser::start(&lab, "server", 1400, 900);
    sign_in(&browser, PAGE, "/");
    let images = browser.open_window(&format!("{PAGE}images"));
    browser.wait_for("return document.querySelector('#uploads').innerText.includes('next.iso') && document.querySelector('#images').innerText.includes('none')");
    let server = browser.open_window(&format!("{PAGE}server"));
    browser.wait_for("return document.querySelector('#rules td:last-child').innerText === '0'");
    let explain = browser.open_window(&format!("{PAGE}explain?mac={MAC}&class=ipxe"));
    browser.wait_for("return document.body.innerText.includes('did not ask lately')");
    let wall = browser.open_window(&format!("{PAGE}wall"));
    browser.wait_for("return document.querySelector('#tiles').innerText.includes('Not seen yet')");
    for window in [&images, &server, &explain, &wall] {
        browser.look_at(window);
        browser.run("window.mark = 1");
    }
    let machine = Machine::start_as(&lab, Firmware::Bios { card: "virtio-net-pci" }, "br0", 1, None);
    browser.look_at(&wall);
    browser.wait_for_long("return window.mark === 1 && document.querySelector('#tiles').innerText.includes('Booting') && document.querySelector('#sum').innerText.replace(/\\s+/g, ' ').includes('1 booting')");
    browser.keep_picture("wall-boots");
    browser.look_at(&images);
    browser.wait_for(
        "return window.mark === 1 && document.querySelector('#images').innerText.includes('1 machine')",
    );
    browser.keep_picture("images-boots");
    browser.look_at(&server);
    browser.wait_for("return window.mark === 1 && document.querySelector('#rules td:last-child').innerText === '1' && Number(document.querySelector('#rules td:nth-child(5)').innerText) > 0");
    browser.keep_picture("server-boots");
    machine.wait_for_payload("beside");
    // Explain agrees with the boot that the machine got.
    browser.look_at(&explain);
    browser.run("location.reload()");
    browser.wait_for("return !window.mark && document.body.innerText.includes('As the machine asked last') && document.querySelector('.mark h3 code').innerText.endsWith('boot.ipxe')");
    browser.keep_picture("explain-booted");
    browser.open(&format!("{PAGE}images/rescue"));
    browser.wait_for("return document.body.innerText.includes('1 machine got it last')");
    netbootd.logged(&["completed", "proto=http", "/initrd.img"]);
    assert_eq!(browser.refused(), Vec::<String>::new());
    assert!(!netbootd.log().contains("panicked"));
}

#[test]
fn without_scripts_an_operator_signs_in_approves_tags_and_signs_out() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    firmware::ask(&classroom.lab, "new1", [[0xd4, 0xae, 0x52, 0x0c, 1, 9]]);
    browser.with_scripts(false);
    browser.open(&format!("{PAGE}machines/{WAITS}/approve"));
    browser.wait_for_source("Sign in first");
    browser.click("main a.button");
    browser.type_into("input[type=password]", &format!("{TOKEN}\u{e007}"));
    browser.wait_for_source("admin</button>");
    browser.click("button.main");
    browser.wait_for_source("is approved.");
    browser.open(&format!("{PAGE}machines?q=ae:52"));
    browser.wait_for_source("Approved");
    browser.click("tbody input[type=checkbox]");
    browser.click("option[value=tag]");
    browser.click(".bulk button");
    browser.wait_for_source("Add tags to 1 machine");
    browser.type_into("input[name=value]", "room-3\u{e007}");
    browser.wait_for_source("1 machine is tagged");
    browser.click("form[action='/sign-out'] button");
    browser.wait_for_source("/sign-in?to=");
    assert!(!netbootd.log().contains("panicked"));
}

/// The token that the forms of an operator's pages carry.
fn form_token(page: &Answer) -> String {
    let token = page.body.split("name=\"token\" value=\"").nth(1).unwrap_or_else(|| panic!("{page:?}"));
    token.split('"').next().unwrap().to_owned()
}

#[test]
fn a_user_of_the_proxy_acts_by_name_and_a_forged_name_does_nothing() {
    let mut classroom = Classroom::new();
    let status = "token-file = \"token\"\nlisten = \"0.0.0.0:9167\"\ntrusted-proxies = \"127.0.0.1\"\nuser-header = \"X-Forwarded-User\"";
    classroom.configuration = classroom.configuration.replace("token-file = \"token\"", status);
    for (name, role) in [("anna", "operator"), ("vera", "viewer")] {
        classroom.configuration += &format!("[[status.operator]]\nname = {name:?}\nrole = {role:?}\n");
    }
    let netbootd = classroom.serve();
    let lab = &classroom.lab;
    let made = Authority::new(&lab.folder()).sign("boot", "DNS:localhost", 10);
    let users = [("anna", "secret-a"), ("vera", "secret-v"), ("otto", "secret-o")];
    let _nginx = nginx_with_users(lab, "127.0.0.1:8443", &made.certificate, &made.key, &users);
    lab.wait_for_ports("server", "127.0.0.1", &[8443]);
    firmware::ask(lab, "new1", [[0xd4, 0xae, 0x52, 0x0c, 1, 9]]);
    // Signed in by the proxy, anna approves; there is no session to sign out of.
    let browser = Browser::start(lab, "server", 1400, 900);
    browser.authenticate("anna", "secret-a");
    browser.open("https://localhost:8443/");
    browser.wait_for("return document.querySelector('.account')?.innerText === 'anna' && !document.querySelector('form[action=\"/sign-out\"]')");
    browser.wait_for("return !!document.querySelector('#waiting a.main')");
    browser.click("#waiting a.main");
    browser.click("button.main");
    browser.wait_for("return document.querySelector('[role=status]').innerText.includes('is approved')");
    browser.keep_picture("by-proxy");
    assert_eq!(browser.unreadable(), Vec::<String>::new());
    assert_eq!(browser.refused(), Vec::<String>::new());
    let admin = Operator::with_token(lab, TOKEN);
    let audit = admin.ask("GET", "/server/audit.csv", &[]).body;
    let approved = format!("anna,127.0.0.1,POST /pending/{WAITS}/approve,200,undecided,approved");
    assert!(audit.contains(&approved), "{audit}");
    // A viewer may not, with a header that the browser adds, or with another operator's form.
    let origin = ["Origin: https://localhost:8443", "Sec-Fetch-Site: same-origin", "X-Forwarded-User: anna"];
    let proxy = Operator::new(lab, &origin).at("server", "https://localhost:8443");
    let wall = |user| proxy.ask("GET", "/wall", &["-u", user, "-H", "Accept: text/html"]);
    let (anna, vera) = (wall("anna:secret-a"), wall("vera:secret-v"));
    assert!(vera.body.contains(">vera</p>") && !vera.body.contains(">anna</p>"), "{}", vera.body);
    let (of_anna, of_vera) = (form_token(&anna), form_token(&vera));
    let reject = format!("/machines/{WAITS}/reject");
    let post = |user: &str, token: &str| {
        let answer = proxy.ask("POST", &reject, &["-u", user, "-d", &format!("token={token}")]);
        (answer.status, answer.body)
    };
    let (status, body) = post("vera:secret-v", &of_vera);
    assert!(status == 403 && body.contains("vera needs the role operator"), "{status} {body}");
    for (user, token) in [("vera:secret-v", &of_anna), ("anna:secret-a", &of_vera)] {
        let (status, body) = post(user, token);
        assert!(status == 403 && body.contains("does not belong to this session"), "{status} {body}");
    }
    assert_eq!(post("anna:wrong", &of_anna).0, 401, "nginx refuses it");
    let elsewhere = Operator::new(lab, &["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"])
        .at("server", "https://localhost:8443");
    let token = format!("token={of_anna}");
    assert_eq!(elsewhere.ask("POST", &reject, &["-u", "anna:secret-a", "-d", &token]).status, 403);
    // A user whom the configuration does not name is nobody.
    let otto = wall("otto:secret-o").body;
    assert!(otto.contains("Sign in</a>") && !otto.contains("class=\"account\""), "{otto}");
    // The page's script needs its form's token too; other sites' pages have none.
    let approve = format!("/api/pending/{WAITS}/approve");
    let script = |header: &str| proxy.ask("POST", &approve, &["-u", "anna:secret-a", "-H", header]).status;
    assert_eq!(script("X-Netbootd-Form-Token: x"), 401);
    assert_eq!(script(&format!("X-Netbootd-Form-Token: {of_anna}")), 200);
    // From elsewhere the header is one like others; from the proxy's address two names are none.
    let forged = format!("X-Netbootd-Form-Token: {of_anna}");
    let (one, other, nobody) = ("X-Forwarded-User: anna", "X-Forwarded-User: vera", "X-Forwarded-User: otto");
    let sent: [(&str, &str, &[&str]); 3] = [
        ("lab2", "http://10.77.0.1:9167", &[one]),
        ("server", "http://127.0.0.1:9167", &[one, other]),
        ("server", "http://127.0.0.1:9167", &[nobody]),
    ];
    for (host, base, users) in sent {
        let origin = format!("Origin: {base}");
        let headers = [users, &[&origin, "Sec-Fetch-Site: same-origin"]].concat();
        let other = Operator::new(lab, &headers).at(host, base);
        let page = other.ask("GET", "/", &["-H", "Accept: text/html"]).body;
        assert!(!page.contains("class=\"account\""), "{page}");
        let form = other.ask("POST", &reject, &["-d", &format!("token={of_anna}")]);
        assert!(form.status == 303 && form.head.contains("/sign-in?to="), "{form:?}");
        assert_eq!(other.ask("POST", &approve, &["-H", &forged]).status, 401);
    }
    let pending = admin.get("/api/pending");
    assert_eq!(pending[0]["state"], "approved");
    assert!(!netbootd.log().contains("panicked"));
}
