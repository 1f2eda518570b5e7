"""Fetching of a cohort's file: resumed where it broke off, used only when it is the file that was meant."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from vfprog.errors import UserError

log = logging.getLogger(__name__)

CHUNK = 1 << 16  # bytes; a broken connection loses the piece under way, so pieces are small
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
ATTEMPTS = 4
BACKOFF = 1.0  # seconds before the second attempt; doubled before each further one


class _Report(Protocol):
    def __call__(self, done: int, total: int | None) -> None:
        """Take note of ``done`` bytes of ``total``."""


def fetch(url: str, git_blob: str, target: Path, progress: bool | None = None) -> None:
    """Fetch a file and verify it; nothing is done where the verified file is there already.

    What has arrived is kept in ``<target>.part``, and the next attempt or call goes on from there if the
    server allows it. The target appears only when it is whole and right.

    Parameters
    ----------
    url : str
        http, https or file address.
    git_blob : str
        Git blob id of the whole file: SHA-1 of ``blob <size>\\0`` and its content.
    target : Path
    progress : bool, optional
        Draw a progress bar instead of writing log lines; by default on a terminal.

    Raises
    ------
    UserError
        If the address cannot be read, or holds another file than the one meant.
    """
    if target.exists() and git_blob_id(target) == git_blob:
        log.info("%s is there already", target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if urlsplit(url).scheme == "file":
        _copy(url, part)
    else:
        with _reporting(target.name, sys.stderr.isatty() if progress is None else progress) as report:
            _download(url, part, report)
    found = git_blob_id(part)
    if found != git_blob:
        part.unlink()
        raise UserError(
            f"{url}: not the file expected: its git blob id is {found}, the config's download.git_blob is "
            f"{git_blob}. Run again if the transfer was at fault, else mend the config"
        )
    part.replace(target)
    log.info("fetched %s", target)


def git_blob_id(path: Path) -> str:
    """Git's identifier of a file's content, as 40 hexadecimal digits."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _copy(url: str, part: Path) -> None:
    source = Path(url2pathname(urlsplit(url).path))
    if not source.is_file():
        raise UserError(f"{url}: no such file; mend the config's download.url")
    shutil.copyfile(source, part)


def _download(url: str, part: Path, report: _Report) -> None:
    """Fetch ``url`` into ``part``, trying again when the connection fails."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _continue_download(url, part, report)
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            failure = error
        if attempt < ATTEMPTS:
            log.warning("%s: connection failed (attempt %d of %d)", url, attempt, ATTEMPTS)
            time.sleep(BACKOFF * 2 ** (attempt - 1))
    raise UserError(
        f"{url}: cannot be fetched after {ATTEMPTS} attempts ({failure}); "
        "what arrived is kept: run again to go on from there"
    )


def _continue_download(url: str, part: Path, report: _Report) -> None:
    """Fetch what ``part`` lacks, or all of it where the server cannot start in the middle."""
    done = part.stat().st_size if part.exists() else 0
    # Compressed on the way, the bytes could not be counted from the end of the part.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # nothing lies beyond the part: it is whole, or another file's and fails the check
        if response.status_code >= 500:
            raise requests.ConnectionError(f"the server answers {response.status_code} {response.reason}")
        if not response.ok:
            answer = f"{response.status_code} {response.reason}"
            raise UserError(f"{url}: the server answers {answer}; mend the config's download.url")
        if response.status_code != requests.codes.partial_content:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(done, total)


@contextmanager
def _reporting(name: str, draw: bool) -> Iterator[_Report]:
    """Progress as a bar on the terminal, or as a log line for every tenth."""
    if not draw:
        yield _LogLines(name)
        return
    shown = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*shown, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)

        def report(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield report


class _LogLines:
    """Writes a log line for every tenth of a file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tenths = 0

    def __call__(self, done: int, total: int | None) -> None:
        tenths = 10 * done // total if total else 0
        if tenths > self.tenths:
            self.tenths = tenths
            log.info("%s: %d %% of %.1f MB", self.name, 10 * tenths, (total or 0) / 1e6)
