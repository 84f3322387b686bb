use pxe_policy::{ArchType, DeviceFault, Purpose};

use super::*;

fn who(mac: &str, uuid: Option<&str>) -> Identity {
    Identity {
        mac: mac.parse().unwrap(),
        uuid: uuid.map(|uuid| uuid.parse().unwrap()),
        arch: Some(ArchType::X64_UEFI),
        is_mac: false,
    }
}

const CSV: &str = "\u{feff}Name, MAC, UUID, image, file, deployment, purpose, owner\n\
    kiosk-7, 52-54-00-12-34-56, , linux, , , , Anna\n\
    # a remark\n\
    lab-1, 525400123457; 52:54:00:12:34:58, {E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6}, , menu.efi\n\
    broken, nonsense, , linux\n\
    nobody, , , linux\n\
    wipe, 52:54:00:12:34:59, , winpe, , reimage-2026, required\n\
    odd, 52:54:00:12:34:60, , winpe, , x, sometimes\n\
    raw, , ACEFA3E81F20694E953EB2DAA1E8B1B7, linux\n";

#[test]
fn devices_are_found_by_either_identifier() {
    let (table, bad) = from_csv(CSV.as_bytes()).unwrap();
    let lines: Vec<usize> = bad.iter().map(|bad| bad.line).collect();
    assert_eq!(lines, [5, 6, 8], "{bad:?}");
    let said = table.ask(&who("52:54:00:12:34:56", None));
    let boot = said.by_mac[0].boot.clone().unwrap();
    assert_eq!(
        (said.by_mac[0].name.as_str(), boot.file[0].as_str()),
        ("kiosk-7", "linux/boot/x64/bootmgfw.efi")
    );
    let said = table.ask(&who("52:54:00:12:34:58", Some("E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6")));
    assert_eq!((said.by_mac.len(), said.by_uuid.len()), (1, 1));
    assert_eq!(said.by_uuid[0].boot.clone().unwrap().file, ["menu.efi"]);
    let said = table.ask(&who("52:54:00:12:34:59", None));
    assert_eq!(
        (said.by_mac[0].deployments[0].purpose, said.by_mac[0].boot.is_none()),
        (Purpose::Required, true)
    );
    // Without hyphens both readings are meant.
    for uuid in ["ACEFA3E8-1F20-694E-953E-B2DAA1E8B1B7", "E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B7"] {
        assert_eq!(table.ask(&who("02:00:00:00:00:01", Some(uuid))).by_uuid.len(), 1, "{uuid}");
    }
    assert_eq!(table.ask(&who("02:00:00:00:00:01", None)), DirectoryAnswer::default());
}

#[test]
fn toml_says_the_same() {
    let text = "[[device]]\nname = \"kiosk-7\"\nmac = \"52:54:00:12:34:56\"\nimage = \"linux\"\n\n[[device]]\nname = \"x\"\n";
    let (table, bad) = from_toml(text.as_bytes()).unwrap();
    assert_eq!(table.ask(&who("52:54:00:12:34:56", None)).by_mac.len(), 1);
    let what = DeviceFault::NoIdentifier;
    assert_eq!(bad, [BadLine { line: 6, what, kept: false }]);
    assert!(from_toml(b"[[device]]\nnmae = \"x\"").unwrap_err().to_string().contains("nmae"));
}

#[test]
fn an_error_names_the_file_and_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.csv");
    let error = read(&path).unwrap_err();
    assert!(matches!(&error, DeviceFileError::Read { path: named, .. } if *named == path), "{error}");
    let words = with_causes(&error);
    assert!(words.starts_with("cannot read /") && words.contains("No such file"), "{words}");
    fs::write(&path, "hello\nworld\n").unwrap();
    let error = read(&path).unwrap_err();
    assert!(
        matches!(&error, DeviceFileError::NoList { source: DeviceListError::NoIdentifiers, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_device_file_is_refused() {
    for junk in [&b"\xff\xfe\x00"[..], b"", b"hello\nworld\n", b"{\"a\": 1}"] {
        assert!(from_csv(junk).is_err(), "{junk:?}");
    }
    let (table, bad) = from_csv(b"mac\n\"unclosed\n\xff\xff\n").unwrap();
    assert_eq!((table.len(), bad.len()), (0, 1));
}

#[test]
fn a_change_is_taken_up_and_a_bad_file_leaves_the_old_devices() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("devices.csv");
    fs::write(&path, "mac,image\n52:54:00:12:34:56,a\n").unwrap();
    let file = DeviceFile::open(&path).unwrap();
    fs::write(&path, "mac,image\n52:54:00:12:34:56,a\n52:54:00:12:34:57,b\n").unwrap();
    file.refresh();
    assert_eq!(file.len(), 2);
    fs::write(&path, "nonsense").unwrap();
    file.refresh();
    assert_eq!(file.len(), 2);
    assert!(DeviceFile::open(&path).is_err());
}

#[test]
fn a_purpose_alone_makes_the_image_or_the_file_a_deployment() {
    let csv = "mac,image,file,deployment,purpose,run\n\
        52:54:00:12:34:01,winpe,,,required,\n\
        52:54:00:12:34:02,winpe,,,Available,\n\
        52:54:00:12:34:03,,menu.efi,,required,spring\n\
        52:54:00:12:34:04,winpe,menu.efi,reimage,,\n\
        52:54:00:12:34:05,,,,required,\n\
        52:54:00:12:34:06,winpe,,,,spring\n";
    let (table, bad) = from_csv(csv.as_bytes()).unwrap();
    let faults: Vec<(usize, bool)> = bad.iter().map(|bad| (bad.line, bad.kept)).collect();
    assert_eq!(faults, [(6, false), (7, true)], "{bad:?}");
    let deployed = |n: u8| {
        let said = table.ask(&who(&format!("52:54:00:12:34:0{n}"), None));
        said.by_mac[0].deployments.first().cloned()
    };
    let told = |n| deployed(n).map(|one| (one.id, one.purpose, one.file, one.run));
    let text = |text: &str| text.to_owned();
    assert_eq!(told(1), Some((text("winpe"), Purpose::Required, None, text(""))));
    assert_eq!(told(2), Some((text("winpe"), Purpose::Available, None, text(""))));
    let menu = Some(text("menu.efi"));
    assert_eq!(told(3), Some((text("menu.efi"), Purpose::Required, menu.clone(), text("spring"))));
    assert_eq!(told(4), Some((text("reimage"), Purpose::Required, menu, text(""))));
    assert_eq!(told(6), None, "it boots whenever it asks");
}

mod edits;
