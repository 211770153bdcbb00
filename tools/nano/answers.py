"""Tool results, and the short words that answer them. One way of saying each, so that little has to be learnt."""
import objects
from numbers_said import number, plain

TEXT = {
    "en": {
        "fwd": "Done, I walked {d} m forward.", "back": "Done, I walked {d} m back.", "left": "Done, I moved {d} m to the left.",
            "right": "Done, I moved {d} m to the right.",
        "turn_left": "Done, I turned {d} degrees to the left.", "turn_right": "Done, I turned {d} degrees to the right.",
            "go_to": "Done, I'm at x {x}, y {y}.", "approach": "Done, I'm at the {o}, {d} m away.",
        "wait": "Done, I waited.", "stand": "Done, I'm standing.", "sit": "Done, I'm sitting.", "stop": "Done, I stopped.", "all": "All done.",
        "see": "I see {list}.", "see_none": "I don't see anything.", "and": " and ", "comma": ", ",
        "position": "I'm at x {x}, y {y}.", "heading": "My heading is {h} degrees.", "energy": "I have used {e} Wh.",
            "up_yes": "Yes, I'm standing upright, I have not fallen.", "up_no": "No, I have fallen.",
        "fallen_no": "No, I have not fallen, I'm standing upright.", "fallen_yes": "Yes, I have fallen.",
        "status": "I'm at x {x}, y {y}, heading {h} degrees, {e} Wh used, not fallen.",
            "status_fallen": "I have fallen. I'm at x {x}, y {y}, heading {h} degrees, {e} Wh used.",
        "where": "The {o} is {d} m away, {b} degrees to the {s}.", "where_ahead": "The {o} is {d} m away, straight ahead.",
            "far": "The {o} is {d} m away.", "no_such": "I don't see {a}, it's not there.",
        "is_there": "Yes, I see {a}, {d} m away.", "nearest": "The {o} is the closest, {d} m away.",
            "farthest": "The {o} is the farthest, {d} m away.", "count": "I see {n}: {list}.", "count_0": "I see 0 objects, nothing.",
            "on_side": "On the {s}: {list}.", "on_side_none": "Nothing on the {s}.",
        "leftmost": "The {o} is the leftmost.", "rightmost": "The {o} is the rightmost.", "nearer": "The {o} is closer, {d} m away.",
            "coords": "The {o} is at x {x}, y {y}.", "which": "The {o}.",
        "colour": "The {n} is {c}.", "walked": "I walked {d} m.", "moved": "I moved {d} m.", "turned": "I turned {d} degrees.",
        "failed": "Sorry, I couldn't do it, it failed: {e}.", "not_found": "Sorry, I couldn't find the {o}, it was not found.", "left_side": "left",
            "right_side": "right",
    },
    "id": {
        "fwd": "Sudah, saya maju {d} m.", "back": "Sudah, saya mundur {d} m.", "left": "Sudah, saya geser {d} m ke kiri.",
            "right": "Sudah, saya geser {d} m ke kanan.",
        "turn_left": "Sudah, saya belok {d} derajat ke kiri.", "turn_right": "Sudah, saya belok {d} derajat ke kanan.",
            "go_to": "Sudah, saya di x {x}, y {y}.", "approach": "Sudah, saya di dekat {o}, jarak {d} m.",
        "wait": "Sudah, saya menunggu.", "stand": "Sudah, saya berdiri.", "sit": "Sudah, saya duduk.", "stop": "Sudah, saya berhenti.",
            "all": "Sudah selesai semua.",
        "see": "Saya melihat {list}.", "see_none": "Saya tidak melihat apa-apa.", "and": " dan ", "comma": ", ",
        "position": "Saya di x {x}, y {y}.", "heading": "Saya menghadap {h} derajat.", "energy": "Energi terpakai {e} Wh.",
            "up_yes": "Ya, saya masih berdiri tegak, tidak jatuh.", "up_no": "Tidak, saya jatuh.",
        "fallen_no": "Tidak, saya tidak jatuh, masih berdiri.", "fallen_yes": "Ya, saya jatuh.",
        "status": "Saya di x {x}, y {y}, menghadap {h} derajat, energi terpakai {e} Wh, tidak jatuh.",
            "status_fallen": "Saya jatuh. Saya di x {x}, y {y}, menghadap {h} derajat, energi terpakai {e} Wh.",
        "where": "{o} ada {d} m, {b} derajat di {s}.", "where_ahead": "{o} ada {d} m lurus di depan.", "far": "Jarak ke {o} {d} m.",
            "no_such": "Tidak ada, saya tidak melihat {a}.",
        "is_there": "Ya, ada {a}, jaraknya {d} m.", "nearest": "Yang paling dekat {o}, {d} m.", "farthest": "Yang paling jauh {o}, {d} m.",
            "count": "Ada {n}: {list}.", "count_0": "Ada 0, tidak ada apa-apa.", "on_side": "Di {s} ada {list}.",
            "on_side_none": "Tidak ada apa-apa di {s}.",
        "leftmost": "Yang paling kiri {o}.", "rightmost": "Yang paling kanan {o}.", "nearer": "Lebih dekat {o}, {d} m.",
            "coords": "{o} ada di x {x}, y {y}.", "which": "Itu {o}.",
        "colour": "Warna {n} itu {c}.", "walked": "Saya berjalan {d} m.", "moved": "Saya bergeser {d} m.", "turned": "Saya berputar {d} derajat.",
        "failed": "Maaf, gagal, saya tidak bisa: {e}.", "not_found": "Maaf, gagal, {o} tidak ditemukan, saya tidak menemukannya.",
            "left_side": "kiri", "right_side": "kanan",
    },
    "zh": {
        "fwd": "好了，已经前进了{d}米。", "back": "好了，已经后退了{d}米。", "left": "好了，已经向左移了{d}米。",
            "right": "好了，已经向右移了{d}米。",
        "turn_left": "好了，已经向左转了{d}度。", "turn_right": "好了，已经向右转了{d}度。", "go_to": "好了，已经到了x {x}，y {y}。",
            "approach": "好了，已经到了{o}前，距离{d}米。",
        "wait": "好了，已经等完了。", "stand": "好了，已经站起来了。", "sit": "好了，已经坐下了。", "stop": "好了，已经停下了。",
            "all": "好了，已经全部完成。",
        "see": "我看到{list}。", "see_none": "我没看到任何东西，什么都没有。", "and": "和", "comma": "、",
        "position": "我在x {x}，y {y}。", "heading": "我的朝向是{h}度。", "energy": "已经用了{e}瓦时。", "up_yes": "是的，我还站着，没有摔倒。",
            "up_no": "没有站着，我摔倒了。",
        "fallen_no": "没有，我没摔倒，还站着。",
            "fallen_yes": "是的，我摔倒了。",
        "status": "我在x {x}，y {y}，朝向{h}度，用了{e}瓦时，没有摔倒。", "status_fallen": "我摔倒了。我在x {x}，y {y}，朝向{h}度，用了{e}瓦时。",
        "where": "{o}在{d}米外，{s}边{b}度。", "where_ahead": "{o}在{d}米外，正前方。", "far": "{o}离我{d}米。", "no_such": "没有，我没看到{a}。",
        "is_there": "有，我看到{a}，离我{d}米。", "nearest": "最近的是{o}，{d}米。", "farthest": "最远的是{o}，{d}米。", "count": "有{n}个：{list}。",
            "count_0": "有0个，什么都没有。", "on_side": "{s}边有{list}。", "on_side_none": "{s}边什么都没有。",
        "leftmost": "最左边的是{o}。", "rightmost": "最右边的是{o}。", "nearer": "{o}更近，{d}米。", "coords": "{o}在x {x}，y {y}。",
            "which": "是{o}。",
        "colour": "{n}是{c}色的。", "walked": "走了{d}米。", "moved": "移了{d}米。", "turned": "转了{d}度。",
        "failed": "抱歉，失败了，没能完成：{e}。", "not_found": "抱歉，失败了，没找到{o}，找不到。", "left_side": "左", "right_side": "右",
    },
}
# an error as results state it, and in the three languages
ERRORS = [
    ("path blocked", "the path is blocked", "jalan terhalang (blocked)", "路被挡住了"), ("blocked", "it's blocked", "terhalang (blocked)",
        "被挡住了"), ("blocked by wall", "blocked by a wall", "terhalang tembok", "被墙挡住了"),
    ("obstacle ahead", "there is an obstacle ahead", "ada halangan di depan", "前面有障碍物"), ("obstacle in the way", "an obstacle is in the way",
        "ada halangan di jalan", "路上有障碍物"),
    ("robot has fallen", "I have fallen", "saya jatuh", "我摔倒了"), ("fallen", "I have fallen", "saya jatuh", "我摔倒了"), ("timeout",
        "it took too long, timeout", "waktu habis (timeout)", "超时了"), ("timed out", "it timed out", "waktu habis (timeout)", "超时了"),
    ("low battery", "the battery is low", "baterai lemah", "电量不足"), ("out of reach", "it is out of reach", "di luar jangkauan", "到不了"),
        ("goal not reachable", "it's not reachable", "tidak terjangkau", "到不了"), ("target unreachable", "it's not reachable", "tidak terjangkau",
        "到不了"),
    ("motor overheated", "a motor is too hot", "motor terlalu panas", "电机过热"), ("slipped", "I slipped", "saya terpeleset", "打滑了"),
        ("interrupted", "I was interrupted", "terputus", "被中断了"), ("joint limit reached", "a joint is at its limit", "sendi di batasnya",
        "关节到极限了"),
    ("collision detected", "I hit something, collision", "ada tabrakan", "发生碰撞"), ("camera not available", "the camera does not work",
        "kamera tidak berfungsi", "相机不可用"), ("not standing", "I'm not standing", "saya belum berdiri", "我没有站起来"), ("stuck", "I'm stuck",
        "saya tersangkut", "我卡住了"),
]
SHAKE = (0, 0, 0, 0, 0.01, -0.01, 0.02, -0.02)


