//! The steps that follow from the answers: folders, files and the service, each with its result.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use netbootd_config::{Config, Mode};
use netbootd_web::control::socket_path;
use nix::unistd::User;

use super::super::colour::{BAD, GOOD, styled};
use super::super::{DEFAULT_CONFIG, Failure};
use super::SetupArgs;
use super::answers::{Answers, STATE_DIR};
use super::programs;
use super::render::{PASSWORD_FILE, TOKEN_FILE};
use super::site::Secret;
use crate::cli::out::outln;

type Step<'a> = (String, Box<dyn FnOnce() -> Result<String, Failure> + 'a>);

/// Runs every step; a step that fails is the last.
pub(super) fn run(args: &SetupArgs, answers: &Answers, text: &str) -> Result<(), Failure> {
    let owner = owner();
    let mut steps: Vec<Step<'_>> = vec![
        named("state folder", &answers.state_dir, move |path| folder(path, 0o700, owner)),
        named("boot folder", &answers.root, |path| folder(path, 0o755, None)),
        named("image folder", &answers.images, move |path| folder(path, 0o750, owner)),
    ];
    let beside = args.config.parent().unwrap_or(Path::new("/"));
    if let Some(Secret::Typed(password)) = answers.site.as_ref().and_then(|site| site.secret.as_ref()) {
        let file = beside.join(PASSWORD_FILE);
        let write = move || {
            folder(beside, 0o750, None)?;
            replace(&file, password.reveal(), owner).map(|()| format!("{} written", file.display()))
        };
        steps.push(("password".into(), Box::new(write)));
    }
    if answers.token {
        let file = beside.join(TOKEN_FILE);
        steps.push(("page token".into(), Box::new(move || token(beside, &file, owner))));
    }
    steps.push(("configuration".into(), Box::new(|| write_config(args, text, owner))));
    if !answers.programs.is_empty() {
        steps.push(("boot programs".into(), Box::new(|| programs(answers))));
    }
    if !args.no_start {
        steps.push(("ports".into(), Box::new(|| ports(answers))));
        steps.push(("service".into(), Box::new(|| service(args, answers))));
    }
    perform(steps)?;
    checklist(args, answers);
    Ok(())
}

/// Prints the steps that remain for the operator.
fn checklist(args: &SetupArgs, answers: &Answers) {
    outln!("\nNext:");
    let root = answers.root.display();
    if answers.mode != Mode::Off {
        for found in programs::by_architecture(&answers.root) {
            let (arch, packages) = (found.arch, found.packages);
            match found.names.is_empty() {
                true => outln!("  - {arch} machines have no boot program in {root} (Debian: {packages})"),
                false => outln!("  - {arch} machines start {}", found.names.join(", ")),
            }
        }
    }
    outln!("  - import something to boot (an ISO, a folder, a WIM); it appears in the boot menu:");
    outln!("    netbootd image import FILE");
    if answers.token {
        let token = args.config.with_file_name(TOKEN_FILE);
        outln!(
            "  - open http://127.0.0.1:9167/ on this host; the token for changes is in {}",
            token.display()
        );
    }
    outln!("  - start a machine from the network; `netbootd watch` shows each step");
}

/// Creates the status page's token, unless there is one.
fn token(beside: &Path, file: &Path, owner: Option<(u32, u32)>) -> Result<String, Failure> {
    if file.exists() {
        return Ok(format!("{} exists", file.display()));
    }
    folder(beside, 0o750, None)?;
    let mut bytes = [0; 24];
    let read = File::open(RANDOM).and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| cannot(Path::new(RANDOM), &error))?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    replace(file, &(text + "\n"), owner.map(|(_, group)| (0, group)))?;
    Ok(format!("{} written", file.display()))
}

fn programs(answers: &Answers) -> Result<String, Failure> {
    programs::copy(&answers.programs).map_err(|error| cannot(&answers.root, &error))?;
    let names = answers.programs.iter().filter_map(|(_, target)| target.file_name());
    let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    Ok(format!("{} copied to {}", names.join(", "), answers.root.display()))
}

fn perform(steps: Vec<Step<'_>>) -> Result<(), Failure> {
    let all = steps.len();
    for (at, (name, step)) in steps.into_iter().enumerate() {
        let done = step();
        let (mark, words) = match &done {
            Ok(words) => (styled(GOOD, "ok    "), words.clone()),
            Err(failure) => (styled(BAD, "FAILED"), failure.to_string()),
        };
        outln!("[{}/{all}] {mark}  {name}: {}", at + 1, words.trim_end());
        if done.is_err() {
            outln!("steps marked ok are kept; correct the cause and run netbootd setup again");
        }
        done?;
    }
    Ok(())
}

fn named<'a>(
    name: &str,
    path: &'a Path,
    step: impl FnOnce(&Path) -> Result<&'static str, Failure> + 'a,
) -> Step<'a> {
    let shown = path.display().to_string();
    (name.to_owned(), Box::new(move || step(path).map(|what| format!("{shown} {what}"))))
}

