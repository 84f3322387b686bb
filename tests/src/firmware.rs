//! Many machines at once, as far as their first question goes.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::Lab;

/// PXE firmware with these hardware addresses asks by DHCPDISCOVER (RFC 2131, PXE 2.1) from a host
/// on `br0`, each once the one before it is answered, so that none is lost on the way.
///
/// # Panics
/// When one is not answered.
pub fn ask(lab: &Lab, host: &str, addresses: impl IntoIterator<Item = [u8; 6]>) {
    let questions: Vec<Vec<u8>> = addresses.into_iter().map(discover).collect();
    let asked = lab.inside(host, move || {
        let socket = UdpSocket::bind("0.0.0.0:68").unwrap_or_else(|error| panic!("port 68: {error}"));
        let set = socket.set_broadcast(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE)));
        set.unwrap_or_else(|error| panic!("no broadcasts: {error}"));
        for question in questions {
            let answered =
                socket.send_to(&question, "10.77.0.255:67").and_then(|_| socket.recv(&mut [0; 2048]));
            answered.unwrap_or_else(|error| panic!("no answer: {error}"));
        }
    });
    asked.join().unwrap_or_else(|_| panic!("the machines are not answered"));
}

/// The same machines in turn at a rate, answered or not: so many questions a second for so long.
/// Gives the questions and the answers.
///
/// # Panics
/// When they cannot ask.
pub fn ask_at_rate(
    lab: &Lab,
    host: &str,
    addresses: &[[u8; 6]],
    a_second: u32,
    lasts: Duration,
) -> (usize, usize) {
    let questions: Vec<Vec<u8>> = addresses.iter().copied().map(discover).collect();
    let asked = lab.inside(host, move || {
        let socket = UdpSocket::bind("0.0.0.0:68").unwrap_or_else(|error| panic!("port 68: {error}"));
        socket.set_broadcast(true).unwrap_or_else(|error| panic!("no broadcasts: {error}"));
        let (started, pause) = (Instant::now(), Duration::from_secs(1) / a_second);
        let (mut sent, mut answered) = (0, 0);
        for question in questions.iter().cycle() {
            let due = started + pause * u32::try_from(sent).unwrap_or(u32::MAX);
            // Until the next question is due it takes what is answered.
            while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                let waits = socket.set_read_timeout(Some(left)).and_then(|()| socket.recv(&mut [0; 2048]));
                answered += usize::from(waits.is_ok());
            }
            if started.elapsed() >= lasts {
                break;
            }
            socket
                .send_to(question, "10.77.0.255:67")
                .unwrap_or_else(|error| panic!("it cannot ask: {error}"));
            sent += 1;
        }
        let quiet = socket.set_read_timeout(Some(SHORT_PATIENCE));
        quiet.unwrap_or_else(|error| panic!("no time limit: {error}"));
        while answered < sent && socket.recv(&mut [0; 2048]).is_ok() {
            answered += 1;
        }
        (sent, answered)
    });
    asked.join().unwrap_or_else(|_| panic!("the machines cannot ask"))
}

/// PXE firmware with this hardware address, at a host's own address, asks a boot server's port 4011
/// (PXE 2.1 §2.2.3), and waits for no answer.
///
/// # Panics
/// When it cannot ask.
pub fn ask_boot_server(lab: &Lab, host: &str, own: Ipv4Addr, server: &str, address: [u8; 6]) {
    let mut question = discover(address);
    question[10] = 0;
    question[12..16].copy_from_slice(&own.octets());
    question[242] = 3; // a DHCPREQUEST
    let server = format!("{server}:4011");
    let asked = lab.inside(host, move || {
        let sent = UdpSocket::bind("0.0.0.0:68").and_then(|socket| socket.send_to(&question, &server));
        sent.unwrap_or_else(|error| panic!("{server}: {error}"));
    });
    asked.join().unwrap_or_else(|_| panic!("the machine cannot ask"));
}

