"""The agent's Kubernetes client as a separate program, kube-probe, controlled by JSON lines."""

import itertools
import json
import pathlib
import queue
import subprocess
import threading
import time


class KubeProbe:
    def __init__(self, binary: pathlib.Path, kubeconfig: pathlib.Path, **options):
        """`options` become flags: `silence=6000` becomes --silence=6000."""
        arguments = [str(binary), f"--kubeconfig={kubeconfig}"]
        arguments += [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self._popen = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ids = itertools.count(1)
        self._changes: dict[str, list] = {}
        self._answers: dict[int, queue.Queue] = {}
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "KubeProbe":
        return self

    def __exit__(self, *_) -> None:
        self._popen.kill()
        self._popen.wait()
        self._reader.join()
        self._popen.stdin.close()
        self._popen.stdout.close()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def _read(self) -> None:
        for text in self._popen.stdout:
            line = json.loads(text)
            with self._changed:
                if "watch" in line:
                    self._changes.setdefault(line["watch"], []).append(line)
                else:
                    self._answers[line["id"]].put(line)
                self._changed.notify_all()

    def _say(self, order: dict) -> None:
        self._popen.stdin.write(json.dumps(order) + "\n")
        self._popen.stdin.flush()

    def start(self, do: str, **order) -> queue.Queue:
        """Sends a request; its response is put into the returned queue."""
        number = next(self._ids)
        answer = self._answers[number] = queue.Queue()
        self._say({"do": do, "id": number, **order})
        return answer

    def ask(self, do: str, **order) -> dict:
        return self.start(do, **order).get(timeout=60)

    def event(self, **order) -> None:
        self._say({"do": "event", **order})

    def watch(self, name: str, path: str, **selection) -> None:
        self._say({"do": "watch", "name": name, "path": path, **selection})

    def unwatch(self, name: str) -> None:
        self._say({"do": "unwatch", "name": name})

    def changes(self, watch: str, count: int, timeout: float = 30.0) -> list[str]:
        """Waits for `count` changes; returns all changes that the handler received so far, such as "added a"."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self._changes.get(watch, [])) >= count, timeout)
            told = [f"{line['change']} {line['name']}" for line in self._changes.get(watch, [])]
        assert enough, f"{watch}: expected {count} changes within {timeout:.0f} s, received {told}"
        return told

    def object(self, watch: str, name: str) -> dict:
        """The object in its last change."""
        with self._changed:
            return next(line["object"] for line in reversed(self._changes[watch]) if line["name"] == name)

    def await_state(self, watch: str, *, synced: bool, trouble: bool, timeout: float = 30.0) -> dict:
        deadline = time.monotonic() + timeout
        while (state := self.ask("state", name=watch))["synced"] != synced or bool(state["trouble"]) != trouble:
            assert time.monotonic() < deadline, f"{watch} stays {state}"
            time.sleep(0.02)
        return state
