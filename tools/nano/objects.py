"""Things and colours: the English name that is passed, and how people say it.

Rows are data: name | Indonesian, with alternatives | Chinese, with alternatives | Chinese measure words.
"""
from phrase import expand

LISTED = """
ball | bola | 球,球,小球 | 个,颗
box | kotak,kotak,boks | 箱子,盒子 | 个,只
chair | kursi | 椅子 | 把,张,个
table | meja | 桌子 | 张,个
door | pintu | 门 | 扇,个,道
cone | kerucut | 锥桶 | 个
pole | tiang | 柱子,杆子 | 根,个
wall | dinding,tembok | 墙 | 面,堵
bottle | botol | 瓶子 | 个,只
bucket | ember | 桶 | 个,只
plant | tanaman | 植物 | 盆,株,棵
lamp | lampu | 灯 | 盏,个
sofa | sofa | 沙发 | 张,个
bag | tas | 包 | 个
person | orang | 人 | 个
"""
FURTHER = """
cat | kucing | 猫 | 只
dog | anjing | 狗 | 只,条
cup | cangkir,gelas | 杯子 | 个
book | buku | 书 | 本
bed | ranjang,tempat tidur | 床 | 张
window | jendela | 窗户 | 扇
tree | pohon | 树 | 棵
shoe | sepatu | 鞋子 | 只,双
car | mobil | 汽车,车 | 辆
bicycle | sepeda | 自行车 | 辆
flower | bunga | 花 | 朵
vase | vas,vas bunga | 花瓶 | 个
basket | keranjang | 篮子 | 个
cupboard | lemari | 柜子 | 个
shelf | rak | 架子 | 个
fridge | kulkas | 冰箱 | 台
television | televisi,tv | 电视,电视机 | 台
computer | komputer | 电脑 | 台
clock | jam dinding | 钟 | 个
mirror | cermin,kaca | 镜子 | 面
carpet | karpet | 地毯 | 块,张
pillow | bantal | 枕头 | 个
toy | mainan | 玩具 | 个
robot | robot | 机器人 | 个,台
fan | kipas,kipas angin | 风扇 | 台
bench | bangku | 长椅,长凳 | 张
stool | bangku kecil | 凳子 | 个,张
umbrella | payung | 雨伞 | 把
hat | topi | 帽子 | 顶
key | kunci | 钥匙 | 把
rope | tali | 绳子 | 根
stone | batu | 石头 | 块
ladder | tangga | 梯子 | 架,把
suitcase | koper | 行李箱 | 个
backpack | ransel | 背包,书包 | 个
crate | peti | 木箱 | 个
barrel | tong,drum | 木桶,油桶 | 个
cube | kubus | 方块,立方体 | 个
flag | bendera | 旗子 | 面
tent | tenda | 帐篷 | 顶,个
fence | pagar | 栅栏,围栏 | 道
gate | gerbang | 大门 | 扇
trash can | tempat sampah | 垃圾桶 | 个
cylinder | silinder,tabung | 圆柱体,圆柱 | 个
pyramid | piramida | 金字塔 | 个
charger | pengisi daya,charger | 充电器 | 个
"""
# said in English only; the last word takes the plural
ENGLISH = """
desk cabinet drawer plate bowl glass mug can jar pot pan kettle spoon brush broom mop towel blanket curtain rug mat couch
armchair counter oven stove sink toilet bathtub poster picture painting statue stick pipe tube wheel tire brick log rock bush
hedge bin dustbin hydrant mailbox post pillar column beam board sign tag marker block sphere disc ring hoop hammer screwdriver
drill wrench toolbox helmet glove boot jacket coat shirt scarf phone laptop tablet speaker camera printer monitor keyboard radio
guitar piano drum balloon kite doll teddy puzzle racket frisbee skateboard scooter stroller cart trolley wagon bike truck van bus
tractor boat forklift pallet conveyor machine rack locker safe whiteboard easel tripod heater radiator vent switch socket candle
lantern torch ornament pumpkin apple banana carrot orange lemon melon cake pizza sandwich cookie egg bread
""".split() + ["traffic cone", "charging station", "fire extinguisher", "coffee table", "soccer ball", "tennis ball", "water bottle",
               "cardboard box", "shopping bag", "filing cabinet", "bean bag", "bookcase", "wardrobe", "doorway", "exit", "sandbag",
               "docking station", "vending machine", "rocking chair", "potted plant", "street lamp", "picnic table", "laundry basket"]
COLOURS = """
red | merah | 红,红,大红
blue | biru | 蓝,蓝,天蓝
green | hijau,hijau,ijo | 绿
yellow | kuning | 黄
orange | oranye,oranye,jingga,oren | 橙,橘
purple | ungu | 紫
black | hitam,hitam,item | 黑
white | putih | 白
brown | cokelat,coklat,cokelat | 棕,褐
gray | abu-abu,abu-abu,abu | 灰
"""
MORE_COLOURS = """
pink | merah muda,pink | 粉,粉红
"""
PLURAL = {"person": "people", "box": "boxes", "bench": "benches", "bus": "buses", "switch": "switches", "couch": "couches", "shelf": "shelves",
          "brush": "brushes", "torch": "torches", "glass": "glasses", "toolbox": "toolboxes", "mailbox": "mailboxes",
              "cardboard box": "cardboard boxes", "bush": "bushes"}
ZH_SPECIAL = {"天蓝": "天蓝", "大红": "大红"}


