"""Lengths, angles, times and speeds: what is said and what it means.

Each function returns Qty(said, value, kind). is_wide asks for the whole range of units and fractions; otherwise plain
amounts are the most frequent ones.
"""
import collections

from numbers_said import WORDS, digits, number, plain, say_number, spoken, words_zh
from phrase import say

Qty = collections.namedtuple("Qty", "said value kind")

STEP, FOOT, INCH, YARD = 0.3, 0.3048, 0.0254, 0.9144

# whole numbers as they come: small ones most
SMALL = [(6, 1), (9, 2), (9, 3), (7, 4), (8, 5), (5, 6), (4, 7), (4, 8), (3, 9), (5, 10), (1, 11), (2, 12), (1, 13), (1, 14),
         (2, 15), (1, 16), (1, 17), (1, 18), (1, 19), (2, 20), (1, 25), (1, 30)]
ANGLES = [(5, 10), (4, 15), (4, 20), (2, 25), (9, 30), (2, 35), (5, 40), (9, 45), (4, 50), (2, 55), (8, 60), (2, 65), (4, 70),
          (3, 75), (4, 80), (2, 85), (9, 90), (3, 100), (2, 110), (5, 120), (4, 135), (2, 140), (3, 150), (2, 160), (1, 170),
          (6, 180), (1, 200), (1, 210), (1, 225), (1, 240), (3, 270), (1, 300), (1, 315), (4, 360), (2, 5)]


def imperial(value):
    """Feet, inches and yards are given to the centimetre or, when short, the millimetre."""
    return round(value, 2) if value >= 0.5 else round(value, 3)


def small(rng):
    n = rng.weighted(SMALL)
    return n if rng.chance(0.93) else rng.between(1, 60)


def part_of(rng, unit):
    """Not a whole number of a unit: of metres tenths, of others halves, for what is to be worked out can only be learnt by heart."""
    return tenths(rng) if unit == "m" else rng.between(1, 9) + 0.5


def tenths(rng):
    """A number with one decimal (at times two), not whole."""
    whole = rng.weighted([(5, 0), (6, 1), (4, 2), (3, 3), (2, 4), (1, 5), (1, 7), (1, 12)])
    if rng.chance(0.15):
        return round(whole + rng.pick((0.25, 0.75, 0.15, 0.35, 0.05, 0.65, 0.85, 0.45)), 2)
    tenth = 5 if rng.chance(0.3) else rng.between(1, 9)
    return round(whole + tenth / 10, 1)


# --- English ---------------------------------------------------------------------------------------------------------

EN_UNITS = {   # kind: (one, many, short forms after digits)
    "m": (("metre", "meter"), ("metres", "meters"), ("m", " m", "m", " mtrs")),
    "cm": (("centimetre", "centimeter"), ("centimetres", "centimeters", "cm"), ("cm", " cm", " cms", "cm")),
    "mm": (("millimetre", "millimeter"), ("millimetres", "millimeters"), ("mm", " mm")),
    "step": (("step", "pace", "step"), ("steps", "paces", "steps"), (" steps", " paces")),
    "ft": (("foot",), ("feet", "feet", "foot"), ("ft", " ft", " ft.", "'")),
    "in": (("inch",), ("inches",), ("in", " in", "\"", " in.")),
    "yd": (("yard",), ("yards",), ("yd", " yds", " yards")),
}
EN_ABOUT = ("about", "roughly", "around", "approximately", "exactly", "like", "some", "maybe", "nearly", "just", "only", "a good")
EN_ABOUT_AFTER = (" or so", " or thereabouts", " give or take", " roughly", " exactly")
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "step": STEP, "ft": FOOT, "in": INCH, "yd": YARD}


def metres(n, unit):
    value = n * METRES[unit]
    return imperial(value) if unit in ("ft", "in", "yd") else round(value, 4)


