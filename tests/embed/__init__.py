"""Architectures inside other software."""
