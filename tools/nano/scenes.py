"""Kinds of dialogue that live on results: object, state, multi-turn."""
import answers
import commands as c
import objects
import talk
from commands import Command
from corrections import opening
from dialogue import Dialogue
from noise import typed
from numbers_said import number, plain
from orders import finish, numbers_style
from phrase import expand, say
from quantity import ANGLE, LENGTH


ONE = {   # pointing at things that were seen
    "left": {"en": ("the one on the left", "the left one", "the one to your left", "the thing on the left", "the object on the left",
        "the leftmost one", "the one on your left side", "whatever is on the left"), "id": ("yang di kiri", "yang sebelah kiri", "benda yang di kiri",
        "yang kiri", "yang ada di kiri", "yang paling kiri"), "zh": ("左边那个", "左边的", "左边的那个东西", "左侧那个", "最左边的", "左手边那个")},
    "right": {"en": ("the one on the right", "the right one", "the one to your right", "the thing on the right", "the object on the right",
        "the rightmost one", "the one on your right side", "whatever is on the right"), "id": ("yang di kanan", "yang sebelah kanan",
        "benda yang di kanan", "yang kanan", "yang ada di kanan", "yang paling kanan"), "zh": ("右边那个", "右边的", "右边的那个东西", "右侧那个",
        "最右边的", "右手边那个")},
    "near": {"en": ("the nearest one", "the closest one", "the closest thing", "the nearest object", "the one closest to you", "the nearer one",
        "whichever is closest", "the closer one", "the thing nearest you"), "id": ("yang paling dekat", "yang terdekat", "benda terdekat",
        "yang lebih dekat", "benda yang paling dekat"), "zh": ("最近的那个", "最近的", "离你最近的", "离你最近的东西", "近的那个", "最近的物体")},
    "far": {"en": ("the farthest one", "the furthest one", "the one farthest away", "the most distant one", "the farther one",
        "the one that's furthest from you", "the furthest object"), "id": ("yang paling jauh", "yang terjauh", "benda terjauh", "yang lebih jauh",
        "benda yang paling jauh"), "zh": ("最远的那个", "最远的", "离你最远的", "离你最远的东西", "远的那个", "最远的物体")},
    "other": {"en": ("the other one", "the other thing", "the other object"), "id": ("yang satunya", "yang satu lagi", "yang lainnya"),
        "zh": ("另一个", "另外那个", "另外一个")},
    "it": {"en": ("it", "it", "that", "that thing"), "id": ("itu", "benda itu", "yang itu"), "zh": ("它", "那个", "那个东西")},
}
GO_TO = {"en": ("go to {o}", "walk to {o}", "approach {o}", "head for {o}", "go over to {o}", "get close to {o}", "move to {o}", "visit {o}",
    "go to {o} then", "now go to {o}", "okay, go to {o}", "take yourself to {o}", "go up to {o}", "walk over to {o}", "run to {o}",
    "please go to {o}", "can you go to {o}", "go near {o}", "let's go to {o}"),
         "id": ("pergi ke {o}", "dekati {o}", "hampiri {o}", "datangi {o}", "ke {o}", "jalan ke {o}", "samperin {o}", "coba ke {o}",
             "sekarang ke {o}", "menuju {o}", "tolong dekati {o}", "ke {o} dong", "dekatin {o} ya", "oke, hampiri {o}", "datengin {o}"),
             "zh": ("去{o}", "靠近{o}", "走到{o}那里", "去{o}那边", "走近{o}", "那就去{o}", "过去{o}那", "到{o}那去", "现在去{o}那里", "请靠近{o}",
             "走向{o}", "接近{o}")}
GAP_TAIL = {"en": (", stop {D} before it", " but keep {D} away", ", stay {D} away from it", " and stop {D} short"),
    "id": (", berhenti {D} sebelumnya", " tapi jaga jarak {D}", ", sisakan {D}"), "zh": ("，保持{D}距离", "，离它{D}停下", "，留{D}")}
SEEN_Q = {
    "nearest": {"en": ("what's the closest", "which one is closest", "which is nearest", "what's nearest to you", "and the nearest?",
        "which of them is the closest", "what is the closest thing", "which object is the nearest one", "the nearest is?", "which one's closer"),
        "id": ("mana yang paling dekat", "yang terdekat apa", "apa yang terdekat", "benda apa yang paling dekat denganmu", "yang mana paling dekat",
        "paling dekat yang mana", "terdekat apa"), "zh": ("哪个最近", "最近的是什么", "离你最近的是哪个", "哪个离你最近", "最近的是哪个", "什么最近",
        "谁离你最近")},
    "farthest": {"en": ("which one is the farthest", "what's furthest away", "which is the most distant", "and the farthest?",
        "what's the furthest thing"), "id": ("mana yang paling jauh", "yang terjauh apa", "apa yang paling jauh", "paling jauh yang mana"),
        "zh": ("哪个最远", "最远的是什么", "离你最远的是哪个", "什么离你最远")},
    "count": {"en": ("how many things do you see", "how many objects are there", "how many did you see", "how many are there in total", "count them",
        "how many objects was that", "so how many things is that"), "id": ("ada berapa benda", "berapa semuanya", "jumlahnya berapa",
        "berapa benda yang kamu lihat", "totalnya berapa", "ada berapa"), "zh": ("一共几个", "有几个东西", "总共多少个", "你看到几个", "几样东西",
        "数一下有几个")},
    "left": {"en": ("what's on the left", "what is to your left", "which one is on the left", "anything on your left",
        "what do you have on the left side"), "id": ("di kiri ada apa", "apa yang di kiri", "sebelah kirimu apa", "yang di kiri apa"),
        "zh": ("左边是什么", "左边有什么", "你左边是什么", "左侧有什么")},
    "right": {"en": ("what's on the right", "what is to your right", "which one is on the right", "anything on your right",
        "what do you have on the right side"), "id": ("di kanan ada apa", "apa yang di kanan", "sebelah kananmu apa", "yang di kanan apa"),
        "zh": ("右边是什么", "右边有什么", "你右边是什么", "右侧有什么")},
    "all": {"en": ("what did you see", "what was there again", "tell me again what you saw", "remind me what's there", "list what you saw",
        "say that again, what's there", "what were those things"), "id": ("tadi lihat apa saja", "apa saja tadi", "sebutkan lagi yang kamu lihat",
        "tadi ada apa aja"), "zh": ("刚才看到什么", "再说一遍有什么", "都有些什么来着", "你刚才看到了哪些")},
}
COLOUR_Q = {"en": ("what colour is the {n}", "what color is the {n}", "which colour is the {n}", "what's the color of the {n}",
    "the {n} is what color"), "id": ("warna {n} apa", "{n} warnanya apa", "apa warna {n} itu", "{n}nya warna apa"), "zh": ("{n}是什么颜色",
    "{n}什么颜色", "那个{n}是什么颜色的", "{n}的颜色呢")}
