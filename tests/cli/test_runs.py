#!/usr/bin/env python3
"""Records of training runs, and `raga runs`. usage: test_runs.py RAGA ROOT"""
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

RAGA, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
TINY = os.path.join(ROOT, "tests/data/tiny")
RECIPE = {"model": {"family": "qwen3", "layers": 1, "hidden": 32, "heads": 1, "kv_heads": 1, "head_dim": 32, "ffn": 64,
                    "context": 64, "tied": True},
          "tokenizer": {"vocab": 280, "special": ["<|endoftext|>"], "eos": "<|endoftext|>"}, "seed": 3,
          "data": ["d.jsonl"], "valid": 0.1, "batch": 2, "seq_len": 32, "steps": 60, "lr": 5e-3, "warmup": 5,
          "valid_every": 20, "checkpoint_every": 10}


def raga(*args, env=None, timeout=120):
    out = subprocess.run([RAGA, *args], capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})
    return out.returncode, out.stdout.decode("utf-8", "replace"), out.stderr.decode("utf-8", "replace")


class Base(unittest.TestCase):
    def setUp(self):
        self.temp = tempfile.TemporaryDirectory()
        self.dir = self.temp.name
        os.environ["RAGA_DATA_DIR"] = self.path("records")
        rng = random.Random(1)
        with open(self.path("d.jsonl"), "w") as file:
            for _ in range(200):
                file.write(json.dumps({"text": f"{rng.randint(0, 9)} and {rng.randint(0, 9)}"}) + "\n")
        self.recipe()

    def tearDown(self):
        self.temp.cleanup()

    def path(self, name):
        return os.path.join(self.dir, name)

    def recipe(self, **changes):
        with open(self.path("r.json"), "w") as file:
            json.dump({**RECIPE, **changes}, file)

    def train(self, out, *more, env=None):
        return raga("train", self.path("r.json"), "-o", self.path(out), *more, env=env)

    def sql(self, query):
        db = sqlite3.connect(self.path("records/runs.db"))
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()


