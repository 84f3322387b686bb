//! The host's network and the end of the services.

use netbootd_net::heartbeat::Heartbeat;
use netbootd_net::interfaces::Interfaces;
use netbootd_net::neighbours::Neighbours;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::listen::own_replies::OwnReplies;

/// The host's network, as it is now.
#[derive(Debug, Default)]
pub struct Network {
    /// The interfaces as they are now.
    pub interfaces: Interfaces,
    /// The next hops, and whether they answer.
    pub neighbours: Neighbours,
    /// The listeners that are alive.
    pub heartbeat: Heartbeat,
    /// The replies that this server broadcast lately.
    pub own_replies: OwnReplies,
}

/// The end of the services, in two steps.
#[derive(Debug)]
pub struct Lifecycle {
    /// Nothing new begins after it; transfers go on.
    pub stopping: CancellationToken,
    /// Each transfer under way holds one of its tokens.
    pub transfers: TaskTracker,
    /// Ends every listener and transfer.
    pub shutdown: CancellationToken,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let shutdown = CancellationToken::new();
        Lifecycle { stopping: shutdown.child_token(), transfers: TaskTracker::new(), shutdown }
    }
}
