"""Zips like that of GPQA, which the standard library can only read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path


def keystream(password: bytes) -> Callable[[int], int]:
    """PKWARE's traditional cipher: encrypts one byte after another."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def crc(value: int, byte: int) -> int:
        return zlib.crc32(bytes([byte]), value ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    def update(byte: int) -> None:
        keys[0] = crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = crc(keys[2], keys[1] >> 24)

    def encrypt(byte: int) -> int:
        mixed = keys[2] & 0xFFFF | 2
        update(byte)
        return byte ^ (mixed * (mixed ^ 1) >> 8) & 0xFF

    for byte in password:
        update(byte)
    return encrypt


def encrypted_zip(path: Path, files: dict[str, str], password: bytes = b"deserted-untie-orchid") -> Path:
    """Write a zip as ``zip -P`` does."""
    body, directory = b"", b""
    for name, text in files.items():
        plain = text.encode()
        checksum = zlib.crc32(plain)
        encrypt = keystream(password)
        data = bytes(map(encrypt, bytes(11) + bytes([checksum >> 24]) + plain))
        head = struct.pack("<5H3L2H", 20, 1, 0, 0, 0x21, checksum, len(data), len(plain), len(name), 0)
        directory += b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<3H2L", 0, 0, 0, 0, len(body))
        directory += name.encode()
        body += b"PK\3\4" + head + name.encode() + data
    end = struct.pack("<4H2LH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    path.write_bytes(body + directory + b"PK\5\6" + end)
    return path
