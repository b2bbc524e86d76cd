"""Pod tokens that the agent requests from the real API server if the driver sends none."""

import base64
import json
import pathlib

import pytest

from harness.driver import MountFailed

TOKEN_CREATOR = {
    "metadata": {"name": "nodekeep-token-creator"},
    "rules": [{"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}],
}


@pytest.fixture
def secret(openbao, unique) -> str:
    openbao.put_secret(unique, {"k": "v"})
    return f"secret/data/{unique}"


def edited(kubeconfig: pathlib.Path, path: pathlib.Path, **changes) -> pathlib.Path:
    """A copy with these fields replaced: `cluster={...}`, `user={...}`."""
    config = json.loads(kubeconfig.read_text())
    if "cluster" in changes:
        config["clusters"][0]["cluster"] = changes["cluster"]
    if "user" in changes:
        config["users"][0]["user"] = changes["user"]
    path.write_text(json.dumps(config))
    return path


def base64_of(path) -> str:
    return base64.b64encode(pathlib.Path(path).read_bytes()).decode()


def agents_own_account(cluster, namespace: str) -> str:
    """A token of a new service account without rights."""
    cluster.create_service_account(namespace, "nodekeep")
    return cluster.mint_token(namespace, "nodekeep", audience=None)


def allow(cluster, namespace: str) -> None:
    cluster.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", TOKEN_CREATOR)
    cluster.bind_cluster_role(f"nodekeep-{namespace}", "nodekeep-token-creator", namespace, "nodekeep")


def mounted(agent, spc: dict, pod):
    """The result of a mount, or None if it fails."""
    try:
        return agent.driver().mount(spc, pod)
    except MountFailed:
        return None


def test_certificates_may_stand_in_the_kubeconfig_itself(start_agent, tenant, secret, cluster, tmp_path):
    kubeconfig = edited(
        cluster.kubeconfig, tmp_path / "inline",
        cluster={"server": cluster.url + "/", "certificate-authority-data": base64_of(cluster.ca.cert)},
        user={"client-certificate-data": base64_of(cluster.admin.cert), "client-key-data": base64_of(cluster.admin.key)})
    agent = start_agent(kubeconfig=kubeconfig)
    assert agent.driver().mount(tenant.spc(("f", secret, "k"), audience="vault"), tenant.pod(audience=None)).text("f") == "v"


def test_a_class_without_an_audience_gets_a_token_of_the_clusters_default(start_agent, tenant, openbao, secret, unique, cluster):
    pod = tenant.pod(audience=None)
    openbao.jwt_role(unique, audience=cluster.issuer)
    agent = start_agent(kubeconfig=cluster.kubeconfig)
    spc = tenant.spc(("f", secret, "k"), vaultAuthMountPath="jwt")
    assert agent.driver().mount(spc, pod).text("f") == "v"


def test_the_token_is_bound_to_the_pod(start_agent, tenant, openbao, secret, unique, cluster):
    pod = tenant.pod(audience=None)
    openbao.jwt_role(unique, bound_claims={"/kubernetes.io/pod/uid": pod.uid})
    agent = start_agent(kubeconfig=cluster.kubeconfig)
    spc = tenant.spc(("f", secret, "k"), audience="vault", vaultAuthMountPath="jwt")
    assert agent.driver().mount(spc, pod).text("f") == "v"
    other = agent.driver().failure(spc, tenant.pod(audience=None))
    assert "failed to login" in other.message


def test_a_missing_permission_is_named_and_used_as_soon_as_it_is_given(start_agent, tenant, secret, cluster, namespace):
    kubeconfig = cluster.write_kubeconfig(f"weak-{namespace}", token=agents_own_account(cluster, namespace))
    agent = start_agent(kubeconfig=kubeconfig)
    spc = tenant.spc(("f", secret, "k"), audience="vault")
    pod = tenant.pod(audience=None)
    refused = agent.driver().failure(spc, pod)
    assert "failed to create a service account token for requesting pod" in refused.message
    assert "403 Forbidden" in refused.message
    assert "the agent's ClusterRole needs the verb create on serviceaccounts/token" in refused.message

    allow(cluster, namespace)
    # The API server observes a new binding with a delay.
    assert agent.wait_for(lambda: mounted(agent, spc, pod), "the permission is used").text("f") == "v"


def test_a_rotated_token_file_is_used_by_the_next_request(start_agent, tenant, secret, cluster, namespace, tmp_path):
    token = agents_own_account(cluster, namespace)
    allow(cluster, namespace)
    file = tmp_path / "token"
    file.write_text("not.a.token")
    agent = start_agent(kubeconfig=edited(cluster.kubeconfig, tmp_path / "by-file", user={"tokenFile": "token"}))
    spc = tenant.spc(("f", secret, "k"), audience="vault")
    pod = tenant.pod(audience=None)
    refused = agent.driver().failure(spc, pod)
    assert "401 Unauthorized" in refused.message
    assert "the agent's own credential for the API server is not accepted" in refused.message
    file.write_text(token)
    assert agent.wait_for(lambda: mounted(agent, spc, pod), "the new token is used").text("f") == "v"


def test_a_pod_that_was_replaced_gets_no_token(start_agent, tenant, secret, cluster, namespace):
    agent = start_agent(kubeconfig=cluster.kubeconfig)
    spc = tenant.spc(("f", secret, "k"), audience="vault")
    old = tenant.pod(name="web-0", audience=None)
    cluster.delete(namespace, "pods", "web-0")
    tenant.pod(name="web-0", audience=None)
    refused = agent.driver().failure(spc, old)
    assert "409 Conflict" in refused.message
    assert "the pod was replaced by another of the same name" in refused.message
