"""What may be asked on ``keeper.sock``: a fixed table from words to events."""

import signal
from collections.abc import Callable

from monit_agent.keep import environment
from monit_agent.keep.clock import now
from monit_agent.keep.control import Client, refusal
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import readiness
from monit_agent.supervise import roll as rolls
from monit_agent.supervise.typed import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from monit_agent.keep.keeper import Keeper


TOLD = ("stuck", "unstuck", "unhealthy", "healthy")
"""Happenings that only the agent can see."""

WHY_CHARACTERS = 300


class _Refused(Exception):  # noqa: N818  a refusal is an answer, not an error of ours
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


Request = dict[str, Any]


class Commands:
    """Checks requests and passes them on to the keeper."""

    def __init__(self, keeper: "Keeper") -> None:
        self._keeper = keeper
        self._table: dict[str, Callable[[Client, Request], Request]] = {
            "hello": self._hello,
            "start": self._start,
            "stop": self._stop,
            "restart": self._restart,
            "reload": self._reload,
            "cancel_reload": self._cancel_reload,
            "scale": self._scale,
            "reset": self._reset,
            "flush": self._flush,
            "signal": self._signal,
            "delete": self._delete,
            "ready": self._ready,
            "tell": self._tell,
        }

    def answer(self, client: Client, request: Request) -> Request:
        """Give the body of the answer; what the request makes happen has begun by then."""
        do = request.get("do")
        command = self._table.get(do) if isinstance(do, str) else None
        if command is None:
            known = " ".join(self._table)
            return refusal("bad_request", f"no such request {do!r}; there are: {known}")
        try:
            return {"ok": True, **command(client, request)}
        except _Refused as refused:
            return refusal(refused.kind, str(refused))
        except OSError as error:
            return refusal("failed", f"{do}: {error.strerror}")

    def _hello(self, client: Client, request: Request) -> Request:
        client.follows = True
        if request.get("role") == "agent":
            self._keeper.agent.greeted(client.pid)
        return {"snapshot": self._keeper.snapshot()}

    def _start(self, _client: Client, request: Request) -> Request:
        asked = self._instances(request)
        startable = apps.startable(self._keeper.app)
        concerned = tuple(n for n in startable if n in asked)
        taken = self._keeper.ports.taken_by(self._keeper.spec) if concerned else None
        if taken is not None:
            raise _Refused("refused", taken)
        return self._each("start", request, concerned, e.StartAsked(now()))

    def _stop(self, _client: Client, request: Request) -> Request:
        return self._each("stop", request, self._instances(request), e.StopAsked(now()))

    def _restart(self, _client: Client, request: Request) -> Request:
        instances = self._instances(request)
        event = e.Each(instances, e.RestartAsked(now()))
        self._take_env(request, event)
        return self._carry_out("restart", request, instances, event)

    def _reload(self, _client: Client, request: Request) -> Request:
        asked = self._instances(request)
        at_once = request.get("parallel", 1)
        if not isinstance(at_once, int) or isinstance(at_once, bool) or at_once < 1:
            raise _Refused("bad_request", "'parallel' is how many to replace at once, 1 or more")
        instances = apps.replaceable(self._keeper.app, asked)
        event = e.ReloadAsked(now(), instances, at_once)
        self._check(event)
        if not instances:
            raise _Refused("failed", "nothing to reload: what is stopped is started by monit start")
        self._take_env(request, event)
        return self._carry_out("reload", request, instances, event)

    def _cancel_reload(self, _client: Client, request: Request) -> Request:
        event = e.CancelAsked(now(), _by(request))
        self._check(event)
        going = rolls.heirs(self._keeper.app)
        return self._carry_out("cancel_reload", request, going, event)

    def _reset(self, _client: Client, request: Request) -> Request:
        return self._each("reset", request, self._instances(request), e.ResetAsked(now()))

    def _scale(self, _client: Client, request: Request) -> Request:
        size = request.get("count")
        if not isinstance(size, int) or isinstance(size, bool):
            raise _Refused("bad_request", "scale needs 'count', a number of instances")
        probe = e.ScaleAsked(now(), size, ())
        self._check(probe)
        event = probe._replace(ids=self._keeper.take_ids(apps.missing(self._keeper.app, size)))
        return self._carry_out("scale", request, tuple(range(size)), event)

    def _delete(self, _client: Client, request: Request) -> Request:
        concerned = apps.steady(self._keeper.app)
        return self._carry_out("delete", request, concerned, e.DeleteAsked(now()))

    def _flush(self, _client: Client, request: Request) -> Request:
        instances = self._instances(request)
        for instance in instances:
            self._keeper.logs.flush(instance)
            self._keeper.tell("flushed", instance, "log files emptied", _by(request))
        return {"instances": instances}

    def _ready(self, _client: Client, request: Request) -> Request:
        """What the agent's check says of one worker: it is ready, or why it is not."""
        (instance,) = self._instances({"instances": [request.get("instance")]})
        pid, why = request.get("pid"), request.get("why")
        if not isinstance(pid, int) or not (why is None or isinstance(why, str)):
            raise _Refused("bad_request", "ready needs 'pid', and 'why' as text or null")
        which = (self._keeper.app, instance, pid, self._keeper.spec)
        if not readiness.is_awaited(*which):
            raise _Refused("refused", f"pid {pid} is not waited for in instance {instance}")
        if why is None and readiness.is_deaf(*which):
            why = "it does not listen on the shared port"
        event: e.SlotEvent = e.BecameReady(now(), pid, checked=True)
        if why is not None:
            event = e.NotReady(now(), why[:WHY_CHARACTERS], pid)
        self._keeper.feed(e.Each((instance,), event))
        return {"instances": (instance,)}

    def _tell(self, _client: Client, request: Request) -> Request:
        """A happening that the agent saw."""
        (instance,) = self._instances({"instances": [request.get("instance")]})
        kind, text = request.get("kind"), request.get("text")
        if kind not in TOLD or not isinstance(text, str):
            raise _Refused("bad_request", f"tell needs 'text' and a 'kind': {' '.join(TOLD)}")
        self._keeper.tell(kind, instance, text[:WHY_CHARACTERS])
        return {"instances": (instance,)}

    def _signal(self, _client: Client, request: Request) -> Request:
        number = _signal_number(request.get("signal"))
        group = request.get("group") is True
        asked = self._instances(request)
        sent = tuple(n for n in asked if self._send(n, number, group=group))
        if not sent:
            raise _Refused("refused", "none of these instances has a worker to signal")
        self._told("signal", request, sent, f"signal {signal.Signals(number).name}")
        return {"instances": sent}

    def _send(self, instance: int, number: int, *, group: bool) -> bool:
        slot = apps.find(self._keeper.app, instance)
        if slot is None or slot.worker is None:
            return False
        return self._keeper.workers.send(slot.worker.pid, number, group=group)

    # ------------------------------------------------------------ common parts

    def _each(
        self, verb: str, request: Request, concerned: tuple[int, ...], event: e.SlotEvent
    ) -> Request:
        return self._carry_out(verb, request, concerned, e.Each(concerned, event))

    def _carry_out(
        self, verb: str, request: Request, concerned: tuple[int, ...], event: e.AppEvent
    ) -> Request:
        self._check(event)
        self._told(verb, request, concerned, verb.replace("_", " "))
        self._keeper.feed(event)
        return {"instances": concerned}

    def _told(self, verb: str, request: Request, concerned: tuple[int, ...], text: str) -> None:
        if verb in ("scale", "delete", "cancel_reload"):
            where = f" to {len(concerned)}" if verb == "scale" else ""
        else:
            where = " " + ", ".join(str(n) for n in concerned)
        why = request.get("why")
        because = f": {why}" if isinstance(why, str) else ""
        self._keeper.tell("asked", None, f"{text}{where}{because}", _by(request))

    def _check(self, event: e.AppEvent) -> None:
        why_not = apps.refusal(self._keeper.app, event)
        if why_not is not None:
            raise _Refused("refused", why_not)

    def _instances(self, request: Request) -> tuple[int, ...]:
        asked: Any = request.get("instances")
        if asked is None:
            return apps.steady(self._keeper.app)
        if not isinstance(asked, list):
            raise _Refused("bad_request", "'instances' is a list of numbers, or null for all")
        listed = cast("list[Any]", asked)
        if not all(isinstance(n, int) and not isinstance(n, bool) for n in listed):
            raise _Refused("bad_request", "'instances' is a list of numbers, or null for all")
        wanted = tuple(dict.fromkeys(cast("list[int]", listed)))
        unknown = apps.unknown(self._keeper.app, wanted)
        if unknown:
            numbers = ", ".join(str(n) for n in unknown)
            raise _Refused(
                "no_such_instance", f"{self._keeper.spec.name} has no instance {numbers}"
            )
        return wanted

    def _take_env(self, request: Request, event: e.AppEvent) -> None:
        """Check first: a refused request leaves the environment as it was."""
        self._check(event)
        env: Any = request.get("env")
        if env is None:
            return
        try:
            self._keeper.env = environment.from_json(env)
        except (AttributeError, TypeError, ValueError) as error:
            raise _Refused("bad_request", f"'env' is not an environment: {error}") from error


def _signal_number(name: Any) -> int:
    text = str(name).upper()
    if text.isdigit():
        number = int(text)
    else:
        full = text if text.startswith("SIG") else f"SIG{text}"
        number = signal.Signals.__members__.get(full, 0)
    if number not in signal.valid_signals():
        raise _Refused("bad_request", f"no signal is called {name!r}")
    return int(number)


def _by(request: Request) -> str | None:
    by = request.get("by")
    return by if isinstance(by, str) else None
