"""How a job's datasets reach the trainer: by the first of these ways that is open and loses nothing.

    address   each dataset as a zip with its captions, behind a link of ours              a way for the vendor to us
    remote    file by file from this system's storage, as S3 (the trainer's ``aws``)       the same, and local mode
    hub       each dataset as a private repository at Hugging Face, deleted afterwards     a token that may make one
    archive   the upload as it is, of which the runner makes one plain image dataset       an image that unpacks it
    hosted    the same by way of the vendor's own file hosting                             a vendor that has one

What a trainer can read depends on its version (``trainer_powers.py``). The stock runner reads either ``images`` or
``dataloader_json``, never both, so of an archive all that a dataloader says is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain import dataloaders
from chalicelib.domain.captions import is_read
from chalicelib.domain.dataloaders import PLACEHOLDER, PLAIN, is_local, names
from chalicelib.domain.errors import BadInput
from chalicelib.domain.laid_out import Laid, media_in, passed_over
from chalicelib.domain.listings import Listing
from chalicelib.domain.trainer_powers import NEWEST, Powers


class Mode(StrEnum):
    AUTO = "auto"
    ADDRESS = "address"
    REMOTE = "remote"
    HUB = "hub"
    ARCHIVE = "archive"
    HOSTED = "hosted"


LAID_OUT = (Mode.ADDRESS, Mode.HUB)
"""Ways of bringing each dataset as a zip of its own."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What this system, the vendor and the trainer can do together.

    ``closed`` says why the vendor cannot fetch from here, None when it can; ``has_links``: there are addresses of ours,
    which end like the file that they lead to. ``lends``: there are storage keys that read
    an upload file by file. ``hub_closed`` says why nothing can be sent by way of Hugging Face, None when it can.
    ``repo`` names the repository of a dataset, by its number. ``hosted_limit`` is what the vendor itself keeps, in
    bytes; None when it keeps nothing. ``assumed``: nobody could say which trainer it is.
    """

    powers: Powers = NEWEST
    provider: str = "the vendor"
    closed: str | None = None
    has_links: bool = True
    lends: bool = False
    hub_closed: str | None = "no Hugging Face token is set here"
    repo: Callable[[int], str] = lambda number: f"{PLACEHOLDER}{number + 1}"
    hosted_limit: int | None = None
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """``folders`` are the archive's folders that are lent, in the order of their buckets; an empty name stands for the
    whole archive. ``datasets`` are those that are laid out, with their ids."""

    mode: Mode
    why: str
    dataloader: list[dict[str, Any]] | None
    folders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    datasets: tuple[tuple[str, Laid], ...] = ()


_WAY_OUT = (
    "Set STCLOUD_PUBLIC_URL to an https address at which the vendor reaches this server (a tunnel does), or "
    "HF_TOKEN to a Hugging Face token that may make private datasets."
)
_NO_LINKS = "this system has no address of its own (STCLOUD_PUBLIC_URL), and the trainer tells a zip by its address"


@dataclass(frozen=True, slots=True)
class _Way:
    mode: Mode
    obstacle: str | None = None
    lost: tuple[str, ...] = ()


def bucket_of(number: int) -> str:
    return f"{PLACEHOLDER}{number + 1}"


def plan_dataset(
    entries: Iterable[Mapping[str, Any]],
    has_upload: bool,
    wanted: Mode = Mode.AUTO,
    ways: Ways | None = None,
    listing: Listing | None = None,
    upload_bytes: int = 0,
) -> DatasetPlan:
    """Decides how the trainer gets its data; raises ``BadInput`` when it would get none, or not in the way wanted.

    ``listing`` is what is in the upload; without one, before there is an upload, captions are not looked for.
    """
    ways = ways or Ways()
    active = [dict(entry) for entry in entries if not (entry.get("disabled") or entry.get("disable"))]
    local = [entry for entry in active if is_local(entry)]
    away = [entry for entry in active if entry.get("type") not in dataloaders.LOCAL_TYPES]
    _check_away(away, ways)
    if not has_upload:
        return _without_upload(active, local, wanted)
    open_ways = _ways(local, bool(away), ways, listing, upload_bytes)
    chosen = _chosen(open_ways, wanted)
    if chosen.mode in (Mode.ARCHIVE, Mode.HOSTED):
        return DatasetPlan(chosen.mode, _why(chosen, open_ways, wanted, ways), None, warnings=chosen.lost)
    return _listed(active, local, chosen, _why(chosen, open_ways, wanted, ways), ways, listing)


def pictures_in(listing: Listing, entries: Iterable[Mapping[str, Any]]) -> int:
    """How many pictures and videos of an upload are trained on."""
    local = [one for one in entries if is_local(one) and not (one.get("disabled") or one.get("disable"))]
    folders = dict.fromkeys(_folders(local))
    return sum(is_read(one.path) for folder in folders for one in listing.below(folder))


def _folders(local: Sequence[Mapping[str, Any]]) -> list[str]:
    """The archive's folder of each dataset; all of the archive for an upload without a dataloader."""
    return dataloaders.folders_of(local) if local else [""]