def num(lang, value):
    text = plain(value)
    return text.replace(".", ",") if lang == "id" else text


def sight(rng, lang, count=None, with_name=None):
    """A look result's objects, nothing twice; with_name: one that must be among them."""
    n = count if count is not None else rng.weighted([(1, 0), (4, 1), (6, 2), (5, 3), (2, 4)])
    names = [with_name] if with_name else []
    while len(names) < n:
        name = objects.thing(rng, lang, colour=0.55)[0]
        if name not in names and not any(name in other or other in name for other in names):
            names.append(name)
    return placed(rng, rng.some(names, len(names)))


def placed(rng, names, widest=179, fine=0.0, exact=1 / 3):
    """Things with places that differ; fine: how often bearings have tenths and distances hundredths, exact:
    how often x and y have hundredths."""
    seen, bearings, distances = [], set(), set()
    for name in names:
        while True:
            bearing = rng.between(-85, 85) if rng.chance(0.85) else rng.between(-widest, min(widest + 1, 180))
            distance = rng.between(6, 60) / 10 if rng.chance(0.9) else rng.between(60, 990) / 100
            if fine and rng.chance(fine):
                bearing = rng.between(-850, 850) / 10
            if fine and rng.chance(fine):
                distance = rng.between(60, 990) / 100
            if bearing not in bearings and distance not in distances:
                break
        bearings.add(bearing)
        distances.add(distance)
        import_angle = bearing * 3.141592653589793 / 180
        x, y = distance * _cos(import_angle), distance * _sin(import_angle)
        digits = 2 if rng.chance(exact) else 1
        seen.append({"name": name, "x": round(x, digits), "y": round(y, digits), "distance": distance, "bearing": bearing})
    return seen


