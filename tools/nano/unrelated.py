"""Exchanges in a row that have nothing to do with each other: so that what came before, a failure above all, is not taken up again."""
import answers
import commands as c
import corrections
import orders
import quiz
import scenes
import talk
from dialogue import Dialogue
from noise import typed
from orders import numbers_style

NOISE = 0.7                 # of the share of mistakes elsewhere


def told(rng, lang):
    """An order, its results and the words that say so."""
    many = [c.simple(rng, lang) for _ in range(rng.weighted([(7, 1), (3, 2)]))]
    texts = [c.bare(rng, lang, command) for command in many]
    text = texts[0] if len(texts) == 1 else c.chain(rng, lang, texts)
    calls = [call for command in many for call in command.calls()]
    d = Dialogue(lang, "multi-turn").user(typed(rng, lang, c.wrapped(rng, lang, text) if rng.chance(0.3) else text, NOISE)).call(calls)
    return orders.finish(rng, d, calls, chance=1.0, fail=0.1)


def failed(rng, lang):
    command = c.approach(rng, lang) if rng.chance(0.5) else c.simple(rng, lang)
    calls = command.calls()[:1]
    d = Dialogue(lang, "multi-turn").user(typed(rng, lang, c.bare(rng, lang, command), NOISE)).call(calls)
    bad, row = answers.failure(rng, calls[0])
    text, must = answers.failed(lang, calls[0], row, bad)
    return d.results(numbers_style(rng, [bad])).say(text, must)


def looked(rng, lang):
    return scenes.see(rng, lang, Dialogue(lang, "object"), answers.sight(rng, lang, count=rng.between(1, 3)))


def asked_state(rng, lang):
    d, got = Dialogue(lang, "state"), answers.state(rng, fallen=False)
    quiz.state_ask(rng, lang, d, got, rng.pick(("position", "heading", "energy", "fallen")), True)
    return d


FIRST = [(10, told), (7, failed), (4, talk.refusal), (3, talk.chat), (3, looked), (2, asked_state)]
LAST = [(8, orders.single), (7, orders.sequence), (3, orders.units), (4, corrections.correction), (3, talk.refusal), (2, talk.chat), (2, failed),
    (5, told)]
RESULTS = (looked, asked_state)      # only where no result is at hand that a question could be answered from


def unrelated(rng, lang):
    d, is_known = Dialogue(lang, "multi-turn"), False
    for _ in range(rng.weighted([(6, 1), (5, 2), (3, 3), (1, 4)])):
        make = rng.weighted(FIRST)
        if make in RESULTS:
            if is_known:
                continue
            is_known = True
        join(d, make(rng, lang))
    last = looked if not is_known and rng.chance(0.08) else asked_state if not is_known and rng.chance(0.05) else rng.weighted(LAST)
    if quiz.size(d.messages) > quiz.BUDGET or not d.messages:
        return unrelated(rng, lang)
    return join(d, last(rng, lang))


def join(d, more):
    d.messages += more.messages
    d.expect = more.expect
    return d
