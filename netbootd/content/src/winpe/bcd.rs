//! Boot configuration data: a registry hive with a boot manager, a loader and the options of a RAM
//! disk.
//!
//! Object and element numbers as Microsoft's BCD reference gives them; the layout of device values
//! as bcdedit writes it.

use pxe_policy::SystemUuid;
use regf::structures::DataType;
use regf::writer::HiveBuilder;

use super::Settings;

/// The configuration of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bcd {
    /// The text that the boot manager shows.
    pub description: String,
    /// The image's path, with backslashes.
    pub wim: String,
    /// The path of `boot.sdi`.
    pub sdi: String,
    /// Whether the loader for BIOS is wanted.
    pub bios: bool,
    /// TFTP's block size and window for Windows' boot manager.
    pub settings: Settings,
}

/// How the element numbers of the two TFTP integers are read: Microsoft's page prints the class of
/// truth values (36000007), the class of integers (35000007) is what others write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Integers {
    /// By the format digit: 35000007 and 35000008.
    #[default]
    Format,
    /// As printed: 36000007 and 36000008.
    Printed,
}

impl Bcd {
    /// The hive. An error when a path does not fit one.
    pub fn emit(&self) -> Result<Vec<u8>, regf::Error> {
        let mut hive = HiveBuilder::new_with_name("NewStoreRoot")?;
        let root = hive.root_offset();
        let description = hive.add_key(root, "Description")?;
        hive.add_value(description, "KeyName", DataType::String, &text("BCD00000000"))?;
        hive.add_value(description, "System", DataType::Dword, &1_u32.to_le_bytes())?;
        hive.add_value(description, "TreatAsSystem", DataType::Dword, &1_u32.to_le_bytes())?;
        let objects = hive.add_key(root, "Objects")?;

        let mut object = Object::new(&mut hive, objects, RAMDISK_OPTIONS, 0x3000_0000)?;
        object.binary("31000003", &with_options(&[0; 16], &boot_device()))?;
        object.string("32000004", &self.sdi)?;
        let [block, window] = match self.settings.integers {
            Integers::Format => ["35000007", "35000008"],
            Integers::Printed => ["36000007", "36000008"],
        };
        object.integer(block, self.settings.block_size.into())?;
        object.integer(window, self.settings.window_size.into())?;
        object.truth("3600000b")?;

        let mut object = Object::new(&mut hive, objects, BOOT_MANAGER, 0x1010_0002)?;
        object.string("12000004", "Windows Boot Manager")?;
        object.string("23000003", LOADER)?;
        object.list("24000001", LOADER)?;
        object.integer("25000004", 0)?;

        let mut object = Object::new(&mut hive, objects, LOADER, 0x1020_0003)?;
        let device = self.ramdisk();
        object.binary("11000001", &device)?;
        object.string("12000002", if self.bios { BIOS_LOADER } else { UEFI_LOADER })?;
        object.string("12000004", &self.description)?;
        object.binary("21000001", &device)?;
        object.string("22000002", "\\Windows")?;
        object.truth("26000010")?;
        object.truth("26000022")?;
        hive.build()
    }

    /// A RAM disk with an image from the boot device.
    fn ramdisk(&self) -> Vec<u8> {
        let path = text(&self.wim);
        let options = guid(RAMDISK_OPTIONS);
        let inner = 4 + 4 + 4 + BOOT_DEVICE + path.len();
        let mut device = Vec::new();
        let whole = 20 + 20 + inner;
        for number in [0, 1, whole as u32, 0, 3] {
            device.extend(number.to_le_bytes());
        }
        device.extend([0; 20]);
        for number in [1, inner as u32, 5] {
            device.extend(number.to_le_bytes());
        }
        device.extend(boot_device());
        device.extend(path);
        with_options(&options, &device)
    }
}

/// One object under construction.
struct Object<'a> {
    hive: &'a mut HiveBuilder,
    elements: u32,
}

