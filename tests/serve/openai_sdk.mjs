// Calls of the official client, each with what must come of it. Run by test_sdk.py.
import assert from "node:assert/strict";
import OpenAI from "openai";

const url = process.env.RAGA_URL;
const client = new OpenAI({ baseURL: url + "/v1", apiKey: "key", maxRetries: 0 });
const hi = [{ role: "user", content: "hi" }];
const walk = { type: "function", function: { name: "walk", parameters: {
    type: "object", properties: { distance: { type: "number" } }, required: ["distance"], additionalProperties: false } } };
const long = { model: "model", messages: hi, temperature: 0, ignore_eos: true, max_tokens: 190000 };
const schema = { type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 9 } }, required: ["n"], additionalProperties: false };

const chat = (more) => client.chat.completions.create({ model: "model", messages: hi, temperature: 0, ...more });
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
async function metric(name) {
    const text = await (await fetch(url + "/metrics", { headers: { Authorization: "Bearer key" } })).text();
    return Number(text.split("\n").find((l) => l.startsWith(name + " ")).split(" ")[1]);
}
async function idle() {
    for (let i = 0; i < 200 && (await metric("raga_requests_running")) !== 0; i++) await sleep(25);
    assert.equal(await metric("raga_requests_running"), 0);
}
async function fails(call, type, status) {
    const error = await call().then(() => null, (e) => e);
    assert.ok(error instanceof type, `${error}`);
    if (status !== undefined) assert.equal(error.status, status);
    return error;
}

