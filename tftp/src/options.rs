//! The options of a request and what a server makes of them.

use std::time::Duration;

use crate::packet::put_string;

/// The options of a request that this implementation knows, as numbers. A value that is no number
/// counts as an option that was not sent: the client falls back to the protocol's default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestOptions {
    asked: Vec<(Kind, u64)>,
    probe: bool,
}

/// The largest values that a server grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// The largest block, in bytes; the path's MTU less 32 keeps blocks from being fragmented.
    pub max_block_size: u16,
    /// The largest window, in blocks.
    pub max_window_size: u16,
    /// Whether Microsoft's variable window is granted.
    pub variable_window: bool,
}

/// The parameters of a transfer after negotiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Bytes in a block.
    pub block_size: u16,
    /// Blocks in a window.
    pub window_size: u16,
    /// The largest window that a variable window may grow to.
    pub max_window_size: u16,
    /// The retransmission time that the client asked for.
    pub timeout: Option<Duration>,
    /// Whether the client resizes the window with every acknowledgement.
    pub variable_window: bool,
    /// Whether the client asked for the size.
    pub size_asked: bool,
    /// The options of the OACK with their values, in the order of the request; empty when there is
    /// nothing to acknowledge.
    pub granted: Vec<(&'static str, u64)>,
}

/// The block size without options (RFC 1350), in bytes.
pub const DEFAULT_BLOCK_SIZE: u16 = 512;
/// The smallest block size (RFC 2348), in bytes.
pub const MIN_BLOCK_SIZE: u16 = 8;
/// The largest block size (RFC 2348), in bytes.
pub const MAX_BLOCK_SIZE: u16 = 65464;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    BlockSize,
    TransferSize,
    Timeout,
    WindowSize,
    MsftWindow,
}

impl Kind {
    const ALL: [Kind; 5] =
        [Kind::BlockSize, Kind::TransferSize, Kind::Timeout, Kind::WindowSize, Kind::MsftWindow];

    fn name(self) -> &'static str {
        match self {
            Kind::BlockSize => "blksize",
            Kind::TransferSize => "tsize",
            Kind::Timeout => "timeout",
            Kind::WindowSize => "windowsize",
            Kind::MsftWindow => "msftwindow",
        }
    }
}

impl Default for ServerLimits {
    /// The largest block, a window of 64 (beyond it throughput flattens and loss costs more),
    /// variable windows granted.
    fn default() -> Self {
        ServerLimits { max_block_size: MAX_BLOCK_SIZE, max_window_size: 64, variable_window: true }
    }
}

impl RequestOptions {
    /// The options of a client's request: block size in bytes, window in blocks, retransmission
    /// time in seconds, and the size of the file.
    pub fn asking(
        block_size: Option<u16>,
        window_size: Option<u16>,
        timeout: Option<u8>,
        size: bool,
    ) -> Self {
        let asked = [
            size.then_some((Kind::TransferSize, 0)),
            block_size.map(|size| (Kind::BlockSize, u64::from(size))),
            window_size.map(|size| (Kind::WindowSize, u64::from(size))),
            timeout.map(|seconds| (Kind::Timeout, u64::from(seconds))),
        ];
        RequestOptions { asked: asked.into_iter().flatten().collect(), probe: false }
    }

    /// Adds the mark of an administrator's test request.
    pub fn with_probe_mark(mut self) -> Self {
        self.probe = true;
        self
    }

    /// Whether the request is an administrator's test, not a machine's boot. Servers ignore options
    /// that they do not know (RFC 2347), so the mark changes no answer.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Adds Microsoft's variable window.
    pub fn with_variable_window(mut self) -> Self {
        self.asked.push((Kind::MsftWindow, MSFT_WINDOW_ASKED));
        self
    }

    /// Whether the client asks for blocks of more than so many bytes.
    pub fn asks_for_blocks_over(&self, size: u16) -> bool {
        self.value(Kind::BlockSize).is_some_and(|asked| asked > u64::from(size))
    }

    /// Whether the client asks for the file's size.
    pub fn asks_size(&self) -> bool {
        self.value(Kind::TransferSize).is_some()
    }

