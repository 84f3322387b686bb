//! The questions of Windows' boot programs (wdsnbp.com, wdsmgfw.efi).

/// A Windows boot program's request, with the bytes that the published one has: REQUEST to port
/// 4011, options 93, 97, 53, 60, 55, 250.
pub fn request() -> Vec<u8> {
    let guid = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    request_of([0x52, 0x54, 0, 0x4c, 1, 1], guid)
}

/// The same from a machine with this hardware address and this GUID, in wire order.
pub fn request_of(mac: [u8; 6], guid: [u8; 16]) -> Vec<u8> {
    let mut bytes = vec![0; 236];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&[0x40, 0xe2, 1, 0]);
    bytes[8..10].copy_from_slice(&[0xff, 0xff]);
    bytes[12..16].copy_from_slice(&[10, 77, 0, 50]);
    bytes[20..24].copy_from_slice(&[10, 77, 0, 1]);
    bytes[28..34].copy_from_slice(&mac);
    bytes.extend([0x63, 0x82, 0x53, 0x63]);
    bytes.extend([93, 2, 0, 7, 97, 17, 0]);
    bytes.extend(guid);
    bytes.extend([53, 1, 3, 60, 9]);
    bytes.extend(b"PXEClient");
    bytes.extend([55, 9, 60, 128, 129, 130, 131, 132, 133, 134, 135]);
    bytes.extend([250, 15, 12, 1, 0, 13, 2, 8, 0, 1, 2, 0, 7, 14, 1, 0, 255, 255]);
    bytes
}
