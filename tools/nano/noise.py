"""How turns are typed and misheard: case, punctuation, typos, abbreviations, homophones, mixed languages."""
import functools

import objects
from numbers_said import EN_ONES, EN_TENS, ID_ONES

KEEP = set(EN_ONES + EN_TENS + ID_ONES + ["hundred", "belas", "puluh", "ratus", "seratus"])
NEAR = {"a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "d", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l", "l": "k", "m": "n", "n": "m",
    "o": "i", "p": "o", "q": "w", "r": "t", "s": "a", "t": "r", "u": "y", "v": "c", "w": "e", "x": "z", "y": "t", "z": "x"}
EN_CHAT = {"you": "u", "your": "ur", "please": "pls", "and": "n", "to": "2", "okay": "k", "right": "rite", "what": "wat", "are": "r", "about": "abt",
    "forward": "fwd", "forwards": "fwd", "degrees": "deg", "seconds": "sec", "the": "da", "with": "w", "then": "den", "because": "cuz",
    "backwards": "bkwds", "through": "thru", "going": "goin", "for": "4"}
EN_CHAT.pop("to")
EN_CHAT.pop("for")
EN_HEARD = {"right": ("write", "rite", "wright"), "two": ("too", "to"), "wait": ("weight", "waite"), "metres": ("meaters", "meet us", "meter's"),
    "meters": ("meatres", "meet us", "meeters"), "forward": ("foreword", "for word", "forwad"), "turn": ("tern", "torn"), "there": ("their",),
    "walk": ("wok", "work", "woke"), "steps": ("stepps", "step's"), "see": ("sea",), "four": ("for", "fore"), "ball": ("bawl",),
    "around": ("a round", "arround"), "backward": ("back word", "backword"), "backwards": ("back words",), "straight": ("strait",), "eight": ("ate",),
    "one": ("won",), "look": ("luck", "luke"), "degrees": ("degreese", "decrease"), "back": ("bak", "bach"), "left": ("lef", "lift"),
    "feet": ("feat",), "box": ("bocks",), "chair": ("chare", "cheer"), "sit": ("set",), "metre": ("meater", "meet her"), "meter": ("meet her",),
    "ahead": ("a head",), "three": ("tree", "free"), "six": ("sicks",), "five": ("fife",), "nine": ("nein",), "ten": ("tan",), "red": ("read",),
    "blue": ("blew",), "pole": ("poll",), "plant": ("planned",), "bottle": ("battle", "bottel"), "bucket": ("buckit",), "cone": ("cohn",),
    "table": ("tabel",), "sideways": ("side ways", "side weighs"), "clockwise": ("clock wise", "clock ways"), "face": ("phase",), "here": ("hear",),
    "seconds": ("sekonds", "seconds'"), "inches": ("in chess",), "half": ("haf",), "stop": ("stopp", "stawp"), "stand": ("stend",),
        "your": ("you're",),
    "twice": ("twise",), "nearest": ("neerest",), "closest": ("closet", "closist"), "white": ("wight",), "green": ("grean",), "person": ("purson",),
    "sofa": ("sofar",), "where": ("wear", "were"), "which": ("witch",), "how": ("hou",), "step": ("stepp", "steb"), "go": ("goe",),
        "yards": ("yarts",),
    "wall": ("wol",), "door": ("dore",), "lamp": ("lam",), "bag": ("bagg",), "spin": ("spinn",), "again": ("a gain",), "far": ("fahr",)}
