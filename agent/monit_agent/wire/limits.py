"""Every bound on what crosses a socket, in one place, each with its reason."""

PROTOCOL_VERSION = 2

LOG_CHUNK_BYTES = 64 * 1024
"""Largest payload of one log message: 1,000 messages of libzmq's high-water mark then
bound what one stalled client can make an agent hold to 64 MiB."""

LOG_RANGE_BYTES = 1024 * 1024
"""Most that one answer to `LogRange` or `LogTail` carries; a client sends another request for
more."""

SEARCH_LINES = 1000
"""Matches of one answer to `LogSearch`."""

SEARCH_CONTEXT = 100
"""Lines before or after a match that one request may ask for."""

SEARCH_PATTERN = 4096
"""Characters of the expression of a `LogSearch`."""

SEARCH_S = 0.25
"""How long one `LogSearch` searches before it answers with what it has: a client shows what was
found so far, and one that stops asking wastes no more than this."""

SEARCHES_WAITING = 32
"""Requests to search that may wait in one agent; a further one is refused."""

LOG_BEHIND_BYTES = 1024 * 1024
"""How far the publishing of a stream may lag behind its file before it skips to the end.
The bytes skipped stay in the file and can be fetched by offset."""

REQUEST_BYTES = 8 * 1024 * 1024
"""Largest request; a larger one disconnects its sender. An environment fits: Linux allows 2 MiB
with the usual limits, and a byte that is not UTF-8 takes four."""

KEEPER_LINE_BYTES = REQUEST_BYTES + 1024 * 1024
"""Longest line that a keeper reads: the largest request of an agent, in JSON."""

KEEPER_HELD_BYTES = 2 * KEEPER_LINE_BYTES
"""Most that a keeper holds of lines that are not complete, of all its clients."""

SUBSCRIPTION_BYTES = 4096
"""Largest message of a subscriber, which holds a topic: a longer one disconnects its sender."""

SUBSCRIPTIONS = 10_000
"""Different topics of one subscriber: the screen subscribes to four and to each log that it shows;
one that wants more is disconnected."""

HELD_BYTES = 32 * 1024 * 1024
"""Most that an agent holds of messages that are not complete, of all clients of a socket; whoever
sends more then is disconnected."""

PEERS = 256
"""Clients of one socket of an agent; a further one is turned away."""

ANSWERS_BYTES = 4 * 1024 * 1024
"""While more than this waits for a client to read, an agent handles no request of it: it is read
again when the client has read. One answer has up to 1 MiB."""

PUB_HIGH_WATER = 1000
"""Messages an agent holds for one slow subscriber before it drops."""

PUBLISHED_BYTES = 2 * PUB_HIGH_WATER * LOG_CHUNK_BYTES
"""More than can wait for a subscriber: its subscriptions are always handled."""

SUB_HIGH_WATER = 2000
"""Messages a client holds before it drops: more than one agent can have in flight."""

BEAT_S = 1.0
"""Seconds between two heartbeats and between two samples."""

STALE_S = 3.0
"""Without a heartbeat for this long what a client knows of an app is stale."""

PROBE_WINDOW_S = 5.0
"""Seconds that lag, scheduling delay and longest pauses of a sample look back on."""

PROBE_STALE_S = 3.0
"""After this long without a report, the figures of a probe are dropped."""

STUCK_SHOWN_S = 2.0
"""An event loop that is blocked for this long is shown as stuck, not as slow."""

PROCESSES = 64
"""Processes below one worker that a sample lists: 3.5 kB a second, and no screen shows more."""

BLOCKS = 100
"""Different places of blocks that an agent remembers for one instance."""

METRICS = 100
"""Own metrics that an agent knows of one instance; what an app names more of is left out."""

HTTP_BOUNDS_S = 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0
"""Bounds of the buckets in which durations of HTTP requests are counted for ever: each is a time
series of its own in Prometheus."""

EXIT_KINDS = 20
"""Ways of exiting that are counted apart for one instance; all others together."""

PROFILE_S = 60.0
"""Longest profile."""

PY_SPY_HZ = 100
"""Samples a second of py-spy: 199 of 200 were taken, without a slow-down that could be measured."""

PROFILE_BYTES = 16 * 1024 * 1024
"""Largest profile: those of a minute have up to 2 MB."""

OWN_COLUMNS = 1000
"""Own metrics of which an agent keeps the past, over all instances: 14 MB. Of what finds no
room only the present is known."""

ACTION_S = 600.0
"""Longest time that an agent waits for the answers to a `Trigger`."""

ACTION_BYTES = 32 * 1024
"""Most that the arguments of a `Trigger` may take, so that it fits into a request."""

ALERTS = 200
"""Alerts of an app that a snapshot has: a page that nobody reads to its end."""

MUTE_S = 366 * 86400.0
"""Longest time for which alerts are muted."""

MUTES = 100
"""Rules of one app that are muted at the same time."""

NOTICES = 50
"""Notices of an app that wait for one hook; the oldest are dropped, and counted."""

RING_S = 3600
"""Seconds of samples that an agent keeps, one a second."""

CRASHES = 10
"""Crash reports of one instance that are kept, and that one answer holds."""

CRASHES_APP = 100
"""Crash reports of one app that are kept."""

CRASH_LINES = 50
"""Lines of a crash report, of both streams together."""

CRASH_BYTES = 96 * 1024
"""Largest crash report: ten of them fit into an answer of a megabyte."""

HISTORY_STEPS = 2000
"""Steps of one answer: more than a screen has columns, and 2 MB with all metrics."""

HISTORY_NAMES = 200
"""Metrics that one request may name: more than an instance has."""

EVENTS_READ = 10_000
"""Events of one answer: all that an agent keeps on disk."""

EVENTS_KEPT = 300
"""Events that the keeper remembers, for clients that join later."""
