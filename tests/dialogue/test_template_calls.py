"""Calls as the templates of each family write them into a history are read back as they were.
usage: test_template_calls.py RAGA"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

RAGA = os.path.abspath(sys.argv[1])
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
VECTORS = os.path.join(os.environ.get("RAGA_SHARED", os.path.join(ROOT, "../shared")), "templates", "vectors")
ENDS = ("<|im_end|>", "<｜end▁of▁sentence｜>", "<|eot_id|>", "<|eom_id|>")
CHATML, DEEPSEEK, KIMI = "<|im_start|>assistant\n", "<｜Assistant｜>", "<|im_middle|>"
LLAMA = "<|start_header_id|>assistant<|end_header_id|>\n\n"
# of a template: the family, and what opens an answer in it
FAMILIES = {"Qwen-Qwen2.5-7B-Instruct": ("qwen2.5", CHATML), "Qwen-QwQ-32B": ("qwq", CHATML), "Qwen-Qwen3-0.6B": ("qwen3", CHATML),
            "Qwen3-Coder": ("qwen3-coder", CHATML), "Qwen3.5-4B": ("qwen3.5", CHATML),
            "deepseek-ai-DeepSeek-V3.1": ("deepseek-v3.1", DEEPSEEK), "deepseek-ai-DeepSeek-V3.2": ("deepseek-v3.2", DEEPSEEK),
            "deepseek-ai-DeepSeek-V4": ("deepseek-v4", DEEPSEEK), "moonshotai-Kimi-K2": ("kimi-k2", KIMI),
            "Kimi-K2-Instruct": ("kimi-k2", KIMI), "Kimi-K2-Thinking": ("kimi-k2-thinking", KIMI),
            "meta-llama-Llama-3.1-8B-Instruct": ("llama3.1", LLAMA), "meta-llama-Llama-3.2-3B-Instruct": ("llama3.2", LLAMA)}
UNSPLIT = ("deepseek-v3.1", "deepseek-v3.2")  # nothing opens an answer behind results: cases of several steps are left out

if not os.path.isdir(VECTORS):
    print("skipped: no reference folder at %s (set RAGA_SHARED)" % VECTORS)
    sys.exit(77)


def calls_of(messages):
    found = []
    for message in messages:
        for call in (message.get("tool_calls") or []) if message.get("role") == "assistant" else []:
            function = call.get("function", call)
            args = function.get("arguments", {})
            found.append((function["name"], json.loads(args or "{}") if isinstance(args, str) else args))
    return found


class Calls(unittest.TestCase):
    def read(self, family, text, tools):
        with tempfile.TemporaryDirectory() as folder:
            words = [RAGA, "parse", "--family", family, "--json", os.path.join(folder, "a")]
            with open(words[-1], "w", encoding="utf-8", newline="") as file:
                file.write(text)
            if tools:
                with open(os.path.join(folder, "t"), "w", encoding="utf-8") as file:
                    json.dump(tools, file)
                words += ["--tools", os.path.join(folder, "t")]
            out = subprocess.run(words, capture_output=True, check=True)
            return json.loads(out.stdout)

    def test_what_templates_write_is_read_back(self):
        n = 0
        for template, (family, head) in FAMILIES.items():
            with open(os.path.join(VECTORS, template + ".jsonl"), encoding="utf-8") as file:
                cases = {case["case"]: case for case in map(json.loads, file) if "rendered" in case}
            for name, case in cases.items():
                want = calls_of(case["messages"])
                if not want or (family in UNSPLIT and name == "tool_multistep"):
                    continue
                got = []
                for text in case["rendered"].split(head)[1:]:
                    text = text[:min((text.index(end) for end in ENDS if end in text), default=len(text))]
                    if any(called in text for called, _ in want):
                        answer = self.read(family, text, case.get("tools"))
                        self.assertEqual(answer["warnings"], [], (template, name))
                        got += [(call["name"], call["arguments"]) for call in answer["calls"]]
                self.assertEqual(got, want, (template, name))
                n += 1
        self.assertGreater(n, 80)


unittest.main(argv=sys.argv[:1])