ID_CHAT = {"belok": ("blk", "blok", "belk"), "kanan": ("knan", "kn", "knn"), "kiri": ("kri", "kr"), "yang": "yg", "derajat": ("drjt", "drajat",
    "der"),
    "meter": ("mtr", "mter", "m"), "detik": ("dtk", "detk"), "tolong": ("tlg", "tlong"), "tunggu": ("tnggu", "tgu"), "jalan": ("jln", "jlan"),
    "mundur": ("mndr", "mundr"), "maju": ("mju", "mj"), "sekarang": ("skrg", "skrang"), "duduk": ("ddk", "dduk"), "berdiri": ("brdiri", "bdiri"),
    "berhenti": ("brhenti", "brhnti", "berenti"), "langkah": ("lgkh", "lngkh", "lngkah"), "lagi": "lg", "tidak": ("gak", "tdk"), "dengan": ("dgn",
        "dg"),
    "setelah": "stlh", "kemudian": ("kmdn", "kmudian"), "terus": ("trs", "trus"), "habis": "abis", "kamu": ("km", "kmu"), "sudah": ("udh", "sdh"),
    "saja": "aja", "kotak": ("ktk", "kotk"), "putar": ("ptr", "putr"), "dekati": ("dkti", "deketi"), "lihat": ("liat", "lht"),
    "sebentar": ("sbntr", "bentar"), "depan": ("dpn", "dpan"), "belakang": ("blkg", "blkng"), "dan": "dn", "dulu": "dlu", "balik": "blik",
    "geser": ("gser", "gsr"), "sampai": ("smp", "smpe"), "ke": "k", "dari": "dr", "setengah": ("stengah", "stgh", "stngah"), "nggak": ("ga", "gk"),
    "gak": "gk", "bola": "bla", "merah": ("mrh", "merh"), "kursi": ("krsi", "kursy"), "pintu": ("pntu", "pnt"), "apa": "ap", "sini": "sni",
    "koordinat": ("koord", "kordinat"), "satu": "1", "dua": "2", "tiga": "3", "jangan": ("jgn", "jngn"), "badan": "bdn", "berapa": ("brp", "brapa"),
    "orang": "org", "menit": "mnt", "mana": "mn", "jauh": "jauh", "jarak": ("jrk", "jark"), "dekat": ("dkt", "deket"), "paling": ("plg", "pling"),
    "pelan": ("pln", "plan"), "cepat": ("cpt", "cepet"), "hadap": ("hdp", "hadep"), "menghadap": ("mnghadap", "ngadep"), "posisi": ("pos", "posis"),
    "ember": "embr", "botol": "btol", "hijau": ("ijo", "hjau"), "kuning": ("kning", "kunng"), "biru": "bru", "hitam": ("item", "htam"),
    "putih": ("ptih", "puti"), "meja": "mja", "lampu": "lmpu", "tembok": ("tmbok", "tmbk"), "tiang": "tiang", "seberapa": ("sbrapa", "sebrapa"),
    "sedikit": ("sdkt", "dikit"), "kembali": ("kmbali", "kmbl"), "ulangi": ("ulngi", "ulangin"), "pergi": ("prgi", "pegi"), "kamera": "kmra",
    "bisa": ("bs", "bsa"), "benda": "bnda", "sekali": ("skali", "skli"), "arah": "arh", "senti": ("snti", "cm"), "serong": "srong"}
ID_HEARD = {"belok": ("blok", "beloh"), "mundur": ("mundul", "mondor"), "kanan": ("kana", "kanang"), "kiri": ("kirih", "giri"),
    "berhenti": ("berenti", "brenti"), "duduk": ("duduq", "dudu"), "jalan": ("jalam", "jalang"), "maju": ("majuh", "machu"), "geser": ("gesser",
        "gezer"),
    "putar": ("puter", "pukar"), "kotak": ("kotag", "gotak"), "tunggu": ("tungu", "tunggul"), "ember": "embir", "dekati": "deketi",
    "kerucut": ("krucut", "kerucup"), "hijau": ("ijo", "hijo"), "kuning": "kunin", "berdiri": ("bediri", "berderi"), "lihat": "liat",
    "setengah": ("stengah", "setengak"), "meter": ("mater", "metar"), "derajat": ("drajat", "derajad"), "langkah": ("langka", "langkak"),
    "detik": "detig", "depan": "depang", "belakang": ("blakang", "belakan"), "tiang": "tihang", "botol": "botoh", "tembok": "tembo",
    "jarak": "jara", "dinding": "dindin", "kursi": "korsi", "pintu": "pintuh", "merah": "mera", "putih": "puti"}