FACE_IT = {"en": ("turn to face {o}", "face {o}", "turn towards {o}", "turn to {o}", "look at {o}", "point yourself at {o}", "rotate to face {o}",
    "turn so you're facing {o}", "now face {o}", "orient yourself to {o}", "swing towards {o}"), "id": ("hadap ke {o}", "menghadap {o}",
    "putar ke arah {o}", "belok ke arah {o}", "hadapkan badan ke {o}", "arahkan dirimu ke {o}", "hadap {o} dong"), "zh": ("面向{o}", "转向{o}",
    "面对{o}", "转过去对着{o}", "朝向{o}", "对准{o}", "转到{o}那边")}
AGAIN = {"en": ("again", "once more", "do it again", "do that again", "one more time", "again please", "repeat that", "repeat", "same again",
    "and again", "do that once more", "another time", "another one", "encore", "one more", "again!", "do the same again", "same thing again",
    "and once more", "do the same thing", "repeat the last command", "let's do that again", "now the same again", "give me another one of those",
    "same again please", "do it one more time", "and one more of those", "could you do that again", "hit it again", "keep going, same again",
    "repeat what you just did"),
         "id": ("lagi", "sekali lagi", "ulangi", "ulang lagi", "lagi dong", "coba lagi", "ulangi lagi", "satu kali lagi", "lakukan lagi",
             "ulangi yang tadi", "lagi ya", "kerjakan lagi", "sama lagi", "sekali lagi dong", "ulang", "yang tadi lagi", "tolong ulangi", "lagi bro",
             "ulangi gerakan tadi", "lakukan sekali lagi", "begitu lagi", "kayak tadi lagi", "ulangi perintah terakhir", "lg"), "zh": ("再来一次",
             "再来", "再做一次", "重复一遍", "再来一遍", "又一次", "再一次", "重复", "再来一下", "继续来一次", "照刚才的再做一遍", "同样的再来一次",
             "请再来一次", "重复刚才的动作", "再重复一次", "多来一次", "再做一遍", "还要再来一次", "刚才那个再来", "再来一回", "一样的再来一遍")}
MORE = {"en": ("a bit more", "a little more", "a little further", "a bit further", "slightly more", "a bit farther", "just a little more",
    "a tad more", "some more, just a bit", "keep going a bit", "a touch more", "go a little further", "a little bit more",
    "a little bit further please", "bit more", "a smidge more", "slightly further", "go on a bit", "and a bit more"), "id": ("sedikit lagi",
    "dikit lagi", "tambah sedikit", "tambah dikit", "sedikit lebih jauh", "lagi sedikit", "kurang dikit", "dikit lagi dong", "tambahin dikit",
    "sedikit lagi ya", "kurang sedikit lagi", "agak tambah dikit"), "zh": ("再来一点", "再多一点", "再远一点", "再一点点", "稍微再来点", "再多一点点",
    "还差一点", "再过去一点", "再一点", "再稍微多一点", "多一点", "再来一点点")}
MIRROR = {"en": ("now the same to the other side", "the same to the other side", "same thing, other side", "now the other side",
    "now do the same to the {s}", "and the same to the {s}", "same again but to the {s}", "now to the {s} as well", "the same in the other direction",
    "now the other way", "do the same on the other side", "repeat it to the other side", "and now {s}", "mirror that",
    "same distance the other way".replace("distance ", ""), "now the opposite way", "likewise to the {s}"),
          "id": ("sekarang ke sisi lain sama", "sama ke sisi satunya", "sekarang ke arah sebaliknya", "lakukan yang sama ke {s}", "sama tapi ke {s}",
              "sekarang ke {s}", "begitu juga ke {s}", "ulangi ke arah {s}", "sekarang arah sebaliknya", "yang sama ke sisi lain", "ke {s} juga",
              "lakukan hal yang sama ke arah lain"), "zh": ("另一边也一样", "换一边再来一次", "向{s}也来一次", "现在往{s}同样来一次",
              "反方向再来一次", "另一边也来一下", "换个方向再来", "往{s}也一样", "同样的往{s}边来", "对{s}边也做一次", "换成{s}边再来一遍")}
