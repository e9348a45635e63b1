"""deploy/kubernetes: what the manifests say agrees with the code, with each other, and with Kubernetes."""

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]
from celery import Celery

from scheduler.settings import Settings
from workers import acl
from workers.app import make_app
from workers.cli import main
from workers.flower import PASSWORD
from workers.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "kubernetes"
FOLDERS = sorted(file.parent for file in HERE.rglob("kustomization.yaml"))
OVERLAYS = sorted((HERE / "overlays").iterdir())
#: What an operator makes, and nobody commits.
MADE = {"passwords.env", "urls.env", "scaler.env", "users.acl"}
WORKLOADS = {"Deployment", "StatefulSet", "CronJob"}
#: Which of Redis' users each of ours is.
ROLES = {
    "worker": "worker",
    "worker-slow": "worker",
    "scheduler": "scheduler",
    "flower": "flower",
    "doctor": "operator",
}
PREFORK_STOP_S = 35
#: What KEDA's scaler for lists in Redis knows.
OF_TRIGGER = {"username", "listName", "listLength", "databaseIndex", "activationListLength", "enableTLS"}
OF_SCALED = {
    "scaleTargetRef", "pollingInterval", "minReplicaCount", "maxReplicaCount", "fallback", "advanced", "triggers",
}  # fmt: skip


def documents(file: Path) -> list[dict[str, Any]]:
    return [dict(found) for found in yaml.safe_load_all(file.read_text(encoding="utf-8"))]


def kustomization(folder: Path) -> dict[str, Any]:
    return documents(folder / "kustomization.yaml")[0]


@cache
def objects() -> tuple[dict[str, Any], ...]:
    files = (folder / name for folder in FOLDERS for name in kustomization(folder)["resources"])
    return tuple(found for file in files if file.is_file() for found in documents(file))


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [found for found in objects() if found["kind"] in kinds]


def name_of(found: dict[str, Any]) -> str:
    return str(found["metadata"]["name"])


def template(workload: dict[str, Any]) -> dict[str, Any]:
    spec = workload["spec"]
    return dict(spec["jobTemplate"]["spec"]["template"] if workload["kind"] == "CronJob" else spec["template"])


def containers(workload: dict[str, Any]) -> list[dict[str, Any]]:
    spec = template(workload)["spec"]
    return [*spec["containers"], *spec.get("initContainers", [])]


def ours(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    workload = next(found for found in of_kind("Deployment", "CronJob") if name_of(found) == name)
    return workload, containers(workload)[0]


def settings_of_base() -> dict[str, str]:
    lines = (HERE / "base" / "settings.env").read_text(encoding="utf-8").split()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


# The files


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_file_that_is_named_exists_or_is_made_by_the_operator(folder: Path) -> None:
    given = kustomization(folder)
    generators = [*given.get("configMapGenerator", []), *given.get("secretGenerator", [])]
    named = [*given["resources"], *given.get("components", [])]
    named += [name for generator in generators for name in (*generator.get("files", []), *generator.get("envs", []))]
    named += [patch["path"] for patch in given.get("patches", []) if "path" in patch]

    assert not [name for name in named if not (folder / name).exists() and name not in MADE]


def test_what_has_passwords_is_never_committed() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    assert {"/deploy/kubernetes/overlays/*/*.env", "/deploy/kubernetes/overlays/*/users.acl"} <= set(ignored)
    assert not of_kind("Secret")


@pytest.mark.parametrize("name", ["redis.conf", "mend-aof.sh"])
def test_redis_has_the_settings_that_it_has_everywhere(name: str) -> None:
    assert (HERE / "redis" / name).read_bytes() == (ROOT / "deploy" / name).read_bytes()


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlay_runs_the_image_of_this_version(folder: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert kustomization(folder)["images"] == [{"name": "treadle", "newTag": project["version"]}]


def test_nothing_names_a_namespace() -> None:
    assert not [name_of(found) for found in objects() if "namespace" in found["metadata"]]


# What belongs together


@pytest.mark.parametrize("workload", of_kind("Deployment", "StatefulSet"), ids=name_of)
def test_a_selector_finds_its_own_pods_and_no_others(workload: dict[str, Any]) -> None:
    wanted = workload["spec"]["selector"]["matchLabels"].items()

    assert [
        name_of(found) for found in of_kind(*WORKLOADS) if wanted <= template(found)["metadata"]["labels"].items()
    ] == [name_of(workload)]


@pytest.mark.parametrize("found", of_kind("Service", "PodDisruptionBudget"), ids=name_of)
def test_a_service_and_a_budget_find_the_pods_of_their_name(found: dict[str, Any]) -> None:
    selector = found["spec"]["selector"]
    wanted = selector.get("matchLabels", selector).items()

    assert [
        name_of(pods) for pods in of_kind(*WORKLOADS) if wanted <= template(pods)["metadata"]["labels"].items()
    ] == [name_of(found)]


def test_only_ours_and_named_clients_reach_redis() -> None:
    policy = next(found for found in of_kind("NetworkPolicy") if name_of(found) == "treadle-redis")["spec"]
    allowed = [peer["podSelector"]["matchLabels"] for rule in policy["ingress"] for peer in rule["from"]]

    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "redis"}
    assert allowed == [{"app.kubernetes.io/part-of": "treadle"}, {"treadle/client": "true"}]
    assert policy["egress"] == []
    assert kustomization(HERE / "base")["labels"][0]["includeTemplates"]


def test_nothing_is_published() -> None:
    assert {found["spec"]["type"] for found in of_kind("Service")} == {"ClusterIP"}


# Pods


@pytest.mark.parametrize("workload", of_kind(*WORKLOADS), ids=name_of)
def test_pods_have_no_more_rights_than_they_need(workload: dict[str, Any]) -> None:
    spec = template(workload)["spec"]

    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in containers(workload):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"memory"} <= container["resources"]["limits"].keys()
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()


