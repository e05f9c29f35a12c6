"""The one product of matrices that the page's model is made of, as a WebAssembly module of SIMD instructions.

It is emitted here, instruction by instruction, so no binary stands in the sources. In WebAssembly's own notation, with
addresses in bytes, ``rows`` a multiple of 4, ``columns`` of 8, ``packed`` in panels of 8 columns and ``add`` 0 or 1:

    (import "env" "memory" (memory 1))
    (func (export "product")
      (param left packed out bias rows inner columns add i32)
      for each panel of 8 columns:
        for each 4 rows:
          8 sums of 4 numbers = bias of these columns (+ out where add)
          for each of inner: sums += splat(left of the row) * (8 numbers of the panel)
          out = sums)
"""

from collections.abc import Iterable

I32, V128 = 0x7F, 0x7B
END, BLOCK_TYPE = b"\x0b", b"\x40"
PARAMETERS = ("left", "packed", "out", "bias", "rows", "inner", "columns", "add")
COUNTERS = ("row", "k", "a0", "a1", "a2", "a3", "b", "c", "stride", "width")
SUMS = tuple(f"sum{row}{half}" for row in range(4) for half in range(2))
VECTORS = (*SUMS, "low", "high", "value")
NUMBER = {name: number for number, name in enumerate((*PARAMETERS, *COUNTERS, *VECTORS))}


def product_module() -> bytes:
    """The module. It imports ``env.memory`` and exports ``product``."""
    signature = b"\x60" + _vector([bytes([I32])] * len(PARAMETERS)) + _vector([])
    memory = _name("env") + _name("memory") + b"\x02\x00\x01"
    declared = [_unsigned(len(COUNTERS)) + bytes([I32]), _unsigned(len(VECTORS)) + bytes([V128])]
    body = _vector(declared) + _product() + END
    sections = {
        1: [signature],
        2: [memory],
        3: [b"\x00"],
        7: [_name("product") + b"\x00\x00"],
        10: [_unsigned(len(body)) + body],
    }
    return b"\0asm\x01\0\0\0" + b"".join(bytes([number]) + _sized(_vector(parts)) for number, parts in sections.items())


def _product() -> bytes:
    """Panels and rows are counted down to 0; ``out``, ``bias`` and ``packed`` move on by a panel each time."""
    inner = [*_move("a0", 4), *_move("a1", 4), *_move("a2", 4), *_move("a3", 4), *_move("b", 32)]
    accumulate = [_set("low", _load("b", 0)), _set("high", _load("b", 16))]
    for row in range(4):
        accumulate += [_set("value", _get(f"a{row}") + b"\xfd\x09\x02\x00")]  # v128.load32_splat
        accumulate += [
            _set(f"sum{row}{half}", _add(_get(f"sum{row}{half}"), _multiply(_get("value"), _get(part))))
            for half, part in enumerate(("low", "high"))
        ]
    places = [_set("c", _get("out")), _set("a0", _get("left")), _set("row", _get("rows"))]
    first = [_set(name, _load("bias", 16 * (number % 2))) for number, name in enumerate(SUMS)]
    starts = [_set(f"a{row}", _plus(_get(f"a{row - 1}"), _get("stride"))) for row in (1, 2, 3)]
    rows_of_out = [_plus(_get("c"), *[_get("width")] * row) for row in range(4)]
    before = [
        _set(f"sum{row}{half}", _add(_get(f"sum{row}{half}"), rows_of_out[row] + _memory(0, 16 * half)))
        for row in range(4)
        for half in range(2)
    ]
    store = [
        rows_of_out[row] + _get(f"sum{row}{half}") + _memory(11, 16 * half) for row in range(4) for half in range(2)
    ]
    four_rows = [
        *first,
        *starts,
        _get("add") + b"\x04" + BLOCK_TYPE + b"".join(before) + END,  # if
        _set("b", _get("packed")),
        _set("k", _get("inner")),
        _while("k", 1, [*accumulate, *inner]),
        *store,
        _set("c", rows_of_out[3] + _get("width") + b"\x6a"),
        _set("a0", _get("a3")),  # a row's pointer has come to the next row
    ]
    panel = [
        *places,
        _while("row", 4, four_rows),
        *_move("out", 32),
        *_move("bias", 32),
        _set("packed", _plus(_get("packed"), _shifted("inner", 5))),
    ]
    widths = [_set("stride", _shifted("inner", 2)), _set("width", _shifted("columns", 2))]
    return b"".join(widths) + _while("columns", 8, panel)


def _while(counter: str, step: int, body: Iterable[bytes]) -> bytes:
    """The body again and again, the counter less by ``step`` after each, until it is 0; at least once."""
    down = _set(counter, _get(counter) + _constant(step) + b"\x6b")
    return b"\x03" + BLOCK_TYPE + b"".join(body) + down + _get(counter) + b"\x0d\x00" + END


def _move(name: str, by: int) -> list[bytes]:
    return [_set(name, _plus(_get(name), _constant(by)))]


def _get(name: str) -> bytes:
    return b"\x20" + _unsigned(NUMBER[name])


def _set(name: str, value: bytes) -> bytes:
    return value + b"\x21" + _unsigned(NUMBER[name])


def _constant(value: int) -> bytes:
    return b"\x41" + _signed(value)


def _plus(first: bytes, *others: bytes) -> bytes:
    return first + b"".join(other + b"\x6a" for other in others)


def _shifted(name: str, bits: int) -> bytes:
    return _get(name) + _constant(bits) + b"\x74"


def _load(pointer: str, offset: int) -> bytes:
    return _get(pointer) + _memory(0, offset)


def _memory(operation: int, offset: int) -> bytes:
    """v128.load (0) or v128.store (11), aligned to 4 bytes."""
    return b"\xfd" + _unsigned(operation) + b"\x02" + _unsigned(offset)


def _add(first: bytes, second: bytes) -> bytes:
    return first + second + b"\xfd" + _unsigned(0xE4)


def _multiply(first: bytes, second: bytes) -> bytes:
    return first + second + b"\xfd" + _unsigned(0xE6)


def _name(text: str) -> bytes:
    return _sized(text.encode())


def _sized(content: bytes) -> bytes:
    return _unsigned(len(content)) + content


def _vector(parts: list[bytes]) -> bytes:
    return _unsigned(len(parts)) + b"".join(parts)


def _unsigned(value: int) -> bytes:
    """LEB128."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _signed(value: int) -> bytes:
    """LEB128 of a number that is not negative."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        if value == 0 and low < 0x40:
            return bytes([*out, low])
        out.append(low | 0x80)