MIRROR_WALK = {"en": ("now the same backwards", "the same but backwards", "now in the other direction", "same distance, other direction",
    "same again but the other way", "now the opposite direction"), "id": ("sekarang arah sebaliknya", "sama tapi arah sebaliknya",
    "sekarang kebalikannya", "jarak sama, arah sebaliknya"), "zh": ("现在反方向来一次", "同样的距离反方向", "反方向再来一遍", "换个方向，一样的距离")}
DOUBLE = {"en": (("twice as far", 2), ("double that", 2), ("now twice as much", 2), ("again but twice as far", 2), ("now double the distance", 2),
    ("half as far", 0.5), ("half of that", 0.5), ("now half that", 0.5), ("three times as far", 3), ("do it again, twice as far", 2),
    ("now go twice that far", 2), ("the same but half", 0.5), ("again, but only half as far", 0.5), ("triple that", 3), ("do double", 2),
    ("twice as much this time", 2), ("same direction but twice as far", 2)),
          "id": (("dua kali lebih jauh", 2), ("dua kali lipat", 2), ("dua kalinya", 2), ("dobel", 2), ("sekarang dua kali lipat", 2), ("setengahnya",
              0.5), ("separuhnya", 0.5), ("setengah dari itu", 0.5), ("tiga kali lipat", 3), ("lagi tapi dua kali lipatnya", 2),
              ("sama tapi dua kali jaraknya", 2), ("lagi, tapi setengahnya aja", 0.5)), "zh": (("两倍距离", 2), ("再来，两倍", 2),
              ("走两倍远".replace("走", ""), 2), ("加倍", 2), ("翻倍", 2), ("一半", 0.5), ("再来一半", 0.5), ("刚才的两倍", 2), ("刚才的一半", 0.5),
              ("三倍", 3), ("这次两倍", 2), ("这次只要一半", 0.5), ("同样方向两倍", 2))}
MORE_BY = {"en": ("another {D}", "{D} more", "{D} further", "now {D} more", "and another {D}", "go {D} further", "{D} farther please", "add {D}",
    "an extra {D}"), "id": ("{D} lagi", "tambah {D}", "lagi {D}", "tambah {D} lagi", "terusin {D}", "{D} lagi dong"), "zh": ("再{D}", "再来{D}",
    "再多{D}", "还要{D}", "再加{D}")}
AGAIN_BUT = {"en": ("again but {p}", "once more, but {p}", "same again, {p} this time", "do it again, this time {p}", "repeat that but {p}",
    "the same, but {p}", "now the same {p}"), "id": ("lagi tapi {p}", "sekali lagi, tapi {p}", "ulangi tapi {p}", "sama tapi {p}",
    "lagi, kali ini {p}"), "zh": ("再来一次，但是{p}", "再来一遍，{p}", "重复一次，{p}", "一样的，不过{p}", "这次{p}再来")}
PACE = {"en": (("slowly", "slow"), ("slower", "slow"), ("fast", "fast"), ("quickly", "fast"), ("faster", "fast"), ("slow", "slow")),
    "id": (("pelan-pelan", "slow"), ("pelan", "slow"), ("cepat", "fast"), ("lebih cepat", "fast"), ("lebih pelan", "slow"), ("sambil lari", "fast")),
    "zh": (("慢一点", "slow"), ("慢慢来", "slow"), ("快一点", "fast"), ("快点", "fast"), ("用跑的", "fast"))}
TWICE_MORE = {"en": ("two more times", "twice more", "do that two more times", "again, twice"), "id": ("dua kali lagi", "ulangi dua kali",
    "lagi dua kali"), "zh": ("再来两次", "再做两遍", "重复两次")}
TRY_AGAIN = {"en": ("try again", "try that again", "try once more", "have another go", "give it another try", "again", "well, try again",
    "please try again", "retry", "try it one more time", "give it another shot"), "id": ("coba lagi", "coba sekali lagi", "ulangi lagi",
    "coba lagi dong", "lagi", "dicoba lagi ya", "coba ulang"), "zh": ("再试一次", "再试试", "再来一次", "再试一下", "重试", "重新试一次", "再试一遍")}
WHAT_DID = {"en": ("what did you just do", "what did you do", "what was that", "tell me what you did", "so what did you do just now",
    "what was your last move"), "id": ("tadi kamu ngapain", "apa yang baru kamu lakukan", "barusan ngapain", "tadi apa", "kamu habis ngapain"),
    "zh": ("你刚才做了什么", "刚才干了什么", "你做了什么", "你刚刚干嘛了", "上一步做了什么")}
THERE = {"en": ("{o}", "I mean {o}", "to {o}", "{o}, please", "I meant {o}", "the place with {o}", "over to {o}", "go to {o}", "well, {o} of course",
    "that would be {o}"), "id": ("{o}", "maksudku {o}", "ke {o}", "ke {o} dong", "{o} maksudnya", "itu lho, {o}", "ya ke {o}"), "zh": ("{o}",
    "我是说{o}", "去{o}那", "就是{o}", "{o}那里", "到{o}去", "当然是{o}")}
