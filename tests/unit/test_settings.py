"""Settings that cannot be used stop the program with a line that names them; those that can be are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib import settings
from chalicelib.settings import BadSetting


def test_prices_are_dollars_per_second_and_become_whole_micro_dollars() -> None:
    prices = settings.read({"REPLICATE_PRICES": '{"h100": 0.001525, "h100-x8": "0.0122", "l40s": 1}'}).prices
    assert prices == {"h100": 1525, "h100-x8": 12200, "l40s": 1_000_000}


@pytest.mark.parametrize(
    "text",
    [
        "free",
        "[]",
        '{"h100": 0}',
        '{"h100": -1}',
        '{"h100": 0.0000001}',
        '{"h100": null}',
        '{"h100": NaN}',
        '{"a": []}',
    ],
)
def test_prices_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(BadSetting, match="REPLICATE_PRICES"):
        settings.read({"REPLICATE_PRICES": text})


def test_a_file_that_holds_no_certificates_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("junk")
    for path in ("junk.pem", "nothing.pem"):
        with pytest.raises(BadSetting, match="STCLOUD_PROVIDER_CA"):
            settings.read({"STCLOUD_PROVIDER_CA": str(tmp_path / path)})


def test_several_webhook_secrets_are_read_and_none_of_them_is_shown() -> None:
    read = settings.read({"REPLICATE_WEBHOOK_SECRET": "whsec_a, whsec_b,whsec_c,"})
    assert read.webhook_secrets == ("whsec_a", "whsec_b", "whsec_c")
    assert {"whsec_a", "whsec_b", "whsec_c"} <= set(read.secrets)
    assert "whsec" not in repr(read)


def test_a_proxys_login_is_not_shown() -> None:
    read = settings.read({"STCLOUD_PROVIDER_PROXY": "http://user:pass@proxy.example:3128"})
    assert read.provider_proxy == "http://user:pass@proxy.example:3128"
    assert "pass" not in repr(read)
    with pytest.raises(BadSetting) as refusal:
        settings.read({"STCLOUD_PROVIDER_PROXY": "socks9://user:pass@proxy.example"})
    assert "pass" not in str(refusal.value)
