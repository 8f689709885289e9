"""boto3: what most Python programs use."""
import io
import json
import os
import socket
import unittest
import unittest.mock
import urllib.parse
import urllib.request
from email.header import Header, decode_header, make_header

from bad_network import BadNetwork
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from support import CERTIFICATE, ENDPOINT, HOST, LARGE, ODD_NAME, VIRTUAL_ENDPOINT, S3Case, client, random_bytes
import ssl


class Boto3(S3Case):
    def open(self, request):
        context = ssl.create_default_context(cafile=CERTIFICATE) if CERTIFICATE else None
        return urllib.request.urlopen(request, context=context)

    def test_put_get_ranges_and_metadata(self):
        for key, data in [("empty", b""), ("small", b"hello"), (ODD_NAME, random_bytes(1000, 1))]:
            put = self.s3.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType="text/x-test", Metadata={"mtime": "12.5"}
            )
            got = self.s3.get_object(Bucket=self.bucket, Key=key)
            self.assertEqual(got["Body"].read(), data)
            self.assertEqual((got["ETag"], got["ContentType"], got["Metadata"]), (put["ETag"], "text/x-test", {"mtime": "12.5"}))
        part = self.s3.get_object(Bucket=self.bucket, Key=ODD_NAME, Range="bytes=10-19")
        self.assertEqual(part["Body"].read(), random_bytes(1000, 1)[10:20])
        self.assertEqual(sorted(self.keys()), sorted(["empty", "small", ODD_NAME]))

    def test_metadata_that_is_not_ascii(self):
        note = "Grüße, 中文 & 😀 " * 9
        words = Header(note, "utf-8").encode(linesep="")
        self.s3.put_object(Bucket=self.bucket, Key="noted", Body=b"x", Metadata={"note": words, "plain": "a =? b"})
        self.s3.copy_object(Bucket=self.bucket, Key="copy", CopySource={"Bucket": self.bucket, "Key": "noted"})
        for key in ("noted", "copy"):
            kept = self.s3.head_object(Bucket=self.bucket, Key=key)["Metadata"]
            self.assertEqual((str(make_header(decode_header(kept["note"]))), kept["plain"]), (note, "a =? b"))

    def test_multipart_upload_and_parallel_download(self):
        data = random_bytes(LARGE, 2)
        config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
        self.s3.upload_fileobj(io.BytesIO(data), self.bucket, "large", Config=config)
        self.assertTrue(self.read("large") == data)
        back = io.BytesIO()
        self.s3.download_fileobj(self.bucket, "large", back, Config=config)
        self.assertTrue(back.getvalue() == data)

    def test_parts_in_any_order_listed_and_aborted(self):
        s3, where = self.s3, {"Bucket": self.bucket, "Key": "parts"}
        upload = s3.create_multipart_upload(**where)["UploadId"]
        parts = [random_bytes(size, size) for size in (5 << 20, 5 << 20, 77)]
        tags = {}
        for number in (3, 1, 2):
            tags[number] = s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=parts[number - 1])["ETag"]
        self.assertEqual([part["PartNumber"] for part in s3.list_parts(**where, UploadId=upload)["Parts"]], [1, 2, 3])
        self.assertEqual([one["UploadId"] for one in s3.list_multipart_uploads(Bucket=self.bucket)["Uploads"]], [upload])
        chosen = {"Parts": [{"PartNumber": number, "ETag": tags[number]} for number in (1, 2, 3)]}
        done = s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=chosen)
        self.assertTrue(self.read("parts") == b"".join(parts))
        self.assertEqual(s3.head_object(**where)["ETag"], done["ETag"])
        aborted = s3.create_multipart_upload(**where)["UploadId"]
        s3.upload_part(**where, UploadId=aborted, PartNumber=1, Body=b"x" * (5 << 20))
        s3.abort_multipart_upload(**where, UploadId=aborted)
        self.assertTrue(self.read("parts") == b"".join(parts))
        self.assertNotIn("Uploads", s3.list_multipart_uploads(Bucket=self.bucket))

    def test_copy_rename_delete(self):
        data = random_bytes(70_000, 3)
        self.s3.put_object(Bucket=self.bucket, Key="a", Body=data, Metadata={"k": "v"})
        self.s3.copy_object(Bucket=self.bucket, Key="b/" + ODD_NAME, CopySource={"Bucket": self.bucket, "Key": "a"})
        self.assertEqual(self.read("b/" + ODD_NAME), data)
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="b/" + ODD_NAME)["Metadata"], {"k": "v"})
        self.s3.copy_object(
            Bucket=self.bucket, Key="a", CopySource={"Bucket": self.bucket, "Key": "a"},
            MetadataDirective="REPLACE", Metadata={"k": "w"},
        )
        self.assertEqual((self.read("a"), self.s3.head_object(Bucket=self.bucket, Key="a")["Metadata"]), (data, {"k": "w"}))
        gone = self.s3.delete_objects(
            Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in ("a", "b/" + ODD_NAME, "never")]}
        )
        self.assertEqual(len(gone["Deleted"]), 3)
        self.assertEqual(self.keys(), [])

    def test_conditions(self):
        put = lambda **more: self.s3.put_object(Bucket=self.bucket, Key="c", Body=b"1", **more)
        etag = put(IfNoneMatch="*")["ETag"]
        with self.assertRaises(ClientError) as caught:
            put(IfNoneMatch="*")
        self.assertEqual(caught.exception.response["Error"]["Code"], "PreconditionFailed")
        put(IfMatch=etag)
        with self.assertRaises(ClientError):
            put(IfMatch='"0123456789abcdef0123456789abcdef"')
        with self.assertRaises(ClientError) as caught:
            self.s3.get_object(Bucket=self.bucket, Key="never")
        self.assertEqual(caught.exception.response["Error"]["Code"], "NoSuchKey")

    def test_every_checksum_algorithm(self):
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            self.s3.put_object(Bucket=self.bucket, Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
            self.assertEqual(self.read(algorithm), b"hello")

    def test_presigned_links(self):
        link = client(signature_version="s3v4").generate_presigned_url
        put = link("put_object", {"Bucket": self.bucket, "Key": ODD_NAME})
        with self.open(urllib.request.Request(put, data=b"by a link", method="PUT", headers={"Content-Type": ""})):
            pass
        with self.open(link("get_object", {"Bucket": self.bucket, "Key": ODD_NAME})) as answer:
            self.assertEqual(answer.read(), b"by a link")

    def test_a_bad_network_never_changes_content(self):
        size = 300_000
        content = random_bytes(size, "old")
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=content)
        # Behind the headers: what is damaged in them a client may wait for.
        faults = [(kind, 5000 + round(step * (size - 6000) / 9)) for step in range(10) for kind in ("flip", "cut")]
        for number, fault in enumerate(faults):
            new = random_bytes(size, number)
            with BadNetwork(HOST, [fault]) as network:
                endpoint = f"{ENDPOINT.split('://')[0]}://{network.host}"
                with self.assertRaises((ClientError, BotoCoreError), msg=fault):
                    client(endpoint=endpoint, retries={"total_max_attempts": 1}).put_object(Bucket=self.bucket, Key="k", Body=new)
                self.assertEqual(network.happened, 1)
            self.assertTrue(self.read("k") == content, f"{fault} changed the object")

    def test_a_client_that_tries_again_stores_parts_right_over_a_bad_network(self):
        data = random_bytes(LARGE, 4)
        faults = [("flip", 100_000), ("cut", 2_000_000), ("flip", 5_000_000), ("cut", 20_000)]
        with BadNetwork(HOST, faults) as network:
            s3 = client(endpoint=f"{ENDPOINT.split('://')[0]}://{network.host}", retries={"max_attempts": 8}, read_timeout=20)
            config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
            for attempt in range(5):
                try:
                    s3.upload_fileobj(io.BytesIO(data), self.bucket, "large", Config=config)
                    break
                except (ClientError, BotoCoreError, S3UploadFailedError):
                    # What was damaged on its way is refused, and not tried again by the client itself.
                    self.assertNotIn("large", self.keys())
            self.assertGreater(network.happened, 0)
        self.assertTrue(self.read("large") == data)

    @unittest.skipUnless(VIRTUAL_ENDPOINT, "no host for virtual hosts over https")
    def test_buckets_as_virtual_hosts(self):
        lookup = socket.getaddrinfo
        here = lambda host, *more, **named: lookup("127.0.0.1" if host.endswith(".s3.localhost") else host, *more, **named)
        with unittest.mock.patch("socket.getaddrinfo", here):
            s3 = client(s3={"addressing_style": "virtual"}, signature_version="s3v4", endpoint=VIRTUAL_ENDPOINT)
            for bucket in (self.bucket, self.uuid()):
                where = {"Bucket": bucket, "Key": ODD_NAME}
                s3.put_object(**where, Body=b"by host")
                self.assertEqual(s3.get_object(**where)["Body"].read(), b"by host")
                with urllib.request.urlopen(s3.generate_presigned_url("get_object", where)) as answer:
                    self.assertEqual(answer.read(), b"by host")
                self.assertEqual(self.post(s3.generate_presigned_post(bucket, "${filename}"), b"x"), 204)
                listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
                self.assertEqual(sorted(found["Key"] for found in listed), sorted([ODD_NAME, "f.txt"]))
                s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in (ODD_NAME, "f.txt")]})

    def uuid(self):
        """The collection that the bucket is."""
        asked = urllib.parse.urlencode({"filters": json.dumps([["name", "=", self.bucket]])})
        token = {"Authorization": "Bearer " + os.environ["ARVADOS_API_TOKEN"]}
        with self.open(urllib.request.Request(f"{ENDPOINT}/arvados/v1/collections?{asked}", headers=token)) as answer:
            return json.load(answer)["items"][0]["uuid"]

    def test_a_form_with_a_policy(self):
        form = self.s3.generate_presigned_post(self.bucket, "forms/${filename}", Conditions=[["content-length-range", 1, 100]])
        self.assertEqual(self.post(form, b"by a form"), 204)
        self.assertEqual(self.read("forms/f.txt"), b"by a form")
        self.assertEqual(self.post(form, b"x" * 101), 400)

    def post(self, form, data):
        boundary = "----boundary"
        parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in form["fields"].items()]
        head = "".join(parts) + f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\n'
        body = head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        request = urllib.request.Request(form["url"], data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
        try:
            with self.open(request) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
