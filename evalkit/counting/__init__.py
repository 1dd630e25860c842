"""Tables of counts: images and patients of each class, in each split and each training set of an evaluation.

Every number comes from the reports that splitting and balancing leave, or from a manifest; none is typed in. The rows
are tidy CSV with the facts for their renderings beside them; `reports.counts` lays them out.
"""

from evalkit.counting.rows import CountRow, read_counts, write_counts
from evalkit.counting.tables import write_count_table

__all__ = ["CountRow", "read_counts", "write_count_table", "write_counts"]