UNDO = {"en": ("undo that", "undo", "go back to where you just were", "back to where you were", "take that back", "undo the last move",
    "reverse that", "return to where you just were", "go back to where you were before", "undo your last motion", "please undo",
    "go back to your previous position", "back to the previous spot", "put yourself back where you were", "return to your last position",
    "undo what you just did", "revert that", "now back to where you were a moment ago", "go back where you came from just now", "ctrl z",
    "cancel that move and go back", "get back to where you stood before", "unwind that", "move back to where you were"),
        "id": ("kembali ke posisi sebelumnya", "kembali ke tempat tadi", "batalkan gerakan tadi", "balik ke posisi sebelumnya", "undo",
            "balik lagi ke tempat tadi", "urungkan", "balik ke tempat sebelumnya", "kembalikan posisimu", "balik ke yang tadi",
            "kembali ke tempat kamu tadi", "urungkan gerakan terakhir", "balik lagi kayak tadi", "kembali ke posisi semula sebelum gerak tadi",
            "batalin gerakan barusan", "balik ke tempat barusan", "undo yang tadi", "kembali seperti sebelum bergerak"), "zh": ("回到刚才的位置",
            "撤销", "撤销刚才的动作", "退回刚才的地方", "回到之前的位置", "还原", "取消刚才的移动，回去", "恢复原位", "回到刚才那儿", "回刚才的地方",
            "回到上一个位置", "撤回刚才的移动", "把刚才的动作撤销", "返回刚刚的位置", "倒回去", "回到移动前的位置")}
HOW_FAR = {"walk": {"en": ("how far did you go", "how far did you walk", "how far was that", "how many metres was that",
    "what distance did you cover", "how far did you get", "how much did you move", "how far have you walked just now", "what distance was that",
    "exactly how far did you go", "so how far was that exactly"), "id": ("seberapa jauh tadi", "berapa meter tadi", "tadi jalan berapa jauh",
    "kamu jalan berapa meter", "jaraknya berapa tadi", "sejauh apa tadi", "tadi berapa jauh jalannya", "kamu sudah jalan seberapa jauh"),
    "zh": ("你走了多远", "走了几米", "刚才走了多少", "刚才移动了多远", "走了多长距离", "你刚走了多远", "实际走了多少米", "移动了多少")},
           "turn": {"en": ("how far did you turn", "how many degrees was that", "how much did you turn", "by how much did you rotate",
               "what angle was that", "how many degrees did you turn"), "id": ("berapa derajat tadi", "tadi putar berapa derajat",
               "seberapa banyak kamu berputar", "belok berapa derajat tadi"), "zh": ("你转了多少度", "转了几度", "刚才转了多少", "实际转了多少度")}}
AND = {"en": ("and {q}", "{q}", "ok, {q}", "{q}", "and now, {q}", "so {q}", "good. {q}"), "id": ("dan {q}", "{q}", "terus {q}", "{q}", "oke, {q}",
    "kalau gitu {q}"), "zh": ("那{q}", "{q}", "{q}", "好，{q}", "还有，{q}")}


def see(rng, lang, d, seen, question=None, is_brief=None):
    """The user has the robot look; what it saw is said."""
    text = question or (c.bare(rng, lang, Command("look")) if rng.chance(0.5) else say(rng, c.LANG[lang].LOOK_QUESTIONS["all"][:30]))
    d.user(typed(rng, lang, c.wrapped(rng, lang, text) if question is None and rng.chance(0.15) else text)).call([("look", {})])
    results = numbers_style(rng, [{"ok": True, "objects": seen}])
    d.results(results)
    text, must = answers.after(lang, ("look", {}), {"ok": True, "objects": seen})
    return d.say(text, must)


def question_of(rng, lang, topic, name):
    slots = {"o": objects.said(rng, lang, name, "the"), "a": objects.said(rng, lang, name, "a"), "n": objects.plural(rng, lang, name)}
    return say(rng, c.LANG[lang].LOOK_QUESTIONS[topic], slots)


def about(rng, lang, d, seen, topic, name):
    """The answer, or the turn, that a look result gives to a question about a thing; None when there are several readings."""
    found = next((o for o in seen if o["name"] == name), None)
    text = answers.TEXT[lang]
    said = answers.name_said(lang, name)
    if found is None:
        a = answers.with_article(name) if lang == "en" else said
        return d.say(text["no_such"].format(a=a), {"en": ["don't see", "not there", "no"], "id": ["tidak"], "zh": ["没有", "没看到"]}[lang])
    distance, bearing = answers.num(lang, found["distance"]), found["bearing"]
    if topic == "face":
        return d.call([("turn", {"angle": number(bearing)})])
    if topic == "far":
        return d.say(text["far"].format(o=said, d=distance), [plain(found["distance"])])
    if topic == "where":
        side = text["left_side" if bearing > 0 else "right_side"]
        if bearing == 0:
            return d.say(text["where_ahead"].format(o=said, d=distance), [plain(found["distance"])])
        return d.say(text["where"].format(o=said, d=distance, b=answers.num(lang, abs(bearing)), s=side), [plain(abs(bearing)), plain(found["distance"])])
    a = answers.with_article(name) if lang == "en" else said
    return d.say(text["is_there"].format(a=a, d=distance), {"en": ["yes"], "id": ["ya", "ada"], "zh": ["有", "看到"]}[lang])


def clean(seen):
    """Of every noun there is one: so a noun alone says which."""
    nouns = [objects.split_name(o["name"])[0] for o in seen]
    return len(set(nouns)) == len(nouns)


