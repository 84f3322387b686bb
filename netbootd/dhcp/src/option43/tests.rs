use proptest::prelude::*;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Raspberry Pi boot ROM menu, as published by kraken-hpc PiPXE.
const RASPBERRY_PI: &str = "0601030a0400505845091400001152617370626572727920506920426f6f74ff";

#[test]
fn the_raspberry_pi_menu_reads_and_writes_back() {
    let options = PxeOptions(vec![
        PxeOption::DiscoveryControl(DiscoveryControl(3)),
        PxeOption::MenuPrompt(MenuPrompt { timeout: 0, text: b"PXE".to_vec() }),
        PxeOption::BootMenu(vec![MenuEntry { kind: 0, text: b"Raspberry Pi Boot".to_vec() }]),
    ]);
    assert_eq!(PxeOptions::parse(&hex(RASPBERRY_PI)), Ok(options.clone()));
    assert_eq!(options.emit(), Ok(hex(RASPBERRY_PI)));
}

#[test]
fn bypass_is_the_four_bytes_that_firmware_was_seen_to_take() {
    assert_eq!(PxeOptions::boot_at_once().emit(), Ok(hex("060108ff")));
}

#[test]
fn a_boot_item_request_is_recognised() {
    let options = PxeOptions::parse(&hex("470480000000ff")).unwrap();
    assert_eq!(options.boot_item(), Some(BootItem { kind: 0x8000, layer: 0 }));
}

#[test]
fn lengths_that_lie_are_named() {
    let table = [
        ("06", Option43Error::Truncated { tag: 6, need: 1, have: 0 }),
        ("0602", Option43Error::Truncated { tag: 6, need: 2, have: 0 }),
        ("06020800", Option43Error::Shape { tag: 6 }),
        ("0805000002ffff", Option43Error::Shape { tag: 8 }),
        ("09040000050a", Option43Error::Shape { tag: 9 }),
        ("0a00", Option43Error::Shape { tag: 10 }),
        ("4703800000", Option43Error::Shape { tag: 71 }),
    ];
    for (bytes, error) in table {
        let mut bytes = hex(bytes);
        if let Option43Error::Shape { .. } = error {
            bytes.resize(2 + usize::from(bytes[1]), 0);
        }
        assert_eq!(PxeOptions::parse(&bytes), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn pads_and_what_follows_the_end_are_skipped() {
    assert_eq!(PxeOptions::parse(&hex("0000060108ff0601")), Ok(PxeOptions::boot_at_once()));
    assert_eq!(PxeOptions::parse(&[]), Ok(PxeOptions::default()));
}

proptest! {
    #[test]
    fn any_bytes_give_options_or_an_error_and_what_was_read_writes_back(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(options) = PxeOptions::parse(&bytes) {
            let written = options.emit().expect("what fits a length byte once fits it again");
            prop_assert_eq!(PxeOptions::parse(&written), Ok(options));
        }
    }
}
