"""Numbers as they are written and spoken in English (en), Indonesian (id) and Chinese (zh)."""

EN_ONES = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
           "seventeen eighteen nineteen").split()
EN_TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
ID_ONES = "nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas".split()
ZH_ONES = "零一二三四五六七八九"


def number(value):
    """The shortest JSON number: 1, 0.5, -90."""
    value = round(value, 4)
    return int(value) if value == int(value) else value


def plain(value):
    """The shortest digits: 1, 0.5, -90."""
    return str(number(value))


def words_en(n, rng=None):
    if n < 20:
        return EN_ONES[n]
    if n < 100:
        tens, ones = divmod(n, 10)
        if not ones:
            return EN_TENS[tens]
        return EN_TENS[tens] + ("-" if rng is None or rng.chance(0.6) else " ") + EN_ONES[ones]
    if n < 1000:
        hundreds, rest = divmod(n, 100)
        head = ("a hundred" if hundreds == 1 and rng is not None and rng.chance(0.4)
                else EN_ONES[hundreds] + " hundred")
        if not rest:
            return head
        return head + (" and " if rng is None or rng.chance(0.6) else " ") + words_en(rest, rng)
    return str(n)


def words_id(n, rng=None):
    if n < 12:
        return ID_ONES[n]
    if n < 20:
        return ID_ONES[n - 10] + " belas"
    if n < 100:
        tens, ones = divmod(n, 10)
        return ID_ONES[tens] + " puluh" + (" " + ID_ONES[ones] if ones else "")
    if n < 1000:
        hundreds, rest = divmod(n, 100)
        head = "seratus" if hundreds == 1 else ID_ONES[hundreds] + " ratus"
        return head + (" " + words_id(rest) if rest else "")
    return str(n)


def words_zh(n, rng=None, is_before_unit=False):
    """is_before_unit: 2 is then mostly 两."""
    if n < 10:
        if n == 2 and is_before_unit:
            return "两" if rng is None or rng.chance(0.92) else "二"
        return ZH_ONES[n]
    if n < 20:
        return "十" + (ZH_ONES[n - 10] if n > 10 else "")
    if n < 100:
        tens, ones = divmod(n, 10)
        return ZH_ONES[tens] + "十" + (ZH_ONES[ones] if ones else "")
    if n < 1000:
        hundreds, rest = divmod(n, 100)
        two = "两" if rng is not None and rng.chance(0.5) else "二"
        head = (two if hundreds == 2 else ZH_ONES[hundreds]) + "百"
        if not rest:
            return head
        if rest < 10:
            return head + "零" + ZH_ONES[rest]
        return head + ("一" if rest < 20 else "") + words_zh(rest)
    return str(n)


WORDS = {"en": words_en, "id": words_id, "zh": words_zh}
POINT = {"en": " point ", "id": " koma ", "zh": "点"}
MINUS = {"en": ("minus ", "negative "), "id": ("minus ", "negatif ", "min "), "zh": ("负",)}


def digits(value, lang, rng=None):
    """In digits, with the language's decimal mark (Indonesian writes both)."""
    text = plain(value)
    if lang == "id" and "." in text and (rng is None or rng.chance(0.75)):
        text = text.replace(".", ",")
    return text


def spoken(value, lang, rng):
    """A number that is no whole one, in words: one point five."""
    whole, fraction = plain(abs(value)).split(".") if plain(value).find(".") >= 0 else (plain(abs(value)), "")
    word = WORDS[lang]
    text = word(int(whole), rng)
    if fraction:
        if lang == "en" and whole == "0" and rng.chance(0.35):
            text = ""
        gap = "" if lang == "zh" else " "
        text += POINT[lang] + gap.join(word(int(d)) for d in fraction)
    if value < 0:
        text = rng.pick(MINUS[lang]) + text
    return text.strip()


def say_number(rng, value, lang, words=0.5):
    """Any number, in words with the given chance."""
    if rng.chance(words) and abs(value) < 1000:
        return spoken(value, lang, rng)
    return digits(value, lang, rng)
