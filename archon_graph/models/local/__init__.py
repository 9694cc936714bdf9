"""Small real language models in this process: no key, no network at run time, no GPU, no compiler.

`catalogue` knows a few by name, `pull` fetches one, `endpoint` starts it, and `turn` keeps two of them from
computing at once. To import this package loads none of the optional dependencies.
"""

from archon_graph.models.local.catalogue import HubSource, LocalModel, WheelSource, catalogue, lookup
from archon_graph.models.local.files import find, identity_of, models_dir, path_of, sha256_of
from archon_graph.models.local.pull import PullReport, PullStep, pull
from archon_graph.models.local.server import Endpoint, check, endpoint
from archon_graph.models.local.turns import turn

__all__ = [
    "Endpoint",
    "HubSource",
    "LocalModel",
    "PullReport",
    "PullStep",
    "WheelSource",
    "catalogue",
    "check",
    "endpoint",
    "find",
    "identity_of",
    "lookup",
    "models_dir",
    "path_of",
    "pull",
    "sha256_of",
    "turn",
]
