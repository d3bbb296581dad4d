"""What a Hugging Face token allows is read from what the Hub says of it; what is not said is not allowed."""

from __future__ import annotations

import pytest

from chalicelib.domain.hub import identity_of


def who(role: str = "write", orgs: object = (), scoped: object = ()) -> dict[str, object]:
    fine = {"scoped": list(scoped)}  # type: ignore[call-overload]
    return {"name": "ana", "orgs": list(orgs), "auth": {"accessToken": {"role": role, "fineGrained": fine}}}  # type: ignore[call-overload]


@pytest.mark.parametrize("answer", [{}, {"name": "ana"}, {"name": "ana", "auth": None}, {"name": "ana", "orgs": None}])
def test_an_answer_that_says_nothing_of_rights_gives_none(answer: dict[str, object]) -> None:
    assert identity_of(answer).may_create("ana/x") is not None


def test_names_are_the_same_whatever_their_case() -> None:
    assert identity_of(who()).may_create("Ana/x") is None


def test_a_fine_grained_token_needs_the_right_on_the_very_namespace() -> None:
    scope = {"entity": {"type": "user", "name": "ana"}, "permissions": ["repo.content.read"]}
    assert "may not write" in str(identity_of(who("fineGrained", scoped=[scope])).may_create("ana/x"))
    scope["permissions"] = ["repo.write"]
    assert identity_of(who("fineGrained", scoped=[scope])).may_create("ana/x") is None