def count_for(rng, unit):
    if unit == "cm":
        return rng.weighted([(4, 5 * rng.between(1, 20)), (5, 10 * rng.between(1, 15)), (1, rng.between(1, 99)), (2, 10 * rng.between(10, 35)),
                             (1, rng.between(100, 300))])
    if unit == "mm":
        return 50 * rng.between(2, 20)
    if unit == "in":
        return rng.weighted([(4, rng.between(1, 12)), (3, rng.pick((2, 4, 6, 8, 10, 12, 15, 18, 20, 24, 30, 36, 40, 48)))])
    return small(rng)


def en_counted(rng, n, unit):
    one, many, short = EN_UNITS[unit]
    if n == 1:
        return rng.pick(("a ", "one ", "1 ", "a ", "one ", "1 ", "a single ", "another ", "one more ") if unit != "in" else ("an ", "one ",
            "1 ")) + rng.pick(one)
    if rng.chance(0.3):
        return str(n) + rng.pick(short)
    return say_number(rng, n, "en", 0.62) + " " + rng.pick(many)


def en_fraction(rng, unit):
    """(said, number of units) with halves, quarters and decimals."""
    one, many, short = EN_UNITS[unit]
    one, many = rng.pick(one), rng.pick(many)
    kind = rng.below(8)
    if kind == 0:
        return rng.pick((f"half a {one}", f"half a {one}", f"a half {one}", f"a half-{one}", f"half {one}", f"one half {one}", f"0.5 {many}",
            f"1/2 {one}")), 0.5
    if kind == 1:
        return rng.pick((f"a {one} and a half", f"one and a half {many}", f"1 and a half {many}", f"1.5 {many}", f"a {one} and half",
                         f"one point five {many}", f"1 1/2 {many}")), 1.5
    if kind == 2:
        n = rng.between(2, 9)
        word = say_number(rng, n, "en", 0.7)
        return rng.pick((f"{word} and a half {many}", f"{word} {many} and a half", f"{word} and a half {many}", f"{n} 1/2 {many}",
                         f"{word} and half {many}")), n + 0.5
    if kind == 3 and unit in ("m", "yd", "ft"):
        if rng.chance(0.5):
            return rng.pick((f"a quarter of a {one}", f"a quarter {one}", f"quarter of a {one}", f"one quarter of a {one}")), 0.25
        return rng.pick((f"three quarters of a {one}", f"three-quarters of a {one}", f"3/4 of a {one}", f"three quarter {one}")), 0.75
    value = part_of(rng, unit)
    if rng.chance(0.5):
        return spoken(value, "en", rng) + " " + many, value
    if value < 1 and rng.chance(0.1):
        return plain(value)[1:] + " " + many, value
    return plain(value) + (rng.pick(short) if rng.chance(0.5) else " " + many), value


