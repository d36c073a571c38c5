"""``python -I -S …/agent/logs/search_main.py``: searches log files for an agent.

A process of its own: an expression holds the interpreter for as long as it takes, and an agent
samples and answers meanwhile. It reads requests from standard input, one JSON object a line, and
writes an answer for each to standard output: the lengths of its two parts (two u32, little
endian), a JSON object, and the bytes of the lines one after the other. It exits at the end of its
input, which is also the end of its agent.
"""

import json
import os
import resource
import struct
import sys
from typing import Any

if __name__ == "__main__":
    root = os.path.abspath(__file__)
    for _ in ("logs", "agent", "monit_agent", "the folder that holds it"):
        root = os.path.dirname(root)
    sys.path.insert(0, root)

from monit_agent.agent.logs.reader import StreamReader, line_since
from monit_agent.agent.logs.search import PieceSearch, Query, SearchPiece, SlowLineError, Stopwatch
from monit_agent.agent.logs.segments import Segments
from monit_agent.logtext.expression import Expression
from monit_agent.wire.logfiles import StreamNames

HEADER = struct.Struct("<II")

MEMORY_BYTES = 1 << 30
"""Address space: an expression can be made to need any amount of memory."""

NICENESS = 10
"""Apps come first."""


def search(asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return the answer to a request: its JSON object and the bytes of the lines."""
    with Stopwatch(asked["seconds"]) as watch:
        try:
            pattern = asked["pattern"]
            expression = Expression(pattern, ignore_case=asked["ignore_case"]) if pattern else None
        except (ValueError, MemoryError) as error:
            return {"refused": str(error) or "the expression needs too much memory"}, b""
        query = Query(
            expression,
            asked["level"],
            asked["backward"],
            asked["limit"],
            asked["before"],
            asked["after"],
        )

        def read(stream: Segments) -> tuple[SearchPiece, int, int]:
            low, high = _range(stream, asked)
            start = high if query.backward else low
            if asked["position"] is not None:
                start = asked["position"]
            piece = PieceSearch(stream, query, low, high, watch).run(start)
            return piece, stream.begin, stream.end

        names = StreamNames(asked["log"], asked["index"])
        piece, begin, end = StreamReader(names).settled(read)
    lines = [
        [line.offset, line.at_ns, len(line.data), line.matches, line.ended] for line in piece.lines
    ]
    found = {**piece._asdict(), "lines": lines, "begin": begin, "end": end}
    return found, b"".join(line.data for line in piece.lines)


def _range(stream: Segments, asked: dict[str, Any]) -> tuple[int, int]:
    """Return the first offset that is searched, and the one behind the last."""
    low, high = stream.begin, stream.end
    if asked["since_ns"] is not None:
        low = line_since(stream, asked["since_ns"])
    if asked["until_ns"] is not None:
        high = line_since(stream, asked["until_ns"])
    if asked["stop"] is not None:
        high = min(high, asked["stop"])
    return low, max(low, high)


def main() -> int:
    """Answer requests until the input ends."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    out = sys.stdout.buffer
    for line in sys.stdin.buffer:
        try:
            answer, body = search(json.loads(line))
        except SlowLineError:  # the clock struck when the line was done
            answer, body = {"refused": "the expression takes too long"}, b""
        except (MemoryError, RecursionError) as error:
            answer, body = {"failed": f"the search failed: {error!r}"}, b""
        except OSError as error:
            answer, body = {"failed": f"the log cannot be read: {error.strerror}"}, b""
        head = json.dumps(answer).encode()
        out.write(HEADER.pack(len(head), len(body)) + head + body)
        out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
