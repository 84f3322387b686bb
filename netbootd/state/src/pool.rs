//! The seam between a pool of addresses and the server of its leases. Pure: time is an argument.

use std::fmt;

use pxe_policy::{Reason, Seconds};

/// The addresses of one family, and the clients that hold them. A pool is a value in memory: the
/// server of its leases makes each change durable before a client learns of it.
pub trait Pool: fmt::Debug + Send + 'static {
    /// A client, with all that a reservation may name.
    type Client;
    /// The part of a client that its lease is kept under.
    type Key: Clone + fmt::Debug + Send + Sync + 'static;
    /// The address type: IPv4 or IPv6.
    type Address: Copy + PartialEq + fmt::Debug + Send + Sync + 'static;
    /// A subnet of the configuration.
    type Subnet: Clone;
    /// The wish of a REQUEST.
    type Want: Copy;

    /// The key of a client.
    fn key(client: &Self::Client) -> Self::Key;

    /// The subnet that an address lies in.
    fn subnet_of(&self, address: Self::Address) -> Option<&Self::Subnet>;

    /// Whether a client holds a lease that runs.
    fn holds_lease(&self, key: &Self::Key, now: Seconds) -> bool;

    /// Whether an address is offered or leased to a client, or was last.
    fn holds(&self, key: &Self::Key, address: Self::Address) -> bool;

    /// The address that is known as a client's.
    fn address_of(&self, key: &Self::Key) -> Option<Self::Address>;

    /// A client's lease that runs, if it is one of this segment.
    fn running(&self, key: &Self::Key, segment: Self::Address, now: Seconds) -> Option<Held<Self::Address>>;

    /// Chooses an address and holds it for a while. `is_known` lets the client have what is kept
    /// for known machines.
    fn offer(
        &mut self,
        ask: &Ask<'_, Self>,
        is_known: bool,
        now: Seconds,
    ) -> Result<Offer<Self::Address>, Reason>;

    /// The lease that a REQUEST is for, without giving it yet.
    fn check(
        &self,
        client: &Self::Client,
        want: Self::Want,
        segment: Self::Address,
        now: Seconds,
    ) -> Result<Held<Self::Address>, Denied>;

    /// Answers a REQUEST; the lease is in the pool at once.
    fn request(
        &mut self,
        client: &Self::Client,
        want: Self::Want,
        segment: Self::Address,
        now: Seconds,
    ) -> Result<Held<Self::Address>, Denied>;

    /// Puts a lease back that an offer hides.
    fn restore(&mut self, key: &Self::Key, held: Held<Self::Address>);

    /// The client took another server's offer.
    fn withdraw(&mut self, key: &Self::Key, now: Seconds);

    /// The client gives an address back; true when it was its own.
    fn release(&mut self, key: &Self::Key, address: Self::Address, now: Seconds) -> bool;

    /// The client found its address in use; true when it was its own.
    fn decline(&mut self, key: &Self::Key, address: Self::Address, now: Seconds) -> bool;

    /// Leaves an address alone that somebody uses without a lease.
    fn quarantine(&mut self, address: Self::Address, now: Seconds);
}

/// A DISCOVER or a SOLICIT.
#[derive(Debug)]
pub struct Ask<'a, P: Pool + ?Sized> {
    /// The client that asks.
    pub client: &'a P::Client,
    /// The address that it asks for.
    pub wish: Option<P::Address>,
    /// An address of the link that it is on.
    pub segment: P::Address,
}

/// An address that may be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<A> {
    /// The address that is offered.
    pub address: A,
    /// Whether this client never had it: somebody else may be using it without a lease.
    pub fresh: bool,
}

/// An address that a client has, until its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<A> {
    /// The address that is leased.
    pub address: A,
    /// When the lease ends.
    pub until: Seconds,
}

/// How a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// With a NAK, or the status NoBinding.
    Nak(Reason),
    /// With silence: another server may know better.
    Silence(Reason),
}

/// Firmware takes up to half a minute from the offer to its request.
pub const OFFER_HOLD: Seconds = 60;
/// The time in seconds for which an address that another host uses is not offered.
pub const QUARANTINE: Seconds = 3600;
