//! Message types (option 43, sub-option 1).

/// BSDP message type, option 1 within option 43.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BsdpMessageType {
    /// The client wants the list of images, or the server gives it.
    List,
    /// The client has chosen, or the server confirms.
    Select,
    /// The server cannot serve the choice.
    Failed,
}

impl BsdpMessageType {
    /// Of the byte on the wire; None for a type that BSDP does not have.
    pub fn from_wire(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(BsdpMessageType::List),
            2 => Some(BsdpMessageType::Select),
            3 => Some(BsdpMessageType::Failed),
            _ => None,
        }
    }

    /// The byte on the wire.
    pub fn wire(self) -> u8 {
        match self {
            BsdpMessageType::List => 1,
            BsdpMessageType::Select => 2,
            BsdpMessageType::Failed => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_are_message_types_and_no_other() {
        let types: Vec<u8> =
            (0..=255).filter_map(BsdpMessageType::from_wire).map(BsdpMessageType::wire).collect();
        assert_eq!(types, [1, 2, 3]);
    }
}
