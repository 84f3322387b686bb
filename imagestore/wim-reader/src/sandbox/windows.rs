//! A job of its own: a limit of memory and of processor time, no further process, and an end with
//! the last handle.
//!
//! Windows has no filter of system calls that a program could put on itself. Unsafe code for the
//! three calls of a job, which no maintained crate has.
#![allow(unsafe_code)]

use std::io;
use std::mem::size_of;
use std::ptr;

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
    JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION, JOB_OBJECT_LIMIT_PROCESS_MEMORY,
    JOB_OBJECT_LIMIT_PROCESS_TIME, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use crate::input::Input;
use crate::wimlib::ReadError;

/// Limits this process; it keeps the job for as long as it lives.
pub fn enter(input: &Input) -> Result<(), ReadError> {
    let limits = input.request.limits;
    let mut set = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
    set.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS
        | JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION
        | JOB_OBJECT_LIMIT_PROCESS_MEMORY
        | JOB_OBJECT_LIMIT_PROCESS_TIME;
    set.BasicLimitInformation.ActiveProcessLimit = 1;
    set.BasicLimitInformation.PerProcessUserTimeLimit = i64::from(limits.seconds) * TICKS;
    set.ProcessMemoryLimit = usize::try_from(limits.memory).unwrap_or(usize::MAX);
    let length = u32::try_from(size_of::<JOBOBJECT_EXTENDED_LIMIT_INFORMATION>()).unwrap_or_default();
    // SAFETY: a job without a name or attributes; the struct is as long as is said and lives until
    // the calls return; the process is this one.
    let limited = unsafe {
        let job = CreateJobObjectW(ptr::null(), ptr::null());
        !job.is_null()
            && SetInformationJobObject(
                job,
                JobObjectExtendedLimitInformation,
                (&raw const set).cast(),
                length,
            ) != 0
            && AssignProcessToJobObject(job, GetCurrentProcess()) != 0
    };
    if limited { Ok(()) } else { Err(ReadError::Sandbox(io::Error::last_os_error().to_string())) }
}

/// Windows' ticks of 100 ns in a second.
const TICKS: i64 = 10_000_000;
