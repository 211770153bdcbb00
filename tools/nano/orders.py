"""Kinds of dialogue that begin with an order: single, units, sequence; and what follows a call."""
import answers
import commands as c
from commands import Command
from dialogue import Dialogue, floats, shortest
from noise import typed
from phrase import say

TWICE = {"en": (" twice", " two times", ", twice", " and then do that again", ", and repeat it once"), "id": (" dua kali", " 2x", " dua kali ya",
    ", ulangi sekali lagi"), "zh": ("两次", "，做两遍", "两遍", "，再重复一次")}
STOP_FIRST = {"en": ("{s}! {c}", "{s}, {c}", "{s}! now {c}", "{s} and {c}", "{s}! then {c}", "{s}!! {c}", "{s}. {c}", "{s} and then {c}"),
              "id": ("{s}! {c}", "{s}, {c}", "{s}! sekarang {c}", "{s} lalu {c}", "{s}!! {c}", "{s} dan {c}", "{s}, terus {c}"), "zh": ("{s}！{c}",
                  "{s}，{c}", "{s}，然后{c}", "{s}！现在{c}", "{s}，再{c}")}
SHOUT = {"en": ("{s}!", "{s}!!", "{s}!!!", "{s} {s}!", "raga {s}", "hey, {s}", "{s} now", "robot {s}", "{s} please", "quick, {s}", "no, {s}",
    "no no {s}", "oh god {s}", "ok {s}", "{s}"),
         "id": ("{s}!", "{s}!!", "{s} {s}", "raga {s}", "woi {s}", "{s} sekarang", "eh {s}", "robot {s}", "aduh {s}", "cepat {s}", "tolong {s}",
             "{s} dong", "{s}", "{s} woy", "awas, {s}"), "zh": ("{s}！", "{s}！！", "{s}{s}", "快{s}", "喂，{s}", "raga{s}", "{s}{s}{s}", "哎，{s}",
             "请{s}", "{s}", "机器人{s}", "{s}啊")}
STRETCH = {"en": ("stoppp", "stooop", "stopp", "stahp", "haaalt", "stap", "STOPPP", "whoaaa", "stp", "sotp", "freeeze", "halttt", "s.t.o.p",
    "stop-stop-stop", "stopstopstop"),
           "id": ("stopp", "stooop", "berhentiii", "brentiii", "stoppp", "brhenti", "berenti", "berhnti", "stp", "brnti", "setoop", "stop-stop",
               "hentiii"), "zh": ("停停停停", "停停停", "别动别动", "停停", "亭下", "停——", "停下停下", "聽下", "挺下")}


def numbers_style(rng, results):
    """Results as another program might print them."""
    style = rng.unit()
    return [floats(r) if style < 0.5 else shortest(r) for r in results]


def finish(rng, d, calls, seen=None, chance=0.35, fail=0.15):
    """Perhaps what the calls gave and the answer to it."""
    if not rng.chance(chance):
        return d
    if rng.chance(fail):
        at = rng.below(len(calls))
        if calls[at][0] in ("look", "status", "stop", "wait") and at:
            at -= 1
        bad, row = answers.failure(rng, calls[at])
        results = [answers.result(rng, call, d.lang) for call in calls[:at]] + [bad]
        results += [answers.failure(rng, calls[at])[0] if False else {"ok": False, "error": rng.pick(("skipped", "not started",
            "cancelled"))} for _ in calls[at + 1:]]
        d.results(numbers_style(rng, results))
        text, must = answers.failed(d.lang, calls[at], row, bad)
        return d.say(text, must)
    results = numbers_style(rng, [answers.result(rng, call, d.lang, seen) for call in calls])
    d.results(results)
    text, must = answers.after_all(d.lang, calls, results)
    return d.say(text, must, {"en": ["couldn't", "failed"], "id": ["gagal"], "zh": ["失败", "无法", "不能"]}[d.lang])


def order(rng, lang, kind, text, calls, chance=0.35):
    d = Dialogue(lang, kind).user(typed(rng, lang, text)).call(calls)
    return finish(rng, d, calls, chance=chance)


def single(rng, lang):
    if rng.chance(0.07):
        return urgent(rng, lang)
    make = rng.weighted([(24, c.walk), (12, c.side), (18, c.turn), (8, c.special_turn), (9, c.goto), (5, c.home), (8, c.wait), (6, c.stand), (6,
        c.sit), (3, c.look), (2, c.status), (6, c.approach)])
    command = make(rng, lang)
    return order(rng, lang, "single", c.wrapped(rng, lang, c.bare(rng, lang, command)), command.calls())