# Chinese: characters that sound alike
ZH_HEARD = {"坐": "做座作", "向": "像象项相", "往": "网望忘", "退": "腿推", "转": "赚专砖", "站": "占战暂", "前": "钱潜", "后": "候厚", "右": "又有佑",
    "左": "佐", "米": "迷咪", "厘": "离梨", "停": "亭廷听挺", "走": "奏", "箱": "想香乡", "红": "洪宏", "球": "求", "蓝": "兰拦篮", "度": "渡肚杜",
    "步": "部布", "秒": "妙苗", "等": "瞪", "椅": "以倚", "桌": "捉卓", "圈": "全", "靠": "考烤", "里": "理", "移": "疑宜怡", "绿": "率律",
    "黄": "皇", "门": "们", "挪": "娜", "墙": "强", "桶": "统", "瓶": "平", "柱": "住", "掉": "吊", "报": "抱", "平": "瓶苹", "慢": "漫曼", "快": "块筷",
    "再": "在", "身": "深", "侧": "测册", "近": "进", "远": "园", "旋": "悬", "绕": "饶", "原": "员园", "点": "典", "起": "启", "面": "免", "对": "队",
    "朝": "潮", "角": "脚", "离": "里", "距": "据", "沙": "砂", "植": "直", "紫": "子", "橙": "成", "棕": "宗", "灰": "辉", "黑": "嘿", "置": "至",
    "位": "为", "始": "使", "倍": "被贝", "次": "刺", "半": "办伴", "边": "编", "看": "堪", "望": "忘", "哪": "那", "休": "修", "动": "洞",
    "倒": "到", "子": "仔", "回": "会", "撤": "彻", "遍": "变", "下": "夏", "趴": "啪", "凳": "瞪", "盒": "和合", "杆": "干"}
NUMERIC = set("零一二三四五六七八九十百两半点")      # beside these a wrong character may make another number
ZH_TRAD = dict(zip("转后进时针过来这个红蓝绿黄门灯动边几两点钟请帮吗没间见说对错报状态么还现远离开头张汇里树块给听让们为从东车电码发当单只样问关机号变边",


                   "轉後進時針過來這個紅藍綠黃門燈動邊幾兩點鐘請幫嗎沒間見說對錯報狀態麼還現遠離開頭張匯裡樹塊給聽讓們為從東車電碼發當單隻樣問關機號變邊"))
MIX_ID = {"maju": "forward", "jalan": "walk", "belok": "turn", "mundur": "backward", "kiri": "left", "kanan": "right", "duduk": "sit",
    "berdiri": "stand up", "tunggu": "wait", "putar": "rotate", "berhenti": "stop", "depan": "front", "lalu": "then", "terus": "then",
    "derajat": "degree", "kotak": "box", "bola": "ball", "detik": "second", "kursi": "chair", "pintu": "door", "merah": "red", "biru": "blue",
    "cari": "find", "meja": "table"}
MIX_EN = {"left": "kiri", "right": "kanan", "forward": "maju", "please": "tolong", "metres": "meter", "meters": "meter", "sit": "duduk",
    "walk": "jalan", "turn": "belok", "wait": "tunggu", "ball": "bola", "box": "kotak", "chair": "kursi", "then": "terus", "degrees": "derajat",
    "seconds": "detik", "red": "merah", "now": "sekarang", "back": "mundur"}
MIX_ZH = {"米": " meter", "往前走": "forward走", "前进": "go forward ", "后退": "back ", "坐下": "sit down", "左转": "turn left ",
    "右转": "turn right ", "停": "stop", "然后": " then ", "向左": "向left", "向右": "向right", "箱子": " box", "红": "red ", "球": " ball",
    "等": "wait ", "秒": " second"}


@functools.lru_cache(maxsize=1)
def _known():
    """Words that a typo must not turn another into: it could not be undone."""
    names = [name for name, _ in objects.NOUNS + objects.MORE_NOUNS + objects.COLOUR_ROWS + objects.MORE_COLOUR_ROWS] + objects.ENGLISH
    words = [row["id"] for _, row in objects.NOUNS + objects.MORE_NOUNS + objects.COLOUR_ROWS]
    return KEEP | {part for name in names + [w for many in words for w in many] for part in name.split()} | set(ID_CHAT) | set(EN_HEARD) | set(MIX_EN)


def _typo(rng, word):
    if len(word) < 5 or word.lower() in KEEP or not word.isalpha() or not word.isascii():
        return word
    for _ in range(3):
        new = _mistyped(rng, word)
        if new.lower() not in _known():
            return new
    return word


def _mistyped(rng, word):
    if len(word) == 5 and rng.chance(0.5):
        # of a short word much must stay
        return word + word[-1] if rng.chance(0.5) else word[:2] + word[1:]
    at = rng.between(1, len(word) - 2)
    kind = rng.below(5)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2:]
    if kind == 1:
        return word[:at] + word[at + 1:]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    if kind == 3:
        return word[:at] + NEAR.get(word[at], word[at]) + word[at + 1:]
    return word[:-1] if rng.chance(0.5) else word + word[-1]


def _words(rng, text, change, most):
    """change(word) on up to `most` words that it changes."""
    parts = text.split(" ")
    for at in rng.some(range(len(parts)), len(parts)):
        if most <= 0:
            break
        core = parts[at].strip(",.!?;:")
        new = change(core) if core else core
        if new != core:
            parts[at] = parts[at].replace(core, new, 1)
            most -= 1
    return " ".join(parts)


