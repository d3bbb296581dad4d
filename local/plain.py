"""The composition for ``chalice local --stage local``: local mode's, with a thread for the ticks that it lacks.

What that server cannot do is carry data: it has no storage endpoint. ``make dev`` beside it, on the same home, has one.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from chalicelib import settings as settings_module
from chalicelib.services import Services
from chalicelib.settings import BadSetting
from local.composition import compose

log = logging.getLogger(__name__)


def build() -> Services:
    """Ends the program with one line when a setting cannot be used: Chalice would print a traceback."""
    try:
        settings = settings_module.read(os.environ)
        composition = compose(settings)
        composition.log_to_console(settings)
    except BadSetting as error:
        print(f"stcloud: {error}", file=sys.stderr, flush=True)
        raise SystemExit(2) from None
    threading.Thread(target=_tick, args=(composition.tick, settings.tick_seconds), name="ticks", daemon=True).start()
    return composition.services


def _tick(tick: Callable[[], None], seconds: int) -> None:
    while True:
        try:
            tick()
        except Exception:
            log.exception("a tick failed")
        time.sleep(seconds)
