"""Who may send webhooks: decided by the connection, and by X-Forwarded-For only as far as trusted proxies wrote it."""

from __future__ import annotations

import pytest

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.senders import senders
from chalicelib.settings import BadSetting, read

ALLOWED, PROXIES = ("203.0.113.0/24", "2001:db8::/32"), ("10.0.0.0/8", "127.0.0.1")


def taken(peer: str, forwarded: str = "", allowed: tuple[str, ...] = ALLOWED) -> bool:
    try:
        senders(allowed, PROXIES).check(peer, forwarded)
    except Forbidden:
        return False
    return True


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        ("203.0.113.9", ""),
        ("::ffff:203.0.113.9", ""),
        ("2001:db8::1", ""),
        ("10.1.2.3", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9"),
        ("10.1.2.3", "203.0.113.9, 10.9.9.9"),
    ],
)
def test_an_allowed_sender_is_heard_also_behind_trusted_proxies(peer: str, forwarded: str) -> None:
    assert taken(peer, forwarded)


@pytest.mark.parametrize(
    ("peer", "forwarded"),
    [
        ("198.51.100.1", ""),
        ("198.51.100.1", "203.0.113.9"),
        ("10.1.2.3", ""),
        ("10.1.2.3", "203.0.113.9, 198.51.100.1"),
        ("10.1.2.3", "203.0.113.9, nonsense"),
        ("10.1.2.3", "10.0.0.1, 10.0.0.2"),
        ("", "203.0.113.9"),
        ("unknown", ""),
    ],
)
def test_no_header_makes_a_stranger_an_allowed_sender(peer: str, forwarded: str) -> None:
    assert not taken(peer, forwarded)
    assert taken(peer, forwarded, allowed=()), "without a list anybody may send"


@pytest.mark.parametrize("name", ["STCLOUD_WEBHOOK_ALLOW", "STCLOUD_TRUSTED_PROXIES"])
def test_what_is_no_address_stops_the_program(name: str) -> None:
    with pytest.raises(BadSetting, match=name):
        read({name: "203.0.113.0/24, replicate.com"})
