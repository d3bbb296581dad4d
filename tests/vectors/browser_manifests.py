"""What the command line makes of some odd folders, for the browser to be held to: roots, names, what stays, the zip.

``python -m tests.vectors.browser_manifests`` writes ``manifests.json``, which pytest and vitest both read. In the
archive of a browser every entry is stored: its deflate spells other bytes than zlib's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest, Source, with_archive_names
from chalicelib.domain.remarks import least_sizes, remarks
from chalicelib.domain.scanning import scan
from tests.vectors.pictures import PICTURES

FILE = Path(__file__).with_name("manifests.json")

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
# Put together here, so that no scanner takes this file for a leak.
_TOKEN = b"hf" + b"_" + b"abcdefghijklmnopqrstuvwx"
_SETTING = b"WANDB_API_KEY" + b"=" + b"0123456789abcdef0123456789abcdef"

CASES: dict[str, dict[str, bytes]] = {
    "plain": {
        "a.png": _PNG,
        "a.txt": b"a plain colour " * 40,
        "sub/b.jpg": _PNG * 3,
        "sub/empty.txt": b"",
        "notes.weird": b"some notes",
    },
    "order of names": {
        name: _PNG + name.encode()
        for name in (
            *("\U0001f600.png", "\ufb01.png", "z.png", "\u00e9.png", "a/b.png", "a.png", "a-b.png", "A.png"),
            *("sub\u00e9/\u4e2d.png", "\uff5e.png"),
        )
    },
    "unicode forms": {
        "e\u0301t\u00e9.png": _PNG,
        "e\u0301t\u00e9.txt": b"a caption",
        "twin-\u00e9.png": _PNG,
        "twin-e\u0301.png": _PNG * 2,
        "twin-e\u0301.txt": b"a caption of the second",
        "cafe\u0301.png": _PNG,
        "caf\u00e9.txt": b"a caption in another form",
        "fold\u0065\u0301r/x.png": _PNG,
    },
    "what stays": {
        "ok.png": _PNG,
        ".git/config": b"x",
        ".gitignore": b"x",
        ".hidden.png": _PNG,
        ".ssh/id_rsa": b"x",
        "ID_RSA.pub": b"x",
        "server.PEM": b"x",
        "pa\u00dfwords.txt": b"x",
        "secrets.yaml": b"x",
        "prod.env": b"x",
        "__pycache__/a.pyc": b"x",
        "Thumbs.db": b"x",
        "aspect_ratio_bucket_indices_x.json": b"{}",
        "caption.txt": b"use " + _TOKEN,
        "wide.txt": ("use " + _TOKEN.decode()).encode("utf-16"),
        "run.sh": b"export " + _SETTING,
        "unlike.txt": b"api_key: a long sentence without digits or so",
        "near.txt": b"my sk-short and hf" + b"_short",
        "bell\u0007name/.env": b"x",
        "sub/.DS_Store": b"x",
        "picture.png.bak~": b"x",
        "@eaDir/ok.png/SYNOPHOTO_THUMB_M.jpg": _PNG,
        "#recycle/deleted.png": _PNG,
    },
    "captions": {
        **{f"{name}.png": _PNG + name.encode() for name in ("a", "b", "c", "d", "e", "sub/f", "sub/a")},
        "a.txt": b"a fox",
        "a.caption": b"not this one",
        "b.caption": b"\xef\xbb\xbfa hen",
        "c.txt": b" \n",
        "g.png": _PNG,
        "g.txt": b" ",
        "d.TXT": b"a cat\x92s tail",
        "e.txt": "a cat".encode("utf-16-le"),
        "sub/f.txt": "a c\u00e1t".encode(),
        "lost.txt": b"of nothing",
        "README.txt": b"of nobody",
        "IMG_1.HEIC": b"x",
        "IMG_1.txt": b"of a picture that is not read",
        "none.jpg": b"",
        "metadata.jsonl": b"not looked at",
    },
    "a list of captions": {
        **{f"{name}.png": _PNG + name.encode() for name in ("a", "b", "sub/c", "sub/caf\u00e9")},
        "metadata.jsonl": b'{"file_name": "a.png", "text": " a fox "}\n\n{"file_name": "./b.png", "text": ""}\n',
        "sub/metadata.csv": b'\xef\xbb\xbffile_name,caption\r\nc.png,"a ""hen"", red"\r\n'
        b"cafe\xcc\x81.png,tea\r\ngone.png,x\r\n",
        "clip.mp4": _PNG,
    },
    "long text": {
        "a.mp4": _PNG,
        "late.txt": b"word " * ((9 << 20) // 5) + _TOKEN,
        "large.txt": b"word " * ((9 << 20) // 5),
    },
}
_USES: list[tuple[list[dict[str, Any]] | None, dict[str, Any]]] = [
    (None, {}),
    ([{"instance_data_dir": "set", "caption_strategy": "textfile"}], {}),
    ([{"instance_data_dir": "set", "minimum_image_size": 512, "crop": True}], {"--caption_strategy": "textfile"}),
    (
        [
            {"instance_data_dir": "set", "minimum_image_size": 0.25, "resolution_type": "area"},
            {"instance_data_dir": "set", "minimum_image_size": "512", "resolution_type": "area"},
            {"instance_data_dir": "set", "type": "aws", "minimum_image_size": 1},
            {"instance_data_dir": "set", "disabled": True, "minimum_image_size": 1},
            {"instance_data_dir": "elsewhere", "minimum_image_size": 1},
        ],
        {"caption_strategy": "filename"},
    ),
    (
        [{"instance_data_dir": "set", "caption_strategy": "instanceprompt"}],
        {"--minimum_image_size": 512, "--resolution_type": "pixel"},
    ),
    ([{"instance_data_dir": "set", "caption_strategy": "textfile"}], {"--only_instance_prompt": True}),
]
IDS = ["my data", "My-Data", "..", "f\u00e9/\u00fc \u4e2d\u6587", "a" * 80, "x\u0301y", "\u2460\u00bd_1.2-"]


def made(folder: Path) -> dict[str, Any]:
    told = {}
    for name, files in CASES.items():
        place = folder / str(len(told))
        for path, content in files.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_bytes(content)
        told[name] = _told(files, scan([Source("set", place)]))
    names = [one.id for one in with_archive_names([Source(one, folder) for one in IDS])]
    pictures = {kind: {"then": base64.b64encode(one).decode(), "size": [640, 480]} for kind, one in PICTURES.items()}
    return {"ids": IDS, "archive_names": names, "cases": told, "pictures": pictures}


def _told(files: dict[str, bytes], manifest: Manifest) -> dict[str, Any]:
    stored = [replace(entry, packed_size=entry.size, content=None) for entry in manifest.entries]
    archive = Archive(replace(manifest, entries=stored))
    digest = hashlib.sha256()
    for chunk in archive.read(0, archive.size):
        digest.update(chunk)
    return {
        "files": {path: _short(content) for path, content in files.items()},
        "summary": manifest.summary(),
        "survey": asdict(manifest.surveys[0]),
        "remarks": [_remarks(manifest, dataloader, config) for dataloader, config in _USES],
        "entries": [[one.path, one.size, one.sha256.hex(), one.crc32] for one in manifest.entries],
        "held_back": [[one.path, one.reason.value] for one in manifest.held_back],
        "archive_bytes": archive.size,
        "archive_sha256": digest.hexdigest(),
        "archive_offsets": [one.offset for one in archive.listed()],
    }


def _remarks(manifest: Manifest, dataloader: list[dict[str, Any]] | None, config: dict[str, Any]) -> dict[str, Any]:
    limits, wrong = least_sizes(manifest.surveys, dataloader, config)
    return {
        "dataloader": dataloader,
        "config": config,
        "told": [
            asdict(one) | {"names": list(one.names), "weight": one.weight}
            for one in remarks(manifest.surveys, dataloader, config) + wrong
        ],
        "limits": [asdict(one) for one in limits],
    }


def _short(content: bytes) -> dict[str, Any]:
    """Base64; what repeats is told as such."""
    if content.startswith(b"word " * 100):
        count = content.count(b"word ")
        return {"repeat": "word ", "times": count, "then": base64.b64encode(content[5 * count :]).decode()}
    return {"then": base64.b64encode(content).decode()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as room:
        FILE.write_text(json.dumps(made(Path(room)), indent=1) + "\n")
