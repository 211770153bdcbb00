"""Dialogues with several questions in turn, answered from one result: so that reading values out of results is learnt from every turn."""
import functools
import json

import answers
import commands as c
import objects
import quiz_data as w
import scenes
from commands import Command
from corrections import BRIEF
from dialogue import Dialogue
from noise import typed
from numbers_said import number, plain
from orders import numbers_style
from phrase import expand, say
from quantity import ANGLE, LENGTH, Qty

BUDGET = 230                # tokens of a dialogue, estimated: it should fit in 256
# tokens by a trained vocabulary, fitted: of a turn, a call, a digit, a character that is not ASCII, another one, a character of a result
TURN, CALL, DIGIT, WIDE, PLAIN, RESULT = 3.7, 6.4, 1.2, 0.45, 0.23, 0.35
LINKED = ("and ", "ok, ", "ok ", "so ", "now ", "but ", "dan ", "terus ", "lalu ", "oke", "tapi ", "kalau ", "那", "还有", "再", "好")   # begun as AND would
EARLIER = ("again", "you saw", "did you see", "was that", "is that", "those", "them", "say that", "tadi", "lagi", "来着", "刚才", "再说")   # of what was seen before
NOISE = 0.6                 # of the share of mistakes elsewhere
FINE = 0.2
COMPOUND = ("garden", "kitchen", "toy", "paint", "office", "party", "beach", "bathroom", "street", "school", "baby", "pool")


# --- a dialogue that stays short ---------------------------------------------------------------------------------------

def text_size(text):
    ascii_only = text.encode("ascii", "ignore").decode()
    digits = sum(map(ascii_only.count, "0123456789"))
    return DIGIT * digits + WIDE * (len(text) - len(ascii_only)) + PLAIN * (len(ascii_only) - digits)


def size(messages):
    """Tokens, about."""
    total = TURN * len(messages)
    for m in messages:
        if m["role"] == "tool":
            total += RESULT * len(m["content"]) + DIGIT * sum(map(m["content"].count, "0123456789"))
        else:
            total += text_size(m["content"])
            for call in m.get("tool_calls", ()):
                total += CALL + text_size(json.dumps(call["function"]["arguments"]))
    return total


def within(d, add):
    """add() turns to the dialogue, unless it grows too long: then it stays as it was, and the answer is False."""
    at, expect, kind = len(d.messages), d.expect, d.kind
    add()
    if at and size(d.messages) > BUDGET:
        del d.messages[at:]
        d.expect, d.kind = expect, kind
        return False
    return True


def asked(rng, lang, text, is_first):
    return typed(rng, lang, text if is_first or text.startswith(LINKED) or rng.chance(0.7) else expand(rng, rng.pick(scenes.AND[lang]), {"q": text}), NOISE)


# --- what is seen ------------------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def spoken_nouns(lang, noun):
    row = objects.BY_NAME.get(noun)
    return tuple(row[lang] if row else [noun])


@functools.lru_cache(maxsize=None)
def alike(lang, one, other):
    """Whether one noun's words are part of the other's: then neither alone says which is meant."""
    return any(a in b or b in a for a in spoken_nouns(lang, one) for b in spoken_nouns(lang, other))


def noun_of(rng, lang):
    if lang == "en" and rng.chance(0.3):
        noun = rng.pick(objects.ENGLISH)
        return f"{rng.pick(COMPOUND)} {noun}" if " " not in noun and rng.chance(0.25) else noun
    return rng.pick(objects.NOUNS)[0] if rng.chance(0.65) else rng.pick(objects.MORE_NOUNS)[0]


