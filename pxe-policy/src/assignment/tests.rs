use super::*;
use crate::{ArchType, Class};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

fn request(mac: MacAddr, guid: Option<&str>) -> BootRequest {
    let guid = guid.map(|text| text.parse().unwrap());
    BootRequest::asking(mac, guid, ArchType::X64_UEFI, Class::Pxe)
}

#[test]
fn a_device_is_found_by_its_guid_first_and_a_shared_dock_leads_to_nobody_else() {
    let (own, other) = ("4c4c4544-0057-5810-804a-c3c04f463732", "4c4c4544-0042-3510-8053-b3c04f463732");
    let mut known = Assignments::default();
    let device = Assignment { guid: own.parse().ok(), ..Assignment::new(MAC) };
    known.apply(AssignmentChange::Put(Box::new(device)));
    let dock = MacAddr([2, 0, 0, 0, 0, 9]);
    assert!(
        known.find(&request(MAC, Some(own))).is_some() && known.find(&request(dock, Some(own))).is_some()
    );
    // Boot programs and Macs send no GUID; firmware swaps its first fields.
    assert!(known.find(&request(MAC, None)).is_some());
    assert!(known.find(&request(MAC, Some("44454c4c-5700-1058-804a-c3c04f463732"))).is_some());
    assert_eq!(known.find(&request(MAC, Some(other))), None);
    assert_eq!(known.find(&request(dock, None)), None);
    let placeholder = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    assert!(known.find(&request(MAC, Some(placeholder))).is_some());
    known.apply(AssignmentChange::Remove(MAC));
    assert_eq!(known, Assignments::default());
}

#[test]
fn what_is_kept_reads_as_it_was_written() {
    let next = BootNext { target: Target::Disk, once: true, until: Some(9), at: 7, number: 3 };
    let device = Assignment {
        guid: "4c4c4544-0057-5810-804a-c3c04f463732".parse().ok(),
        name: "kiosk-7".into(),
        tags: vec!["lab".into()],
        note: "beside the door".into(),
        boot: Some(Target::Image("debian-12".into())),
        next: Some(next),
        ..Assignment::new(MAC)
    };
    for device in [device, Assignment::new(MAC)] {
        let text = serde_json::to_string(&device).unwrap();
        assert_eq!(serde_json::from_str::<Assignment>(&text).unwrap(), device, "{text}");
    }
}

#[test]
fn text_that_would_deceive_is_refused() {
    let with = |change: fn(&mut Assignment)| {
        let mut device = Assignment::new(MAC);
        change(&mut device);
        device.check().map_err(|error| error.to_string())
    };
    assert_eq!(with(|device| device.name = "Größe 日本 7".into()), Ok(()));
    type Change = fn(&mut Assignment);
    let refused: [(Change, &str); 7] = [
        (|device| device.name = "a\u{1b}[31m".into(), "the name contains control characters"),
        (|device| device.note = "a\u{202e}b".into(), "the note contains control characters"),
        (|device| device.name = "a".repeat(65), "the name has 65 characters, more than 64"),
        (|device| device.tags = vec!["a b".into()], "is not a tag"),
        (|device| device.tags = vec!["a".into(); 17], "at most 16 tags"),
        (|device| device.boot = Some(Target::File(" ".into())), "needs a name"),
        (|device| device.boot = Some(Target::Image("a\n".into())), "the image contains control characters"),
    ];
    for (change, words) in refused {
        let error = with(change).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