    /// Of names in any case; the first of a repeated option counts, unknown ones are left out.
    pub(crate) fn read<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut options = RequestOptions::default();
        for (name, value) in pairs {
            options.probe |= name.eq_ignore_ascii_case(PROBE_MARK);
            let known = Kind::ALL.into_iter().find(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()));
            let (Some(kind), Some(number)) = (known, number(value)) else { continue };
            if options.value(kind).is_none() {
                options.asked.push((kind, number));
            }
        }
        options
    }

    pub(crate) fn emit(&self, bytes: &mut Vec<u8>) {
        for (kind, value) in &self.asked {
            put_string(bytes, kind.name().as_bytes());
            put_string(bytes, value.to_string().as_bytes());
        }
        if self.probe {
            put_string(bytes, PROBE_MARK);
            put_string(bytes, b"1");
        }
    }

    fn value(&self, wanted: Kind) -> Option<u64> {
        self.asked.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| *value)
    }
}

/// Grants what can be granted of a request for a file of `size` bytes.
///
/// Values are lowered to the limits; a value outside the protocol's range is left out, so that the
/// default holds.
pub fn negotiate(asked: &RequestOptions, limits: &ServerLimits, size: u64) -> Negotiated {
    let mut negotiated = Negotiated {
        block_size: DEFAULT_BLOCK_SIZE,
        window_size: 1,
        max_window_size: limits.max_window_size,
        timeout: None,
        variable_window: false,
        size_asked: asked.asks_size(),
        granted: Vec::new(),
    };
    let windowed = asked.value(Kind::WindowSize).is_some_and(|value| (1..=65535).contains(&value));
    for (kind, value) in &asked.asked {
        let granted = match kind {
            Kind::BlockSize if *value >= u64::from(MIN_BLOCK_SIZE) => {
                negotiated.block_size =
                    lowered(*value, limits.max_block_size.clamp(MIN_BLOCK_SIZE, MAX_BLOCK_SIZE));
                u64::from(negotiated.block_size)
            }
            Kind::TransferSize => size,
            Kind::Timeout if (1..=255).contains(value) => {
                negotiated.timeout = Some(Duration::from_secs(*value));
                *value
            }
            Kind::WindowSize if windowed => {
                negotiated.window_size = lowered(*value, limits.max_window_size.max(1));
                u64::from(negotiated.window_size)
            }
            Kind::MsftWindow if windowed && limits.variable_window && *value == MSFT_WINDOW_ASKED => {
                negotiated.variable_window = true;
                MSFT_WINDOW_GRANTED
            }
            Kind::BlockSize | Kind::Timeout | Kind::WindowSize | Kind::MsftWindow => continue,
        };
        negotiated.granted.push((kind.name(), granted));
    }
    negotiated
}

impl ServerLimits {
    /// With windows of at most so many bytes, in blocks of this size; one block is the least.
    pub fn with_windows_of(self, bytes: u64, block_size: u16) -> Self {
        let blocks = bytes / u64::from(block_size.max(1));
        let blocks = u16::try_from(blocks).unwrap_or(u16::MAX).min(self.max_window_size).max(1);
        ServerLimits { max_window_size: blocks, ..self }
    }
}

impl Negotiated {
    /// The most bytes of a file of `size` that are under way at a time.
    pub fn in_flight(&self, size: u64) -> u64 {
        let window = if self.variable_window { self.max_window_size } else { self.window_size };
        (u64::from(window.max(1)) * u64::from(self.block_size)).min(size)
    }

    /// The option acknowledgement; None when the request had no option that could be granted: DATA
    /// 1 then comes at once.
    pub fn option_ack(&self) -> Option<Vec<u8>> {
        if self.granted.is_empty() {
            return None;
        }
        let mut bytes = vec![0, 6];
        for (name, value) in &self.granted {
            put_string(&mut bytes, name.as_bytes());
            put_string(&mut bytes, value.to_string().as_bytes());
        }
        Some(bytes)
    }
}

fn lowered(value: u64, limit: u16) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX).min(limit)
}

/// A decimal number; blanks around it and a sign are not taken.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The option of test requests, of our own.
const PROBE_MARK: &[u8] = b"x-netbootd-probe";
/// The window that Microsoft's boot manager requests, and the value that grants it (Wireshark's
/// TFTP dissector).
const MSFT_WINDOW_ASKED: u64 = 31416;
const MSFT_WINDOW_GRANTED: u64 = 27182;

#[cfg(test)]
mod tests;
