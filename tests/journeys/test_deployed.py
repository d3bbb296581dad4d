"""The product as it is packaged and deployed, with the template, the policies and the zip that AWS would get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from infra.deploy import teardown
from infra.slim import AWS_SERVICES, slim, weigh
from tests import web
from tests.configs import TRAINABLE
from tests.engines import Engine
from tests.journeys.bundles import curl, odd_files, publish, read_by_python
from tests.journeys.cloud import as_root
from tests.journeys.deployed import DeployedWorld, packaged, point_site_at_emulator

pytestmark = [pytest.mark.journey, pytest.mark.engine("ministack"), pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def world(aws: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedWorld]:
    world = DeployedWorld(tmp_path_factory.mktemp("deployed"), aws_url=aws.url)
    try:
        world.start_vendor()
        world.deploy()
        yield world
    finally:
        world.stop()


def test_a_folder_of_images_becomes_a_model_in_the_cloud(world: DeployedWorld, config: Path, images: Path) -> None:
    told = world.run("submit", str(config), "--data", str(images), "--yes", "--json", "--no-follow")
    assert told.returncode == 0, told.stderr
    job_id = json.loads(told.stdout)["job"]["job_id"]
    job = world.until_ticking(job_id, "completed", "failed")
    assert job["status"] == "completed", job
    assert job["cost_is_final"] and job["cost_micros"] > 0
    told = world.run("download", job_id, "--to", str(world.folder / "model"))
    assert told.returncode == 0, told.stderr
    weights = load_file(next((world.folder / "model").rglob("pytorch_lora_weights.safetensors")))
    assert any("lora_A" in name for name in weights)
    world.tick()
    kinds = [event["kind"] for event in world.get(f"/api/cloud/jobs/{job_id}/events")["events"]]
    assert "data_deleted" in kinds
    assert [key for key in world.objects("DatasetBucketName") if not key.startswith("manifests/")] == []
    assert world.objects("OutputBucketName")
    assert all(key.startswith(f"{job_id}/") for key in world.objects("OutputBucketName"))
    point_site_at_emulator(world)
    seen = world.site(f"/api/cloud/jobs/{job_id}", **{"X-API-Key": world.key})
    assert seen.json()["job"]["status"] == "completed"
    assert "Hit" not in seen.headers["x-cache"]


def test_all_files_of_a_job_come_in_one_archive_that_the_functions_may_make(
    world: DeployedWorld, tmp_path: Path
) -> None:
    order = {
        "config": {**TRAINABLE, "--max_train_steps": 20},
        "dataloader_config": [{"id": "hub", "type": "huggingface", "dataset_name": "someone/pictures"}],
    }
    job_id = world.call("POST", "/api/cloud/jobs", json=order).json()["job"]["job_id"]
    bucket, path = world.known["OutputBucketName"], f"/api/cloud/jobs/{job_id}/artifacts.tar"
    files = odd_files()
    publish(as_root(world.aws_url, "s3"), bucket, job_id, files)
    status = curl(f"{world.address}{path}", tmp_path / "all.tar", "-H", f"X-API-Key: {world.key}")
    assert status.startswith("200"), (tmp_path / "all.tar").read_bytes()[:500]
    assert read_by_python(tmp_path / "all.tar", job_id) == files
    point_site_at_emulator(world)
    told = world.site(path, **{"X-API-Key": world.key, "Accept": "application/json"}).json()
    assert told["url"] and told["done_bytes"] == (tmp_path / "all.tar").stat().st_size


def test_everything_that_the_health_page_knows_of_is_well(world: DeployedWorld) -> None:
    told = web.get(f"{world.address}/api/cloud/health", timeout=60).json()
    assert {part["name"]: part["status"] for part in told["components"] if part["status"] != "healthy"} == {}
    assert "12 h" in json.dumps(told), "trainers' keys are issued by the user whose sessions last that long"


def test_without_a_key_only_health_answers(world: DeployedWorld) -> None:
    for path in ("/api/cloud/jobs", "/api/cloud/hardware-options", "/api/auth/api-keys"):
        assert web.get(f"{world.address}{path}", timeout=60).json()["error"] == "unauthenticated", path
    assert web.get(f"{world.address}/health", timeout=60).json()["status"] == "healthy"
    answer = world.call("POST", "/api/cloud/jobs", json={"config": {}})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_config")


def test_the_site_shows_the_tab_and_keeps_what_is_named_after_its_content(world: DeployedWorld) -> None:
    page = world.site("/")
    assert page.status_code == 200 and "<title>SimpleTuner Cloud</title>" in page.text
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    script = next(line for line in page.text.splitlines() if "assets/" in line and "<script" in line)
    asset = world.site(script.partition('src=".')[2].partition('"')[0])
    assert asset.headers["content-type"].startswith("text/javascript")
    assert "immutable" in asset.headers["cache-control"]
    bucket = as_root(world.aws_url, "s3").meta.endpoint_url + f"/{world.known['SiteBucketName']}/index.html"
    assert web.get(bucket).status_code == 403, "the bucket is reached through the CDN alone"


def test_a_function_can_do_nothing_beyond_its_policy(world: DeployedWorld) -> None:
    """Asked as the functions themselves, by assuming their roles."""
    denied = {
        ("APIHandlerName", "dynamodb", "scan"): {"TableName": world.known["TableName"]},
        ("APIHandlerName", "dynamodb", "delete_table"): {"TableName": world.known["TableName"]},
        ("APIHandlerName", "s3", "delete_bucket_cors"): {"Bucket": world.known["OutputBucketName"]},
        ("APIHandlerName", "s3", "delete_object"): {"Bucket": world.known["OutputBucketName"], "Key": "k"},
        ("TickName", "s3", "put_object"): {"Bucket": world.known["DatasetBucketName"], "Key": "k"},
        ("TickName", "s3", "delete_object"): {"Bucket": world.known["OutputBucketName"], "Key": "k"},
        ("TickName", "secretsmanager", "put_secret_value"): {
            "SecretId": world.known["SecretsArn"],
            "SecretString": "{}",
        },
        ("TickName", "iam", "list_users"): {},
    }
    for (function, service, operation), arguments in denied.items():
        client = _as_function(world, function, service)
        with pytest.raises(client.exceptions.ClientError) as refusal:
            getattr(client, operation)(**arguments)
        assert "AccessDenied" in refusal.value.response["Error"]["Code"], (function, operation)


def _as_function(world: DeployedWorld, function: str, service: str) -> Any:
    from tests.journeys.cloud import with_keys

    role = as_root(world.aws_url, "lambda").get_function_configuration(FunctionName=world.known[function])["Role"]
    name = role.rpartition("/")[2]
    iam = as_root(world.aws_url, "iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    got = as_root(world.aws_url, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = {"AWS_ACCESS_KEY_ID": got["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": got["SecretAccessKey"]}
    return with_keys(world.aws_url, service, keys | {"AWS_SESSION_TOKEN": got["SessionToken"]})


def test_a_teardown_keeps_the_data_and_the_next_deployment_goes_on_with_it(aws: Engine, tmp_path: Path) -> None:
    world = DeployedWorld(tmp_path, aws_url=aws.url)
    world.deploy()
    before = dict(world.known)
    bucket = before["OutputBucketName"]
    as_root(aws.url, "s3").put_object(Bucket=bucket, Key="j-1/model.safetensors", Body=b"weights")
    kept = teardown(world.account, world.stack, lambda text: None)
    assert set(kept) == {"Table", "DatasetBucket", "OutputBucket", "Secrets"}
    world.deploy()
    assert world.known["OutputBucketName"] == bucket and world.known["TableName"] == before["TableName"]
    assert world.objects("OutputBucketName") == ["j-1/model.safetensors"]
    assert world.get("/api/auth/api-keys")["keys"], "a key that was made before opens the door"


def test_nothing_in_the_package_waits_for_itself() -> None:
    resources = json.loads((packaged() / "sam.json").read_text())["Resources"]
    needs = {name: set(_named(resource)) & set(resources) for name, resource in resources.items()}
    while free := {name for name, wanted in needs.items() if not wanted & set(needs)}:
        needs = {name: wanted for name, wanted in needs.items() if name not in free}
    assert needs == {}, "these refer to each other in a circle: CloudFormation would refuse them"


def _named(value: Any) -> Iterator[str]:
    """Logical names that a resource refers to."""
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "Ref":
                yield one
            elif name == "Fn::GetAtt":
                yield one[0] if isinstance(one, list) else one.partition(".")[0]
            elif name == "Fn::Sub":
                text = one if isinstance(one, str) else one[0]
                yield from (piece.partition("}")[0].partition(".")[0] for piece in text.split("${")[1:])
                yield from _named(one if isinstance(one, list) else [])
            else:
                yield from _named(one)


def test_the_zip_stays_far_below_lambdas_limits_and_carries_bytecode(tmp_path: Path) -> None:
    built = packaged() / "deployment.zip"
    weight = weigh(built)
    print(f"{weight.packed / 1e6:.1f} MB packed, {weight.unpacked / 1e6:.1f} MB unpacked; heaviest:")
    for name, size in weight.contributors[:10]:
        print(f"  {size / 1e6:5.2f} MB  {name}")
    assert weight.packed < 30_000_000 and weight.unpacked < 100_000_000
    names = _names(built)
    sources = [name for name in names if name.endswith(".py") and name.startswith(("app", "chalicelib", "boto"))]
    cached = {name.partition("__pycache__/")[2].partition(".")[0] for name in names if name.endswith(".pyc")}
    assert {Path(name).stem for name in sources} <= cached
    services = {name.split("/")[2] for name in names if name.startswith("botocore/data/") and name.count("/") > 2}
    assert services == AWS_SERVICES
    again = tmp_path / "again.zip"
    slim(built, again)
    assert again.read_bytes() == built.read_bytes(), "the same code has the same name, and is not deployed again"


def _names(path: Path) -> list[str]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return archive.namelist()
