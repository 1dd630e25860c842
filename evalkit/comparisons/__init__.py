"""From predictions to tidy rows: references, tests, intervals and adjusted p-values. Reads files and needs no torch."""

from evalkit.comparisons.questions import check_table
from evalkit.comparisons.tables import write_table

__all__ = ["check_table", "write_table"]