def en_length(rng, is_wide):
    unit = rng.weighted([(30, "m"), (16, "cm"), (15, "step"), (9, "ft"), (6, "in"), (6, "yd"), (1, "mm")] if is_wide else
                        [(72, "m"), (12, "cm"), (11, "step"), (3, "ft"), (1, "in"), (1, "yd")])
    if unit in ("m", "step", "yd", "ft") and rng.chance(0.05):
        noun = rng.pick(EN_UNITS[unit][1])
        if rng.chance(0.45):
            said, n = rng.pick((f"a couple of {noun}", f"a couple {noun}", f"couple of {noun}", f"a couple o {noun}")), 2
        else:
            said, n = rng.pick((f"a few {noun}", f"some {noun}", f"few {noun}", f"a few {noun}")), 3
    elif unit == "m" and rng.chance(0.04):
        n, extra = rng.between(1, 6), 10 * rng.between(1, 9)
        noun = rng.pick(("metre", "meter")) + ("s" if n > 1 else "")
        head = ("a" if n == 1 and rng.chance(0.5) else say_number(rng, n, "en")) + " " + noun
        said = head + (" " + WORDS["en"](extra) if extra > 10 and rng.chance(0.3) else
                       rng.pick((" and ", " ", " and ")) + say_number(rng, extra, "en") + " " + rng.pick(("centimetres", "centimeters", "cm", "cm")))
        return Qty(said, round(n + extra / 100, 2), "m")
    elif unit == "ft" and rng.chance(0.08):
        n, inches = rng.between(1, 8), rng.between(1, 11)
        said = (f"{say_number(rng, n, 'en')} {'foot' if n == 1 else rng.pick(('feet', 'foot'))} "
                f"{say_number(rng, inches, 'en')}{rng.pick((' inches', ' inches', ' in'))}" if inches > 1 else f"{n} feet one inch")
        return Qty(said, imperial(n * FOOT + inches * INCH), "ft")
    elif rng.chance({"m": 0.33, "step": 0.03, "ft": 0.12, "yd": 0.12}.get(unit, 0)):
        said, n = en_fraction(rng, unit)
    else:
        n = count_for(rng, unit)
        said = en_counted(rng, n, unit)
    if rng.chance(0.07):
        said = (rng.pick(EN_ABOUT) + " " + said if rng.chance(0.65) and not said.startswith(("a ", "some ", "few ",
            "couple")) or n != 3 and rng.chance(0.3)
                and not said.startswith("a ") else said + rng.pick(EN_ABOUT_AFTER))
    return Qty(said, metres(n, unit), unit)


def en_angle(rng, is_wide):
    n = rng.weighted(ANGLES) if rng.chance(0.85) else rng.between(1, 359)
    if rng.chance(0.03):
        n = rng.pick((22.5, 12.5, 67.5, 7.5, 37.5, 112.5, 2.5))
        said = (plain(n) if rng.chance(0.6) else spoken(n, "en", rng)) + rng.pick((" degrees", " deg", "\u00b0"))
        return Qty(said, n, "deg")
    if n >= 100 and n != 360 and n % 10 == 0 and rng.chance(0.12):
        hundreds, rest = divmod(n, 100)
        if rest >= 10:
            said = WORDS["en"](hundreds) + rng.pick((" ", "-")) + WORDS["en"](rest)
            return Qty(said + rng.pick(("", " degrees")), n, "deg")
    if rng.chance(0.5):
        return Qty(WORDS["en"](n, rng) + rng.pick((" degrees", " degrees", " degrees", "", " deg")), n, "deg")
    return Qty(str(n) + rng.pick((" degrees", " degrees", " degrees", " deg", "\u00b0", " degs", "", "deg")), n, "deg")


def en_time(rng, is_wide):
    kind = rng.below(20)
    if kind < 2:
        return Qty(rng.pick(("a couple of seconds", "a couple seconds", "a couple of secs")), 2, "s")
    if kind < 4:
        return Qty(rng.pick(("a few seconds", "some seconds", "a few secs")), 3, "s")
    if kind < 7:
        n = rng.weighted([(6, 1), (4, 2), (2, 3), (1, 4), (3, 5), (1, 10), (1, 15), (1, 20), (1, 30)])
        said = rng.pick(("a minute", "one minute", "1 minute", "1 min")) if n == 1 else say_number(rng, n, "en") + rng.pick((" minutes", " minutes",
            " mins", " min"))
        return Qty(said, 60 * n, "s")
    if kind == 7:
        return Qty(rng.pick(("half a minute", "a half minute", "half a min")), 30, "s")
    if kind == 8:
        return rng.pick((Qty("a minute and a half", 90, "s"), Qty("one and a half minutes", 90, "s"), Qty("1.5 minutes", 90, "s"),
                         Qty("two and a half minutes", 150, "s"), Qty("a quarter of a minute", 15, "s"), Qty("two minutes thirty", 150, "s"),
                         Qty("a minute and thirty seconds", 90, "s"), Qty("1 minute 15 seconds", 75, "s"), Qty("an hour", 3600, "s"),
                         Qty("half an hour", 1800, "s"), Qty("three quarters of a minute", 45, "s"), Qty("a minute twenty", 80, "s"),
                         Qty("one minute and ten seconds", 70, "s"), Qty("a quarter of an hour", 900, "s")))
    if kind == 9:
        n = rng.between(1, 6)
        return rng.pick((Qty(f"{WORDS['en'](n)} and a half seconds", n + 0.5, "s"), Qty(f"{n}.5 seconds", n + 0.5, "s"), Qty("half a second", 0.5,
            "s"),
                         Qty("a second and a half", 1.5, "s"), Qty(f"{n}.5s", n + 0.5, "s"), Qty(f"{WORDS['en'](n)} point five seconds", n + 0.5,
                             "s")))
    n = rng.weighted([(30, small(rng)), (4, 5 * rng.between(3, 20)), (2, rng.between(11, 120))])
    if n == 1:
        return Qty(rng.pick(("one second", "1 second", "1 sec", "1s")), 1, "s")
    said = say_number(rng, n, "en") + rng.pick((" seconds", " seconds", " seconds", " secs", " sec"))
    return Qty(f"{n}s" if rng.chance(0.08) else said, n, "s")


