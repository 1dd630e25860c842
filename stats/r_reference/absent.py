"""The tests of `stats` that R's packages do not have, each refusing with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from stats.r_reference.session import NotInR


def _absent(name: str, reason: str) -> Callable[..., NoReturn]:
    def refuse(*arguments: Any, **options: Any) -> NoReturn:
        raise NotInR(f"{name}: {reason}")

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"Raise NotInR: {reason}."
    return refuse


OTHER_RESAMPLES = "a bootstrap in R draws other resamples, so that nothing agrees number by number"
NO_SUCH_TEST = "base R, pROC and coin have none"

compare_with_best = _absent("compare_with_best", NO_SUCH_TEST)
effect_size = _absent("effect_size", NO_SUCH_TEST)
map_bootstrap = _absent("map_bootstrap", OTHER_RESAMPLES)
noninferiority = _absent("noninferiority", "base R, pROC and coin have none from a difference and its standard error")
paired_bootstrap = _absent("paired_bootstrap", OTHER_RESAMPLES)
ttest_corrected = _absent("ttest_corrected", NO_SUCH_TEST)
two_way_bootstrap = _absent("two_way_bootstrap", OTHER_RESAMPLES)
