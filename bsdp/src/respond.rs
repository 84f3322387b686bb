//! The answer to one packet of a Mac, as a function of the packet, the images and what the Mac
//! chose before.

mod asked;
mod root_path;

use std::net::{Ipv4Addr, SocketAddrV4};

use asked::{Asked, read};
use root_path::root_path;

use crate::eligible::{DisabledModels, Mac, eligible, wanted};
use crate::list::pack;
use crate::{
    Allowed, Binding, Bindings, BootImage, BootImageId, BootImageType, BootImages, BsdpMessageType, Change,
    LeftOut, ListEntry, Reason, SubOption, VendorClass, option43,
};

/// The BSDP fields of a Mac's packet, apart from DHCP's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The DHCP message: DISCOVER or INFORM.
    pub message: DhcpMessage,
    /// The Mac's hardware address (`chaddr`).
    pub mac: [u8; 6],
    /// The Mac's own address (`ciaddr`).
    pub client_addr: Ipv4Addr,
    /// The sender of the datagram.
    pub sender: Ipv4Addr,
    /// Option 60: the vendor class, which names the model.
    pub vendor_class: Vec<u8>,
    /// Every option 43 of the packet, in order.
    pub vendor_options: Vec<Vec<u8>>,
    /// Option 57: the largest message that the Mac takes, in bytes.
    pub max_message_size: Option<u16>,
}

/// The DHCP message that BSDP rides on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpMessage {
    /// A Mac at its start, which may have chosen an image before.
    Discover,
    /// A LIST or SELECT.
    Inform,
    /// Any other message, which gets no answer.
    Other,
}

/// The answering server and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The address that answers.
    pub addr: Ipv4Addr,
    /// Every own address: a SELECT may name any of them.
    pub own: Vec<Ipv4Addr>,
    /// The host name for `sname`.
    pub name: String,
    /// The port of the HTTP server.
    pub http_port: u16,
    /// Where shadow files go, for images that support diskless Macs.
    pub shadow: Option<String>,
    /// The priority of a server that nobody has chosen yet.
    pub base_priority: u16,
    /// How `DisabledSystemIdentifiers` is applied.
    pub disabled_models: DisabledModels,
    /// Whether firmware of 1998 and 1999 is served.
    pub netboot_1: bool,
    /// Seconds after which a choice is forgotten; None for never.
    pub binding_lifetime: Option<u64>,
}

/// The outcome of one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The reply; None is silence.
    pub reply: Option<Reply>,
    /// The reason, as the log names it.
    pub reason: Reason,
    /// The change of the bindings to store before the reply leaves.
    pub change: Option<Change>,
    /// The Mac's option 60, when it is valid.
    pub vendor_class: Option<VendorClass>,
    /// The Mac's message type, when it is valid.
    pub asked: Option<BsdpMessageType>,
    /// The images that are for it.
    pub offered: Vec<BootImageId>,
    /// The images that are not, by their folders, each with why.
    pub left_out: Vec<(String, LeftOut)>,
    /// How many of the images that are for it did not fit into the list.
    pub cut: usize,
}

/// A reply, apart from DHCP's own fields. Options 60, 17 and 43 go in this order behind 53 and 54.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The type of the reply's DHCP message.
    pub kind: ReplyKind,
    /// Where it goes; None for where a DHCPOFFER goes.
    pub to: Option<SocketAddrV4>,
    /// The server that has the boot file (`siaddr`).
    pub next_server: Ipv4Addr,
    /// The server's name (`sname`), empty for none.
    pub server_name: String,
    /// The booter's path (`file`), empty for none.
    pub boot_file: String,
    /// Option 17: where the Mac finds its root.
    pub root_path: Option<String>,
    /// Option 43, once or several times.
    pub vendor_options: Vec<Vec<u8>>,
    /// The image that it is about.
    pub image: Option<BootImageId>,
}

/// The kinds of replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyKind {
    /// DHCPOFFER to a Mac that chose before.
    Offer,
    /// DHCPACK with the list.
    List,
    /// DHCPACK that confirms the choice.
    Select,
    /// DHCPACK that refuses the choice.
    Failed,
}

/// Answers one packet. `now` is in seconds since 1970.
pub fn respond(
    server: &Server,
    request: &Request,
    images: &BootImages,
    allowed: &Allowed,
    bindings: &Bindings,
    now: u64,
) -> Answer {
    let mut answer = Answer::silence(Reason::NotBsdp);
    match read(server, request, &mut answer) {
        Err(reason) => answer.reason = reason,
        Ok(asked) => {
            let case = Case { server, request, images, allowed, bindings, now, asked };
            case.answer(&mut answer);
        }
    }
    answer
}

