use std::fs;
use std::time::Duration;

use netbootd_telemetry::event::testing::{completed, offer, step};

use super::*;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const DAY: u64 = 86_400;

fn mac(n: u32) -> MacAddr {
    let [a, b, c, d] = n.to_be_bytes();
    MacAddr([2, 1, a, b, c, d])
}

fn lines(steps: &[Arc<Recorded>]) -> Lines {
    let mut lines = Lines::default();
    steps.iter().for_each(|step| lines.push(step));
    lines
}

fn words(steps: &[Value]) -> Vec<&str> {
    steps.iter().map(|step| step["what"].as_str().unwrap()).collect()
}

#[test]
fn steps_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let history = History::new(folder.path());
    history.append(lines(&[step(1, offer(MAC)), step(2, offer(OTHER))]));
    drop(history);
    let history = History::new(folder.path());
    history.append(lines(&[step(3, completed(1, MAC, "boot.efi"))]));
    assert_eq!(words(&history.steps(MAC, now).unwrap()), ["offer", "completed"]);
    assert_eq!(history.steps(OTHER, now).unwrap().len(), 1);
    let found = |word: &str| -> Vec<String> {
        let found = history.search(word, 10, now).unwrap();
        found.iter().map(|step| format!("{} {}", step["mac"], step["what"])).collect()
    };
    let (one, two) = ("\"02:00:00:00:00:01\"", "\"02:00:00:00:00:02\"");
    assert_eq!(found("02:00"), [format!("{one} \"completed\""), format!("{two} \"offer\"")]);
    assert_eq!(found("BOOT.efi"), [format!("{one} \"completed\"")]);
    assert!(found("nobody").is_empty());
    assert_eq!(history.search("02:00", 1, now).unwrap().len(), 1);
    assert_eq!(history.lost(), 0);
}

#[test]
fn old_days_go_and_are_not_shown_before() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    history.segments.make_folder().unwrap();
    let now = SystemTime::now();
    let put = |day: u64, step: &Recorded| {
        let mut lines = Lines::default();
        lines.push(step);
        fs::write(history.segments.path(day, 1), lines.text).unwrap();
    };
    put(day(now) - 7, &step(1, offer(MAC)));
    put(day(now) - 6, &step(2, completed(1, MAC, "boot.efi")));
    assert_eq!(words(&history.steps(MAC, now).unwrap()), ["completed"]);
    assert_eq!(history.segments.all().unwrap().len(), 2);
    history.append(lines(&[step(3, offer(OTHER))]));
    history.flush();
    assert_eq!(history.segments.all().unwrap().len(), 2, "the day before a week is gone, today is there");
    assert!(history.steps(MAC, now + Duration::from_secs(7 * DAY)).unwrap().is_empty());
}

#[test]
fn above_its_size_the_oldest_steps_go_and_the_newest_stay() {
    let folder = tempfile::tempdir().unwrap();
    let segments = Segments::new(folder.path().join("history"), 10_000, 50_000);
    let history = History { segments, ..History::new(folder.path()) };
    for n in 0..2000 {
        history.append(lines(&[step(u64::from(n), offer(mac(n)))]));
        history.flush();
    }
    let now = SystemTime::now();
    let on_disk: u64 =
        history.segments.all().unwrap().iter().map(|file| fs::metadata(&file.path).unwrap().len()).sum();
    assert!((40_000..70_000).contains(&on_disk), "{on_disk}");
    assert_eq!(history.steps(mac(1999), now).unwrap().len(), 1);
    assert!(history.steps(mac(0), now).unwrap().is_empty());
    assert_eq!(history.lost(), 0);
}

#[test]
fn a_line_that_was_cut_short_costs_itself_alone() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    history.append(lines(&[step(1, offer(MAC))]));
    drop(history);
    let history = History::new(folder.path());
    let path = history.segments.all().unwrap().pop().unwrap().path;
    let mut torn = fs::read(&path).unwrap();
    torn.extend(b"{\"at\":\"1970-01-01T00:00:02Z\",\"mac\":\"02:00:00:00:00:01\",\"na\xc3");
    fs::write(&path, torn).unwrap();
    history.append(lines(&[step(3, completed(1, MAC, "boot.efi"))]));
    assert_eq!(words(&history.steps(MAC, SystemTime::now()).unwrap()), ["offer", "completed"]);
}

#[test]
fn what_cannot_be_written_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("history"), "in the way").unwrap();
    let history = History::new(folder.path());
    history.append(lines(&[step(1, offer(MAC)), step(2, offer(OTHER))]));
    history.flush();
    assert_eq!(history.lost(), 2);
    fs::remove_file(folder.path().join("history")).unwrap();
    history.append(lines(&[step(3, offer(MAC))]));
    assert_eq!(history.steps(MAC, SystemTime::now()).unwrap().len(), 1);
}

#[test]
fn steps_of_the_state_file_are_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = State::open(folder.path()).unwrap();
    let now = SystemTime::now();
    let today = u32::try_from(day(now)).unwrap();
    let mut old = lines(&[step(1, offer(MAC))]);
    old.text.pop(); // the line's end
    let keys = [(today - 1, MAC.octets(), 5, 0), (today, MAC.octets(), 6, 1), (today, OTHER.octets(), 4, 2)];
    state
        .write_now(|transaction| {
            let mut table = transaction.open_table(table::STEPS)?;
            keys.iter().try_for_each(|key| table.insert(*key, old.text.as_str()).map(drop))?;
            Ok(())
        })
        .unwrap();
    let history = History::new(folder.path());
    history.migrate(&state).unwrap();
    history.migrate(&state).unwrap();
    assert_eq!(history.search("02:00", 10, now).unwrap().len(), 1, "every line is of the first machine");
    assert_eq!(history.steps(MAC, now).unwrap().len(), 3);
    history.append(lines(&[step(1, offer(OTHER))]));
    assert_eq!(history.steps(OTHER, now).unwrap().len(), 1);
}

#[test]
fn a_search_gives_the_newest_machines_and_no_more_than_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    history.append(lines(&(0..500).map(|n| step(u64::from(n), offer(mac(n)))).collect::<Vec<_>>()));
    let found = history.search("02:01", 3, SystemTime::now()).unwrap();
    let macs: Vec<&str> = found.iter().map(|step| step["mac"].as_str().unwrap()).collect();
    assert_eq!(macs, [499, 498, 497].map(|n| mac(n).to_string()));
}

#[tokio::test]
async fn two_read_at_a_time_and_a_third_waits() {
    let folder = tempfile::tempdir().unwrap();
    let history = Arc::new(History::new(folder.path()));
    let held = [history.turn().await, history.turn().await];
    let waiting = Arc::clone(&history);
    let third = tokio::spawn(async move { waiting.turn().await.is_some() });
    tokio::task::yield_now().await;
    assert!(!third.is_finished());
    drop(held);
    assert!(third.await.unwrap());
}

#[test]
fn a_machine_with_very_many_steps_shows_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::new(folder.path());
    let steps: Vec<_> = (0..MOST_LISTED as u64 + 10).map(|n| step(n, offer(MAC))).collect();
    history.append(lines(&steps));
    let shown = history.steps(MAC, SystemTime::now()).unwrap();
    assert_eq!(shown.len(), MOST_LISTED);
    assert!(shown[0]["at"].as_str().unwrap().starts_with("1970-01-01T00:00:10"), "{}", shown[0]);
}