def speed_value(rng):
    return rng.weighted([(12, rng.between(1, 9) / 10), (2, 1), (2, 1.2), (1, 1.5), (1, 0.25), (1, 0.75), (1, 0.15), (1, 0.35), (1, 0.45), (1, 0.05),
        (1, 1.1)])


def en_speed(rng):
    value = speed_value(rng)
    if value == 0.5 and rng.chance(0.5):
        head = "half a metre"
    elif value == 1:
        head = rng.pick(("1 metre", "one metre", "one meter", "a metre"))
    else:
        head = say_number(rng, value, "en", 0.4) + " " + rng.pick(("metres", "meters"))
    said = head + rng.pick((" per second", " a second", " per sec", " per second"))
    if rng.chance(0.45):
        said = plain(value) + rng.pick((" m/s", "m/s", " m per second", " mps", " m/sec"))
    if rng.chance(0.12):
        return Qty(rng.pick(("at speed ", "at a speed of ", "speed ", "with speed ", "speed = ")) + say_number(rng, value, "en", 0.3), value, "m/s")
    return Qty(rng.pick(("at ", "at ", "with a speed of ", "at a speed of ", "doing ", "at around ", "going ")) + said, value, "m/s")


# --- Indonesian ------------------------------------------------------------------------------------------------------

ID_UNITS = {
    "m": (("meter",), ("m", " m", "m", " mtr", " mter")), "cm": (("senti", "sentimeter", "senti", "cm"), ("cm", " cm")), "mm": (("milimeter",),
        (" mm",)),
    "step": (("langkah",), (" langkah", " lngkh", " lgkh")), "ft": (("kaki",), (" kaki", " ft")), "in": (("inci", "inchi"), (" inci", "\"")),
        "yd": (("yard", "yar"), (" yard", " yd")),
}
ID_SE = {"m": "semeter", "step": "selangkah"}
ID_ABOUT = ("kira-kira", "sekitar", "kurang lebih", "kurleb", "kira2", "cuma", "tepat", "hanya", "paling")
ID_ABOUT_AFTER = (" aja", " saja", " kira-kira", " lah", " doang", " kurang lebih", "-an", " lagi")


