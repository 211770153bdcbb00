"""A dialogue as it is written down."""
import json

from numbers_said import number

REFUSING = {
    "en": ["can't", "cannot", "can not", "unable", "not able", "won't", "will not", "sorry", "don't have", "not possible", "impossible",
        "not allowed"],
    "id": ["tidak bisa", "tak bisa", "gak bisa", "nggak bisa", "tidak dapat", "tidak mampu", "tidak akan", "tidak boleh", "tidak punya", "maaf"],
    "zh": ["不能", "无法", "没办法", "没法", "做不到", "办不到", "不会", "不可以", "不行", "抱歉", "对不起"],
}


class Dialogue:
    def __init__(self, lang, kind):
        self.lang, self.kind, self.messages, self.expect, self.tools = lang, kind, [], None, None

    def user(self, text):
        self.messages.append({"role": "user", "content": text})
        return self

    def call(self, calls):
        """The assistant calls."""
        self.messages.append({"role": "assistant", "content": "", "tool_calls": [
            {"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls]})
        self.expect = {"calls": [{"name": name, "arguments": arguments} for name, arguments in calls]}
        return self

    def results(self, results):
        for got in results:
            self.messages.append({"role": "tool", "content": json.dumps(got, ensure_ascii=False)})
        return self

    def say(self, text, must, must_not=None):
        """The assistant answers in words."""
        self.messages.append({"role": "assistant", "content": text})
        rule = {"must_contain_any": must, "no_calls": True}
        if must_not:
            rule["must_not_contain_any"] = must_not
        self.expect = {"reply": rule}
        return self

    def users(self):
        return [m["content"] for m in self.messages if m["role"] == "user"]


def shortest(results):
    """Whole numbers without a point, as results sometimes come."""
    def walk(value):
        if isinstance(value, float):
            return number(value) if round(value, 4) == value else value
        if isinstance(value, dict):
            return {k: walk(v) for k, v in value.items()}
        return [walk(v) for v in value] if isinstance(value, list) else value
    return walk(results)


def floats(got):
    """Lengths and angles with a point, as results otherwise come."""
    if isinstance(got, dict):
        return {k: float(v) if k in ("x", "y", "distance", "heading", "angle", "energy_used_wh") and not isinstance(v, bool) else floats(v) for k,
            v in got.items()}
    return [floats(v) for v in got] if isinstance(got, list) else got
