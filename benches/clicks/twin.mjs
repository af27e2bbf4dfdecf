// The same handler as bare.rs for Node.js: one dispatch per click and not one check. Not with `fetch`, which is several
// times slower than a keep-alive agent.
import { Agent, createServer, request } from "node:http";

const { FUNCTIONS_CUSTOMHANDLER_PORT, GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN } = process.env;
const dispatches = new URL(`${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/dispatches`);
const agent = new Agent({ keepAlive: true });
const headers = {
  authorization: `Bearer ${GITHUB_TOKEN}`,
  accept: "application/vnd.github+json",
  "x-github-api-version": "2022-11-28",
  "user-agent": "node-twin",
  "content-type": "application/json",
};

function dispatch(body, then) {
  const length = { "content-length": body.length };
  const sent = request(dispatches, { method: "POST", agent, headers: { ...headers, ...length } }, (github) => {
    github.resume();
    then(github.statusCode);
  });
  sent.on("error", (error) => {
    console.error(error);
    then(502);
  });
  sent.end(body);
}

function answer(response, status, outcome) {
  const body = JSON.stringify({ outcome, message: outcome });
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "card-action-status": outcome,
  });
  response.end(body);
}

createServer((click, response) => {
  if (click.method === "GET") return answer(response, 200, "ready");
  const relay = (status) => answer(response, status === 204 ? 200 : 502, status === 204 ? "dispatched" : "refused");
  const chunks = [];
  click.on("data", (chunk) => chunks.push(chunk));
  click.on("end", () => dispatch(Buffer.concat(chunks), relay));
}).listen(Number(FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