def objects_kind(rng, lang):
    roll = rng.unit()
    if roll < 0.24:
        command = c.approach(rng, lang, gap=0.3)
        text = c.wrapped(rng, lang, c.bare(rng, lang, command))
        d = Dialogue(lang, "object").user(typed(rng, lang, text)).call(command.calls())
        return finish(rng, d, command.calls(), chance=0.35, fail=0.4)
    if roll < 0.36:
        d = Dialogue(lang, "object")
        if rng.chance(0.4):
            text = c.bare(rng, lang, Command("look"))
            d.user(typed(rng, lang, c.wrapped(rng, lang, text) if rng.chance(0.4) else text)).call([("look", {})])
            return finish(rng, d, [("look", {})], chance=0.55, fail=0.04)
        text = say(rng, c.LANG[lang].LOOK_QUESTIONS["all"])
        d.user(typed(rng, lang, text)).call([("look", {})])
        return d if rng.chance(0.5) else asked(rng, lang, d, text)
    if roll < 0.56:
        # asked without a look: look first, then answer
        topic = rng.pick(("where", "far", "is_there", "face", "face", "where", "far", "is_there", "face", "how_many"))
        name = objects.thing(rng, lang)[0]
        d = Dialogue(lang, "object").user(typed(rng, lang, question_of(rng, lang, topic, name))).call([("look", {})])
        if topic == "how_many" or rng.chance(0.5):
            return d
        seen = answers.sight(rng, lang, with_name=name if rng.chance(0.85) else None, count=rng.between(1, 4))
        d.results(numbers_style(rng, [{"ok": True, "objects": seen}]))
        about(rng, lang, d, seen, topic, name)
        return d
    # asked with a look result at hand
    while True:
        seen = answers.sight(rng, lang, count=rng.weighted([(2, 1), (6, 2), (5, 3), (2, 4)]))
        if clean(seen):
            break
    d = see(rng, lang, Dialogue(lang, "object"), seen)
    if rng.chance(0.5):
        topic = rng.pick(("where", "where", "far", "far", "far", "is_there", "face", "face"))
        name = rng.pick(seen)["name"]
        short = objects.split_name(name)[0] if rng.chance(0.35) else name
        if topic == "is_there" and rng.chance(0.5):
            short = name = objects.thing(rng, lang)[0]
            if any(objects.split_name(o["name"])[0] == objects.split_name(name)[0] for o in seen):
                short = name = seen[0]["name"]
        text = say(rng, FACE_IT[lang], {"o": objects.said(rng, lang, short, "the")}) if topic == "face" and rng.chance(0.5) else question_of(rng,
            lang, topic, short)
        d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": text})))
        about(rng, lang, d, seen, topic, name)
        if topic in ("far", "where") and len(seen) > 1 and rng.chance(0.3):
            other = rng.pick([o["name"] for o in seen if o["name"] != name])
            o = objects.said(rng, lang, objects.split_name(other)[0], "the")
            d.user(typed(rng, lang, {"en": rng.pick((f"and {o}", f"and {o}?", f"what about {o}?", f"how about {o}")), "id": rng.pick((f"kalau {o}?",
                f"dan {o}", f"terus {o}?")), "zh": rng.pick((f"{o}呢", f"那{o}呢"))}[lang]))
            about(rng, lang, d, seen, topic, other)
        return d if topic != "face" else finish(rng, d, [("turn",
            {"angle": d.expect["calls"][0]["arguments"]["angle"]})] if "calls" in d.expect else [("look", {})], chance=0.0)
    return seen_question(rng, lang, d, seen)


TOPICS = (("nearest", ("closest", "nearest", "dekat deng", "paling dekat", "离你最近", "最近的")), ("count", ("how many", "berapa", "几个")), ("left",
    ("your left", "kirimu", "左边")), ("right", ("your right", "kananmu", "右边")))


def asked(rng, lang, d, text):
    """The look that a question needed, and its answer."""
    topic = next((topic for topic, words in TOPICS if any(w in text for w in words)), None)
    seen = answers.sight(rng, lang, count=None if topic is None else rng.between(1, 4))
    if any(w in text for w in ("behind", "belakang", "后面", "farthest", "clear", "aman", "in your way", "halangan", "menghalangi", "障碍", "挡",
        "anyone", "orang", "有人", "who")):
        return d
    d.results(numbers_style(rng, [{"ok": True, "objects": seen}]))
    if topic is None:
        return d.say(*answers.after(lang, ("look", {}), {"ok": True, "objects": seen}))
    return seen_answer(lang, d, seen, topic)


def seen_question(rng, lang, d, seen):
    text = answers.TEXT[lang]
    coloured = [o for o in seen if objects.split_name(o["name"])[1] and (lang == "en" or objects.split_name(o["name"])[0] in objects.BY_NAME)]
    if coloured and rng.chance(0.2):
        noun, shade = objects.split_name(rng.pick(coloured)["name"])
        d.user(typed(rng, lang, say(rng, COLOUR_Q[lang], {"n": objects.said(rng, lang, noun, "") if lang != "en" else noun})))
        hue = shade if lang == "en" else objects.COLOUR_BY_NAME[shade][lang][0]
        return d.say(text["colour"].format(n=answers.name_said(lang, noun), c=hue), [hue, shade])
    topic = rng.pick(("nearest", "nearest", "nearest", "farthest", "count", "left", "right", "all"))
    d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": rng.pick(SEEN_Q[topic][lang])})))
    return seen_answer(lang, d, seen, topic)


