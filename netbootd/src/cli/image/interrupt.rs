//! Ctrl-C, or SIGTERM, during a long command: the command ends at the next piece, undoes what it
//! did, and says so. A second one ends it at once; what that leaves behind is swept by the next
//! writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use super::super::{Failure, INTERRUPTED};

/// Whether the operator has interrupted the command.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. Where that is impossible Ctrl-C ends the process at once, as ever.
    pub(super) fn listen() -> Self {
        let interrupt = Interrupt::default();
        let (ready, listens) = channel();
        let told = interrupt.clone();
        let listen = move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let Ok(mut signals) = Signals::open() else { return };
                let _ = ready.send(()); // the command waits for it
                signals.next().await;
                told.0.store(true, Ordering::Relaxed);
                signals.next().await;
                std::process::exit(INTERRUPTED.into());
            });
        };
        if thread::Builder::new().name("interrupt".into()).spawn(listen).is_ok() {
            let _ = listens.recv(); // an error means that nobody listens
        }
        interrupt
    }

    /// Whether the command is to end.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// How a command ends that was interrupted.
    pub(super) fn ended(what: impl Into<String>) -> Failure {
        Failure::Interrupted(format!("interrupted: {}", what.into()))
    }
}

#[cfg(unix)]
struct Signals(tokio::signal::unix::Signal, tokio::signal::unix::Signal);

#[cfg(unix)]
impl Signals {
    fn open() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals(signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.0.recv() => {}
            _ = self.1.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn open() -> std::io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Signals)
    }

    async fn next(&mut self) {
        let _ = self.0.recv().await;
    }
}