def _check_away(away: list[dict[str, Any]], ways: Ways) -> None:
    """What the trainer cannot read although it is not here: better told now than paid for."""
    for entry in away:
        name, trainer = names([entry]), ways.powers.name
        if entry["type"] == "aws" and not ways.powers.buckets:
            raise BadInput(
                f"The dataset {name} is in a bucket, which {trainer} cannot read: its runs end with an error. Put it "
                "on this machine, or at Hugging Face (type 'huggingface')."
            )
        is_cache = entry.get("dataset_type") in dataloaders.CACHE_ONLY  # for which the prefix is its folder
        if entry["type"] == "aws" and not is_cache and str(entry.get("aws_data_prefix") or "").strip("/"):
            raise BadInput(
                f"The dataset {name} names an 'aws_data_prefix', with which the trainer stops at its first step. Give "
                "the dataset a bucket of its own and leave the prefix empty, or put it on this machine."
            )
        if entry["type"] == "huggingface" and _names_files(entry) and not ways.powers.addresses:
            raise BadInput(
                f"The dataset {name} names 'data_files', which {trainer} does not know. Make it a repository at "
                "Hugging Face."
            )


def _names_files(entry: Mapping[str, Any]) -> bool:
    block = entry.get("huggingface")
    return bool(entry.get("data_files") or (isinstance(block, Mapping) and block.get("data_files")))


def _without_upload(active: list[dict[str, Any]], local: list[dict[str, Any]], wanted: Mode) -> DatasetPlan:
    if local:
        raise BadInput(
            f"The datasets {names(local)} are folders on your machine and were not uploaded. "
            "Submit with 'stcloud submit CONFIG', which packs and uploads them, or upload them first "
            "(POST /api/cloud/uploads) and send the upload_id."
        )
    if not any(entry.get("type") not in dataloaders.LOCAL_TYPES for entry in active):
        raise BadInput(
            "There is nothing to train on: no upload and no dataset. Pass --data DIR to 'stcloud submit', "
            "or a dataloader with a dataset that the GPU box can read."
        )
    if wanted not in (Mode.AUTO, Mode.REMOTE):
        raise BadInput("There is no upload to deliver: all datasets are elsewhere. Leave 'delivery' out.")
    listed = dataloaders.with_text_embeds([dataloaders.cached(entry, n) for n, entry in enumerate(active, 1)])
    return DatasetPlan(Mode.REMOTE, "No dataset is on your machine: the trainer fetches them by itself.", listed)


def _ways(
    local: list[dict[str, Any]], has_away: bool, ways: Ways, listing: Listing | None, upload_bytes: int
) -> list[_Way]:
    """All of them, each with what stands in its way and what it loses, the best first."""
    folders, local = _folders(local), local or [PLAIN]
    whole = [dataloaders.lost_when_laid_out(entry, f, local, listing) for entry, f in zip(local, folders, strict=True)]
    impossible = next((why for why in whole if why), None)
    in_bucket = [dataloaders.lost_in_bucket(entry, f, listing) for entry, f in zip(local, folders, strict=True)]
    in_archive = tuple(dataloaders.lost_in_archive(local)) or _captions_lost(local, folders, listing)
    trainer, provider = ways.powers.name, ways.provider
    unpacks = None if ways.powers.archives else f"{trainer} refuses every archive ('Unsafe zip path detected')"
    if has_away:
        unpacks = "other datasets are elsewhere, and the trainer reads an archive or a dataloader, never both"
    hosts = None if ways.hosted_limit is not None else f"{provider} hosts no files"
    if ways.hosted_limit is not None and upload_bytes > ways.hosted_limit:
        hosts = (
            f"{provider} hosts files of at most {ways.hosted_limit} bytes, and the dataset has {upload_bytes}: larger "
            "ones it has to fetch from here"
        )
    return [
        _Way(
            Mode.ADDRESS,
            (None if ways.powers.addresses else f"{trainer} reads no dataset by its address")
            or impossible
            or ways.closed
            or (None if ways.has_links else _NO_LINKS),
        ),
        _Way(
            Mode.REMOTE,
            (None if ways.powers.buckets else f"{trainer} reads no dataset from a bucket")
            or (None if ways.lends else "this system has no storage keys that end with a job and last as long")
            or ways.closed,
            tuple(one for one in in_bucket if one),
        ),
        _Way(Mode.HUB, impossible or ways.hub_closed),
        _Way(Mode.ARCHIVE, unpacks or ways.closed, in_archive),
        _Way(Mode.HOSTED, unpacks or hosts, in_archive),
    ]