def seen_answer(lang, d, seen, topic):
    text = answers.TEXT[lang]
    if topic in ("nearest", "farthest"):
        best = answers.by_distance(seen)[0 if topic == "nearest" else -1]
        return d.say(text[topic].format(o=answers.name_said(lang, best["name"]), d=answers.num(lang, best["distance"])), answers.forms(lang,
            best["name"]))
    names = [o["name"] for o in answers.by_distance(seen)]
    if topic == "count":
        return d.say(text["count"].format(n=len(seen), list=answers.listed(lang, names)), [str(len(seen))])
    if topic == "all":
        return d.say(text["see"].format(list=answers.listed(lang, names)), answers.forms(lang, names[0]))
    names = [o["name"] for o in answers.by_side(seen) if (o["bearing"] > 0) == (topic == "left") and o["bearing"]]
    side = text[topic + "_side"]
    if not names:
        return d.say(text["on_side_none"].format(s=side), [text["on_side_none"].format(s=side).rstrip(".。")])
    return d.say(text["on_side"].format(s=side, list=answers.listed(lang, names)), answers.forms(lang, names[0]))


def state_kind(rng, lang):
    d = Dialogue(lang, "state")
    questions = c.LANG[lang].QUESTIONS
    topic = rng.pick(("position", "position", "heading", "heading", "energy", "energy", "fallen", "fallen", "status"))
    text = c.bare(rng, lang, Command("status")) if topic == "status" else say(rng, questions[topic])
    if topic == "status" and any(w in text for w in ("where", "position", "location", "coordinates", "posisi", "位置", "坐标")):
        topic = "position"
    elif topic == "status" and any(w in text for w in ("energy", "energi", "能耗")):
        topic = "energy"
    elif topic == "status" and any(w in text for w in ("heading",)):
        topic = "heading"
    topic = upright(topic, text)
    if rng.chance(0.2):
        text = {"en": rng.pick(("hey raga, {}", "robot, {}", "so {}", "can you tell me, {}", "{}, raga", "{} please", "quick question, {}",
            "wait, {}")), "id": rng.pick(("raga, {}", "eh {}", "robot, {}", "coba bilang, {}", "{} ya", "{} sih", "{} bro")),
            "zh": rng.pick(("raga，{}", "请问{}", "机器人，{}", "那{}", "喂，{}", "告诉我，{}"))}[lang].format(text)
    d.user(typed(rng, lang, text)).call([("status", {})])
    if rng.chance(0.4):
        return d
    got = answers.state(rng, fallen=rng.chance(0.3) if topic in ("fallen", "upright") else rng.chance(0.06))
    shown = numbers_style(rng, [got])
    d.results(shown)
    text, must = answers.told(lang, topic, got)
    d.say(text, must, must_not(lang, topic, got))
    if rng.chance(0.5):
        return d
    other = rng.pick(("position", "heading", "energy", "fallen"))
    if rng.chance(0.3):
        # the robot moves: what was known is old
        command = c.motion(rng, lang)
        text = c.bare(rng, lang, command)
        d.user(typed(rng, lang, text)).call(command.calls())
        results = numbers_style(rng, [answers.result(rng, call, lang) for call in command.calls()])
        d.results(results)
        d.say(*answers.after_all(lang, command.calls(), results))
        d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": say(rng, questions[other])})))
        return d.call([("status", {})])
    question = say(rng, questions[other])
    other = upright(other, question)
    d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": question})))
    text, must = answers.told(lang, other, got)
    return d.say(text, must, must_not(lang, other, got))


def upright(topic, question):
    """Whether it is asked if the robot stands, rather than if it fell: yes and no change places."""
    words = ("standing", "feet", "upright", "still up", "berdiri", "tegak", "站着", "立着")
    return "upright" if topic == "fallen" and any(word in question for word in words) else topic


def must_not(lang, topic, got):
    if topic != "fallen":
        return None
    if got["fallen"]:
        return {"en": ["not fallen", "upright"], "id": ["tidak jatuh"], "zh": ["没摔", "没有摔"]}[lang]
    return {"en": ["yes", "i have fallen"], "id": ["ya", "saya jatuh"], "zh": ["是的"]}[lang]


def reversed_calls(calls):
    out = []
    for name, arguments in reversed(calls):
        key = "angle" if name == "turn" else "distance"
        out.append((name, {key: number(-arguments[key])}))
    return out


