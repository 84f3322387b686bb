//! An image with one set of files, of metadata and one file's bytes that are both the fuzzer's,
//! with the checksum that the metadata needs: wimlib looks at nothing that its checksum does not
//! fit.

use super::sha1::sha1;

/// `kind` has the compression (2 bits), and whether metadata and file are compressed and the file
/// is in a solid resource.
pub(super) fn image(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let (sizes, rest) = bytes.split_first_chunk::<8>().unwrap_or((&[0; 8], bytes));
    let number = |at: usize| u64::from(u16::from_le_bytes([sizes[at], sizes[at + 1]]));
    let (metadata, blob) = rest.split_at((number(0) as usize).min(rest.len()));
    let (compressed_metadata, compressed, solid) = (kind & 4 != 0, kind & 8 != 0, kind & 16 != 0);
    let mut image = vec![0; HEADER];
    let mut table = Vec::new();
    let flags = METADATA | if compressed_metadata { COMPRESSED } else { 0 };
    let unpacked = if compressed_metadata { number(2) } else { metadata.len() as u64 };
    descriptor(&mut table, resource(metadata.len(), flags, HEADER as u64, unpacked), sha1(metadata));
    image.extend(metadata);
    let at = image.len() as u64;
    // Above 64 KiB there is nothing to be seen that is not below.
    let size = if compressed || solid { number(4) } else { blob.len() as u64 };
    if solid {
        // Its size when unpacked, the size of a chunk, the compression; the table of chunks is the
        // fuzzer's.
        image.extend(size.to_le_bytes());
        image.extend((1_u32 << (15 + sizes[6] % 6)).to_le_bytes());
        image.extend(u32::from(kind & 3).to_le_bytes());
        descriptor(&mut table, resource(blob.len() + 16, SOLID, at, SOLID_MAGIC), [0; 20]);
        descriptor(&mut table, resource(size as usize, SOLID, u64::from(sizes[7]), 0), BLOB);
    } else {
        let flags = if compressed { COMPRESSED } else { 0 };
        descriptor(&mut table, resource(blob.len(), flags, at, size), BLOB);
    }
    image.extend(blob);
    let table_at = image.len() as u64;
    image.extend(&table);
    let xml: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(XML.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let xml_at = image.len() as u64;
    image.extend(&xml);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(b"MSWIM\0\0\0");
    let version = if solid { 0xe00 } else { 0x10d00 };
    for value in [HEADER as u32, version, COMPRESSIONS[usize::from(kind & 3)], 1 << 15] {
        header.extend(value.to_le_bytes());
    }
    header.extend([7; 16]);
    header.extend([1, 0, 1, 0, 1, 0, 0, 0]);
    header.extend(resource(table.len(), 0, table_at, table.len() as u64));
    header.extend(resource(xml.len(), 0, xml_at, xml.len() as u64));
    header.extend(resource(metadata.len(), flags, HEADER as u64, unpacked));
    image[..header.len()].copy_from_slice(&header);
    image
}

fn resource(size: usize, flags: u8, offset: u64, unpacked: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&(size as u64).to_le_bytes());
    bytes[7] = flags;
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..].copy_from_slice(&unpacked.to_le_bytes());
    bytes
}

fn descriptor(to: &mut Vec<u8>, resource: [u8; 24], digest: [u8; 20]) {
    to.extend(resource);
    to.extend([1, 0, 1, 0, 0, 0]);
    to.extend(digest);
}

const XML: &str = "<WIM><IMAGE INDEX=\"1\"><NAME>x</NAME><WINDOWS><ARCH>9</ARCH></WINDOWS></IMAGE></WIM>";
/// The digest of the one file's bytes in metadata, whatever they are.
const BLOB: [u8; 20] = [0x11; 20];
const HEADER: usize = 208;
const METADATA: u8 = 2;
const COMPRESSED: u8 = 4;
const SOLID: u8 = 16;
const SOLID_MAGIC: u64 = 0x1_0000_0000;
/// None, XPRESS, LZX, LZMS, as the header has them.
const COMPRESSIONS: [u32; 4] = [0, 0x2_0002, 0x4_0002, 0x8_0002];
