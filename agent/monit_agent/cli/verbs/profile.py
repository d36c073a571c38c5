"""``monit profile``: where a worker spends its time, and what grows in its memory.

``--json`` prints an object. Of a CPU profile::

    {"host": "", "app": "web", "instance": 0, "pid": 4711, "kind": "cpu", "tool": "the probe",
     "seconds": 10.0, "samples": 498, "cpu_s": 3.4,
     "functions": [{"function": "work", "file": "/srv/app.py", "line": 12, "self_cpu_s": 3.1,
                    "total_cpu_s": 3.2, "self_wall_s": 3.3, "total_wall_s": 3.4}]}

With ``--memory`` it has ``types``, ``containers`` and ``places`` instead of ``functions``.
"""

import os
from typing import Any, NamedTuple

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.control.selection import TargetSelection
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output
from monit_agent.cli.render.profile_table import (
    cost_fields,
    cpu_lines,
    memory_lines,
)
from monit_agent.cli.render.visible import visible
from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.profiles import cpu, memory
from monit_agent.client.profiles.files import CPU_FILES
from monit_agent.client.profiles.reading import BadProfileError
from monit_agent.client.profiles.words import MARGIN_S, SECONDS, cpu_summary, note_text
from monit_agent.config import values
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.limits import PROFILE_S
from monit_agent.wire.messages import MakeProfile, ProfilePart, ProfileTool, Refused

MEMORY_FILES = {"growth": ".json", "heapprofile": ".heapprofile"}
"""The ending of a file by the form of a memory profile."""

HELP = """\b
Examples:
  monit profile web/0                        10 seconds of the busiest process of web/0
  monit profile web/0 30s -o cpu.speedscope.json   open it at speedscope.app
  monit profile api -o api.cpuprofile        open it in the DevTools of Chrome
  monit profile web --wall                   where the threads wait
  monit profile web 60s --memory             what grows in a minute
  monit profile web/0 --host web1            on another machine
"""


