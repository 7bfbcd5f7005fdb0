// The official OpenAI JavaScript client, unmodified, through the whole life of a document.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";

import OpenAI, { toFile } from "openai";

const TEXT = "# Lighthouse log\n\nThe lamp of Skarholm lighthouse flashes every 17 seconds. Its keeper is paid in herring.\n";
const root = path.resolve(import.meta.dirname, "../..");
const binary = process.env.RAGTIME_BINARY ?? path.join(root, "build/release/ragtime");
const model = path.join(root, "build/models/all-MiniLM-L6-v2");
const directory = mkdtempSync(path.join(tmpdir(), "ragtime-test-"));
let server, client, file, store;

async function startServer() {
  const config = path.join(directory, "ragtime.toml");
  writeFileSync(config, `[encoder]\nmodel = "${existsSync(model) ? model : ""}"\n`);
  const data = path.join(directory, "data");
  server = spawn(binary, ["serve", "--config", config, "--data-dir", data, "--listen", "127.0.0.1:0"], { stdio: "ignore" });
  for (let attempt = 0; attempt < 600; attempt++) {
    try {
      const { url } = JSON.parse(readFileSync(path.join(data, "server.json"), "utf8"));
      if ((await fetch(`${url}/readyz`)).ok) return url;
    } catch { /* not there yet */ }
    await delay(50);
  }
  throw new Error("the server did not become ready");
}

before(async () => {
  client = new OpenAI({ baseURL: `${await startServer()}/v1`, apiKey: "unused", maxRetries: 0 });
});

after(async () => {
  const exited = new Promise((resolve) => server.once("exit", resolve));
  server.kill("SIGTERM");
  assert.equal(await exited, 0);
  rmSync(directory, { recursive: true });
});

const tools = () => [{ type: "file_search", vector_store_ids: [store.id] }];

test("a file is uploaded and attached", async () => {
  file = await client.files.create({ file: await toFile(Buffer.from(TEXT), "log.md"), purpose: "assistants" });
  assert.equal(file.bytes, Buffer.byteLength(TEXT));
  store = await client.vectorStores.create({ name: "lighthouse" });
  const attached = await client.vectorStores.files.createAndPoll(store.id, { file_id: file.id });
  assert.equal(attached.status, "completed");
});

test("search finds it", async () => {
  const page = await client.vectorStores.search(store.id, { query: "How often does the lamp flash?" });
  assert.equal(page.data[0].file_id, file.id);
  assert.match(page.data[0].content[0].text, /17 seconds/);
});

test("a response cites it", async () => {
  const response = await client.responses.create({
    model: "ragtime-extractive", input: "How often does the lamp of Skarholm flash?", tools: tools() });
  assert.match(response.output_text, /17 seconds/);
  const [annotation] = response.output[1].content[0].annotations;
  assert.equal(annotation.type, "file_citation");
  assert.equal(annotation.file_id, file.id);
  assert.equal(annotation.verified, true);
  assert.equal([...TEXT].slice(annotation.start, annotation.end).join(""), annotation.quote);
});

test("a streamed response is complete", async () => {
  const stream = client.responses.stream({
    model: "ragtime-extractive", input: "How often does the lamp of Skarholm flash?", tools: tools() });
  let text = "", annotations = 0;
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") text += event.delta;
    if (event.type === "response.output_text.annotation.added") annotations++;
  }
  const final = await stream.finalResponse();
  assert.equal(final.output_text, text);
  assert.match(text, /17 seconds/);
  assert.ok(annotations > 0);
});

test("chat answers over the store, streamed and not", async () => {
  const request = {
    model: `ragtime-extractive@${store.id}`, messages: [{ role: "user", content: "How often does the lamp flash?" }] };
  const completion = await client.chat.completions.create(request);
  assert.match(completion.choices[0].message.content, /17 seconds/);
  let text = "", finish = null;
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  assert.equal(text, completion.choices[0].message.content);
  assert.equal(finish, "stop");
});

test("embeddings come as floats", { skip: !existsSync(model) && "no model" }, async () => {
  const reply = await client.embeddings.create({ model: "all-MiniLM-L6-v2", input: ["lamp", "灯塔"] });
  assert.equal(reply.data.length, 2);
  assert.equal(reply.data[0].embedding.length, 384);
  const norm = Math.hypot(...reply.data[0].embedding);
  assert.ok(Math.abs(norm - 1) < 1e-3, `norm ${norm}`);
});

test("errors are typed", async () => {
  await assert.rejects(client.vectorStores.retrieve("vs_unknown"), OpenAI.NotFoundError);
  await assert.rejects(client.responses.create({ model: "ragtime-extractive", input: 5 }), OpenAI.BadRequestError);
});

test("deleting leaves nothing", async () => {
  assert.equal((await client.files.delete(file.id)).deleted, true);
  const page = await client.vectorStores.search(store.id, { query: "lamp" });
  assert.equal(page.data.length, 0);
  assert.equal((await client.vectorStores.delete(store.id)).deleted, true);
  await assert.rejects(client.vectorStores.retrieve(store.id), OpenAI.NotFoundError);
});
