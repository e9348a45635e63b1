"""The command that prints the users of Redis, one for each role."""

import click

from .. import acl as access
from ..rendering import print_json
from ..settings import WorkerSettings
from .arguments import json_option


@click.command()
@click.option(
    "--db", default=0, show_default=True, type=click.IntRange(min=0), help="The database of TREADLE_REDIS_URL."
)
@click.option("--vector-sets", is_flag=True, help="Allow an index of vectors: for Redis 8, older ones refuse the file.")
@click.option("--new-passwords", is_flag=True, help="Print new passwords instead, as lines for an .env file.")
@json_option
def acl(db: int, vector_sets: bool, new_passwords: bool, as_json: bool) -> None:
    """Print an ACL file for Redis 7 or newer, or Valkey: a user for each role, with the rights that it needs.

    The file has the hashes of the passwords in TREADLE_REDIS_PASSWORD_WORKER, _SCHEDULER, _CLIENT, _OPERATOR, _FLOWER
    and _BACKUP. There are no default ones, and nobody gets in without.

    \b
    Examples:
      treadle acl --new-passwords >> .env
      set -a; . ./.env; set +a; treadle acl > users.acl
    """
    users = access.lines(WorkerSettings(), db, vector_sets=vector_sets)
    found = list(access.new_passwords() if new_passwords else users)
    if as_json:
        print_json(dict(line.split("=", 1) for line in found) if new_passwords else {"users": found})
    else:
        click.echo("\n".join(found))
