"""The command that makes keys, which are kept outside of Redis."""

import click

from scheduler.signing import Signer

from ..rendering import print_json
from .arguments import json_option


@click.command()
@click.argument("action", type=click.Choice(["generate"]))
@click.option("--signing", is_flag=True, help="A pair that signs and checks the heads of logs.")
@json_option
def keys(action: str, signing: bool, as_json: bool) -> None:
    """Make a new key, as the settings take it; keep it where Redis is not.

    \b
    Example:
      treadle keys generate --signing
    """
    signer, private = Signer.generate()
    made = {"TREADLE_HEAD_KEY": private, "TREADLE_HEAD_PUBLIC_KEYS": signer.public_key}
    if as_json:
        print_json(made)
    else:
        click.echo("\n".join(f"{name}={value}" for name, value in made.items()))