/// The user and group of the service, when a package has made them.
fn owner() -> Option<(u32, u32)> {
    let user = User::from_name("netbootd").ok().flatten()?;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

fn folder(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> Result<&'static str, Failure> {
    if path.is_dir() {
        return Ok("exists");
    }
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.and_then(|()| own(path, owner)).map_err(|error| cannot(path, &error))?;
    Ok("created")
}

fn own(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    owner.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
}

fn write_config(args: &SetupArgs, text: &str, owner: Option<(u32, u32)>) -> Result<String, Failure> {
    let file = &args.config;
    let checked = Config::parse(text, file, None);
    let (_, warnings) = checked.map_err(|findings| Failure::Config(Box::new(findings)))?;
    if let Some(beside) = file.parent() {
        folder(beside, 0o750, None)?;
    }
    let mut kept = String::new();
    // It may have changed since the questions began; --force loses nothing either.
    match fs::read_to_string(file) {
        Ok(old) if old == text => return Ok(format!("{} is unchanged", file.display())),
        Ok(_) if args.force => {
            let old = with_suffix(file, ".old");
            fs::rename(file, &old).map_err(|error| cannot(&old, &error))?;
            kept = format!(", the old one is {}", old.display());
        }
        Ok(_) => super::may_be_written(file)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(cannot(file, &error)),
    }
    replace(file, text, owner.map(|(_, group)| (0, group)))?;
    let warned = match warnings.iter().count() {
        0 => String::new(),
        1 => ", with 1 warning (netbootd check-config)".to_owned(),
        some => format!(", with {some} warnings (netbootd check-config)"),
    };
    Ok(format!("{} written{kept}{warned}", file.display()))
}

/// The whole text or nothing, whatever happens meanwhile.
fn replace(file: &Path, text: &str, owner: Option<(u32, u32)>) -> Result<(), Failure> {
    let new = with_suffix(file, ".new");
    let write = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut written = File::options().write(true).create_new(true).mode(0o640).open(&new)?;
        written.write_all(text.as_bytes())?;
        own(&new, owner)?;
        written.sync_all()?;
        fs::rename(&new, file)?;
        file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| cannot(file, &error))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied => Failure::Permission(format!("{words}; run as root")),
        _ => Failure::Unusable(words),
    }
}

/// Whether the ports are free, unless a netbootd has them.
fn ports(answers: &Answers) -> Result<String, Failure> {
    if UnixStream::connect(socket_path(&answers.state_dir)).is_ok() {
        return Ok("in use by the running netbootd".into());
    }
    let dhcp: &[u16] = if answers.mode == Mode::Off { &[67] } else { &[67, 4011] };
    let udp = dhcp
        .iter()
        .chain(&[69])
        .map(|port| (*port, UdpSocket::bind((Ipv4Addr::UNSPECIFIED, *port)).map(drop)));
    let tcp = (80, TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).map(drop));
    let mut free = Vec::new();
    for (port, bound) in udp.chain([tcp]) {
        match bound {
            Ok(()) => free.push(port.to_string()),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                return Err(Failure::Unusable(format!(
                    "port {port} is in use by another program (`ss -lntup` names it); stop it, or see docs/booting.md for hosts with a DHCP server"
                )));
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(Failure::Permission(format!("cannot bind port {port}: {error}; run as root")));
            }
            Err(error) => return Err(Failure::Unusable(format!("port {port}: {error}"))),
        }
    }
    Ok(format!("{} are free", free.join(", ")))
}

fn service(args: &SetupArgs, answers: &Answers) -> Result<String, Failure> {
    let by_hand = format!("netbootd serve --config {}", args.config.display());
    if args.config != Path::new(DEFAULT_CONFIG) {
        return Ok(format!("not started: the unit reads {DEFAULT_CONFIG}; start with: {by_hand}"));
    }
    if !sd_notify::booted().unwrap_or(false) {
        return Ok(format!("not started: systemd is not running; start with: {by_hand}"));
    }
    let outside =
        [&answers.images, &answers.state_dir].into_iter().filter(|path| !path.starts_with(STATE_DIR));
    let outside: Vec<String> = outside.map(|path| path.display().to_string()).collect();
    if !outside.is_empty() {
        let file = Path::new(UNIT_FOLDER).join("setup.conf");
        folder(Path::new(UNIT_FOLDER), 0o755, None)?;
        replace(&file, &format!("[Service]\nReadWritePaths={}\n", outside.join(" ")), None)?;
        systemctl(&["daemon-reload"])?;
    }
    systemctl(&["enable", UNIT])?;
    systemctl(&["restart", UNIT])?;
    Ok(format!("{UNIT} is enabled and running"))
}

fn systemctl(words: &[&str]) -> Result<(), Failure> {
    let output = Command::new("systemctl").args(words).output();
    let output = output.map_err(|error| Failure::Unusable(format!("systemctl: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Unusable(format!("systemctl {}: {}", words.join(" "), message.trim())))
}

const RANDOM: &str = "/dev/urandom";
const UNIT: &str = "netbootd.service";
const UNIT_FOLDER: &str = "/etc/systemd/system/netbootd.service.d";
