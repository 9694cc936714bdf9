"""Where a model is served, as far as that makes it another model: an alias that holds no secret.

The same name behind another address may be another model: a proxy, a company's own server, a local runtime. The
alias is part of a call's identity, so it has to be the same tomorrow: of a port that the system chose at
random, only "loopback" is left.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel

from archon_graph.models.cache.plain import digest_of
from archon_graph.models.redact import redact

DEFAULT = "default"
"""The alias where no address is set: the provider's own."""

# In the order in which the providers' packages look: the first that is set holds.
_VARIABLES = {"openai": ("OPENAI_API_BASE", "OPENAI_BASE_URL"), "together": ("TOGETHER_API_BASE",)}
_SUFFIXES = ("API_BASE", "API_URL", "BASE_URL", "ENDPOINT", "HOST")
_FIELDS = re.compile(r"(^|_)(base_url|api_base|api_url|endpoint|endpoint_url|server_url|host)$")
_OWN = frozenset({"https://api.openai.com/v1", "https://api.together.xyz/v1"})
_PORTS = {"http": 80, "https": 443}
# Where Linux begins to choose ports by itself; other systems begin higher.
_FIRST_EPHEMERAL = 32_768


def of_provider(provider: str) -> str:
    """The alias of a provider's address as the environment sets it."""
    if provider in _VARIABLES:
        values = [os.environ.get(name, "").strip() for name in _VARIABLES[provider]]
        return alias(next((value for value in values if value), ""))
    # Which of these a provider's package reads is its own affair: each that is set may make a difference.
    prefix = re.sub(r"[^A-Z0-9]", "_", provider.upper())
    values = [os.environ.get(f"{prefix}_{suffix}", "").strip() for suffix in _SUFFIXES]
    return " ".join(alias(value) for value in values if value) or DEFAULT


def of_instance(chat: BaseChatModel) -> str:
    """The alias of the address that a chat model was given."""
    # OpenAI's client knows best: it has looked at the environment, too.
    root: Any = getattr(getattr(chat, "root_client", None), "base_url", None)
    if root is not None:
        return alias(str(root))
    names = sorted(name for name in type(chat).model_fields if _FIELDS.search(name))
    values = [getattr(chat, name, None) for name in names]
    return " ".join(alias(value) for value in values if isinstance(value, str) and value) or DEFAULT


def alias(address: str) -> str:
    """An address without user, password, query and ephemeral port; "default" for none, or a provider's own."""
    address = address.strip()
    if not address:
        return DEFAULT
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None:
        # Whatever it is, it may hold a secret; that it is another one shows all the same.
        return f"unreadable-{digest_of(address)[:12]}"
    if port is not None and port >= _FIRST_EPHEMERAL and _is_loopback(host):
        return "loopback"
    shown = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS.get(parts.scheme):
        shown += f":{port}"
    whole = f"{parts.scheme}://{shown}{parts.path}" if parts.scheme else f"{shown}{parts.path}"
    whole = redact(whole.rstrip("/"))
    return DEFAULT if whole in _OWN else whole


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
