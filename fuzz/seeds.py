#!/usr/bin/env python3
"""Writes the fuzz targets' seeds from the vectors that the crates' own tests read. Seeds of what once broke something stand beside them."""

import hashlib
import json
import plistlib
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VECTORS = {}
for kind, path in {
    "bsdp": "bsdp/tests/data/vectors.json",
    "dhcp": "netbootd/dhcp/tests/data/dhcp-vectors.json",
    "options": "netbootd/dhcp/tests/data/option-vectors.json",
    "tftp": "tftp/tests/data/tftp-vectors.json",
}.items():
    VECTORS[kind] = json.loads((ROOT / path).read_text())["vectors"]
SITE = json.loads((ROOT / "netbootd/tests/data/adminservice.json").read_text())


def write(target, name, data):
    folder = ROOT / "fuzz/seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def counted(*values):
    return b"".join(bytes([len(value)]) + value for value in values)


def dhcp():
    for vector in VECTORS["dhcp"]:
        data = bytes.fromhex(vector["hex"])
        write("dhcp_packet" if data[0] == 1 else "dhcp_reply", vector["id"], data)
    for vector in VECTORS["bsdp"]:
        if vector["id"] in ("apple-four-images", "apple-odd-plists"):
            for number, step in enumerate(vector["steps"]):
                write("dhcp_packet", f"{vector['id']}-{number}", bytes.fromhex(step["request"]))
    # An answer of ConfigMgr's responder, with the options that only its machines get.
    offer = next(v for v in VECTORS["dhcp"] if v["id"] == "hyperv-gen1-offer")
    header = bytes.fromhex(offer["hex"])[:240]
    options = {v["id"]: bytes.fromhex(v["hex"]) for v in VECTORS["options"]}
    ack = bytes([53, 1, 5, 54, 4, 10, 77, 0, 9, 60, 9]) + b"PXEClient"
    for name, parts in {
        "responder-variables": [(243, "opt243-no-password"), (252, "opt252-bcd")],
        "responder-password": [(243, "opt243-with-password"), (252, "opt252-bcd")],
        "responder-abort": [(250, "opt250-reply-abort")],
        "responder-poll": [(250, "opt250-reply-poll")],
    }.items():
        values = b"".join(bytes([code, len(options[id])]) + options[id] for code, id in parts)
        write("dhcp_reply", name, header + ack + values + b"\xff")


def dhcp6():
    mac = bytes.fromhex("5254004c0109")
    option = lambda code, *parts: struct.pack(">HH", code, len(b"".join(parts))) + b"".join(parts)
    text = lambda words: struct.pack(">H", len(words)) + words
    client = option(1, bytes.fromhex("000444454c4c420010358053"), mac)
    kinds = {
        "pxe": option(61, b"\0\7") + option(16, b"\0\0\1W", text(b"PXEClient:Arch:00007:UNDI:003001")),
        "http": option(61, b"\0\x10") + option(16, b"\0\0\1W", text(b"HTTPClient:Arch:00016:UNDI:003001")),
        "ipxe": option(61, b"\0\7") + option(15, text(b"iPXE")),
    }
    inside = option(5, bytes.fromhex("20010db8000100000000000000000100"), bytes(8))
    associations = option(3, b"\0\0\0\1", bytes(8), inside) + option(3, b"\0\0\0\2", bytes(8))
    server = option(2, bytes.fromhex("00030001020000000001"))
    messages = {}
    for name, kind in kinds.items():
        for verdict, padding in enumerate([b"", option(8, b"\0"), option(8, b"\0\1"), option(8, b"\0\1\2"), option(6, b"\0\x17\0\x3b")]):
            messages[f"{name}-solicit-{verdict}"] = bytes([1, 0, 0, verdict]) + client + kind + padding + associations
        messages[f"{name}-request"] = bytes([3, 0, 0, 3]) + client + server + kind + associations
        messages[f"{name}-information"] = bytes([11, 0, 0, 2]) + kind + option(8, b"\0\x64")
    messages["release"] = bytes([8, 1, 2, 3]) + client + server + associations
    seen = option(79, b"\0\1", mac)
    for name in ["pxe-request", "http-solicit-1"]:
        relayed = messages[name]
        for hops, link in enumerate([bytes.fromhex("20010db8000200000000000000000001"), bytes(16)]):
            peer = bytes.fromhex("fe80000000000000505400fffe4c0109")
            relayed = bytes([12, hops]) + link + peer + option(18, b"eth%d" % hops) + seen + option(9, relayed)
        messages[name + "-relayed"] = relayed
    for name, message in messages.items():
        write("dhcp6_packet", name, message)


