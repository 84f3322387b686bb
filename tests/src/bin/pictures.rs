//! `make pictures`: the pictures of the operator's page, of machines in a private network.
#![allow(clippy::print_stdout, clippy::print_stderr)] // it tells what it does

use std::path::Path;
use std::process::ExitCode;

use netbootd_tests::browser::Browser;
use netbootd_tests::classroom::{Classroom, FAILED, LOADED, PAGE, TOKEN};
use netbootd_tests::operator::Operator;

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("root is needed: the pictures are taken in network namespaces");
        return ExitCode::from(77);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    let classroom = Classroom::new();
    let netbootd = classroom.serve_at_usual_paths();
    let browser = Browser::start(&classroom.lab, "server", 1400, 900);
    browser.open(PAGE);
    let operator = Operator::with_token(&classroom.lab, TOKEN);
    let list: String = DAY.iter().map(|machine| format!("{machine}%0A")).collect();
    operator.ask("PUT", &format!("/api/deployment-day?machines={list}"), &[]);
    classroom.boot(&netbootd);
    browser.wait_for("return document.querySelector('#wrong').innerText.includes('menu.ipxe')");
    let explain = format!("explain?mac={LOADED}");
    let (loaded, failed) = (format!("machines/{LOADED}"), format!("machines/{FAILED}"));
    let pictures = [
        ("now", "", (1280, 760), false),
        ("waterfall", &loaded, (1280, 900), true),
        ("failed", &failed, (1280, 860), false),
        ("findings", "findings", (1280, 560), false),
        ("explain", &explain, (1280, 860), false),
        ("wall", "wall", (1280, 560), true),
        ("phone-now", "", (390, 800), true),
        ("phone-machine", &failed, (390, 800), false),
    ];
    for (name, path, (width, height), is_dark) in pictures {
        browser.look_as(width, height, is_dark);
        browser.open(&format!("{PAGE}{path}"));
        if !name.starts_with("explain") {
            browser.wait_for("return document.querySelector('#pill').innerText.includes('Live')");
        }
        if name.ends_with("now") {
            let both = "document.querySelectorAll('#waiting a.main').length === 2";
            let comes = "document.querySelector('#booting progress')?.value > 2";
            browser.wait_for(&format!("return {both} && {comes}"));
        }
        let file = folder.join(format!("{name}.png"));
        browser.save_picture(&file);
        println!("{}", file.display());
    }
    ExitCode::SUCCESS
}

/// The machines of the deployment day; some of them are not switched on.
const DAY: [&str; 12] = [
    "lab-01",
    "lab-02",
    "lab-03",
    "lab-04",
    "desk-1",
    "desk-2",
    "desk-3",
    "desk-4",
    "kiosk-1",
    "kiosk-2",
    "d4:ae:52:0c:01:09",
    "room-7-projector",
];