def _sin(x):
    """Taylor's series: the same digits on every machine."""
    term, total = x, x
    for i in range(1, 14):
        term *= -x * x / ((2 * i) * (2 * i + 1))
        total += term
    return total


def _cos(x):
    return _sin(x + 1.5707963267948966) if x < 1.5 else -_sin(x - 1.5707963267948966)


def by_distance(seen):
    """From near to far: the order in which the template shows a look result, and so the one in which things are named."""
    return sorted(seen, key=lambda o: o["distance"])


def by_side(seen):
    """From left to right, likewise."""
    return sorted(seen, key=lambda o: -o["bearing"])


def state(rng, fallen=None):
    return {"ok": True, "x": round(rng.between(-60, 90) / 10, 1), "y": round(rng.between(-60, 60) / 10, 1) if rng.chance(0.8) else rng.between(-400,
        400) / 100,
            "heading": round(rng.pick((0, 45, 90, -90, 180, rng.between(-179, 180), rng.between(-1790, 1800) / 10)) * 1.0, 1),
            "energy_used_wh": rng.between(1, 99) / 10 if rng.chance(0.8) else rng.between(1, 4000) / 100,
                "fallen": rng.chance(0.12) if fallen is None else fallen}


def result(rng, call, lang, seen=None):
    """The result of a call that went well."""
    name, arguments = call
    shake = rng.pick(SHAKE)
    if name in ("walk", "sidestep"):
        return {"ok": True, "distance": round(arguments["distance"] + (shake if abs(arguments["distance"]) > 0.1 else 0), 3)}
    if name == "turn":
        return {"ok": True, "angle": round(arguments["angle"] + rng.pick((0, 0, 0, 0.2, -0.2, 0.1, -0.3, 0.4, -0.1)), 1)}
    if name == "go_to":
        return {"ok": True, "x": round(arguments["x"] + shake, 2), "y": round(arguments["y"] + rng.pick(SHAKE), 2)}
    if name == "approach":
        return {"ok": True, "object": arguments["object"], "distance": round(arguments.get("distance", 0.5) + shake, 2)}
    if name == "look":
        return {"ok": True, "objects": sight(rng, lang) if seen is None else seen}
    if name == "status":
        return state(rng)
    return {"ok": True}


