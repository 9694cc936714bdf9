"""``Keys``: the API keys of providers, from the environment, a ``.env`` file, or as they were given.

They are kept as secrets from here on: in no repr and no error, and blanked out of all that is printed or recorded.
"""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from pydantic import SecretStr

from archon_graph.models import price_list
from archon_graph.models.errors import ConfigurationError
from archon_graph.models.redact import is_secret_name, remember

# The variables that LangChain's integrations read, where it is not PROVIDER_API_KEY.
_VARIABLES = {
    "anthropic_bedrock": (),
    "bedrock": (),
    "bedrock_converse": (),
    "google_anthropic_vertex": (),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "huggingface": ("HF_TOKEN", "HUGGINGFACEHUB_API_TOKEN"),
    "ibm": ("WATSONX_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "perplexity": ("PPLX_API_KEY", "PERPLEXITY_API_KEY"),
}
# What a header cannot hold. Sent all the same, it becomes an error that shows the key.
_UNFIT = re.compile(r"[^\x20-\x7e]")


class Keys:
    """API keys by provider. Safe to share between threads; cannot be pickled.

    Args:
        given: Keys by provider (``"openai"``); they come before those of the environment.
        env_file: A ``.env`` file, read once and looked at where the environment has no key. The environment is
            left as it is, and ``${...}`` in the file stands for itself.

    Raises:
        ConfigurationError: A key that was given makes no sense, or the file cannot be read; all such are named.
    """

    def __init__(
        self, given: Mapping[str, SecretStr | str] | None = None, *, env_file: str | Path | None = None
    ) -> None:
        self._given, problems = _read_given(given)
        # Nothing in clear is left where a traceback with the values of variables would show it.
        del given
        self._file: dict[str, SecretStr] = {}
        self._path = None if env_file is None else Path(env_file)
        if self._path is not None:
            self._file, unreadable = _read_file(self._path)
            problems += unreadable
        if problems:
            raise ConfigurationError("\n".join(problems))
        remember(self.values())

    def __repr__(self) -> str:
        return f"<Keys: {', '.join(sorted(self._given)) or 'none given'}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: a key has no business in a file or a pipe."""
        raise TypeError(
            "Keys are not pickled, for they would lie open in it; "
            "make them anew in the other process, from its environment or with env_file=..."
        )

    def __copy__(self) -> Keys:
        return self

    def __deepcopy__(self, memo: object) -> Keys:
        return self

    def of(self, variable: str, provider: str) -> SecretStr | None:
        """The key of a provider; ``None`` if there is none.

        The environment is read each time: a key may be set while the process runs.

        Args:
            variable: The variable that holds it, of the environment or of the file.
            provider: The provider, as it may have been given.

        Raises:
            ConfigurationError: It cannot be sent, for it holds a line break or the like.
        """
        if provider in self._given:
            return self._given[provider]
        key, where = _stripped(os.environ.get(variable)), "the environment"
        if key is None:
            key, where = self._file.get(variable), str(self._path)
        if key is None:
            return None
        # Whatever its name, and even when the variable has long been set to another.
        remember([key.get_secret_value()])
        if unfit := _unfit(key):
            raise ConfigurationError(f"{variable} of {where}, the API key for {provider!r}, {unfit}")
        return key

    def given(self, provider: str) -> SecretStr | None:
        """The key of a provider, where LangChain would not find it by itself: as given, or in the file.

        ``None`` as well if the environment holds one, which LangChain reads.

        Raises:
            ConfigurationError: It cannot be sent, for it holds a line break or the like.
        """
        if provider in self._given:
            return self._given[provider]
        variables = _VARIABLES.get(provider, (f"{provider.upper()}_API_KEY",))
        if any(_stripped(os.environ.get(variable)) for variable in variables):
            return None
        return next((self.of(variable, provider) for variable in variables if variable in self._file), None)

    def values(self) -> list[str]:
        """Every secret that was given, or that the file holds; not those of the environment."""
        read = [value for name, value in self._file.items() if is_secret_name(name)]
        return [value.get_secret_value() for value in (*self._given.values(), *read)]


def _read_given(given: object) -> tuple[dict[str, SecretStr], list[str]]:
    """The keys that make sense, and what is wrong with the others."""
    if given is None:
        return {}, []
    if not isinstance(given, Mapping):
        return {}, [f"keys: they are given by provider, as in {{'openai': '...'}}; got {type(given).__name__}"]
    keys: dict[str, SecretStr] = {}
    problems = []
    for provider, value in given.items():
        found = [*_bad_provider(provider), *_bad_key(value)]
        problems += [f"keys, {_shown(provider)}: {problem}" for problem in found]
        key = None if found else _stripped(value)
        if key is not None:
            keys[provider] = key
    return keys, problems


def _bad_provider(provider: object) -> Iterator[str]:
    if not isinstance(provider, str):
        yield f"a key is given for the name of a provider, got {type(provider).__name__}"
        return
    name = provider.partition(":")[0]
    if name != provider:
        yield "a key is given for a provider, not for a model" + f": {name!r}" * (name in price_list.PROVIDERS)
    elif provider not in price_list.PROVIDERS:
        # LangChain may know more providers; only what is close to one of ours is a slip.
        word = provider.lower().removesuffix("_key").removesuffix("_api")
        close = difflib.get_close_matches(word, price_list.PROVIDERS, n=1, cutoff=0.8)
        if close:
            yield f"no provider is called that (did you mean {close[0]!r}?)"
        elif not re.fullmatch(r"[a-z][a-z0-9_]*", provider):
            yield "a provider's name is written in small letters, as in 'openai'"


def _bad_key(value: object) -> Iterator[str]:
    if not isinstance(value, str | SecretStr):
        yield f"a key is a text or a SecretStr, got {type(value).__name__}"
        return
    key = _stripped(value)
    if key is None:
        yield "the key is empty"
    elif unfit := _unfit(key):
        yield f"the key {unfit}"


def _shown(provider: object) -> str:
    """A name as far as it may be shown: whoever mixes up names and keys has a key in its place."""
    return (
        repr(provider) if isinstance(provider, str) and re.fullmatch(r"[A-Za-z_]{1,40}", provider) else "one name"
    )


def _unfit(key: SecretStr) -> str:
    """Why it cannot be sent, in words that do not show it; empty if it can."""
    found = _UNFIT.search(key.get_secret_value())
    if found is None:
        return ""
    what = {"\n": "a line break", "\r": "a line break", "\t": "a tab"}.get(
        found.group(), "a character outside ASCII"
    )
    return f"holds {what} at character {found.start() + 1} and cannot be sent; copy it again"


def _stripped(value: SecretStr | str | None) -> SecretStr | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return SecretStr(text.strip()) if text is not None and text.strip() else None


def _read_file(path: Path) -> tuple[dict[str, SecretStr], list[str]]:
    """The variables of a ``.env`` file, and why it cannot be read."""
    from dotenv import dotenv_values

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return {}, [f"env_file {path}: the file cannot be read: {error.strerror}"]
    except UnicodeDecodeError:
        return {}, [f"env_file {path}: the file is not UTF-8 text"]
    read = dotenv_values(stream=io.StringIO(text), interpolate=False)
    found = {name: _stripped(value) for name, value in read.items()}
    return {name: value for name, value in found.items() if value is not None}, []
