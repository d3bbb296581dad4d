"""``python -m infra``: package, deploy, tear down, and put in tokens. ``make deploy STAGE=prod`` does the first two.

python -m infra package  --stage prod
python -m infra deploy   --stage prod [--region R] [--set DomainName=train.example.org]
python -m infra secret   --stage prod REPLICATE_API_TOKEN        asks for the value, and does not show it
python -m infra key      --stage prod                            prints the first API key
python -m infra outputs  --stage prod
python -m infra teardown --stage prod                            keeps the table, the buckets and the tokens
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra import stacks, tokens
from infra.account import Account, Refused
from infra.deploy import deploy, restart, teardown
from infra.package import ROOT, CannotPackage, Package, package

APP = "simpletuner-cloud"


def main(arguments: Sequence[str]) -> int:
    given = _parser().parse_args(arguments)
    build = ROOT / "build" / given.stage
    stack = given.stack or f"{APP}-{given.stage}"
    try:
        if given.verb == "package":
            _weigh(package(given.stage))
            return 0
        account = Account(given.region, given.endpoint_url)
        if given.verb == "deploy":
            if not (build / "sam.json").is_file():
                raise Refused(f"There is no package in {build}: run `make package STAGE={given.stage}` first.")
            _show(deploy(account, stack, build, ROOT / "frontend" / "dist", _pairs(given.set), _say))
        elif given.verb == "teardown":
            for name, identifier in teardown(account, stack, _say).items():
                print(f"kept {name}: {identifier}")
            print("Deploy again to go on with it. docs/deploy.md says how to delete it for good.")
        elif given.verb == "outputs":
            _show(stacks.outputs(account, stack))
        else:
            _tokens(account, stacks.outputs(account, stack), given)
    except (CannotPackage, Refused) as refused:
        print(refused, file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as failure:
        print(f"AWS refused: {failure}", file=sys.stderr)
        return 1
    return 0


def _tokens(account: Account, known: dict[str, str], given: argparse.Namespace) -> None:
    arn = known["SecretsArn"]
    if given.verb == "key":
        print(tokens.mint(account, arn, known["PublicUrl"], given.name, given.admin))
        return
    if given.verb == "rotate":
        tokens.give_issuer_a_key(account, known["IssuerName"], arn, rotate=True)
        print("Trainers' storage keys are issued with a new key. The one before it goes at the next rotation.")
    else:
        tokens.put(account, arn, **{given.name: tokens.ask(given.name)})
        print(f"{given.name} is set.")
    restart(account, known)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m infra", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("package", "deploy", "teardown", "secret", "key", "rotate", "outputs"):
        one = verbs.add_parser(verb)
        one.add_argument("--stage", default="prod")
        one.add_argument("--stack", help=f"the stack's name, when it is not {APP}-STAGE")
        one.add_argument("--region")
        one.add_argument("--endpoint-url", default=os.environ.get("AWS_ENDPOINT_URL"), help="an emulator's address")
        if verb == "deploy":
            one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a template parameter")
        if verb == "key":
            one.add_argument("--name", required=True, help="what you will know the key by")
            one.add_argument("--admin", action="store_true", help="a key that may do everything")
        if verb == "secret":
            one.add_argument("name", choices=tokens.NAMES)
    return parser


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise Refused(f"--set takes NAME=VALUE, not '{text}'.")
    return dict(text.split("=", 1) for text in texts)


def _weigh(made: Package) -> None:
    weight = made.weight
    print(f"{_shown(made.template)}\n{_shown(made.zip)}: {weight.packed / 1e6:.1f} MB of 50, ", end="")
    print(f"{weight.unpacked / 1e6:.1f} MB of 250 unpacked. Heaviest, packed:")
    for name, size in weight.contributors[:8]:
        print(f"  {size / 1e6:5.2f} MB  {name}")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _show(outputs: dict[str, str]) -> None:
    width = max(map(len, outputs))
    for name, value in sorted(outputs.items()):
        print(f"{name:{width}}  {value}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
