use std::net::Ipv4Addr;

use super::*;

fn sessions() -> (tempfile::TempDir, Sessions) {
    let folder = tempfile::tempdir().unwrap();
    let sessions = Sessions::open_in(folder.path(), Instant::now(), SystemTime::now());
    (folder, sessions)
}

#[test]
fn a_session_ends_with_its_time_and_when_the_operator_leaves() {
    let ((_folder, sessions), now) = (sessions(), Instant::now());
    let cookie = sessions.open("anna", "secret", now).unwrap();
    let signed = sessions.find(&cookie, now).unwrap();
    assert_eq!((signed.name.as_str(), &signed.token), ("anna", &sessions.of_token("secret")));
    assert_ne!(signed.form_token, cookie);
    let key = &signed.key;
    sessions.say(key, "done".to_owned());
    assert_eq!((sessions.take_said(key).as_deref(), sessions.take_said(key)), (Some("done"), None));
    assert!(sessions.find(&cookie, now + LASTS).is_none());
    assert!(sessions.find("another", now).is_none());
    sessions.close(&cookie);
    assert!(sessions.find(&cookie, now).is_none());
}

#[test]
fn a_session_survives_a_restart_and_a_jump_of_the_clock_and_its_file_opens_nothing() {
    let ((folder, sessions), now, clock) = (sessions(), Instant::now(), SystemTime::now());
    let cookie = sessions.open("anna", "secret", now).unwrap();
    let form_token = sessions.find(&cookie, now).unwrap().form_token;
    sessions.save(now, clock);
    let text = std::fs::read_to_string(folder.path().join("sessions.json")).unwrap();
    for secret in [&cookie, &form_token, &"secret".to_owned()] {
        assert!(!text.contains(secret.as_str()), "{text}");
    }
    let again = |clock| Sessions::open_in(folder.path(), now, clock);
    assert_eq!(again(clock).find(&cookie, now).unwrap().form_token, form_token);
    let hour = Duration::from_secs(3600);
    assert!(again(clock + LASTS - hour).find(&cookie, now).is_some());
    assert!(again(clock + LASTS - hour).find(&cookie, now + hour).is_none());
    assert!(again(clock + LASTS).find(&cookie, now).is_none());
    // The clock went back by a year: the session lasts as long as a new one at most.
    let back = again(clock - 365 * 24 * hour);
    assert!(back.find(&cookie, now + LASTS - hour).is_some() && back.find(&cookie, now + LASTS).is_none());
    // Half a file is none, and another key knows no cookie of before.
    std::fs::write(folder.path().join("sessions.json"), &text[..text.len() / 2]).unwrap();
    assert!(again(clock).find(&cookie, now).is_none());
}

#[test]
fn the_forms_of_a_proxys_user_belong_to_that_user_and_to_one_run() {
    let (_folder, sessions) = sessions();
    let user = |name: &str, run| sessions.by_proxy(name.to_owned(), Role::Operator, run);
    let anna = user("anna", "1");
    assert_eq!(anna, user("anna", "1"));
    for other in [user("eve", "1"), user("anna", "2")] {
        assert_ne!(anna.form_token, other.form_token);
    }
    // Results that no page shows are bounded.
    for n in 0..10_000 {
        sessions.say(&n.to_string(), "done".to_owned());
    }
    assert!(sessions.inner.lock().said.len() <= MOST);
}

#[test]
fn five_wrong_tokens_pause_a_minute_and_addresses_are_bounded() {
    let ((_folder, sessions), now) = (sessions(), Instant::now());
    let from = IpAddr::from(Ipv4Addr::LOCALHOST);
    for _ in 0..5 {
        assert!(sessions.may_try(from, now));
        sessions.note_wrong(from, now);
    }
    assert!(!sessions.may_try(from, now));
    assert!(sessions.may_try(IpAddr::from([10, 0, 0, 1]), now));
    assert!(sessions.may_try(from, now + PAUSE));
    for n in 0..10_000_u32 {
        sessions.note_wrong(IpAddr::from(n.to_be_bytes()), now);
    }
    assert!(sessions.inner.lock().wrong.len() <= MOST);
    for _ in 0..1000 {
        sessions.open("x", "secret", now).unwrap();
    }
    assert!(sessions.inner.lock().open.len() <= MOST);
}
