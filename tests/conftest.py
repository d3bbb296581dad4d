"""What holds for every test."""

from __future__ import annotations

import signal

import pytest
from hypothesis import HealthCheck, settings

NO_TRAINER = "THE REAL TRAINER DID NOT RUN."

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background has them ignore Ctrl-C, and so would every program that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast a busy machine makes up examples says nothing about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A run without the real trainer says so in a paragraph of its own: nobody reads the list of skipped tests."""
    told = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons = {str(one[2]) for one in told if isinstance(one, tuple) and NO_TRAINER in one[2]}
    if reasons:
        terminalreporter.section(NO_TRAINER, red=True, bold=True)
        for reason in sorted(reasons):
            terminalreporter.line(reason.partition(NO_TRAINER)[2].strip())
