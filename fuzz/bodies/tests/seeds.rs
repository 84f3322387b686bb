//! Every fuzz target on the stable compiler: with its seeds, and with seeded mutations of them.
//!
//! A seed is a vector of the crates' own tests, or what once broke something. `tools/fuzz` looks
//! for more with coverage and sanitizers.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz_bodies::{TARGETS, Target};

fn folder(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(inside)
}

fn names(inside: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(inside)).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("the folder reads").path());
    names.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder("seeds").join(target.name)).expect("each target has seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder reads").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("the seed reads")).collect()
}

fn survives(target: &Target, bytes: &[u8]) {
    if catch_unwind(|| (target.body)(bytes)).is_err() {
        panic!("{} does not survive {}: b\"{}\"", target.name, bytes.len(), bytes.escape_ascii());
    }
}

/// Runs one target; what is not among [`TARGETS`] has no body.
fn run(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{name} has no seed");
    survives(target, &[]);
    for seed in &seeds {
        survives(target, seed);
    }
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..target.mutations {
        survives(target, &dice.mutate(&seeds));
    }
}

/// A small generator of our own (xorshift64*): every run makes the same mutations.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.roll() % limit.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        match self.below(4) {
            0 => ODD[self.below(ODD.len())],
            _ => self.roll() as u8,
        }
    }

    /// One of the seeds with a few bytes changed, put in, left out, repeated, or with another one's
    /// end.
    fn mutate(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            let length = self.below(bytes.len() - at + 1).min(40);
            match self.below(7) {
                0 => bytes.insert(at, self.byte()),
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..at + length)),
                3 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    bytes.truncate(at);
                    bytes.extend(&other[other.len().min(at)..]);
                }
                _ => {
                    let changed = self.byte();
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = changed;
                    }
                }
            }
        }
        bytes
    }
}

/// Lengths and numbers at their edges, and what means something in text.
const ODD: &[u8] =
    &[0, 1, 2, 4, 6, 8, 0x7f, 0x80, 0xfe, 0xff, b'"', b'/', b'\\', b'.', b'=', b'[', b'<', b'\n', b' '];

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn every_target_has_a_test_a_program_and_seeds() {
            let tested: BTreeSet<String> = [$(stringify!($name).to_owned()),*].into();
            let bodies: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
            assert_eq!(tested, bodies);
            assert_eq!(names("fuzz_targets"), bodies);
            assert_eq!(names("seeds"), bodies);
        }
    };
}

targets! {
    dhcp_packet dhcp_reply dhcp6_packet option43 wds_options bsdp nbi_info tftp_packet tftp_sender tftp_receiver tftp_transfer
    boot_path http_request wim_listing wim_image wim_program program_header boot_program library_ini device_file admin_service smspxe report syslog config medium
}