def id_length(rng, is_wide):
    unit = rng.weighted([(34, "m"), (18, "cm"), (15, "step"), (6, "ft"), (4, "in"), (3, "yd"), (1, "mm")] if is_wide else
                        [(72, "m"), (13, "cm"), (12, "step"), (1, "ft"), (1, "in")])
    nouns, short = ID_UNITS[unit]
    noun = rng.pick(nouns)
    if unit in ("m", "step") and rng.chance(0.06):
        said, n = f"{rng.pick(('beberapa', 'bbrp', 'beberapa'))} {noun}", 3
    elif unit == "m" and rng.chance(0.35) or rng.chance(0.03 if unit == "mm" or unit == "cm" else 0.08):
        kind = rng.below(8)
        k = rng.between(1, 8)
        if unit in ("cm", "mm"):
            noun, unit = "meter", "m"
        word = say_number(rng, k, "id", 0.7)
        if kind < 2:
            said, n = rng.pick((f"setengah {noun}", f"separuh {noun}", f"stengah {noun}", f"1/2 {noun}", f"setengah {noun}")), 0.5
        elif kind == 2:
            said, n = f"{word} setengah {noun}", k + 0.5
        elif kind == 3:
            said, n = (f"{ID_SE[unit]} setengah" if k == 1 and unit in ID_SE and rng.chance(0.7) else f"{word} {noun} setengah"), k + 0.5
        elif kind == 4 and unit == "m":
            said, n = rng.pick(((f"seperempat {noun}", 0.25), (f"tiga perempat {noun}", 0.75), (f"satu seperempat {noun}", 1.25)))
        else:
            n = part_of(rng, unit)
            said = spoken(n, "id", rng) + " " + noun if rng.chance(0.45) else digits(n, "id",
                rng) + (rng.pick(short) if rng.chance(0.5) else " " + noun)
    elif unit == "m" and rng.chance(0.04):
        n, extra = rng.between(1, 6), 10 * rng.between(1, 9)
        said = f"{say_number(rng, n, 'id')} meter {say_number(rng, extra, 'id')} {rng.pick(('senti', 'cm', 'sentimeter', ''))}".strip()
        return Qty(said, round(n + extra / 100, 2), "m")
    else:
        n = count_for(rng, unit)
        if n == 1 and unit in ID_SE and rng.chance(0.6):
            said = ID_SE[unit]
        elif rng.chance(0.3):
            said = str(n) + rng.pick(short)
        else:
            said = say_number(rng, n, "id", 0.62) + " " + noun
    if rng.chance(0.08):
        said = rng.pick(ID_ABOUT) + " " + said if rng.chance(0.6) else said + rng.pick(ID_ABOUT_AFTER if said.endswith("meter") else ID_ABOUT_AFTER[:-1])
    return Qty(said, metres(n, unit), unit)


def id_angle(rng, is_wide):
    n = rng.weighted(ANGLES) if rng.chance(0.85) else rng.between(1, 359)
    if rng.chance(0.03):
        n = rng.pick((22.5, 12.5, 67.5, 7.5, 37.5))
        return Qty((digits(n, "id", rng) if rng.chance(0.6) else spoken(n, "id", rng)) + " derajat", n, "deg")
    if rng.chance(0.5):
        return Qty(WORDS["id"](n) + rng.pick((" derajat", " derajat", " derajat", "")), n, "deg")
    return Qty(str(n) + rng.pick((" derajat", " derajat", " derajat", " drjt", "\u00b0", " drajat", " der", "")), n, "deg")


