use tftp::{Packet, RequestOptions, Sender, ServerLimits, negotiate};

use netbootd_config::Unproved;
use netbootd_content::Requested;
use netbootd_net::udp::Endpoint;

use super::*;
use crate::limits::budget::Budget;
use crate::listen::tftp::facts::Facts;
use crate::listen::tftp::ports::SharedPort;

struct Fixture {
    transfers: Arc<Transfers>,
    places: Arc<SessionLimits>,
    bounds: Bounds,
    start: Instant,
    endpoint: Arc<Endpoint>,
}

fn fixture(unproved: usize) -> Fixture {
    let unproved = Some(Unproved { client: 100, all: unproved });
    Fixture {
        transfers: Arc::default(),
        places: Arc::default(),
        bounds: Bounds { all: 10, network: 10, client: 10, unproved },
        start: Instant::now(),
        endpoint: Arc::new(Endpoint::bind_one(([127, 0, 0, 1], 0).into()).unwrap()),
    }
}

fn peer(n: u16) -> SocketAddr {
    let [high, low] = n.to_be_bytes();
    ([10, 0, high, low], 2070).into()
}

const REQUEST: &[u8] = b"\0\x01file\0octet\0";

impl Fixture {
    fn asked<'a>(&'a self, after: Duration, from: SocketAddr, request: &'a [u8]) -> Asked<'a> {
        let (places, bounds) = (&self.places, &self.bounds);
        Asked { now: self.start + after, from, request, ports: Ports::Own, places, bounds }
    }

    /// A transfer of two blocks that waits on a shared port.
    fn waiting(&self, number: u16) -> Waiting {
        let negotiated = negotiate(&RequestOptions::default(), &ServerLimits::default(), 600);
        let facts = Facts {
            path: Arc::new(Requested::new(*b"file")),
            len: 600,
            etag: String::new(),
            first: [7; 512].into(),
            program: None,
            configuration: None,
        };
        let port = SharedPort { endpoint: Arc::clone(&self.endpoint), number };
        let sender = Sender::new(negotiated, 600, self.start).0;
        let in_flight = Arc::new(Budget::default()).reserve(600, 512, 1000);
        Waiting::new(port, [127, 0, 0, 1].into(), sender, Arc::new(facts), in_flight)
    }

    fn wait(&self, after: Duration, n: u16, port: u16, request: &[u8]) -> Result<usize, NotAdmitted> {
        self.transfers.admit_waiting(self.asked(after, peer(n), request), self.waiting(port))
    }

    fn acknowledge(&self, n: u16, port: u16, block: u16) -> Heard {
        let packet = Packet::Ack { block, next_window: None };
        self.transfers.hear(self.start, (peer(n), port), (&packet, b""), || self.bounds)
    }

    fn counts(&self) -> (usize, usize, usize) {
        let table = self.transfers.lock();
        (table.entries.len() + table.older.len(), table.unproved.len(), self.places.taken())
    }
}

