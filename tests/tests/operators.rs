//! Operators on the status port: uploads, many machines at once, sessions, and a proxy in front.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::time::Duration;

use netbootd_tests::certificate::Authority;
use netbootd_tests::classroom::{Classroom, FAILED, LOADED, TOKEN, WAITS};
use netbootd_tests::netbootd::write_secret;
use netbootd_tests::operator::{FROM_HERE, Operator};
use netbootd_tests::process::tool;
use netbootd_tests::proxy::nginx;
use netbootd_tests::{Lab, Netbootd, firmware, wait};
use serde_json::Value;
use sha2::{Digest, Sha256};

const PIECE: usize = 8 << 20;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A server with a token, and with an operator of each lesser role.
fn site() -> (Lab, std::path::PathBuf, String) {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    for (name, token) in [("token", TOKEN), ("operator", OPERATOR), ("viewer", VIEWER)] {
        write_secret(&lab.folder().join(name), &format!("{token}\n"));
    }
    let config = "[policy]\nunknown-machines = \"approve\"\n\
        [status]\nlisten = \"0.0.0.0:9167\"\ntoken-file = \"token\"\ntrusted-proxies = \"127.0.0.1\"\n\
        [[status.operator]]\nname = \"anna\"\nrole = \"operator\"\ntoken-file = \"operator\"\n\
        [[status.operator]]\nname = \"vera\"\nrole = \"viewer\"\ntoken-file = \"viewer\"\n\
        [[rule]]\nname = \"script\"\naction.boot = { file = \"boot.ipxe\" }\n";
    (lab, root, config.to_owned())
}

const OPERATOR: &str = "operator-0123456789abcdef";
const VIEWER: &str = "viewer-0123456789abcdef";

#[test]
fn an_upload_is_cut_resumed_after_a_restart_checked_and_imported() {
    let (lab, root, config) = site();
    let netbootd = Netbootd::start(&lab, &root, &config);
    let anna = Operator::with_token(&lab, OPERATOR);
    let file = [vec![1_u8; PIECE], vec![2; PIECE], vec![3; 1000]].concat();
    let piece = |n: usize| {
        let place = lab.folder().join(format!("piece-{n}"));
        fs::write(&place, &file[n * PIECE..file.len().min((n + 1) * PIECE)]).unwrap();
        format!("@{}", place.display())
    };
    let sha256 = hex(&Sha256::digest(&file));
    let begin = format!("/api/uploads?file=rescue.img&size={}&sha256={sha256}", file.len());
    // Without a token, and as a viewer.
    assert_eq!(Operator::new(&lab, &[]).ask("POST", &begin, &[]).status, 401);
    assert_eq!(Operator::with_token(&lab, VIEWER).ask("POST", &begin, &[]).status, 403);
    let begun = anna.ask("POST", &begin, &[]);
    assert_eq!(begun.status, 200, "{}", begun.body);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let put = |n: usize, offset: usize| {
        anna.ask("PUT", &format!("/api/uploads/{id}?offset={offset}"), &["--data-binary", &piece(n)])
    };
    assert_eq!(put(0, 0).json()["offset"], PIECE);
    assert_eq!(put(0, 0).status, 409, "the same piece twice");
    // netbootd is killed; the same file goes on where it stopped.
    drop(netbootd);
    let netbootd = Netbootd::start(&lab, &root, &config);
    let again = anna.ask("POST", &begin, &[]).json();
    assert_eq!((again["id"].as_str(), again["offset"].as_u64()), (Some(id.as_str()), Some(PIECE as u64)));
    let finish = format!("/api/uploads/{id}/finish");
    assert_eq!(anna.ask("POST", &finish, &[]).status, 409, "bytes are missing");
    assert_eq!(put(1, PIECE).status, 200);
    assert_eq!(put(2, 2 * PIECE).status, 200);
    assert_eq!(anna.ask("POST", &finish, &[]).status, 202);
    netbootd.wait_for("New image distributed: rescue", Duration::from_secs(60));
    let gone = || Some(anna.get("/api/uploads")).filter(|list| list.as_array().unwrap().is_empty());
    wait::for_some(Duration::from_secs(10), gone, || anna.get("/api/uploads").to_string());
    let image = || {
        let answer = anna.ask("GET", "/api/images/rescue", &[]);
        (answer.status == 200).then(|| answer.json())
    };
    let image = wait::for_some(Duration::from_secs(10), image, || "no image".into());
    assert_eq!(image["files"][0]["sha256"].as_str(), Some(sha256.as_str()));
    assert_eq!(image["record"]["versions"][0]["source"], "rescue.img (uploaded)");
    // It has a title in the boot menu, and then it is removed, which an operator may not do.
    let tagged = anna.ask("POST", "/api/images/rescue/tag?label=title%3DRescue&label=menu-order%3D5", &[]);
    assert_eq!(tagged.status, 200, "{}", tagged.body);
    assert_eq!(anna.ask("DELETE", "/api/images/rescue", &[]).status, 403);
    let admin = Operator::with_token(&lab, TOKEN);
    assert_eq!(admin.ask("DELETE", "/api/images/rescue", &[]).status, 200);
    assert_eq!(admin.ask("DELETE", "/api/images/rescue", &[]).status, 404);
}

