"""The figures of an app as a whole, from the reports of all its workers."""

from collections.abc import Container, Mapping

from monit_agent.agent.probes.figures import ProbeFigures, combine_app
from monit_agent.wire.messages import Sample


class WholeApp:
    """Puts together what the probes of the app's instances reported last."""

    def __init__(self) -> None:
        self.newest: Sample | None = None
        """None as long as fewer than two instances have a probe: there is nothing to combine."""
        self._probes: dict[int, Mapping[int, ProbeFigures]] = {}

    def add(self, instance: int, probes: Mapping[int, ProbeFigures]) -> None:
        """Take in what the probes of an instance report, by pid."""
        if probes:
            self._probes[instance] = probes
        else:
            self._probes.pop(instance, None)

    def make_sample(self, at: float, running: Container[int]) -> Sample | None:
        """Return the sample of the wall time ``at``, of the instances that are ``running``; one
        without figures when the first of two has no probe any more, and None after that."""
        self._probes = {key: each for key, each in self._probes.items() if key in running}
        if len(self._probes) < 2:
            before, self.newest = self.newest, None
            return Sample(at=at) if before is not None else None
        parts = combine_app(each for probes in self._probes.values() for each in probes.values())
        self.newest = Sample(
            at=at,
            heap=parts.heap,
            collector=parts.collector,
            scheduling=parts.scheduling,
            loop=parts.loop,
            http=parts.http,
            metrics=parts.metrics,
        )
        return self.newest
