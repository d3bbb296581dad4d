"""``stcloud``: arguments to a command, and every way it can end to an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from chalicelib.domain.errors import CloudError
from client.api import CloudClient
from client.arguments import Command, parser
from client.errors import ApiError, ClientError, ConsentWithheld, Unreachable, UsageError
from client.screen import Screen
from client.settings import Connection

OK, FAILED, USAGE, UNREACHABLE, NO_CONSENT, INTERRUPTED = 0, 1, 2, 3, 4, 130


def main(arguments: Sequence[str] | None = None) -> int:
    # Defaults go here, not into the shared parser: there they would overrule what stands before the command.
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        given = parser().parse_args(words, argparse.Namespace(json=False, url=None))
    except UsageError as error:
        return _refuse(Screen(as_json="--json" in words), "usage", str(error), USAGE)
    screen = Screen(as_json=given.json)
    try:
        return _run(screen, given)
    except KeyboardInterrupt:
        return _refuse(screen, "interrupted", "Interrupted.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output left, as `stcloud list | head` does; the interpreter must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(screen: Screen, given: argparse.Namespace) -> int:
    try:
        connection = Connection.from_environment(url=given.url)
        if connection.shows_key:
            screen.warn(f"The API key travels unencrypted to {connection.base_url}. Use https.")
        with CloudClient(connection) as cloud:
            command: Command = given.command
            return command(cloud, screen, given)
    except Unreachable as error:
        return _refuse(screen, "unreachable", str(error), UNREACHABLE)
    except ConsentWithheld as error:
        return _refuse(screen, "consent_withheld", str(error), NO_CONSENT)
    except UsageError as error:
        return _refuse(screen, "usage", str(error), USAGE)
    except ApiError as error:
        exit_code = NO_CONSENT if error.code in ("consent_denied", "consent_required") else FAILED
        return _refuse(screen, error.code, _with_next_step(error), exit_code, {"status": error.status} | error.fields)
    except ClientError as error:
        return _refuse(screen, "transfer_failed", str(error), FAILED)
    except CloudError as error:  # the same rules as on the server, applied before anything was sent
        return _refuse(screen, error.code, error.detail, USAGE, error.fields)


def _with_next_step(error: ApiError) -> str:
    if error.status == 401:
        end = "" if error.detail.rstrip().endswith((".", "!", "?")) else "."
        return f"{error.detail}{end} Set STCLOUD_API_KEY to a key of this server."
    return error.detail


def _refuse(screen: Screen, code: str, detail: str, exit_code: int, fields: dict[str, object] | None = None) -> int:
    screen.note(f"stcloud: {detail}", "red")
    if screen.as_json:
        screen.result({**(fields or {}), "error": code, "detail": detail})
    return exit_code
