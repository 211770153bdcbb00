"""Folding of user turns, for the split into files and for the check against a measuring set.

Case, width, punctuation, digits and number words make no difference: every run of numbers becomes one #.
"""
import hashlib
import re
import unicodedata

NUMBER_WORDS = set(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred "
    "nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas belas puluh ratus seratus".split())
ZH_NUMBER = re.compile("[零一二三四五六七八九十百两#]+")
ZH = re.compile("[\u4e00-\u9fff]")
WORD = re.compile("[\u4e00-\u9fff]|[^\\W_]+|#", re.UNICODE)


def is_chinese(text):
    return len(ZH.findall(text)) * 2 > len([c for c in text if not c.isspace()]) * 0.6


def words(text):
    """The folded words of a text; each Chinese character is one."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("'", "").replace("\u2019", "")
    text = re.sub(r"\d+(?:[.,]\d+)*", " # ", text)
    text = ZH_NUMBER.sub(" # ", text)
    out = []
    for word in WORD.findall(text):
        word = "#" if word in NUMBER_WORDS else word
        if word != "#" or not out or out[-1] != "#":
            out.append(word)
    return out


def fold(text):
    return " ".join(words(text))


def short_hash(text):
    """16 hexadecimal digits of SHA-256."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def grams(text):
    """The hashes of the folded text's 4-grams of words, or 6-grams of characters in Chinese."""
    parts = words(text)
    n = 6 if is_chinese(text) else 4
    return [short_hash(" ".join(parts[i:i + n])) for i in range(len(parts) - n + 1)]
