#!/usr/bin/env python3
"""The generator of raga-nano's dialogues. usage: test_nano.py RAGA ROOT"""
import filecmp
import json
import os
import subprocess
import sys
import tempfile
import unittest

RAGA, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
NANO = os.path.join(ROOT, "tools", "nano")
SHARED = os.environ.get("RAGA_SHARED", os.path.join(ROOT, "..", "shared"))
sys.dont_write_bytecode = True
sys.path.insert(0, NANO)

import check  # noqa: E402
import commands  # noqa: E402
import exclude  # noqa: E402
import fold  # noqa: E402
import noise  # noqa: E402
import numbers_said as said  # noqa: E402
import objects  # noqa: E402
import phrase  # noqa: E402
import quantity  # noqa: E402
import quiz  # noqa: E402
import talk_data  # noqa: E402
from rng import Rng  # noqa: E402

LANGS = ("en", "id", "zh")
SKILLS = {   # name: required and further arguments
    "walk": ({"distance"}, {"speed"}), "sidestep": ({"distance"}, set()), "turn": ({"angle"}, set()), "go_to": ({"x", "y"}, set()),
        "approach": ({"object"}, {"distance"}),
    "look": (set(), set()), "wait": ({"seconds"}, set()), "stand": (set(), set()), "sit": (set(), set()), "stop": (set(), set()), "status": (set(),
        set())}


def generate(folder, seed, n, jobs=2):
    subprocess.run([sys.executable, "-B", os.path.join(NANO, "generate.py"), "--seed", str(seed), "--n", str(n), "-o", folder, "--jobs", str(jobs)],
        check=True, stderr=subprocess.DEVNULL)


def lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Said(unittest.TestCase):
    """What is said means what is called."""

    def length_of(self, lang, wanted):
        """All amounts of some ways of saying, met by chance in many draws."""
        rng, found = Rng(5), {}
        for _ in range(60000):
            qty = quantity.LENGTH[lang](rng, True)
            if qty.said in wanted:
                found[qty.said] = qty.value
        return found

    def test_lengths_follow_the_conventions(self):
        wants = {"en": {"a couple of metres": 2, "a few steps": 0.9, "half a metre": 0.5, "two and a half metres": 2.5, "a metre and a half": 1.5,
            "six feet": 1.83, "4 steps": 1.2, "a yard": 0.914},
                 "id": {"dua meter setengah": 2.5, "satu setengah meter": 1.5, "setengah meter": 0.5, "beberapa langkah": 0.9, "semeter": 1,
                     "30 cm": 0.3, "selangkah": 0.3, "1,5 meter": 1.5},
                 "zh": {"一米五": 1.5, "两米半": 2.5, "半米": 0.5, "几步": 0.9, "两步": 0.6, "三十公分": 0.3, "两米三": 2.3, "50厘米": 0.5}}
        for lang in LANGS:
            found = self.length_of(lang, wants[lang])
            self.assertEqual(set(found), set(wants[lang]))
            for text, value in wants[lang].items():
                self.assertAlmostEqual(found[text], value, delta=0.006, msg=text)

    def test_number_words(self):
        self.assertEqual([said.words_en(n) for n in (12, 21, 100, 135)], ["twelve", "twenty-one", "one hundred", "one hundred and thirty-five"])
        self.assertEqual([said.words_id(n) for n in (11, 12, 20, 100, 145)], ["sebelas", "dua belas", "dua puluh", "seratus",
            "seratus empat puluh lima"])
        self.assertEqual([said.words_zh(n) for n in (10, 12, 20, 105, 110, 360)], ["十", "十二", "二十", "一百零五", "一百一十", "三百六十"])
        for lang in LANGS:
            self.assertEqual(len({said.WORDS[lang](n) for n in range(1000)}), 1000)

    def test_sides_and_signs(self):
        command = commands.Command
        qty = quantity.Qty("x", 2.5, "m")
        for made, call in (
                (command("walk", sign=-1, qty=qty, speed="slow"), ("walk", {"distance": -2.5, "speed": 0.2})), (command("walk", qty="bit"), ("walk",
                    {"distance": 0.5})), (command("walk"), ("walk", {"distance": 1})),
                (command("side", sign=-1), ("sidestep", {"distance": -0.5})), (command("side", qty="bit"), ("sidestep", {"distance": 0.3})),
                    (command("turn", sign=-1), ("turn", {"angle": -90})), (command("turn", qty="bit"), ("turn", {"angle": 30})),
                (command("around", sign=0), ("turn", {"angle": 180})), (command("around", sign=-1), ("turn", {"angle": -180})), (command("full",
                    sign=0), ("turn", {"angle": 360})), (command("full", sign=-1, n=2), ("turn", {"angle": -720})),
                (command("hour", n=3), ("turn", {"angle": -90})), (command("hour", n=9), ("turn", {"angle": 90})), (command("hour", n=6), ("turn",
                    {"angle": 180})), (command("frac", sign=-1, n=45), ("turn", {"angle": -45})),
                (command("moment"), ("wait", {"seconds": 3})), (command("come"), ("approach", {"object": "person"})), (command("home"), ("go_to",
                    {"x": 0, "y": 0}))):
            self.assertEqual(made.calls(), [call])

    def test_every_pattern_can_be_expanded(self):
        slots = dict.fromkeys("V W D A T B s c o a n x y P F F2 N h m w1 w2 W2 t p d g l H C q".split(), "z")
        rng, met = Rng(1), 0
        for lang in LANGS:
            words = commands.LANG[lang]
            tables = list(words.COMMANDS.values()) + list(words.QUESTIONS.values()) + list(words.LOOK_QUESTIONS.values())
            tables += [tuple(rows) for rows in talk_data.REFUSALS[lang].values()]
            for rows in tables:
                for row in phrase.table(rows):
                    self.assertTrue(phrase.expand(rng, row, slots), row)
                    met += 1
        self.assertGreater(met, 3000)

    def test_names_of_things_are_passed_in_english(self):
        rng = Rng(3)
        for lang in LANGS:
            for _ in range(2000):
                name, noun, shade = objects.thing(rng, lang)
                self.assertEqual(objects.split_name(name), (noun, shade))
                self.assertEqual(name, name.lower())
                self.assertTrue(objects.said(rng, lang, name))
        self.assertEqual(objects.said(rng, "zh", "red ball", is_plain=True), "红球")
        self.assertEqual(objects.said(rng, "id", "gray box", is_plain=True), "kotak abu-abu")

    def test_questions_in_turn_are_answered_from_the_result(self):
        """Each answer that names a distance, or a turn, is that of a thing seen; of several turns there are several."""
        turns = things = 0
        for index in range(3000):
            d = quiz.quiz(Rng(index), LANGS[index % 3])
            turns += len(d.users())
            self.assertGreater(len(d.users()), 1)
            self.assertLess(quiz.size(d.messages), quiz.BUDGET * 1.3)
            seen = None
            for message in d.messages:
                if message["role"] == "tool":
                    seen = json.loads(message["content"]).get("objects", seen)
                for call in message.get("tool_calls", ()):
                    name, arguments = call["function"]["name"], call["function"]["arguments"]
                    if seen and name == "approach":
                        self.assertIn(arguments["object"], [o["name"] for o in seen])
                        things += 1
                    if seen and name == "turn":
                        self.assertIn(arguments["angle"], [o["bearing"] for o in seen])
                        things += 1
        self.assertGreater(turns, 9000)
        self.assertGreater(things, 200)

    def test_names_that_clash_are_not_seen_together(self):
        for index in range(600):
            lang = LANGS[index % 3]
            names = [o["name"] for o in quiz.scene(Rng(index), lang)]
            self.assertEqual(len(set(names)), len(names))
            for one in names:
                for other in names:
                    (noun, _), (noun2, _) = objects.split_name(one), objects.split_name(other)
                    self.assertFalse(noun != noun2 and quiz.alike(lang, noun, noun2), names)
                    self.assertFalse(one == noun and one != other and noun == noun2, names)

    def test_a_superlative_is_the_right_thing(self):
        seen = [{"name": "red ball", "x": 1, "y": 1, "distance": 1.4, "bearing": 45}, {"name": "box", "x": 2, "y": -1, "distance": 2.2, "bearing": -27}]
        want = {"nearest": "red ball", "farthest": "box", "leftmost": "red ball", "rightmost": "box"}
        for index in range(60):
            (topic, _), _, answer = quiz.ask_superlative(Rng(index), quiz.View("en", seen))
            d = quiz.Dialogue("en", "object")
            answer(d)
            self.assertIn("The " + want[topic], d.messages[-1]["content"])

    def test_a_typo_makes_no_other_known_word(self):
        for index in range(3000):
            self.assertNotIn(noise._typo(Rng(index), "table"), noise._known() - {"table"})
            self.assertEqual(noise._typo(Rng(index), "seven"), "seven")

    def test_folding(self):
        self.assertEqual(fold.fold("Walk forward TWO metres, please!"), fold.fold("walk forward 2.5 metres please"))
        self.assertEqual(fold.fold("maju dua koma lima meter"), "maju # koma # meter")
        self.assertEqual(fold.fold("往前走二十米。"), fold.fold("往前走3米"))
        self.assertNotEqual(fold.fold("turn left"), fold.fold("turn right"))


