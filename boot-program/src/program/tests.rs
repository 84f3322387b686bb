use proptest::prelude::*;

use super::*;
use crate::Authority;

const SIGNATURE: &[u8] = include_bytes!("../../tests/data/debian-secure-boot-signer.der");

/// A program of two sections, signed or not: PE32+ for x64, an EFI application.
fn small(signatures: &[&[u8]]) -> Vec<u8> {
    let mut file = vec![0; 0x400];
    file[..2].copy_from_slice(b"MZ");
    put(&mut file, 0x3c, &0x80_u32.to_le_bytes());
    put(&mut file, 0x80, b"PE\0\0\x64\x86\x02\0");
    put(&mut file, 0x94, &240_u16.to_le_bytes());
    let optional = 0x98;
    put(&mut file, optional, &0x20b_u16.to_le_bytes());
    put(&mut file, optional + 32, &0x1000_u32.to_le_bytes());
    put(&mut file, optional + 36, &0x200_u32.to_le_bytes());
    put(&mut file, optional + 56, &0x3000_u32.to_le_bytes());
    put(&mut file, optional + 60, &0x400_u32.to_le_bytes());
    put(&mut file, optional + 68, &10_u16.to_le_bytes());
    put(&mut file, optional + 108, &16_u32.to_le_bytes());
    let sections = optional + 240;
    for (number, name) in [b".sbat\0\0\0", b".linux\0\0"].into_iter().enumerate() {
        let at = sections + number * 40;
        put(&mut file, at, name);
        let place = u32::try_from(0x400 + number * 0x200).unwrap();
        put(&mut file, at + 8, &0x200_u32.to_le_bytes());
        put(&mut file, at + 12, &(0x1000 + place).to_le_bytes());
        put(&mut file, at + 16, &0x200_u32.to_le_bytes());
        put(&mut file, at + 20, &place.to_le_bytes());
    }
    file.resize(0x800, 0);
    put(&mut file, 0x400, b"sbat,1,SBAT Version\nshim,3,UEFI shim\n");
    put(&mut file, 0x600, b"a kernel");
    let table: Vec<u8> = signatures.iter().flat_map(|der| entry(der, 2)).collect();
    if !table.is_empty() {
        put(&mut file, optional + 112 + 32, &0x800_u32.to_le_bytes());
        put(&mut file, optional + 112 + 36, &u32::try_from(table.len()).unwrap().to_le_bytes());
        file.extend(table);
    }
    file
}

fn entry(content: &[u8], kind: u16) -> Vec<u8> {
    let mut entry = u32::try_from(content.len() + 8).unwrap().to_le_bytes().to_vec();
    entry.extend(0x200_u16.to_le_bytes());
    entry.extend(kind.to_le_bytes());
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(8), 0);
    entry
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

#[test]
fn text_and_short_files_are_no_programs() {
    for bytes in [&b""[..], b"MZ", b"#!ipxe\n", &[0x4d; 4096]] {
        assert_eq!(Program::read(bytes), Err(ProgramError::NotPe));
    }
}

#[test]
fn a_program_for_windows_is_not_for_efi() {
    let mut file = small(&[]);
    put(&mut file, 0x98 + 68, &3_u16.to_le_bytes());
    assert_eq!(Program::read(&file), Err(ProgramError::NotEfi(3)));
}

#[test]
fn an_unsigned_program_has_its_sections_and_its_sbat() {
    let program = Program::read(&small(&[])).unwrap();
    assert_eq!((program.machine, program.signatures.len(), program.security_version), (0x8664, 0, None));
    assert!(program.is_unified_kernel() && !program.is_altered());
    let sbat: Vec<String> = program.sbat.iter().map(ToString::to_string).collect();
    assert_eq!(sbat, ["sbat 1", "shim 3"]);
}

#[test]
fn the_hash_leaves_the_signatures_out_and_takes_everything_else_in() {
    let unsigned = Program::read(&small(&[])).unwrap().digest;
    let one = Program::read(&small(&[SIGNATURE])).unwrap();
    assert_eq!(one.digest, Program::read(&small(&[SIGNATURE, SIGNATURE])).unwrap().digest);
    assert_eq!(one.digest, unsigned);
    for at in [0x90, 0x400, 0x7ff] {
        let mut file = small(&[SIGNATURE]);
        file[at] ^= 1;
        assert_ne!(Program::read(&file).map(|program| program.digest), Ok(unsigned), "byte {at:#x}");
    }
    // The checksum is rewritten by those who sign.
    let mut file = small(&[]);
    put(&mut file, 0x98 + 64, b"\x01\x02\x03\x04");
    assert_eq!(Program::read(&file).unwrap().digest, unsigned);
}

#[test]
fn a_signature_names_signer_and_authority_and_that_it_covers_other_bytes() {
    let program = Program::read(&small(&[SIGNATURE])).unwrap();
    let signature = program.signers().next().unwrap();
    assert_eq!(signature.signer, "Debian Secure Boot Signer 2022 - shim");
    assert_eq!(signature.authorities, [Authority::Other("Debian Secure Boot CA".into())]);
    assert!(program.is_altered(), "it was made for another program");
}

#[test]
fn a_signature_that_cannot_be_read_leaves_the_others() {
    let mut file = small(&[b"rubbish", SIGNATURE]);
    let program = Program::read(&file).unwrap();
    assert_eq!(program.signatures[0], Err(SignatureError::Malformed));
    assert!(program.signatures[1].is_ok());
    let kind = 0x800 + 6;
    put(&mut file, kind, &0x0ef0_u16.to_le_bytes());
    assert_eq!(Program::read(&file).unwrap().signatures[0], Err(SignatureError::Kind(0x0ef0)));
}

#[test]
fn lying_tables_are_errors() {
    let mut file = small(&[SIGNATURE]);
    put(&mut file, 0x98 + 112 + 36, &u32::MAX.to_le_bytes());
    assert_eq!(Program::read(&file), Err(ProgramError::CertificateTable));
    let mut file = small(&[SIGNATURE]);
    put(&mut file, 0x800, &3_u32.to_le_bytes());
    assert_eq!(Program::read(&file), Err(ProgramError::CertificateTable));
    let many = vec![SIGNATURE; Program::MAX_SIGNATURES + 1];
    assert_eq!(Program::read(&small(&many)), Err(ProgramError::CertificateTable));
    let large = vec![0; signature::MAX_SIGNATURE + 1];
    let program = Program::read(&small(&[&large])).unwrap();
    assert!(matches!(program.signatures[0], Err(SignatureError::TooLarge(_))));
    // Sections that lie outside, or one upon the other until they exceed the file.
    let mut file = small(&[]);
    put(&mut file, 0x98 + 240 + 16, &u32::MAX.to_le_bytes());
    assert!(Program::read(&file).is_err());
}

proptest! {
    #[test]
    fn any_bytes_give_a_value_or_an_error(at in 0usize..0xd00, bytes: [u8; 4], cut in 0usize..0xd00) {
        let mut file = small(&[SIGNATURE]);
        let _ = Program::read(&file[..cut.min(file.len())]);
        let at = at.min(file.len() - 4);
        put(&mut file, at, &bytes);
        let _ = Program::read(&file);
        let _ = Program::read(&bytes);
    }
}
