// A stand-in for Entra, under /jobs for the issuer of GitHub Actions, and under /bot for the Bot Connector: publishes a
// key of its own, and hands out tokens to whoever asks.
import { createServer } from "node:http";
import { generateKeyPairSync, sign } from "node:crypto";

const { FUNCTIONS_CUSTOMHANDLER_PORT, ENTRA_TENANT_ID, ENTRA_CLIENT_ID } = process.env;
const base = `http://127.0.0.1:${FUNCTIONS_CUSTOMHANDLER_PORT}`;
const issuer = `${base}/${ENTRA_TENANT_ID}/v2.0`;
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = [{ kid: "key", use: "sig", alg: "RS256", endorsements: ["msteams"], ...publicKey.export({ format: "jwk" }) }];

const jobs = `${base}/jobs`;
const bot = `${base}/bot`;

function token(claims) {
  const now = Math.floor(Date.now() / 1000);
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const times = { iat: now, nbf: now, exp: now + 3600 };
  const message = `${part({ alg: "RS256", typ: "JWT", kid: "key" })}.${part({ ...claims, ...times })}`;
  return `${message}.${sign("sha256", message, privateKey).toString("base64url")}`;
}

function personsToken() {
  return token({
    iss: issuer,
    aud: ENTRA_CLIENT_ID,
    ver: "2.0",
    tid: ENTRA_TENANT_ID,
    oid: "0a0b0c0d-1111-4222-8333-444455556666",
    azp: "48af08dc-f6d2-435f-b2a7-069abd99c086",
    scp: "access_as_user",
    name: "Alex",
  });
}

function jobsToken() {
  return token({
    iss: jobs,
    aud: "https://approve.example",
    repository: "octo/app",
    repository_id: "1",
    repository_visibility: "private",
    ref: "refs/heads/main",
    sha: "3f786850e387550fdab836ed7e6dc881de23001b",
    run_id: "11895621034",
    run_attempt: "1",
    actor: "octocat",
    event_name: "push",
  });
}

function connectorsToken() {
  return token({ iss: bot, aud: ENTRA_CLIENT_ID, serviceurl: bot });
}

function answer(url) {
  if (url === "/keys") return JSON.stringify({ keys });
  if (url === "/jobs/token") return jobsToken();
  if (url === "/bot/token") return connectorsToken();
  if (url === "/token") return personsToken();
  const whose = [jobs, bot].find((other) => (base + url).startsWith(`${other}/`)) ?? issuer;
  return JSON.stringify({ issuer: whose, jwks_uri: `${base}/keys` });
}

createServer((request, response) => {
  response.end(answer(request.url));
}).listen(Number(FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
