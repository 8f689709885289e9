"""Command line tools: aws, rclone, s3cmd, s5cmd."""
import json
import os
import shutil
import unittest
from email.header import decode_header, make_header

from support import CERTIFICATE, ENDPOINT, HOST, HTTPS, KEY, LARGE, ODD_NAME, REGION, SECRET, S3Case, contents, tool


class Aws(S3Case):
    def aws(self, *command):
        return tool("aws", "s3", *command)

    def test_sync_up_and_down_cp_mv_rm(self):
        tree, expected = self.tree()
        # The aws command line mixes up answers on a connection where one came in the place of "100 Continue", as the
        # local runtime does for empty bodies over http: the empty file goes by itself.
        (tree / "empty").unlink()
        self.aws("sync", tree, f"s3://{self.bucket}/t/")
        self.aws("cp", self.write("empty", 0), f"s3://{self.bucket}/t/empty")
        self.assertStored(expected, "t/")
        self.aws("sync", f"s3://{self.bucket}/t/", self.dir / "back")
        self.assertEqual(contents(self.dir / "back"), expected)
        self.aws("cp", f"s3://{self.bucket}/t/large.bin", f"s3://{self.bucket}/copy.bin")
        self.aws("mv", f"s3://{self.bucket}/t/{ODD_NAME}", f"s3://{self.bucket}/moved")
        self.assertTrue(self.read("copy.bin") == expected["large.bin"])
        self.assertEqual(self.read("moved"), expected[ODD_NAME])
        self.assertNotIn(f"t/{ODD_NAME}", self.keys())
        self.assertIn(b"moved", self.aws("ls", f"s3://{self.bucket}/"))
        self.aws("rm", "--recursive", f"s3://{self.bucket}/")
        self.assertEqual(self.keys(), [])
        self.aws("rb", f"s3://{self.bucket}")

    def test_sync_sees_a_change_of_the_same_size(self):
        self.write("s/a", b"1111")
        self.aws("sync", self.dir / "s", f"s3://{self.bucket}/s/")
        self.write("s/a", b"2222")
        os.utime(self.dir / "s/a", (4_000_000_000, 4_000_000_000))
        self.aws("sync", self.dir / "s", f"s3://{self.bucket}/s/")
        self.assertEqual(self.read("s/a"), b"2222")

    def test_from_standard_input_and_a_link(self):
        tool("sh", "-c", f"printf from-stdin | aws s3 cp - s3://{self.bucket}/stdin")
        self.assertEqual(self.aws("cp", f"s3://{self.bucket}/stdin", "-"), b"from-stdin")
        link = self.aws("presign", f"s3://{self.bucket}/stdin").decode().strip()
        trust = ["--cacert", CERTIFICATE] if CERTIFICATE else []
        self.assertEqual(tool("curl", "-sf", *trust, link), b"from-stdin")


class Rclone(S3Case):
    program = "rclone"

    def rclone(self, *command):
        options = ["--s3-provider", "Other", "--s3-endpoint", ENDPOINT, "--s3-access-key-id", KEY]
        options += ["--s3-secret-access-key", SECRET, "--s3-region", REGION, "--config", self.dir / "none"]
        options += ["--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--retries", "1", "--low-level-retries", "1"]
        if CERTIFICATE:
            options += ["--ca-cert", CERTIFICATE]
        return tool(self.program, *options, *command, env={"AWS_CA_BUNDLE": ""})

    def test_sync_check_move_purge(self):
        tree, expected = self.tree()
        os.utime(tree / "one", (1_000_000_000, 1_000_000_000))
        remote = f":s3:{self.bucket}/t"
        self.rclone("sync", tree, remote)
        self.assertStored(expected, "t/")
        # By MD5 where the object has one, else by size.
        self.rclone("check", tree, remote)
        self.assertIn(b"2001-09-09 01:46:40", self.rclone("lsl", remote, "--include", "one"))
        # Nothing to do: times are kept.
        self.assertNotIn(b"Copied", self.rclone("sync", "-v", tree, remote))
        self.rclone("sync", remote, self.dir / "back")
        self.assertEqual(contents(self.dir / "back"), expected)
        self.rclone("moveto", f"{remote}/large.bin", f":s3:{self.bucket}/m/l.bin")
        self.assertTrue(self.read("m/l.bin") == expected["large.bin"])
        self.rclone("touch", f"{remote}/one", "--timestamp", "2020-01-02T03:04:05")
        self.assertEqual(self.read("t/one"), expected["one"])
        self.rclone("purge", remote)
        self.assertEqual(self.keys(), ["m/l.bin"])


    def test_metadata_that_is_not_ascii(self):
        note = "Grüße, 中文 & 😀"
        at = f":s3:{self.bucket}/noted"
        self.rclone("copyto", "-M", "--metadata-set", f"note={note}", self.write("noted", b"x"), at)
        self.assertEqual(json.loads(self.rclone("lsjson", "-M", at))[0]["Metadata"]["note"], note)
        # Programs that read headers as Latin-1 get it as AWS would send it.
        shown = self.s3.head_object(Bucket=self.bucket, Key="noted")["Metadata"]["note"]
        self.assertEqual(str(make_header(decode_header(shown))), note)


