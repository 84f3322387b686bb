use proptest::prelude::*;

use super::*;

/// A PE32+ header as GRUB's and shim's begin, with this certificate table.
fn program(table: u32) -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..2].copy_from_slice(b"MZ");
    head[0x3c] = 0x80;
    head[0x80..0x84].copy_from_slice(b"PE\0\0");
    head[0x98..0x9a].copy_from_slice(&0x20b_u16.to_le_bytes());
    head[0x98 + 108..0x98 + 112].copy_from_slice(&16_u32.to_le_bytes());
    head[0x98 + 112 + 36..0x98 + 112 + 40].copy_from_slice(&table.to_le_bytes());
    head
}

#[test]
fn a_program_is_signed_when_it_has_a_certificate_table() {
    assert_eq!(Signature::of_headers(&program(9000)), Signature::Present);
    assert_eq!(Signature::of_headers(&program(0)), Signature::Missing);
    for other in [&b""[..], b"MZ", b"#!ipxe\n", &program(1)[..0x90], &[0xff; 600]] {
        assert_eq!(Signature::of_headers(other), Signature::NotAProgram);
    }
}

proptest! {
    #[test]
    fn any_header_gives_an_answer(changes in proptest::collection::vec((0usize..512, any::<u8>()), 0..30), length in 0usize..513) {
        let mut head = program(5);
        for (at, value) in changes {
            head[at] = value;
        }
        head.truncate(length);
        let _ = Signature::of_headers(&head);
    }
}
