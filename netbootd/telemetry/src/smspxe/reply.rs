//! The management point's answers, which smspxe.log holds word for word.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// A `ClientIDReply` of smspxe.log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Whether the site does not know the machine.
    pub unknown: Option<bool>,
    /// The key of the machine's record.
    pub item_key: Option<u64>,
    /// Whether the GUID is on the site's list of duplicates; older sites do not say.
    pub duplicate_smbios: Option<bool>,
    /// The same for the address.
    pub duplicate_mac: Option<bool>,
    /// The boot action, when the request asked for one.
    pub boot_action: Option<BootAction>,
}

/// A `PXEBootAction`. Nothing is what the answer leaves empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootAction {
    /// The id of the deployment that is offered.
    pub offer: Option<String>,
    /// The id of the task sequence.
    pub task_sequence: Option<String>,
    /// The id of the boot image.
    pub boot_image: Option<String>,
    /// Whether it is Required.
    pub mandatory: Option<bool>,
    /// The deployment that the machine was given last.
    pub last_offer: Option<String>,
    /// When, as the server writes it.
    pub last_time: Option<String>,
}

impl Reply {
    /// Reads the document; names in any letter case, as sites differ. None when it is another one.
    pub fn parse(xml: &str) -> Option<Self> {
        let mut reader = Reader::from_str(xml);
        let mut reply = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => {
                    match tag.name().as_ref().to_ascii_lowercase().as_slice() {
                        b"clientidreply" => reply = Some(Reply::default()),
                        b"identification" => reply.as_mut()?.identified(&tag),
                        b"pxebootaction" => reply.as_mut()?.boot_action = Some(boot_action(&tag)),
                        _ => {}
                    }
                }
                Event::Eof => return reply,
                _ => {}
            }
        }
    }

    fn identified(&mut self, tag: &BytesStart<'_>) {
        for (name, value) in attributes(tag) {
            match name.as_str() {
                "unknown" => self.unknown = flag(&value),
                "itemkey" => self.item_key = value.parse().ok(),
                "duplicatesmbios" => self.duplicate_smbios = flag(&value),
                "duplicatemacaddress" => self.duplicate_mac = flag(&value),
                _ => {}
            }
        }
    }

    /// Whether the record is one of the unknown computer objects: their keys begin here.
    pub fn is_unknown_object(&self) -> bool {
        self.item_key.is_some_and(|key| key >= FIRST_UNKNOWN_OBJECT)
    }
}

fn boot_action(tag: &BytesStart<'_>) -> BootAction {
    let mut action = BootAction::default();
    for (name, value) in attributes(tag) {
        let some = (!value.is_empty()).then(|| value.clone());
        match name.as_str() {
            "offerid" => action.offer = some,
            "pkgid" => action.task_sequence = some,
            "bootimageid" => action.boot_image = some,
            "mandatory" => action.mandatory = flag(&value),
            "lastpxeadvertisementid" => action.last_offer = some,
            "lastpxeadvertisementtime" => action.last_time = some,
            _ => {}
        }
    }
    action
}

fn attributes(tag: &BytesStart<'_>) -> Vec<(String, String)> {
    let sound = tag.attributes().flatten();
    sound
        .map(|attribute| {
            let name = String::from_utf8_lossy(attribute.key.as_ref()).to_ascii_lowercase();
            (name, String::from_utf8_lossy(&attribute.value).into_owned())
        })
        .collect()
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

const FIRST_UNKNOWN_OBJECT: u64 = 2_046_820_352;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn answers_read_as_they_were_recorded() {
        let all: Value = serde_json::from_str(include_str!("../../../tests/data/adminservice.json")).unwrap();
        let mut read = 0;
        for example in all["xml"].as_array().unwrap() {
            let Some(reply) = Reply::parse(example["text"].as_str().unwrap()) else {
                assert_eq!(example["id"], "mp-key-information-media", "another document");
                continue;
            };
            let (id, expect) = (&example["id"], &example["expect"]);
            let is = |wanted: &Value, got: Option<bool>| wanted.is_null() || wanted.as_bool() == got;
            assert_eq!(reply.item_key, expect["item_key"].as_u64(), "{id}");
            assert!(is(&expect["unknown"], reply.unknown), "{id}");
            assert!(is(&expect["duplicate_smbios"], reply.duplicate_smbios), "{id}");
            assert!(is(&expect["is_unknown_object"], Some(reply.is_unknown_object())), "{id}");
            if let Some(action) = &reply.boot_action {
                let wanted = &expect["boot_action"];
                assert_eq!(action.offer.as_deref(), wanted["offer"].as_str(), "{id}");
                assert!(is(&wanted["mandatory"], action.mandatory), "{id}");
                assert!(
                    wanted["boot_image"].is_null()
                        || wanted["boot_image"].as_str() == action.boot_image.as_deref()
                );
            }
            read += 1;
        }
        assert_eq!(read, 6);
        // Older sites write the same name in another letter case, and leave the value empty.
        let lower = Reply::parse(
            "<clientidreply><IDENTIFICATION itemkey=\"7\"/><pxebootaction packagePath=\"\" MANDATORY=\"\"/></clientidreply>",
        );
        assert_eq!(
            (lower.clone().unwrap().item_key, lower.unwrap().boot_action),
            (Some(7), Some(BootAction::default()))
        );
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for text in
            ["", "x", "<a/>", "<ClientIDReply", "<Identification ItemKey=\"1\"/>", "<ClientIDReply><a></b>"]
        {
            assert_eq!(Reply::parse(text), None, "{text}");
        }
    }
}