#[test]
fn uploads_that_lie_are_refused_and_leave_nothing() {
    let (lab, root, config) = site();
    let netbootd = Netbootd::start(&lab, &root, &config);
    let anna = Operator::with_token(&lab, OPERATOR);
    let begin = |query: &str| anna.ask("POST", &format!("/api/uploads?{query}"), &[]);
    for (query, status) in [
        ("file=a.iso&size=0", 400),
        ("file=..%2Fa.iso&size=5", 400),
        ("file=.a.iso&size=5", 400),
        ("file=a.iso", 400),
        ("file=a.iso&size=5&sha256=xyz", 400),
        ("file=a.iso&size=18446744073709551615", 507),
    ] {
        let answer = begin(query);
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
    }
    // More bytes than announced, fewer, other ones, and a piece that is too large for memory.
    let wrong = hex(&Sha256::digest(b"right"));
    let id = begin(&format!("file=a.img&size=5&sha256={wrong}")).json()["id"].as_str().unwrap().to_owned();
    let put = |words: &[&str]| anna.ask("PUT", &format!("/api/uploads/{id}?offset=0"), words).status;
    assert_eq!(put(&["--data-binary", "more than five"]), 413);
    let large = lab.folder().join("large");
    fs::write(&large, vec![0; PIECE + 1]).unwrap();
    assert_eq!(put(&["--data-binary", &format!("@{}", large.display())]), 413);
    assert_eq!(put(&["--data-binary", "wrong"]), 200);
    assert_eq!(anna.ask("POST", &format!("/api/uploads/{id}/finish"), &[]).status, 202);
    let failed = || Some(anna.get(&format!("/api/uploads/{id}"))).filter(|one| one["state"] == "failed");
    let failed = wait::for_some(Duration::from_secs(10), failed, || netbootd.log());
    assert!(failed["error"].as_str().unwrap().contains("SHA-256"), "{failed}");
    assert_eq!(anna.get("/api/images"), Value::Array(Vec::new()));
    assert_eq!(anna.ask("DELETE", &format!("/api/uploads/{id}"), &[]).status, 200);
    assert_eq!(anna.ask("DELETE", &format!("/api/uploads/{id}"), &[]).status, 404);
    let left = fs::read_dir(lab.folder().join("state/images/uploads"));
    assert_eq!(left.map_or(0, Iterator::count), 0);
    assert!(!netbootd.log().contains("panicked"));
}

