"""``monit completion``: what a shell must read to complete verbs, options and apps."""

import click

from monit_agent.cli import output

HELP = """\b
Examples:
  eval "$(monit completion bash)"        in ~/.bashrc
  eval "$(monit completion zsh)"         in ~/.zshrc
  monit completion fish > ~/.config/fish/completions/monit.fish
"""


@click.command("completion", epilog=HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 — only here

    from monit_agent.cli.main import monit  # noqa: PLC0415 — it imports this module

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    output.write_lines([kind(monit, {}, "monit", "_MONIT_COMPLETE").source()])
