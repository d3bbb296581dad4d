"""What ``stcloud`` takes: every command with its arguments, each checked as far as it can be without the server."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from chalicelib.domain.dataset_delivery import Mode
from client.api import CloudClient
from client.commands import (
    configs,
    deliver,
    destinations,
    download,
    estimate,
    jobs,
    keys,
    providers,
    receipt,
    service,
    spending,
    submit,
)
from client.errors import UsageError
from client.screen import Screen

Command = Callable[[CloudClient, Screen, argparse.Namespace], int]

_EPILOG = """\
exit codes:
  0    done; with --follow: the job completed
  1    the job failed or was cancelled, or the server refused
  2    the command line or a file of yours cannot be used
  3    the server cannot be reached
  4    nobody agreed to send the data (or uploads are switched off)
  130  interrupted with Ctrl-C; an upload or a job that has begun goes on or can be resumed

environment:
  STCLOUD_URL      the server (default http://127.0.0.1:8001; SIMPLETUNER_HOST, SIMPLETUNER_PORT and
                   SIMPLETUNER_SSL_ENABLED are honoured too)
  STCLOUD_API_KEY  the API key, where the server asks for one
  XDG_STATE_HOME   where orders are remembered until they are answered, and hashes of files that were read
                   (default ~/.local/state)
  NO_COLOR         no colours

examples:
  stcloud submit config/config.json --data ~/pictures/cat --yes --follow --download models/
  stcloud list --status running
  stcloud logs -f j-7f3         (an id may be shortened to a beginning that only one job has)
"""


class _Parser(argparse.ArgumentParser):
    """Refuses like the rest of the program, so that ``--json`` is answered in JSON here too."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise UsageError(f"{message}. See: {self.prog} --help")


