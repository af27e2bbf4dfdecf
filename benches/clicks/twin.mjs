// The same handler as bare.rs for Node.js: one dispatch per click and not one check.
import { createServer } from "node:http";

const { FUNCTIONS_CUSTOMHANDLER_PORT, GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN } = process.env;
const dispatches = `${GITHUB_API_URL}/repos/${GITHUB_REPOSITORY}/dispatches`;
const headers = {
  authorization: `Bearer ${GITHUB_TOKEN}`,
  accept: "application/vnd.github+json",
  "x-github-api-version": "2022-11-28",
  "user-agent": "node-twin",
  "content-type": "application/json",
};

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
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

createServer(async (request, response) => {
  if (request.method === "GET") return answer(response, 200, "ready");
  try {
    const github = await fetch(dispatches, { method: "POST", headers, body: await read(request) });
    answer(response, github.status === 204 ? 200 : 502, github.status === 204 ? "dispatched" : "refused");
  } catch (error) {
    console.error(error);
    answer(response, 502, "refused");
  }
}).listen(Number(FUNCTIONS_CUSTOMHANDLER_PORT), "127.0.0.1");
