"""Ecosystem files of pm2 in the shapes that people write, each with the programs that it starts.

The shapes and their shares were counted in public repositories; the files are written anew.
``PORT_1`` and ``PORT_2`` stand for free ports.
"""

from pathlib import Path
from typing import NamedTuple

from support.ports import free_port
from support.programs import program


class Ecosystem(NamedTuple):
    """One file."""

    file: str
    text: str
    programs: tuple[str, ...]
    """Paths of programs that report what they were started with, in the language of the suffix."""
    profile: str = ""
    """What follows ``pm2 start FILE --env``."""
    names: tuple[str, ...] = ()
    """Names of the variables that the file sets."""
    others: tuple[tuple[str, str], ...] = ()
    """More files: path and text."""


ECOSYSTEMS = {
    "one literal app with a profile": Ecosystem(
        "ecosystem.config.js",
        """\
module.exports = {
  apps: [
    {
      name: 'shop-api',
      script: './dist/main.js',
      instances: 1,
      autorestart: true,
      watch: false,
      max_memory_restart: '1G',
      env: { NODE_ENV: 'development', LEVEL: 'debug', PORT: PORT_1 },
      env_production: { NODE_ENV: 'production', PORT: PORT_2 },
    },
  ],
};
""",
        ("dist/main.js",),
        profile="production",
        names=("NODE_ENV", "LEVEL", "PORT"),
    ),
    "a cluster with times in milliseconds": Ecosystem(
        "ecosystem.config.js",
        """\
module.exports = {
  apps: [{
    name: "web",
    script: "server.js",
    exec_mode: "cluster",
    instances: 2,
    wait_ready: true,
    listen_timeout: 10000,
    kill_timeout: 5000,
    max_restarts: 10,
    min_uptime: "10s",
    max_memory_restart: "500M",
    merge_logs: true,
    log_date_format: "YYYY-MM-DD HH:mm:ss Z",
    error_file: "./logs/err.log",
    out_file: "./logs/out.log",
    node_args: "--max-old-space-size=256",
    env: { PORT: PORT_1 },
  }]
}
""",
        ("server.js",),
        names=("PORT",),
    ),
    "values that Node must compute": Ecosystem(
        "ecosystem.config.js",
        """\
const path = require('path')
const shared = require('./shared.json')
const stage = process.env.STAGE || 'local'
module.exports = {
  apps: ['mail', 'billing'].map((queue, index) => ({
    ...shared,
    name: `${queue}-${stage}`,
    cwd: path.join(__dirname, 'services'),
    script: path.resolve(__dirname, 'services', 'consume.js'),
    args: [`--queue=${queue}`, '--prefetch', String(index + 1)],
    env: { ...shared.env, QUEUE: queue, FILE: path.basename(__filename), DIR: process.env.HOME },
  })),
}
""",
        ("services/consume.js",),
        names=("QUEUE", "FILE", "DIR", "TOKEN"),
        others=(("shared.json", '{"restart_delay": 0, "env": {"TOKEN": "a$b %c #d \\"e"}}'),),
    ),
    "scripts of npm": Ecosystem(
        "ecosystem.config.js",
        """\
module.exports = {
  apps: [
    { name: 'site', script: 'npm', args: 'run serve', env: { THEME: 'dark' } },
    { name: 'site-alt', script: 'npm', args: ['run', 'serve', '--', '--host', 'two words'] },
  ]
};
""",
        ("serve.js",),
        names=("THEME",),
        others=(("package.json", '{"name": "site", "scripts": {"serve": "node serve.js --all"}}'),),
    ),
    "Python beside Node": Ecosystem(
        "pm2.config.js",
        """\
module.exports = { apps: [
  { name: 'bot', script: 'bot.py', interpreter: 'python3', interpreter_args: '-u -O',
    args: '--queue "high and low"', env: { PYTHONUNBUFFERED: 1 } },
  { name: 'pool', script: 'bot.py', interpreter: 'python3', instances: 2, cwd: './backend/' },
  { name: 'front', script: './front/index.js', node_args: ['--stack-size=900'] },
]}
""",
        ("bot.py", "backend/bot.py", "front/index.js"),
        names=("PYTHONUNBUFFERED",),
    ),
    "programs that run themselves": Ecosystem(
        "ecosystem.config.cjs",
        """\
module.exports = {
  apps: [
    { name: 'tool', script: './bin/tool', interpreter: 'none', args: 'serve --port 0' },
    { name: 'tool-2', script: 'bin/tool', exec_interpreter: 'none', exec_mode: 'fork_mode' },
  ],
}
""",
        ("bin/tool",),
    ),
    "JSON of several teams": Ecosystem(
        "processes.json",
        """\
{
  "apps": [
    {"name": "orders", "namespace": "core", "script": "orders.js", "cwd": "apps/orders",
     "args": "", "env": {"RETRIES": 3, "DRY_RUN": false, "OPTIONS": {"deep": [1, "x"]}},
     "env_staging": {"RETRIES": "5"}},
    {"name": "stock", "namespace": "core", "script": "apps/stock/stock.js", "autorestart": false,
     "stop_exit_codes": [0, 3]}
  ]
}
""",
        ("apps/orders/orders.js", "apps/stock/stock.js"),
        profile="staging",
        names=("RETRIES", "DRY_RUN", "OPTIONS"),
    ),
    "YAML with cron and watch": Ecosystem(
        "ecosystem.yaml",
        """\
apps:
  - script: ./nightly.js
    name: nightly
    cron_restart: "0 3 * * *"
    autorestart: false
    env:
      TZ: Europe/Vienna
  - script: live.js
    watch: true
    ignore_watch: [node_modules, tmp]
    exec_mode: fork
""",
        ("nightly.js", "live.js"),
        names=("TZ",),
    ),
    "instances with a port each": Ecosystem(
        "ecosystem.config.js",
        """\
module.exports = {
  apps: [{
    name: 'ws',
    script: 'ws.js',
    instances: '2',
    exec_mode: 'fork',
    increment_var: 'PORT',
    env: { PORT: PORT_1 },
  }],
};
""",
        ("ws.js",),
        names=("PORT", "NODE_APP_INSTANCE"),
    ),
    "a list alone, with camelCase": Ecosystem(
        "ecosystem.config.js",
        """\
// one object for each process, no apps key
module.exports = [
  { script: 'worker.js', name: 'worker', maxMemoryRestart: '300M', killTimeout: 1600,
    args: ['--flag', 'a "quoted" word', ''], nodeArgs: '--expose-gc --no-warnings' },
  { name: 'command', script: 'node jobs.js --all "two words" && echo done' },
  { script: './jobs.js', filter_env: ['AVE_OU'], env: { KEPT: '' } },
]
""",
        ("worker.js", "jobs.js"),
        names=("KEPT", "LEAVE_OUT"),
    ),
}


def write_ecosystem(ecosystem: Ecosystem, folder: Path) -> Path:
    """Write the file and its programs into ``folder``; return the file's path."""
    for name in ecosystem.programs:
        source = "ecosystem/report.js" if name.endswith(".js") else "ecosystem/report.py"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program(source))
        path.chmod(0o755)
    for name, text in ecosystem.others:
        (folder / name).write_text(text)
    text = ecosystem.text
    for mark in ("PORT_1", "PORT_2"):
        text = text.replace(mark, str(free_port()))
    file = folder / ecosystem.file
    file.write_text(text)
    return file
