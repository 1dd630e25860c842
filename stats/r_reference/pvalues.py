"""p-values in R: their logarithms, their adjustment, and how R spells the alternatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stats.inputs import number_array
from stats.r_reference.session import RFunction
from stats.results import checked_alternative

# R code. log10 of a p-value under Student's t, or the normal distribution (df infinite).
LOG10_T = """
  log10_t <- function(t, df, alternative) {
    log_tail <- switch(alternative,
      "two.sided" = log(2) + pt(-abs(t), df, log.p = TRUE),
      "less" = pt(t, df, log.p = TRUE),
      "greater" = pt(t, df, lower.tail = FALSE, log.p = TRUE))
    min(log_tail, 0) / log(10)
  }
"""

# R code. The same under the chi-square distribution.
LOG10_CHISQ = """
  log10_chisq <- function(statistic, df) pchisq(statistic, df, lower.tail = FALSE, log.p = TRUE) / log(10)
"""

CORRECTIONS = {"holm": "holm", "bh": "BH", "by": "BY", "bonferroni": "bonferroni", "hochberg": "hochberg"}

_adjust = RFunction("function(p, method) list(p = p.adjust(p, method))")


def adjust_pvalues(p: ArrayLike, method: str = "holm") -> NDArray[np.float64]:
    """Adjust p-values by `p.adjust`; NaN stays NaN and is not counted."""
    given = number_array(p, "p")
    return _adjust(given.ravel(), r_correction(method)).array("p").reshape(given.shape)


def r_alternative(alternative: str) -> str:
    """Return the alternative as R spells it."""
    return checked_alternative(alternative).replace("-", ".")


def r_correction(method: str) -> str:
    """Return the name of an adjustment as R spells it."""
    if method not in CORRECTIONS:
        raise ValueError(f"method is {method!r}; expected one of {', '.join(CORRECTIONS)}")
    return CORRECTIONS[method]
