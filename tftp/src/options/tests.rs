use super::*;
use crate::Packet;

const LIMITS: ServerLimits =
    ServerLimits { max_block_size: 1468, max_window_size: 16, variable_window: true };

fn granted(options: &str) -> String {
    let bytes = [b"\0\x01f\0octet\0", options.replace(' ', "\0").as_bytes(), b"\0"].concat();
    let Ok(Packet::ReadRequest(request)) = Packet::parse(&bytes) else { panic!("{options}") };
    let negotiated = negotiate(&request.options, &LIMITS, 1_500_000);
    let words: Vec<String> =
        negotiated.granted.iter().map(|(name, value)| format!("{name} {value}")).collect();
    words.join(" ")
}

#[test]
fn the_table_of_what_is_granted() {
    let table = [
        ("blksize 1468", "blksize 1468"),
        ("BLKSIZE 512", "blksize 512"),
        ("blksize 8", "blksize 8"),
        ("blksize 7", ""),
        ("blksize 65464", "blksize 1468"),
        ("blksize 99999999999999999999", ""),
        ("blksize 70000", "blksize 1468"),
        ("blksize abc", ""),
        ("blksize -5", ""),
        ("blksize 512 blksize 1024", "blksize 512"),
        ("tsize 0", "tsize 1500000"),
        ("timeout 3", "timeout 3"),
        ("timeout 0", ""),
        ("timeout 256", ""),
        ("windowsize 4", "windowsize 4"),
        ("windowsize 65535", "windowsize 16"),
        ("windowsize 0", ""),
        ("windowsize 65536", ""),
        ("windowsize 4 msftwindow 31416", "windowsize 4 msftwindow 27182"),
        ("msftwindow 31416 windowsize 4", "msftwindow 27182 windowsize 4"),
        ("msftwindow 31416", ""),
        ("windowsize 4 msftwindow 1", "windowsize 4"),
        ("multicast ", ""),
        ("unknown 1 blksize 1024", "blksize 1024"),
        ("tsize 0 blksize 1468 windowsize 4", "tsize 1500000 blksize 1468 windowsize 4"),
        ("windowsize 4 blksize 1468 tsize 0", "windowsize 4 blksize 1468 tsize 1500000"),
    ];
    for (asked, expected) in table {
        assert_eq!(granted(asked), expected, "{asked}");
    }
}

#[test]
fn nothing_granted_means_no_acknowledgement() {
    let negotiated = negotiate(&RequestOptions::default(), &LIMITS, 1);
    assert_eq!(negotiated.option_ack(), None);
    assert_eq!((negotiated.block_size, negotiated.window_size), (512, 1));
}

#[test]
fn the_acknowledgement_is_what_dnsmasq_was_seen_to_send_to_ovmf() {
    let asked = RequestOptions::asking(Some(1468), None, None, false);
    let ack = negotiate(&asked, &LIMITS, 1).option_ack();
    assert_eq!(ack.as_deref(), Some(&b"\0\x06blksize\x001468\0"[..]));
}

#[test]
fn a_variable_window_is_granted_only_where_it_is_allowed() {
    let asked = RequestOptions::asking(None, Some(4), None, false).with_variable_window();
    let off = ServerLimits { variable_window: false, ..LIMITS };
    assert!(negotiate(&asked, &LIMITS, 1).variable_window);
    assert!(!negotiate(&asked, &off, 1).variable_window);
}

#[test]
fn windows_are_lowered_to_the_bytes_that_may_be_under_way() {
    let limits = |bytes, block| LIMITS.with_windows_of(bytes, block).max_window_size;
    assert_eq!(limits(u64::MAX, 512), LIMITS.max_window_size, "never raised");
    assert_eq!((limits(5119, 512), limits(5120, 512)), (9, 10));
    assert_eq!((limits(0, 512), limits(100, 0)), (1, 16), "one block is the least");
}

#[test]
fn what_is_under_way_is_a_window_or_the_file() {
    let in_flight = |options: RequestOptions, size| negotiate(&options, &LIMITS, size).in_flight(size);
    let asked = RequestOptions::asking(Some(1000), Some(8), None, false);
    assert_eq!((in_flight(asked.clone(), 1 << 30), in_flight(asked.clone(), 700)), (8000, 700));
    assert_eq!(in_flight(asked.with_variable_window(), 1 << 30), 16_000, "it may grow");
    assert_eq!(in_flight(RequestOptions::default(), 1 << 30), 512);
}