def parser() -> argparse.ArgumentParser:
    everywhere = _Parser(add_help=False, argument_default=argparse.SUPPRESS)
    everywhere.add_argument("--json", action="store_true", help="JSON on stdout and nothing else; messages on stderr")
    everywhere.add_argument("--url", metavar="URL", help="the server (instead of STCLOUD_URL)")
    whole = _Parser(
        prog="stcloud",
        description="Train image and video models with SimpleTuner on rented GPUs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[everywhere],
    )
    commands = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)

    add = _adder(commands, everywhere)
    _add_submit(add("submit", submit.run, "send a dataset and start a training job"))
    listing = add("list", jobs.list_jobs, "list jobs, newest first")
    listing.add_argument("--status", choices=_STATUSES, metavar="STATUS", help=f"only these: {', '.join(_STATUSES)}")
    listing.add_argument("--provider", metavar="NAME", help="only jobs at this provider")
    listing.add_argument(
        "--limit", type=_whole(1, 500), default=50, metavar="N", help="how many, 1 to 500 (default 50)"
    )
    _add_job(add("show", jobs.show, "show one job, its timeline and its files"))
    logs = add("logs", jobs.logs, "print a job's log")
    _add_job(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")
    _add_receipt(add("receipt", receipt.show, "show what data a job sent, and the proof that it was deleted"))
    _add_job(add("cancel", jobs.cancel, "stop a job"))
    fetching = add("download", download.run, "fetch a job's files; run again, it goes on where it stopped")
    _add_job(fetching)
    fetching.add_argument("--to", type=Path, metavar="DIR", help="the folder (default: one named after the job)")
    fetching.add_argument(
        "--tar", metavar="FILE", help="one tar of all that is asked for, into FILE or, with '-', to the standard output"
    )
    which = fetching.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="every file, checkpoints and logs too")
    which.add_argument("--model", action="store_true", help="only trained models (the default)")
    _add_job(add("look", deliver.look, "look now for a model that had not arrived when its job ended"))
    sending = add("deliver", deliver.run, "send a job's model to where it did not arrive, or to a new place")
    _add_job(sending)
    sending.add_argument(
        "--to",
        action="append",
        metavar="NAME",
        help="a place, repeatable: hub, or a bucket (default: all that were promised the model and have not got it)",
    )
    sending.add_argument("--repo", metavar="OWNER/NAME", help="the repository, when the job named none")
    sending.add_argument("--public", action="store_true", help="make that repository public (default: private)")
    sending.add_argument(
        "--follow", action=argparse.BooleanOptionalAction, default=True, help="watch until it is there (default)"
    )
    _add_job(add("delete", jobs.delete, "forget a job that has ended; trained files stay"))
    listing = add("providers", providers.list_providers, "list who rents out GPUs, for how much")
    listing.add_argument("--check", action="store_true", help="ask each whether the server's credentials work")
    syncing = add("sync", providers.sync, "ask the providers now, and import runs of the trainer that have no job here")
    syncing.add_argument("--provider", metavar="NAME", help="only this one (default: all that have credentials)")
    consent = add("consent", service.consent, "show or set whether data may leave this machine")
    consent.add_argument("setting", nargs="?", choices=["ask", "allow", "deny"])
    showing = add("config", configs.show, "print what a job was asked for, or how that differs from another job")
    _add_job(showing)
    showing.add_argument("--with", dest="compare", metavar="ID", help="another job to compare it with")
    _add_again(add("again", configs.again, "train what an earlier job was asked for once more, with changes"))
    guess = add("estimate", estimate.run, "tell what a job would take and cost, on every machine; sends no data")
    guess.add_argument("config", type=Path, metavar="CONFIG", help="SimpleTuner's config.json (or .toml)")
    guess.add_argument("--data", type=Path, metavar="DIR", help="one folder of images")
    guess.add_argument("--dataloader", type=Path, metavar="FILE", help="the dataloader (default: the one CONFIG names)")
    guess.add_argument("--provider", default="replicate", metavar="NAME", help="where to train (default: replicate)")
    guess.add_argument("--hardware", metavar="ID", help="the machine to tell most about (default: the server's)")
    _add_job(add("bill", estimate.bill, "show what a job cost, beside what it was expected to"))
    billed = add("invoice", estimate.invoice, "compare a vendor's invoice with what is booked here")
    billed.add_argument("total", type=spending.dollars, metavar="USD", help="the total of the invoice, in dollars")
    billed.add_argument("--since", required=True, metavar="DAY", help="its first day, such as 2026-11-01")
    billed.add_argument("--until", required=True, metavar="DAY", help="its last day")
    billed.add_argument("--provider", default="replicate", metavar="NAME", help="whose it is (default: replicate)")
    spent = add("spend", spending.spend, "show what was spent, day by day")
    spent.add_argument(
        "--days", type=_whole(1, 365), default=30, metavar="N", help="how many days, 1 to 365 (default 30)"
    )
    spent.add_argument("--csv", action="store_true", help="every entry of the ledger, for a spreadsheet")
    add("health", service.health, "ask the server how it is")
    _add_keys(commands, everywhere)
    _add_destinations(commands, everywhere)
    _add_configs(commands, everywhere)
    _add_limits(commands, everywhere)
    return whole


def _adder(
    commands: argparse._SubParsersAction[_Parser], everywhere: _Parser
) -> Callable[[str, Command, str], argparse.ArgumentParser]:
    def add(name: str, command: Command, words: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.", parents=[everywhere])
        one.set_defaults(command=command)
        return one

    return add


_STATUSES = ["pending", "uploading", "queued", "running", "completed", "failed", "cancelled"]


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="CONFIG", help="SimpleTuner's config.json (or .toml)")
    parser.add_argument("--snapshot", metavar="LABEL", help="commit the config's folder to its git repository first")
    parser.add_argument(
        "--git",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="note the folder's commit and branch (default)",
    )
    _add_sending(parser)
    parser.add_argument(
        "--lycoris", type=Path, metavar="FILE", help="the LyCORIS config (default: the one CONFIG names)"
    )
    parser.add_argument("--provider", default="replicate", metavar="NAME", help="where to train (default: replicate)")


def _add_again(parser: argparse.ArgumentParser) -> None:
    _add_job(parser)
    parser.add_argument(
        "--set", action="append", type=configs.assignment, metavar="OPTION=VALUE", help="another value, repeatable"
    )
    parser.add_argument("--unset", action="append", metavar="OPTION", help="leave an option out, repeatable")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the job's newest whole checkpoint instead of beginning anew"
    )
    parser.add_argument(
        "--from-step", type=_whole(0, 10**12, "step"), metavar="N", help="with --resume: from the checkpoint of step N"
    )
    _add_sending(parser)


