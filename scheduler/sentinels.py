"""A client of the primary that sentinels watch: each of its connections goes to whichever server that is by then."""

from typing import Any, cast

from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from .lean_redis import LeanRedis
from .urls import Address

#: redis-py says nothing of its type.
_Sentinel: Any = Sentinel


class Sentinels(_Sentinel):  # type: ignore[misc]
    """The sentinels that watch a primary."""

    def discover_master(self, service_name: str) -> Address:
        """Return where the primary is.

        Raises:
            MasterNotFoundError: none of them says so; redis-py would quote every option of its connections.
        """
        try:
            return cast(Address, super().discover_master(service_name))
        except MasterNotFoundError:
            raise MasterNotFoundError(f"No sentinel answers that knows a living primary {service_name!r}.") from None


class _AsksFirst:
    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send a command, after the sentinels were asked where to, if there is no connection."""
        own: Any = self
        own.connect()  # sending alone would connect without asking them
        base: Any = super()
        base.send_packed_command(command, check_health)


class PrimaryConnection(_AsksFirst, SentinelManagedConnection):
    """A connection to the primary."""


class PrimarySSLConnection(_AsksFirst, SentinelManagedSSLConnection):
    """The same, with TLS."""


def primary_of(
    service: str, sentinels: tuple[Address, ...], options: dict[str, Any], sentinel_options: dict[str, Any]
) -> LeanRedis:
    """Return a client of the primary that the sentinels know by the name of a service.

    Args:
        service: the name.
        sentinels: where they are.
        options: of connections to the primary.
        sentinel_options: of those to the sentinels; ``ssl`` says whether both have TLS.
    """
    watching = Sentinels(sentinels, sentinel_kwargs=sentinel_options)
    connection = PrimarySSLConnection if sentinel_options.get("ssl") else PrimaryConnection
    return cast(LeanRedis, watching.master_for(service, LeanRedis, connection_class=connection, **options))