#[test]
fn many_machines_get_one_decision_and_two_operators_the_same_one() {
    let classroom = Classroom::new();
    let netbootd = classroom.serve();
    let lab = &classroom.lab;
    firmware::ask(lab, "new1", [[0xd4, 0xae, 0x52, 0x0c, 1, 9]]);
    let admin = Operator::with_token(lab, TOKEN);
    let waits = || Some(admin.get("/api/pending")).filter(|list| !list.as_array().unwrap().is_empty());
    wait::for_some(Duration::from_secs(10), waits, || netbootd.log());
    let tag =
        admin.ask("POST", &format!("/api/machines?action=tag&value=room-3&mac={WAITS}&mac={FAILED}"), &[]);
    assert_eq!((tag.status, tag.json()["done"].as_u64()), (200, Some(2)), "{}", tag.body);
    assert_eq!(admin.get(&format!("/api/devices/{FAILED}"))["tags"][0], "room-3");
    let assign = admin.ask("POST", &format!("/api/machines?action=assign&value=disk&mac={LOADED}"), &[]);
    assert_eq!(assign.json()["done"], 1, "{}", assign.body);
    for (query, status) in
        [("action=dance&mac=02:00:00:00:00:01", 400), ("action=approve", 400), ("action=approve&mac=x", 400)]
    {
        assert_eq!(admin.ask("POST", &format!("/api/machines?{query}"), &[]).status, status, "{query}");
    }
    // Two operators approve the same machine at the same time, each in a session of the page.
    let form = |cookie: &str| {
        let operator =
            Operator::new(lab, &[&format!("Cookie: netbootd={cookie}"), FROM_HERE[0], FROM_HERE[1]]);
        let page =
            operator.ask("GET", &format!("/machines/{WAITS}/approve"), &["-H", "Accept: text/html"]).body;
        let token =
            page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        (operator, token)
    };
    let (one, other) = (Operator::sign_in(lab, TOKEN), Operator::sign_in(lab, TOKEN));
    let (one, other) = (form(&one), form(&other));
    let approve = |(operator, token): &(Operator<'_>, String), token_of: &str| {
        let token = if token_of.is_empty() { token } else { token_of };
        operator.ask("POST", &format!("/machines/{WAITS}/approve"), &["-d", &format!("token={token}")]).status
    };
    // Each session's forms carry a token of their own: another session's does not fit.
    assert_eq!(approve(&one, &other.1), 403, "a stolen token");
    assert_eq!((approve(&one, ""), approve(&other, "")), (303, 303));
    let said = |operator: &Operator<'_>| operator.ask("GET", "/", &["-H", "Accept: text/html"]).body;
    assert!(said(&one.0).contains("is approved."), "{}", said(&one.0));
    assert!(said(&other.0).contains("was approved already."), "{}", said(&other.0));
    let pending = admin.get("/api/pending");
    assert_eq!((pending.as_array().unwrap().len(), pending[0]["state"].as_str()), (1, Some("approved")));
}

#[test]
fn a_session_survives_a_restart_and_ends_with_its_operator() {
    let (lab, root, config) = site();
    let netbootd = Netbootd::start(&lab, &root, &config);
    let cookie = Operator::sign_in(&lab, OPERATOR);
    let header = format!("Cookie: netbootd={cookie}");
    let name = || {
        let page = Operator::new(&lab, &[&header, "Accept: text/html"]).ask("GET", "/", &[]).body;
        page.contains("title=\"Sign out\">anna<")
    };
    assert!(name());
    drop(netbootd);
    let netbootd = Netbootd::start(&lab, &root, &config);
    assert!(name(), "the session ended with the process");
    let kept = fs::read_to_string(lab.folder().join("state/sessions.json")).unwrap();
    assert!(!kept.contains(&cookie) && !kept.contains(OPERATOR), "{kept}");
    // Signed out, the same cookie is played again: it opens nothing, also after a restart.
    let page = Operator::new(&lab, &[&header, "Accept: text/html"]).ask("GET", "/", &[]).body;
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let browser = Operator::new(&lab, &[&header, FROM_HERE[0], FROM_HERE[1]]);
    assert_eq!(browser.ask("POST", "/sign-out", &["-d", &format!("token={token}")]).status, 303);
    assert!(!name());
    drop(netbootd);
    let second = Netbootd::start(&lab, &root, &config);
    assert!(!name(), "a session that was closed came back");
    // Without its operator a session is none.
    let cookie = Operator::sign_in(&lab, OPERATOR);
    let header = format!("Cookie: netbootd={cookie}");
    drop(second);
    let without = config.replace("name = \"anna\"", "name = \"eva\"");
    let _netbootd = Netbootd::start(&lab, &root, &without);
    let page = Operator::new(&lab, &[&header, "Accept: text/html"]).ask("GET", "/", &[]).body;
    assert!(!page.contains("Sign out"), "an operator who left is signed in");
}

