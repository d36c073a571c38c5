"""Every bound on what crosses a socket, in one place, each with its reason."""

PROTOCOL_VERSION = 1

LOG_CHUNK_BYTES = 64 * 1024
"""Largest payload of one log message: 1,000 messages of libzmq's high-water mark then
bound what one stalled client can make an agent hold to 64 MiB."""

LOG_RANGE_BYTES = 1024 * 1024
"""Most that one answer to `LogRange` or `LogTail` carries; a client asks again for more."""

LOG_BEHIND_BYTES = 1024 * 1024
"""How far the publishing of a stream may lag behind its file before it skips to the end.
The bytes skipped stay in the file and can be fetched by offset."""

REQUEST_BYTES = 64 * 1024
"""Largest request; a larger one disconnects its sender."""

PUB_HIGH_WATER = 1000
"""Messages an agent holds for one slow subscriber before it drops."""

SUB_HIGH_WATER = 2000
"""Messages a client holds before it drops: more than one agent can have in flight."""

BEAT_S = 1.0
"""Seconds between two heartbeats and between two samples."""

STALE_S = 3.0
"""Without a heartbeat for this long what a client knows of an app is stale."""

PROBE_WINDOW_S = 5.0
"""Seconds that lag, scheduling delay and longest pauses of a sample look back on."""

PROBE_STALE_S = 3.0
"""A process whose probe was silent for this long tells nothing any more."""

STUCK_SHOWN_S = 2.0
"""An event loop that is held up for so long is shown as stuck, not as slow."""

PROCESSES = 64
"""Processes below one worker that a sample names: 3.5 kB a second, of which nobody reads more."""

BLOCKS = 100
"""Different places of blocks that an agent remembers for one instance."""

METRICS = 100
"""Own metrics that an agent knows of one instance; what an app names more of is left out."""

OWN_COLUMNS = 1000
"""Own metrics of which an agent keeps the past, over all instances: 14 MB. Of what finds no
room only the present is known."""

ACTION_S = 600.0
"""Longest time that an agent waits for the answers to a `Trigger`."""

ACTION_BYTES = 32 * 1024
"""Most that the arguments of a `Trigger` may take, so that it fits into a request."""

RING_S = 3600
"""Seconds of samples that an agent keeps, one a second."""

HAPPENINGS = 300
"""Events that the keeper remembers, for clients that join later."""
