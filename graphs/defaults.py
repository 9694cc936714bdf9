"""The model that ready-made architectures use when they are given none."""

DEFAULT_MODEL = "local:coder-0.5b"
"""Small, but it runs anywhere: no key, no GPU. See `archon-graph models list`."""
