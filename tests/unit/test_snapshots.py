"""What jobs were asked for: one fingerprint for one meaning, and every difference told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.snapshots import Difference, Kind, Snapshot, differences

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text("xy", min_size=1, max_size=2), inner, max_size=2)
    ),
    max_leaves=5,
)
CONFIGS = st.dictionaries(st.sampled_from(["--a", "--b", "--c"]), VALUES, max_size=3)
SNAPSHOTS = st.builds(
    Snapshot,
    CONFIGS,
    st.lists(st.fixed_dictionaries({"id": st.sampled_from(["one", "two"]), "crop": VALUES}), max_size=3),
    st.none() | CONFIGS,
)


@given(SNAPSHOTS, SNAPSHOTS)
def test_two_snapshots_have_one_fingerprint_only_if_nothing_differs(one: Snapshot, two: Snapshot) -> None:
    assert differences(one, one) == []
    if one.fingerprint == two.fingerprint:
        assert differences(one, two) == []
    back = [(found.path, found.after, found.before) for found in differences(two, one)]
    assert [(found.path, found.before, found.after) for found in differences(one, two)] == back


def test_differences_name_options_datasets_and_lycoris() -> None:
    cats: dict[str, Any] = {"id": "cats", "crop": True}
    dogs = {"id": "dogs", "crop": True}
    before = Snapshot({"learning_rate": 1e-4, "--seed": 1}, [cats, dogs], {"rank": 4})
    after = Snapshot({"--learning_rate": 2e-4, "--seed": 1, "--max": 5}, [dogs, cats | {"crop": False}], None)
    assert differences(before, after) == [
        Difference("--learning_rate", Kind.CHANGED, 1e-4, 2e-4),
        Difference("--max", Kind.ADDED, None, 5),
        Difference("dataloader_config[cats].crop", Kind.CHANGED, True, False),
        Difference("lycoris_config.rank", Kind.REMOVED, 4, None),
    ]


def test_changes_replace_add_and_take_out_options_however_they_are_spelled() -> None:
    changed = Snapshot({"seed": 1, "--rank": 8}).changed({"--seed": 2, "rank": None, "max_train_steps": 5})
    assert changed.config == {"--seed": 2, "--max_train_steps": 5}
