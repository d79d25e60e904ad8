"""The messages that clients send: the same sizes and kinds as those of ../go/messages.go and ../lws/messages.c."""

import random

# 1 MiB is the most that servers of ours take unless told otherwise.
SIZES = (0, 1, 100, 1024, 100 * 1024, 1024 * 1024)

# Printable ASCII, of which compression takes a sixth off.
PRINTABLE = bytes(32 + byte % 95 for byte in range(256))

# How far back bytes are repeated: one for each window that zlib has, which reaches 262 bytes less than its size.
DISTANCES = (240, 700, 1700, 3700, 7900, 16_100, 32_500)
RUN = 64
FAR_SIZE = 34 * 1024


def repeat_text(size):
    """Make characters of one, three and four bytes, which pieces of any size cut."""
    unit = "四字😀.."
    count, rest = divmod(size, len(unit.encode()))
    return unit * count + "." * rest


def bytes_from_afar(generator):
    """Make bytes of which every other run stood there before."""
    data = bytearray(generator.randbytes(FAR_SIZE))
    for turn, start in enumerate(range(2 * RUN, FAR_SIZE - RUN + 1, 2 * RUN)):
        distance = DISTANCES[turn % len(DISTANCES)]
        if distance <= start:
            data[start : start + RUN] = data[start - distance : start - distance + RUN]
    return bytes(data)


def make_series(largest):
    """Make pairs of a name and a message: the same on every run. Sizes above the largest are left out."""
    generator = random.Random(1)
    yield "bytes from afar", bytes_from_afar(generator)
    for size in SIZES:
        if size > largest:
            break
        yield f"{size} bytes of text that repeats", repeat_text(size)
        yield f"{size} bytes of random text", generator.randbytes(size).translate(PRINTABLE).decode()
        yield f"{size} bytes that repeat", (b"\x00\x01\x02\x7f\x80\xfe\xff" * (size // 7 + 1))[:size]
        yield f"{size} random bytes", generator.randbytes(size)
