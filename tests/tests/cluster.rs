//! Several servers that share a database and images, while links are cut and servers killed: real
//! PostgreSQL, a real S3 server.
#![allow(clippy::unwrap_used, clippy::print_stderr)] // helpers of tests

use std::fs;
use std::time::{Duration, Instant};

use netbootd_tests::cluster::{NAMES, RELAY, Site, address, no_deployment_twice, no_lease_twice};
use netbootd_tests::fleet::{Told, mac};
use netbootd_tests::netbootd::program;
use netbootd_tests::{ObjectStorage, Process, firmware, wait};

#[test]
fn what_one_server_gave_all_know_also_one_that_was_cut_off_meanwhile() {
    const MACHINES: u16 = 3;
    let site = Site::new();
    site.publish(MACHINES);
    let servers = [site.start(0), site.start(1)];
    let two = &servers[1];
    site.link(1, "down");
    two.wait_for("the shared database is away", Duration::from_secs(20));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the first boot", MACHINES, |told| !told.boot_file.is_empty());
    fleet.every("the second boot", MACHINES, |told| told.boot_file.is_empty());
    let mut all = fleet.end();
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));

    // It knows nothing of the leases, and cannot ask: it gives none.
    let fleet = site.fleet(MACHINES, &[1]);
    two.wait_for("shared-state-away", Duration::from_secs(20));
    assert_eq!(fleet.end(), []);
    site.link(1, "up");
    let mut fleet = site.fleet(MACHINES, &[1]);
    fleet.every("a boot at the other server", MACHINES, |told| told.boot_file.is_empty());
    two.wait_for("already-run", Duration::from_secs(5));

    // Away once more: leases that it knows of now are confirmed, for the rest of their time.
    site.link(1, "down");
    fleet.until("leases without the database", 6, |told| told.lasts < HOUR && told.boot_file.is_empty());
    all.extend(fleet.end());
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));
    no_lease_twice(&all);
    let ledger = site.database.sql(&site.lab, "SELECT count(*) FROM netbootd.given");
    assert_eq!(ledger, MACHINES.to_string());
}

#[test]
fn a_server_starts_without_the_database_and_takes_over_what_it_had_kept_itself() {
    const MACHINES: u16 = 2;
    let mut site = Site::new();
    site.publish(MACHINES);
    // Before there was a database.
    let config = site.config(0);
    let with = fs::read_to_string(&config).unwrap();
    let devices = site.lab.folder().join("devices.csv").display().to_string();
    let (alone, _) = with.split_once("[database]").unwrap();
    let alone = alone.replace("shared = true", &format!("file = {devices:?}"));
    fs::write(&config, alone).unwrap();
    let mut command = site.lab.command(NAMES[0], &program());
    let server = Process::start("alone", command.args(["serve", "--config"]).arg(&config));
    server.wait_for(" ready ", Duration::from_secs(30));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the first boot", MACHINES, |told| !told.boot_file.is_empty());
    let mut all = fleet.end();
    drop(server);

    site.database.crash();
    let server = site.start(0);
    let fleet = site.fleet(MACHINES, &[0]);
    server.wait_for("shared-state-away", Duration::from_secs(20));
    all.extend(fleet.end());
    site.database.begin(&site.lab);
    server.wait_for("what this host had kept itself is in the shared database now", Duration::from_secs(30));
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the second boot", MACHINES, |told| told.boot_file.is_empty());
    all.extend(fleet.end());
    assert_eq!(no_deployment_twice(&all), usize::from(MACHINES));
    no_lease_twice(&all);
}

