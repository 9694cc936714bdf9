"""Benchmarks, scorers and the runner that tell which architecture answers best."""
