// Calls of the official client, each with what must come of it. Run by test_sdk.py.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const url = process.env.RAGA_URL;
const client = new Anthropic({ baseURL: url, apiKey: "key", maxRetries: 0 });
const hi = [{ role: "user", content: "hi" }];
const walk = { name: "walk", input_schema: { type: "object", properties: { distance: { type: "number" } }, required: ["distance"], additionalProperties: false } };
const ask = (more) => client.messages.create({ model: "model", max_tokens: 100, temperature: 0, messages: hi, ...more });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
async function running() {
    const text = await (await fetch(url + "/metrics", { headers: { "x-api-key": "key" } })).text();
    return Number(/^raga_requests_running (.*)$/m.exec(text)[1]);
}
async function fails(call, type, status) {
    const error = await call().then(() => null, (e) => e);
    assert.ok(error instanceof type, `${error}`);
    assert.equal(error.status, status);
    return error;
}

const checks = {
    async "a message"() {
        const r = await ask();
        assert.equal(r.content[0].text, "Hello there.");
        assert.equal(r.stop_reason, "end_turn");
        assert.ok(r.usage.output_tokens >= 2);
        assert.match(r._request_id, /^req_/);
    },
    async "a stream"() {
        let text = "";
        for await (const e of await ask({ stream: true })) if (e.type === "content_block_delta") text += e.delta.text;
        assert.equal(text, "Hello there.");
    },
    async "the helper for streams"() {
        const stream = client.messages.stream({ model: "model", max_tokens: 100, messages: hi, temperature: 0 });
        assert.equal(await stream.finalText(), "Hello there.");
        assert.equal((await stream.finalMessage()).stop_reason, "end_turn");
    },
    async "tools over two turns"() {
        const messages = [{ role: "user", content: "walk" }];
        const first = await ask({ messages, tools: [walk] });
        assert.equal(first.stop_reason, "tool_use");
        assert.deepEqual(first.content[0].input, { distance: 2 });
        messages.push({ role: "assistant", content: first.content }, { role: "user", content: [{ type: "tool_result", tool_use_id: first.content[0].id, content: "ok" }] });
        assert.equal((await ask({ messages, tools: [walk] })).content[0].text, "I walked 2 m.");
    },
    async "tools in a stream"() {
        const message = await client.messages.stream({ model: "model", max_tokens: 100, temperature: 0, messages: [{ role: "user", content: "walk" }], tools: [walk] }).finalMessage();
        assert.deepEqual(message.content[0].input, { distance: 2 });
    },
    async "thoughts"() {
        const message = await client.messages.stream({ model: "model", max_tokens: 2000, temperature: 0, messages: [{ role: "user", content: "think" }] }).finalMessage();
        assert.deepEqual(message.content.map((b) => b.type), ["thinking", "text"]);
        assert.equal(message.content[0].thinking, "Hm.");
    },
    async "counting, and models"() {
        assert.ok((await client.messages.countTokens({ model: "model", messages: hi })).input_tokens > 2);
        const list = [];
        for await (const m of client.models.list()) list.push(m.id);
        assert.deepEqual(list, ["model"]);
    },
    async "errors have their classes"() {
        await fails(() => ask({ max_tokens: 0 }), Anthropic.BadRequestError, 400);
        await fails(() => ask({ model: "claude" }), Anthropic.NotFoundError, 404);
        await fails(() => new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 }).messages.create({ model: "model", max_tokens: 1, messages: hi }), Anthropic.AuthenticationError, 401);
    },
    async "an aborted stream frees its place"() {
        const stream = client.messages.stream({ model: "model", max_tokens: 20000, temperature: 8, top_k: 0, messages: hi });
        stream.on("error", () => {});
        stream.on("abort", () => {});
        await new Promise((done) => stream.once("streamEvent", done));
        stream.abort();
        for (let i = 0; i < 200 && (await running()) !== 0; i++) await sleep(25);
        assert.equal(await running(), 0);
    },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
    try {
        await check();
        console.log("ok   " + name);
    } catch (error) {
        failed++;
        console.log("FAIL " + name + "\n" + (error.stack ?? error));
    }
}
console.log(`${Object.keys(checks).length - failed} of ${Object.keys(checks).length}`);
process.exit(failed === 0 ? 0 : 1);
