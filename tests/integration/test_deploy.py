"""The chart and the plain manifests: rendered objects, rejected values, and exactly the needed rights for the agent's account."""

import dataclasses
import itertools
import json
import pathlib
import re
import subprocess
import textwrap

import pytest
import yaml

from bed.cluster import Cluster
from bed.helm import CHART, IMAGE, NAMESPACE, RELEASE, Helm
from bed.json_client import JsonClient, Reply
from bed.kubectl import Kubectl
from bed.process import REPOSITORY, tool, wait_for

ENABLED = {"config.providers.enabled": "{akeyless,vault}"}
DRIVER = ENABLED
PROVIDER = {**ENABLED, "config.driver.enabled": "false"}
MIRRORING = {**ENABLED, "mirroring.enabled": "true"}
LOGIN_TOKEN = {**PROVIDER, "serviceAccount.loginToken.enabled": "true"}
KEY = f"{NAMESPACE}/nodekeep-key"
TAINT = "secrets-store.csi.k8s.io/agent-not-ready"
EVERYTHING = {**MIRRORING, "podTokens.create": "true", "config.versionKeySecret": KEY,
              "config.driver.startupTaint": TAINT, "config.cache.maxBytes": "128MiB", "config.policy.refreshAfter": "5m",
              "serviceAccount.loginToken.enabled": "true", "config.providers.vault.skipTlsVerify": "false", "hostNetwork": "true",
              "image.digest": "sha256:" + "0" * 64, "env[0].name": "VAULT_ADDR", "env[0].value": "https://vault:8200",
              "podAnnotations.team": "shop", "csiDriver.tokenRequests[0].audience": "sts.amazonaws.com"}
PROVIDER_WITH_KEY = {**PROVIDER, "config.versionKeySecret": KEY, "provider.watchPods": "false"}
VALUE_SETS = {"driver": DRIVER, "driver, network policy": {**DRIVER, "networkPolicy.enabled": "true"}, "driver, mirroring": MIRRORING, "driver, everything": EVERYTHING, "provider": PROVIDER,
              "provider, version key": PROVIDER_WITH_KEY, "provider, login token": LOGIN_TOKEN}

value_sets = pytest.mark.parametrize("values", VALUE_SETS.values(), ids=VALUE_SETS.keys())


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory):
    """A cluster whose roles and CSIDriver objects are used by these tests only."""
    with Cluster(tmp_path_factory.mktemp("deploy") / "cluster") as started:
        yield started


@pytest.fixture(scope="module")
def helm(own_cluster) -> Helm:
    return Helm(own_cluster.directory, own_cluster.kubeconfig)


@pytest.fixture(scope="module")
def kubectl(own_cluster) -> Kubectl:
    made = Kubectl(own_cluster.kubeconfig, own_cluster.directory)
    made.run("apply", "-f", CHART / "crds")
    made.run("wait", "--for=condition=Established", "--timeout=30s", "-f", CHART / "crds")
    return made


@pytest.fixture
def offline(tmp_path) -> Helm:
    return Helm(tmp_path)


def only(objects: list[dict], kind: str) -> dict:
    found = [made for made in objects if made["kind"] == kind]
    assert len(found) == 1, [made["kind"] for made in objects]
    return found[0]


def config_errors(binary: pathlib.Path, objects: list[dict], directory: pathlib.Path) -> str:
    """The output of `nodekeep validate` for the ConfigMap among the objects; empty if it is valid."""
    file = directory / "nodekeep.yaml"
    file.write_text(only(objects, "ConfigMap")["data"]["nodekeep.yaml"])
    done = subprocess.run([binary, "validate", "-f", file], capture_output=True, text=True, timeout=30)
    return "" if done.returncode == 0 else done.stdout + done.stderr


# -- the chart's objects

