"""The place of benchmarks, scorers and the runner; there are none yet."""
