//! From inside: what code that a hostile image has taken over could try.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};

use memmap2::MmapMut;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::stat::Mode;
use wim_protocol::{Command, ReaderLimits, Request};

use super::enter;
use crate::input::{Input, path_of};

/// The sandbox is there for good: this process runs no other test, as nextest has it, or is one
/// started for it.
#[test]
fn only_the_image_can_be_opened_and_nothing_else_can_be_done() {
    let Some(folder) = std::env::var_os(ALONE).map(PathBuf::from) else {
        let folder = tempfile::tempdir().unwrap();
        let name = "sandbox::tests::only_the_image_can_be_opened_and_nothing_else_can_be_done";
        let mut again = Program::new(std::env::current_exe().unwrap());
        again.args([name, "--exact", "--test-threads=1"]).env(ALONE, folder.path()).stdout(Stdio::piped());
        let output = again.stderr(Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success(), "{}: {said}", output.status);
    };
    let (image, other) = (folder.join("image"), folder.join("other"));
    fs::write(&image, "image").unwrap();
    fs::write(&other, "other").unwrap();
    let command = Command::Write { image: 1, path: Vec::new(), size: 3 };
    let limits = ReaderLimits { memory: 1 << 30, seconds: 60 };
    let descriptors = vec![File::open(&image).unwrap().into()];
    let parts = vec![path_of(&descriptors[0]).unwrap()];
    let frames = File::create(folder.join("frames")).unwrap();
    let request = Request { parts: vec![Vec::new()], limits, command };
    let input = Input { request, parts, frames, descriptors };
    let same = format!("/proc/self/fd/{}", input.descriptors[0].as_raw_fd());
    // The objects of the attempts exist before the sandbox.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let memory = MmapMut::map_anon(4096).unwrap();

    enter(&input).unwrap();
    let failed: Vec<(&str, Option<i32>)> = vec![
        ("open a file", code(File::open(&other))),
        ("make a file", code(File::create(folder.join("new")))),
        ("open the image by a path of its own", code(File::open(&image))),
        ("open it by the same path elsewhere", code(File::open(&same))),
        ("list a folder", code(fs::read_dir("/"))),
        ("remove a file", code(fs::remove_file(&other))),
        ("rename a file", code(fs::rename(&other, &image))),
        ("start a program", code(Program::new("true").stdin(Stdio::piped()).spawn())),
        ("ask for a socket", code(UdpSocket::bind("127.0.0.1:0"))),
        ("connect", code(std::net::TcpStream::connect(at))),
        ("accept", code(listener.accept())),
        ("run memory", code(memory.make_exec())),
        ("start a thread", code(std::thread::Builder::new().spawn(|| ()))),
        (
            "a socket of the kernel",
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::empty(), None)
                .err()
                .map(|error| error as i32),
        ),
        (
            "end another process",
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(1), None).err().map(|error| error as i32),
        ),
    ];
    for (what, failed) in failed {
        assert_eq!(failed, Some(Errno::EPERM as i32), "{what}");
    }
    let again = |flags| open(input.parts[0].as_ref(), flags, Mode::empty()).err();
    assert_eq!(again(OFlag::O_RDWR), Some(Errno::EPERM));
    assert_eq!(again(OFlag::O_PATH), Some(Errno::EPERM));
    assert_eq!(again(OFlag::O_RDONLY), None, "as wimlib does");
    assert!(MmapMut::map_anon(4096).is_ok());
}

fn code<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

const ALONE: &str = "NETBOOTD_TEST_ALONE";