@click.command("profile", epilog=HELP)
@click.argument("target", shell_complete=complete_target)
@click.argument(
    "duration", required=False, type=ParsedValue("duration", values.parse_duration),
    metavar="[DURATION]",
)  # fmt: skip
@click.option("--memory", "of_memory", is_flag=True, help="Show what grows in memory instead.")
@click.option(
    "-o",
    "--output",
    "path",
    metavar="FILE",
    help="Write a file too: collapsed stacks (.folded, .txt), speedscope (.json), .cpuprofile; "
    "with --memory .json for Python, .heapprofile for Node.",
)
@click.option("--wall", is_flag=True, help="Count the time that passes, not the CPU time.")
@click.option("--pid", type=int, help="The process. [default: the one that uses most CPU]")
@click.option(
    "--tool",
    type=click.Choice(["auto", "probe", "py-spy"]),
    default="auto",
    help="What makes a CPU profile of a Python program. [default: py-spy if it can, else the "
    "probe]",
)
@click.option(
    "-n",
    "--lines",
    type=ParsedValue("number", lambda text: values.parse_number(text, 1, 10_000)),
    default=20,
    metavar="N",
    help="Rows to show. [default: 20]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@host_option
def profile(
    target: str,
    duration: float | None,
    *,
    of_memory: bool,
    path: str | None,
    wall: bool,
    pid: int | None,
    tool: ProfileTool,
    lines: int,
    as_json: bool,
) -> int:
    """Show where a running worker spends its time, or what grows in its memory.

    The worker keeps running, and nothing has to be prepared. Python programs are sampled by py-spy
    100 times a second, or by the probe 50 times a second; Node programs by V8. DURATION is from
    0.1s to 60s. [default: 10s]

    If TARGET is an app with several instances, name one of them, such as web/0.
    """
    seconds = SECONDS if duration is None else duration
    if not 0.1 <= seconds <= PROFILE_S:
        raise click.UsageError(f"a profile takes from 0.1 to {PROFILE_S:g} seconds")
    if of_memory and wall:
        raise click.UsageError("--wall is about CPU profiles; leave out --memory or --wall")
    _check_ending(path, of_memory)
    with open_fleet(monit_home(), [target]) as (source, chosen):
        if report_silent_agents(source, chosen.apps):
            return ExitCode.NO_ANSWER
        instance = _the_instance(target, chosen)
        request = MakeProfile(
            instance=instance.instance, kind="memory" if of_memory else "cpu", seconds=seconds,
            pid=pid, tool="probe" if wall and tool == "auto" else tool,
        )  # fmt: skip
        output.write_message(f"profiling {instance} for {seconds:g} s")
        answer = request_and_wait(source, instance.app_id, request, seconds + MARGIN_S)
        record = source.fleet.apps[instance.app_id].record
    if isinstance(answer, Refused):
        raise CommandError(ExitCode.FAILED, answer.message)
    assert isinstance(answer, ProfilePart)  # noqa: S101 (what this request is answered with)
    if answer.note:
        output.write_message(note_text(answer))
    shown = _Shown(instance, answer, record.cwd if record else "/", lines, wall)
    try:
        show = _show_memory if of_memory else _show_cpu
        show(shown, path, as_json=as_json)
    except BadProfileError as error:
        raise CommandError(ExitCode.FAILED, f"{shown.name}: {error}") from error
    return ExitCode.DONE


class _Shown(NamedTuple):
    """A profile and how it is shown."""

    instance: InstanceId
    part: ProfilePart
    cwd: str
    rows: int
    by_wall: bool

    @property
    def name(self) -> str:
        return f"{self.instance} (pid {self.part.pid})"

    def fields(self, **more: Any) -> dict[str, Any]:
        """Return the documented object."""
        return {
            "host": self.instance.app_id.host,
            "app": self.instance.app_id.app,
            "instance": self.instance.instance,
            "pid": self.part.pid,
            "kind": self.part.kind,
            "seconds": round(self.part.seconds, 3),
            **more,
        }


def _check_ending(path: str | None, of_memory: bool) -> None:
    if path is None:
        return
    known = list(MEMORY_FILES.values()) if of_memory else list(CPU_FILES)
    if os.path.splitext(path)[1] not in known:
        raise click.UsageError(
            f"{path!r} does not say what to write; end it in {', '.join(known[:-1])} or {known[-1]}"
        )


def _the_instance(target: str, chosen: TargetSelection) -> InstanceId:
    found = sorted(chosen.instances)
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(ExitCode.FAILED, f"{target} has no instance")
    names = ", ".join(map(str, found[:4])) + (" …" if len(found) > 4 else "")
    raise CommandError(ExitCode.USAGE, f"{target} is {len(found)} instances; name one of {names}")


def _show_cpu(shown: _Shown, path: str | None, *, as_json: bool) -> None:
    made = cpu.of_part(shown.part)
    by_wall = shown.by_wall
    if shown.by_wall and not any(each.wall_s for each in made.stacks):
        raise CommandError(ExitCode.FAILED, "py-spy knows no wall time; add --tool probe for it")
    costs = cpu.function_costs(made)
    if path is not None:
        if path.endswith(".cpuprofile") and shown.part.form == "cpuprofile":
            _write_file(path, shown.part.data)
        else:
            content = CPU_FILES[os.path.splitext(path)[1]](made, shown.name, by_wall)
            _write_file(path, content.encode("utf-8", "backslashreplace"))
    if as_json:
        functions = [cost_fields(each) for each in cpu.heaviest(costs, by_wall=by_wall)]
        output.write_json(
            shown.fields(
                tool=made.tool, samples=made.samples, cpu_s=made.cpu_s, functions=functions
            )
        )
        return
    output.write_message(f"{shown.name}: {cpu_summary(made)}")
    output.write_lines(cpu_lines(made, costs, shown.cwd, shown.rows, by_wall=by_wall))


def _show_memory(shown: _Shown, path: str | None, *, as_json: bool) -> None:
    data = shown.part.data
    is_node = shown.part.form == "heapprofile"
    growth = memory.of_v8(data, shown.part.seconds) if is_node else memory.of_python_probe(data)
    if path is not None:
        ending = MEMORY_FILES[shown.part.form]
        if not path.endswith(ending):
            raise CommandError(
                ExitCode.USAGE, f"the memory profile of {shown.instance} needs a name in {ending}"
            )
        _write_file(path, shown.part.data)
    if as_json:
        fields = growth._asdict()
        for name in ("types", "containers", "places"):
            fields[name] = fields[name] and [each._asdict() for each in fields[name]]
        output.write_json(shown.fields(**{**fields, "seconds": round(growth.seconds, 3)}))
        return
    what = "allocated and not freed" if is_node else "grown"
    output.write_message(f"{shown.name}: {what} in {growth.seconds:.1f} s")
    output.write_lines(memory_lines(growth, shown.cwd, shown.rows))
    if growth.places is None:
        output.write_message(
            "start the program with PYTHONTRACEMALLOC=1 to see the lines that allocate; "
            "it makes allocations several times slower"
        )


def _write_file(path: str, content: bytes) -> None:
    try:
        with open(path, "wb") as file:
            file.write(content)
    except OSError as error:
        raise CommandError(
            ExitCode.FAILED, f"cannot write {path}: {error.strerror or error}"
        ) from error
    output.write_message(f"written to {visible(path)}")
