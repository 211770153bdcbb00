"""Commands: what is meant, which calls that makes, and how it is said."""
import copy

import say_en
import say_id
import say_zh
import objects
from numbers_said import POINT, digits, number, say_number, spoken, words_zh
from phrase import expand, say, tidy
from quantity import ANGLE, BIT, LENGTH, MOMENT, SPEED, TIME, Qty, coordinate

LANG = {"en": say_en, "id": say_id, "zh": say_zh}
SPEEDS = {"slow": 0.2, "fast": 0.8}
DEFAULT = {"walk": 1, "side": 0.5, "turn": 90}
A_BIT = {"walk": 0.5, "side": 0.3, "turn": 30}


class Command:
    """act: walk side turn around frac full hour goto home approach come look wait moment stand sit stop status.

    sign +1 forward or left, -1 backward or right, 0 a turn with no side; qty a Qty, "bit" or None; speed None, "slow",
    "fast", "normal" or a Qty; name and gap of approach; x, y of goto; n how often, or the hour.
    """
    def __init__(self, act, **fields):
        self.act, self.sign, self.qty, self.speed, self.name, self.gap, self.x, self.y, self.n = act, 1, None, None, None, None, 0, 0, 1
        self.is_clock = False          # a turn's side said as clockwise
        self.side_said = None          # how the side is said, when not as ever
        self.name_said = None          # the same of a name
        for key, value in fields.items():
            setattr(self, key, value)

    def but(self, **fields):
        other = copy.copy(self)
        for key, value in fields.items():
            setattr(other, key, value)
        return other

    def size(self):
        if self.qty is None:
            return DEFAULT[self.act]
        return A_BIT[self.act] if self.qty == "bit" else self.qty.value

    def calls(self):
        sign = self.sign or 1
        if self.act == "walk":
            arguments = {"distance": number(sign * self.size())}
            if self.speed not in (None, "normal"):
                arguments["speed"] = SPEEDS[self.speed] if isinstance(self.speed, str) else number(self.speed.value)
            return [("walk", arguments)]
        if self.act == "side":
            return [("sidestep", {"distance": number(sign * self.size())})]
        if self.act in ("turn", "around", "frac", "full", "hour"):
            if self.act == "turn":
                angle = self.size()
            elif self.act == "frac":
                angle = self.n
            elif self.act == "hour":
                angle = -30 * self.n if self.n < 6 else 30 * (12 - self.n)
            else:
                angle = 180 if self.act == "around" else 360 * self.n
            return [("turn", {"angle": number(angle if self.act == "hour" else sign * angle)})]
        if self.act in ("goto", "home"):
            return [("go_to", {"x": number(self.x), "y": number(self.y)})]
        if self.act in ("approach", "come"):
            arguments = {"object": "person" if self.act == "come" else self.name}
            if self.gap is not None:
                arguments["distance"] = number(self.gap.value)
            return [("approach", arguments)]
        if self.act in ("wait", "moment"):
            return [("wait", {"seconds": number(3 if self.act == "moment" else self.qty.value)})]
        return [(self.act, {})]


# --- what is meant ---------------------------------------------------------------------------------------------------

def walk(rng, lang, wide=False, quantity=None, speed=0.2):
    sign = 1 if rng.chance(0.64) else -1
    roll = rng.unit() if quantity is None else 0 if quantity else 1
    qty = LENGTH[lang](rng, wide) if roll < 0.72 else "bit" if roll < 0.84 else None
    command = Command("walk", sign=sign, qty=qty)
    if rng.chance(speed):
        command.speed = rng.weighted([(5, "slow"), (5, "fast"), (4, None), (0.5, "normal")]) or SPEED[lang](rng)
    return command


def side(rng, lang, wide=False, quantity=None):
    roll = rng.unit() if quantity is None else 0 if quantity else 1
    qty = LENGTH[lang](rng, wide) if roll < 0.6 else "bit" if roll < 0.75 else None
    return Command("side", sign=rng.pick((1, -1)), qty=qty)


def turn(rng, lang, wide=False, quantity=None):
    roll = rng.unit() if quantity is None else 0 if quantity else 1
    qty = ANGLE[lang](rng, wide) if roll < 0.6 else "bit" if roll < 0.72 else None
    command = Command("turn", sign=rng.pick((1, -1)), qty=qty, is_clock=qty != "bit" and rng.chance(0.14))
    if qty != "bit" and rng.chance(0.05):
        command.sign = 0
    return command


def special_turn(rng, lang):
    act = rng.weighted([(5, "around"), (4, "full"), (3, "frac"), (2, "hour")])
    if act == "hour":
        return Command(act, n=rng.between(1, 11))
    command = Command(act, sign=rng.pick((0, 0, 0, 1, -1)) if act != "frac" else rng.pick((0, 1, 1, -1, -1)))
    if act == "frac":
        command.n = rng.weighted([(5, 180), (6, 90), (3, 45), (2, 270), (1, 120)])
    if act == "full" and rng.chance(0.25):
        command.n = rng.pick((2, 2, 2, 3))
    return command


