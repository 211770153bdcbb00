// Calls of the official client, each with what must come of it. Run by test_sdk.py.
import assert from "node:assert/strict";
import { Ollama } from "ollama";

const client = new Ollama({ host: process.env.RAGA_URL, headers: { Authorization: "Bearer key" } });
const hi = [{ role: "user", content: "hi" }];
const options = { temperature: 0 };
const walk = { type: "function", function: { name: "walk", parameters: { type: "object", properties: { distance: { type: "number" } }, required: ["distance"] } } };

async function running() {
    const text = await (await fetch(process.env.RAGA_URL + "/metrics", { headers: { Authorization: "Bearer key" } })).text();
    return Number(/^raga_requests_running (.*)$/m.exec(text)[1]);
}

const checks = {
    async "a chat"() {
        const r = await client.chat({ model: "model", messages: hi, options });
        assert.equal(r.message.content, "Hello there.");
        assert.ok(r.done && r.eval_count >= 2);
    },
    async "a stream"() {
        let text = "";
        for await (const part of await client.chat({ model: "model", messages: hi, options, stream: true })) text += part.message.content;
        assert.equal(text, "Hello there.");
    },
    async "a prompt"() {
        assert.equal((await client.generate({ model: "model", prompt: "hi", options })).response, "Hello there.");
        let text = "";
        for await (const part of await client.generate({ model: "model", prompt: "hi", options, stream: true })) text += part.response;
        assert.equal(text, "Hello there.");
    },
    async "tools over two turns"() {
        const messages = [{ role: "user", content: "walk" }];
        const first = await client.chat({ model: "model", messages, tools: [walk], options });
        assert.deepEqual(first.message.tool_calls[0].function, { name: "walk", arguments: { distance: 2 } });
        messages.push(first.message, { role: "tool", tool_name: "walk", content: "ok" });
        assert.equal((await client.chat({ model: "model", messages, tools: [walk], options })).message.content, "I walked 2 m.");
    },
    async "thoughts"() {
        const r = await client.chat({ model: "model", messages: [{ role: "user", content: "think" }], think: true, options });
        assert.equal(r.message.thinking, "Hm.");
    },
    async "what there is"() {
        assert.equal((await client.list()).models[0].name, "model");
        assert.equal((await client.show({ model: "model" })).details.family, "qwen3");
        assert.equal((await client.ps()).models.length, 1);
    },
    async "errors"() {
        const e = await client.chat({ model: "other", messages: hi }).then(() => null, (error) => error);
        assert.equal(e.status_code, 404);
        assert.match(e.message, /model/);
    },
    async "an abort"() {
        const stream = await client.chat({ model: "model", messages: hi, options: { temperature: 8, top_k: 0, num_predict: 20000 }, stream: true });
        const error = await (async () => { for await (const part of stream) stream.abort(); })().then(() => null, (e) => e);
        assert.ok(error === null || error.name === "AbortError", `${error}`); // all may have come before
        for (let i = 0; i < 200 && (await running()) !== 0; i++) await new Promise((done) => setTimeout(done, 25));
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
