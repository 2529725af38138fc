"""A module that traps on demand: the shipped one, with a wrapper round two of its callbacks.

The shipped module has no way to be made to trap, and must not get one for a test. So the built file is changed: where a request's or an
answer's body is handed to the VM with just the given size, the wrapper runs `unreachable`; else it calls what was there. All other code
is the shipped one's, to the byte.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from trim import number, written  # noqa: E402

REQUEST_BYTES = 4242
RESPONSE_BYTES = 4243
TRAPS = {b"proxy_on_request_body": REQUEST_BYTES, b"proxy_on_response_body": RESPONSE_BYTES}

IMPORTS, FUNCTIONS, EXPORTS, CODE = 2, 3, 7, 10


def with_traps(module):
    """The module with both wrappers."""
    sections = list(_sections(module))
    bodies = dict(sections)
    imported = _imported_functions(bodies[IMPORTS])
    types = _items(bodies[FUNCTIONS], number)
    first_free = imported + len(types)
    wrappers, new_types, moved = [], [], {}
    for name, target in _exported_functions(bodies[EXPORTS]):
        if name in TRAPS:
            moved[name] = first_free + len(wrappers)
            new_types.append(types[target - imported])
            wrappers.append(_wrapper(TRAPS[name], target))
    if set(moved) != set(TRAPS):
        sys.exit("the module does not export what shall trap: has the SDK changed?")
    bodies[FUNCTIONS] = _counted([written(kind) for kind in types + new_types])
    bodies[CODE] = _appended(bodies[CODE], wrappers)
    bodies[EXPORTS] = _redirected(bodies[EXPORTS], moved)
    out = bytearray(module[:8])
    for kind, _ in sections:
        out += bytes([kind]) + written(len(bodies[kind])) + bodies[kind]
    return bytes(out)


def _wrapper(size, target):
    """(context, size, ends) -> action: traps on the size, else asks the target."""
    local = b"\x20"  # local.get
    check = local + b"\x01" + b"\x41" + _signed(size) + b"\x46"  # i32.const, i32.eq
    trap = b"\x04\x40" + b"\x00" + b"\x0b"  # if, unreachable, end
    call = b"".join(local + bytes([n]) for n in range(3)) + b"\x10" + written(target)
    code = b"\x00" + check + trap + call + b"\x0b"  # no locals of its own
    return written(len(code)) + code


def _signed(value):
    """A positive number as signed LEB128: the sign bit of its last byte must be free."""
    out = bytearray(written(value))
    if out[-1] & 0x40:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def _sections(module):
    at = 8
    while at < len(module):
        length, begin = number(module, at + 1)
        yield module[at], module[begin : begin + length]
        at = begin + length


def _items(section, read):
    count, at = number(section, 0)
    items = []
    for _ in range(count):
        item, at = read(section, at)
        items.append(item)
    return items


def _counted(items):
    return written(len(items)) + b"".join(items)


def _appended(section, items):
    count, at = number(section, 0)
    return written(count + len(items)) + section[at:] + b"".join(items)


def _name(section, at):
    length, at = number(section, at)
    return section[at : at + length], at + length


def _imported_functions(section):
    def one(section, at):
        _, at = _name(section, at)
        _, at = _name(section, at)
        if section[at] != 0:
            sys.exit("the module imports more than functions")
        return 1, number(section, at + 1)[1]

    return sum(_items(section, one))


def _exports(section):
    def one(section, at):
        name, at = _name(section, at)
        index, end = number(section, at + 1)
        return (name, section[at], index), end

    return _items(section, one)


def _exported_functions(section):
    return [(name, index) for name, kind, index in _exports(section) if kind == 0]


def _redirected(section, moved):
    return _counted(
        [written(len(name)) + name + bytes([kind]) + written(moved.get(name, index) if kind == 0 else index) for name, kind, index in _exports(section)]
    )
