"""arv-mount: what others share, a role and the public, as directories."""
import os
import pathlib
import subprocess
import time
import unittest

import arvados

from support import scratch
from test_sharing import new_user, permission


def missing():
    """Why nothing can be mounted here; None when it can."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse cannot be opened: {error.strerror}"
    return None


class Mount:
    """A mount of one user, as long as the block lasts."""

    def __init__(self, api):
        self.token = api.api_token
        self.at = scratch() / "keep"

    def __enter__(self):
        self.at.mkdir()
        self.log = open(self.at.parent / "log", "w+")
        env = {**os.environ, "ARVADOS_API_TOKEN": self.token}
        command = ["arv-mount", "--foreground", "--disable-event-listening", str(self.at)]
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)
        for _ in range(600):
            if self.process.poll() is not None:
                self.log.seek(0)
                raise AssertionError(f"arv-mount ended: {self.log.read()[-2000:]}")
            if os.path.ismount(self.at):
                return self.at
            time.sleep(0.1)
        raise AssertionError("arv-mount did not mount")

    def __exit__(self, *_):
        subprocess.run(["fusermount", "-u", "-z", self.at], check=False)
        self.process.terminate()
        self.process.wait()
        self.log.close()


def names(directory):
    return sorted(entry.name for entry in pathlib.Path(directory).iterdir())


@unittest.skipIf(missing(), missing())
class Mounted(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        suffix = os.urandom(4).hex()
        cls.ann_uuid, cls.ann = new_user(f"ann{suffix}")
        cls.bob_uuid, cls.bob = new_user(f"bob{suffix}")
        group = {"group": {"group_class": "project", "name": f"lab {suffix}"}}
        cls.project = cls.ann.groups().create(body=group).execute()
        with arvados.collection.Collection(api_client=cls.ann) as collection:
            with collection.open("sub/file.txt", "w") as file:
                file.write("shared content")
            collection.save_new(name=f"data {suffix}", owner_uuid=cls.project["uuid"])
            cls.collection = collection.manifest_locator()
        cls.inside = pathlib.Path(f"lab {suffix}", f"data {suffix}", "sub", "file.txt")
        # Below the name of its owner, for those who see the owner.
        cls.path = pathlib.Path("shared", f"ann{suffix} ", cls.inside)

    def share(self, tail):
        link = permission(self.ann, tail, self.project["uuid"], "can_read")
        self.addCleanup(self.ann.links().delete(uuid=link["uuid"]).execute)

    def test_shared_shows_what_another_user_shares_and_nothing_else(self):
        with Mount(self.bob) as at:
            self.assertFalse((at / self.path).exists())
            with self.assertRaises(OSError):
                (at / "by_id" / self.collection / "sub" / "file.txt").read_text()
        self.share(self.bob_uuid)
        with Mount(self.bob) as at:
            self.assertEqual((at / self.path).read_text(), "shared content")
            self.assertEqual((at / "by_id" / self.collection / "sub" / "file.txt").read_text(), "shared content")
            with self.assertRaises(OSError):
                (at / self.path).write_text("x")
            self.assertEqual(names(at / "home"), [])
        with Mount(self.ann) as at:
            self.assertIn(self.project["name"], names(at / "home"))
            self.assertNotIn(self.project["name"], names(at / "shared"))

    def test_shared_shows_what_a_role_has(self):
        role = self.ann.groups().create(
            body={"group": {"group_class": "role", "name": f"role {os.urandom(4).hex()}"}}
        ).execute()
        permission(self.ann, self.bob_uuid, role["uuid"], "can_read")
        self.share(role["uuid"])
        with Mount(self.bob) as at:
            self.assertEqual((at / self.path).read_text(), "shared content")

    def test_a_mount_without_an_account_reads_what_is_public(self):
        public = self.ann.groups().list(filters=[["name", "=", "Anonymous users"]]).execute()["items"][0]["uuid"]
        self.share(public)
        token = self.ann.configs().get().execute()["Users"]["AnonymousUserToken"]
        anonymous = arvados.api("v1", host=os.environ["ARVADOS_API_HOST"], token=token, insecure=True)
        with Mount(anonymous) as at:
            self.assertEqual((at / "by_id" / self.collection / "sub" / "file.txt").read_text(), "shared content")
            self.assertEqual((at / "shared" / self.inside).read_text(), "shared content")


if __name__ == "__main__":
    unittest.main()
