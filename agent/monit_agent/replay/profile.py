"""The profile of a worker of the tea shop: its front computes prices, its API parses requests."""

import json

from monit_agent.client.profiles.cpu import CpuProfileData, ProfiledFunction, ProfiledStack
from monit_agent.client.profiles.files import cpuprofile
from monit_agent.replay.app import ReplayedApp
from monit_agent.wire.messages import MakeProfile, ProfilePart, Refused

_PACKAGES = "/srv/shop/.venv/lib/python3.12/site-packages"
_PYTHON = {
    "run": ("Thread.run", "/usr/lib/python3.12/threading.py", 1010),
    "select": ("EpollSelector.select", "/usr/lib/python3.12/selectors.py", 450),
    "dumps": ("dumps", "/usr/lib/python3.12/json/__init__.py", 183),
    "serve": ("serve", f"{_PACKAGES}/uvicorn/server.py", 60),
    "app": ("Flask.wsgi_app", f"{_PACKAGES}/flask/app.py", 1480),
    "render": ("Template.render", f"{_PACKAGES}/jinja2/environment.py", 1290),
    "execute": ("Cursor.execute", f"{_PACKAGES}/psycopg/cursor.py", 90),
    "checkout": ("checkout", "/srv/shop/app/orders.py", 41),
    "page": ("product_page", "/srv/shop/app/pages.py", 18),
    "total": ("Cart.total", "/srv/shop/app/pricing.py", 88),
    "discount": ("discount_of", "/srv/shop/app/pricing.py", 112),
    "rates": ("exchange_rates", "/srv/shop/app/rates.py", 9),
}
_NODE = {
    "run": ("processTicksAndRejections", "node:internal/process/task_queues", 71),
    "select": ("(idle)", "", 0),
    "dumps": ("stringify", "/srv/shop/api/node_modules/fast-json-stringify/index.js", 12),
    "serve": ("parserOnIncoming", "node:_http_server", 1006),
    "app": ("handle", "/srv/shop/api/node_modules/express/lib/router/index.js", 136),
    "render": ("json", "/srv/shop/api/node_modules/express/lib/response.js", 250),
    "execute": ("query", "/srv/shop/api/node_modules/pg/lib/client.js", 560),
    "checkout": ("postOrder", "/srv/shop/api/orders.js", 30),
    "page": ("getStock", "/srv/shop/api/stock.js", 12),
    "total": ("reserve", "/srv/shop/api/stock.js", 41),
    "discount": ("findShelf", "/srv/shop/api/shelves.js", 77),
    "rates": ("parsePrice", "/srv/shop/api/prices.js", 5),
}
_STACKS: tuple[tuple[str, int, float, float], ...] = (
    ("run serve select", 0, 0.05, 5.60),
    ("run serve app checkout total discount", 9, 1.31, 1.38),
    ("run serve app checkout total discount rates", 3, 0.52, 0.55),
    ("run serve app checkout total", 4, 0.34, 0.36),
    ("run serve app checkout execute", 2, 0.16, 0.61),
    ("run serve app checkout dumps", 1, 0.12, 0.13),
    ("run serve app page render", 6, 0.58, 0.63),
    ("run serve app page total discount", 9, 0.29, 0.31),
    ("run serve app page execute", 2, 0.08, 0.27),
    ("run serve app", 11, 0.11, 0.12),
    ("run serve", 7, 0.03, 0.04),
)
"""Functions from the outermost to the innermost, how far below its beginning that one stood, the
seconds of CPU and all seconds, of ten."""


def make_profile(app: ReplayedApp, request: MakeProfile) -> ProfilePart | Refused:
    """Return the profile of a worker with a probe; no scene knows what grows in its memory."""
    number = request.instance
    if app.sample(number, app.wall()).heap is None or request.kind != "cpu":
        text = f"no probe reports from {app.record.name}/{number}"
        return Refused(kind="refused", message=f"{text}; it was started with --no-probe")
    is_node = app.record.interpreter == "node"
    data = _profile(_NODE if is_node else _PYTHON, request.seconds / 10.0)
    return ProfilePart(
        instance=number, pid=request.pid or app.instances[number].pid or 0, kind="cpu",
        form="cpuprofile" if is_node else "stacks", seconds=request.seconds,
        data=(cpuprofile(data, by_wall=True) if is_node else _stacks(data)).encode(),
    )  # fmt: skip


def _profile(names: dict[str, tuple[str, str, int]], scale: float) -> CpuProfileData:
    functions = tuple(ProfiledFunction(*each) for each in names.values())
    numbers = {name: number for number, name in enumerate(names)}
    stacks = tuple(
        ProfiledStack(
            tuple(numbers[name] for name in text.split()),
            functions[numbers[text.split()[-1]]].line + below, wall_s * scale, cpu_s * scale,
        )
        for text, below, cpu_s, wall_s in _STACKS
    )  # fmt: skip
    return CpuProfileData("the probe", 10.0 * scale, round(498 * scale), functions, stacks)


def _stacks(data: CpuProfileData) -> str:
    """Return what the Python probe writes."""
    return json.dumps({
        "seconds": data.seconds, "samples": data.samples, "dropped": 0, "cpu": data.cpu_s,
        "functions": [[each.file, each.name, each.line] for each in data.functions],
        "stacks": [
            [stack.functions, stack.line, 1e6 * (stack.wall_s or 0), 1e6 * (stack.cpu_s or 0)]
            for stack in data.stacks
        ],
    })  # fmt: skip
