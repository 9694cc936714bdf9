"""Scoring by language models, and the published protocols of it."""
