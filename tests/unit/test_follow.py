"""Following a log: pieces of it make the same text as the whole, and no secret slips through between two of them."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.actions.follow import Follow
from chalicelib.domain.jobs import Job, Phase
from chalicelib.domain.redaction import REDACTED, redact
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus
from chalicelib.domain.trainer_reports import read_report
from chalicelib.stores.follow import FollowTable
from local.sqlite_table import SqliteTable

NOW = datetime(2026, 11, 24, tzinfo=UTC)
JOB = Job(
    id="j-1",
    tenant="default",
    owner="local",
    provider="replicate",
    hardware="h100",
    price_micros_per_second=1,
    launch_key="j-1",
    created_at=NOW,
    updated_at=NOW,
    phase=Phase.RUNNING,
    run_id="r1",
)
SECRET = "correct-horse-battery"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJCrze8\n-----END RSA PRIVATE KEY-----\n"
LOG = (
    "[COG] Starting\n"
    "export HF_TOKEN=hf_abcdefghijklmnop\n"
    f"using {SECRET} as it is\n"
    "password:\n"
    "hunter2hunter2\n"
    f"{PEM}"
    + "".join(
        f"Epoch 1/1, Steps:  {step}%|█| {step}/100 [00:01<00:02, 3.0it/s, lr=0.0001, step_loss=0.{step}]\n"
        for step in range(1, 101)
    )
)


@pytest.fixture
def follow(tmp_path: Path) -> Follow:
    return Follow(FollowTable(SqliteTable(tmp_path / "t.db", lambda: int(NOW.timestamp()))), [SECRET])


def _news(log: str, status: CloudJobStatus = CloudJobStatus.RUNNING) -> CloudJobInfo:
    return CloudJobInfo("r1", "replicate", status, "processing", logs=log)


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
@pytest.mark.parametrize("seed", range(12))
def test_a_log_heard_in_pieces_is_the_whole_log_without_its_secrets(follow: Follow, seed: int, line_end: str) -> None:
    chance = random.Random(seed)
    log = LOG.replace("\n", line_end)
    cuts = sorted(chance.sample(range(len(log)), 25))
    for cut in cuts:
        follow.hear(JOB, _news(log[:cut]))
        if chance.random() < 0.3:
            follow.hear(JOB, _news(log[: chance.choice([c for c in cuts if c <= cut])]))  # late, and older
        shown = follow.log(JOB, 0).text
        assert "hunter2" not in shown and "MIIE" not in shown and "q83v" not in shown and SECRET not in shown
    follow.hear(JOB, _news(log, CloudJobStatus.COMPLETED))
    told = follow.log(JOB, 0)
    assert told.text == redact(log, [SECRET]) and told.complete
    points, total = follow.points(JOB)
    assert (len(points), total, points[-1].step) == (100, 100, 100)


def test_a_follower_that_gives_its_offset_gets_only_what_is_new(follow: Follow) -> None:
    follow.hear(JOB, _news("one\ntwo\n"))
    first = follow.log(JOB, 0)
    follow.hear(JOB, _news("one\ntwo\nthree\nfo"))
    assert follow.log(JOB, first.next_offset).text == "three\n"
    follow.hear(JOB, _news("one\ntwo\nthree\nfour", CloudJobStatus.FAILED))
    assert follow.log(JOB, first.next_offset + len("three\n")).text == "four"


def test_a_bar_that_is_drawn_over_and_over_and_never_ends_its_line_is_followed_as_it_grows(follow: Follow) -> None:
    log = "[COG] Starting\n" + LOG[LOG.index("Epoch") :].replace("\n", "\r")
    follow.hear(JOB, _news(log[: log.index("50/100")]))
    progress = follow.progress(JOB)
    assert progress and (progress.step, progress.loss, progress.eta_seconds) == (49, "0.49", 2)
    assert follow.log(JOB, 0).text.endswith("step_loss=0.49]\r")


def test_a_line_that_grows_and_has_no_end_yet_is_a_sign_of_life(follow: Follow) -> None:
    reached = []
    for dots in (1, 2, 2, 3):
        news = _news("[COG] Starting\nDownloading" + "." * dots)
        reached.append(follow.reach(follow.hear(JOB, news), news))
    assert reached[0] < reached[1] == reached[2] < reached[3]
    assert follow.log(JOB, 0).text == "[COG] Starting\n"


def test_a_log_whose_beginning_the_vendor_cut_off_goes_on_where_it_was(follow: Follow) -> None:
    lines = [f"line {number}\n" for number in range(200)]
    follow.hear(JOB, _news("".join(lines[:150])))
    follow.hear(JOB, _news("".join(lines[40:180])))
    follow.hear(JOB, _news("".join(lines[40:200])))
    assert follow.log(JOB, 0).text == "".join(lines)


def test_a_log_that_begins_anew_is_kept_behind_the_old_one(follow: Follow) -> None:
    follow.hear(JOB, _news("first box\nstep 1\n"))
    follow.hear(JOB, _news("second box\n"))
    follow.hear(JOB, _news("second box\nstep 1\n"))
    assert follow.log(JOB, 0).text == "first box\nstep 1\nsecond box\nstep 1\n"


def test_a_key_that_never_ends_does_not_hide_the_log_for_ever(follow: Follow) -> None:
    begun = "before\n-----BEGIN PRIVATE KEY-----\n"
    follow.hear(JOB, _news(begun + "x" * 10 + "\n"))
    assert follow.log(JOB, 0).text == "before\n"
    follow.hear(JOB, _news(begun + ("y" * 99 + "\n") * 700))
    follow.hear(JOB, _news(begun + ("y" * 99 + "\n") * 700 + "after\n"))
    assert follow.log(JOB, 0).text == f"before\n{REDACTED}after\n"


@pytest.mark.parametrize("before", ["", "x" * 70 + " "])
@pytest.mark.parametrize("secret", [SECRET, "a-key-of-this-job-alone"])
def test_what_a_trainer_says_is_cleaned_whole_before_it_is_cut(tmp_path: Path, before: str, secret: str) -> None:
    table = FollowTable(SqliteTable(tmp_path / "t.db", lambda: int(NOW.timestamp())))
    follow = Follow(table, [SECRET], lambda _: ["a-key-of-this-job-alone"])
    report = read_report({"type": "training.status", "title": f"{before}{secret}", "progress": {"current": 1}})
    assert report
    follow.tell(JOB, report)
    progress = follow.progress(JOB)
    assert progress and progress.last_line and len(progress.last_line) <= 80
    assert secret[:5] not in progress.last_line
