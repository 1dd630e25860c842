"""What has to be in the environment before torch is imported; hence no import of torch here."""

from __future__ import annotations

import os


def prepare_environment(threads: int) -> None:
    """Fix the number of threads and make threads that wait sleep instead of spin.

    The OpenMP library reads these once, when torch loads it. A spinning thread beside another busy process costs
    more than it gives: two such threads were measured to be four times slower than one.

    Parameters
    ----------
    threads : int
        CPU threads of this process. Part of the recipe: sums are split by thread, so results depend on it.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    # cuBLAS reads this when it is first used; without it its results vary from run to run.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
