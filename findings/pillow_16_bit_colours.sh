#!/usr/bin/env bash
# Pillow 13.0.0: a PNG of 16 bits per channel in colour, or in grey with alpha, is read with 8 bits per channel,
# silently.
#
# Expected: as for a grey PNG of 16 bits, which comes as mode I;16 with its numbers, nothing is lost; or something is
# said.
# Seen: the low byte of each channel is cut off without a warning, and neither mode nor info tells that it was there:
# in a map of labels every number under 256 is background.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet pillow==13.0.0
venv/bin/python -W error - <<'PY' | tee seen
import io
import struct
import zlib
from PIL import Image

LABELS = (0, 1, 2, 255, 256, 1000, 65535)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(channels, colour_type):
    """One row of pixels, the label in every channel, 16 bits each."""
    header = struct.pack(">IIBBBBB", len(LABELS), 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(">H", label) * channels for label in LABELS)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(row)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


for name, channels, colour_type in (("grey", 1, 0), ("grey and alpha", 2, 4), ("RGB", 3, 2), ("RGB and alpha", 4, 6)):
    image = Image.open(io.BytesIO(png(channels, colour_type)))
    values = [image.getpixel((x, 0)) for x in range(len(LABELS))]
    first = [value if isinstance(value, int) else value[0] for value in values]
    print(f"{name}, 16 bits: labels {list(LABELS)} are read as {first}, mode {image.mode}, info {image.info}")
PY
diff seen - <<'SEEN'
grey, 16 bits: labels [0, 1, 2, 255, 256, 1000, 65535] are read as [0, 1, 2, 255, 256, 1000, 65535], mode I;16, info {}
grey and alpha, 16 bits: labels [0, 1, 2, 255, 256, 1000, 65535] are read as [0, 0, 0, 0, 1, 3, 255], mode RGBA, info {}
RGB, 16 bits: labels [0, 1, 2, 255, 256, 1000, 65535] are read as [0, 0, 0, 0, 1, 3, 255], mode RGB, info {}
RGB and alpha, 16 bits: labels [0, 1, 2, 255, 256, 1000, 65535] are read as [0, 0, 0, 0, 1, 3, 255], mode RGBA, info {}
SEEN