def vendor_options():
    for vector in VECTORS["options"]:
        target = "option43" if vector["id"].startswith("opt43") else "wds_options"
        write(target, vector["id"], bytes.fromhex(vector["hex"]))
    write("option43", "bypass", bytes.fromhex("060108ff"))
    menu = bytes.fromhex("060107 0807 8000 01 0a4d0002 0911 0000 04") + b"Disk" + bytes.fromhex("8000 07") + b"Windows"
    write("option43", "menu", menu + bytes.fromhex("0a06 0a") + b"Press" + bytes.fromhex("470480000000 07 04 e0000102 ff"))
    write("option43", "other-and-pad", bytes.fromhex("00 01 04 e0000102 00 b0 03 010203 ff 0606"))


def macs():
    mac = b"AAPLBSDPC/i386/iMac14,3"
    for vector in VECTORS["bsdp"]:
        if vector["kind"] == "opt43":
            write("bsdp", vector["id"], b"\0" + counted(mac, bytes.fromhex(vector["hex"])))
        elif vector["kind"] == "class-id":
            asked = bytes.fromhex("01010102020101")
            write("bsdp", vector["id"], b"\0" + counted(bytes.fromhex(vector["hex"]), asked))
        elif vector["kind"] == "option9-data":
            write("bsdp", vector["id"], b"\0" + counted(mac, bytes.fromhex(vector["hex"])))
    select = bytes.fromhex("01010202020101 03040a4d0002 080401000002")
    write("bsdp", "select", b"\0" + counted(mac, select))
    write("bsdp", "select-default", b"\0" + counted(mac, bytes.fromhex("01010202020101 03040a4d0002")))
    write("bsdp", "select-another-server", b"\0" + counted(mac, bytes.fromhex("01010202020101 03040a4d0009")))
    write("bsdp", "list-large", b"\x7c" + counted(mac, bytes.fromhex("01010102020101 0c0220000502 03fc")))
    write("bsdp", "discover-bound", b"\1" + counted(mac, bytes.fromhex("02020101")))
    write("bsdp", "netboot-1", b"\0" + counted(b"AAPLBSDPC/ppc/PowerMac1,1", bytes.fromhex("01010102020000 0a00")))
    for path in sorted((ROOT / "netbootd/tests/data/nbi").glob("*/NBImageInfo.plist")):
        data = path.read_bytes()
        write("nbi_info", path.parent.name + ".xml", data)
        write("nbi_info", path.parent.name + ".bin", plistlib.dumps(plistlib.loads(data), fmt=plistlib.FMT_BINARY))
    for vector in VECTORS["bsdp"]:
        if vector["id"] == "apple-odd-plists":
            for name, folder in vector["nbi"].items():
                write("nbi_info", name + ".xml", plistlib.dumps(folder["plist"]))
    everything = {
        "Name": "Everything",
        "Index": "4096",
        "Kind": 1,
        "Type": "NFS",
        "BootFile": "booter",
        "RootPath": "10.77.0.9:/export:dir/image.dmg",
        "Architectures": ["i386", "ppc"],
        "IsInstall": True,
        "IsEnabled": True,
        "IsDefault": True,
        "SupportsDiskless": True,
        "FilterOnly": False,
        "EnabledSystemIdentifiers": ["iMac14,3"],
        "DisabledSystemIdentifiers": [],
        "EnabledMACAddresses": ["00:16:cb:1:2:3"],
        "LoadBalanceServer": "files.corp.example",
        "imageFormat": {"a": ["b", 1.5]},
    }
    write("nbi_info", "everything.xml", plistlib.dumps(everything))
    write("nbi_info", "everything.bin", plistlib.dumps(everything, fmt=plistlib.FMT_BINARY))
    http = dict(everything, Type="HTTP", RootPath="http://me:pw@host:8080/a b.dmg", Index=1)
    write("nbi_info", "http.xml", plistlib.dumps(http))
    write("nbi_info", "boot-file-only.xml", plistlib.dumps(dict(everything, Type="BootFileOnly", Kind=2, RootPath="")))


