"""deploy/kubernetes as Kubernetes sees it, and the operators whose kinds it names: schemas, and overlays as a whole."""

import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from workers import acl

from .test_kubernetes import (
    HERE,
    OVERLAYS,
    ROLES,
    ROOT,
    WORKLOADS,
    containers,
    documents,
    kustomization,
    name_of,
    objects,
    of_kind,
    ours,
    template,
)

#: Where the kinds of operators come from, and what has their models.
KINDS = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The manifests, with the files that an operator makes."""
    folder = tmp_path / "kubernetes"
    shutil.copytree(HERE, folder)
    for overlay in (folder / "overlays").iterdir():
        (overlay / "passwords.env").write_text("".join(f"{line}\n" for line in acl.new_passwords()))
        (overlay / "users.acl").write_text("user default reset off\n")
        roles = sorted({*ROLES.values()})
        (overlay / "urls.env").write_text("".join(f"TREADLE_REDIS_URL_{role.upper()}=rediss://r\n" for role in roles))
        (overlay / "scaler.env").write_text("TREADLE_SCALER_ADDRESS=redis.treadle.svc:6379\n")
    return folder


@pytest.mark.parametrize(
    "found",
    [found for found in objects() if found["apiVersion"] not in KINDS],
    ids=lambda found: f"{found['kind']}-{name_of(found)}",
)
def test_every_manifest_is_what_kubernetes_takes(found: dict[str, Any]) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate (extra dev) is not installed")

    validate.validate(found, "1.31", strict=True)


@pytest.mark.parametrize(
    "found",
    [found for found in objects() if found["apiVersion"] in KINDS],
    ids=lambda found: f"{found['kind']}-{name_of(found)}",
)
def test_every_manifest_of_an_operators_kind_is_what_it_takes(found: dict[str, Any]) -> None:
    pytest.importorskip("cloudcoil.models", reason="the models of operators (extra dev) are not installed")
    model = getattr(import_module(KINDS[found["apiVersion"]]), found["kind"])

    known = model.model_validate(found).model_dump(by_alias=True, exclude_unset=True, mode="json")

    assert known == found  # what the model does not know it leaves out


def test_prometheus_has_the_alerts_that_it_has_everywhere() -> None:
    (rules,) = of_kind("PrometheusRule")

    assert rules["spec"] == documents(ROOT / "deploy" / "alerts.yaml")[0]


@pytest.mark.parametrize("name", ["scheduler", "flower"])
def test_prometheus_finds_who_tells_it_something_and_is_let_in(name: str) -> None:
    (monitor,) = [found for found in of_kind("PodMonitor") if name_of(found) == f"treadle-{name}"]
    (policy,) = [found for found in of_kind("NetworkPolicy") if name_of(found) == "treadle-monitoring"]
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    workload, container = ours(name)
    labels = {**template(workload)["metadata"]["labels"], "app.kubernetes.io/part-of": "treadle"}  # as kustomize adds

    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports[endpoint["port"]] in [port["port"] for port in policy["spec"]["ingress"][0]["ports"]]
    assert endpoint["relabelings"] == [{"action": "replace", "targetLabel": "job", "replacement": f"treadle-{name}"}]


def test_flower_keeps_its_history_on_a_volume() -> None:
    workload, container = ours("flower")
    options = dict(argument.split("=") for argument in container["args"][1:])
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "history"]
    (volume,) = [volume for volume in template(workload)["spec"]["volumes"] if volume["name"] == "history"]

    assert options["--persistent"] == "True"
    assert Path(options["--db"]).parent == Path(mount["mountPath"])
    assert volume["persistentVolumeClaim"]["claimName"] in [
        name_of(found) for found in of_kind("PersistentVolumeClaim")
    ]
    assert workload["spec"]["strategy"] == {"type": "Recreate"}  # two may not have the volume


@pytest.mark.parametrize("overlay", [folder.name for folder in OVERLAYS])
@pytest.mark.parametrize("component", [None, "hpa", "prometheus"])
def test_an_overlay_is_built_as_a_whole(copy: Path, overlay: str, component: str | None) -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not on PATH: nobody here can build an overlay")
    folder = copy / "overlays" / overlay
    given = kustomization(folder)
    if component is not None:
        kept = [name for name in given["components"] if component != "hpa" or not name.endswith("keda")]
        given["components"] = [*kept, f"../../{component}"]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(given))
    built = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)
    made = [dict(found) for found in yaml.safe_load_all(built.stdout)]

    secrets = {name_of(found).rpartition("-")[0]: found["data"] for found in made if found["kind"] == "Secret"}
    for workload in [found for found in made if found["kind"] in WORKLOADS]:
        for variable in [variable for container in containers(workload) for variable in container.get("env", [])]:
            ref = variable.get("valueFrom", {}).get("secretKeyRef")
            assert ref is None or ref["key"] in secrets[ref["name"].rpartition("-")[0]]
        assert template(workload)["metadata"]["labels"]["app.kubernetes.io/part-of"] == "treadle"
    assert "$patch" not in built.stdout