class Recorded(Base):
    def test_a_training_run_is_recorded_with_all_that_made_it(self):
        code, out, err = self.train("m", "--json")
        self.assertEqual(code, 0, err)
        told = [json.loads(line) for line in out.splitlines()]
        (kind, name, state, seed, model, model_hash, data_hash, recipe), = self.sql(
            "SELECT kind, name, state, seed, model, model_hash, data_hash, recipe FROM runs")
        self.assertEqual((kind, name, state, seed), ("train", "m", "done", 3))
        self.assertEqual(json.loads(recipe), RECIPE)
        self.assertEqual(data_hash, told[-1]["data_hash"])
        self.assertEqual(told[-1]["run"], 1)
        self.assertEqual(model, self.path("m"))
        self.assertRegex(model_hash, "^[0-9a-f]{16}$")
        steps = self.sql("SELECT step, loss, lr, grad_norm, tokens_s, memory_bytes FROM steps WHERE run = 1 ORDER BY step")
        self.assertEqual([row[0] for row in steps], list(range(1, 61)))
        losses = {line["step"]: line["loss"] for line in told if "loss" in line and "step" in line}
        for step, loss, lr, norm, rate, memory in steps:
            self.assertAlmostEqual(loss, losses[step], delta=1e-4)
            self.assertTrue(lr > 0 or step == 60)
            self.assertTrue(norm > 0 and rate > 0 and memory > 1 << 20)
        valid = self.sql("SELECT step, name, metric, value, n FROM evaluations ORDER BY id")
        self.assertEqual([row[:3] for row in valid], [(s, "validation", "loss") for s in (20, 40, 60)])
        said = [line["valid_loss"] for line in told if "valid_loss" in line]
        for row, loss in zip(valid, said):
            self.assertAlmostEqual(row[3], loss, delta=1e-4)
            self.assertGreater(row[4], 0)

    def test_a_run_that_is_gone_on_with_stays_one_run(self):
        self.recipe(steps=3000)
        run = subprocess.Popen([RAGA, "train", self.path("r.json"), "-o", self.path("m"), "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        for _ in range(30):
            run.stdout.readline()
        run.send_signal(signal.SIGINT)
        run.communicate()
        self.assertEqual(run.returncode, 130)
        self.assertEqual(self.sql("SELECT state FROM runs"), [("stopped",)])
        stopped = self.sql("SELECT max(step) FROM steps")[0][0]
        self.recipe(steps=stopped + 70)
        code, _, err = self.train("m", "--resume")
        self.assertEqual(code, 0, err)
        # the bar begins where the run stood
        self.assertRegex(err, rf"\[#+ +\] {stopped + 1}/{stopped + 70}  loss")
        self.assertEqual(self.sql("SELECT id, state FROM runs"), [(1, "done")])
        self.assertEqual(self.sql("SELECT count(*), max(step) FROM steps WHERE run = 1"), [(stopped + 70, stopped + 70)])

    def test_another_database_gets_a_run_of_its_own(self):
        self.assertEqual(self.train("m")[0], 0)
        self.recipe(steps=80)
        code, _, err = self.train("m", "--resume", env={"RAGA_DATA_DIR": self.path("other")})
        self.assertEqual(code, 0, err)
        db = sqlite3.connect(self.path("other/runs.db"))
        self.assertEqual(db.execute("SELECT id, state FROM runs").fetchall(), [(1, "done")])
        self.assertEqual(db.execute("SELECT min(step), max(step) FROM steps").fetchall(), [(61, 80)])
        db.close()
        # a run of the same number in a database made anew is another one
        os.rename(self.path("records"), self.path("old"))
        self.recipe()
        self.assertEqual(self.train("n")[0], 0)
        self.recipe(steps=100)
        self.assertEqual(self.train("m", "--resume")[0], 0)
        self.assertEqual(self.sql("SELECT id, name, (SELECT max(step) FROM steps WHERE run = runs.id) FROM runs"),
                         [(1, "n", 60), (2, "m", 100)])

    def test_a_failed_run_says_why(self):
        self.recipe(lr=10, warmup=0, clip=0, steps=4000, checkpoint_every=4000, valid_every=4000)
        code, _, err = self.train("m")
        self.assertEqual(code, 1)
        (state, reason), = self.sql("SELECT state, reason FROM runs")
        self.assertEqual(state, "failed")
        self.assertRegex(reason, "diverges|not finite")

    def test_an_early_stop_is_recorded(self):
        self.recipe(steps=4000, lr=0.05, patience=2, valid_every=5, valid=0.3)
        code, out, err = self.train("m", "--json")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out.splitlines()[-1])["end"], "stopped early")
        (state, reason), = self.sql("SELECT state, reason FROM runs")
        self.assertEqual((state, reason), ("done", "validation got no better"))
        losses = [row[0] for row in self.sql("SELECT value FROM evaluations ORDER BY id")]
        self.assertGreater(min(losses[-2:]), min(losses[:-2]))

    def test_no_record_leaves_no_trace(self):
        code, _, err = self.train("m", "--no-record")
        self.assertEqual(code, 0, err)
        self.assertFalse(os.path.exists(self.path("records")))
        self.assertFalse(os.path.exists(self.path("m/.raga-run")))

    def test_records_that_fail_are_said_once_and_stop_nothing(self):
        with open(self.path("records"), "w") as file:
            file.write("in the way")
        code, out, err = self.train("m")
        self.assertEqual(code, 0, err)
        self.assertIn("done", out)
        self.assertEqual(err.count("not recorded"), 1, err)

    def test_tuning_is_recorded_with_its_settings(self):
        code, _, err = raga("tune", TINY, self.path("d.jsonl"), "-o", self.path("ad"), "--steps", "6", "--rank", "2", "--lr", "1e-3",
                            "--seed", "9", "--name", "first try")
        self.assertEqual(code, 0, err)
        (kind, name, state, seed, model, recipe), = self.sql("SELECT kind, name, state, seed, model, recipe FROM runs")
        self.assertEqual((kind, name, state, seed, model), ("tune", "first try", "done", 9, TINY))
        self.assertEqual(json.loads(recipe), {"rank": 2, "lr": 0.001, "steps": 6, "seed": 9, "valid": 0.05,
                                              "data": [self.path("d.jsonl")]})
        self.assertEqual(self.sql("SELECT count(*) FROM steps")[0][0], 6)
        self.assertEqual(self.sql("SELECT name, metric FROM evaluations"), [("validation", "loss")])


