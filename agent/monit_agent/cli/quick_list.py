"""``monit list`` of all apps of this machine, in the short way: nothing is imported for it but what
it needs. `None` is returned, and nothing was written, where it takes the long way: another
option, a target, a host, no apps, an agent that does not answer or is of another version.
"""

from collections.abc import Sequence

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names, monit_home
from monit_agent.cli.render import output
from monit_agent.cli.render.columns import InstanceRow, rows_of_app
from monit_agent.cli.render.listing import report_apps, write_rows
from monit_agent.client.listing import NoListingError, request_apps
from monit_agent.wire.paths import app_paths

JSON, TREE = "--json", "--tree"


def quick_list(options: Sequence[str]) -> int | None:
    """Write the list and return the exit code; None if that takes the long way."""
    if not {JSON, TREE}.issuperset(options):
        return None
    rows = _rows()
    if not rows:
        return None
    try:
        write_rows(rows, as_json=JSON in options, tree=TREE in options)
    except CommandError as error:
        output.write_error(str(error))
        return error.code
    except BrokenPipeError:
        output.discard_stdout()
        return ExitCode.BROKEN_PIPE
    report_apps(rows)
    return ExitCode.DONE


def _rows() -> list[InstanceRow]:
    """Return the rows of all apps; none where somebody else has to find out more."""
    try:
        home = monit_home()
        apps = request_apps([app_paths(home, name) for name in app_names(home)])
    except (CommandError, NoListingError):
        return []
    return [row for app in apps for row in rows_of_app(app)]
