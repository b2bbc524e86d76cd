"""The kubectl command."""

import json
import os
import pathlib
import subprocess

from bed.process import BedError, tool


class Kubectl:
    def __init__(self, kubeconfig: pathlib.Path, directory: pathlib.Path):
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(directory / "kubectl-cache")}
        self._program = tool("kubectl")

    def run(self, *arguments, manifest=None, check: bool = True, timeout: float = 60.0) -> subprocess.CompletedProcess:
        """`manifest`: its standard input; a text, an object or a list of objects."""
        text = manifest if manifest is None or isinstance(manifest, str) else "".join(
            f"---\n{json.dumps(entry)}\n" for entry in (manifest if isinstance(manifest, list) else [manifest]))
        done = subprocess.run([self._program, *map(str, arguments)], input=text, capture_output=True, text=True,
                              timeout=timeout, env=self._environment)
        if check and done.returncode != 0:
            raise BedError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done

    def apply(self, manifest, *arguments) -> str:
        return self.run("apply", "-f", "-", *arguments, manifest=manifest).stdout

    def get(self, *arguments) -> dict:
        return json.loads(self.run("get", *arguments, "-o", "json").stdout)

    def exists(self, *arguments) -> bool:
        return bool(self.run("get", *arguments, "--ignore-not-found", "-o", "name").stdout.strip())

    def delete(self, *arguments) -> None:
        """Does not wait until the object is gone."""
        self.run("delete", *arguments, "--wait=false", "--ignore-not-found")

    def events(self, namespace: str, name: str) -> list[dict]:
        """Events of the object with that name, oldest first."""
        return self.get("events", "-n", namespace, "--field-selector", f"involvedObject.name={name}",
                        "--sort-by=.lastTimestamp")["items"]
