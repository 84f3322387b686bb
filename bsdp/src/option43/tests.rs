use proptest::prelude::*;

use super::*;

fn any_option() -> impl Strategy<Value = SubOption> {
    (1_u8..255, prop::collection::vec(any::<u8>(), 0..=MAX_VALUE))
        .prop_map(|(code, value)| SubOption::from_wire(code, &value))
}

#[test]
fn pads_are_skipped_and_the_end_ends_its_own_option_only() {
    let values: [&[u8]; 2] = [&[0, 1, 1, 1, 0, 0, 255, 9, 9], &[2, 2, 1, 1]];
    let expected = [SubOption::MessageType(BsdpMessageType::List), SubOption::Version(0x0101)];
    assert_eq!(parse(values), Ok(expected.to_vec()));
}

#[test]
fn a_length_beyond_the_end_is_named() {
    assert_eq!(parse([&[5, 2, 3][..]]), Err(Option43Error::Truncated { code: 5, need: 2, have: 1 }));
    assert_eq!(parse([&[5][..]]), Err(Option43Error::Truncated { code: 5, need: 1, have: 0 }));
    // Joining the two would make sense of them; a sub-option never crosses from one to the next.
    let halves: [&[u8]; 2] = [&[2, 2, 1], &[1]];
    assert_eq!(parse(halves), Err(Option43Error::Truncated { code: 2, need: 2, have: 1 }));
}

#[test]
fn a_value_of_another_shape_is_kept_as_it_is() {
    let odd = [SubOption::Other { code: 12, value: vec![1] }, SubOption::Other { code: 1, value: vec![7] }];
    assert_eq!(parse([&[12, 1, 1, 1, 1, 7][..]]), Ok(odd.to_vec()));
}

#[test]
fn a_value_over_253_bytes_is_refused() {
    let long = SubOption::MachineName(vec![b'x'; 254]);
    assert_eq!(emit(&[long]), Err(Option43Error::TooLong { code: 130, have: 254 }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..4)) {
        let _ = parse(values.iter().map(Vec::as_slice));
    }

    #[test]
    fn what_is_written_reads_the_same_apart_and_joined(options in prop::collection::vec(any_option(), 0..20)) {
        let values = emit(&options).unwrap();
        prop_assert!(values.iter().all(|value| value.len() <= 255));
        prop_assert_eq!(parse(values.iter().map(Vec::as_slice)), Ok(options.clone()));
        // A library that follows RFC 3396 joins them first.
        let joined = values.concat();
        prop_assert_eq!(parse([joined.as_slice()]), Ok(options));
    }
}
