"""What is packed, what stays behind and why, and what is refused before a byte leaves."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.datasets import (
    DatasetError,
    EmptyDataset,
    Manifest,
    MissingDataset,
    Source,
    UnreadableDataset,
    local_sources,
    root_of,
    with_archive_names,
)
from chalicelib.domain.holdbacks import WORDS, HoldBack, holds_secret, reason_for_name
from chalicelib.domain.scanning import scan


def put(folder: Path, name: str, content: bytes = b"\xff\xd8 pixels") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def scanned(folder: Path) -> Manifest:
    return scan([Source("set", folder)])


def paths(manifest: Manifest) -> list[str]:
    return [entry.path for entry in manifest.entries]


def reasons(manifest: Manifest) -> dict[str, HoldBack]:
    return {one.path: one.reason for one in manifest.held_back}


def test_every_file_is_listed_once_with_its_size_and_hash_in_order(tmp_path: Path) -> None:
    put(tmp_path, "b/2.png", b"two")
    put(tmp_path, "a.jpg", b"one")
    put(tmp_path, "a.txt", b"a caption")
    manifest = scanned(tmp_path)
    assert paths(manifest) == ["set/a.jpg", "set/a.txt", "set/b/2.png"]
    assert manifest.entries[2].sha256 == hashlib.sha256(b"two").digest()
    assert manifest.total_bytes == 15
    told = {"id": "set", "file_count": 3, "total_bytes": 15, "image_count": 2, "caption_count": 1}
    assert manifest.summary()["datasets"] == [told]
    assert manifest.summary()["image_count"] == 2


def test_the_root_is_what_the_documentation_says() -> None:
    empty = hashlib.sha256(b"").hexdigest()
    files = [("photos/a.png", 0, empty), ("photos/é.txt", 3, hashlib.sha256(b"cat").hexdigest())]
    # printf 'stcloud-manifest-1\nphotos/a.png\0000\000%s\nphotos/\303\251.txt\0003\000%s\n' … | sha256sum
    assert root_of(files) == "d77f665dd743099c5eefe24793c83202382046f3125d774febe111a46bd64213"


def test_the_root_changes_with_any_byte_name_or_size(tmp_path: Path) -> None:
    put(tmp_path, "a.png", b"one")
    before = scanned(tmp_path).root
    put(tmp_path, "a.png", b"two")
    changed = scanned(tmp_path).root
    (tmp_path / "a.png").rename(tmp_path / "b.png")
    assert len({before, changed, scanned(tmp_path).root}) == 3


def test_the_root_does_not_depend_on_times_or_on_where_the_folder_is(tmp_path: Path) -> None:
    for place in ("here", "there"):
        os.utime(put(tmp_path / place, "x/a.png"), (len(place), len(place)))
    assert scanned(tmp_path / "here").root == scanned(tmp_path / "there").root


SECRETS = [
    ".env",
    ".env.local",
    "prod.env",
    "server.pem",
    "tls.KEY",
    "a.p12",
    "a.pfx",
    "ca.crt",
    "id_rsa",
    "id_rsa.pub",
]
SECRETS += ["id_ed25519", ".netrc", "credentials.json", "Credentials", "my-service-account-1.json", "vault.kdbx"]
SECRETS += [
    ".aws",
    ".ssh",
    ".gnupg",
    "service_account.json",
    ".npmrc",
    "id_rsa.pub",
    "secrets.yaml",
    "client_secret_12.json",
]


@pytest.mark.parametrize("name", SECRETS)
def test_secrets_stay_by_name_however_deep(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, f"one/two/three/{name}", b"x")
    assert reasons(scanned(tmp_path)) == {f"set/one/two/three/{name}": HoldBack.SECRET_NAME}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git", HoldBack.VERSION_CONTROL),
        (".hg", HoldBack.VERSION_CONTROL),
        (".svn", HoldBack.VERSION_CONTROL),
        ("node_modules", HoldBack.CACHE),
        ("__pycache__", HoldBack.CACHE),
        ("venv", HoldBack.CACHE),
        (".aws", HoldBack.SECRET_NAME),
        (".thumbnails", HoldBack.HIDDEN),
        ("@eaDir", HoldBack.CACHE),
        ("#recycle", HoldBack.CACHE),
    ],
)
def test_a_folder_that_stays_is_not_entered(tmp_path: Path, name: str, reason: HoldBack) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, f"sub/{name}/deep/b.png")
    manifest = scanned(tmp_path)
    assert paths(manifest) == ["set/a.png"]
    assert reasons(manifest) == {f"set/sub/{name}/": reason}


@pytest.mark.parametrize("name", ["Thumbs.db", ".DS_Store", "x.pyc", "aspect_ratio_bucket_indices_set.json", "._a.png"])
def test_left_overs_stay(name: str) -> None:
    assert reason_for_name(name) is HoldBack.CACHE


@pytest.mark.parametrize("name", ["a.jpg", "token.txt", "environment.txt", "git.png", "secret.jpg", "key.txt"])
def test_plain_names_are_sent(name: str) -> None:
    assert reason_for_name(name) is None


TOKENS = [
    "hf_" + "aB3" * 11,
    "r8_" + "Zz9" * 12,
    "AKIA" + "ABCD1234EFGH5678",
    "ghp_" + "a1" * 18,
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "sk-proj-" + "x" * 40,
    'AWS_SECRET_ACCESS_KEY = "' + "a/+b" * 10 + '"',
    "xoxb-" + "1234567890ab",
    "AIza" + "Sy_-7" * 7,
    "npm_" + "a1B2" * 9,
    "glpat-" + "x" * 20,
    "github_pat_" + "A_1" * 10,
    "sk_live_" + "a1" * 10,
    "whsec_" + "abcd" * 8,
    "PuTTY-User-Key-File-3: ssh-ed25519",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("name", ["notes.txt", "setup.sh", "LICENSE", "deep/er/config.json"])
def test_text_with_a_token_inside_stays(tmp_path: Path, token: str, name: str) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, name, f"export TOKEN={token}\n".encode())
    assert reasons(scanned(tmp_path)) == {f"set/{name}": HoldBack.SECRET_INSIDE}


def test_a_token_in_utf_16_text_is_found() -> None:
    assert holds_secret(f"token: {TOKENS[0]}".encode("utf-16"))


def test_a_caption_about_keys_is_sent() -> None:
    assert not holds_secret(b"a photo of a private key, hf_short, half_of_the_house_and_the_garden, skateboard-")


def test_every_reason_has_words() -> None:
    assert set(WORDS) == set(HoldBack)


def test_links_that_leave_the_folder_stay(tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/private.png")
    inside = put(tmp_path, "set/a.png").parent
    (inside / "out.png").symlink_to(outside)
    (inside / "etc").symlink_to("/etc")
    (inside / "up.png").symlink_to("../outside/private.png")
    (inside / "none.png").symlink_to("nowhere")
    (inside / "loop.png").symlink_to("loop.png")
    manifest = scanned(inside)
    assert paths(manifest) == ["set/a.png"]
    assert reasons(manifest) == {
        "set/out.png": HoldBack.LINK_OUTSIDE,
        "set/etc": HoldBack.LINK_OUTSIDE,
        "set/up.png": HoldBack.LINK_OUTSIDE,
        "set/none.png": HoldBack.LINK_BROKEN,
        "set/loop.png": HoldBack.LINK_BROKEN,
    }


def test_links_inside_the_folder_are_files_and_never_loops(tmp_path: Path) -> None:
    put(tmp_path, "x/a.png")
    put(tmp_path, ".env", b"SECRET=1")
    (tmp_path / "same.png").symlink_to("x/a.png")
    (tmp_path / "innocent.txt").symlink_to(".env")
    (tmp_path / "x/again").symlink_to("..")
    manifest = scanned(tmp_path)
    assert paths(manifest) == ["set/same.png", "set/x/a.png"]
    assert reasons(manifest)["set/innocent.txt"] is HoldBack.SECRET_NAME
    assert reasons(manifest)["set/x/again"] is HoldBack.LINK_TO_FOLDER


def test_the_dataset_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to("real")
    assert paths(scanned(tmp_path / "link")) == ["set/a.png"]


def test_pipes_and_sockets_stay_and_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.png")
        manifest = scanned(tmp_path)
    assert reasons(manifest) == {"set/pipe.png": HoldBack.SPECIAL_FILE, "set/s.png": HoldBack.SPECIAL_FILE}


def test_a_name_that_is_not_utf8_stays(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    assert reasons(scanned(tmp_path)) == {"set/caf\\xe9.png": HoldBack.NAME_NOT_UTF8}


def test_unicode_names_are_nfc_and_captions_keep_their_image(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "café ☕ 日本")
    put(tmp_path, f"{decomposed}.png")
    put(tmp_path, f"{decomposed}.txt", b"coffee")
    assert paths(scanned(tmp_path)) == ["set/café ☕ 日本.png", "set/café ☕ 日本.txt"]


def test_names_that_differ_only_by_unicode_form_are_all_kept_with_their_captions(tmp_path: Path) -> None:
    for form in ("NFC", "NFD"):
        stem = unicodedata.normalize(form, "é")
        put(tmp_path, f"{stem}.png", form.encode())
        put(tmp_path, f"{stem}.txt", form.encode())
    manifest = scanned(tmp_path)
    assert len(set(paths(manifest))) == 4
    for image, caption in zip(paths(manifest)[::2], paths(manifest)[1::2], strict=True):
        assert image.removesuffix(".png") == caption.removesuffix(".txt")
    assert any("Unicode" in warning for warning in manifest.warnings)


def test_an_image_and_a_caption_that_spell_one_name_in_two_unicode_forms_meet(tmp_path: Path) -> None:
    put(tmp_path, f"{unicodedata.normalize('NFD', 'café')}.png")
    put(tmp_path, f"{unicodedata.normalize('NFC', 'café')}.txt", b"coffee")
    manifest = scanned(tmp_path)
    assert paths(manifest) == ["set/café.png", "set/café.txt"]
    assert manifest.warnings == () and manifest.datasets[0].caption_count == 1


def test_names_that_differ_only_by_case_are_kept_with_a_warning(tmp_path: Path) -> None:
    put(tmp_path, "Cat.png")
    put(tmp_path, "cat.png")
    manifest = scanned(tmp_path)
    assert paths(manifest) == ["set/Cat.png", "set/cat.png"]
    assert any("upper and lower case" in warning for warning in manifest.warnings)


def test_an_empty_image_is_sent_with_a_warning(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "none.jpg", b"")
    put(tmp_path, "none.txt", b"")
    manifest = scanned(tmp_path)
    assert len(manifest.entries) == 3
    assert manifest.warnings == ("Images that are empty files (0 bytes), 1 in all: set/none.jpg",)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingDataset, match="does not exist"):
        scanned(tmp_path / "nowhere")


def test_a_file_is_not_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(MissingDataset, match="not a folder"):
        scanned(put(tmp_path, "a.png"))


@pytest.mark.parametrize("content", [{}, {".env": b"x"}, {"only.txt": b"words"}, {"zero.png": b""}])
def test_a_folder_with_nothing_to_train_on_is_refused(tmp_path: Path, content: dict[str, bytes]) -> None:
    for name, value in content.items():
        put(tmp_path, name, value)
    with pytest.raises(EmptyDataset, match="nothing to train on"):
        scanned(tmp_path)


def test_pictures_that_the_trainer_does_not_read_are_nothing_to_train_on(tmp_path: Path) -> None:
    put(tmp_path, "IMG_0001.HEIC")
    put(tmp_path, "IMG_0001.txt", b"a cat")
    with pytest.raises(EmptyDataset, match=r"IMG_0001\.HEIC.*Convert them to JPEG or PNG"):
        scanned(tmp_path)
    put(tmp_path, "IMG_0002.jpg")
    assert scanned(tmp_path).surveys[0].unread.first == ["IMG_0001.HEIC"]
    assert scanned(tmp_path).image_count == 1


def test_shards_of_tensors_are_a_dataset_without_a_picture(tmp_path: Path) -> None:
    put(tmp_path, "shard-0.tar")
    assert scanned(tmp_path).image_count == 0


def test_one_empty_dataset_among_others_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "a/1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(EmptyDataset, match="'b'"):
        scan([Source("a", tmp_path / "a"), Source("b", tmp_path / "b")])


@pytest.mark.parametrize("folder", ["/", "/proc", "/proc/self", "/dev/fd", "/sys/kernel"])
def test_system_folders_are_refused(folder: str) -> None:
    if not Path(folder).exists():
        pytest.skip(f"no {folder} here")
    with pytest.raises(DatasetError, match="stays here"):
        scanned(Path(folder))


def test_a_private_folder_is_refused_even_when_it_is_named(tmp_path: Path) -> None:
    put(tmp_path, ".ssh/a.png")
    with pytest.raises(DatasetError, match="stays here"):
        scanned(tmp_path / ".ssh")


def test_what_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, "locked.png").chmod(0)
    put(tmp_path, "closed/b.png").parent.chmod(0)
    tmp_path.chmod(0o755)
    with _without_privileges(tmp_path), pytest.raises(UnreadableDataset) as refusal:
        scanned(tmp_path)
    (tmp_path / "closed").chmod(0o755)
    assert refusal.value.fields["paths"] == ["set/closed/", "set/locked.png"]
    assert "set/locked.png: permission denied" in refusal.value.detail


@contextlib.contextmanager
def _without_privileges(folder: Path) -> Iterator[None]:
    """Root reads everything, so for a moment the process is nobody, who may pass the folders above."""
    if os.geteuid() != 0:
        yield
        return
    modes = {parent: parent.stat().st_mode for parent in folder.parents}
    for parent, mode in modes.items():
        if mode & 0o011 != 0o011:
            parent.chmod(mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for parent, mode in modes.items():
            if mode & 0o011 != 0o011:
                parent.chmod(mode)


def test_two_folders_of_one_name_never_collide(tmp_path: Path) -> None:
    put(tmp_path, "x/images/1.png", b"x")
    put(tmp_path, "y/images/1.png", b"y")
    dataloader = [{"instance_data_dir": str(tmp_path / side / "images")} for side in "xy"]
    manifest = scan(local_sources(dataloader, Path))
    assert paths(manifest) == ["images-2/1.png", "images/1.png"]


def test_one_folder_in_two_datasets_is_packed_once(tmp_path: Path) -> None:
    put(tmp_path, "1.png")
    dataloader = [{"id": f"at-{size}", "type": "local", "instance_data_dir": str(tmp_path)} for size in (512, 1024)]
    manifest = scan(local_sources(dataloader, Path))
    assert paths(manifest) == ["at-512/1.png"]
    assert manifest.shared == {"at-1024": "at-512"}


def test_only_local_datasets_are_packed(tmp_path: Path) -> None:
    here = {"instance_data_dir": str(tmp_path)}
    dataloader = [
        {"id": "a", "type": "local", **here},
        {"id": "b", "type": "", **here},
        {"id": "c", "type": None, **here},
        {"id": "d", **here},
        {"id": "s3", "type": "aws", "aws_bucket_name": "x"},
        {"id": "hf", "type": "huggingface"},
        {"id": "off", "type": "local", "disabled": True, **here},
        {"id": "embeds", "type": "local", "dataset_type": "text_embeds", "cache_dir": "cache/text"},
    ]
    assert [source.id for source in local_sources(dataloader, Path)] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("folder", [None, "", "  ", 7])
def test_a_local_dataset_without_a_folder_is_refused(folder: object) -> None:
    with pytest.raises(MissingDataset, match="instance_data_dir"):
        local_sources([{"id": "a", "type": "local", "instance_data_dir": folder}], Path)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8))
def test_archive_names_are_safe_and_differ(ids: list[str]) -> None:
    names = [source.id for source in with_archive_names(Source(one, Path()) for one in ids)]
    assert len({name.casefold() for name in names}) == len(ids)
    assert all(name and not name.startswith(".") and "/" not in name and "\\" not in name for name in names)


def test_ten_thousand_files_are_listed(tmp_path: Path) -> None:
    for number in range(10_000):
        folder = tmp_path / f"{number // 1000}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.png").write_bytes(b"%d" % number)
    manifest = scanned(tmp_path)
    assert len(manifest.entries) == 10_000
    assert len({entry.sha256 for entry in manifest.entries}) == 10_000


@pytest.mark.parametrize("name", ["captions.jsonl", "dump.sql"])
@pytest.mark.parametrize("before", [9 << 20, (9 << 20) - 20])
def test_a_token_is_found_in_large_text_also_across_two_blocks(tmp_path: Path, name: str, before: int) -> None:
    put(tmp_path, "a.png")
    put(tmp_path, name, b"a cat \n" * (before // 7) + b" " * (before % 7) + TOKENS[0].encode() + b"\n" * 99)
    assert reasons(scanned(tmp_path)) == {f"set/{name}": HoldBack.SECRET_INSIDE}


def test_a_caption_that_stays_is_told_with_its_image(tmp_path: Path) -> None:
    put(tmp_path, "deep/a.png")
    put(tmp_path, "deep/a.txt", TOKENS[0].encode())
    put(tmp_path, "b.png")
    put(tmp_path, "b.txt", b"a cat")
    (warning,) = scanned(tmp_path).warnings
    assert "caption is held back, 1 in all: set/deep/a.png" in warning


@pytest.mark.parametrize(
    "line",
    [
        "WANDB_API_KEY=" + "0a1b" * 10,
        '"access_token": "' + "aB3_" * 6 + '"',
        "AccountKey=" + "a1+/" * 20,
        "password: " + "abc123" * 9,
    ],
)
def test_settings_with_a_key_stay_whatever_the_service(line: str) -> None:
    assert holds_secret(f"first line\n{line}\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2",
        "an api key = a photograph of a house",
        "access_token=none",
        "passwords are_written_in_the_old_book",
    ],
)
def test_words_about_keys_are_sent(line: str) -> None:
    assert not holds_secret(line.encode())
