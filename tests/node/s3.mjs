// A server that speaks S3 and keeps the objects in a folder: `node s3.mjs FOLDER BUCKET [strict]`. Says on which port it listens, and ends with its input,
// so that nothing is left to kill when the tests are killed.
import crypto from "node:crypto";
import S3rver from "@20minutes/s3rver";

// It enciphers where a list goes on by DES, which today's OpenSSL no longer has.
for (const direction of ["createCipheriv", "createDecipheriv"]) {
  const create = crypto[direction];
  crypto[direction] = (name, key, iv) => (name === "des" ? create("des-ede3-cbc", Buffer.concat([key, Buffer.alloc(16, 1)]), iv) : create(name, key, iv));
}

// It takes the stroke at the end of a bucket's address for no part of what was signed, as no other server does: so only strict ones compare signatures.
const [, , directory, bucket, strict] = process.argv;
process.stdin.resume().on("end", () => process.exit());
const server = new S3rver({ address: "127.0.0.1", port: 0, silent: true, allowMismatchedSignatures: !strict, directory, configureBuckets: [{ name: bucket }] });
console.log((await server.run()).port);