def _add_sending(parser: argparse.ArgumentParser) -> None:
    """What every command that starts a job takes."""
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="one folder of images; the config's dataloader is unused"
    )
    parser.add_argument(
        "--dataloader", type=Path, metavar="FILE", help="the dataloader (default: the one CONFIG names)"
    )
    parser.add_argument(
        "--trigger",
        metavar="WORDS",
        help="words to put before every caption, such as 'sks dog': what the model listens to",
    )
    parser.add_argument(
        "--delivery",
        choices=[mode.value for mode in Mode],
        default=Mode.AUTO.value,
        help="how the trainer gets the data: each dataset as a zip at an address of ours, its files one by one "
        "(remote), a private repository at Hugging Face, one archive, or the provider's own file hosting (default: "
        "the first of these that its version can read and that loses nothing)",
    )
    parser.add_argument(
        "--max-cost",
        type=spending.dollars,
        metavar="USD",
        help="the most that the job may cost, such as 6; it is stopped before that",
    )
    parser.add_argument("--version", metavar="ID", help="a version of the trainer (default: the newest)")
    parser.add_argument(
        "--max-run-minutes",
        type=_whole(1, 10_080, "number of minutes"),
        metavar="N",
        help="the provider stops the run that long after its launch, waiting for a machine included",
    )
    parser.add_argument(
        "--continue",
        dest="continue_after_cap",
        action=argparse.BooleanOptionalAction,
        help="when the provider's cap on a run ends it, go on from its last checkpoint (default: the server's)",
    )
    parser.add_argument(
        "--stop-on-stall",
        action=argparse.BooleanOptionalAction,
        help="stop the job when it finds no machine or makes no progress (default: the server's setting)",
    )
    parser.add_argument(
        "--to",
        action="append",
        metavar="NAME",
        help="where the model goes, repeatable: store, hub, or a bucket (default: see 'stcloud destinations list')",
    )
    parser.add_argument("--hardware", metavar="ID", help="l40s, l40s-x2, h100, h100-x8, … (default: the server's)")
    parser.add_argument("--name", metavar="NAME", help="how the job is called in lists (default: after CONFIG)")
    parser.add_argument("-y", "--yes", action="store_true", help="agree to send the data that is shown")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every file that is held back")
    parser.add_argument(
        "--follow", action=argparse.BooleanOptionalAction, help="watch until the job ends (default: on a terminal)"
    )
    parser.add_argument("--download", type=Path, metavar="DIR", help="follow, then fetch the trained model into DIR")
    parser.add_argument(
        "--keep-data",
        type=_whole(1, 14, "number of days"),
        metavar="DAYS",
        help="leave the data in the store for another run, 1 to 14 days after this one (default: it is deleted)",
    )
    parser.add_argument(
        "--rehash", action="store_true", help="read every file anew, whatever is remembered of earlier submits"
    )
    parser.add_argument(
        "--idempotency-key",
        type=_key,
        metavar="KEY",
        help="the same key with the same order gives the same job (default: a new one)",
    )


def _add_keys(commands: argparse._SubParsersAction[_Parser], everywhere: _Parser) -> None:
    words = "make, list and revoke API keys"
    group = commands.add_parser("keys", help=words, description=f"{words.capitalize()}.", parents=[everywhere])
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)

    add = _adder(actions, everywhere)
    making = add("make", keys.make, "make a key; it is shown this once")
    making.add_argument("name", metavar="NAME", help="what it is for")
    making.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        help="what it allows, repeatable (default: submit, and view, cancel and delete own jobs)",
    )
    making.add_argument(
        "--days", type=_whole(1, 365), metavar="N", help="how long it works, 1 to 365 (default: until revoked)"
    )
    making.add_argument("--owner", metavar="NAME", help="whose jobs it is for (administrators only)")
    add("list", keys.list_keys, "list the keys")
    add("revoke", keys.revoke, "end a key").add_argument("key", metavar="ID", help="the key's id, as listed")


