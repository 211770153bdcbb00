#!/usr/bin/env python3
"""Memory of tuning a large quantized model; RAGA_TEST_LONG=1. usage: test_train_long.py RAGA ROOT"""
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]
MAKER = os.path.join(os.environ.get("RAGA_SHARED", os.path.join(ROOT, "../shared")), "peers/make_synthetic_gguf.py")
LIMIT_KIB = 4 << 20


def python_with_numpy():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import numpy"], stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


PYTHON = python_with_numpy()


def reason_to_skip():
    if not os.environ.get("RAGA_TEST_LONG"):
        return "tuning a large quantized model takes a minute; RAGA_TEST_LONG=1 does it"
    if not os.path.exists(MAKER):
        return f"{MAKER} is absent (set RAGA_SHARED)"
    return None if PYTHON is not None else "making a large model needs a python with numpy"


class Memory(unittest.TestCase):
    def test_a_step_on_a_quantized_model_takes_less_than_4_gib(self):
        with tempfile.TemporaryDirectory() as folder:
            model, data = os.path.join(folder, "m.gguf"), os.path.join(folder, "d.jsonl")
            subprocess.run([PYTHON, MAKER, "--arch", "qwen3-0.6b", "--quant", "Q4_K_M", "--out", model], check=True,
                           stdout=subprocess.DEVNULL)
            rng = random.Random(1)
            with open(data, "w") as file:
                for _ in range(20):
                    file.write(json.dumps({"text": " ".join(rng.choice(("one", "two", "three")) for _ in range(1500))}) + "\n")
            for more in ((), ("--compute", "bf16")):
                run = subprocess.Popen([RAGA, "tune", model, data, "-o", os.path.join(folder, "ad" + "".join(more)), "--batch", "1",
                                        "--seq-len", "512", "--steps", "2", "--valid", "0"], stdout=subprocess.DEVNULL)
                _, status, use = os.wait4(run.pid, 0)
                run.returncode = os.waitstatus_to_exitcode(status)
                self.assertEqual(run.returncode, 0)
                self.assertLess(use.ru_maxrss, LIMIT_KIB)


if __name__ == "__main__":
    if reason_to_skip() is not None:
        print("skipped: " + reason_to_skip())
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
