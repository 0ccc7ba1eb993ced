"""Who asks over HTTP: the name that a trusted proxy gives, and nothing that a client could say.

A name counts when the connection comes from the proxy's address, carries the secret that only the
proxy knows, and has the header with the name exactly once. The proxy has to replace that header in
what it passes on, or drop it: then no client can bring its own.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tieout.close.settings import PRINCIPAL, Closing
from tieout.errors import ConfigurationError
from tieout.events.refused import Refused

SECRET = "TIEOUT_PROXY_SECRET"  # noqa: S105 - the name of the variable
SECRET_HEADER = "x-tieout-proxy"  # noqa: S105 - the name of the header
SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a principal of `close.people`, and who vouches for it."""

    principal: str
    vouched: str


class Gate:
    """Lets in whom the proxy names."""

    def __init__(self, proxies: Sequence[str], closing: Closing, secret: str | None = None) -> None:
        """`proxies` are addresses or networks; the secret is the environment's unless it is given.

        Raises ConfigurationError without a header, a secret, or anybody to let in.
        """
        self._networks = [ipaddress.ip_network(one, strict=False) for one in proxies]
        found = os.environ.get(SECRET, "") if secret is None else secret
        if closing.identity_header is None:
            raise ConfigurationError(
                "no header names who asks", "name the proxy's header", "close.identity_header"
            )
        if len(found) < SHORTEST_SECRET:
            raise ConfigurationError(
                f"{SECRET} has not the {SHORTEST_SECRET} characters that it needs",
                f"give it to this process and let the proxy send it as {SECRET_HEADER}",
            )
        if not closing.people:
            raise ConfigurationError("nobody may close months", "name them", "close.people")
        self._header, self._people = closing.identity_header.lower(), closing.people
        self._secret = found.encode()

    def caller(self, peer: str, raw: Iterable[tuple[bytes, bytes]]) -> Caller:
        """Who asks. Raises Refused: 403 past the proxy or for a stranger, 401 without one name."""
        headers = [(name.lower().decode("latin-1"), value) for name, value in raw]
        secrets = [value for name, value in headers if name == SECRET_HEADER]
        known = len(secrets) == 1 and hmac.compare_digest(secrets[0], self._secret)
        if not known or not self._is_proxy(peer):
            raise Refused(403, "not_proxy", "this is answered to the proxy in front alone")
        names = [value for name, value in headers if name == self._header]
        if len(names) != 1:
            raise Refused(401, "no_identity", f"{self._header} is there {len(names)} times, not 1")
        principal = names[0].decode("latin-1")
        if not re.fullmatch(PRINCIPAL, principal):
            raise Refused(401, "no_identity", f"{self._header} is not the name of a person")
        if principal not in self._people:
            raise Refused(403, "unknown_person", f"{principal} is not among close.people")
        return Caller(principal, f"{self._header} from the proxy at {peer}")

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in one for one in self._networks)
