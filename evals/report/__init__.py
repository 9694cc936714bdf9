"""The report of an evaluation: one HTML file that needs nothing else, not even a network.

Needs the extra ``report``.
"""

from archon_graph.evals.report.page import require_report_extra, write_report

__all__ = ["require_report_extra", "write_report"]
