# pyright: basic
"""The probe inside a Python program: it measures the program and reports to monit's agent.

It runs in other people's programs, on CPython 3.8 to 3.13. It never raises into the program, never
prints, never waits, keeps no descriptor open and keeps no process alive. It imports nothing that
the program would not have: only built-in modules at the start, `ctypes` later and in the probe's
own thread. Errors inside the probe are counted and reported (``faults``).

Loaded at the start: `install`, `hooks`, `thread`, `report`, `forks`, `collector`, `basics`.
Loaded when needed: `loops` (an event loop is imported), `blocks` (the first loop runs), `memory`
(the first full report), `app` (also the app's own metrics), `actions` (an action is requested),
`prometheus`, `children` and ``http/`` (the program imports something they know).

Times are seconds of `time.perf_counter`, except those called ``at`` (wall clock). The fields of a
report are described in ``probe/README.md``.
"""
