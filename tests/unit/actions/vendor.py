"""A vendor in memory that bills honestly, forgets nothing and can be as unhelpful as a real one."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks import Webhook

from chalicelib.domain.errors import BadCredentials, OutcomeUnknown, ProviderDown, ProviderRefused
from chalicelib.domain.moments import from_text, maybe_from_text, maybe_to_text, to_text
from chalicelib.domain.money import as_decimal, micros_for
from chalicelib.domain.ports.trainers import HostedFile, Survey
from chalicelib.domain.runs import CloudJobInfo, CloudJobStatus, LaunchOrder, Offer
from chalicelib.domain.trainer_powers import Powers
from tests.unit.actions.bytes_in_memory import BytesInMemory
from tests.unit.actions.places import PretendBuckets, PretendHub
from tests.unit.actions.weights import weights

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"
PRICE = 975
_ENDED = {"completed", "failed", "cancelled"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2100, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **length: float) -> None:
        self.now += timedelta(**length)


@dataclass
class Run:
    id: str
    key: str
    prefix: str
    access_key: str
    created_at: datetime
    status: str = "queued"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    asked_to_stop: bool = False
    asked_to_save: int = 0
    order: LaunchOrder | None = None
    out_of_time: bool = False

    @property
    def is_over(self) -> bool:
        return self.status in _ENDED

    def bill(self, now: datetime) -> int:
        """Only what ran is billed, and what failed is free."""
        if self.started_at is None or self.status == "failed":
            return 0
        return micros_for(as_decimal(((self.ended_at or now) - self.started_at).total_seconds()), PRICE)


@dataclass
class Moods:
    """What the vendor is like at the moment. ``plan`` is how its runs end."""

    plan: str = "succeeds"
    down: bool = False
    deaf: bool = False
    """Accepts a launch and never answers."""
    refuses: bool = False
    wrong_key: bool = False
    lists_late: timedelta = timedelta(0)
    stops_late: bool = False
    deaf_to_stops: bool = False
    forgets: bool = False
    keeps_files: bool = False
    """Takes a deletion and deletes nothing."""
    delivers_to_hub: bool = True
    delivers_to_buckets: bool = True
    unfinished: str = ""
    """What its logs end with: a line that has no end yet."""
    model: bytes = weights(b"model")
    files: dict[str, bytes] = field(default_factory=dict)
    """What a run leaves, by name, where it is more than final weights."""
    title: str = "Trained for 1 epochs and 20 steps."
    """What its commits to the Hub are called."""
    steps_a_run: int = 8
    """How far a run comes before the vendor's cap, where the plan is that it hits that."""
    half_a_checkpoint: bool = False
    on_ask: Callable[[], None] | None = field(default=None, repr=False)
    on_accept: Callable[[Run], None] | None = field(default=None, repr=False)
    while_sent: Callable[[], None] | None = field(default=None, repr=False)
    """Happens once, while an archive is on its way to the vendor."""


