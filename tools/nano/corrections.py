"""Corrections: inside one sentence, and of a command that has been carried out. Only the last version counts."""
import answers
import commands as c
import objects
from commands import Command
from dialogue import Dialogue
from noise import typed
from orders import finish, numbers_style
from phrase import expand, say, table
from quantity import ANGLE, LENGTH, TIME, Qty, coordinate, same_unit

OOPS = {   # between the wrong and the right
    "en": ("4*, no wait, ", "4*, no, ", "3*, sorry, ", "3*, I mean ", "2*, actually ", "... no, ", ", wait no, ", ", no sorry, ", ", oops, ",
        ", scratch that, ", " no ", ", er, ", " - no, ", ", I meant ", ", correction, ", ", uh no, ", ", make that ", " or rather ", ", hang on, ",
        ", wait, ", " no wait ", ", nope, ", ", hmm no, ", ". No, ", ". Sorry, ", ", or no, ", ", not that, ", " I mean ", ", my mistake, ",
        ", ugh, ", ", let me rephrase, ", ", well no, ", "... sorry, I meant ", ", strike that, ", ", better ", ", on second thought ",
        " uhm sorry "),
    "id": ("4*, eh salah, ", "3*, eh, ", "3*, maksudku ", "2*, bukan, ", ", maaf, ", ", eh bukan, ", " eh ", ", salah, ", "... eh ", ", maksud saya ",
        ", sori, ", ", eh maksudnya ", ", tunggu, ", ", nggak jadi, ", ", ralat, ", " eh salah ", " maksudnya ", ", aduh salah, ", ", waduh, ",
        ". Eh, ", ". Maksudku ", ", gak, ", ", koreksi, ", ", ganti, ", ", eh nggak, ", ", tidak, ", ", ups, ", ", eh sori ", ", bukan bukan, ",
        " eh bukan deng "),
    "zh": ("4*，不对，", "3*，不，", "3*，错了，", "2*，我是说", "，不是，", "，说错了，", "，等等，", "，哦不，", "，应该是", "，更正一下，",
        "……不对，", "，啊不对，", "，等一下，", "。不对，", "，不不，", "，抱歉，是", "，我的意思是", "，还是", "，改成", "，唉不对，", "，口误，",
        "，不对不对，", "，呃，", "，说反了，", "。说错了，"),
}
NOT = {"en": ("{c}, not {w}", "{c}, not {w}, okay", "not {w}, {c}", "don't {w}, {c}", "{c} instead of {w}", "{c} rather than {w}"),
    "id": ("{c}, bukan {w}", "bukan {w}, tapi {c}", "jangan {w}, {c}", "jangan {w}, tapi {c}", "{c} bukannya {w}", "{c} ya, bukan {w}"),
    "zh": ("{c}，不是{w}", "不要{w}，{c}", "别{w}，{c}", "不是{w}，是{c}", "不{w}，{c}", "{c}，别{w}")}
MINE = {"en": ("", "", "", " I mean", ", I mean", " please", " instead", " rather", ", sorry"), "id": ("", "", "", " maksudku", " maksudnya", " aja",
    " ya", " maksud saya", " deh"), "zh": ("", "", "", "才对", "吧", "，谢谢")}
