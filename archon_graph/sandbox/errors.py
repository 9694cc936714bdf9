"""What can go wrong with a sandbox itself; what goes wrong *inside* of it is an ``Outcome``."""


class SandboxError(Exception):
    """A sandbox could not be set up, or broke; nothing is known about the code that was to run in it."""


class SandboxUnavailableError(SandboxError):
    """No isolation of the wanted kind works on this machine. Nothing was run."""
