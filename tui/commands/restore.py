"""backstay restore: make a new project of a backup, once its price is accepted."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.asking import agree
from tui.command import Command, pass_invocation
from tui.invocation import Invocation
from tui.output import can_ask, layout, print_aside, print_json, print_lines
from tui.running import follow, with_engine
from tui.tokens_file import TokensFile

if TYPE_CHECKING:
    from engine import Backup, Engine, Quote, RestoreReport


@click.command(
    "restore",
    cls=Command,
    example="backstay restore 'Plant 7@latest' --name 'Plant 7 restored' --accept-cost 49.00",
)
@click.argument("backup")
@click.option("--name", required=True, metavar="NAME", help="The new project's name.")
@click.option(
    "--accept-cost",
    metavar="AMOUNT",
    help="The creation fee that you accept, as `backstay quote` shows it.",
)
@click.option("--show-tokens", is_flag=True, help="List the devices' new tokens in the report.")
@click.option(
    "--tokens-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the devices' new tokens to this new file, as CSV that only you can read.",
)
@pass_invocation
def command(
    invocation: Invocation,
    backup: str,
    name: str,
    accept_cost: str | None,
    show_tokens: bool,
    tokens_file: Path | None,
) -> None:
    """Make a new, isolated project called NAME out of BACKUP.

    The project it was taken of is not touched. The new one starts quiet: actions off, data
    retention on hold, until `backstay wake`. Without --accept-cost the price is shown and, on a
    terminal, asked about.
    """
    from engine import parse_amount

    accepted: Decimal | Quote | None = None
    if accept_cost is not None:
        accepted = parse_amount(accept_cost)
    elif not invocation.json:
        accepted = _accepted_here(invocation, backup, name)

    async def make(engine: Engine) -> RestoreReport:
        handle = await engine.restore(backup, name, accept_cost=accepted)
        return await follow(handle, invocation)

    if tokens_file is None:
        report = with_engine(invocation, make)
        told = "" if show_tokens else None
    else:
        with TokensFile(tokens_file) as file:
            report = with_engine(invocation, make)
            file.write(report.tokens)
        told = f"They are in {tokens_file}."
    if invocation.json:
        print_json(report.as_json())
        return
    from tui.views.restored import report_lines, tokens_table

    lines = report_lines(report, invocation, layout(), tokens_told=told)
    if show_tokens and report.tokens:
        lines += ["", "New tokens: they are secret", *tokens_table(report.tokens, layout())]
    print_lines(lines)


def _accepted_here(invocation: Invocation, backup: str, name: str) -> Quote:
    """Show the price; on a terminal, ask for it and return what was agreed to.

    Raises `PriceNotAccepted` with the command to run, unless the price was agreed to.
    """
    from engine import PriceNotAccepted, amount_text
    from tui.views.quotes import proof_lines, quote_lines

    async def look(engine: Engine) -> tuple[Quote, Backup]:
        return await engine.quote(backup), (await engine.show(backup)).backup

    quote, found = with_engine(invocation, look)
    fee = quote.creation_fee
    amount = amount_text(fee.amount)
    lines = [*quote_lines(quote, layout()), *proof_lines(found, invocation, layout())]
    if can_ask():
        for line in lines:
            print_aside(line)
        if agree(f"Create project for {fee}?"):
            return quote
    else:
        print_lines(lines)
    run = invocation.command_line("restore", backup, "--name", name, "--accept-cost", amount)
    raise PriceNotAccepted(
        f"The price of {fee} was not accepted, so nothing was made and nothing is charged.",
        hint=f"To accept it: {run}",
    )
