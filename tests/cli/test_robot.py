#!/usr/bin/env python3
"""Driving robots as a user does. usage: test_robot.py RAGA ROOT"""
import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), sys.argv[2]


def raga(*args, stdin="", env=None, timeout=120):
    out = subprocess.run([RAGA, *args], input=stdin.encode(), capture_output=True, timeout=timeout,
                         env={**os.environ, **(env or {})})
    return out.returncode, out.stdout.decode(), out.stderr.decode()


def calls(*args, **kw):
    code, out, err = raga("robot", "sim:flat", "--json", *args, **kw)
    return code, [json.loads(line) for line in out.splitlines()], err


class Calls(unittest.TestCase):
    def test_results_are_as_agreed(self):
        code, lines, err = calls("--call", "walk", '{"distance":2}', "--call", "turn", '{"angle":-90}',
                                 "--call", "sidestep", '{"distance":0.5}', "--call", "go_to", '{"x":1,"y":-1}',
                                 "--call", "approach", '{"object":"red ball"}', "--call", "sit", "--call", "stand",
                                 "--call", "wait", '{"seconds":2}', "--call", "stop", "--call", "status")
        self.assertEqual((code, err), (0, ""))
        results = [line["result"] for line in lines]
        self.assertEqual(results[:5], [{"ok": True, "distance": 2.0}, {"ok": True, "angle": -90.0},
                                       {"ok": True, "distance": 0.5}, {"ok": True, "x": 1.0, "y": -1.0},
                                       {"ok": True, "object": "red ball", "distance": 0.5}])
        self.assertEqual(results[5:9], [{"ok": True}] * 4)
        self.assertEqual(list(results[9]), ["ok", "x", "y", "heading", "energy_used_wh", "fallen"])
        self.assertEqual(lines[2]["time_s"] > lines[1]["time_s"] > 4, True)
        self.assertLess(abs(lines[2]["x"] - 2.5) + abs(lines[2]["y"]), 0.01)

    def test_a_failure_ends_the_list(self):
        code, lines, _ = calls("--call", "walk", '{"distance":50}', "--call", "sit")
        self.assertEqual((code, len(lines)), (1, 1))
        self.assertRegex(lines[0]["result"]["error"], r"^blocked by a wall after 11\.7\d m$")
        code, lines, _ = calls("--keep-going", "--call", "fly", "--call", "sit")
        self.assertEqual((code, len(lines)), (1, 2))
        self.assertEqual(lines[0]["result"], {"ok": False, "error": 'there is no skill "fly"'})
        self.assertEqual(lines[1]["result"], {"ok": True})

    def test_calls_come_from_a_file(self):
        text = '{"name":"walk","arguments":{"distance":1}}\n\n{"name":"sit"}\n' \
               '{"name":"turn","arguments":"{\\"angle\\": 45}"}\n'
        code, lines, _ = calls("--calls", "-", stdin=text)
        self.assertEqual(code, 0)
        self.assertEqual([line["result"] for line in lines],
                         [{"ok": True, "distance": 1.0}, {"ok": True}, {"ok": True, "angle": 45.0}])
        for bad, says in (("walk", "the call"), ('{"arguments":{}}', '"name"'), ('{"name":"sit","id":1}', '"id"'),
                          ('["sit"]', '"name"'), ('{"name":"walk","arguments":[1]}', "JSON object"),
                          ('{"name":"walk","arguments":"{"}', "arguments"), ('{"name":7}', '"name"')):
            code, lines, _ = calls("--calls", "-", stdin=bad)
            self.assertEqual((code, lines[0]["result"]["ok"]), (1, False), bad)
            self.assertIn(says, lines[0]["result"]["error"])
        code, _, err = raga("robot", "sim:flat", "--calls", "/no/file")
        self.assertEqual(code, 1)
        self.assertIn("/no/file", err)

    def test_a_world_of_ones_own(self):
        with tempfile.TemporaryDirectory() as temp:
            path = os.path.join(temp, "world.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump({"start": {"x": 1, "y": 1, "heading": 90}, "slip": 0.1,
                           "objects": [{"name": "purple lamp", "x": 1, "y": 4, "radius": 0.2}]}, file)
            code, out, _ = raga("robot", "sim:flat:" + path, "--json", "--call", "look")
            self.assertEqual(json.loads(out)["result"]["objects"],
                             [{"name": "purple lamp", "x": 1.0, "y": 4.0, "distance": 3.0, "bearing": 0}])
            walk = ("robot", "sim:flat:" + path, "--json", "--call", "go_to", '{"x":-3,"y":2}', "--seed")
            self.assertEqual(raga(*walk, "5"), raga(*walk, "5"))
            self.assertNotEqual(raga(*walk, "5"), raga(*walk, "6"))
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"objects":[{"name":"x","x":5}]}')
            code, _, err = raga("robot", "sim:flat:" + path)
            self.assertEqual(code, 1)
            self.assertIn("world.json", err)
            self.assertIn("objects[0]: y must be a number", err)

    def test_the_tour_of_the_demonstration_goes_well(self):
        code, lines, _ = calls("--calls", os.path.join(ROOT, "examples/tour.jsonl"))
        self.assertEqual((code, len(lines)), (0, 8))

    def test_it_describes_itself(self):
        robot = json.loads(raga("robot", "sim:flat")[1])
        self.assertEqual(robot["actions"][0]["name"], "base.velocity")
        self.assertEqual(len(robot["actions"][0]["min"]), 3)
        tools = json.loads(raga("robot", "sim:flat", "--tools")[1])
        self.assertEqual([t["function"]["name"] for t in tools][:2], ["walk", "sidestep"])

    def test_wrong_usage_is_said(self):
        code, _, err = raga("robot", "sim:dog")
        self.assertEqual(code, 1)
        self.assertIn("sim:flat", err)
        code, _, err = raga("robot", "sim:flat", "--map", "--json")
        self.assertEqual(code, 2)
        self.assertIn("--json", err)
        self.assertEqual(raga("robot")[0], 2)


