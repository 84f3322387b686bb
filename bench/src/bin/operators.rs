//! The cost of operators: the boot path with pages open beside pages closed, the server's time for a
//! page, its weight, and 64 viewers while machines ask.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netbootd_tests::browser::Browser;
use netbootd_tests::netbootd::{SERVER, program};
use netbootd_tests::{Lab, Netbootd, Process, firmware, wait};
use socket2::{Domain, Socket, Type};

fn main() {
    let site = Site::start();
    site.hear_of(0..1000);
    let pages = site.pages();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does meets both alike.
    for _ in 0..ROUNDS {
        without.push(site.boot());
        pages.open();
        with.push(site.boot());
        pages.close();
    }
    site.hear_of(1000..10_500);
    let times = |path, holds| {
        let mut times: Vec<f64> = (0..200).map(|_| site.time(path, holds)).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let status = times("/status", "\"machines\":10000");
    let page = times("/machines", "1 to 50 of");
    let weight = |path| site.weight(path) as f64 / 1e3;
    let (now_weight, list_weight) = (weight("/"), weight("/machines"));
    let (quiet, storm) = (site.storm(0), site.storm(VIEWERS));
    let share = |storm: &Storm| storm.answered as f64 / storm.asked as f64 * 100.0;
    let morph = site.morph();
    print(&format!(
        "| what | figure | wanted |\n| --- | --- | --- |\n\
         | {MACHINES} machines boot, 1,000 known, {} pages open: time beside none open | {:.3} | 1.03 |\n\
         | `/status` with 10,000 machines: median, p99 | {:.2} ms, {:.2} ms | 5 ms |\n\
         | 50 of 10,000 machines on a page: median, p99 | {:.2} ms, {:.2} ms | 5 ms |\n\
         | the first page, and the list, with their assets, cold | {now_weight:.0} kB, {list_weight:.0} kB | 130 kB |\n\
         | {VIEWERS} viewers while {STORM_RATE} machines a second ask: more processor time than with none, of a core | {:.1} % | 5 % |\n\
         | questions answered meanwhile, with none and with {VIEWERS} viewers | {:.2} %, {:.2} % | 100 % |\n\
         | 50 rows changed in the browser: median, p95 | {:.1} ms, {:.1} ms | — |\n\
         | changed parts that went to the open pages | {} times | — |",
        PAGES.len(),
        median(with) / median(without),
        status[100],
        status[198],
        page[100],
        page[198],
        (storm.processor - quiet.processor) * 100.0,
        share(&quiet),
        share(&storm),
        morph[morph.len() / 2],
        morph[morph.len() * 95 / 100],
        pages.parts.load(Ordering::SeqCst)
    ));
}

/// Machines that ask at a rate of their own, whatever else the server does.
struct Storm {
    /// Processor time of the server a second, of one core.
    processor: f64,
    asked: usize,
    answered: usize,
}

/// A server and its clients in a network of their own.
struct Site {
    lab: Lab,
    netbootd: Process,
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
        Site { lab, netbootd }
    }

    /// Machines with these numbers ask, each once the one before it is answered.
    fn hear_of(&self, numbers: std::ops::Range<u32>) {
        firmware::ask(&self.lab, "client", numbers.map(address));
    }

    /// Machines boot one after the other: DHCP, then the file by TFTP. Gives the seconds.
    fn boot(&self) -> f64 {
        let started = Instant::now();
        self.hear_of(0..200);
        for _ in 0..MACHINES {
            let mut fetch = self.lab.command("client", &program());
            let fetched = fetch
                .args(["probe", "tftp", "--as-machine", SERVER, "boot.img"])
                .output()
                .expect("the probe starts");
            assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
        }
        started.elapsed().as_secs_f64()
    }

    /// Bytes of a page with its style, scripts and icon.
    fn weight(&self, path: &'static str) -> usize {
        let asked = self.lab.inside("server", move || {
            let page = get(path);
            // Attributes have character references for the slashes.
            let plain = page.replace("&#x2f;", "/");
            let assets = plain.split('"').filter(|word| word.starts_with("/assets/"));
            page.len() + assets.map(|asset| get(asset).len()).sum::<usize>()
        });
        asked.join().expect("the page is shown")
    }

    /// Machines ask while so many pages are open: fewer than the limits of one machine and of one
    /// link, which count what `boot` asked as well.
    fn storm(&self, viewers: u8) -> Storm {
        let opened = self.lab.inside("server", move || {
            (0..viewers)
                .map(|n| {
                    let view = if n % 2 == 0 { "%2F" } else { "%2Fmachines" };
                    let stream = ask_from([127, n / 16, 0, 2], &format!("/live?view={view}"));
                    let mut read = stream.try_clone().expect("a socket has two halves");
                    thread::spawn(
                        move || while read.read(&mut [0; 65_536]).is_ok_and(|length| length > 0) {},
                    );
                    stream
                })
                .collect::<Vec<TcpStream>>()
        });
        let streams = opened.join().expect("the pages open");
        let (before, started) = (self.processor_seconds(), Instant::now());
        let machines: Vec<[u8; 6]> = (0..STORM_RATE).map(address).collect();
        let (asked, answered) = firmware::ask_at_rate(&self.lab, "client", &machines, STORM_RATE, STORM);
        let processor = (self.processor_seconds() - before) / started.elapsed().as_secs_f64();
        for stream in streams {
            let _ = stream.shutdown(std::net::Shutdown::Both); // it ends either way
        }
        Storm { processor, asked, answered }
    }

    /// The server's processor time so far, in seconds: fields 14 and 15 of proc(5)'s stat, in ticks
    /// of 10 ms.
    fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.netbootd.id())).unwrap_or_default();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or_default();
        (ticks(11) + ticks(12)) / 100.0
    }

    /// Milliseconds for which a browser changes the list of machines, sorted.
    fn morph(&self) -> Vec<f64> {
        let browser = Browser::start(&self.lab, "server", 1400, 900);
        browser.open("http://127.0.0.1:9167/machines");
        let times = browser.run(MORPH);
        let mut times: Vec<f64> =
            times.as_array().into_iter().flatten().filter_map(|time| time.as_f64()).collect();
        assert!(!times.is_empty(), "nothing was changed");
        times.sort_by(f64::total_cmp);
        times
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

    /// The pages of an operator, which nobody has open yet.
    fn pages(&self) -> Arc<Pages> {
        let pages = Arc::new(Pages::default());
        for page in PAGES {
            let pages = Arc::clone(&pages);
            let started = self.lab.inside("server", move || {
                thread::spawn(move || {
                    loop {
                        while !pages.is_open.load(Ordering::SeqCst) {
                            thread::sleep(Duration::from_millis(5));
                        }
                        pages.follow(page);
                    }
                });
            });
            started.join().expect("a page opens");
        }
        pages
    }
}

