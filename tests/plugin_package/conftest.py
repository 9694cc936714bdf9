"""This package has to be installed before its tests can run: tests/testing/test_plugin.py does both."""

collect_ignore = ["tests"]
