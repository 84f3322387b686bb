use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use hyper::StatusCode;
use netbootd_config::Config;

use super::*;
use crate::listen::http::record::{About, record};
use crate::listen::requester::Requester;
use crate::services::{Services, Snapshot};

fn part(left: usize) -> (Part, Arc<Services>) {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = Config::parse("", Path::new("test.toml"), Some(folder.path())).unwrap();
    let services = Arc::new(Services::in_memory(Snapshot::new(config, None).unwrap()));
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let record = record(
        &services,
        "file",
        Requester { peer, probe: false },
        left as u64,
        StatusCode::OK,
        About::default(),
    );
    let content = Arc::new(Content::generated(vec![1; left], None));
    (Part { content, at: 0, left, after: 0, record }, services)
}

#[test]
fn what_was_sent_is_taken_off_and_recorded() {
    let files = Arc::new(Handover::default());
    let (part, services) = part(3 << 20);
    let mut data = files.queue(part);
    let mut slices = [IoSlice::new(&[]); 4];
    assert_eq!(data.chunks_vectored(&mut slices), 1);
    assert!(stands_in(&slices[0]) && slices[0].len() == 1 << 20);
    for count in [1 << 20, 5, (2 << 20) - 5] {
        files.sent(count);
        data.advance(count);
        files.check().unwrap();
    }
    assert_eq!(data.remaining(), 0);
    assert!(files.next().is_none());
    assert_eq!(services.recorder.counters().get(&("http", "completed")), Some(&1));
}

#[test]
fn bytes_that_only_stand_for_others_break_the_connection_when_they_are_taken() {
    let files = Arc::new(Handover::default());
    let mut data = files.queue(part(100).0);
    files.sent(10);
    data.advance(10);
    files.check().unwrap();
    let copied = data.copy_to_bytes(20);
    assert_eq!(copied.len(), 20);
    assert!(files.check().is_err());
}
