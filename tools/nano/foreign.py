"""Dialogues with functions that are not the robot's: names, arguments and schemas are told in the dialogue, and called as told.

A row: names | description | arguments (name alternatives, kind) | requests per language. Kinds: number LOW HIGH, text LIST, one of WORDS.
"""
from dialogue import REFUSING, Dialogue
from numbers_said import say_number

LISTS = {
    "room": {"en": ("kitchen", "bedroom", "living room", "garage", "hall", "office", "bathroom", "attic", "garden", "basement"), "id": ("dapur",
        "kamar", "ruang tamu", "garasi", "kantor", "teras", "gudang"), "zh": ("厨房", "卧室", "客厅", "车库", "办公室", "浴室", "书房")},
    "city": {"en": ("Paris", "London", "Tokyo", "Oslo", "Lima", "Boston", "Cairo", "Madrid", "Rome", "Delhi", "Sydney"), "id": ("Jakarta", "Bandung",
        "Surabaya", "Medan", "Bogor", "Denpasar", "Malang"), "zh": ("北京", "上海", "广州", "成都", "杭州", "西安", "台北")},
    "who": {"en": ("Anna", "Tom", "mum", "the boss", "Ravi", "Julia", "Sam", "Omar", "Lena"), "id": ("Budi", "Siti", "ibu", "Andi", "Rina", "bos",
        "Dewi"), "zh": ("小明", "妈妈", "老板", "李华", "王芳", "老张")},
    "song": {"en": ("Yesterday", "jazz", "Imagine", "rock music", "Halo", "piano music", "Thriller"), "id": ("dangdut", "Laskar Pelangi", "jazz",
        "lagu pop", "keroncong"), "zh": ("月亮代表我的心", "爵士乐", "童话", "青花瓷", "古典音乐")},
    "thing": {"en": ("milk", "eggs", "bread", "apples", "rice", "soap", "batteries", "coffee"), "id": ("susu", "telur", "roti", "apel", "beras",
        "sabun", "kopi"), "zh": ("牛奶", "鸡蛋", "面包", "苹果", "大米", "咖啡", "肥皂")},
    "note": {"en": ("buy milk", "call the doctor", "water the plants", "pay the rent", "feed the cat", "pick up Tom"), "id": ("beli susu",
        "telepon dokter", "siram tanaman", "bayar listrik", "jemput Andi"), "zh": ("买牛奶", "给医生打电话", "浇花", "交房租", "接孩子")},
    "part": {"en": ("belt 3", "line A", "press 2", "robot arm", "pump 1", "oven 4", "mixer"), "id": ("ban 3", "jalur A", "pompa 1", "oven 4",
        "mixer"), "zh": ("三号传送带", "A线", "一号泵", "四号炉", "搅拌机")},
    "lang": {"en": ("French", "German", "Spanish", "Korean", "Arabic"), "id": ("Prancis", "Jerman", "Spanyol", "Korea"), "zh": ("法语", "德语",
        "西班牙语", "韩语")},
    "word": {"en": ("hello", "good night", "thank you", "water", "house"), "id": ("halo", "selamat malam", "terima kasih", "air", "rumah"),
        "zh": ("你好", "晚安", "谢谢", "水", "房子")},
}
ROWS = (
    ("light", ("set_light", "lamp_power", "switch_lamp", "light_control", "toggleLight"), "Switch a lamp.", ((("room", "where", "place"),
        "text room"), (("state", "power", "mode"), "one on off")),
     {"en": (("turn {1} the light in the {0}", "{1}"), ("switch {1} the {0} light", "{1}"), ("{0} light {1} please", "{1}"),
         ("can you put the lamp in the {0} {1}", "{1}")), "id": (("{1} lampu {0}", "nyalakan matikan"), ("tolong {1} lampu di {0}",
         "nyalakan matikan"), ("{1} dong lampu {0}", "hidupkan matikan")), "zh": (("{1}{0}的灯", "打开 关掉"), ("把{0}的灯{1}", "打开 关掉"),
         ("{0}灯{1}", "开 关"))}),
    ("timer", ("set_timer", "start_timer", "countdown", "timerNew", "alarm_in"), "Start a timer.", ((("minutes", "mins", "duration"), "number 1 90"),
        ),
     {"en": (("set a timer for {0} minutes", ""), ("start a {0} minute timer", ""), ("timer, {0} minutes", ""), ("count down {0} minutes for me",
         "")), "id": (("pasang timer {0} menit", ""), ("setel hitung mundur {0} menit", ""), ("timer {0} menit ya", "")), "zh": (("定时{0}分钟", ""),
         ("设一个{0}分钟的计时器", ""), ("倒计时{0}分钟", ""))}),
    ("thermostat", ("set_temperature", "heat_to", "thermostat_set", "climate"), "Set the temperature in degrees.", ((("room", "zone", "area"),
        "text room"), (("degrees", "celsius", "target"), "number 15 28")),
     {"en": (("set the {0} to {1} degrees", ""), ("make it {1} degrees in the {0}", ""), ("heat the {0} to {1}", ""), ("{0} at {1} degrees please",
         "")), "id": (("atur suhu {0} jadi {1} derajat", ""), ("buat {0} {1} derajat", ""), ("suhu {0} {1} derajat ya", "")),
         "zh": (("把{0}调到{1}度", ""), ("{0}温度设为{1}度", ""), ("{0}{1}度", ""))}),
    ("music", ("play_music", "play", "start_song", "audio_play", "playTrack"), "Play a song or a style.", ((("title", "song", "query", "what"),
        "text song"),),
     {"en": (("play {0}", ""), ("put on {0}", ""), ("I want to hear {0}", ""), ("play me some {0} please", "")), "id": (("putar {0}", ""),
         ("mainkan {0}", ""), ("aku mau dengar {0}", "")), "zh": (("播放{0}", ""), ("放{0}", ""), ("我想听{0}", ""))}),
    ("weather", ("get_weather", "weather", "forecast", "weatherAt"), "Weather of a city.", ((("city", "place", "location"), "text city"),),
     {"en": (("what's the weather in {0}", ""), ("how is the weather in {0} today", ""), ("is it raining in {0}", ""), ("weather for {0}", "")),
         "id": (("cuaca di {0} gimana", ""), ("bagaimana cuaca {0}", ""), ("di {0} hujan nggak", "")), "zh": (("{0}天气怎么样", ""), ("{0}今天下雨吗",
         ""), ("查一下{0}的天气", ""))}),
    ("message", ("send_message", "sms", "write_to", "notify_person"), "Send a short message.", ((("to", "recipient", "name"), "text who"), (("text",
        "body", "message"), "text note")),
     {"en": (("tell {0} to {1}", ""), ("send {0} a message: {1}", ""), ("text {0}: {1}", "")), "id": (("kirim pesan ke {0}: {1}", ""),
         ("bilang ke {0} {1}", "")), "zh": (("给{0}发消息：{1}", ""), ("告诉{0}{1}", ""))}),
    ("list", ("add_item", "shopping_add", "list_append", "buy_list"), "Put something on the shopping list.", ((("item", "product", "what"),
        "text thing"), (("count", "amount", "quantity"), "number 1 12")),
     {"en": (("put {1} {0} on the shopping list", ""), ("add {1} {0} to my list", ""), ("we need {1} {0}, write it down", "")),
         "id": (("tambahkan {1} {0} ke daftar belanja", ""), ("catat {1} {0} untuk dibeli", "")), "zh": (("购物清单加{1}个{0}", ""),
         ("记一下要买{1}个{0}", ""))}),
    ("reminder", ("add_reminder", "remind", "todo_add", "memo"), "Remember something.", ((("text", "task", "note"), "text note"),),
     {"en": (("remind me to {0}", ""), ("note: {0}", ""), ("don't let me forget to {0}", "")), "id": (("ingatkan aku {0}", ""), ("catat: {0}", ""),
         ("jangan sampai aku lupa {0}", "")), "zh": (("提醒我{0}", ""), ("记下来：{0}", ""), ("别让我忘了{0}", ""))}),
    ("volume", ("set_volume", "volume", "loudness", "audioLevel"), "Loudness in percent.", ((("percent", "level", "value"), "number 0 100"),),
     {"en": (("set the volume to {0} percent", ""), ("volume {0}", ""), ("make it {0} percent loud", "")), "id": (("volume {0} persen", ""),
         ("atur suara ke {0}", "")), "zh": (("音量调到{0}", ""), ("声音设为百分之{0}", ""))}),
    ("machine", ("machine_state", "run_unit", "control", "set_machine"), "Start or stop a machine.", ((("unit", "machine", "id"), "text part"),
        (("action", "command", "op"), "one start stop")),
     {"en": (("{1} {0}", "{1}"), ("please {1} {0} now", "{1}"), ("{1} the unit {0}", "{1}")), "id": (("{1} {0}", "jalankan hentikan"),
         ("tolong {1} {0}", "jalankan hentikan")), "zh": (("{1}{0}", "启动 停止"), ("把{0}{1}", "启动 停止"))}),
    ("sum", ("add_numbers", "sum", "plus", "calc_add"), "Add two numbers.", ((("a", "first", "x1"), "number 1 200"), (("b", "second", "x2"),
        "number 1 200")),
     {"en": (("what is {0} plus {1}", ""), ("add {0} and {1}", ""), ("{0} + {1} = ?", "")), "id": (("berapa {0} tambah {1}", ""),
         ("jumlahkan {0} dan {1}", "")), "zh": (("{0}加{1}等于多少", ""), ("算一下{0}加{1}", ""))}),
    ("translate", ("translate", "to_language", "translate_text"), "Translate a text.", ((("text", "phrase", "source"), "text word"), (("language",
        "target", "into"), "text lang")),
     {"en": (("translate {0} into {1}", ""), ("how do you say {0} in {1}", ""), ("what's {0} in {1}", "")), "id": (("terjemahkan {0} ke bahasa {1}",
         ""), ("apa bahasa {1}nya {0}", "")), "zh": (("把{0}翻译成{1}", ""), ("{0}用{1}怎么说", ""))}),
    ("door", ("lock_door", "door", "set_lock", "gate_control"), "Lock or unlock a door.", ((("door", "which", "name"), "text room"), (("action", "do",
        "set"), "one lock unlock")),
     {"en": (("{1} the {0} door", "{1}"), ("please {1} the door of the {0}", "{1}")), "id": (("{1} pintu {0}", "kunci buka"), ("tolong {1} pintu {0}",
         "kunci buka")), "zh": (("{1}{0}的门", "锁上 打开"), ("把{0}的门{1}", "锁上 打开"))}),
    ("photo", ("take_photo", "camera_shot", "snap", "capture"), "Take a photo.", (), {"en": (("take a photo", ""), ("take a picture please", ""),
        ("snap a picture", "")), "id": (("ambil foto", ""), ("foto dong", "")), "zh": (("拍张照", ""), ("拍照", ""))}),
    ("battery", ("battery_level", "get_charge", "power_info"), "Charge of the battery.", (), {"en": (("how full is the battery", ""),
        ("what's the battery level", ""), ("check the charge", "")), "id": (("baterai berapa persen", ""), ("cek isi baterai", "")),
        "zh": (("电量还有多少", ""), ("查看电池", ""))}),
)
FINE = {"en": ("Done.", ["done"]), "id": ("Sudah.", ["sudah"]), "zh": ("好了。", ["好"])}
NONE_FITS = {"en": "Sorry, I can't do that.", "id": "Maaf, saya tidak bisa melakukan itu.", "zh": "抱歉，我做不到。"}


