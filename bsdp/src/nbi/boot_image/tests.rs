use plist::{Dictionary, Value};

use super::*;

fn place() -> Place {
    Place { tftp: "/NetBoot/SP0".into(), http: "/NetBoot/SP0".into(), nfs_export: "/srv/SP0".into() }
}

fn check(keys: &[(&str, Value)], files: &[&str]) -> Result<BootImage, Vec<Problem>> {
    let mut dictionary = Dictionary::from_iter([
        ("Name", Value::from("Sierra")),
        ("Index", 5.into()),
        ("Type", "HTTP".into()),
        ("BootFile", "booter".into()),
        ("RootPath", "NetInstall.dmg".into()),
        ("Architectures", Value::Array(vec!["i386".into()])),
    ]);
    for (key, value) in keys {
        dictionary.insert((*key).into(), value.clone());
    }
    let mut bytes = Vec::new();
    // Binary, for XML does not hold every character.
    Value::Dictionary(dictionary).to_writer_binary(&mut bytes).unwrap();
    let info = NbiInfo::parse(&bytes).unwrap();
    let resolve = |host: &str| (host == "images.example").then_some(Ipv4Addr::new(192, 0, 2, 7));
    BootImage::check("A.nbi", &info, &place(), |path| files.contains(&path), resolve)
}

const FILES: [&str; 2] = ["i386/booter", "NetInstall.dmg"];

#[test]
fn a_whole_image_is_taken() {
    let image = check(&[], &FILES).unwrap();
    assert_eq!(image.boot_file("i386").as_deref(), Some("/NetBoot/SP0/A.nbi/i386/booter"));
    assert_eq!(image.boot_file("ppc"), None);
    assert_eq!(
        (image.enabled, image.default, image.diskless, image.filter_only),
        (true, false, false, false)
    );
    assert_eq!(image.id, BootImageId { install: false, kind: ImageKind::MAC_OS_X, index: 5, reserved: 0 });
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let problems =
        check(&[("Name", "".into()), ("Index", 0.into()), ("Type", "SMB".into())], &[]).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "Type \"SMB\" is none of NFS, HTTP, Classic and BootFileOnly",
            "Index 0 is outside 1 to 65535",
            "Name is missing; the image's line in the menu is needed",
            "the booter i386/booter is missing: i386 is among Architectures",
        ]
    );
}

#[test]
fn paths_that_would_be_cut_on_the_way_are_refused() {
    for (key, value) in
        [("BootFile", "booter\0.efi"), ("RootPath", "a.dmg\0"), ("RootPath", "http://h/\r\na")]
    {
        let control = Problem::ControlCharacter { key, value: value.into() };
        let files = ["i386/booter", "i386/booter\0.efi", "NetInstall.dmg", "a.dmg\0"];
        assert_eq!(check(&[(key, value.into())], &files), Err(vec![control]));
    }
}

#[test]
fn missing_files_are_named() {
    let no_root = Problem::NoRootImage { path: "NetInstall.dmg".into() };
    assert_eq!(check(&[], &["i386/booter"]), Err(vec![no_root]));
    let both = Value::Array(vec!["i386".into(), "ppc".into()]);
    let no_booter = Problem::NoBooter { architecture: "ppc".into(), path: "ppc/booter".into() };
    assert_eq!(check(&[("Architectures", both.clone())], &FILES), Err(vec![no_booter]));
    // PowerPC finds its booter at the top of the folder as well.
    let image = check(&[("Architectures", both)], &["i386/booter", "booter", "NetInstall.dmg"]).unwrap();
    assert_eq!(image.boot_file("ppc").as_deref(), Some("/NetBoot/SP0/A.nbi/booter"));
}

#[test]
fn a_root_elsewhere_is_sent_with_its_hosts_address() {
    let root = |text: &str| check(&[("RootPath", text.into())], &FILES[..1]).map(|image| image.root);
    let url = |text: &str| Ok(RootPath::Http(text.to_owned()));
    assert_eq!(root("http://images.example:8080/a b.dmg"), url("http://192.0.2.7:8080/a b.dmg"));
    assert_eq!(root("http://me:pw@192.0.2.9/x.dmg"), url("http://me:pw@192.0.2.9/x.dmg"));
    let nfs = RootPath::Nfs { host: Ipv4Addr::new(192, 0, 2, 7), path: "/export:dir/x.dmg".into() };
    assert_eq!(root("images.example:/export:dir/x.dmg"), Ok(nfs));
    assert_eq!(root("nowhere.example:/x"), Err(vec![Problem::UnknownHost("nowhere.example".into())]));
    assert_eq!(root("http://192.0.2.9"), Err(vec![Problem::RootPath("http://192.0.2.9".into())]));
    assert_eq!(root("disk:image"), Err(vec![Problem::RootPath("disk:image".into())]));
}

#[test]
fn a_booters_path_must_fit_the_reply() {
    let long = format!("{}.efi", "b".repeat(120));
    let inside = format!("i386/{long}");
    let problems = check(&[("BootFile", long.into())], &[&inside, "NetInstall.dmg"]).unwrap_err();
    assert!(matches!(problems[..], [Problem::PathTooLong { have: 148, .. }]), "{problems:?}");
}

#[test]
fn hardware_addresses_read_as_tools_write_them() {
    assert_eq!(mac_addr("0:16:CB:a8:39:c1"), Some([0, 0x16, 0xcb, 0xa8, 0x39, 0xc1]));
    for text in
        ["", "0:16:cb:a8:39", "0:16:cb:a8:39:c1:0", "0:16:cb:a8:39:xyz", "00-16-cb-a8-39-c1", "+1:2:3:4:5:6:"]
    {
        assert_eq!(mac_addr(text), None, "{text}");
    }
    let image = check(&[("EnabledMACAddresses", Value::Array(Vec::new()))], &FILES).unwrap();
    assert_eq!(image.enabled_macs, None, "an empty list is none");
}
