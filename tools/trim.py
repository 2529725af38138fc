#!/usr/bin/env python3
"""Trims a wasm module: python3 tools/trim.py IN OUT

Takes out the callbacks that Signalbox does not use. The SDK exports every callback there is, and Envoy calls into the VM for each one that
is exported, for each stream and each attempt: about a microsecond a call, a few percent of a short request. What the filter has to do
at a stream's end it does when its context is dropped (`proxy_on_delete`). Custom sections (names, producers) go too.

Invariant: the code stays as it is; only the lists of exports and custom sections change.
"""

import sys

UNUSED = {b"proxy_on_done", b"proxy_on_log"}
CUSTOM, EXPORTS = 0, 7


def number(data, at):
    """A LEB128 number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def written(value):
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def without_unused(section):
    count, at = number(section, 0)
    kept, found = [], set()
    for _ in range(count):
        begin = at
        length, at = number(section, at)
        name = section[at : at + length]
        _, at = number(section, at + length + 1)
        if name in UNUSED:
            found.add(name)
        else:
            kept.append(section[begin:at])
    if found != UNUSED:
        sys.exit(f"the module does not export {sorted(UNUSED - found)}: has the SDK changed?")
    return written(len(kept)) + b"".join(kept)


def trimmed(module):
    if module[:8] != b"\0asm\1\0\0\0":
        sys.exit("this is no wasm module")
    out, at = bytearray(module[:8]), 8
    while at < len(module):
        kind = module[at]
        length, begin = number(module, at + 1)
        section, at = module[begin : begin + length], begin + length
        if kind == CUSTOM:
            continue
        if kind == EXPORTS:
            section = without_unused(section)
        out += bytes([kind]) + written(len(section)) + section
    return bytes(out)


if __name__ == "__main__":
    source, target = sys.argv[1:]
    with open(source, "rb") as file:
        module = trimmed(file.read())
    with open(target, "wb") as file:
        file.write(module)