class PretendVendor:
    provider_name = display_name = "replicate"
    description = "Pretends."
    is_configured = can_train = True
    supports_cost_tracking = True
    supports_live_logs = True

    def __init__(self, clock: Clock, objects: BytesInMemory, hub: PretendHub, buckets: PretendBuckets) -> None:
        self._clock = clock
        self._objects = objects
        self._hub = hub
        self._buckets = buckets
        self._numbers = itertools.count(1)
        self._messages = itertools.count(1)
        self.moods = Moods()
        self.runs: list[Run] = []
        self.files: dict[str, tuple[str, bytes]] = {}
        self.expiries: dict[str, datetime] = {}
        self.hosted_limit = 1000

    def offers(self) -> list[Offer]:
        return [self.offer(None)]

    def offer(self, hardware: str | None) -> Offer:
        return Offer("replicate", "l40s", "L40S", 1, 48, PRICE, "2100-01-01")

    async def validate_credentials(self) -> dict[str, Any]:
        self._answer()
        return {"valid": True}

    async def powers(self, version: str | None, hardware: str) -> Powers:
        """One that can do it all, archives too."""
        return Powers("4.10.1", addresses=True, buckets=True, archives=True)

    async def list_jobs(self, limit: int = 50) -> list[CloudJobInfo]:
        self._answer()
        return [self.seen(run) for run in reversed(self.runs)][:limit]

    async def run_job(self, order: LaunchOrder) -> CloudJobInfo:
        self._answer()
        if self.moods.on_ask:
            self.moods.on_ask()
        if self.moods.refuses:
            raise ProviderRefused("No credit is left.", provider_status=402)
        assert order.delivery is not None
        if order.images_url and order.images_url.startswith("hosted:"):
            key, content = self.files[order.images_url.removeprefix("hosted:")]
            assert key == order.launch_key and content, "the trainer would find half of the data"
        to = order.delivery
        run = Run(f"r-{next(self._numbers)}", order.launch_key, to.prefix, to.access_key, self._clock(), order=order)
        self.runs.append(run)
        if self.moods.on_accept:
            self.moods.on_accept(run)
        if self.moods.deaf:
            raise OutcomeUnknown("The vendor gave no answer.")
        return self.seen(run)

    async def find_run(self, launch_key: str, since: datetime) -> CloudJobInfo | None:
        self._answer()
        listed = [run for run in self.runs if run.created_at + self.moods.lists_late <= self._clock()]
        return next((self.seen(run) for run in reversed(listed) if run.key == launch_key), None)

    async def survey(self, since: datetime) -> Survey:
        self._answer()
        return Survey([self.seen(run) for run in reversed(self.runs) if run.created_at >= since], complete=True)

    async def cancel_job(self, job_id: str) -> CloudJobInfo:
        self._answer()
        run = self._known(job_id)
        if self.moods.deaf_to_stops:
            return self.seen(run)
        if not run.is_over and not self.moods.stops_late:
            self._end(run, "cancelled")
        run.asked_to_stop = True
        return self.seen(run)

    async def save_now(self, job_id: str) -> None:
        self._answer()
        run = self._known(job_id)
        assert not run.is_over and not run.asked_to_stop, "a run that is over can save nothing"
        run.asked_to_save += 1
        self._objects.put(
            "outputs", f"{run.prefix}/{run.key}/checkpoint-1/pytorch_lora_weights.safetensors", weights(b"half")
        )

    async def host(self, launch_key: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> HostedFile:
        self._answer()
        content = b"".join(chunks())
        assert len(content) == size
        happens, self.moods.while_sent = self.moods.while_sent, None
        if happens:
            happens()
        file_id = f"f-{next(self._numbers)}"
        self.files[file_id] = (launch_key, content)
        self.expiries[file_id] = self._clock() + timedelta(hours=1)
        return self._hosted(file_id)

    async def hosted(self, launch_key: str) -> list[HostedFile]:
        self._answer()
        return [self._hosted(file_id) for file_id, (key, _) in self.files.items() if key == launch_key]

    async def unhost(self, file_id: str) -> None:
        self._answer()
        if not self.moods.keeps_files:
            self.files.pop(file_id, None)

    def _hosted(self, file_id: str) -> HostedFile:
        return HostedFile(file_id, len(self.files[file_id][1]), f"hosted:{file_id}", self.expiries[file_id])

    async def get_job_logs(self, job_id: str) -> str:
        return self.seen(self._known(job_id)).logs or ""

    async def get_job_status(self, job_id: str) -> CloudJobInfo:
        self._answer()
        return self.seen(self._known(job_id))

    def read_webhook(self, body: dict[str, Any]) -> CloudJobInfo:
        told = {**body, "status": CloudJobStatus(body["status"])}
        moments = {name: maybe_from_text(body[name]) for name in ("started_at", "completed_at")}
        return CloudJobInfo(**{**told, **moments, "created_at": from_text(body["created_at"])})

    async def webhook_secrets(self) -> list[str]:
        return [SECRET]

    def letter(self, run: Run) -> tuple[dict[str, str], bytes]:
        """A signed webhook about the run as it is now: headers and body."""
        told = asdict(self.seen(run))
        told |= {name: maybe_to_text(told[name]) for name in ("started_at", "completed_at")}
        told["created_at"] = to_text(run.created_at)
        body = json.dumps(told)
        message = f"msg_{next(self._messages)}"
        at = self._clock()
        headers = {"webhook-id": message, "webhook-timestamp": str(int(at.timestamp()))}
        return {**headers, "webhook-signature": Webhook(SECRET).sign(message, at, body)}, body.encode()

    def seen(self, run: Run) -> CloudJobInfo:
        return CloudJobInfo(
            job_id=run.id,
            provider="replicate",
            status=CloudJobStatus(run.status),
            vendor_status=run.status,
            created_at=run.created_at,
            started_at=run.started_at,
            completed_at=run.ended_at,
            error="The trainer broke." if run.status == "failed" else None,
            logs="".join(f"{line}\n" for line in self._log(run)) + self.moods.unfinished,
            billed_micros=run.bill(self._clock()),
            billing_is_final=run.is_over,
            launch_key=run.key or None,
            hardware="l40s",
            ran_out_of_time=run.out_of_time,
        )

    def go_on(self) -> None:
        """Every run takes its next step."""
        for run in self.runs:
            if run.is_over:
                continue
            if run.asked_to_stop:
                self._end(run, "cancelled")
            elif self.moods.plan == "never starts":
                continue
            elif run.started_at is None:
                run.status, run.started_at = "running", self._clock()
            elif self.moods.plan == "fails":
                self._end(run, "failed")
            elif self.moods.plan == "hits the cap":
                self._train(run)
            elif self.moods.plan != "runs on":
                if self.moods.plan == "succeeds":
                    self._deliver(run)
                self._end(run, "completed")

    def _train(self, run: Run) -> None:
        """From the checkpoint that the order names to the last step, or as far as the cap lets it come."""
        assert run.order
        config = run.order.config
        begun = self._fetched(run, config.get("--resume_from_checkpoint"))
        reached = min(begun + self.moods.steps_a_run, int(config["--max_train_steps"]))
        if reached > begun:
            self._save(run, reached)
        if reached == int(config["--max_train_steps"]):
            self._deliver(run)
            self._end(run, "completed")
        else:
            run.out_of_time = True
            self._end(run, "cancelled")

    def _fetched(self, run: Run, address: str | None) -> int:
        """As the trainer does it: the manifest first, then what that names, into its own folder, published again."""
        if address is None:
            return 0
        folder = address.removeprefix("s3://outputs/")
        manifest = json.loads(self._objects.buckets["outputs"][f"{folder}/checkpoint_manifest.json"])
        for name in ("checkpoint_manifest.json", *manifest["files"]):
            copy = f"{run.prefix}/{run.key}/{folder.rsplit('/', 1)[1]}/{name}"
            self._objects.put("outputs", copy, self._objects.buckets["outputs"][f"{folder}/{name}"])
        return int(folder.rsplit("-", 1)[1])

    def _save(self, run: Run, step: int) -> None:
        files = ["optimizer.bin", "pytorch_lora_weights.safetensors"]
        told = {"version": 1, "checkpoint": f"checkpoint-{step}", "files": files, "metadata": {}}
        folder = f"{run.prefix}/{run.key}/checkpoint-{step}"
        for name in files[: 1 if self.moods.half_a_checkpoint else 2]:
            self._objects.put("outputs", f"{folder}/{name}", b"state")
        self._objects.put("outputs", f"{folder}/checkpoint_manifest.json", json.dumps(told).encode())

    def _deliver(self, run: Run) -> None:
        """To every place that the order names, as far as the moods let it."""
        for name, body in (self.moods.files or {"pytorch_lora_weights.safetensors": self.moods.model}).items():
            self._objects.put("outputs", f"{run.prefix}/{run.key}/{name}", body)
            for other in run.order.also_to if run.order and self.moods.delivers_to_buckets else ():
                self._buckets.deliver(other.bucket, f"{other.prefix}/{run.key}/{name}", body)
            repo = run.order.hub_model_id if run.order else None
            if repo and self.moods.delivers_to_hub:
                self._hub.repos[repo][name] = (body, self._clock())
                self._hub.titles[name] = self.moods.title

    def working(self) -> list[Run]:
        return [run for run in self.runs if not run.is_over]

    def invoice(self) -> int:
        return sum(run.bill(self._clock()) for run in self.runs)

    def _log(self, run: Run) -> list[str]:
        done = ["Epoch 1/1, Steps: 100%|██| 20/20 [01:10<00:00, 3.50s/it, lr=0.1, step_loss=0.5]", "ended"]
        return ["created", *["started"] * bool(run.started_at), *done * run.is_over]

    def _end(self, run: Run, status: str) -> None:
        run.status, run.ended_at = status, self._clock()

    def _known(self, run_id: str) -> Run:
        run = next((run for run in self.runs if run.id == run_id), None)
        if run is None or self.moods.forgets:
            raise ProviderRefused("No such run.", provider_status=404)
        return run

    def _answer(self) -> None:
        if self.moods.down:
            raise ProviderDown("The vendor cannot be reached.")
        if self.moods.wrong_key:
            raise BadCredentials("The vendor does not know the token.")