struct Case<'a> {
    server: &'a Server,
    request: &'a Request,
    images: &'a BootImages,
    allowed: &'a Allowed,
    bindings: &'a Bindings,
    now: u64,
    asked: Asked,
}

impl Case<'_> {
    fn answer(&self, answer: &mut Answer) {
        let silent = *self.allowed == Allowed::Silence;
        let result = match (self.request.message, self.asked.kind) {
            (DhcpMessage::Inform, Some(BsdpMessageType::Select)) => self.select(answer),
            _ if silent => Err(Reason::NotAllowed),
            (DhcpMessage::Discover, _) => self.offer(answer),
            _ => self.list(answer),
        };
        if let Err(reason) = result {
            answer.reason = reason;
        }
    }

    fn list(&self, answer: &mut Answer) -> Result<(), Reason> {
        let offered: Vec<&BootImage> = self.sort_out(answer, self.asked.filter.as_deref());
        let default = offered.first().ok_or(Reason::NoImage)?;
        answer.offered = offered.iter().map(|image| image.id).collect();
        let mut head = vec![
            SubOption::MessageType(BsdpMessageType::List),
            SubOption::ServerPriority(self.priority()),
            SubOption::DefaultBootImageId(default.id),
        ];
        let bound = self.bound().map(|binding| binding.image).filter(|id| answer.offered.contains(id));
        head.extend(bound.map(SubOption::SelectedBootImageId));
        let entries: Vec<ListEntry> = match self.asked.version {
            VERSION_1_1 => offered.iter().map(|image| ListEntry::new(image.id, &image.name)).collect(),
            _ => Vec::new(), // the list came with 1.1
        };
        let packed = pack(&head, &entries, self.room());
        answer.cut = entries.len() - packed.entries;
        answer.reason = Reason::List;
        answer.reply = Some(Reply {
            kind: ReplyKind::List,
            to: self.asked.to,
            next_server: self.server.addr,
            server_name: String::new(),
            boot_file: String::new(),
            root_path: None,
            vendor_options: packed.values,
            image: Some(default.id),
        });
        Ok(())
    }

    fn select(&self, answer: &mut Answer) -> Result<(), Reason> {
        let chosen_server = self.asked.server.ok_or(Reason::NoServerIdentifier)?;
        if chosen_server != self.server.addr && !self.server.own.contains(&chosen_server) {
            answer.change = self.bindings.get(self.request.mac).map(|binding| Change::Unbind(binding.mac));
            return Err(Reason::OtherServer);
        }
        if *self.allowed == Allowed::Silence {
            return Err(Reason::NotAllowed);
        }
        let for_it = self.sort_out(answer, None);
        let chosen = match self.asked.selected {
            // The filter chooses what is listed, not what may be selected.
            Some(id) => self.images.by_id(id).ok_or(Reason::UnknownImage),
            None => for_it.first().copied().ok_or(Reason::UnknownImage),
        };
        let eligible = chosen.and_then(|image| match self.may_have(image) {
            Ok(()) => Ok(image),
            Err(LeftOut::NotAllowed) => Err(Reason::ImageNotAllowed),
            Err(_) => Err(Reason::ImageNotForThisMac),
        });
        match eligible {
            Ok(image) => {
                let number = self.bindings.get(self.request.mac).map(|binding| binding.number);
                let number = number.unwrap_or_else(|| self.bindings.free_number());
                answer.change = Some(Change::Bind(Binding {
                    mac: self.request.mac,
                    image: image.id,
                    number,
                    model: self.asked.class.model.clone(),
                    at: self.now,
                }));
                answer.reason = Reason::Selected;
                answer.reply = self.boot(ReplyKind::Select, image, number);
            }
            Err(reason) => {
                answer.reason = reason;
                answer.reply = Some(Reply {
                    kind: ReplyKind::Failed,
                    to: self.asked.to,
                    next_server: self.server.addr,
                    server_name: String::new(),
                    boot_file: String::new(),
                    root_path: None,
                    vendor_options: written(&[SubOption::MessageType(BsdpMessageType::Failed)]),
                    image: self.asked.selected,
                });
            }
        }
        Ok(())
    }

    /// A Mac that chose before boots without asking again.
    fn offer(&self, answer: &mut Answer) -> Result<(), Reason> {
        let binding = self.bound().ok_or(Reason::NotBound)?;
        let image = self.images.by_id(binding.image).ok_or(Reason::BoundImageGone)?;
        if let Err(why) = self.may_have(image) {
            answer.left_out.push((image.folder.clone(), why));
            return Err(Reason::BoundImageGone);
        }
        answer.reason = Reason::Bound;
        answer.reply = self.boot(ReplyKind::Offer, image, binding.number);
        Ok(())
    }

    /// The reply with everything a Mac boots from.
    fn boot(&self, kind: ReplyKind, image: &BootImage, number: u32) -> Option<Reply> {
        let next_server = image.load_balance_server.unwrap_or(self.server.addr);
        let mut options = match kind {
            ReplyKind::Select => vec![SubOption::MessageType(BsdpMessageType::Select)],
            _ => Vec::new(),
        };
        options.push(SubOption::SelectedBootImageId(image.id));
        if image.kind != BootImageType::BootFileOnly {
            let name = format!("NetBoot{number:03}");
            if let Some(shadow) = self.server.shadow.as_ref().filter(|_| image.diskless) {
                options.push(SubOption::ShadowMountPath(shadow.clone().into_bytes()));
                options.push(SubOption::ShadowFilePath(format!("{name}/Shadow").into_bytes()));
            }
            options.push(SubOption::MachineName(name.into_bytes()));
        }
        let own_files = image.load_balance_server.is_none();
        Some(Reply {
            kind,
            to: self.asked.to,
            next_server,
            server_name: if own_files { self.server.name.clone() } else { String::new() },
            boot_file: image.boot_file(&self.asked.class.architecture)?,
            root_path: root_path(image, next_server, self.server.http_port),
            vendor_options: written(&options),
            image: Some(image.id),
        })
    }

    /// The images for this Mac, in order; the others go into the answer.
    fn sort_out(&self, answer: &mut Answer, filter: Option<&[u16]>) -> Vec<&BootImage> {
        let mut for_it = Vec::new();
        for image in self.images.iter() {
            match self.may_have(image).and_then(|()| wanted(image, filter)) {
                Ok(()) => for_it.push(image),
                Err(why) => answer.left_out.push((image.folder.clone(), why)),
            }
        }
        // The others keep their order.
        for_it.sort_by_key(|image| self.allowed.default_image() != Some(image.id));
        for_it
    }

    /// Whether an image is for this Mac, by its own lists and by what the operator allows.
    fn may_have(&self, image: &BootImage) -> Result<(), LeftOut> {
        eligible(image, &self.mac(), self.server.disabled_models)?;
        if self.allowed.permits(image.id) { Ok(()) } else { Err(LeftOut::NotAllowed) }
    }

    fn bound(&self) -> Option<&Binding> {
        let fresh = |binding: &&Binding| {
            self.server
                .binding_lifetime
                .is_none_or(|lifetime| self.now.saturating_sub(binding.at) <= lifetime)
        };
        self.bindings.get(self.request.mac).filter(fresh)
    }

    /// A server that many Macs have chosen is less willing.
    fn priority(&self) -> u16 {
        let load = u16::try_from(self.bindings.len()).unwrap_or(u16::MAX);
        self.server.base_priority.saturating_sub(load)
    }

    /// Bytes for the option 43s of a list.
    fn room(&self) -> usize {
        let asked = self.asked.max_message_size.or(self.request.max_message_size).unwrap_or(MIN_MESSAGE);
        usize::from(asked.clamp(MIN_MESSAGE, MAX_MESSAGE)) - IP_AND_UDP - HEADER_AND_FIRST_OPTIONS - 1
    }

    fn mac(&self) -> Mac<'_> {
        Mac {
            architecture: &self.asked.class.architecture,
            model: &self.asked.class.model,
            mac: self.request.mac,
        }
    }
}

