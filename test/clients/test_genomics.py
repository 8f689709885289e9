"""DRS and htsget over https: a DRS client, the standard's schemas, and random regions held against samtools and bcftools."""
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
from base64 import b64decode

import arvados
import yaml
from jsonschema import Draft7Validator, RefResolver

from support import scratch, ssl, tool

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"
GENOMES = VECTORS / "genomics"
SCHEMAS = VECTORS / "drs-schemas"
HOST = f"https://{os.environ['ARVADOS_API_HOST']}"
TOKEN = os.environ["ARVADOS_API_TOKEN"]
LENGTHS = {"chr1": 2_000_000, "chr2": 600_000, "empty": 50_000, "chr3": 900_000}
REGIONS_PER_FILE = 40


def fetch(url, method=None, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers=headers or {})
    if data is not None:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as response:
        return response.read()


def drs(path, **options):
    try:
        return json.loads(fetch(f"{HOST}/ga4gh/drs/v1{path}", headers={"Authorization": f"Bearer {TOKEN}"}, **options))
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def ticket(kind, identifier, query):
    url = f"{HOST}/ga4gh/htsget/v1/{kind}/{identifier}?{urllib.parse.urlencode(query)}"
    return json.loads(fetch(url, headers={"Authorization": f"Bearer {TOKEN}"}))["htsget"]


def assemble(parts):
    """What a client makes of a ticket. No token goes with its parts."""
    return b"".join(
        b64decode(part["url"].split(",", 1)[1])
        if part["url"].startswith("data:")
        else fetch(part["url"], headers=part.get("headers"))
        for part in parts["urls"]
    )


class Genomics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = scratch()
        with arvados.collection.Collection() as collection:
            for path in sorted(GENOMES.glob("*.*")):
                with collection.open(path.name, "wb") as file:
                    file.write(path.read_bytes())
            collection.save_new(name=f"genomes {os.urandom(4).hex()}")
            cls.uuid = collection.manifest_locator()
            cls.root = collection.portable_data_hash().replace("+", "-")

    def test_random_regions_hold_the_records_that_samtools_and_bcftools_find_in_the_file(self):
        chance = random.Random(11)
        view = {
            "reads.bam": ("reads", "BAM", ["samtools", "view"]),
            "reads.cram": ("reads", "CRAM", ["samtools", "view"]),
            "variants.vcf.gz": ("variants", "VCF", ["bcftools", "view", "-H"]),
            "variants.bcf": ("variants", "BCF", ["bcftools", "view", "-H"]),
        }
        for name, (kind, form, command) in view.items():
            for number in range(REGIONS_PER_FILE):
                reference = chance.choice(list(LENGTHS))
                start = chance.randrange(LENGTHS[reference])
                end = min(LENGTHS[reference], start + chance.choice([1, 1000, 100_000, 1_000_000]))
                query = {"format": form, "referenceName": reference, "start": start, "end": end}
                part = self.directory / f"{number}-{name}"
                part.write_bytes(assemble(ticket(kind, f"{self.uuid}/{name}", query)))
                index = ["samtools" if kind == "reads" else "bcftools", "index", part]
                if kind == "reads":
                    tool("samtools", "quickcheck", part)
                tool(*index)
                region = f"{reference}:{start + 1}-{end}"
                found = self.view(command, part, region)
                self.assertEqual(found, self.view(command, GENOMES / name, region), f"{name} {region}")

    @staticmethod
    def view(command, path, region):
        return subprocess.run([*command, path, region], check=True, capture_output=True, text=True).stdout

    def test_a_drs_client_downloads_a_file_and_checks_its_md5(self):
        client = pathlib.Path(sys.executable).with_name("drs")
        identifier = f"{self.root}.reads.bam.bai"
        tool(client, "get", HOST, identifier, "-t", TOKEN, "-s", "-d", "-v", "-o", self.directory)
        [found] = [path for path in self.directory.rglob("*.bai") if "-" not in path.name]
        self.assertEqual(found.read_bytes(), (GENOMES / "reads.bam.bai").read_bytes())

    def test_every_drs_answer_is_as_the_schemas_of_1_5_say(self):
        file = f"{self.root}.reads.bam"
        self.valid("DrsService", drs("/service-info"))
        for identifier in [self.root, file]:
            self.valid("DrsObject", drs(f"/objects/{identifier}?expand=true"))
            self.valid("DrsObject", drs(f"/objects/{identifier}", body={"expand": True}))
            self.valid("Authorizations", drs(f"/objects/{identifier}", method="OPTIONS"))
        self.valid("AccessURL", drs(f"/objects/{file}/access/https"))
        for path in ["/objects/none", f"/objects/{file}/access/none", f"/objects/{self.uuid}", "/none"]:
            self.valid("Error", drs(path))
        many = drs("/objects", body={"bulk_object_ids": [self.root, file, "none"]})
        self.valid("summary", many["summary"])
        self.valid("unresolved", many["unresolved_drs_objects"])
        for answer in many["resolved_drs_object"]:
            self.valid("DrsObject", answer)
        wanted = [{"bulk_object_id": file, "bulk_access_ids": ["https"]}]
        access = drs("/objects/access", body={"bulk_object_access_ids": wanted})
        self.valid("BulkAccessURL", access["resolved_drs_object_access_urls"][0])

    def valid(self, name, answer):
        path = SCHEMAS / f"{name}.yaml"
        schema = yaml.safe_load(path.read_text())
        resolver = RefResolver(path.as_uri(), schema, handlers={"file": self.load})
        errors = [error.message for error in Draft7Validator(schema, resolver=resolver).iter_errors(answer)]
        self.assertEqual(errors, [], f"{name}: {answer}")

    @staticmethod
    def load(uri):
        return yaml.safe_load(pathlib.Path(urllib.request.url2pathname(uri.removeprefix("file://"))).read_text())


if __name__ == "__main__":
    unittest.main()