def _captions_lost(local: list[dict[str, Any]], folders: list[str], listing: Listing | None) -> tuple[str, ...]:
    has_texts = listing and any(
        dataloaders.laid(entry, folder, listing, None).captions != "filename"
        for entry, folder in zip(local, folders, strict=True)
    )
    if not has_texts:
        return ()
    return ("The captions beside the pictures are not used, because this trainer captions an archive from file names.",)


def _chosen(open_ways: list[_Way], wanted: Mode) -> _Way:
    if wanted is not Mode.AUTO:
        asked = next(way for way in open_ways if way.mode is wanted)
        if asked.obstacle:
            others = [way.mode.value for way in open_ways if not way.obstacle]
            instead = f"Use 'delivery': {' or '.join(map(repr, others))}." if others else _WAY_OUT
            raise BadInput(f"The data cannot go by the way '{wanted}': {asked.obstacle}. {instead}")
        return asked
    possible = [way for way in open_ways if way.obstacle is None]
    if not possible:
        told = "; ".join(f"{way.mode}: {way.obstacle}" for way in open_ways)
        raise BadInput(f"The trainer cannot be given this data from here. {told}. {_WAY_OUT}")
    return min(possible, key=lambda way: len(way.lost))


def _why(chosen: _Way, open_ways: list[_Way], wanted: Mode, ways: Ways) -> str:
    how = {
        Mode.ADDRESS: "The trainer fetches each dataset, pictures and captions, as a zip from this system's storage",
        Mode.REMOTE: "The trainer reads each file from this system's storage",
        Mode.HUB: "Each dataset goes through a private repository at Hugging Face, which is deleted with the job's end",
        Mode.ARCHIVE: "The trainer gets the upload as one archive",
        Mode.HOSTED: f"The trainer gets an archive from {ways.provider}'s own file hosting. It is deleted there at the "
        "end",
    }[chosen.mode]
    if wanted is not Mode.AUTO:
        return f"{how}, because you asked for it." if chosen.mode is not Mode.HOSTED else f"{how}. You asked for it."
    before = open_ways[: open_ways.index(chosen)]
    obstacle = next((way.obstacle for way in reversed(before) if way.obstacle), None)
    lost = next((way.lost[0] for way in before if not way.obstacle and way.lost), None)
    if lost:
        return f"{how}. Another way would lose this: {lost}"
    return f"{how}. The way before it is closed: {obstacle}." if obstacle else f"{how}."


def _listed(
    active: list[dict[str, Any]],
    local: list[dict[str, Any]],
    chosen: _Way,
    why: str,
    ways: Ways,
    listing: Listing | None,
) -> DatasetPlan:
    """The dataloader as the trainer gets it, with placeholders for what is made at the launch."""
    entries = active if local else [PLAIN, *active]
    owned = local or [PLAIN]
    folders = _folders(local)
    sources = dataloaders.sources_of(owned, folders)
    listed: list[dict[str, Any]] = []
    datasets: list[tuple[str, Laid]] = []
    warnings = list(chosen.lost)
    number = 0
    for place, entry in enumerate(entries, 1):
        if not is_local(entry):
            listed.append(dataloaders.cached(entry, place))
            continue
        kept, left_out = dataloaders.without_paths(entry)
        warnings += [f"Dataset '{entry.get('id', '?')}': '{name}' names a path and was left out." for name in left_out]
        folder = folders[number]
        if chosen.mode is Mode.REMOTE:
            listed.append(dataloaders.in_bucket(kept, folder, number, listing))
        else:
            how = dataloaders.laid(kept, folder, listing, sources[number])
            if listing is not None:
                media_in(listing, how)
                warnings += [f"'{path}' is not trained on: {why}." for path, why in passed_over(listing, how)]
            made = (
                dataloaders.by_address(kept, how, number)
                if chosen.mode is Mode.ADDRESS
                else dataloaders.at_hub(kept, how, number, ways.repo(number))
            )
            listed.append(made)
            if any(str(made["id"]) == name for name, _ in datasets):
                raise BadInput(f"Two datasets are called '{made['id']}'. Give each an 'id' of its own.")
            datasets.append((str(made["id"]), how))
        number += 1
    lent = tuple(folders) if chosen.mode is Mode.REMOTE else ()
    return DatasetPlan(chosen.mode, why, dataloaders.with_text_embeds(listed), lent, tuple(warnings), tuple(datasets))