# across turns; {n} the new part alone, {C} the whole new command, {W} the wrong part
NEW = {
    "en": ("5*no, {n}", "4*I meant {n}", "3*no, I meant {n}", "3*sorry, {n}", "2*I said {n}", "wrong, {n}", "no no, {n}", "not {W}, {n}",
        "{n}, not {W}", "oops, I meant {n}", "that's wrong, I said {n}", "no I said {n}", "actually {n}", "make that {n}", "sorry, I meant {n}",
        "my mistake, {n}", "no wait, {n}", "wait, I meant {n}", "hey, I asked for {n}", "I wanted {n}", "no! {n}!", "{n}, I said",
        "it should have been {n}", "nope, {n}", "wrong one, {n}", "correction: {n}", "no, it's {n}", "that should be {n}",
        "hmm, I meant {n}, not {W}", "argh, {n}", "{n} please, not {W}", "no sorry {n}", "I told you {n}", "you misheard, {n}",
        "not what I meant, {n}", "uh, I actually meant {n}"),
    "id": ("4*bukan, {n}", "4*maksudku {n}", "3*salah, {n}", "2*eh, {n}", "bukan {W}, {n}", "{n}, bukan {W}", "maaf, {n}", "maksud saya {n}",
        "tadi saya bilang {n}", "aku bilang {n}", "salah, harusnya {n}", "eh salah, {n}", "sori, maksudku {n}", "seharusnya {n}", "{n} maksudku",
        "lho, {n} dong", "bukan gitu, {n}", "kok gitu, {n}", "harusnya {n}", "eh maksudnya {n}", "ralat, {n}", "yang benar {n}", "{n} woi",
        "nggak, {n}", "bukan {W} tapi {n}", "eh sori, {n} maksudnya", "aku mintanya {n}", "kebalik, {n}".replace("kebalik", "keliru"), "tidak, {n}",
        "waduh salah, {n} maksud saya", "loh, aku kan bilang {n}"),
    "zh": ("4*不对，{n}", "4*错了，{n}", "3*我说的是{n}", "2*不，{n}", "不是{W}，是{n}", "是{n}，不是{W}", "抱歉，是{n}", "我是说{n}",
        "我的意思是{n}", "应该是{n}", "说错了，{n}", "不对，我要的是{n}", "不是，{n}", "搞错了，{n}", "不对不对，{n}", "哎，我说{n}", "更正，{n}",
        "对不起，我是说{n}", "我要{n}", "等等，是{n}", "弄错了，是{n}", "你听错了，{n}", "我刚说错了，应该是{n}", "啊不，{n}", "唉，是{n}啊"),
}
OTHER_WAY = {"en": ("wrong way", "the other way", "no, the other way", "the other direction", "wrong direction", "the opposite direction",
    "other way around", "no no, the other side", "not that way, the other way", "that's the wrong way", "that was the wrong direction", "wrong side",
    "you went the wrong way", "I meant the other way", "no, the opposite way", "other side!", "opposite!", "that's the wrong side"),
             "id": ("salah arah", "arah sebaliknya", "sebaliknya", "arah satunya", "kebalik", "bukan ke situ, arah satunya", "salah arah, sebaliknya",
                 "kebalikannya maksudku", "terbalik", "kebalik arahnya", "arahnya salah", "ke arah sebaliknya", "arah yang lain", "sisi satunya",
                 "bukan arah itu", "kebalik woi"), "zh": ("方向错了", "反了", "反方向", "另一边", "不是那边，另一边", "方向反了", "另一个方向",
                 "走反了", "弄反了", "相反的方向", "错了，反过来", "应该是另一边", "你弄反方向了", "不对，是另一个方向")}
SLOWER = {"en": (("slowly", 0.2), ("slower", 0.2), ("fast", 0.8), ("quickly", 0.8)), "id": (("pelan-pelan", 0.2), ("pelan", 0.2), ("cepat", 0.8),
    ("lari", 0.8)), "zh": (("慢慢走", 0.2), ("慢一点", 0.2), ("快一点", 0.8), ("用跑的", 0.8))}
DIRECTION = {"en": {1: ("forward", "forwards", "ahead"), -1: ("backwards", "back", "backward", "in reverse")}, "id": {1: ("maju", "ke depan"),
    -1: ("mundur", "ke belakang")}, "zh": {1: ("前进", "往前", "向前"), -1: ("后退", "往后", "向后")}}
SIDE = {"en": {1: ("left", "to the left", "to your left"), -1: ("right", "to the right", "to your right")}, "id": {1: ("kiri", "ke kiri"),
    -1: ("kanan", "ke kanan")}, "zh": {1: ("左", "左边", "向左", "往左"), -1: ("右", "右边", "向右", "往右")}}
NEVER_MIND = {"en": ("actually don't {l}", "scratch the last part", "actually, don't {l}", "no, leave out the last part", "forget the last one"),
    "id": ("eh nggak usah {l}", "yang terakhir nggak jadi", "eh jangan {l}", "gak jadi {l}"), "zh": ("最后一步不要了", "不用{l}了", "算了别{l}",
    "最后那个取消")}