def scene(rng, lang):
    """A look result: often with names that share a colour or a noun."""
    n = rng.weighted([(12, 2), (10, 3), (5, 4), (1.5, 5), (0.6, 6)])
    is_shared = rng.chance(0.45)
    hues = [row[0] for row in rng.some(objects.COLOUR_ROWS, 2 if n < 4 else 3)]
    nouns = [noun_of(rng, lang) for _ in range(2 if n < 5 else 3)]
    names = []
    for _ in range(200):
        if len(names) == n:
            break
        noun = rng.pick(nouns) if is_shared else noun_of(rng, lang)
        if noun == "orange":
            continue
        name = noun
        if noun not in ("person", "cat", "dog", "tree") and rng.chance(0.95 if is_shared else 0.5):
            name = f"{rng.pick(hues) if is_shared else rng.pick(objects.COLOUR_ROWS)[0]} {noun}"
        kept = [objects.split_name(other) for other in names]
        if name in names or any(k == noun and (not hue or name == noun) or k != noun and alike(lang, k, noun) for k, hue in kept):
            continue
        names.append(name)
    return answers.placed(rng, names, 89, FINE, 0.15)


class View:
    """What can be asked about a look result."""
    def __init__(self, lang, seen):
        self.lang, self.seen, self.last, self.topic = lang, seen, None, None
        self.parts = {o["name"]: objects.split_name(o["name"]) for o in seen}
        self.nouns = [noun for noun, _ in self.parts.values()]
        self.hues = [hue for _, hue in self.parts.values() if hue]
        self.by_distance = answers.by_distance(seen)
        self.by_side = answers.by_side(seen)
        self.done = set()

    def is_known(self, o):
        """Whether the noun has a word in the user's language."""
        return self.lang == "en" or self.parts[o["name"]][0] in objects.BY_NAME

    def refer(self, rng, o, is_call=False):
        """How the thing may be pointed at, without doubt which is meant; is_call: its name is to be passed."""
        noun, hue = self.parts[o["name"]]
        roll = rng.unit()
        if roll < 0.16 and hue and self.hues.count(hue) == 1:
            return expand(rng, rng.pick(w.COLOUR_ONE[self.lang]), {"n": objects.COLOUR_BY_NAME[hue][self.lang][0]})
        if roll < 0.5 and self.nouns.count(noun) == 1 and not (is_call and hue):
            return objects.said(rng, self.lang, noun, "the")
        return objects.said(rng, self.lang, o["name"], "the")

    def pointed(self, rng):
        """(words, thing): the nearest one, the one on the left."""
        lefts, rights = [o for o in self.seen if o["bearing"] > 0], [o for o in self.seen if o["bearing"] < 0]
        rows = []
        if len(self.seen) > 1:
            rows += [(scenes.ONE["near"], self.by_distance[0]), (scenes.ONE["far"], self.by_distance[-1]), (w.EDGE_ONE["leftmost"], self.by_side[0]), (
                w.EDGE_ONE["rightmost"], self.by_side[-1])]
        if len(lefts) == 1:
            rows += [(scenes.ONE["left"], lefts[0])] * 2
        if len(rights) == 1:
            rows += [(scenes.ONE["right"], rights[0])] * 2
        if len(self.seen) == 2 and self.last:
            rows += [(scenes.ONE["other"], next(o for o in self.seen if o is not self.last))] * 2
        if self.last:
            rows += [(scenes.ONE["it"], self.last)] * 2
        if not rows:
            return None
        table, thing = rng.pick(rows)
        return rng.pick(table[self.lang]), thing


def hue_said(lang, hue):
    return objects.COLOUR_BY_NAME[hue][lang][0]


def tell(d, view, key, o, must, **more):
    """An answer that names one thing."""
    lang = view.lang
    view.last = o
    return d.say(answers.TEXT[lang][key].format(o=answers.name_said(lang, o["name"]), d=answers.num(lang, o["distance"]), **more), must)


def ask_thing(rng, view):
    """How far or where one of the things is."""
    lang, topic = view.lang, rng.pick(("far", "far", "where"))
    pointed = view.pointed(rng) if rng.chance(0.2) else None
    if pointed and pointed[0] in scenes.ONE["it"][lang]:
        text, o = rng.pick(w.IT[topic][lang]), pointed[1]
    elif pointed:
        text, o = say(rng, c.LANG[lang].LOOK_QUESTIONS[topic], {"o": pointed[0]}), pointed[1]
    else:
        o = rng.pick(view.seen)
        if view.topic in ("far", "where") and o is not view.last and rng.chance(0.35):
            topic, text = view.topic, expand(rng, rng.pick(w.ELLIPSIS[lang]), {"o": view.refer(rng, o)})
        else:
            text = say(rng, c.LANG[lang].LOOK_QUESTIONS[topic], {"o": view.refer(rng, o)})

    def answer(d):
        view.topic, view.last = topic, o
        scenes.about(rng, lang, d, view.seen, topic, o["name"])
    return (topic, o["name"]), text, answer


