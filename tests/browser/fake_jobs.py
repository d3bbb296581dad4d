"""Jobs that play themselves: everything about one follows from how long ago it was submitted.

queued ──▶ launching ──▶ starting ──▶ running ──▶ delivering ──▶ completed | failed | cancelled
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

PHASES = ("queued", "launching", "starting", "running", "delivering")
PUBLIC = {"launching": "queued", "starting": "queued", "delivering": "running", "cancelling": "running"}
ENDINGS = ("completed", "failed", "cancelled")
PRICE = 975


@dataclass
class FakeJob:
    """``lengths`` are the seconds of each phase; a failed job fails where its running phase would end."""

    job_id: str
    submitted: datetime
    lengths: tuple[float, ...] = (0.4, 0.3, 0.3, 5.0, 0.4)
    ending: str = "completed"
    reason: str | None = None
    error: str | None = None
    name: str | None = None
    config_name: str | None = "sample.json"
    steps: int = 200
    extra_log: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    cancelled_at: datetime | None = None

    def starts(self) -> dict[str, datetime]:
        """When each phase begins, the end included."""
        begins = self.submitted
        out: dict[str, datetime] = {}
        for phase, length in zip(PHASES, self.lengths, strict=True):
            if phase == "delivering" and self.ending != "completed":
                break
            out[phase] = begins
            begins += timedelta(seconds=length)
        out[self.ending] = begins
        if self.cancelled_at and self.cancelled_at < begins:
            out = {phase: at for phase, at in out.items() if at <= self.cancelled_at and phase not in ENDINGS}
            out["cancelled"] = self.cancelled_at
        return out

    def phase(self, now: datetime) -> str:
        return [phase for phase, at in self.starts().items() if at <= now][-1]

    def ended(self, now: datetime) -> bool:
        return self.phase(now) in ENDINGS

    def step(self, now: datetime) -> int:
        starts = self.starts()
        if "running" not in starts:
            return 0
        end = min(now, starts.get("delivering", now), *(at for p, at in starts.items() if p in ENDINGS))
        share = (end - starts["running"]).total_seconds() / self.lengths[3]
        return max(0, min(self.steps, math.floor(share * self.steps)))

    def view(self, now: datetime) -> dict[str, Any]:
        starts, phase = self.starts(), self.phase(now)
        status = PUBLIC.get(phase, phase)
        ended = starts[phase] if phase in ENDINGS else None
        started = starts["running"] if starts.get("running", now) < now else None
        seconds = ((ended or now) - started).total_seconds() if started else None
        failed = phase == "failed"
        reason = "cancelled_by_user" if phase == "cancelled" else self.reason if failed else None
        billed = 0 if failed else round(math.floor(seconds or 0) * PRICE)
        return {
            "job_id": self.job_id,
            "job_type": "cloud",
            "provider": "replicate",
            "status": status,
            "phase": phase,
            "config_name": self.config_name,
            "created_at": iso(self.submitted),
            "started_at": iso(started),
            "completed_at": iso(ended),
            "cost_usd": billed / 1_000_000 if ended else None,
            "cost_micros": billed if ended else None,
            "cost_is_final": ended is not None,
            "price_micros_per_second": PRICE,
            "hardware_type": "Nvidia L40S (48 GB)",
            "hardware_profile": "l40s",
            "error_message": self.error if failed else None,
            "reason": reason,
            "output_url": None,
            "upload_token": None,
            "user_id": None,
            "metadata": {
                "prediction_id": "rp4x" + self.job_id.replace("-", "")[:18],
                "tracker_run_name": self.name,
                "upload_id": "u-" + self.job_id,
                "hardware_profile": "l40s",
                "warnings": self.warnings,
                "links": {"web": "https://replicate.com/p/example"},
            },
            "is_terminal": ended is not None,
            "is_active": ended is None,
            "duration_seconds": seconds,
            "queue_position": 1 if status == "queued" else None,
            "cancel_requested": self.cancelled_at is not None,
        }

    def events(self, now: datetime) -> list[dict[str, Any]]:
        out = []
        for phase, at in self.starts().items():
            if at > now:
                continue
            kind = "submitted" if phase == "queued" else "moved"
            reason = self.reason if phase == "failed" else "cancelled_by_user" if phase == "cancelled" else None
            out.append(event(at, kind, phase, reason))
            if phase == "launching":
                out.append(event(at + timedelta(milliseconds=300), "run_recorded", phase))
            if phase in ENDINGS:
                if phase == "completed":
                    out.append(event(at, "artifacts_collected", phase))
                out.append(event(at + timedelta(seconds=1), "data_deleted", phase))
                out.append(event(at + timedelta(seconds=1), "settled", phase))
        return [one for one in out if one["at"] <= iso(now)]

    def points(self, now: datetime) -> list[dict[str, Any]]:
        done = self.step(now)
        stride = max(1, self.steps // 500)
        return [
            {"step": step, "loss": loss_at(step, self.steps), "learning_rate": rate_at(step, self.steps)}
            for step in range(1, done + 1, stride)
        ]

    def log(self, now: datetime) -> str:
        starts = self.starts()
        lines: list[str] = []
        if starts.get("running", now) < now:
            lines += [
                "[COG] SimpleTuner trainer, 1 GPU (NVIDIA L40S, 48 GB)",
                "[STAGE] ⏳ Preprocessing (12/12): caching latents",
                "[WARN] dataset: 2 images are smaller than the target resolution and were upscaled",
                "[STAGE] ✓ Preprocessing (100%): 12 images",
                *self.extra_log,
                "[STAGE] ⏳ Training",
            ]
        stride = max(1, self.steps // 400)
        for step in range(stride, self.step(now) + 1, stride):
            share = 100 * step // self.steps
            bar = ("█" * (share // 10)).ljust(10)
            lines.append(
                f"Steps: {share:3d}%|{bar}| {step}/{self.steps} [00:{step % 60:02d}<00:30, 1.61s/it, "
                f"lr={rate_at(step, self.steps):.2e}, step_loss={loss_at(step, self.steps):.4f}]"
            )
            if step % (self.steps // 4) < stride:
                lines.append(f"[CHECKPOINT] Checkpoint saved at step {step}")
        if self.phase(now) == "failed" and self.error:
            lines += ["Traceback (most recent call last):", *self.error.splitlines()]
        if self.phase(now) == "completed":
            lines.append("[STAGE] ✓ Training (100%): model published")
        return "".join(line + "\n" for line in lines)

    def files(self, now: datetime) -> list[tuple[str, int, bool]]:
        quarter = self.steps // 4
        done = [n * quarter for n in range(1, 5) if self.step(now) >= n * quarter]
        out = [(f"checkpoint-{step}/pytorch_lora_weights.safetensors", 38_214_360, True) for step in done[:3]]
        if self.phase(now) == "completed":
            out += [("pytorch_lora_weights.safetensors", 38_214_360, True), ("config.json", 1843, False)]
            out += [("validation/step-final.webp", 412_770, False)]
        return out


def event(at: datetime, kind: str, phase: str, reason: str | None = None) -> dict[str, Any]:
    status = PUBLIC.get(phase, phase)
    return {
        "at": iso(at),
        "kind": kind,
        "status": status,
        "phase": phase,
        "reason": reason,
        "message": None,
        "by": "replicate",
    }


def loss_at(step: int, steps: int) -> float:
    wobble = math.sin(step * 12.9898) * 0.5 + math.sin(step * 78.233) * 0.5
    return round(0.06 + 0.42 * math.exp(-4 * step / steps) + 0.035 * wobble, 5)


def rate_at(step: int, steps: int) -> float:
    return 1e-4 * min(1.0, step / (steps * 0.1)) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


def iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None