def tftp():
    requests = []
    for vector in VECTORS["tftp"]:
        data = bytes.fromhex(vector["hex"])
        write("tftp_packet", vector["id"], data)
        if data[:2] == b"\0\1":
            requests.append((vector["id"], data))
    write("tftp_packet", "netascii", b"\0\1a\0netascii\0tsize\x000\0")
    write("tftp_packet", "data", b"\0\3\0\1" + b"line\r\nline\n\r")
    write("tftp_packet", "write-request", b"\0\2a\0octet\0")
    windows = b"\0\1boot.wim\0octet\0blksize\x001456\0windowsize\x004\0tsize\x000\0msftwindow\x0031416\0"
    requests += [("windows", windows), ("plain", b"\0\1a\0octet\0"), ("lines", b"\0\1a\0octet\0windowsize\x0040\0blksize\x008\0")]
    ack = lambda block, *window: struct.pack(">HH", 4, block) + bytes(window)
    for name, request in requests:
        acks = [ack(number) for number in range(0, 12)]
        write("tftp_sender", name, b"\x01\x00" + counted(request, *acks))
    small = b"\0\1a\0octet\0blksize\x008\0windowsize\x0064\0"
    write("tftp_sender", "rollover", b"\xff\xff" + counted(small, ack(0), b"\xf4\xa0", ack(3), b"\xff" * 9, b"\xf4\x80", ack(0)))
    pauses = [ack(0), b"\xff\xff", ack(4), ack(4), b"\xff", b"\xff" * 200, ack(2), ack(8, 2), ack(3), ack(9)]
    write("tftp_sender", "windows-pauses", b"\x08\x00" + counted(windows, *pauses))
    for name, end in {"unreachable": b"\xf1", "read-failed": b"\xf2", "stop": b"\xf3", "error": b"\0\5\0\0\0", "refused": b"\0\5\0\x08no\0"}.items():
        write("tftp_sender", name, b"\x01\x00" + counted(windows, end))
    data = lambda block, length: struct.pack(">HH", 3, block) + b"x" * length
    granted = b"\0\6blksize\x008\0windowsize\x002\0tsize\x0020\0"
    write("tftp_receiver", "whole", b"\0" + counted(granted, data(1, 8), data(2, 8), data(3, 4)))
    write("tftp_receiver", "gap", b"\0" + counted(granted, data(2, 8), data(1, 8), data(1, 8), b"\xff" * 8, data(2, 8), data(3, 0)))
    variable = b"\0\6blksize\x008\0windowsize\x004\0msftwindow\x0027182\0"
    write("tftp_receiver", "variable", b"\3" + counted(variable, *[data(n, 8) for n in range(1, 8)], data(8, 1)))
    write("tftp_receiver", "odd", b"\0" + counted(b"\0\6blksize\x007\0"))
    write("tftp_receiver", "error", b"\0" + counted(b"\0\5\0\1no\0"))
    script = {
        "good": [],
        "lossy": [0, 1, 0, 2, 3, 0, 4, 5, 0, 0, 1, 1, 2, 5, 5, 3] * 8,
        "silent": [1] * 100,
        "repeats": [2, 5] * 60,
        "late": [3, 3, 0, 4] * 40,
    }
    for name, acts in script.items():
        for asked, kind in [((0, 0, 0, 0), "lockstep"), ((24, 7, 0, 2), "window"), ((8, 15, 5, 0), "variable")]:
            write("tftp_transfer", f"{name}-{kind}", bytes([*asked, 2, 88, *acts]))