def ask_there(rng, view):
    lang = view.lang
    o = rng.pick(view.seen)
    if rng.chance(0.5):
        name = o["name"] if rng.chance(0.7) or view.nouns.count(view.parts[o["name"]][0]) > 1 else view.parts[o["name"]][0]
    elif len(view.hues) > 1 and rng.chance(0.6):
        # a colour of one with the noun of another
        name, o = f"{rng.pick(view.hues)} {rng.pick(view.nouns)}", None
    else:
        name, o = objects.thing(rng, lang)[0], None
    noun, hue = objects.split_name(name)
    if o is None and (any(k == noun and (not hue or own in (hue, None)) or k != noun and alike(lang, k, noun) for k, own in view.parts.values()) or noun in (
            "person", "cat", "dog", "tree", "orange")):
        return None

    def answer(d):
        if o is None:
            scenes.about(rng, lang, d, [], "is_there", name)
        else:
            view.last = o
            scenes.about(rng, lang, d, view.seen, "is_there", o["name"])
    rows = c.LANG[lang].LOOK_QUESTIONS["is_there"]
    return ("is_there", name), say(rng, rows, {"a": objects.said(rng, lang, name, "a"), "n": objects.plural(rng, lang, name)}), answer


def ask_superlative(rng, view):
    lang, topic = view.lang, rng.pick(("nearest", "nearest", "farthest", "farthest", "leftmost", "rightmost"))
    if len(view.seen) < 2:
        return None
    order = view.by_distance if topic in ("nearest", "farthest") else view.by_side
    o = order[0 if topic in ("nearest", "leftmost") else -1]
    rows = scenes.SEEN_Q[topic] if topic in scenes.SEEN_Q else w.EDGE_Q[topic]
    return (topic, None), rng.pick(rows[lang]), lambda d: tell(d, view, topic, o, answers.forms(lang, o["name"]))


def ask_nearer(rng, view):
    if len(view.seen) < 2:
        return None
    pair = rng.some(view.seen, 2)
    nearer = min(pair, key=lambda o: o["distance"])
    text = expand(rng, rng.pick(w.NEARER[view.lang]), {"o": view.refer(rng, pair[0]), "p": view.refer(rng, pair[1])})
    return ("nearer", nearer["name"]), text, lambda d: tell(d, view, "nearer", nearer, answers.forms(view.lang, nearer["name"]))


def ask_coords(rng, view):
    lang, o = view.lang, rng.pick(view.seen)
    text = expand(rng, rng.pick(w.COORDS[lang]), {"o": view.refer(rng, o)})
    return ("coords", o["name"]), text, lambda d: tell(d, view, "coords", o, [plain(o["x"])], x=answers.num(lang, o["x"]), y=answers.num(lang, o["y"]))


def ask_list(rng, view):
    """Which are on a side, how many, all."""
    lang, topic = view.lang, rng.pick(("left", "left", "right", "right", "count", "all"))

    def answer(d):
        view.last = None
        scenes.seen_answer(lang, d, view.seen, topic)
    return (topic, None), rng.pick(scenes.SEEN_Q[topic][lang]), answer


def ask_count(rng, view):
    """How many of a noun or of a colour."""
    lang, o = view.lang, rng.pick(view.seen)
    noun, hue = view.parts[o["name"]]
    if hue and rng.chance(0.5):
        some = [p["name"] for p in view.by_distance if view.parts[p["name"]][1] == hue]
        text = expand(rng, rng.pick(w.COLOUR_COUNT[lang]), {"n": hue_said(lang, hue)})
    else:
        some = [p["name"] for p in view.by_distance if view.parts[p["name"]][0] == noun]
        text = say(rng, c.LANG[lang].LOOK_QUESTIONS["how_many"], {"n": objects.plural(rng, lang, noun)})

    def answer(d):
        view.last = None
        d.say(answers.TEXT[lang]["count"].format(n=len(some), list=answers.listed(lang, some)), [str(len(some))])
    return ("count", text), text, answer


