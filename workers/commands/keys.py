"""The commands about keys, which are kept outside of Redis."""

import secrets

import click

from scheduler import depot
from scheduler.archive import manifest_of
from scheduler.archives import reseal as reseal_file
from scheduler.resealing import Resealing
from scheduler.sealing import KEY_ID, new_key
from scheduler.signing import Signer

from ..desk import Desk
from ..exits import ExitCode
from ..rendering import print_fields, print_json
from .arguments import json_option, with_desk


@click.command()
@click.argument("action", type=click.Choice(["generate"]))
@click.option("--id", "key_id", default=None, help="What sealed values call the key; a new word when left out.")
@click.option("--signing", is_flag=True, help="A pair that signs and checks the heads of logs instead.")
@json_option
def keys(action: str, key_id: str | None, signing: bool, as_json: bool) -> None:
    """Make a new key, as the settings take it; keep it where Redis is not.

    \b
    Examples:
      treadle keys generate --id 2026-11
      treadle keys generate --signing
    """
    if key_id is not None and not KEY_ID.fullmatch(key_id):
        raise click.UsageError(f"--id is of letters, digits, and . _ -, at the most 32 of them; got {key_id!r:.40}.")
    made = {"TREADLE_ENCRYPTION_KEYS": f"{key_id or secrets.token_hex(4)}:{new_key()}"}
    if signing:
        signer, private = Signer.generate()
        made = {"TREADLE_HEAD_KEY": private, "TREADLE_HEAD_PUBLIC_KEYS": signer.public_key}
    if as_json:
        print_json(made)
    else:
        click.echo("\n".join(f"{name}={value}" for name, value in made.items()))


@click.command()
@click.argument("file", required=False)
@click.option("--dry-run", "dry", is_flag=True, help="Only count what is sealed with which key.")
@json_option
@with_desk
@click.pass_context
def reseal(ctx: click.Context, desk: Desk, file: str | None, dry: bool, as_json: bool) -> None:
    """Seal anew, with the first key, what is sealed with another one or not at all; exit code 1 if some does not open.

    Threads may run meanwhile, once every process has the new key in the first place. One that was cut short is begun
    again. When a second one finds nothing more to do, the old key can be dropped. FILE is that of an archived thread,
    or its URL, which is sealed as a whole: it keeps the key that it was written with until then.

    \b
    Examples:
      treadle reseal
      treadle reseal --dry-run --json
      treadle reseal archive/my-1.*.treadle
    """
    if file is not None:
        _reseal_file(desk, file, dry=dry, as_json=as_json)
        return
    tally = Resealing(desk.engine.connection, dry=dry).all()
    answer = {"resealed": tally.resealed, "found": dict(tally.found), "broken": tally.broken}
    if as_json:
        print_json(answer)
    else:
        found = {f"with {key}" if key else "not sealed": count for key, count in sorted(tally.found.items())}
        print_fields({"sealed anew": tally.resealed, **{f"found {key}": count for key, count in found.items()}})
    for line in tally.broken:
        click.echo(line, err=True)
    ctx.exit(ExitCode.FAILED if tally.broken else ExitCode.OK)


def _reseal_file(desk: Desk, file: str, *, dry: bool, as_json: bool) -> None:
    found = manifest_of(file, depot.read(file)).key
    resealed = not dry and reseal_file(file, desk.settings.sealing())
    if as_json:
        print_json({"file": file, "found": found, "resealed": resealed})
    else:
        click.echo(f"{file} was sealed {f'with {found}' if found else 'by nobody'}{', and is anew' * resealed}.")