def multi_turn(rng, lang):
    roll = rng.unit()
    d = Dialogue(lang, "multi-turn")
    if roll < 0.17:
        return pointing(rng, lang, d)
    if roll < 0.27:
        return other_one(rng, lang, d)
    if roll < 0.31:
        return told_result(rng, lang, d)
    if roll < 0.385:
        return look_again(rng, lang, d)
    if roll < 0.41:
        return after_words(rng, lang, d)
    if roll < 0.48:
        # an order after an order
        opening(rng, d, c.simple(rng, lang))
        command = c.simple(rng, lang)
        d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": c.bare(rng, lang, command)}) if rng.chance(0.5) else c.wrapped(rng, lang,
            c.bare(rng, lang, command)))).call(command.calls())
        return finish(rng, d, command.calls(), chance=0.3)
    extra = c.motion(rng, lang) if rng.chance(0.3) else None
    command = rng.weighted([(10, c.walk), (8, c.side), (8, c.turn), (2, c.special_turn), (2, c.wait), (2, c.approach)])(rng, lang)
    kinds = [(8, "again"), (9, "undo"), (2, "home")]
    if command.act in ("walk", "side", "turn") and extra is None:
        kinds += [(6, "more"), (7, "mirror"), (6, "double"), (3, "more_by"), (2, "twice_more"), (1, "what_did")]
        kinds += [(4, "paced")] if command.act == "walk" else []
    if command.act in ("walk", "side", "turn") and extra is None:
        kinds += [(3, "how_far")]
    kind = rng.weighted(kinds)
    if command.act not in ("walk", "side", "turn") and kind in ("undo", "how_far"):
        kind = "again"
    calls, results = opening(rng, d, command, extra)
    if rng.chance(0.1) and kind == "again":
        d.user(typed(rng, lang, rng.pick(AGAIN[lang]))).call(calls)
        d.results(results).say(*answers.after_all(lang, calls, results))
    if kind == "again":
        new, text = calls, rng.pick(AGAIN[lang])
    elif kind == "home":
        new, text = [("go_to", {"x": 0, "y": 0})], c.bare(rng, lang, Command("home"))
    elif kind == "undo":
        new, text = reversed_calls(calls), rng.pick(UNDO[lang])
    elif kind == "more":
        new, text = command.but(qty="bit", speed=None).calls(), rng.pick(MORE[lang])
    elif kind == "mirror":
        new = command.but(sign=-(command.sign or 1)).calls()
        text = rng.pick(MIRROR_WALK[lang]) if command.act == "walk" else expand(rng, rng.pick(MIRROR[lang]),
            {"s": c.LANG[lang].SIDES[-(command.sign or 1)][0]})
    elif kind == "more_by":
        while True:
            qty = (ANGLE if command.act == "turn" else LENGTH)[lang](rng, False)
            if qty.said.split()[0] not in ("a", "an", "another", "one", "some", "couple", "few", "just", "half") or lang != "en":
                break
        new, text = command.but(qty=qty, speed=None).calls(), expand(rng, rng.pick(MORE_BY[lang]), {"D": qty.said})
    elif kind == "twice_more":
        new, text = calls * 2, rng.pick(TWICE_MORE[lang])
    elif kind == "paced":
        said, pace = rng.pick(PACE[lang])
        new, text = command.but(speed=pace).calls(), expand(rng, rng.pick(AGAIN_BUT[lang]), {"p": said})
    elif kind == "what_did":
        d.user(typed(rng, lang, rng.pick(WHAT_DID[lang])))
        return d.say(*answers.after_all(lang, calls, results))
    elif kind == "double":
        text, factor = rng.pick(DOUBLE[lang])
        new = [(calls[0][0], {k: number(v * factor) if k in ("distance", "angle") else v for k, v in calls[0][1].items()})]
    else:
        name, got = calls[-1][0], results[-1]
        key = "turned" if name == "turn" else "walked" if name == "walk" else "moved"
        value = abs(got["angle" if name == "turn" else "distance"])
        d.user(typed(rng, lang, rng.pick(HOW_FAR["turn" if name == "turn" else "walk"][lang])))
        return d.say(answers.TEXT[lang][key].format(d=answers.num(lang, value)), [plain(value)])
    if rng.chance(0.2):
        text = expand(rng, rng.pick(AND[lang]), {"q": text})
    d.user(typed(rng, lang, text)).call(new)
    return finish(rng, d, new, chance=0.2)


def pointing(rng, lang, d):
    """Go to one of the things that were seen."""
    while True:
        seen = answers.sight(rng, lang, count=rng.weighted([(1, 1), (8, 2), (4, 3), (1, 4)]))
        if clean(seen):
            break
    see(rng, lang, d, seen)
    by_distance = answers.by_distance(seen)
    lefts = [o for o in seen if o["bearing"] > 0]
    rights = [o for o in seen if o["bearing"] < 0]
    choices = [("near", by_distance[0]), ("far", by_distance[-1])] if len(seen) > 1 else [("it", seen[0])] * 2
    if len(lefts) == 1:
        choices += [("left", lefts[0])] * 3
    if len(rights) == 1:
        choices += [("right", rights[0])] * 3
    which, thing = rng.pick(choices)
    text_one = rng.pick(ONE[which][lang])
    if rng.chance(0.25):
        noun, shade = objects.split_name(thing["name"])
        if shade and sum(objects.split_name(o["name"])[1] == shade for o in seen) == 1 and rng.chance(0.6):
            text_one = {"en": rng.pick((f"the {shade} one", f"the {shade} thing")), "id": "yang " + objects.COLOUR_BY_NAME[shade]["id"][0],
                "zh": objects.COLOUR_BY_NAME[shade]["zh"][0] + rng.pick(("色的那个", "色那个", "色的"))}[lang]
        else:
            text_one = objects.said(rng, lang, noun, "the")
    if rng.chance(0.22):
        d.user(typed(rng, lang, say(rng, FACE_IT[lang], {"o": text_one}))).call([("turn", {"angle": number(thing["bearing"])})])
        return d
    text, arguments = say(rng, GO_TO[lang], {"o": text_one}), {"object": thing["name"]}
    if rng.chance(0.18):
        gap = c.standoff(rng, lang)
        text, arguments["distance"] = text + rng.pick(GAP_TAIL[lang]).replace("{D}", gap.said), number(gap.value)
    d.user(typed(rng, lang, text)).call([("approach", arguments)])
    if len(seen) == 2 and rng.chance(0.3):
        other = next(o for o in seen if o is not thing)
        results = numbers_style(rng, [answers.result(rng, ("approach", arguments), lang)])
        d.results(results).say(*answers.after(lang, ("approach", arguments), results[0]))
        d.user(typed(rng, lang, say(rng, GO_TO[lang], {"o": rng.pick(ONE["other"][lang])}))).call([("approach", {"object": other["name"]})])
    return d