def ask_colour(rng, view):
    """Of what colour a thing is, or which thing is of a colour."""
    lang = view.lang
    coloured = [o for o in view.seen if view.parts[o["name"]][1] and view.is_known(o)]
    if not coloured:
        return None
    o = rng.pick(coloured)
    noun, hue = view.parts[o["name"]]
    if view.hues.count(hue) == 1 and rng.chance(0.5):
        text = expand(rng, rng.pick(w.COLOUR_WHICH[lang]), {"n": hue_said(lang, hue)})
        return ("which", hue), text, lambda d: tell(d, view, "which", o, answers.forms(lang, o["name"]))
    if view.nouns.count(noun) > 1:
        return None
    text = say(rng, scenes.COLOUR_Q[lang], {"n": objects.said(rng, lang, noun, "") if lang != "en" else noun})

    def answer(d):
        view.last = o
        d.say(answers.TEXT[lang]["colour"].format(n=answers.name_said(lang, noun), c=hue_said(lang, hue)), [hue_said(lang, hue), hue])
    return ("colour", noun), text, answer


ASKS = [(36, ask_thing), (10, ask_there), (18, ask_superlative), (6, ask_nearer), (5, ask_coords), (13, ask_list), (7, ask_count), (6, ask_colour)]


def ask(rng, view):
    while True:
        got = rng.weighted(ASKS)(rng, view)
        if got and got[0] not in view.done:
            view.done.add(got[0])
            if got[0][0] not in ("far", "where"):
                view.topic = None
            return got


def look_quiz(rng, lang):
    seen = scene(rng, lang)
    d, view = Dialogue(lang, "object"), View(lang, seen)
    shown = numbers_style(rng, [{"ok": True, "objects": seen}])
    if rng.chance(0.35) and len(seen) < 5:
        scenes.see(rng, lang, d, seen)
    else:
        _, text, answer = ask(rng, view)
        if text.startswith(LINKED) or any(word in text for word in EARLIER):
            return look_quiz(rng, lang)
        d.user(typed(rng, lang, text, NOISE)).call([("look", {})]).results(shown)
        answer(d)
    for _ in range(rng.weighted([(1, 1), (2, 2), (4, 3), (5, 4), (5, 5)])):
        if rng.chance(0.04):
            if not within(d, lambda: state_question(rng, lang, d)):
                break
            view.last = view.topic = None
            continue
        _, text, answer = ask(rng, view)

        def add():
            d.user(asked(rng, lang, text, False))
            answer(d)
        if not within(d, add):
            return d
    if rng.chance(0.5):
        within(d, lambda: act(rng, lang, d, view))
    return d


def state_question(rng, lang, d):
    """Between questions about things one about the robot itself: the robot does not move by it."""
    topic = rng.pick(("position", "heading", "energy"))
    got = answers.state(rng, fallen=False)
    d.user(typed(rng, lang, say(rng, c.LANG[lang].QUESTIONS[topic]), NOISE)).call([("status", {})]).results(numbers_style(rng, [got]))
    d.say(*answers.told(lang, topic, got))


