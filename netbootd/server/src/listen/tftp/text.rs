//! Netascii, the mode that is the default of tftp-hpa and Windows.

use std::sync::Arc;

use netbootd_content::{Content, Refused};
use netbootd_telemetry::event::Refusal;
use tftp::netascii;

use crate::limits::budget::{Budget, Share};

/// The whole file in netascii: its size is not known before, and text files are small. All of them together are bounded by `memory`.
pub(super) fn translated(
    content: &Content,
    memory: &Arc<Budget>,
) -> Result<(Content, Option<Share>), Refused> {
    if content.len() > MAX_NETASCII {
        return Err(refused(format!(
            "a file of {} bytes is too large for netascii, ask for octet",
            content.len()
        )));
    }
    // Each byte may become two, beside the one that was read.
    let needed = content.len() * 3;
    let share = memory.take(needed, 0, MAX_TRANSLATED);
    if share.bytes() < needed {
        let detail = "other files that are translated fill the memory for it".into();
        return Err(Refused { refusal: Refusal::Busy, detail });
    }
    let mut bytes = vec![0; usize::try_from(content.len()).unwrap_or_default()];
    let read = content.read_exact_at(0, &mut bytes).and_then(|()| content.check_unchanged());
    read.map_err(|error| refused(error.to_string()))?;
    Ok((Content::generated(netascii::encode(&bytes), None), Some(share)))
}

fn refused(detail: String) -> Refused {
    Refused { refusal: Refusal::Failed, detail }
}

/// Larger files are no text.
const MAX_NETASCII: u64 = 16 << 20;
/// Bytes that translated files may take in memory, all together.
const MAX_TRANSLATED: u64 = 256 << 20;
