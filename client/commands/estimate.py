"""``stcloud estimate`` and ``stcloud bill``: what a job would cost, and what one did cost."""

from __future__ import annotations

import argparse
from typing import Any

from chalicelib.domain.dataset_delivery import Mode
from chalicelib.domain.datasets import Manifest
from chalicelib.domain.money import display
from chalicelib.domain.redaction import strip_secrets
from chalicelib.domain.scanning import scan
from client.api import CloudClient
from client.errors import ApiError
from client.ranges import drawn
from client.screen import Screen
from client.shapes import CostEstimate, Estimate, PricedOffer, Receipt
from client.submission import Submission, read_submission
from client.words import duration


def run(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """Sends the config and counts, no file."""
    submission = read_submission(
        given.config, folder=given.data, dataloader_file=given.dataloader, lycoris_file=None, name=None
    )
    manifest = None
    if submission.sources:
        with screen.bar("reading the dataset", None) as advance:
            manifest = scan(submission.sources, lambda files, count: advance(count))
    found = cloud.cost_estimate(asked(submission, manifest, given.provider, given.hardware))
    if screen.as_json:
        screen.result(found)
        return 0 if found["has_estimate"] else 1
    for sentence in found["problems"]:
        screen.warn(f"A submit would be refused: {sentence}")
    for sentence in found["warnings"]:
        screen.warn(sentence)
    shown = [one for one in found["offers"] if one["estimate"]]
    if not shown:
        screen.note(str(found["message"]), "yellow")
        return 1
    _show_offers(screen, shown)
    chosen = found["estimate"]
    if chosen is None:
        screen.note(str(found["message"]), "yellow")
    for sentence in chosen["how"] if chosen else []:
        screen.line(f"  {sentence}")
    return 0


def asked(submission: Submission, manifest: Manifest | None, provider: str, hardware: str | None) -> dict[str, Any]:
    """The request for an estimate. Paths of this machine and secrets stay here."""
    order = submission.order(hardware, manifest.shared if manifest else {}, Mode.AUTO)
    config, _ = strip_secrets(submission.config)
    wanted: dict[str, Any] = {"config": config, "provider": provider, "hardware_profile": hardware}
    wanted["dataloader_config"] = [strip_secrets(one)[0] for one in order.get("dataloader_config") or []]
    if manifest:
        wanted["image_count"] = manifest.image_count
        counts = {one.id: one.image_count for one in manifest.datasets}
        wanted["dataloader_config"] = [
            one | {"image_count": counts[place]} if (place := one.get("instance_data_dir")) in counts else one
            for one in wanted["dataloader_config"]
        ]
        wanted["file_count"] = len(manifest.entries)
        wanted["total_bytes"] = manifest.total_bytes
    return {name: value for name, value in wanted.items() if value is not None}


def show_expected(cloud: CloudClient, screen: Screen, wanted: dict[str, Any], hardware: str) -> None:
    """Before a submit: its own machine, and a better one if there is one. A server that cannot tell stops nobody."""
    try:
        found = cloud.cost_estimate(wanted)
    except ApiError as refusal:
        screen.note(f"There is no estimate: {refusal.detail}")
        return
    chosen = found["estimate"]
    if chosen is None:
        screen.note(str(found["message"]))
        return
    money = f"{display(chosen['low_micros'])} {drawn_alone(chosen)} {display(chosen['high_micros'])}"
    screen.note(f"Expected: {money}, in {_span(chosen)}.", "bold")
    for sentence in chosen["how"][1:]:
        screen.note(f"  {sentence}")
    _show_better(screen, found, hardware)


def drawn_alone(known: Estimate) -> str:
    return drawn(known["low_micros"], known["typical_micros"], known["high_micros"], known["high_micros"], 24)


def bill(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    job = cloud.find_job(given.job)
    paper = cloud.receipt(job["job_id"])
    if screen.as_json:
        screen.result(paper)
        return 0
    for name, value in _lines(paper):
        screen.line(f"{name:<14}{value}")
    _draw_against(screen, paper)
    for one in paper["cheaper"]:
        screen.line(
            f"{'cheaper':<14}{one['label']} at {one['provider']}: about {display(one['micros'])} in "
            f"{duration(one['seconds'])} (price of {one['as_of']})"
        )
    return 0


def _lines(paper: Receipt) -> list[tuple[str, str]]:
    cost = "not known" if paper["cost_micros"] is None else display(paper["cost_micros"])
    lines = [
        ("job", paper["job_id"]),
        ("status", paper["status"] + (f" ({paper['reason']})" if paper["reason"] else "")),
        ("machine", f"{paper['hardware']} at {paper['provider']}"),
        ("price", f"{display(paper['price_micros_per_second'] * 3600)} an hour"),
        ("cost", cost + ("" if paper["cost_is_final"] else " so far")),
    ]
    if paper["billed_seconds"] is not None:
        lines.append(("billed", duration(paper["billed_seconds"])))
    lines += [(one["name"], duration(one["seconds"])) for one in paper["stages"]]
    if paper["seconds_per_step"] is not None:
        lines.append(("pace", f"{paper['steps']} steps, {paper['seconds_per_step']:.2f} s each"))
    if paper["wasted_micros"]:
        lines.append(("wasted", display(paper["wasted_micros"])))
    return lines


def _draw_against(screen: Screen, paper: Receipt) -> None:
    low, high, cost = paper["estimate_low_micros"], paper["estimate_high_micros"], paper["cost_micros"]
    if low is None or high is None:
        return
    told = f"{display(low)} to {display(high)}"
    if cost is None or paper["against_estimate"] is None:
        screen.line(f"{'estimate':<14}{told}")
        return
    screen.line(f"{'estimate':<14}{told}: the cost is {paper['against_estimate']} it")
    most = max(high, cost)
    screen.line(f"{'':<14}{drawn(low, (low + high) // 2, high, most)}".rstrip())
    screen.line(f"{'':<14}{' ' * (cost * 33 // most if most else 0)}▲ {display(cost)}")


def _show_offers(screen: Screen, offers: list[PricedOffer]) -> None:
    most = max(one["estimate"]["high_micros"] for one in offers if one["estimate"])
    rows = []
    for one in offers:
        known = one["estimate"]
        if known:
            rows.append(
                [
                    one["id"],
                    one["provider"],
                    f"{display(known['low_micros'])} to {display(known['high_micros'])}",
                    drawn(known["low_micros"], known["typical_micros"], known["high_micros"], most),
                    _span(known),
                    ", ".join(_marks(one)),
                ]
            )
    screen.table(["HARDWARE", "PROVIDER", "COST", "", "TIME", ""], rows)


def _marks(one: PricedOffer) -> list[str]:
    marks = ["cheapest"] * one["cheapest"] + ["fastest"] * one["fastest"]
    if one["fits"] is False:
        marks.append(f"{one['vram_gb']} GB are too small")
    if not one["configured"]:
        marks.append("no credentials")
    return marks


def _show_better(screen: Screen, found: CostEstimate, hardware: str) -> None:
    for one in found["offers"]:
        known = one["estimate"]
        if known and one["cheapest"] and one["id"] != hardware:
            also = " and fastest" if one["fastest"] else ""
            money = f"{display(known['low_micros'])} to {display(known['high_micros'])}"
            screen.note(f"  Cheapest{also}: {one['id']} at {one['provider']}, {money}, in {_span(known)}.")
        if one["id"] == hardware and one["fits"] is False:
            screen.warn(f"This job probably does not fit into the {one['vram_gb']} GB of {one['name']}.")


def _span(known: Estimate) -> str:
    return f"{duration(known['low_seconds'])} to {duration(known['high_seconds'])}"


def invoice(cloud: CloudClient, screen: Screen, given: argparse.Namespace) -> int:
    """0 when the invoice agrees with the books, 1 when it does not."""
    wanted = {"provider": given.provider, "since": given.since, "until": given.until, "total_usd": float(given.total)}
    found = cloud.compare_invoice(wanted)
    if screen.as_json:
        screen.result(found)
    else:
        screen.line(found["message"], "" if found["agrees"] else "yellow")
        for hardware, micros in found["by_hardware"].items():
            screen.line(f"  {hardware:<12}{display(micros)} booked")
    return 0 if found["agrees"] else 1