def id_time(rng, is_wide):
    kind = rng.below(16)
    if kind == 0:
        return Qty("beberapa detik", 3, "s")
    if kind < 4:
        n = rng.weighted([(6, 1), (4, 2), (2, 3), (1, 4), (3, 5), (1, 10)])
        return Qty(rng.pick(("satu menit", "semenit", "1 menit", "1 mnt")) if n == 1 else say_number(rng, n, "id") + rng.pick((" menit", " menit",
            " mnt")), 60 * n, "s")
    if kind == 4:
        return Qty(rng.pick(("setengah menit", "1/2 menit", "separuh menit", "stengah menit")), 30, "s")
    if kind == 5:
        n = rng.between(1, 4)
        word = WORDS["id"](n)
        return rng.pick((Qty(f"{word} setengah menit", 60 * n + 30, "s"), Qty(f"{word} menit setengah", 60 * n + 30, "s"), Qty(f"{n},5 menit",
            60 * n + 30, "s"),
                         Qty(f"{word} menit tiga puluh detik", 60 * n + 30, "s"), Qty("seperempat menit", 15, "s"), Qty("satu jam", 3600, "s"),
                             Qty("setengah jam", 1800, "s"),
                         Qty(f"{n} menit 20 detik", 60 * n + 20, "s"), Qty("tiga perempat menit", 45, "s"), Qty(f"{word} menit lima belas detik",
                             60 * n + 15, "s")))
    if kind == 6:
        n = rng.between(1, 6)
        word = WORDS["id"](n)
        return rng.pick((Qty(f"{word} setengah detik", n + 0.5, "s"), Qty(f"{n},5 detik", n + 0.5, "s"), Qty("setengah detik", 0.5, "s"),
            Qty(f"{word} koma lima detik", n + 0.5, "s")))
    n = rng.weighted([(30, small(rng)), (4, 5 * rng.between(3, 20)), (2, rng.between(11, 120))])
    if n == 1 and rng.chance(0.5):
        return Qty("sedetik", 1, "s")
    return Qty(say_number(rng, n, "id") + rng.pick((" detik", " detik", " detik", " dtk", " detik aja")), n, "s")


def id_speed(rng):
    value = speed_value(rng)
    said = (digits(value, "id", rng) + rng.pick((" m/s", "m/s", " meter per detik", " m/dtk")) if rng.chance(0.55) else
            "setengah meter per detik" if value == 0.5 else
            spoken(value, "id", rng) + rng.pick((" meter per detik", " meter per sekon", " meter tiap detik")))
    if rng.chance(0.12):
        return Qty(rng.pick(("dengan kecepatan ", "kecepatan ", "speed ")) + digits(value, "id", rng), value, "m/s")
    return Qty(rng.pick(("dengan kecepatan ", "kecepatan ", "pada kecepatan ", "kecepatannya ", "dgn kecepatan ", "pakai kecepatan ",
        "speed ")) + said, value, "m/s")


# --- Chinese ---------------------------------------------------------------------------------------------------------

ZH_UNITS = {"m": ("米", "米", "米", "公尺"), "cm": ("厘米", "公分", "厘米"), "mm": ("毫米",), "step": ("步",), "ft": ("英尺",), "in": ("英寸",
    "英吋"), "yd": ("码",)}
ZH_SHORT = {"m": ("米", "m", "米"), "cm": ("厘米", "cm", "公分", "CM"), "mm": ("毫米", "mm"), "step": ("步",), "ft": ("英尺",), "in": ("英寸",),
    "yd": ("码",)}
ZH_ABOUT = ("大概", "大约", "差不多", "约", "左右", "大致", "正好", "就", "也就")


