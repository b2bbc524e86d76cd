"""Agents of several nodes that mirror Secrets: the program mirror-probe, controlled by JSON lines."""

import json
import pathlib
import subprocess


class ProbeDied(Exception):
    """The probe exited instead of responding; `code`: subprocess's return code."""

    def __init__(self, code: int):
        super().__init__(f"mirror-probe exited with {code}")
        self.code = code


class MirrorProbe:
    def __init__(self, binary: pathlib.Path, kubeconfig: pathlib.Path, *, die_after: str | None = None,
                 recheck: int | None = None):
        arguments = [str(binary), f"--kubeconfig={kubeconfig}"]
        if die_after is not None:
            arguments.append(f"--die-after={die_after}")
        if recheck is not None:
            arguments.append(f"--recheck={recheck}")
        self._popen = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> "MirrorProbe":
        return self

    def __exit__(self, *_) -> None:
        self._popen.stdin.close()
        self._popen.stdout.close()
        self._popen.kill()
        self._popen.wait()

    def do(self, command: dict):
        try:
            self._popen.stdin.write(json.dumps(command) + "\n")
            self._popen.stdin.flush()
            line = self._popen.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ProbeDied(self._popen.wait())
        return json.loads(line)

    def together(self, *commands: dict) -> list:
        """Runs the commands concurrently, each on its own thread."""
        return self.do({"together": list(commands)})