class Map(unittest.TestCase):
    def test_the_map_shows_where_things_are(self):
        for locale, letter in (("C.UTF-8", "←"), ("C", "<")):
            code, out, _ = raga("robot", "sim:flat", "--map", "--call", "turn", '{"angle":180}', env={"LC_ALL": locale})
            self.assertEqual(code, 0)
            self.assertIn("a red ball (3.0, 1.0)", out)
            self.assertIn("at (0.00, 0.00), heading", out)
            self.assertIn(letter, out)
            self.assertNotIn("\033", out)
            self.assertEqual(out.isascii(), locale == "C")

    def test_names_cannot_steer_the_terminal(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            things = [{"name": f"\u7403 {i} \x1b[2J\x85", "x": i + 1, "y": 0, "radius": 0.1} for i in range(9)]
            json.dump({"objects": things, "walls": [[-1, -1, 12, -1]]}, file)
            file.flush()
            code, out, _ = raga("robot", "sim:flat:" + file.name, "--map", env={"LC_ALL": "C.UTF-8"})
            self.assertEqual(code, 0)
            self.assertNotIn("\033", out)
            self.assertNotIn("\x85", out)
            for i in range(9):  # a low map keeps its legend
                self.assertIn(f"\u7403 {i} ?[2J? ({i + 1}.0, 0.0)", out)
        code, out, _ = raga("robot", "sim:flat", "--call", "\033]0;x\007")
        self.assertNotIn("\033", out)

    def on_terminal(self, args, act):
        pid, fd = pty.fork()
        if pid == 0:
            os.environ["LC_ALL"] = "C.UTF-8"
            os.execv(RAGA, [RAGA, *args])
        act(pid)
        seen = b""
        while True:
            try:
                part = os.read(fd, 65536)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    def test_on_a_terminal_it_is_redrawn_in_place(self):
        code, seen = self.on_terminal(["robot", "sim:flat", "--map", "--pace", "20", "--call", "walk", '{"distance":3}'],
                                      lambda pid: None)
        self.assertEqual(code, 0)
        self.assertRegex(seen, r"\x1b\[\d+A")
        self.assertIn('{"ok": true, "distance": 3.0}', seen)

    def test_ctrl_c_ends_the_call_at_once(self):
        began = time.monotonic()

        def act(pid):
            time.sleep(1)
            os.kill(pid, signal.SIGINT)

        code, seen = self.on_terminal(["robot", "sim:flat", "--map", "--call", "walk", '{"distance":5}',
                                       "--call", "sit"], act)
        self.assertEqual(code, 130)
        moved = re.search(r"interrupted after (\d\.\d\d) m", seen)
        self.assertTrue(moved, seen[-500:])
        self.assertTrue(0.1 < float(moved.group(1)) < 2.5, moved.group(0))
        self.assertNotIn("sit {}", seen)
        self.assertLess(time.monotonic() - began, 8)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]], verbosity=1)