def failure(rng, call):
    """(result, row of ERRORS or None): a call that went wrong; an object not found has no row."""
    name, arguments = call
    if name == "approach" and rng.chance(0.75):
        o = arguments["object"]
        return {"ok": False, "error": rng.pick((f"{o} not found", f"{o} not found", "object not found", "not found", f"no {o} in sight",
            f"could not find {o}", f"{o} not visible"))}, None
    row = rng.pick(ERRORS)
    out = {"ok": False, "error": row[0]}
    if name in ("walk", "sidestep") and rng.chance(0.25):
        out["distance"] = round(arguments["distance"] * rng.pick((0.2, 0.5, 0.7, 0.3)), 2)
    return out, row


def listed(lang, names):
    text = TEXT[lang]
    said = [with_article(n) if lang == "en" else objects.said(None, lang, n, is_plain=True) for n in names]
    if len(said) < 2:
        return "".join(said)
    return text["comma"].join(said[:-1]) + text["and"] + said[-1]


def with_article(name):
    return ("an " if name[0] in "aeiou" else "a ") + name


def name_said(lang, name):
    return objects.said(None, lang, name, is_plain=True)


def forms(lang, name):
    """What an answer that names the thing may contain."""
    out = [name_said(lang, name), name]
    noun, shade = objects.split_name(name)
    if lang == "zh" and shade and noun in objects.BY_NAME:
        for hue in objects.COLOUR_BY_NAME[shade]["zh"][:1]:
            for word in objects.BY_NAME[noun]["zh"]:
                out += [hue + "色的" + word, hue + "色" + word, hue + word]
    return list(dict.fromkeys(out))


def after(lang, call, got):
    """(words, what an answer must contain) after one call that went well."""
    text, (name, arguments) = TEXT[lang], call
    if name in ("walk", "sidestep"):
        keys = ("fwd", "back") if name == "walk" else ("left", "right")
        return text[keys[got["distance"] < 0]].format(d=num(lang, abs(got["distance"]))), [plain(abs(got["distance"]))]
    if name == "turn":
        return text["turn_right" if got["angle"] < 0 else "turn_left"].format(d=num(lang, abs(got["angle"]))), [plain(abs(got["angle"]))]
    if name == "go_to":
        return text["go_to"].format(x=num(lang, got["x"]), y=num(lang, got["y"])), [plain(got["x"])]
    if name == "approach":
        return text["approach"].format(o=name_said(lang, got["object"]), d=num(lang, got["distance"])), forms(lang, got["object"])
    if name == "look":
        names = [o["name"] for o in by_distance(got["objects"])]
        return (text["see"].format(list=listed(lang, names)), forms(lang, names[0])) if names else (text["see_none"],
            [text["see_none"].rstrip(".。")])
    if name == "status":
        return told(lang, "status", got)
    return text[name], [text[name].rstrip(".。")]


def after_all(lang, calls, results):
    if len(calls) == 1:
        return after(lang, calls[0], results[0])
    if calls[-1][0] in ("look", "status"):
        return after(lang, calls[-1], results[-1])
    return TEXT[lang]["all"], [TEXT[lang]["all"].rstrip(".。")]


def told(lang, topic, got):
    """An answer to a question about the robot."""
    text = TEXT[lang]
    slots = {"x": num(lang, got["x"]), "y": num(lang, got["y"]), "h": num(lang, got["heading"]), "e": num(lang, got["energy_used_wh"])}
    if topic == "upright":
        key = "up_no" if got["fallen"] else "up_yes"
        return text[key], [text[key].rstrip(".。")]
    if topic == "fallen":
        key = "fallen_yes" if got["fallen"] else "fallen_no"
        return text[key], [text[key].rstrip(".。")]
    if topic == "status" and got["fallen"]:
        return text["status_fallen"].format(**slots), [plain(got["x"])]
    must = {"position": got["x"], "heading": got["heading"], "energy": got["energy_used_wh"], "status": got["x"]}[topic]
    return text[topic].format(**slots), [plain(must)]


def failed(lang, call, row, got=None):
    text = TEXT[lang]
    if row is None:
        said = text["not_found"].format(o=name_said(lang, call[1]["object"]))
        return said, {"en": ["couldn't find", "not found"], "id": ["tidak ditemukan", "tidak menemukan"], "zh": ["没找到", "找不到"]}[lang]
    said = text["failed"].format(e=row[{"en": 1, "id": 2, "zh": 3}[lang]])
    return said, {"en": ["couldn't", "failed"], "id": ["gagal", "tidak bisa"], "zh": ["失败", "没能"]}[lang]