def _rows(text):
    out = []
    for line in text.strip().splitlines():
        parts = [[p.strip() for p in part.split(",")] for part in line.split("|")]
        out.append((parts[0][0], {"en": parts[0], "id": parts[1], "zh": parts[2], "measure": parts[3] if len(parts) > 3 else ["个"]}))
    return out


NOUNS = _rows(LISTED)
MORE_NOUNS = _rows(FURTHER)
COLOUR_ROWS = _rows(COLOURS)
MORE_COLOUR_ROWS = _rows(MORE_COLOURS)
BY_NAME = {name: row for name, row in NOUNS + MORE_NOUNS}
COLOUR_BY_NAME = {name: row for name, row in COLOUR_ROWS + MORE_COLOUR_ROWS}
SYNONYMS_EN = {"gray": ("gray", "grey")}
ADJECTIVES = {
    "en": ("big", "small", "little", "large", "tall", "nearest", "closest", "old", "wooden", "plastic", "tiny", "nice", "round", "damn", "heavy",
        "empty", "shiny", "dirty", "broken"),
    "id": ("besar", "kecil", "tinggi", "tua", "kayu", "plastik", "lama", "baru", "bulat", "kosong", "gede"),
    "zh": ("大", "小", "旧", "新", "高", "圆", "空"),
}


def thing(rng, lang, colour=0.5, is_seen=False):
    """(name, noun, colour or None): a thing to go to; is_seen: one that a look result would name."""
    noun = rng.pick(NOUNS)[0] if rng.chance(0.72) else rng.pick(MORE_NOUNS)[0]
    if lang == "en" and rng.chance(0.22):
        noun = rng.pick(ENGLISH)
    shade = None
    if rng.chance(colour) and noun not in ("person", "cat", "dog", "tree"):
        shade = rng.pick(COLOUR_ROWS)[0] if rng.chance(0.96) else rng.pick(MORE_COLOUR_ROWS)[0]
    return (f"{shade} {noun}" if shade else noun), noun, shade


def split_name(name):
    """(noun, colour or None) of a passed name."""
    first, _, rest = name.partition(" ")
    return (rest, first) if rest and first in COLOUR_BY_NAME else (name, None)


def said(rng, lang, name, article="the", is_plain=False):
    """How the thing is said. is_plain: for an answer, always the same way."""
    noun, shade = split_name(name)
    if lang == "en":
        if is_plain:
            return name
        colour = rng.pick(SYNONYMS_EN.get(shade, (shade,))) + " " if shade else ""
        adjective = rng.pick(ADJECTIVES["en"]) + " " if rng.chance(0.08) else ""
        if colour and not adjective and article == "the" and rng.chance(0.05):
            return rng.pick((f"the {noun} that's {shade}", f"the {noun} that is {shade}", f"the {noun}, the {shade} one",
                f"the {shade} coloured {noun}", f"the {shade}-colored {noun}"))
        head = adjective + colour + noun
        if article == "the":
            article = rng.weighted([(20, "the "), (2, "that "), (1, "this "), (1, ""), (0.5, "my "), (0.5, "our ")])
        elif article == "a":
            article = "an " if head[0] in "aeiou" else "a "
        return article + head
    row = BY_NAME.get(noun)
    words = row[lang] if row else [noun]
    if lang == "id":
        noun_said = words[0] if is_plain else rng.pick(words)
        text = noun_said + (" " + (COLOUR_BY_NAME[shade]["id"][0] if is_plain else rng.pick(("", "", "", "warna ", "berwarna ", "yang ", "yg ")) +
                                   rng.pick(COLOUR_BY_NAME[shade]["id"])) if shade else "")
        if is_plain:
            return text
        if rng.chance(0.07):
            text += rng.pick((" ", " yang ")) + rng.pick(ADJECTIVES["id"])
        return text + rng.weighted([(14, ""), (3, " itu"), (1, " tersebut"), (1, "nya"), (1, " tadi"), (1, " ini")] if not shade else [(14, ""), (4,
            " itu"), (1, " ini")])
    noun_said = words[0] if is_plain else rng.pick(words)
    if shade:
        hue = COLOUR_BY_NAME[shade]["zh"][0] if is_plain else rng.pick(COLOUR_BY_NAME[shade]["zh"])
        bare = noun_said[:-1] if noun_said.endswith("子") and len(noun_said) == 2 and noun not in ("box",) else noun_said
        if is_plain:
            return hue + ("球" if noun == "ball" else "色的" + noun_said)
        text = rng.pick((hue + "色的" + noun_said, hue + "色的" + noun_said, hue + "色" + noun_said,
            hue + bare if len(hue) == 1 else hue + "色" + noun_said))
    else:
        text = noun_said
        if is_plain:
            return text
    if rng.chance(0.06):
        text = rng.pick(ADJECTIVES["zh"]) + ("的" if shade or len(text) > 2 else "") + text
    if article == "the" and rng.chance(0.3):
        measure = rng.pick(row["measure"]) if row else "个"
        text = rng.pick(("那", "那", "这")) + measure + text
    elif article == "a":
        text = "一" + rng.pick(row["measure"] if row else ["个"]) + text if rng.chance(0.4) else text
    return text


def plural(rng, lang, name):
    if lang != "en":
        return said(rng, lang, name, "")
    noun, shade = split_name(name)
    many = PLURAL.get(noun, noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "es" if noun.endswith(("s", "ch", "sh",
        "x")) else noun + "s")
    return f"{shade} {many}" if shade else many
