"""What is about to leave this machine, shown and agreed to."""

from __future__ import annotations

from collections import Counter

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.holdbacks import WORDS
from client.api import CloudClient
from client.earlier import Earlier, compare
from client.errors import ConsentWithheld
from client.screen import Screen
from client.words import counted, local_time, size

_ROWS_HELD_BACK = 200
_ROWS_DIFFERENT = 5


def show_manifest(screen: Screen, manifest: Manifest, archive: Archive, verbose: bool) -> None:
    rows = [[one.id, str(one.file_count), str(one.image_count), size(one.total_bytes)] for one in manifest.datasets]
    rows += [[shared, "", "", f"the same folder as {owner}"] for shared, owner in manifest.shared.items()]
    screen.table(["DATASET", "FILES", "IMAGES", "SIZE"], rows, aside=True)
    count = len(manifest.entries)
    screen.note(f"{counted(count, 'file goes', 'files go')} into one archive of {size(archive.size)}.")
    if manifest.held_back:
        screen.note(f"{counted(len(manifest.held_back), 'stays', 'stay')} on this machine:")
        for reason, count in Counter(one.reason for one in manifest.held_back).most_common():
            screen.note(f"  {count:>6}  {WORDS[reason]}")
            for one in [one for one in manifest.held_back if verbose and one.reason is reason][:_ROWS_HELD_BACK]:
                screen.note(f"          {one.path}")
        if not verbose:
            screen.note("  (--verbose names each)")
    for warning in manifest.warnings:
        screen.warn(warning)


def show_difference(screen: Screen, cloud: CloudClient, known: Earlier, manifest: Manifest, verbose: bool) -> None:
    """What is new since these datasets were sent last; nothing when they never were."""
    latest = known.latest
    if latest is None:
        return
    since = local_time(latest["sent_at"])
    if latest["root"] == manifest.root:
        screen.note(f"It is exactly what was sent on {since}.")
        return
    told = compare(cloud, latest, manifest)
    if told is None:
        return
    screen.note(f"Since it was sent on {since}:")
    for word, tally in (("added", told.added), ("changed", told.changed), ("removed", told.removed)):
        if not tally.count:
            continue
        screen.note(f"  {tally.count:>6}  {word} ({size(tally.bytes)})")
        shown = tally.names if verbose else tally.names[:_ROWS_DIFFERENT]
        for name in shown:
            screen.note(f"          {name}")
        if tally.count > len(shown):
            screen.note(f"          … and {tally.count - len(shown)} more")
    screen.note(f"  {told.unchanged.count:>6}  unchanged")


def agreed(cloud: CloudClient, screen: Screen, consent: str, manifest: Manifest, yes: bool, known: Earlier) -> bool:
    """Whether this person agreed, now or before, to send this very manifest."""
    if yes:
        screen.note(f"You agreed to send it (--yes). Its content is named by {manifest.root[:16]}.")
        return True
    if consent == "allow":
        return False
    if known.agreed_at:
        screen.note(f"You agreed to send exactly this on {local_time(known.agreed_at)}, so you are not asked again.")
        return True
    if not screen.can_ask:
        raise ConsentWithheld(
            "Nothing was sent: somebody has to agree first, and there is nobody to ask. Run it again with --yes, or "
            "let every upload go without a question: stcloud consent allow"
        )
    count, total = counted(len(manifest.entries), "file"), size(manifest.total_bytes)
    if not screen.ask(f"Send {count} ({total}) to {cloud.connection.base_url}?"):
        raise ConsentWithheld("Nothing was sent.")
    return True
