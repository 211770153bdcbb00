"""More small talk and orders to be asked back about, with the answers that chat_data has."""
EN_UNKNOWN = "Sorry, I don't know that. I'm raga, a robot that walks and looks."
EN_FEEL = "I'm a robot, I have no feelings, but I like to walk."
CHAT = {
    "en": (
        (("what's the [capital|population|flag|president] of [Italy|India|Brazil|Egypt|Canada|Kenya]",
            "how do I [cook rice|fix a bike|learn French|lose weight]",
            "who [invented|discovered] [the telephone|America|gravity]", "how many [people live on earth|stars are there|days are in a year]",
            "what does [photosynthesis|entropy|democracy] mean", "is it going to [rain|snow|be sunny] [today|tomorrow|at the weekend]",
            "what's [seven|eight|twenty|100] [plus|minus|times] [three|four|nine]", "which film should I watch", "what's on TV tonight",
            "what [month|year|day] is it", "how do you say [thank you|dog|water] in [Spanish|German]", "what's the score", "why is the sky blue"),
            EN_UNKNOWN, ["don't know", "sorry", "raga"]),
        (("do you [miss me|get bored|ever rest|enjoy your job|like music|like people|like walking|have hobbies|have dreams|worry]",
            "are you [in love|nervous|jealous|proud|excited|alive|conscious|sleepy]", "what makes you happy",
                "what's your favourite [season|place|game|book|sport]",
            "what do you do for fun", "do you believe in [love|ghosts|luck]", "can you feel [pain|joy|the cold]"), EN_FEEL, ["robot", "no"]),
    ),
    "id": (
        (("ibukota [italia|india|mesir|kanada|brasil] apa", "cara [masak nasi|benerin sepeda|belajar bahasa jepang] gimana",
            "siapa yang menemukan [telepon|amerika|listrik]",
            "berapa [jumlah penduduk bumi|banyak bintang|hari dalam setahun]", "apa arti [demokrasi|fotosintesis|rindu]",
                "[besok|lusa|hari ini] [hujan|cerah|panas] nggak",
            "berapa [tujuh|delapan|dua puluh] [tambah|kurang|kali] [tiga|empat|sembilan]", "film apa yang bagus", "bulan apa sekarang",
                "kenapa langit biru"),
            "Maaf, saya tidak tahu. Saya raga, robot yang bisa jalan dan melihat.", ["tidak tahu", "maaf", "raga"]),
        (("kamu [kangen aku|suka musik|suka manusia|punya hobi|punya mimpi|pernah istirahat|jatuh cinta|cemburu|bangga|gugup] [nggak|gak|ya|]",
            "apa yang bikin kamu senang",
            "apa [hobimu|film kesukaanmu|tempat favoritmu|olahraga favoritmu]", "kamu percaya [hantu|cinta] nggak"),
                "Saya robot, tidak punya perasaan, tapi suka jalan.",
            ["robot"]),
    ),
    "zh": (
        (("[意大利|印度|埃及|巴西|加拿大]的首都是哪里", "怎么[做饭|修自行车|学日语|减肥]", "谁发明了[电话|电灯|汽车]", "[地球上有多少人|一年有多少天|天上有多少星星]", "[民主|光合作用]是什么意思",
            "[明天|后天|今天]会[下雨|出太阳|下雪]吗", "[七|八|二十][加|减|乘][三|四|九]等于几", "有什么好看的电影", "现在几月份", "天为什么是蓝的"),
            "抱歉，我不知道。我是raga，会走路和看东西的机器人。", ["不知道", "抱歉", "raga"]),
        (("你[想我吗|喜欢音乐吗|喜欢人类吗|有爱好吗|有梦想吗|会休息吗|恋爱了吗|嫉妒吗|紧张吗|骄傲吗]", "什么让你开心", "你最喜欢[哪个季节|什么运动|什么书|什么地方]", "你相信[鬼|爱情]吗"),
            "我是机器人，没有感情，不过我喜欢走路。", ["机器人"]),
    ),
}
ASK_WHERE = {
    "en": ("[go|walk|run|move|get|head] [to|towards|near] [that|this|the] [thing|object|place|spot|one] [over there|there|please|I mentioned|]",
        "[approach|visit|find] [something|anything|one of them|whatever you like]", "go [someplace|anywhere|elsewhere|over yonder]",
        "[bring yourself|take yourself|make your way] [there|over there|to it]", "[head|go|walk] for [it|that one]", "go closer to [it|that thing]",
        "could you go to that place", "go check out that thing", "look for the thing I lost", "go to where it is", "go stand near it",
    "find the thing I like"),
    "id": ("[pergi|jalan|lari|maju|pindah] ke [benda|tempat|titik|lokasi] [itu|sana|yang itu|yang kumaksud]",
        "[dekati|cari|datangi] [sesuatu|salah satu|apa saja]",
        "pergi ke mana saja", "cari barangku yang hilang", "berdiri dekat itu", "mendekat ke benda itu", "coba ke tempat itu",
            "ke yang sana itu dong"),
    "zh": ("[去|走到|跑到|移动到][那个|这个][东西|地方|位置|物体][那里|那边|]", "[靠近|找|接近][点什么|随便一个|其中一个]", "随便去个地方",
        "找一下我丢的东西", "站到它旁边", "去它旁边", "走近那个东西", "到那个位置去一下"),
}
