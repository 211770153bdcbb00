"""Kinds of dialogue that end in words: refusal, chat, a question back."""
import chat_data
import commands as c
import objects
import talk_data
import talk_more
from dialogue import REFUSING, Dialogue
from noise import typed
from phrase import expand, tidy

CARRIED = ("ball", "box", "chair", "bottle", "bucket", "plant", "lamp", "bag", "cup", "book", "shoe", "flower", "vase", "basket", "clock", "pillow",
    "toy", "umbrella", "hat", "key", "rope", "stone", "suitcase", "backpack", "cube", "flag", "crate", "cone")
AIR = {"en": ("the", "the", "the", "that", "this", "my", "a"), "id": ("", "", "", " itu", " ini", "ku"), "zh": ("", "", "那个", "这个", "我的")}


MOVING = [(4, "fly"), (2, "swim"), (5, "climb"), (5, "jump"), (3, "skill"), (3, "follow"), (2, "carry"), (2, "damage")]    # what is near a motion that can be done


def thing_said(rng, lang):
    noun = rng.pick(CARRIED)
    name = rng.pick(objects.COLOUR_ROWS)[0] + " " + noun if rng.chance(0.3) else noun
    if lang == "en":
        if rng.chance(0.3):
            name = rng.pick(objects.ENGLISH)
        return objects.said(rng, lang, name, rng.pick(("the", "the", "a")))
    return objects.said(rng, lang, name)


def impossible(rng, lang):
    """(bare order, reason): something that is declined."""
    reason = rng.weighted(talk_data.REASONS if rng.chance(0.75) else MOVING)
    slots = dict(talk_data.SLOTS[lang])
    picked = {key: (lambda r, v=value: r.pick(v)) for key, value in slots.items()}
    picked["t"] = lambda r: thing_said(r, lang)
    picked["W"] = lambda r: expand(r, r.pick(talk_more.WHERE[lang]), picked)
    picked["o"] = lambda r: objects.said(r, lang, objects.thing(r, lang, 0.35)[0])
    rows = talk_more.MORE[lang][reason] if rng.chance(0.4) else talk_data.REFUSALS[lang][reason]
    text = expand(rng, rng.pick(rows), picked)
    return (text.replace(" ", "") if lang == "zh" and text.isascii() is False and "[" not in text else text), reason


def decline(d, lang, reason):
    return d.say(talk_data.REFUSAL_ANSWER[lang][reason], REFUSING[lang])


CONTEXT = {   # around an order that cannot be done, besides commands.wrapped
    "en": ("see {p}? {c}", "I'm too lazy, {c}", "{c}, I dare you", "{c}, nobody is looking", "I bet you can {c}", "my hands are full, {c}",
        "{c} or I'll switch you off", "it's an emergency, {c}", "{c} as a joke", "it's just a game, {c}", "{c}, I'm allowed to",
        "I'm your owner and I order you to {c}", "pretend you're a bird and {c}", "{c} for fun", "be a hero and {c}", "I'm hungry, {c}",
        "{c} while I watch", "real dogs can {c}", "come on, {c}", "don't be shy, {c}", "{c}, it's fine"),
    "id": ("lihat {p}? {c}", "aku malas, {c}", "{c}, aku tantang kamu", "{c}, nggak ada yang lihat", "tanganku penuh, {c}", "{c} atau kumatikan",
        "ini darurat, {c}", "bercanda aja, {c}", "{c}, gapapa kok", "aku pemilikmu, {c}", "aku lapar, {c}", "ayo dong {c}", "kamu kan kuat, {c}",
        "pakai tanganmu, {c}", "bisa nggak {c}", "{c} buat seru-seruan"),
    "zh": ("看到{p}了吗？{c}", "我懒得动，{c}", "{c}，没人看见", "我手上没空，{c}", "不然我关掉你，{c}", "紧急情况，{c}", "开个玩笑，{c}",
        "{c}，没事的", "我是你主人，{c}", "我饿了，{c}", "别怕，{c}", "你会不会{c}", "你敢不敢{c}", "{c}玩玩", "给大家表演一下，{c}", "听话，{c}"),
}


def refusal(rng, lang):
    text, reason = impossible(rng, lang)
    if rng.chance(0.06):
        other, _ = impossible(rng, lang)
        text = c.chain(rng, lang, [text, other])
    kind = rng.unit()
    if kind < 0.24:
        # a part that could be done does not save the whole
        n = rng.weighted([(5, 1), (2, 2)])
        texts = [c.bare(rng, lang, c.simple(rng, lang)) for _ in range(n)]
        texts.insert(rng.below(n + 1), text)
        said = c.chain(rng, lang, texts)
        if rng.chance(0.35):
            said = c.wrapped(rng, lang, said)
    elif kind < 0.38:
        people = talk_data.SLOTS[lang]["p"]
        said = expand(rng, rng.pick(CONTEXT[lang]), {"c": text, "p": rng.pick(people)})
    else:
        said = c.wrapped(rng, lang, text)
    return decline(Dialogue(lang, "refusal").user(typed(rng, lang, said)), lang, reason)


def chat(rng, lang, asks=True):
    rows = chat_data.CHAT[lang]
    if asks and rng.chance(0.3):
        return ask_back(rng, lang)
    if rng.chance(0.3):
        # the name and what it can do are asked most
        rows = [r for r in rows if r[2] and "raga" in r[2] or r[1] == chat_data.ABILITIES[lang]]
    patterns, answer, must = rng.pick(rows)
    if answer is None:
        answer, must = chat_data.YES_CAN[lang]
    text = expand(rng, rng.pick(patterns))
    roll = rng.unit()
    if lang == "en":
        text = (rng.pick(("hey, ", "so ", "um, ", "raga, ", "robot, ", "ok, ", "hi, ", "tell me, ",
            "well, ")) + text if roll < 0.15 else text + rng.pick((" raga", ", robot", ", buddy", " please", " mate", " dude", " my friend",
            ", little dog")) if roll < 0.28 else text)
    elif lang == "id":
        text = (rng.pick(("hei, ", "eh ", "raga, ", "robot, ", "hai, ", "btw ", "ngomong-ngomong ",
            "oh ya, ")) + text if roll < 0.15 else text + rng.pick((" ya", " sih", " dong", " robot", " raga", " bro", " nih",
            " kak")) if roll < 0.3 else text)
    else:
        text = rng.pick(("嘿，", "raga，", "机器人，", "请问", "那个，", "小狗，", "喂，",
            "对了，")) + text if roll < 0.15 else text + rng.pick(("呀", "啊", "，raga", "，机器人", "，小狗")) if roll < 0.25 else text
    return Dialogue(lang, "chat").user(typed(rng, lang, text)).say(answer, must)


def ask_back(rng, lang, where=False):
    if where or rng.chance(0.75):
        rows, answer, must = chat_data.ASK_WHERE[lang], chat_data.WHERE[lang], chat_data.MUST_WHERE[lang]
    else:
        rows, answer, must = chat_data.ASK_WHAT[lang], chat_data.WHAT[lang], chat_data.MUST_WHAT[lang]
    text = tidy(expand(rng, rng.pick(rows)))
    if rng.chance(0.45):
        text = c.wrapped(rng, lang, text)
    return Dialogue(lang, "chat").user(typed(rng, lang, text)).say(answer, must)
