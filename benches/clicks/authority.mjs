// A stand-in for Entra: publishes a key of its own, and hands out a token to whoever asks.
import { createServer } from "node:http";
import { generateKeyPairSync, sign } from "node:crypto";

const { FUNCTIONS_CUSTOMHANDLER_PORT, ENTRA_TENANT_ID, ENTRA_CLIENT_ID } = process.env;
const base = `http://127.0.0.1:${FUNCTIONS_CUSTOMHANDLER_PORT}`;
const issuer = `${base}/${ENTRA_TENANT_ID}/v2.0`;
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = [{ kid: "key", use: "sig", alg: "RS256", ...publicKey.export({ format: "jwk" }) }];

function token() {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: ENTRA_CLIENT_ID,
    exp: now + 3600,
    nbf: now,
    ver: "2.0",
    tid: ENTRA_TENANT_ID,
    oid: "0a0b0c0d-1111-4222-8333-444455556666",
    azp: "48af08dc-f6d2-435f-b2a7-069abd99c086",
    scp: "access_as_user",
    name: "Alex",
  };
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const message = `${part({ alg: "RS256", typ: "JWT", kid: "key" })}.${part(claims)}`;
  return `${message}.${sign("sha256", message, privateKey).toString("base64url")}`;
}

createServer((request, response) => {
  if (request.url.endsWith("/.well-known/openid-configuration")) {
    return response.end(JSON.stringify({ issuer, jwks_uri: `${base}/keys` }));
  }
  response.end(request.url === "/keys" ? JSON.stringify({ keys }) : token());
}).listen(Number(FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
