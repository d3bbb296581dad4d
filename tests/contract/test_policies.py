"""Who may do what in the cloud, and whether the template keeps to what the code says. Read from the files alone."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.actions.bundling import FOLDER
from chalicelib.domain.measures import Measured, Metric
from chalicelib.observe.metrics import EmbeddedMetrics
from chalicelib.services import SERVICE
from chalicelib.stores.dynamodb_schema import schema
from chalicelib.stores.table import TTL

ROOT = Path(__file__).resolve().parents[2]
POLICIES = sorted((ROOT / ".chalice").glob("policy-*.json"))
REASONS: dict[str, str] = json.loads((ROOT / "infra" / "wildcards.json").read_text())

WITHOUT_RESOURCES = {"TracePolicy Trace"}
"""Of services whose actions know no resources."""


class _Loader(yaml.SafeLoader):
    """Reads ``!Ref x`` as ``{"Ref": "x"}``, as CloudFormation does."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)
TEMPLATE: dict[str, Any] = yaml.load((ROOT / "infra" / "template.yaml").read_text(), _Loader)  # noqa: S506 - safe
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]


def _documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every policy there is, with the name by which ``wildcards.json`` calls it."""
    for path in POLICIES:
        yield path.name, json.loads(path.read_text())
    for name, resource in RESOURCES.items():
        properties = resource.get("Properties", {})
        inline = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        for document in (properties.get("PolicyDocument"), properties.get("AssumeRolePolicyDocument"), *inline):
            if document:
                yield name, document


def _statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in _documents():
        for statement in document["Statement"]:
            yield f"{name} {statement.get('Sid', 'without a Sid')}", statement


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


def _is_wide(statement: dict[str, Any]) -> bool:
    named = [statement.get(part, []) for part in ("Action", "Resource", "Principal")]
    inverted = any(part in statement for part in ("NotAction", "NotResource", "NotPrincipal"))
    return inverted or any("*" in text or "?" in text for text in _texts(named))


def test_every_wildcard_has_a_written_reason() -> None:
    wide = {where for where, statement in _statements() if _is_wide(statement)}
    assert wide == set(REASONS), "write the reason into infra/wildcards.json, or narrow the statement"
    assert all(len(reason.split()) >= 8 for reason in REASONS.values())


def test_every_statement_is_named_once() -> None:
    named = [where for where, _ in _statements()]
    assert not [where for where in named if "without a Sid" in where]
    assert len(set(named)) == len(named)


def test_nothing_is_allowed_on_all_resources_or_with_all_actions_of_a_service() -> None:
    for where, statement in _statements():
        if statement["Effect"] == "Allow" and where not in WITHOUT_RESOURCES:
            assert "*" not in _texts(statement.get("Resource", [])), where
            assert not [text for text in _texts(statement["Action"]) if "*" in text], where


def test_only_the_tick_reads_due_work_and_only_the_api_lists_jobs() -> None:
    reach = {path.stem: " ".join(_texts(json.loads(path.read_text()))) for path in POLICIES}
    assert "index/due" in reach["policy-tick"] and "index/due" not in reach["policy-api"]
    assert "index/by_tenant" in reach["policy-api"] and "index/by_tenant" not in reach["policy-tick"]
    assert "s3:PutObject" not in reach["policy-tick"], "uploads are taken by the API alone"


def test_archives_of_files_are_deleted_after_a_day_and_reached_below_their_folder_alone() -> None:
    rules = RESOURCES["OutputBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    [rule] = [one for one in rules if one.get("Prefix") == FOLDER]
    assert rule["ExpirationInDays"] == rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 1
    assert not [one for one in rules if one is not rule and "ExpirationInDays" in one], "trained files stay"
    [statement] = [one for where, one in _statements() if where == "policy-api.json PutBundlesTogether"]
    assert statement["Resource"] == {"Fn::Sub": f"${{OutputBucket.Arn}}/{FOLDER}*"}


def test_trainers_read_checkpoints_alone_and_delete_and_list_nothing() -> None:
    allowed = {where: one for where, one in _statements() if where.startswith("DeliveryRole")}
    readers = [where for where, one in allowed.items() if "s3:GetObject" in _texts(one["Action"])]
    assert readers == ["DeliveryRole ReadCheckpoints"]
    [read] = [allowed[where] for where in readers]
    assert read["Action"] == "s3:GetObject"
    assert read["Resource"] == {"Fn::Sub": "${OutputBucket.Arn}/*/checkpoint-*/*"}
    actions = {action for one in allowed.values() for action in _texts(one["Action"])}
    assert not [action for action in actions if "Delete" in action or "ListBucket" in action]


def test_each_function_has_a_policy_of_its_own() -> None:
    config = json.loads((ROOT / ".chalice" / "config.json").read_text())
    assert config["autogen_policy"] is False
    files = {name: chosen["iam_policy_file"] for name, chosen in config["lambda_functions"].items()}
    assert set(files) == {"api_handler", *_scheduled()}
    assert sorted(files.values()) == [path.name for path in POLICIES]


def _scheduled() -> Iterator[str]:
    """The functions that ``app.py`` gives to a schedule or an event."""
    for node in ast.parse((ROOT / "app.py").read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield from (node.name for one in node.decorator_list if ast.unparse(one).startswith("app."))


def test_the_template_makes_the_table_that_the_adapter_expects() -> None:
    properties = dict(RESOURCES["Table"]["Properties"])
    wanted = schema("any")
    del wanted["TableName"]
    assert {name: properties[name] for name in wanted} == wanted
    assert properties["TimeToLiveSpecification"] == {"AttributeName": TTL, "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", ["Table", "DatasetBucket", "OutputBucket", "Secrets"])
def test_what_holds_data_outlives_the_stack(name: str) -> None:
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", [name for name, one in RESOURCES.items() if one.get("Type") == "AWS::S3::Bucket"])
def test_no_bucket_is_public_or_unencrypted(name: str) -> None:
    properties = RESOURCES[name]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_the_functions_are_told_nothing_that_the_settings_do_not_read() -> None:
    told = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    source = (ROOT / "chalicelib" / "settings.py").read_text()
    assert not [name for name in told if f'"{name}"' not in source]


def test_no_secret_stands_in_the_template_or_in_a_functions_environment() -> None:
    told = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    assert not [name for name in told if name.endswith(("TOKEN", "_KEY", "_SECRET"))]
    given = json.loads(RESOURCES["Secrets"]["Properties"]["GenerateSecretString"]["SecretStringTemplate"])
    assert set(given.values()) == {""}


def test_the_generated_secret_is_never_generated_anew() -> None:
    """Any change of these properties makes CloudFormation overwrite the tokens that somebody has put in."""
    assert RESOURCES["Secrets"]["Properties"]["GenerateSecretString"] == {
        "SecretStringTemplate": '{"REPLICATE_API_TOKEN": "", "REPLICATE_WEBHOOK_SECRET": "", "HF_TOKEN": ""}',
        "GenerateStringKey": "STCLOUD_API_TOKEN",
        "PasswordLength": 48,
        "ExcludePunctuation": True,
    }


ALARMED = {
    "SpendAlarm": Metric.SPEND_MICROS,
    "TickBehindAlarm": Metric.TICK_AGE,
    "StallsAlarm": Metric.STALLS,
    "StrayRunsAlarm": Metric.STRAY_RUNS,
}


@pytest.mark.parametrize(("alarm", "metric"), ALARMED.items())
def test_alarms_on_metrics_of_ours_read_what_the_code_writes(
    alarm: str, metric: Metric, capsys: pytest.CaptureFixture[str]
) -> None:
    """A renamed metric, dimension or namespace would silence the alarm."""
    properties, variables = RESOURCES[alarm]["Properties"], TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert properties["Namespace"] == variables["STCLOUD_METRICS_NAMESPACE"] == {"Ref": "AWS::StackName"}
    by = (("provider", "replicate"),) if metric is Metric.STRAY_RUNS else ()
    EmbeddedMetrics("stack", SERVICE).write([Measured(metric, 7, by)], {})
    line = json.loads(capsys.readouterr().out)
    told = line["_aws"]["CloudWatchMetrics"][0]
    assert (told["Namespace"], [one["Name"] for one in told["Metrics"]]) == ("stack", [properties["MetricName"]])
    watched = {one["Name"]: one["Value"] for one in properties["Dimensions"]}
    assert [sorted(watched)] == told["Dimensions"] and watched.items() <= line.items()


def test_lines_of_metrics_and_of_the_log_pass_lambdas_own_filter() -> None:
    """A line without a level, as those of metrics are, counts as INFO."""
    for function in ("APIHandler", "Tick"):
        logging = RESOURCES[function]["Properties"]["LoggingConfig"]
        assert (logging["LogFormat"], logging["ApplicationLogLevel"]) == ("JSON", "INFO")
