"""What reading one report costs: each kernel of the protocol, the declared decoder in Python, and plain C.

    python -m bench.decode [--json] [--frames N] [--rounds N]

Frames are those of the load client's shape: 57 bytes, 2013 header, three items, every field drawn at random, so that
some have escapes to undo. All decoders must give the same counts and the same hashes before anything is timed.
Each figure is the lowest of several rounds in one thread; the four steps are timed together and taken apart by
difference: split, + identify, + decode, + reply.
"""

import argparse
import ctypes
import functools
import itertools
import random
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
from numba import njit, types

from bench import machine
from protocols.jt808 import codec
from protocols.jt808.codec import Header, encode
from protocols.jt808.framing import unwrap
from protocols.jt808.kernels import KERNELS
from protocols.jt808.messages import Fuel, Location, Odometer, RecorderSpeed
from protocols.memory import call3, call4, call5, load_i64, store_i64
from protocols.report import REPORT_BYTES, REPORT_OFFSET
from protocols.seam import (
    IDENTITY_ARRIVAL_MS,
    IDENTITY_REPLY_SERIAL,
    IDENTITY_WORDS,
    REPLY_BYTES_MAX,
    SPLIT_FRAME,
    SPLIT_MORE,
    SPLIT_OUTPUT_BYTES,
)

STEPS: Final = ("split", "identify", "decode", "reply")
ROW_REPORT_ID: Final = REPORT_OFFSET["report_id"]
ROW_TIME_MS: Final = REPORT_OFFSET["time_ms"]


@njit(
    types.int64(
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    ),
    cache=True,
    nogil=True,
)
def decode_stream(data, length, steps, work, split, identify, decode, reply):  # type: ignore[no-untyped-def]
    """Do what decode.c's function of this name does, through the seam. Leaves the mixed value at `work`.

    Args:
        work: address of 64 bytes of results, the identity block, a row, the frame and the reply.
        split, identify, decode, reply: entries of the protocol's kernels.
    """
    identity = work + 64
    row = identity + 8 * IDENTITY_WORDS
    frame = row + REPORT_BYTES
    answer = frame + SPLIT_OUTPUT_BYTES
    result = work + 16
    count = 0
    mix = 0
    at = data
    end = data + length
    while True:
        outcome = call4(split, at, end - at, frame, result)
        at += load_i64(result)
        if outcome == SPLIT_MORE:
            break
        if outcome != SPLIT_FRAME:
            continue
        count += 1
        if steps < 2:
            continue
        frame_length = load_i64(result + 8)
        kind = call3(identify, frame, frame_length, identity)
        mix ^= load_i64(identity + 24)
        if steps >= 3 and call5(decode, frame, frame_length, identity, row, 1):
            mix ^= load_i64(row + ROW_REPORT_ID) ^ load_i64(row + ROW_TIME_MS)
        if steps >= 4 and kind:
            store_i64(identity + 8 * IDENTITY_REPLY_SERIAL, count)
            mix ^= call5(reply, frame, frame_length, identity, 0, answer) << 32
    store_i64(work, mix)
    return count


def frames(count: int, seed: int) -> list[bytes]:
    """Return frames as they travel, made by the declared encoder from random fields."""
    draw = random.Random(seed)
    return [
        encode(
            Location(
                alarm=0,
                status=0x40003,
                latitude=draw.randrange(18_000_000, 54_000_000),
                longitude=draw.randrange(73_000_000, 135_000_000),
                altitude_m=draw.randrange(3000),
                speed_kmh10=draw.randrange(1200),
                course_deg=draw.randrange(360),
                time_ms=1_790_000_000_000 + 1000 * draw.randrange(10**6),
                items=(Odometer(draw.randrange(10**7)), Fuel(draw.randrange(600)), RecorderSpeed(draw.randrange(1200))),
            ),
            Header(0x0200, f"13{draw.randrange(10**9):09}", number & 0xFFFF),
        )
        for number in range(count)
    ]


def lowest_ns(run: Callable[[], object], frames_count: int, rounds: int) -> float:
    """Return the least time of several rounds, in ns per frame."""
    best = float("inf")
    for _ in range(rounds):
        started = time.thread_time_ns()
        run()
        best = min(best, time.thread_time_ns() - started)
    return round(best / frames_count, 1)


def measure(frames_count: int = 100_000, rounds: int = 7, seed: int = 1) -> dict[str, Any]:
    """Return ns per frame of every decoder, steps taken apart, and how the kernels stand to C.

    Raises:
        AssertionError: two decoders disagree about the same bytes.
    """
    wire = frames(frames_count, seed)
    stream = np.frombuffer(b"".join(wire), np.uint8)
    data, length = stream.ctypes.data, len(stream)
    work = np.zeros(64 + 8 * IDENTITY_WORDS + REPORT_BYTES + SPLIT_OUTPUT_BYTES + REPLY_BYTES_MAX, np.uint8)
    work[64:].view(np.int64)[IDENTITY_ARRIVAL_MS] = time.time_ns() // 1_000_000
    library = ctypes.CDLL(str(machine.compile_c(machine.REPOSITORY / "bench" / "decode.c", shared=True)))
    library.decode_stream.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_uint64)]
    library.decode_stream.restype = ctypes.c_int64
    mixed = ctypes.c_uint64()

    def compiled(steps: int) -> int:
        return int(decode_stream(data, length, steps, work.ctypes.data, *KERNELS.entries))

    def plain_c(steps: int) -> int:
        return int(library.decode_stream(data, length, steps, ctypes.byref(mixed)))

    for steps in range(1, len(STEPS) + 1):
        assert compiled(steps) == plain_c(steps) == frames_count
        assert int(work[:8].view(np.uint64)[0]) == mixed.value, f"kernels and C differ after {STEPS[steps - 1]}"

    figures: dict[str, Any] = {}
    for name, run in (("kernels", compiled), ("c", plain_c)):
        whole = [lowest_ns(functools.partial(run, steps), frames_count, rounds) for steps in range(1, len(STEPS) + 1)]
        apart = [whole[0], *(round(after - before, 1) for before, after in itertools.pairwise(whole))]
        figures[name] = dict(zip(STEPS, apart, strict=True)) | {"all": whole[-1]}
    some = wire[: max(1, frames_count // 50)]
    figures["declared_python"] = {
        "all": lowest_ns(lambda: [codec.decode(unwrap(frame)) for frame in some], len(some), min(rounds, 3))
    }
    return {
        "ns_per_frame": figures,
        "ratio_to_c": {
            step: round(figures["kernels"][step] / max(figures["c"][step], 0.1), 2) for step in (*STEPS, "all")
        },
        "frames": frames_count,
        "bytes_per_frame": round(length / frames_count, 2),
        "frames_escaped_share": round(sum(b"\x7d" in frame for frame in wire) / frames_count, 3),
        "rounds": rounds,
        "seed": seed,
    }


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the last line is one JSON object when asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.decode", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    where = machine.description()  # before: the tree may change while a bench runs
    result = measure(options.frames, options.rounds, options.seed)
    for name, figures in result["ns_per_frame"].items():
        print(f"{name:16}" + "".join(f"{step:>10} {value:8.1f}" for step, value in figures.items()) + "  ns a frame")
    print(f"kernels to C: {result['ratio_to_c']['all']}; {result['bytes_per_frame']} bytes a frame")
    if options.json:
        print(msgspec.json.encode({"bench": "decode", **result, **where}).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
