"""Libraries beside boto3: s3fs, pyarrow, DuckDB, minio for Python; the AWS SDK and minio for JavaScript."""
import io
import os
import urllib.request

import duckdb
import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.deleteobjects import DeleteObject
from pyarrow import csv, fs, parquet, table
from support import CERTIFICATE, HOST, HTTPS, KEY, LARGE, ODD_NAME, REGION, SECRET, S3Case, random_bytes, tool

HERE = os.path.dirname(os.path.abspath(__file__))


class S3fs(S3Case):
    def test_write_read_find_move_remove(self):
        # An environment of its own, because it pins another core of the AWS SDK.
        tool(os.environ["S3FS_PYTHON"], os.path.join(HERE, "use_s3fs.py"), self.bucket, self.dir)
        self.assertStored({"moved/large": random_bytes(LARGE, 1), "kept": b"kept"})


class Pyarrow(S3Case):
    def filesystem(self, **more):
        trust = {"tls_ca_file_path": CERTIFICATE} if CERTIFICATE else {}
        return fs.S3FileSystem(
            endpoint_override=HOST, scheme="https" if HTTPS else "http", access_key=KEY, secret_key=SECRET,
            region=REGION, **trust, **more,
        )

    def test_files_datasets_and_directories(self):
        files = self.filesystem()
        for name, data in [("small", b"hello"), ("large", random_bytes(LARGE, 4))]:
            with files.open_output_stream(f"{self.bucket}/{name}") as out:
                out.write(data)
            self.assertTrue(self.read(name) == data)
            with files.open_input_file(f"{self.bucket}/{name}") as source:
                self.assertTrue(source.read() == data)
        with self.filesystem(allow_delayed_open=True).open_output_stream(f"{self.bucket}/delayed") as out:
            out.write(b"one request")
        self.assertEqual(self.read("delayed"), b"one request")
        rows = table({"n": list(range(10_000)), "name": [f"row {n}" for n in range(10_000)]})
        parquet.write_table(rows, f"{self.bucket}/data/rows.parquet", filesystem=files)
        self.assertTrue(parquet.read_table(f"{self.bucket}/data/rows.parquet", filesystem=files).equals(rows))
        files.create_dir(f"{self.bucket}/dir/sub")
        self.assertEqual(files.get_file_info(f"{self.bucket}/dir/sub").type, fs.FileType.Directory)
        files.copy_file(f"{self.bucket}/large", f"{self.bucket}/copy")
        files.move(f"{self.bucket}/copy", f"{self.bucket}/moved")
        self.assertTrue(self.read("moved") == random_bytes(LARGE, 4))
        found = files.get_file_info(fs.FileSelector(self.bucket, recursive=True))
        self.assertIn(f"{self.bucket}/data/rows.parquet", [one.path for one in found])
        files.delete_dir_contents(self.bucket, accept_root_dir=True)
        self.assertEqual(self.keys(), [])


class DuckDB(S3Case):
    def test_reads_and_writes_parquet_and_csv(self):
        db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        db.sql("LOAD httpfs")
        if CERTIFICATE:
            db.sql(f"SET ca_cert_file = '{CERTIFICATE}'")
        db.sql(
            f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', ENDPOINT '{HOST}', "
            f"URL_STYLE 'path', USE_SSL {str(HTTPS).lower()})"
        )
        at = f"s3://{self.bucket}/d"
        db.sql("CREATE TABLE t AS SELECT range AS n, 'row ' || range AS name FROM range(300000)")
        db.sql(f"COPY t TO '{at}/a.parquet' (FORMAT parquet)")
        db.sql(f"COPY t TO '{at}/b.csv' (HEADER)")
        self.assertEqual(db.sql(f"SELECT sum(n), count(*) FROM '{at}/*.parquet'").fetchone(), (44999850000, 300000))
        self.assertEqual(db.sql(f"SELECT max(name) FROM '{at}/b.csv'").fetchone(), ("row 99999",))
        self.assertEqual(len(db.sql(f"FROM glob('{at}/*')").fetchall()), 2)
        # Another program reads the same.
        self.assertEqual(parquet.read_table(io.BytesIO(self.read("d/a.parquet"))).num_rows, 300000)
        self.assertEqual(csv.read_csv(io.BytesIO(self.read("d/b.csv"))).num_rows, 300000)


class MinioPython(S3Case):
    def test_put_get_list_copy_link_remove(self):
        trust = urllib3.PoolManager(ca_certs=CERTIFICATE) if CERTIFICATE else None
        minio = Minio(HOST, access_key=KEY, secret_key=SECRET, secure=HTTPS, http_client=trust)
        self.assertIn(self.bucket, [bucket.name for bucket in minio.list_buckets()])
        for key, data in [("empty", b""), (ODD_NAME, b"odd"), ("large", random_bytes(LARGE, 5))]:
            minio.put_object(self.bucket, key, io.BytesIO(data), len(data), part_size=5 << 20, metadata={"k": "v"})
            self.assertTrue(minio.get_object(self.bucket, key).read() == data)
        self.assertEqual(minio.stat_object(self.bucket, ODD_NAME).metadata["x-amz-meta-k"], "v")
        self.assertEqual(minio.get_object(self.bucket, "large", offset=100, length=50).read(), random_bytes(LARGE, 5)[100:150])
        minio.copy_object(self.bucket, "copy", CopySource(self.bucket, ODD_NAME))
        self.assertEqual(self.read("copy"), b"odd")
        names = [one.object_name for one in minio.list_objects(self.bucket, recursive=True)]
        self.assertEqual(sorted(names), sorted(["copy", "empty", "large", ODD_NAME]))
        link = minio.presigned_get_object(self.bucket, "copy")
        self.assertEqual((trust or urllib3.PoolManager()).request("GET", link).data, b"odd")
        errors = list(minio.remove_objects(self.bucket, [DeleteObject(name) for name in names]))
        self.assertEqual((errors, self.keys()), ([], []))


class JavaScript(S3Case):
    def run_script(self, name):
        tool(os.environ["NODE"], os.path.join(os.environ["NODE_CLIENTS"], name), self.bucket)

    def test_aws_sdk(self):
        self.run_script("aws-sdk.mjs")
        self.assertEqual(self.keys(), ["kept"])

    def test_minio(self):
        self.run_script("minio.mjs")
        self.assertEqual(self.keys(), ["kept"])
