use proptest::prelude::*;

use super::*;

#[test]
fn every_spelling_of_a_path_is_one() {
    let table: [(&[u8], &str); 12] = [
        (b"pxelinux.0", "pxelinux.0"),
        (b"/grub/grub.cfg", "grub/grub.cfg"),
        (b"\\boot\\x64\\wdsnbp.com", "boot/x64/wdsnbp.com"),
        (b"/boot\\x64\\bootmgr.exe", "boot/x64/bootmgr.exe"),
        (b"smsboot\\x64\\pxeboot.com\0rest", "smsboot/x64/pxeboot.com"),
        (b"C:\\boot\\bcd", "boot/bcd"),
        (b"//a/./b//c", "a/b/c"),
        (b"\\SMSTemp\\2026.{0A-1}.boot.var", "SMSTemp/2026.{0A-1}.boot.var"),
        (b"console.cfg", "console.cfg"),
        (b"/EFI/boot/../x/./../grub.cfg", "EFI/grub.cfg"),
        (b"a\\..\\b", "b"),
        (b"pxelinux.cfg/../ipxe/52:54:00:12:34:56.ipxe", "ipxe/52:54:00:12:34:56.ipxe"),
    ];
    for (raw, path) in table {
        assert_eq!(BootPath::parse(raw).unwrap().to_string(), path);
    }
}

#[test]
fn what_is_no_path_says_why() {
    let table: [(&[u8], PathError); 11] = [
        (b"", PathError::Empty),
        (b"\0a", PathError::Empty),
        (b"/", PathError::Empty),
        (b"c:", PathError::Empty),
        (b"../etc/passwd", PathError::ParentComponent),
        (b"a\\..\\..\\b", PathError::ParentComponent),
        (b"a/..", PathError::Empty),
        (b"boot/NUL", PathError::DeviceOrStream),
        (b"com1.txt", PathError::DeviceOrStream),
        (b"a\nb", PathError::ControlByte(b'\n')),
        (&[b'a'; 513], PathError::TooLong),
    ];
    for (raw, error) in table {
        assert_eq!(BootPath::parse(raw), Err(error), "{}", raw.escape_ascii());
    }
    assert_eq!(BootPath::parse("a/".repeat(33).as_bytes()), Err(PathError::TooLong));
}

#[test]
fn rubbish_at_the_end_can_be_taken_off() {
    assert_eq!(BootPath::without_trailing_rubbish(b"pxelinux.0\xff"), BootPath::parse(b"pxelinux.0").ok());
    assert_eq!(BootPath::without_trailing_rubbish(b"pxelinux.0"), None);
    assert_eq!(BootPath::without_trailing_rubbish(b"\xff"), None);
}

proptest! {
    #[test]
    fn a_path_read_once_reads_again_as_itself(raw in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(path) = BootPath::parse(&raw) {
            prop_assert!(path.components().all(|part| !part.is_empty() && part != b".." && part != b"."));
            prop_assert_eq!(BootPath::parse(path.as_bytes()), Ok(path));
        }
    }
}
