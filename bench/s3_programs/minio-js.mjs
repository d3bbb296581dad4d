// One step of minio-js: node minio-js.mjs put|list|get|delete FILE KEY. Run by bench/s3_clients.py.
import { createRequire } from "node:module";

const { Client } = createRequire(`${process.env.NODE_MODULES}/`)("minio");
const [endPoint, port] = process.env.HOST.split(":");
const client = new Client({
  endPoint,
  port: Number(port),
  useSSL: Boolean(process.env.SECURE),
  region: "us-east-1",
  accessKey: process.env.AWS_ACCESS_KEY_ID,
  secretKey: process.env.AWS_SECRET_ACCESS_KEY,
});
const bucket = process.env.BUCKET;
const [step, file, key] = process.argv.slice(2);

if (step === "put") {
  await client.fPutObject(bucket, key, file);
} else if (step === "get") {
  await client.fGetObject(bucket, key, file);
} else if (step === "delete") {
  await client.removeObject(bucket, key);
} else {
  for await (const item of client.listObjectsV2(bucket, file, true)) console.log(item.name);
}
