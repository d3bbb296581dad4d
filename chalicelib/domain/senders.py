"""Where a request really comes from, and whether that place may send webhooks.

``X-Forwarded-For`` is written by whoever sends a request and added to by every proxy on the way. So it is read from its
end, and only as far as the machines that wrote it are proxies that we trust.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from chalicelib.domain.errors import Forbidden

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Senders:
    """``allowed``: none means anybody, because webhooks are signed anyway."""

    allowed: tuple[Network, ...]
    proxies: tuple[Network, ...]

    def check(self, peer: str, forwarded_for: str) -> None:
        """Raises ``Forbidden``. ``peer`` is the machine that the connection comes from."""
        if self.allowed and not _within(_origin(peer, forwarded_for, self.proxies), self.allowed):
            raise Forbidden(
                "Webhooks are not taken from this address. Whoever runs this server allows addresses with "
                "STCLOUD_WEBHOOK_ALLOW, and names the proxies before it with STCLOUD_TRUSTED_PROXIES."
            )


def senders(allowed: Iterable[str], proxies: Iterable[str]) -> Senders:
    return Senders(tuple(network(text) for text in allowed), tuple(network(text) for text in proxies))


def network(text: str) -> Network:
    """An address or a range such as ``203.0.113.0/24``. Raises ``ValueError``."""
    return ip_network(text, strict=False)


def _origin(peer: str, forwarded_for: str, proxies: tuple[Network, ...]) -> Address | None:
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    address = _address(peer)
    while hops and _within(address, proxies):
        address = _address(hops.pop())
    return address


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _within(address: Address | None, networks: tuple[Network, ...]) -> bool:
    return address is not None and any(address in network for network in networks)