def changed(rng, lang, command):
    """(the new command, the new part in words, the old part): one thing of it is different."""
    act = command.act
    kinds = []
    if act in ("walk", "side", "turn") and command.qty != "bit":
        kinds += ["qty"] * 3
    if act in ("side", "turn") and command.sign:
        kinds += ["side"] * 3
    if act == "walk":
        kinds += ["direction"] * 2
    if act == "approach":
        kinds += ["object"] * 2 + (["gap"] * 3 if command.gap is not None else [])
    if act == "wait":
        kinds += ["time"]
    if act == "goto":
        kinds += ["x", "y", "point"]
    kind = rng.pick(kinds)
    if kind == "qty":
        unit = ANGLE if act == "turn" else LENGTH
        while True:
            qty = unit[lang](rng, rng.chance(0.25))
            if not isinstance(command.qty, Qty) or abs(qty.value - command.qty.value) > 0.001 and qty.said != command.qty.said:
                break
        old = command.qty.said if isinstance(command.qty, Qty) else None
        bare_number = same_unit(rng, lang, command.qty) if old and rng.chance(0.33) else None
        if bare_number:
            # the unit stays
            return command.but(qty=bare_number[0]), bare_number[1], old
        return command.but(qty=qty), qty.said, old
    if kind == "side":
        new = command.but(sign=-command.sign)
        at = rng.below(len(SIDE[lang][1]))
        if command.is_clock and rng.chance(0.6):
            return new, rng.pick(c.LANG[lang].CLOCK[new.sign]), rng.pick(c.LANG[lang].CLOCK[command.sign])
        return new.but(is_clock=False), SIDE[lang][new.sign][at], SIDE[lang][command.sign][at]
    if kind == "direction":
        new = command.but(sign=-command.sign)
        return new, rng.pick(DIRECTION[lang][new.sign]), rng.pick(DIRECTION[lang][command.sign])
    if kind == "object":
        noun, shade = objects.split_name(command.name)
        old = objects.said(rng, lang, command.name, "the")
        if shade and rng.chance(0.5):
            while True:
                other = rng.pick(objects.COLOUR_ROWS)[0]
                if other != shade:
                    break
            name = f"{other} {noun}"
            if rng.chance(0.5):
                said = {"en": rng.pick(("the {0} one", "the {0} one", "{0}", "{0} one")).format(other),
                    "id": "yang " + objects.COLOUR_BY_NAME[other]["id"][0], "zh": objects.COLOUR_BY_NAME[other]["zh"][0] + "色的"}[lang]
                wrong = {"en": "the {0} one".format(shade), "id": "yang " + objects.COLOUR_BY_NAME[shade]["id"][0],
                    "zh": objects.COLOUR_BY_NAME[shade]["zh"][0] + "色的"}[lang]
                return command.but(name=name), said, wrong
        else:
            while True:
                name = objects.thing(rng, lang)[0]
                if name != command.name and objects.split_name(name)[0] != noun and (objects.split_name(name)[1] or not shade):
                    break
        return command.but(name=name), objects.said(rng, lang, name, "the"), old
    if kind == "gap":
        bare_number = same_unit(rng, lang, command.gap) if rng.chance(0.4) else None
        gap, said = bare_number if bare_number and 0.1 <= bare_number[0].value <= 6 else (c.standoff(rng, lang), None)
        return command.but(gap=gap), said or gap.said, command.gap.said
    if kind == "time":
        while True:
            qty = TIME[lang](rng, True)
            if qty.value != command.qty.value:
                break
        return command.but(qty=qty), qty.said, command.qty.said
    new = command.but(**{axis: coordinate(rng) for axis in ("x", "y") if kind in (axis, "point")})
    if kind == "point":
        slots = {"x": c.number_said(rng, new.x, lang), "y": c.number_said(rng, new.y, lang)}
        return new, say(rng, c.LANG[lang].COMMANDS["point"], slots), None
    value = c.number_said(rng, getattr(new, kind), lang)
    old = c.number_said(rng, getattr(command, kind), lang)
    gap = rng.pick((" ", " is ", " = ", " ")) if lang == "en" else rng.pick((" ", " ", "=")) if lang == "id" else rng.pick(("", "是", "等于", "="))
    return new, kind + gap + value, kind + gap + old


def correctable(rng, lang, across=False):
    make = rng.weighted([(10, c.walk), (8, c.side), (10, c.turn), (6, c.approach), (3, c.wait), (3, c.goto)])
    while True:
        command = make(rng, lang)
        if command.act not in ("come", "moment") and not (command.act in ("turn",
            ) and command.sign == 0) and not (command.qty == "bit" and (command.act == "walk" and False)):
            return command