impl Answer {
    fn silence(reason: Reason) -> Self {
        Answer {
            reply: None,
            reason,
            change: None,
            vendor_class: None,
            asked: None,
            offered: Vec::new(),
            left_out: Vec::new(),
            cut: 0,
        }
    }

    /// Takes the reply back: what it promises could not be saved.
    pub fn unsaved(mut self) -> Self {
        self.reply = None;
        self.reason = Reason::NotSaved;
        self
    }
}

/// The options as bytes. Callers cut the values to fit; a shadow path that is too long is left out.
fn written(options: &[SubOption]) -> Vec<Vec<u8>> {
    let fitting: Vec<SubOption> = options
        .iter()
        .filter(|option| option43::emit(std::slice::from_ref(option)).is_ok())
        .cloned()
        .collect();
    option43::emit(&fitting).unwrap_or_default()
}

const VERSION_1_1: u16 = 0x0101;
/// The largest reply to a client that states no limit, in bytes with the IP and UDP headers; and
/// the largest that is sent at all.
const MIN_MESSAGE: u16 = 548;
const MAX_MESSAGE: u16 = 8192;
const IP_AND_UDP: usize = 28;
/// The fixed header with its cookie, options 53 and 54, and the vendor class.
const HEADER_AND_FIRST_OPTIONS: usize = 240 + 3 + 6 + 2 + VendorClass::OF_SERVERS.len();

#[cfg(test)]
mod tests;
