//! The system calls that are allowed. Every other one fails with EPERM.
//!
//! One file after the other may be opened, read-only and by a path that lies in the program's own
//! read-only memory; memory that is asked for can be neither put over that place nor run. So code
//! that a hostile image has taken over opens nothing but that image.

use std::collections::BTreeMap;

use nix::libc::{self, c_int, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

use crate::names::Name;

/// Allows what reading these images needs, and nothing else.
pub(super) fn allow_only(parts: &[Name]) -> Result<(), seccompiler::Error> {
    let rules = rules(parts)?;
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    // The C library's realpath(3) asks of each part of a path whether it is a link: none of them
    // is.
    let links = LINKS.iter().map(|call| (*call, Vec::new())).collect();
    let no_link = SeccompAction::Errno(libc::EINVAL.unsigned_abs());
    for (rules, matched, otherwise) in
        [(links, no_link, SeccompAction::Allow), (rules, SeccompAction::Allow, refused)]
    {
        let arch = TargetArch::try_from(std::env::consts::ARCH)?;
        let filter = SeccompFilter::new(rules, otherwise, matched, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)?;
    }
    Ok(())
}

fn rules(parts: &[Name]) -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().chain(LINKS).map(|call| (*call, Vec::new())).collect();
    let opens = parts.iter().map(|path| {
        SeccompRule::new(vec![
            number(0, libc::AT_FDCWD)?,
            argument(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, path.as_ptr().addr() as u64)?,
            without(2, libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_PATH)?,
        ])
    });
    rules.insert(libc::SYS_openat, opens.collect::<Result<_, _>>()?);
    // fstat(3), of what is open.
    let own = argument(3, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(EMPTY_PATH), EMPTY_PATH)?;
    rules.insert(libc::SYS_newfstatat, vec![SeccompRule::new(vec![own])?]);
    let anywhere = argument(0, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    let mut mapped =
        vec![anywhere, without(2, libc::PROT_EXEC)?, without(3, libc::MAP_FIXED | libc::MAP_SHARED)?];
    // The allocator of the address sanitizer, under the fuzzer, takes memory at places of its own.
    if cfg!(fuzzing) {
        mapped = vec![without(2, libc::PROT_EXEC)?, without(3, libc::MAP_SHARED)?];
    }
    rules.insert(libc::SYS_mmap, vec![SeccompRule::new(mapped)?]);
    rules.insert(libc::SYS_mremap, vec![SeccompRule::new(vec![number(3, libc::MREMAP_MAYMOVE)?])?]);
    // The second of the two filters.
    rules.insert(libc::SYS_prctl, vec![SeccompRule::new(vec![number(0, libc::PR_SET_NO_NEW_PRIVS)?])?]);
    rules.insert(libc::SYS_seccomp, Vec::new());
    Ok(rules)
}

fn number(at: u8, value: c_int) -> Result<SeccompCondition, BackendError> {
    argument(at, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value.cast_unsigned().into())
}

fn without(at: u8, bits: c_int) -> Result<SeccompCondition, BackendError> {
    argument(at, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(bits.cast_unsigned().into()), 0)
}

fn argument(
    at: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(at, length, operator, value)
}

const EMPTY_PATH: u64 = 0x1000;
const ALLOWED: &[c_long] = &[
    // The images, and the answer.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_madvise,
    // Asked of the C library's own locks, generators and clocks.
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    // The end, and how a program complains of itself.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack,
    libc::SYS_gettid,
    libc::SYS_getpid,
];
#[cfg(target_arch = "x86_64")]
const LINKS: &[c_long] = &[libc::SYS_readlink, libc::SYS_readlinkat];
#[cfg(not(target_arch = "x86_64"))]
const LINKS: &[c_long] = &[libc::SYS_readlinkat];