#[test]
fn the_chain_of_files_is_followed_and_checked() {
    let (lab, root, config) = site();
    fs::write(
        root.join("boot.ipxe"),
        "#!ipxe\nkernel vmlinuz quiet\ninitrd initrd-old.gz\nchain ${next}/x\n",
    )
    .unwrap();
    fs::write(root.join("vmlinuz"), vec![0; 5000]).unwrap();
    fs::write(root.join("initrd.gz"), "x").unwrap();
    let netbootd = Netbootd::start(&lab, &root, &config);
    let operator = Operator::with_token(&lab, OPERATOR);
    let stages = operator.get("/api/machines/02:00:00:00:00:07/chain?class=ipxe");
    let links: Vec<(String, String)> = stages[0]["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| (link["file"].as_str().unwrap().to_owned(), link["state"].as_str().unwrap().to_owned()))
        .collect();
    let shown: Vec<(&str, &str)> =
        links.iter().map(|(file, state)| (file.as_str(), state.as_str())).collect();
    assert_eq!(
        shown,
        [("boot.ipxe", "there"), ("vmlinuz", "there"), ("initrd-old.gz", "missing"), ("${next}/x", "open")],
        "{}",
        netbootd.log()
    );
    let page =
        operator.ask("GET", "/explain?mac=02:00:00:00:00:07&class=ipxe", &["-H", "Accept: text/html"]).body;
    assert!(page.contains("initrd-old.gz") && page.contains("nearest name is"), "{page}");
}

/// The lines of docs/status.md, as a shell runs them.
#[test]
fn the_curl_examples_of_the_documentation_succeed() {
    let (lab, root, config) = site();
    let _netbootd = Netbootd::start(&lab, &root, &config);
    write_secret(&lab.folder().join("status.token"), &format!("{TOKEN}\n"));
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/status.md")).unwrap();
    let examples = page.split("With curl:").nth(1).unwrap().split("With PowerShell").next().unwrap();
    assert!(examples.matches("curl ").count() >= 3, "{examples}");
    let script = examples.replace("https://boot.corp.example:9443", "http://127.0.0.1:9167");
    let output = lab.run("server", &["sh", "-exc", &script]);
    assert!(output.status.success(), "{output:?}");
    let next = Operator::with_token(&lab, TOKEN).get("/api/devices/52:54:00:4c:01:01");
    assert_eq!(next["next"]["target"]["file"], "debian-12", "{next}");
}

/// `examples/ansible` against a running netbootd: a setting that is already right stays unchanged.
#[test]
fn the_ansible_role_changes_what_differs_and_nothing_else() {
    let (lab, root, config) = site();
    let _netbootd = Netbootd::start(&lab, &root, &config);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/ansible");
    let play = |more: &[&str]| {
        let mut command = lab.command("server", &tool("ansible-playbook"));
        command.args(["-i", "localhost,", "-e", &format!("netbootd_token={TOKEN}")]).args(more);
        command.arg(format!("{folder}/playbook.yml")).env("HOME", lab.folder()).env("LC_ALL", "C.UTF-8");
        command.env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let changed = said.split("changed=").nth(1).unwrap_or_default();
        (changed.split_whitespace().next().unwrap_or_default().to_owned(), said)
    };
    let (changed, said) = play(&[]);
    assert_eq!(changed, "1", "{said}");
    let admin = Operator::with_token(&lab, TOKEN);
    let device = admin.get("/api/devices/52:54:00:4c:01:01");
    assert_eq!(
        (device["name"].as_str(), device["boot"].as_str()),
        (Some("lab-01"), Some("disk")),
        "{device}"
    );
    assert_eq!(device["tags"].as_array().unwrap().len(), 2);
    let (changed, said) = play(&[]);
    assert_eq!(changed, "0", "{said}");
    // Once more with every other verb.
    let more = "{\"netbootd_approve\": [\"52:54:00:4c:01:02\"], \
                \"netbootd_boot_next\": [{\"mac\": \"52:54:00:4c:01:02\", \"target\": \"disk\"}]}";
    let (changed, said) = play(&["-e", more]);
    assert_eq!(changed, "2", "{said}");
    assert_eq!(admin.get("/api/pending")[0]["state"], "approved");
    assert_eq!(admin.get("/api/devices/52:54:00:4c:01:02")["next"]["target"], "disk");
    let (changed, said) =
        play(&["-e", "{\"netbootd_absent\": [\"52:54:00:4c:01:02\"], \"netbootd_devices\": []}"]);
    assert_eq!(changed, "1", "{said}");
    assert_eq!(admin.get("/api/devices").as_array().unwrap().len(), 1);
}

#[test]
fn behind_nginx_the_clients_address_counts_and_a_forged_one_does_not() {
    let (lab, root, config) = site();
    let netbootd = Netbootd::start(&lab, &root, &config);
    let certificate = Authority::new(&lab.folder()).sign("boot", "IP:10.77.0.1", 10);
    let _nginx = nginx(&lab, "10.77.0.1:8443", &certificate.certificate, &certificate.key);
    lab.wait_for_ports("server", "10.77.0.1", &[8443]);
    let bearer = format!("Authorization: Bearer {OPERATOR}");
    let forged = "X-Forwarded-For: 6.6.6.6";
    let through = Operator::new(&lab, &[&bearer, forged]).at("client", "https://10.77.0.1:8443");
    let direct = Operator::new(&lab, &[&bearer, forged]).at("client", "http://10.77.0.1:9167");
    for operator in [through, direct] {
        let approved = operator.ask("POST", "/pending/02:00:00:00:00:07/approve", &[]);
        assert_eq!(approved.status, 200, "{}", approved.body);
    }
    let admin = Operator::with_token(&lab, TOKEN);
    let audit = admin.ask("GET", "/server/audit.csv", &[]).body;
    assert_eq!(audit.matches("anna,10.77.0.50,").count(), 2, "{audit}");
    assert!(!audit.contains("6.6.6.6"), "{audit}");
    // The cookie of a session that came by the proxy's TLS stays on TLS; a direct one has none.
    let form = format!("secret={OPERATOR}");
    let headers = ["Origin: https://10.77.0.1:8443", "Sec-Fetch-Site: same-origin"];
    let secure = Operator::new(&lab, &headers).at("client", "https://10.77.0.1:8443").ask(
        "POST",
        "/sign-in",
        &["-d", &form],
    );
    assert!(secure.head.contains("; Secure"), "{}", secure.head);
    let headers =
        ["Origin: http://10.77.0.1:9167", "Sec-Fetch-Site: same-origin", "X-Forwarded-Proto: https"];
    let plain = Operator::new(&lab, &headers).at("client", "http://10.77.0.1:9167").ask(
        "POST",
        "/sign-in",
        &["-d", &form],
    );
    assert!(plain.cookie().is_some() && !plain.head.contains("; Secure"), "{}", plain.head);
    assert!(!netbootd.log().contains("panicked"));
}
