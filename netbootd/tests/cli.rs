//! The command line, as operators use it.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn netbootd(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netbootd")).args(arguments).current_dir(folder).output().unwrap()
}

/// Compares with a file beside this one; `UPDATE_GOLDEN=1` writes it anew.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{name}");
}

#[test]
fn check_config_shows_every_finding_with_its_place() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let output = netbootd(&["check-config", "bad.toml"], &data);
    assert_eq!(output.status.code(), Some(78));
    golden("bad.stderr", &String::from_utf8(output.stderr).unwrap());
}

#[test]
fn doctor_says_that_the_reader_of_windows_images_is_missing() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (alone, reader) = (folder.path().join("netbootd"), folder.path().join("netbootd-wim"));
    std::fs::hard_link(env!("CARGO_BIN_EXE_netbootd"), &alone).unwrap();
    let doctor = || {
        let mut command = Command::new(&alone);
        // Nothing is sent to the host's own networks.
        let config = "[server]\ninterfaces = [\"lo\"]\nstate-dir = \"state\"\n[boot]\nroot = \".\"\n";
        std::fs::write(folder.path().join("netbootd.toml"), config).unwrap();
        command.args(["doctor", "--config", "netbootd.toml"]).env("PATH", "").current_dir(folder.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let said = doctor();
    let line = said.lines().find(|line| line.contains("wim-reader")).unwrap();
    assert!(line.starts_with("FAIL") && said.contains("reinstall netbootd's package"), "{said}");
    std::fs::write(&reader, "").unwrap();
    let said = doctor();
    let line = said.lines().find(|line| line.contains("wim-reader")).unwrap();
    assert!(line.starts_with("pass") && line.contains(&reader.display().to_string()), "{said}");
}

#[test]
fn warnings_pass() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let output = netbootd(&["check-config", "warned.toml"], &data);
    assert_eq!(output.status.code(), Some(0));
    golden("warned.stderr", &String::from_utf8(output.stderr).unwrap());
}

#[test]
fn every_command_ends_quietly_when_nobody_reads_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let config = file(
        "netbootd.toml",
        "[server]\nstate-dir = \"state\"\n[boot]\nroot = \".\"\n[devices]\nfile = \"devices.csv\"\n",
    );
    file("devices.csv", "name,mac,image\npc-1,52:54:00:00:00:01,winpe\n");
    let program = file("tool.efi", "a program");
    let log = file("smspxe.log", "nothing\n");
    let commands: [&[&str]; 18] = [
        &["--help"],
        &["image", "--help"],
        &["completions", "bash"],
        &["check-config", "--default"],
        &["check-config", &config],
        &["check-config", "missing.toml"],
        &["image", "import", &program, "--store", "store"],
        &["image", "list", "--store", "store"],
        &["image", "list", "--json", "--store", "store"],
        &["image", "show", "tool", "--store", "store"],
        &["image", "tag", "tool", "--label", "a=b", "--store", "store"],
        &["image", "verify", "--store", "store"],
        &["image", "sources", "--store", "store"],
        &["image", "remove", "tool", "--store", "store"],
        &["image", "gc", "--store", "store"],
        &["nbi", "check", "."],
        &["explain", "52:54:00:00:00:01", "--smspxe", &log, "--config", &config],
        &["status", "--config", &config],
    ];
    for command in commands {
        let run = |both: bool| {
            let (reader, stdout) = std::io::pipe().unwrap();
            let stderr = stdout.try_clone().unwrap();
            drop(reader);
            let mut started = Command::new(env!("CARGO_BIN_EXE_netbootd"));
            started.args(command).current_dir(folder.path()).stdout(stdout);
            if both { started.stderr(stderr).output() } else { started.output() }.unwrap()
        };
        let output = run(false);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{command:?}: {said}");
        let expected: &[i32] = match command[0] {
            "check-config" if command.contains(&"missing.toml") => &[78],
            "status" | "explain" | "nbi" => &[0, 1],
            _ => &[0],
        };
        assert!(output.status.code().is_some_and(|code| expected.contains(&code)), "{command:?}: {output:?}");
        if command[0] != "image" {
            assert!(run(true).status.code().is_some_and(|code| expected.contains(&code)), "{command:?}");
        }
    }
    let stored = netbootd(&["image", "list", "--json", "--store", "store"], folder.path()).stdout;
    assert_eq!(stored, b"{}\n", "a closed pipe keeps no command from its work");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut started = Command::new(env!("CARGO_BIN_EXE_netbootd"));
    let output = started.args(["check-config", "--default"]).stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(1), "netbootd: cannot write the output: no storage space\n")
    );
}

