"""What the commands of this project share: a study argument, and how an error reaches the user."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable
from typing import NoReturn

from evalkit.errors import InputError

#: The ways in which a system says that nothing more can be written.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def add_study_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``--study``: the name of a shipped study or the path of a study file."""
    parser.add_argument("--study", required=True, help="a study's name (config/<name>.yaml) or a study file's path")


def run_command(function: Callable[[], object]) -> NoReturn:
    """Run a command and leave the process with the status that says how it went.

    Parameters
    ----------
    function : callable
        The command; it reads its own arguments.

    Raises
    ------
    SystemExit
        Status 0 when the command returns, 2 for an `InputError` (printed without a traceback), 1 for a full disk
        (explained), 130 when interrupted. Any other exception is a mistake of this project and keeps its traceback.
    """
    try:
        function()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        place = f" ({error.filename})" if error.filename else ""
        print(
            f"error: the disk is full, or a quota is used up: {error.strerror}{place}\n"
            "  expected: room for the results\n"
            "  to do:    free some space and run the same command again; nothing finished is lost",
            file=sys.stderr,
        )
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)
