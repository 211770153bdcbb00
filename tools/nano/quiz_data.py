"""Wording of the dialogues with several questions in turn. {o} the thing, {p} another, {n} a colour or noun, {q} the question."""
ELLIPSIS = {"en": ("and {o}?", "and {o}", "what about {o}?", "how about {o}", "{o}?", "and what about {o}", "same question for {o}", "ok, and {o}?"),
    "id": ("kalau {o}?", "dan {o}", "terus {o}?", "kalau {o} gimana", "{o}?", "lalu {o}", "bagaimana dengan {o}"),
    "zh": ("{o}呢", "那{o}呢", "还有{o}呢", "那么{o}呢", "换成{o}呢")}
IT = {
    "far": {"en": ("how far is it", "how far away is it", "and how far is it?", "what's the distance to it", "how far is that", "is it far"),
        "id": ("seberapa jauh itu", "jaraknya berapa", "berapa meter itu", "itu seberapa jauh", "jauh nggak itu"),
        "zh": ("它有多远", "它离你多远", "离它几米", "那个多远", "它远吗")},
    "where": {"en": ("where is it", "in which direction is it", "which side is it on", "and where is it?", "where is that", "at what angle is it"),
        "id": ("itu di mana", "di sebelah mana itu", "arahnya ke mana itu", "letaknya di mana", "di kiri atau kanan itu"),
        "zh": ("它在哪", "它在哪边", "它在什么方向", "那个在哪里", "它在左边还是右边")},
}
EDGE_Q = {
    "leftmost": {"en": ("what's the leftmost thing", "which one is furthest to the left", "which is the leftmost", "what is farthest left",
        "which object is the leftmost one", "and the leftmost?"), "id": ("apa yang paling kiri", "yang paling kiri apa", "mana yang paling kiri",
        "paling kiri yang mana"), "zh": ("最左边的是什么", "哪个最靠左", "最左边是哪个", "最靠左的是什么")},
    "rightmost": {"en": ("what's the rightmost thing", "which one is furthest to the right", "which is the rightmost", "what is farthest right",
        "which object is the rightmost one", "and the rightmost?"), "id": ("apa yang paling kanan", "yang paling kanan apa", "mana yang paling kanan",
        "paling kanan yang mana"), "zh": ("最右边的是什么", "哪个最靠右", "最右边是哪个", "最靠右的是什么")},
}
EDGE_ONE = {"leftmost": {"en": ("the leftmost one", "the one furthest to the left", "the leftmost object", "the one farthest left"), "id": (
    "yang paling kiri", "benda paling kiri", "benda yang paling kiri"), "zh": ("最左边的", "最左边那个", "最靠左的那个")},
            "rightmost": {"en": ("the rightmost one", "the one furthest to the right", "the rightmost object", "the one farthest right"), "id": (
    "yang paling kanan", "benda paling kanan", "benda yang paling kanan"), "zh": ("最右边的", "最右边那个", "最靠右的那个")}}
NEARER = {"en": ("which is closer, {o} or {p}", "what's nearer, {o} or {p}", "is {o} or {p} closer to you", "{o} or {p}, which one is nearer",
    "which of the two is closer, {o} or {p}", "are you closer to {o} or to {p}"),
    "id": ("mana yang lebih dekat, {o} atau {p}", "lebih dekat mana, {o} atau {p}", "{o} sama {p}, dekatan mana", "yang lebih dekat {o} atau {p}"),
    "zh": ("{o}和{p}哪个近", "{o}和{p}哪个离你更近", "是{o}近还是{p}近", "哪个更近，{o}还是{p}")}
COORDS = {"en": ("what are the coordinates of {o}", "at which x and y is {o}", "give me the coordinates of {o}", "what's the x and y of {o}",
    "tell me {o}'s coordinates", "at what point is {o}, in x and y"), "id": ("koordinat {o} berapa", "berapa koordinat {o}", "x dan y {o} berapa",
    "sebutkan koordinat {o}", "{o} ada di koordinat berapa"), "zh": ("{o}的坐标是多少", "{o}坐标多少", "{o}的x和y是多少", "说一下{o}的坐标",
    "{o}在哪个坐标")}
