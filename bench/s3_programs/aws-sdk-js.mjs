// One step of the JavaScript SDK: node aws-sdk-js.mjs put|list|get|delete FILE KEY. Run by bench/s3_clients.py.
import { createReadStream, createWriteStream } from "node:fs";
import { createRequire } from "node:module";
import { pipeline } from "node:stream/promises";

const load = createRequire(`${process.env.NODE_MODULES}/`);
const { S3Client, GetObjectCommand, ListObjectsV2Command, DeleteObjectCommand } = load("@aws-sdk/client-s3");
const { Upload } = load("@aws-sdk/lib-storage");

const client = new S3Client({ endpoint: process.env.ENDPOINT, forcePathStyle: true, region: "us-east-1" });
const [step, file, key] = process.argv.slice(2);
const named = { Bucket: process.env.BUCKET, Key: key };

if (step === "put") {
  await new Upload({ client, params: { ...named, Body: createReadStream(file) } }).done();
} else if (step === "get") {
  await pipeline((await client.send(new GetObjectCommand(named))).Body, createWriteStream(file));
} else if (step === "delete") {
  await client.send(new DeleteObjectCommand(named));
} else {
  const listed = await client.send(new ListObjectsV2Command({ Bucket: named.Bucket, Prefix: file }));
  console.log(listed.Contents.map((item) => item.Key).join("\n"));
}