def paths():
    for name, path in {
        "windows": b"\\boot\\x64\\wdsnbp.com",
        "mixed": b"/boot\\x64\\bootmgr.exe",
        "drive": b"C:\\boot\\bcd",
        "dots": b"//a/./b//c",
        "up": b"a\\..\\..\\b",
        "device": b"boot/NUL.txt",
        "stream": b"a/b:stream",
        "nul": b"pxeboot.com\0rest",
        "rubbish": b"pxelinux.0\xff\xff",
        "variables": b"\\SMSTemp\\2026.{0A-1}.boot.var",
    }.items():
        write("boot_path", name, path)
        write("http_request", name, b"\0\x0a" + path.replace(b"\0", b"%00") + b"\nbytes=2-5")
    for number, header in enumerate(["bytes=0-", "bytes=-3", "bytes=9-9", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes= 1 - 2 "]):
        write("http_request", f"range-{number}", b"\0\x0a" + b"a%20b%2fc\n" + header.encode())


def images():
    text = lambda words: struct.pack("<I", len(words)) + words.encode("utf-16-le")
    frame = lambda kind, data: struct.pack("<BI", kind, len(data)) + data
    image = lambda index, name: frame(1, struct.pack("<IBI", index, index == 2, 9) + text(name) + text("WindowsPE"))
    stream = struct.pack("<I", 1) + text("x") + struct.pack("<Q", 9)
    entry = lambda path, bits: frame(
        2, struct.pack("<4I4Q", 1, bits, 0xA000000C, 1, 7, 3, 60208, 0) + b"\x01" * 20 + text(path) + stream
    )
    files = entry("/", 16) + entry("/Windows/Boot/PXE/bootmgr.exe", 32) + entry('/a "b".txt', 1024)
    half = entry("/a?", 32).replace(b"?\0", b"\0\xd8")
    write("wim_listing", "frames", image(1, "Windows PE") + image(2, "Setup") + files + half + frame(4, b""))
    write("wim_listing", "complaint", 'x\n[ERROR] "/proc/self/fd/3": The file is \x1bnot a WIM\nmore\n')
    for name, magic, directories in [("pe32-plus", 0x20B, 112), ("pe32", 0x10B, 96)]:
        head = bytearray(512)
        head[:2] = b"MZ"
        head[0x3C] = 0x80
        head[0x80:0x84] = b"PE\0\0"
        head[0x98:0x9A] = struct.pack("<H", magic)
        head[0x98 + directories - 4 : 0x98 + directories] = struct.pack("<I", 16)
        head[0x98 + directories + 36 : 0x98 + directories + 40] = struct.pack("<I", 9000)
        write("program_header", name, bytes(head))
    signature = (ROOT / "boot-program/tests/data/debian-secure-boot-signer.der").read_bytes()
    write("boot_program", "signature", signature)
    program = bytearray(0x260)
    program[:2] = b"MZ"
    program[0x3C] = 0x80
    program[0x80:0x88] = b"PE\0\0\x64\x86\x01\0"
    program[0x94] = 240
    for at, value in [(0, 0x20B), (32, 0x20), (36, 0x20), (56, 0x1000), (60, 0x200), (68, 10), (108, 16), (144, 0x260)]:
        program[0x98 + at : 0x9C + at] = struct.pack("<I", value)
    program[0x98 + 148 : 0x98 + 152] = struct.pack("<I", (len(signature) + 15) // 8 * 8)
    program[0x188 : 0x188 + 24] = b".sbat\0\0\0" + struct.pack("<4I", 0x60, 0x200, 0x60, 0x200)
    program[0x200:0x210] = b"sbat,1\nshim,3\n\0\0"
    entry = struct.pack("<IHH", len(signature) + 8, 0x200, 2) + signature
    write("boot_program", "signed", bytes(program) + entry + b"\0" * (-len(entry) % 8))
    write("boot_program", "sbat-level", "sbat,1,2025051000\nshim,4\ngrub,5\n")
    hash256 = bytes.fromhex("2616c4c14c509240aca941f936934328")
    version = bytes.fromhex("01612b139dd5598843ab1c185c3cb2eb92") + b"\0\0\x09" + b"\0" * 12
    entries = b"\0" * 16 + b"\x07" * 32 + b"\0" * 16 + version
    write("boot_program", "dbx", hash256 + struct.pack("<3I", 28 + len(entries), 0, 48) + entries)
    listed = {"images": {"x64": [{"authenticodeHash": "07" * 32}]}, "certificates": [{"subjectName": "CN = Old CA"}]}
    write("boot_program", "dbx-json", json.dumps(listed))
    packages = "[Packages]\r\nPS100005.9\r\nPS100005.10=\r\n\r\n[Info]\r\nVersion=9\r\n"
    file = f"[File]\r\nHash1={'AB' * 32} \r\nSize=7\r\n; a remark\r\n"
    for name, text in [("packages", packages), ("file", file), ("umlaut", "[File]\nHash=\u00fc\n")]:
        write("library_ini", name, text)
        write("library_ini", name + "-utf16", b"\xff\xfe" + text.encode("utf-16-le"))
        write("library_ini", name + "-utf16-big", b"\xfe\xff" + text.encode("utf-16-be"))
    write("library_ini", "ansi", b"[File]\nHash=\xfc\n")


def capture(folder, *words):
    image = folder / "x.wim"
    image.unlink(missing_ok=True)
    source, *options = words
    command = ["wimlib-imagex", "capture", source, "x.wim", "x", "--threads=1", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return image.read_bytes()


def resources(image):
    """Flags, size when unpacked, and the bytes in the file, of everything in an image."""
    table, size = struct.unpack_from("<Q", image, 0x38)[0], struct.unpack_from("<Q", image, 0x30)[0] & (1 << 56) - 1
    for at in range(table, table + size, 50):
        packed, offset, unpacked = struct.unpack_from("<QQQ", image, at)
        yield packed >> 56, unpacked, image[offset : offset + (packed & (1 << 56) - 1)]


def windows_images():
    """The first byte is what wim_image.rs and its build.rs make of it: the command, and whether and how an image is built of the rest."""
    commands = {"list": 0, "extract": 0x20, "verify": 0x80}
    folder = Path(tempfile.mkdtemp())
    boot = folder / "set/Windows/Boot"
    boot.mkdir(parents=True)
    text = b" ".join([b"hello"] * 8)
    (boot / "a.txt").write_bytes(text)
    (folder / "set/b").hardlink_to(boot / "a.txt")
    (folder / "set/c").symlink_to("b")
    (folder / "set/d").write_bytes(bytes(200))
    (folder / "set/e").write_bytes(b"")
    (folder / "one").mkdir()
    (folder / "one/f").write_bytes(b"abcdefgh" * 500)
    for name, words in {
        "none": ["--compress=none"],
        "xpress": ["--compress=XPRESS", "--chunk-size=4096"],
        "lzx": ["--compress=LZX"],
        "lzms": ["--compress=LZMS"],
        "solid": ["--solid", "--solid-chunk-size=64K"],
        "solid-lzx": ["--solid", "--solid-compress=LZX", "--solid-chunk-size=64K"],
        "check": ["--check", "--compress=LZX"],
        "pipable": ["--pipable", "--compress=XPRESS"],
        "unix": ["--unix-data", "--compress=none"],
    }.items():
        image = capture(folder, "set", *words)
        for command, bits in commands.items():
            write("wim_image", f"{name}-{command}", bytes([bits]) + image)
    for form, words in {"none": [], "unix": ["--unix-data"]}.items():
        image = capture(folder, "set", "--compress=none", *words)
        metadata = next(data for flags, _, data in resources(image) if flags & 2)
        for data in [text, bytes(200)]:
            metadata = metadata.replace(hashlib.sha1(data).digest(), b"\x11" * 20)
        kinds = {"stored": (0, 0, text)}
        for number, compression in enumerate(["XPRESS", "LZX", "LZMS"], 1):
            one = capture(folder, "one", f"--compress={compression}")
            size, data = next((size, data) for flags, size, data in resources(one) if not flags & 2)
            kinds[compression.lower()] = (number | 8, size, data)
            kinds[f"solid-{compression.lower()}"] = (number | 16, size, struct.pack("<I", len(data)) + data)
        for kind, (bits, size, data) in kinds.items():
            for command, asked in commands.items():
                if kind == "stored" or command == "extract" or (command, form) == ("verify", "none"):
                    head = struct.pack("<BHHHBB", 0x40 | bits | asked, len(metadata), 0, size, 0, 0)
                    write("wim_image", f"built-{form}-{kind}-{command}", head + metadata + data)
    shutil.rmtree(folder)


def settings():
    write("config", "default", (ROOT / "netbootd/config/src/default.toml").read_bytes())
    for path in sorted((ROOT / "netbootd/tests/data").glob("*.toml")):
        write("config", path.stem, path.read_bytes())
    for path in sorted((ROOT / "examples").glob("*/*.toml")):
        write("config", f"{path.parent.name}-{path.stem}", path.read_bytes())
    write("config", "bans", '[policy]\nbanned-guids = ["03000200-0400-0500-0006-000700080009"]\nignored-macs = ["52-54-00-12-34-56"]\n')
    write("device_file", "example.csv", (ROOT / "examples/pc-lab/devices.csv").read_bytes())
    csv = (
        "\ufeffName, MAC, UUID, image, file, deployment, purpose, owner\n"
        "kiosk-7, 52-54-00-12-34-56, , linux, , , , Anna\n# a remark\n"
        "lab-1, 525400123457; 52:54:00:12:34:58, {E8A3EFAC-201F-4E69-953E-B2DAA1E8B1B6}, , menu.efi\n"
        'broken, nonsense, , linux\n"wi""pe", 52:54:00:12:34:59, , winpe, , reimage-2026, required\n'
        "raw, , ACEFA3E81F20694E953EB2DAA1E8B1B7, linux\n"
    )
    write("device_file", "every-column.csv", csv)
    toml = '[[device]]\nname = "kiosk-7"\nmac = "52:54:00:12:34:56"\nimage = "linux"\n\n[[device]]\nname = "x"\nuuid = "ACEFA3E81F20694E953EB2DAA1E8B1B7"\nimage = "i"\ndeployment = "d"\npurpose = "available"\n'
    write("device_file", "devices.toml", toml)


def site():
    answers = {one["id"]: json.dumps(one["response"], separators=(",", ":")) for one in SITE["adminservice"]}
    tables = [
        "advertisementinfo-task-sequences",
        "tasksequencepackage",
        "bootimagepackage",
        "r-unknownsystem",
        "distributionpointinfo-pxe",
        "common-smbios-guids",
        "collection-unknown-mac",
    ]
    write("admin_service", "tables", "\0".join(answers[id] for id in tables))
    for id in ["r-system-by-mac-two-records", "paged-list", "error-odata", "fullcollectionmembership"]:
        write("admin_service", id, answers[id])
    write("smspxe", "log", (ROOT / "netbootd/tests/data/smspxe.log").read_bytes())
    for one in SITE["xml"]:
        write("smspxe", one["id"], f'<![LOG[{one["text"]}]LOG]!><time="1" date="2" thread="7">\r\n')
    lines = [one["text"].replace("<MAC>", "00:15:5D:00:19:CA") for one in SITE["smspxe_lines"]]
    write("smspxe", "lines", "\r\n".join(lines))
    lookup = "<![LOG[MP_LookupDevice succeeded: 16777299 1 16777300 1 0]LOG]!><time=\"1\" date=\"2\" thread=\"7\">\n00:15:5D:00:19:CA, x: No boot action. Aborted."
    write("smspxe", "lookup-utf16", lookup.encode("utf-16"))


def reports():
    write("report", "ipxe-failed", "by=ipxe&state=failed&step=kernel&file=http%3A%2F%2F10.0.0.1%2Fvmlinuz&error=2d0c618e")
    write("report", "ipxe-started", "by=ipxe&state=started&link=up&chip=e1000&manufacturer=Dell+Inc.&product=OptiPlex%207010&serial=4711&version=1.21.1&switch=sw1&port=Gi1%2F0%2F1&vlan=5")
    write("report", "text", "state=note&text=%1b%5B31m%E2%80%AE%00%zz&step=${boot}+%26%26+`x`")
    write("syslog", "rfc5424", "<165>1 2026-11-28T22:14:15.003Z pc evntslog 8710 ID47 [a@1 x=\"]\\\"\"][b] \ufeffAn event")
    write("syslog", "rfc3164", "<30>Nov 28 04:01:02 pc dhclient[812]: No DHCPOFFERS received.")
    write("syslog", "bare", "<14>ipxe: Could not start download")


def media():
    with tempfile.TemporaryDirectory() as folder:
        disc = Path(folder) / "disc"
        (disc / "live/below").mkdir(parents=True)
        for path in ("live/vmlinuz", "live/below/a long name that goes on.txt", "boot.img"):
            (disc / path).write_bytes(b"bytes")
        (disc / "link").symlink_to("live/vmlinuz")
        boot = ["-b", "boot.img", "-no-emul-boot"]
        for name, command in {
            "rock-ridge": ["xorriso", "-as", "mkisofs", "-quiet", "-R"],
            "joliet": ["xorriso", "-as", "mkisofs", "-quiet", "-J"],
            "udf": ["genisoimage", "-quiet", "-udf", "-hide", "live"],
        }.items():
            subprocess.run([*command, *boot, "-o", "a.iso", "disc"], cwd=folder, check=True, capture_output=True)
            data = (Path(folder) / "a.iso").read_bytes()[: 1024 * 2048]
            sectors = [data[at : at + 2048] for at in range(0, len(data), 2048)]
            used = [struct.pack("<H", n) + sector for n, sector in enumerate(sectors) if any(sector)]
            write("medium", name, b"".join(used))


for part in (dhcp, dhcp6, vendor_options, macs, tftp, paths, images, windows_images, settings, site, reports, media):
    part()
