#!/usr/bin/env python3
"""The official clients for node, unmodified, against the server. usage: test_sdk.py RAGA ROOT

They come from the npm registry, into a folder beside the program; without node or the registry this test is skipped."""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from scripted_model import make  # noqa: E402
from serving import Server  # noqa: E402

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ["openai@6.49.0", "@anthropic-ai/sdk@1.12.0", "ollama@0.6.4"]
SCRIPTS = ["openai_sdk.mjs", "anthropic_sdk.mjs", "ollama_sdk.mjs"]
SCRIPT = """
{%- if last.role == 'tool' -%}done
{%- elif 'walk' in last.content -%}walk
{%- elif 'think' in last.content -%}thought
{%- else -%}plain{%- endif -%}"""


def skip(why):
    print("skipped: " + why)
    sys.exit(77)


def install():
    to = os.path.join(os.path.dirname(RAGA), "sdk")
    done = os.path.join(to, "installed")
    if os.path.exists(done):
        with open(done, encoding="utf-8") as f:
            if f.read() == " ".join(PACKAGES):
                return to
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip("node and npm are not installed")
    os.makedirs(to, exist_ok=True)
    with open(os.path.join(to, "package.json"), "w", encoding="utf-8") as f:
        f.write('{"private": true}\n')
    try:
        r = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES],
                           cwd=to, capture_output=True, timeout=200, check=False)
    except subprocess.TimeoutExpired:
        skip("the npm registry does not answer")
    if r.returncode != 0:
        skip("npm install %s: %s" % (" ".join(PACKAGES), r.stderr.decode()[:200].replace("\n", " ")))
    with open(done, "w", encoding="utf-8") as f:
        f.write(" ".join(PACKAGES))
    return to


def main():
    folder = install()
    for script in SCRIPTS:
        shutil.copy(os.path.join(HERE, script), folder)  # so that it finds the package
    with tempfile.TemporaryDirectory() as temp:
        model = os.path.join(temp, "model")
        make(model, {"walk": ["<tool_call>", '\n{"name": "walk", "arguments": {"distance": 2}}', "\n", "</tool_call>"],
                     "plain": ["Hello", " there."], "done": ["I walked", " 2 m."],
                     "thought": ["<think>", "Hm.", "</think>", "Well met."]}, SCRIPT, context=200000)
        server = Server(RAGA, model, "--slots", "1", "--queue", "1", "--api-key", "key", "--alias", "a/b:Q4")
        try:
            env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "ANTHROPIC_"))}
            env["RAGA_URL"] = "http://127.0.0.1:%d" % server.port
            status = 0
            for script in SCRIPTS:
                print(script, flush=True)
                status |= subprocess.run(["node", script], cwd=folder, env=env, timeout=120, check=False).returncode
        finally:
            ended = server.stop()
    if ended != 0:
        print("the server ended with %d" % ended)
    sys.exit(status or ended)


main()