def zh_length(rng, is_wide):
    unit = rng.weighted([(38, "m"), (20, "cm"), (16, "step"), (6, "ft"), (4, "in"), (4, "yd"), (1, "mm")] if is_wide else
                        [(74, "m"), (13, "cm"), (12, "step"), (1, "ft")])
    noun = rng.pick(ZH_UNITS[unit])
    if unit in ("m", "step") and rng.chance(0.06):
        said, n = rng.pick((f"几{noun}", f"几{noun}", f"好几{noun}")), 3
    elif unit == "m" and rng.chance(0.4) or unit in ("ft", "yd") and rng.chance(0.08):
        kind = rng.below(8)
        k = rng.between(1, 9)
        word = words_zh(k, rng, True) if rng.chance(0.75) else str(k)
        if kind < 2:
            said, n = rng.pick((f"半{noun}", f"半{noun}", f"零点五{noun}", f"0.5{noun}", f"半个{noun}")), 0.5
            said = f"半{noun}" if said.startswith("半个") else said
        elif kind == 2:
            said, n = f"{word}{noun}半", k + 0.5
        elif kind in (3, 4) and unit == "m":
            t = rng.between(1, 9)
            said, n = f"{word}{noun}{words_zh(t) if word != str(k) or rng.chance(0.3) else t}", round(k + t / 10, 1)
        elif kind == 5 and unit == "m" and rng.chance(0.4):
            said, n = rng.pick(((f"四分之一{noun}", 0.25), (f"四分之三{noun}", 0.75), (f"{noun}把", 1)))
            if n == 1:
                said, n = f"一{noun}", 1
        else:
            n = part_of(rng, unit)
            said = spoken(n, "zh", rng) + noun if rng.chance(0.5) else plain(n) + rng.pick(ZH_SHORT[unit])
    elif unit == "m" and rng.chance(0.04):
        n, extra = rng.between(1, 6), 10 * rng.between(1, 9)
        said = f"{words_zh(n, rng, True)}米{words_zh(extra)}{rng.pick(('厘米', '公分', ''))}"
        if said.endswith("十") and extra % 10 == 0 and rng.chance(0.5):
            said += "厘米"
        return Qty(said, round(n + extra / 100, 2), "m")
    else:
        n = count_for(rng, unit)
        said = words_zh(n, rng, True) + noun if rng.chance(0.62) else str(n) + rng.pick(ZH_SHORT[unit])
    if rng.chance(0.08):
        about = rng.pick(ZH_ABOUT)
        said = said + about if about == "左右" else about + said
    elif rng.chance(0.03):
        said += rng.pick(("左右", "就行", "就好", "吧", "就够了"))
    return Qty(said, metres(n, unit), unit)


def zh_angle(rng, is_wide):
    n = rng.weighted(ANGLES) if rng.chance(0.85) else rng.between(1, 359)
    if rng.chance(0.03):
        n = rng.pick((22.5, 12.5, 67.5, 7.5, 37.5))
        return Qty((plain(n) if rng.chance(0.5) else spoken(n, "zh", rng)) + "度", n, "deg")
    return Qty(words_zh(n, rng, True) + "度" if rng.chance(0.6) else str(n) + rng.pick(("度", "度", "度", "\u00b0")), n, "deg")


def zh_time(rng, is_wide):
    kind = rng.below(16)
    if kind == 0:
        return Qty(rng.pick(("几秒", "几秒钟")), 3, "s")
    if kind < 4:
        n = rng.weighted([(6, 1), (4, 2), (2, 3), (1, 4), (3, 5), (1, 10)])
        return Qty((words_zh(n, rng, True) if rng.chance(0.7) else str(n)) + rng.pick(("分钟", "分钟", "分")), 60 * n, "s")
    if kind == 4:
        return Qty(rng.pick(("半分钟", "半分钟", "半分")), 30, "s")
    if kind == 5:
        n = rng.between(1, 4)
        word = words_zh(n, None, True)
        return rng.pick((Qty(f"{word}分半", 60 * n + 30, "s"), Qty(f"{word}分半钟", 60 * n + 30, "s"), Qty(f"{word}分三十秒", 60 * n + 30, "s"),
            Qty(f"{n}分20秒", 60 * n + 20, "s"),
                         Qty(f"{word}分钟十五秒", 60 * n + 15, "s"), Qty("一刻钟", 900, "s"), Qty("一个小时", 3600, "s"), Qty("半小时", 1800, "s"),
                             Qty(f"{n}.5分钟", 60 * n + 30, "s"),
                         Qty(f"{word}个半小时", 3600 * n + 1800, "s")))
    if kind == 6:
        n = rng.between(1, 6)
        word = words_zh(n, None, True)
        return rng.pick((Qty(f"{word}秒半", n + 0.5, "s"), Qty(f"{n}.5秒", n + 0.5, "s"), Qty("半秒", 0.5, "s"), Qty("半秒钟", 0.5, "s"),
            Qty(f"{words_zh(n)}点五秒", n + 0.5, "s")))
    n = rng.weighted([(30, small(rng)), (4, 5 * rng.between(3, 20)), (2, rng.between(11, 120))])
    said = words_zh(n, rng, True) if rng.chance(0.65) else str(n)
    return Qty(said + rng.pick(("秒", "秒", "秒钟")), n, "s")


