//! Boot programs with damaged or hostile signatures: each is named by the commands, and the running
//! daemon serves it as it is.
#![allow(clippy::unwrap_used)] // helpers of tests

use std::fs;
use std::path::Path;
use std::process::Command;

use netbootd_tests::netbootd::{ADDRESSES, SERVER, program};
use netbootd_tests::{Lab, Netbootd};

const GRUB: &str = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed";

/// A change of Debian's signed GRUB; where its certificate table's directory entry and the table
/// are, and the places of its sections' headers.
type Change = fn(&mut Vec<u8>, usize, usize, &[usize]);

/// Name, change, and what `netbootd file show` says.
const PROGRAMS: [(&str, Change, &str); 7] = [
    (
        "table-beyond-the-file",
        |bytes, entry, _, _| put(bytes, entry + 4, u32::MAX),
        "a damaged certificate table",
    ),
    ("signature-of-no-length", |bytes, _, table, _| put(bytes, table, 0), "a damaged certificate table"),
    (
        "signature-beyond-the-table",
        |bytes, _, table, _| put(bytes, table, 90_000),
        "a damaged certificate table",
    ),
    (
        "certificate-of-a-megabyte",
        |bytes, entry, table, _| certificate(bytes, entry, table, 1 << 20, 1),
        "unknown: a signature of 1048584 bytes",
    ),
    (
        "ten-thousand-signatures",
        |bytes, entry, table, _| certificate(bytes, entry, table, 8, 10_000),
        "a damaged certificate table",
    ),
    (
        "sbat-of-rubbish",
        |bytes, _, _, sections| sbat_of_rubbish(bytes, sections),
        "changed after it was signed",
    ),
    (
        "sections-beyond-the-file",
        |bytes, _, _, sections| sections_beyond_the_file(bytes, sections),
        "not a PE program, or a damaged one",
    ),
];

#[test]
fn damaged_and_hostile_programs_are_named_and_served_as_they_are() {
    let mut lab = Lab::new();
    let root = Netbootd::prepare(&mut lab);
    lab.add_host("client");
    lab.plug("client", "eth0", "br0", "10.77.0.50/24");
    for (name, change, _) in PROGRAMS {
        let mut bytes = fs::read(GRUB).unwrap();
        let pe = number(&bytes, 0x3c);
        let (optional, sections) = (pe + 24, usize::from(u16::from_le_bytes([bytes[pe + 6], bytes[pe + 7]])));
        let headers = optional + usize::from(u16::from_le_bytes([bytes[pe + 20], bytes[pe + 21]]));
        let headers: Vec<usize> = (0..sections).map(|n| headers + n * 40).collect();
        let entry = optional + 112 + 32;
        let table = number(&bytes, entry);
        change(&mut bytes, entry, table, &headers);
        fs::write(root.join(format!("{name}.efi")), bytes).unwrap();
    }
    let files: Vec<String> = PROGRAMS.iter().map(|(name, ..)| format!("\"{name}.efi\"")).collect();
    let rule = format!("[[rule]]\nname = \"all\"\naction.boot = {{ file = [{}] }}\n", files.join(", "));
    let netbootd = Netbootd::start(&lab, &root, &format!("{ADDRESSES}{rule}"));
    let config = lab.folder().join("netbootd.toml");
    for (name, _, words) in PROGRAMS {
        let file = format!("{name}.efi");
        let shown = run(&["file", "show", &file], &config);
        assert!(shown.contains(words), "{name}: {shown}");
        let mut client = lab.command("client", "tftp");
        client.current_dir(lab.folder()).args(["-m", "octet", SERVER, "-c", "get", &file, "got"]);
        client.output().unwrap();
        assert!(fs::read(lab.folder().join("got")).unwrap() == fs::read(root.join(&file)).unwrap(), "{name}");
        netbootd.logged(&["completed", &file]);
    }
    let checked = run(&["check-config"], &config);
    assert!(checked.contains("sbat-of-rubbish.efi was changed after it was signed"), "{checked}");
    assert!(!netbootd.log().contains("panicked"), "{}", netbootd.log());
}

fn run(words: &[&str], config: &Path) -> String {
    let output = Command::new(program()).args(words).arg("--config").arg(config).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// So many entries with so many bytes of a certificate each, in the place of the table.
fn certificate(bytes: &mut Vec<u8>, entry: usize, table: usize, length: usize, count: usize) {
    bytes.truncate(table);
    for _ in 0..count {
        bytes.extend(u32::try_from(length + 8).unwrap().to_le_bytes());
        bytes.extend([0, 2, 2, 0]);
        // DER: a SEQUENCE that says it fills the rest.
        let mut content = vec![0x30, 0x83, 0x0f, 0xff, 0xfb];
        content.resize(length, 0);
        bytes.extend(content);
    }
    let size = u32::try_from(bytes.len() - table).unwrap();
    put(bytes, entry + 4, size);
}

fn sbat_of_rubbish(bytes: &mut [u8], sections: &[usize]) {
    let header = sections.iter().find(|at| bytes[**at..].starts_with(b".sbat\0")).unwrap();
    let (size, at) = (number(bytes, header + 16), number(bytes, header + 20));
    bytes[at..at + size].fill(0xff);
}

fn sections_beyond_the_file(bytes: &mut [u8], sections: &[usize]) {
    for header in sections {
        put(bytes, header + 16, u32::MAX);
        put(bytes, header + 20, u32::MAX - 15);
    }
}

fn number(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
