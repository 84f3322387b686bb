//! The checks of `[limits]`: the share of a stranger.

use std::ops::Range;

use toml::Spanned;

use super::super::Limits;
use super::super::finding::Finding;
use super::super::schema::{self, Document};
use crate::limits;

pub(super) fn check(document: &Document, findings: &mut Vec<Finding>) -> Limits {
    let (written, usual) = (&document.limits, Limits::default());
    let mut number = |value: &Option<Spanned<usize>>, usual: usize, what: &str| {
        let Some(value) = value else { return usual };
        if *value.get_ref() == 0 {
            findings.push(nothing(value.span(), &format!("{what} could ever start")));
        }
        *value.get_ref()
    };
    let transfers_per_client =
        number(&written.transfers_per_client, usual.transfers_per_client, "no transfer");
    let transfers_per_subnet =
        number(&written.transfers_per_subnet, usual.transfers_per_subnet, "no transfer");
    let unproved_per_client = number(&written.unproved_per_client, usual.unproved_per_client, "no transfer");
    let unproved_transfers = number(&written.unproved_transfers, usual.unproved_transfers, "no transfer");
    let connections_per_client =
        number(&written.connections_per_client, usual.connections_per_client, "no connection");
    let connections_per_subnet =
        number(&written.connections_per_subnet, usual.connections_per_subnet, "no connection");
    let smaller = [
        (&written.transfers_per_client, transfers_per_client, transfers_per_subnet),
        (&written.connections_per_client, connections_per_client, connections_per_subnet),
        (&written.unproved_per_client, unproved_per_client, unproved_transfers),
    ];
    for (value, own, around) in smaller {
        if let Some(value) = value.as_ref().filter(|_| own > around) {
            let message = format!("{own} are never reached: {around} is the limit around it");
            findings.push(Finding::warning(value.span(), message));
        }
    }
    let bytes_in_flight = written.bytes_in_flight.as_ref().map_or(usual.bytes_in_flight, |size| {
        let bytes = size.get_ref().0.0;
        if bytes < SMALLEST_FLIGHT {
            let finding =
                Finding::error(size.span(), format!("{bytes} bytes are not one block of each transfer"));
            findings.push(finding.help("1M or more; 1G is usual"));
        }
        bytes
    });
    let mut rate = |value: &Option<Spanned<schema::Rate>>, usual: limits::Rate, least: u32| {
        let Some(value) = value else { return usual };
        let schema::Rate { at_once, per_second } = *value.get_ref();
        if per_second == 0 {
            findings.push(nothing(value.span(), "after the first ones, nothing is ever answered again"));
        }
        if at_once < least {
            let message = format!("at-once = {at_once} is less than one answer needs, {least}");
            findings.push(Finding::error(value.span(), message).help(LEAVE_OUT));
        }
        limits::Rate { at_once, per_second }
    };
    let checked = Limits {
        subnets: written.subnets.0.iter().map(|subnet| subnet.0.trunc()).collect(),
        relays: written.relays.0.iter().map(|relay| relay.0).collect(),
        transfers_per_client,
        transfers_per_subnet,
        unproved_per_client,
        unproved_transfers,
        connections_per_client,
        connections_per_subnet,
        bytes_in_flight,
        machine_packets: rate(&written.machine_packets, usual.machine_packets, BOOT_PACKETS),
        way_packets: rate(&written.way_packets, usual.way_packets, BOOT_PACKETS),
        new_machines: rate(&written.new_machines, usual.new_machines, 1),
        reply_bytes: rate(&written.reply_bytes, usual.reply_bytes, LARGEST_REPLY),
        read_requests: rate(&written.read_requests, usual.read_requests, 1),
        http_requests: rate(&written.http_requests, usual.http_requests, 1),
        pool_kept: written.pool_kept.as_ref().map_or(usual.pool_kept, |part| *part.get_ref()),
    };
    if let Some(part) = written.pool_kept.as_ref().filter(|part| *part.get_ref() > MOST_KEPT) {
        let message = format!("{} percent of each pool would be for known machines only", part.get_ref());
        let finding = Finding::error(part.span(), message);
        findings.push(finding.help("0 to 90: a machine gets known by its first lease"));
    }
    checked
}

fn nothing(span: Range<usize>, message: &str) -> Finding {
    Finding::error(span, message).help(LEAVE_OUT)
}

const LEAVE_OUT: &str = "leave it out for the default, or write a large number where there shall be no limit";
/// DISCOVER, REQUEST and the question on port 4011.
const BOOT_PACKETS: u32 = 3;
/// The largest reply that a Mac takes, in bytes: its list of images.
const LARGEST_REPLY: u32 = 8192;
const SMALLEST_FLIGHT: u64 = 1 << 20;
const MOST_KEPT: u8 = 90;
