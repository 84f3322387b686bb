use super::*;
use crate::Signature;

fn program() -> Program {
    Program {
        machine: 0x8664,
        sections: Vec::new(),
        is_linux_kernel: false,
        digest: [7; 32],
        signatures: vec![Ok(Signature {
            signer: "Microsoft Windows".to_owned(),
            authorities: vec![Authority::WindowsProduction2011],
            not_after: 0,
            digest: None,
        })],
        sbat: vec![SbatEntry { component: "shim".to_owned(), generation: 3 }],
        security_version: Some(SecurityVersion { major: 7, minor: 0 }),
    }
}

#[test]
fn the_bundled_list_refuses_old_shims_and_old_boot_managers() {
    let mut list = Revocations::bundled();
    let old = program();
    let said =
        |list: &Revocations, name: &str| list.check(name, &old).map(|revocation| revocation.to_string());
    assert_eq!(
        said(&list, "boot/x64/bootmgfw_EX.efi").as_deref(),
        Some("security version 7.0; machines with current updates need 9.0")
    );
    assert_eq!(
        said(&list, "shimx64.efi").as_deref(),
        Some("SBAT shim 3; machines with current updates need shim 4")
    );
    list.add(Revocations {
        sbat: vec![SbatEntry { component: "shim".to_owned(), generation: 2 }],
        ..Default::default()
    });
    assert_eq!(
        list.sbat().iter().find(|entry| entry.component == "shim").map(|entry| entry.generation),
        Some(4)
    );
}

/// An update of `dbx` as firmware takes it: a header of 16 + 24 bytes, then one list of hashes.
fn update(entries: &[[u8; 32]]) -> Vec<u8> {
    let mut bytes = vec![0; 16];
    bytes.extend(24_u32.to_le_bytes());
    bytes.extend([0, 2, 0xf1, 0x0e]);
    bytes.extend([0; 16]);
    bytes.extend(b"\x26\x16\xc4\xc1\x4c\x50\x92\x40\xac\xa9\x41\xf9\x36\x93\x43\x28");
    let size = 28 + entries.len() * 48;
    for field in [u32::try_from(size).expect("small"), 0, 48] {
        bytes.extend(field.to_le_bytes());
    }
    for entry in entries {
        bytes.extend([0; 16]);
        bytes.extend(entry);
    }
    bytes
}

#[test]
fn an_update_of_dbx_brings_hashes_and_security_versions() {
    let mut version = [0; 32];
    version[..17].copy_from_slice(b"\x01\x61\x2b\x13\x9d\xd5\x59\x88\x43\xab\x1c\x18\x5c\x3c\xb2\xeb\x92");
    version[19] = 8;
    let bytes = update(&[[9; 32], version]);
    let list = Revocations::read(&bytes).expect("a list");
    assert_eq!(list.hashes(), 1);
    let needs = SecurityVersion { major: 8, minor: 0 };
    let has = SecurityVersion { major: 7, minor: 0 };
    assert_eq!(list.check("bootmgfw.efi", &program()), Some(Revocation::SecurityVersion { has, needs }));
    assert_eq!(list.check("other.efi", &program()), None);
    assert_eq!(
        Revocations::read(&update(&[[7; 32]])).expect("a list").check("x", &program()),
        Some(Revocation::Hash)
    );

    let without_header = Revocations::read(&bytes[40..]).expect("a list");
    assert_eq!(without_header, list);
    assert!(matches!(Revocations::read(&bytes[..bytes.len() - 1]), Err(RevocationsError::Unknown)));
    for cut in 0..bytes.len() {
        let _ = Revocations::read(&bytes[..cut]);
    }
}

#[test]
fn microsofts_json_is_read_and_other_files_are_refused() {
    let json = format!(
        r#"{{"images": {{"x64": [{{"authenticodeHash": "{}", "filename": "old.efi"}}]}},
            "certificates": [{{"subjectName": "CN = Microsoft Windows Production PCA 2011, O = Microsoft"}}],
            "svns": []}}"#,
        "07".repeat(32)
    );
    let list = Revocations::read(json.as_bytes()).expect("a list");
    assert_eq!(list.check("x", &program()), Some(Revocation::Hash));
    let mut other = program();
    other.digest = [8; 32];
    assert_eq!(list.check("x", &other), Some(Revocation::Authority(Authority::WindowsProduction2011)));
    assert_eq!(Revocations::read(b"sbat,1,2099\nshim,9\n").expect("a level").sbat().len(), 2);
    for wrong in [&b"hello"[..], b"", b"{}", br#"{"images": {"x64": [{"authenticodeHash": "zz"}]}}"#] {
        assert!(Revocations::read(wrong).is_err());
    }
}