def zh_speed(rng):
    value = speed_value(rng)
    v = spoken(value, "zh", rng) if rng.chance(0.4) else plain(value)
    if value == 0.5 and rng.chance(0.4):
        return Qty(rng.pick(("以每秒半米的速度", "用每秒半米的速度")), value, "m/s")
    return Qty(rng.pick((f"以每秒{v}米的速度", f"用每秒{v}米的速度", f"以{v}米每秒的速度", f"以{plain(value)}m/s的速度",
        f"用{plain(value)}米每秒的速度", f"按每秒{v}米的速度",
                         f"速度{v}米每秒", f"以{v}米每秒", f"速度{plain(value)}", f"用{plain(value)}的速度",
                             f"时速不管，每秒{v}米".replace("时速不管，", "用"))), value, "m/s")


LENGTH = {"en": en_length, "id": id_length, "zh": zh_length}
ANGLE = {"en": en_angle, "id": id_angle, "zh": zh_angle}
TIME = {"en": en_time, "id": id_time, "zh": zh_time}
SPEED = {"en": en_speed, "id": id_speed, "zh": zh_speed}
BIT = {
    "en": ("a bit", "a bit", "a little", "a little bit", "slightly", "a tad", "a smidge", "a touch", "just a bit", "just a little", "a tiny bit",
        "a wee bit", "a lil bit", "a lil", "ever so slightly"),
    "id": ("sedikit", "dikit", "sedikit", "dikit", "sedikit aja", "dikit aja", "sdikit", "dkit", "dikit doang", "sedikit saja", "dikit lah"),
    "zh": ("一点", "一点点", "一点儿", "一些些", "一丢丢", "一点", "一点点"),
}
MOMENT = {
    "en": ("a moment", "a moment", "for a moment", "just a moment", "a short moment"),
    "id": ("sebentar", "sebentar", "bentar", "sebentar aja", "sebentar ya", "sbntar", "bntar", "sejenak"),
    "zh": ("一会儿", "一会", "一会儿", "片刻", "一小会儿"),
}


def same_unit(rng, lang, qty):
    """(another amount in the unit of qty, the number alone as it is said), or None."""
    if qty.kind == "deg":
        n = rng.weighted(ANGLES)
        value, noun = n, {"en": " degrees", "id": " derajat", "zh": "度"}[lang]
    elif qty.kind == "s":
        n = small(rng)
        value, noun = n, {"en": " seconds", "id": " detik", "zh": "秒"}[lang]
    elif qty.kind in ("m", "cm", "step"):
        n = 10 * rng.between(1, 20) if qty.kind == "cm" else small(rng) if rng.chance(0.8) else tenths(rng)
        value = metres(n, qty.kind)
        noun = {"en": " " + rng.pick(EN_UNITS[qty.kind][1]), "id": " " + rng.pick(ID_UNITS[qty.kind][0]), "zh": rng.pick(ZH_UNITS[qty.kind])}[lang]
    else:
        return None
    if n == 1 or abs(value - qty.value) < 0.001:
        return None
    number_said = words_zh(n, rng, True) if lang == "zh" and n == int(n) and rng.chance(0.6) else say_number(rng, n, lang, 0.5)
    return Qty(number_said + noun, value, qty.kind), number_said


def coordinate(rng):
    value = rng.weighted([(14, rng.between(0, 6)), (4, tenths(rng)), (2, rng.between(7, 15)), (1, rng.between(0, 30) / 4)])
    return number(-value if value and rng.chance(0.38) else value)
