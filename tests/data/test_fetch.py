"""Downloads from a real HTTP server on this machine: cut, resumed, altered, refused."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from typing import ClassVar

import pytest

from ensharpen_edge.data.catalogue import load_catalogue
from ensharpen_edge.data.fetch import Checksum, download, unpack
from ensharpen_edge.errors import BadInputError, IntegrityError, UsageError

CONTENT = bytes(range(256)) * 8000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one file; `cut` ends the first answer early, `ranges` says whether a rest can be asked for."""

    files: ClassVar[dict[str, bytes]] = {}
    cut = 0
    ranges = True
    requests: ClassVar[list[str]] = []

    def do_GET(self):
        data = self.files.get(self.path)
        asked = self.headers.get("Range")
        type(self).requests.append(asked or "whole")
        if data is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start >= len(data):
            self.send_error(416)
            return
        body = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.cut:
            body, type(self).cut = body[: self.cut], 0
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.files, Handler.cut, Handler.ranges, Handler.requests = {"/set.bin": CONTENT}, 0, True, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def sha256(data: bytes) -> Checksum:
    return Checksum("sha256", hashlib.sha256(data).hexdigest())


def test_whole_and_checked(server, tmp_path):
    shown: list[tuple[int, int]] = []
    path = download(
        f"{server}/set.bin", tmp_path / "a" / "set.bin", sha256(CONTENT), lambda _doing, *s: shown.append(s)
    )
    assert path.read_bytes() == CONTENT
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    download(f"{server}/set.bin", path, sha256(CONTENT))
    assert len(Handler.requests) == 1, "a right file is not fetched again"


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_download_goes_on(server, tmp_path, ranges):
    Handler.cut, Handler.ranges = 700_000, ranges
    path = tmp_path / "set.bin"
    with pytest.raises(BadInputError, match="700,000 bytes"):
        download(f"{server}/set.bin", path, sha256(CONTENT))
    assert not path.exists()
    assert (tmp_path / "set.bin.part").stat().st_size == 700_000
    assert download(f"{server}/set.bin", path, sha256(CONTENT)).read_bytes() == CONTENT
    assert Handler.requests == ["whole", "bytes=700000-"]
    assert [p.name for p in tmp_path.iterdir()] == ["set.bin"]


def test_a_part_that_is_complete_already_is_taken(server, tmp_path):
    (tmp_path / "set.bin.part").write_bytes(CONTENT)
    assert download(f"{server}/set.bin", tmp_path / "set.bin", sha256(CONTENT)).read_bytes() == CONTENT


def test_another_file_is_refused_and_deleted(server, tmp_path):
    with pytest.raises(IntegrityError, match="published is"):
        download(f"{server}/set.bin", tmp_path / "set.bin", sha256(b"other"))
    assert not list(tmp_path.iterdir())
    md5 = Checksum("md5", hashlib.md5(CONTENT, usedforsecurity=False).hexdigest())
    assert download(f"{server}/set.bin", tmp_path / "set.bin", md5).exists()


def test_missing_file_and_server(server, tmp_path):
    with pytest.raises(BadInputError, match="404"):
        download(f"{server}/none.bin", tmp_path / "none.bin", None)
    with pytest.raises(BadInputError, match="0 bytes"):
        download("http://127.0.0.1:9/none.bin", tmp_path / "none.bin", None)


def test_archives_are_unpacked_whole_or_not_at_all(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("x/1.txt", "one")
    unpack(tmp_path / "a.zip", tmp_path / "a")
    assert (tmp_path / "a" / "x" / "1.txt").read_text() == "one"
    with tarfile.open(tmp_path / "b.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("2.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"two"))
    unpack(tmp_path / "b.tgz", tmp_path / "b")
    assert (tmp_path / "b" / "2.txt").read_text() == "two"
    (tmp_path / "c.tgz").write_bytes((tmp_path / "b.tgz").read_bytes()[:40])
    with pytest.raises((IntegrityError, UsageError)):
        unpack(tmp_path / "c.tgz", tmp_path / "c")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        info = tarfile.TarInfo("../outside.txt")
        tar.addfile(info, io.BytesIO())
    with pytest.raises(IntegrityError):
        unpack(tmp_path / "evil.tar", tmp_path / "evil")
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path / "c").exists()
    assert not (tmp_path / "evil").exists()


def test_command_fetches_a_set_of_the_users_catalogue(command, server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr("photo.txt", "sharp")
    Handler.files["/photos.zip"] = buffer.getvalue()
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    catalogue = tmp_path / "sets.json"
    entry = {"what": "w", "licence": "CC0", "page": "p", "files": [{"url": f"{server}/photos.zip", "sha256": digest}]}
    catalogue.write_text(json.dumps({"mine": entry}))
    arguments = ("data", "fetch", "mine", "--catalogue", catalogue, "--out", tmp_path / "out")
    done = command("ensharpen-train", *arguments)
    assert done.returncode == 0, done.stderr
    assert "CC0" in done.stderr
    assert (tmp_path / "out" / "mine" / "photos" / "photo.txt").read_text() == "sharp"
    assert [p.name for p in (tmp_path / "out" / "mine").iterdir()] == ["photos"]
    assert command("ensharpen-train", *arguments).returncode == 0
    assert len(Handler.requests) == 1
    Handler.files["/photos.zip"] = b"altered"
    done = command("ensharpen-train", *arguments[:-1], tmp_path / "second")
    assert done.returncode == 8
    assert command("ensharpen-train", "data", "fetch", "mein", "--catalogue", catalogue).returncode == 2


def test_shipped_catalogue_states_terms_and_hashes():
    catalogue = load_catalogue()
    assert {"div2k-train", "div2k-valid", "gopro", "realblur", "kodak24", "cbsd68"} <= set(catalogue)
    for entry in catalogue.values():
        assert entry.licence
        assert entry.page.startswith("https://")
        for file in entry.files:
            assert file.checksum is not None
            assert len(file.checksum.value) == 64
            assert file.url.startswith("https://")


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": {}}', '{"a": {"what": "", "licence": "", "page": "", "files": [{}]}}']
)
def test_damaged_catalogues_are_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UsageError, match="catalogue"):
        load_catalogue(tmp_path / "c.json")
