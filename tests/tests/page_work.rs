//! A day's work on the operator's page, in a real browser.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use netbootd_tests::browser::Browser;
use netbootd_tests::certificate::Authority;
use netbootd_tests::classroom::{Classroom, FAILED, LOADED, PAGE, TOKEN, WAITS};
use netbootd_tests::firmware;
use netbootd_tests::operator::Operator;
use netbootd_tests::proxy::nginx;
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
