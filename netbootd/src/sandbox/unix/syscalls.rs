//! The system calls that are refused.
//!
//! A list of what is refused, not of what is allowed: the system's Kerberos and name services are
//! loaded into the process and do as their version sees fit, and a boot server that ends on a
//! library's update is worse than one that may call `getcpu`. Refused is what would look into other
//! processes, change the system or its clock, load code into the kernel, make namespaces, or reach
//! the parts of the kernel that most holes were found in. None of it is called by netbootd, its
//! libraries, or the reader of Windows images that it starts, which has a list of its own.

use std::collections::BTreeMap;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter_all_threads, sock_filter,
};
use thiserror::Error;

/// Why nothing is refused.
#[derive(Debug, Error)]
pub(super) enum FilterError {
    /// The filter cannot be made for this processor.
    #[error(transparent)]
    Compile(#[from] BackendError),
    /// The kernel does not take the filter.
    #[error(transparent)]
    Apply(#[from] seccompiler::Error),
}

/// Refuses them from now on; says how many.
pub(super) fn refuse() -> Result<usize, FilterError> {
    let rules = rules()?;
    let count = rules.len() + 1;
    let mut calls = compiled(rules, libc::EPERM)?;
    calls.splice(0..0, other_numbering());
    // Not there, not refused: the C library then uses `clone`, whose flags can be looked at.
    let newer = compiled(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    for program in [newer, calls] {
        apply_filter_all_threads(&program)?;
    }
    Ok(count)
}

fn compiled(rules: BTreeMap<c_long, Vec<SeccompRule>>, errno: i32) -> Result<BpfProgram, BackendError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refused = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch);
    filter.and_then(BpfProgram::try_from)
}

fn rules() -> Result<BTreeMap<c_long, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|call| (*call, Vec::new())).collect();
    let argument = |number, operator, value: i32| {
        SeccompCondition::new(number, SeccompCmpArgLen::Dword, operator, u64::from(value.unsigned_abs()))
    };
    let namespace = |flag: &i32| {
        let flag_is_set = SeccompCmpOp::MaskedEq(u64::from(flag.unsigned_abs()));
        SeccompRule::new(vec![argument(0, flag_is_set, *flag)?])
    };
    rules.insert(libc::SYS_clone, NAMESPACES.iter().map(namespace).collect::<Result<_, _>>()?);
    let others = FAMILIES.iter().map(|family| argument(0, SeccompCmpOp::Ne, *family));
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(others.collect::<Result<_, _>>()?)?]);
    Ok(rules)
}

/// On x86-64 the same calls can be made by a second set of numbers (x32), which no program here
/// uses.
fn other_numbering() -> Vec<sock_filter> {
    if cfg!(not(target_arch = "x86_64")) {
        return Vec::new();
    }
    let step = |code, skipped, k| sock_filter { code, jt: 0, jf: skipped, k };
    vec![
        step(LOAD, 0, 0), // the call's number
        step(IF_AT_LEAST, 1, X32),
        step(RETURN, 0, REFUSE | libc::EPERM.unsigned_abs()),
    ]
}

/// BPF_LD | BPF_W | BPF_ABS.
const LOAD: u16 = 0x20;
/// BPF_JMP | BPF_JGE | BPF_K.
const IF_AT_LEAST: u16 = 0x35;
/// The instruction BPF_RET with BPF_K.
const RETURN: u16 = 0x06;
/// The action SECCOMP_RET_ERRNO of a filter.
const REFUSE: u32 = 0x0005_0000;
/// The bit __X32_SYSCALL_BIT of a call's number.
const X32: u32 = 0x4000_0000;

/// The sockets that netbootd and name services open.
const FAMILIES: [i32; 5] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_PACKET];
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
const REFUSED: &[c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    // The kernel's own code and insides.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_syslog,
    libc::SYS_personality,
    // Mounts, namespaces, files by handle.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_mknodat,
    // The system as a whole.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    // The clock.
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];
/// System calls of this processor alone.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_mknod, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[c_long] = &[];

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use nix::errno::Errno;
    use nix::sched::{CloneFlags, setns, unshare};
    use socket2::{Domain, Protocol, Socket, Type};

    use super::*;

    /// The filter goes to every thread of the process: this process is one that runs no other test,
    /// as nextest has it, or one started for it.
    #[test]
    fn what_a_boot_server_never_calls_is_refused_and_it_goes_on() {
        if std::env::var_os(ALONE).is_none() {
            let name =
                "sandbox::unix::syscalls::tests::what_a_boot_server_never_calls_is_refused_and_it_goes_on";
            let mut again = Command::new(std::env::current_exe().unwrap());
            again.args([name, "--exact"]).env(ALONE, "1").stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = again.output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            return assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        nix::sys::prctl::set_no_new_privs().unwrap();
        let count = refuse().unwrap();
        assert!(count > 50);
        let own = std::fs::File::open("/proc/self/ns/net").unwrap();
        assert_eq!(setns(own, CloneFlags::CLONE_NEWNET), Err(Errno::EPERM));
        assert_eq!(unshare(CloneFlags::CLONE_NEWUSER), Err(Errno::EPERM));
        assert_eq!(unshare(CloneFlags::CLONE_NEWNET), Err(Errno::EPERM));
        assert_eq!(nix::unistd::sethostname("x"), Err(Errno::EPERM));
        let vsock = Socket::new(Domain::from(libc::AF_VSOCK), Type::STREAM, None);
        assert_eq!(vsock.unwrap_err().raw_os_error(), Some(libc::EPERM));
        // Threads, programs and the sockets of a boot server.
        assert_eq!(std::thread::spawn(|| 7).join().unwrap(), 7);
        assert!(Command::new("true").status().unwrap().success());
        assert!(Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).is_ok());
        assert!(!nix::ifaddrs::getifaddrs().unwrap().collect::<Vec<_>>().is_empty());
    }

    const ALONE: &str = "NETBOOTD_TEST_ALONE";
}
