#include "api/api_thought.h"

enum { PROMPT_END_TOKENS = 8 }; // looked at for reasoning that the prompt opens

bool raga_model_is_in_thought(const raga_model *m, const int32_t *ids, size_t n) {
    const size_t from = n > PROMPT_END_TOKENS ? n - PROMPT_END_TOKENS : 0;
    rg_buf text;
    if (m->tokenizer.tokenizer == NULL) {
        return false;
    }
    rg_buf_init(&text, rg_mem_heap(), 0);
    rg_tokenizer_join(m->tokenizer.tokenizer, ids + from, n - from, &text);
    const bool is_in = rg_dialect_is_in_thought(api_dialect(m), rg_buf_view(&text));
    rg_buf_clear(&text);
    return is_in;
}

rg_status api_thought_begin(api_thought *t, const raga_model *m, const int32_t *prompt, size_t n,
                            size_t budget, rg_error *err) {
    const rg_tokenizer *tok = m->tokenizer.tokenizer;
    rg_status status = RG_OK;
    rg_buf text;
    *t = (api_thought){.dialect = api_dialect(m), .budget = budget};
    rg_ids_init(&t->close, rg_mem_heap());
    rg_buf_init(&t->tail, rg_mem_heap(), 0);
    rg_buf_init(&text, rg_mem_heap(), 0);
    if (tok == NULL || t->dialect->think_close.size == 0) {
        status = rg_fail(err, RG_E_UNSUPPORTED,
                         "this model does not reason between markers: there is nothing to bound");
        goto done;
    }
    rg_buf_char(&text, '\n');
    rg_buf_str(&text, t->dialect->think_close);
    RG_TRY(rg_buf_check(&text, "a marker", err));
    RG_TRY(
        rg_tokenizer_encode(tok, rg_buf_view(&text), RAGA_TOKENIZE_PARSE_SPECIAL, &t->close, err));
    t->is_in = raga_model_is_in_thought(m, prompt, n);
    t->is_on = true;

done:
    rg_buf_clear(&text);
    return status;
}

void api_thought_end(api_thought *t) {
    if (t->dialect != NULL) {
        rg_ids_clear(&t->close);
        rg_buf_clear(&t->tail);
    }
}

int32_t api_thought_next(api_thought *t) {
    if (!t->is_on || !t->is_in || (!t->is_closing && t->n < t->budget)) {
        return -1;
    }
    t->is_closing = true;
    if (t->n_given == rg_ids_count(&t->close)) {
        t->is_in = t->is_on = false; // said, whether or not it was heard
        return -1;
    }
    return rg_ids_data(&t->close)[t->n_given++];
}

void api_thought_take(api_thought *t, rg_str bytes) {
    if (!t->is_on) {
        return;
    }
    const rg_str marker = t->is_in ? t->dialect->think_close : t->dialect->think_open;
    rg_buf_str(&t->tail, bytes);
    const bool has_marker = t->tail.data != NULL &&
                            memmem(t->tail.data, t->tail.size, marker.data, marker.size) != NULL;
    const bool is_blank = rg_call_trim(rg_buf_view(&t->tail)).size == 0;
    const bool may_open = rg_str_starts(marker, rg_call_trim(rg_buf_view(&t->tail)));
    if (t->is_in) {
        t->n++;
        t->is_on = !has_marker; // it opens once
        t->is_in = t->is_on;
        // a marker may come in pieces
        const size_t keep = marker.size < t->tail.size ? marker.size : t->tail.size;
        memmove(t->tail.data, t->tail.data + t->tail.size - keep, keep);
        t->tail.size = keep;
    } else if (has_marker) {
        t->is_in = true;
        t->tail.size = 0;
    } else if (!is_blank && !may_open) {
        t->is_on = false; // the answer has begun without it
    }
}
