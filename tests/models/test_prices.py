"""Prices: the user's own, then the list's, and where neither is sure, unknown."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot, types, update_prices
from genai_prices.data import providers as list_of_providers
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from archon_graph.models import ConfigurationError, Price, Prices, price_list

counts = st.integers(0, 10_000_000)
amounts = st.floats(0, 1_000, allow_nan=False) | st.integers(0, 1_000)


def answer(prompt: int, completion: int, *, tier: str | None = None, **details: Any) -> AIMessage:
    """An answer as LangChain gives it, with what it used."""
    used = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion, **details}
    return AIMessage("a", usage_metadata=used, response_metadata={"service_tier": tier} if tier else {})


def at(monkeypatch: pytest.MonkeyPatch, year: int, month: int, day: int, hour: int = 12) -> None:
    monkeypatch.setattr(price_list, "_now", lambda: datetime(year, month, day, hour, tzinfo=UTC))


# -- what is known ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "prompt", "completion"),
    [
        # As their providers have published them, for models whose price has long not changed.
        ("openai:gpt-4o", 2.5, 10),
        ("openai:gpt-4o-2024-05-13", 5, 15),
        ("openai:gpt-4o-mini-2024-07-18", 0.15, 0.6),
        ("openai:gpt-4-0613", 30, 60),
        ("openai:ft:gpt-4o-mini-2024-07-18:my-org::abc123", 0.3, 1.2),
        ("anthropic:claude-3-opus-20240229", 15, 75),
        ("anthropic:claude-3-5-sonnet-latest", 3, 15),
        ("bedrock:us.anthropic.claude-3-5-sonnet-20241022-v2:0", 3, 15),
        ("bedrock_converse:anthropic.claude-3-haiku-20240307-v1:0", 0.25, 1.25),
        ("google_genai:gemini-2.0-flash-001", 0.1, 0.4),
        ("google_vertexai:gemini-2.0-flash", 0.1, 0.4),
        ("google_anthropic_vertex:claude-sonnet-4@20250514", 3, 15),
        ("groq:llama-3.1-8b-instant", 0.05, 0.08),
        ("mistralai:mistral-large-2407", 2, 6),
        ("together:Qwen/Qwen1.5-72B", 0.9, 0.9),
        ("xai:grok-3", 3, 15),
        ("ChatOpenAI:gpt-4o", 2.5, 10),
        ("ChatAnthropic:claude-3-haiku-20240307", 0.25, 1.25),
        ("ChatGoogleGenerativeAI:models/gemini-2.5-flash", 0.3, 2.5),
    ],
)
def test_published_prices(spec: str, prompt: float, completion: float):
    prices = Prices()
    assert prices.cost(spec, answer(1_000_000, 0)) == pytest.approx(prompt)
    assert prices.cost(spec, answer(0, 1_000_000)) == pytest.approx(completion)


@pytest.mark.parametrize(
    "spec", ["local:coder-0.5b", "local:/some/file.gguf", "scripted", "scripted:replies.yaml"]
)
def test_what_runs_here_costs_nothing_and_that_is_known(spec: str):
    prices = Prices()
    assert prices.cost_of(spec, 1_000, 1_000) == 0.0
    assert prices.cost(spec, answer(10, 10)) == 0.0
    assert prices.cost(spec, AIMessage("of what was not counted either")) == 0.0
    assert prices.is_free(spec)
    assert not Prices({spec.partition(":")[0]: {"prompt": 0, "completion": 0.01}}).is_free(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "openai:gpt-99",
        "openai:gpt-4o-turbo-deluxe",
        "openai:",
        "openai",
        "",
        "nobody:gpt-4o",
        "gpt-4o",
        "custom:gpt-4o",
        "SomeChat:gpt-4o",
        "SomeChat",
        # Anything may be deployed under any name.
        "azure_openai:gpt-4o",
        "AzureChatOpenAI:gpt-4o",
        "ollama:llama3",
        "huggingface:meta-llama/Llama-3-8b",
        # No chat models: there is no price for one of the two directions.
        "openai:text-embedding-3-small",
        "openai:whisper-1",
        # Bills for searches, too.
        "openai:gpt-4o-search-preview",
        "openai:o3-deep-research",
        "perplexity:sonar-deep-research",
        "perplexity:sonar-pro",
        # A price that the list took over from a reseller; whoever serves these weights is not OpenAI.
        "openai:gpt-oss-120b",
        "ChatOpenAI:gpt-oss-20b",
    ],
)
def test_an_unknown_price_is_unknown_and_not_zero(spec: str):
    prices = Prices()
    assert prices.cost(spec, answer(1_000, 1_000)) is None
    assert prices.cost_of(spec, 1_000, 1_000) is None
    assert not prices.is_free(spec)


@pytest.mark.parametrize(
    ("spec", "taken_for"),
    [
        ("google_genai:gemini-1.5-flash-8b", "gemini-1.5-flash"),  # costs half of that
        ("openai:gpt-5-nano-imaginary", "gpt-5-nano"),
        ("anthropic:claude-opus-4-10", "claude-opus-4-1"),
        ("anthropic:claude-3-opus-mini", "claude-3-opus-latest"),
        ("anthropic:claude-3-opus-mimic", "claude-3-opus-latest"),  # ends as what is spelt out begins
        ("deepseek:deepseek-v4-pro-max", "deepseek-v4-pro"),
        ("bedrock:xamazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("bedrock:amazon.nova-lite-xl-v1:0", "amazon.nova-lite-v1:0"),
    ],
)
def test_a_name_that_the_list_only_guesses_at_has_no_price(spec: str, taken_for: str):
    provider, _, name = spec.partition(":")
    listed_as = next(each for each in list_of_providers if each.id == price_list._LISTED_AS[provider])
    guess = listed_as.find_model(name)
    assert guess is not None, "the list guesses no longer; take another example"
    assert guess.id == taken_for
    assert Prices().of(spec) is None


def equals(logic: Any) -> list[str]:
    inner = [name for each in getattr(logic, "or_", ()) for name in equals(each)]
    return [logic.equals] if hasattr(logic, "equals") else inner


def test_every_name_that_the_list_spells_out_is_found():
    """All but those that are left out on purpose, and names that it spells out twice."""
    missed = []
    for langchain, listed_as in price_list._LISTED_AS.items():
        for provider in list_of_providers:
            if provider.id != listed_as:
                continue
            for model in provider.models:
                names = equals(model.match)
                second_hand = "mported from" in (model.price_comments or "")
                missed += [
                    f"{langchain}:{name}"
                    for name in names
                    if price_list.listed(langchain, name) is None
                    and not second_hand
                    and "search" not in name.lower()
                ]
    assert missed == []


# -- what is not flat ------------------------------------------------------------------------------------------


def test_cached_tokens_are_cheaper_in_the_cost_and_not_in_the_worst_case():
    prices = Prices()
    cached = answer(1_000_000, 0, input_token_details={"cache_read": 400_000})
    assert prices.cost("openai:gpt-4o", cached) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    assert prices.cost_of("openai:gpt-4o", 1_000_000, 0) == pytest.approx(2.5)


def test_writing_to_the_cache_costs_more_and_the_worst_case_knows():
    prices = Prices()
    spec = "anthropic:claude-3-5-haiku-20241022"
    written = answer(1_000_000, 0, input_token_details={"cache_creation": 1_000_000})
    assert prices.cost(spec, written) == pytest.approx(1.0)
    assert prices.cost_of(spec, 1_000_000, 0) == pytest.approx(1.0)
    for_an_hour = answer(1_000_000, 0, input_token_details={"ephemeral_1h_input_tokens": 1_000_000})
    assert prices.cost(spec, for_an_hour) == pytest.approx(1.6)


def test_a_long_prompt_falls_into_a_dearer_tier():
    prices = Prices()
    spec = "google_genai:gemini-2.5-pro"
    assert prices.cost_of(spec, 200_000, 1_000) == pytest.approx(0.2 * 1.25 + 0.001 * 10)
    assert prices.cost_of(spec, 200_001, 1_000) == pytest.approx(0.200001 * 2.5 + 0.001 * 15)
    assert prices.cost(spec, answer(200_001, 1_000)) == prices.cost_of(spec, 200_001, 1_000)


def listed_model(*conditionals: types.ConditionalPrice) -> price_list.ListedPrice:
    model = types.ModelInfo(id="m", match=types.ClauseEquals(equals="m"), prices=list(conditionals))
    return price_list.ListedPrice(model)


def test_reasoning_that_costs_more_is_in_the_worst_case():
    prices = types.ModelPrice(
        input_mtok=Decimal(1),
        output_mtok=Decimal(2),
        output_reasoning_mtok=Decimal(3),
        cache_write_mtok=Decimal(2),
    )
    price = listed_model(types.ConditionalPrice(None, prices=prices))
    assert price.cost_of(1_000_000, 1_000_000) == 5
    thought = answer(1_000_000, 1_000_000, output_token_details={"reasoning": 500_000})
    assert price.cost(thought) == 1 + 1 + 1.5


def flat(price: int, constraint: Any = None) -> types.ConditionalPrice:
    prices = types.ModelPrice(input_mtok=Decimal(price), output_mtok=Decimal(price))
    return types.ConditionalPrice(constraint, prices=prices)


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(hours=9)), timezone(timedelta(hours=-9))])
@pytest.mark.parametrize(("start", "end"), [(1, 4), (22, 3), (15, 16)])
def test_a_price_by_the_hour_is_the_present_one_in_the_cost_and_the_dearest_in_the_worst_case(
    monkeypatch: pytest.MonkeyPatch, zone: Any, start: int, end: int
):
    peak = types.TimeOfDateConstraint(time(start, tzinfo=zone), time(end, tzinfo=zone))
    price = listed_model(flat(1), flat(3, peak))
    costs = []
    for hour in range(24):
        at(monkeypatch, 2029, 12, 31, hour)
        costs.append(price.cost(answer(1_000_000, 0)))
        assert price.cost_of(1_000_000, 0) == 3
    assert costs.count(3) == (end - start) % 24
    assert costs.count(1) == 24 - costs.count(3)


def test_a_price_that_rises_tomorrow_is_in_the_worst_case_today(monkeypatch: pytest.MonkeyPatch):
    rises = types.StartDateConstraint(start_date=date(2030, 1, 2))
    price = listed_model(flat(1), flat(4, rises))
    at(monkeypatch, 2029, 12, 31)
    assert price.cost_of(1_000_000, 0) == 1
    at(monkeypatch, 2030, 1, 1)
    assert price.cost_of(1_000_000, 0) == 4
    assert price.cost(answer(1_000_000, 0)) == 1
    at(monkeypatch, 2030, 1, 2, hour=0)
    assert price.cost(answer(1_000_000, 0)) == 4


def test_the_service_tier_that_an_answer_names_is_what_it_costs():
    prices = Prices()
    plain = prices.cost("openai:gpt-5", answer(1_000_000, 0))
    assert plain is not None
    assert prices.cost("openai:gpt-5", answer(1_000_000, 0, tier="default")) == plain
    assert prices.cost("openai:gpt-5", answer(1_000_000, 0, tier="flex")) == pytest.approx(plain / 2)
    # As LangChain writes it into the usage, where the answer itself names none.
    details = {"flex": 600_000, "flex_cache_read": 400_000}
    flex = prices.cost("openai:gpt-5", answer(1_000_000, 0, input_token_details=details))
    plain = prices.cost("openai:gpt-5", answer(1_000_000, 0, input_token_details={"cache_read": 400_000}))
    assert plain is not None
    assert flex == pytest.approx(plain / 2)


@pytest.mark.parametrize(
    "message",
    [
        AIMessage("nothing said"),
        answer(10, 10, input_token_details={"cache_read": 11}),
        answer(-1, 10),
    ],
)
@pytest.mark.parametrize("own", [None, {"openai:gpt-4o": Price(prompt=1, completion=1, cached_prompt=0.5)}])
def test_unknown_usage_is_an_unknown_cost(message: AIMessage, own: Any):
    assert Prices(own).cost("openai:gpt-4o", message) is None


@given(first=st.tuples(counts, counts), second=st.tuples(counts, counts), prompt=amounts, completion=amounts)
def test_flat_prices_add_up(first: tuple[int, int], second: tuple[int, int], prompt: float, completion: float):
    own = Prices({"custom:mine": {"prompt": prompt, "completion": completion}})
    for prices, spec in ((own, "custom:mine"), (Prices(), "openai:gpt-4o")):
        both = prices.cost(spec, answer(first[0] + second[0], first[1] + second[1]))
        parts = [prices.cost(spec, answer(*each)) for each in (first, second)]
        assert both == pytest.approx(sum(parts), abs=1e-12, rel=1e-12)


@given(prompt=st.integers(0, 400_000), completion=counts, share=st.floats(0, 1), spec=st.sampled_from([
    "openai:gpt-4o", "openai:gpt-5", "anthropic:claude-3-5-haiku-20241022", "google_genai:gemini-2.5-pro",
    "deepseek:deepseek-chat", "anthropic:claude-sonnet-4-5", "custom:mine", "custom:odd",
]))  # fmt: skip
def test_no_call_costs_more_than_its_worst_case(prompt: int, completion: int, share: float, spec: str):
    prices = Prices(
        {
            "custom:mine": Price(prompt=0.1, completion=0.7, cached_prompt=0.03),
            "custom:odd": Price(prompt=0.1, completion=0.7, cached_prompt=0.2),
        }
    )
    worst = prices.cost_of(spec, prompt, completion)
    part = int(share * prompt)
    assert worst is not None
    for details in ({}, {"cache_read": part}, {"cache_creation": part}):
        assert prices.cost(spec, answer(prompt, completion, input_token_details=details)) <= worst


# -- the user's own --------------------------------------------------------------------------------------------


def test_own_prices_come_first_and_the_nearest_name_wins():
    prices = Prices(
        {
            "openai": {"prompt": 1, "completion": 1},
            "openai:gpt-4o": Price(prompt=2, completion=2),
            "ChatOpenAI:gpt-4o": {"prompt": 3, "completion": 3},
            "openai:gpt-4.1": {"prompt": 7, "completion": 7},
            "ChatAnthropic": {"prompt": 8, "completion": 8},
            "local": {"prompt": 0.5, "completion": 0.5},
            "custom:mine": {"prompt": 4, "completion": 4, "cached_prompt": None},
            "FakeListChatModel": {"prompt": 5, "completion": 5},
            "newprovider:model": {"prompt": 6, "completion": 6},
        }
    )
    costs = {
        "openai:gpt-4o": 2,
        "openai:gpt-4o-mini": 1,
        "openai:made-up": 1,
        "ChatOpenAI:gpt-4o": 3,
        "ChatOpenAI:gpt-4o-mini": 1,
        "ChatOpenAI:gpt-4.1": 7,
        "ChatAnthropic:claude-3-haiku-20240307": 8,
        "anthropic:claude-3-5-sonnet-20241022": 3.75,
        "local:coder-0.5b": 0.5,
        "custom:mine": 4,
        "custom:other": None,
        "FakeListChatModel": 5,
        "newprovider:model": 6,
        "scripted:s": 0,
        "groq:llama-3.1-8b-instant": 0.05,
    }
    assert {spec: prices.cost_of(spec, 1_000_000, 0) for spec in costs} == costs


def test_money_is_what_was_written():
    prices = Prices({"custom:mine": {"prompt": 0.1, "completion": 0.1, "cached_prompt": 0.05}})
    assert prices.cost_of("custom:mine", 3_000_000, 0) == 0.3
    cached = answer(3_000_000, 1_000_000, input_token_details={"cache_read": 2_000_000})
    assert prices.cost("custom:mine", cached) == 0.3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "openai:gpt-4o: {prompt: 7, completion: 8.5}\nollama: {prompt: 0, completion: 0}\n"),
        ("p.yml", "'openai:gpt-4o':\n  prompt: 7\n  completion: 8.5\nollama:\n  prompt: 0\n  completion: 0\n"),
        (
            "p.json",
            '\ufeff{"openai:gpt-4o": {"prompt": 7, "completion": 8.5}, "ollama": {"prompt": 0, "completion": 0}}',
        ),
    ],
)
def test_own_prices_from_a_file(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text, encoding="utf-8")
    prices = Prices.from_file(tmp_path / name)
    assert prices.cost_of("openai:gpt-4o", 1_000_000, 1_000_000) == 15.5
    assert prices.is_free("ollama:llama3")
    assert not prices.is_free("openai:gpt-4o")
    assert prices.cost_of("openai:gpt-4o-mini", 1_000_000, 0) == 0.15
    assert prices.source == f"{name}, {Prices().source}"


def test_a_bad_table_is_refused_with_all_that_is_wrong(tmp_path: Path):
    path = tmp_path / "prices.json"
    path.write_text(
        json.dumps(
            {
                "gpt-4o": {"prompt": 1, "completion": 1},
                "opnai:gpt-4o": {"prompt": 1, "completion": 1},
                "opnai": {"prompt": 1, "completion": 1},
                "openai:": {"prompt": 1, "completion": 1},
                "openai:a": {"promt": 1, "completion": 1},
                "openai:b": {"input": 1, "output": 1},
                "openai:c": {"prompt": -1, "completion": True, "cached_prompt": "2.5"},
                "openai:d": 3,
                "openai:e": {"prompt": float("nan"), "completion": float("inf")},
                "openai:fine": {"prompt": 1, "completion": 1},
            }
        )
    )
    with pytest.raises(ConfigurationError) as caught:
        Prices.from_file(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}, '") for line in lines)
    said = [line.removeprefix(f"{path}, ") for line in lines]
    form = "a model's name is provider:model, as in openai:gpt-4o"
    known = "known are prompt, completion, cached_prompt"
    number = "must be US dollars for a million tokens, a number of at least 0; got"
    assert said == [
        f"'gpt-4o': it names no provider; {form}",
        "'opnai:gpt-4o': no provider is called 'opnai' (did you mean 'openai'?)",
        f"'opnai': it names no provider (did you mean 'openai'?); {form}",
        "'openai:': it names no model; for all models of openai, leave out the colon",
        f"'openai:a': unknown key 'promt' (did you mean 'prompt'?); {known}",
        "'openai:a': prompt is missing: US dollars for a million tokens",
        f"'openai:b': unknown key 'input' (did you mean 'prompt'?); {known}",
        f"'openai:b': unknown key 'output' (did you mean 'completion'?); {known}",
        "'openai:b': prompt is missing: US dollars for a million tokens",
        "'openai:b': completion is missing: US dollars for a million tokens",
        f"'openai:c': prompt {number} -1",
        f"'openai:c': completion {number} True",
        f"'openai:c': cached_prompt {number} '2.5'",
        "'openai:d': a price is a mapping with prompt and completion, got 3",
        f"'openai:e': prompt {number} nan",
        f"'openai:e': completion {number} inf",
    ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("p.toml", b"", "read from a .yaml, .yml or .json file, got '.toml'"),
        ("p.json", b'{"openai:gpt-4o": {\n', ":2:1: this is not valid JSON"),
        ("p.yaml", b"a: [1\nb: 2", ":2:2: this is not valid YAML"),
        ("p.yaml", b"\x00", "this is not valid YAML"),
        ("p.json", b"\xff\xfe", "not UTF-8"),
        ("p.json", b"[" * 100_000, "this is not valid JSON"),
        ("p.yaml", b"", "a table of prices is a mapping"),
        ("p.json", b"[]", "a table of prices is a mapping"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path, name: str, content: bytes, said: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="^" + str(path)) as caught:
        Prices.from_file(path)
    assert said in str(caught.value)


def test_a_missing_file_and_a_path_for_a_table_are_told(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml: the file of prices cannot be read: No such file"):
        Prices.from_file(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match=r"to read a file: Prices\.from_file"):
        Prices("prices.yaml")  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-1, float("nan"), "1", True, None])
def test_a_price_of_ones_own_is_checked(bad: Any):
    with pytest.raises(ValueError, match="prompt must be US dollars"):
        Price(prompt=bad, completion=1)


# -- the source ------------------------------------------------------------------------------------------------


def test_the_source_is_told_with_its_version():
    assert Prices().source == f"genai-prices {genai_prices.__version__}"
    own = Prices({"ollama": {"prompt": 0, "completion": 0}})
    assert own.source == f"own table, genai-prices {genai_prices.__version__}"
    assert repr(own) == f"<Prices: 1 own; {own.source}>"


def test_the_list_is_the_one_that_is_installed_whatever_another_library_fetches(monkeypatch: pytest.MonkeyPatch):
    before = threading.active_count()
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", data_snapshot.DataSnapshot([], from_auto_update=True))
    price_list.listed.cache_clear()
    assert Prices().cost_of("openai:gpt-4o", 1_000_000, 0) == 2.5
    assert update_prices._shared_updater.ref_count == 0
    assert threading.active_count() == before


def test_the_list_is_not_loaded_before_a_price_is_asked_for():
    program = (
        "import sys, archon_graph.models as m; p = m.Prices({'ollama': {'prompt': 1, 'completion': 1}});"
        "p.cost_of('local:a', 1, 1); p.cost_of('ollama:a', 1, 1); p.cost_of('custom:a', 1, 1); p.source;"
        "assert 'genai_prices' not in sys.modules; p.of('openai:gpt-4o'); assert 'genai_prices' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_price_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    prices = Prices()
    first = prices.of("openai:gpt-4o")
    unknown = prices.of("openai:made-up")
    assert first is not None
    assert unknown is None
    monkeypatch.setattr(prices, "_find", lambda spec: pytest.fail(f"looked up again: {spec}"))
    assert prices.of("openai:gpt-4o") is first
    assert prices.of("openai:made-up") is None