class Runs(Base):
    @classmethod
    def setUpClass(cls):
        """Three runs, once: two trainings that differ and one that failed."""
        cls.kept = tempfile.TemporaryDirectory()
        home = Base()
        home.temp, home.dir = cls.kept, cls.kept.name
        os.environ["RAGA_DATA_DIR"] = home.path("records")
        with open(home.path("d.jsonl"), "w") as file:
            file.write("".join(json.dumps({"text": f"{i} and {i * i}"}) + "\n" for i in range(200)))
        home.recipe()
        assert home.train("one", "--name", "first <one> & \x1b[31m")[0] == 0
        home.recipe(lr=1e-3, steps=40)
        assert home.train("two")[0] == 0
        home.recipe(lr=10, warmup=0, clip=0, steps=4000)
        assert home.train("three")[0] == 1

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def setUp(self):
        super().setUp()
        os.environ["RAGA_DATA_DIR"] = os.path.join(self.kept.name, "records")

    def test_the_list_shows_every_run(self):
        code, out, err = raga("runs")
        self.assertEqual(code, 0, err)
        lines = out.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertRegex(lines[1], r"^ +1  train  first <one> & \?\[31m +done .* 60 .*validation loss \S+ \(of 3\)$")
        self.assertRegex(lines[2], r"^ +2  train  two +done .* 40 ")
        self.assertRegex(lines[3], r"^ +3  train  three +failed ")
        self.assertNotIn("\x1b", out)
        runs = json.loads(raga("runs", "--json")[1])
        self.assertEqual([(r["id"], r["kind"], r["state"], r["n_steps"]) for r in runs[:2]],
                         [(1, "train", "done", 60), (2, "train", "done", 40)])
        self.assertEqual(runs[0]["recipe"], RECIPE)

    def test_one_run_is_shown_with_its_curve(self):
        code, out, err = raga("runs", "show", "1", env={"LC_ALL": "C.UTF-8"})
        self.assertEqual(code, 0, err)
        self.assertIn("model.layers = 1", out)
        self.assertIn("validation loss", out)
        self.assertTrue(any("\u2801" <= c <= "\u28ff" for c in out))
        self.assertNotIn("\x1b", out)
        for args, env in ((("--ascii",), {"LC_ALL": "C.UTF-8"}), ((), {"LC_ALL": "C"})):
            plain = raga("runs", "show", "1", *args, env=env)[1].split("steps: first loss")[1]
            self.assertNotRegex(plain, "[\u2500-\u28ff]")
            self.assertIn("*", plain)
        shown = json.loads(raga("runs", "show", "1", "--json")[1])
        self.assertEqual([s["step"] for s in shown["steps"]], list(range(1, 61)))
        self.assertEqual([e["step"] for e in shown["evaluations"]], [20, 40, 60])
        self.assertEqual(json.loads(raga("runs", "show", "last", "--json")[1])["id"], 3)

    def test_a_comparison_tells_what_differs(self):
        out = json.loads(raga("runs", "compare", "1", "2", "--json")[1])
        self.assertEqual(out["differ"]["lr"], ["0.005", "0.001"])
        self.assertEqual(out["differ"]["steps"], ["60", "40"])
        self.assertNotIn("seed", out["differ"])
        self.assertNotIn("model.hidden", out["differ"])
        code, text, err = raga("runs", "compare", "1", "2", "--ascii")
        self.assertEqual(code, 0, err)
        self.assertRegex(text, r"(?m)^lr +0.005 +0.001$")
        self.assertIn("*", text)
        self.assertIn("+", text)

    def test_curves_become_well_formed_svg(self):
        for args in (("1",), ("1", "2", "3"), ("1", "2", "--log"), ("1", "--of", "lr"), ("2", "--smooth", "0")):
            code, _, err = raga("runs", "svg", *args, "-o", self.path("x.svg"))
            self.assertEqual(code, 0, err)
            root = xml.etree.ElementTree.parse(self.path("x.svg")).getroot()
            self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")
            with open(self.path("x.svg")) as file:
                text = file.read()
            self.assertIn("prefers-color-scheme:dark", text)
            self.assertNotRegex(text, "nan|inf|https?://(?!www.w3.org/2000/svg)")
        dots = [e for e in root.iter() if e.tag.endswith("circle")]
        self.assertEqual(len(dots), 3)  # the legend's, and two validations
        self.assertEqual(json.loads(raga("runs", "svg", "1", "-o", self.path("x.svg"), "--json")[1]), {"file": self.path("x.svg")})

    def test_mistakes_are_said(self):
        for args, code, words in ((("show", "77"), 1, "no run 77"), (("show", "x"), 1, '"x" is no run'), (("show",), 2, "needs"),
                                  (("compare", "1"), 2, "two runs"), (("svg", "1"), 2, "-o"), (("paint", "1"), 2, "paint"),
                                  (("show", "1", "--of", "love"), 2, "love"), (("svg", "1", "-o", "/no/such/x"), 1, "/no/such/x"),
                                  (("rm", "77"), 1, "no run 77"), (("svg", "1", "--width", "50", "-o", "x"), 1, "50")):
            got, _, err = raga("runs", *args)
            self.assertEqual(got, code, args)
            self.assertIn(words, err, args)

    def test_runs_are_forgotten(self):
        shutil.copytree(os.path.join(self.kept.name, "records"), self.path("copy"))
        env = {"RAGA_DATA_DIR": self.path("copy")}
        self.assertEqual(json.loads(raga("runs", "rm", "1", "3", "--json", env=env)[1]), {"removed": [1, 3]})
        self.assertEqual([r["id"] for r in json.loads(raga("runs", "--json", env=env)[1])], [2])

    def test_no_records_are_an_empty_list(self):
        env = {"RAGA_DATA_DIR": self.path("none")}
        self.assertEqual(raga("runs", env=env)[:2], (0, "no runs are recorded yet\n"))
        self.assertEqual(raga("runs", "--json", env=env)[:2], (0, "[]\n"))
        self.assertFalse(os.path.exists(self.path("none")))
        self.assertEqual(raga("runs", "show", "1", env=env)[0], 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