@unittest.skipUnless(os.path.exists("/usr/bin/rclone"), "Debian's rclone is not installed")
class DebiansRclone(Rclone):
    program = "/usr/bin/rclone"


class S3cmd(S3Case):
    def s3cmd(self, *command):
        config = self.dir / "s3cfg"
        config.write_text(
            f"[default]\naccess_key = {KEY}\nsecret_key = {SECRET}\nhost_base = {HOST}\nhost_bucket = {HOST}\n"
            f"use_https = {HTTPS}\nca_certs_file = {CERTIFICATE}\nmultipart_chunk_size_mb = 5\nmax_retries = 1\n"
        )
        return tool("s3cmd", "-c", config, *command)

    def test_put_get_cp_mv_del(self):
        tree, expected = self.tree()
        at = f"s3://{self.bucket}"
        self.s3cmd("put", "--recursive", f"{tree}/", f"{at}/t/")
        self.assertStored(expected, "t/")
        self.s3cmd("sync", f"{at}/t/", f"{self.dir}/back/")
        self.assertEqual(contents(self.dir / "back"), expected)
        self.s3cmd("cp", f"{at}/t/large.bin", f"{at}/copy.bin")
        self.assertTrue(self.read("copy.bin") == expected["large.bin"])
        self.s3cmd("mv", f"{at}/t/one", f"{at}/moved")
        self.assertEqual(self.read("moved"), expected["one"])
        self.assertIn(b"large.bin", self.s3cmd("ls", f"{at}/t/"))
        self.s3cmd("info", f"{at}/moved")
        self.s3cmd("del", "--recursive", "--force", at)
        self.assertEqual(self.keys(), [])
        self.s3cmd("mb", f"s3://{self.bucket}-two")
        self.s3cmd("rb", f"s3://{self.bucket}-two")


@unittest.skipUnless(shutil.which("s5cmd"), "s5cmd is not installed")
class S5cmd(S3Case):
    def s5cmd(self, *command):
        return tool("s5cmd", *command, env={"S3_ENDPOINT_URL": ENDPOINT})

    def test_cp_mv_rm(self):
        tree, expected = self.tree()
        at = f"s3://{self.bucket}"
        self.s5cmd("cp", "-p", "5", f"{tree}/", f"{at}/t/")
        self.assertStored(expected, "t/")
        self.s5cmd("cp", "-p", "5", f"{at}/t/*", self.dir / "back/")
        self.assertEqual(contents(self.dir / "back"), expected)
        self.s5cmd("cp", f"{at}/t/large.bin", f"{at}/copy.bin")
        self.s5cmd("mv", f"{at}/t/one", f"{at}/moved")
        self.assertTrue(self.read("copy.bin") == expected["large.bin"])
        self.assertEqual(self.read("moved"), expected["one"])
        self.assertIn(b"large.bin", self.s5cmd("ls", f"{at}/t/"))
        self.s5cmd("rm", f"{at}/*")
        self.assertEqual(self.keys(), [])

    def test_many_small_files_at_once(self):
        for number in range(200):
            self.write(f"many/{number:03}", b"%d" % number)
        self.s5cmd("cp", f"{self.dir}/many/", f"s3://{self.bucket}/")
        self.assertEqual(self.keys(), [f"{number:03}" for number in range(200)])
        self.assertEqual(self.read("199"), b"199")