#[test]
fn an_import_that_is_interrupted_says_so_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    // All of it is a hole: it takes no room, and longer to read than a signal to arrive.
    std::fs::File::create(folder.path().join("disk.img")).unwrap().set_len(1 << 40).unwrap();
    let mut started = Command::new(env!("CARGO_BIN_EXE_netbootd"));
    started.args(["image", "import", "disk.img", "--store", "store"]).current_dir(folder.path());
    let child = started.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let session = folder.path().join("store/incoming").join(child.id().to_string());
    while !session.join("1").exists() {
        std::thread::yield_now();
    }
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted: nothing was imported; the store is unchanged"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path().join("store/incoming")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(folder.path().join("store/blobs")).unwrap().count(), 0);
    let listed = netbootd(&["image", "list", "--json", "--store", "store"], folder.path());
    assert_eq!(listed.stdout, b"{}\n");
}

#[test]
fn a_version_is_named_by_its_first_digits() {
    let folder = tempfile::tempdir().unwrap();
    let tool = folder.path().join("tool.efi");
    let image =
        |words: &[&str]| netbootd(&[&["image"], words, &["--store", "store"]].concat(), folder.path());
    let import = |bytes: &str| {
        std::fs::write(&tool, bytes).unwrap();
        let output = image(&["import", "tool.efi"]);
        String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned()
    };
    let (first, second) = (import("first"), import("second"));
    let listed = String::from_utf8(image(&["list"]).stdout).unwrap();
    assert!(listed.contains(&second[..12]), "{listed}");
    for digits in [&first[..12], &first[..4], &first.to_uppercase()[..20], &first] {
        image(&["tag", "tool", &second]);
        let tagged = String::from_utf8(image(&["tag", "tool", digits]).stdout).unwrap();
        assert_eq!(tagged.trim_end(), first, "{digits}");
    }
    for (digits, words) in
        [("fffffffffff", "has no version fffffffffff"), ("zz", "has no version"), ("", "several versions")]
    {
        let refused = image(&["tag", "tool", digits]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(refused.status.code() == Some(1) && said.contains(words), "{digits}: {said}");
    }
    assert!(image(&["remove", "tool", "--version", &second[..8]]).status.success());
    assert!(image(&["export", "tool", "out"]).status.success());
    assert_eq!(std::fs::read(folder.path().join("out/tool.efi")).unwrap(), b"first");
}

#[test]
fn the_built_in_default_can_be_printed_and_used_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = netbootd(&["check-config", "--default"], folder.path());
    let text = String::from_utf8(printed.stdout).unwrap().replace("/srv/netboot", ".");
    std::fs::write(folder.path().join("default.toml"), text).unwrap();
    let output = netbootd(&["check-config", "default.toml"], folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_example_is_fine() {
    let copy = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let configurations = copied(&examples, copy.path());
    for file in &configurations {
        let name = file.file_name().unwrap().to_str().unwrap();
        let output = netbootd(&["check-config", name], file.parent().unwrap());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}: {said}", file.display());
        let warnings = said.lines().filter_map(|line| line.strip_prefix("warning: "));
        // Boot programs, images and interfaces are the operator's.
        let usual = ["neither in the boot folder nor in an image", "this host has no interface"];
        let strange = warnings.filter(|warning| !usual.iter().any(|start| warning.starts_with(start)));
        assert_eq!(strange.collect::<Vec<_>>(), [""; 0], "{}", file.display());
    }
    // Some folders hold what configures other programs, such as Ansible.
    let setups: std::collections::BTreeSet<_> =
        configurations.iter().filter_map(|file| file.parent()).collect();
    assert!(setups.len() >= 6, "{configurations:#?}");
}

/// Copies a folder, with the folders and files that its configurations name by whole paths, and
/// gives the configurations.
fn copied(from: &Path, to: &Path) -> Vec<PathBuf> {
    let mut configurations = Vec::new();
    for entry in std::fs::read_dir(from).unwrap() {
        let (source, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if source.is_dir() {
            std::fs::create_dir(&target).unwrap();
            configurations.extend(copied(&source, &target));
            continue;
        }
        let text = std::fs::read_to_string(&source).unwrap();
        if source.extension().is_none_or(|extension| extension != "toml") {
            std::fs::write(&target, text).unwrap();
            continue;
        }
        std::fs::write(&target, elsewhere(&text, &to.join("host"))).unwrap();
        configurations.push(target);
    }
    configurations
}

/// The text with the host's folders below another one, where what it names is made.
fn elsewhere(text: &str, host: &Path) -> String {
    let mut moved = text.to_owned();
    for folder in ["/srv/", "/mnt/", "/etc/netbootd/"] {
        let below = format!("\"{}{folder}", host.display());
        for named in text.split(&format!("\"{folder}")).skip(1) {
            let place = host.join(&folder[1..]).join(named.split('"').next().unwrap());
            if folder.starts_with("/etc/") {
                std::fs::create_dir_all(place.parent().unwrap()).unwrap();
                std::fs::write(&place, "0123456789abcdef\n").unwrap();
                std::fs::set_permissions(place, Permissions::from_mode(0o600)).unwrap();
            } else {
                // A content library has these; other folders may have them.
                for part in ["PkgLib", "DataLib", "FileLib"] {
                    std::fs::create_dir_all(place.join(part)).unwrap();
                }
            }
        }
        moved = moved.replace(&format!("\"{folder}"), &below);
    }
    moved
}

#[test]
fn a_missing_file_and_a_missing_boot_folder_are_configuration_errors() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [["serve", "--config", "none.toml"], ["serve", "--root", "none"]] {
        let output = netbootd(&arguments, folder.path());
        assert_eq!(output.status.code(), Some(78), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("none"), "{arguments:?}");
    }
}

#[test]
fn a_probe_without_an_answer_fails_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let output = netbootd(&["probe", "http", &format!("http://127.0.0.1:{closed}/x")], folder.path());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn image_folders_are_checked_for_each_kind_of_mac() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let output = netbootd(&["nbi", "check", "nbi"], &data);
    assert_eq!(output.status.code(), Some(1), "one of them cannot be offered");
    golden("nbi.stdout", &String::from_utf8(output.stdout).unwrap());
    let output = netbootd(&["nbi", "check", "nbi/Sierra.nbi"], &data);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_long_command_shows_a_bar_on_a_terminal_and_lines_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("disk.img"), vec![7; 3_000_000]).unwrap();
    let program = env!("CARGO_BIN_EXE_netbootd");
    let words = format!("{program} image import disk.img --store store");
    // script(1) gives it a terminal.
    let on_terminal = Command::new("script")
        .args(["-qec", &words, "/dev/null"])
        .env("TERM", "xterm")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&on_terminal.stdout).into_owned();
    assert!(
        on_terminal.status.success() && shown.contains("2.86 MiB/2.86 MiB") && shown.contains("/s"),
        "{shown:?}"
    );
    assert!(shown.contains('\u{1b}') && shown.contains("New image distributed: disk"), "{shown:?}");
    let elsewhere = netbootd(&["image", "import", "disk.img", "--store", "other"], folder.path());
    let lines = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(lines.contains("2.86 MiB of 2.86 MiB") && !lines.contains('\u{1b}'), "{lines:?}");
}

