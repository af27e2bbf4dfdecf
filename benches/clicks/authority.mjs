// A stand-in for Entra, under /jobs for the issuer of GitHub Actions, under /bot for the Bot Connector, and under /graph
// for Microsoft Graph, where everybody is in every group: publishes a key of its own, and hands out tokens to whoever asks.
import { createServer } from "node:http";
import { generateKeyPairSync, sign } from "node:crypto";

const { FUNCTIONS_CUSTOMHANDLER_PORT, ENTRA_TENANT_ID, ENTRA_CLIENT_ID } = process.env;
const base = `http://127.0.0.1:${FUNCTIONS_CUSTOMHANDLER_PORT}`;
const issuer = `${base}/${ENTRA_TENANT_ID}/v2.0`;
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keys = [{ kid: "key", use: "sig", alg: "RS256", endorsements: ["msteams"], ...publicKey.export({ format: "jwk" }) }];

const jobs = `${base}/jobs`;
const bot = `${base}/bot`;
let callsToGraph = 0;

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

function jobsToken(sha) {
  return token({
    iss: jobs,
    aud: "https://approve.example",
    repository: "octo/app",
    repository_id: "1",
    repository_visibility: "private",
    ref: "refs/heads/main",
    sha,
    run_id: "11895621034",
    run_attempt: "1",
    actor: "octocat",
    event_name: "push",
  });
}

function connectorsToken() {
  return token({ iss: bot, aud: ENTRA_CLIENT_ID, serviceurl: bot });
}

function answerOfGraph(url, body) {
  callsToGraph += 1;
  return JSON.stringify(url.includes("?") ? { accountEnabled: true } : { value: JSON.parse(body).groupIds });
}

function answer(url, body) {
  if (url.startsWith("/graph/")) return answerOfGraph(url, body);
  if (url === "/calls-to-graph") return String(callsToGraph);
  if (url.startsWith("/identity?")) return JSON.stringify({ access_token: "bench", expires_on: "4102444800" });
  if (url === "/key") return privateKey.export({ type: "pkcs1", format: "pem" });
  if (url === "/keys") return JSON.stringify({ keys });
  if (url === "/jobs/token") return jobsToken("3f786850e387550fdab836ed7e6dc881de23001b");
  if (url === "/jobs/token-of-next-commit") return jobsToken("89e6c98d92887913cadf06b2adb97f26cde4849b");
  if (url === "/bot/token") return connectorsToken();
  if (url === "/token") return personsToken();
  const whose = [jobs, bot].find((other) => (base + url).startsWith(`${other}/`)) ?? issuer;
  return JSON.stringify({ issuer: whose, jwks_uri: `${base}/keys` });
}

createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  response.end(answer(request.url, body));
}).listen(Number(FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
