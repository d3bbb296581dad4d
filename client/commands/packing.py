"""What is about to leave this machine, shown and agreed to."""

from __future__ import annotations

from collections import Counter

from chalicelib.domain.archives import Archive
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.holdbacks import WORDS
from client.api import CloudClient
from client.errors import ConsentWithheld
from client.screen import Screen
from client.words import counted, size

_ROWS_HELD_BACK = 200


def show_manifest(screen: Screen, manifest: Manifest, archive: Archive, verbose: bool) -> None:
    rows = [[one.id, str(one.file_count), size(one.total_bytes)] for one in manifest.datasets]
    rows += [[shared, "", f"the same folder as {owner}"] for shared, owner in manifest.shared.items()]
    screen.table(["DATASET", "FILES", "SIZE"], rows, aside=True)
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


def agreed(cloud: CloudClient, screen: Screen, consent: str, manifest: Manifest, yes: bool) -> bool:
    """Whether this person, now, agreed to send this very manifest."""
    if yes:
        screen.note(f"You agreed to send it (--yes). Its content is named by {manifest.root[:16]}.")
        return True
    if consent == "allow":
        return False
    if not screen.can_ask:
        raise ConsentWithheld(
            "Nothing was sent: somebody has to agree first, and there is nobody to ask. Run it again with --yes, or "
            "let every upload go without a question: stcloud consent allow"
        )
    count, total = counted(len(manifest.entries), "file"), size(manifest.total_bytes)
    if not screen.ask(f"Send {count} ({total}) to {cloud.connection.base_url}?"):
        raise ConsentWithheld("Nothing was sent.")
    return True
