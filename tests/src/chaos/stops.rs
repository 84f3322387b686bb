//! SIGTERM and SIGHUP while clients read: a reload drops nobody, and who stops lets transfers end,
//! for a while.

use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::clients::{Ended, http, tftp};
use super::machines::Machines;
use super::seed::Seed;
use super::site::{FILE, FLEET, Site};

/// Stops netbootd under two slow clients, so many times: until they are done, until the limit,
/// until a second signal. Gives the words for the line.
///
/// # Panics
/// When a transfer is dropped, or one holds netbootd up.
pub fn stops(count: u32) -> String {
    for _ in 0..count {
        lets_transfers_end();
        cuts_short("stop-timeout = \"1s\"\n", 1, "by=\"the limit\"");
        cuts_short("stop-timeout = \"1h\"\n", 2, "by=\"a second signal\"");
    }
    "transfers under way came whole, new requests were told no, silent clients held nobody up".into()
}

/// Reloads netbootd so many times under two slow clients. Gives the words for the line.
///
/// # Panics
/// When a transfer is dropped.
pub fn reloads(count: u32) -> String {
    let mut site = Site::new(None, 0, "");
    let huge = put_huge(&site);
    site.start();
    let (by_tftp, by_http) = (Slow::begin(&site, tftp, FILE), Slow::begin(&site, http, HUGE));
    for number in 1..=count {
        site.configure(&format!("stop-timeout = \"{number}s\"\n"));
        site.signal(Signal::SIGHUP);
        let taken_up = usize::try_from(number).unwrap_or(usize::MAX);
        site.process().wait_for_count("configuration reloaded", taken_up, PATIENCE);
        by_tftp.go_on();
        by_http.go_on();
    }
    assert!(by_tftp.end() == Ended::Whole(site.content.clone()), "{}", site.process().printed());
    assert!(by_http.end() == Ended::Whole(huge), "{}", site.process().printed());
    "both transfers came whole".into()
}

fn lets_transfers_end() {
    let mut site = Site::new(None, 0, "");
    let huge = put_huge(&site);
    site.start();
    let (by_tftp, by_http) = (Slow::begin(&site, tftp, FILE), Slow::begin(&site, http, HUGE));
    site.signal(Signal::SIGTERM);
    site.process().wait_for("stopping once transfers end", PATIENCE);
    let late = site.lab.inside(FLEET, || (tftp(FILE, |_| true), http(FILE, |_| true)));
    let (late_tftp, late_http) = late.join().expect("the clients go on");
    assert_eq!(late_tftp, Ended::Told("this server is stopping".into()));
    // The kernel may have taken the connection before nobody listened any more.
    assert!(late_http == Ended::Broke || late_http == Ended::Told("503".into()), "{late_http:?}");
    assert_eq!(Machines::new(&site.lab, FLEET).ask(1), None, "no address is given");
    assert!(by_tftp.end() == Ended::Whole(site.content.clone()), "{}", site.process().printed());
    assert!(by_http.end() == Ended::Whole(huge), "{}", site.process().printed());
    let (well, said) = site.wait_for_end();
    assert!(well && !said.contains("cut short"), "{said}");
}

/// A client that reads no further does not hold it up.
fn cuts_short(configuration: &str, signals: usize, words: &str) {
    let mut site = Site::new(None, 0, configuration);
    put_huge(&site);
    site.start();
    let silent = Slow::begin(&site, http, HUGE);
    for number in 0..signals {
        site.signal(Signal::SIGTERM);
        if number == 0 {
            site.process().wait_for("stopping once transfers end", PATIENCE);
        }
    }
    let (well, said) = site.wait_for_end();
    assert!(well && said.contains(words), "{said}");
    assert_eq!(silent.end(), Ended::Broke);
}

/// A client that stops in the middle of a file, and reads on when it is told to.
pub(super) struct Slow {
    go: Sender<()>,
    reader: JoinHandle<Ended>,
}

/// Told how much has come; says whether to go on.
pub(super) type Between = Box<dyn FnMut(usize) -> bool>;

impl Slow {
    /// Returns once the client has some of the file.
    pub(super) fn begin<F>(site: &Site, read: F, file: &'static str) -> Self
    where
        F: FnOnce(&str, Between) -> Ended + Send + 'static,
    {
        let (begun, begins) = channel();
        let (go, goes): (Sender<()>, Receiver<()>) = channel();
        let reader = site.lab.inside(FLEET, move || {
            let mut next = STEP;
            read(
                file,
                Box::new(move |have| {
                    if have >= next {
                        next += STEP;
                        let _ = begun.send(()); // only the first time somebody waits for it
                        let _ = goes.recv(); // a dropped sender lets it read to the end
                    }
                    true
                }),
            )
        });
        begins.recv_timeout(PATIENCE).expect("the transfer begins");
        Slow { go, reader }
    }

    /// Moves the stop one step further.
    fn go_on(&self) {
        let _ = self.go.send(()); // it may be at the end
    }

    /// Runs the stop to its end.
    pub(super) fn end(self) -> Ended {
        drop(self.go);
        self.reader.join().expect("the client goes on")
    }
}

/// A file that no socket's buffers hold.
fn put_huge(site: &Site) -> Vec<u8> {
    let huge = Seed::new(2).bytes(40 << 20);
    fs::write(site.lab.folder().join("root").join(HUGE), &huge).expect("the folder can be written");
    huge
}

const HUGE: &str = "huge.img";
/// Bytes between two stops of a slow client.
const STEP: usize = 100_000;
const PATIENCE: Duration = Duration::from_secs(30);
