from __future__ import annotations

from typing import Any

import pytest

from archon_graph.models import ConfigurationError, ModelPolicy
from archon_graph.models.policy import Policies


def test_what_nobody_says_is_the_default(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()  # no test waits, but this one is about how long users do
    held = Policies().of("custom:mine")
    assert (held.timeout, held.attempts, held.first_wait, held.longest_wait, held.fallbacks) == (
        None,
        4,
        0.5,
        60,
        (),
    )


def test_the_closest_policy_wins_setting_by_setting():
    policies = Policies(
        {
            "*": ModelPolicy(timeout=1, attempts=2, longest_wait=3),
            "openai": ModelPolicy(timeout=5, attempts=7),
            "openai:gpt-4o": {"timeout": 9, "fallbacks": ["together:x"]},
        }
    )
    near, wide, other = (policies.of(spec) for spec in ("openai:gpt-4o", "openai:gpt-5", "custom:x"))
    assert (near.timeout, near.attempts, near.longest_wait, near.fallbacks) == (9, 7, 3, ("together:x",))
    assert (wide.timeout, wide.attempts, wide.fallbacks) == (5, 7, ())
    assert (other.timeout, other.attempts) == (1, 2)


def test_limits_are_shared_by_all_they_are_given_for_and_by_all_clients():
    given = {"openai": ModelPolicy(concurrency=3), "openai:gpt-4o": ModelPolicy(concurrency=2)}
    one, two = Policies(given), Policies(given)
    assert one.of("openai:gpt-4o").lanes == two.of("openai:gpt-4o").lanes
    assert len(one.of("openai:gpt-4o").lanes) == 2
    assert one.of("openai:gpt-4o").lanes[0] is one.of("openai:gpt-5").lanes[0]
    assert (
        one.of("openai:gpt-4o").lanes[0]
        is not Policies({"openai": ModelPolicy(concurrency=4)}).of("openai:x").lanes[0]
    )


def test_a_provider_on_the_network_has_a_limit_and_others_have_none():
    assert Policies().of("openai:x").lanes[0]._slots is not None
    for spec in ("local:coder-0.5b", "scripted:x", "custom:x", "FakeChatModel:x"):
        assert [lane._slots for lane in Policies().of(spec).lanes] == [None]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"opnai": ModelPolicy()}, "policy 'opnai': no provider is called 'opnai' (did you mean 'openai'?)"),
        ({"openai": {"timeot": 3}}, "policy 'openai': unknown key 'timeot' (did you mean 'timeout'?)"),
        ({"openai": {"attempts": 0}}, "policy 'openai': attempts must be at least 1, got 0"),
        (
            {"openai": {"timeout": 0, "concurrency": -1}},
            "concurrency must be at least 1, got -1; timeout must be more than 0",
        ),
        (
            {"openai": {"fallbacks": "openai:x"}},
            "fallbacks is a list of model specs, got 'openai:x'; write ['openai:x']",
        ),
        ({"openai": {"attempts": "many"}}, "policy 'openai'"),
        ({":x": ModelPolicy()}, "it names no provider"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(given: Any, told: str):
    with pytest.raises(ConfigurationError) as refused:
        Policies(given)
    assert told in str(refused.value)


def test_nobody_stands_in_for_what_stands_in():
    policies = Policies({"*": ModelPolicy(fallbacks=["a:b"]), "a:b": ModelPolicy(attempts=2)})
    assert policies.of("a:b").fallbacks == ("a:b",)
    alone = policies.without_fallbacks("a:b")
    assert alone.of("a:b").fallbacks == ()
    assert alone.of("a:b").attempts == 2
    assert alone.of("c:d").fallbacks == ("a:b",)
