"""Where a client that follows redirects is sent while an archive is put together."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from chalicelib.actions.bundling import Bundle
from chalicelib.domain.errors import BundleNotReady
from chalicelib.routes.bundles import MOST_TRIES, next_address

HALF = Bundle("d", "j-1.tar", (), 5, 10, None)
WHOLE = Bundle("d", "j-1.tar", (), 10, 10, "https://store.example/all.tar")
ADDRESS = "https://cdn.example/api/api/cloud/jobs/j-1/artifacts.tar"


@pytest.mark.parametrize("only_model", [False, True])
def test_a_client_is_sent_round_until_it_is_whole_and_never_further_than_it_goes(only_model: bool) -> None:
    address, seen = f"{ADDRESS}?model=true" if only_model else ADDRESS, []
    for tried in range(MOST_TRIES - 1):
        address = urljoin(address, next_address("j-1", HALF, only_model, tried))
        assert address.startswith(f"{ADDRESS}?") and ("model=true" in address) is only_model
        assert address.endswith(f"try={tried + 1}")
        seen.append(address)
        assert next_address("j-1", WHOLE, only_model, tried) == WHOLE.url
    assert len(set(seen)) == len(seen), "no client takes it for a loop"
    with pytest.raises(BundleNotReady, match="5 of 10 bytes") as refusal:
        next_address("j-1", HALF, only_model, MOST_TRIES - 1)
    assert refusal.value.fields["retry_after"] > 0
    assert len(seen) + 1 < 20, "redirects of Chromium and httpx, the last one to the store included"