def approach(rng, lang, gap=0.2):
    if rng.chance(0.13):
        return Command("come", gap=LENGTH[lang](rng, False) if rng.chance(gap * 0.7) else None)
    name = objects.thing(rng, lang)[0]
    return Command("approach", name=name, gap=standoff(rng, lang) if rng.chance(gap) else None)


def standoff(rng, lang):
    for _ in range(20):
        qty = LENGTH[lang](rng, rng.chance(0.4))
        if 0.1 <= qty.value <= 4:
            return qty
    return qty


def wait(rng, lang):
    return Command("moment") if rng.chance(0.1) else Command("wait", qty=TIME[lang](rng, True))


def simple(rng, lang):
    """Any command that can stand in a sequence."""
    return rng.weighted([(30, walk), (12, side), (22, turn), (8, special_turn), (8, approach), (9, wait), (4, goto), (3, home), (4, stand), (6, sit),
                         (4, look), (3, status)])(rng, lang)


def motion(rng, lang, **options):
    return rng.weighted([(10, walk), (6, side), (8, turn)])(rng, lang, **options)


def goto(rng, lang):
    return Command("goto", x=coordinate(rng), y=coordinate(rng))


def home(rng, lang):
    return Command("home")


def stand(rng, lang):
    return Command("stand")


def sit(rng, lang):
    return Command("sit")


def look(rng, lang):
    return Command("look")


def status(rng, lang):
    return Command("status")


def stop(rng, lang):
    return Command("stop")


# --- how it is said --------------------------------------------------------------------------------------------------

def number_said(rng, value, lang):
    """A coordinate."""
    if rng.chance(0.5):
        return digits(value, lang, rng)
    if value < 0 and rng.chance(0.3):
        minus = {"en": "minus ", "id": "minus ", "zh": "负"}[lang]
        return minus + digits(-value, lang, rng)
    return spoken(value, lang, rng)


def _sized(command, stem):
    """Which table: _d with a length, _step, _bit, _0."""
    if command.qty is None:
        return stem + "_0"
    if command.qty == "bit":
        return stem + "_bit"
    return stem + ("_step" if command.qty.kind == "step" else "_d")


def bare(rng, lang, command):
    """The command alone, in the imperative."""
    words = LANG[lang].COMMANDS
    side_words = LANG[lang].SIDES
    slots = {"s": command.side_said or rng.pick(side_words[command.sign or 1]), "c": rng.pick(LANG[lang].CLOCK[command.sign or 1]),
        "B": rng.pick(BIT[lang])}
    if isinstance(command.qty, Qty):
        slots["D"] = slots["A"] = slots["T"] = command.qty.said
    act = command.act
    if act == "walk":
        return _walk(rng, lang, command, slots)
    if act == "side":
        slots["W"] = say(rng, words["side_verb"])
        text = say(rng, words[_sized(command, "side")], slots)
        return _hurried(rng, lang, text, 0.03)
    if act == "turn":
        key = _turn_key(command)
        slots["W"] = say(rng, words["turn_verb_0" if command.qty is None else "turn_verb"])
        text = say(rng, words[key], slots)
        if lang == "en":
            text = text.replace("degrees turn", "degree turn").replace("degs turn", "deg turn")
        return _hurried(rng, lang, text, 0.03)
    if act in ("around", "frac", "full"):
        key = act
        if act == "full" and command.n > 1:
            key = "full_n"
            slots["N"] = slots["n"] = rng.pick(LANG[lang].TIMES[command.n])
            slots["n"] = {"en": {2: "two", 3: "three"}, "id": {2: "dua", 3: "tiga"}, "zh": {2: "两",
                3: "三"}}[lang][command.n] if rng.chance(0.7) else str(command.n)
        if act == "frac":
            slots["F"], slots["F2"] = LANG[lang].FRACTIONS[command.n]
        return say(rng, words[key + ("_side" if command.sign else "")], slots)
    if act == "hour":
        hour = LANG[lang].HOURS[command.n % 12]
        slots["h"] = hour if rng.chance(0.7) else str(command.n)
        return say(rng, words["hour"], slots)
    if act == "goto":
        slots["x"], slots["y"] = number_said(rng, command.x, lang), number_said(rng, command.y, lang)
        if lang == "id" and ("," in slots["x"] or "," in slots["y"]):
            slots["x"], slots["y"] = (s if rng.chance(0.5) else s.replace(",", ".") for s in (slots["x"], slots["y"]))
        slots["P"] = say(rng, words["point"], slots)
        return say(rng, words["goto"], slots)
    if act == "approach":
        slots["o"] = command.name_said or objects.said(rng, lang, command.name)
        slots["W"] = say(rng, words["approach_verb"])
        slots["W2"] = rng.pick(("datangi", "dekati", "ke situ", "hampiri"))
        slots["w1"] = rng.pick(("去", "靠近", "去找", "找到", "接近", "走近", "走向", "寻找", "去", "凑近", "前往", "走到", "到", "去靠近", "找",
            "去找一下", "奔向", "去看看", "走过去找", "帮我找"))
        slots["w2"] = rng.pick(("走到", "去", "到", "走去", "跑到", "走到", "来到", "移动到", "去到", "过去"))
        if command.gap is not None:
            slots["D"] = command.gap.said
            return say(rng, words["approach_gap"], slots)
        return _hurried(rng, lang, say(rng, words["approach"], slots), 0.05)
    if act == "come":
        if command.gap is not None:
            slots["D"] = command.gap.said
            return say(rng, words["come_gap"], slots)
        return _hurried(rng, lang, say(rng, words["come"], slots), 0.04)
    if act == "wait":
        return say(rng, words["wait"], slots)
    if act == "moment":
        slots["m"] = rng.pick(MOMENT[lang])
        return say(rng, words["wait_moment"], slots)
    return say(rng, words[act], slots)