def other_one(rng, lang, d):
    """Of two things now the one, now the other."""
    while True:
        seen = answers.sight(rng, lang, count=2)
        if clean(seen):
            break
    see(rng, lang, d, seen)
    at = rng.below(2)
    is_nearest = seen[at] is answers.by_distance(seen)[0]
    words = objects.said(rng, lang, seen[at]["name"], "the") if rng.chance(0.6) else rng.pick(ONE["near" if is_nearest else "far"][lang])
    has_moved = False
    for turn in range(rng.weighted([(5, 2), (4, 3), (3, 4)])):
        if turn:
            at, words = 1 - at, rng.pick(ONE["other"][lang])
        o = seen[at]
        if not has_moved and rng.chance(0.5):
            # where it is holds as long as the robot has not moved
            topic = rng.pick(("far", "where"))
            d.user(typed(rng, lang, say(rng, c.LANG[lang].LOOK_QUESTIONS[topic], {"o": words})))
            about(rng, lang, d, seen, topic, o["name"])
            continue
        if turn and d.messages[-1].get("tool_calls"):
            results = numbers_style(rng, [answers.result(rng, call, lang)])
            d.results(results).say(*answers.after(lang, call, results[0]))
        if not has_moved and rng.chance(0.25):
            d.user(typed(rng, lang, say(rng, FACE_IT[lang], {"o": words}))).call([("turn", {"angle": number(o["bearing"])})])
            return d
        call, has_moved = ("approach", {"object": o["name"]}), True
        d.user(typed(rng, lang, say(rng, GO_TO[lang], {"o": words}))).call([call])
    return d


def told_result(rng, lang, d):
    """What an order gave is said: it went well, or it did not."""
    command = c.simple(rng, lang)
    if rng.chance(0.4):
        command = c.approach(rng, lang)
    text = c.bare(rng, lang, command)
    d.user(typed(rng, lang, c.wrapped(rng, lang, text) if rng.chance(0.5) else text)).call(command.calls())
    return finish(rng, d, command.calls(), chance=1.0, fail=0.45)


def after_words(rng, lang, d):
    """What comes after a question back, a refusal, a failure, small talk, or is small talk after work."""
    kind = rng.below(5)
    if kind == 0:
        first = talk.ask_back(rng, lang, where=True)
        d.messages = first.messages
        if rng.chance(0.3):
            command = c.goto(rng, lang)
            text = c.number_said(rng, command.x, lang), c.number_said(rng, command.y, lang)
            text = say(rng, c.LANG[lang].COMMANDS["point"], {"x": text[0], "y": text[1]})
        else:
            command = Command("approach", name=objects.thing(rng, lang)[0])
            text = expand(rng, rng.pick(THERE[lang]), {"o": objects.said(rng, lang, command.name)})
    elif kind == 1:
        d.messages = talk.refusal(rng, lang).messages
        command = c.simple(rng, lang)
        text = {"en": rng.pick(("ok then {c}", "then {c}", "fine, {c}", "okay, {c} instead", "too bad. {c}", "{c} then", "in that case {c}",
            "at least {c}")), "id": rng.pick(("ya udah {c}", "kalau gitu {c}", "oke, {c} aja", "{c} aja deh", "yah. {c}")), "zh": rng.pick(("那就{c}",
            "好吧，{c}", "那{c}吧", "算了，{c}", "那你{c}"))}[lang]
        text = expand(rng, text, {"c": c.bare(rng, lang, command)})
    elif kind == 2:
        command = c.approach(rng, lang) if rng.chance(0.5) else c.motion(rng, lang)
        text = c.bare(rng, lang, command)
        d.user(typed(rng, lang, c.wrapped(rng, lang, text) if rng.chance(0.4) else text)).call(command.calls())
        bad, row = answers.failure(rng, command.calls()[0])
        d.results(numbers_style(rng, [bad])).say(*answers.failed(lang, command.calls()[0], row, bad))
        text = rng.pick(TRY_AGAIN[lang])
    elif kind == 3:
        d.messages = talk.chat(rng, lang).messages
        command = c.simple(rng, lang)
        text = c.wrapped(rng, lang, c.bare(rng, lang, command))
    else:
        opening(rng, d, c.simple(rng, lang))
        last = talk.chat(rng, lang, asks=False)
        d.messages += last.messages
        d.expect = last.expect
        return d
    d.user(typed(rng, lang, text)).call(command.calls())
    return finish(rng, d, command.calls(), chance=0.15)


def look_again(rng, lang, d):
    """After a motion what was seen is old: a question about it needs another look."""
    seen = answers.sight(rng, lang, count=rng.between(1, 3))
    see(rng, lang, d, seen)
    command = c.motion(rng, lang)
    d.user(typed(rng, lang, c.bare(rng, lang, command))).call(command.calls())
    results = numbers_style(rng, [answers.result(rng, call, lang) for call in command.calls()])
    d.results(results).say(*answers.after_all(lang, command.calls(), results))
    topic = rng.pick(("where", "far", "face", "all", "is_there"))
    name = rng.pick(seen)["name"]
    text = say(rng, c.LANG[lang].LOOK_QUESTIONS["all"]) if topic == "all" else question_of(rng, lang, topic, name)
    d.user(typed(rng, lang, expand(rng, rng.pick(AND[lang]), {"q": text}))).call([("look", {})])
    return d
