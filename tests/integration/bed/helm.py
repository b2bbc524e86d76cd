"""The helm command on the chart of this repository."""

import os
import pathlib
import subprocess

import yaml

from bed.process import REPOSITORY, tool

CHART = REPOSITORY / "deploy" / "chart"
NAMESPACE = "kube-system"
RELEASE = "nodekeep"
IMAGE = {"image.repository": "registry.example.com/nodekeep"}


class Helm:
    """Values are given as `--set` takes them: {"mirroring.enabled": "true"}; IMAGE is added where no other is given."""

    def __init__(self, directory: pathlib.Path, kubeconfig: pathlib.Path | None = None):
        homes = {f"HELM_{name}_HOME": str(directory / "helm" / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        self._environment = {**os.environ, **homes, "KUBECONFIG": str(kubeconfig or directory / "no-kubeconfig")}
        self._program = tool("helm")

    def run(self, *arguments, timeout: float = 120.0) -> subprocess.CompletedProcess:
        return subprocess.run([self._program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env=self._environment)

    def render(self, values: dict, *arguments) -> list[dict]:
        """The objects that the chart renders with these values."""
        done = self.run("template", RELEASE, CHART, "--namespace", NAMESPACE, "--kube-version", "1.34", *_settings(values),
                        *arguments)
        assert done.returncode == 0, done.stderr
        return [made for made in yaml.safe_load_all(done.stdout) if made]

    def refusal(self, values: dict) -> str:
        """The error text for invalid values."""
        done = self.run("template", RELEASE, CHART, "--kube-version", "1.34", *_settings(values))
        assert done.returncode != 0, f"{values} were accepted"
        return done.stderr

    def install(self, values: dict) -> str:
        """Returns helm's output with the chart's notes."""
        done = self.run("upgrade", "--install", RELEASE, CHART, "--namespace", NAMESPACE, *_settings(values))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def uninstall(self) -> None:
        done = self.run("uninstall", RELEASE, "--namespace", NAMESPACE)
        assert done.returncode == 0, done.stderr


def _settings(values: dict) -> list[str]:
    return [part for name, value in (IMAGE | values).items() for part in ("--set", f"{name}={value}")]
