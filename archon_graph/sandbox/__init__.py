r"""Where code written by a model may run, and what a test says about it.

>>> from archon_graph.sandbox import Limits, Sandbox
>>> outcome = Sandbox().run_python_sync("print(6 * 7)", limits=Limits(wall_seconds=5))
>>> outcome.status, outcome.stdout
('ok', '42\n')
"""

from archon_graph.sandbox.backend import Backend, Ended, Job, Process, Usage
from archon_graph.sandbox.check import Verdict, check, check_sync
from archon_graph.sandbox.errors import SandboxError, SandboxUnavailableError
from archon_graph.sandbox.probing import AUTO, UNSAFE, Probe, probe, register_backend
from archon_graph.sandbox.records import Limits, Outcome, Status
from archon_graph.sandbox.sandbox import Sandbox, default_sandbox, installed_packages, set_default_sandbox

__all__ = [
    "AUTO",
    "UNSAFE",
    "Backend",
    "Ended",
    "Job",
    "Limits",
    "Outcome",
    "Probe",
    "Process",
    "Sandbox",
    "SandboxError",
    "SandboxUnavailableError",
    "Status",
    "Usage",
    "Verdict",
    "check",
    "check_sync",
    "default_sandbox",
    "installed_packages",
    "probe",
    "register_backend",
    "set_default_sandbox",
]
