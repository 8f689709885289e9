#!/bin/bash
# Makes the files of this folder with samtools, bcftools and tabix 1.16: run it in an empty folder.
set -euo pipefail
python3 - <<'PY'
import random
random.seed(7)
refs = [("chr1", 2_000_000), ("chr2", 600_000), ("empty", 50_000), ("chr3", 900_000)]
header = "@HD\tVN:1.6\tSO:coordinate\n" + "".join(f"@SQ\tSN:{n}\tLN:{l}\n" for n, l in refs)
header += "".join(f"@CO\tfiller {random.random()}\n" for _ in range(4000))
rows = []
for n, length in refs:
    if n == "empty": continue
    for _ in range(1800):
        # Most reads cluster, so that bins differ in size; some span introns.
        centre = random.choice([length // 5, length // 2, length * 4 // 5])
        pos = min(max(1, int(random.gauss(centre, length / 15))), length - 50_000)
        cigar = random.choice(["50M"] * 9 + [f"25M{random.randrange(100, 40_000)}N25M"])
        rows.append((refs.index((n, length)), pos, f"\t0\t{n}\t{pos}\t30\t{cigar}\t*\t0\t0\t{'ACGTTGCAAC' * 5}\t{'I' * 50}\n"))
rows.sort(key=lambda r: r[:2])
with open("reads.sam", "w") as out:
    out.write(header)
    for i, row in enumerate(rows): out.write(f"read{i}{row[2]}")
    for i in range(300): out.write(f"unplaced{i}\t4\t*\t0\t0\t*\t*\t0\t0\t{'ACGTTGCAAC' * 5}\t{'I' * 50}\n")
with open("variants.vcf", "w") as out:
    out.write("##fileformat=VCFv4.3\n" + "".join(f"##contig=<ID={n},length={l}>\n" for n, l in refs))
    out.write('##INFO=<ID=END,Number=1,Type=Integer,Description="End">\n##INFO=<ID=T,Number=1,Type=String,Description="Text">\n')
    out.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    for n, length in refs:
        if n == "empty": continue
        for pos in sorted(random.sample(range(1, length - 50_000), 1500)):
            end = f"END={pos + random.randrange(10, 30_000)};" if random.random() < 0.05 else ""
            out.write(f"{n}\t{pos}\t.\tA\t{'<DEL>' if end else 'C'}\t30\tPASS\t{end}T={random.getrandbits(160)}\n")
PY
samtools view -b --no-PG reads.sam -o reads.bam
samtools index reads.bam reads.bam.bai
samtools index -c -m 12 reads.bam reads.bam.csi
samtools view -C --no-PG --output-fmt-option no_ref=1 --output-fmt-option seqs_per_slice=200 reads.sam -o reads.cram
samtools index reads.cram reads.cram.crai
bgzip -c -i -I variants.vcf.gz.gzi variants.vcf > variants.vcf.gz
tabix -p vcf variants.vcf.gz
tabix -p vcf -C variants.vcf.gz
bcftools view --no-version -Ob variants.vcf -o variants.bcf
bcftools index variants.bcf
rm reads.sam variants.vcf
