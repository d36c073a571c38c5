"""Profiles of every tool become the same thing, and files that other programs read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.profiles import cpu, memory
from monit_agent.client.profiles.files import CPU_FILES, collapsed, cpuprofile, speedscope
from monit_agent.client.profiles.reading import BadProfileError

STACKS = {
    "kind": "cpu", "seconds": 2.0, "samples": 4, "dropped": 0, "cpu": 1.5,
    "functions": [["/srv/app.py", "main", 1], ["/srv/app.py", "work", 9], ["t.py", "wait", 3]],
    "stacks": [[[0, 1], 12, 600000, 500000], [[0, 1], 11, 100000, 90000],
               [[0, 1, 1], 12, 400000, 400000], [[0, 2], 3, 900000, 0]],
}  # fmt: skip


def _node(number: int, name: str, *children: int, **more: object) -> dict[str, object]:
    frame = {"functionName": name, "scriptId": "1", "url": "file:///srv/app.js", "lineNumber": 4}
    return {"id": number, "callFrame": frame, "children": list(children), **more}


V8 = {
    "nodes": [
        _node(1, "(root)", 2, 3), _node(2, "work", positionTicks=[{"line": 7, "ticks": 3}]),
        _node(3, "(idle)"),
    ],
    "startTime": 1000, "endTime": 7000, "samples": [2, 3, 2], "timeDeltas": [0, 1000, 2000],
}  # fmt: skip


def _python() -> cpu.CpuProfileData:
    return cpu.of_python_probe(json.dumps(STACKS).encode())


def test_costs_are_of_the_function_alone_and_with_what_it_called() -> None:
    """Recursion counts once, and the line is where most of the time was spent."""
    costs = {each.function.name: each for each in cpu.function_costs(_python())}
    work, main = costs["work"], costs["main"]
    assert (work.self_cpu_s, work.total_cpu_s, work.line) == (0.99, 0.99, 12)
    assert (main.self_cpu_s, main.total_cpu_s, main.total_wall_s) == (0.0, 0.99, 2.0)
    by_cpu = cpu.heaviest(costs.values(), by_wall=False)
    assert [each.function.name for each in by_cpu] == ["work"]
    by_wall = cpu.heaviest(costs.values(), by_wall=True)
    assert [each.function.name for each in by_wall] == ["work", "wait"]


def test_a_sample_of_v8_lasts_until_the_next_and_idle_is_no_cpu() -> None:
    """Three samples: 1 ms and 3 ms of work, 2 ms idle."""
    made = cpu.of_v8(json.dumps(V8).encode(), 0.006)
    costs = {each.function.name: each for each in cpu.function_costs(made)}
    assert costs["work"].self_cpu_s == pytest.approx(0.004)
    assert costs["work"].line == 7
    assert costs["(idle)"].self_wall_s == pytest.approx(0.002)
    assert costs["(idle)"].self_cpu_s == 0.0
    assert made.cpu_s == pytest.approx(0.004)
    assert "(root)" not in costs


def test_stacks_of_py_spy_have_functions_and_lines() -> None:
    """A file name may have blanks and parentheses; the probe's own thread is left out, and so is a
    line of anything else."""
    text = "main (a b (1).py:3);work (a b (1).py:7) 50\nmain (a b (1).py:3) 25\nnonsense\n"
    text += "Probe.run (_monit_probe/thread.py:170) 99\n"
    made = cpu.of_py_spy(text, 1.0)
    costs = {each.function.name: each for each in cpu.function_costs(made)}
    assert (costs["work"].self_cpu_s, costs["work"].line) == (0.5, 7)
    assert costs["work"].function.file == "a b (1).py"
    assert (costs["main"].self_cpu_s, costs["main"].total_cpu_s) == (0.25, 0.75)


def test_the_three_files_have_the_same_times() -> None:
    """Collapsed stacks, speedscope and .cpuprofile add up to the CPU time of the profile."""
    made = _python()
    lines = collapsed(made, by_wall=False).splitlines()
    assert lines[0] == "main (/srv/app.py:1);work (/srv/app.py:9) 590000"
    assert sum(int(line.rpartition(" ")[2]) for line in lines) == 990_000
    scope = json.loads(speedscope(made, "web/0"))
    assert [each["name"] for each in scope["profiles"]] == ["web/0 CPU", "web/0 wall"]
    assert sum(scope["profiles"][0]["weights"]) == pytest.approx(0.99)
    assert scope["profiles"][1]["endValue"] == pytest.approx(2.0)
    frames = len(scope["shared"]["frames"])
    assert all(number < frames for sample in scope["profiles"][0]["samples"] for number in sample)
    again = cpu.of_v8(cpuprofile(made, by_wall=False).encode(), 2.0)
    assert again.cpu_s == pytest.approx(0.99)
    costs = {each.function.name: each.self_cpu_s for each in cpu.function_costs(again)}
    assert costs["work"] == pytest.approx(0.99)


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda each:
       st.lists(each) | st.dictionaries(st.sampled_from([*STACKS, *V8, "types"]), each)),
       st.binary(max_size=20))  # fmt: skip
def test_what_a_worker_claims_is_read_or_refused(value: object, raw: bytes) -> None:
    """Whatever is in a profile, reading and writing it raises no other error."""
    for data in (json.dumps(value).encode(), raw):
        for read in (
            cpu.of_python_probe, lambda data: cpu.of_v8(data, 1.0), memory.of_python_probe,
            lambda data: memory.of_v8(data, 1.0),
        ):  # fmt: skip
            with pytest.raises(BadProfileError):
                read(data)
        made = cpu.of_py_spy(data.decode("utf-8", "replace"), 1.0)
        for write in CPU_FILES.values():
            write(made, "web/0", False)


def test_a_stack_cannot_name_a_function_that_is_not_there() -> None:
    """A number outside of the table is refused, also a negative one."""
    for number in (-1, 3):
        bad = {**STACKS, "stacks": [[[number], 1, 1, 1]]}
        with pytest.raises(BadProfileError, match="not in the profile"):
            cpu.of_python_probe(json.dumps(bad).encode())
