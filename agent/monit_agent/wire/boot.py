"""What is said at ``boot.sock``: one JSON object and its answer on each connection.

``{"do": "hello"}``: the answer has the ``pid`` of ``monit boot``, its number of ``apps``, its
``version``, where it runs from (the interpreter ``python`` and the folder ``package``), and when it
``began`` (monotonic seconds).
``{"do": "upgrade", "python": …, "package": …}``: it executes that installation in its own process;
after that, it has begun at another time.
``{"do": "start_keeper", "app": NAME}``, with three descriptors (SCM_RIGHTS): starts the keeper of
the app with these as standard input, output and error; the answer has its ``pid``.
``{"do": "leave"}``: ``monit boot`` exits with `LEFT_EXIT_CODE` and leaves the apps running.

An answer has ``ok``; where that is false, ``message`` says why, and ``stopping`` is true while all
apps are being stopped.
"""

FDS = 3
REQUEST_BYTES = 4096
"""The longest request; the name of an app has 64 characters at most."""

LEFT_EXIT_CODE = 85
"""Exit code of a ``monit boot`` that left the apps running. Its unit does not start it again."""