const checks = {
    async "a chat"() {
        const r = await chat();
        assert.equal(r.choices[0].message.content, "Hello there.");
        assert.equal(r.choices[0].finish_reason, "stop");
        assert.ok(r.usage.total_tokens > 2);
        assert.match(r._request_id, /^req_/);
    },
    async "a stream with its usage"() {
        let text = "", usage = null, finish = null;
        for await (const chunk of await chat({ stream: true, stream_options: { include_usage: true } })) {
            text += chunk.choices[0]?.delta.content ?? "";
            finish = chunk.choices[0]?.finish_reason ?? finish;
            usage = chunk.usage ?? usage;
        }
        assert.equal(text, "Hello there.");
        assert.equal(finish, "stop");
        assert.ok(usage.completion_tokens >= 2);
    },
    async "the helper for streams"() {
        const stream = client.chat.completions.stream({ model: "model", messages: hi, temperature: 0 });
        assert.equal(await stream.finalContent(), "Hello there.");
        assert.equal((await stream.finalChatCompletion()).choices[0].finish_reason, "stop");
    },
    async "tools over two turns"() {
        const messages = [{ role: "user", content: "walk" }];
        const first = await chat({ messages, tools: [walk] });
        assert.equal(first.choices[0].finish_reason, "tool_calls");
        const call = first.choices[0].message.tool_calls[0];
        assert.deepEqual(JSON.parse(call.function.arguments), { distance: 2 });
        messages.push(first.choices[0].message, { role: "tool", tool_call_id: call.id, content: "ok" });
        assert.equal((await chat({ messages, tools: [walk] })).choices[0].message.content, "I walked 2 m.");
    },
    async "tools in a stream"() {
        const stream = client.chat.completions.stream({ model: "model", messages: [{ role: "user", content: "walk" }], temperature: 0, tools: [walk] });
        const events = [];
        stream.on("tool_calls.function.arguments.done", (e) => events.push(e));
        const message = await stream.finalMessage();
        assert.equal(message.tool_calls[0].function.name, "walk");
        assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { distance: 2 });
        assert.equal(events.length, 1);
    },
    async "the helper that runs tools"() {
        const said = [];
        const runner = client.chat.completions.runTools({ model: "model", messages: [{ role: "user", content: "walk" }], temperature: 0, tools: [{
            type: "function", function: { ...walk.function, parse: JSON.parse, function: async ({ distance }) => { said.push(distance); return "ok"; } } }] });
        assert.equal(await runner.finalContent(), "I walked 2 m.");
        assert.deepEqual(said, [2]);
    },
    async "tool_choice four ways"() {
        assert.equal((await chat({ tools: [walk], tool_choice: "auto" })).choices[0].message.content, "Hello there.");
        assert.equal((await chat({ tools: [walk], tool_choice: "none" })).choices[0].message.content, "Hello there.");
        const messages = [{ role: "user", content: "walk" }];
        for (const tool_choice of ["required", { type: "function", function: { name: "walk" } }]) {
            assert.equal((await chat({ messages, tools: [walk], tool_choice })).choices[0].message.tool_calls[0].function.name, "walk");
        }
    },
    async "a schema, parsed"() {
        const r = await client.chat.completions.parse({ model: "model", messages: hi, seed: 1,
            response_format: { type: "json_schema", json_schema: { name: "x", strict: true, schema } } });
        const value = r.choices[0].message.parsed ?? JSON.parse(r.choices[0].message.content);
        assert.ok(Number.isInteger(value.n) && value.n >= 0 && value.n <= 9);
    },
    async "two choices"() {
        assert.deepEqual((await chat({ n: 2 })).choices.map((c) => c.message.content), ["Hello there.", "Hello there."]);
        const texts = ["", ""];
        for await (const chunk of await chat({ n: 2, stream: true })) {
            for (const c of chunk.choices) texts[c.index] += c.delta.content ?? "";
        }
        assert.deepEqual(texts, ["Hello there.", "Hello there."]);
    },
    async "log-probabilities"() {
        const r = await chat({ logprobs: true, top_logprobs: 3 });
        assert.equal(r.choices[0].logprobs.content.map((t) => t.token).join(""), "Hello there.");
        assert.equal(r.choices[0].logprobs.content[0].top_logprobs.length, 3);
    },
    async "a stop string"() {
        assert.equal((await chat({ stop: " the" })).choices[0].message.content, "Hello");
    },
    async "a seed repeats"() {
        const text = async () => (await chat({ temperature: 3, seed: 3, max_tokens: 8 })).choices[0].message.content;
        assert.equal(await text(), await text());
    },
    async "reasoning apart"() {
        const r = await chat({ messages: [{ role: "user", content: "think" }] });
        assert.equal(r.choices[0].message.reasoning_content, "Hm.");
        assert.equal(r.choices[0].message.content, "Well met.");
    },
    async "models, with / and : in their names"() {
        const list = [];
        for await (const m of client.models.list()) list.push(m.id);
        assert.deepEqual(list, ["model"]);
        assert.equal((await client.models.retrieve("a/b:Q4")).id, "model");
        await fails(() => client.models.retrieve("other"), OpenAI.NotFoundError, 404);
    },
    async "a text goes on"() {
        const r = await client.completions.create({ model: "model", prompt: "<|plain|>", temperature: 0, logprobs: 1 });
        assert.equal(r.choices[0].text, "Hello there.");
        assert.deepEqual(r.choices[0].logprobs.tokens, ["Hello", " there."]);
        let text = "";
        for await (const chunk of await client.completions.create({ model: "model", prompt: "<|plain|>", temperature: 0, stream: true })) text += chunk.choices[0].text;
        assert.equal(text, "Hello there.");
    },
    async "errors have their classes"() {
        const e = await fails(() => chat({ temperature: -1 }), OpenAI.BadRequestError, 400);
        assert.equal(e.param, "temperature");
        assert.equal((await fails(() => chat({ model: "gpt-4o" }), OpenAI.NotFoundError, 404)).code, "model_not_found");
        const stranger = new OpenAI({ baseURL: url + "/v1", apiKey: "wrong", maxRetries: 0 });
        await fails(() => stranger.models.list(), OpenAI.AuthenticationError, 401);
        await fails(() => client.embeddings.create({ model: "model", input: "x" }), OpenAI.InternalServerError, 501);
        const tooLong = await fails(() => chat({ messages: [{ role: "user", content: "x".repeat(250000) }] }), OpenAI.BadRequestError, 400);
        assert.equal(tooLong.code, "context_length_exceeded");
    },
    async "an aborted stream frees its place"() {
        const stream = await client.chat.completions.create({ ...long, stream: true });
        let n = 0;
        for await (const chunk of stream) {
            if (++n === 5) break;
        }
        await idle();
        const abort = new AbortController();
        const other = client.chat.completions.create(long, { signal: abort.signal });
        setTimeout(() => abort.abort(), 200);
        await fails(() => other, OpenAI.APIUserAbortError);
        await idle();
    },
    async "a time limit of the client's"() {
        await fails(() => client.chat.completions.create(long, { timeout: 200 }), OpenAI.APIConnectionTimeoutError);
        await idle();
    },
    async "a full queue, and asking again"() {
        const first = await client.chat.completions.create({ ...long, stream: true });
        const waits = new AbortController();
        const second = client.chat.completions.create({ ...long, stream: true }, { signal: waits.signal }).catch(() => null);
        while ((await metric("raga_requests_waiting")) !== 1) await sleep(20);
        const e = await fails(() => chat(), OpenAI.RateLimitError, 429);
        assert.ok(Number(e.headers.get("retry-after")) >= 1);
        const again = client.chat.completions.create({ model: "model", messages: hi, temperature: 0 }, { maxRetries: 3 });
        setTimeout(() => { first.controller.abort(); waits.abort(); }, 300);
        assert.equal((await again).choices[0].message.content, "Hello there.");
        await second;
        await idle();
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