def test_ours_run_as_the_user_of_the_image() -> None:
    user = re.search(r"^USER (\d+)$", (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)

    assert user is not None
    assert {template(ours(name)[0])["spec"]["securityContext"]["runAsUser"] for name in ROLES} == {int(user[1])}


@pytest.mark.parametrize("workload", of_kind(*WORKLOADS), ids=name_of)
def test_no_service_puts_variables_into_a_pod(workload: dict[str, Any]) -> None:
    """Flower would take FLOWER_PORT=tcp://10.0.0.1:5555 for its port."""
    assert template(workload)["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ROLES)
def test_what_it_runs_is_a_command_of_treadle_and_gets_the_signals_itself(name: str) -> None:
    _, container = ours(name)
    command, *arguments = container["args"]
    found = main.get_command(click.Context(main), command)

    assert "command" not in container  # the image's entrypoint is treadle, and no shell stands before it
    assert found is not None
    options = {argument.partition("=")[0] for argument in arguments}
    assert options <= {option for param in found.params for option in param.opts} or command == "flower"


@pytest.mark.parametrize("name", [name for name in ROLES if name not in ("flower", "doctor")])
@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_probe_runs_a_command_that_there_is(name: str, probe: str) -> None:
    program, command, *options = ours(name)[1][probe]["exec"]["command"]
    found = main.get_command(click.Context(main), command)

    assert program == "treadle"
    assert found is not None
    assert set(options) <= {option for param in found.params for option in param.opts}
    assert ("--ready" in options) == (probe == "readinessProbe" or (probe == "startupProbe" and name != "scheduler"))


def test_a_probe_finds_what_is_written() -> None:
    assert Path(settings_of_base()["TREADLE_HEALTH_FILE"]).parent == Path("/tmp")
    for name in ROLES:
        assert {"name": "tmp", "mountPath": "/tmp"} in ours(name)[1]["volumeMounts"]


@pytest.mark.parametrize("name", ["worker", "worker-slow"])
def test_a_worker_may_finish_its_steps_or_hand_them_back(name: str) -> None:
    grace_s = template(ours(name)[0])["spec"]["terminationGracePeriodSeconds"]

    assert grace_s * 1000 >= int(settings_of_base()["TREADLE_STOP_MS"]) + PREFORK_STOP_S * 1000


@pytest.mark.parametrize("name", ["worker", "worker-slow", "scheduler"])
def test_the_new_ones_are_there_before_the_old_ones_end(name: str) -> None:
    strategy = ours(name)[0]["spec"]["strategy"]["rollingUpdate"]

    assert strategy["maxUnavailable"] == 0
    assert strategy["maxSurge"] >= 1


def test_a_scheduler_may_die() -> None:
    budget = of_kind("PodDisruptionBudget")[0]["spec"]

    assert ours("scheduler")[0]["spec"]["replicas"] > budget["minAvailable"] >= 1


# Settings and secrets


@pytest.mark.parametrize("name", [*settings_of_base()])
def test_what_is_set_is_a_setting(name: str) -> None:
    assert name.removeprefix("TREADLE_").lower() in WorkerSettings.model_fields


@pytest.mark.parametrize("name", ROLES)
def test_each_logs_in_to_redis_as_its_role_with_a_password_of_the_secret(name: str) -> None:
    variables = ours(name)[1]["env"]
    password, url = variables[:2]  # the first is put into the second, so this order
    variable = acl.variable_of(ROLES[name])

    assert password["name"] == variable == password["valueFrom"]["secretKeyRef"]["key"]
    assert url == {"name": "TREADLE_REDIS_URL", "value": f"redis://{ROLES[name]}:$({variable})@redis:6379/0"}
    assert {variable, PASSWORD} <= {line.partition("=")[0] for line in acl.new_passwords()}
    assert all("valueFrom" in found for found in variables if found is not url)


def test_where_redis_is_given_the_whole_url_is_a_secret() -> None:
    patches = documents(HERE / "overlays" / "production" / "urls.yaml")

    assert {name_of(patch) for patch in patches} == set(ROLES)
    for patch in patches:
        dropped, url = containers(patch)[0]["env"]
        role = ROLES[name_of(patch)]
        assert dropped == {"name": acl.variable_of(role), "$patch": "delete"}
        assert url["name"] == "TREADLE_REDIS_URL"
        assert url["valueFrom"]["secretKeyRef"] == {"name": "treadle-urls", "key": f"TREADLE_REDIS_URL_{role.upper()}"}


# Redis


def test_redis_is_mended_before_it_starts_and_lets_in_its_users_alone() -> None:
    (redis,) = of_kind("StatefulSet")
    server, mend = containers(redis)

    assert mend["command"] == ["sh", "/etc/treadle/mend-aof.sh", "/data"]
    assert server["args"][0] == "/etc/treadle/redis.conf"
    assert server["args"][server["args"].index("--aclfile") + 1] == "/etc/treadle-acl/users.acl"
    assert server["image"] == mend["image"]
    assert redis["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "data"


def test_redis_has_memory_to_rewrite_its_file() -> None:
    (redis,) = of_kind("StatefulSet")
    server = containers(redis)[0]
    most, limit = (server["args"][-1], server["resources"]["limits"]["memory"])

    assert int(most.removesuffix("gb")) * 3 <= int(limit.removesuffix("Gi")) * 2


def test_a_busy_redis_is_not_killed() -> None:
    probe = containers(of_kind("StatefulSet")[0])[0]["livenessProbe"]

    assert "grep" not in str(probe["exec"])  # any answer counts
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 120


# Scaling


def queues() -> Iterator[tuple[str, str]]:
    for name in ("worker", "worker-slow"):
        yield name, dict(argument.split("=") for argument in ours(name)[1]["args"][1:])["--queues"]


def keys_of(app: Celery, queue: str) -> list[str]:
    """Return the keys of a queue's lists, as the transport itself makes them."""
    with app.connection_for_write() as connection:
        channel = connection.transport.Channel.__new__(connection.transport.Channel)
        prefix = app.conf.broker_transport_options["global_keyprefix"]
        return [f"{prefix}{channel._q_for_pri(queue, step)}" for step in channel.priority_steps]


def test_the_pools_are_scaled_by_the_queues_that_they_consume() -> None:
    app = make_app(WorkerSettings(), "redis://127.0.0.1:1/0")
    watched = {
        found["spec"]["scaleTargetRef"]["name"]: [one["metadata"]["listName"] for one in found["spec"]["triggers"]]
        for found in of_kind("ScaledObject")
    }

    assert watched == {name: keys_of(app, queue) for name, queue in queues()}


@pytest.mark.parametrize("scaled", of_kind("ScaledObject"), ids=name_of)
def test_a_scaled_object_says_what_keda_knows(scaled: dict[str, Any]) -> None:
    triggers, summed = scaled["spec"]["triggers"], scaled["spec"]["advanced"]["scalingModifiers"]
    (login,) = of_kind("TriggerAuthentication")

    assert scaled["apiVersion"] == login["apiVersion"] == "keda.sh/v1alpha1"
    assert scaled["spec"].keys() <= OF_SCALED
    assert summed["formula"].split(" + ") == [trigger["name"] for trigger in triggers]
    assert int(summed["target"]) > 0
    for trigger in triggers:
        assert trigger["type"] == "redis"
        assert trigger["metadata"].keys() <= OF_TRIGGER
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        assert trigger["metadata"]["username"] == "scaler" in acl.ROLES
    assert trigger["authenticationRef"]["name"] == name_of(login)
    assert acl.variable_of("scaler") in {ref["key"] for ref in login["spec"]["secretTargetRef"]}


@pytest.mark.parametrize("found", of_kind("ScaledObject", "HorizontalPodAutoscaler"), ids=name_of)
def test_a_pool_shrinks_slower_than_a_step_is_handed_back(found: dict[str, Any]) -> None:
    advanced = found["spec"].get("advanced", {}).get("horizontalPodAutoscalerConfig", found["spec"])
    down = advanced["behavior"]["scaleDown"]

    assert down["stabilizationWindowSeconds"] * 1000 > Settings.model_fields["stop_ms"].default
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]
