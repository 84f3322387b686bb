//! The comparisons run: small files, a few seconds, every byte compared. Their figures are not
//! judged.

use std::process::Command;

fn smoke(program: &str, row: &str) {
    let output = Command::new(program).arg("--smoke").output().expect("it can be started");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains(row), "{row:?} is not in {out}\n{err}");
}

#[test]
fn tftp_beside_its_peers() {
    smoke(env!("CARGO_BIN_EXE_bench-tftp"), "5 % lost, window 16");
}

#[test]
fn a_small_storm_loses_no_machine() {
    smoke(env!("CARGO_BIN_EXE_bench-storm"), "100 of 100");
}

#[test]
fn http_beside_its_peer() {
    smoke(env!("CARGO_BIN_EXE_bench-http"), "| 1 kB files");
}

#[test]
fn dhcp_beside_its_peers() {
    smoke(env!("CARGO_BIN_EXE_bench-dhcp"), "netbootd: 200 exchanges");
}