#[tokio::test]
async fn who_asks_once_more_takes_nothing_from_the_transfer_that_may_have_been_answered_meanwhile() {
    let f = fixture(100);
    let ask = |after, request| f.transfers.admit(f.asked(after, peer(1), request));
    let mut first = ask(Duration::ZERO, b"file").ok().unwrap().inbox;
    assert!(matches!(ask(Duration::from_millis(900), b"file"), Err(NotAdmitted::Repeated)));
    let mut second = ask(Duration::from_secs(2), b"file").ok().unwrap().inbox;
    assert!(matches!(first.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
    // A client that asks for another file has given up the first one.
    assert!(ask(Duration::from_secs(3), b"other").is_ok());
    assert!(matches!(second.try_recv(), Ok(Mail::Superseded)));
}

#[tokio::test]
async fn the_oldest_transfer_that_nobody_acknowledges_makes_room_and_those_that_are_acknowledged_stay() {
    let f = fixture(4);
    let ask = |n: u16| {
        let Begun { number, inbox, evicted } =
            f.transfers.admit(f.asked(Duration::ZERO, peer(n), b"file")).ok().unwrap();
        (Admitted { transfers: Arc::clone(&f.transfers), from: peer(n), number }, inbox, evicted)
    };
    let mut first: Vec<_> = (0..3).map(ask).collect();
    first[0].0.proved(&f.bounds).unwrap();
    let late: Vec<_> = (3..40).map(ask).collect();
    // Three of four have a task. One place came free when the first was acknowledged; from then on
    // each takes another's.
    assert_eq!(late.iter().map(|(_, _, evicted)| evicted).sum::<usize>(), 36);
    assert!(matches!(first[0].1.try_recv(), Err(mpsc::error::TryRecvError::Empty)));
    for (_, inbox, _) in &mut first[1..] {
        assert!(matches!(inbox.try_recv(), Ok(Mail::Evicted)));
    }
    assert_eq!(first[1].0.proved(&f.bounds), Err(Full::Unproved));
    assert_eq!((f.places.taken(), f.places.unproved()), (4, 3));
    drop((first, late));
    assert_eq!(f.places.taken(), 0);
}

#[tokio::test]
async fn those_that_wait_are_bounded_and_hold_nothing_once_they_left() {
    let f = fixture(50);
    let evicted: usize = (0..10_000).map(|n| f.wait(Duration::ZERO, n, 1, REQUEST).unwrap()).sum();
    assert_eq!(evicted, 9950);
    assert_eq!(f.counts(), (50, 50, 50));
    assert!(matches!(f.acknowledge(9_000, 2, 1), Heard::Unknown), "it guesses at the port");
    assert!(matches!(f.acknowledge(9_000, 1, 1), Heard::Unknown), "one guess ends it");
    assert!(matches!(f.acknowledge(9_001, 1, 1), Heard::Evicted(evicted) if *evicted.request == *REQUEST));
    assert!(matches!(f.acknowledge(100, 1, 1), Heard::Unknown), "newer ones are remembered");
    assert!(matches!(f.acknowledge(9_990, 1, 1), Heard::Promoted(_)));
    assert_eq!((f.counts(), f.transfers.with_tasks()), ((50, 49, 50), 1));
    let later = f.start + Duration::from_secs(60);
    while f.transfers.some_wait() {
        f.transfers.due(later, |_, _, _| {});
    }
    assert_eq!(f.counts(), (1, 0, 1));
}

#[tokio::test]
async fn clients_that_go_on_and_on_to_other_files_leave_a_few_requests_behind() {
    let f = fixture(50);
    for n in 0..1000_u16 {
        let request = format!("file {n}");
        f.wait(Duration::ZERO, n % 10, 1, request.as_bytes()).unwrap();
    }
    // Of each client what it asked last, and the eight requests before, without a place.
    assert_eq!(f.counts(), (90, 90, 10));
    f.transfers.due(f.start + Duration::from_secs(2), |_, _, _| {});
    f.transfers.due(f.start + Duration::from_secs(2), |_, _, _| {});
    assert_eq!(f.counts().2, 10);
}

#[tokio::test]
async fn acknowledgements_that_guess_at_the_port_end_what_they_were_to_prove() {
    let f = fixture(50);
    f.wait(Duration::ZERO, 1, 7, REQUEST).unwrap();
    assert!(matches!(f.acknowledge(1, 8, 1), Heard::Taken), "one may be a former transfer's");
    assert!(matches!(f.acknowledge(2, 7, 1), Heard::Unknown));
    assert!(matches!(f.acknowledge(1, 9, 1), Heard::Taken));
    assert!(matches!(f.acknowledge(1, 7, 1), Heard::Unknown), "two wrong ones are a guess");
    assert_eq!(f.counts(), (0, 0, 0));
}

#[tokio::test]
async fn what_is_not_the_first_acknowledgement_proves_nothing() {
    let f = fixture(50);
    f.wait(Duration::ZERO, 1, 7, REQUEST).unwrap();
    for block in [0, 2, 3, 65535] {
        assert!(matches!(f.acknowledge(1, 7, block), Heard::Taken), "{block}");
    }
    assert_eq!((f.counts(), f.transfers.with_tasks()), ((1, 1, 1), 0));
    let Heard::Promoted(promoted) = f.acknowledge(1, 7, 1) else { panic!() };
    assert!(promoted.step.send.is_some() && promoted.waiting.sender.is_proved());
    assert_eq!((f.counts(), f.transfers.with_tasks()), ((1, 0, 1), 1));
    // From here on its task hears what comes to the shared port.
    assert!(matches!(f.acknowledge(1, 7, 2), Heard::Taken));
    let mut inbox = promoted.inbox;
    assert!(matches!(inbox.try_recv(), Ok(Mail::Datagram(_))));
}

#[tokio::test]
async fn who_asked_once_more_may_acknowledge_either_answer() {
    for port in [7, 8] {
        let f = fixture(50);
        f.wait(Duration::ZERO, 1, 7, REQUEST).unwrap();
        f.wait(Duration::from_secs(2), 1, 8, REQUEST).unwrap();
        assert!(matches!(f.acknowledge(1, port, 1), Heard::Promoted(_)));
        assert_eq!(f.counts(), (2, 1, 2));
    }
}