def act(rng, lang, d, view):
    """A motion chosen from what was seen; perhaps a question after it, for which it has to look again."""
    pointed = view.pointed(rng) if rng.chance(0.6) else None
    o = pointed[1] if pointed else rng.pick(view.seen)
    if rng.chance(0.5):
        words = pointed[0] if pointed else view.refer(rng, o)
        text = say(rng, scenes.FACE_IT[lang] if pointed or rng.chance(0.4) else c.LANG[lang].LOOK_QUESTIONS["face"], {"o": words})
        call = ("turn", {"angle": number(o["bearing"])})
    else:
        words = pointed[0] if pointed else view.refer(rng, o, is_call=True)
        text, call = say(rng, scenes.GO_TO[lang], {"o": words}), ("approach", {"object": o["name"]})
        if rng.chance(0.15):
            gap = c.standoff(rng, lang)
            text, call[1]["distance"] = text + rng.pick(scenes.GAP_TAIL[lang]).replace("{D}", gap.said), number(gap.value)
    d.user(typed(rng, lang, text, NOISE)).call([call])
    if not call[1].get("angle", 1) or not rng.chance(0.35):
        return

    def further():
        got = answers.result(rng, call, lang)
        d.results(numbers_style(rng, [got]))
        d.say(*answers.after(lang, call, got))
        other = rng.pick(view.seen)
        if call[0] == "approach" and len(view.seen) == 2 and rng.chance(0.4):
            other = next(p for p in view.seen if p is not o)
            d.user(typed(rng, lang, say(rng, scenes.GO_TO[lang], {"o": rng.pick(scenes.ONE["other"][lang])}), NOISE)).call([("approach", {
                "object": other["name"]})])
            return
        topic = rng.pick(("far", "where", "face", "is_there"))
        slots = {"o": view.refer(rng, other), "a": objects.said(rng, lang, other["name"], "a"), "n": objects.plural(rng, lang, other["name"])}
        d.user(asked(rng, lang, say(rng, c.LANG[lang].LOOK_QUESTIONS[topic], slots), False)).call([("look", {})])
    within(d, further)


# --- the robot itself --------------------------------------------------------------------------------------------------

def state_ask(rng, lang, d, got, topic, is_first):
    """A question whose answer is in a status result."""
    axis, must = None, None
    if topic in ("x", "y"):
        axis, topic, text = topic, "position", rng.pick(w.AXIS[topic][lang])
    elif not is_first and topic in w.STATUS_SHORT and rng.chance(0.35):
        text = rng.pick(w.STATUS_SHORT[topic][lang])
    else:
        text = say(rng, c.LANG[lang].QUESTIONS[topic])
    topic = scenes.upright(topic, text)
    d.user(asked(rng, lang, text, is_first))
    if is_first:
        d.call([("status", {})]).results(numbers_style(rng, [got]))
    said, must = answers.told(lang, topic, got)
    d.say(said, [plain(got[axis])] if axis else must, scenes.must_not(lang, topic, got))


def state_quiz(rng, lang):
    d = Dialogue(lang, "state")
    got = answers.state(rng, fallen=rng.chance(0.15))
    topics = rng.some(("position", "heading", "energy", "fallen", rng.pick(("x", "y"))), 5)
    state_ask(rng, lang, d, got, topics[0], True)
    for topic in topics[1:rng.between(2, 5)]:
        if not within(d, lambda topic=topic: state_ask(rng, lang, d, got, topic, False)):
            return d
    if rng.chance(0.3) and not got["fallen"]:
        def moved():
            command = c.motion(rng, lang)
            d.user(typed(rng, lang, c.bare(rng, lang, command), NOISE)).call(command.calls())
            if rng.chance(0.3):
                return
            results = [answers.result(rng, call, lang) for call in command.calls()]
            d.results(numbers_style(rng, results)).say(*answers.after_all(lang, command.calls(), results))
            d.user(asked(rng, lang, say(rng, c.LANG[lang].QUESTIONS[rng.pick(("position", "heading", "energy", "fallen"))]), False)).call([("status",
                {})])
        within(d, moved)
    return d


# --- what motions gave -------------------------------------------------------------------------------------------------

MEASURE = {"walk": ("walked", "distance", w.HOW_WALK), "sidestep": ("moved", "distance", w.HOW_SIDE), "turn": ("turned", "angle",
    scenes.HOW_FAR["turn"])}


def odd_result(rng, call):
    """A motion that ended elsewhere than it was to: so that the result is read, not the order."""
    key = MEASURE[call[0]][1]
    value = call[1][key]
    step = rng.between(-12, 4) if key == "distance" else rng.between(-8, 8)
    if rng.chance(0.25) or key == "distance" and abs(value) < 0.2:
        return {"ok": True, key: value}
    return {"ok": True, key: round(value * (1 + step / 100), 2 if key == "distance" else 1)}