def schema(rng, row):
    """(the tool as it is told, the names its arguments got)."""
    topic, names, description, arguments, _ = row
    chosen = [rng.pick(alternatives) for alternatives, _ in arguments]
    if len(set(chosen)) < len(chosen):
        chosen = [alternatives[0] for alternatives, _ in arguments]
    properties = {}
    for name, (_, kind) in zip(chosen, arguments):
        word = kind.split()
        properties[name] = {"type": "number"} if word[0] == "number" else {"type": "string"}
        if word[0] == "one":
            properties[name]["enum"] = word[1:]
    function = {"name": rng.pick(names), "description": description, "parameters": {"type": "object", "properties": properties, "required": chosen}}
    if rng.chance(0.2):
        function["name"] += rng.pick(("_v2", "_now", "_home", "1", "_x"))
    return {"type": "function", "function": function}, chosen


def foreign(rng, lang):
    rows = rng.some(ROWS, rng.weighted([(4, 1), (5, 2), (3, 3)]))
    row, d = rows[0], Dialogue(lang, "foreign")
    tool, names = schema(rng, row)
    tools = [tool] + [schema(rng, other)[0] for other in rows[1:]]
    d.tools = rng.some(tools, len(tools))
    pattern, states = rng.pick(row[4][lang])
    arguments, slots = {}, {}
    for at, (name, (_, kind)) in enumerate(zip(names, row[3])):
        word = kind.split()
        if word[0] == "number":
            arguments[name] = rng.between(int(word[1]), int(word[2]))
            slots[str(at)] = say_number(rng, arguments[name], lang, 0.35)
        elif word[0] == "text":
            arguments[name] = slots[str(at)] = rng.pick(LISTS[word[1]][lang])
        else:
            which = rng.below(len(word) - 1)
            arguments[name] = word[1 + which]
            slots[str(at)] = arguments[name] if lang == "en" else states.split()[which]
    text = pattern
    for key, value in slots.items():
        text = text.replace("{" + key + "}", value)
    if rng.chance(0.08) and len(rows) > 1:
        d.tools = [t for t in d.tools if t is not tool]
        return d.user(marked(rng, lang, text)).say(NONE_FITS[lang], REFUSING[lang])
    d.user(marked(rng, lang, text)).call([(tool["function"]["name"], arguments)])
    if rng.chance(0.25):
        d.results([rng.pick(({"ok": True}, {"status": "ok"}, {"done": True}, {"result": "ok"}))]).say(*FINE[lang])
    return d


def marked(rng, lang, text):
    """Names are to be copied as they stand, so there are no typos."""
    if rng.chance(0.3):
        text = {"en": rng.pick(("please {}", "{}, please", "hey, {}", "can you {}?", "{} now")), "id": rng.pick(("tolong {}", "{} ya", "{} dong",
            "coba {}")), "zh": rng.pick(("请{}", "{}，谢谢", "帮我{}"))}[lang].format(text)
    return text[:1].upper() + text[1:] + rng.pick((".", "", "!")) if lang != "zh" and rng.chance(0.3) else text
