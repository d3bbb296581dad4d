"""Datasets that the trainer fetches itself: by an address, as the ``datasets`` library reads it."""

from __future__ import annotations

import contextlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.emulator import CONFIG, Emulator, archive, truthful_fixture  # noqa: F401


@dataclass
class Store:
    """``/d/…`` redirects to a signed address, as a short link does; a HEAD of that is refused, as S3 refuses it."""

    content: bytes
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def store_of(content: bytes) -> Iterator[Store]:
    store = Store(content)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            store.asked.append((self.command, self.path))
            if self.path.startswith("/d/"):
                self._send(302, b"", location="/signed/dataset.zip?X-Amz-Signature=verysecret")
            elif self.path.startswith("/signed/") and self.command == "GET":
                self._send(200, store.content)
            else:
                self._send(403 if self.path.startswith("/signed/") else 404, b"")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a look closes the connection before the body
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    store.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()


def zipped(rows: list[dict[str, Any]] | str | None, pictures: int = 3, **more: bytes) -> bytes:
    """Pictures ``pictures/<n>.png``, and a ``metadata.jsonl`` of ``rows`` beside that folder."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive(pictures))) as source, zipfile.ZipFile(packed, "w") as made:
        for name in source.namelist():
            if name.endswith(".png"):
                made.writestr(name, source.read(name))
        for name, content in more.items():
            made.writestr(name.replace("_slash_", "/").replace("_dot_", "."), content)
        if rows is not None:
            told = rows if isinstance(rows, str) else "\n".join(json.dumps(row) for row in rows)
            made.writestr("metadata.jsonl", told)
    return packed.getvalue()


def named(*numbers: int, **columns: Any) -> list[dict[str, Any]]:
    return [{"file_name": f"pictures/{n}.png", **(columns or {"text": f"picture {n}"})} for n in numbers]


def train(truthful: Emulator, data_files: Any, **entry: Any) -> dict[str, Any]:
    backend = {
        "id": "cats",
        "type": "huggingface",
        "dataset_name": "imagefolder",
        "data_files": data_files,
        "split": "train",
        "metadata_backend": "huggingface",
        "caption_strategy": "huggingface",
        "huggingface": {"caption_column": "text", "image_column": "image"},
        **entry,
    }
    config = {**CONFIG, "--validation_disable": True}
    made = truthful.client().predictions.create(
        version=truthful.version(),
        input={"config_json": json.dumps(config), "dataloader_json": json.dumps([backend]), "max_train_steps": 2},
    )
    return truthful.wait(made.id)


@pytest.mark.parametrize("shape", ["address", "list", "dict"])
def test_a_dataset_by_address_is_trained_on_with_its_captions(truthful: Emulator, shape: str) -> None:
    with store_of(zipped(named(0, 1, 2))) as store:
        url = f"{store.url}/d/abc.zip"
        ended = train(truthful, {"address": url, "list": [url], "dict": {"train": url}}[shape])
    assert ended["status"] == "succeeded", ended["error"]
    assert "We have 3 captions" in ended["logs"]
    asked = {(method, path.partition("?")[0]) for method, path in store.asked}
    assert asked == {(method, path) for method in ("GET", "HEAD") for path in ("/d/abc.zip", "/signed/dataset.zip")}, (
        "the library looks with both methods, and goes through the redirect each time"
    )
    assert len([one for one in store.asked if one == ("GET", "/d/abc.zip")]) > 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(named(0, 7)), "pictures/7.png"),
        (zipped([{"name": "pictures/0.png"}]), "must be present as dictionary key in metadata files"),
        (zipped([{"file_name": "../0.png", "text": "a"}]), "An error occurred while generating the dataset"),
        (zipped(named(0))[:500], "File is not a zip file"),
        (zipped(""), "list index out of range"),
    ],
)
def test_a_broken_dataset_by_address_fails_in_the_words_of_the_library(
    truthful: Emulator, content: bytes, words: str
) -> None:
    with store_of(content) as store:
        ended = train(truthful, f"{store.url}/d/abc.zip")
    assert (ended["status"], words in ended["error"]) == ("failed", True), ended["error"]


def test_an_address_that_does_not_end_in_zip_has_no_data(truthful: Emulator) -> None:
    with store_of(zipped(named(0))) as store:
        for url in (f"{store.url}/d/abc", f"{store.url}/d/abc.zip?token=verysecret"):
            ended = train(truthful, url)
            assert ended["error"] == 'Instruction "train" corresponds to no data!'
        gone = train(truthful, f"{store.url}/gone.zip")
        assert gone["error"] == f"Unable to find '{store.url}/gone.zip'"
        assert "verysecret" not in gone["logs"]


def test_rows_that_the_metadata_does_not_name_are_no_part_of_the_dataset(truthful: Emulator) -> None:
    with store_of(zipped(named(0, 1))) as store:
        assert "We have 2 captions" in train(truthful, f"{store.url}/d/abc.zip")["logs"]
        assert 'Unknown split "test"' in train(truthful, f"{store.url}/d/abc.zip", split="test")["error"]


def test_captions_come_from_the_named_columns_and_a_row_without_one_is_left_out(truthful: Emulator) -> None:
    rows = [*named(0, text="", short="a"), *named(1, text="long", short="b"), *named(2, text="", short="")]
    with store_of(zipped(rows)) as store:
        url = f"{store.url}/d/abc.zip"
        one = train(truthful, url)
        assert "We have 1 captions" in one["logs"]
        assert "Could not load caption for image 0.jpg" in one["logs"]
        assert "We have 3 captions" in train(truthful, url, huggingface={"caption_column": ["text", "short"]})["logs"]
        assert (
            "We have 3 captions"
            in train(truthful, url, caption_strategy="instanceprompt", instance_prompt="a cat")["logs"]
        )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"caption_strategy": "textfile"}, "caption_strategy must be set to 'huggingface'"),
        ({"metadata_backend": "discovery"}, "metadata_backend must be set to 'huggingface'"),
        ({"dataset_name": None}, "Missing required key 'dataset_name'"),
    ],
)
def test_what_the_backend_does_not_take_ends_the_run(truthful: Emulator, entry: dict[str, Any], words: str) -> None:
    ended = train(truthful, "http://127.0.0.1:9/a.zip", **entry)
    assert words in ended["error"]