def measured(d, lang, call, got):
    key, field, _ = MEASURE[call[0]]
    return d.say(answers.TEXT[lang][key].format(d=answers.num(lang, abs(got[field]))), [plain(abs(got[field]))])


def sized(rng, lang, make):
    return make(rng, lang, False, quantity=True)


def motion_quiz(rng, lang):
    roll = rng.unit()
    d = Dialogue(lang, "multi-turn")
    if roll < 0.3:
        return failed_quiz(rng, lang, d)
    if roll < 0.65:
        # one order of several motions, each asked about
        makes = rng.some((c.walk, c.turn, c.side), rng.between(2, 3))
        many = [sized(rng, lang, make) for make in makes]
        calls = [call for command in many for call in command.calls()]
        d.user(typed(rng, lang, c.chain(rng, lang, [c.bare(rng, lang, command) for command in many]), NOISE)).call(calls)
        results = [odd_result(rng, call) for call in calls]
        d.results(numbers_style(rng, results)).say(*answers.after_all(lang, calls, results))
        for call, got in rng.some(list(zip(calls, results)), rng.between(1, len(calls))):
            def add(call=call, got=got):
                d.user(asked(rng, lang, rng.pick(MEASURE[call[0]][2][lang]), False))
                measured(d, lang, call, got)
            if not within(d, add):
                break
        return d
    # the same kind of motion twice: this one and the one before
    make = rng.pick((c.walk, c.walk, c.turn, c.side))
    past = []
    for at in range(2):
        command = sized(rng, lang, make)
        call = command.calls()[0]
        got = odd_result(rng, call)
        d.user(typed(rng, lang, c.bare(rng, lang, command), NOISE)).call([call]).results(numbers_style(rng, [got]))
        said, must = answers.after(lang, call, got)
        d.say(said if rng.chance(0.8) else rng.pick(BRIEF[lang]), must)
        past.append((call, got))
        if at == 1 or rng.chance(0.3):
            d.user(asked(rng, lang, rng.pick(MEASURE[call[0]][2][lang]), False))
            measured(d, lang, call, got)
    if rng.chance(0.65):
        d.user(typed(rng, lang, rng.pick(w.BEFORE[lang]), NOISE))
        measured(d, lang, *past[0])
    return d


def failed_quiz(rng, lang, d):
    """A motion that did not get through: how far it got, and why."""
    command = sized(rng, lang, rng.pick((c.walk, c.walk, c.side)))
    call, row = command.calls()[0], rng.pick(answers.ERRORS)
    bad = {"ok": False, "error": row[0], "distance": round(call[1]["distance"] * rng.between(1, 9) / 10, 2)}
    d.user(typed(rng, lang, c.bare(rng, lang, command), NOISE)).call([call]).results(numbers_style(rng, [bad])).say(*answers.failed(lang, call, row, bad))
    for kind in rng.some(("far", "why"), rng.between(1, 2)):
        if kind == "far":
            d.user(asked(rng, lang, rng.pick(w.HOW_GOT[lang] if call[0] == "walk" else w.HOW_SIDE[lang]), False))
            measured(d, lang, call, bad)
        else:
            d.user(typed(rng, lang, rng.pick(w.WHY[lang]), NOISE)).say(*answers.failed(lang, call, row, bad))
    if rng.chance(0.3):
        d.user(typed(rng, lang, rng.pick(scenes.TRY_AGAIN[lang]), NOISE)).call([call])
    return d


# --- the last motion, changed -----------------------------------------------------------------------------------------

LIMITS = {"walk": (0.05, 30), "side": (0.05, 12), "turn": (3, 1080)}


def scaled(rng, lang, command):
    """(words, command): so many times as far, or half."""
    while True:
        text, factor = rng.pick(scenes.DOUBLE[lang] + w.DOUBLE_MORE[lang])
        value = command.size() * factor
        low, high = LIMITS[command.act]
        if low <= value <= high or factor == (0.5 if command.size() * 2 > high else 2):
            break
    if command.act == "turn" and any(word in text for word in w.ONLY_FAR) and rng.chance(0.7):
        return scaled(rng, lang, command)
    return text, command.but(qty=Qty("", value, "deg" if command.act == "turn" else "m"))


