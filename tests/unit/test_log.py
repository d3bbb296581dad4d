"""What gets into the log, and what never does, in the cloud's form and in a person's."""

from __future__ import annotations

import contextvars
import io
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest

from chalicelib import settings as settings_module
from chalicelib.domain.correlation import about, usable
from chalicelib.observe.console_log import ConsoleLines
from chalicelib.observe.discreet import DiscreetStream
from chalicelib.observe.json_log import JsonLog
from chalicelib.observe.scrub import Scrub

GIVEN = {
    "STCLOUD_API_TOKEN": "first-token of everybody",
    "REPLICATE_API_TOKEN": "plain-vendor-value",
    "REPLICATE_WEBHOOK_SECRET": 'signing "value" + more',
    "HF_TOKEN": "plain-hub-value",
    "STCLOUD_PROVIDER_PROXY": "http://me:plain-proxy-value@proxy.example",
    "STCLOUD_LINK_SECRET": "plain-link-value",
    "STCLOUD_ISSUER_ACCESS_KEY": "plain-issuer-name",
    "STCLOUD_ISSUER_SECRET_KEY": "plain-issuer-value",
    "STCLOUD_S3_KEYS": "mine:plain-storage-value-that-is-long-enough-to-be-one",
}
SECRETS = settings_module.read(GIVEN).secrets
BY_THEIR_LOOK = [
    "hf_abcdefghijklmnop",
    "r8_0123456789abcdef",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "AKIAIOSFODNN7EXAMPLE",
    "st_k7Qm2xVd9fB0k7Qm2xVd9fB0k7Qm2xVd",
]


@dataclass
class Log:
    logger: logging.Logger
    handler: logging.StreamHandler[Any]
    stream: io.StringIO

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def told(self) -> dict[str, Any]:
        line: dict[str, Any] = json.loads(self.lines()[-1])
        return line


def _log(handler: logging.StreamHandler[Any]) -> Log:
    stream = io.StringIO()
    handler.setStream(stream)
    logger = logging.Logger("tested")
    logger.addHandler(handler)
    return Log(logger, handler, stream)


def _cloud() -> Log:
    return _log(JsonLog("a-service", Scrub(SECRETS)))


def _console() -> Log:
    handler = DiscreetStream()
    handler.setFormatter(ConsoleLines(Scrub(SECRETS)))
    return _log(handler)


FORMS = pytest.mark.parametrize("form", [_cloud, _console])
EVERY_SECRET = pytest.mark.parametrize("secret", [*SECRETS, *BY_THEIR_LOOK])


def test_every_setting_that_is_hidden_from_a_repr_counts_as_a_secret() -> None:
    hidden = [one.name for one in fields(settings_module.Settings) if not one.repr]
    assert len(hidden) == len(GIVEN)
    assert {getattr(settings_module.read(GIVEN), name) for name in hidden} <= set(SECRETS)
    assert not [value for value in SECRETS if value in repr(settings_module.read(GIVEN))]


@FORMS
@EVERY_SECRET
def test_no_secret_gets_into_a_line_wherever_it_stands(form: Callable[[], Log], secret: str) -> None:
    log = form()
    log.logger.warning("came with %s.", secret)
    log.logger.warning(f"wrote {secret} itself")
    log.logger.warning({"asked": {"with": [secret]}})
    log.logger.warning("x", extra={"note": secret, "nested": {"list": [{"deep": (secret,)}], secret: 1}})
    log.logger.warning("x", extra={"thing": RuntimeError(secret), "raw": secret.encode()})
    with about(correlation_id=secret):
        log.logger.warning("x")
    try:
        try:
            raise KeyError(secret)
        except KeyError as inner:
            inner.add_note(f"beside {secret}")
            raise ValueError(f"because of {secret}") from inner
    except ValueError:
        log.logger.exception("failed")
        log.logger.warning("failed", stack_info=True, extra={"exception": secret})
    written = log.stream.getvalue()
    assert len(log.lines()) >= 8 and "[redacted]" in written
    for spelling in {secret, json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1]}:
        assert spelling not in written


@FORMS
@pytest.mark.parametrize("name", ["password", "api_key", "secret_access_key", "hub_token", "Authorization"])
def test_what_a_field_with_a_secret_name_holds_is_not_told(form: Callable[[], Log], name: str) -> None:
    log = form()
    log.logger.warning("x", extra={name: "quite-ordinary", "inside": {name: ["quite-ordinary"]}})
    assert "quite-ordinary" not in log.stream.getvalue()


def test_what_is_no_secret_is_told_as_it_is() -> None:
    log = _cloud()
    fields = {"job": "j-1", "why": "provider_down", "settled_micros": 12_345, "done": True, "run": None, "part": 1.5}
    log.logger.warning("token count: %d, Steps: 45%%|████▌", 7, extra=fields)
    told = log.told()
    assert {name: told.get(name) for name in fields} == fields
    assert told["message"] == "token count: 7, Steps: 45%|████▌"
    assert (told["level"], told["service"], told["name"]) == ("WARNING", "a-service", "tested")


def test_a_line_is_one_line_of_json_with_the_time_as_lambda_reads_it() -> None:
    log = _cloud()
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.logger.exception("it\nfailed")
    assert len(log.lines()) == 1
    told = log.told()
    assert told["timestamp"].endswith("+00:00") and "T" in told["timestamp"]
    assert (told["exception_name"], told["message"]) == ("ValueError", "it\nfailed")
    assert "Traceback" in told["exception"]


def test_lines_bear_what_they_are_about_and_only_as_long_as_it_lasts() -> None:
    log = _cloud()
    with about(correlation_id="a-request"):
        with about(job="j-1"):
            log.logger.warning("inner")
            assert {"correlation_id": "a-request", "job": "j-1"}.items() <= log.told().items()
            contextvars.Context().run(log.logger.warning, "of somebody else, at the same time")
            assert "correlation_id" not in log.told()
        log.logger.warning("outer")
        assert "job" not in log.told()
    log.logger.warning("after")
    assert "correlation_id" not in log.told()


@FORMS
def test_a_line_that_cannot_be_written_shows_nothing_of_what_was_in_it(
    form: Callable[[], Log], capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("plain-hub-value")

    log = form()
    log.logger.warning("with %s and %s", "plain-hub-value", Odd())
    log.logger.warning("the next one")
    assert "the next one" in log.stream.getvalue()
    captured = capsys.readouterr()
    assert "plain-hub-value" not in captured.err + captured.out + log.stream.getvalue()
    assert "could not be logged" in captured.err


def test_a_person_reads_the_fields_behind_the_message() -> None:
    log = _console()
    with about(correlation_id="a-request"):
        log.logger.warning("a job moved", extra={"job": "j-1", "reason": None})
    assert log.lines()[0].endswith("WARNING tested a job moved (correlation_id=a-request, job=j-1)")


@pytest.mark.parametrize("offered", ["abcdefgh", "0f8fad5b-d9cb-469f-a165-70867728950e", "trace.of_mine-1"])
def test_a_callers_own_id_is_taken_when_it_is_sane(offered: str) -> None:
    assert usable(offered) == offered


@pytest.mark.parametrize(
    "offered",
    [
        None,
        "",
        "short",
        "a" * 65,
        "with space",
        "line\nbreak1",
        '"quoted"',
        "ünïcödé-id",
        "-leading-dash",
        *BY_THEIR_LOOK,
    ],
)
def test_any_other_id_is_not(offered: str | None) -> None:
    assert usable(offered) is None