impl<'a> Object<'a> {
    fn new(hive: &'a mut HiveBuilder, objects: u32, id: &str, kind: u32) -> Result<Self, regf::Error> {
        let object = hive.add_key(objects, id)?;
        let description = hive.add_key(object, "Description")?;
        hive.add_value(description, "Type", DataType::Dword, &kind.to_le_bytes())?;
        let elements = hive.add_key(object, "Elements")?;
        Ok(Object { hive, elements })
    }

    fn element(&mut self, number: &str, kind: DataType, value: &[u8]) -> Result<(), regf::Error> {
        let element = self.hive.add_key(self.elements, number)?;
        self.hive.add_value(element, "Element", kind, value).map(drop)
    }

    fn string(&mut self, number: &str, value: &str) -> Result<(), regf::Error> {
        self.element(number, DataType::String, &text(value))
    }

    fn list(&mut self, number: &str, value: &str) -> Result<(), regf::Error> {
        self.element(number, DataType::MultiString, &[text(value), text("")].concat())
    }

    fn binary(&mut self, number: &str, value: &[u8]) -> Result<(), regf::Error> {
        self.element(number, DataType::Binary, value)
    }

    fn integer(&mut self, number: &str, value: u64) -> Result<(), regf::Error> {
        self.binary(number, &value.to_le_bytes())
    }

    fn truth(&mut self, number: &str) -> Result<(), regf::Error> {
        self.binary(number, &[1])
    }
}

/// The device that the boot manager came from.
fn boot_device() -> [u8; BOOT_DEVICE] {
    let mut device = [0; BOOT_DEVICE];
    device[0] = 5;
    device[8] = BOOT_DEVICE as u8;
    device
}

fn with_options(options: &[u8; 16], device: &[u8]) -> Vec<u8> {
    [options.as_slice(), device].concat()
}

/// UTF-16 with its NUL.
fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn guid(text: &str) -> [u8; 16] {
    // The identifiers below are well-formed.
    text.parse::<SystemUuid>().map_or([0; 16], SystemUuid::wire)
}

const BOOT_MANAGER: &str = "{9dea862c-5cdd-4e70-acc1-f32b344d4795}";
const RAMDISK_OPTIONS: &str = "{ae5534e0-a924-466c-b836-758539a3ee3a}";
/// An identifier of our own.
const LOADER: &str = "{6e657462-6f6f-7464-8000-57696e50450a}";
const BIOS_LOADER: &str = "\\Windows\\System32\\boot\\winload.exe";
const UEFI_LOADER: &str = "\\Windows\\System32\\boot\\winload.efi";
const BOOT_DEVICE: usize = 72;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn exported(bcd: &Bcd) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("BCD");
        std::fs::write(&file, bcd.emit().unwrap()).unwrap();
        let output = Command::new("hivexregedit")
            .args(["--export", "--unsafe-printable-strings"])
            .arg(&file)
            .arg("\\")
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn bcd(integers: Integers) -> Bcd {
        Bcd {
            description: "winpe".into(),
            wim: "\\winpe\\sources\\boot.wim".into(),
            sdi: "\\winpe\\boot\\boot.sdi".into(),
            bios: false,
            settings: Settings { block_size: 1456, window_size: 16, integers },
        }
    }

    /// As Debian's hivex reads it; `UPDATE_GOLDEN=1` writes it anew.
    #[test]
    fn another_reader_finds_what_was_asked_for() {
        let text = exported(&bcd(Integers::Format));
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bcd.reg");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&golden).unwrap());
        let printed = exported(&bcd(Integers::Printed));
        assert!(printed.contains("36000007") && !printed.contains("35000007"));
    }

    #[test]
    fn lengths_of_a_device_count_its_path() {
        for path in ["\\a.wim", &format!("\\{}.wim", "x".repeat(200))] {
            let device = Bcd { wim: path.to_owned(), ..bcd(Integers::Format) }.ramdisk();
            let n = path.encode_utf16().count();
            assert_eq!(device.len(), 16 + 126 + 2 * n);
            let number = |at: usize| u32::from_le_bytes(device[at..at + 4].try_into().unwrap());
            assert_eq!((number(24) as usize, number(60) as usize), (126 + 2 * n, 86 + 2 * n));
            assert_eq!(&device[device.len() - 2 * n - 2..], text(path));
        }
    }
}