#[test]
fn what_an_operator_says_at_one_server_all_know() {
    let site = Site::new();
    site.publish(1);
    let servers = [site.start(0), site.start(1)];
    let mut fleet = site.fleet(1, &[0]);
    fleet.every("the first boot", 1, |told| !told.boot_file.is_empty());
    let mut all = fleet.end();
    assert!(site.run(0, &["pending", "approve", "02:00:00:00:00:01"]).status.success());
    site.says(1, &["pending", "list"], "approved");
    site.says(1, &["ledger", "list"], "reimage");
    assert!(site.run(1, &["ledger", "clear", "--deployment", "reimage"]).status.success());
    let mut fleet = site.fleet(1, &[0]);
    fleet.every("once more", 1, |told| !told.boot_file.is_empty());
    all.extend(fleet.end());
    no_lease_twice(&all);
    drop(servers);
    // Without a server the commands ask the database.
    site.says(2, &["ledger", "list"], "reimage");
    site.says(2, &["doctor"], "connected, tables of this version");
    site.says(2, &["explain", "--mac", &mac(0)], "reimage");
}

/// It has shim whole, and its firmware asks again: it trusts neither of the two signers.
#[test]
fn what_a_machine_did_with_a_boot_program_at_one_server_all_know() {
    let mut site = Site::new();
    site.more = "[[rule]]\nname = \"shim\"\naction.boot = { file = \"shimx64.efi\" }\n".into();
    for name in NAMES {
        let root = site.lab.folder().join(name).join("root");
        fs::copy("/usr/lib/shim/shimx64.efi.signed", root.join("shimx64.efi")).unwrap();
    }
    site.publish(0);
    let one = site.start(0);
    let server = address(0).to_string();
    let ask = || {
        let firmware = [2, 0, 0, 0, 0, 9];
        assert!(
            firmware::is_answered(&site.lab, "relay", RELAY, Some(&server), firmware),
            "{}",
            one.printed()
        );
    };
    ask();
    let mut client = site.lab.command("relay", "tftp");
    client.current_dir(site.lab.folder()).args(["-m", "octet", &server, "-c", "get", "shimx64.efi", "got"]);
    assert!(client.status().unwrap().success());
    one.wait_for("completed", Duration::from_secs(5));
    ask();
    let know = |name: &str| {
        let counts = || {
            let asked = site.lab.run(name, &["curl", "-sS", "http://127.0.0.1:9167/api/secure-boot"]);
            String::from_utf8_lossy(&asked.stdout).into_owned()
        };
        let both = || ["\"refuse_2011\":1", "\"refuse_2023\":1"].iter().all(|word| counts().contains(word));
        wait::until(Duration::from_secs(20), both, || format!("{name}: {}", counts()));
    };
    know("one");
    let stored = site.database.sql(&site.lab, "SELECT count(*) FROM netbootd.secure_boot WHERE NOT starts");
    assert_eq!(stored, "2");
    // One that reads it at its start, and itself after a restart.
    let _two = site.start(1);
    know("two");
    drop(one);
    let _one = site.start(0);
    know("one");
}

