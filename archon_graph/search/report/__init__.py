"""The report of a study: one HTML file that needs nothing else, not even a network; and the files to deploy.

Needs the extra ``report``; the files to deploy need nothing.
"""

from archon_graph.search.report.choices import Choice, choices, save_choices
from archon_graph.search.report.page import write_study_report

__all__ = ["Choice", "choices", "save_choices", "write_study_report"]
