//! Netascii, the mode that is the default of tftp-hpa and Windows.

use tftp::netascii;

use crate::content::{Content, Refused};
use crate::event::Refusal;

/// The whole file in netascii: its size is not known before, and text files are small.
pub(super) fn translated(content: &Content) -> Result<Content, Refused> {
    if content.len() > MAX_NETASCII {
        return Err(refused(format!(
            "a file of {} bytes is too large for netascii, ask for octet",
            content.len()
        )));
    }
    let mut bytes = vec![0; usize::try_from(content.len()).unwrap_or_default()];
    content.read_exact_at(0, &mut bytes).map_err(|error| refused(error.to_string()))?;
    Ok(Content::generated(netascii::encode(&bytes), None))
}

fn refused(detail: String) -> Refused {
    Refused { refusal: Refusal::Failed, detail }
}

/// Larger files are no text; this much is held in memory for each such transfer.
const MAX_NETASCII: u64 = 16 << 20;
