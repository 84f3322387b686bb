//! What operators cost: the boot path with the page open beside it closed, and how long `/status` takes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::in_turns;
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{Lab, Netbootd, Process, firmware};

fn main() {
    let site = Site::start();
    site.hear_of(0..1000);
    let open = Arc::new(AtomicBool::new(false));
    let rendered = site.look_at_page(&open);
    let mut closed = || site.boot();
    let mut opened = || {
        open.store(true, Ordering::SeqCst);
        site.boot();
        open.store(false, Ordering::SeqCst);
    };
    let [without, with] = in_turns(ROUNDS, [&mut closed, &mut opened]);
    site.hear_of(1000..10_500);
    let times = |path, holds| {
        let mut times: Vec<f64> = (0..200).map(|_| site.time(path, holds)).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let status = times("/status", "\"machines\":10000");
    let page = times("/machines", "1 to 50 of");
    print(&format!(
        "| what | figure | wanted |\n| --- | --- | --- |\n\
         | {MACHINES} machines boot, 1,000 known, page open: time beside the page closed | {:.3} | 1.03 |\n\
         | `/status` with 10,000 machines: median, p99 | {:.2} ms, {:.2} ms | 5 ms |\n\
         | 50 of 10,000 machines on a page: median, p99 | {:.2} ms, {:.2} ms | 5 ms |\n\
         | changed parts that went to the open page | {} times | — |",
        with.median() / without.median(),
        status[100],
        status[198],
        page[100],
        page[198],
        rendered.load(Ordering::SeqCst)
    ));
}

/// A server and its clients in a network of their own.
struct Site {
    lab: Lab,
    _netbootd: Process,
}

impl Site {
    fn start() -> Self {
        let mut lab = Lab::new();
        let root = Netbootd::prepare(&mut lab);
        lab.add_host("client");
        lab.plug("client", "eth0", "br0", "10.77.0.50/24");
        fs::write(root.join("boot.img"), vec![0x5a; 16 << 20]).expect("the folder can be written");
        let config = lab.folder().join("netbootd.toml");
        let text = format!(
            "[server]\nuser = \"root\"\nstate-dir = {:?}\nlog-file = {:?}\ninterfaces = [\"lan0\"]\n[boot]\nroot = {root:?}\n\
             [[rule]]\nname = \"image\"\naction.boot = {{ file = \"boot.img\" }}\n",
            lab.folder().join("state"),
            lab.folder().join("log"),
        );
        fs::write(&config, text).expect("the folder can be written");
        let mut command = lab.command("server", &program());
        let netbootd = Process::start("netbootd", command.args(["serve", "--config"]).arg(&config));
        lab.wait_for_ports("server", "127.0.0.1", &[9167]);
        Site { lab, _netbootd: netbootd }
    }

    /// Machines with these numbers ask, each once the one before it is answered.
    fn hear_of(&self, numbers: std::ops::Range<u32>) {
        let address = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            [0x52, 0x54, a, b, c, d]
        };
        firmware::ask(&self.lab, "client", numbers.map(address));
    }

    /// Machines boot one after the other: DHCP, then the file by TFTP.
    fn boot(&self) {
        self.hear_of(0..200);
        for _ in 0..MACHINES {
            let mut fetch = self.lab.command("client", &program());
            let fetched = fetch
                .args(["probe", "tftp", "--as-machine", SERVER, "boot.img"])
                .output()
                .expect("the probe starts");
            assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
        }
    }

    /// Milliseconds for one answer.
    fn time(&self, path: &'static str, holds: &'static str) -> f64 {
        let asked = self.lab.inside("server", move || {
            let started = Instant::now();
            let answer = get(path);
            assert!(answer.contains(holds), "{answer}");
            started.elapsed().as_secs_f64() * 1e3
        });
        asked.join().expect("the status is told")
    }

    /// An open page, as long as `open` says so: it follows its stream. Gives how often parts of it
    /// came.
    fn look_at_page(&self, open: &Arc<AtomicBool>) -> Arc<AtomicUsize> {
        let rendered = Arc::new(AtomicUsize::new(0));
        let (open, counted) = (Arc::clone(open), Arc::clone(&rendered));
        let started = self.lab.inside("server", move || {
            thread::spawn(move || {
                loop {
                    while !open.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_millis(5));
                    }
                    look(&open, &counted);
                }
            });
        });
        started.join().expect("a page opens");
        rendered
    }
}

/// What `app.js` does.
fn look(open: &AtomicBool, rendered: &AtomicUsize) {
    assert!(get("/").contains("Machines"));
    let stream = ask("/live?view=%2F");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket can wait");
    let mut events = BufReader::new(stream);
    while open.load(Ordering::SeqCst) {
        let mut line = String::new();
        let _ = events.read_line(&mut line); // none in time is as good
        if line.contains("event: parts") {
            rendered.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn ask(path: &str) -> TcpStream {
    let mut stream = TcpStream::connect("127.0.0.1:9167").expect("the status port is there");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the status port listens");
    stream
}

fn get(path: &str) -> String {
    let mut answer = String::new();
    ask(path).read_to_string(&mut answer).expect("the status port answers");
    answer
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}

const ROUNDS: usize = 61;
const MACHINES: usize = 6;