/// The same by broadcast, or to port 4011 of `server` from the host's own address; whether an
/// answer comes within two seconds.
///
/// # Panics
/// When it cannot ask.
pub fn is_answered(lab: &Lab, host: &str, own: Ipv4Addr, server: Option<&str>, address: [u8; 6]) -> bool {
    let mut question = discover(address);
    let to = match server {
        None => "10.77.0.255:67".to_owned(),
        Some(server) => {
            question[10] = 0;
            question[12..16].copy_from_slice(&own.octets());
            question[242] = 3; // a DHCPREQUEST
            format!("{server}:4011")
        }
    };
    let asked = lab.inside(host, move || {
        let socket = UdpSocket::bind("0.0.0.0:68").unwrap_or_else(|error| panic!("port 68: {error}"));
        let set = socket.set_broadcast(true).and_then(|()| socket.set_read_timeout(Some(SHORT_PATIENCE)));
        set.unwrap_or_else(|error| panic!("no broadcasts: {error}"));
        socket.send_to(&question, &to).unwrap_or_else(|error| panic!("{to}: {error}"));
        socket.recv(&mut [0; 2048]).is_ok()
    });
    asked.join().unwrap_or_else(|_| panic!("the machine cannot ask"))
}

/// The answer to firmware.
#[derive(Debug)]
pub struct PxeAnswer(Vec<u8>);

impl PxeAnswer {
    /// The first answer to a DHCPDISCOVER by broadcast.
    ///
    /// # Panics
    /// When none comes.
    pub fn to_discover(lab: &Lab, host: &str, address: [u8; 6]) -> Self {
        Self::to(lab, host, "10.77.0.255:67".to_owned(), discover(address))
    }

    /// The answer of a boot server's port 4011 to the choice of a menu item (PXE 2.1 §2.2.5).
    ///
    /// # Panics
    /// When none comes.
    pub fn to_item(
        lab: &Lab,
        host: &str,
        own: Ipv4Addr,
        server: &str,
        address: [u8; 6],
        item: [u8; 4],
    ) -> Self {
        let mut question = discover(address);
        question[10] = 0;
        question[12..16].copy_from_slice(&own.octets());
        question[242] = 3; // a DHCPREQUEST
        question.pop();
        question.extend([43, 7, 71, 4]);
        question.extend(item);
        question.extend([255, 255]);
        Self::to(lab, host, format!("{server}:4011"), question)
    }

    fn to(lab: &Lab, host: &str, server: String, question: Vec<u8>) -> Self {
        let asked = lab.inside(host, move || {
            let socket = UdpSocket::bind("0.0.0.0:68").unwrap_or_else(|error| panic!("port 68: {error}"));
            let set = socket.set_broadcast(true).and_then(|()| socket.set_read_timeout(Some(PATIENCE)));
            set.unwrap_or_else(|error| panic!("no broadcasts: {error}"));
            socket.send_to(&question, &server).unwrap_or_else(|error| panic!("{server}: {error}"));
            let mut bytes = [0; 2048];
            let length = socket.recv(&mut bytes).unwrap_or_else(|error| panic!("no answer: {error}"));
            bytes[..length].to_vec()
        });
        PxeAnswer(asked.join().unwrap_or_else(|_| panic!("the machine is not answered")))
    }

    /// The header field `file`, without its zeros.
    pub fn file(&self) -> String {
        let file = self.0[108..236].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(file).into_owned()
    }

    /// The tags of option 43 with their values.
    pub fn vendor_options(&self) -> Option<Vec<(u8, Vec<u8>)>> {
        let (_, value) = tags(&self.0[240..]).into_iter().find(|(code, _)| *code == 43)?;
        Some(tags(&value))
    }
}

/// Codes and values up to the end byte.
fn tags(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let [code, rest @ ..] = bytes {
        match (code, rest) {
            (255, _) => break,
            (0, rest) => bytes = rest,
            (code, [length, rest @ ..]) => {
                let (value, after) = rest.split_at(usize::from(*length));
                all.push((*code, value.to_vec()));
                bytes = after;
            }
            (_, []) => break,
        }
    }
    all
}

/// The DHCPDISCOVER of PXE firmware with this hardware address (RFC 2131, PXE 2.1).
pub fn discover(address: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..3].copy_from_slice(&[1, 1, 6]);
    // The answer is broadcast: an address there is not yet.
    bytes[10] = 0x80;
    bytes[28..34].copy_from_slice(&address);
    bytes.extend([99, 130, 83, 99, 53, 1, 1, 60, 9]);
    bytes.extend(b"PXEClient");
    bytes.extend([93, 2, 0, 7, 94, 3, 1, 3, 16, 255]);
    bytes
}

const SHORT_PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(5);