def spoken_oops(rng, lang):
    """As it stands in the table: its spaces matter."""
    return rng.pick(table(OOPS[lang]))


def other_act(rng, lang, command):
    """Another command, of another kind: what it leaves unsaid is then no kept part of the first."""
    turns = ("turn", "around", "frac", "full", "hour")
    while True:
        other = c.simple(rng, lang)
        same = other.act == command.act or other.act in turns and command.act in turns or other.act in ("approach",
            "come") and command.act in ("approach", "come")
        if not same and not (other.act in ("walk", "side") and command.act in ("walk", "side") and other.qty is None):
            return other


def stumbling(rng, lang, command):
    """The command with a slip of the tongue in one of its words, mended at once; or None."""
    oops = spoken_oops(rng, lang)
    gap = "" if lang == "zh" or oops.endswith(" ") else " "
    sided = command.act in ("side", "turn") and command.sign and not command.is_clock
    if sided and (rng.chance(0.5) or not isinstance(command.qty, Qty)):
        words = c.LANG[lang].SIDES
        return command.but(side_said=words[-command.sign][0] + oops + gap + words[command.sign][0])
    if command.act == "approach" and command.gap is None:
        name = objects.thing(rng, lang)[0]
        return None if name == command.name else command.but(name_said=objects.said(rng, lang, name) + oops + gap + objects.said(rng, lang,
            command.name))
    if command.act in ("walk", "side", "turn", "wait") and isinstance(command.qty, Qty):
        wrong = same_unit(rng, lang, command.qty)
        if wrong is None:
            return None
        said = wrong[1] if rng.chance(0.6) else wrong[0].said
        if rng.chance(0.15):
            again = same_unit(rng, lang, command.qty)
            said += spoken_oops(rng, lang) + gap + again[1] if again else ""
        return command.but(qty=command.qty._replace(said=said + oops + gap + command.qty.said))
    return None


def slip(rng, lang):
    """One command, or several, with a slip in one of them."""
    n = rng.weighted([(6, 1), (4, 2), (2, 3)])
    while True:
        many = [c.simple(rng, lang) for _ in range(n)]
        at = rng.below(n)
        many[at] = correctable(rng, lang)
        slipped = stumbling(rng, lang, many[at])
        if slipped is not None:
            break
    calls = [call for command in many for call in command.calls()]
    texts = [c.bare(rng, lang, slipped if i == at else command) for i, command in enumerate(many)]
    said = c.chain(rng, lang, texts) if n > 1 else texts[0]
    if rng.chance(0.3):
        said = c.wrapped(rng, lang, said)
    d = Dialogue(lang, "correction").user(typed(rng, lang, said)).call(calls)
    return finish(rng, d, calls, chance=0.15)


def inside(rng, lang):
    if rng.chance(0.28):
        return slip(rng, lang)
    kind = rng.unit()
    command = correctable(rng, lang)
    text = c.bare(rng, lang, command)
    oops = spoken_oops(rng, lang)
    gap = "" if lang == "zh" or oops.endswith(" ") else " "
    if kind < 0.5:
        new, part, _ = changed(rng, lang, command)
        if rng.chance(0.12):
            text, part0 = text + oops + gap + part, part
            new2, part, _ = changed(rng, lang, new)
            # only when the second change is of the same thing is the sentence clear
            same = new2.qty != new.qty and new2.sign == new.sign and new2.act in ("walk", "side", "turn") and new.qty != command.qty
            new = new2 if same else new
            said = text + (spoken_oops(rng, lang) + part if same else "") + rng.pick(MINE[lang])
        else:
            said = text + oops + gap + part + rng.pick(MINE[lang])
        command = new
    elif kind < 0.7:
        new, _, _ = changed(rng, lang, command)
        said = text + oops + gap + c.bare(rng, lang, new)
        command = new
    elif kind < 0.82:
        other = other_act(rng, lang, command)
        said, command = text + oops + gap + c.bare(rng, lang, other), other
    elif kind < 0.9:
        # not this but that
        other = other_act(rng, lang, command)
        if lang == "en":
            row = rng.pick(NOT["en"])
            wrong = text
            if "not {w}" in row or "of {w}" in row or "than {w}" in row:
                wrong = c.gerund(text) or text
                row = row.replace("not {w}, {c}", "{c}, not {w}") if wrong == text else row
            said = expand(rng, row, {"c": c.bare(rng, lang, other), "w": wrong})
            if wrong == text and not row.startswith("don't"):
                said = "don't " + text + ", " + c.bare(rng, lang, other)
        else:
            said = expand(rng, rng.pick(NOT[lang]), {"c": c.bare(rng, lang, other), "w": text})
        command = other
    else:
        # inside a sequence
        first = c.simple(rng, lang)
        new, part, _ = changed(rng, lang, command)
        said = c.chain(rng, lang, [c.bare(rng, lang, first), "\x00"])
        if said.endswith("\x00"):
            said = said.replace("\x00", text) + oops + gap + part + rng.pick(MINE[lang])
            calls = first.calls() + new.calls()
        else:
            said, calls = text + oops + gap + part, new.calls()
        d = Dialogue(lang, "correction").user(typed(rng, lang, said)).call(calls)
        return finish(rng, d, calls, chance=0.15)
    if rng.chance(0.3):
        said = c.wrapped(rng, lang, said)
    d = Dialogue(lang, "correction").user(typed(rng, lang, said)).call(command.calls())
    return finish(rng, d, command.calls(), chance=0.15)


