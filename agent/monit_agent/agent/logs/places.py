"""Where the settings of an app say that its log files are."""

from monit_agent.agent.logs.reader import StreamReader
from monit_agent.wire.logfiles import chosen_path, stream_names
from monit_agent.wire.messages import AppRecord, LogSettings, Stream
from monit_agent.wire.paths import AppPaths


def stream_reader(
    paths: AppPaths, record: AppRecord | None, instance: int, stream: Stream
) -> StreamReader:
    """Return the reader of a stream, whose place the settings of the app may name."""
    log = record.log if record is not None else LogSettings()
    chosen = chosen_path(log.out, log.err, stream)
    return StreamReader(stream_names(paths, instance, stream, chosen))
