//! Programs that a test starts, watches, and ends.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use parking_lot::{Condvar, Mutex};

use crate::wait;

/// A running program with everything it has printed. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    printed: Arc<Printed>,
}

#[derive(Debug, Default)]
struct Printed {
    text: Mutex<(String, usize)>,
    more: Condvar,
}

impl Process {
    /// Starts a program; what it prints is kept.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let printed = Arc::new(Printed::default());
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for stream in streams.into_iter().flatten() {
            printed.lock().1 += 1;
            let printed = Arc::clone(&printed);
            thread::spawn(move || printed.read(stream));
        }
        Process { name: name.to_owned(), child, printed }
    }

    /// Waits until one of the words was printed; says which one.
    ///
    /// # Panics
    /// With everything that was printed, when none comes in time or the program ends without one.
    pub fn wait_for_any(&self, words: &[&str], patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let mut text = self.printed.lock();
        loop {
            if let Some(at) = words.iter().position(|word| text.0.contains(word)) {
                return at;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || text.1 == 0 {
                let why = if text.1 == 0 { "ended" } else { "is still silent" };
                panic!("{} {why}, none of {words:?} was printed:\n{}", self.name, text.0);
            }
            self.printed.more.wait_for(&mut text, left);
        }
    }

    /// Waits until a word was printed.
    ///
    /// # Panics
    /// As [`Process::wait_for_any`].
    pub fn wait_for(&self, word: &str, patience: Duration) {
        self.wait_for_any(&[word], patience);
    }

    /// Waits until a line with all of these words was printed.
    ///
    /// # Panics
    /// When none comes, with everything that was printed.
    pub fn wait_for_line(&self, words: &[&str], patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut text = self.printed.lock();
        while !text.0.lines().any(|line| words.iter().all(|word| line.contains(word))) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && text.1 > 0, "no line has {words:?}:\n{}", text.0);
            self.printed.more.wait_for(&mut text, left);
        }
    }

    /// Waits until a word was printed so many times.
    ///
    /// # Panics
    /// As [`Process::wait_for_any`].
    pub fn wait_for_count(&self, word: &str, count: usize, patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut text = self.printed.lock();
        while text.0.matches(word).count() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero() && text.1 > 0, "not {count} times {word:?}:\n{}", text.0);
            self.printed.more.wait_for(&mut text, left);
        }
    }

    /// Waits until the program has ended by itself; says how.
    ///
    /// # Panics
    /// With everything that was printed, when it does not end in time.
    pub fn wait_for_end(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        let mut text = self.printed.lock();
        while text.1 > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} does not end:\n{}", self.name, text.0);
            self.printed.more.wait_for(&mut text, left);
        }
        drop(text);
        self.child.wait().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Everything printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().0.clone()
    }

    /// Ends it with a signal that it may answer in its own way, and waits until it is gone.
    pub fn end(mut self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(id), signal); // it may have ended by itself
        }
        let _ = self.child.wait();
    }

    /// The program's process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    fn lock(&self) -> parking_lot::MutexGuard<'_, (String, usize)> {
        self.text.lock()
    }

    fn read(&self, mut stream: Box<dyn Read + Send>) {
        let mut buf = [0; 4096];
        while let Ok(count) = stream.read(&mut buf) {
            if count == 0 {
                break;
            }
            self.lock().0.push_str(&String::from_utf8_lossy(&buf[..count]));
            self.more.notify_all();
        }
        self.lock().1 -= 1;
        self.more.notify_all();
    }
}

/// A program that `tools/install-tools` has installed.
pub fn tool(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin").join(name).display().to_string()
}

/// Runs a program to its end.
///
/// # Panics
/// With what it printed, when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} fails with {}:\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Has a process stand still, with all its threads; what the kernel does for it may go on. It goes
/// on by SIGCONT, and ends by SIGKILL.
///
/// # Panics
/// When it goes on.
pub fn stand_still(id: u32) {
    let tasks = format!("/proc/{id}/task");
    let pid = Pid::from_raw(i32::try_from(id).expect("a process number"));
    let _ = kill(pid, Signal::SIGSTOP); // it may have ended
    let stands = |task: &Path| {
        // Behind the name, which may hold anything: stopped, waiting for a disk, ended.
        let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| !rest.starts_with(['R', 'S']))
    };
    let all_stand = || {
        std::fs::read_dir(&tasks)
            .map_or(true, |mut all| all.all(|task| task.is_ok_and(|task| stands(&task.path()))))
    };
    wait::until(Duration::from_secs(10), all_stand, || format!("process {id} goes on"));
}
