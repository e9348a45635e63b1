"""compose.yaml: what is reachable from where, what waits for what, and what a stop may take."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]
from flower.options import default_options

from workers import acl
from workers.cli import main
from workers.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
WORKERS = ("worker", "worker-slow")
#: Which of Redis' users each service is.
USERS = {"worker": "worker", "worker-slow": "worker", "scheduler": "scheduler", "flower": "flower", "cli": "operator"}
#: What prefork needs at worst to end after its last step.
PREFORK_STOP_S = 35


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"])


def options(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for word in service["command"]:
        name, _, value = word.partition("=")
        yield name, value


def test_only_what_people_look_at_is_published_and_only_to_loopback(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}

    assert published == {
        "flower": ["127.0.0.1:5555:5555"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }


def test_what_people_look_at_has_no_default_password(services: dict[str, Any]) -> None:
    flower = services["flower"]["environment"]["TREADLE_FLOWER_PASSWORD"]
    grafana = services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]

    assert flower.startswith("${TREADLE_FLOWER_PASSWORD:?")
    assert grafana == flower


@pytest.mark.parametrize("name", USERS)
def test_each_service_logs_in_to_redis_as_its_role(services: dict[str, Any], name: str) -> None:
    login = re.fullmatch(
        r"redis://(\w+):\$\{(\w+):\?[^}]+\}@redis:6379/0", services[name]["environment"]["TREADLE_REDIS_URL"]
    )

    assert login is not None  # no default password
    assert (login[1], login[2]) == (USERS[name], acl.variable_of(USERS[name]))
    assert USERS[name] in acl.ROLES


def test_redis_lets_in_the_roles_alone(services: dict[str, Any]) -> None:
    server = services["redis"]
    mounted = next(volume for volume in server["volumes"] if isinstance(volume, dict))

    assert server["command"][-2:] == ["--aclfile", mounted["target"]]
    assert mounted["source"] == "./deploy/users.acl"
    assert mounted["bind"] == {"create_host_path": False}
    assert server["environment"]["REDISCLI_AUTH"].startswith(f"${{{acl.variable_of('scheduler')}:?")
    assert "--user scheduler" in server["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", ["deploy/users.acl", ".env"])
def test_what_has_passwords_is_never_committed(name: str) -> None:
    assert f"/{name}" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", USERS)
def test_what_it_runs_is_a_command_of_treadle(services: dict[str, Any], name: str) -> None:
    command, *arguments = services[name]["command"]

    found = main.get_command(click.Context(main), command)

    assert found is not None
    ours = {opt for param in found.params for opt in param.opts}
    others = {argument.partition("=")[0] for argument in arguments} - ours
    assert not others or command == "flower"
    assert {option.strip("-").replace("-", "_") for option in others} <= default_options.as_dict().keys()


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_may_finish_what_it_began(services: dict[str, Any], name: str) -> None:
    grace = re.fullmatch(r"(\d+)s", services[name]["stop_grace_period"])

    assert grace is not None
    assert int(grace[1]) > PREFORK_STOP_S


def test_everything_that_runs_on_tells_whether_it_works(services: dict[str, Any]) -> None:
    told = {name: service["healthcheck"].get("test", [])[:3] for name, service in services.items() if name != "cli"}

    assert {name: test for name, test in told.items() if "treadle" in test} == {
        name: ["CMD", "treadle", "health"] for name in (*WORKERS, "scheduler")
    }
    assert all(told.values())
    assert services["cli"]["healthcheck"] == {"disable": True}


@pytest.mark.parametrize("name", [*WORKERS, "scheduler"])
def test_who_tells_writes_where_the_probe_reads(services: dict[str, Any], name: str) -> None:
    assert services[name]["environment"]["TREADLE_HEALTH_FILE"].startswith("/tmp/")
    assert "health_file" in WorkerSettings.model_fields


@pytest.mark.parametrize("name", [*WORKERS, "scheduler"])
def test_what_can_be_scaled_has_no_name_and_no_port_of_its_own(services: dict[str, Any], name: str) -> None:
    assert not {"container_name", "hostname", "ports"} & services[name].keys()
    assert not {"--name", "-n"} & dict(options(services[name])).keys()  # celery@ID-OF-THE-CONTAINER


def test_nodes_that_name_no_queue_have_a_worker(services: dict[str, Any]) -> None:
    queues = dict(options(services["worker"]))["--queues"]

    assert queues.split(",") == [WorkerSettings.model_fields["default_queue"].default]


def test_the_pools_share_no_queue(services: dict[str, Any]) -> None:
    pools = [set(dict(options(services[name]))["--queues"].split(",")) for name in WORKERS]

    assert not set.intersection(*pools)


@pytest.mark.parametrize("name", USERS)
def test_everything_waits_until_redis_answers(services: dict[str, Any], name: str) -> None:
    assert services[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "PONG" in services["redis"]["healthcheck"]["test"][-1]


def test_redis_keeps_its_data_and_reads_our_settings(services: dict[str, Any]) -> None:
    volumes = dict(volume.split(":")[:2] for volume in services["redis"]["volumes"] if isinstance(volume, str))

    assert volumes["redis-data"] == "/data"
    assert volumes["./deploy/redis.conf"] in services["redis"]["command"]
    assert f"sh {volumes['./deploy/mend-aof.sh']} {volumes['redis-data']};" in services["redis"]["command"][2]


def test_a_scheduler_may_die(services: dict[str, Any]) -> None:
    assert services["scheduler"]["deploy"]["replicas"] >= 2


def test_flower_keeps_its_history_on_a_volume_that_is_its_own(services: dict[str, Any]) -> None:
    given, dockerfile = dict(options(services["flower"])), (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    (volume,) = services["flower"]["volumes"]

    assert given["--persistent"] == "True"
    assert Path(given["--db"]).parent == Path(volume.partition(":")[2])
    assert f"--owner=10001 --group=10001 {volume.partition(':')[2]}" in dockerfile


def test_prometheus_scrapes_what_tells_it_something(services: dict[str, Any]) -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus.yaml").read_text(encoding="utf-8"))
    scraped = {
        f"{found['names'][0]}:{found['port']}" for job in config["scrape_configs"] for found in job["dns_sd_configs"]
    }

    assert scraped == {f"scheduler:{services['scheduler']['environment']['TREADLE_METRICS_PORT']}", "flower:5555"}
    assert {job["job_name"] for job in config["scrape_configs"]} == {"treadle-scheduler", "treadle-flower"}


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_what_is_mounted_exists(services: dict[str, Any], name: str) -> None:
    files = [volume.partition(":")[0] for volume in services[name]["volumes"] if volume.startswith("./")]

    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []


def test_images_are_named_without_a_host(services: dict[str, Any]) -> None:
    images = {service["image"] for service in services.values()}

    assert not [image for image in images if "." in image.partition("/")[0]]
