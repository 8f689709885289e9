"""An arv-put that is killed in the middle and run again."""
import json
import pathlib
import signal
import subprocess
import time
import unittest

import support
from support import PYTHON, contents, random_bytes, scratch, tool

FILES = 8
FILE_BYTES = 40_000_000
# arv-put saves where it is once a minute; here, five times a second.
FREQUENT_STATE = """
import functools, sys
import arvados.commands.put as put
job = put.ArvPutUploadJob
job.__init__ = functools.partialmethod(job.__init__, update_time=0.2)
sys.argv[0] = 'arv-put'
put.main()
"""


def stored_files():
    """Files that the state of some arv-put says are completely stored."""
    for path in pathlib.Path.home().glob(".cache/arvados/arv-put/*"):
        try:
            state = json.loads(path.read_text())
        except ValueError:
            continue
        if state["files"] and all("resumed" in name for name in state["files"]):
            manifest = state["manifest"] or ""
            return sum(f" 0:{FILE_BYTES}:" in line or f":{FILE_BYTES}:file" in line for line in manifest.replace(" ", "\n ").split("\n"))
    return 0


class Resume(unittest.TestCase):
    def test_sends_only_what_was_not_stored_before_the_kill(self):
        directory = scratch() / "resumed"
        directory.mkdir()
        for number in range(FILES):
            (directory / f"file{number}").write_bytes(random_bytes(FILE_BYTES, number))
        command = [PYTHON, "-c", FREQUENT_STATE, "--no-progress", "--threads", "1", f"{directory}/"]
        killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while stored_files() < 2 and killed.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        self.assertIsNone(killed.poll(), "it was done before it could be killed")
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        known = stored_files()
        self.assertGreaterEqual(known, 2)
        before = support.uploads_so_far()
        uuid = tool("arv-put", "--no-progress", f"{directory}/")
        self.assertEqual(support.uploads_so_far() - before, FILES - known)
        target = scratch()
        tool("arv-get", "--no-progress", f"{uuid}/", f"{target}/")
        self.assertEqual(contents(target), contents(directory))


if __name__ == "__main__":
    unittest.main()