def next_motion(rng, lang, command):
    """(words, the motion that they mean after this one)."""
    side = c.LANG[lang].SIDES[-(command.sign or 1)][0]
    kinds = [(8, "again"), (10, "scaled"), (7, "mirror"), (4, "more"), (4, "more_by"), (3, "paced"), (4, "same_length")]
    kind = rng.weighted(kinds)
    if kind == "again":
        return rng.pick(scenes.AGAIN[lang]), command
    if kind == "mirror":
        text = rng.pick(scenes.MIRROR_WALK[lang]) if command.act == "walk" else expand(rng, rng.pick(scenes.MIRROR[lang]), {"s": side})
        return text, command.but(sign=-(command.sign or 1))
    if kind == "more":
        return rng.pick(scenes.MORE[lang]), command.but(qty="bit", speed=None)
    if kind == "paced" and command.act == "walk":
        said, pace = rng.pick(scenes.PACE[lang])
        return expand(rng, rng.pick(scenes.AGAIN_BUT[lang]), {"p": said}), command.but(speed=pace)
    if kind == "same_length" and command.act != "turn" and command.qty not in (None, "bit"):
        if command.act == "walk" and rng.chance(0.6):
            sign = rng.pick((1, -1))
            return expand(rng, rng.pick(w.SAME_LENGTH["side"][lang]), {"s": c.LANG[lang].SIDES[sign][0]}), Command("side", sign=sign, qty=command.qty)
        sign = -command.sign if command.act == "walk" else rng.pick((1, -1))
        return rng.pick(w.SAME_LENGTH["fwd" if sign > 0 else "back"][lang]), Command("walk", sign=sign, qty=command.qty)
    if kind == "more_by":
        while True:
            qty = (ANGLE if command.act == "turn" else LENGTH)[lang](rng, False)
            if qty.said.split()[0] not in ("a", "an", "another", "one", "some", "couple", "few", "just", "half") or lang != "en":
                break
        return expand(rng, rng.pick(scenes.MORE_BY[lang]), {"D": qty.said}), command.but(qty=qty, speed=None)
    return scaled(rng, lang, command)


def chain_quiz(rng, lang):
    d = Dialogue(lang, "multi-turn")
    command = rng.weighted([(10, c.walk), (7, c.side), (8, c.turn)])(rng, lang, False, quantity=True if rng.chance(0.85) else None)
    if command.act == "walk" and command.speed is not None and rng.chance(0.5):
        command = command.but(speed=None)
    text = c.bare(rng, lang, command)
    d.user(typed(rng, lang, c.wrapped(rng, lang, text) if rng.chance(0.3) else text, NOISE)).call(command.calls())
    for _ in range(rng.weighted([(3, 2), (5, 3), (5, 4), (4, 5), (3, 6)])):
        def add(command=command):
            call = command.calls()[0]
            got = odd_result(rng, call) if rng.chance(0.3) else answers.result(rng, call, lang)
            d.results(numbers_style(rng, [got]))
            said, must = answers.after(lang, call, got)
            d.say(said if rng.chance(0.8) else rng.pick(BRIEF[lang]), must)
            if rng.chance(0.15):
                d.user(asked(rng, lang, rng.pick(MEASURE[call[0]][2][lang]), False))
                measured(d, lang, call, got)
            text, new = next_motion(rng, lang, command)
            d.user(asked(rng, lang, text, False)).call(new.calls())
            return new
        kept = []
        if not within(d, lambda: kept.append(add())):
            return d
        command = kept[0]
    if rng.chance(0.25):
        def back():
            call = command.calls()[0]
            d.results(numbers_style(rng, [answers.result(rng, call, lang)])).say(rng.pick(BRIEF[lang]), [""])
            d.user(typed(rng, lang, rng.pick(scenes.UNDO[lang]), NOISE)).call(scenes.reversed_calls([call]))
        within(d, back)
    return d


def quiz(rng, lang):
    make = rng.weighted([(56, look_quiz), (11, state_quiz), (13, motion_quiz), (20, chain_quiz)])
    while True:
        d = make(rng, lang)
        if len(d.users()) > 1:
            return d
