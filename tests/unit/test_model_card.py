"""The model card says how the model was made and nothing of the machine, and keeps what others wrote."""

from __future__ import annotations

import yaml

from chalicelib.domain.model_card import BEGIN, CardFacts, written

CONFIG = {
    "--pretrained_model_name_or_path": "black-forest-labs/FLUX.1-dev",
    "--model_type": "lora",
    "--learning_rate": 0.0001,
    "--lora_rank": 16,
    "--output_dir": "output/j-1",
    "--optimizer": "/home/ana/secret-optimizer.py",
    "--seed": True,
    "--hub_token": "hf_abcdefghijklmnop",
    "--instance_prompt": "a photo of Ana",
}


def facts(**changes: object) -> CardFacts:
    told: dict[str, object] = {
        "repo": "ana/lora",
        "config": CONFIG,
        "hardware": "l40s",
        "provider": "replicate",
        "run_seconds": 125,
        "cost_micros": 1_230_000,
        "steps": 2000,
        "loss": "0.1234",
        "dataset_files": 40,
        "dataset_bytes": 3_500_000,
        "datasets": 1,
        "trainer_version": "abc",
        "samples": ("samples/sample-1.png",),
    }
    return CardFacts(**(told | changes))  # type: ignore[arg-type]


def head(card: str) -> dict[str, object]:
    return dict(yaml.safe_load(card.split("---\n")[1]))


def test_a_new_card_tells_the_facts_and_no_path_and_no_secret() -> None:
    card = written(None, facts())
    assert head(card)["base_model"] == "black-forest-labs/FLUX.1-dev" and "lora" in head(card)["tags"]  # type: ignore[operator]
    told = ("0.0001", "40 files, 3 MB", "2 min 5 s", "$1.23", "2000", "l40s", "samples/sample-1.png")
    assert all(fact in card for fact in told), card
    assert not any(secret in card for secret in ("/home", "output/", "hf_", "Ana", "True"))


def test_written_from_its_own_result_it_is_the_same_and_news_replaces_only_our_part() -> None:
    once = written(None, facts())
    assert written(once, facts()) == once
    again = written(once, facts(cost_micros=5_000_000))
    assert "$5.00" in again and "$1.23" not in again and again.count(BEGIN) == 1


def test_what_others_wrote_stays() -> None:
    theirs = "---\nlicense: mit\nbase_model: mine/own\ntags:\n- cat\n---\n\n# My model\n\nA cat.\n"
    card = written(theirs, facts())
    assert head(card)["license"] == "mit" and head(card)["base_model"] == "mine/own" and head(card)["tags"] == ["cat"]
    assert "# My model\n\nA cat." in card and card.index("A cat.") < card.index(BEGIN)


def test_a_local_model_is_not_named() -> None:
    card = written(None, facts(config={"--pretrained_model_name_or_path": "/data/models/base"}))
    assert "base_model" not in head(card) and "/data" not in card