def _turn_key(command):
    if command.qty == "bit":
        return "turn_bit"
    plain = command.qty is None
    if command.sign == 0:
        return "turn_plain_0" if plain else "turn_plain"
    if command.is_clock:
        return "turn_cw_0" if plain else "turn_cw"
    return "turn_0" if plain else "turn_a"


def _hurried(rng, lang, text, chance):
    """A word of speed on a skill that has none: it is dropped."""
    if not rng.chance(chance):
        return text
    words = LANG[lang].COMMANDS
    pace = rng.pick(("slow", "fast"))
    return join_pace(rng, lang, text, words, pace)


def join_pace(rng, lang, text, words, pace):
    if pace == "normal" or rng.chance(0.55 if lang != "zh" else 0.3):
        return tidy(text + say(rng, (words[pace + "_post"])) if text and words[pace + "_post"][0].lstrip("0123456789*").startswith("，") else
                    text + " " + say(rng, words[pace + "_post"]))
    return tidy(say(rng, words[pace + "_pre"]) + ("" if lang == "zh" else " ") + text)


def _walk(rng, lang, command, slots):
    words = LANG[lang].COMMANDS
    forward = command.sign > 0
    slots["V"] = say(rng, words["verb_fwd" if forward else "verb_back"])
    is_run = command.speed == "fast" and forward and rng.chance(0.45)
    if is_run:
        slots["V"] = say(rng, words["verb_fast"])
    rows = words[_sized(command, "fwd" if forward else "back")]
    if is_run:
        rows = tuple(row for row in rows if "{V}" in row) or rows
        if command.qty is None and lang != "en":
            return tidy(slots["V"] + {"id": rng.pick((" ke depan", "", " maju")), "zh": rng.pick(("", "起来",
                "一段"))}[lang]) if lang == "id" else rng.pick(("往前跑", "向前跑", "跑", "跑起来", "跑步前进", "往前冲"))
    text = say(rng, rows, slots)
    if command.speed is None or is_run and "{V}" in "".join(rows):
        return text
    if isinstance(command.speed, Qty):
        said = command.speed.said
        if lang == "zh":
            return said + text if said[0] in "以用按" else text + "，" + said
        return said + rng.pick((" ", ", ")) + text if rng.chance(0.15) else text + rng.pick((" ", " ", ", ")) + said
    return join_pace(rng, lang, text, words, command.speed)


def gerund(text):
    """The English imperative as "walking ..", or None."""
    head, _, rest = text.partition(" ")
    ing = say_en.ING.get(head)
    return f"{ing} {rest}".strip() if ing else None


def wrapped(rng, lang, text):
    """With politeness, a call by name, small words."""
    words = LANG[lang]
    if words.GERUND_WRAPS and rng.chance(0.06):
        doing = gerund(text)
        if doing:
            return expand(rng, rng.pick(words.GERUND_WRAPS), {"g": doing})
    return say(rng, words.WRAPS, {"c": text})


def chain(rng, lang, texts):
    """Several commands in one sentence, in order."""
    words = LANG[lang]
    if len(texts) == 2 and rng.chance(0.16):
        row = rng.pick(words.AFTER)
        slots = {"c": texts[0], "c2": texts[1], "g": gerund(texts[0]) or "", "g2": gerund(texts[1]) or ""}
        if not ("{g}" in row and not slots["g"] or "{g2}" in row and not slots["g2"]):
            return expand(rng, row, slots)
    out = texts[0]
    same = say(rng, words.JOINS) if rng.chance(0.3) else None
    for i, text in enumerate(texts[1:], 2):
        last = i == len(texts)
        join = say(rng, words.LAST_JOINS) if last and rng.chance(0.45) else same or say(rng, words.JOINS)
        if lang != "zh" and join[0].isalpha():
            join = " " + join
        gap = "" if lang == "zh" else " "
        out += join + gap + text
    if rng.chance(0.18):
        out = rng.pick(words.FIRST) + out
    return tidy(out) if lang != "zh" else out
