#include "api/api_speculate.h"

static const struct {
    const char *name;
    rg_draft_fn *draft;
    size_t n; // guesses when nobody says how many
} drafters[] = {{"mtp", rg_draft_mtp, 1}, {"ngram", rg_draft_ngram, 4}};

rg_status api_speculation_read(const char *text, rg_draft_fn **draft, size_t *n, rg_error *err) {
    const rg_str all = rg_str_of(text);
    const char *colon = strchr(text, ':');
    const rg_str name = {text, colon == NULL ? all.size : (size_t)(colon - text)};
    size_t number = 0;
    for (const char *p = colon == NULL ? "" : colon + 1; *p != '\0'; p++) {
        number = *p >= '0' && *p <= '9' && number <= RG_GUESSES_MAX
                     ? 10 * number + (size_t)(*p - '0')
                     : SIZE_MAX / 16;
    }
    for (size_t i = 0; i < sizeof drafters / sizeof *drafters; i++) {
        if (rg_str_is(name, drafters[i].name) &&
            (colon == NULL || (number > 0 && number <= RG_GUESSES_MAX))) {
            *draft = drafters[i].draft;
            *n = colon == NULL ? drafters[i].n : number;
            return RG_OK;
        }
    }
    return rg_fail(
        err, RG_E_ARG,
        "speculation by \"%s\" is not possible: mtp and ngram are, mtp:N guesses N tokens, "
        "1 to %d",
        text, RG_GUESSES_MAX);
}

// the caller's guesses, behind the face of a drafter
static rg_status draft_own(void *arg, const rg_draft_request *r, int32_t *guesses, size_t *n,
                           rg_error *err) {
    const api_speculation *sp = arg;
    const size_t made = sp->own(sp->own_arg, rg_session_ids(r->session),
                                rg_session_count(r->session), r->id, guesses, r->most);
    if (made > r->most) {
        return rg_fail(err, RG_E_ARG, "%zu guesses where %zu were asked for", made, r->most);
    }
    *n = made;
    return RG_OK;
}

void api_speculation_begin(api_speculation *sp, const raga_model *m, const raga_generate_options *o,
                           rg_sampler *sampler) {
    *sp = (api_speculation){.model = m,
                            .draft = m->draft,
                            .sampler = sampler,
                            .is_held = o->grammar != NULL,
                            .own = o->draft,
                            .own_arg = o->draft_arg};
    if (m->draft != NULL && o->draft != NULL) {
        sp->draft = draft_own;
        sp->draft_arg = sp;
    }
}

void api_speculation_end(api_speculation *sp) {
    for (size_t i = 0; i < RG_GUESSES_MAX; i++) {
        rg_free(rg_mem_heap(), sp->odds[i]);
    }
}

// a guess is drawn as the text is, so that the two agree as often as their odds allow
static rg_status pick(void *arg, size_t i, const float *logits, int32_t *id, rg_error *err) {
    api_speculation *sp = arg;
    const size_t n_vocab = sp->model->model->h.n_vocab;
    if (sp->is_held) {
        *id = rg_argmax(logits, n_vocab);
        return RG_OK;
    }
    if (sp->odds[i] == NULL && !rg_sampler_is_greedy(sp->sampler)) {
        sp->odds[i] = rg_new_array(rg_mem_heap(), n_vocab, sizeof *sp->odds[i]);
        if (sp->odds[i] == NULL) {
            return rg_fail(err, RG_E_MEMORY, "no memory for the odds of %zu tokens", n_vocab);
        }
    }
    return rg_sampler_guess(sp->sampler, logits, sp->odds[i], &sp->n_odds[i], id, err);
}

rg_status api_speculation_draft(api_speculation *sp, rg_session *session, int32_t next, size_t most,
                                rg_error *err) {
    const size_t n_most = sp->model->options.n_guesses;
    const rg_draft_request r = {.session = session,
                                .id = next,
                                .most = most < n_most ? most : n_most,
                                .pick = pick,
                                .pick_arg = sp};
    sp->ids[0] = next;
    sp->n = 0;
    memset(sp->n_odds, 0, sizeof sp->n_odds);
    return sp->draft == NULL || r.most == 0
               ? RG_OK
               : sp->draft(sp->draft_arg, &r, sp->ids + 1, &sp->n, err);
}

rg_status api_speculation_draw(api_speculation *sp, size_t i, const float *logits, int32_t *id,
                               rg_error *err) {
    return i < sp->n && sp->n_odds[i] != 0 ? rg_sampler_judge(sp->sampler, logits, sp->ids[i + 1],
                                                              sp->odds[i], sp->n_odds[i], id, err)
                                           : rg_sampler_draw(sp->sampler, logits, NULL, id, err);
}