class Written(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = cls.kept.name
        generate(cls.folder, 7, 24000)

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def test_the_same_seed_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other, tempfile.TemporaryDirectory() as third:
            generate(one, 3, 3000, jobs=1)
            generate(other, 3, 3000, jobs=3)
            generate(third, 4, 3000)
            for name in ("train.jsonl", "valid.jsonl", "heldout.jsonl"):
                self.assertTrue(filecmp.cmp(os.path.join(one, name), os.path.join(other, name), shallow=False))
            self.assertFalse(filecmp.cmp(os.path.join(one, "train.jsonl"), os.path.join(third, "train.jsonl"), shallow=False))

    def test_calls_obey_the_skills(self):
        for line in lines(self.folder, "train.jsonl"):
            own = {tool["function"]["name"]: tool["function"]["parameters"] for tool in line.get("tools", ())}
            for message in line["messages"]:
                for call in message.get("tool_calls", ()):
                    name, arguments = call["function"]["name"], call["function"]["arguments"]
                    if own:
                        self.assertEqual(set(arguments), set(own[name]["required"]))
                        continue
                    required, further = SKILLS[name]
                    self.assertLessEqual(required, set(arguments))
                    self.assertLessEqual(set(arguments), required | further)
                    for key, value in arguments.items():
                        self.assertIsInstance(value, str if key == "object" else (int, float))
                        self.assertFalse(isinstance(value, float) and value == int(value), arguments)
                        if key in ("speed", "seconds") or name == "approach" and key == "distance":
                            self.assertGreater(value, 0)

    def test_turns_alternate_and_the_assistant_is_last(self):
        for line in lines(self.folder, "train.jsonl"):
            last, waiting = None, 0
            for message in line["messages"]:
                role = message["role"]
                self.assertIn((last, role), {(None, "system"), (None, "user"), ("system", "user"), ("user", "assistant"), ("assistant", "user"),
                    ("assistant", "tool"), ("tool", "tool"), ("tool", "assistant")})
                if role == "assistant":
                    waiting = len(message.get("tool_calls", ()))
                    self.assertTrue(waiting or message["content"])
                elif role == "tool":
                    waiting -= 1
                    json.loads(message["content"])
                self.assertGreaterEqual(waiting, 0)
                last = role
            self.assertEqual(last, "assistant")

    def test_held_out_turns_are_not_learnt(self):
        learnt, chains = set(), set()
        for line in lines(self.folder, "train.jsonl"):
            turns = [fold.fold(m["content"]) for m in line["messages"] if m["role"] == "user"]
            learnt.update(turns)
            chains.add(" / ".join(turns))
        items = lines(self.folder, "heldout.jsonl")
        self.assertGreater(len(items), 50)
        self.assertGreaterEqual({i["kind"] for i in items}, {"single", "sequence", "units", "correction", "object", "refusal"})
        for item in items:
            turns = [fold.fold(m["content"]) for m in item["messages"] if m["role"] == "user"]
            self.assertNotIn(" / ".join(turns), chains)
            if len(turns) == 1:
                self.assertNotIn(turns[0], learnt)

    def test_held_out_items_can_be_scored(self):
        score = os.path.join(SHARED, "commands", "score.py")
        if not os.path.exists(score):
            self.skipTest("no RAGA_SHARED: no scorer")
        out = subprocess.run([sys.executable, "-B", score, os.path.join(self.folder, "heldout.jsonl"), "--self-test"], capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stdout[-2000:] + out.stderr)
        answers = os.path.join(self.folder, "answers.jsonl")
        with open(answers, "w", encoding="utf-8") as file:
            for item, full in ((i, i) for i in lines(self.folder, "heldout.jsonl")):
                file.write(json.dumps({"id": item["id"], "calls": full["expect"].get("calls", []), "reply": full["expect"].get("reply",
                    {}).get("must_contain_any", [""])[0]}) + "\n")
        out = subprocess.run([sys.executable, "-B", score, os.path.join(self.folder, "heldout.jsonl"), answers, "--json"], capture_output=True,
            text=True)
        self.assertEqual(json.loads(out.stdout)["wrong"], [])

    def test_no_measuring_item_is_learnt(self):
        items = os.path.join(SHARED, "commands", "dev.jsonl")
        if not os.path.exists(items):
            self.skipTest("no RAGA_SHARED: no measuring set")
        problems, figures = check.check(items, [os.path.join(self.folder, name) for name in ("train.jsonl", "valid.jsonl")])
        self.assertEqual(problems, [])
        self.assertGreater(figures["distinct folded turns"], 10000)

    def test_the_list_of_hashes_is_that_of_the_measuring_set(self):
        items = os.path.join(SHARED, "commands", "dev.jsonl")
        if not os.path.exists(items):
            self.skipTest("no RAGA_SHARED: no measuring set")
        made = os.path.join(self.folder, "exclude.txt")
        subprocess.run([sys.executable, "-B", os.path.join(NANO, "exclude.py"), items, "-o", made], check=True, stderr=subprocess.DEVNULL)
        self.assertTrue(filecmp.cmp(made, os.path.join(NANO, "exclude.txt"), shallow=False), "run exclude.py again")

    def test_the_check_finds_what_it_should(self):
        with tempfile.TemporaryDirectory() as folder:
            items, train = os.path.join(folder, "items.jsonl"), os.path.join(folder, "train.jsonl")
            texts = ("Please shuffle sideways two metres and afterwards spin round the red lamp", "turn a bit")
            with open(items, "w", encoding="utf-8") as file:
                file.writelines(json.dumps({"messages": [{"role": "user", "content": t}]}) + "\n" for t in texts)
            for text, n in (("TURN a bit!", 1), ("please shuffle sideways 5 metres and afterwards spin round twice", 1), ("turn a bit more", 0),
                ("afterwards spin it", 0)):
                with open(train, "w", encoding="utf-8") as file:
                    file.write(json.dumps({"messages": [{"role": "user", "content": text}]}) + "\n")
                self.assertEqual(len(check.check(items, [train])[0]), n, text)
            ban_list = os.path.join(folder, "exclude.txt")
            subprocess.run([sys.executable, "-B", os.path.join(NANO, "exclude.py"), items, "-o", ban_list], check=True, stderr=subprocess.DEVNULL)
            ban = exclude.Ban(ban_list)
            self.assertTrue(ban.hits("turn a bit") and ban.hits("please shuffle sideways 5 metres and afterwards spin round twice"))
            self.assertFalse(ban.hits("turn a bit more"))

    def render(self, items):
        template = os.path.join(NANO, "template.jinja")
        text = "".join(json.dumps(item) + "\n" for item in items)
        out = subprocess.run([RAGA, "template", template, "--jsonl"], input=text, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in out.stdout.splitlines()]

    def test_the_template_renders_every_line(self):
        items = lines(self.folder, "train.jsonl")[:3000]
        for item, got in zip(items, self.render(items)):
            self.assertIn("rendered", got)
            self.assertTrue(got["rendered"].startswith("<|tools|>" if "tools" in item else "<|skills|>"))
            self.assertEqual(got["rendered"].count("<|im_start|>assistant"), sum(m["role"] == "assistant" for m in item["messages"]))
            self.assertLess(len(got["rendered"].encode()), 3000)

    def test_the_template_takes_the_skills_and_the_shared_prompt_as_known(self):
        hello = [{"role": "user", "content": "hi"}]
        skill = {"type": "function", "function": {"name": "walk", "description": "long"}}
        other = {"type": "function", "function": {"name": "bake", "description": "Bake.", "parameters": {"type": "object",
            "properties": {"what": {"type": "string", "enum": ["bread", "cake"]}}}}}
        system = [{"role": "system", "content": "You are raga, a four-legged robot. Turn what the user asks into tool calls."}]
        kwargs = {"add_generation_prompt": True}
        got = self.render([{"messages": hello, "kwargs": kwargs}, {"messages": system + hello, "tools": [skill], "kwargs": kwargs},
            {"messages": hello, "tools": [other], "kwargs": kwargs}])
        self.assertEqual(got[0]["rendered"], "<|skills|><|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")
        self.assertEqual(got[1]["rendered"], got[0]["rendered"])
        self.assertIn("bake: Bake.\n what bread|cake", got[2]["rendered"])

    def test_the_template_writes_calls_as_qwen_does(self):
        call = {"name": "walk", "arguments": {"distance": -1.5}}
        tail = [{"role": "tool", "content": "{\"ok\": true}"}]
        flat, nested = self.render([{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "",
            "tool_calls": [c]}] + tail} for c in (call, {"type": "function", "function": call})])
        self.assertEqual(flat, nested)
        self.assertIn("<|im_start|>assistant\n<tool_call>\n{\"name\": \"walk\", \"arguments\": {\"distance\": -1.5}}\n</tool_call><|im_end|>\n<|im_start|>user\n<tool_response>\nok true\n</tool_response><|im_end|>\n",
            flat["rendered"])

    def result(self, content, before=(), tools=None):
        """What the template makes of a tool's result; before: results of earlier calls."""
        messages = []
        for one in (*before, content):
            messages += [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [{"name": "look", "arguments": {}}]},
                {"role": "tool", "content": one}]
        got = self.render([{"messages": messages, **({"tools": tools} if tools else {})}])[0]["rendered"]
        return got.split("<tool_response>\n")[-1].split("\n</tool_response>")[0]

    def test_the_template_says_of_things_seen_which_is_where(self):
        seen = {"ok": True, "objects": [{"name": "plant", "x": 1.4, "y": 1.3, "distance": 1.9, "bearing": 43},
            {"name": "red ball", "x": -4, "y": -2.5, "distance": 12.5, "bearing": -148.5}, {"name": "box", "x": 1, "y": 0, "distance": 1.0, "bearing": 0}]}
        want = ("nearest box 0, farthest red ball -148.5, leftmost plant 43, rightmost red ball -148.5\n box 1.0 m, plant 1.9 m, red ball 12.5 m\n"
            " left: plant 43\n ahead: box 0\n right: red ball -148.5\n box x 1 y 0, plant x 1.4 y 1.3, red ball x -4 y -2.5")
        self.assertEqual(self.result(json.dumps(seen)), want)
        self.assertEqual(self.result(json.dumps(seen, separators=(",", ":"))), want)

    def test_the_template_says_of_two_things_which_is_the_other(self):
        seen = json.dumps({"ok": True, "objects": [{"name": "lamp", "x": 1, "y": 1, "distance": 1.4, "bearing": 45},
            {"name": "box", "x": 2, "y": 0, "distance": 2, "bearing": 0}]})
        self.assertTrue(self.result(seen).endswith("\n not lamp but box 0, not box but lamp 45"))
        for name, want in (("lamp", ", other box"), ("box", ", other lamp"), ("door", "")):
            got = self.result(json.dumps({"ok": True, "object": name, "distance": 0.5}), [seen])
            self.assertEqual(got, f"ok true, object {name}, distance 0.5" + want)

    def test_the_template_folds_case_unless_functions_are_foreign(self):
        messages = [{"role": "user", "content": "Go to Paris, NOW"}]
        tools = [{"type": "function", "function": {"name": "fly_to", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
        rendered = self.render([{"messages": messages}, {"messages": messages, "tools": tools}])
        self.assertIn("\ngo to paris, now<", rendered[0]["rendered"])
        self.assertIn("\nGo to Paris, NOW<", rendered[1]["rendered"])

    def test_the_template_writes_other_results_without_marks(self):
        for content, want in (('{"ok": true, "x": 1.5, "heading": 90, "fallen": false}', "ok true, x 1.5, heading 90, fallen false"),
                ('{"ok":true,"distance":2.0}', "ok true, distance 2.0"), ('{"ok": true, "objects": []}', "ok true, objects []"), ("plain", "plain"),
                ('{"ok": false, "error": "path blocked"}', "ok false, error path blocked")):
            self.assertEqual(self.result(content), want)
        other = [{"type": "function", "function": {"name": "bake", "parameters": {"type": "object", "properties": {}}}}]
        self.assertEqual(self.result('{"ok": true}', tools=other), '{"ok": true}')

    def test_odd_results_break_no_template(self):
        for content in ('{"ok": true, "objects": [{"name": "a\\"b"}]}', '{"name"}', '{"objects": [{"name": "a", "x": "q", "y": null, "distance": "zz", "bearing": [1]}]}',
                '{"name": "x" "x" "y" "distance" "bearing"}', "{", "}", "{}", '{"name":"distance""bearing""x""y"}'):
            self.result(content)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
