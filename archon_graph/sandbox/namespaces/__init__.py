"""Isolation by the Linux kernel: namespaces of its own for each run, a system-call filter, no privileges."""