@value_sets
def test_helm_lint_finds_nothing_to_complain_about(offline, values):
    settings = [part for name, value in (IMAGE | values).items() for part in ("--set", f"{name}={value}")]
    done = offline.run("lint", "--strict", CHART, *settings)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_driver_is_privileged_and_shares_its_mounts_with_kubelet(offline):
    pod = only(offline.render(DRIVER), "DaemonSet")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert container["securityContext"] == {"runAsUser": 0, "readOnlyRootFilesystem": True, "privileged": True}
    assert mounts["/var/lib/kubelet/pods"]["mountPropagation"] == "Bidirectional"
    assert mounts["/etc/kubernetes/secrets-store-csi-providers"]["readOnly"] is True
    assert {"/var/lib/kubelet/plugins/csi-secrets-store", "/var/lib/kubelet/plugins_registry"} < mounts.keys()
    assert pod["priorityClassName"] == "system-node-critical"
    assert pod["tolerations"] == [{"operator": "Exists"}]


def test_a_provider_has_no_privilege_no_token_and_no_rights(offline):
    objects = offline.render(PROVIDER)
    pod = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["securityContext"] == {
        "runAsUser": 0, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["automountServiceAccountToken"] is False
    assert {"name": "KUBERNETES_SERVICE_HOST", "value": ""} in container["env"]
    assert {made["kind"] for made in objects} == {"ServiceAccount", "ConfigMap", "DaemonSet"}
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {
        "/run/nodekeep", "/var/run/secrets-store-csi-providers"}


@pytest.mark.parametrize("values, limit", [
    ({}, "640Mi"),
    ({"config.driver.enabled": "false"}, "512Mi"),
    ({"config.driver.volumesTotal": "1GiB"}, "1536Mi"),
    ({"config.driver.volumesTotal": "268435456", "config.cache.maxBytes": "1MB"}, "705Mi"),
    ({"resources.limits.memory": "1Gi", "config.driver.volumesTotal": "1GiB"}, "1Gi"),
    ({"resources.limits.cpu": "1"}, "640Mi"),
    ({"resources.limits": "null"}, "640Mi"),
], ids=str)
def test_the_memory_limit_follows_from_what_the_agent_may_take(offline, values, limit):
    container = only(offline.render({**ENABLED, **values}), "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == limit
    assert container["resources"]["requests"] == {"cpu": "20m", "memory": "64Mi"}


def test_values_that_were_kept_from_a_chart_without_these_sizes_are_taken(offline, nodekeep_binary, tmp_path):
    """As `helm upgrade --reuse-values` does."""
    objects = offline.render({**DRIVER, "config.cache": "null", "config.driver.volumesTotal": "null"})
    container = only(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "640Mi"
    assert config_errors(nodekeep_binary, objects, tmp_path) == ""


def test_a_size_that_the_agent_would_refuse_is_refused(offline):
    assert "does not match pattern" in offline.refusal({**ENABLED, "config.driver.volumesTotal": "64mib"})


def projected(pod: dict) -> list[dict]:
    return [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]


def test_providers_are_named_by_the_operator(offline):
    assert "config.providers.enabled is missing: name the providers" in offline.refusal({})
    config = yaml.safe_load(only(offline.render(DRIVER), "ConfigMap")["data"]["nodekeep.yaml"])
    assert config["providers"]["enabled"] == ["akeyless", "vault"]


@pytest.mark.parametrize("values", [DRIVER, PROVIDER])
def test_by_default_no_provider_has_a_token_of_the_agent(offline, values):
    pod = only(offline.render(values), "DaemonSet")["spec"]["template"]["spec"]
    assert projected(pod) == []
    assert not [variable for variable in pod["containers"][0]["env"] if "TOKEN" in variable["name"]]


def test_a_login_token_has_an_audience_of_its_own_and_is_not_that_of_the_api_server(offline):
    pod = only(offline.render({**LOGIN_TOKEN, "serviceAccount.loginToken.audience": "of-akeyless"}), "DaemonSet")["spec"]["template"]["spec"]
    assert projected(pod) == [{"serviceAccountToken": {"audience": "of-akeyless", "expirationSeconds": 3600, "path": "token"}}]
    assert pod["automountServiceAccountToken"] is False
    container = pod["containers"][0]
    file, = [variable["value"] for variable in container["env"] if variable["name"] == "NODEKEEP_AKEYLESS_SERVICE_ACCOUNT_TOKEN_FILE"]
    assert str(pathlib.PurePath(file).parent) in {mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "login-token"}
    # A file set in the configuration is not overridden.
    own = {**LOGIN_TOKEN, "config.providers.akeyless.serviceAccountTokenFile": "/own/token"}
    container = only(offline.render(own), "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert not [variable for variable in container["env"] if "TOKEN_FILE" in variable["name"]]


def test_the_image_is_named_by_the_operator(offline):
    assert "image.repository is missing: name the repository" in offline.refusal({**ENABLED, "image.repository": ""})
    digest = "sha256:" + "0" * 64
    for values, image in (({}, "registry.example.com/nodekeep:0.1.0"), ({"image.tag": "x"}, "registry.example.com/nodekeep:x"),
                          ({"image.tag": "x", "image.digest": digest}, f"registry.example.com/nodekeep@{digest}")):
        container = only(offline.render({**ENABLED, **values}), "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == image


@pytest.mark.parametrize("values", [DRIVER, PROVIDER])
def test_liveness_does_not_depend_on_the_port_that_other_pods_can_reach(offline, values):
    container = only(offline.render(values), "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert container["livenessProbe"]["exec"]["command"] == ["/usr/bin/nodekeep", "healthcheck", "--live", "--timeout", "8s"]
    other = offline.render({**values, "config.adminSocket": "/run/nodekeep/other.sock"})
    container = only(other, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "NODEKEEP_ADMIN_SOCKET", "value": "/run/nodekeep/other.sock"} in container["env"]
    # A variable that the operator sets is not set twice.
    own = {"name": "NODEKEEP_ADMIN_SOCKET", "value": "/run/nodekeep/own.sock"}
    other = offline.render({**values, "config.adminSocket": "/run/nodekeep/other.sock", **{f"env[0].{key}": text for key, text in own.items()}})
    container = only(other, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
    assert [variable for variable in container["env"] if variable["name"] == own["name"]] == [own]


def test_a_network_policy_admits_the_named_peers_to_the_port_of_the_metrics_and_nobody_else(offline):
    assert not [made for made in offline.render(DRIVER) if made["kind"] == "NetworkPolicy"]
    monitoring = "kubernetes\\.io/metadata\\.name"
    peers = {"networkPolicy.enabled": "true", f"networkPolicy.from[0].namespaceSelector.matchLabels.{monitoring}": "monitoring"}
    objects = offline.render({**DRIVER, **peers})
    policy = only(objects, "NetworkPolicy")["spec"]
    template = only(objects, "DaemonSet")["spec"]["template"]
    assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                                  "ports": [{"protocol": "TCP", "port": "http"}]}]
    assert only(offline.render({**DRIVER, "networkPolicy.enabled": "true"}), "NetworkPolicy")["spec"]["ingress"] == []


def test_another_kubelet_root_and_driver_name_go_everywhere(offline):
    root = "/var/snap/kubelet"
    objects = offline.render({**DRIVER, "config.driver.kubeletRoot": root, "config.driver.name": "secrets.example.com"})
    pod = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    assert only(objects, "CSIDriver")["metadata"]["name"] == "secrets.example.com"
    assert {volume["hostPath"]["path"] for volume in pod["volumes"] if volume["name"] in ("pods", "plugin", "registration")} == {
        f"{root}/pods", f"{root}/plugins/csi-secrets-store", f"{root}/plugins_registry"}
    assert "/var/lib/kubelet" not in json.dumps(objects)


def test_prometheus_scrapes_the_port_that_the_agent_listens_at(offline):
    objects = offline.render({**DRIVER, "podMonitor.enabled": "true", "config.http.address": ":8095"})
    monitor = only(objects, "PodMonitor")["spec"]
    template = only(objects, "DaemonSet")["spec"]["template"]
    assert template["spec"]["containers"][0]["ports"] == [{"name": "http", "containerPort": 8095}]
    assert monitor["podMetricsEndpoints"] == [{"port": "http", "path": "/metrics", "interval": "30s"}]
    assert monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_only_settings_that_need_a_start_roll_the_daemonset(offline):
    def mark(values: dict) -> str:
        template = only(offline.render({**DRIVER, **values}), "DaemonSet")["spec"]["template"]
        return template["metadata"]["annotations"]["nodekeep/config"]

    assert mark({"config.policy.refreshAfter": "9m"}) == mark({"config.providers.vault.address": "https://v:8200"}) == mark({})
    assert mark({"config.mountBudget": "80s"}) != mark({})
    assert mark({"config.providers.enabled": "{vault}"}) != mark({})


@pytest.mark.parametrize("version, wanted", [("1.34", None), ("1.35", True)])
def test_tokens_come_as_secrets_where_the_cluster_can(offline, version, wanted):
    # The last --kube-version takes effect.
    driver = only(offline.render(DRIVER, "--kube-version", version), "CSIDriver")
    assert driver["spec"].get("serviceAccountTokenInSecrets") is wanted


@value_sets
def test_the_agent_accepts_the_configuration_of_the_chart(offline, values, nodekeep_binary, tmp_path):
    assert config_errors(nodekeep_binary, offline.render(values), tmp_path) == ""


def test_generated_files_are_up_to_date(nodekeep_binary):
    done = subprocess.run([REPOSITORY / "deploy" / "generate", "--check", nodekeep_binary], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_schema_knows_the_settings_of_the_agent_and_no_others(nodekeep_binary):
    def leaves(schema: dict, path: str = "") -> set[str]:
        if "properties" not in schema:
            return {path}
        return {leaf for name, below in schema["properties"].items() for leaf in leaves(below, f"{path}.{name}".strip("."))}

    done = subprocess.run([nodekeep_binary, "config", "settings", "-o", "json"], capture_output=True, text=True, timeout=30)
    settings = {setting["path"] for setting in json.loads(done.stdout)}
    # Not values of the chart: the node's name comes from the pod, the API server from its service account.
    settings -= {"nodeName", "kubeconfig"}
    config = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]
    assert leaves(config) == settings


@pytest.mark.parametrize("page", ["install.md", "from-secrets-store-csi-driver.md"])
def test_the_values_of_the_documentation_are_taken(offline, page, nodekeep_binary, tmp_path):
    blocks = re.findall(r"^ *```yaml\n(.*?)^ *```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        (tmp_path / "values.yaml").write_text(textwrap.dedent(block))
        objects = offline.render({}, "--values", tmp_path / "values.yaml")
        assert config_errors(nodekeep_binary, objects, tmp_path) == ""


@dataclasses.dataclass(frozen=True)
class Refused:
    values: dict
    said: str


REFUSED = {
    "not a value of the chart": Refused({"mirorring.enabled": "true"}, "mirorring"),
    "not a setting of the agent": Refused({"config.driver.enabeld": "true"}, "enabeld"),
    "a switch that is a text": Refused({"mirroring.enabled": "maybe"}, "/mirroring/enabled"),
    "an address that probes cannot reach": Refused({"config.http.address": "127.0.0.1:9466"}, "/config/http/address"),
    "a kubelet root that is not a path": Refused({"config.driver.kubeletRoot": "kubelet"}, "/config/driver/kubeletRoot"),
    "an invalid driver name": Refused({"config.driver.name": "My_Driver"}, "/config/driver/name"),
    "a Secret without a namespace": Refused({"config.versionKeySecret": "key"}, "/config/versionKeySecret"),
    "an unknown pull policy": Refused({"image.pullPolicy": "Sometimes"}, "/image/pullPolicy"),
    "an invalid digest": Refused({"image.digest": "sha256:abc"}, "/image/digest"),
    "a token lifetime that is too short": Refused({"csiDriver.tokenRequests[0].audience": "vault",
                                             "csiDriver.tokenRequests[0].expirationSeconds": "60"}, "expirationSeconds"),
    "a network peer that is not one": Refused({"networkPolicy.from[0]": "monitoring"}, "/networkPolicy/from/0"),
    "no provider directory": Refused({"config.providerDirs": "null"}, "providerDirs"),
    "a service account that is not created": Refused({**ENABLED, "serviceAccount.create": "false"}, "serviceAccount.name"),
    "no provider": Refused({"config.providers.enabled": "{}"}, "/config/providers/enabled"),
    "a login token without an audience": Refused({"serviceAccount.loginToken.audience": ""}, "/serviceAccount/loginToken/audience"),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED.keys())
def test_wrong_values_are_refused_by_name(offline, row):
    assert row.said in offline.refusal(row.values)


def test_the_plain_manifests_are_what_the_chart_makes(tmp_path):
    folder = REPOSITORY / "deploy"
    copy = tmp_path / "deploy"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    subprocess.run([copy / "render", tool("helm")], check=True, timeout=120)
    for name in ("driver.yaml", "provider.yaml", "csidriver.yaml"):
        assert (copy / name).read_text() == (folder / name).read_text(), f"deploy/{name} is outdated: run deploy/render"


# -- on a real API server

@value_sets
def test_the_api_server_takes_what_the_chart_makes(helm, kubectl, values):
    kubectl.run("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", manifest=helm.render(values))


@pytest.mark.parametrize("name", ["driver.yaml", "provider.yaml", "csidriver.yaml"])
def test_the_plain_manifests_can_be_applied(kubectl, name):
    kubectl.run("apply", "-f", REPOSITORY / "deploy" / name)
    kubectl.run("delete", "-f", REPOSITORY / "deploy" / name)


def test_without_privilege_the_api_server_refuses_mounts_that_kubelet_sees(helm, kubectl):
    """The reason why the driver needs more than CAP_SYS_ADMIN."""
    daemon_set = only(helm.render(DRIVER), "DaemonSet")
    daemon_set["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"capabilities": {"add": ["SYS_ADMIN"]}}
    done = kubectl.run("apply", "--server-side", "--dry-run=server", "-f", "-", manifest=daemon_set, check=False)
    assert "Bidirectional mount propagation is available only to privileged containers" in done.stderr


# -- the rights of the agent

class Account:
    """The API server accessed with the agent's service account."""

    def __init__(self, cluster: Cluster):
        self._client = JsonClient(cluster.url, ca_file=cluster.ca.cert)
        self._headers = {"Authorization": f"Bearer {cluster.mint_token(NAMESPACE, RELEASE, None)}"}

    def call(self, method: str, path: str, body=None, content_type: str = "application/json") -> Reply:
        return self._client.request(method, path, body, {**self._headers, "Content-Type": content_type})

    def may(self, verb: str, group: str, resource: str, *, namespace: str = "default", name: str = "") -> bool:
        resource, _, subresource = resource.partition("/")
        reply = self.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {
                "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
                "name": name}}})
        assert reply.status == 201, reply.text
        return reply.json["status"]["allowed"]


STORE = "secrets-store.csi.x-k8s.io"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = (
    ("", "secrets"), ("", "configmaps"), ("", "pods"), ("", "pods/exec"), ("", "pods/status"), ("", "pods/ephemeralcontainers"),
    ("", "events"), ("", "nodes"), ("", "nodes/proxy"), ("", "serviceaccounts"), ("", "serviceaccounts/token"), ("", "namespaces"),
    (STORE, "secretproviderclasses"), (STORE, "secretproviderclasspodstatuses"), ("apps", "daemonsets"), ("apps", "deployments"),
    ("storage.k8s.io", "csidrivers"), ("storage.k8s.io", "csinodes"), ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"), ("certificates.k8s.io", "certificatesigningrequests"),
)
MORE = (("impersonate", "", "serviceaccounts"), ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
        ("bind", "rbac.authorization.k8s.io", "clusterroles"))


def rights(group: str, resource: str, *verbs: str) -> set:
    return {(verb, group, resource) for verb in verbs}


DRIVER_RIGHTS = (rights(STORE, "secretproviderclasses", "get", "list", "watch") | rights("", "pods", "list", "watch")
                 | rights(STORE, "secretproviderclasspodstatuses", "get", "create", "update", "delete")
                 | rights("", "events", "create", "patch"))
MIRROR_RIGHTS = rights("", "secrets", "get", "create", "patch", "delete")

RIGHTS = {
    "driver": (DRIVER, DRIVER_RIGHTS),
    "driver, mirroring": (MIRRORING, DRIVER_RIGHTS | MIRROR_RIGHTS),
    "driver, start-up taint": ({**DRIVER, "config.driver.startupTaint": TAINT}, DRIVER_RIGHTS | rights("", "nodes", "get", "patch")),
    "driver, version key of its own namespace": ({**DRIVER, "config.versionKeySecret": KEY}, DRIVER_RIGHTS),
    "provider": (PROVIDER, set()),
    "provider, mirroring is the driver's": ({**PROVIDER, **MIRRORING}, set()),
    "provider, pod tokens": ({**PROVIDER, "podTokens.create": "true"}, rights("", "serviceaccounts/token", "create")),
}


@pytest.fixture
def install(helm, kubectl, own_cluster):
    """Installs with values; returns the agent's account once the API server grants the given right."""
    def made(values: dict, right: tuple | None = None, namespace: str = "default") -> Account:
        helm.install(values)
        account = Account(own_cluster)
        if right is not None:
            wait_for(lambda: account.may(*right, namespace=namespace), f"the right {right}", 20)
        return account

    yield made
    helm.uninstall()


@pytest.mark.parametrize("values, allowed", RIGHTS.values(), ids=RIGHTS.keys())
def test_the_account_has_the_needed_rights_and_no_others(install, values, allowed):
    account = install(values)
    asked = [(verb, group, resource) for verb, (group, resource) in itertools.product(VERBS, RESOURCES)] + list(MORE)

    def difference() -> set:
        return {right for right in asked if account.may(*right)} ^ allowed

    # The API server observes changes of roles with a delay.
    wait_for(lambda: not difference(), lambda: f"missing or extra rights: {difference()}", 20)


def test_the_version_key_is_one_secret_of_one_namespace(install):
    account = install(PROVIDER_WITH_KEY, ("create", "", "secrets"), NAMESPACE)
    assert account.may("get", "", "secrets", namespace=NAMESPACE, name="nodekeep-key")
    assert account.may("create", "", "secrets", namespace=NAMESPACE)
    assert not account.may("get", "", "secrets", namespace=NAMESPACE, name="other")
    assert not account.may("create", "", "secrets", namespace="default")


@pytest.fixture(scope="module")
def objects(own_cluster, kubectl):
    """Objects for the agent's calls: a node, a pod on it, a class and a Secret that the agent does not own."""
    own_cluster.must("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
    kubectl.apply([
        {"apiVersion": f"{STORE}/v1", "kind": "SecretProviderClass", "metadata": {"name": "app", "namespace": "default"},
         "spec": {"provider": "vault"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": "default"}, "stringData": {"k": "v"}},
    ])
    return own_cluster.create_pod("default", "web-0")


CLASSES = f"/apis/{STORE}/v1/namespaces/default/secretproviderclasses"
STATUSES = f"/apis/{STORE}/v1/namespaces/default/secretproviderclasspodstatuses"
SECRETS = "/api/v1/namespaces/default/secrets"
TOKEN = "/api/v1/namespaces/default/serviceaccounts/default/token"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def test_the_calls_of_a_driver_are_served_and_those_of_others_refused(install, objects):
    account = install(DRIVER, ("get", STORE, "secretproviderclasses"))
    status = {"apiVersion": f"{STORE}/v1", "kind": "SecretProviderClassPodStatus", "metadata": {
        "name": "web-0-default-app", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": objects["metadata"]["uid"]}]}}
    event = {"metadata": {"generateName": "web-0."}, "reason": "MountRotationFailed", "type": "Warning", "involvedObject": {
        "apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "web-0"}}

    for path in (f"{CLASSES}/app", f"{CLASSES}?fieldSelector=metadata.name%3Dapp",
                 f"{CLASSES}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dapp",
                 "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode1",
                 "/api/v1/pods?watch=1&timeoutSeconds=1&fieldSelector=spec.nodeName%3Dnode1"):
        assert account.call("GET", path).status == 200, path
    made = account.call("POST", STATUSES, status)
    assert made.status == 201, made.text
    assert account.call("GET", f"{STATUSES}/web-0-default-app").status == 200
    assert account.call("PUT", f"{STATUSES}/web-0-default-app", {**made.json, "status": {"mounted": True}}).status == 200
    told = account.call("POST", "/api/v1/namespaces/default/events", event)
    assert told.status == 201, told.text
    again = f"/api/v1/namespaces/default/events/{told.json['metadata']['name']}"
    assert account.call("PATCH", again, {"count": 2}, MERGE).status == 200

    for method, path, body, content_type in (
            ("GET", f"{SECRETS}/other", None, "application/json"), ("GET", SECRETS, None, "application/json"),
            ("GET", "/api/v1/secrets", None, "application/json"),
            ("POST", SECRETS, {"metadata": {"name": "mine"}}, "application/json"),
            ("POST", TOKEN, {"spec": {"audiences": []}}, "application/json"),
            ("PATCH", "/api/v1/nodes/node1", {"spec": {"taints": []}}, MERGE),
            ("PATCH", f"{CLASSES}/app", {"spec": {"provider": "dev"}}, MERGE),
            ("DELETE", "/api/v1/namespaces/default/pods/web-0", None, "application/json")):
        assert account.call(method, path, body, content_type).status == 403, (method, path)


def test_mirroring_writes_secrets_and_never_lists_them(install, objects):
    account = install(MIRRORING, ("patch", "", "secrets"))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app-db"}, "data": {"password": "djE="}}
    assert account.call("PATCH", f"{SECRETS}/app-db?fieldManager=nodekeep", secret, APPLY).status == 201
    assert account.call("GET", f"{SECRETS}/app-db").status == 200
    assert account.call("PATCH", f"{SECRETS}/app-db", {"metadata": {"labels": {"a": "b"}}}, MERGE).status == 200
    assert account.call("GET", SECRETS).status == 403
    assert account.call("GET", f"{SECRETS}?watch=1&timeoutSeconds=1").status == 403
    assert account.call("DELETE", f"{SECRETS}/app-db").status == 200


def test_the_start_up_taint_can_be_removed_and_nothing_else_done_to_nodes(install, objects, own_cluster):
    account = install({**DRIVER, "config.driver.startupTaint": TAINT}, ("patch", "", "nodes"))
    own_cluster.must("PATCH", "/api/v1/nodes/node1", {"spec": {"taints": [{"key": TAINT, "effect": "NoSchedule"}]}},
                     {"Content-Type": MERGE})
    assert account.call("GET", "/api/v1/nodes/node1").status == 200
    assert account.call("PATCH", "/api/v1/nodes/node1", {"spec": {"taints": []}}, MERGE).status == 200
    assert account.call("GET", "/api/v1/nodes").status == 403
    assert account.call("DELETE", "/api/v1/nodes/node1").status == 403


def test_the_notes_say_what_was_left_out(helm, kubectl):
    notes = helm.install(DRIVER)
    helm.uninstall()
    assert "mirroring.enabled=true" in notes
    assert f"daemonset/{RELEASE}" in notes


def test_who_may_edit_a_namespace_may_write_its_classes(helm):
    edit = next(made for made in helm.render(DRIVER) if made["metadata"]["name"] == "nodekeep-classes-edit")
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert yaml.safe_dump(edit["rules"]).count("secretproviderclasses") == 1
