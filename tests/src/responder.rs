//! A stand-in for a distribution point's PXE responder, at 10.77.0.6 on `br0`. The responder itself
//! cannot be had: what answers on port 4011 here says what one was recorded to say. Its files are
//! served by a real TFTP server.

use std::fs;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use crate::Lab;
use crate::process::Process;

/// A running responder with its folder of boot files.
#[derive(Debug)]
pub struct Responder {
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    root: PathBuf,
    _tftp: Process,
}

/// Its answer to every question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A boot file, with the variables file and the BCD; without a PXE password, so with the
    /// secret.
    Boot(&'static str),
    /// The same with a password: the paths alone.
    WithPassword(&'static str),
    /// The responder does not answer.
    Silence,
    /// An answer without a boot file.
    Nothing,
    /// A boot file for another machine.
    OtherMachine,
    /// A boot file in answer to another question.
    OtherQuestion,
    /// A BCD outside the folders of boot files.
    LeadsOut,
}

/// Where the variables file of a machine is (public log of engrit-illinois/Get-MacsFromSmsPxeLog).
pub const VARIABLES: &str =
    "\\SMSTemp\\2022.11.14.03.34.58.0001.{5391141E-1089-4A89-AC33-DACA8D9DC578}.boot.var";
/// Where its BCD is (the same).
pub const BCD: &str = "\\SMSTemp\\2022.11.14.03.34.58.03.{5391141E-1089-4A89-AC33-DACA8D9DC578}.boot.bcd";

impl Responder {
    /// Starts both.
    ///
    /// # Panics
    /// When they do not start.
    pub fn start(lab: &mut Lab) -> Self {
        lab.add_host("dp");
        lab.plug("dp", "eth0", "br0", "10.77.0.6/24");
        let root = lab.folder().join("RemoteInstall");
        let map = lab.folder().join("tftpd.map");
        let made = fs::create_dir_all(root.join("SMSTemp")).and_then(|()| fs::write(&map, "rg \\\\ /\n"));
        made.unwrap_or_else(|error| panic!("cannot prepare the responder: {error}"));
        let mut command = lab.command("dp", "in.tftpd");
        command.args(["--foreground", "--listen", "--address", "10.77.0.6:69", "--user", "root", "--secure"]);
        let tftp = Process::start("in.tftpd", command.arg("--map-file").arg(&map).arg(&root));
        let says = Arc::new(Mutex::new(Says::Boot("")));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answers, questions) = (Arc::clone(&says), Arc::clone(&asked));
        let listening = lab.inside("dp", move || {
            let socket =
                UdpSocket::bind("10.77.0.6:4011").unwrap_or_else(|error| panic!("port 4011: {error}"));
            thread::spawn(move || {
                let mut buf = [0; 2048];
                while let Ok((len, from)) = socket.recv_from(&mut buf) {
                    let question = buf[..len].to_vec();
                    questions.lock().push(question.clone());
                    let said = answers.lock().clone();
                    if let Some(answer) = answer(&question, &said) {
                        let _ = socket.send_to(&answer, from); // lost like any other
                    }
                }
            });
        });
        listening.join().unwrap_or_else(|_| panic!("the stand-in does not listen"));
        Responder { says, asked, root, _tftp: tftp }
    }

    /// Its folder of boot files.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    /// Changes what it says.
    pub fn says(&self, says: Says) {
        *self.says.lock() = says;
    }

    /// The questions so far.
    pub fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().clone()
    }
}

/// The answer to a question: header, then options 53, 54, 97, 60, 243, 252, as in the log.
fn answer(question: &[u8], says: &Says) -> Option<Vec<u8>> {
    let file = match says {
        Says::Silence => return None,
        Says::Nothing => "",
        Says::Boot(file) | Says::WithPassword(file) => file,
        Says::OtherMachine | Says::OtherQuestion | Says::LeadsOut => "smsboot\\x64\\pxeboot.com",
    };
    let mut bytes = question.get(..240)?.to_vec();
    bytes[0] = 2;
    bytes[20..24].copy_from_slice(&[10, 77, 0, 6]);
    bytes[44..236].fill(0);
    bytes[108..108 + file.len()].copy_from_slice(file.as_bytes());
    match says {
        Says::OtherMachine => bytes[33] ^= 1,
        Says::OtherQuestion => bytes[7] ^= 1,
        _ => {}
    }
    let mut put = |code: u8, value: &[u8]| {
        bytes.extend([code, value.len() as u8]);
        bytes.extend(value);
    };
    put(53, &[5]);
    put(54, &[10, 77, 0, 6]);
    if let Some(uuid) = option(question, 97) {
        put(97, uuid);
    }
    put(60, b"PXEClient");
    if !file.is_empty() {
        let mut variables = Vec::new();
        if *says != Says::WithPassword("") && !matches!(says, Says::WithPassword(_)) {
            variables.extend([2, 0x45, 0x30, 0x14, 0, 0, 0, 10, 0, 0, 0, 0x10, 0, 0, 0, 0x0e, 0x66, 0, 0]);
            variables.extend([0; 52]); // the secret: nothing real
        }
        variables.extend([1, VARIABLES.len() as u8]);
        variables.extend(VARIABLES.as_bytes());
        put(243, &variables);
        let bcd = if *says == Says::LeadsOut { "\\SMSTemp\\..\\..\\sam" } else { BCD };
        put(252, &[bcd.as_bytes(), &[0]].concat());
    }
    bytes.push(255);
    Some(bytes)
}

/// The value of an option in a packet.
pub fn option(packet: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = packet.get(240..)?;
    loop {
        match rest {
            [0, after @ ..] => rest = after,
            [255, ..] | [] | [_] => return None,
            [code, length, after @ ..] => {
                let (value, after) = after.split_at_checked(usize::from(*length))?;
                if *code == wanted {
                    return Some(value);
                }
                rest = after;
            }
        }
    }
}