#[test]
fn tables_of_a_newer_version_and_a_wrong_password_are_refused_with_words() {
    let site = Site::new();
    site.publish(1);
    assert_eq!(site.database.sql(&site.lab, "SELECT version FROM netbootd.schema"), "6");
    site.database.sql(&site.lab, "UPDATE netbootd.schema SET version = 99");
    let refused = site.run(1, &["serve"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && words.contains("its tables are of version 99, from a newer netbootd"),
        "{words}"
    );
    // Tables of version 1, whose ledger goes by the line of a device and by the record of a site.
    let former = "CREATE TABLE netbootd.ledger (machine text, deployment text, mac macaddr, name text, at bigint);
        INSERT INTO netbootd.ledger VALUES
            ('devices/line 2', 'reimage', '02:00:00:00:00:01', 'sorted', 500),
            ('devices/line 3', 'reimage', '02:00:00:00:00:01', 'sorted', 1000),
            ('configmgr/16777219', 'PS120083', '02:00:00:00:00:02', 'known', 1000),
            ('configmgr/02:00:00:00:00:03', 'PS120083', '02:00:00:00:00:03', 'unknown', 1000);
        DROP TABLE netbootd.given; DROP TABLE netbootd.assignments; DROP TABLE netbootd.secure_boot; ALTER TABLE netbootd.devices DROP COLUMN run, DROP COLUMN images, DROP COLUMN default_image, DROP COLUMN trusts; UPDATE netbootd.schema SET version = 1";
    site.database.sql(&site.lab, former);
    let listed = site.run(1, &["ledger", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let entry = |entry: &serde_json::Value| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (text("name"), text("mac"), text("record"), entry["at"].as_u64())
    };
    let entries: Vec<_> = listed.as_array().unwrap().iter().map(entry).collect();
    let of = |name: &str, n: u8, record: &str| {
        (name.to_owned(), format!("02:00:00:00:00:0{n}"), record.to_owned(), entries[0].3)
    };
    let wanted = [of("sorted", 1, ""), of("known", 2, "configmgr/16777219"), of("unknown", 3, "")];
    assert_eq!(entries, wanted, "what was given stays given, to the machine");
    fs::write(&site.database.password_file, "wrong").unwrap();
    let refused = site.run(1, &["ledger", "list"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && words.contains("password authentication failed"), "{words}");
}

#[test]
fn a_database_away_for_longer_than_leases_last_stops_what_is_new_only_and_loses_nothing() {
    const MACHINES: u16 = 4;
    const RULED: u16 = MACHINES - 1;
    let mut site = Site::new();
    site.more = format!(
        "[[rule]]\nname = \"lab\"\nmatch = {{ mac = {:?} }}\naction.boot = {{ file = \"linux/boot/x64/bootmgfw.efi\" }}\n",
        mac(RULED)
    );
    site.publish(RULED);
    let mut servers = vec![site.start(0)];
    assert!(site.run(0, &["pending", "approve", "02:00:00:00:00:01"]).status.success());
    let as_it_should = |told: &Told| told.boot_file.is_empty() == (told.machine != RULED);
    let mut fleet = site.fleet(MACHINES, &[0]);
    fleet.every("the first boot", MACHINES, |told| !told.boot_file.is_empty());
    fleet.every("the second boot", MACHINES, as_it_should);
    let mut all = fleet.end();
    let before = kept(&site);

    // Nobody waits for an hour here: the leases have aged, and a server that connects anew reads
    // that.
    site.database.sql(&site.lab, "UPDATE netbootd.leases SET until = until - 3565");
    site.database.crash();
    servers[0].wait_for("the shared database is away", Duration::from_secs(20));
    site.database.begin(&site.lab);
    servers[0].wait_for_count("the shared database is here", 2, Duration::from_secs(20));
    let ends = "SELECT ceil(max(until) - extract(epoch FROM clock_timestamp())) FROM netbootd.leases";
    let left: u64 = site.database.sql(&site.lab, ends).parse().unwrap();
    let end = Instant::now() + Duration::from_secs(left);
    site.database.crash();
    servers[0].wait_for_count("the shared database is away", 2, Duration::from_secs(20));
    let mut fleet = site.fleet(MACHINES, &[0, 1]);
    // Rules go on; what was Required stays done.
    let away = |told: &Told| told.lasts < HOUR && as_it_should(told);
    fleet.every("a lease that runs, without the database", MACHINES, away);
    servers.push(site.start(1));
    for machine in 0..MACHINES {
        let words = ["shared-state-away", &mac(machine)];
        servers[0].wait_for_line(&words, Duration::from_secs(left + 30));
    }

    site.database.begin(&site.lab);
    for by in [address(0), address(1)] {
        fleet.until("an answer of each server", 1, |told| told.server == by && told.lasts == HOUR);
    }
    fleet.every("everybody boots once more", MACHINES, |told| told.lasts == HOUR && as_it_should(told));
    let since = fleet.end();
    for told in since.iter().filter(|told| told.lasts < HOUR) {
        assert!(told.at + told.lasts <= end, "{told:?} goes on for longer than others know");
    }
    assert_eq!(kept(&site), before);
    all.extend(since);
    no_lease_twice(&all);
    all.retain(|told| told.machine != RULED);
    assert_eq!(no_deployment_twice(&all), usize::from(RULED));
}

/// Everything that the database has to keep.
fn kept(site: &Site) -> [String; 4] {
    [
        "SELECT machine, deployment, mac, name, at FROM netbootd.given ORDER BY machine",
        "SELECT mac, address FROM netbootd.leases WHERE leased ORDER BY mac",
        "SELECT mac, approved, at FROM netbootd.approvals ORDER BY mac",
        "SELECT * FROM netbootd.devices ORDER BY line",
    ]
    .map(|query| site.database.sql(&site.lab, query))
}

/// Boots machines again and again, and fetches images, while links are cut, a server is killed and
/// the database crashes.
fn survives(machines: u16) {
    let began = Instant::now();
    let mut site = Site::new();
    let storage = ObjectStorage::seaweedfs(&mut site.lab, None);
    site.more = format!(
        "[store]\nwatch = \"1s\"\n[store.remote]\nurl = \"s3://images/site\"\nendpoint = {:?}\nregion = \"lab\"\nallow-http = true\n",
        storage.endpoint
    );
    let images = vec![site.push("payload", 0), site.push("another", 7)];
    site.publish(machines);
    let mut servers: Vec<Option<Process>> = (0..3).map(|n| Some(site.start(n))).collect();
    for server in servers.iter().flatten() {
        server.wait_for("images of the object storage read", Duration::from_secs(20));
    }
    let step = usize::from(machines);
    let mut fleet = site.fleet(machines, &[0, 1, 2]);
    fleet.until("all is well", step / 2, |_| true);
    let fetching = site.fetching(images.clone());
    site.link(1, "down");
    fleet.until("a link to the database is cut", step, |_| true);
    site.port("s3eth0", "down");
    fleet.until("the link to the object storage is cut", step / 2, |_| true);
    servers[2] = None;
    fleet.until("a server is killed", step, |_| true);
    site.database.crash();
    // Nobody may be given anything new; who has a lease goes on with it.
    fleet.until("the database is gone", step / 2, |told| told.lasts < HOUR);
    // Files that are here go on being served.
    site.serves(0, &images);
    site.database.begin(&site.lab);
    servers[2] = Some(site.start(2));
    site.link(1, "up");
    site.port("s3eth0", "up");
    for server in 0..3 {
        let by = address(server);
        fleet.until("all is well again", 3, |told| told.server == by && told.lasts == HOUR);
        site.serves(server, &images);
    }
    site.port("onelan0", "down");
    fleet.until("a server is cut off from the machines", step, |told| told.server != address(0));
    site.port("onelan0", "up");
    fleet.until("it is back", 3, |told| told.server == address(0));
    let since = Instant::now();
    fleet.every("everybody boots once more", machines, |told| {
        told.boot_file.is_empty() && told.lasts == HOUR && told.at > since
    });
    let all = fleet.end();
    let fetched = fetching.end();
    no_lease_twice(&all);
    let given = no_deployment_twice(&all);
    let ledger: usize = site.database.sql(&site.lab, "SELECT count(*) FROM netbootd.given").parse().unwrap();
    let by: Vec<usize> =
        (0..3).map(|n| all.iter().filter(|told| told.server == address(n)).count()).collect();
    let took = began.elapsed().as_secs();
    eprintln!(
        "{} boots in {took} s, by server {by:?}; {given} of {ledger} deployments told; images: {fetched:?}",
        all.len()
    );
    // Written down before it is told: what was told is there, and who was given nothing has an
    // answer that was lost on its way.
    assert_eq!(ledger, usize::from(machines), "everybody's is written down, once");
    assert!(given <= ledger);
}

#[test]
fn five_hundred_machines_survive_cut_links_and_killed_servers() {
    survives(500);
}

/// The lease time of the site.
const HOUR: Duration = Duration::from_secs(3600);
