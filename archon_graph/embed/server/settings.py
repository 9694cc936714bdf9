"""``ServerSettings``: where a server listens, who may ask, and how much it takes on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from archon_graph.models import ConfigurationError

KEY_VARIABLE = "ARCHON_GRAPH_SERVER_KEY"
"""Where the command line looks for the key."""
# What a person types as a password can be guessed by a program that may try as often as it likes.
_SHORTEST_KEY = 16
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """How to serve.

    Raises:
        ConfigurationError: A value is out of range, the key is too short to be one, or everybody on the network
            could ask without a key and nobody said that they may.
    """

    host: str = "127.0.0.1"
    """The address to listen at; loopback is reached from this machine alone."""
    port: int = 8000
    """The port; 0 for any free one."""
    api_key: str | None = field(default=None, repr=False)
    """What clients must send as ``Authorization: Bearer ...``; ``None`` if they need not."""
    no_auth: bool = False
    """Whether an address that others reach may be served without a key."""
    allowed_hosts: tuple[str, ...] = ()
    """Names that requests may be addressed to, as a proxy in front passes them on; see `host_names`."""
    max_body: int = 8 * 1024 * 1024
    """Most bytes of a request."""
    max_running: int = 256
    """Most runs of architectures at once; each of ``n`` counts. What is more is told to come back later."""
    max_n: int = 8
    """Most answers that one request may ask for."""
    body_seconds: float = 30.0
    """How long a request may take to arrive."""
    time_limit: float = 600.0
    """Seconds after which a request is given up, and its model calls with it."""
    grace: float = 30.0
    """Seconds that requests under way have to end when the server is told to."""
    seed: int | None = None
    """Namespace of the samples of requests that give none; ``None`` gives each request another one, so that asking
    again gives another answer."""

    def __post_init__(self) -> None:
        positive = ("max_body", "max_running", "max_n", "body_seconds", "time_limit")
        for name in positive:
            if not getattr(self, name) > 0:
                raise ConfigurationError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if not 0 <= self.port < 2**16:
            raise ConfigurationError(f"a port is a number from 0 to 65535, got {self.port}")
        if self.grace < 0:
            raise ConfigurationError(f"grace must not be below 0, got {self.grace!r}")
        if self.api_key is not None and len(self.api_key) < _SHORTEST_KEY:
            raise ConfigurationError(
                f"the server's key must have at least {_SHORTEST_KEY} characters, this one has "
                f"{len(self.api_key)}; make one with: openssl rand -hex 24"
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ConfigurationError("the server's key must be of printable ASCII, as headers can hold it")
        if self.api_key is None and not self.no_auth and not is_loopback(self.host):
            raise ConfigurationError(
                f"{self.host!r} is reached from other machines, and there is no key: whoever finds the port could "
                f"spend your money. Set {KEY_VARIABLE}, listen at 127.0.0.1, or say --no-auth (no_auth=True)"
            )

    @property
    def host_names(self) -> frozenset[str] | None:
        """What a request's ``Host`` may be; ``None`` for anything.

        A server without a key trusts who reaches it. A web page can: under a name of its own that resolves to
        127.0.0.1 it is the same origin to the browser, but the name stands in the ``Host`` header.
        """
        given = {name.lower() for name in self.allowed_hosts}
        if not given and (self.api_key is not None or not is_loopback(self.host)):
            return None
        return frozenset({*given, *_LOOPBACK_NAMES, self.host.lower()})


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