def urgent(rng, lang):
    said = rng.pick(STRETCH[lang]) if rng.chance(0.25) else c.bare(rng, lang, Command("stop"))
    if rng.chance(0.22):
        many = [c.simple(rng, lang) for _ in range(rng.weighted([(7, 1), (3, 2)]))]
        after = [c.bare(rng, lang, command) for command in many]
        text = say(rng, STOP_FIRST[lang], {"s": said, "c": after[0] if len(after) == 1 else (rng.pick(THEN[lang])).join(after)})
        return order(rng, lang, "sequence", text, [("stop", {})] + [call for command in many for call in command.calls()])
    text = say(rng, SHOUT[lang], {"s": said})
    if lang != "zh" and rng.chance(0.15):
        text = text.upper()
    return order(rng, lang, "single", text, [("stop", {})])


def units(rng, lang):
    make = rng.weighted([(34, c.walk), (16, c.side), (10, c.turn), (14, c.special_turn), (13, c.wait), (6, c.approach)])
    if make in (c.walk, c.side, c.turn):
        command = make(rng, lang, True, quantity=True if rng.chance(0.85) else None)
    else:
        command = make(rng, lang, 0.9) if make is c.approach else make(rng, lang)
    return order(rng, lang, "units", c.wrapped(rng, lang, c.bare(rng, lang, command)), command.calls(), chance=0.2)


def sequence(rng, lang):
    n = rng.weighted([(9, 2), (8, 3), (4, 4), (2, 5)])
    many = [c.simple(rng, lang) for _ in range(n)]
    if rng.chance(0.12):
        # a square's side: the same turn or walk again
        many[-1] = many[0].but()
    texts = [c.bare(rng, lang, command) for command in many]
    if rng.chance(0.025):
        # one of them in another language
        at, other = rng.below(n), rng.pick([x for x in ("en", "id", "zh") if x != lang])
        many[at] = c.simple(rng, other)
        texts[at] = c.bare(rng, other, many[at])
    calls = [call for command in many for call in command.calls()]
    if rng.chance(0.05) and calls[-1][0] not in ("stop", "stand", "sit"):
        texts.append(say(rng, c.LANG[lang].COMMANDS["then_stop"]))
        calls.append(("stop", {}))
    if n == 2 and rng.chance(0.1):
        told = elliptic(rng, lang)
        if told:
            return order(rng, lang, "sequence", c.wrapped(rng, lang, told[0]) if rng.chance(0.3) else told[0], told[1], chance=0.2)
    if n == 2 and rng.chance(0.06) and many[0].act in ("walk", "turn", "side"):
        text, calls = texts[0] + rng.pick(TWICE[lang]), many[0].calls() * 2
    else:
        text = short_chain(rng, lang, many, texts) if rng.chance(0.12) else c.chain(rng, lang, texts)
    if rng.chance(0.35):
        text = c.wrapped(rng, lang, text)
    return order(rng, lang, "sequence", text, calls, chance=0.2)


THRICE = {"en": (" three times", " 3 times", ", three times"), "id": (" tiga kali", " 3x"), "zh": ("三次", "，做三遍")}
THEN = {"en": (" and then ", ", then ", " then ", " and ", ", and then ", " and after that "), "id": (" lalu ", " terus ", " kemudian ", ", lalu ",
    " dan ", " habis itu "), "zh": ("，然后", "再", "，再", "然后", "，接着")}


def elliptic(rng, lang):
    """(words, calls) of two commands that share their verb: turn left and then right; go to the ball and then the box."""
    kind = rng.below(3)
    then = rng.pick(THEN[lang])
    if kind == 0:
        first = c.turn(rng, lang)
        if not first.sign or first.is_clock:
            return None
        first = first.but(qty=None)
        second, text = first.but(sign=-first.sign), c.bare(rng, lang, first)
        side = c.LANG[lang].SIDES[second.sign][0]
        return text + then + (rng.pick(("", "to the ")) + side if lang == "en" else rng.pick(("", "ke ")) + side if lang == "id" else rng.pick(("",
            "往", "向")) + side), first.calls() + second.calls()
    if kind == 1:
        first, name = c.approach(rng, lang, gap=0), c.objects.thing(rng, lang)[0]
        if first.act != "approach" or name == first.name:
            return None
        tail = {"en": rng.pick(("", "to ", "")), "id": rng.pick(("", "ke ")), "zh": rng.pick(("去", "到", ""))}[lang]
        return c.bare(rng, lang, first) + then + tail + c.objects.said(rng, lang, name), first.calls() + [("approach", {"object": name})]
    command = c.motion(rng, lang)
    return c.bare(rng, lang, command) + rng.pick(THRICE[lang]), command.calls() * 3


def short_chain(rng, lang, many, texts):
    """Nothing but commas or spaces between."""
    return (rng.pick(("，", " ", "、", "。")) if lang == "zh" else rng.pick((", ", ", ", ". ", " "))).join(texts)
