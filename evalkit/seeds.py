"""Seeds from names: SHA-256 of what identifies a draw, so that any one draw can be made again alone.

The backbone is never among the names: every backbone sees the same patients and the same training noise.
"""

from __future__ import annotations

import hashlib
import json


def seed_from(**names: str | int | float) -> int:
    """Turn named values into a seed.

    Parameters
    ----------
    **names : str, int or float
        What identifies the draw, for example ``purpose="fraction", dataset="nih", repeat=3``. The order in which
        they are given does not matter; names and values do.

    Returns
    -------
    int
        A seed in [0, 2**63), the same on every machine and Python version.
    """
    text = json.dumps(names, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
