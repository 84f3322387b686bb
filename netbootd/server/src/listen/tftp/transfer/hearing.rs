//! The events of a transfer: datagrams of its client, mail from the listener, and time.

use super::*;

impl Transfer {
    /// Whether newer requests have taken its place.
    pub(super) fn is_evicted(&mut self) -> bool {
        while let Ok(mail) = self.inbox.try_recv() {
            match mail {
                Mail::Evicted => return true,
                Mail::Superseded => self.superseded = Some(MAX_LAST),
                Mail::Datagram(_) | Mail::Unreachable => {}
            }
        }
        false
    }

    pub(super) async fn hear(
        &mut self,
        sender: &Sender,
        buf: &mut [u8],
        mut timer: Pin<&mut Sleep>,
    ) -> Heard {
        let deadline = sender.deadline().unwrap_or_else(Instant::now);
        // A timer that is early is set right when it rings: that is once in many acknowledgements.
        if timer.is_elapsed() || deadline < timer.deadline().into_std() {
            timer.as_mut().reset(deadline.into());
        }
        loop {
            let looked = self.look(buf).await;
            if self.superseded.is_some() && looked.is_none() {
                return Heard::Unreachable;
            }
            let socket = async {
                match (looked, self.line.own_socket()) {
                    (Some(received), _) => Ok(Incoming::Datagram(received)),
                    (None, Some(endpoint)) => endpoint.recv(buf).await,
                    (None, None) => pending().await,
                }
            };
            let heard = tokio::select! {
                biased;
                heard = socket => heard,
                mail = self.inbox.recv() => match mail {
                    Some(Mail::Datagram(bytes)) => return Heard::Mailed(bytes),
                    Some(Mail::Unreachable) => return Heard::Unreachable,
                    Some(Mail::Superseded) => {
                        self.superseded = Some(MAX_LAST);
                        continue;
                    }
                    Some(Mail::Evicted) => return Heard::Evicted,
                    None => return Heard::Stop,
                },
                () = timer.as_mut() => {
                    if Instant::now() >= deadline {
                        return Heard::Tick;
                    }
                    timer.as_mut().reset(deadline.into());
                    continue;
                }
            };
            match heard {
                Ok(Incoming::Datagram(received)) if received.from == self.line.peer() => {
                    return Heard::Datagram(received.len);
                }
                Ok(Incoming::Datagram(received)) => {
                    if let Some(port) = &self.port {
                        self.handshakes.hear_at(port, &self.worker, received.from, &buf[..received.len]);
                        continue;
                    }
                    // RFC 1350 §4: a stranger gets an ERROR, and the transfer goes on. An error is
                    // never answered.
                    let is_error = matches!(Packet::parse(&buf[..received.len]), Ok(Packet::Error { .. }));
                    let stranger = received.from;
                    if !is_error && self.services.leaves_client_alone(Proto::Tftp, stranger).is_none() {
                        let words = "this port serves another transfer";
                        self.send_error(ErrorCode::UNKNOWN_TRANSFER, words, received.from).await;
                    }
                }
                Ok(Incoming::Unreachable(peer)) if peer == self.line.peer() => return Heard::Unreachable,
                Ok(Incoming::Unreachable(_)) => {}
                // The deadline mends what one failed reception means.
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// A datagram that is here by now, or comes at once, as long as nobody else needs the thread.
    pub(super) async fn look(&mut self, buf: &mut [u8]) -> Option<Received> {
        let socket = self.line.own_socket()?;
        if let Some(left) = &mut self.superseded {
            *left = left.checked_sub(1)?;
            return socket.look(buf, Duration::ZERO).filter(|received| received.from == self.line.peer());
        }
        let mail = !self.inbox.is_empty() || self.inbox.is_closed();
        if mail || !self.worker.has_one() || !self.busy_poll.looks() {
            return None;
        }
        // A transfer that always finds a datagram would never let another task run.
        tokio::task::consume_budget().await;
        let found = socket.look(buf, LOOK);
        self.busy_poll.looked(found.is_some_and(|received| received.from == self.line.peer()));
        found
    }
}
