"""``monit completion``: the script that lets a shell complete verbs, options and apps."""

import click

from monit_agent.cli.render import output
from monit_agent.cli.render.command_name import command_name

HELP = """\b
Examples:
  eval "$(monit completion bash)"        in ~/.bashrc
  eval "$(monit completion zsh)"         in ~/.zshrc
  monit completion fish > ~/.config/fish/completions/monit.fish
"""


@click.command("completion", epilog=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 — only here

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    name = command_name()
    variable = f"_{name.upper()}_COMPLETE"
    output.write_lines([kind(ctx.find_root().command, {}, name, variable).source()])