COLOUR_COUNT = {"en": ("how many {n} things are there", "how many {n} things do you see", "how many of them are {n}", "how many are {n}",
    "count the {n} ones", "how many {n} objects can you see"), "id": ("ada berapa yang {n}", "berapa benda yang {n}", "yang {n} ada berapa",
    "berapa yang warnanya {n}"), "zh": ("有几个{n}色的", "{n}色的有几个", "你看到几个{n}色的东西", "有多少{n}色的东西")}
COLOUR_WHICH = {"en": ("what's the {n} thing", "which one is {n}", "what is {n}", "which of them is {n}", "what's that {n} thing"),
    "id": ("yang {n} itu apa", "benda {n} itu apa", "apa yang {n}", "mana yang warnanya {n}"), "zh": ("{n}色的是什么", "哪个是{n}色的",
    "那个{n}色的东西是什么", "什么是{n}色的")}
COLOUR_ONE = {"en": ("the {n} one", "the {n} one", "the {n} thing"), "id": ("yang {n}", "yang warnanya {n}"), "zh": ("{n}色的那个", "{n}色那个",
    "那个{n}色的")}
AXIS = {"x": {"en": ("what's your x", "what is your x coordinate", "your x?", "what's x", "x coordinate?", "how far along x are you"),
    "id": ("x kamu berapa", "koordinat x berapa", "nilai x-nya berapa", "x berapa"), "zh": ("x是多少", "你的x坐标是多少", "x坐标呢", "x多少")},
        "y": {"en": ("what's your y", "what is your y coordinate", "your y?", "what's y", "y coordinate?", "and the y value"),
    "id": ("y kamu berapa", "koordinat y berapa", "nilai y-nya berapa", "y berapa"), "zh": ("y是多少", "你的y坐标是多少", "y坐标呢", "y多少")}}
STATUS_SHORT = {
    "position": {"en": ("and your position?", "and where are you?", "what about your position?", "position too", "and the coordinates?"),
        "id": ("kalau posisinya?", "terus posisinya?", "dan koordinatnya?", "kalau posisimu?"), "zh": ("位置呢", "那坐标呢", "你的位置呢", "坐标呢")},
    "heading": {"en": ("and your heading?", "and the heading", "what about your heading?", "and which way are you facing?", "heading too"),
        "id": ("kalau arahnya?", "terus arah hadapnya?", "dan menghadap ke mana?", "kalau arah hadapmu?"), "zh": ("朝向呢", "那方向呢", "你的朝向呢",
        "那朝向呢")},
    "energy": {"en": ("and energy?", "and the energy used?", "what about energy?", "and how much energy?", "battery use too"),
        "id": ("kalau energinya?", "terus energinya?", "dan energi terpakai?", "kalau energi yang terpakai?"), "zh": ("能耗呢", "那用电呢", "能量呢",
        "那能耗是多少")},
    "fallen": {"en": ("and did you fall?", "and have you fallen?", "did you fall by any chance?"), "id": ("dan kamu jatuh nggak?",
        "terus jatuh nggak?",
        "tapi jatuh nggak?"), "zh": ("那摔倒了吗", "有没有摔倒呢", "那你摔了没")},
}
HOW_SIDE = {"en": ("how far did you sidestep", "how far did you move sideways", "how far did you shift", "how far to the side did you go",
    "how big was the side step"), "id": ("geser berapa meter tadi", "seberapa jauh kamu geser", "berapa jauh gesernya", "ke sampingnya berapa meter"),
    "zh": ("你平移了多少", "横着移了多远", "侧移了几米", "往旁边移了多少")}
HOW_WALK = {"en": ("how far did you walk", "how many metres did you walk", "what distance did you walk", "how far was the walk",
    "how far have you walked"),
    "id": ("kamu jalan berapa meter", "jalannya berapa meter", "tadi jalan berapa jauh", "seberapa jauh jalannya tadi"),
    "zh": ("你走了几米", "走了多远", "刚才走了多少米", "你走了多少")}
