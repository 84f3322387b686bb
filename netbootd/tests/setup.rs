//! `netbootd setup`, by flags and by answers.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Where a test's server would be.
fn places(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    vec![
        "--config".into(),
        path("etc/netbootd.toml"),
        "--state-dir".into(),
        path("state"),
        "--no-start".into(),
    ]
}

fn setup(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netbootd"));
    command.arg("setup").args(places(folder)).args(words).stdin(Stdio::null()).output().unwrap()
}

/// The same on a terminal, where somebody types.
fn typed(folder: &Path, words: &[&str], answers: &str) -> (Option<i32>, String) {
    let words = [vec![env!("CARGO_BIN_EXE_netbootd").to_owned(), "setup".into()], places(folder)]
        .concat()
        .into_iter()
        .chain(words.iter().map(|word| (*word).to_owned()));
    let line = words.collect::<Vec<_>>().join(" ");
    // script(1) gives it a terminal.
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn is_fine(config: &Path) -> bool {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netbootd"));
    command.arg("check-config").arg(config).output().unwrap().status.success()
}

#[test]
fn flags_make_folders_and_a_configuration_that_is_never_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (root, images) = (path("boot").display().to_string(), path("data/images").display().to_string());
    let words = ["--yes", "--interface", "lo", "--root", &root, "--images", &images, "--programs", "no"];
    let output = setup(folder.path(), &words);
    let shown = output_text(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for (at, step) in
        ["state folder", "boot folder", "image folder", "page token", "configuration"].iter().enumerate()
    {
        assert!(shown.contains(&format!("[{}/5] ok      {step}: ", at + 1)), "{shown}");
    }
    assert!(path("state").is_dir() && path("boot").is_dir() && path("data/images").is_dir());
    let config = path("etc/netbootd.toml");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(is_fine(&config));
    let written = fs::read_to_string(&config).unwrap();
    assert!(written.contains("interfaces = [\"lo\"]") && written.contains("mode = \"proxy\""), "{written}");

    let again = setup(folder.path(), &[&words[..], &["--mode", "off"]].concat());
    assert_eq!(again.status.code(), Some(78));
    assert!(
        output_text(&again).contains("was changed since installation")
            && output_text(&again).contains("--force"),
        "{}",
        output_text(&again)
    );
    assert_eq!(fs::read_to_string(&config).unwrap(), written);

    let forced = setup(folder.path(), &[&words[..], &["--mode", "off", "--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", output_text(&forced));
    assert!(fs::read_to_string(&config).unwrap().contains("mode = \"off\""));
    assert_eq!(fs::read_to_string(path("etc/netbootd.toml.old")).unwrap(), written);
}

#[test]
fn a_wrong_flag_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let file = file.display().to_string();
    let cases: [(&[&str], &str); 8] = [
        (&["--interface", "eth7x"], "--interface eth7x: no interface eth7x is up with an IPv4 address"),
        (&["--mode", "sideways"], "--mode sideways: sideways is not proxy, server or off"),
        (&["--mode", "server", "--pool", "192.0.2.1-192.0.2.9"], "is not inside one network of this host"),
        (&["--pool", "127.0.0.2-127.0.0.9"], "--pool needs --mode server"),
        (&["--root", "boot"], "--root boot: boot is not an absolute path"),
        (&["--root", &file], "is a file, not a folder"),
        (&["--account", "a@B"], "--account needs --configmgr"),
        (&["--configmgr", "http://cm01"], "https, not http"),
    ];
    for (words, expected) in cases {
        let lo: &[&str] =
            if words[0] == "--interface" { &["--yes"] } else { &["--yes", "--interface", "lo"] };
        let output = setup(folder.path(), &[lo, words].concat());
        assert_eq!(output.status.code(), Some(78), "{words:?}: {}", output_text(&output));
        assert!(output_text(&output).contains(expected), "{words:?}: {}", output_text(&output));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the file that was there");
}

#[test]
fn without_a_terminal_it_says_which_flags_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = setup(folder.path(), &["--mode", "proxy", "--root", "/srv/netboot"]);
    assert_eq!(output.status.code(), Some(78));
    let shown = output_text(&output);
    assert!(shown.contains("give --interface, --images, --configmgr, and add --yes"), "{shown}");
}

#[test]
fn a_wrong_answer_is_explained_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("boot").display().to_string();
    let answers = format!(
        "eth7x\nlo\nsideways\nserver\n10.0.0.1\n127.0.0.9-127.0.0.20\n\n10.0.0.300\n127.0.0.53\n5s\n8h\nboot\n{root}\n\nno\nnone\n"
    );
    let (code, shown) = typed(folder.path(), &[], &answers);
    assert_eq!(code, Some(0), "{shown}");
    for wrong in [
        "no interface eth7x is up",
        "sideways is not proxy",
        "10.0.0.1-10.0.0.1 is not inside",
        "boot is not an absolute path",
    ] {
        assert!(shown.contains(wrong), "{wrong}: {shown}");
    }
    let config = folder.path().join("etc/netbootd.toml");
    assert!(is_fine(&config));
    let written = fs::read_to_string(config).unwrap();
    assert!(
        written.contains("mode = \"server\"")
            && written.contains("pool = \"127.0.0.9-127.0.0.20\"")
            && written.contains("dns = [\"127.0.0.53\"]\nlease-time = \"8h\""),
        "{written}"
    );
}

#[test]
fn a_provider_that_does_not_answer_is_told_link_by_link() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("boot").display().to_string();
    // A port that was free a moment ago.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let provider = format!("https://localhost:{closed}/AdminService");
    let words =
        ["--interface", "lo", "--mode", "proxy", "--root", &root, "--images", &root, "--programs", "no"];
    let by_flags = setup(folder.path(), &[&words[..], &["--yes", "--configmgr", &provider]].concat());
    let shown = output_text(&by_flags);
    assert_eq!(by_flags.status.code(), Some(78), "{shown}");
    assert!(
        shown.contains("pass  configmgr         name")
            && shown.contains("FAIL  configmgr         connection"),
        "{shown}"
    );
    assert!(shown.contains("cannot be used: connection: "), "{shown}");

    // The operator may correct the answer, or keep it.
    let (code, shown) = typed(folder.path(), &words, &format!("{provider}\n\n\nnone\n"));
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("FAIL  configmgr") && shown.contains("Correct the answers"), "{shown}");
    let config = folder.path().join("etc/netbootd.toml");
    assert!(!fs::read_to_string(&config).unwrap().contains("\n[configmgr]"));

    let all_the_same = ["--yes", "--force", "--unchecked", "--configmgr", &provider];
    let unchecked = setup(folder.path(), &[&words[..], &all_the_same].concat());
    assert_eq!(unchecked.status.code(), Some(0), "{}", output_text(&unchecked));
    assert!(fs::read_to_string(&config).unwrap().contains(&format!("\n[configmgr]\nurl = \"{provider}\"")));
}

#[test]
fn leaving_in_the_middle_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, shown) = typed(folder.path(), &[], "lo\n");
    assert_eq!(code, Some(78), "{shown}");
    assert!(shown.contains("no answer to the question for --mode; nothing was changed"), "{shown}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
