"""Fetching against a server that may lack Range support, cut the connection or hold another file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from vfprog.data import fetch as module
from vfprog.data.fetch import CHUNK, fetch, git_blob_id
from vfprog.errors import UserError

CONTENT = bytes(range(256)) * 4000
BLOB = "f4e52af7c3bcfb694703d38c47dfde5b76cc6881"


@dataclass
class Server:
    """What the server does, and what it was asked."""

    url: str
    ranges: bool = True
    content: bytes = CONTENT
    cut_after: list[int] = field(default_factory=list)  # bytes sent before the n-th connection breaks
    statuses: list[int] = field(default_factory=list)  # of the first answers
    asked: list[str | None] = field(default_factory=list)  # Range header of every request


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(module, "BACKOFF", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and state.ranges else 0
            if start and start >= len(state.content):
                self.send_error(416)
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut_after.pop(0)] if state.cut_after else body)

        def log_message(self, *_: object) -> None:
            """Keep stderr clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}/alldata.json")
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "data" / "alldata.json"


def part_of(target: Path) -> Path:
    return target.with_name("alldata.json.part")


def test_blob_id_is_gits(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"what is up, doc?")  # the example of the book Pro Git
    assert git_blob_id(path) == "bd9dbf5aae1a3862dd1526723246b20206e5fc37"


def test_fetches_once(server: Server, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        fetch(server.url, BLOB, target)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert server.asked == [None]
    assert "alldata.json: 100 % of 1.0 MB" in caplog.text


def test_another_file_at_the_target_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_text("older")
    fetch(server.url, BLOB, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_goes_on_after_a_cut(server: Server, target: Path, ranges: bool) -> None:
    server.ranges, server.cut_after = ranges, [7 * CHUNK + 5]
    fetch(server.url, BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={7 * CHUNK}-"]


def test_what_arrived_is_kept_for_the_next_run(server: Server, target: Path) -> None:
    server.cut_after = [CHUNK] * module.ATTEMPTS
    with pytest.raises(UserError, match=r"after 4 attempts .* run again"):
        fetch(server.url, BLOB, target)
    assert not target.exists()
    assert part_of(target).read_bytes() == CONTENT[: module.ATTEMPTS * CHUNK]
    fetch(server.url, BLOB, target)
    assert target.read_bytes() == CONTENT
    assert server.asked[-1] == f"bytes={4 * CHUNK}-"


def test_a_whole_part_needs_no_further_byte(server: Server, target: Path) -> None:
    target.parent.mkdir()
    part_of(target).write_bytes(CONTENT)
    fetch(server.url, BLOB, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("start", [b"", b"stale" * 1000])
def test_another_content_is_refused_and_not_kept(server: Server, target: Path, start: bytes) -> None:
    server.content = CONTENT[:-1] + b"?"
    target.parent.mkdir()
    part_of(target).write_bytes(start)
    with pytest.raises(UserError, match=rf"git blob id is [0-9a-f]{{40}}, the config's .* {BLOB}"):
        fetch(server.url, BLOB, target)
    assert list(target.parent.iterdir()) == []


def test_a_busy_server_is_asked_again_a_missing_file_is_not(server: Server, target: Path) -> None:
    server.statuses = [503]
    fetch(server.url, BLOB, target)
    target.unlink()
    server.statuses, server.asked = [404], []
    with pytest.raises(UserError, match="the server answers 404 Not Found"):
        fetch(server.url, BLOB, target)
    assert len(server.asked) == 1


def test_an_address_nobody_answers(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF", 0.0)
    with pytest.raises(UserError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/x", BLOB, target)


def test_file_address(tmp_path: Path, target: Path) -> None:
    source = tmp_path / "with space.json"
    source.write_bytes(CONTENT)
    fetch(source.as_uri(), BLOB, target)
    assert target.read_bytes() == CONTENT
    with pytest.raises(UserError, match=r"no such file; mend the config's download.url"):
        fetch((tmp_path / "absent").as_uri(), BLOB, tmp_path / "other")


def test_draws_a_bar_on_a_terminal(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(server.url, BLOB, target, progress=True)
    assert "alldata.json" in capsys.readouterr().err
