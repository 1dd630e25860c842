"""Fetching a checkpoint by address: hashed while it arrives, and kept only if the hash is the promised one."""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from evalkit.atomic import replacing
from evalkit.checkpoints.reading import check_sha256
from evalkit.errors import InputError
from evalkit.fingerprints import file_sha256

_CHUNK = 1 << 20
_SECONDS_OF_SILENCE = 60


def cache_folder() -> Path:
    """Where downloads are kept: ``$CXR_EVALKIT_CACHE``, else ``cxr-evalkit`` in the user's cache folder."""
    own = os.environ.get("CXR_EVALKIT_CACHE")
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(own) if own else shared / "cxr-evalkit"


def download(url: str, *, sha256: str | None, cache: Path | None = None) -> Path:
    """Fetch `url` once and give the local file.

    Parameters
    ----------
    url : str
        ``https://`` or ``http://``; the hash, not the transport, vouches for the bytes.
    sha256 : str or None
        The hash it must have; without one nothing is fetched.
    cache : pathlib.Path, optional
        Where to keep it; `cache_folder` by default.

    Returns
    -------
    pathlib.Path
        The file. A copy already in the cache is hashed again and used without any connection.

    Raises
    ------
    InputError
        No hash, an address of another kind, no answer, or other bytes than promised (which are then deleted).
    """
    if sha256 is None:
        raise InputError(
            f"the backbone entry gives the address {url} without a sha256",
            "sha256: the 64 hexadecimal digits of the file's hash",
            "take it from the publisher, or download the file, check it, and give its path instead",
        )
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"https", "http"}:
        raise InputError(f"the address {url} is not a web address", "https://...", "for a local file use path")
    name = Path(urllib.parse.unquote(parts.path)).name or "weights"
    target = (cache or cache_folder()) / f"{sha256.strip().lower()[:16]}-{name}"
    if target.exists():
        check_sha256(file_sha256(target), sha256, f"{target} (a kept download; delete it to fetch it again)")
        return target
    with replacing(target) as temporary:
        check_sha256(_fetch(url, temporary), sha256, f"what {url} sent")
    return target


def _fetch(url: str, target: Path) -> str:
    """Write what `url` sends to `target`, with a progress bar on a terminal, and hash it."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    digest = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(url, timeout=_SECONDS_OF_SILENCE) as answer,
            target.open("wb") as file,
            Progress(*columns, transient=True) as progress,
        ):
            promised = int(answer.headers.get("Content-Length") or 0)
            task = progress.add_task("downloading weights", total=promised or None)
            received = 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                progress.update(task, completed=received)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise InputError(
            f"{url} could not be fetched: {getattr(error, 'reason', error)}",
            "an address that answers from this machine",
            "where there is no network, copy the file here and give its path in the entry instead of the address",
        ) from error
    if promised and received < promised:
        raise InputError(
            f"{url} stopped after {received:,} of {promised:,} bytes", "the whole file", "run the command again"
        )
    return digest.hexdigest()
