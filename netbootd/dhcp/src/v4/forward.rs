//! Handing a machine's question on to the distribution point's own responder, and what it says back
//! to the machine.
//!
//! Only ConfigMgr's responder makes the variables file that a task sequence starts from (options
//! 243 and 252). Its answer is read, held to what an answer may say, and written anew with this
//! server as the sender: the machine fetches everything from here.

mod unusable;

use std::net::Ipv4Addr;

use pxe_policy::{Decision, Reason, ServedPath, Verdict};

use super::boot_server::{Forwarded, tell};
use super::option::{self, MessageType};
use super::reply::ReplyBuilder;
use super::{Answer, Arrival, Destination, Packet, boot_info, boot_program, question};
use crate::SharedError;
use crate::option243::VariablesFile;
use crate::option250::{WdsOptions, WdsTag};
use crate::option252;
use crate::outcome::Answered;
pub use unusable::Unusable;

/// The responder's reply to a forwarded question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The boot file, when it names one.
    pub file: Option<ServedPath>,
    /// Option 243: the machine's variables file.
    pub variables: Option<VariablesFile>,
    /// Option 252: the machine's BCD.
    pub bcd: Option<ServedPath>,
    /// Option 250: what the boot program does next.
    pub wds: Option<WdsOptions>,
}

/// The machine's packet as it goes to the responder: its own identity and questions, and this
/// server's address to answer to.
pub fn ask(packet: &Packet, local: Ipv4Addr) -> Vec<u8> {
    let mut header = packet.header.clone();
    header.set_ciaddr(local).set_giaddr(Ipv4Addr::UNSPECIFIED).set_hops(0);
    // Relay options are between relays and this server; option 54 names this server.
    let others = packet
        .options()
        .filter(|(code, _)| !matches!(*code, option::RELAY_AGENT | option::SERVER_IDENTIFIER));
    question::request_bytes(&header, others)
}

/// Reads what came back to a question.
pub fn read(asked: &Packet, bytes: &[u8]) -> Result<Told, Unusable> {
    let reply = Packet::parse_reply(bytes).map_err(Unusable::NoPacket)?;
    if reply.header.xid() != asked.header.xid() {
        return Err(Unusable::OtherTransaction(reply.header.xid()));
    }
    if reply.mac() != asked.mac() {
        return Err(Unusable::OtherMachine(reply.mac()));
    }
    if !matches!(reply.message_type(), MessageType::Offer | MessageType::Ack) {
        return Err(Unusable::OtherType(reply.message_type()));
    }
    let named = reply.file().filter(|file| !file.is_empty()).or_else(|| reply.first(option::BOOT_FILE));
    let file = named.filter(|file| !file.is_empty() && file[0] != 0).map(ServedPath::new).transpose();
    let variables = reply.first(option::VARIABLES_FILE).map(VariablesFile::parse).transpose();
    let variables = variables.map_err(Unusable::Option243)?;
    if let Some(Err(error)) = variables.as_ref().and_then(VariablesFile::path) {
        return Err(Unusable::VariablesPath(error));
    }
    let bcd = reply.first(option::BCD_PATH).map(option252::parse).transpose();
    let wds = reply.first(option::WDS).map(WdsOptions::parse).transpose();
    Ok(Told {
        file: file.map_err(Unusable::BootFilePath)?,
        variables,
        bcd: bcd.map_err(Unusable::Option252)?,
        wds: wds.map_err(Unusable::Option250)?,
    })
}

impl Told {
    /// The files that the responder names to this machine alone.
    pub fn own_files(&self) -> impl Iterator<Item = ServedPath> {
        let variables = self.variables.as_ref().and_then(|file| file.path()?.ok());
        variables.into_iter().chain(self.bcd.clone())
    }

    /// Whether it hands out the secret that opens the variables file.
    pub fn has_secret(&self) -> bool {
        self.variables.as_ref().is_some_and(VariablesFile::has_secret)
    }

    fn next_action(&self) -> Option<u8> {
        self.wds.as_ref()?.first(WdsTag::NEXT_ACTION)?.first().copied()
    }

    /// Whether nothing in it lets the machine boot: no file, or the program that sends it to its
    /// disk.
    fn is_nothing(&self) -> bool {
        let goes_on = matches!(self.next_action(), Some(boot_program::WAIT | boot_program::REFERRAL));
        let aborts = self.next_action() == Some(boot_program::ABORT);
        let to_disk = |file: &ServedPath| {
            file.parts().last().is_some_and(|name| name.eq_ignore_ascii_case("abortpxe.com"))
        };
        !goes_on && (aborts || self.file.as_ref().is_none_or(to_disk))
    }
}

/// The responder's reply as the machine gets it.
pub fn answer(asked: Forwarded, packet: &Packet, arrival: &Arrival<'_>, told: &Told) -> Answer {
    let Forwarded { mut answer, kind, request, verdict } = asked;
    if told.file.is_none() && told.wds.is_none() {
        return refused(Forwarded { answer, kind, request, verdict }, packet, arrival, Unusable::NoBootFile);
    }
    // The responder may note with the first answer that the machine was given it, so the boot
    // begins there: the program that asks once more asks in the same one. Nothing has begun while
    // an operator has to approve.
    if told.file.is_some() && !told.is_nothing() && told.next_action() != Some(boot_program::WAIT) {
        answer = answer.giving(&request, &verdict);
    }
    if told.is_nothing() {
        answer.event.reason = Reason::RelayNothing;
    }
    let reply = ReplyBuilder::new(packet, kind, arrival.local).next_server(arrival.local);
    let reply = boot_info::put_flavour(reply, packet, request.class, true, None);
    let reply = match &told.file {
        Some(file) => reply.boot_file(file.as_str(), false),
        None => reply,
    };
    let options = [
        (option::VARIABLES_FILE, told.variables.as_ref().and_then(|file| file.emit().ok())),
        (option::WDS, told.wds.as_ref().and_then(|options| options.emit().ok())),
        (option::BCD_PATH, told.bcd.as_ref().map(option252::emit)),
    ];
    let reply = options.into_iter().fold(reply, |reply, (code, value)| match value {
        Some(value) => reply.option(code, &value),
        None => reply,
    });
    answer.event.boot_file = told.file.as_ref().map(|file| file.as_str().to_owned());
    let answer =
        answer.with_reply(kind, reply, Destination::of_boot_server_reply(packet, arrival), arrival.local);
    match told.next_action() {
        _ if told.is_nothing() => answer.told_as(Answered::LocalBoot),
        Some(boot_program::WAIT) => answer.told_as(Answered::Wait),
        _ => answer,
    }
}

/// The responder is of no use: a boot program shows that, firmware goes on to its disk.
pub fn refused(asked: Forwarded, packet: &Packet, arrival: &Arrival<'_>, why: Unusable) -> Answer {
    let Forwarded { mut answer, kind, request, verdict } = asked;
    answer.event.decision = Answered::LocalBoot;
    answer.event.reason = why.reason();
    let verdict = Verdict { decision: Decision::LocalBoot, reason: why.reason(), ..verdict };
    answer.event.detail = Some(SharedError::new(why));
    tell(answer, packet, arrival, kind, &request, &verdict)
}

#[cfg(test)]
mod tests;
