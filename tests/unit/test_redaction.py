"""Secrets do not get into logs, errors or rows."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidConfig
from chalicelib.domain.redaction import REDACTED, redact, strip_secrets

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\ndef\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("token is hf_abcdefghijklmnop ok", "hf_abcdefghijklmnop"),
        ("Bearer r8_0123456789abcdef", "r8_0123456789abcdef"),
        ("key AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("ghp_0123456789abcdefghij0123", "ghp_0123456789abcdefghij0123"),
        ("sk-proj-0123456789abcdefghij", "sk-proj-0123456789abcdefghij"),
        ("with st_k7Qm2xVd9fB0k7Qm2xVd9fB0k7Qm2xVd", "st_k7Qm2xVd9fB0k7Qm2xVd9fB0k7Qm2xVd"),
        (f"GET /api/cloud/data/default.u-1.1800000000.{'m' * 43}/dataset.zip", f"1800000000.{'m' * 43}"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("https://b/k?X-Amz-Date=1&X-Amz-Signature=0a1b2c3d&x=1", "0a1b2c3d"),
        (f"before {PEM} after", "MIIabc"),
        ("-----BEGIN PRIVATE KEY-----\ncut off in the middle MIIabc", "MIIabc"),
        ('{"s3_secret_key": "very hidden"}', "very"),
        ("{'password': 'hunter2'}", "hunter2"),
        ("DB_PASSWORD=hunter2 ok", "hunter2"),
        ("--hub_token=abc123", "abc123"),
        ("secretAccessKey: wJalrXUtnFEMI", "wJalrXUtnFEMI"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("postgres://me:hunter2@db/x", "hunter2"),
        ('{\\"token\\": \\"abc123\\"}', "abc123"),
    ],
)
def test_what_looks_like_a_secret_is_cut_out(text, secret):
    clean = redact(text)
    assert secret not in clean
    assert REDACTED in clean
    assert redact(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer_max_length=77",
        "--max_token_length: 225",
        "Epoch 1/10, Steps:  45%|████▌     | 450/1000 [00:12<00:15, 36.1it/s, lr=0.0001, step_loss=0.123]",
        "the secret of good training is data",
        "https://example.com/a:b/c?x=1",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text


def test_known_values_are_cut_out_in_every_spelling():
    secret = 'p/w "x"+ü'
    for spelling in (secret, "p%2Fw%20%22x%22%2B%C3%BC", json.dumps(secret)):
        assert REDACTED in redact(f"<{spelling}>", [secret])


@given(before=st.text(), after=st.text(), secret=st.text(min_size=4))
def test_a_known_value_never_survives(before, after, secret):
    assume(secret not in f"{before}{REDACTED}{after}" and not set(secret) & set(REDACTED))
    assert secret not in redact(before + secret + after, [secret])


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text):
    assert redact(redact(text)) == redact(text)


def test_a_config_loses_its_secrets_wherever_they_are():
    config = {
        "--model_type": "lora",
        "--hub_token": "abc",
        "hf_token": "hf_abcdefghij",
        "wandb_api_key": "k",
        "--note": "hf_abcdefghijklmnop",
        "--publishing_config": [{"provider": "s3", "secret_key": "s", "access_key": "a", "bucket": "b"}],
        "--other": json.dumps([{"aws_secret_access_key": "s", "bucket": "b"}]),
        "nested": {"deeper": {"password": "p", "keep": 1}},
        "list": ["r8_0123456789abcdef", "fine"],
    }
    stripped, removed = strip_secrets(config)
    assert stripped == {
        "--model_type": "lora",
        "--publishing_config": [{"provider": "s3", "bucket": "b"}],
        "--other": '[{"bucket": "b"}]',
        "nested": {"deeper": {"keep": 1}},
        "list": ["fine"],
    }
    assert removed == [
        "--hub_token",
        "hf_token",
        "wandb_api_key",
        "--note",
        "--publishing_config[0].secret_key",
        "--publishing_config[0].access_key",
        "--other[0].aws_secret_access_key",
        "nested.deeper.password",
        "list[0]",
    ]
    assert "abc" in config["--hub_token"], "the caller's object is not changed"


@pytest.mark.parametrize(
    "option",
    [
        {"--tokenizer_max_length": 77},
        {"pad_token": "<pad>"},
        {"use_auth_token": True},
        {"hf_token": None},
        {"hub_token": ""},
        {"--validation_prompt": "{not json"},
        {"--prompts": '{"a":  1}'},
    ],
)
def test_options_that_hold_no_secret_stay_as_they_are(option):
    assert strip_secrets(option) == (option, [])


def test_a_config_nested_beyond_reason_is_bad_input_not_a_crash():
    deep: dict = {}
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(InvalidConfig):
        strip_secrets({"x": deep})
    with pytest.raises(InvalidConfig):
        strip_secrets({"x": "[" * 500 + "]" * 500})


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_like))
def test_stripping_never_crashes_and_finds_nothing_the_second_time(config):
    stripped, _ = strip_secrets(config)
    assert strip_secrets(stripped) == (stripped, [])