HOW_GOT = {"en": ("how far did you get", "how far did you get before it failed", "how far did you make it", "so how far did you go"), "id": (
    "sampai berapa jauh tadi", "sempat jalan berapa meter", "jadi berapa meter tadi", "sudah berapa meter sebelum gagal"), "zh": ("你走了多远",
    "失败前走了多少", "那走了几米", "到底走了多远")}
BEFORE = {"en": ("and before that?", "and the time before?", "and the first time?", "and the one before that?", "what about the first one?",
    "and how far before that?"), "id": ("dan sebelum itu?", "kalau yang sebelumnya?", "yang pertama berapa?", "sebelumnya berapa?",
        "terus yang pertama?"),
    "zh": ("再之前那次呢", "前一次呢", "第一次呢", "之前那次是多少", "上一次之前呢")}
WHY = {"en": ("why", "why not?", "what went wrong", "what was the problem", "what happened", "why did it fail", "what's the matter"), "id": ("kenapa",
    "kenapa gagal", "masalahnya apa", "ada apa", "apa yang terjadi", "kok bisa"), "zh": ("为什么", "怎么了", "出什么问题了", "为什么失败", "怎么回事",
    "出了什么事")}
SAME_LENGTH = {   # the number of the last motion with another skill
    "side": {"en": ("now the same distance sideways to the {s}", "and sidestep the same distance to the {s}",
        "the same distance, but step to the {s}",
        "shuffle the same distance to the {s}"), "id": ("sekarang geser ke {s} dengan jarak yang sama", "geser ke {s} sejauh itu juga",
        "jarak yang sama, tapi geser ke {s}"), "zh": ("现在向{s}平移同样的距离", "再往{s}边挪同样的距离", "同样的距离，向{s}平移")},
    "fwd": {"en": ("now walk the same distance forward", "and the same distance straight ahead", "walk forward just as far"), "id": (
        "sekarang maju dengan jarak yang sama", "maju sejauh itu juga", "jarak yang sama, tapi maju"), "zh": ("现在往前走同样的距离", "再前进同样远",
        "同样的距离，往前走")},
    "back": {"en": ("now back up the same distance", "and walk back just as far", "the same distance backwards"), "id": (
        "sekarang mundur dengan jarak yang sama", "mundur sejauh itu juga", "jarak yang sama, tapi mundur"), "zh": ("现在后退同样的距离",
        "再往后退同样远", "同样的距离，往后退")},
}
DOUBLE_MORE = {   # besides scenes.DOUBLE
    "en": (("twice that", 2), ("double it", 2), ("now twice that", 2), ("half that", 0.5),
        ("only half of that", 0.5), ("just half as much", 0.5), ("three times that", 3), ("make it twice as much", 2), ("now do half of that", 0.5),
        ("again, twice as much", 2), ("and now half as much", 0.5), ("four times as far", 4), ("the same, but double", 2),
        ("the same way but half as far", 0.5), ("once more but double", 2), ("once more, half as far", 0.5), ("now three times as far", 3)),
    "id": (("dua kali itu", 2), ("lipat dua", 2), ("lagi, dua kali lipat", 2), ("separuh dari tadi", 0.5), ("setengah dari tadi", 0.5),
        ("sekarang setengahnya", 0.5), ("tiga kali lebih jauh", 3), ("sekarang tiga kali lipat", 3), ("dua kali yang tadi", 2),
        ("sekali lagi, dua kali lipat", 2), ("lagi, separuhnya saja", 0.5), ("empat kali lipat", 4), ("sama tapi setengahnya", 0.5)),
    "zh": (("刚才的三倍", 3), ("再来刚才的两倍", 2), ("只要刚才的一半", 0.5), ("这次要两倍", 2), ("再来一次，加倍", 2),
        ("减半", 0.5), ("再来一次，减半", 0.5), ("两倍再来一次", 2), ("一半就够了", 0.5), ("再做一次，翻倍", 2), ("四倍", 4), ("这次三倍", 3)),
}
ONLY_FAR = ("far", "distance", "jauh", "jarak", "远", "距离")    # words that do not suit a turn
