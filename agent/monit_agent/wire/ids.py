"""What names an app and an instance of all hosts: keys of selections, targets, rows and logs.

The host is "" for this machine. As text a host comes before a colon: ``host:web/0``; this machine
has none: ``web/0``.
"""

from monit_agent.typed import NamedTuple

THIS_HOST = ""


class AppId(NamedTuple):
    """One app of one host."""

    host: str
    app: str

    def __str__(self) -> str:
        return f"{self.host}:{self.app}" if self.host else self.app

    def instance(self, number: int) -> "InstanceId":
        """Return the id of one of its instances."""
        return InstanceId(self.host, self.app, number)


class InstanceId(NamedTuple):
    """One instance of an app, whichever worker is in it."""

    host: str
    app: str
    instance: int

    def __str__(self) -> str:
        return f"{self.app_id}/{self.instance}"

    @property
    def app_id(self) -> AppId:
        """Return the id of its app."""
        return AppId(self.host, self.app)


def local_app(name: str) -> AppId:
    """Return the id of an app on this machine."""
    return AppId(THIS_HOST, name)


def local_instance(app: str, number: int) -> InstanceId:
    """Return the id of an instance on this machine."""
    return InstanceId(THIS_HOST, app, number)
