"""How turns are typed and misheard: case, punctuation, typos, abbreviations, homophones, mixed languages."""
from numbers_said import EN_ONES, EN_TENS, ID_ONES

KEEP = set(EN_ONES + EN_TENS + ID_ONES + ["hundred", "belas", "puluh", "ratus", "seratus"])
NEAR = {"a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "d", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l", "l": "k", "m": "n", "n": "m",
    "o": "i", "p": "o", "q": "w", "r": "t", "s": "a", "t": "r", "u": "y", "v": "c", "w": "e", "x": "z", "y": "t", "z": "x"}
EN_CHAT = {"you": "u", "your": "ur", "please": "pls", "and": "n", "to": "2", "okay": "k", "right": "rite", "what": "wat", "are": "r", "about": "abt",
    "forward": "fwd", "forwards": "fwd", "degrees": "deg", "seconds": "sec", "the": "da", "with": "w", "then": "den", "because": "cuz",
    "backwards": "bkwds", "through": "thru", "going": "goin", "for": "4"}
EN_CHAT.pop("to")
EN_CHAT.pop("for")
EN_HEARD = {"right": "write", "two": "too", "wait": "weight", "metres": "meaters", "meters": "meatres", "forward": "foreword", "turn": "tern",
    "there": "their", "walk": "wok", "steps": "stepps", "see": "sea", "four": "for", "ball": "bawl", "around": "a round", "backward": "back word",
    "straight": "strait", "eight": "ate", "one": "won", "look": "luck", "degrees": "degreese", "back": "bak", "left": "lef", "feet": "feat",
    "box": "bocks", "chair": "chare", "sit": "set", "metre": "meater"}
ID_CHAT = {"belok": "blk", "kanan": "knan", "kiri": "kri", "yang": "yg", "derajat": "drjt", "meter": "mtr", "detik": "dtk", "tolong": "tlg",
    "tunggu": "tnggu", "jalan": "jln", "mundur": "mndr", "maju": "mju", "sekarang": "skrg", "duduk": "ddk", "berdiri": "brdiri",
    "berhenti": "brhenti", "langkah": "lgkh", "lagi": "lg", "tidak": "gak", "dengan": "dgn", "setelah": "stlh", "kemudian": "kmdn", "terus": "trs",
    "habis": "abis", "kamu": "km", "sudah": "udh",
           "saja": "aja", "kotak": "ktk", "putar": "ptr", "lalu": "lalu", "dekati": "dkti", "lihat": "liat", "sebentar": "sbntr", "depan": "dpn",
               "belakang": "blkg", "dan": "dn", "dulu": "dlu", "balik": "blik", "geser": "gser", "sampai": "smp", "ke": "k", "dari": "dr",
               "setengah": "stengah", "nggak": "ga", "gak": "gk", "bola": "bla", "merah": "mrh", "kursi": "krsi", "pintu": "pntu", "apa": "ap",
               "sini": "sni", "koordinat": "koord", "satu": "1", "dua": "2", "tiga": "3", "jangan": "jgn", "badan": "bdn", "berapa": "brp",
               "orang": "org", "menit": "mnt"}
ID_HEARD = {"belok": "blok", "maju": "maju", "mundur": "mundul", "kanan": "kana", "berhenti": "berenti", "duduk": "duduq", "jalan": "jalam",
    "geser": "gesser", "putar": "puter", "kotak": "kotag", "tunggu": "tungu", "ember": "embir", "dekati": "deketi", "kerucut": "krucut",
    "hijau": "ijo", "kuning": "kunin", "berdiri": "bediri", "lihat": "liat", "setengah": "stengah"}
# Chinese: characters that sound alike
ZH_HEARD = {"坐": "做座作", "向": "像象项", "往": "网望", "退": "腿推", "转": "赚专", "站": "占战", "前": "钱潜", "后": "候厚", "右": "又有",
    "左": "做佐", "米": "迷", "厘": "里离", "停": "亭廷", "走": "揍", "箱": "想香", "红": "洪宏", "球": "求", "蓝": "兰拦", "度": "渡肚",
    "步": "部布", "秒": "妙", "等": "登", "椅": "以", "桌": "捉", "圈": "全", "靠": "考", "看": "砍", "里": "理", "移": "疑宜", "绿": "率",
    "黄": "皇", "门": "们", "挪": "娜", "墙": "强", "桶": "统", "瓶": "平", "柱": "住", "掉": "吊", "报": "抱", "平": "瓶"}
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


def _typo(rng, word):
    if len(word) < 4 or word.lower() in KEEP or not word.isalpha() or not word.isascii():
        return word
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
    return _words(rng, text, lambda w: table.get(w, w), most)


def latin(rng, lang, text, p):
    if rng.chance(0.075 * p):
        text = _words(rng, text, lambda w: _typo(rng, w), rng.weighted([(5, 1), (3, 2), (1, 3)]))
    if lang == "id":
        if rng.chance(0.10 * p):
            text = _table(rng, text, ID_CHAT, rng.between(1, 4))
        elif rng.chance(0.025 * p):
            text = _table(rng, text, ID_HEARD, 1)
        elif rng.chance(0.04 * p):
            text = _table(rng, text, MIX_ID, rng.between(1, 2))
    else:
        if rng.chance(0.012 * p):
            text = _table(rng, text, MIX_EN, rng.between(1, 2))
        elif rng.chance(0.03 * p):
            text = _table(rng, text, EN_CHAT, rng.between(1, 3))
        elif rng.chance(0.025 * p):
            text = _table(rng, text, EN_HEARD, 1)
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
    if rng.chance(0.06 * p):
        spots = [i for i, c in enumerate(text) if c in ZH_HEARD]
        for at in rng.some(spots, rng.weighted([(4, 1), (1, 2)])):
            text = text[:at] + rng.pick(ZH_HEARD[text[at]]) + text[at + 1:]
    elif rng.chance(0.03 * p):
        text = "".join(ZH_TRAD.get(c, c) for c in text)
    elif rng.chance(0.03 * p):
        for old in rng.some([k for k in MIX_ZH if k in text], 1):
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