/// Pages that are open beside the boot path, as long as they are to be.
#[derive(Default)]
struct Pages {
    is_open: AtomicBool,
    following: AtomicUsize,
    /// How often parts of them came.
    parts: AtomicUsize,
}

impl Pages {
    /// Opens all of them, and waits until each follows its stream.
    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        self.wait_for(PAGES.len());
    }

    fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.wait_for(0);
    }

    fn wait_for(&self, many: usize) {
        let follow = || self.following.load(Ordering::SeqCst) == many;
        wait::until(Duration::from_secs(30), follow, || format!("not {many} pages follow"));
    }

    /// Fetches what the page's `app.js` fetches, as often.
    fn follow(&self, page: &str) {
        assert!(get(page).contains("Machines"));
        let stream = ask(&format!("/live?view={page}"));
        stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket can wait");
        let (mut events, mut greeted) = (BufReader::new(stream), false);
        while self.is_open.load(Ordering::SeqCst) {
            let mut line = String::new();
            let _ = events.read_line(&mut line); // none in time is as good
            if line.contains("event: hello") && !greeted {
                greeted = true;
                self.following.fetch_add(1, Ordering::SeqCst);
            } else if line.contains("event: parts") {
                self.parts.fetch_add(1, Ordering::SeqCst);
            }
        }
        if greeted {
            self.following.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The hardware address of a numbered machine.
fn address(number: u32) -> [u8; 6] {
    let [a, b, c, d] = number.to_be_bytes();
    [0x52, 0x54, a, b, c, d]
}

fn ask(path: &str) -> TcpStream {
    ask_from([127, 0, 0, 1], path)
}

fn ask_from(client: [u8; 4], path: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    socket.bind(&SocketAddr::from((client, 0)).into()).expect("the loopback has many addresses");
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], 9167)).into()).expect("the status port is there");
    let mut stream = TcpStream::from(socket);
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
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

/// Changed rows, as the page's own script takes them from its stream.
const MORPH: &str = "const times = [];
    for (let turn = 0; turn < 40; turn += 1) {
      const rows = [...document.querySelectorAll('tbody tr')].map((row) =>
        [row.id, row.outerHTML.replace(/now|ago|turn \\d+/, `turn ${turn}`)]);
      const began = performance.now();
      for (const [id, html] of rows) put(id, html);
      times.push(performance.now() - began);
    }
    return times;";
const VIEWERS: u8 = 64;
const STORM: Duration = Duration::from_secs(20);
/// Questions a second, each of another machine.
const STORM_RATE: u32 = 500;
/// The pages that are open beside the boot path.
const PAGES: [&str; 5] = ["/", "/machines", "/images", "/server", "/wall"];
const ROUNDS: usize = 61;
const MACHINES: usize = 6;
