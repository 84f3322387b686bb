//! The comparisons run: small files, a few seconds, every byte compared. What they measure is not looked at.

use std::process::Command;

fn smoke(program: &str) {
    let output = Command::new(program).arg("--smoke").output().expect("it can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.lines().any(|line| line.contains(" | ")), "no row: {out}\n{err}");
}

#[test]
fn tftp_beside_its_peers() {
    smoke(env!("CARGO_BIN_EXE_bench-tftp"));
}

#[test]
fn a_small_storm_loses_no_machine() {
    smoke(env!("CARGO_BIN_EXE_bench-storm"));
}

#[test]
fn http_beside_its_peer() {
    smoke(env!("CARGO_BIN_EXE_bench-http"));
}

#[test]
fn dhcp_beside_its_peers() {
    smoke(env!("CARGO_BIN_EXE_bench-dhcp"));
}