#[test]
fn a_machines_story_is_read_from_configmgrs_log() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let told = netbootd(&["explain", "00-15-5d-00-19-ca", "--smspxe", "smspxe.log"], &data);
    assert_eq!(told.status.code(), Some(0), "{}", String::from_utf8_lossy(&told.stderr));
    golden("smspxe.stdout", &String::from_utf8(told.stdout).unwrap());
    let nothing = netbootd(&["explain", "--mac", "02:00:00:00:00:01", "--smspxe", "smspxe.log"], &data);
    assert_eq!(nothing.status.code(), Some(1));
}

#[test]
fn a_file_that_root_puts_belongs_to_the_boot_folders_owner_and_is_refused_outside() {
    use std::os::unix::fs::{MetadataExt, chown};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("boot");
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::write(root.join("boot.efi"), "old").unwrap();
    for path in [root.as_path(), &root.join("boot.efi")] {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
    // Only root may read it.
    std::fs::write(folder.path().join("new"), "new").unwrap();
    std::fs::set_permissions(folder.path().join("new"), Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("netbootd.toml"), format!("boot.root = {root:?}\n")).unwrap();
    let put =
        |path: &str| netbootd(&["file", "put", "new", path, "--config", "netbootd.toml"], folder.path());
    for (path, place) in [("boot.efi", "boot.efi"), ("\\grub\\x64\\grub.cfg", "grub/x64/grub.cfg")] {
        let output = put(path);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let put = root.join(place);
        assert_eq!(std::fs::read_to_string(&put).unwrap(), "new");
        let found = put.metadata().unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (65534, 65534, 0o644), "{place}");
    }
    for path in ["../new", "", "grub"] {
        assert_eq!(put(path).status.code(), Some(78), "{path:?}");
    }
}
