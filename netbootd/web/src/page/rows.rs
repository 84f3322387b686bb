//! A machine of the board in the words of a list.

use std::time::SystemTime;

use netbootd_diagnosis::{Cause, Phase};
use netbootd_telemetry::view::rfc3339;
use pxe_policy::{Approval, MacAddr, Reason};
use serde::Serialize;

use super::words;
use crate::board::{Row, State};

/// One machine as a row of the list.
#[derive(Debug, Serialize)]
pub(super) struct RowView {
    /// The address without colons: a part of the ids of its elements.
    pub(super) id: String,
    pub(super) mac: String,
    pub(super) title: String,
    /// The small line beneath the title.
    under: String,
    /// Maker, firmware and network in one line.
    about: String,
    pub(super) state: StateView,
    pub(super) vendor: Option<String>,
    gets: Option<String>,
    by: Option<String>,
    address: Option<String>,
    cause: Option<&'static str>,
    seen: String,
    phase: PhaseView,
    transfer: Option<TransferView>,
    so_far: String,
    /// The number on its screen.
    pub(super) screen: Option<String>,
    waits_for: &'static str,
    /// Whether an operator's word decides.
    decide: bool,
    approved: bool,
    note: Option<&'static str>,
}

/// A state with its look.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StateView {
    pub(super) word: &'static str,
    pub(super) tint: &'static str,
}

#[derive(Debug, Serialize)]
struct PhaseView {
    word: &'static str,
    done: u8,
}

#[derive(Debug, Serialize)]
struct TransferView {
    file: String,
    percent: Option<u64>,
    rate: String,
}

impl RowView {
    pub(super) fn new(row: &Row, now: SystemTime) -> Self {
        let mac = row.mac.to_string();
        let title = row.title();
        let cause = row.found.as_ref().map(|found| found.cause);
        let about = [row.vendor.clone(), row.arch.as_deref().map(arch_words), row.network.clone()];
        let about: Vec<String> = about.into_iter().flatten().collect();
        let approved = row.approval == Some(Approval::Approved);
        RowView {
            id: mac.replace(':', ""),
            under: if row.name.is_some() { mac.clone() } else { row.vendor.clone().unwrap_or_default() },
            about: about.join(" · "),
            state: state_of(row),
            vendor: row.vendor.clone(),
            gets: row.gets.clone(),
            by: row.rule.as_ref().map(|rule| format!("rule {rule}")),
            address: row.address.clone(),
            cause: cause.map(Cause::as_str),
            seen: rfc3339(row.seen),
            phase: phase_of(row.phase),
            transfer: row.transfer.as_ref().map(|transfer| TransferView {
                file: transfer.file.clone(),
                percent: transfer
                    .size
                    .filter(|size| *size > 0)
                    .map(|size| (transfer.bytes * 100 / size).min(100)),
                rate: words::rate(transfer.rate),
            }),
            so_far: words::span(now.duration_since(row.started).unwrap_or_default().as_secs().max(1) as f64)
                .replace(".00 s", " s")
                .replace(".0 s", " s"),
            screen: (row.number > 0).then(|| words::number(row.number.into())),
            waits_for: waits_for(cause, approved),
            decide: row.is_asked && row.approval != Some(Approval::Rejected),
            approved,
            note: approved.then_some("Approved. It boots as soon as it asks again."),
            mac,
            title,
        }
    }
}

impl RowView {
    /// A machine of which the history alone knows.
    pub(super) fn forgotten(mac: MacAddr) -> Self {
        let row = Row::unknown(mac);
        RowView { screen: None, ..RowView::new(&row, SystemTime::now()) }
    }
}

/// The state of a row; a cause may have a word of its own.
fn state_of(row: &Row) -> StateView {
    let slow = row.found.as_ref().is_some_and(|found| found.cause == Cause::SlowTransfer);
    match row.state {
        State::Waiting if row.approval == Some(Approval::Approved) => {
            StateView { word: "Approved", tint: "ok" }
        }
        State::LeftAlone if row.approval == Some(Approval::Rejected) => {
            StateView { word: "Rejected", tint: "off" }
        }
        State::Attention if slow => StateView { word: "Slow", tint: "warn" },
        state => StateView { word: state.word(), tint: state.tint() },
    }
}

fn waits_for(cause: Option<Cause>, approved: bool) -> &'static str {
    match cause {
        _ if approved => "Approved. It boots as soon as it asks again.",
        Some(Cause::Decision(Reason::Brake)) => {
            "Held back by the brake: many machines got a Required deployment."
        }
        Some(cause) if cause == Cause::ImageComing => "Its image is still being imported.",
        _ => "",
    }
}

/// `x64-uefi` as people say it.
pub(super) fn arch_words(arch: &str) -> String {
    match arch {
        "x64-uefi" => "x64 UEFI".to_owned(),
        "x86-bios" | "bios" => "BIOS".to_owned(),
        "arm64-uefi" => "ARM64 UEFI".to_owned(),
        "x86-uefi" => "x86 UEFI".to_owned(),
        other => other.to_owned(),
    }
}

fn phase_of(phase: Phase) -> PhaseView {
    let (word, done) = match phase {
        Phase::Address | Phase::Offer => ("Firmware", 1),
        Phase::BootServer => ("Boot server", 2),
        Phase::BootProgram => ("Program", 3),
        Phase::SecondStage | Phase::Configuration => ("Second stage", 4),
        Phase::Kernel | Phase::System => ("System", 5),
    };
    PhaseView { word, done }
}
