//! The dialogue of Windows' boot programs (wdsnbp.com, wdsmgfw.efi) with their server: option 250,
//! tag, length, value, end byte.
//!
//! Tags as in the SDK header that Microsoft publishes; values are kept as bytes where nothing here
//! reads them.

use thiserror::Error;

use crate::tlv::{self, Truncated};

/// Option 250 in the order of the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WdsOptions(pub Vec<(WdsTag, Vec<u8>)>);

/// The tag of an item in option 250.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WdsTag(pub u8);

impl WdsTag {
    /// The client's architecture, 2 bytes.
    pub const ARCHITECTURE: WdsTag = WdsTag(1);
    /// The client's next action, 1 byte: 1 wait for approval, 3 go to another server, 5 abort.
    pub const NEXT_ACTION: WdsTag = WdsTag(2);
    /// Seconds between two questions, 2 bytes.
    pub const POLL_INTERVAL: WdsTag = WdsTag(3);
    /// How often to ask, 2 bytes.
    pub const RETRY_COUNT: WdsTag = WdsTag(4);
    /// The number of a pending request, 4 bytes.
    pub const REQUEST_ID: WdsTag = WdsTag(5);
    /// The message that the client shows.
    pub const MESSAGE: WdsTag = WdsTag(6);
    /// The server to go to, 4 bytes.
    pub const REFERRAL_SERVER: WdsTag = WdsTag(9);
    /// Whether F12 is asked for, 1 byte: 1 opt in, 2 no prompt, 3 opt out.
    pub const PROMPT: WdsTag = WdsTag(11);
    /// Whether the prompt was answered, 1 byte.
    pub const PROMPT_DONE: WdsTag = WdsTag(12);
    /// Whether the action was taken, 1 byte.
    pub const ACTION_DONE: WdsTag = WdsTag(14);
}

/// Why an option 250 is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Option250Error {
    /// A length goes beyond the end.
    #[error("tag {tag} claims {need} bytes, {have} are left")]
    Truncated {
        /// The tag that is cut.
        tag: u8,
        /// Bytes that its length byte claims.
        need: usize,
        /// Bytes that are left of the option.
        have: usize,
    },
    /// On emitting: a value is longer than its length byte can say.
    #[error("the value of tag {tag} has {have} bytes, more than 255")]
    TooLong {
        /// The tag whose value is too long.
        tag: u8,
        /// The bytes that are there.
        have: usize,
    },
}

impl WdsOptions {
    /// Reads the value of an option 250; what follows the end byte is ignored.
    pub fn parse(mut rest: &[u8]) -> Result<Self, Option250Error> {
        let mut options = Vec::new();
        while let [tag, after @ ..] = rest {
            if *tag == END {
                break;
            }
            let (value, after) = tlv::value(*tag, after)
                .map_err(|Truncated { tag, need, have }| Option250Error::Truncated { tag, need, have })?;
            options.push((WdsTag(*tag), value.to_vec()));
            rest = after;
        }
        Ok(WdsOptions(options))
    }

    /// The value of an option 250, with its end byte.
    pub fn emit(&self) -> Result<Vec<u8>, Option250Error> {
        let mut bytes = Vec::new();
        for (tag, value) in &self.0 {
            tlv::put(&mut bytes, tag.0, value)
                .map_err(|have| Option250Error::TooLong { tag: tag.0, have })?;
        }
        bytes.push(END);
        Ok(bytes)
    }

    /// The value of the first item with this tag.
    pub fn first(&self, tag: WdsTag) -> Option<&[u8]> {
        self.0.iter().find(|(at, _)| *at == tag).map(|(_, value)| value.as_slice())
    }
}

const END: u8 = 255;
