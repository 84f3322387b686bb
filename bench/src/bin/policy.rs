//! How long a decision takes whose answers are at hand, and whether that depends on how many
//! devices there are.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::devices::{mac, services};
use bench::in_turns;
use netbootd_server::explain::request;
use netbootd_server::services::Services;
use pxe_policy::{ArchType, Class, Identity};

fn main() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (few, many) =
        (services(&folder.path().join("few"), 100), services(&folder.path().join("many"), 10_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ask = |services: &Services, n: u32| {
        let request = request(mac(n), None, ArchType::X64_UEFI, Class::Pxe);
        let started = Instant::now();
        let answers = runtime.block_on(services.consult(&request));
        black_box(services.judge(&request, &answers));
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..20_000).map(|n| ask(&many, n % 10_000)).collect();
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e6;
    let look = |services: &Services, n: u32| {
        let who = Identity { mac: mac(n), uuid: None, arch: Some(ArchType::X64_UEFI), is_mac: false };
        black_box(runtime.block_on(services.snapshot.load().directories.ask(&who)));
    };
    let few = || (0..1000).for_each(|n| look(&few, n % 100));
    let many = || (0..1000).for_each(|n| look(&many, n * 9));
    let [small, large] = in_turns(51, [&mut { few }, &mut { many }]);
    print(&format!(
        "| what | median | p99 | wanted |\n| --- | --- | --- | --- |\n\
         | a decision whose answers are at hand, 10 000 devices | {:.1} µs | {:.1} µs | p99 under 100 µs |\n\n\
         A lookup among 10 000 devices takes {:.2} times as long as one among 100.",
        at(50),
        at(99),
        large.median() / small.median()
    ));
}

#[allow(clippy::print_stdout)] // its output
fn print(text: &str) {
    println!("{text}");
}
