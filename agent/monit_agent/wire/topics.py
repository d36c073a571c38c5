"""Names of the PUB topics. All text is ASCII, as app names are."""

from typing import NamedTuple


class LogTopic(NamedTuple):
    """What a ``log.…`` topic names."""

    app: str
    instance: int
    stream: str


def metrics(app: str, instance: int) -> bytes:
    """Topic of one instance's sample, once a second."""
    return f"metrics.{app}.{instance}".encode()


def all_metrics(app: str) -> bytes:
    """Prefix that subscribes to the samples of every instance of ``app``."""
    return f"metrics.{app}.".encode()


def app_metrics(app: str) -> bytes:
    """Topic of the figures of an app with several instances, once a second."""
    return f"app_metrics.{app}".encode()


def log(app: str, instance: int, stream: str) -> bytes:
    """Topic of one stream (``out`` or ``err``) of one instance."""
    return f"log.{app}.{instance}.{stream}".encode()


def instance_logs(app: str, instance: int) -> bytes:
    """Prefix that subscribes to both streams of one instance."""
    return f"log.{app}.{instance}.".encode()


def event(app: str) -> bytes:
    """Topic of the app's events: what changed and what happened."""
    return f"event.{app}".encode()


def beat(app: str) -> bytes:
    """Topic of the heartbeat, once a second, so that a dead agent can be told from a quiet one."""
    return f"beat.{app}".encode()


def parse_log(topic: bytes) -> LogTopic:
    """Take a ``log.…`` topic apart; app names may hold dots. ValueError if it is not one."""
    head, _, rest = topic.decode("ascii").partition(".")
    app, instance, stream = rest.rsplit(".", 2)
    if head != "log" or not app:
        raise ValueError(f"not a log topic: {topic!r}")
    return LogTopic(app, int(instance), stream)


def parse_metrics(topic: bytes) -> tuple[str, int]:
    """Take a ``metrics.…`` topic apart into (app, instance). ValueError if it is not one."""
    head, _, rest = topic.decode("ascii").partition(".")
    app, _, instance = rest.rpartition(".")
    if head != "metrics" or not app:
        raise ValueError(f"not a metrics topic: {topic!r}")
    return app, int(instance)
