//! Netascii, the mode that is the default of tftp-hpa and Windows.

use std::sync::Arc;

use netbootd_content::Content;
use tftp::netascii;

use super::super::request_error::RequestError;
use crate::limits::budget::{Budget, Share};

/// The whole file in netascii: its size is not known before, and text files are small. All of them
/// together are bounded by `memory`.
pub(super) fn translated(
    content: &Content,
    memory: &Arc<Budget>,
) -> Result<(Content, Option<Share>), RequestError> {
    if content.len() > MAX_NETASCII {
        return Err(RequestError::TooLargeForNetascii(content.len()));
    }
    // Each byte may become two, beside the one that was read.
    let needed = content.len() * 3;
    let share = memory.reserve(needed, 0, MAX_TRANSLATED);
    if share.bytes() < needed {
        return Err(RequestError::TranslationFull);
    }
    let mut bytes = vec![0; usize::try_from(content.len()).unwrap_or_default()];
    content.read_exact_at(0, &mut bytes).and_then(|()| content.check_unchanged())?;
    Ok((Content::generated(netascii::encode(&bytes), None), Some(share)))
}

/// Larger files are no text.
const MAX_NETASCII: u64 = 16 << 20;
/// Bytes that translated files may take in memory, all together.
const MAX_TRANSLATED: u64 = 256 << 20;
