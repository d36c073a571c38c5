# pyright: basic
"""Hooks into modules of event loops, HTTP servers and `subprocess`, run once the program has
imported them."""

import sys

from _monit_probe.basics import is_loading, load, quiet

LOOPS = {"loops": ("asyncio.events", "trio._core._run")}
CHILDREN = {"children": ("subprocess",)}
HTTP_SERVERS = {
    "http.uvicorn": (
        "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl",
        "uvicorn.protocols.http.zttp_impl", "uvicorn.protocols.http.zttp_h2_impl",
    ),
    "http.event_loops": (
        "hypercorn.protocol.http_stream", "gunicorn.asgi.protocol",
        "aiohttp.web_protocol", "tornado.web",
    ),
    "http.threads": (
        "gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.base_async",
        "http.server", "wsgiref.simple_server", "werkzeug.serving", "waitress.task",
        "waitress.channel",
    ),
}  # fmt: skip
"""Which part has hooks for which modules; a part is loaded with the first of these."""


class Hooks:
    """First of ``sys.meta_path``: finds nothing itself, but runs the hooks after the imports."""

    def __init__(self, probe_parts, count_http):
        self._probe_parts = probe_parts
        parts = {**LOOPS, **CHILDREN, **(HTTP_SERVERS if count_http else {})}
        self._waiting = {name: part for part, names in parts.items() for name in names}
        """The part for each module that has not been imported so far."""

    def install(self):
        """Be found by all imports from now on."""
        sys.meta_path.insert(0, self)
        self.run_late()

    def find_spec(self, name, path=None, target=None):
        """Return another finder's spec for a module with a hook, None for all others."""
        if name not in self._waiting:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                quiet(self._attach)(name, spec.loader)
                return spec
        return None

    def _attach(self, name, loader):
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            if module.__name__ == name:
                loader.__dict__.pop("exec_module", None)
                self._run(name, module)

        loader.exec_module = exec_module

    def _run(self, name, module):
        part = self._waiting.pop(name, None)
        if part is not None:
            quiet(self._hook)(part, name, module)

    def _hook(self, part, name, module):
        if part in LOOPS:
            self._probe_parts.load_loops()
        elif part in HTTP_SERVERS:
            self._probe_parts.load_http()
        load(part).HOOKS[name](module)

    def run_late(self):
        """Run the hooks of modules that were imported before, or past the finder: a program may
        replace ``sys.meta_path``."""
        for name in list(self._waiting):
            module = sys.modules.get(name)
            if module is not None and not is_loading(module):
                self._run(name, module)
        main = sys.modules.get("__main__")
        if getattr(getattr(main, "__spec__", None), "name", None) == "http.server":
            # python -m http.server: the module has another name
            self._run("http.server", main)
