//! A netbootd that things happen to: the full DHCP service, Required deployments, files, a store;
//! its clients behind a relay.

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::macs;
use super::seed::Seed;
use crate::process::stand_still;
use crate::relayed::mac;
use crate::{Lab, Process, netbootd};

/// netbootd and its network.
pub(super) struct Site {
    pub(super) lab: Lab,
    pub(super) state: PathBuf,
    pub(super) content: Vec<u8>,
    addresses: &'static str,
    limits: &'static str,
    process: Option<Process>,
}

/// netbootd's address in the test's network.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The host that the clients live in.
pub(super) const FLEET: &str = "fleet";
/// The clients' host, as the server has it.
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
/// The relay that machines are behind, in the clients' host.
pub(super) const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// A file that clients read.
pub(super) const FILE: &str = "big.img";

impl Site {
    /// With the state in this folder, and every other of so many machines having a Required
    /// deployment.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub(super) fn new(state: Option<&Path>, machines: u32, more: &str) -> Self {
        let mut lab = Lab::new();
        for (host, address) in [("server", SERVER), (FLEET, ROUTER)] {
            lab.add_host(host);
            lab.plug(host, "lan0", "br0", &format!("{address}/24"));
        }
        lab.ip("server", &format!("route add 10.78.0.0/16 via {ROUTER}"));
        lab.ip(FLEET, &format!("addr add {RELAY}/32 dev lo"));
        let folder = lab.folder();
        let state = state.map_or_else(|| folder.join("state"), Path::to_owned);
        let program = folder.join("root/PS100005/boot/x64/bootmgfw.efi");
        fs::create_dir_all(program.parent().unwrap_or(&folder)).expect("the folder can be written");
        fs::write(program, "a boot program").expect("the folder can be written");
        let content = Seed::new(1).bytes(3 << 20);
        fs::write(folder.join("root").join(FILE), &content).expect("the folder can be written");
        let mut devices = String::from("name,mac,image,deployment,purpose\n");
        for n in (0..machines).step_by(2) {
            let mac = mac(n).map(|byte| format!("{byte:02x}")).join(":");
            devices += &format!("pc-{n},{mac},PS100005,reimage,required\n");
        }
        fs::write(folder.join("devices.csv"), devices).expect("the folder can be written");
        macs::put_images(&folder.join("share"));
        let site = Site { lab, state, content, addresses: ADDRESSES, limits: NO_LIMITS, process: None };
        site.configure(more);
        site
    }

    /// The same with the limits that netbootd has by itself.
    #[must_use]
    pub(super) fn limited(self) -> Self {
        let site = Site { limits: "", ..self };
        site.configure("");
        site
    }

    /// The same with another DHCP service, which tables give. It has no configuration yet.
    #[must_use]
    pub(super) fn with_addresses(self, addresses: &'static str) -> Self {
        Site { addresses, ..self }
    }

    /// Writes the configuration; `more` begins with keys of `[server]`, if with any.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub(super) fn configure(&self, more: &str) {
        let folder = self.lab.folder();
        let text = format!(
            "[boot]\nroot = {:?}\n[devices]\nfile = {:?}\n[[netboot.share]]\nname = \"NetBootSP0\"\nfolder = {:?}\n{}{}[server]\nuser = \"root\"\nstate-dir = {:?}\ninterfaces = [\"lan0\"]\n{more}",
            folder.join("root"),
            folder.join("devices.csv"),
            folder.join("share"),
            self.addresses,
            self.limits,
            self.state
        );
        fs::write(folder.join("netbootd.toml"), text).expect("the folder can be written");
    }

    /// Starts it, without waiting.
    pub(super) fn spawn(&mut self) {
        let mut command = self.lab.command("server", &netbootd::program());
        command.args(["serve", "--config"]).arg(self.lab.folder().join("netbootd.toml"));
        self.process = Some(Process::start("netbootd", &mut command));
    }

    /// Starts it, and waits until it is ready; gives how long that took.
    pub(super) fn start(&mut self) -> Duration {
        let began = Instant::now();
        self.spawn();
        self.process().wait_for(" ready ", PATIENCE);
        began.elapsed()
    }

    /// Ends it by SIGKILL.
    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// From now on it says nothing any more.
    pub(super) fn stand_still(&self) {
        stand_still(self.process().id());
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub(super) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process().id()).expect("a process number");
        kill(Pid::from_raw(id), signal).expect("netbootd runs");
    }

    /// Waits until it has ended by itself; gives whether well, and what it said.
    pub(super) fn wait_for_end(&mut self) -> (bool, String) {
        let mut process = self.process.take().expect("netbootd was started");
        let status = process.wait_for_end(PATIENCE);
        (status.success(), process.printed())
    }

    /// The running program.
    ///
    /// # Panics
    /// When it does not run.
    pub(super) fn process(&self) -> &Process {
        self.process.as_ref().expect("netbootd was started")
    }

    /// The answer of the control socket.
    ///
    /// # Panics
    /// When it says nothing.
    pub(super) fn api(&self, path: &str) -> serde_json::Value {
        let mut stream = UnixStream::connect(self.state.join("control.sock")).expect("the control socket");
        let request = format!("GET {path} HTTP/1.1\r\nHost: netbootd\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("the control socket takes a request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the control socket answers");
        let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map_or(0, |at| at + 4);
        serde_json::from_slice(&answer[body..])
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", String::from_utf8_lossy(&answer)))
    }

    /// The timeline and the finding of a machine, as the control socket has them.
    pub(super) fn status(&self, mac: &str) -> serde_json::Value {
        self.api(&format!("/devices/{mac}"))
    }

    /// The names of the machines that the ledger has.
    pub(super) fn ledger(&self) -> Vec<String> {
        let ledger = self.api("/ledger");
        let entries = ledger.as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["name"].as_str().map(str::to_owned)).collect()
    }
}

const ADDRESSES: &str = "[dhcp]\nmode = \"server\"\nconflict-probe = false\n[[dhcp.subnet]]\nsubnet = \"10.78.0.0/16\"\n\
                         pool = \"10.78.1.0-10.78.250.0\"\n[status]\nenabled = false\n";
/// One relay stands for a whole site and more.
const NO_LIMITS: &str = "[limits.way-packets]\nat-once = 10000000\nper-second = 1000000\n\
                         [limits.new-machines]\nat-once = 10000000\nper-second = 1000000\n\
                         [limits.reply-bytes]\nat-once = 1000000000\nper-second = 1000000000\n";
const PATIENCE: Duration = Duration::from_secs(30);