def _add_configs(commands: argparse._SubParsersAction[_Parser], everywhere: _Parser) -> None:
    words = "keep configs on the server under a name"
    group = commands.add_parser("configs", help=words, description=f"{words.capitalize()}.", parents=[everywhere])
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)

    add = _adder(actions, everywhere)
    add("list", configs.list_configs, "list the configs")
    add("show", configs.show_config, "print a config").add_argument("name", metavar="NAME")
    saving = add("save", configs.save, "keep a config")
    saving.add_argument("name", metavar="NAME", help="what it is to be called")
    saving.add_argument("config", type=Path, metavar="CONFIG", help="SimpleTuner's config.json (or .toml)")
    saving.add_argument(
        "--dataloader", type=Path, metavar="FILE", help="the dataloader (default: the one CONFIG names)"
    )
    saving.add_argument("--lycoris", type=Path, metavar="FILE", help="the LyCORIS config")
    saving.add_argument("--replace", action="store_true", help="write over a config of that name")
    add("delete", configs.delete, "delete a config").add_argument("name", metavar="NAME")


def _add_receipt(parser: argparse.ArgumentParser) -> None:
    _add_job(parser)
    parser.add_argument("--files", action="store_true", help="name every file that was sent, with size and SHA-256")
    parser.add_argument("--delete", action="store_true", help="delete data that is kept for another run now")


def _add_limits(commands: argparse._SubParsersAction[_Parser], everywhere: _Parser) -> None:
    words = "show and set limits on spending"
    group = commands.add_parser("limits", help=words, description=f"{words.capitalize()}.", parents=[everywhere])
    group.set_defaults(command=spending.list_limits)
    actions = group.add_subparsers(title="actions", metavar="ACTION")

    add = _adder(actions, everywhere)
    add("list", spending.list_limits, "show the limits and what is left of them (the default)")
    setting = add("set", spending.set_limit, "set a limit")
    setting.add_argument("amount", type=spending.dollars, metavar="DOLLARS", help="how much, such as 50")
    setting.add_argument("--provider", default="all", metavar="NAME", help="one provider (default: all together)")
    setting.add_argument("--period", choices=["daily", "weekly", "monthly"], help="(default: as it was, or monthly)")
    setting.add_argument(
        "--action", choices=["warn", "block", "stop"], help="tell, refuse new jobs, or stop running ones too"
    )
    clearing = add("clear", spending.clear_limit, "take a limit back")
    clearing.add_argument("--provider", default="all", metavar="NAME", help="whose (default: of all together)")


def _add_destinations(commands: argparse._SubParsersAction[_Parser], everywhere: _Parser) -> None:
    words = "say where models go: buckets of yours, the Hub, this server"
    group = commands.add_parser("destinations", help=words, description=f"{words.capitalize()}.", parents=[everywhere])
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)

    add = _adder(actions, everywhere)
    adding = add("add", destinations.add, "name a bucket or an account at the Hub; its keys are asked for")
    adding.add_argument("name", metavar="NAME", help="what you call it")
    what = adding.add_mutually_exclusive_group(required=True)
    what.add_argument("--bucket", metavar="BUCKET")
    what.add_argument("--hub", action="store_true", help="an account at the Hugging Face Hub, by a token of its own")
    adding.add_argument("--region", metavar="REGION", help="default us-east-1; 'auto' for R2")
    adding.add_argument("--endpoint", metavar="URL", help="the store's S3 address (default: Amazon's own)")
    adding.add_argument("--prefix", metavar="PATH", help="where in the bucket; each job gets a folder there")
    adding.add_argument("--keep-keys", action="store_true", help="change the place and keep the keys that are there")
    adding.add_argument("--test", action="store_true", help="write, list, read and delete a probe at once")
    add("list", destinations.list_destinations, "list them, and where models go by default")
    add("test", destinations.test, "write, list, read and delete a probe").add_argument("name", metavar="NAME")
    choosing = add("default", destinations.choose, "choose where models go when a job does not say")
    choosing.add_argument("names", nargs="+", metavar="NAME", help="store, hub, or a bucket's name")
    add("remove", destinations.remove, "forget a bucket and its keys").add_argument("name", metavar="NAME")
    add("check", destinations.check, "see whether providers can reach this server to deliver to it")


def _add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="ID", help="the job's id, or a beginning of it that no other job has")


def _whole(least: int, most: int, what: str = "number") -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"'{text}' is not a {what} from {least} to {most}")
        return int(text)

    return read


def _key(text: str) -> str:
    if not (0 < len(text) <= 200 and text.isascii() and text.isprintable() and text == text.strip()):
        raise argparse.ArgumentTypeError("a key is 1 to 200 plain ASCII characters, a UUID for instance")
    return text