def _table(rng, text, table, most):
    def change(word):
        new = table.get(word, word)
        return new if isinstance(new, str) else rng.pick(new)
    return _words(rng, text, change, most)


def latin(rng, lang, text, p):
    if rng.chance(0.05 * p):
        text = _words(rng, text, lambda w: _typo(rng, w), min(rng.weighted([(8, 1), (3, 2)]), 1 + text.count(" ") // 4))
    if lang == "id":
        if rng.chance(0.10 * p):
            text = _table(rng, text, ID_CHAT, min(rng.between(1, 4), 1 + text.count(" ") // 2))
        elif rng.chance(0.035 * p):
            text = _table(rng, text, ID_HEARD, 1)
        elif rng.chance(0.04 * p):
            text = _table(rng, text, MIX_ID, rng.between(1, 2))
    else:
        if rng.chance(0.012 * p):
            text = _table(rng, text, MIX_EN, rng.between(1, 2))
        elif rng.chance(0.03 * p):
            text = _table(rng, text, EN_CHAT, rng.between(1, 3))
        elif rng.chance(0.035 * p):
            text = _table(rng, text, EN_HEARD, 1 if rng.chance(0.8) else 2)
    # case and marks
    style = rng.unit()
    if style < 0.34:
        text = text[:1].upper() + text[1:]
        text += "" if text[-1:] in ".?!" else "." if rng.chance(0.8) else "!"
    elif style < 0.42:
        text = text[:1].upper() + text[1:]
    elif style < 0.70:
        text = text.lower()
        if rng.chance(0.35):
            text = text.replace(", ", " ").replace("; ", " ")
    elif style < 0.74:
        text = text.lower().replace("'", "") if not any(c.isdigit() for c in text) else text
    elif style < 0.77:
        text = text.upper()
    elif style < 0.83:
        text += "!" * rng.between(1, 3) if text[-1:] not in ".?!" else ""
    elif style < 0.85:
        text += rng.pick(("...", " :)", " \u2764", " \U0001f415", " lol", " ok", " thx", "..")) if lang == "en" else rng.pick(("...", " :)", " hehe",
            " wkwk", " \U0001f64f", " ya", " ok", " y"))
    return text


def chinese(rng, text, p):
    if rng.chance(0.05 * p):
        spots = [i for i, c in enumerate(text) if c in ZH_HEARD and not (c in NUMERIC and (text[i - 1:i] in NUMERIC or text[i + 1:i + 2] in NUMERIC))]
        for at in rng.some(spots, min(rng.weighted([(5, 1), (3, 2), (1, 3)]), 1 + len(text) // 6)):
            text = text[:at] + rng.pick(ZH_HEARD[text[at]]) + text[at + 1:]
    elif rng.chance(0.03 * p):
        text = "".join(ZH_TRAD.get(c, c) for c in text)
    elif rng.chance(0.03 * p):
        for old in rng.some([k for k in MIX_ZH if k in text and not (k == "米" and ("厘米" in text or "毫米" in text))], 1):
            text = text.replace(old, MIX_ZH[old], 1).strip()
    style = rng.unit()
    if style < 0.3:
        text += "" if text[-1:] in "。？！" else "。"
    elif style < 0.38:
        text += "" if text[-1:] in "。？！" else "！"
    elif style < 0.5:
        text = text.replace("，", " " if rng.chance(0.5) else "").replace("。", "").replace("；", " ")
        text = text.strip()
    elif style < 0.55:
        text = text.replace("，", ",")
    elif style < 0.57:
        text += rng.pick(("~", "～", "…", "哈", "😊"))
    return text


QUESTION = ("can", "could", "would", "will", "do", "does", "did", "is", "are", "have", "has", "what", "where", "which", "how", "who", "why", "may",
    "any", "bisa", "apa", "apakah", "di", "berapa", "bisakah", "maukah", "siapa", "kenapa")


def typed(rng, lang, text, p=1.0):
    """The text as somebody would send it; p scales the share of mistakes."""
    if lang == "zh":
        if text and text[-1] in "吗呢么" and rng.chance(0.5):
            text += "？"
        return chinese(rng, text, p)
    if text.split(" ", 1)[0].lower() in QUESTION and rng.chance(0.45) and text[-1] not in "?.!":
        text += "?"
    return latin(rng, lang, text, p)
