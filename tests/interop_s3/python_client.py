"""The encryption client for Python: one job a line on standard input, one answer a line on standard output.

What a job has is described in ends.py.
"""

import json
import os
import pathlib
import sys

import boto3
import botocore.config
from s3_encryption import S3EncryptionClient, S3EncryptionClientConfig
from s3_encryption.materials.kms_keyring import KmsKeyring
from s3_encryption.materials.materials import AlgorithmSuite, CommitmentPolicy

kms = boto3.client("kms")


def client(job):
    keyring = job["keyring"]
    if keyring["type"] != "kms":
        raise ValueError("no such keyring")
    policy = CommitmentPolicy[job["policy"].replace("-", "_").upper()]
    suite = AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    if policy is CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT:
        suite = AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF
    # One for each job: the encryption client changes the one that it is given.
    plain = boto3.client("s3", config=botocore.config.Config(s3={"addressing_style": "path"}))
    legacy = job.get("legacy_wrapping_algorithms", False)
    return S3EncryptionClient(
        plain,
        S3EncryptionClientConfig(
            KmsKeyring(kms, keyring["key"], enable_legacy_wrapping_algorithms=legacy),
            encryption_algorithm=suite,
            commitment_policy=policy,
            enable_legacy_unauthenticated_modes=job.get("legacy_unauthenticated_modes", False),
        ),
    )


def put(job):
    where = {"Bucket": job["bucket"], "Key": job["key"]}
    if job.get("context"):
        where["EncryptionContext"] = job["context"]
    body = pathlib.Path(job["body"]).read_bytes()
    encryption = client(job)
    if not job.get("multipart"):
        encryption.put_object(Body=body, **where)
        return
    upload = encryption.create_multipart_upload(**where)["UploadId"]
    where = {"Bucket": job["bucket"], "Key": job["key"], "UploadId": upload}
    parts = []
    for start in range(0, len(body), job["part_size"]):
        part, number = body[start : start + job["part_size"]], len(parts) + 1
        last = start + len(part) == len(body)
        tag = encryption.upload_part(Body=part, PartNumber=number, IsLastPart=last, **where)["ETag"]
        parts.append({"PartNumber": number, "ETag": tag})
    encryption.complete_multipart_upload(MultipartUpload={"Parts": parts}, **where)


def get(job):
    more = {"EncryptionContext": job["context"]} if job.get("context") else {}
    if job.get("suffix"):
        more["InstructionFileSuffix"] = job["suffix"]
    if job.get("range"):
        more["Range"] = job["range"]
    got = client(job).get_object(Bucket=job["bucket"], Key=job["key"], **more)
    pathlib.Path(job["out"]).write_bytes(got["Body"].read())


def main():
    # Whatever the packages print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        job = json.loads(line)
        try:
            {"keys": lambda _: None, "put": put, "get": get}[job["op"]](job)
            answer = {"ok": True}
        except Exception as error:  # noqa: BLE001, every refusal is an answer
            causes, one = [], error
            while one is not None:
                causes.append(f"{type(one).__name__}: {one}")
                one = one.__cause__
            answer = {"ok": False, "error": " / ".join(causes)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
