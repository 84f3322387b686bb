//! The steps of a boot, as typed values: what a machine asked, what it was answered, and what it
//! fetched.

mod report;
mod tls;
mod transfer;

pub use netbootd_dhcp::SharedError;
pub use netbootd_dhcp::outcome::{
    Answered, Decided, LeaseTaken, MacAnswered, OtherReply, OtherServer, Proto,
};
pub use report::{ClientMessage, Reported};
pub use tls::{TlsFailed, TlsFailure};
pub use transfer::{
    Disproved, FileRefused, Negotiated, Program, Refusal, SmallMtu, Substitute, Substitution, TransferDetail,
    TransferFinished, TransferId, TransferOutcome, TransferStalled, TransferStarted,
};

/// One step of one machine.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// A DHCP packet was answered or ignored.
    Decided(&'a Decided),
    /// A Mac's packet was answered or ignored.
    MacAnswered(&'a MacAnswered),
    /// Another DHCP server spoke to the machine by broadcast.
    OtherServer(&'a OtherServer),
    /// The server began a transfer.
    TransferStarted(&'a TransferStarted),
    /// A transfer went on.
    TransferProgress {
        /// The number of the transfer.
        id: TransferId,
        /// Bytes that the client has.
        bytes: u64,
    },
    /// A transfer waits for its client, who does not acknowledge.
    TransferStalled(&'a TransferStalled),
    /// The transfer is over, for good or ill.
    TransferFinished(&'a TransferFinished),
    /// A file was asked for and not given.
    FileRefused(&'a FileRefused),
    /// The machine did not ask for a file that was refused: somebody else did, in its name.
    Disproved(&'a Disproved),
    /// A TLS handshake failed.
    TlsFailed(&'a TlsFailed),
    /// The client says something of itself.
    Reported(&'a Reported),
}
