//! The dialogue with Windows' boot programs (wdsnbp.com, wdsmgfw.efi) on port 4011: what option 250
//! asks, and what it is answered.
//!
//! The program says who it is, shows the server's message, asks for a key when the server wants
//! one, and asks again: for the boot file once all is said, or every so often while an operator has
//! to approve.

use pxe_policy::{Decision, MacAddr, Purpose, Verdict};

use super::{Packet, option};
use crate::option250::{WdsOptions, WdsTag};

/// The question of a boot program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Whether the key was asked for already.
    prompt_done: bool,
}

/// How the program lets somebody choose what is Available; as WDS's prompt policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prompt {
    /// It goes on only when F12 is pressed.
    #[default]
    OptIn,
    /// It goes on unless Esc is pressed.
    OptOut,
    /// The program goes on by itself.
    None,
}

/// The question in a packet, if a boot program sent it. Options that do not read count as the first
/// question.
pub fn question(packet: &Packet) -> Option<Question> {
    let options = WdsOptions::parse(packet.first(option::WDS)?).unwrap_or_default();
    let is_set = |tag| options.first(tag).is_some_and(|value| value == [1]);
    Some(Question { prompt_done: is_set(WdsTag::PROMPT_DONE) })
}

/// The answer besides the boot file: whether to ask for a key; to wait and ask again; or to give
/// up, and why.
pub fn answer(question: Question, verdict: &Verdict, mac: MacAddr, prompt: Prompt) -> WdsOptions {
    let message = |words: &str| (WdsTag::MESSAGE, words.bytes().take(MAX_MESSAGE).collect());
    WdsOptions(match &verdict.decision {
        Decision::Boot(boot) => {
            let available =
                verdict.deployment.as_ref().is_some_and(|deployed| deployed.purpose == Purpose::Available);
            let asks = (available || boot.prompt.is_some()) && !question.prompt_done;
            let prompt = match prompt {
                Prompt::OptIn if asks => OPT_IN,
                Prompt::OptOut if asks => OPT_OUT,
                _ => NO_PROMPT,
            };
            vec![(WdsTag::PROMPT, vec![prompt]), (WdsTag::ACTION_DONE, vec![1])]
        }
        Decision::Wait => vec![
            (WdsTag::NEXT_ACTION, vec![WAIT]),
            (WdsTag::POLL_INTERVAL, POLL_SECONDS.to_be_bytes().to_vec()),
            (WdsTag::RETRY_COUNT, POLLS.to_be_bytes().to_vec()),
            (WdsTag::REQUEST_ID, request_id(mac).to_be_bytes().to_vec()),
            message(verdict.reason.on_screen()),
        ],
        Decision::Refer(server) => vec![
            (WdsTag::NEXT_ACTION, vec![REFERRAL]),
            (WdsTag::REFERRAL_SERVER, server.octets().to_vec()),
            (WdsTag::ACTION_DONE, vec![1]),
        ],
        Decision::LocalBoot | Decision::Relay | Decision::Images(_) | Decision::Ignore => {
            vec![(WdsTag::NEXT_ACTION, vec![ABORT]), message(verdict.reason.on_screen())]
        }
    })
}

/// The number that stands on the client's screen: the last three octets of its address, so that an
/// operator finds it.
pub fn request_id(mac: MacAddr) -> u32 {
    let [_, _, _, a, b, c] = mac.octets();
    u32::from_be_bytes([0, a, b, c])
}

/// The value of tag 2 that makes the program ask again.
pub(super) const WAIT: u8 = 1;
pub(super) const REFERRAL: u8 = 3;
pub(super) const ABORT: u8 = 5;
/// The value of tag 11 that lets the user choose.
const OPT_IN: u8 = 1;
const NO_PROMPT: u8 = 2;
const OPT_OUT: u8 = 3;
/// WDS's own defaults: every ten seconds, for six hours.
const POLL_SECONDS: u16 = 10;
const POLLS: u16 = 2160;
/// The longest message that the programs show, in bytes.
const MAX_MESSAGE: usize = 200;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use pxe_policy::{Deployed, Reason, Via};

    use super::*;
    use crate::v4::testing::{boot, unhex};

    const MAC: MacAddr = MacAddr([0, 0x15, 0x5d, 0, 0x19, 0xca]);

    fn emitted(prompt_done: bool, verdict: &Verdict) -> Vec<u8> {
        answer(Question { prompt_done }, verdict, MAC, Prompt::OptIn).emit().unwrap()
    }

    fn with(decision: Decision, reason: Reason) -> Verdict {
        Verdict { decision, ..Verdict::silence(reason) }
    }

    #[test]
    fn a_program_is_told_to_ask_for_a_key_once() {
        let deployed = |purpose| Deployed { id: "x".into(), purpose, ..Deployed::default() };
        let available = Verdict { deployment: Some(deployed(Purpose::Available)), ..boot("a", Via::Tftp) };
        let required = Verdict { deployment: Some(deployed(Purpose::Required)), ..boot("a", Via::Tftp) };
        assert_eq!(emitted(false, &available), unhex("0b01010e0101ff"));
        assert_eq!(emitted(true, &available), unhex("0b01020e0101ff"));
        let asked_as =
            |prompt| answer(Question { prompt_done: false }, &available, MAC, prompt).emit().unwrap();
        assert_eq!(asked_as(Prompt::OptOut), unhex("0b01030e0101ff"));
        assert_eq!(asked_as(Prompt::None), unhex("0b01020e0101ff"));
        assert_eq!(emitted(false, &required), unhex("0b01020e0101ff"));
    }

    #[test]
    fn it_shows_why_it_waits_or_gives_up() {
        let waits = emitted(true, &with(Decision::Wait, Reason::Pending));
        // The published example, but for the number of the request.
        assert!(waits.starts_with(&unhex("0201010302000a0402087005040000")), "{waits:02x?}");
        assert_eq!(&waits[15..17], [0x19, 0xca]);
        assert!(waits.windows(8).any(|words| words == b"operator"));
        let branch = Ipv4Addr::new(10, 77, 0, 9);
        let refers = emitted(true, &with(Decision::Refer(branch), Reason::Rule));
        assert_eq!(refers, unhex("02010309040a4d00090e0101ff"));
        let gives_up = emitted(true, &with(Decision::LocalBoot, Reason::NoDeployment));
        let wanted = [&unhex("020105061e")[..], b"No deployment for this device.", &[255]].concat();
        assert_eq!(gives_up, wanted);
    }
}
