"""Runs a hook once: the command of the user, or the program that posts to a webhook."""

import asyncio
import json
import os
import sys
import time

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.alerts.hook import COMMAND, COMMAND_S, WEBHOOK, WEBHOOK_S, Delivery, Hook
from monit_agent.agent.alerts.notices import Notice
from monit_agent.agent.child_program import (
    CannotRunError,
    ChildProgram,
    outcome_text,
    run_child,
)
from monit_agent.system.memory.anonymous_file import anonymous_file
from monit_agent.wire.codec import encode_json

KILL_S = 3.0
"""After its timeout, the program that posts has so long to say what it waited for."""

LONGEST = 400
"""Characters of what it says: an error about a certificate has up to two paths or names."""

AGAIN = 75
"""Its exit code for what may be better if it is tried again."""

POST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "post.py")


class HookRunner:
    """Runs hooks of one app."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    async def run(self, hook: Hook, notice: Notice) -> Delivery:
        """Deliver a notice; always returns within a time that is known."""
        begun = time.monotonic()
        timeout_s = COMMAND_S if hook.name == COMMAND else WEBHOOK_S + KILL_S
        try:
            stdin = anonymous_file("notice", _input(hook, notice))
        except OSError as error:
            return Delivery(ok=False, text=f"no memory for a notice: {error.strerror}", again=True)
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._run(hook, notice, stdin)
        except TimeoutError:
            limit_s = COMMAND_S if hook.name == COMMAND else WEBHOOK_S
            text = f"killed after {limit_s:g} s" if hook.name == COMMAND else "no answer in time"
            found = Delivery(ok=False, text=text, again=hook.name == WEBHOOK)
        finally:
            os.close(stdin)
        return found._replace(took_s=round(time.monotonic() - begun, 3))

    async def _run(self, hook: Hook, notice: Notice, stdin: int) -> Delivery:
        os.lseek(stdin, 0, os.SEEK_SET)
        is_command = hook.name == COMMAND
        command = hook.command if is_command else (sys.executable, "-I", POST)
        env = {
            **self._surroundings.env,
            "MONIT_NOTICE": str(notice["kind"]),
            "MONIT_APP": str(notice["app"]),
        }
        cwd = hook.cwd if is_command else "/"
        try:
            files = self._surroundings.files
            code, tail = await run_child(ChildProgram(command, cwd, env, files, stdin))
        except CannotRunError as error:
            return Delivery(ok=False, text=str(error))
        if is_command:
            return Delivery(ok=code == 0, text=outcome_text(code, tail))
        text = tail.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no result"]
        shown = (
            text[0] if code in (0, 1, AGAIN) and len(text[0]) <= LONGEST else f"exit code {code}"
        )
        return Delivery(ok=code == 0, text=shown, again=code == AGAIN)


def _input(hook: Hook, notice: Notice) -> bytes:
    body = encode_json(notice)
    if hook.name == COMMAND:
        return body + b"\n"
    order = {"url": hook.url, "ca": hook.ca, "body": body.decode(), "timeout_s": WEBHOOK_S}
    return json.dumps(order).encode()
