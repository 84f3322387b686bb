//! The filter of a port's purpose as a program of classic BPF for a socket, see [`Purpose::fits`].

use std::io;

use nix::libc;
use socket2::{SockFilter, SockRef};

use super::{COOKIE, DHCP6_TYPES, Purpose};
use crate::udp::Watched;

/// From now on what cannot be what the port is for is dropped.
pub(crate) fn attach(socket: &Watched, purpose: Purpose) -> io::Result<()> {
    SockRef::from(socket).attach_filter(&program(purpose))
}

/// From now on all is heard.
pub(crate) fn detach(socket: &Watched) -> io::Result<()> {
    SockRef::from(socket).detach_filter()
}

/// The program, which sees the UDP header too. A load from behind the end drops the datagram.
pub(super) fn program(purpose: Purpose) -> Vec<SockFilter> {
    let mut program = match purpose {
        Purpose::Dhcp => vec![
            load(libc::BPF_B, 0),
            unless(libc::BPF_JEQ, 1, 5),
            load(libc::BPF_H, 1),
            unless(libc::BPF_JEQ, 0x0106, 3),
            load(libc::BPF_W, 236),
            unless(libc::BPF_JEQ, u32::from_be_bytes(COOKIE), 1),
        ],
        Purpose::Dhcp6 => vec![
            load(libc::BPF_W, 0),
            load(libc::BPF_B, 0),
            unless(libc::BPF_JGE, *DHCP6_TYPES.start(), 2),
            when(libc::BPF_JGT, *DHCP6_TYPES.end(), 1),
        ],
        Purpose::Tftp => vec![
            load(libc::BPF_H, 0),
            unless(libc::BPF_JGE, 1, 8),
            when(libc::BPF_JGT, 6, 7),
            when(libc::BPF_JGT, 2, 5),
            // The last byte of a request ends its last word.
            op(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0),
            op(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, 1),
            op(libc::BPF_MISC | libc::BPF_TAX, 0),
            op(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0),
            unless(libc::BPF_JEQ, 0, 1),
        ],
    };
    program.extend([op(libc::BPF_RET | libc::BPF_K, u32::MAX), op(libc::BPF_RET | libc::BPF_K, 0)]);
    program
}

fn op(code: u32, value: u32) -> SockFilter {
    SockFilter::new(low(code), 0, 0, value)
}

/// Loads from the datagram's own bytes.
fn load(size: u32, at: u32) -> SockFilter {
    op(libc::BPF_LD | libc::BPF_ABS | size, UDP_HEADER + at)
}

/// Goes on, or leaves out so many when the comparison fails.
fn unless(comparison: u32, value: u32, leave_out: u8) -> SockFilter {
    SockFilter::new(low(libc::BPF_JMP | libc::BPF_K | comparison), 0, leave_out, value)
}

/// Goes on, or leaves out so many when the comparison holds.
fn when(comparison: u32, value: u32, leave_out: u8) -> SockFilter {
    SockFilter::new(low(libc::BPF_JMP | libc::BPF_K | comparison), leave_out, 0, value)
}

/// Codes of instructions have two bytes.
fn low(code: u32) -> u16 {
    code as u16
}

const UDP_HEADER: u32 = 8;
