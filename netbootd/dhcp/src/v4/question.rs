//! Writing a client's packet.

use dhcproto::v4::Message;
use dhcproto::{Encodable, Encoder};

use super::option;

/// The header, these options in this order, at least 300 bytes. A value over 255 bytes is cut.
pub fn request_bytes<'a>(header: &Message, options: impl IntoIterator<Item = (u8, &'a [u8])>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(400);
    // Every field fits: nothing here is longer than its place in the header.
    let _ = header.encode(&mut Encoder::new(&mut bytes));
    for (code, value) in options {
        let value = &value[..value.len().min(255)];
        bytes.extend([code, value.len() as u8]);
        bytes.extend(value);
    }
    bytes.push(option::END);
    bytes.resize(bytes.len().max(300), option::PAD);
    bytes
}
