"""From frames that arrived to the app that they are of; whatever they hold, nothing breaks."""

from collections.abc import Collection

from monit_agent.client import fold
from monit_agent.client.applink import AppLink
from monit_agent.client.gather import Gathering
from monit_agent.client.source import LogChunk
from monit_agent.client.view import Identity
from monit_agent.wire import codec, topics
from monit_agent.wire.messages import Header, Stream


def speaker(topic: bytes) -> str:
    """Give the app that a message is of by its topic, which may be anything."""
    kind, _, rest = topic.partition(b".")
    cuts = {b"metrics": 1, b"log": 2}.get(kind, 0)
    name = rest.rsplit(b".", cuts)[0] if cuts else rest
    return name.decode("ascii", "replace")


def take(
    link: AppLink, frames: list[bytes], followed: Collection[Identity], gathered: Gathering
) -> None:
    """Fold one message of the app's agent; what cannot be read is counted there."""
    try:
        if len(frames) != 3:
            raise codec.BadMessageError(f"{len(frames)} frames instead of 3")
        topic, header, payload = frames[0], codec.decode_header(frames[1]), frames[2]
        match topic.partition(b".")[0]:
            case b"event":
                link.take_event(header, payload)
            case b"beat":
                link.take_beat(header, payload)
            case b"metrics":
                app, instance = topics.parse_metrics(topic)
                if link.take_sample(header, instance, payload):
                    gathered.sampled.add(app)
            case _:
                chunk = _log_chunk(topic, header, payload)
                # others are what was on its way when it was no longer followed
                if Identity(chunk.app, chunk.instance) in followed:
                    fold.extend_log(link.view, chunk.instance, chunk.stream, _end(chunk))
                    gathered.add_log(chunk)
    except ValueError as error:  # what topics.py and codec.py raise
        link.note_bad(str(error))


def _log_chunk(topic: bytes, header: Header, payload: bytes) -> LogChunk:
    app, instance, name = topics.parse_log(topic)
    if name not in ("out", "err") or header.offset is None:
        raise codec.BadMessageError(f"a log message without stream or offset: {topic!r}")
    stream: Stream = "out" if name == "out" else "err"
    return LogChunk(app, instance, stream, header.offset, payload, header.times)


def _end(chunk: LogChunk) -> int:
    return chunk.offset + len(chunk.data)
