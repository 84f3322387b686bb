//! Helpers of several tests.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Puts the reader of Windows images where a test looks for it, as packages do: tests lie one
/// folder below the programs that are built.
pub(crate) fn reader() {
    let own = std::env::current_exe().unwrap();
    let profile = own.ancestors().nth(2).unwrap();
    let built = profile.join("netbootd-wim");
    if !built.exists() {
        // A test run of this package alone has not built it.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "netbootd-wim", "--target-dir"]).arg(profile.parent().unwrap());
        let release = profile.ends_with("release").then_some("--release");
        let output = cargo.args(release).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let folder = profile.join("libexec/netbootd");
    fs::create_dir_all(&folder).unwrap();
    match symlink(Path::new("../../netbootd-wim"), folder.join("netbootd-wim")) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("{}: {error}", folder.display()),
        _ => {}
    }
}