def opening(rng, d, command, extra=None):
    """A command, carried out and confirmed."""
    calls = [call for one in ([command] if extra is None else [extra, command]) for call in one.calls()]
    texts = [c.bare(rng, d.lang, one) for one in ([command] if extra is None else [extra, command])]
    text = c.chain(rng, d.lang, texts) if len(texts) > 1 else texts[0]
    d.user(typed(rng, d.lang, c.wrapped(rng, d.lang, text) if rng.chance(0.5) else text)).call(calls)
    results = numbers_style(rng, [answers.result(rng, call, d.lang) for call in calls])
    d.results(results)
    said, must = answers.after_all(d.lang, calls, results)
    d.say(said if rng.chance(0.8) else rng.pick(BRIEF[d.lang]), must)
    return calls, results


BRIEF = {"en": ("Done.", "Done.", "OK.", "Okay, done.", "Finished."), "id": ("Sudah.", "Sudah.", "Oke.", "Selesai.", "Beres."), "zh": ("好了。",
    "完成了。", "好的。", "已完成。", "做完了。")}


def across(rng, lang):
    d = Dialogue(lang, "correction")
    while True:
        command = correctable(rng, lang, True)
        if not (command.act in ("walk", "side", "turn") and command.qty == "bit" and rng.chance(0.7)):
            break
    opening(rng, d, command)
    roll = rng.unit()
    if roll < 0.13 and command.act in ("walk", "side", "turn"):
        new, text = command.but(sign=-command.sign), rng.pick(OTHER_WAY[lang])
    elif roll < 0.19 and command.act == "walk" and command.speed is None:
        part, value = rng.pick(SLOWER[lang])
        new, text = command.but(speed="slow" if value == 0.2 else "fast"), say(rng, tuple(r for r in NEW[lang] if "{W}" not in r), {"n": part})
    elif roll < 0.30:
        new = other_act(rng, lang, command)
        text = say(rng, tuple(r for r in NEW[lang] if "{W}" not in r and not r.lstrip("0123456789*").startswith(("make", "that should",
            "hey, I asked", "I wanted", "it should", "no, it's"))), {"n": c.bare(rng, lang, new)})
    elif roll < 0.42:
        new, _, _ = changed(rng, lang, command)
        text = say(rng, tuple(r for r in NEW[lang] if "{W}" not in r and not r.lstrip("0123456789*").startswith(("make", "that should",
            "hey, I asked", "I wanted", "it should", "no, it's"))), {"n": c.bare(rng, lang, new)})
    else:
        new, part, old = changed(rng, lang, command)
        rows = NEW[lang] if old else tuple(r for r in NEW[lang] if "{W}" not in r)
        text = say(rng, rows, {"n": part, "W": old or ""})
        if rng.chance(0.15):
            text = part + rng.pick({"en": ("!", ", I mean", " I meant", ", sorry", ""), "id": (" maksudku", " maksudnya", " harusnya", "!"),
                "zh": ("才对", "！", "啊", "，我说的")}[lang])
    d.user(typed(rng, lang, text)).call(new.calls())
    return finish(rng, d, new.calls(), chance=0.2, fail=0.05)


def correction(rng, lang):
    return inside(rng, lang) if rng.chance(0.52) else across(rng, lang)
